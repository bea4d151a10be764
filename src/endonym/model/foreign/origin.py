"""What a folder in the transformers format has next to its weights, and training leaves as it is.

A model that goes on from a folder keeps these files in its artefact; its exports write them again.
They are JSON and text, and none of them is executed.
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from endonym.disk import read_given, write_json
from endonym.errors import ExportError
from endonym.model.foreign import folder as folders

DTYPES = "dtypes.json"
GENERATION = "generation_config.json"
CONFIG = folders.CONFIG
TOKENIZER_FILES: list[str] = folders.CONFIG_WORDS["tokenizer"]
"""All files of a tokenizer, with what it generates by."""
MOST_BYTES = 1 << 28
"""Of one of these files."""
TORCH_DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The files of a folder. dtypes: of its tensors by name, as safetensors calls them."""

    folder: Path
    dtypes: Mapping[str, str]

    @classmethod
    def of(cls, folder: Path) -> "Origin | None":
        """That of a folder in the transformers format, or kept in a model artefact; else None.

        Raises ExportError if the files that an artefact kept are not whole.
        """
        if not folders.is_artefact(folder):
            return cls(folder, folders.weight_dtypes(folder))
        kept = folder / folders.ORIGIN
        if not kept.is_dir():
            return None
        dtypes = folders.read_json(kept / DTYPES)
        if not dtypes or not all(isinstance(each, str) for each in dtypes.values()):
            raise ExportError("no table of dtypes by tensor", where=kept / DTYPES)
        return cls(kept, dtypes)

    def keep(self, artefact: Path) -> None:
        """Copy the files into a model artefact that is being made."""
        kept = artefact / folders.ORIGIN
        kept.mkdir(exist_ok=True)  # after a kill
        for name in (CONFIG, *TOKENIZER_FILES):
            if (self.folder / name).is_file():
                (kept / name).write_bytes(read_given(self.folder / name, MOST_BYTES))
        write_json(kept / DTYPES, dict(self.dtypes))

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file; empty if the folder has none. Raises ExportError if it is no object."""
        path = self.folder / name
        return folders.read_json(path) if path.is_file() else {}

    def as_stored(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Tensors in the dtypes of the folder; new ones in that of most.

        The folder may name them without the prefix of their class. A tensor with a number that fp16
        cannot hold stays in fp32.
        """
        usual = statistics.mode(self.dtypes.values())
        stored = dict[str, torch.Tensor]()
        for name, tensor in tensors.items():
            own_dtype = self.dtypes.get(name) or self.dtypes.get(name.partition(".")[2], usual)
            dtype = TORCH_DTYPES.get(own_dtype, torch.float32)
            rounded = tensor.to(dtype) if tensor.is_floating_point() else tensor
            stored[name] = rounded if bool(torch.isfinite(rounded).all()) else tensor.float()
        return stored
