"""The TOML files of a grammar: their tables, and how those of a plot lie over the shared ones.

A grammar is one file, or a folder: every .toml file in it is shared, and every .toml file in its
folder `plots` is a plot. In one file, plots are tables: [plots.NAME.blocks]. What a plot says
replaces what the shared part says under the same name. docs/synthetic.md says how to write one.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from endonym.config import EXPECTED, Config, value_in_words
from endonym.disk import Json
from endonym.errors import RecipeError, decoded, did_you_mean
from endonym.formats.config import require_replacement

BLANKS = re.compile(r"[ \t\r\n]+")
"""No-break spaces are part of a text."""
LARGEST_BYTES = 64 << 20
Origins = Mapping[tuple[str, str], Path]
"""Which file says what: by table and key."""


def _listed(value: Any) -> Any:
    """Words from text with blanks between them, or from a list, whose words may have blanks."""
    if isinstance(value, str):
        return tuple(filter(None, BLANKS.split(value)))
    if isinstance(value, list):
        return tuple(_joined(each) for each in cast(list[Any], value))
    raise ValueError('must be words in quotes, or a list of texts: ["a dog", "a cat"]')


def _alternatives(value: Any) -> Any:
    """Alternatives from text with blank lines between them, or from a list."""
    texts = re.split(r"\n[ \t\r]*\n", value) if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise ValueError("must be text, with a blank line between alternatives, or a list of texts")
    return tuple(filter(None, map(_joined, cast(list[Any], texts))))


def _joined(text: Any) -> str:
    """The lines of a text as one."""
    if not isinstance(text, str):
        raise ValueError(f"must hold texts in quotes, not {text!r}")
    return BLANKS.sub(" ", text).strip(" ")


def _by_tags(value: Any) -> Any:
    """Words without tags have the tags ""."""
    return value if isinstance(value, dict) else {"": value}


def _forms_by_tags(value: Any) -> Any:
    """Forms that stand directly in [forms] are those of all words: of the tags ""."""
    if not isinstance(value, dict):
        return value
    tables = cast(Json, value)
    plain = {key: each for key, each in tables.items() if not isinstance(each, dict)}
    named = {key: each for key, each in tables.items() if key not in plain}
    return {"": plain | named.pop("", {})} | named


Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Alternatives = Annotated[tuple[str, ...], BeforeValidator(_alternatives)]


class Slot(Config):
    """A place for a word, which stays the same through one text."""

    words: Listed = ()
    """the lists of words that it takes from"""
    only: Listed = ()
    """the words of those lists that it may take, in this order; all if not given"""
    like: str = ""
    """the slot above that its word agrees with"""
    unlike: str = ""
    """the slot above that its word must not agree with: another gender"""
    other_than: Listed = ()
    """the slots above whose words it does not repeat"""


class Lines(Config):
    """Lines of the text, one below the other."""

    draw: Listed = ()
    """blocks that are drawn once, in this order, before these lines are filled"""
    text: str
    """the lines, as templates"""


class Rule(Config):
    """A change to every finished line."""

    find: str
    """what is replaced: a regular expression of Python's `regex`"""
    by: str = ""
    """what stands in its place; the first brackets of `find` are called \\1 in it"""

    @model_validator(mode="after")
    def can_be_applied(self) -> "Rule":
        """The pattern and what stands in its place are right."""
        require_replacement(self.find, self.by)
        return self


SENTENCE_START = r"""(?:^|[.!?…։؟。][)\]"'’”»]*\s+)[\s"'‘“„«(¿¡–—-]*$"""


class Tables(Config):
    """All that a grammar or a plot may say."""

    agreement: Listed = ()
    """the tags that words agree in, in the order of the forms in {A?lent/lente} and fier/fière"""
    sentence_start: str = SENTENCE_START
    """what stands before a slot or block that begins a sentence"""
    capitals: dict[str, str] = Field(default_factory=dict)
    """beginnings with another capital than usual: i = "İ" in Turkish, ij = "IJ" in Dutch"""
    tags: dict[str, str] = Field(default_factory=dict)
    """tags of the words in whose spelling a regular expression is found"""
    forms: Annotated[dict[str, dict[str, str]], BeforeValidator(_forms_by_tags)] = Field(
        default_factory=dict
    )
    """how words with these tags are written, by the key behind the point of a slot"""
    words: dict[str, Annotated[dict[str, Listed], BeforeValidator(_by_tags)]] = Field(
        default_factory=dict
    )
    """lists of words, by their tags"""
    cast: dict[str, Slot] = Field(default_factory=dict)
    """slots that are counted: every allowed cast comes once before one returns"""
    drawn: dict[str, Slot] = Field(default_factory=dict)
    """slots that are drawn by chance, in this order"""
    blocks: dict[str, Alternatives] = Field(default_factory=dict)
    """pieces of text, each with its alternatives"""
    lines: tuple[Lines, ...] = ()
    """the text"""
    replace: tuple[Rule, ...] = ()
    """changes to every finished line, one after another"""


class GrammarFile(Tables):
    """A file of a grammar that may hold plots."""

    plots: dict[str, Tables] = Field(default_factory=dict)
    """what plots say, by their names"""


class PlotTables(NamedTuple):
    """A plot with what it shares with others, and the file of everything in it.

    name: "" if there is no other plot.
    """

    name: str
    tables: Tables
    path: Path
    origins: Origins

    def where(self, table: str, key: str = "") -> str:
        """The file that says it."""
        return str(self.origins.get((table, key), self.origins.get((table, ""), self.path)))


def read_plots(path: Path) -> list[PlotTables]:
    """Every plot of a grammar, in the order of its names in a folder, else of its tables."""
    shared: Json = {}
    origins: dict[tuple[str, str], Path] = {}
    for file in [path] if path.is_file() else _files(path):
        data = _read(file, GrammarFile)
        plots = shared.get("plots", {}).keys() & data.get("plots", {}).keys()
        for key in (*(f"plots.{name}" for name in sorted(plots)), *_repeated(shared, data)):
            raise RecipeError(
                f"{key} is written here and in another file of the folder.",
                where=file,
                do="Keep one of the two.",
            )
        shared = _laid(shared, data)
        origins = origins | _origins(file, data)
    plots = {name: (origins["plots", name], data) for name, data in shared.pop("plots", {}).items()}
    for file in _plot_files(path / "plots") if path.is_dir() else ():
        if file.stem in plots:
            raise RecipeError(
                f"there are two plots {file.stem}.",
                where=file,
                do="Give one of them another name.",
            )
        plots[file.stem] = (file, _read(file, Tables))
    return [
        PlotTables(
            name,
            _validated(file, Tables, _laid(shared, data)),
            file,
            origins | _origins(file, data),
        )
        for name, (file, data) in (plots or {"": (path, {})}).items()
    ]


def _files(folder: Path) -> list[Path]:
    """The shared files of a folder."""
    if not folder.is_dir():
        raise RecipeError(
            "there is no such grammar.",
            where=folder,
            do="Name a .toml file, or a folder of them.",
        )
    found = _plot_files(folder)
    if not found:
        raise RecipeError(
            "the folder holds no .toml file.",
            where=folder,
            do="Write a grammar into it, such as words.toml: docs/synthetic.md.",
        )
    return found


def grammar_files(folder: Path) -> list[Path]:
    """All files of the grammar in a folder: shared ones, then plots."""
    return [*_plot_files(folder), *_plot_files(folder / "plots")]


def _plot_files(folder: Path) -> list[Path]:
    """The .toml files of a folder by name; not those that editors hide there.

    Raises RecipeError for what has such a name and is no file: reading a pipe would never end.
    """
    found = sorted(each for each in folder.glob("*.toml") if each.name[0] != ".")
    for each in found:
        if not each.is_file():
            raise RecipeError(
                "this is no regular file.",
                where=each,
                do="Move it away: every .toml file of the folder is read.",
            )
    return found


def _read(path: Path, config: type[Tables]) -> Json:
    """The tables of a file, whose keys and values are right."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise RecipeError(
            f"the file cannot be read ({error.strerror}).",
            where=path,
            do="Look at its rights.",
        ) from None
    if len(raw) > LARGEST_BYTES:
        raise RecipeError(
            f"a file of a grammar holds at most {LARGEST_BYTES >> 20} MB.",
            where=path,
            do="Divide it, or take fewer words.",
        )
    try:
        data = tomllib.loads(decoded(raw, path).removeprefix("\ufeff"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RecipeError(
            f"the file is no TOML: {error}.",
            where=path,
            do="Put texts in quotes, and what has several lines in three quotes: toml.io",
        ) from None
    _validated(path, config, data)
    for tables in (data, *data.get("plots", {}).values()):
        if "forms" in tables:
            tables["forms"] = _forms_by_tags(tables["forms"])
    return data


def _validated(path: Path, config: type[Tables], data: Json) -> Tables:
    """The tables; raises RecipeError for the first key or value that is wrong."""
    try:
        return config.model_validate(data)
    except ValidationError as error:
        detail = error.errors()[0]
    place = detail["loc"]
    key = ".".join(filter(None, map(str, place))) or "the grammar"
    if detail["type"] == "extra_forbidden":
        if place[0] == "plots" and place[2:]:
            place = place[2:]
            config = Tables
        rows: dict[str | int, type[Config]] = {"lines": Lines, "replace": Rule}
        owner = rows.get(place[0], Slot) if place[1:] else config
        names = [*owner.model_fields]
        raise RecipeError(
            f"{key} is not a key of a grammar.",
            where=path,
            do=f"{did_you_mean(str(place[-1]), names)}Keys here: {', '.join(names)}",
        )
    if "ctx" in detail and "error" in detail["ctx"]:
        message = f"{key}: {detail['ctx']['error']}."
    elif detail["type"] == "missing":
        message = f"{key} is missing."
    else:
        expected = EXPECTED[detail["type"]]
        message = f"{key} must be {expected}, not {value_in_words(detail['input'])}."
    raise RecipeError(message, where=path, do="docs/synthetic.md says what a grammar holds.")


def _laid(below: Json, above: Json) -> Json:
    """Tables over others: keys of the same table come together, all else is replaced."""
    both = dict(below)
    for key, value in above.items():
        old = both.get(key)
        is_table = isinstance(old, dict) and isinstance(value, dict)
        both[key] = _laid(cast(Json, old), value) if is_table else value
    return both


def _repeated(first: Json, second: Json, start: str = "") -> Iterator[str]:
    """The keys that both have, but tables."""
    for key in first.keys() & second.keys():
        if isinstance(first[key], dict) and isinstance(second[key], dict):
            inner = f"{start}{key}." if key else start
            yield from _repeated(first[key], second[key], inner)
        else:
            yield start + key


def _origins(path: Path, data: Json) -> dict[tuple[str, str], Path]:
    """This file for every key of every table in it."""
    return {
        (table, key): path
        for table, value in data.items()
        for key in ("", *(cast(Json, value) if isinstance(value, dict) else ()))
    }
