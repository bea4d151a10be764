"""Files of a grammar: what each value is read as, what lies over what, and which file said it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import regex

from endonym.errors import RecipeError
from endonym.synthesis import grammar_file
from endonym.synthesis.grammar import Grammar
from endonym.synthesis.grammar_file import PlotTables, grammar_files, read_plots
from endonym.synthesis.prompts import source_hash

SHARED = r"""
agreement = " m\tf\n"
sentence_start = '^$'
capitals = { i = "İ" }
tags = { soft = 'e$' }
lines = [{ draw = "b", text = " {A}\n{b} " }]
[forms.soft]
the = "{word}a"
[forms]
a = "un {word}"
[forms.""]
un = "unui {word}"
[words]
animals = { m = " lup\n  urs lup\u202fmic lup ", f = ["vulpe  mică"] }
places = ["\u00a0un\t pod \n vechi\u00a0", "râu"]
[cast]
Z = { words = "animals", only = "urs lup", unlike = "" }
[blocks]
b = " \u00a0una\n două\u202f \n \t\r \n trei\n\ntrei"
"""
MORE = r"""
[cast]
A = { words = "animals places", like = "Z", other_than = "Z" }
[drawn]
d = { words = "places", unlike = "A" }
[blocks]
a = ["", " o  dată ", "de\n\ndouă ori"]
"""
PLOTS = {
    "z": '[blocks]\nb = "alta"\n[[lines]]\ntext = "{b}"',
    "a": "words.animals = 'pisică'\ncast.A.only = ['un urs']\nwords.places = { m = 'sat' }\n"
    "[[replace]]\nfind = 'b'\n[[replace]]\nfind = 'a'\nby = 'c'",
}
SAID: dict[str, Any] = {
    "agreement": ["m", "f"],
    "sentence_start": "^$",
    "capitals": {"i": "İ"},
    "tags": {"soft": "e$"},
    "forms": {"": {"a": "un {word}", "un": "unui {word}"}, "soft": {"the": "{word}a"}},
    "words": {
        "animals": {"m": ["lup", "urs", "lup\u202fmic", "lup"], "f": ["vulpe mică"]},
        "places": {"": ["\u00a0un pod vechi\u00a0", "râu"]},
    },
    "cast": {
        "Z": {"words": ["animals"], "only": ["urs", "lup"], "like": "", "unlike": "",
              "other_than": []},
        "A": {"words": ["animals", "places"], "only": [], "like": "Z", "unlike": "",
              "other_than": ["Z"]},
    },
    "drawn": {
        "d": {"words": ["places"], "only": [], "like": "", "unlike": "A", "other_than": []},
    },
    "blocks": {"b": ["\u00a0una două\u202f", "trei", "trei"], "a": ["o dată", "de două ori"]},
    "lines": [{"draw": ["b"], "text": " {A}\n{b} "}],
    "replace": [],
}  # fmt: skip


def folder_of(path: Path, **files: str) -> Path:
    """A folder of shared files, of these plots, and of files that are hidden or something else."""
    (path / "plots").mkdir(parents=True)
    for name, text in {**files, ".hidden": "no [toml"}.items():
        (path / f"{name}.toml").write_text(text, encoding="utf-8")
    for name, text in {**PLOTS, ".#a": "no [toml"}.items():
        (path / "plots" / f"{name}.toml").write_text(text, encoding="utf-8")
    (path / "plots" / "readme.txt").write_text("Әкиятләр турында.", encoding="utf-8")
    return path


def said(plot: PlotTables) -> str:
    """All that a plot says, in its order."""
    return json.dumps(plot.tables.model_dump(), ensure_ascii=False)


def test_shared_files_lie_below_one_another_and_each_plot_over_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every value is read, in the order of the files; a plot replaces only what it names."""
    found = Path.glob
    monkeypatch.setattr(Path, "glob", lambda *given: sorted(found(*given), reverse=True))
    folder = folder_of(tmp_path / "g", m_first=SHARED, n_second=MORE)
    first, second = read_plots(folder)
    cast = {**SAID["cast"], "A": {**SAID["cast"]["A"], "only": ["un urs"]}}
    words = {"animals": {"": ["pisică"]}, "places": {"m": ["sat"]}}
    rules = [{"find": "b", "by": ""}, {"find": "a", "by": "c"}]
    assert said(first) == json.dumps(
        {**SAID, "words": words, "cast": cast, "replace": rules}, ensure_ascii=False
    )
    blocks, lines = {**SAID["blocks"], "b": ["alta"]}, [{"draw": [], "text": "{b}"}]
    assert said(second) == json.dumps(
        {**SAID, "blocks": blocks, "lines": lines}, ensure_ascii=False
    )
    assert [(each.name, each.path) for each in (first, second)] == [
        ("a", folder / "plots" / "a.toml"),
        ("z", folder / "plots" / "z.toml"),
    ]
    names = ["m_first.toml", "n_second.toml", "plots/a.toml", "plots/z.toml"]
    assert grammar_files(folder) == [folder / name for name in names]


def test_a_plot_replaces_forms_of_all_words_however_they_are_written(tmp_path: Path) -> None:
    """They stand in [forms] or in [forms.""]."""
    folder = tmp_path / "g"
    (folder / "plots").mkdir(parents=True)
    (folder / "all.toml").write_text("[forms.'']\nun = 'unui {word}'\n", encoding="utf-8")
    (folder / "plots" / "a.toml").write_text("forms.un = 'un {word}'", encoding="utf-8")
    (plot,) = read_plots(folder)
    assert plot.tables.forms == {"": {"un": "un {word}"}}


def test_every_table_and_key_has_the_file_that_said_it_last(tmp_path: Path) -> None:
    """A fault is told in the file of its key, else of its table, else of the plot."""
    folder = folder_of(tmp_path / "g", m_first=SHARED, n_second=MORE)
    first, second, own = (folder / f"{name}.toml" for name in ("m_first", "n_second", "plots/a"))
    keys = {
        first: "agreement, sentence_start, capitals, capitals.i, tags, tags.soft, lines, forms, "
        "forms.soft, cast.Z, blocks.b",
        second: "cast.A, drawn, drawn.d, blocks, blocks.a",
        own: "words, words.animals, words.places, cast, cast.A, replace",
    }
    expected = {key: path for path, names in keys.items() for key in names.split(", ")}
    found = read_plots(folder)[0]
    assert {".".join(filter(None, key)): path for key, path in found.origins.items()} == expected
    wheres = [
        ("cast", "Z", first),
        ("cast", "A", own),
        ("drawn", "жок", second),
        ("blocks", "", second),
    ]
    for table, key, path in wheres:
        assert found.where(table, key) == str(path)
    assert found._replace(origins={}).where("words") == str(own)


@pytest.mark.parametrize(("plots", "names"), [("", [""]), ("[plots.z]\n[plots.a]", ["z", "a"])])
def test_one_file_is_a_plot_or_has_them_as_tables(
    plots: str, names: list[str], tmp_path: Path
) -> None:
    """Plots of one file come in the order of its tables, and all is told in that file."""
    path = tmp_path / "g.toml"
    path.write_text(SHARED + plots, encoding="utf-8")
    found = read_plots(path)
    assert [(each.name, each.path) for each in found] == [(name, path) for name in names]
    few = {"cast": {"Z": SAID["cast"]["Z"]}, "drawn": {}, "blocks": {"b": SAID["blocks"]["b"]}}
    for each in found:
        assert said(each) == json.dumps({**SAID, **few}, ensure_ascii=False)
        assert {*each.origins.values()} == {path}
        assert each.where("words", "places") == str(path)


KEYS = {
    "slot": "words, only, like, unlike, other_than",
    "lines": "draw, text",
    "rule": "find, by",
    "plot": "agreement, sentence_start, capitals, tags, forms, words, cast, drawn, blocks, lines, "
    "replace",
}
KEYS["file"] = f"{KEYS['plot']}, plots"
HELP = "docs/synthetic.md says what a grammar holds."
LISTED = 'must be words in quotes, or a list of texts: ["a dog", "a cat"].'
PARTED = "must be text, with a blank line between alternatives, or a list of texts."
NO_KEY = "is not a key of a grammar."
WRONG = [
    ("word = 'ана'", f"word {NO_KEY}", f"Did you mean `words`?  Keys here: {KEYS['file']}"),
    ("[plots.a]\nblok = {}", f"plots.a.blok {NO_KEY}",
     f"Did you mean `blocks`?  Keys here: {KEYS['plot']}"),
    ("[plots.a]\nplots = {}", f"plots.a.plots {NO_KEY}", f"Keys here: {KEYS['plot']}"),
    ("[[plots.a.lines]]\ntext = 'а'\ndrawn = ''", f"plots.a.lines.0.drawn {NO_KEY}",
     f"Did you mean `draw`?  Keys here: {KEYS['lines']}"),
    ("[plots.a.drawn.d]\nlikes = ''", f"plots.a.drawn.d.likes {NO_KEY}",
     f"Did you mean `like`?  Keys here: {KEYS['slot']}"),
    ("[[replace]]\nfind = 'а'\n[[replace]]\nfind = 'б'\nwith = 'в'", f"replace.1.with {NO_KEY}",
     f"Keys here: {KEYS['rule']}"),
    ("[[lines]]\ndraw = 'а'", "lines.0.text is missing.", HELP),
    ("words.a = 3", f"words.a: {LISTED}", HELP),
    ("agreement = 3", f"agreement: {LISTED}", HELP),
    ("blocks.a = ['а', 3]\nagreement = 3", f"agreement: {LISTED}", HELP),
    ("forms.a = 3", "forms.a must be text, not 3.", HELP),
    ("forms.m.a = 3", "forms.m.a must be text, not 3.", HELP),
    ("forms.m.a = 2026-11-29", 'forms.m.a must be text, not "2026-11-29".', HELP),
    ("cast.A = 'ай'", 'cast.A must be a table, not the text "ай".', HELP),
    ("[lines]\ntext = 'ай'", "lines must be a list, not a table.", HELP),
    ("replace = ['ай']", 'replace.0 must be a table, not the text "ай".', HELP),
    ("blocks.a = { b = 'в' }", f"blocks.a: {PARTED}", HELP),
    ("words.a = [3]", "words.a: must hold texts in quotes, not 3.", HELP),
    ("[[replace]]\nfind = '(а'",
     "replace.0: the regular expression is not right: missing ) at position 2.", HELP),
    ("[[replace]]\nfind = 'а'\nby = '\\2'",
     "replace.0: the regular expression is not right: invalid group reference.", HELP),
    ("blocks.a = ['а', 3]", "blocks.a: must hold texts in quotes, not 3.", HELP),
    ("forms = 3", "forms must be a table, not 3.", HELP),
    ("words = 'ай'", 'words must be a table, not the text "ай".', HELP),
    (f"sentence_start = [{'1, ' * 30}]",
     f"sentence_start must be text, not [{'1, ' * 18}1,….",
     HELP),
]  # fmt: skip


@pytest.mark.parametrize("place", ["g.toml", "g/all.toml"])
@pytest.mark.parametrize(("text", "message", "do"), WRONG)
def test_a_wrong_key_or_value_is_told_whole(
    text: str, message: str, do: str, place: str, tmp_path: Path
) -> None:
    """The message says key, file and which keys or values there are."""
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        Grammar.load(tmp_path / place.split("/")[0])
    assert (caught.value.message, caught.value.where, caught.value.do) == (message, str(path), do)


@pytest.mark.parametrize("name", ["all", "more"])
def test_plots_of_a_shared_file_come_before_those_of_the_folder(name: str, tmp_path: Path) -> None:
    """Each is told in the file that holds it, whichever that is; its own words lie above."""
    own = "[plots.y]\nwords.a = 'ел'\nblocks.b = '{x}'\n[plots.b.blocks]\nb = 'күл'"
    files = {"all": "words.a = 'ай'\n", "more": "words.c = 'көн'\n"}
    folder = folder_of(tmp_path / "g", **{**files, name: files[name] + own})
    found = read_plots(folder)
    file, plots = folder / f"{name}.toml", folder / "plots"
    assert [(each.name, each.path) for each in found] == [
        ("y", file), ("b", file), ("a", plots / "a.toml"), ("z", plots / "z.toml"),
    ]  # fmt: skip
    assert [each.tables.words["a"] for each in found] == [{"": ("ел",)}, *([{"": ("ай",)}] * 3)]
    assert [each.where("words", "a") for each in found] == [
        str(file), *([str(folder / "all.toml")] * 3),
    ]  # fmt: skip
    assert found[0].where("blocks", "b") == str(file)


NO_FILE = "Name a .toml file, or a folder of them."
REFUSED: list[tuple[dict[str, str], str, str, str]] = [
    ({}, "there is no such grammar.", "", NO_FILE),
    ({"readme.txt": ""}, "the folder holds no .toml file.", "",
     "Write a grammar into it, such as words.toml: docs/synthetic.md."),
    ({".a.toml": "", "plots/a.toml": ""}, "the folder holds no .toml file.", "",
     "Write a grammar into it, such as words.toml: docs/synthetic.md."),
    ({"a.toml": "words.a.m = 'ай'", "b.toml": "words.a = { f = 'ел', m = 'көн' }"},
     "words.a.m is written here and in another file of the folder.", "b.toml",
     "Keep one of the two."),
    ({"a.toml": "words.a = 'ай'", "b.toml": "words.a.m = 'ел'"},
     "words.a is written here and in another file of the folder.", "b.toml",
     "Keep one of the two."),
    ({"a.toml": "agreement = 'm'", "b.toml": "", "c.toml": "agreement = 'm'"},
     "agreement is written here and in another file of the folder.", "c.toml",
     "Keep one of the two."),
    ({"a.toml": "forms.un = 'un {word}'", "b.toml": "[forms.'']\nun = 'unui {word}'"},
     "forms.un is written here and in another file of the folder.", "b.toml",
     "Keep one of the two."),
    ({"a.toml": "[plots.x.blocks]\nb = '{X}'", "b.toml": "[plots.x]\nlines = []"},
     "plots.x is written here and in another file of the folder.", "b.toml",
     "Keep one of the two."),
    ({"a.toml": "[plots.x]\n[words]", "plots/w.toml": "", "plots/x.toml": ""},
     "there are two plots x.", "plots/x.toml", "Give one of them another name."),
    ({"a.toml": "", "plots/words.toml": "[plots.x]"}, f"plots {NO_KEY}", "plots/words.toml",
     f"Keys here: {KEYS['plot']}"),
    ({"a.toml": "", "plots/x.toml": "lines = 3"},
     "lines must be a list, not 3.", "plots/x.toml", HELP),
    ({"a.toml": "words.a = ай"}, "the file is no TOML: Invalid value (at line 1, column 11).",
     "a.toml", "Put texts in quotes, and what has several lines in three quotes: toml.io"),
    ({"a.toml/b": ""}, "this is no regular file.", "a.toml",
     "Move it away: every .toml file of the folder is read."),
    ({"a.toml": "##"}, "a file of a grammar holds at most 2 MB.", "a.toml",
     "Divide it, or take fewer words."),
]  # fmt: skip


@pytest.mark.parametrize(("files", "message", "where", "do"), REFUSED)
def test_files_that_are_no_grammar_are_told_whole(
    files: dict[str, str], message: str, where: str, do: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """What is wrong, in which file, and what to do."""
    assert grammar_file.LARGEST_BYTES == 64 << 20
    monkeypatch.setattr(grammar_file, "LARGEST_BYTES", 2 << 20)
    folder = tmp_path / "g"
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.ljust((2 << 20) + 1, "#") if "##" in text else text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        read_plots(folder)
    assert (caught.value.message, caught.value.where, caught.value.do) == (
        message, str(folder / where), do,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["all.toml", "plots/course.toml"])
def test_a_pipe_among_the_files_is_refused_before_it_is_read(name: str, tmp_path: Path) -> None:
    """Where the grammar is loaded, and where its files are hashed."""
    folder = folder_of(tmp_path / "g", words="words.a = 'ай'")
    os.mkfifo(folder / name)
    for read in (read_plots, source_hash):
        with pytest.raises(RecipeError) as caught:
            read(folder)
        assert caught.value.message == "this is no regular file."
        assert caught.value.where == str(folder / name)


def test_a_file_may_be_as_large_as_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the byte."""
    monkeypatch.setattr(grammar_file, "LARGEST_BYTES", 2 << 20)
    (tmp_path / "g.toml").write_bytes(b"agreement = 'm'".ljust(2 << 20, b"#"))
    (found,) = read_plots(tmp_path / "g.toml")
    assert found.tables.agreement == ("m",)


def test_a_file_that_nests_too_deep_is_no_toml(tmp_path: Path) -> None:
    """What no reader can follow is refused as what is misspelled."""
    path = tmp_path / "g.toml"
    path.write_text("words = " + "[" * 100_000, encoding="utf-8")
    with pytest.raises(RecipeError, match="the file is no TOML"):
        read_plots(path)
    with pytest.raises(RecipeError, match="there is no such grammar"):
        read_plots(Path("/dev/null"))


STARTS = ["", "— ", "„«", "Таң! ", "Таң? ", "Таң… ", "Таң։ ", "Таң؟ ", "Таң。 ", "Таң.) „"]
STARTS += [f"Таң.{each} " for each in ")]\"'’”»"] + [f"Таң. {each}" for each in "\"'‘“„«(¿¡–—- "]
NO_STARTS = ["Таң", "Таң ", "Таң, ", "Таң.", "3.", "Таң; ", "Таң: «", "Таң. а", "Таң.« "]


def test_a_sentence_begins_behind_the_end_of_another() -> None:
    """Unless a grammar says it: behind marks of many scripts, closed and opened quotes."""
    begins = regex.compile(grammar_file.SENTENCE_START)
    assert [each for each in STARTS if not begins.search(each)] == []
    assert [each for each in NO_STARTS if begins.search(each)] == []


def test_a_grammar_may_leave_out_each_table() -> None:
    """What then holds."""
    names = "capitals tags forms words cast drawn blocks"
    empty: dict[str, Any] = {name: {} for name in names.split()}
    lists = dict.fromkeys(("agreement", "lines", "replace"), ())
    tables = {**empty, **lists, "sentence_start": grammar_file.SENTENCE_START}
    assert grammar_file.Tables().model_dump() == tables
    assert grammar_file.GrammarFile().model_dump() == {**tables, "plots": {}}
