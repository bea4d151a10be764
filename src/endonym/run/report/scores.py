"""The report's judgement: a verdict in plain words, tables of scores, and what sets them apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from endonym.evaluate.score import FEWEST_DOCUMENTS, Score, find
from endonym.run.report.bars import Bar, Bars
from endonym.run.report.words import between, counted, decimal, whole

MODELS = ("model", "bigram", "unigram", "uniform", "compressor")
BITS = "bits_per_byte"
NEAR_UNIFORM = 0.9
UNITS = {"bpe": "word pieces", "char": "letters", "byte": "bytes"}
METRICS = (
    ("bits_per_character", "bits/character", 3),
    ("nats_per_token", "nats/token", 3),
    ("perplexity", "perplexity", 1),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table of scores."""

    name: str
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Group:
    """The scores of one split: a named file, or the held-out documents."""

    title: str
    models: list[str]
    rows: list[Row]
    others: list[Row]
    notes: list[str]
    bars: Bars


def text_name(split: str) -> str:
    """What people call a split."""
    return "held-out documents" if split == "val" else split


def splits(found: Sequence[Score]) -> dict[str, list[Score]]:
    """The scores of each text that was judged, in the order of judging."""
    parts: dict[str, list[Score]] = {}
    for score in found:
        parts.setdefault(score.split, []).append(score)
    return parts


def interval(score: Score, places: int) -> str:
    """The 95 % of a score; empty if it has too few documents."""
    if score.low is None or score.high is None:
        return ""
    return between(score.low, score.high, places)


def verdict(found: Sequence[Score], kind: str = "bpe") -> list[str]:
    """What one split's scores say, as sentences. kind: of the tokenizer."""
    by_model = {name: find(found, metric=BITS, model=name, source=None) for name in MODELS}
    mine = by_model["model"]
    if mine is None:
        return []
    place = _place(mine)
    span = f" (95\u00a0%:\u00a0{interval(mine, 2)})" if mine.low is not None else ""
    opening = f"{place} the model needs {mine.value:.2f} bits per byte{span}"
    others: list[str] = []
    bigram, compressor = by_model["bigram"], by_model["compressor"]
    if bigram:
        others.append(f"counting pairs of {UNITS.get(kind, 'tokens')} needs {bigram.value:.2f}")
    if compressor:
        some = compressor.n_documents
        where = f" (on {whole(some)} of them)" if some < mine.n_documents else ""
        needs = "" if others else " needs"
        others.append(
            f"a compressor primed with the same text{needs} {compressor.value:.2f}{where}"
        )
    sentences = [opening + ("; " + ", ".join(others) if others else "") + "."]
    sentences += _standing(mine, by_model)
    if mine.low is None:
        sentences.append(
            f"With fewer than {FEWEST_DOCUMENTS} documents there is no interval: "
            "read the number with care."
        )
    return sentences


def _place(mine: Score) -> str:
    if mine.split == "val":
        return f"On {counted(mine.n_documents, 'held-out document')}"
    return f"On {counted(mine.n_documents, 'document')} of {mine.split}"


def _standing(mine: Score, by_model: dict[str, Score | None]) -> list[str]:
    """Where the model stands; nothing is claimed that its interval does not carry."""
    low, high = mine.low or mine.value, mine.high or mine.value
    uniform, bigram, compressor = (by_model[n] for n in ("uniform", "bigram", "compressor"))
    if uniform and mine.value >= NEAR_UNIFORM * uniform.value:
        return [
            f"That is close to guessing blindly ({uniform.value:.2f}): "
            "the model has learnt next to nothing."
        ]
    if bigram and low > bigram.value:
        return ["It is worse than counting pairs: it needs more training or more text."]
    if bigram and high >= bigram.value:
        return ["It cannot be told apart from counting pairs."]
    if compressor and low > compressor.value:
        start = "It beats counting pairs, but the compressor" if bigram else "The compressor"
        return [f"{start} still predicts these texts better."]
    if compressor and high >= compressor.value:
        return ["It cannot be told apart from the compressor."]
    if bigram and compressor:
        return ["It predicts these texts better than all that needs no learning."]
    return ["It predicts these texts better than counting pairs."] if bigram else []


def group(found: Sequence[Score]) -> Group:
    """The tables and bars of one split."""
    bits = [score for score in found if score.metric == BITS]
    models = [name for name in MODELS if any(score.model == name for score in bits)]
    names = sorted({score.source for score in bits if score.source is not None})
    sources = [None, *names] if len(names) > 1 else [None]
    total = {score.model: score for score in bits if score.source is None}
    first = next(iter(total.values()))
    return Group(
        title="Held-out documents" if first.split == "val" else first.split,
        models=models,
        rows=[_row(bits, source, models) for source in sources],
        others=[_other(found, name) for name in models],
        notes=_notes(bits),
        bars=Bars(
            f"Bits per byte on {text_name(first.split)}",
            [_bar(name, total[name]) for name in models if name in total],
        ),
    )


def _row(bits: Sequence[Score], source: str | None, models: Sequence[str]) -> Row:
    """Bits per byte of every model on one source, the interval and the sizes."""
    by_model = {score.model: score for score in bits if score.source == source}
    values = [decimal(by_model[n].value, 3) if n in by_model else "–" for n in models]
    mine = by_model.get("model") or next(iter(by_model.values()))
    span = interval(mine, 3) or "too few"
    sizes = [whole(mine.n_documents), whole(mine.n_bytes)]
    return Row(source or "all", [values[0], span, *values[1:], *sizes])


def _other(found: Sequence[Score], model: str) -> Row:
    """The same loss in other units, over all documents."""
    scores = [find(found, metric=m, model=model, source=None) for m, _, _ in METRICS]
    pairs = zip(scores, METRICS, strict=True)
    return Row(model, [decimal(each.value if each else None, m[2]) for each, m in pairs])


def _notes(bits: Sequence[Score]) -> list[str]:
    """What a reader of the table must know."""
    notes: list[str] = []
    mine = [score for score in bits if score.model == "model"]
    if any(score.low is None for score in mine):
        notes.append(
            f"Below {FEWEST_DOCUMENTS} documents no interval is given: it would promise too much."
        )
    for each in bits:
        every = next((score for score in mine if score.source is None), None)
        is_compressor = each.model == "compressor" and each.source is None
        if is_compressor and every and each.n_documents < every.n_documents:
            notes.append(
                f"The compressor read {whole(each.n_documents)} of the "
                f"{counted(every.n_documents, 'document')}, evenly spread."
            )
    return notes


def _bar(name: str, score: Score) -> Bar:
    if name == "model":
        return Bar(name, score.value, score.low, score.high, "model")
    return Bar(name, score.value, None, None, "baseline")


def gap(found: Sequence[Score], kind: str = "bpe") -> tuple[Bars, list[str]] | None:
    """The model on several texts side by side, and why they differ; None with fewer than two."""
    parts = splits(found)
    totals = [
        score
        for part in parts.values()
        if (score := find(part, metric=BITS, model="model", source=None)) is not None
    ]
    if len(totals) < 2:
        return None
    home = next((score for score in totals if score.split == "val"), totals[0])
    bars = [Bar(text_name(s.split), s.value, s.low, s.high, "model") for s in totals]
    told = [
        _difference(home, away) + _pairs_too(parts[home.split], parts[away.split], kind)
        for away in totals
        if away is not home
    ]
    return Bars("Bits per byte of the model on each text", bars), told


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


def _pairs_too(home: Sequence[Score], away: Sequence[Score], kind: str) -> str:
    """What the same step costs a guess that has read the same training text."""
    here, there = (find(part, metric=BITS, model="bigram", source=None) for part in (home, away))
    if here is None or there is None:
        return ""
    numbers = f"{here.value:.2f} to {there.value:.2f}"
    return f" Counting pairs of {UNITS.get(kind, 'tokens')} goes from {numbers}."
