"""`endonym doctor`: what is wrong with texts, on one page and as JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from endonym.commands.filled import filled
from endonym.corpus.work import suitable_workers
from endonym.disk import write_atomic
from endonym.log import Log
from endonym.report.doctor import doctor_page, found_in, percent
from endonym.survey.diagnosis import Diagnosis, diagnose
from endonym.survey.findings import personal_data
from endonym.workers import runner

SHOWN = 12
"""Findings on the screen."""


def examine_texts(
    paths: Sequence[Path], *, out: Path, log: Log, workers: int | str | None = None, **options: Any
) -> Diagnosis:
    """Examine texts or a recipe's sources, and write the page to `out`.

    workers: how many processes, or "ray"; chosen by the size of the texts if None. options:
    language, contrast and samples, as for `diagnose`. Raises MissingSource if a path has no file.
    """
    diagnosis = diagnose(
        paths, runner_of=lambda size: runner(workers or suitable_workers(size)), log=log, **options
    )
    write_atomic(out, doctor_page(diagnosis).encode("utf-8", "backslashreplace"))
    return diagnosis


def describe(diagnosis: Diagnosis) -> str:
    """The verdict and a short table for the screen."""
    personal = personal_data(diagnosis.findings)
    values = {"diagnosis": diagnosis, "personal": personal, "found_in": found_in}
    return filled("findings.txt", most=SHOWN, percent=percent, **values)
