"""The errors of files of models that cannot be used: `damage.toml` has their words."""

from pathlib import Path

from endonym.errors import Damaged
from endonym.model.refusals import refusals

damage = refusals(Path(__file__).with_suffix(".toml"), Damaged)
