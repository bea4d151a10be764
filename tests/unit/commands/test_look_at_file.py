"""What `endonym look --of` tells of a file: its documents, what of them went, or why all did."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pytest

RECIPE = """name = "хатлар"
language = "tt"

[[source]]
name = "хатлар"
path = "texts/**/*.txt"
document = "line"

[[source]]
name = "tatar"
path = "others/tatar.txt"
document = "line"

[clean]
dedup = ["exact"]
min_chars = 20

[tokenizer]
vocab = 300

[[phase]]
tokens = 2048

# left out, too, as lists of persons: texts/a/укучылар.txt, texts/c/укучылар.txt
"""
STAR = normalize("NFD", "a/йолдыз.txt")  # as a Mac writes it
LONG = "Кояш чыкты, кошлар сайрый башлады, әбием мич янында оекбаш бәйли, ә тышта кар ява. " * 9
SHORT = ["Әбием мич янында оекбаш бәйли.", "Кар ява, урам ап-ак булды."]
AS_PERSONS = "left out, too, as lists of persons. To take it in, write a [[source]] with its path"
NEXT = (
    "See --dropped all; endonym new RECIPE --update takes in new files. "
    "Conversations: endonym look RUN examples"
)


@pytest.fixture(scope="module")
def project(
    command: Callable[..., Any],
    language_sentences: Callable[[str], list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    home = tmp_path_factory.mktemp("project")
    files = {
        "texts/a/хат.txt": ["Таң атканда кошлар сайрый.", "Юк.", "8-917-234-56-78", "Кил!"],
        "texts/b/хат.txt": [*SHORT, "Ярый."],
        f"texts/{STAR}": ["Йөз.", "Мең."],
        "texts/a/яңа.txt": [LONG],
        "texts/c/тагын.txt": [LONG],
        "texts/d/кар.txt": [SHORT[1]],
        "others/tatar.txt": language_sentences("tatar"),
    }
    for name, lines in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (home / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    given = ["--store", home / "store", "--set", 'source.хатлар.exclude=["кар.txt"]']
    assert command("run", home / "recipe.toml", *given, "--until", "corpus").code == 0
    return home


OWN = ["a/хат.txt#1 (хатлар)", "method: txt", "Таң атканда кошлар сайрый.", ""]
OWN += ["min_chars          3  too short", ""]
OWN += ["min_chars  хатлар/a/хат.txt#2  3 characters, below 20", "  Юк.", ""]
OWN += ["min_chars  хатлар/a/хат.txt#3  15 characters, below 20", "  8-917-234-56-78", ""]
STARS = ["min_chars          2  too short", ""]
STARS += [f"min_chars  хатлар/{STAR}#1  4 characters, below 20", "  Йөз.", ""]
IN = f"endonym look {{recipe}} --mark-in 'хатлар/{STAR}#1'"
LEFT = "files that were left out as a whole"
SHOWN = [
    (["a/хат.txt", "-n", "2"], [*OWN, "min_chars: 2 of 3 shown; -n 3 shows all"]),
    (
        ["a/хат.txt", "-n", "3"],
        [*OWN, "min_chars  хатлар/a/хат.txt#4  4 characters, below 20", "  Кил!"],
    ),
    (["хатлар/a/хат.txt#1"], OWN[:3]),
    (
        ["йолдыз.txt"],
        [
            *STARS,
            *(f"min_chars  хатлар/{STAR}#2  4 characters, below 20", "  Мең.", ""),
            f"{IN} --mark-in 'хатлар/{STAR}#2'",
        ],
    ),
    # A path as the shell has it is no more than a name.
    (
        ["texts/a/йолдыз.txt", "-n", "1"],
        [*STARS, "min_chars: 1 of 2 shown; -n 2 shows all", "", IN],
    ),
    (["texts/a/укучылар.txt"], [LEFT, "texts/a/укучылар.txt", f"  {AS_PERSONS} into {{recipe}}"]),
]


@pytest.mark.parametrize(("given", "wanted"), SHOWN)
def test_a_file_is_shown_with_its_documents_and_what_of_it_went(
    project: Path, command: Callable[..., Any], given: list[str], wanted: list[str]
) -> None:
    recipe = project / "recipe.toml"
    said = command("look", recipe, "--of", *given, "--store", project / "store")
    assert said.out.splitlines() == [line.format(recipe=recipe) for line in wanted]


def test_what_became_of_a_file_is_told_of_a_run_of_its_corpus_and_as_a_dictionary(
    project: Path, command: Callable[..., Any]
) -> None:
    recipe, made = project / "recipe.toml", next((project / "store" / "corpus").iterdir())

    def of(name: str, *given: object, run: Path = recipe) -> Any:
        return command("look", run, *given, "--of", name, "--store", project / "store", "--json")

    found = of("тагын.txt").json()
    assert (found["dropped"], "command" in found) == ({"exact": 1}, False)
    for count in (2, 3):
        assert len(of("хат.txt", "-n", count).json()["documents"]) == count
    assert of("хат.txt").json()["dropped"] == {"min_chars": 4}
    assert of("яңа.txt").json()["documents"][0]["text"] == LONG
    (run,) = (project / "runs").iterdir()
    assert "`exclude` of source хатлар names it" in of("d/кар.txt", run=run).out
    assert list(of("укучылар.txt").json()["left_out"]) == [
        "texts/a/укучылар.txt", "texts/c/укучылар.txt",
    ]  # fmt: skip
    marked = of("b/хат.txt", "--mark").json()
    assert marked["command"].count("--mark-out") == 2
    assert "--mark-in" not in marked["command"]
    # An artefact has no recipe, in which it could be marked or left out.
    assert "command" not in of("йолдыз.txt", run=made).json()
    assert of("укучылар.txt", run=made).code == 2
    error = of("ат.txt").json()["error"]
    assert (error["message"], error["do"]) == ("no text that was read is of ат.txt", NEXT)


def test_files_that_were_left_out_are_named_with_all_that_was_dropped(
    project: Path, command: Callable[..., Any]
) -> None:
    recipe, made = project / "recipe.toml", next((project / "store" / "corpus").iterdir())
    cases = [((recipe, "--dropped", "all"), True), ((recipe, "--dropped", "min_chars"), False)]
    cases += [((recipe, "corpus", "--dropped", "all"), True), ((made, "--dropped", "all"), False)]
    for given, is_named in cases:
        out = command("look", *given, "--store", project / "store").out
        assert (f"min_chars  хатлар/{STAR}#1" in out, LEFT in out) == (True, is_named)


def test_what_is_marked_is_said_and_written_into_the_recipe(
    project: Path, command: Callable[..., Any], tmp_path: Path
) -> None:
    home = Path(shutil.copytree(project, tmp_path / "project"))
    (run,) = (home / "runs").iterdir()
    recipe, store = home / "recipe.toml", ["--store", home / "store"]
    out = ["хатлар/b/хат.txt#1", "a/хат.txt#3", str(home / "texts/a/яңа.txt")]
    given = [*(f"--mark-out={each}" for each in out), "--mark-in", "c/тагын.txt#1"]
    said = command("look", run, *given, *store)
    notes = [f"хатлар/b/хат.txt#1: {SHORT[0]}", "хатлар/a/хат.txt#3", "хатлар/a/яңа.txt"]
    kept = f"хатлар/c/тагын.txt#1: {LONG[:60]}"
    assert said.out.splitlines() == [
        f"3 texts marked as out in {recipe}",
        *(f"  {each}" for each in notes),
        f"1 text marked to stay in {recipe}",
        f"  {kept}",
        f"next: endonym run {recipe} --set 'source.хатлар.exclude=[\"кар.txt\"]'",
    ]
    written = [each.partition("#")[2].strip() for each in recipe.read_text().splitlines()]
    assert [each for each in written if each in (*notes, kept)] == [kept, *notes]
    # The run read no кар.txt, but its recipe does.
    for name, code in ((run, 2), (recipe, 0)):
        assert command("look", name, "--mark-out", "d/кар.txt#1", *store).code == code
