"""What of a config decides what is made."""

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import Field, ValidationError

from endonym.config import NOT_IDENTITY, Config, identity


class Inner(Config):
    """A table within a table."""

    heads: int = 2
    workers: int = Field(default=1, json_schema_extra=NOT_IDENTITY)


class Outer(Config):
    """A table of a recipe."""

    name: str = "кош"
    weight: float | None = None
    inner: Inner = Inner()
    many: tuple[Inner, ...] = (Inner(heads=3),)
    shares: Mapping[str, float] = {"a": 0.5}
    named: Mapping[int, Inner] = {1: Inner(heads=5)}
    device: str = Field(default="cpu", json_schema_extra=NOT_IDENTITY)


def test_the_identity_holds_every_field_but_those_marked_at_any_depth() -> None:
    assert identity(Outer()) == {
        "name": "кош",
        "inner": {"heads": 2},
        "many": [{"heads": 3}],
        "shares": {"a": 0.5},
        "named": {"1": {"heads": 5}},
    }


EXECUTION = [
    {"device": "cuda"},
    {"inner": {"workers": 9}},
    {"many": [{"heads": 3, "workers": 7}]},
    {"named": {1: {"heads": 5, "workers": 7}}},
]


@pytest.mark.parametrize("changes", EXECUTION)
def test_a_field_that_cannot_change_the_result_is_no_identity(changes: dict[str, Any]) -> None:
    assert identity(Outer.model_validate(changes)) == identity(Outer())


@pytest.mark.parametrize(
    "changes", [{"name": "таш"}, {"inner": {"heads": 4}}, {"many": []}, {"shares": {"a": 0.25}}]
)
def test_every_other_field_is_identity(changes: dict[str, Any]) -> None:
    assert identity(Outer.model_validate(changes)) != identity(Outer())


def test_a_key_that_is_left_open_is_no_identity() -> None:
    """So a key that a later version adds changes no artefact that there is."""
    assert "weight" not in identity(Outer())
    assert identity(Outer(weight=0.5)) == {**identity(Outer()), "weight": 0.5}


def test_a_config_is_frozen_and_refuses_unknown_keys() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Outer().name = "таш"
    with pytest.raises(ValidationError, match="nmae"):
        Outer.model_validate({"nmae": "таш"})
