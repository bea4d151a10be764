"""Files of a grammar: what each value is read as, what lies over what, and which file said it."""

import json
from pathlib import Path
from typing import Any

import pytest

from endonym.errors import RecipeError
from endonym.synthesis.grammar import Grammar
from endonym.synthesis.grammar_file import PlotTables, grammar_files, read_plots

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
[words]
animals = { m = " lup\n  urs ", f = ["vulpe  mică"] }
places = ["\u00a0un\t pod \n vechi\u00a0", "râu"]
[cast]
Z = { words = "animals", only = "urs lup", unlike = "" }
[blocks]
b = " \u00a0una\n două\u202f \n \t\r \n trei\n"
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
    "forms": {"": {"a": "un {word}"}, "soft": {"the": "{word}a"}},
    "words": {
        "animals": {"m": ["lup", "urs"], "f": ["vulpe mică"]},
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
    "blocks": {"b": ["\u00a0una două\u202f", "trei"], "a": ["o dată", "de două ori"]},
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


def test_shared_files_lie_below_one_another_and_each_plot_over_them(tmp_path: Path) -> None:
    """Every value is read, in the order of the files; a plot replaces only what it names."""
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


def test_every_table_and_key_has_the_file_that_said_it_last(tmp_path: Path) -> None:
    """A fault is told in the file of its key, else of its table, else of the plot."""
    folder = folder_of(tmp_path / "g", m_first=SHARED, n_second=MORE)
    first, second, own = (folder / f"{name}.toml" for name in ("m_first", "n_second", "plots/a"))
    keys = {
        first: "agreement, sentence_start, capitals, capitals.i, tags, tags.soft, lines, forms, "
        "forms.soft, forms.a, cast.Z, blocks.b",
        second: "cast.A, drawn, drawn.d, blocks, blocks.a",
        own: "words, words.animals, words.places, cast, cast.A, replace",
    }
    expected = {key: path for path, names in keys.items() for key in names.split(", ")}
    found = read_plots(folder)[0]
    assert {".".join(filter(None, key)): path for key, path in found.origins.items()} == expected
    wheres = [
        ("cast", "Z", first),
        ("cast", "A", own),
        ("cast", "жок", own),
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
    ("blocks.a = { b = 'в' }", f"blocks.a: {PARTED}", HELP),
    ("blocks.a = ['а', 3]", "blocks.a: must hold texts in quotes, not 3.", HELP),
    ("forms = 3", "forms: it should be a valid dictionary, not '3'.", HELP),
    (f"sentence_start = [{'1, ' * 30}]",
     f"sentence_start: it should be a valid string, not '[{'1, ' * 19}1,'.",
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
