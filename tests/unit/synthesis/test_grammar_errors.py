"""Mistakes in grammars: each is refused when it is loaded, with what, where and what to do."""

from pathlib import Path

import pytest

from endonym.errors import RecipeError
from endonym.synthesis import plot
from endonym.synthesis.grammar import Grammar


def refused(path: Path, text: str = "") -> RecipeError:
    """The error about a grammar."""
    if text:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        Grammar.load(path)
    return caught.value


def test_of_a_long_template_the_beginning_is_shown(tmp_path: Path) -> None:
    for length, shown in ((96, "е" * 96 + "{C}{"), (97, "е" * 97 + "{C…")):
        text = f'lines = [{{ text = "{"е" * length}{{C}}{"{"}" }}]'
        assert refused(tmp_path / "grammar.toml", text).message.endswith(f", in “{shown}”.")


def letters_of(length: int) -> str:
    """A grammar whose lines have at most so many characters."""
    return f"""
    words.a = "ана әби"
    cast.A.words = "a"
    lines = [{{ text = "{{b}}[-|{"-" * 9}]{{A}}" }}]
    blocks.b = ["да", "{{c}}{{c}}"]
    blocks.c = "{"е" * ((length - 12) // 2)}"
    """


def test_a_grammar_whose_texts_may_be_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grammar.toml"
    path.write_text(letters_of(100_000), encoding="utf-8")
    assert Grammar.load(path).casts == 2
    error = refused(path, letters_of(100_002))
    assert error.message.startswith("lines: its text may have more than 100,000 characters")
    doubled = "".join(f'b{i} = ["", "{{b{i + 1}}}{{b{i + 1}}}"]\n' for i in range(25))
    words = 'words.a = "ана"\ncast.A.words = "a"\n'
    text = f'{words}lines = [{{ text = "{{b0}}" }}]\n[blocks]\n{doubled}b25 = "эт"'
    assert refused(path, text).message.startswith("blocks.b9: its text may have more")
    choices = "".join(f'b{i} = "[да {{b{i + 1}}}|нет {{b{i + 1}}}]"\n' for i in range(40))
    text = f'{words}lines = [{{ text = "{{b0}}" }}]\n[blocks]\n{choices}b40 = "{{A}}"'
    path.write_text(text, encoding="utf-8")
    assert len(Grammar.load(path).text(0).split()) == 41


def test_a_rule_that_comes_to_no_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot, "MOST_SECONDS", 1)
    path = tmp_path / "grammar.toml"
    rule = "[[replace]]\nfind = '(?:а|б|аб)*(?:а|б|аб)*\\d'\nby = ''\n"
    text = f'words.a = "ана"\ncast.A.words = "a"\nlines = [{{ text = "{"аб" * 999}" }}]\n'
    path.write_text(text + rule, encoding="utf-8")
    with pytest.raises(RecipeError, match="more than 1 s for a line of 1,998 characters") as caught:
        Grammar.load(path).text(0)
    assert "[[replace]] find = '(?:а" in caught.value.where


@pytest.mark.parametrize("text", ["words.a = 'b'", "lines = []", "lines = [{ text = ' \\n ' }]"])
def test_a_grammar_without_text_is_refused(text: str, tmp_path: Path) -> None:
    text = text.replace("'", '"')
    error = refused(tmp_path / "grammar.toml", text)
    assert error.message == "the grammar has no text."
    assert "[[lines]]" in error.do


def test_what_is_no_grammar_is_refused(tmp_path: Path) -> None:
    error = refused(tmp_path / "missing.toml")
    assert (error.message, error.where) == (
        "there is no such grammar.",
        str(tmp_path / "missing.toml"),
    )
    assert refused(tmp_path).message == "the folder holds no .toml file."
    file = tmp_path / "latin.toml"
    file.write_bytes(b"[words]\n# ok\na = '\xe3'")
    error = refused(file)
    assert (error.message, error.where, error.do) == (
        "byte 0xE3 at position 18 is not UTF-8.",
        f"{file}:3",
        "Save the file as UTF-8.",
    )
    file.write_bytes(b"\xef\xbb\xbf" + letters_of(99).replace("\n", "\r\n").encode())
    assert Grammar.load(file).text(0)
