"""What a recipe may say about its tokenizer."""

import pytest
from pydantic import ValidationError

from endonym.tokenizer.config import TokenizerConfig


def test_a_vocabulary_holds_every_byte_and_end_of_text() -> None:
    assert TokenizerConfig(vocab=259).vocab == 259
    with pytest.raises(ValidationError, match="greater than or equal to 259"):
        TokenizerConfig(vocab=256)


@pytest.mark.parametrize("wrong", [{"kind": "word"}, {"min_count": 0}, {"sample_bytes": 0}])
def test_values_that_cannot_be_meant_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TokenizerConfig.model_validate(wrong)
