"""What `endonym judge` finds, as tables and sentences for people."""

from collections.abc import Iterator, Mapping
from typing import Any

from endonym.commands.judge_texts import TextReport
from endonym.evaluate.opinions import Preferences, Report
from endonym.evaluate.score import Interval
from endonym.evaluate.tables import aligned, span
from endonym.evaluate.writing import HELD_OUT
from endonym.log import counted, listed, number
from endonym.mappings import without_none
from endonym.pipeline.evaluation_texts import Overlap
from endonym.synthesis.shards import REJECTS

UNDEFINED = "undefined"
TEXT_HEADS = ["texts of", "characters", "names kept", "95 %", "mistakes per 1,000", "95 %"]
MADE = (
    "texts: {prompts} each, of {prompts_of}; temperature {temperature:g}, top-p {top_p:g}, "
    "{max_tokens} tokens at most, seed {seed}"
)
GRADE_HEADS = ["judge", "criterion", "texts of", "mean", "95 %", "median", "texts", "missing"]
Rows = list[list[str]]


def shown(
    told: Mapping[str, Any],
    report: Report,
    texts: Mapping[str, TextReport],
    overlap: Mapping[str, Overlap],
) -> str:
    """How the texts were made, all tables, and what they say. told: what `--json` prints.

    overlap: of held-out text with what each model was trained on.
    """
    names = [*texts]
    every = {judge: each.preferences for judge, each in report.judges.items()}
    pairs = without_none(every)
    prompts_of = told["prompts_file"] or f"beginnings of {told['split']} documents"
    made = MADE.format(prompts=told["prompts"], prompts_of=prompts_of, **told["sampling"])
    parts = [made, aligned(_text_rows(texts))]
    if pairs:
        parts.append(aligned(_preference_rows(pairs, names)))
    if report.judges:
        parts.append(aligned(_grade_rows(report), left=3))
    if pairs or report.agreement:
        parts.append(aligned(_agreement_rows(report, pairs)))
    every = ((name, said) for name, each in overlap.items() for said in each.sentences("text"))
    parts.append("\n".join(f"{HELD_OUT}, {name}: {said}" for name, said in every))
    parts.append("\n".join(conclusions(report, names)))
    return "\n\n".join(filter(None, parts))


def _text_rows(texts: Mapping[str, TextReport]) -> Rows:
    """What is measured without a judge."""
    rows = [
        [
            name,
            number(each.characters),
            *_cells(each.names_kept, ".0%"),
            *_cells(each.mistakes, ".1f"),
        ]
        for name, each in texts.items()
    ]
    has_mistakes = any(each.mistakes for each in texts.values())
    return [row if has_mistakes else row[:4] for row in (TEXT_HEADS, *rows)]


def _preference_rows(found: Mapping[str, Preferences], names: list[str]) -> Rows:
    """What each judge prefers of two systems."""
    one, other, *_ = names
    heads = ["judge", f"for {one}", f"for {other}", "ties", "orders differ", "missing"]
    heads += [f"{one} wins", "95 %", "first place", "95 %"]
    rows = [heads]
    for judge, each in found.items():
        counts = (each.wins, each.losses, each.ties, each.n_disagreeing, each.n_missing)
        shares = (each.win_rate, each.first_place)
        rows.append(
            [judge, *map(number, counts), *(cell for s in shares for cell in _cells(s, ".0%"))]
        )
    return rows


def _grade_rows(report: Report) -> Rows:
    """The grades of each judge, criterion and system."""
    rows = [GRADE_HEADS]
    for judge, found in report.judges.items():
        for criterion, systems in found.grades.items():
            for name, each in systems.items():
                median = UNDEFINED if each.median is None else f"{each.median:g}"
                counts = number(each.n_texts), number(each.n_missing)
                rows.append([judge, criterion, name, *_cells(each.mean, ".2f"), median, *counts])
    return rows


def _agreement_rows(report: Report, pairs: Mapping[str, Preferences]) -> Rows:
    """Krippendorff's alpha: of each judge with itself, and of several judges."""
    found = {f"{judge}, both orders": each.self_alpha for judge, each in pairs.items()}
    found |= {f"all judges, {what}": value for what, value in report.agreement.items()}
    rows = [[name, UNDEFINED if each is None else f"{each:.2f}"] for name, each in found.items()]
    return [["agreement", "alpha"], *rows]


def _cells(found: Interval | None, form: str) -> tuple[str, str]:
    """A value and its interval."""
    if found is None:
        return UNDEFINED, ""
    return f"{found.value:{form}}", span(found, form)


def conclusions(report: Report, names: list[str]) -> Iterator[str]:
    """What each judge says in a sentence, and what is missing of it."""
    for judge, each in report.judges.items():
        yield f"{judge}: {counted(each.n_answers, 'answer')} from {each.endpoint}"
        if each.preferences:
            yield f"{judge}: {verdict(each.preferences, names)}"
        if each.failed:
            reasons = listed(
                [f"{why.replace('_', ' ')} {number(n)}" for why, n in each.failed.items()]
            )
            yield f"{judge}: left out: {counted(sum(each.failed.values()), 'answer')} ({reasons})"
        if "length" in each.failed:
            do = f"more --answer-tokens, after you delete its {REJECTS}"
            yield f"{judge}: answers of the reason length are cut; to ask for them again: {do}"
        if each.n_left:
            yield f"{judge}: {counted(each.n_left, 'question')} not asked yet"


def verdict(found: Preferences, names: list[str]) -> str:
    """Which of two systems a judge prefers, or why it is not said."""
    one, other, *_ = names
    if found.is_biased:
        place, ends = _cells(found.first_place, ".0%")
        return (
            f"no verdict, this judge is biased: the text that stood first was chosen in {place} of "
            f"the choices ({ends}), not in half of them"
        )
    if found.win_rate is None:
        return "no verdict: it answered no pair in both orders"
    if not found.win_rate.excludes(0.5):
        return f"no difference between {one} and {other} is shown"
    return f"{one if found.win_rate.value > 0.5 else other} is preferred"
