"""A project whose texts are made ready for training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_project import Project


@pytest.fixture
def project(prepared: Path, command: Callable[..., Any]) -> Project:
    return Project(prepared, command)
