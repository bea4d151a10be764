"""The table of architectures: a family is a set of defaults, not a class. Imports no torch.

A new architecture whose parts exist needs a row here, a name in `Family` (`model/keys.py`), a row
in `export/rows/` and its entry in `ROWS` (`export/shapes.py`). A part that does not exist yet also
needs a field for what a recipe may say (`model/keys.py`), for its default (`FamilyDefaults`) and
for its resolved value (`model/config.py`), code in its layer, and a term of the formulas
(`count.py`, `memory.py`). The other rows of `export/rows/` must refuse models with that part,
unless their classes in transformers have it. The laws in `tests/laws` run over every row.
"""

from typing import Any

from endonym.errors import ShapeError
from endonym.model.config import ModelConfig
from endonym.model.keys import Family, ModelKeys
from endonym.model.parts import FamilyDefaults, resolve_ffn, resolve_mixer

MODERN = FamilyDefaults(
    norm="rms",
    norm_epsilon=1e-6,
    position="rope",
    parallel=False,
    shared_norm=False,
    bias=False,
    mixer="attention",
    query_key_norm=False,
    ffn="gated",
    activation="silu",
)
CLASSIC = MODERN.but(norm="layer", norm_epsilon=1e-5, bias=True, ffn="plain", activation="gelu")
STATE_SPACE = MODERN.but(norm_epsilon=1e-5, position="none", ffn="none")
FAMILIES: dict[Family, FamilyDefaults] = {
    "qwen3": MODERN.but(query_key_norm=True),
    "llama": MODERN,
    "mistral": MODERN.but(has_window=True),
    "gpt2": CLASSIC.but(position="learned", activation="gelu_tanh"),
    "gptneox": CLASSIC,
    "falcon": CLASSIC.but(bias=False, parallel=True, kv_heads=1),
    "mamba": STATE_SPACE.but(mixer="mamba"),
    "mamba2": STATE_SPACE.but(mixer="mamba2"),
    "moe": MODERN.but(query_key_norm=True, ffn="experts"),
}


def resolve(keys: ModelKeys, *, vocab: int, context: int) -> ModelConfig:
    """The config of a model: its family's defaults, overridden by the recipe's keys.

    Raises ShapeError, naming the key, if the sizes do not fit.
    """
    if keys.dim is None or keys.layers is None:
        raise ShapeError("a shape needs dim and layers", where="model")
    row = FAMILIES[keys.family].laid_over(keys)
    dim, layers = keys.dim, keys.layers
    mixers = tuple(
        resolve_mixer(each, row, dim=dim, context=context, where=_part_key(keys.mixer, "mixer", n))
        for n, each in enumerate(keys.mixers)
    )
    ffns = tuple(
        resolve_ffn(each, row, dim=dim, where=_part_key(keys.ffn, "ffn", n))
        for n, each in enumerate(keys.ffns)
    )
    _check(keys, row)
    dropout = keys.dropout or 0.0
    return ModelConfig(
        family=keys.family,
        vocab=vocab,
        context=context,
        dim=dim,
        layers=layers,
        norm=row.norm,
        norm_epsilon=row.norm_epsilon,
        position=row.position,
        parallel=row.parallel,
        shared_norm=row.shared_norm,
        tied=keys.tied if keys.tied is not None else True,
        logit_cap=keys.logit_cap,
        dropout=dropout,
        embedding_dropout=dropout if keys.embedding_dropout is None else keys.embedding_dropout,
        residual_init=keys.residual_init or "zero",
        mixers=mixers,
        ffns=ffns,
    )


def without_heads(keys: ModelKeys) -> list[str]:
    """The keys in [model] of attention layers for which a recipe gives no number of heads."""
    kind = FAMILIES[keys.family].mixer
    return [
        f"{_part_key(keys.mixer, 'mixer', number).removeprefix('model.')}.heads"
        for number, each in enumerate(keys.mixers)
        if (each.kind or kind) == "attention" and each.heads is None
    ]


def is_half_blocks(keys: ModelKeys) -> bool:
    """True if no block has a feed-forward; two such blocks replace one with a feed-forward."""
    kind = FAMILIES[keys.family].ffn
    return all((each.kind or kind) == "none" for each in keys.ffns)


def has_experts(keys: ModelKeys) -> bool:
    """True if a layer is a mixture of experts."""
    kind = FAMILIES[keys.family].ffn
    return any((each.kind or kind) == "experts" for each in keys.ffns)


def _part_key(written: Any, name: str, number: int) -> str:
    """The dotted key of a part, with an index if the recipe has a list."""
    return f"model.{name}.{number}" if isinstance(written, tuple) else f"model.{name}"


def _check(keys: ModelKeys, row: FamilyDefaults) -> None:
    """Raise ShapeError for keys that contradict each other."""
    if row.shared_norm and not row.parallel:
        raise ShapeError(
            "one norm can be shared only by branches that read the same stream",
            where="model.shared_norm",
            do="Set parallel = true as well, or leave shared_norm out.",
        )
    kinds = {each.kind or row.mixer for each in keys.mixers}
    if keys.attention_dropout is not None and "attention" not in kinds:
        raise ShapeError(
            "there is no attention in this model",
            where="model.attention_dropout",
            do="Leave the key out.",
        )
    if (keys.parallel or keys.shared_norm) and is_half_blocks(keys):
        raise ShapeError(
            "there is no feed-forward beside the mixers",
            where=f"model.{'parallel' if keys.parallel else 'shared_norm'}",
            do="Leave the key out, or give the blocks a feed-forward.",
        )
    for name, parts in (("mixer", keys.mixers), ("ffn", keys.ffns)):
        if keys.layers is not None and len(parts) > keys.layers:
            raise ShapeError(
                f"{len(parts)} kinds of {name} in {keys.layers} layers",
                where=f"model.{name}",
                do=f"Name at most {keys.layers}, or set more layers.",
            )
