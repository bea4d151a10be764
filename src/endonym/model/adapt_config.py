"""How a phase adapts a model without changing its weights, and what that trains. Imports no torch.

An adapter adds a product of two small matrices to each of some matrices W of a model:
y = W x + alpha/rank · B A x, of which only A (rank × inputs) and B (outputs × rank) are trained.
Source: LoRA, arXiv:2106.09685, section 4.1. DoRA, arXiv:2402.09353, eq. 5, also trains the norm of
each row of the result.
"""

import re
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, field_validator

from endonym.config import Config, optional
from endonym.model.config import ExpertsConfig, ModelConfig, Positive, Share
from endonym.model.foreign.folder import AnyModelConfig, ForeignConfig, weight_shapes
from endonym.model.refusals import misfit

RANK = 16
TIMES = 2
"""The rank, and alpha / rank, if they are not given."""
GROUPS = ("mixer", "ffn")
ALL = "all"
TABLES = re.compile(r"embed|wte|wpe|lm_head")
"""Names of embeddings and heads in the files of foreign models."""
FOREIGN_MIXER = re.compile(r"attn|attention|mixer|mamba|ssm|recurrent|conv|rwkv", re.IGNORECASE)
"""In the names of modules that hold the matrices of a mixer."""
ROUTER = "router"
"""A router is no part of the group "ffn": small changes of it send tokens to other experts."""


class Adapt(Config):
    """Adapters that a phase trains instead of the weights themselves."""

    kind: Literal["lora"] = "lora"
    """low-rank adapters"""
    rank: int = Field(default=RANK, ge=1, le=65_536)
    """rows of A, columns of B: what it can learn"""
    alpha: Positive | None = optional("twice the rank")
    """the change of a matrix is alpha / rank times B A"""
    dropout: Share = 0.0
    """of the inputs of A"""
    on: tuple[str, ...] = Field(default=GROUPS, min_length=1)
    """which matrices: mixer, ffn, all (each linear map but the head), or a name, as query and down;
    q_proj of a model that transformers computes
    """
    dora: bool = False
    """whether the norms of the rows are trained too (DoRA, arXiv:2402.09353)"""

    @field_validator("on")
    @classmethod
    def each_once(cls, on: tuple[str, ...]) -> tuple[str, ...]:
        """Names that stand once, and are some."""
        if len(set(on)) < len(on) or not all(name.strip() for name in on):
            raise ValueError("each name stands once and is not empty")
        return on

    def resolved(self) -> "AdaptConfig":
        """With a value for every key."""
        values = self.model_dump(exclude={"alpha"})
        alpha = TIMES * self.rank if self.alpha is None else self.alpha
        return AdaptConfig.model_validate({**values, "alpha": alpha})


class AdaptConfig(Config):
    """Adapters with a value for every key, which mean the same as in `Adapt`."""

    kind: Literal["lora"] = "lora"
    rank: int
    alpha: float
    dropout: float
    on: tuple[str, ...]
    dora: bool


class Matrix(NamedTuple):
    """A matrix that can be adapted, by the name of its module.

    copies: of the experts. used: those that a token goes through.
    """

    name: str
    inputs: int
    outputs: int
    copies: int = 1
    used: int = 1


def matrices(config: ModelConfig) -> list[Matrix]:
    """Every matrix of a decoder that can be adapted, layer by layer.

    Not the step of Mamba, which is a product of low rank itself, nor tables and convolutions.
    """
    found: list[Matrix] = []
    for layer, (mixer, ffn) in enumerate(config.blocks):
        place = f"blocks.{layer}."
        for name, size in mixer.matrices(config.dim).items():
            if name != "step":
                found.append(Matrix(f"{place}mixer.{name}", *size))
        copies = 1
        used = 1
        if isinstance(ffn, ExpertsConfig):
            copies = ffn.experts
            used = ffn.active
            found.append(Matrix(f"{place}ffn.{ROUTER}", config.dim, copies))
        for name, size in ffn.matrices(config.dim).items():
            found.append(Matrix(f"{place}ffn.{name}", *size, copies, used))
    return found


def names_meant(names: list[str], on: tuple[str, ...]) -> list[str]:
    """The names of matrices that `on` means, in the order of `names`, which are all of a model's.

    A name in `on` is the last parts of a module's name, or a group. Of foreign models the group
    "mixer" is told by the usual names of such modules, and "ffn" is the rest.
    Raises ShapeError if one of them means none of the matrices.
    """
    by_wanted = {wanted: [name for name in names if _is_meant(name, wanted)] for wanted in on}
    missing = [wanted for wanted in on if not by_wanted[wanted] and wanted not in GROUPS]
    meant = {name for some in by_wanted.values() for name in some}
    if missing or not meant:
        known = ", ".join(dict.fromkeys(map(_last, names)))
        called = missing[0] if missing else " and ".join(on)
        raise misfit("no_matrix", "adapt.on", called=called, known=known)
    return [name for name in names if name in meant]


def _is_meant(name: str, wanted: str) -> bool:
    """Whether a name, group or "all" in `on` means the matrix of this module."""
    if wanted == ALL:
        return True
    if wanted not in GROUPS:
        return f".{name}".endswith(f".{wanted}")
    if ours := re.match(r"blocks\.\d+\.(mixer|ffn)\.", name):
        group = ours[1]
    else:
        group = "mixer" if FOREIGN_MIXER.search(name.rpartition(".")[0]) else "ffn"
    return _last(name) != ROUTER and group == wanted


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def adapted_matrices(config: ModelConfig, adapt: AdaptConfig) -> list[Matrix]:
    """The matrices of a decoder that get an adapter.

    Raises ShapeError if a name means none, or if the rank is larger than one of them.
    """
    by_name = {matrix.name: matrix for matrix in matrices(config)}
    adapted = [by_name[name] for name in names_meant(list(by_name), adapt.on)]
    for each in adapted:
        require_rank(adapt.rank, each.name, each.inputs, each.outputs)
    return adapted


def require_rank(rank: int, name: str, inputs: int, outputs: int) -> None:
    """Raise ShapeError if a matrix cannot have a change of this rank."""
    if rank > min(inputs, outputs):
        matrix = {"name": name, "part": _last(name), "inputs": inputs, "outputs": outputs}
        raise misfit("high_rank", "adapt.rank", rank=rank, most=min(inputs, outputs), **matrix)


def require_adaptable(
    config: AnyModelConfig, adapt: AdaptConfig | None, folder: Path | None = None
) -> None:
    """Raise ShapeError if these adapters do not fit the model.

    folder: of a foreign model, whose matrices are those of its files; what the class makes of them
    is tried when it is loaded.
    """
    if adapt is None:
        return
    if isinstance(config, ModelConfig):
        adapted_matrices(config, adapt)
    elif folder is not None:
        shapes = {
            name.removesuffix(".weight"): shape
            for name, shape in weight_shapes(folder).items()
            if len(shape) == 2 and name.endswith(".weight") and not TABLES.search(name)
        }
        for name in names_meant(list(shapes), adapt.on):
            require_rank(adapt.rank, name, *shapes[name])


def adapter_parameters(config: AnyModelConfig, adapt: AdaptConfig) -> int:
    """How many numbers the adapters have.

    Of a foreign model, whose matrices are known only when it is loaded, about as many as square
    matrices of its width would need: an upper bound where the others are wider.
    """
    if isinstance(config, ForeignConfig):
        tables = config.vocab * config.dim * (1 if config.tied else 2)
        return 2 * adapt.rank * max(0, config.parameters - tables) // config.dim
    return sum(
        each.copies
        * (adapt.rank * (each.inputs + each.outputs) + (each.outputs if adapt.dora else 0))
        for each in adapted_matrices(config, adapt)
    )


def active_parameters(config: AnyModelConfig, adapt: AdaptConfig) -> int:
    """How many numbers of A and B one token uses: of the experts only those it goes to."""
    if isinstance(config, ForeignConfig):
        return adapter_parameters(config, adapt)
    found = adapted_matrices(config, adapt)
    return sum(adapt.rank * (each.inputs + each.outputs) * each.used for each in found)


def low_rank_numbers(config: AnyModelConfig, adapt: AdaptConfig) -> int:
    """How many numbers the adapters add to those that a token keeps for the backward pass."""
    if isinstance(config, ForeignConfig):
        return config.layers * 7 * adapt.rank  # seven matrices a layer, as in Llama
    masks = 2 if adapt.dropout else 0
    return sum(
        (adapt.rank + masks * each.inputs + (3 * each.outputs if adapt.dora else 0)) * each.used
        for each in adapted_matrices(config, adapt)
    )
