"""The recipe's keys of export."""

import pytest
from pydantic import ValidationError

from endonym.export.config import Export


def test_gguf_has_two_number_formats_unless_others_are_asked() -> None:
    assert Export(format="gguf").quantizations == ("F16", "Q8_0")
    assert Export(format="gguf", quantize=("Q4_K_M",)).quantizations == ("Q4_K_M",)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"format": "huggingface", "quantize": ["F16"]}, "belongs to"),
        ({"format": "gguf", "quantize": ["F16", "F16"]}, "twice"),
        ({"format": "gguf", "quantize": ["Q4"]}, "Q4_K_M"),
        ({"format": "gguf", "quantize": []}, "at least 1"),
        ({"format": "onnx"}, "gguf"),
    ],
)
def test_what_contradicts_itself_is_refused(asked: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Export.model_validate(asked)
