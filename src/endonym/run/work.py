"""The words that stages share: what a stage's work takes, and what it gives back."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from endonym.log import Log
from endonym.store import Artifact, Making

Numbers = dict[str, Any]
"""What a stage counted; it stands in the manifest."""
Inputs = Mapping[str, Artifact]
"""The artefacts that a stage reads, by the name of the input."""
Work = Callable[[Making, Inputs, Log], Numbers]
"""A stage's work: from its inputs to files in `making.out`."""


def read_json(path: Path) -> Any:
    """A JSON file of an artefact."""
    return json.loads(path.read_text(encoding="utf-8"))
