"""The objectives by the names that a recipe gives them."""

from endonym.train.objectives.next_token import NEXT_TOKEN
from endonym.train.objectives.objective import Objective

OBJECTIVES: dict[str, Objective] = {"next_token": NEXT_TOKEN}
