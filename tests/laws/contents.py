"""What artefacts hold, in three parts, by what may differ between two machines.

Arithmetic in fp32 is rounded as each processor does it. Over the forty steps of the small recipe,
kernels for SSE, AVX2 and AVX-512 on processors of two makers move one weight in a thousand by up to
5e-5 (most by less than 5e-6), and no score by more than 4e-7 of it; another learning rate, order,
beta or deviation of initial weights moves them by 5e-4 and more. So floats are compared within
CLOSE, and the rest is hashed. Figures in the papers of an export are printed floats, its proofs
name the installed libraries, and hashes of its files are those of weights: none of them is hashed.
"""

import gzip
import hashlib
import io
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from safetensors.torch import load

from endonym.store import Artifact

CLOSE = {"rel": 1e-4, "abs": 1e-4}
SAMPLED = 8
"""Values of a tensor that are kept, evenly spaced, beside its root mean square."""
FIGURES = (
    *("scores.json", "neighbours.json", "continuations.json"),
    *("bins.json", "surprises.json"),
)
COMPUTED = {"model": ("validations.json",), "evaluation": FIGURES}
"""Of a kind of stage, the JSON files that hold what was computed with floating point."""
OF_ARITHMETIC = re.compile(
    r"(?<![\w.])[+-]?\d+(\.\d+)+(e[+-]?\d+)?(?![\w.])|\b[0-9a-f]{64}\b|\"bytes\": \d+"
)
"""Numbers with a decimal point, versions of libraries, hashes and sizes of files."""
DRAWN = ("continuations.json", "text")
"""A file, and its key whose value was drawn from a model's distribution."""


@dataclass
class Contents:
    """What a kind of stage made.

    exact: SHA-256 of names, shapes, text and whole numbers. numbers: floats by where they stand.
    drawn: texts that a model wrote.
    """

    exact: str = ""
    numbers: dict[str, list[float]] = field(default_factory=dict)
    drawn: list[str] = field(default_factory=list)


def contents(kind: str, artifacts: Iterable[Artifact]) -> Contents:
    """Of all artefacts of a kind, whatever they are called."""
    found, seen = Contents(), hashlib.sha256()
    mine = [each for each in artifacts if each.stage == kind]
    for number, artifact in enumerate(sorted(mine, key=lambda each: json.dumps(each.manifest))):
        for name in sorted(artifact.manifest["files"]):
            data = (artifact.folder / name).read_bytes()
            seen.update(f"{name}\n".encode())
            seen.update(_exact(kind, name, data, f"{number} {name}", found))
    found.exact = seen.hexdigest()
    return found


def _exact(kind: str, name: str, data: bytes, key: str, found: Contents) -> bytes:
    """What of a file must be the same everywhere; the rest is noted as found."""
    if name.endswith(".gz"):
        return gzip.decompress(data)
    if name.endswith(".safetensors"):
        return _of_tensors(data, key, found)
    if name in COMPUTED.get(kind, ()):
        floats: list[float] = []
        rest = _without_floats(json.loads(data), floats, found.drawn if name == DRAWN[0] else [])
        found.numbers[key] = floats
        return json.dumps(rest, ensure_ascii=False, sort_keys=True).encode()
    if kind == "export" and name.endswith((".md", ".json")):
        return OF_ARITHMETIC.sub("#", data.decode("utf-8")).encode()
    if kind in COMPUTED and name.endswith(".npy"):
        return _of_records(np.load(io.BytesIO(data), allow_pickle=False), key, found)
    return data


def _of_tensors(data: bytes, key: str, found: Contents) -> bytes:
    """Names, types and shapes; a few values of each, and their size."""
    lines: list[str] = []
    for name, tensor in sorted(load(data).items()):
        lines.append(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n")
        flat = tensor.double().flatten()
        chosen = flat[torch.arange(SAMPLED) * len(flat) // SAMPLED]
        size = float(flat.square().mean().sqrt())
        found.numbers[f"{key} {name}"] = [size, *chosen.tolist()]
    return "".join(lines).encode()


def _of_records(table: Any, key: str, found: Contents) -> bytes:
    """The columns of a table that are no floats."""
    rest: list[bytes] = []
    for name in table.dtype.names:
        if table[name].dtype.kind == "f":
            found.numbers[f"{key} {name}"] = table[name].tolist()
        else:
            rest.append(table[name].tobytes())
    return b"".join(rest)


def _without_floats(value: Any, floats: list[float], drawn: list[str]) -> Any:
    """A value of JSON with each float and each drawn text left out, which are collected."""
    if isinstance(value, float):
        floats.append(value)
        return "a float"
    if isinstance(value, list):
        return [_without_floats(each, floats, drawn) for each in value]
    if isinstance(value, dict):
        kept = {}
        for key, each in sorted(value.items()):
            if key == DRAWN[1]:
                drawn.append(each)
            else:
                kept[key] = _without_floats(each, floats, drawn)
        return kept
    return value
