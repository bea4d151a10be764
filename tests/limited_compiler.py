"""What a process with limits that has torch is asked to do, in a test."""

import getpass
import importlib
import os
from collections.abc import Mapping
from typing import Any

import torch

assert torch.__version__, "imported before the limits, as where models are opened"


def import_compiler(question: Mapping[str, Any]) -> dict[str, Any]:
    """As of a user who has never compiled: torch's folder of that name is not there."""
    getpass.getuser = lambda: f"{question['user']}-{os.getpid()}"
    importlib.import_module("torch._dynamo")
    return {}
