"""What people really have on disk: every case ends in a sentence and the right exit code."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RECIPE = """\
name = "texts"
language = "tt"

[[source]]
name = "texts"
path = "texts"
{source}

[clean]
{clean}

[tokenizer]
vocab = 300

[[phase]]
steps = 4
"""

Try = Callable[..., Any]


@pytest.fixture
def attempt(tmp_path: Path, command: Callable[..., Any]) -> Try:
    """Writes texts and a recipe, makes the corpus, and gives the answer of `--json`."""

    def run(files: dict[str, bytes | str], source: str = "", clean: str = "", code: int = 1) -> Any:
        for name, content in files.items():
            path = tmp_path / "texts" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(RECIPE.format(source=source, clean=clean), encoding="utf-8")
        said = command("run", recipe, "--store", tmp_path / "store", "--until", "corpus", "--json")
        assert said.code == code, said.err
        whole = [path for path in (tmp_path / "store").glob("corpus/*") if path.suffix != ".part"]
        assert bool(whole) == (code == 0)
        return said.json() if code == 0 else said.json()["error"] | {"warned": said.err}

    return run


@pytest.fixture
def tatar(language_sentences: Callable[[str], list[str]]) -> str:
    """Sentences, one a line."""
    return "\n".join(language_sentences("tatar")) + "\n"


def test_a_path_that_is_not_there_is_a_wrong_request_with_its_line(
    attempt: Try, tmp_path: Path
) -> None:
    error = attempt({}, code=2)
    assert error["kind"] == "MissingSource"
    assert error["where"] == f"{tmp_path / 'recipe.toml'}:6"
    assert 'path = "texts"' in error["message"]


def test_an_empty_folder_is_a_wrong_request(attempt: Try, tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    error = attempt({}, code=2)
    assert error["kind"] == "MissingSource"
    assert "there is no file here" in error["message"]


def test_texts_that_are_all_dropped_are_told_by_reason(attempt: Try, tatar: str) -> None:
    error = attempt({"a.txt": tatar}, 'document = "line"', "min_chars = 5_000")
    assert error["kind"] == "CorpusError"
    assert error["message"].split()[-2:] == ["22", "min_chars"]


def test_one_document_leaves_nothing_to_hold_out(attempt: Try, tatar: str) -> None:
    error = attempt({"a.txt": tatar})
    assert error["kind"] == "CorpusError"
    assert "documents left: 1" in error["message"]
    assert '"blank_lines"' in error["do"]


def test_a_text_of_one_character_is_one_document(attempt: Try) -> None:
    assert "documents left: 1" in attempt({"a.txt": "ә"})["message"]


@pytest.mark.parametrize("content", ["", "\n\n", " \t\n", "\ufeff"])
def test_files_without_text_leave_nothing(attempt: Try, content: str) -> None:
    error = attempt({"a.txt": content})
    assert error["kind"] == "CorpusError"
    assert "no document is left" in error["message"]


def test_an_empty_file_beside_others_does_no_harm(attempt: Try, tatar: str) -> None:
    attempt({"a.txt": "", "b.txt": tatar}, 'document = "line"', code=0)


def test_an_encoding_that_the_recipe_names_wrongly_is_said(attempt: Try, tatar: str) -> None:
    texts = {"a.txt": tatar.encode("cp1251", "ignore")}
    error = attempt(texts, 'encoding = "utf-8"', "max_unreadable = 0")
    assert error["kind"] == "SourceError"
    assert "the run will end for" in error["warned"]
    assert "invalid_utf8" in error["message"]
    assert "a.txt" in error["message"]
    assert "`encoding`" in error["do"]


def test_another_encoding_that_the_recipe_names_is_read(attempt: Try, tatar: str) -> None:
    settings = 'encoding = "utf-16"\ndocument = "line"'
    attempt({"a.txt": tatar.encode("utf-16")}, settings, code=0)


def test_a_cut_gzip_file_is_said_with_its_name(attempt: Try, tatar: str) -> None:
    data = gzip.compress(tatar.encode(), mtime=0)
    error = attempt({"a.txt.gz": data[: len(data) // 2]}, 'document = "line"')
    assert error["kind"] == "SourceError"
    assert "truncated" in error["message"]
    assert "a.txt.gz" in error["message"]


def test_a_cut_gzip_file_is_read_as_far_as_it_goes_if_that_is_allowed(
    attempt: Try, tatar: str, tmp_path: Path, command: Callable[..., Any]
) -> None:
    data = gzip.compress(tatar.encode(), mtime=0)
    attempt({"a.txt.gz": data[:-20]}, 'document = "line"', "max_unreadable = 1.0", code=0)
    said = command(
        "look", "texts", "--dropped", "truncated", "--store", tmp_path / "store", "--json"
    )
    assert [each["reason"] for each in said.json()["rejects"]] == ["truncated"]


def test_json_lines_that_are_none_are_told_by_reason(attempt: Try) -> None:
    lines = ['{"text": "Таң атканда"', "[1]", '{"title": "Китап"}', '{"text": 5}', "сүз"]
    error = attempt({"a.jsonl": "\n".join(lines * 3)})
    assert error["kind"] == "SourceError"
    for reason in ("bad_json", "not_object", "no_text_field", "text_not_string"):
        assert reason in error["message"]


def test_one_broken_line_among_many_is_a_reject_and_no_error(
    attempt: Try, language_sentences: Callable[[str], list[str]], tmp_path: Path, command: Any
) -> None:
    texts = language_sentences("tatar") + language_sentences("romanian")
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    attempt({"a.jsonl": "\n".join([*lines, "{"]) + "\n"}, code=0)
    said = command("look", "texts", "--dropped", "all", "--store", tmp_path / "store", "--json")
    (reject,) = said.json()["rejects"]
    assert (reject["reason"], reject["source"]) == ("bad_json", "texts")
    assert f"line {len(texts) + 1}" in reject["detail"]


def test_a_format_that_is_not_read_is_said_with_those_that_are(attempt: Try) -> None:
    error = attempt({"a.djvu": b"AT&TFORM"})
    assert error["kind"] in ("CorpusError", "SourceError")
    assert "unsupported_format" in error["message"]


def test_a_line_of_twenty_megabytes_is_a_document_like_any_other(
    attempt: Try, tatar: str, language_sentences: Callable[[str], list[str]], tmp_path: Path
) -> None:
    words = " ".join(language_sentences("french"))
    line = words * (20_000_000 // len(words.encode()) + 1)
    attempt({"a.txt": f"{line}\n{tatar}"}, 'document = "line"', code=0)
    (card,) = (tmp_path / "store" / "corpus").glob("*/card.json")
    read = json.loads(card.read_text(encoding="utf-8"))["total"]["read"]
    assert read["records"] == 23
    assert read["bytes"] > 20_000_000
