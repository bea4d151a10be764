"""From logits to the next token."""

from dataclasses import dataclass

import torch
from torch import Tensor

from endonym.errors import RecipeError

COLDEST = 1e-4
"""A lower temperature is greedy: logits that are divided by it are no longer finite in float32."""
LEAST_PENALTY, MOST_PENALTY = 0.01, 100.0


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen.

    The defaults suit small models, whose unlikely tokens are mostly wrong ones.
    temperature: 0 is greedy, and so is less than COLDEST. top_k, top_p: keep the k most probable
    tokens, or the fewest whose probabilities reach p (arXiv:1904.09751, section 3.1); 0 and 1 keep
    all.
    repetition_penalty: divides positive logits of tokens in the text and multiplies negative ones
    (arXiv:1909.05858, section 4.1); 1 does nothing.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.95
    repetition_penalty: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        bounds = {
            "temperature": 0 <= self.temperature <= 100,
            "top_k": self.top_k >= 0,
            "top_p": 0 < self.top_p <= 1,
            "repetition_penalty": LEAST_PENALTY <= self.repetition_penalty <= MOST_PENALTY,
        }
        for name, fits in bounds.items():
            if not fits:
                raise RecipeError(
                    f"{getattr(self, name)} is out of bounds",
                    where=f"--{name.replace('_', '-')}",
                    do="temperature and top-k start at 0, top-p lies in (0, 1], "
                    f"repetition-penalty in [{LEAST_PENALTY}, {MOST_PENALTY:.0f}].",
                )

    @property
    def is_greedy(self) -> bool:
        """Whether the likeliest token is taken."""
        return self.temperature < COLDEST


def choose(logits_V: Tensor, seen: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Sample the next token. seen: ids in the text so far."""
    logits_V = penalised(logits_V.float(), seen, sampling.repetition_penalty)
    if sampling.is_greedy:
        return int(logits_V.argmax())
    scaled_V = narrowed(logits_V / sampling.temperature, sampling.top_k, sampling.top_p)
    return int(torch.multinomial(scaled_V.softmax(-1), 1, generator=generator))


def penalised(logits_V: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Logits with the repetition penalty."""
    if penalty == 1.0 or not len(seen):
        return logits_V
    old = logits_V[seen]
    return logits_V.index_put((seen,), torch.where(old > 0, old / penalty, old * penalty))


def narrowed(logits_V: Tensor, top_k: int, top_p: float) -> Tensor:
    """Logits after top-k and top-p: minus infinity for tokens that are left out."""
    if 0 < top_k < len(logits_V):
        smallest = logits_V.topk(top_k).values[-1]
        logits_V = logits_V.masked_fill(logits_V < smallest, -torch.inf)
    if top_p < 1.0:
        ordered, indices = logits_V.sort(descending=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        # The likeliest stays, however small top_p is: in float32 it may be 0.
        logits_V = logits_V.index_fill(0, indices[1:][before[1:] >= top_p], -torch.inf)
    return logits_V
