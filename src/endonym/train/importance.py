"""What a trained model needs least, measured on some batches.

Of a channel or a head: how far the loss would move without it, to first order, |Σ a · d loss / d a|
over its activations a, summed over the batches (Molchanov et al. 2017, arXiv:1611.06440, equation
8; of heads Michel et al. 2019, arXiv:1905.10650, section 3.1). Of a layer: the loss without it.
Layers go one after another, the one that costs least first.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from endonym.data.batches import Batch
from endonym.errors import ShapeError
from endonym.model.config import AttentionConfig, FfnConfig
from endonym.model.decoder import Block, Decoder
from endonym.model.prune import Kept
from endonym.train.config import Prune
from endonym.train.objectives import Objective


def most_needed(
    decoder: Decoder, prune: Prune, batches: Sequence[Batch], objective: Objective
) -> Kept:
    """What stays of a decoder if these shares of its parts go.

    Raises ShapeError if a share takes out nothing or all, or if some layer has no such parts.
    """
    decoder.eval()
    n_layers, every = decoder.config.layers, list(range(decoder.config.layers))
    kept = every
    for _ in range(n_layers - left(n_layers, prune.layers, "layers")):
        tried = [[each for each in kept if each != out] for out in kept]
        kept = min(tried, key=lambda some: _loss(decoder, some, batches, objective))
    heads, channels = list[list[int]](), list[list[int]]()
    parts = [decoder.config.blocks[number] for number in kept]
    moved = partial(_moved, decoder, batches=batches, objective=objective)
    with only(decoder, kept):
        for place, (mixer, ffn) in enumerate(parts):
            if prune.heads:
                if not isinstance(mixer, AttentionConfig):
                    raise _no_parts("heads")
                count = left(mixer.kv_heads, prune.heads, "heads")
                moved_G = moved("mixer.output", place)
                heads.append(largest(moved_G.unflatten(1, (mixer.kv_heads, -1)).sum(2), count))
            if prune.ffn:
                if not isinstance(ffn, FfnConfig) or not ffn.hidden:
                    raise _no_parts("ffn")
                count = left(ffn.hidden, prune.ffn, "ffn")
                moved_F = moved("ffn.down", place)
                channels.append(largest(moved_F, count))
    return Kept(kept, heads, channels)


def left(count: int, share: float, name: str) -> int:
    """How many of so many parts are left. Raises ShapeError if none is, or if all are."""
    found = count - round(count * share)
    if share and found in (0, count):
        what = "all" if found == 0 else "none"
        raise ShapeError(
            f"{share:g} of {count} takes out {what} of them",
            where=f"prune.{name}",
            do=f"Give a share from {1 / count:.3g} to {(count - 1) / count:.3g}, or leave it out.",
        )
    return found


def largest(moved_BP: Tensor, count: int) -> list[int]:
    """The parts that move the loss most, in their order. moved_BP: by how much, in each batch."""
    return sorted(moved_BP.abs().sum(0).topk(count).indices.tolist())


def _no_parts(name: str) -> ShapeError:
    """The error of a model with layers that cannot be pruned so."""
    return ShapeError(
        "not every layer has such parts",
        where=f"prune.{name}",
        do="Heads are of attention, and ffn is of feed-forwards without experts.",
    )


@contextmanager
def only(decoder: Decoder, layers: Sequence[int]) -> Generator[None]:
    """The decoder with these layers alone."""
    whole = decoder.blocks
    decoder.blocks = nn.ModuleList(whole[number] for number in layers)
    try:
        yield
    finally:
        decoder.blocks = whole


@torch.no_grad()
def _loss(
    decoder: Decoder, layers: Sequence[int], batches: Sequence[Batch], objective: Objective
) -> float:
    """The loss of the decoder with these layers alone."""
    with only(decoder, layers):
        return sum(float(objective.loss(decoder, batch).nats) for batch in batches)


def _moved(
    decoder: Decoder, name: str, layer: int, *, batches: Sequence[Batch], objective: Objective
) -> Tensor:
    """Σ a · d loss / d a over the inputs a of a map of a layer, (batches, inputs)."""
    block, found = decoder.blocks[layer], list[Tensor]()
    assert isinstance(block, Block), "of blocks"
    inputs: list[Tensor] = []

    def keep(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        given[0].retain_grad()
        inputs.append(given[0])

    handle = block.get_submodule(name).register_forward_pre_hook(keep)
    try:
        for batch in batches:
            objective.loss(decoder, batch).nats.backward()
            activation = inputs.pop()
            assert activation.grad is not None, "the loss depends on it"
            found.append((activation.detach() * activation.grad).flatten(0, -2).sum(0))
            decoder.zero_grad()
    finally:
        handle.remove()
    return torch.stack(found)
