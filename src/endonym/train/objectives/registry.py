"""The objectives by the names that a recipe gives them."""

from collections.abc import Callable

from endonym.train.config import BETA, TrainConfig
from endonym.train.objectives.chat import CHAT
from endonym.train.objectives.next_token import NEXT_TOKEN
from endonym.train.objectives.objective import Objective
from endonym.train.objectives.preferences import preferences

OBJECTIVES: dict[str, Callable[[TrainConfig], Objective]] = {
    "next_token": lambda config: NEXT_TOKEN,
    "chat": lambda config: CHAT,
    "preferences": lambda config: preferences(config.beta or BETA),
}


def objective_of(config: TrainConfig) -> Objective:
    """What a phase minimises."""
    return OBJECTIVES[config.objective](config)
