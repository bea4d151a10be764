"""What an objective is: a loss on a micro-batch, and how much its targets weigh."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from endonym.data.batches import Batch
from endonym.model.foreign.decoder import AnyDecoder


class Loss(NamedTuple):
    """Sums over a micro-batch, with gradients.

    nats: the loss that is reported. objective: the loss to minimise, with the experts' penalty.
    """

    nats: Tensor
    objective: Tensor


class Objective(NamedTuple):
    """A kind of loss.

    loss: of a micro-batch, summed. weight: of the targets of a batch, or of a part of it; the sums
    of all micro-batches are divided by the sum of these.
    """

    loss: Callable[[AnyDecoder, Batch], Loss]
    weight: Callable[[Batch], float]
