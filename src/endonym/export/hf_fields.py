"""`config.json` keys shared by several classes: activations and rotary positions."""

import math
from typing import Any, get_args

from endonym.errors import ExportError
from endonym.export.row import Json
from endonym.model.config import Activation, AttentionConfig, RopeConfig, RopeScaling

ACTIVATIONS: dict[Activation, str] = {
    "silu": "silu",
    "gelu": "gelu",
    "gelu_tanh": "gelu_pytorch_tanh",
    "relu": "relu",
}
OTHER_ACTIVATIONS = {"swish": "silu", "gelu_new": "gelu_tanh", "gelu_fast": "gelu_tanh"}
ROPE_BASE = 10_000.0
"""The default of `transformers`."""
ROPE_KEYS = ("rope_parameters", "rope_scaling", "rope_theta")
"""Read whole by `read_rope`."""


def our_activation(given: Any) -> Any:
    """Our name of an activation; unknown ones stay, for the recipe's check to refuse."""
    theirs = {theirs: ours for ours, theirs in ACTIVATIONS.items()} | OTHER_ACTIVATIONS
    return theirs.get(given, given)


def rope_json(mixer: AttentionConfig) -> Json:
    """Rotary positions in the keys of `transformers` 5 and, if unscaled, of earlier versions."""
    rope = mixer.rope
    assert rope is not None, "the class of transformers has rotary positions"
    found: Json = {"rope_theta": rope.base, **_scaling_json(rope)}
    if rope.width != mixer.head_width:
        found["partial_rotary_factor"] = share_of(rope.width, mixer.head_width)
    return {"rope_parameters": found, "rope_theta": rope.base}


def share_of(width: int, head_width: int) -> float:
    """The share for which int(head_width * share) is exactly `width`."""
    share = width / head_width
    return share if int(head_width * share) == width else math.nextafter(share, 1.0)


def _scaling_json(rope: RopeConfig) -> Json:
    scaling = rope.scaling
    if scaling is None:
        return {"rope_type": "default"}
    found: Json = {"rope_type": scaling.kind, "factor": scaling.factor}
    if scaling.kind == "linear":
        return found
    found["original_max_position_embeddings"] = scaling.original_context
    low, high = scaling.low_turns, scaling.high_turns
    if scaling.kind == "llama3":
        return found | {"low_freq_factor": low, "high_freq_factor": high}
    sharpness = {} if scaling.sharpness is None else {"attention_factor": scaling.sharpness}
    return found | {"beta_slow": low, "beta_fast": high} | sharpness


def read_rope(given: Json, *, share: float = 1.0) -> Json:
    """Our keys of a mixer's rotary positions, from old or new keys of `transformers`.

    share: default share of rotated channels. Raises ExportError for unsupported keys.
    """
    parameters: Json = {}
    for key in ("rope_parameters", "rope_scaling"):
        table = given.get(key) or {}
        if not isinstance(table, dict):
            raise ExportError(f"{key} = {table!r} is not a table", where="config.json")
        parameters |= table
    parameters.setdefault("rope_theta", given.get("rope_theta", ROPE_BASE))
    part = parameters.pop("partial_rotary_factor", share)
    base = parameters.pop("rope_theta")
    kind = parameters.pop("rope_type", parameters.pop("type", "default"))
    parameters.pop("type", None)
    keys: Json = {"rope_base": base}
    if part != 1.0:
        keys["rotary_share"] = part
    scaling = _read_scaling(kind, parameters)
    return keys if scaling is None else keys | {"rope_scaling": scaling}


def _read_scaling(kind: Any, parameters: Json) -> Json | None:
    """The scaling of rotary positions, if there is one."""
    known = {"factor": "factor", "original_max_position_embeddings": "original_context"}
    known |= {"low_freq_factor": "low_turns", "high_freq_factor": "high_turns"}
    known |= {"beta_slow": "low_turns", "beta_fast": "high_turns", "attention_factor": "sharpness"}
    parameters = {key: value for key, value in parameters.items() if value is not None}
    kinds = ("default", *get_args(RopeScaling.model_fields["kind"].annotation))
    strange = sorted(key for key in parameters if key not in known or kind == "default")
    if kind not in kinds or strange:
        what = strange[0] if strange else f"rope_type {kind!r}"
        raise ExportError(
            f"{what} of the rotary positions is not something endonym can build",
            where="config.json",
            do=f"Kinds that can be read: {', '.join(kinds)}.",
        )
    if kind == "default":
        return None
    return {"kind": kind} | {known[key]: value for key, value in parameters.items()}
