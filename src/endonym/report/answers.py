"""What the phases learned from conversations and preference pairs: rows of two tables."""

from collections.abc import Sequence
from typing import NamedTuple

from endonym.data.config import RECORDS
from endonym.pipeline.execute import Made
from endonym.report.formatting import whole


class AnswersCard(NamedTuple):
    """rows: of each phase its name, kind, records read and rejected, examples, share learnt.

    rejects: phase, reason, records, share of the records read.
    """

    rows: list[list[str]]
    rejects: list[list[str]]


def answers_card(made: Sequence[Made]) -> AnswersCard | None:
    """The card of the examples that a run has made; None if it has made none."""
    rows: list[list[str]] = []
    rejects: list[list[str]] = []
    for each in made:
        if each.stage.kind != "examples":
            continue
        phase, counted = each.stage.name.removeprefix("examples "), each.artifact.numbers
        train, read = counted["train"], max(1, counted["records"])
        rows.append(
            [
                phase,
                RECORDS[counted["objective"]],
                whole(counted["records"]),
                whole(sum(counted["dropped"].values())),
                whole(train["examples"]),
                whole(counted["dev"]["examples"]),
                f"{100 * train['learnt'] / max(1, train['tokens']):.1f} %",
            ]
        )
        rejects += [
            [phase, reason, whole(count), f"{100 * count / read:.1f} %"]
            for reason, count in sorted(counted["dropped"].items(), key=lambda item: -item[1])
        ]
    return AnswersCard(rows, rejects) if rows else None
