"""How a phase judged held-out preference pairs at its validations: a sentence and charts.

Accuracy: the share of pairs whose chosen answer has the higher reward (arXiv:2305.18290, equation
5, without the part that depends on the prompt alone); a tie counts half. Margin: its reward less
that of the rejected one, the mean over the pairs, in nats times β.
"""

from dataclasses import dataclass
from typing import Any

from endonym.report.formatting import whole
from endonym.report.svg.curves import Chart, Series

ACCURACY, MARGIN = "dev_accuracy", "dev_margin"
HEADROOM = 0.06


@dataclass(frozen=True, slots=True)
class Judged:
    """One validation. step 0 is the reference itself: every margin is zero, up to rounding."""

    step: int
    tokens: int
    accuracy: float
    margin: float


def judged_pairs(steps: list[dict[str, Any]]) -> list[Judged]:
    """The validations of a phase on pairs, in order; none of another phase.

    steps: the lines of a journal whose event is "step".
    """
    return [
        Judged(line["step"], line["tokens"], line[ACCURACY], line[MARGIN])
        for line in steps
        if ACCURACY in line and MARGIN in line
    ]


def sentence(found: list[Judged]) -> str:
    """What the last validation says, and which had the widest margin; empty without any."""
    after = [each for each in found if each.step]
    if not after:
        return ""
    last, widest = after[-1], max(after, key=lambda each: each.margin)
    text = (
        f"Of the held-out pairs {last.accuracy:.1%} are judged rightly at step "
        f"{whole(last.step)}, by a margin of {last.margin:.3f} on average"
    )
    if widest is last:
        return f"{text}."
    return f"{text}; the margin was widest at step {whole(widest.step)} ({widest.margin:.3f})."


def charts(found: list[Judged]) -> list[Chart]:
    """Accuracy and margin over the phase; none of fewer than two validations after the start."""
    after = [each for each in found if each.step]
    if len(after) < 2:
        return []
    margins = [each.margin for each in found]
    low, high = min(0.0, *margins), max(0.0, *margins)
    room = (high - low) * HEADROOM or 0.05
    right = [(float(each.tokens), 100 * each.accuracy) for each in after]
    wide = [(float(each.tokens), each.margin) for each in found]
    return [
        Chart(
            title="Held-out pairs judged rightly, in per cent",
            description=f"From {right[0][1]:.1f} % to {right[-1][1]:.1f} %.",
            x_name="tokens seen",
            y_name="per cent of the pairs",
            series=[Series("accuracy", right, "held", is_named=False, has_dots=True)],
            low=0.0,
            high=100.0,
            height=170,
        ),
        Chart(
            title="Margin between chosen and rejected answers",
            description=f"From {wide[0][1]:.3f} to {wide[-1][1]:.3f}.",
            x_name="tokens seen",
            y_name="reward of the chosen less that of the rejected answer",
            series=[Series("margin", wide, "held", is_named=False, has_dots=True)],
            low=low - room,
            high=high + room,
            height=170,
        ),
    ]
