"""Low-rank adapters on a finished decoder, of our own or of `transformers`.

An adapter is a module inside each linear map that it changes, and a hook on that map's forward
pass: nothing in a decoder knows of adapters, and its own parameters keep their names and values.
Several adapters of a decoder are attached to copies of it, which share its weights (`copy_on`).

E experts (only in a stack of matrices) · O outputs · I inputs · R rank.
Sources: LoRA, arXiv:2106.09685, section 4.1; DoRA, arXiv:2402.09353, eq. 5, and section 4.3 for its
gradient. Both are computed as in `peft`.
"""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from endonym.errors import ShapeError
from endonym.model.adapt_config import AdaptConfig, matrices, names_meant, require_rank
from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import AnyDecoder, ForeignDecoder
from endonym.model.layers import Dropout, precise
from endonym.seed import named_seed

HELD = "adapters"
NAME = "default"
"""Where a linear map holds its adapter: parts of the names of the adapter's parameters."""
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
        self.scale = change.scale
        self.dropout = Dropout(dropout)
        self.lora_A = nn.Parameter(change.a)
        self.lora_B = nn.Parameter(change.b)
        self.magnitude = None if change.magnitude is None else nn.Parameter(change.magnitude)

    def change(self) -> Change:
        """The change as it is now, as tensors without gradients."""
        magnitude = None if self.magnitude is None else self.magnitude.detach()
        return Change(self.lora_A.detach(), self.lora_B.detach(), self.scale, magnitude)

    def hook(self, linear: nn.Module, inputs: tuple[Any, ...], y: Tensor) -> Tensor:
        """The changed output of a linear map, for its forward hook.

        inputs: the tensor, after the expert's number in a stack. y: the output without a change.
        """
        *expert, x = inputs
        a = self.lora_A
        b = self.lora_B
        magnitude = self.magnitude
        if expert:
            a = a[expert[0]]
            b = b[expert[0]]
        change = F.linear(F.linear(self.dropout(x), a), b) * self.scale
        if magnitude is None:
            return y + change
        matrix = matrix_of(linear)
        if expert:
            magnitude = magnitude[expert[0]]
            matrix = matrix[expert[0]]
        with torch.no_grad():
            changed_OI = Change(a, b, self.scale).of(matrix)
        ratio_O = _ratio(magnitude, changed_OI)
        bias = getattr(linear, "bias", None)
        product = y if bias is None else y - bias
        # y itself, not the product and the bias: with a ratio of 1 it stays as it is, bit for bit.
        return y + (ratio_O - 1).to(y.dtype) * product + ratio_O.to(y.dtype) * change


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
        names = [matrix.name for matrix in matrices(decoder.config)]
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
    for name in names_meant(list(maps), adapt.on):
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


def attach(decoder: AnyDecoder, changes: Mapping[str, Change], *, dropout: float = 0.0) -> None:
    """Attach an adapter in place.

    Raises ShapeError if the decoder lacks a matrix, has one of another shape, or has an adapter.
    """
    maps = linear_maps(decoder)
    require_fit(maps, changes)
    for path, change in changes.items():
        linear = maps[path]
        if hasattr(linear, HELD):
            raise ShapeError(
                "there is an adapter already", where=path, do="Attach this one to another copy."
            )
        # On the device and in the number format of the matrix; magnitudes stay precise.
        matrix = matrix_of(linear)
        magnitude = change.magnitude
        a, b = (each.to(matrix, copy=True) for each in (change.a, change.b))
        if magnitude is not None:
            magnitude = precise(magnitude).to(matrix.device, copy=True)
        adapter = LowRank(Change(a, b, change.scale, magnitude), dropout).train(linear.training)
        linear.add_module(HELD, nn.ModuleDict({NAME: adapter}))
        linear.register_forward_hook(adapter.hook)


def require_fit(maps: Mapping[str, nn.Module], changes: Mapping[str, Change]) -> None:
    """Raise ShapeError if a change has no matrix, or one of another shape."""
    for path, change in changes.items():
        if path not in maps:
            raise _misfit(f"the adapter changes {path}, which this model has not")
        *experts, outputs, inputs = matrix_of(maps[path]).shape
        rank = change.rank
        wanted = [(*experts, rank, inputs), (*experts, outputs, rank), (*experts, outputs)]
        parts = change.a, change.b, change.magnitude
        for part, fitting in zip(parts, wanted, strict=True):
            if part is not None and part.shape != fitting:
                shape = tuple(part.shape)
                raise _misfit(f"the adapter has {shape} for {path}, where {fitting} would fit")


def _misfit(message: str) -> ShapeError:
    return ShapeError(message, where="adapter", do="Take the adapter of this model.")


def adapted(decoder: AnyDecoder, adapt: AdaptConfig | None, seed: int) -> AnyDecoder:
    """The decoder, ready for a phase: with new adapters, its own weights frozen; or as it is."""
    if adapt is None:
        return decoder
    for parameter in decoder.parameters():
        parameter.requires_grad_(False)
    attach(decoder, new_changes(decoder, adapt, seed), dropout=adapt.dropout)
    return decoder


@torch.no_grad()
def merge_changes(decoder: AnyDecoder, changes: Mapping[str, Change]) -> None:
    """Write changes into the weights in place. Raises ShapeError as `attach` does."""
    maps = linear_maps(decoder)
    require_fit(maps, changes)
    for path, change in changes.items():
        matrix = matrix_of(maps[path])
        matrix.copy_(change.of(matrix))


def changes_of(decoder: AnyDecoder) -> dict[str, Change]:
    """The attached adapter as tensors, by module; empty if there is none."""
    found: dict[str, Change] = {}
    for path, linear in linear_maps(decoder).items():
        adapters = getattr(linear, HELD, None)
        if isinstance(adapters, nn.ModuleDict):
            adapter = adapters[NAME]
            assert isinstance(adapter, LowRank)
            found[path] = adapter.change()
    return found


def changes_with(decoder: AnyDecoder, weights: Mapping[str, Tensor]) -> dict[str, Change]:
    """The attached adapter with these values instead of its own, as a training's weights name them.

    weights: tensors such as `blocks.0.mixer.query.adapters.default.lora_A`.
    """
    prefix = NETWORK if isinstance(decoder, ForeignDecoder) else ""
    found: dict[str, Change] = {}
    for path, change in changes_of(decoder).items():
        place = f"{prefix}{path}.{HELD}.{NAME}"
        a, b = (weights[f"{place}.{part}"] for part in ("lora_A", "lora_B"))
        found[path] = Change(a, b, change.scale, weights.get(f"{place}.magnitude"))
    return found


def joined(
    first: Mapping[str, Change], second: Mapping[str, Change], base: Callable[[], AnyDecoder]
) -> dict[str, Change]:
    """The one adapter of a base that gives what two give, of which the second came later.

    second: of the base with `first` in its weights. base: the base, read only if there are
    magnitudes. Ranks add up, as the products do:

        W + s1 B1 A1 + s2 B2 A2 = W + s1 [B1, s2/s1 B2] [A1; A2]

    With magnitudes `first` gives D (W + s1 B1 A1), D being a diagonal matrix. Norms of rows undo
    that of D, so B2 becomes D^-1 B2, and the magnitudes are the last ones that there are, or the
    norms of what comes out. As peft has magnitudes for all matrices or for none, so has this.
    Raises ShapeError if a magnitude of `first` is zero: its row of the base is lost.
    """
    has_magnitudes = any(each.magnitude is not None for each in (*first.values(), *second.values()))
    maps = linear_maps(base()) if has_magnitudes else {}
    changes = {**first, **second}
    for name, change in changes.items():
        matrix = matrix_of(maps[name]).detach() if has_magnitudes else None
        if name in first and name in second:
            change = _joined(first[name], second[name], matrix)
        if matrix is not None and change.magnitude is None:
            norms = torch.linalg.vector_norm(change.of(matrix), dim=-1)
            change = replace(change, magnitude=norms)
        changes[name] = change
    return changes


def _joined(one: Change, two: Change, matrix: Tensor | None) -> Change:
    """Two changes of one matrix as one. matrix: the base's, for magnitudes; None without any."""
    b_two = two.b * (two.scale / one.scale)
    magnitude = two.magnitude
    if one.magnitude is not None:
        assert matrix is not None, "read for magnitudes"
        ratio = _ratio(one.magnitude, replace(one, magnitude=None).of(matrix))
        if (ratio == 0).any():
            raise _misfit("the first adapter has a magnitude of zero, which the second builds on")
        b_two = b_two / ratio[..., None]
        if magnitude is None:
            magnitude = torch.linalg.vector_norm(two.of(one.of(matrix)), dim=-1)
        magnitude = magnitude * ratio.sign()
    a = torch.cat([one.a, two.a], dim=-2)
    b = torch.cat([one.b, b_two], dim=-1)
    return Change(a, b, one.scale, magnitude)


def copy_on(decoder: AnyDecoder, changes: Mapping[str, Change]) -> AnyDecoder:
    """Another decoder with these changes, which shares the weights of the first one.

    Several adapters of one base can so be used side by side, from several threads.
    """
    # deepcopy takes what is in its memo for copied already.
    shared = {id(each): each for each in (*decoder.parameters(), *decoder.buffers())}
    other = copy.deepcopy(decoder, dict(shared))
    attach(other, changes)
    return other
