"""Architectures of other programs as data: what they compute, by which keys. Imports no torch.

Then what rows of `transformers` (rows.py) and of llama.cpp (gguf/rows.py) share: the sizes of a
model that limit an architecture, activations, and rotary positions.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

from endonym.disk import packaged_tables
from endonym.errors import ExportError
from endonym.export.refusals import refusal
from endonym.mappings import without_none
from endonym.model.config import Activation, AttentionConfig, ExpertsConfig, ModelConfig

Json = dict[str, Any]


SHARED = packaged_tables("endonym.export", "parts.toml")
ACTIVATIONS: dict[Activation, str] = SHARED["activations"]
SCALING_KEYS: dict[str, dict[str, str]] = SHARED["scaling"]
"""Keys of `transformers` for each kind of scaling of rotary positions, and ours."""
ROPE_BASE = 10_000.0
"""The default of `transformers`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """An architecture of another program, for models whose layers are all alike: a row of TOML.

    like, supports: what it has of the sizes and forms of a model; of what is not named any. tables:
    our tensor names to its, with `*` for the layer and `+` for the expert, of which it has those
    called `tensors`.
    """

    tables: ClassVar[Mapping[str, Mapping[str, str]]]
    family: str
    like: str
    mixer: str = "attention"
    supports: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    tensors: Sequence[str]
    norms: str = ""

    @property
    def limits(self) -> Json:
        """The values that sizes and forms may have, by name."""
        return SHARED["supports"][self.like] | self.supports

    def misfit(self, config: ModelConfig) -> str | None:
        """The first thing of a model that it does not support; None if it computes the model."""
        is_uniform = all(each == config.mixers[0] for each in config.mixers)
        is_uniform &= all(each == config.ffns[0] for each in config.ffns)
        if not is_uniform or config.mixers[0].kind != self.mixer:
            return "layers that are not alike, or of another kind"
        sizes = sizes_of(config)
        forms = sizes | forms_of(config)
        for name, allowed in self.limits.items():
            if name in forms and forms[name] not in allowed:
                return f"{name} = {json.dumps(sizes[name])}" if name in sizes else forms[name]
        return None

    def names(self, config: ModelConfig) -> dict[str, str]:
        """Our tensor names, with its own."""
        form = "two_norms" if config.parallel else "serial_norms"
        norms = self.tables.get(f"{self.norms}_{'one_norm' if config.shared_norm else form}", {})
        tables = [*(self.tables[each] for each in self.tensors), norms]
        return {ours: theirs for table in tables for ours, theirs in table.items()}


Row = TypeVar("Row", bound=Architecture)


def nearest(rows: Sequence[Row], config: ModelConfig) -> tuple[Row, str | None]:
    """The first architecture that computes a model; else that of its family, and what it lacks."""
    for row in rows:
        if row.misfit(config) is None:
            return row, None
    own = next((row for row in rows if row.family == config.family), rows[0])
    return own, own.misfit(config)


def sizes_of(config: ModelConfig) -> Json:
    """The sizes of a model whose layers are alike, by their keys in a recipe; and what follows."""
    mixer = config.mixers[0]
    ffn = config.ffns[0]
    sizes = dict(config) | {f"mixer.{name}": value for name, value in mixer}
    sizes |= {f"ffn.{name}": value for name, value in ffn} | {"mixer.inner": mixer.inner}
    if isinstance(ffn, ExpertsConfig):
        sizes["ffn.hidden_of_active"] = ffn.hidden * ffn.active
    if not isinstance(mixer, AttentionConfig):
        return sizes | {"mixer.expand": mixer.inner // config.dim}
    rope = mixer.rope
    width = mixer.head_width
    scaling = rope.scaling if rope else None
    is_linear = scaling is not None and scaling.kind == "linear"
    return sizes | {
        "attention_dropout": mixer.dropout,
        "windowed_layers": [True] * config.layers,
        "mixer.rotary_share": share_of(rope.width, width) if rope else 1.0,
        "mixer.rope_scaling.kind": scaling.kind if scaling else None,
        "rope.base": rope.base if rope else None,
        "rope.width": rope.width if rope else None,
        "rope.linear": "linear" if is_linear else None,
        "rope.linear_factor": scaling.factor if scaling and is_linear else None,
    }


def forms_of(config: ModelConfig) -> Json:
    """Which optional parts a model has, and in words how its sizes stand to each other."""
    mixer = config.mixers[0]
    ffn = config.ffns[0]
    forms: Json = {"logit_cap": config.logit_cap is not None}
    if isinstance(ffn, ExpertsConfig):
        is_odd = ffn.hidden % 8 > 0
        forms["expert width"] = f"expert width {'not ' if is_odd else ''}divisible by 8"
        forms["active experts"] = "single active expert" if ffn.active == 1 else "several"
    else:
        is_alike = ffn.bias == mixer.bias
        forms["biases"] = "alike" if is_alike else "biases of the mixer or the feed-forward alone"
    if isinstance(mixer, AttentionConfig):
        scaling = mixer.rope.scaling if mixer.rope else None
        forms["mixer.rope_scaling.kind"] = scaling.kind if scaling else False
        forms["mixer.window"] = mixer.window is not None
        is_whole = mixer.inner == config.dim
        forms["head width"] = "whole" if is_whole else "mixer.head_width other than dim / heads"
        forms["key heads"] = "kv_heads = 1" if mixer.kv_heads == 1 else "grouped kv_heads"
        if mixer.kv_heads == mixer.heads:
            forms["key heads"] = "as many kv_heads as heads"
        elif mixer.kv_heads > 1 and not config.parallel:
            forms["key heads"] = "grouped kv_heads without parallel branches"
    return forms


def with_parts(names: Mapping[str, str], *parts: str) -> dict[str, str]:
    """Names of modules as names of their parameters."""
    return {f"{ours}.{p}": f"{theirs}.{p}" for ours, theirs in names.items() for p in parts}


def tensor_names(package: str) -> dict[str, dict[str, str]]:
    """The tables of a package with our names of tensors and another program's."""
    return {
        name: each.get("tensors", {}) | with_parts(each.get("modules", {}), "weight", "bias")
        for name, each in packaged_tables(package, "tensor_names.toml").items()
    }


ROTARY = r"(self_attn\.|self_attention\.|attention\.)?rotary_emb\.(inv_freq|cos_cached|sin_cached)"
"""Angles of rotary positions, which classes once saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HFArchitecture(Architecture):
    """A class of `transformers`, whose keys are those of `config.json`; see `rows.toml`.

    more_json: its keys that are no size of ours by another name. more_keys: adds to our recipe keys
    what its keys say beside the sizes.
    """

    tables = tensor_names("endonym.export")
    model_type: str
    architecture: str
    keys: Mapping[str, str]
    more_json: Callable[[ModelConfig], Json] | None = None
    more_keys: Callable[[Json, Json], None] | None = None
    written: Mapping[str, str] = field(default_factory=dict)
    rotary_share: float = 1.0
    optional: Sequence[str] = ()
    constants: Json = field(default_factory=dict)
    joined: str = ""
    joined_how: Literal["side by side", "by group"] = "by group"
    transposed: str = ""
    context_key: str = "max_position_embeddings"
    required: Json = field(default_factory=dict)
    harmless: Sequence[str] = ()
    elsewhere: Sequence[str] = ()
    uncalled: Sequence[str] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    assumed: Json = field(default_factory=dict)
    may_be_null: Sequence[str] = ()
    prefix: str = "model."
    buffers: str = rf"(^|\.)(layers\.\d+\.)?{ROTARY}$"

    def to_json(self, config: ModelConfig) -> Json:
        """A model in the keys of the class."""
        mixer = config.mixers[0]
        sizes = sizes_of(config)
        sizes["ffn.activation"] = ACTIVATIONS[config.ffns[0].activation]
        found = {
            theirs: sizes[ours] for theirs, ours in (*self.keys.items(), *self.written.items())
        }
        if isinstance(mixer, AttentionConfig) and mixer.rope is not None:
            found |= rope_json(mixer)
        return found | self.constants | (self.more_json(config) if self.more_json else {})

    def to_keys(self, theirs: Json) -> Json:
        """A model in the keys of a recipe. Raises KeyError for a missing key."""
        ours: Json = {"family": self.family, "mixer": {}, "ffn": {}}
        for name, key in self.keys.items():
            part, _, last = key.rpartition(".")
            value = theirs.get(name) if name in self.optional else theirs[name]
            (ours[part] if part else ours)[last] = value
        if "activation" in ours["ffn"]:
            ours["ffn"]["activation"] = our_activation(ours["ffn"]["activation"])
        if self.mixer == "attention" and "rope" in self.limits["position"]:
            share = theirs.get("rotary_pct", self.rotary_share)
            ours["mixer"] |= read_rope(theirs, share=share)
        if self.more_keys:
            self.more_keys(theirs, ours)
        return ours


def our_activation(theirs: Any) -> Any:
    """Our name of an activation; unknown ones stay, for the recipe's check to refuse."""
    known = {name: ours for ours, name in ACTIVATIONS.items()} | SHARED["other_activations"]
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
    scaling = without_none(parameters)
    strange = sorted(key for key in scaling if key not in ours or kind == "default")
    kinds = ("default", *SCALING_KEYS)
    if kind not in kinds or strange:
        what = strange[0] if strange else f"rope_type {kind!r}"
        raise refusal("strange_rope", "config.json", what=what, kinds=", ".join(kinds))
    if kind != "default":
        keys["rope_scaling"] = {"kind": kind} | {ours[key]: scaling[key] for key in scaling}
    return keys
