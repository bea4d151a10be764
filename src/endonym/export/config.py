"""The recipe's keys of export. Imports no torch."""

from typing import Literal

from pydantic import Field

from endonym.config import Config


class Export(Config):
    """One format in which the finished model is exported."""

    format: Literal["huggingface"] = Field(
        description="a folder that transformers loads without remote code"
    )
