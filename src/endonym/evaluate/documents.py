"""What each held-out document cost a model: kept beside its scores, so that two can be compared.

A document is known by its text, not by a number or a tokenizer, so models of different tokenizers,
corpora and stores can be set side by side as long as they have judged the same texts.
"""

import hashlib
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endonym.evaluate.score import Measured, ratio

FILE = "documents.npy"
RECORD = np.dtype([("text", "<u8"), ("bytes", "<i8"), ("nats", "<f8")])
"""text: the first eight bytes of the SHA-256 of its UTF-8."""

Documents = NDArray[Any]


def documents(texts: Iterable[str], measured: Measured) -> Documents:
    """Each text with its size and its nats, as they were measured, in order."""
    found = np.zeros(len(measured.nats), dtype=RECORD)
    digests = [hashlib.sha256(text.encode("utf-8")).digest()[:8] for text in texts]
    found["text"] = np.frombuffer(b"".join(digests), dtype="<u8")
    found["bytes"], found["nats"] = measured.bytes, measured.nats
    return found


def save(folder: Path, found: Documents) -> None:
    """Write them beside the scores."""
    np.save(folder / FILE, found, allow_pickle=False)


def load(folder: Path) -> Documents | None:
    """The documents of an evaluation, sorted by text; None if it kept none."""
    path = folder / FILE
    if not path.is_file():
        return None
    found = np.load(path, allow_pickle=False)
    return found[np.argsort(found["text"], kind="stable")]


def are_same(one: Documents, other: Documents) -> bool:
    """Whether both are of the same texts, each as often."""
    return np.array_equal(one["text"], other["text"])


def difference(one: Documents, other: Documents) -> tuple[float, float | None, float | None]:
    """Bits per byte of one minus those of the other, and its paired 95 % interval.

    Both are of the same texts, so each draw takes the same documents for both: what makes a
    document hard for either cancels. None below ten documents.
    """
    return ratio((one["nats"] - other["nats"]) / math.log(2), one["bytes"])
