"""What a recipe may say about rows."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from endonym.data.config import Pack, PackConfig, read_template
from endonym.errors import RecipeError


def test_a_row_has_at_least_eight_tokens_and_is_chosen_if_not_given() -> None:
    assert Pack().context is None
    assert Pack(context=8).context == 8
    with pytest.raises(ValidationError, match="greater than or equal to 8"):
        Pack(context=7)


def test_what_is_joined_is_longer_than_its_documents_and_as_long_as_the_context() -> None:
    alone, joined = PackConfig(context=256), PackConfig(context=256, join=("lines",))
    assert (alone.usual_length(20.0), alone.longest(90), alone.longest(900)) == (20.0, 90, 900)
    # Of 100 tokens 85 are read alone, 15 in stretches of 20 to 256 tokens.
    assert joined.usual_length(20.0) == pytest.approx(0.85 * 20 + 0.15 * (20 + 256) / 2)
    assert (joined.longest(90), joined.longest(900)) == (256, 900)
    assert joined.usual_length(400.0) == pytest.approx(256)


@pytest.mark.parametrize(("data", "problem"), [(b"\xcf\xf0\xe8", "byte 1"), (b"\n", "empty")])
def test_a_template_that_is_no_text_is_named(data: bytes, problem: str, tmp_path: Path):
    path = tmp_path / "a.jinja"
    with pytest.raises(RecipeError, match="cannot be read"):
        read_template(path)
    path.write_bytes(data)
    with pytest.raises(RecipeError, match=problem) as caught:
        read_template(path)
    assert caught.value.where == str(path)
    path.write_text("{{ messages }} – җавап", encoding="utf-8")
    assert read_template(path).endswith("җавап")
