import pytest

from minires.errors import RunError
from minires.runs import read_history, write_history
from minires.train import Row

ROWS = [
    Row(0, "plain20", 45, 1.0, 0.01, 2.1 / 3, 100 / 3, 58.25, 1.5),
    Row(1, "resnet110", 64000, 163.69, 0.0001, 1e-9, 0.0, 6.43, 12345.678),
]


def test_rows_come_back_to_the_bit(tmp_path):
    write_history(tmp_path / "history.csv", ROWS)
    assert read_history(tmp_path / "history.csv") == ROWS


def test_the_columns_stay_as_they_are(tmp_path):
    write_history(tmp_path / "history.csv", ROWS)
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0] == "seed,net,iteration,epoch,lr,train_loss,train_error,test_error,seconds"
    assert lines[1].startswith("0,plain20,45,1,0.01,0.7000000000000001,33.333333333333336,58.25,")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0,plain20,45,1,0.01,0.7,33,58", "line 3: 8 cells, expected 9"),
        ("0,plain20,45,1,0.01,0.7,33,58,1,9", "line 3: 10 cells, expected 9"),
        ("0,plain20,forty,1,0.01,0.7,33,58,1", "line 3.*forty"),
        *(
            (f"0,plain20,90,2,{lr},{loss},33,{error},1", f"line 3: {name} is {value}, expected")
            for lr, loss, error, name, value in [
                ("0.1", "nan", "58", "train_loss", "nan"),
                ("0.1", "-inf", "58", "train_loss", "-inf"),
                ("1e999", "2", "58", "lr", "inf"),
                ("0.1", "2", "100.5", "test_error", "100.5"),
                ("0.1", "2", "-1", "test_error", "-1.0"),
            ]
        ),
        (f"{2**63},plain20,90,2,0.1,2,33,58,1", f"line 3: seed is {2**63}, expected a finite"),
        ("0,plain20,-1,2,0.1,2,33,58,1", "line 3: iteration is -1, expected 0 to inf"),
        ("0," + "x" * 200_000 + ",1,1,0.01,0.7,33,58,1", "line 3: field larger"),
    ],
)
def test_an_altered_line_raises_with_its_number(tmp_path, line, reason):
    path = tmp_path / "history.csv"
    write_history(path, ROWS[:1])
    (tmp_path / "history.csv.sha256").unlink()  # which would find it first
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(RunError, match=reason):
        read_history(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not a history: its first line must be seed,net,iteration"),
        (b"epoch,loss\n", "is not a history: its first line must be seed,net,iteration"),
        (b"\xff\xfe\x00", "cannot be read: 'utf-8'"),
    ],
)
def test_another_file_raises(tmp_path, content, reason):
    (tmp_path / "history.csv").write_bytes(content)
    with pytest.raises(RunError, match=reason):
        read_history(tmp_path / "history.csv")


def test_a_missing_history_raises(tmp_path):
    with pytest.raises(RunError, match="cannot be read"):
        read_history(tmp_path / "history.csv")
