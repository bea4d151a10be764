"""What was measured on this machine, remembered in the store's `machine.json`."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from endonym import device
from endonym.disk import write_json


def remembered(file: Path, key: str, measure: Callable[[], Any]) -> Any:
    """What an earlier probe on this machine found, or a new measurement, kept in `machine.json`.

    Kept by processor, its units and threads: a store carried elsewhere is measured anew.
    """
    here, found = _here(), read(file)
    if key not in found.get(here, {}):
        value = measure()
        found = read(file)  # Another run may have measured something else meanwhile.
        found.setdefault(here, {})[key] = value
        write_json(file, found)
    return found[here][key]


def forget(file: Path) -> None:
    """Have all that was measured on this machine be measured again when it is next asked for."""
    found = read(file)
    if found.pop(_here(), None) is not None:
        write_json(file, found)


def read(file: Path) -> dict[str, Any]:
    """All that was measured, by machine; empty if nothing was."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def known(file: Path, key: str) -> Any:
    """What a probe found on this machine, or None: for those who must not measure."""
    return read(file).get(_here(), {}).get(key)


def _here() -> str:
    """What measurements hold for. Guests of rented machines may have one name and other units."""
    units = hashlib.sha256(device.units().encode()).hexdigest()[:6]
    return f"{device.processor()} {units} x {device.threads()}"
