"""Tables with a text column."""

import csv
import io
import tracemalloc
from pathlib import Path

import pytest
from strange_files import FILES
from text_samples import PERSIAN, ROMANIAN, TATAR, in_cp1256, kept, reasons, records, refused, write


def table(rows: list[list[str]], **style: str) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, **style).writerows(rows)
    return buffer.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_column_is_found_by_name_whatever_separates_them(tmp_path: Path, delimiter: str):
    rows = [["id", "mətn", "n"]] + [[str(n), text, "1"] for n, text in enumerate(ROMANIAN)]
    path = write(tmp_path, "a.csv", table(rows, delimiter=delimiter))
    assert kept(records(path, column="mətn")) == ROMANIAN


def test_text_is_the_column_if_none_is_named(tmp_path: Path):
    path = write(tmp_path, "a.csv", table([["id", "text"], ["1", TATAR[0]]]))
    assert kept(records(path)) == TATAR[:1]


def test_the_script_of_a_table_decides_on_its_encoding(tmp_path: Path):
    data = in_cp1256("\n".join(["text", *PERSIAN]))
    found = records(write(tmp_path, "a.tsv", data), script="arabic")
    assert ["text", *kept(found)] == data.decode("cp1256").split("\n")
    assert {each.meta["encoding"] for each in found} == {"cp1256"}
    assert not kept(records(tmp_path / "a.tsv"))


def test_the_only_column_needs_no_name(tmp_path: Path):
    path = write(tmp_path, "a.tsv", ["sentence", *TATAR])
    assert kept(records(path)) == TATAR


def test_a_number_picks_a_column_of_a_table_without_header(tmp_path: Path):
    path = write(tmp_path, "a.tsv", [f"{n}\t{text}" for n, text in enumerate(TATAR)])
    assert kept(records(path, column=2)) == TATAR


def test_a_quoted_field_may_hold_commas_quotes_and_line_ends(tmp_path: Path):
    text = 'Ул әйтте: "Кил, кил",\nә мин\n\nкөлдем.'
    path = write(tmp_path, "a.csv", table([["text", "n"], [text, "1"], [TATAR[0], "2"]]))
    found = records(path)
    assert kept(found) == [text, TATAR[0]]
    assert [document.id for document in found] == ["a.csv#2", "a.csv#6"]


def test_a_quote_in_a_tsv_is_a_letter_like_any_other(tmp_path: Path):
    path = write(tmp_path, "a.tsv", ["n\ttext", f'1\t"{TATAR[0]}', f'2\t{TATAR[1]}"'])
    assert kept(records(path)) == [f'"{TATAR[0]}', f'{TATAR[1]}"']


def test_a_broken_row_is_refused_by_line(tmp_path: Path):
    path = write(tmp_path, "a.csv", ["id,text", f"1,{TATAR[4]}", "2,a,b", "3", f"4,{TATAR[5]}"])
    found = records(path)
    assert kept(found) == [TATAR[4], TATAR[5]]
    assert reasons(found) == {"bad_row": 2}
    assert "line 3: the row has 3 columns, not 2" in refused(found)[0].detail


def test_a_quote_that_is_never_closed_costs_its_own_line_only(tmp_path: Path):
    path = write(tmp_path, "a.csv", ["id,text", '1,"open', f"2,{TATAR[4]}", f"3,{TATAR[5]}"])
    found = records(path)
    assert kept(found) == TATAR[4:]
    assert "do not close" in refused(found)[0].detail


def test_quotes_that_close_in_the_wrong_place_cost_their_own_line_only(tmp_path: Path):
    path = write(tmp_path, "a.csv", ["text,n", f'a" {TATAR[4]},1', f"{TATAR[5]},2", 'b",3'])
    assert kept(records(path)) == [TATAR[5]]


def test_a_table_without_the_column_is_refused_with_the_columns_it_has(tmp_path: Path):
    path = write(tmp_path, "a.csv", ["id,sentence,n", f"1,{TATAR[4]},2"])
    (refusal,) = records(path)
    assert refusal.reason == "no_column"
    assert "id, sentence, n" in refusal.detail
    assert refusal.raw_bytes == path.stat().st_size - 1


def test_a_field_longer_than_the_csv_modules_own_limit_is_read(tmp_path: Path):
    text = " ".join(TATAR * 1_000)
    assert kept(records(write(tmp_path, "a.csv", table([["text"], [text]])))) == [text]


@pytest.mark.parametrize(("name", "delimiter"), [("columns.tsv", "\t"), ("columns.csv", ",")])
def test_a_row_of_a_million_columns_is_refused_alone(tmp_path: Path, name: str, delimiter: str):
    """As letters the file takes 18 MB; split into fields it would take a hundred."""
    path = write(tmp_path, name, FILES[name]() + f"{TATAR[4]}{delimiter}1\n")
    tracemalloc.start()
    found = records(path)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept(found) == [TATAR[4]]
    (refusal,) = refused(found)
    assert refusal.reason == "bad_row"
    assert refusal.detail == "line 2: the row has more than 10,000 columns"
    assert held < 40e6
    assert reasons(records(path, column=1)) == {"bad_row": 1}


@pytest.mark.parametrize("first", ["sep=;", "SEP=|", "sep=\t", "\ufeffsep=;"])
def test_a_first_line_may_name_the_delimiter_as_excel_writes_it(tmp_path: Path, first: str):
    rows = [["id, n", "text"], *([str(n), f"{text}, {n}"] for n, text in enumerate(ROMANIAN))]
    content = f"\n{first}\r\n" + table(rows, delimiter=first[-1])
    content = content if first[0] == "s" else content.lstrip()
    found = records(write(tmp_path, "a.csv", content))
    assert kept(found) == [row[1] for row in rows[1:]]
    assert found[0].id == ("a.csv#4" if content[0] == "\n" else "a.csv#3")


def test_only_the_first_line_names_the_delimiter(tmp_path: Path):
    path = write(tmp_path, "a.csv", ["text", "Кояш чыкты.", "sep=;", "sep=;"])
    assert kept(records(path)) == ["Кояш чыкты.", "sep=;", "sep=;"]
    assert kept(records(write(tmp_path, "b.csv", ["sep=a", "aәни"]), column=1)) == ["sep=a", "aәни"]
