"""The report's scores: a verdict, tables, bars, and how the texts differ."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from endonym.copies.notes import kept_out_of
from endonym.evaluate.neighbours import Gain, sentences
from endonym.evaluate.score import BITS, FEWEST_DOCUMENTS, FEWEST_OF_SOURCE, Score, find, headline
from endonym.evaluate.tables import (
    BLOCKS,
    MODELS,
    TOO_FEW,
    ScoreRow,
    model_heads,
    remarks,
    score_rows,
    shares,
)
from endonym.log import THIN
from endonym.report.formatting import NARROW_BLANK, between, counted, decimal, whole
from endonym.report.svg.bars import Bar, Bars

NEAR_UNIFORM = 0.9
NEXT = "A longer training or more text may help."
OF_ANOTHER_KIND = "The training text may be of another kind: more text of this kind may help."
METRICS = (
    ("bits_per_character", "bits/character", 3),
    ("nats_per_token", "nats/token", 3),
    ("perplexity", "perplexity", 1),
)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line of a table of scores."""

    name: str
    cells: list[str]


@dataclass(frozen=True, slots=True)
class ScoreGroup:
    """The scores of one split, a named file or the test documents, read in one way."""

    title: str
    heads: list[str]
    rows: list[TableRow]
    others: list[TableRow]
    notes: list[str]
    bars: Bars


def text_name(split: str) -> str:
    """The name of a split in the report."""
    return "test documents" if split == "test" else split


def splits(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """The scores of each text that was judged, in the order of judging."""
    parts: dict[str, list[Score]] = {}
    for score in scores:
        parts.setdefault(score.split, []).append(score)
    return parts


def interval(score: Score, decimals: int) -> str:
    """The 95 % interval of a score; empty if it has too few documents."""
    if score.low is None or score.high is None:
        return ""
    return between(score.low, score.high, decimals)


def verdicts(
    scores: Sequence[Score],
    card: Mapping[str, Any] | None = None,
    beside: Sequence[Gain] = (),
) -> list[str]:
    """What the scores of test text say, and those of each file that was judged beside it.

    card: of the corpus, which says what was removed from it for these files. beside: what
    neighbours in training save, in each source.
    """
    parts = splits(scores)
    first = "test" if "test" in parts else next(iter(parts), "")
    others = [name for name in parts if name not in (first, "test", "dev")]
    judged = [
        [*verdict(parts[name]), *provisos(name, card or {}, beside)]
        for name in [first, *others]
        if name
    ]
    return [sentence for sentences in judged for sentence in sentences]


def provisos(split: str, card: Mapping[str, Any], beside: Sequence[Gain]) -> list[str]:
    """What makes the scores of a text too good, and what was done about it."""
    mine = [gain for gain in beside if gain.split == split]
    return [*kept_out_of(card, split), *sentences(mine, card)]


def verdict(scores: Sequence[Score], *, judges: bool = True) -> list[str]:
    """What one split's scores say, as sentences; blocks have their own where they say otherwise.

    judges: whether the model is compared with the baselines, not only its figures given.
    """
    by_model = {name: headline(scores, model=name) for name in MODELS}
    mine = by_model["model"]
    if mine is None:
        return []
    is_test = mine.split == "test"
    where = counted(mine.n_documents, "test document" if is_test else "document")
    where += "" if is_test else f" of {mine.split}"
    details = [f"95\u00a0%:\u00a0{interval(mine, 2)}"] if mine.low is not None else []
    total = find(scores, metric=BITS, model="model", source=None)
    if mine.weighting == "sources" and total:
        details.insert(0, f"the mean of {len(mine.averaged)} sources")
        details.append(f"{total.value:.2f} over all bytes")
    opening = f"On {where} the model needs {mine.value:.2f} bits per byte"
    opening += f" ({'; '.join(details)})" if details else ""
    opening += _before(by_model["before"])
    others: list[str] = []
    bigram, compressor = by_model["bigram"], by_model["compressor"]
    if bigram:
        others.append(f"counting pairs of tokens needs {bigram.value:.2f}")
    if compressor:
        there = by_model["model_on_sample"]
        needs = "" if others else " needs"
        other = f"a compressor primed with the training text{needs} {compressor.value:.2f}"
        if there:
            other += f" on {whole(compressor.n_documents)} of them"
            other += f", where the model needs {there.value:.2f}"
        others.append(other)
    sentences = [opening + ("; " + ", ".join(others) if others else "") + "."]
    if mine.low is None:
        sentences.append(
            f"There is no interval: it takes {FEWEST_DOCUMENTS} groups of neighbouring documents, "
            f"and {FEWEST_OF_SOURCE} of each source, none with most of its text. Read the number "
            "with care."
        )
    if not judges:
        return sentences
    standing = _standing(mine, by_model)
    by_block = {name: headline(scores, model=name, text="block") for name in MODELS}
    if (block := by_block["model"]) is not None:
        other = _standing(block, by_block)
        if other != standing:
            standing += [f"Read in blocks it needs {block.value:.2f}.", *other]
    return sentences + standing


def _before(score: Score | None) -> str:
    """What the pretrained model needed, if the model is one that was trained further."""
    return "" if score is None else f", {score.value:.2f} before this training"


def _interval(score: Score) -> tuple[float, float]:
    """Low and high end; both are the value if there is no interval."""
    if score.low is None or score.high is None:
        return score.value, score.value
    return score.low, score.high


def _standing(mine: Score, by_model: dict[str, Score | None]) -> list[str]:
    """How the model compares with the baselines; a difference must lie outside its interval.

    Against the compressor: the interval on the compressor's documents, and the compressor's own
    standard deviation.
    """
    low, high = _interval(mine)
    least, most = _interval(by_model["model_on_sample"] or mine)
    uniform, bigram, compressor = (by_model[n] for n in ("uniform", "bigram", "compressor"))
    advice = NEXT if mine.split in ("test", "dev") else OF_ANOTHER_KIND
    if uniform and mine.value >= NEAR_UNIFORM * uniform.value:
        how = "worse than" if mine.value > uniform.value else "close to"
        return [
            f"That is {how} guessing blindly ({uniform.value:.2f}): the model has learnt next to "
            f"nothing about such text. {advice}"
        ]
    if bigram and low > bigram.value:
        return [f"It is worse than counting pairs. {advice}"]
    if bigram and high >= bigram.value:
        return [f"It cannot be told apart from counting pairs. {advice}"]
    spread = (compressor and compressor.deviation) or 0.0
    if compressor and least > compressor.value + spread:
        start = "It beats counting pairs, but the compressor" if bigram else "The compressor"
        return [f"{start} still predicts these texts better. {advice}"]
    if compressor and most >= compressor.value - spread:
        return [f"It cannot be told apart from the compressor. {NEXT}"]
    if bigram and compressor:
        return ["It predicts these texts better than all that needs no learning."]
    return ["It predicts these texts better than counting pairs."] if bigram else []


def group(
    scores: Sequence[Score],
    card: Mapping[str, Any] | None = None,
    beside: Sequence[Gain] = (),
) -> ScoreGroup:
    """The tables and bars of one split, read in one way. card, beside: as in `verdicts`."""
    rows = score_rows(scores)
    models = [name for name in MODELS if name in rows[0].scores]
    first = rows[0].score
    title = text_name(first.split)
    title = title[:1].upper() + title[1:] if first.split == "test" else title
    unit = f"{first.text}s"
    mine, *others = model_heads(rows[0])
    notes = [note.replace(THIN, NARROW_BLANK) for note in remarks(rows)]
    if first.text == "block":
        notes.insert(0, BLOCKS)
    notes += provisos(first.split, card or {}, beside)
    return ScoreGroup(
        title=title if first.text == "document" else f"{title}, neighbours read together",
        heads=["bits/byte", mine, "95 %", *others, "of bytes", f"of {unit}", unit, "bytes"],
        rows=[_row(row, models) for row in rows],
        others=[_other(scores, name, first.text) for name in models if name != "model_on_sample"],
        notes=notes,
        bars=Bars(
            f"Bits per byte on {text_name(first.split)}",
            [_bar(name, rows[0].scores[name]) for name in models],
        ),
    )


def _row(row: ScoreRow, models: Sequence[str]) -> TableRow:
    """Bits per byte of every model, the interval, the shares and the sizes."""
    first, *others = [decimal(row.scores[n].value, 3) if n in row.scores else "–" for n in models]
    span = interval(row.score, 3) or TOO_FEW
    sizes = [whole(row.score.n_documents), whole(row.score.n_bytes)]
    return TableRow(row.name, [first, span, *others, *shares(row), *sizes])


def _other(scores: Sequence[Score], model: str, text: str) -> TableRow:
    """The same loss in other units."""
    values = [headline(scores, model=model, metric=metric, text=text) for metric, _, _ in METRICS]
    pairs = zip(values, METRICS, strict=True)
    return TableRow(model, [decimal(each.value if each else None, m[2]) for each, m in pairs])


def _bar(name: str, score: Score) -> Bar:
    if name == "model":
        return Bar(name, score.value, score.low, score.high, "model")
    where = "" if score.sampled_from is None else f" on {whole(score.n_documents)}"
    style = "model" if name == "model_on_sample" else "baseline"
    return Bar(name.split("_")[0] + where, score.value, None, None, style)


def gap(scores: Sequence[Score]) -> tuple[Bars, list[str]] | None:
    """The model on each text, and how they differ; None with fewer than two texts."""
    parts = splits(scores)
    totals = [
        score for part in parts.values() if (score := headline(part, model="model")) is not None
    ]
    if len(totals) < 2:
        return None
    home = next((score for score in totals if score.split == "test"), totals[0])
    bars = [Bar(text_name(s.split), s.value, s.low, s.high, "model") for s in totals]
    pairs = {name: headline(part, model="bigram") for name, part in parts.items()}
    notes: list[str] = []
    for away in totals:
        if away is home:
            continue
        sentence = _difference(home, away)
        here, there = pairs[home.split], pairs[away.split]
        if here and there:
            numbers = f"{here.value:.2f} to {there.value:.2f}"
            sentence += f" Counting pairs of tokens goes from {numbers}."
        notes.append(sentence)
    return Bars("Bits per byte of the model on each text", bars), notes


def _difference(home: Score, away: Score) -> str:
    """Why one text is harder; a difference is claimed only if its interval excludes zero.

    The two texts are independent, so half-widths add as squares.
    """
    there, here = text_name(away.split), text_name(home.split)
    opening = (
        f"On {there} the model needs {away.value:.2f} bits per byte, on {here} {home.value:.2f}"
    )
    if home.low is None or home.high is None or away.low is None or away.high is None:
        return f"{opening}; too few documents to say whether they really differ."
    more = away.value - home.value
    reach = math.hypot((home.high - home.low) / 2, (away.high - away.low) / 2)
    if abs(more) <= reach:
        return f"{opening}; the difference is within its uncertainty (± {reach:.2f})."
    if more < 0:
        return f"{opening}: {-more:.2f} fewer (± {reach:.2f}). {there} is easier to predict."
    return (
        f"{opening}: {more:.2f} more (± {reach:.2f}). The model has learnt the kind of text "
        f"that it was trained on, and {there} is of another kind."
    )
