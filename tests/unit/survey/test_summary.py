"""What a survey says of a folder: names of sources, numbers, and what became of other files."""

import gzip
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from fake_ocr import picture
from made_documents import docx, word_paragraph, xhtml
from text_samples import RUSSIAN, TATAR, numbered, write

from endonym.errors import MissingSource
from endonym.formats.config import Clean, Source
from endonym.survey import look, survey
from endonym.survey.chats import ChatFile
from endonym.survey.examination import Examined
from endonym.survey.findings import Example, findings_of
from endonym.survey.raw_files import FEW_FILES
from endonym.survey.survey import FOR_A_PHASE, ODD, PERSONS, Left, Survey, survey_texts

ASKED = "question,answer\nCât costă excursia?,Excursia costă douăzeci de lei.\n"


def test_each_source_is_named_by_its_file_or_folder_then_by_its_kind_or_what_is_around(
    tmp_path: Path,
) -> None:
    for n, name in enumerate(("бер/хикәя", "бер/җыр/хикәя", "ике/хикәя", "ике/җыр/хикәя")):
        write(tmp_path, f"{name}.txt", numbered(40, 100 * n))
    for n in range(2):
        write(tmp_path, f"бер/{n}.HTML", xhtml([*TATAR, str(n)]))
        write(tmp_path, f"бер/хатлар/{n}.docx", docx("".join(map(word_paragraph, TATAR[n:]))))
    for n in range(FEW_FILES + 1):
        text = "\n".join(numbered(5, 1_000 + 5 * n))
        (path := tmp_path / "көндәлек" / f"{n}.txt.gz").parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()))
        write(path.parent, f"{n}.jsonl", [f'{{"text": "{line}"}}' for line in text.splitlines()])
    found = survey_texts([tmp_path], tmp_path)
    assert {source.path: source.name for source, _ in found.sources} == {
        "бер/*.HTML": "бер-html",
        "бер/хатлар/*.docx": "хатлар-docx",
        "бер/хикәя.txt": "хикәя",
        "бер/җыр/хикәя.txt": "җыр-хикәя",
        "ике/хикәя.txt": "ике-хикәя",
        "ике/җыр/хикәя.txt": "җыр-хикәя-2",
        "көндәлек/*.jsonl": "көндәлек-jsonl",
        "көндәлек/*.txt.gz": "көндәлек",
    }


def test_names_of_sources_are_short_enough_for_a_recipe(tmp_path: Path) -> None:
    long = "бик озын исем " * 5
    for n in range(3):
        write(tmp_path, f"{n}/{long}{n}/{long}.txt", numbered(40, 100 * n))
        write(tmp_path, f"{long}/{n}.html", xhtml([*TATAR, str(n)]))
    found = survey_texts([tmp_path], tmp_path)
    begin, part = "бик_озын_исем_" * 4, "бик_озын_исем_" * 2
    assert {source.name for source, _ in found.sources} == {
        f"{begin}бик_",
        f"{part}-{part}",
        f"{part}-{part}-2",
        f"{begin[:48]}-html",
    }
    for source, _ in found.sources:
        Source.model_validate({"name": source.name, "path": "a"})


def test_all_numbers_of_a_folder_and_the_fate_of_each_file(
    tmp_path: Path, language_sentences: Callable[[str], list[str]]
) -> None:
    tatar = language_sentences("tatar")
    for name in ("a.txt", "б/a.txt"):
        write(tmp_path, name, tatar)
    write(tmp_path, "книга.txt", RUSSIAN * 3)
    rows = [f'{n},"{text}"' for n, text in enumerate(tatar)]
    write(tmp_path, "rows.csv", ["id,text", *rows, "1,бер,ике"])
    write(tmp_path, "chats.csv", ASKED)
    write(tmp_path, "иске.doc", bytes(range(256)) * 4)
    write(tmp_path, "буш.txt", "")
    found = survey_texts([tmp_path], tmp_path, language="tt")
    told = found.as_dict()
    (lost,) = told.pop("unreadable").items()
    assert (lost[0], 0 < lost[1] < 0.1) == ("rows", True)
    (_, why), *_ = told["odd"]
    assert told.pop("bytes") == pytest.approx(3 * len("\n".join(tatar).encode()), rel=0.05)
    skipped = {Path(name).name: why for name, why in told.pop("left_out")}
    assert {name: why.partition(":")[0] for name, why in skipped.items()} == {
        "chats.csv": skipped["chats.csv"].partition(":")[0],
        "иске.doc": ".doc files are not read",
        "буш.txt": "empty file",
    }
    assert told == {
        "files": 7,
        "documents": 3 * len(tatar),
        "encodings": {"utf-8": 3},
        "not_read": {".doc": 1},
        "odd": [("книга.txt", why)],
        "persons": [],
        "doubt": "",
    }
    assert {(fate, Path(names).name) for fate, names, _ in found.by_reason} == {
        ("conversations", "chats.csv"),
        ("left out", "иске.doc"),
        ("left out", "буш.txt"),
    }
    assert (found.used, found.chat_files[0].found) == (3, 1)
    assert found.exclude() == ["*.doc", "буш.txt", "chats.csv", "книга.txt"]


def test_pictures_are_read_by_a_pack_of_the_language_that_is_named_or_guessed(
    tmp_path: Path, language_sentences: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def pack_for(_: object, language: str, texts: str, *__: object) -> tuple[str, str]:
        asked.append(language)
        assert RUSSIAN[0] not in texts
        assert TATAR[0] in texts
        return "", "no pack"

    monkeypatch.setattr(look, "pack_for", pack_for)
    write(tmp_path, "a.txt", [*TATAR, *language_sentences("tatar") * 5, *RUSSIAN])
    write(tmp_path, "b.png", picture(TATAR[0]))
    monkeypatch.setattr(survey, "LETTERS_DOCUMENTS", 20)
    for language in ("", "ro"):
        survey_texts([tmp_path], tmp_path, language=language)
    assert asked == ["tt", "ro"]


def test_conversations_alone_are_no_texts_and_the_error_says_when_they_are_learnt(tmp_path: Path):
    path = write(tmp_path, "chats.csv", ASKED)
    for name, said in (("chats.csv", True), ("a.bin", False)):
        with pytest.raises(MissingSource, match="no text that can be read\n    ") as caught:
            survey_texts([path.with_name(name)], tmp_path)
        assert caught.value.where == str(tmp_path / name)
        assert caught.value.do.endswith("Conversations are learnt after them.") is said
        write(tmp_path, "a.bin", bytes(range(256)) * 20)


def test_what_waits_is_said_by_names_or_if_it_is_much_by_kinds_and_stands_first() -> None:
    bad = ChatFile(Path("t/c.csv"), "t/c.csv", None, "15% of its conversations are broken")
    words = {f"t/{n}.{kind}": "" for n in range(3) for kind in ("docx", "DOC")[: 1 + n // 2]}
    pictures = {f"t/{n}.{kind}": "" for n in range(30) for kind in ("png", "JPG")[: 1 + n % 2]}
    skipped = [("t/a.bin", "no text"), ("t/b.csv", "may be"), ("t/c.csv", "may be")]
    skipped += [(path, "install lxml") for path in words]
    skipped += [(path, "install Tesseract") for path in pictures]
    found = Survey(
        skipped=skipped,
        libraryless=words,
        pictures=pictures,
        chat_files=[ChatFile(Path("t/b.csv"), "t/b.csv", None), bad],
    )
    assert found.awaited == {
        "libraryless": "4 files (0.docx, 1.docx, 2.docx and 2.DOC): install lxml",
        "pictures": "45 files (30 .png and 15 .jpg): install Tesseract",
    }
    assert found.by_reason == [
        ("not read yet", "t/0.docx, t/1.docx, t/2.docx, t/2.DOC", "install lxml"),
        ("not read yet", ", ".join(pictures), "install Tesseract"),
        ("left out", "t/a.bin", "no text"),
        ("conversations", "t/b.csv", FOR_A_PHASE),
        ("left out", "t/c.csv", "15% of its conversations are broken"),
    ]
    assert Survey().awaited == {}


def test_what_is_left_out_is_a_share_of_all_text_by_its_kind() -> None:
    left = [Left(ODD, "a [1].txt", "", 30, None), Left(PERSONS, "т/b.txt", "", 20, None)]
    found = Survey(left=left, text_bytes=90, foreign=Counter({".doc": 2, "no extension": 9}))
    assert found.left_as(ODD) == (left[:1], 30, 0.25)
    assert found.left_as(PERSONS) == (left[1:], 20, 20 / 110)
    assert found.exclude() == ["*.doc", "a [[]1].txt", "b.txt"]


def test_files_that_are_left_out_are_findings_by_what_a_person_can_do_about_them() -> None:
    left = [Left(ODD, f"{n}.txt", "French", 10, None) for n in range(3)]
    left += [Left(PERSONS, "7a.txt", "a list of persons", 10, None)]
    chats = [ChatFile(Path(f"t/{name}.csv"), f"t/{name}.csv", None, found=3) for name in "ab"]
    chats[1].problem = "15% of its conversations are broken"
    skipped = [(f"t/{n}.png", "install Tesseract") for n in range(2)]
    skipped += [("t/c.rtf", "install lxml"), ("t/буш.txt", "empty"), ("t/x.bin", "binary")]
    skipped += [("t/a.csv", "may be"), ("t/b.csv", "may be"), ("t/иске.doc", "not read")]
    skipped += [("t/y.bin", "binary")]
    made = Survey(files=20, text_bytes=70, left=left, skipped=skipped, chat_files=chats)
    made.pictures, made.libraryless = {"t/0.png": "", "t/1.png": ""}, {"t/c.rtf": ""}
    made.no_texts, made.chats = {"t/буш.txt": ""}, {"t/a.csv": "", "t/b.csv": ""}
    made.convertible = ["иске.doc"]
    found = findings_of(Examined(Clean()), [], made, samples=2, packages="")
    assert [
        (each.name, each.count, each.share, each.severity, each.groups, [*places(each.examples)])
        for each in found
    ] == [
        (ODD, 3, 0.3, "serious", [], ["0.txt: French", "1.txt: French"]),
        (
            *("unread_files", 3, 0.15, "serious", [("binary", 2), ("not read", 1)]),
            ["t/иске.doc: not read", "t/x.bin: binary"],
        ),
        ("pictures", 2, 0.1, "serious", [], ["t/0.png: ", "t/1.png: "]),
        (PERSONS, 1, 0.05, "mended", [], ["7a.txt: a list of persons"]),
        ("libraryless", 1, 0.05, "serious", [], ["t/c.rtf: "]),
        (
            *("conversations", 2, 0.1, "small", []),
            ["t/a.csv: may be", f"t/b.csv: {chats[1].problem}"],
        ),
        ("no_texts", 1, 0.05, "small", [], ["t/буш.txt: empty"]),
    ]
    assert {each.total for each in found} == {20}
    meanings = {each.name: each.meaning for each in found}
    assert (
        "They were left out: 2 files (0.png and 1.png): install Tesseract."
        in (meanings["pictures"])
    )
    assert meanings["conversations"].startswith("1 file, 3 conversations. They are no texts")
    (recipe,) = [each.recipe for each in found if each.name == "conversations"]
    assert recipe.endswith('\ndata = "t/a.csv"')
    chats[0].problem = chats[1].problem
    (alone,) = findings_of(
        Examined(Clean()),
        [],
        Survey(skipped=skipped[5:7], chats=made.chats, chat_files=chats),
        samples=1,
        packages="",
    )
    assert (alone.meaning.partition(" They")[0], alone.recipe) == ("No phase can read them.", "")
    assert len(alone.examples) == 1


def places(examples: Iterable[Example]) -> Iterable[str]:
    """Where examples stand, and why."""
    return (f"{each.place}: {each.why}" for each in examples)
