from pathlib import Path

from minires.runs.markdown import fill_template, markdown_table


def test_a_table_has_its_columns_a_rule_and_its_rows():
    assert markdown_table(["net", "error"], [("plain20", "5 %"), ("a|b", "")]) == (
        "| net | error |\n| --- | --- |\n| plain20 | 5 % |\n| a\\|b |  |"
    )


def test_a_template_is_filled_and_its_conditional_paragraphs_are_kept_where_they_hold(tmp_path):
    (tmp_path / "t.md").write_text(
        "# {name}\n\n[seen] {count:,} were seen\nby {name}.\n\n[not a field] {table}\n"
        "\n[place.stem] {place.name}\n"
    )
    filled = {"name": "a {b}", "count": 1200, "table": "| x |\n| y |", "place": Path("a.md")}
    table = "[not a field] | x |\n| y |\n\na.md\n"
    assert fill_template(tmp_path / "t.md", seen=0, **filled) == f"# a {{b}}\n\n{table}"
    assert fill_template(tmp_path / "t.md", seen=0, **filled).count("seen") == 0
    seen = "1,200 were seen\nby a {b}."
    assert fill_template(tmp_path / "t.md", seen=[1], **filled) == f"# a {{b}}\n\n{seen}\n\n{table}"
