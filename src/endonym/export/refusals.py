"""The errors of exports and imports: `refusals.toml` has their words. Imports no torch."""

from pathlib import Path

from endonym.errors import ExportError
from endonym.model.refusals import refusals

refusal = refusals(Path(__file__).with_suffix(".toml"), ExportError)
