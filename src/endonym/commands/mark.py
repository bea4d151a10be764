"""`endonym look --mark-out` and `--mark-in`: a person's marks, written into the recipe."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from endonym.cleaning.marks import DIGITS, text_hash
from endonym.cleaning.normalize import composed
from endonym.cleaning.personal import HIDDEN, begin_shown
from endonym.commands.filled import filled
from endonym.commands.update import with_key, write_recipe
from endonym.errors import RecipeError, printable, quoted
from endonym.formats.document import Document
from endonym.formats.reader import read_file
from endonym.pipeline import sources
from endonym.recipe.recipe import Recipe
from endonym.recipe.text import normal, scan
from endonym.runs import find
from endonym.store import Store

NOTED_CHARS = 60
"""Of a document, beside its hash."""
COMMA, COMMENT = re.compile(r"((?:\s|#[^\n]*+)*+),"), re.compile(r"^[^\S\n]*(?:#[^\n]*)?")
LAST_BLANKS = re.compile(r"\n?[^\S\n]*$")
HASH = re.compile(f"[0-9a-f]{{{DIGITS},64}}")


def mark_texts(
    store: Store, name: str, marks: Mapping[str, Sequence[str]]
) -> tuple[str, dict[str, Any]]:
    """Write marks into the recipe that a run, a file or a folder names; what is said of it.

    marks: by the key of [clean], the texts: names of documents or files as `look` shows them, or
    hashes. All else in the recipe stays. Raises RecipeError for a name that no text has, or that
    several have.
    """
    named = find.find_recipe(store, Path(name))
    recipe = Recipe.load(named.path, variant=named.variant, sets=named.sets)
    found = texts_called({each for names in marks.values() for each in names}, recipe)
    text = normal(recipe.text)
    told = dict[str, dict[str, str]]()
    for key, names in marks.items():
        told[key] = {digest: note for each in names for digest, note in found[each].items()}
        text = marked(text, key, told[key])
    for digest in told["marked_out"].keys() & told["marked_in"].keys():
        message = f"{told['marked_out'][digest]} is named to be out and in"
        raise RecipeError(message, where="--mark-in", do="Leave one of the two out.")
    write_recipe(named.path, text, recipe)
    words = [str(named.path), *(["--variant", named.variant] if named.variant else [])]
    words += (part for each in named.sets for part in ("--set", each))
    run = " ".join(map(quoted, words))
    shown = filled("marks.txt", told=told, path=named.path, run=run)
    return shown, {"recipe": str(named.path), **{key: [*each] for key, each in told.items()}}


def texts_called(names: Collection[str], recipe: Recipe) -> dict[str, dict[str, str]]:
    """By name or hash: the first digits of the hash of the text or file, and a note on it.

    Raises RecipeError for a name that no text has, or that texts of different content have.
    """
    found: dict[str, dict[str, str]] = {each: {} for each in names}
    # A path is compared as a whole: a shell completes it from the current folder.
    keys = {each: {*map(composed, (each, str(Path(each).resolve())))} for each in names}
    keys |= {each: {each[:DIGITS]} for each in names if HASH.fullmatch(each)}
    for digest, called, text in _texts_of(recipe, found):
        own = {*map(composed, called), digest[:DIGITS]}
        for name in (each for each in names if not own.isdisjoint(keys[each])):
            shown = begin_shown(text, 4 * NOTED_CHARS, recipe.language)
            begin = "" if HIDDEN in shown else f": {' '.join(shown.split())[:NOTED_CHARS]}"
            note = printable(f"{called[0]}{begin}").removesuffix(": ")
            found[name].setdefault(digest[:DIGITS], note)
    for name, texts in found.items():
        if len(texts) != 1:
            do = "Name a document as `endonym look RUN corpus` shows it, or a file."
            do = f"Name one of them: {', '.join(texts.values())}." if texts else do
            message = f"{len(texts) or 'no'} texts of this recipe are called {printable(name)}"
            raise RecipeError(message, where=recipe.path, do=do)
    return found


def _texts_of(
    recipe: Recipe, found: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, list[str], str]]:
    """Hashes, names and texts: of all files, then of documents, while some are not found.

    found: by what was asked for, what this gave. A document that is a whole file is the file.
    """
    every = [(source, file) for source, files in sources.find(recipe) for file in files]
    for source, file in every:
        called = [f"{source.name}/{file.name}", file.name, file.path.name, str(file.path.resolve())]
        yield sources.hash_once(file.path), called, ""
    for source, file in every:
        begins = composed(f"{source.name}/{file.name}"), composed(file.name)
        left = [each for each in found if not found[each]]
        if any(HASH.fullmatch(each) or composed(each).startswith(begins) for each in left):
            for each in read_file(source, file):
                if isinstance(each, Document):
                    place = f"{source.name}/{each.id}"
                    is_part = each.id != file.name
                    called = [place, each.id] if is_part else [f"the text of {place}"]
                    yield text_hash(each.text), called, each.text


def marked(text: str, key: str, notes: Mapping[str, str]) -> str:
    """A recipe's text with these hashes first in a list of [clean], and in no other place.

    notes: by the hash, the comment behind it.
    """
    for each in ("marked_out", "marked_in"):
        items = [mark for path, mark in scan(text).items() if path[:2] == ("clean", each)]
        for item in reversed(items[1:]):  # behind the list itself
            if text[item.start : item.end].strip("\"'\n")[:DIGITS] in notes:
                comma = COMMA.match(text, item.end)
                rest = comma[1] + text[comma.end() :] if comma else text[item.end :]
                rest = COMMENT.sub("", rest, count=1)
                head = text[: item.start]
                text = (LAST_BLANKS.sub("", head) if rest.startswith("\n") else head) + rest
        mark = scan(text).get(("clean", each))
        value = text[mark.value_start : mark.value_end] if mark else "[]"
        value = "[]" if not value[1:-1].strip() else value
        if each == key:
            added = "".join(f'\n  "{digest}",  # {note}' for digest, note in notes.items())
            value = f"[{added}{'' if value[1] == chr(10) else chr(10)}{value[1:]}"
        if mark or each == key:
            text = with_key(text, "clean", each, value)
    return text
