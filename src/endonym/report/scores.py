"""The report's scores: a verdict, tables, bars, how texts differ, and size against loss."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from endonym.copies.notes import kept_out_of
from endonym.evaluate.neighbours import Gain
from endonym.evaluate.score import BITS, FEWEST_DOCUMENTS, FEWEST_OF_SOURCE, Score, find, headline
from endonym.evaluate.speed import Efficiency
from endonym.evaluate.tables import BLOCKS, MODELS, TOO_FEW, model_heads, remarks, score_rows
from endonym.export import neighbours
from endonym.log import THIN
from endonym.report.formatting import NARROW_BLANK, between, decimal, sentences, whole
from endonym.report.svg import CHARTS, Bar, Bars, Chart, Series

NEAR_UNIFORM = 0.9
METRICS = (
    ("bits_per_character", "bits/character", 3),
    ("nats_per_token", "nats/token", 3),
    ("perplexity", "perplexity", 1),
)


def interval(score: Score, decimals: int) -> str:
    """The 95 % interval of a score; empty if it has too few documents."""
    if score.low is None or score.high is None:
        return ""
    return between(score.low, score.high, decimals)


def text_name(split: str) -> str:
    """The name of a split in the report."""
    return "test documents" if split == "test" else split


def splits(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """The scores of each text that was judged, in the order of judging."""
    parts: dict[str, list[Score]] = {}
    for score in scores:
        parts.setdefault(score.split, []).append(score)
    return parts


def verdicts(
    scores: Sequence[Score], card: Mapping[str, Any] | None = None, beside: Sequence[Gain] = ()
) -> list[str]:
    """What the scores of test text say, and those of each file that was judged beside it.

    card: of the corpus, which says what was removed from it for these files. beside: what
    neighbours in training save, in each source.
    """
    parts = splits(scores)
    first = "test" if "test" in parts else next(iter(parts), "")
    judged = [name for name in parts if name == first or name not in ("test", "dev")]
    said: list[str] = []
    for name in sorted(judged, key=lambda name: name != first):
        said += [*verdict(parts[name]), *provisos(name, card or {}, beside)]
    return said


def provisos(split: str, card: Mapping[str, Any], beside: Sequence[Gain]) -> list[str]:
    """What makes the scores of a text too good, and what was done about it."""
    mine = [gain for gain in beside if gain.split == split]
    return [*kept_out_of(card, split), *neighbours.sentences(mine, card)]


def verdict(scores: Sequence[Score], *, judges: bool = True) -> list[str]:
    """What one split's scores say, as sentences; blocks have their own where they say otherwise.

    judges: whether the model is compared with the baselines, not only its figures given.
    """
    by_model = {name: headline(scores, model=name) for name in MODELS}
    mine = by_model["model"]
    if mine is None:
        return []
    details = [f"95\u00a0%:\u00a0{interval(mine, 2)}"] if mine.low is not None else []
    total = find(scores, metric=BITS, model="model", source=None)
    if mine.weighting == "sources" and total:
        details.insert(0, f"the mean of {len(mine.averaged)} sources")
        details.append(f"{total.value:.2f} over all bytes")
    fewest = {"fewest": FEWEST_DOCUMENTS, "fewest_of_source": FEWEST_OF_SOURCE}
    said = sentences("verdict.txt", mine=mine, details=details, **by_model, **fewest)
    if not judges:
        return said
    standing = _standing(mine, by_model)
    by_block = {name: headline(scores, model=name, text="block") for name in MODELS}
    if (block := by_block["model"]) is not None:
        other = _standing(block, by_block)
        if other != standing:
            standing += [f"Read in blocks it needs {block.value:.2f}.", *other]
    return said + standing


def _standing(mine: Score, by_model: dict[str, Score | None]) -> list[str]:
    """How the model compares with the baselines; a difference must lie outside its interval.

    Against the compressor: the interval on the compressor's documents, and the compressor's own
    standard deviation. Without an interval both of its ends are the value.
    """
    (low, high), (least, most) = (
        (
            each.value if each.low is None else each.low,
            each.value if each.high is None else each.high,
        )
        for each in (mine, by_model["model_on_sample"] or mine)
    )
    ends = {"low": low, "high": high, "least": least, "most": most}
    return sentences("standing.txt", mine=mine, near_uniform=NEAR_UNIFORM, **by_model, **ends)


def group(
    scores: Sequence[Score], card: Mapping[str, Any] | None = None, beside: Sequence[Gain] = ()
) -> dict[str, Any]:
    """The tables and bars of one split, a named file or the test documents, read in one way.

    Rows are a name and its cells. card, beside: as in `verdicts`.
    """
    rows = score_rows(scores)
    models = [name for name in MODELS if name in rows[0].scores]
    first = rows[0].score
    name, unit = text_name(first.split), f"{first.text}s"
    title = name.capitalize() if first.split == "test" else name
    mine, *others = model_heads(rows[0])
    notes = [note.replace(THIN, NARROW_BLANK) for note in remarks(rows)]
    if first.text == "block":
        title += ", neighbours read together"
        notes.insert(0, BLOCKS)
    table: list[tuple[str, list[str]]] = []
    for row in rows:
        own, *more = [decimal(row.scores[n].value, 3) if n in row.scores else "–" for n in models]
        span = interval(row.score, 3) or TOO_FEW
        sizes = [whole(row.score.n_documents), whole(row.score.n_bytes)]
        table.append((row.name, [own, span, *more, *row.shares(), *sizes]))
    units: list[tuple[str, list[str]]] = []
    bars: list[Bar] = []
    for model in models:
        score = rows[0].scores[model]
        where = "" if score.sampled_from is None else f" on {whole(score.n_documents)}"
        if model == "model":
            bars.append(Bar(model, score.value, score.low, score.high, "model"))
        else:
            style = "model" if model == "model_on_sample" else "baseline"
            bars.append(Bar(model.split("_")[0] + where, score.value, None, None, style))
        if model != "model_on_sample":
            values = [
                (headline(scores, model=model, metric=metric, text=first.text), decimals)
                for metric, _, decimals in METRICS
            ]
            units.append((model, [decimal(each and each.value, n) for each, n in values]))
    return {
        "title": title,
        "heads": ["bits/byte", mine, "95 %", *others, "of bytes", f"of {unit}", unit, "bytes"],
        "rows": table,
        "others": units,
        "notes": notes + provisos(first.split, card or {}, beside),
        "bars": Bars(f"Bits per byte on {name}", bars),
    }


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
    notes: list[str] = []
    for away in totals:
        if away is not home:
            bigrams = [headline(parts[each.split], model="bigram") for each in (home, away)]
            notes.append(_difference(home, away, bigrams))
    return Bars("Bits per byte of the model on each text", bars), notes


def _difference(home: Score, away: Score, bigrams: Sequence[Score | None]) -> str:
    """Why one text is harder; a difference is claimed only if its interval excludes zero.

    The two texts are independent, so half-widths add as squares. bigrams: of both.
    """
    reach = None
    if not (home.low is None or home.high is None or away.low is None or away.high is None):
        reach = math.hypot((home.high - home.low) / 2, (away.high - away.low) / 2)
    said = sentences(
        "difference.txt",
        home=home,
        away=away,
        here=text_name(home.split),
        there=text_name(away.split),
        more=away.value - home.value,
        reach=reach,
        before=bigrams[0],
        after=bigrams[1],
    )
    return " ".join(said)


STYLES = 15
"""Pairs of a colour and a dash in the style sheet."""


def efficiency_chart(rows: Sequence[Efficiency]) -> Chart | None:
    """Bits a byte over the size on disk, a dot for each program; None if nothing was measured."""
    found = [(row.runtime, row.bytes, row.bits_per_byte) for row in rows]
    known = [(name, float(size), bits) for name, size, bits in found if bits is not None]
    if not known:
        return None
    values = [bits for _, _, bits in known]
    margin = (max(values) - min(values)) * 0.15 or 0.01
    return Chart(
        **CHARTS["efficiency"],
        description=" ".join(f"{n}: {size:,.0f} bytes, {bits:.4f}." for n, size, bits in known),
        series=[
            Series(name, [(size, bits)], f"run{index % STYLES}", has_dots=True)
            for index, (name, size, bits) in enumerate(known)
        ],
        low=min(values) - margin,
        high=max(values) + margin,
    )
