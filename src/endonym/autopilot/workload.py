"""What is timed on a machine: a phase that trains a shape on a device."""

from dataclasses import dataclass
from typing import Any

from endonym import device
from endonym.autopilot.model_size import DOCUMENT_TOKENS
from endonym.model.foreign.folder import AnyModelConfig
from endonym.model.kernels.sizes import keys_a_token, padded
from endonym.store import fingerprint
from endonym.train.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Workload:
    """What is timed: a phase that trains a shape on a device.

    document: the usual length of its documents, in tokens.
    """

    shape: AnyModelConfig
    config: TrainConfig
    target: str = "cpu"
    document: float = DOCUMENT_TOKENS

    @property
    def length(self) -> int:
        """Length of the documents in a measurement."""
        return usual_document(self.document, self.row)

    @property
    def row(self) -> int:
        """Tokens of a row."""
        return self.config.row_tokens(self.shape.context)

    @property
    def tokens(self) -> int:
        """Training tokens."""
        return self.config.steps * self.config.batch_tokens

    @property
    def key(self) -> str:
        """The key under which its pace is saved: all that the time of a step depends on.

        A device other than the CPU is named in it.
        """
        shape = self.shape
        config = self.config
        versions = device.versions()
        exact = {
            "shape": _dropout_as_bool(shape.model_dump()),
            "at_once": min(config.batch_tokens, config.execution.micro_tokens),
            "cut": keys_a_token(self.row, None, self.length),
            "versions": [versions["endonym"], versions["torch"]],
            **({} if config.adapt is None else {"adapt": config.adapt.model_dump()}),
        }
        key = (
            f"training {shape.family} {shape.layers}x{shape.dim} vocab {shape.vocab} context "
            f"{self.row} batch {config.batch_tokens} {config.optimizer} "
            f"{config.number_format} {fingerprint(exact)[:8]}"
        )
        if self.target == "cpu":
            return key
        name = self.target
        if name.partition(":")[0] == "cuda":
            import torch

            name = torch.cuda.get_device_name(name)
        return f"{key} on {name}"


def _dropout_as_bool(value: Any) -> Any:
    """A config with each dropout as a bool: its value does not change the speed."""
    if isinstance(value, dict):
        return {
            name: bool(item) if name.endswith("dropout") else _dropout_as_bool(item)
            for name, item in value.items()
        }
    return [_dropout_as_bool(item) for item in value] if isinstance(value, list | tuple) else value


def usual_document(document: float, row: int) -> int:
    """Document length in a measurement, in tokens: rounded, at most a row."""
    return padded(max(1, min(round(document), row)))
