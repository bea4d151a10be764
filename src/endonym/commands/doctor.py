"""`endonym doctor`: what is wrong with texts, on one page and as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from endonym.disk import write_atomic
from endonym.log import Log, number, padded
from endonym.pipeline.stages import suitable_workers
from endonym.report.doctor import doctor_page, percent
from endonym.survey.diagnosis import Diagnosis, diagnose
from endonym.workers import runner

SHOWN = 12
"""Findings on the screen."""


def examine_texts(
    paths: Sequence[Path], *, out: Path, log: Log, workers: int | str | None = None, **how: Any
) -> Diagnosis:
    """Examine texts or a recipe's sources, and write the page to `out`.

    workers: how many processes, or "ray"; chosen by the size of the texts if None. how: as for
    `diagnose`. Raises MissingSource if a path has no file.
    """
    diagnosis = diagnose(
        paths, runner_of=lambda size: runner(workers or suitable_workers(size)), log=log, **how
    )
    write_atomic(out, doctor_page(diagnosis).encode("utf-8", "backslashreplace"))
    return diagnosis


def describe(diagnosis: Diagnosis) -> str:
    """The verdict and a short table for the screen."""
    lines = [diagnosis.verdict(), *diagnosis.read(), ""]
    shown = diagnosis.findings[:SHOWN]
    for each in shown:
        count = padded(number(each.count), 9, right=True)
        share = padded(percent(each.share), 9, right=True)
        lines.append(f"{count} {share}  {each.title} ({each.severity})")
    if len(diagnosis.findings) > SHOWN:
        lines.append(f"and {len(diagnosis.findings) - SHOWN} more on the page")
    return "\n".join(lines)
