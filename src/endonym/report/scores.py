"""The report's scores: a verdict, tables, bars, how texts differ, and size against loss."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from endonym.copies.notes import kept_out_of
from endonym.evaluate.neighbours import Gain
from endonym.evaluate.score import BITS, FEWEST_DOCUMENTS, FEWEST_OF_SOURCE, Score, find, headline
from endonym.evaluate.speed import Efficiency
from endonym.evaluate.tables import (
    BLOCKS,
    MODELS,
    NOT_ENOUGH,
    model_heads,
    remarks,
    score_rows,
    span,
)
from endonym.export import neighbours
from endonym.log import number
from endonym.report.formatting import JOINER, SENTENCES, decimal, sentences
from endonym.report.svg import CHARTS, Bar, Bars, Chart, Series

NEAR_UNIFORM = 0.9
METRICS = (
    ("bits_per_character", "bits/character", 3),
    ("nats_per_token", "nats/token", 3),
    ("perplexity", "perplexity", 1),
)


@dataclass(frozen=True, slots=True)
class ScoreGroup:
    """The tables and bars of one text, a named file or the test documents, read in one way.

    rows: a line of the table for each source, as its name and cells. others: a line of the table
    in other units for each model, alike.
    """

    title: str
    heads: list[str]
    rows: list[tuple[str, list[str]]]
    others: list[tuple[str, list[str]]]
    notes: list[str]
    bars: Bars


def text_name(split: str) -> str:
    """The name of a split in the report."""
    return "test documents" if split == "test" else split


def text_title(split: str, text: str) -> str:
    """The heading of a text that was read in one way. text: as in Score."""
    title = text_name(split).capitalize() if split == "test" else split
    return title + ", neighbours read together" * (text == "block")


def splits(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """The scores of each text that was judged, in the order of judging."""
    parts: dict[str, list[Score]] = {}
    for score in scores:
        parts.setdefault(score.split, []).append(score)
    return parts


def first_judged(scores: Sequence[Score]) -> str:
    """The split that speaks for a model: the test text, or else what was judged first; or ""."""
    parts = splits(scores)
    return "test" if "test" in parts else next(iter(parts), "")


def headlines(
    scores: Sequence[Score], text: Literal["document", "block"] = "document"
) -> dict[str, Score | None]:
    """The headline of each model and baseline; None for one that was not scored."""
    return {name: headline(scores, model=name, text=text) for name in MODELS}


def verdicts(
    scores: Sequence[Score], card: Mapping[str, Any] | None = None, gains: Sequence[Gain] = ()
) -> list[str]:
    """What the scores of test text say, and then those of each file that was judged.

    card: of the corpus, which says what was removed from it for these files. gains: bits per byte
    that neighbours in the training text save, by source. Dev text speaks only if it is the first
    of the scores and there is no test text.
    """
    parts = splits(scores)
    first = first_judged(scores)
    files = [name for name in parts if name not in (first, "test", "dev")]
    lines: list[str] = []
    for name in [first, *files] if parts else []:
        own = parts[first] if name != first and first == "test" else ()
        lines += [*verdict(parts[name], own=own), *provisos(name, card or {}, gains)]
    return lines


def provisos(split: str, card: Mapping[str, Any], gains: Sequence[Gain]) -> list[str]:
    """What makes the scores of a text too good, and what was done about it."""
    gains_here = [gain for gain in gains if gain.split == split]
    return [*kept_out_of(card, split), *neighbours.sentences(gains_here, card)]


def verdict(
    scores: Sequence[Score], *, judges: bool = True, own: Sequence[Score] = ()
) -> list[str]:
    """What one split's scores say, as sentences; blocks have their own where they say otherwise.

    judges: also says how the model compares with the baselines. own: scores of the model's own test
    documents, where these are of another text.
    """
    by_model = headlines(scores)
    mine = by_model["model"]
    if mine is None:
        return []
    ends = span(mine, ".2f", none="").replace("–", f"{JOINER}–{JOINER}")  # on one line
    details = [f"95\u00a0%:\u00a0{ends}"] if ends else []
    if details and mine.n_groups is not None and mine.n_groups < mine.n_documents:
        only = "only " if mine.has_few_groups else ""
        details.append(f"over {only}{number(mine.n_groups)} groups of neighbours")
    if details and mine.of_lengths:
        details.append(f"for {mine.text}s of about these lengths")
    total = find(scores, metric=BITS, model="model", source=None)
    if mine.weighting == "sources" and total:
        details.insert(0, f"the mean of {len(mine.averaged)} sources")
        details.append(f"{total.value:.2f} over all bytes")
    figures = sentences("verdict.txt", mine=mine, details=details, by_model=by_model)
    if mine.low is None:
        words = SENTENCES["verdict"]
        more = words["hold_out_more"] if mine.split in ("test", "dev") else ""
        fewest = {"fewest": FEWEST_DOCUMENTS, "of_source": FEWEST_OF_SOURCE}
        figures.append(words[mine.no_interval or NOT_ENOUGH].format(more=more, **fewest))
    if not judges:
        return figures
    standing = _standing(mine, by_model, headlines(own))
    by_block = headlines(scores, "block")
    if (block := by_block["model"]) is not None:
        block_standing = _standing(block, by_block)
        if block_standing != standing:
            standing += [f"Read in blocks, however, it needs {block.value:.2f}.", *block_standing]
    return figures + standing


def _standing(
    mine: Score, by_model: dict[str, Score | None], own: Mapping[str, Score | None] | None = None
) -> list[str]:
    """How the model compares with the baselines: one sentence; none if there are no baselines.

    own: the headlines of its own test documents, where these are of another text. Where it does no
    better there, the kind of text is not what it lacks.
    """
    name = standing_name(mine, by_model)
    words = SENTENCES["standing"]
    if name is None:
        return []
    is_own_text = mine.split in ("test", "dev")
    longer = words["longer"]
    advice = longer if is_own_text else words["other_kind"]
    at_home = own["model"] if own else None
    home_name = standing_name(at_home, dict(own)) if own and at_home else None
    if not is_own_text and home_name and [*words].index(home_name) <= [*words].index(name):
        advice = words["own_too"]
    if cost := cost_on_texts(by_model):
        before = by_model["before"]
        guesses = ("worse_than_guessing", "close_to_guessing")
        if name in guesses and before and standing_name(before, by_model) not in guesses:
            return [cost]  # it had learnt such text, and was then trained on something else
        advice = longer = cost
    uniform = by_model["uniform"]
    guessing = uniform.value if uniform else math.nan
    return [words[name].format(uniform=guessing, advice=advice, longer=longer)]


def cost_on_texts(by_model: Mapping[str, Score | None]) -> str:
    """What the last training cost on these texts, in a sentence; empty if it shows no cost."""
    before = by_model["before"]
    mine = by_model["model"]
    more = round(mine.value - before.value, 2) if before and mine else 0.0
    return SENTENCES["standing"]["cost"].format(more=more) if more > 0 else ""


def standing_name(mine: Score, by_model: dict[str, Score | None]) -> str | None:
    """The name of the sentence that holds; a difference must lie outside the model's interval.

    Against the compressor: the interval on the compressor's documents, widened by the compressor's
    own standard deviation. None if there are no baselines.
    """
    low, high = _ends(mine)
    sample_low, sample_high = _ends(by_model["model_on_sample"] or mine)
    uniform = by_model["uniform"]
    bigram = by_model["bigram"]
    if uniform and mine.value >= NEAR_UNIFORM * uniform.value:
        return "worse_than_guessing" if mine.value > uniform.value else "close_to_guessing"
    if bigram and low > bigram.value:
        return "worse_than_pairs"
    if bigram and high >= bigram.value:
        return "not_apart_from_pairs"
    if compressor := by_model["compressor"]:
        spread = compressor.deviation or 0.0
        if sample_low > compressor.value + spread:
            return "between_pairs_and_compressor" if bigram else "worse_than_compressor"
        if sample_high >= compressor.value - spread:
            return "not_apart_from_compressor"
    if bigram:
        return "better_than_both" if compressor else "better_than_pairs"
    return None


def _ends(score: Score) -> tuple[float, float]:
    """The ends of a score's interval; without one both are its value."""
    low = score.value if score.low is None else score.low
    high = score.value if score.high is None else score.high
    return low, high


def group(scores: Sequence[Score]) -> ScoreGroup:
    """The tables and bars of one text, read in one way."""
    rows = score_rows(scores)
    models = [name for name in MODELS if name in rows[0].scores]
    first = rows[0].score
    name = text_name(first.split)
    unit = f"{first.text}s"
    mine, *others = model_heads(rows[0])
    notes = remarks(rows)
    if first.text == "block":
        notes.insert(0, BLOCKS)
    table: list[tuple[str, list[str]]] = []
    for row in rows:
        own, *more = [decimal(row.scores[n].value, 3) if n in row.scores else "–" for n in models]
        ends = span(row.score, ".3f")
        sizes = [number(row.score.n_documents), number(row.score.n_bytes)]
        table.append((row.name, [own, ends, *more, f"{100 * row.of_bytes:.1f} %", *sizes]))
    units: list[tuple[str, list[str]]] = []
    bars: list[Bar] = []
    for model in models:
        score = rows[0].scores[model]
        where = "" if score.sampled_from is None else f" on {number(score.n_documents)}"
        style = "model" if model.startswith("model") else "baseline"
        low, high = (score.low, score.high) if model == "model" else (None, None)
        bars.append(Bar(model.split("_")[0] + where, score.value, low, high, style))
        if model != "model_on_sample":
            values = [
                (headline(scores, model=model, metric=metric, text=first.text), decimals)
                for metric, _, decimals in METRICS
            ]
            units.append((model, [decimal(each and each.value, n) for each, n in values]))
    return ScoreGroup(
        title=text_title(first.split, first.text),
        heads=["bits/byte", mine, "95 %", *others, "of bytes", unit, "bytes"],
        rows=table,
        others=units,
        notes=notes,
        bars=Bars(f"Bits per byte on {name}", bars),
    )


def gap(scores: Sequence[Score]) -> tuple[Bars, list[str]] | None:
    """The model on each text, and how they differ; None with fewer than two texts."""
    parts = splits(scores)
    found = (headline(part, model="model") for part in parts.values())
    totals = [score for score in found if score is not None]
    if len(totals) < 2:
        return None
    home = next((score for score in totals if score.split == "test"), totals[0])
    bars = [Bar(text_name(s.split), s.value, s.low, s.high, "model") for s in totals]
    notes: list[str] = []
    for away in totals:
        if away is home:
            continue
        note = _difference(home, away)
        before = headline(parts[home.split], model="bigram")
        after = headline(parts[away.split], model="bigram")
        if before and after:
            pairs = SENTENCES["difference"]["pairs"]
            note += " " + pairs.format(before=before.value, after=after.value)
        notes.append(note)
    return Bars("Bits per byte of the model on each text", bars), notes


def _difference(home: Score, away: Score) -> str:
    """Why one text is harder; a difference is claimed only if its interval excludes zero.

    The two texts are independent, so half-widths add as squares.
    """
    words = SENTENCES["difference"]
    there = text_name(away.split)
    needs = words["needs"].format(
        there=there, away=away.value, here=text_name(home.split), home=home.value
    )
    if home.low is None or home.high is None or away.low is None or away.high is None:
        return words["few_documents"].format(needs=needs)
    more = away.value - home.value
    reach = math.hypot((home.high - home.low) / 2, (away.high - away.low) / 2)
    name = "uncertain" if abs(more) <= reach else "easier" if more < 0 else "harder"
    return words[name].format(needs=needs, reach=reach, fewer=-more, more=more, there=there)


STYLES = 15
"""Pairs of a colour and a dash in the style sheet."""


def efficiency_chart(rows: Sequence[Efficiency]) -> Chart | None:
    """Bits a byte over the size on disk, a dot for each program; None if nothing was measured."""
    found = ((each.runtime, float(each.bytes), each.bits_per_byte) for each in rows)
    measured = [(name, size, bits) for name, size, bits in found if bits is not None]
    if not measured:
        return None
    values = [bits for _, _, bits in measured]
    margin = (max(values) - min(values)) * 0.15 or 0.01
    return Chart(
        **CHARTS["efficiency"],
        description=" ".join(f"{n}: {size:,.0f} bytes, {bits:.4f}." for n, size, bits in measured),
        series=[
            Series(name, [(size, bits)], f"run{index % STYLES}", has_dots=True)
            for index, (name, size, bits) in enumerate(measured)
        ],
        low=min(values) - margin,
        high=max(values) + margin,
    )
