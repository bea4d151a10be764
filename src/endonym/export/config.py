"""The recipe's keys of export, and the table of formats. Imports no torch."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal, NamedTuple

from pydantic import Field, model_validator

from endonym.config import Config, optional
from endonym.disk import packaged_tables
from endonym.errors import ExportError

FormatName = Literal[
    "huggingface", "gguf", "dataset", "dictionary", "adapter", "gguf-adapter", "keyboard"
]
Content = Literal["model", "adapter", "corpus"]
Quantization = Literal["F32", "F16", "BF16", "Q8_0", "Q5_K_M", "Q4_K_M"]


class Format(NamedTuple):
    """A row of `formats.toml`, which says what each column is."""

    content: Content
    words: str
    use: str
    packages: Sequence[str] = ()
    numbers: Sequence[str] = ()
    usual: Sequence[Quantization] = ()

    def require_packages(self) -> None:
        """Raise ExportError if what writes and verifies such files is not installed."""
        missing = [name for name in self.packages if find_spec(name) is None]
        if missing:
            raise ExportError(
                f"its files need {' and '.join(missing)}, which is not installed here",
                where=f"export: {self.words}",
                do='Install it: pip install "endonym[gguf]"',
            )


TABLE = packaged_tables("endonym.export", "formats.toml")
FORMATS: dict[str, Format] = {name: Format(**row) for name, row in TABLE.items()}


class Export(Config):
    """One format in which the finished model, or the corpus, is exported."""

    format: FormatName = Field(
        description="\n- ".join(f"{name}: {row.words}" for name, row in FORMATS.items())
    )
    quantize: tuple[Quantization, ...] | None = optional(
        "F16 and Q8_0, of a folder in bf16 BF16 and Q8_0; Q8_0 for the keyboard", min_length=1
    )
    """gguf: number formats of the weights, a file for each; names are llama.cpp's

    - keyboard: F16 and Q8_0 alone
    """

    @model_validator(mode="after")
    def quantizes_gguf_alone(self) -> "Export":
        """`quantize` belongs to GGUF files, and names each number format once."""
        formats = self.quantize or ()
        if formats and not self.row.numbers:
            raise ValueError('quantize belongs to format = "gguf" or "keyboard"')
        if unknown := [each for each in formats if each not in self.row.numbers]:
            known = " and ".join(self.row.numbers)
            raise ValueError(f'format = "{self.format}" has {known}, not {unknown[0]}')
        if len(set(formats)) < len(formats):
            raise ValueError("quantize names a number format twice")
        return self

    @property
    def quantizations(self) -> tuple[Quantization, ...]:
        """The number formats, a file for each."""
        return self.quantize or tuple(self.row.usual)

    @property
    def row(self) -> Format:
        """What is known of the format."""
        return FORMATS[self.format]
