from minires.runs.markdown import markdown_table


def test_a_table_has_its_columns_a_rule_and_its_rows():
    assert markdown_table(["net", "error"], [("plain20", "5 %"), ("a|b", "")]) == (
        "| net | error |\n| --- | --- |\n| plain20 | 5 % |\n| a\\|b |  |"
    )
