"""Architectures of other programs as data: what they compute, by which keys. Imports no torch.

Then what rows of `transformers` (rows.py) and of llama.cpp (gguf/rows.py) share: what parts of a
decoder they lack, activations, and rotary positions.
"""

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from endonym.errors import ExportError
from endonym.model.config import Activation, AttentionConfig, ExpertsConfig, FfnConfig, ModelConfig

Json = dict[str, Any]
AnyFfn = FfnConfig | ExpertsConfig
Misfits = list[tuple[bool, str]]
"""Whether a model has something that an architecture lacks, and its name."""

DATA = tomllib.loads(Path(__file__).with_name("rows.toml").read_text(encoding="utf-8"))
ACTIVATIONS: dict[Activation, str] = DATA["activations"]
SCALING_KEYS: dict[str, dict[str, str]] = DATA["scaling"]
"""Keys of `transformers` for each kind of scaling of rotary positions, and ours."""
ROPE_BASE = 10_000.0
"""The default of `transformers`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """An architecture of another program, for models whose layers are all alike.

    mixer, ffn: the types of each layer's parts. misfits: of a config, its mixer and its
    feed-forward. names: our tensor names to its, with `*` for the layer and `+` for the expert.
    """

    mixer: Any = AttentionConfig
    ffn: Any = FfnConfig
    misfits: Callable[[ModelConfig, Any, Any], Misfits]
    names: Callable[[ModelConfig], Mapping[str, str]]

    def misfit(self, config: ModelConfig) -> str | None:
        """The first thing of a model that it does not support; None if it computes the model."""
        mixer, ffn = config.mixers[0], config.ffns[0]
        is_uniform = all(each == mixer for each in config.mixers)
        is_uniform &= all(each == ffn for each in config.ffns)
        if not (is_uniform and isinstance(mixer, self.mixer) and isinstance(ffn, self.ffn)):
            return "layers that are not alike, or of another kind"
        return next((name for holds, name in self.misfits(config, mixer, ffn) if holds), None)


ROTARY = r"(self_attn\.|self_attention\.|attention\.)?rotary_emb\.(inv_freq|cos_cached|sin_cached)"
"""Angles of rotary positions, which classes once saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HFArchitecture(Architecture):
    """A class of `transformers`, whose keys are those of `config.json`; see `rows.toml`.

    more_json: its keys that are no size of ours by another name, of a config, its mixer and its
    feed-forward. more_keys: adds to our recipe keys what its keys say beside the sizes.
    """

    family: str
    model_type: str
    architecture: str
    keys: Mapping[str, str]
    more_json: Callable[[ModelConfig, Any, Any], Json]
    more_keys: Callable[[Json, Json], None]
    optional: Sequence[str] = ()
    constants: Json = field(default_factory=dict[str, Any])
    joined: str = ""
    joined_how: Literal["side by side", "by group"] = "by group"
    transposed: str = ""
    context_key: str = "max_position_embeddings"
    required: Json = field(default_factory=dict[str, Any])
    harmless: Sequence[str] = ()
    elsewhere: Sequence[str] = ()
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    assumed: Json = field(default_factory=dict[str, Any])
    may_be_null: Sequence[str] = ()
    prefix: str = "model."
    buffers: str = rf"(^|\.)(layers\.\d+\.)?{ROTARY}$"

    def to_json(self, config: ModelConfig) -> Json:
        """A model in the keys of the class."""
        mixer, ffn = config.mixers[0], config.ffns[0]
        sizes: Json = {f"ffn.{name}": value for name, value in ffn}
        sizes |= {f"mixer.{name}": value for name, value in mixer}
        sizes |= dict(config) | {"attention_dropout": sizes.get("mixer.dropout")}
        sizes["ffn.activation"] = ACTIVATIONS[ffn.activation]
        sizes["mixer.expand"] = (
            0 if isinstance(mixer, AttentionConfig) else mixer.inner // config.dim
        )
        written = {theirs: sizes[ours] for theirs, ours in self.keys.items()}
        return written | self.constants | self.more_json(config, mixer, ffn)

    def to_keys(self, theirs: Json) -> Json:
        """A model in the keys of a recipe. Raises KeyError for a missing key."""
        ours: Json = {"family": self.family, "mixer": {}, "ffn": {}}
        for name, key in self.keys.items():
            part, _, last = key.rpartition(".")
            value = theirs.get(name) if name in self.optional else theirs[name]
            (ours[part] if part else ours)[last] = value
        if "activation" in ours["ffn"]:
            ours["ffn"]["activation"] = our_activation(ours["ffn"]["activation"])
        self.more_keys(theirs, ours)
        return ours


def classic_misfits(
    config: ModelConfig, mixer: AttentionConfig, ffn: FfnConfig, position: str
) -> Misfits:
    """What GPT-2, GPT-NeoX and Falcon lack: LayerNorm, and heads as wide together as the model."""
    return [
        (config.norm != "layer", f'norm = "{config.norm}"'),
        (config.position != position, f'position = "{config.position}"'),
        (config.logit_cap is not None, "logit_cap"),
        (ffn.kind != "plain", f'ffn.kind = "{ffn.kind}"'),
        (mixer.heads * mixer.head_width != config.dim, "head_width"),
        (mixer.query_key_norm, "query_key_norm"),
        (mixer.window is not None, "a window"),
    ]


def llama_misfits(
    config: ModelConfig,
    mixer: AttentionConfig,
    ffn: AnyFfn,
    *,
    ffn_kind: str = "gated",
    query_key_norm: bool = False,
    has_window: bool = False,
) -> Misfits:
    """What Llama lacks, and its relatives with norms of heads, a window or experts."""
    return [
        (config.norm != "rms", f'norm = "{config.norm}"'),
        (config.position != "rope", f'position = "{config.position}"'),
        (config.parallel, "parallel = true"),
        (config.logit_cap is not None, "logit_cap"),
        (mixer.rope is not None and mixer.rope.width != mixer.head_width, "rotary_share"),
        (ffn.kind != ffn_kind, f'ffn.kind = "{ffn.kind}"'),
        (mixer.query_key_norm != query_key_norm, f"query_key_norm = {mixer.query_key_norm}"),
        ((mixer.window is not None) != has_window, f"window = {mixer.window}"),
        (isinstance(ffn, ExpertsConfig) and not ffn.gated, "ffn.gated = false"),
        (isinstance(ffn, ExpertsConfig) and ffn.balance == "bias", 'ffn.balance = "bias"'),
    ]


def state_space_misfits(config: ModelConfig, ffn: AnyFfn) -> Misfits:
    """What Mamba and Mamba-2 lack."""
    return [
        (ffn.kind != "none", "a feed-forward"),
        (config.norm != "rms", f'norm = "{config.norm}"'),
        (config.logit_cap is not None, "logit_cap"),
    ]


def with_parts(names: Mapping[str, str], *parts: str) -> dict[str, str]:
    """Names of modules as names of their parameters."""
    return {f"{ours}.{p}": f"{theirs}.{p}" for ours, theirs in names.items() for p in parts}


def tensor_names(path: Path) -> dict[str, dict[str, str]]:
    """The tables of a file with our names of tensors and another program's."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return {
        name: each.get("tensors", {}) | with_parts(each.get("modules", {}), "weight", "bias")
        for name, each in tables.items()
    }


def our_activation(theirs: Any) -> Any:
    """Our name of an activation; unknown ones stay, for the recipe's check to refuse."""
    known = {name: ours for ours, name in ACTIVATIONS.items()} | DATA["other_activations"]
    return known.get(theirs, theirs)


def rope_json(mixer: AttentionConfig) -> Json:
    """Rotary positions in the keys of `transformers` 5 and, if unscaled, of earlier versions."""
    rope = mixer.rope
    assert rope is not None, "the class of transformers has rotary positions"
    parameters: Json = {"rope_theta": rope.base, "rope_type": "default"}
    if rope.scaling is not None:
        parameters["rope_type"] = rope.scaling.kind
        for theirs, ours in SCALING_KEYS[rope.scaling.kind].items():
            parameters[theirs] = getattr(rope.scaling, ours)
        if rope.scaling.sharpness is None:
            parameters.pop("attention_factor", None)
    if rope.width != mixer.head_width:
        parameters["partial_rotary_factor"] = share_of(rope.width, mixer.head_width)
    return {"rope_parameters": parameters, "rope_theta": rope.base}


def share_of(width: int, head_width: int) -> float:
    """The share for which int(head_width * share) is exactly `width`."""
    share = width / head_width
    return share if int(head_width * share) == width else math.nextafter(share, 1.0)


def read_rope(config: Json, *, share: float = 1.0) -> Json:
    """Our keys of a mixer's rotary positions, from old or new keys of `transformers`.

    share: default share of rotated channels. Raises ExportError for unsupported keys.
    """
    parameters: Json = {}
    for key in ("rope_parameters", "rope_scaling"):
        table = config.get(key) or {}
        if not isinstance(table, dict):
            raise ExportError(f"{key} = {table!r} is not a table", where="config.json")
        parameters |= table
    base = parameters.pop("rope_theta", config.get("rope_theta", ROPE_BASE))
    keys: Json = {"rope_base": base}
    if (part := parameters.pop("partial_rotary_factor", share)) != 1.0:
        keys["rotary_share"] = part
    kind = parameters.pop("rope_type", parameters.pop("type", "default"))
    parameters.pop("type", None)

    ours = {theirs: our for table in SCALING_KEYS.values() for theirs, our in table.items()}
    scaling = {key: value for key, value in parameters.items() if value is not None}
    strange = sorted(key for key in scaling if key not in ours or kind == "default")
    kinds = ("default", *SCALING_KEYS)
    if kind not in kinds or strange:
        what = strange[0] if strange else f"rope_type {kind!r}"
        raise ExportError(
            f"{what} of the rotary positions is not something endonym can build",
            where="config.json",
            do=f"Kinds that can be read: {', '.join(kinds)}.",
        )
    if kind != "default":
        keys["rope_scaling"] = {"kind": kind} | {ours[key]: scaling[key] for key in scaling}
    return keys
