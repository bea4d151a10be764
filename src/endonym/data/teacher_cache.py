"""What is kept of a teacher on disk: its most likely tokens at each place of a training text.

Two flat arrays of shape (places, K): token ids, and their probabilities as float16. If only some
sources are kept, a third one says where their documents begin, in the text and in these arrays.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from endonym.data.shards import id_type
from endonym.disk import free_bytes, read_json, write_json
from endonym.errors import RecipeError
from endonym.log import size
from endonym.tokenizer.tokenizer import Ids

CHANCES = np.dtype("<f2")
ABOUT = "teacher.json"
STARTS = "starts.npy"
MORE_ROOM = "Give a smaller top_k, free some space, or set distill.live = true."
"""What to do if the disk has no room for what is kept."""


class TeacherCache:
    """The arrays of a folder, memory-mapped. ids: (places, K). chances: their probabilities.

    starts: of each document that is kept its first place in the text, and its first row here; None
    if all places of the text are kept.
    """

    def __init__(
        self, folder: Path, shape: tuple[int, int], vocab: int, mode: Literal["r", "w+"] = "r"
    ) -> None:
        ids = folder / "ids.bin"
        chances = folder / "chances.bin"
        self.ids: NDArray[Any] = np.memmap(ids, dtype=id_type(vocab), mode=mode, shape=shape)
        self.chances: NDArray[Any] = np.memmap(chances, dtype=CHANCES, mode=mode, shape=shape)
        file = folder / STARTS
        self.starts: Ids | None = None
        if file.is_file():
            self.starts = np.load(file)

    def rows(self, places: Ids) -> Ids:
        """The rows of the arrays in which these places of the text stand."""
        if self.starts is None:
            return places
        firsts, rows = self.starts
        documents = np.searchsorted(firsts, places, side="right") - 1
        return rows[documents] + places - firsts[documents]

    @classmethod
    def new(
        cls,
        folder: Path,
        *,
        places: int,
        top_k: int,
        vocab: int,
        kept: tuple[Ids, Ids] | None = None,
    ) -> "TeacherCache":
        """An empty one, to be filled. kept: as `TokenShards.targets_of`, if not all is kept."""
        if kept is not None:
            firsts, counts = kept
            starts = np.stack((firsts, np.cumsum(counts) - counts)).astype("<i8")
            np.save(folder / STARTS, starts, allow_pickle=False)
        about = {"places": places, "top_k": min(top_k, vocab), "vocab": vocab}
        write_json(folder / ABOUT, about)
        return cls(folder, (places, about["top_k"]), vocab, "w+")

    @classmethod
    def read(cls, folder: Path) -> "TeacherCache":
        """One that was filled."""
        about = read_json(folder / ABOUT)
        return cls(folder, (about["places"], about["top_k"]), about["vocab"])


def cache_bytes(places: int, top_k: int, vocab: int) -> int:
    """The size of both arrays."""
    return places * min(top_k, vocab) * (id_type(vocab).itemsize + CHANCES.itemsize)


def lack_of_room(folder: Path, needed: int) -> str:
    """What is missing if the disk of a folder has no room for what is kept of teachers; else empty.

    needed: its bytes.
    """
    if needed <= (free := free_bytes(folder)):
        return ""
    return f"what is kept of the teacher takes {size(needed)}, and {size(free)} are free"


def require_room(folder: Path, needed: int) -> None:
    """Raise RecipeError if the disk of a folder has no room for what is kept of teachers."""
    if lack := lack_of_room(folder, needed):
        raise RecipeError(lack, where="phase.distill.top_k", do=MORE_ROOM)
