"""The table of architectures: a family is a set of defaults, not a class. Imports no torch.

A new architecture whose parts exist needs a row in `families.toml`, a name in `Family`
(`model/config.py`), a row in `export/rows.toml` with its names in `export/tensor_names.toml`, and
one in `export/gguf/rows.toml` with those in `gguf/tensor_names.toml`. A part that does not exist
yet also needs a field for what a recipe may say and for its resolved value (`model/config.py`), for
its default (`FamilyDefaults`), code in its layer, and a term of the formulas (`count.py`,
`memory.py`). The rows of `export` must refuse models with that part (`supports`), unless their
architectures have it. The laws in `tests/laws` run over every row.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from endonym.config import Config
from endonym.disk import packaged_tables
from endonym.mappings import without_none
from endonym.model import config as shapes
from endonym.model.refusals import misfit

DATA = packaged_tables("endonym.model", "families.toml")
MIXER_KEYS: dict[str, list[str]] = DATA["mixer_keys"]
FFN_KEYS: dict[str, list[str]] = DATA["ffn_keys"]
"""The keys that each kind of part reads; any other is an error."""
SHARED_KEYS = ("norm", "norm_epsilon", "position", "parallel", "shared_norm")
"""The keys of a model that have a default in each family."""
ROPE_BASE = 10_000.0
HIGH_TURNS = {"llama3": 4.0, "yarn": 32.0}
HEAD_WIDTH = 64
"""Of Mamba-2; it has dim · expand / HEAD_WIDTH heads (arXiv:2405.21060, section 7)."""


@dataclass(frozen=True, slots=True)
class FamilyDefaults:
    """Defaults of a family; if not given, those of Llama.

    kv_heads None: as many as heads. has_window: half the context.
    """

    norm: Literal["rms", "layer"] = "rms"
    norm_epsilon: float = 1e-6
    position: Literal["rope", "learned", "none"] = "rope"
    parallel: bool = False
    shared_norm: bool = False
    bias: bool = False
    mixer: Literal["attention", "mamba", "mamba2"] = "attention"
    query_key_norm: bool = False
    ffn: Literal["plain", "gated", "experts", "none"] = "gated"
    activation: shapes.Activation = "silu"
    kv_heads: int | None = None
    has_window: bool = False
    attention_dropout: float = 0.0


FAMILIES: dict[str, FamilyDefaults] = {
    family: FamilyDefaults(**row) for family, row in DATA["families"].items()
}


def resolve(keys: shapes.ModelKeys, *, vocab: int, context: int) -> shapes.ModelConfig:
    """The config of a model: its family's defaults, overridden by the recipe's keys.

    Raises ShapeError, naming the key, if the sizes do not fit.
    """
    if keys.dim is None or keys.layers is None:
        raise misfit("no_size", "model")
    row = FAMILIES[keys.family]
    written = {name: getattr(keys, name) for name in (*SHARED_KEYS, "attention_dropout")}
    row = replace(row, **without_none(written))
    dim = keys.dim
    layers = keys.layers
    mixers = tuple(
        resolve_mixer(each, row, dim=dim, context=context, where=_part_key(keys.mixer, "mixer", n))
        for n, each in enumerate(keys.mixers)
    )
    ffns = tuple(
        resolve_ffn(each, row, dim=dim, where=_part_key(keys.ffn, "ffn", n))
        for n, each in enumerate(keys.ffns)
    )
    _refuse_contradictions(keys, row)
    dropout = keys.dropout or 0.0
    return shapes.ModelConfig(
        family=keys.family,
        vocab=vocab,
        context=context,
        dim=dim,
        layers=layers,
        **{name: getattr(row, name) for name in SHARED_KEYS},
        tied=_or_default(keys.tied, True),
        logit_cap=keys.logit_cap,
        dropout=dropout,
        embedding_dropout=_or_default(keys.embedding_dropout, dropout),
        residual_init=keys.residual_init or "zero",
        mixers=mixers,
        ffns=ffns,
    )


def without_heads(keys: shapes.ModelKeys) -> list[str]:
    """The keys in [model] of attention layers for which a recipe gives no number of heads."""
    kind = FAMILIES[keys.family].mixer
    return [
        f"{_part_key(keys.mixer, 'mixer', number).removeprefix('model.')}.heads"
        for number, each in enumerate(keys.mixers)
        if (each.kind or kind) == "attention" and each.heads is None
    ]


def ffn_kinds(keys: shapes.ModelKeys) -> set[str]:
    """The kinds of feed-forwards in the blocks."""
    return {ffn.kind or FAMILIES[keys.family].ffn for ffn in keys.ffns}


def is_half_blocks(keys: shapes.ModelKeys) -> bool:
    """True if no block has a feed-forward; two such blocks replace one with a feed-forward."""
    return ffn_kinds(keys) == {"none"}


def _part_key(written: Any, name: str, number: int) -> str:
    """The dotted key of a part, with an index if the recipe has a list."""
    return f"model.{name}.{number}" if isinstance(written, tuple) else f"model.{name}"


def _refuse_contradictions(keys: shapes.ModelKeys, row: FamilyDefaults) -> None:
    """Raise ShapeError for keys that contradict each other."""
    if row.shared_norm and not row.parallel:
        raise misfit("shared_norm", "model.shared_norm")
    kinds = {mixer.kind or row.mixer for mixer in keys.mixers}
    if keys.attention_dropout is not None and "attention" not in kinds:
        raise misfit("no_attention", "model.attention_dropout")
    if (keys.parallel or keys.shared_norm) and is_half_blocks(keys):
        raise misfit("no_ffn", f"model.{'parallel' if keys.parallel else 'shared_norm'}")
    for name, parts in (("mixer", keys.mixers), ("ffn", keys.ffns)):
        if keys.layers is not None and len(parts) > keys.layers:
            where = f"model.{name}"
            count = len(parts)
            raise misfit("too_many_kinds", where, kinds=count, part=name, layers=keys.layers)


def resolve_mixer(
    keys: shapes.MixerKeys, row: FamilyDefaults, *, dim: int, context: int, where: str
) -> shapes.MixerConfig:
    """A mixer's config with all defaults filled in. Raises ShapeError, naming the key."""
    kind = keys.kind or row.mixer
    _refuse_unused(keys, kind, MIXER_KEYS, where)
    if kind == "attention":
        return _attention(keys, row, dim=dim, context=context, where=where)
    inner = dim * (keys.expand or 2)
    conv_width = keys.conv_width or 4
    bias = keys.bias or False
    if kind == "mamba":
        state = keys.state or 16
        rank = keys.step_rank or -(-dim // 16)
        return shapes.MambaConfig(
            inner=inner, state=state, step_rank=rank, conv_width=conv_width, bias=bias
        )
    width = keys.head_width or HEAD_WIDTH
    groups = keys.groups or 1
    if inner % width:
        raise misfit("uneven_inner", f"{where}.head_width", inner=inner, width=width)
    _refuse_uneven(inner // width, groups, ("heads", "groups"), where)
    return shapes.Mamba2Config(
        heads=inner // width,
        head_width=width,
        state=keys.state or 128,
        groups=groups,
        conv_width=conv_width,
        bias=bias,
    )


def _attention(
    keys: shapes.MixerKeys, row: FamilyDefaults, *, dim: int, context: int, where: str
) -> shapes.AttentionConfig:
    """An attention config with all defaults filled in."""
    if keys.heads is None:
        raise misfit("no_heads", f"{where}.heads")
    if keys.head_width is None and dim % keys.heads:
        raise misfit("uneven_dim", f"{where}.heads", dim=dim, heads=keys.heads)
    kv_heads = keys.kv_heads or row.kv_heads or keys.heads
    _refuse_uneven(keys.heads, kv_heads, ("heads", "kv_heads"), where)
    window = keys.window or (max(1, context // 2) if row.has_window else None)
    if window is not None and window > context:
        raise misfit("wide_window", f"{where}.window", window=window, context=context)
    width = keys.head_width or dim // keys.heads
    return shapes.AttentionConfig(
        heads=keys.heads,
        kv_heads=kv_heads,
        head_width=width,
        query_key_norm=_or_default(keys.query_key_norm, row.query_key_norm),
        window=window,
        rope=_rope(keys, row, width, where),
        bias=_or_default(keys.bias, row.bias),
        dropout=row.attention_dropout,
    )


def _rope(
    keys: shapes.MixerKeys, row: FamilyDefaults, head_width: int, where: str
) -> shapes.RopeConfig | None:
    """Rotary positions of a mixer; None if its model has none."""
    if row.position != "rope":
        for name in ("rope_base", "rope_scaling", "rotary_share"):
            if getattr(keys, name) is not None:
                raise misfit("not_rotary", f"{where}.{name}", position=row.position)
        return None
    width = int(head_width * (keys.rotary_share or 1.0))
    if width % 2 or width == 0:
        key = "rotary_share" if keys.rotary_share else "head_width"
        raise misfit("odd_rotation", f"{where}.{key}", width=width, of=head_width)
    scaling = keys.rope_scaling and _stretched(keys.rope_scaling, f"{where}.rope_scaling")
    return shapes.RopeConfig(base=keys.rope_base or ROPE_BASE, width=width, scaling=scaling)


def _stretched(scaling: shapes.RopeScaling, where: str) -> shapes.RopeScaling:
    """The scaling of rotary positions, with the defaults of its kind."""
    if scaling.kind == "linear":
        for name in sorted(scaling.model_fields_set - {"kind", "factor"}):
            if getattr(scaling, name) is not None:
                raise misfit("linear_scaling", f"{where}.{name}", key=name)
        return scaling
    if scaling.original_context is None:
        raise misfit("no_original_context", f"{where}.original_context", kind=scaling.kind)
    high = scaling.high_turns or HIGH_TURNS[scaling.kind]
    if scaling.low_turns >= high:
        raise misfit("turns", f"{where}.low_turns", low=scaling.low_turns, high=high)
    return scaling.model_copy(update={"high_turns": high})


def resolve_ffn(
    keys: shapes.FfnKeys, row: FamilyDefaults, *, dim: int, where: str
) -> shapes.FfnConfig | shapes.ExpertsConfig:
    """A feed-forward's config with all defaults filled in. Raises ShapeError, naming the key."""
    kind = keys.kind or row.ffn
    _refuse_unused(keys, kind, FFN_KEYS, where)
    activation = keys.activation or row.activation
    if kind != "experts":
        hidden = keys.hidden or (0 if kind == "none" else _width(dim, is_gated=kind == "gated"))
        bias = _or_default(keys.bias, row.bias)
        return shapes.FfnConfig(kind=kind, hidden=hidden, activation=activation, bias=bias)
    experts = keys.experts or 8
    written = keys.active or min(2, experts)
    active = experts if written == "all" else written
    if active > experts or active < 1:
        raise misfit("active_experts", f"{where}.active", active=active, experts=experts)
    if keys.balance == "bias" and keys.balance_weight is not None:
        raise misfit("balance_weight", f"{where}.balance_weight")
    is_gated = _or_default(keys.gated, True)
    return shapes.ExpertsConfig(
        hidden=keys.hidden or _width(dim, is_gated=is_gated, share=active),
        activation=activation,
        gated=is_gated,
        experts=experts,
        active=active,
        balance=keys.balance or "penalty",
        balance_weight=_or_default(keys.balance_weight, 0.01),
    )


def _width(dim: int, *, is_gated: bool, share: int = 1) -> int:
    """Default hidden width: 4·dim, or 8/3·dim rounded up to a multiple of 256 if gated.

    Both take about the same number of parameters, and llama.cpp's K-quants need the multiple.
    share: active experts, which divide this width among them.
    """
    # -(-a // b) is a / b rounded up.
    if is_gated:
        return -(-8 * dim // (3 * share) // 256) * 256
    return -(-4 * dim // share)


def _refuse_uneven(many: int, few: int, names: tuple[str, str], where: str) -> None:
    """Raise ShapeError if `few` does not divide `many`. names: the keys of both."""
    if many % few:
        heads, groups = names
        key = f"{where}.{groups}"
        raise misfit("uneven_groups", key, many=many, few=few, heads=heads, groups=groups)


def _refuse_unused(keys: Config, kind: str, known: dict[str, list[str]], where: str) -> None:
    """Raise ShapeError for a key that this kind of part does not read. known: keys by kind."""
    for name in type(keys).model_fields:
        if name not in ("kind", *known[kind]) and getattr(keys, name) is not None:
            homes = ", ".join(other for other, names in known.items() if name in names)
            raise misfit("no_effect", f"{where}.{name}", key=name, kind=kind, homes=homes)


def _or_default(value: Any, default: Any) -> Any:
    """The recipe's value, or the family's if it has none."""
    return default if value is None else value
