"""Low-rank adapters on a finished decoder, of our own or of `transformers`.

An adapter is a module inside each linear map that it changes, and a hook on that map's forward
pass: nothing in a decoder knows of adapters, and its own parameters keep their names and values.
Several can be attached, each by a name; at most one is active.

E experts (only in a stack of matrices) · O outputs · I inputs · R rank.
Sources: LoRA, arXiv:2106.09685, section 4.1; DoRA, arXiv:2402.09353, eq. 5, and section 4.3 for its
gradient. Both are computed as in `peft`.
"""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from endonym.errors import ShapeError
from endonym.model.adapt_config import AdaptConfig, chosen, matrices, require_rank
from endonym.model.decoder import Decoder
from endonym.model.dropout import Dropout
from endonym.model.foreign.decoder import AnyDecoder, ForeignDecoder
from endonym.model.precision import precise
from endonym.seed import named_seed

DEFAULT = "default"
"""What an adapter is called if it has no name."""
HELD = "adapters"
"""The attribute of a linear map that holds its adapters; a part of their parameters' names."""
UNCALLED = ("dt_proj",)
"""Linear maps of which transformers reads the weight without calling them: a hook is not heard."""
NETWORK = "network."


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one matrix W, or of the matrices of all experts.

    W becomes W' = W + scale · B A. With magnitudes each row of W' gets this norm (DoRA).
    a: (…, R, I). b: (…, O, R). magnitude: (…, O).
    """

    a: Tensor
    b: Tensor
    scale: float
    magnitude: Tensor | None = None

    @property
    def rank(self) -> int:
        """Of the product."""
        return self.a.shape[-2]

    def of(self, matrix: Tensor) -> Tensor:
        """The changed matrix, in fp32. matrix: (…, O, I)."""
        changed = precise(matrix) + self.scale * (precise(self.b) @ precise(self.a))
        if self.magnitude is None:
            return changed
        return changed * _ratio(self.magnitude, changed)[..., None]


def _ratio(magnitude: Tensor, matrix: Tensor) -> Tensor:
    """The magnitudes over the norms of a matrix's rows, in fp32; 1 where a row is zero."""
    norms = torch.linalg.vector_norm(matrix, dim=-1)
    ratio = precise(magnitude) / torch.where(norms == 0, 1, norms)
    return torch.where(norms == 0, 1, ratio)


class LowRank(nn.Module):
    """A change that is added to what a linear map gives: the identity while B is zero.

    With magnitudes m: y = m / ‖W + scale B A‖ · (W + scale B A) x + bias, where the norm counts as
    a constant for the gradient. Dropout acts on what A reads, not on what W reads.
    """

    def __init__(self, change: Change, dropout: float = 0.0) -> None:
        super().__init__()
        self.scale, self.dropout = change.scale, Dropout(dropout)
        self.lora_A, self.lora_B = nn.Parameter(change.a), nn.Parameter(change.b)
        self.magnitude = None if change.magnitude is None else nn.Parameter(change.magnitude)

    def change(self) -> Change:
        """As tensors."""
        magnitude = None if self.magnitude is None else self.magnitude.detach()
        return Change(self.lora_A.detach(), self.lora_B.detach(), self.scale, magnitude)

    def added(self, linear: nn.Module, given: tuple[Any, ...], y: Tensor) -> Tensor:
        """The changed output. given: the input, after the expert's number in a stack."""
        *expert, x = given
        a, b = (each[expert[0]] if expert else each for each in (self.lora_A, self.lora_B))
        change = F.linear(F.linear(self.dropout(x), a), b) * self.scale
        if self.magnitude is None:
            return y + change
        ratio_O = self._ratio(matrix_of(linear), expert)
        bias = getattr(linear, "bias", None)
        product = y if bias is None else y - bias
        # y itself, not the product and the bias: with a ratio of 1 it stays as it is, bit for bit.
        return y + (ratio_O - 1).to(y.dtype) * product + ratio_O.to(y.dtype) * change

    def _ratio(self, matrix: Tensor, expert: list[int]) -> Tensor:
        """The magnitudes over the norms of the rows, in fp32."""
        assert self.magnitude is not None
        a, b, magnitude = self.lora_A, self.lora_B, self.magnitude
        if expert:
            a, b, magnitude, matrix = (each[expert[0]] for each in (a, b, magnitude, matrix))
        with torch.no_grad():
            changed_OI = precise(matrix) + self.scale * (precise(b) @ precise(a))
        return _ratio(magnitude, changed_OI)


class Adapters(nn.ModuleDict):
    """The adapters of one linear map by name; `active` is the one that counts, if any."""

    active: str | None = None

    def __init__(self, linear: nn.Module) -> None:
        super().__init__()
        linear.add_module(HELD, self)
        self.hook = linear.register_forward_hook(self)

    def __call__(self, linear: nn.Module, given: tuple[Any, ...], y: Tensor) -> Tensor:
        """The hook: what the map gives with the active adapter."""
        if self.active is None:
            return y
        adapter = self[self.active]
        assert isinstance(adapter, LowRank)
        return adapter.added(linear, given, y)


def matrix_of(linear: nn.Module) -> Tensor:
    """The matrix of a linear map, outputs × inputs, or those of all experts; a view."""
    weight = linear.weight
    assert isinstance(weight, Tensor)
    return weight.mT if is_inputs_first(linear) else weight


def is_inputs_first(linear: nn.Module) -> bool:
    """Whether its matrix is inputs × outputs, as in transformers' Conv1D: it alone has `nf`."""
    return hasattr(linear, "nf") and hasattr(linear, "weight")


def linear_maps(decoder: AnyDecoder) -> dict[str, nn.Module]:
    """Every linear map that can be adapted, by the name of its module.

    Of a foreign model all but the head, without the prefix of our own.
    """
    if isinstance(decoder, Decoder):
        names = [each.name for each in matrices(decoder.config)]
        return {name: decoder.get_submodule(name) for name in names}
    head = decoder.network.get_output_embeddings()
    return {
        name: module
        for name, module in decoder.network.named_modules()
        if (isinstance(module, nn.Linear) or is_inputs_first(module))
        and module is not head
        and name.rpartition(".")[2] not in UNCALLED
    }


def new_changes(decoder: AnyDecoder, adapt: AdaptConfig, seed: int) -> dict[str, Change]:
    """The change with which training begins, by module: B is zero, so nothing changes.

    A is uniform, of deviation 1 / sqrt(3 inputs), as in peft; it depends on the seed, its name and
    its shape. Raises ShapeError if a name in `adapt.on` means no matrix, or if the rank is too
    large.
    """
    maps = linear_maps(decoder)
    found: dict[str, Change] = {}
    for name in chosen(list(maps), adapt.on):
        matrix = matrix_of(maps[name])
        *experts, outputs, inputs = matrix.shape
        require_rank(adapt.rank, name, inputs, outputs)
        generator = torch.Generator().manual_seed(named_seed(seed, "adapter", name))
        a = torch.empty(*experts, adapt.rank, inputs)
        a.uniform_(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs), generator=generator)
        b = torch.zeros(*experts, outputs, adapt.rank)
        magnitude = None
        if adapt.dora:
            magnitude = torch.linalg.vector_norm(precise(matrix.detach()), dim=-1)
        found[name] = Change(a, b, adapt.alpha / adapt.rank, magnitude)
    return found


def attach(
    decoder: AnyDecoder,
    changes: Mapping[str, Change],
    *,
    name: str = DEFAULT,
    dropout: float = 0.0,
) -> None:
    """Attach an adapter in place and make it the active one.

    Raises ShapeError if the decoder lacks a matrix, has one of another shape, or an adapter of this
    name.
    """
    maps = linear_maps(decoder)
    require_fit(maps, changes)
    for path, change in changes.items():
        linear = maps[path]
        held = getattr(linear, HELD, None)
        if held is None:
            held = Adapters(linear)
        if name in held:
            raise ShapeError(
                f"there is an adapter {name} already", where=path, do="Detach it first."
            )
        held[name] = LowRank(_as(change, matrix_of(linear)), dropout).train(linear.training)
    activate(decoder, name)


def _as(change: Change, matrix: Tensor) -> Change:
    """A copy on the device and in the number format of a matrix; magnitudes stay precise."""
    a, b = (each.to(matrix, copy=True) for each in (change.a, change.b))
    magnitude = change.magnitude
    if magnitude is not None:
        magnitude = precise(magnitude).to(matrix.device, copy=True)
    return Change(a, b, change.scale, magnitude)


def require_fit(maps: Mapping[str, nn.Module], changes: Mapping[str, Change]) -> None:
    """Raise ShapeError if a change has no matrix, or one of another shape."""
    for path, change in changes.items():
        if path not in maps:
            raise ShapeError(
                f"the adapter changes {path}, which this model has not",
                where="adapter",
                do="Take the adapter of this model.",
            )
        *experts, outputs, inputs = matrix_of(maps[path]).shape
        rank = change.rank
        wanted = [(*experts, rank, inputs), (*experts, outputs, rank), (*experts, outputs)]
        parts = [change.a, change.b, change.magnitude]
        found = [None if part is None else tuple(part.shape) for part in parts]
        for have, want in zip(found, wanted, strict=True):
            if have is not None and have != want:
                raise ShapeError(
                    f"the adapter has {have} for {path}, where {want} would fit",
                    where="adapter",
                    do="Take the adapter of this model.",
                )


def adapted(decoder: AnyDecoder, adapt: AdaptConfig | None, seed: int) -> AnyDecoder:
    """The decoder, ready for a phase: with new adapters, its own weights frozen; or as it is."""
    if adapt is None:
        return decoder
    for parameter in decoder.parameters():
        parameter.requires_grad_(False)
    attach(decoder, new_changes(decoder, adapt, seed), dropout=adapt.dropout)
    return decoder


def activate(decoder: AnyDecoder, name: str | None) -> None:
    """Let the adapter of this name count, or none. Raises ShapeError if there is no such one."""
    held = _held(decoder)
    known = sorted({each for adapters in held.values() for each in adapters})
    if name is not None and name not in known:
        raise ShapeError(
            f"no adapter is called {name}", where="adapter", do=f"There are: {', '.join(known)}."
        )
    for adapters in held.values():
        adapters.active = name if name is not None and name in adapters else None


def detach(decoder: AnyDecoder, name: str = DEFAULT) -> None:
    """Remove an adapter in place; none is active then. Without any, all is as before."""
    activate(decoder, name)  # raises if there is none
    for path, adapters in _held(decoder).items():
        if name in adapters:
            del adapters[name]
        adapters.active = None
        if not len(adapters):
            adapters.hook.remove()
            delattr(linear_maps(decoder)[path], HELD)


def merge(decoder: AnyDecoder, name: str = DEFAULT) -> None:
    """Write an adapter's changes into the weights in place, and detach it."""
    changes = changes_of(decoder, name)
    detach(decoder, name)
    merge_changes(decoder, changes)


@torch.no_grad()
def merge_changes(decoder: AnyDecoder, changes: Mapping[str, Change]) -> None:
    """Write changes into the weights in place. Raises ShapeError as `attach` does."""
    maps = linear_maps(decoder)
    require_fit(maps, changes)
    for path, change in changes.items():
        matrix = matrix_of(maps[path])
        matrix.copy_(change.of(matrix))


def changes_of(decoder: AnyDecoder, name: str = DEFAULT) -> dict[str, Change]:
    """An attached adapter as tensors, by module."""
    found: dict[str, Change] = {}
    for path, adapters in _held(decoder).items():
        if name in adapters:
            adapter = adapters[name]
            assert isinstance(adapter, LowRank)
            found[path] = adapter.change()
    return found


def changes_with(
    decoder: AnyDecoder, weights: Mapping[str, Tensor], name: str = DEFAULT
) -> dict[str, Change]:
    """An attached adapter with these values instead of its own, as a training's weights name them.

    weights: tensors such as `blocks.0.mixer.query.adapters.default.lora_A`.
    """
    prefix = NETWORK if isinstance(decoder, ForeignDecoder) else ""
    found: dict[str, Change] = {}
    for path, change in changes_of(decoder, name).items():
        place = f"{prefix}{path}.{HELD}.{name}"
        magnitude = weights[f"{place}.magnitude"] if change.magnitude is not None else None
        a, b = (weights[f"{place}.{part}"] for part in ("lora_A", "lora_B"))
        found[path] = Change(a, b, change.scale, magnitude)
    return found


def copy_on(decoder: AnyDecoder, changes: Mapping[str, Change]) -> AnyDecoder:
    """Another decoder with these changes, which shares the weights of the first one.

    Several adapters of one base can so be used side by side, from several threads.
    """
    shared = {id(each): each for each in (*decoder.parameters(), *decoder.buffers())}
    other = copy.deepcopy(decoder, dict(shared))
    attach(other, changes)
    return other


def _held(decoder: AnyDecoder) -> dict[str, Adapters]:
    """The adapters of each linear map that has some."""
    found: dict[str, Adapters] = {}
    for path, linear in linear_maps(decoder).items():
        held = getattr(linear, HELD, None)
        if isinstance(held, Adapters):
            found[path] = held
    return found
