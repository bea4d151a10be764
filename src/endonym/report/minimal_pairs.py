"""The minimal pairs that an evaluation made: some of each kind, and how far they can be trusted."""

import json
from typing import Any

from endonym.evaluate.minimal_pairs import FILE, Check
from endonym.pipeline.execute import Run

SHOWN = 3
"""Pairs of each kind on the page."""


def shown_pairs(run: Run) -> list[dict[str, Any]]:
    """Of each kind of fault its check, and some pairs, the right sentence first."""
    found = list[dict[str, Any]]()
    for artifact in run.all("evaluation"):
        if FILE in artifact.manifest["files"]:
            lines = (artifact.folder / FILE).read_text(encoding="utf-8").splitlines()
            pairs = [json.loads(line) for line in lines]
            for kind, counts in artifact.numbers["checks"].items():
                own = [(each["good"], each["bad"]) for each in pairs if each["group"] == kind]
                found.append({"kind": kind, "check": Check(**counts), "pairs": own[:SHOWN]})
                found[-1] |= {"split": artifact.manifest["config"]["task"]}
                found[-1] |= {"share": artifact.numbers.get("training_share", 1.0)}
    return [each for each in found if each["pairs"]]
