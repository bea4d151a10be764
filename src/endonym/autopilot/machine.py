"""Measurements of this machine, saved in the store's `machine.json`."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from endonym import device
from endonym.store import read_if_whole, write_sealed


def remembered(file: Path, key: str, measure: Callable[[], Any]) -> Any:
    """A measurement of this machine: the saved one, or a new one that is then saved.

    The key includes the processor, its instruction sets and the number of threads, so that a store
    on another machine is measured again.
    """
    here, measurements = _here(), read_if_whole(file)
    if key not in measurements.get(here, {}):
        value = measure()
        # Another run may have measured something else meanwhile.
        measurements = read_if_whole(file)
        measurements.setdefault(here, {})[key] = value
        write_sealed(file, measurements)
    return measurements[here][key]


def forget(file: Path) -> None:
    """Delete all measurements of this machine, so that they are made again when needed."""
    measurements = read_if_whole(file)
    if measurements.pop(_here(), None) is not None:
        write_sealed(file, measurements)


def known(file: Path, key: str) -> Any:
    """The saved measurement of this machine, or None; measures nothing itself."""
    return read_if_whole(file).get(_here(), {}).get(key)


def _here() -> str:
    """The key of this machine: rented ones may differ in instruction sets, not in name."""
    flags = hashlib.sha256(device.instruction_sets().encode()).hexdigest()[:6]
    return f"{device.processor()} {flags} x {device.threads()}"
