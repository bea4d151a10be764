"""Files of prompts, and what a change in a grammar's files does to their hash."""

import os
from pathlib import Path

import pytest
from made_grammars import write_grammar

from endonym.disk import file_hash
from endonym.errors import RecipeError
from endonym.synthesis.grammar import Grammar
from endonym.synthesis.prompts import FORMS, Prompts, is_grammar, read_prompts, source_hash


def test_a_prompt_is_of_a_list_in_turns_or_of_a_grammar_with_its_seed(tmp_path: Path) -> None:
    listed = Prompts(["Таң", "Zori", "Aube"], seed=5)
    assert [listed.prompt(index) for index in range(7)] == ["Таң", "Zori", "Aube"] * 2 + ["Таң"]
    grammar = Grammar.load(write_grammar(tmp_path / "a.toml", "Хикәя"))
    for seed in (0, 5):
        made = [Prompts([], grammar, seed).prompt(index) for index in range(9)]
        assert made == [grammar.text(index, seed) for index in range(9)]
    assert made != [grammar.text(index) for index in range(9)]


GOOD = '\n{"prompt": "Таң"}\n\n'
READ = [
    ("a.txt", "\ufeffӘкият яз.\r\n\n \t\n  Scrie. \n\nÉcris", ["Әкият яз.", "  Scrie. ", "Écris"]),
    ("a.txt", "Un\u2028pod\u0085vechi\x0c\x1cpe\u2029râu\rlin\n", None),
    ("a", "\ufeff\n\ufeffСу", ["\ufeffСу"]),
    ("a.txt", '{"prompt": "Scrie."}\n', ['{"prompt": "Scrie."}']),
    ("a.json", '{"prompt": "Scrie."}\n', ['{"prompt": "Scrie."}']),
    ("a.jsonl", GOOD + '{"prompt": "Écris\\nvite.", "x": 1}\r\n', ["Таң", "Écris\nvite."]),
    ("a.NDJSON", '{"prompt": "Un\u2028pod\u0085"}', ["Un\u2028pod\u0085"]),
    ("a.JsonL", '{"prompt": "Су", "prompt": "Ут"}\n', ["Ут"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "wanted"), READ)
def test_a_prompt_is_a_line_or_a_field_as_it_is_written(
    name: str, text: str, wanted: list[str] | None, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert read_prompts(tmp_path / name) == (wanted or [text.removesuffix("\n")])


NO_TEXT, NO_JSON = 'there is no text in a field "prompt"', "this is no JSON: "
WRONG = [
    ("a.jsonl", GOOD + '{"prompt": " \\n"}', 4, NO_TEXT),
    ("a.jsonl", GOOD + '{"prompt": ""}', 4, NO_TEXT),
    ("a.jsonl", GOOD + '{"prompt": null}\nx', 4, NO_TEXT),
    ("a.jsonl", GOOD + '{"prompt": 3}', 4, NO_TEXT),
    ("a.jsonl", GOOD + '{"Prompt": "Таң"}', 4, NO_TEXT),
    ("a.ndjson", GOOD + '["prompt"]', 4, NO_TEXT),
    ("a.ndjson", GOOD + '"prompt"', 4, NO_TEXT),
    ("a.jsonl", GOOD + "Таң", 4, NO_JSON),
    ("a.jsonl", GOOD + "[" * 100_000, 4, NO_JSON),
    ("a.jsonl", GOOD + "\ud800", 4, "this is not UTF-8"),
    ("a.txt", "Таң\r\n\n\ud800\n\ud800", 3, "this is not UTF-8"),
    ("a.txt", "", 0, "there is no prompt in it"),
    ("a.jsonl", "\ufeff \t\n\r\n", 0, "there is no prompt in it"),
]


@pytest.mark.parametrize(("name", "text", "number", "said"), WRONG)
def test_a_line_that_is_no_prompt_is_told_with_its_number(
    name: str, text: str, number: int, said: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(RecipeError) as caught:
        read_prompts(path)
    assert caught.value.message.startswith(said)
    assert caught.value.where == (f"{path}, line {number}" if number else str(path))
    assert caught.value.do == ("Save it as UTF-8." if "UTF-8" in said else FORMS)


def test_a_hash_changes_with_every_file_of_a_grammar_and_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "әкият"
    (folder / "plots").mkdir(parents=True)
    places = [folder / "a.toml", folder / "b.toml", folder / "plots" / "a.toml"]
    for number, path in enumerate(places):
        write_grammar(path, f"Хикәя {number}")
    hashes = [source_hash(folder)]
    for number, path in enumerate(places):
        write_grammar(path, f"Әкият {number}")
        hashes.append(source_hash(folder))
    first, _, second = (path.read_bytes() for path in places)
    places[0].write_bytes(second)
    places[2].write_bytes(first)
    hashes.append(source_hash(folder))
    places[2].rename(folder / "plots" / "c.toml")
    hashes.append(source_hash(folder))
    assert len({*hashes}) == len(hashes), "each is another grammar"
    folder.rename(tmp_path / "poveste")
    assert source_hash(tmp_path / "poveste") == hashes[-1], "wherever it stands"


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = write_grammar(tmp_path / "a.toml", "Хикәя")
    assert source_hash(path) == file_hash(path)
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("pipe", "this is no regular file"), ("юк.txt", "there is no such file")):
        with pytest.raises(RecipeError) as caught:
            source_hash(tmp_path / name)
        error = caught.value
        assert (error.message, error.where, error.do) == (said, str(tmp_path / name), FORMS)


def test_prompts_are_not_read_from_what_may_never_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(ValueError, match=r"^pipe\.txt is no regular file$"):
        read_prompts(tmp_path / "pipe.txt")


def test_a_grammar_is_a_folder_or_a_file_of_toml(tmp_path: Path) -> None:
    (tmp_path / "әкият.d").mkdir()
    names = ("әкият.d", "a.toml", "a.TOML", "a.txt", "a.jsonl", "toml", "a.toml.txt")
    assert [name for name in names if is_grammar(tmp_path / name)] == list(names[:3])
