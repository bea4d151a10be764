"""What a recipe may say about handing its model over. Imports no torch."""

from typing import Literal

from pydantic import Field

from endonym.config import Config


class Export(Config):
    """One form in which the finished model is handed over."""

    format: Literal["huggingface"] = Field(
        description="a folder that transformers loads without remote code"
    )
