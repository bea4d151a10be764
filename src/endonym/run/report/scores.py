"""The report's judgement: a verdict in plain words, tables of scores, and what sets them apart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from endonym.evaluate.score import BITS, FEWEST_DOCUMENTS, FEWEST_OF_SOURCE, Score, find, headline
from endonym.log import THIN
from endonym.run.report.bars import Bar, Bars
from endonym.run.report.words import NARROW_BLANK, between, counted, decimal, whole
from endonym.run.tables import MODELS, ScoreRow, model_heads, remarks, score_rows, shares

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
    """The scores of one split, a named file or the test documents, read in one way."""

    title: str
    heads: list[str]
    rows: list[Row]
    others: list[Row]
    notes: list[str]
    bars: Bars


def text_name(split: str) -> str:
    """What people call a split."""
    return "test documents" if split == "test" else split


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
    by_model = {name: headline(found, model=name) for name in MODELS}
    mine = by_model["model"]
    if mine is None:
        return []
    opening = f"{_place(mine)} the model needs {mine.value:.2f} bits per byte{_frame(mine, found)}"
    others: list[str] = []
    bigram, compressor = by_model["bigram"], by_model["compressor"]
    if bigram:
        others.append(f"counting pairs of {UNITS.get(kind, 'tokens')} needs {bigram.value:.2f}")
    if compressor:
        there = by_model["model_on_sample"]
        where = f" on {whole(compressor.n_documents)} of them" if there else ""
        where += f", where the model needs {there.value:.2f}" if there else ""
        needs = "" if others else " needs"
        others.append(
            f"a compressor primed with the same text{needs} {compressor.value:.2f}{where}"
        )
    sentences = [opening + ("; " + ", ".join(others) if others else "") + "."]
    sentences += _standing(mine, by_model)
    if mine.low is None:
        sentences.append(
            f"There is no interval: it takes {FEWEST_DOCUMENTS} documents, neighbours counted as "
            f"one, and {FEWEST_OF_SOURCE} of each source. Read the number with care."
        )
    return sentences


def _place(mine: Score) -> str:
    if mine.split == "test":
        return f"On {counted(mine.n_documents, 'test document')}"
    return f"On {counted(mine.n_documents, 'document')} of {mine.split}"


def _frame(mine: Score, found: Sequence[Score]) -> str:
    """What the number is a mean of, its interval, and what it is over all bytes; in brackets."""
    parts = [f"95\u00a0%:\u00a0{interval(mine, 2)}"] if mine.low is not None else []
    total = find(found, metric=BITS, model="model", source=None)
    if mine.weighting == "sources" and total:
        parts = [
            f"the mean of {len(mine.averaged)} sources",
            *parts,
            f"{total.value:.2f} over all bytes",
        ]
    return f" ({'; '.join(parts)})" if parts else ""


def _standing(mine: Score, by_model: dict[str, Score | None]) -> list[str]:
    """Where the model stands; nothing is claimed that its interval does not carry.

    Beside the compressor: its interval on the same documents, and the compressor's own spread.
    """
    low, high = mine.low or mine.value, mine.high or mine.value
    there = by_model["model_on_sample"] or mine
    least, most = there.low or there.value, there.high or there.value
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
    spread = (compressor and compressor.deviation) or 0.0
    if compressor and least > compressor.value + spread:
        start = "It beats counting pairs, but the compressor" if bigram else "The compressor"
        return [f"{start} still predicts these texts better."]
    if compressor and most >= compressor.value - spread:
        return ["It cannot be told apart from the compressor."]
    if bigram and compressor:
        return ["It predicts these texts better than all that needs no learning."]
    return ["It predicts these texts better than counting pairs."] if bigram else []


def group(found: Sequence[Score]) -> Group:
    """The tables and bars of one split, read in one way."""
    rows = score_rows(found)
    models = [name for name in MODELS if name in rows[0].scores]
    first = rows[0].score
    title = text_name(first.split)
    title = title[:1].upper() + title[1:] if first.split == "test" else title
    unit = f"{first.text}s"
    mine, *others = model_heads(rows[0])
    return Group(
        title=title if first.text == "document" else f"{title}, neighbours read together",
        heads=["bits/byte", mine, "95 %", *others, "of bytes", f"of {unit}", unit, "bytes"],
        rows=[_row(row, models) for row in rows],
        others=[_other(found, name, first.text) for name in models if name != "model_on_sample"],
        notes=_notes(rows),
        bars=Bars(
            f"Bits per byte on {text_name(first.split)}",
            [_bar(name, rows[0].scores[name]) for name in models],
        ),
    )


def _row(row: ScoreRow, models: Sequence[str]) -> Row:
    """Bits per byte of every model, the interval, the shares and the sizes."""
    first, *others = [decimal(row.scores[n].value, 3) if n in row.scores else "–" for n in models]
    span = interval(row.score, 3) or "too few"
    sizes = [whole(row.score.n_documents), whole(row.score.n_bytes)]
    return Row(row.name, [first, span, *others, *shares(row), *sizes])


def _other(found: Sequence[Score], model: str, text: str) -> Row:
    """The same loss in other units."""
    scores = [headline(found, model=model, metric=metric, text=text) for metric, _, _ in METRICS]
    pairs = zip(scores, METRICS, strict=True)
    return Row(model, [decimal(each.value if each else None, m[2]) for each, m in pairs])


def _notes(rows: Sequence[ScoreRow]) -> list[str]:
    """What a reader of the table must know."""
    notes = [note.replace(THIN, NARROW_BLANK) for note in remarks(rows)]
    if any(row.score.low is None for row in rows):
        notes.append(
            f"No interval is given below {FEWEST_DOCUMENTS} documents, neighbours counted as one, "
            f"or with fewer than {FEWEST_OF_SOURCE} of a source: it would promise too much."
        )
    return notes


def _bar(name: str, score: Score) -> Bar:
    if name == "model":
        return Bar(name, score.value, score.low, score.high, "model")
    where = "" if score.sampled_from is None else f" on {whole(score.n_documents)}"
    style = "model" if name == "model_on_sample" else "baseline"
    return Bar(name.split("_")[0] + where, score.value, None, None, style)


def gap(found: Sequence[Score], kind: str = "bpe") -> tuple[Bars, list[str]] | None:
    """The model on several texts side by side, and why they differ; None with fewer than two."""
    parts = splits(found)
    totals = [
        score for part in parts.values() if (score := headline(part, model="model")) is not None
    ]
    if len(totals) < 2:
        return None
    home = next((score for score in totals if score.split == "test"), totals[0])
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
    here, there = (headline(part, model="bigram") for part in (home, away))
    if here is None or there is None:
        return ""
    numbers = f"{here.value:.2f} to {there.value:.2f}"
    return f" Counting pairs of {UNITS.get(kind, 'tokens')} goes from {numbers}."
