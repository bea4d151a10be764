"""What a trained model needs least, measured on some batches.

Of a channel or a head: how far the loss would move without it, to first order, |Σ a · d loss / d a|
over its activations a, summed over the batches (Molchanov et al. 2017, arXiv:1611.06440, equation
8; of heads Michel et al. 2019, arXiv:1905.10650, section 3.1). Of a layer: the loss without it.
Layers go one after another, the one that costs least first.
"""

from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from endonym.data.batches import Batch
from endonym.model.config import AttentionConfig
from endonym.model.decoder import Decoder
from endonym.model.prune_config import Kept, Prune, left, parts_left
from endonym.train.objectives import Objective


def most_needed(
    decoder: Decoder, prune: Prune, batches: Sequence[Batch], objective: Objective
) -> Kept:
    """What stays of a decoder if these shares of its parts go.

    Raises ShapeError if a share takes out nothing or all, or if some layer has no such parts.
    """
    decoder.eval()
    n_layers = decoder.config.layers
    every = list(range(decoder.config.layers))
    kept = every
    for _ in range(n_layers - left(n_layers, prune.layers, "layers")):
        tried = [[each for each in kept if each != out] for out in kept]
        kept = min(tried, key=lambda some: _loss(decoder, some, batches, objective))
    names = ["mixer.output"] * bool(prune.heads) + ["ffn.down"] * bool(prune.ffn)
    parts = [decoder.config.blocks[number] for number in kept]
    with only(decoder, kept):
        # Before anything is measured: every layer must have such parts.
        counts = [parts_left(mixer, ffn, prune) for mixer, ffn in parts]
        moved = _moved(decoder, names, batches, objective) if names else {}
    heads = list[list[int]]()
    channels = list[list[int]]()
    for place, (mixer, _) in enumerate(parts):
        if prune.heads and isinstance(mixer, AttentionConfig):
            moved_BGK = moved[place, "mixer.output"].unflatten(1, (mixer.kv_heads, -1))
            heads.append(largest(moved_BGK.sum(2), counts[place][0]))
        if prune.ffn:
            channels.append(largest(moved[place, "ffn.down"], counts[place][1]))
    return Kept(kept, heads, channels)


def largest(moved_BP: Tensor, count: int) -> list[int]:
    """The parts that move the loss most, in their order. moved_BP: by how much, in each batch."""
    return sorted(moved_BP.abs().sum(0).topk(count).indices.tolist())


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
    decoder: Decoder, names: Sequence[str], batches: Sequence[Batch], objective: Objective
) -> dict[tuple[int, str], Tensor]:
    """Σ a · d loss / d a over the inputs a of these maps, by layer and map: (batches, inputs)."""
    inputs = dict[tuple[int, str], Tensor]()
    found = defaultdict[tuple[int, str], list[Tensor]](list)

    def keep(key: tuple[int, str], module: nn.Module, given: tuple[Tensor, ...]) -> None:
        given[0].retain_grad()
        inputs[key] = given[0]

    with ExitStack() as hooks:
        for layer, block in enumerate(decoder.blocks):
            for name in names:
                hook = partial(keep, (layer, name))
                handle = block.get_submodule(name).register_forward_pre_hook(hook)
                hooks.callback(handle.remove)
        for batch in batches:
            objective.loss(decoder, batch).nats.backward()
            for key, activation in inputs.items():
                assert activation.grad is not None, "the loss depends on it"
                found[key].append((activation.detach() * activation.grad).flatten(0, -2).sum(0))
            decoder.zero_grad()
    return {key: torch.stack(each) for key, each in found.items()}
