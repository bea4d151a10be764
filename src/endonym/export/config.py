"""The recipe's keys of export. Imports no torch."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from endonym.config import Config

Quantization = Literal["F32", "F16", "BF16", "Q8_0", "Q5_K_M", "Q4_K_M"]
DEFAULT_QUANTIZE: tuple[Quantization, ...] = ("F16", "Q8_0")


class Export(Config):
    """One format in which the finished model is exported."""

    format: Literal["huggingface", "gguf"] = Field(
        description="huggingface: a folder that transformers loads without remote code\n"
        "    gguf: files for llama.cpp, Ollama and other programs that are built on it"
    )
    quantize: tuple[Quantization, ...] = Field(
        default=(),
        description="gguf: number formats of the weights, a file for each; names are llama.cpp's",
    )

    @field_validator("quantize")
    @classmethod
    def named_once(cls, value: tuple[Quantization, ...]) -> tuple[Quantization, ...]:
        """Each number format at most once."""
        return tuple(dict.fromkeys(value))

    @model_validator(mode="before")
    @classmethod
    def has_number_formats(cls, data: object) -> object:
        """A GGUF export without number formats gets the usual ones."""
        if isinstance(data, dict) and data.get("format") == "gguf" and not data.get("quantize"):
            return data | {"quantize": DEFAULT_QUANTIZE}
        return data

    @model_validator(mode="after")
    def quantizes_only_gguf(self) -> "Export":
        """`quantize` belongs to GGUF."""
        if self.format != "gguf" and self.quantize:
            raise ValueError('quantize belongs to format = "gguf"')
        return self
