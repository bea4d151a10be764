"""What a recipe may say about rows."""

import pytest
from pydantic import ValidationError

from endonym.data.config import Pack


def test_a_row_has_at_least_eight_tokens_and_is_chosen_if_not_given() -> None:
    assert Pack().context is None
    assert Pack(context=8).context == 8
    with pytest.raises(ValidationError, match="greater than or equal to 8"):
        Pack(context=7)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="contxt"):
        Pack(contxt=64)
