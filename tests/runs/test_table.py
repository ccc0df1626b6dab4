from dataclasses import dataclass

import pytest

from minires.errors import RunError
from minires.runs.table import columns, read_table, table


@dataclass(frozen=True)
class Line:
    name: str
    count: int
    value: float


def test_a_table_has_its_columns_first_and_quotes_what_has_commas():
    rows = [{"a": 1, "b": "x, y"}, {"a": "He × 3", "b": True}]
    assert table(["a", "b"], rows).decode() == 'a,b\n1,"x, y"\nHe × 3,True\n'


def test_a_name_that_cannot_be_encoded_is_written_all_the_same():
    assert table(["a"], [{"a": "b\udcffc"}]) == b"a\nb\\udcffc\n"


def test_what_is_written_is_read_back_to_the_bit(tmp_path):
    lines = [Line("x, y", 3, 0.1 + 0.2), Line('"He × 3"', -1, 1e-300)]
    (tmp_path / "a.csv").write_bytes(table(columns(Line), (vars(line) for line in lines)))
    assert read_table(tmp_path / "a.csv", Line, "a table of lines") == lines


def test_a_table_without_rows_is_its_first_line(tmp_path):
    (tmp_path / "a.csv").write_bytes(table(columns(Line), []))
    assert (tmp_path / "a.csv").read_text() == "name,count,value\n"
    assert read_table(tmp_path / "a.csv", Line, "a table of lines") == []


def test_another_table_raises(tmp_path):
    (tmp_path / "a.csv").write_text("name,count\nx,1\n")
    with pytest.raises(RunError, match=r"a\.csv is not a table of lines: its first line must be"):
        read_table(tmp_path / "a.csv", Line, "a table of lines")
