"""Every rule of cleaning for one document, in one list: what changes a text, then what drops it.

A rule's name is its key in the recipe (or its word in `normalize` or `mask`), its reason in the
counts, and what reports call it. Without the key, no rule. Rules that need the whole corpus, such
as lines that stand in many documents, are in `corpus_rules.py`; they come between the two lists.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import regex

from endonym.cleaning import measures, normalize
from endonym.cleaning.packs import packs
from endonym.cleaning.personal import KINDS, mask
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
    "mojibake": lambda clean: normalize.without_mojibake,
    "nfc": lambda clean: normalize.composed,
    "controls": lambda clean: normalize.without_controls,
    "zero_width": lambda clean: lambda text: normalize.without_zero_width(text, clean.script),
    "look_alikes": lambda clean: normalize.one_script(clean.script),
    "spaces": lambda clean: normalize.with_plain_spaces,
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

    says: a sentence about a dropped text, with {}, and like: how that is written. of: the key
    of the recipe that the measure is asked about.
    """

    key: str
    measure: Callable[..., float | None]
    says: str
    like: Literal["count", "share", "length"] = "share"
    of: str = ""

    @property
    def is_least(self) -> bool:
        """Whether the limit is the least that is kept."""
        return self.key.startswith("min_")

    def measure_of(self, clean: Clean) -> Measure:
        """The measure of a text by a recipe."""
        if not self.of:
            return self.measure
        wanted = getattr(clean, self.of) or ""
        return lambda text: self.measure(text, wanted)

    def verdict(self, value: float | None, limit: float) -> str | None:
        """What is wrong with a text of this measure; None if nothing is."""
        if value is None or (value >= limit if self.is_least else value <= limit):
            return None
        side = "below" if self.is_least else "above"
        return f"{self.says.format(self._written(value))}, {side} {self._written(limit)}"

    def _written(self, value: float) -> str:
        """A number as people read it."""
        if self.like == "count":
            return f"{value:,.0f}"
        return f"{value:.1f}" if self.like == "length" else f"{100 * value:.3g} %"


MEAN_LENGTH = "its words have {} letters on average"
EXPECTED = "{} of its letters are those expected"
REPEATED_5GRAMS = "{} of its words are in five words that stood before in it"
DROPS = (
    Drop("min_chars", len, "{} characters", "count"),
    Drop("max_chars", len, "{} characters", "count"),
    Drop("min_words", measures.words, "{} words", "count"),
    Drop("min_script_share", script_share, "{} of its letters are of the script", of="script"),
    Drop("min_expected_share", letters_share, EXPECTED, of="expected_letters"),
    Drop("min_word_length", measures.word_length, MEAN_LENGTH, "length"),
    Drop("max_word_length", measures.word_length, MEAN_LENGTH, "length"),
    Drop("max_symbols", measures.symbol_share, "{} of it are symbols"),
    Drop("max_digits", measures.digit_share, "{} of it are digits"),
    Drop("min_ended_lines", measures.ended_share, "{} of its lines end with punctuation"),
    Drop("max_short_lines", measures.short_share, "{} of its lines are short"),
    Drop("max_list_lines", measures.list_share, "{} of its lines are items of a list"),
    Drop("max_table_lines", measures.table_share, "{} of its lines are rows"),
    Drop("max_code_lines", measures.code_share, "{} of its lines look like code"),
    Drop("max_repeated_lines", measures.repeated_line_share, "{} of its lines stood before in it"),
    Drop("max_repeated_5grams", measures.repeated_ngram_share, REPEATED_5GRAMS),
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
        (name, STEPS[name](clean) if name in STEPS else packs()[name].changer())
        for name in clean.normalize
    ]
    masks = [
        (f"mask {kind}", mask(kind, clean.mask_with.format(kind=kind), clean.language))
        for kind in KINDS
        if kind in clean.mask
    ]
    return chosen + masks


def replacements(clean: Clean) -> list[tuple[str, Step]]:
    """The replacements of a recipe by their names, in its order.

    They are made once, and not until nothing changes: one may undo another. They raise TimeoutError
    where a pattern takes too long.
    """
    return [
        (f"replace {number}", normalize.replacement(each))
        for number, each in enumerate(clean.replace or (), 1)
    ]


def normalizer(clean: Clean, note: Note | None = None) -> Step:
    """A function that applies the steps of a recipe until nothing changes.

    So cleaning is idempotent for any order of steps.
    """
    chosen = steps(clean)

    def normalized(text: str) -> str:
        for _ in range(MOST_ROUNDS):
            start = text
            for name, step in chosen:
                before = text
                text = step(text)
                if note and text is not before and text != before:
                    note(name, before, text)
            if text is start or text == start:
                break
        return text

    return normalized


def speller(clean: Clean) -> Step:
    """A function that writes the beginning of a text as the texts of a corpus are written.

    By the replacements of letters and the steps of its recipe. Patterns, which may take long, and
    masks are for whole documents. Blanks at both ends stay: a continuation depends on them.
    """
    letters = tuple(each for each in clean.replace or () if each.letters and not each.sources)
    keys = clean.model_copy(update={"replace": letters, "mask": ()})
    changes = [*(change for _, change in replacements(keys)), normalizer(keys)]

    def spelled(text: str) -> str:
        if not (plain := text.strip()):
            return text
        before, _, after = text.partition(plain)
        for change in changes:
            plain = change(plain)
        return f"{before}{plain}{after}"

    return spelled


def judge(clean: Clean) -> Callable[[str], Verdict | None]:
    """A function from a normalized text to a verdict, if it is dropped."""
    limits = [
        (drop, drop.measure_of(clean), limit)
        for drop in DROPS
        if (limit := getattr(clean, drop.key)) is not None
    ]

    def judged(text: str) -> Verdict | None:
        if not VISIBLE.search(text):
            return "empty", "nothing that can be seen is left"
        if "\0" in text:
            return "nul", 'it holds NUL; normalize = ["spaces"] makes them blanks'
        for drop, measure, limit in limits:
            detail = drop.verdict(measure(text), limit)
            if detail is not None:
                if drop.key == "min_script_share" and (mixed := MIXED.search(text)):
                    detail += f'; letters of two scripts in one word, as in "{mixed[0]}"'
                return drop.key, detail
        return None

    return judged


def in_order(names: Iterable[str]) -> list[str]:
    """Names of rules in the order in which they apply; the others come first."""
    masks = [f"mask {kind}" for kind in KINDS]
    order = [*step_names(), *masks, *OF_THE_CORPUS, *(drop.key for drop in DROPS), *AFTER, *LAST]
    places = {name: place for place, name in enumerate(order)}
    return sorted(names, key=lambda name: (places.get(name, -1), name))
