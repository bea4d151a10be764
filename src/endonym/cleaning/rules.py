"""Every rule of cleaning for one document, in one list: what changes a text, then what drops it.

A rule's name is its key in the recipe (or its word in `normalize` or `mask`), its reason in the
counts, and what reports call it. Without the key, no rule. Rules that need the whole corpus, such
as lines that stand in many documents, are in `corpus_rules.py`; they come between the two lists.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import regex

from endonym.cleaning import measures
from endonym.cleaning.controls import without_controls
from endonym.cleaning.look_alikes import one_script
from endonym.cleaning.mojibake import without_mojibake
from endonym.cleaning.normalize import composed, with_plain_spaces
from endonym.cleaning.packs import packs
from endonym.cleaning.personal import KINDS, mask
from endonym.cleaning.zero_width import without_zero_width
from endonym.formats.config import Clean
from endonym.formats.readers.plain import VISIBLE
from endonym.script.scripts import letters_share, script_share

Step = Callable[[str], str]
Measure = Callable[[str], float | None]
Verdict = tuple[str, str]
"""A reason and one sentence about this text."""
Note = Callable[[str, str, str], None]
"""Called with a rule's name, a text before it and the text after it, if they differ."""

STEPS: dict[str, Callable[[Clean], Step]] = {
    "mojibake": lambda clean: without_mojibake,
    "nfc": lambda clean: composed,
    "controls": lambda clean: without_controls,
    "zero_width": lambda clean: lambda text: without_zero_width(text, clean.script),
    "look_alikes": lambda clean: one_script(clean.script),
    "spaces": lambda clean: with_plain_spaces,
}
"""The steps of `normalize`, in the order in which `new` writes them; steps of packs come before
`spaces`."""

MOST_ROUNDS = 50
"""Steps settle in two or three rounds; whatever happens, they end."""

LOOK_ALIKES = r"\p{Latin}\p{Cyrillic}|\p{Cyrillic}\p{Latin}"
MIXED = regex.compile(rf"\p{{L}}{{0,20}}?(?:{LOOK_ALIKES})\p{{L}}{{0,20}}")


@dataclass(frozen=True, slots=True)
class Drop:
    """A rule that drops a text by a number that it measures.

    says: a sentence about a dropped text, with {value} and {limit}. like: how they are written.
    """

    key: str
    measure: Callable[[Clean], Measure]
    says: str
    like: Literal["count", "share", "length"] = "share"

    @property
    def is_least(self) -> bool:
        """Whether the limit is the least that is kept."""
        return self.key.startswith("min_")

    def verdict(self, value: float | None, limit: float) -> str | None:
        """What is wrong with a text of this measure; None if nothing is."""
        if value is None or (value >= limit if self.is_least else value <= limit):
            return None
        side = "below" if self.is_least else "above"
        shown = (_written(each, self.like) for each in (value, limit))
        return self.says.format(value=next(shown)) + f", {side} {next(shown)}"


def _written(value: float, like: str) -> str:
    """A number as people read it."""
    if like == "count":
        return f"{value:,.0f}"
    return f"{value:.1f}" if like == "length" else f"{100 * value:.3g} %"


def _always(measure: Measure) -> Callable[[Clean], Measure]:
    """A measure that needs nothing of the recipe."""
    return lambda clean: measure


DROPS: tuple[Drop, ...] = (
    Drop("min_chars", _always(len), "{value} characters", "count"),
    Drop("max_chars", _always(len), "{value} characters", "count"),
    Drop("min_words", _always(measures.words), "{value} words", "count"),
    Drop(
        "min_script_share",
        lambda clean: lambda text: script_share(text, clean.script or ""),
        "{value} of its letters are of the script",
    ),
    Drop(
        "min_expected_share",
        lambda clean: lambda text: letters_share(text, clean.expected_letters or ""),
        "{value} of its letters are those expected",
    ),
    Drop(
        "min_word_length",
        _always(measures.word_length),
        "its words have {value} letters on average",
        "length",
    ),
    Drop(
        "max_word_length",
        _always(measures.word_length),
        "its words have {value} letters on average",
        "length",
    ),
    Drop("max_symbols", _always(measures.symbol_share), "{value} of it are symbols"),
    Drop("max_digits", _always(measures.digit_share), "{value} of it are digits"),
    Drop(
        "min_ended_lines",
        _always(measures.ended_share),
        "{value} of its lines end with punctuation",
    ),
    Drop("max_short_lines", _always(measures.short_share), "{value} of its lines are short"),
    Drop(
        "max_list_lines", _always(measures.list_share), "{value} of its lines are items of a list"
    ),
    Drop("max_table_lines", _always(measures.table_share), "{value} of its lines are rows"),
    Drop("max_code_lines", _always(measures.code_share), "{value} of its lines look like code"),
    Drop(
        "max_repeated_lines",
        _always(measures.repeated_line_share),
        "{value} of its lines stood before in it",
    ),
    Drop(
        "max_repeated_5grams",
        _always(measures.repeated_ngram_share),
        "{value} of its words are in five words that stood before in it",
    ),
)
"""The rules that drop a text, in the order in which they are tried."""

OF_THE_CORPUS = ("max_line_documents", "split_languages")
"""Rules that need the whole corpus, and take out parts of a document before it is judged."""
AFTER = ("min_language_score", "max_same_skeleton")
"""Rules that need the whole corpus, and judge a document that no other rule drops."""
LAST = ("decontaminate", "exact", "near", "paragraphs")
"""Rules that compare what the others leave with evaluation texts and with itself."""


def step_names() -> list[str]:
    """The names of all steps, in the order in which `new` writes them."""
    own = list(STEPS)
    return [*own[:-1], *packs(), own[-1]]


def steps(clean: Clean) -> list[tuple[str, Step]]:
    """The steps of a recipe in its order, then its masks in theirs."""
    chosen = [
        (name, STEPS[name](clean) if name in STEPS else packs()[name].change())
        for name in clean.normalize
    ]
    masks = [
        (f"mask {kind}", mask(kind, clean.mask_with.format(kind=kind), clean.language))
        for kind in KINDS
        if kind in clean.mask
    ]
    return chosen + masks


def unnoted(rule: str, before: str, after: str) -> None:
    """The default for `note`: does nothing."""


def normalizer(clean: Clean, note: Note = unnoted) -> Step:
    """A function that applies the steps of a recipe until nothing changes.

    So cleaning is idempotent for any order of steps.
    """
    chosen = steps(clean)

    def normalized(text: str) -> str:
        for _ in range(MOST_ROUNDS):
            begun = text
            for name, step in chosen:
                before, text = text, step(text)
                if text is not before and text != before:
                    note(name, before, text)
            if text is begun or text == begun:
                break
        return text

    return normalized


def judge(clean: Clean) -> Callable[[str], Verdict | None]:
    """A function from a normalized text to a verdict, if it is dropped."""
    asked = [
        (drop, drop.measure(clean), limit)
        for drop in DROPS
        if (limit := getattr(clean, drop.key)) is not None
    ]

    def judged(text: str) -> Verdict | None:
        if not VISIBLE.search(text):
            return "empty", "nothing that can be seen is left"
        if "\0" in text:
            return "nul", 'it holds NUL; normalize = ["spaces"] makes them blanks'
        for drop, measure, limit in asked:
            detail = drop.verdict(measure(text), limit)
            if detail is not None:
                return drop.key, detail + (hint(text) if drop.key == "min_script_share" else "")
        return None

    return judged


def hint(text: str) -> str:
    """A word of two scripts, which may be why a text is not of its script."""
    mixed = MIXED.search(text)
    return f'; letters of two scripts in one word, as in "{mixed[0]}"' if mixed else ""


def in_order(names: Iterable[str]) -> list[str]:
    """Names of rules in the order in which they apply; the others come first."""
    masks = [f"mask {kind}" for kind in KINDS]
    order = [*step_names(), *masks, *OF_THE_CORPUS, *(drop.key for drop in DROPS), *AFTER, *LAST]
    places = {name: place for place, name in enumerate(order)}
    return sorted(names, key=lambda name: (places.get(name, -1), name))
