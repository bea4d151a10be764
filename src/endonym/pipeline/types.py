"""The words that stages share: what a stage's work takes, and what it gives back."""

from collections.abc import Callable, Mapping
from typing import Any

from endonym.log import Log
from endonym.store import Artifact, Making

Numbers = dict[str, Any]
"""What a stage counted; it stands in the manifest."""
Inputs = Mapping[str, Artifact]
"""The artefacts that a stage reads, by the name of the input."""
Work = Callable[[Making, Inputs, Log], Numbers]
"""A stage's work: from its inputs to files in `making.out`."""
