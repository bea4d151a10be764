"""Thresholds of cleaning from the distribution of a sample of documents.

A limit is Tukey's outer fence: three times the range of the middle half, beyond that half. It is
robust: up to a quarter of the documents may be dirt, and it hardly moves. It stays within bounds
that are sensible for any language (those of Gopher and FineWeb lie in them), since nearly all
documents of a clean corpus have no table at all, and then any row would lie beyond the fence. A
limit that would drop more than SAFE_LOSS of the sample is not recommended: such is this corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from endonym.autopilot.model_size import Choice, Choices
from endonym.cleaning.rules import DROPS, Drop
from endonym.formats.config import Clean
from endonym.script.scripts import BREAK_SCRIPTS, BRIEF_SCRIPTS

LEAST_DOCUMENTS, MOST_DOCUMENTS = 40, 5_000
"""Documents that a measure is known of: fewer have no distribution, and more tell no more."""
SAFE_LOSS = 0.02
FENCE = 3.0
"""Ranges of the middle half from it to the limit."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a limit may lie. of_words: only where words are divided by blanks."""

    key: str
    least: float
    most: float
    about: str
    of_words: bool = False


BOUNDS = (
    Bounds("min_word_length", 1.5, 3.0, "words in pieces, as of bad OCR", of_words=True),
    Bounds("max_word_length", 9.0, 25.0, "words without blanks between them", of_words=True),
    Bounds("max_symbols", 0.05, 0.3, "pages of symbols, formulas, broken fonts"),
    Bounds("max_digits", 0.12, 0.4, "price lists, tables of results, numbers"),
    Bounds("min_ended_lines", 0.08, 0.4, "menus and lists, whose lines are no sentences"),
    Bounds("max_short_lines", 0.7, 0.97, "menus, indexes"),
    Bounds("max_list_lines", 0.5, 0.9, "lists"),
    Bounds("max_table_lines", 0.25, 0.8, "tables"),
    Bounds("max_code_lines", 0.12, 0.5, "programs and markup"),
    Bounds("max_repeated_5grams", 0.2, 0.6, "texts that repeat themselves"),
)


def thresholds(documents: Sequence[str], script: str) -> Choices:
    """The limits that a sample of normalized documents supports, by key."""
    has_words = script not in BREAK_SCRIPTS | BRIEF_SCRIPTS
    rules = {each.key: each for each in DROPS}
    wanted = [each for each in BOUNDS if has_words or not each.of_words]
    measures = [rules[each.key].measure_of(Clean()) for each in wanted]
    chosen = documents[:: max(1, -(-len(documents) // MOST_DOCUMENTS))]
    table = [[measure(text) for measure in measures] for text in chosen]
    found: Choices = {}
    for bounds, column in zip(wanted, zip(*table, strict=True), strict=False):
        values = [value for value in column if value is not None]
        if len(values) < LEAST_DOCUMENTS:
            continue
        recommended = limit_of(rules[bounds.key], bounds, values, len(chosen))
        if recommended is not None:
            found[bounds.key] = recommended
    return found


def limit_of(rule: Drop, bounds: Bounds, values: Sequence[float], documents: int) -> Choice | None:
    """The limit of one measure; None if no limit within the bounds is safe."""
    low, high = (float(each) for each in np.quantile(values, (0.25, 0.75)))
    reach = FENCE * (high - low)
    fence = low - reach if rule.is_least else high + reach
    limit = rounded(min(max(fence, bounds.least), bounds.most))
    dropped = sum(rule.verdict(value, limit) is not None for value in values)
    if dropped > SAFE_LOSS * len(values):
        return None
    half = " to ".join(written(each, rule.like) for each in (low, high))
    share = f"{dropped / documents:.1%}" if dropped else "none"
    reason = f"{bounds.about}: half of the sample has {half}; drops {share} of it"
    return Choice(limit, reason)


def rounded(value: float) -> float:
    """A limit as a person would write it: two digits."""
    return float(f"{value:.2g}")


def written(value: float, like: str) -> str:
    """A measure as people read it."""
    return f"{value:.1f}" if like == "length" else f"{100 * value:.2g} %"
