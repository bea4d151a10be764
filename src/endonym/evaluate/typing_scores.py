"""Scores of typed texts: key presses saved, and how often the next word was shown.

No torch is imported here: reports and tables of finished runs need none.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from endonym.evaluate.score import Interval, Score, ratio

SHOWN = (1, 3, 5)
"""How many suggestions are shown."""
MOST_SHOWN = max(SHOWN)
LETTERS_TYPED = (0, 1, 2, 3)
"""After so many letters of a word it is asked whether it is the first, or among the first three."""
TYPING = "typing.json"
"""In an evaluation's artefact: the scores."""
MOST_LETTERS = 20
"""Letters for each word of a text, at most, in scripts with blanks; Khmer text has 72 for each
number or foreign word."""
MODEL = "model"
PAIRS = "pairs of words"
FREQUENT = "frequent words"
"""What suggests; also the `model` of a score."""
SAVED = "saved_by_{}"
"""The metric of key presses saved by so many suggestions."""
MEASURES = {
    **{SAVED.format(n): f"key presses saved by {n}" for n in SHOWN},
    **{f"first_after_{n}": f"first one right after {n} letters" for n in LETTERS_TYPED},
    **{f"among_three_after_{n}": f"one of three right after {n} letters" for n in LETTERS_TYPED},
}


class Typed(NamedTuple):
    """What one document has taken. presses: with so many suggestions shown, by their number.

    words: how many were longer than so many letters, by these; first, among_three: of these
    words, how many were then the first suggestion, and among the first three.
    """

    letters: int
    presses: dict[int, int]
    words: dict[int, int]
    first: dict[int, int]
    among_three: dict[int, int]


def typing_scores(
    typed: Mapping[str, Sequence[Typed]], texts: Sequence[str], task: str
) -> Iterator[Score]:
    """The scores of what suggests, by its name, with intervals over the typed texts.

    task: said as the split of each score. Shares of words are left out in scripts without blanks,
    whose texts have few other words.
    """
    n_bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    for name, documents in typed.items():
        letters = [each.letters for each in documents]
        for metric, found in _measured(documents).items():
            yield Score(
                metric=metric,
                unit="",
                n_documents=len(documents),
                n_bytes=n_bytes,
                n_chars=sum(letters),
                n_tokens=0,
                n_groups=len(documents),
                source=None,
                model=name,
                split=task,
                **asdict(found.within(0.0, 1.0) if found.value >= 0 else found),
            )


def _measured(documents: Sequence[Typed]) -> dict[str, Interval]:
    """Each of MEASURES of typed documents."""
    counts = {
        SAVED.format(n): [(each.letters - each.presses[n], each.letters) for each in documents]
        for n in SHOWN
    }
    has_words = sum(each.words.get(0, 0) * MOST_LETTERS - each.letters for each in documents) > 0
    for n in LETTERS_TYPED if has_words else ():
        words = [each.words.get(n, 0) for each in documents]
        for kind in ("first", "among_three"):
            right = [getattr(each, kind).get(n, 0) for each in documents]
            counts[f"{kind}_after_{n}"] = [*zip(right, words, strict=True)]
    arrays = {metric: np.array(pairs, dtype=np.int64) for metric, pairs in counts.items()}
    return {
        metric: ratio(each[:, 0].astype(np.float64), each[:, 1])
        for metric, each in arrays.items()
        if each[:, 1].sum()
    }


def typing_cells(found: Sequence[Score]) -> list[list[str]]:
    """A row for each measure, heads first, and a column for each that suggests.

    Key presses saved have their intervals.
    """
    values = {(score.metric, score.model): score for score in found}
    names = list(dict.fromkeys(score.model for score in found))
    rows = [["suggestions", *names]]
    for metric, words in MEASURES.items():
        own = [values.get((metric, name)) for name in names]
        if any(own):
            is_saved = metric in map(SAVED.format, SHOWN)
            rows.append([words, *(_cell(each, has_interval=is_saved) for each in own)])
    return rows


def _cell(score: Score | None, *, has_interval: bool) -> str:
    """A share, with its interval if it is asked for and there is one."""
    if score is None:
        return ""
    if not has_interval or score.low is None or score.high is None:
        return f"{score.value:.1%}"
    return f"{score.value:.1%} ({100 * score.low:.1f}–{100 * score.high:.1f})"
