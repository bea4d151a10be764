"""Lists of persons, such as pupils with telephone numbers, are left out; other texts are not."""

import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as arrow
import pytest
from made_documents import docx, word_paragraph
from pyarrow import parquet
from text_samples import TATAR, write

from endonym.commands.filled import filled
from endonym.commands.new import describe_survey
from endonym.log import Log
from endonym.pipeline.sources import names as is_named
from endonym.survey.look import look, persons
from endonym.survey.survey import PERSONS, look_through, survey_texts

NAMES = ("Айгөл", "Тимур", "Алсу", "Рөстәм", "Ләйсән", "Илдар")
PHONES = tuple(f"8-917-234-56-{n}" for n in range(10, 16))
PUPILS = [
    f"{n}. Галиева {name}, 7А, {phone}"
    for n, (name, phone) in enumerate(zip(NAMES, PHONES, strict=True), 1)
]
CELLS = [cell for row in PUPILS for cell in ("1", *row.split(", "))]


ROWS = [{"исем": f"Галиева {n}", "тел": p} for n, p in zip(NAMES, PHONES, strict=True)]
TABLE = ["исем,тел", *(f"{row['исем']},{row['тел']}" for row in ROWS)]


def parquet_of(rows: list[dict[str, str]]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(arrow.Table.from_pylist(rows), file)
    return file.getvalue()


def cells_of(rows: Sequence[str]) -> bytes:
    return docx("".join(map(word_paragraph, rows)))


@pytest.mark.parametrize(
    ("name", "content", "language"),
    [
        ("укучылар.txt", "7 сыйныф укучылары\n" + "\n".join(PUPILS), "tt"),
        (
            "ике юл.txt",
            "\n\n".join(f"Галиева {n}\n{p}" for n, p in zip(NAMES, PHONES, strict=True)),
            "tt",
        ),
        ("таблица.docx", cells_of(CELLS), "tt"),
        (
            "parents.txt",
            "\n".join(f"{n} MARTIN, p{n}@mail.fr, 06 12 34 56 7{n}" for n in range(7)),
            "fr",
        ),
        ("укучылар.csv.gz", gzip.compress("\n".join(TABLE).encode()), "tt"),
        ("укучылар.csv", "\n".join(TABLE).encode("utf-16"), "tt"),
        ("укучылар.tsv", "\n".join(TABLE).replace(",", "\t"), "tt"),
        ("ике багана.csv", "\n".join(TABLE).replace(",", ";"), "tt"),
        ("укучылар.jsonl", "\n".join(map(json.dumps, [*ROWS, [1]])), "tt"),
        (
            "укучылар.parquet",
            parquet_of([row | {"исем": f"{row['исем']} Рөстәмовна"} for row in ROWS]),
            "tt",
        ),
        (
            "សិស្ស.csv",
            "ឈ្មោះ,ទូរស័ព្ទ\n" + "\n".join(f"សុខ ចាន់,012 345 67{n}" for n in range(8)),
            "km",
        ),
    ],
)
def test_a_list_of_persons_is_told(
    tmp_path: Path, name: str, content: str | bytes, language: str
) -> None:
    assert persons(look(write(tmp_path, name, content), 20_000), language)


def khmer(n: int, letters: int = 3) -> list[str]:
    """Rows of so many words, all of these unlike, of so many letters, with a number."""
    consonants = "កខគឃងចឆជឈញដឋឌឍណតថទធនបផពភមយរលវសហឡ"
    words = [each + "ក" * (letters - 1) for each in consonants]
    return [f"{' '.join(words[i * n :][:n])} 012 345 67{i}" for i in range(6)]


def with_phones(*begins: str) -> list[list[str]]:
    """For each beginning a list of lines that begin so, with telephone numbers behind it."""
    return [[f"{begin}{phone}" for phone in PHONES] for begin in begins]


@pytest.mark.parametrize(
    ("rows", "others", "language"),
    [
        (PUPILS[:5], PUPILS[:4], "tt"),
        ([*PUPILS[:5], *"1" * 25], [*PUPILS[:5], *"1" * 26], "tt"),
        (*([f"{p} {'Галиева ' * 30}"[:n] for p in PHONES] for n in (160, 161)), "tt"),
        (*with_phones("яңа " * 6, "яңа " * 7), "tt"),
        (*with_phones("Алсу Айгөл зур яңа " * 2, f"{'Алсу Айгөл зур яңа ' * 2} ак "), "tt"),
        (*with_phones("китап ", "китабы "), "tt"),
        (*([*with_phones("яңа ")[0], *[f"китабы {PHONES[0]}"] * n] for n in (6, 7)), "tt"),
        (*with_phones("Алсу Яруллина, укытучы, ", "Казан китабы "), "tt"),
        ([f"Галиева {name}, {n}@mail.ru" for n, name in enumerate(NAMES)], [*NAMES], "tt"),
        (khmer(4), khmer(5), "km"),
        (khmer(1, 15), khmer(1, 16), "km"),
    ],
)
def test_a_list_of_persons_has_enough_short_rows_of_which_most_are_names(
    tmp_path: Path, rows: list[str], others: list[str], language: str
) -> None:
    told, untold = (
        persons(look(write(tmp_path, "a.txt", "\n".join(lines)), 20_000), language)
        for lines in (rows, others)
    )
    n_rows = len([each for each in rows if each != "1"])
    assert told == f"a list of persons: {n_rows} of {len(rows)} lines hold personal data"
    assert untold == ""


@pytest.mark.parametrize(
    "lines",
    [
        *([*PUPILS, *(f"{line} {line} {line}" for line in (TATAR * 9)[:n])] for n in (20, 90)),
        [f"Сатыла: {line.lower()} {line.lower()} шалтыратыгыз {PHONES[0]}" for line in TATAR * 2],
        [f"Галиева {name}" for name in NAMES],
        TATAR,
        [f"{n} нче шәһәр китапханәсе, {phone}" for n, phone in enumerate(PHONES)],
        [f"សូមទូរស័ព្ទមកលេខ {phone} ដើម្បីបានព័ត៌មាន" for phone in PHONES],
        [f"يمكنكم الاتصال بنا على الرقم {phone}" for phone in PHONES],
    ],
)
def test_prose_with_numbers_adverts_and_names_alone_are_texts(
    tmp_path: Path, lines: list[str]
) -> None:
    assert not persons(look(write(tmp_path, "a.txt", "\n".join(lines)), 20_000), "tt")


def test_a_list_of_persons_is_a_comment_that_can_be_used_unless_there_is_nothing_else(
    tmp_path: Path,
) -> None:
    path = write(tmp_path, "texts/укучылар.txt", "\n".join(PUPILS))
    assert survey_texts([path], tmp_path, language="tt", log=Log(quiet=True)).left == []
    alone = look_through([path], tmp_path, language="tt", taken=["хикәя"])  # has other sources
    assert (alone.sources, [each.path for each in alone.left]) == ([], ["texts/укучылар.txt"])
    write(tmp_path, "texts/хикәя.txt", "\n".join(TATAR * 9))
    found = survey_texts([path.parent], tmp_path, language="tt", log=Log(quiet=True))
    assert [source.path for source, _ in found.sources] == ["texts/хикәя.txt"]
    assert [(each.kind, each.path) for each in found.left] == [(PERSONS, "texts/укучылар.txt")]
    given = [path.parent, write(tmp_path, "яз/укучылар.txt", TATAR * 9)]
    same = survey_texts(given, tmp_path, language="tt")
    assert [source.name for source, _ in same.sources] == ["хикәя", "яз-укучылар"]
    written = filled("sources.txt", survey=found)
    assert '# [[source]]\n# name = "укучылар"\n# path = "texts/укучылар.txt"' in written
    assert "another language" not in written
    parents = [f"Jean MARTIN, p{n}@mail.fr, 06 12 34 56 {n}" for n in range(10, 60)]
    write(tmp_path, "texts/parents.txt", "\n".join(parents))
    found = survey_texts([path.parent], tmp_path, language="tt")
    assert [each.kind for each in found.left] == [PERSONS, PERSONS]


def test_all_of_many_lists_of_persons_are_counted_named_and_not_taken_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"7 сыйныф {n}.txt" for n in range(30)]
    paths = [write(tmp_path, f"texts/{name}", "\n".join(PUPILS)) for name in names]
    write(tmp_path, "texts/яз.txt", TATAR * 9)
    found = look_through(
        [paths[0].parent], tmp_path, language="tt", taken=["хикәя"], log=Log(quiet=True)
    )
    assert len(found.left_as(PERSONS)[0]) == len(found.as_dict()["persons"]) == len(names)
    assert {*names} <= {*found.exclude()}
    written = filled("sources.txt", survey=found)
    assert (
        written.count("# [[source]]"),
        [*filter(lambda path: not is_named(written, path), paths)],
    ) == (5, [])
    describe_survey(found, "tt", tmp_path, Log())
    assert "and 22 more lists of persons" in capsys.readouterr().err
