"""The recipe's keys of export. Imports no torch."""

from typing import Literal

from pydantic import Field, model_validator

from endonym.config import Config, unset

DATASET = "dataset"
ADAPTERS = ("adapter", "gguf-adapter")
"""Formats of an adapter alone, without its base."""
Quantization = Literal["F32", "F16", "BF16", "Q8_0", "Q5_K_M", "Q4_K_M"]


class Export(Config):
    """One format in which the finished model, or the corpus, is exported."""

    format: Literal["huggingface", "gguf", "dataset", "adapter", "gguf-adapter"] = Field(
        description="huggingface: a folder that transformers loads without remote code\n"
        "    gguf: files for llama.cpp, Ollama and other programs that are built on it\n"
        "    dataset: the corpus, as parquet files that `datasets.load_dataset` opens\n"
        "    adapter: the adapter of the last phase alone, as the library peft reads it\n"
        "    gguf-adapter: the same as a file that llama.cpp adds to its base (--lora)"
    )
    quantize: tuple[Quantization, ...] | None = Field(
        default=None,
        min_length=1,
        description="gguf: number formats of the weights, a file for each; names are llama.cpp's",
        json_schema_extra=unset("F16 and Q8_0"),
    )

    @model_validator(mode="after")
    def quantizes_gguf_alone(self) -> "Export":
        """`quantize` belongs to GGUF, and names each number format once."""
        asked = self.quantize or ()
        if self.format != "gguf" and asked:
            raise ValueError('quantize belongs to format = "gguf"')
        if len(set(asked)) < len(asked):
            raise ValueError("quantize names a number format twice")
        return self

    @property
    def quantizations(self) -> tuple[Quantization, ...]:
        """The number formats, a file for each."""
        return self.quantize or ("F16", "Q8_0")
