"""Fixtures that several laws share."""

import pytest
from laws.shapes import SHAPES, lively

from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def config(request: pytest.FixtureRequest) -> ModelConfig:
    """Each family in each variant."""
    return request.param


@pytest.fixture
def decoder(config: ModelConfig) -> Decoder:
    """A decoder of that shape, as if it had been trained."""
    return lively(config)
