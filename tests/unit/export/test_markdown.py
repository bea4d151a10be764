"""Tables of a README."""

from endonym.export.markdown import table


def test_the_first_column_is_left_aligned_and_no_cell_breaks_the_table():
    assert table(["source", "documents"], [["a|б", "12"]]) == (
        "| source | documents |\n| --- | --: |\n| a∣б | 12 |"
    )
