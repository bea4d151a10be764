"""Language packs: the steps of `cleaning/language_packs/*.toml`, each right in one language.

A pack file is named by its language's code; each of its tables is a step of `normalize`, called by
the table's name. title: what the step mends, for people. Other keys, applied in this order:

forms: a pattern of forms of letters, which become the letters (Unicode NFKC). letters: letter to
letter. patterns: regular expressions and what they become, one after the other.
order: regular expressions of parts; in each run of such parts, those of the first come first, then
those of the second, and so on, else as they stood. after: patterns again. Which texts:

words_in: only words with a letter of this script, and words without a letter of any other in lines
of that script. only_in: codes of languages; a line that is reliably in another one stays as it is,
unless it is reliably in one of these after the change.
own: the language's letters beyond plain ones: a line with one of them is in the language, and one
with other such letters alone is not. shared: letters of it that say neither. strange: a pattern
that says that a line without own letters is in another language. right: a pattern of what the step
makes; `new` recommends the step only where some of the texts have that already.
"""

import functools
import unicodedata
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from itertools import combinations

import regex
from pydantic import Field

from endonym.cleaning.language.votes import reliable_code
from endonym.cleaning.normalize import with_words
from endonym.config import Config
from endonym.disk import packaged_tables
from endonym.script.scripts import script_class

Change = Callable[[str], str]
"""From a text to the text after a step."""


class PackStep(Config):
    """A step of a language pack."""

    name: str
    language: str
    title: str
    forms: str = ""
    letters: dict[str, str] = Field(default_factory=dict[str, str])
    patterns: tuple[tuple[str, str], ...] = ()
    order: tuple[str, ...] = ()
    after: tuple[tuple[str, str], ...] = ()
    words_in: str = ""
    only_in: tuple[str, ...] = ()
    own: str = ""
    shared: str = ""
    strange: str = ""
    right: str = ""

    def is_right(self, text: str) -> bool:
        """Whether a text has, somewhere, what the step would make."""
        return regex.search(self.right, text) is not None

    def changer(self) -> Change:
        """The function that makes the change, only in lines and words for which it is meant."""
        change = _everywhere(self)
        pattern = self.pattern()
        if self.words_in:
            change = _in_words(self.words_in, pattern, change)
        if self.only_in:
            change = _in_lines(self, pattern, change)

        def changed(text: str) -> str:
            return change(text) if pattern.search(text) else text

        return changed

    def pattern(self) -> "regex.Pattern[str]":
        """A pattern of what the step would change, wherever it stands."""
        letters = [f"[{regex.escape(''.join(self.letters))}]"] if self.letters else []
        letters += [self.forms] if self.forms else []
        wrong = [f"(?:{later})(?:{sooner})" for sooner, later in combinations(self.order, 2)]
        replaced = [pattern for pattern, _ in (*self.patterns, *self.after)]
        return regex.compile("|".join([*letters, *replaced, *wrong]), regex.MULTILINE)


@functools.cache
def packs() -> dict[str, PackStep]:
    """All steps by name, sorted by language."""
    found: dict[str, PackStep] = {}
    folder = files("endonym.cleaning").joinpath("language_packs").iterdir()
    for file in sorted(path.name for path in folder if path.name.endswith(".toml")):
        for name, table in packaged_tables("endonym.cleaning", f"language_packs/{file}").items():
            named = {"name": name, "language": file.removesuffix(".toml")}
            found[name] = PackStep.model_validate(named | table)
    return found


def pack_steps(language: str) -> list[str]:
    """The names of a language's steps; its code may name a script or region, too."""
    code = language.lower().partition("-")[0]
    return [name for name, step in packs().items() if step.language == code]


def _everywhere(step: PackStep) -> Change:
    """A function that makes the change of a step everywhere in a text."""
    table = str.maketrans(step.letters)
    before, after = (
        [partial(regex.compile(pattern, regex.MULTILINE).sub, put) for pattern, put in pairs]
        for pairs in (step.patterns, step.after)
    )
    arrange = [_arranger(step.order)] if step.order else []
    forms = regex.compile(step.forms) if step.forms else None

    def changed(text: str) -> str:
        if forms is not None:
            text = forms.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
        text = text.translate(table) if table else text
        for change in (*before, *arrange, *after):
            text = change(text)
        return text

    return changed


def _arranger(order: tuple[str, ...]) -> Change:
    """A function that sorts the parts of each run by their classes, stably, in linear time."""
    classes = [regex.compile(each) for each in order]
    part = regex.compile("|".join(f"(?:{each})" for each in order))
    run = regex.compile(f"(?:{part.pattern}){{2,}}+")

    @functools.cache
    def class_of(sign: str) -> int:
        return next(n for n, each in enumerate(classes) if each.fullmatch(sign))

    def arranged(match: "regex.Match[str]") -> str:
        return "".join(sorted(part.findall(match[0]), key=class_of))

    return lambda text: run.sub(arranged, text)


def _in_words(script: str, pattern: "regex.Pattern[str]", change: Change) -> Change:
    """The change in words with a letter of a script, and in words without any beside such ones."""
    own = regex.compile(script_class(script))
    other = regex.compile(rf"(?!{pattern.pattern})\p{{L}}")  # a letter that is not to be changed

    def in_word(word: str) -> str:
        return change(word) if own.search(word) or not other.search(word) else word

    def in_line(line: str) -> str:
        return with_words(line, pattern, in_word) if own.search(line) else line

    return lambda text: "\n".join(map(in_line, text.split("\n")))


def _in_lines(step: PackStep, pattern: "regex.Pattern[str]", change: Change) -> Change:
    """The change in all lines but those that are reliably in another language."""
    own_letter = step.own and regex.compile(f"[{regex.escape(step.own)}]")
    letters = regex.escape(step.own + step.shared + "".join(step.letters))
    strange = [rf"[\p{{L}}--\p{{ASCII}}--[{letters}]]"] if step.own else []
    strange += [step.strange] if step.strange else []
    foreign = regex.compile(f"(?V1){'|'.join(strange)}") if strange else None

    def is_in_language(line: str) -> bool:
        if own_letter and own_letter.search(line):
            return True
        if foreign and foreign.search(line):
            return False
        # Short lines may be told only when the language's letters stand in them.
        return (
            reliable_code(line) in ("", *step.only_in)
            or reliable_code(change(line)) in step.only_in
        )

    def in_line(line: str) -> str:
        return change(line) if pattern.search(line) and is_in_language(line) else line

    return lambda text: "\n".join(map(in_line, text.split("\n")))
