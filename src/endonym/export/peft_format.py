"""Adapters in the format of the library `peft`: names and layouts of tensors, and the config.

peft knows matrices by the modules of `transformers`. Where a class there holds several of our
matrices as one, their changes become one (low_rank.py). Its format holds experts as parameters of
one module (`target_parameters`), with the ranks of all experts on one axis.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from endonym.errors import ExportError
from endonym.export.low_rank import rows_of, side_by_side, with_rows
from endonym.export.names import PARTS, joined_order
from endonym.export.row import HFArchitecture
from endonym.export.shapes import row_of
from endonym.model.adapt_config import matrices
from endonym.model.config import ModelConfig
from endonym.model.lora import Change

Changes = Mapping[str, Change]
PREFIX, WRAPPED = "base_model.model.", ".base_layer"
WHERE = "export adapter"
EXPERTS = ("gate_up_proj", "down_proj")
"""Parameters of a module of experts, in its own order: peft wraps one around the other."""
REFUSED_MODULES = {"mamba": ("mixer.output",), "mamba2": ("mixer.output",)}
"""Matrices of state spaces that peft does not adapt: kernels read them without their module."""
DEFAULTS: dict[str, Any] = {
    "auto_mapping": None,
    "base_model_name_or_path": None,
    "bias": "none",
    "inference_mode": True,
    "init_lora_weights": True,
    "modules_to_save": None,
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "use_rslora": False,
}
CHANGES_NOTHING = {
    *("auto_mapping", "base_model_name_or_path", "revision", "inference_mode", "task_type"),
    *("peft_type", "peft_version", "lora_dropout", "target_modules", "target_parameters"),
    *("exclude_modules", "layers_to_transform", "layers_pattern", "megatron_core", "loftq_config"),
    *("qalora_group_size", "fan_in_fan_out", "ensure_weight_tying", "eva_config", "runtime_config"),
}
"""Keys that say how an adapter was made or found. Its tensors' names say what it changes."""
PLAIN_PATTERN = re.compile(r"\^?(?:\.\*)?(?:[\w.-]|\\[.d-]\+?)+\$?", re.ASCII)
LONGEST_PATTERN = 200
"""Patterns of modules that cannot take long to match: a file of somebody else holds them."""
READ = {"r", "lora_alpha", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern"}
HARMLESS_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
"""Values of init_lora_weights that leave the base's weights as they are."""


def to_peft(config: ModelConfig, changes: Changes) -> dict[str, Change]:
    """The changes of our own decoder by modules of transformers; of experts by parameters.

    Raises ExportError if transformers or peft cannot hold them.
    """
    row = row_of(config)
    _require_supported(row, changes)
    names, found = row.names(config), dict[str, Change]()
    sizes = {each.name: each.outputs for each in matrices(config)}
    for name, change in changes.items():
        layer, part = re.fullmatch(r"blocks\.(\d+)\.(.+)", name, re.ASCII).groups()  # pyright: ignore
        last = part.rpartition(".")[2]
        if row.joined and part.startswith("mixer.") and last in PARTS:
            theirs = row.joined.replace("*", layer)
            if theirs in found:
                continue
            places = [f"blocks.{layer}.mixer.{each}" for each in PARTS]
            found[theirs] = with_rows(
                side_by_side(
                    [changes.get(each) for each in places],
                    [sizes[each] for each in places],
                    what="query, key and value",
                    where=WHERE,
                ),
                joined_order(row, config),
            )
        elif change.a.ndim == 3:
            found |= _experts(names, (layer, last), changes, sizes)
        else:
            theirs = names[f"blocks.*.{part}.weight"].replace("*", layer)
            found[theirs.removesuffix(".weight")] = change
    return found


def _require_supported(row: HFArchitecture, changes: Changes) -> None:
    """Raise ExportError for what peft refuses, or transformers does not hear."""
    refused = REFUSED_MODULES.get(row.model_type, ())
    wrong = next((name for name in changes if name.endswith(refused)), None) if refused else None
    if wrong:
        raise ExportError(
            f"peft adapts no {wrong.rpartition('.')[2]} of {row.model_type}, whose kernels read "
            "its weight without calling the module",
            where=WHERE,
            do='Export the merged model; or train with adapt.on = ["input", "select"] on mamba, '
            '["input"] on mamba2.',
        )
    if any(name.endswith("ffn.router") for name in changes):
        raise ExportError(
            "the router of transformers is no linear map that peft adapts",
            where=WHERE,
            do="Export the merged model, or leave router out of adapt.on.",
        )
    if any(each.a.ndim == 3 and each.magnitude is not None for each in changes.values()):
        raise ExportError(
            "peft has no DoRA for parameters of experts",
            where=WHERE,
            do="Export the merged model, or train the adapter of experts without dora = true.",
        )


def _experts(
    names: Mapping[str, str], place: tuple[str, str], changes: Changes, sizes: Mapping[str, int]
) -> dict[str, Change]:
    """The change of a parameter of experts, by layer and matrix; gates and ups are one."""
    layer, last = place
    theirs = names[f"blocks.*.ffn.{last}.weight"].replace("*", layer)
    module = theirs.partition(".experts.")[0] + ".experts"
    places = [f"blocks.{layer}.ffn.{each}" for each in ("gate", "up")]
    if last == "down":
        return {f"{module}.{EXPERTS[1]}": changes[f"blocks.{layer}.ffn.down"]}
    both = side_by_side(
        [changes.get(each) for each in places],
        [sizes[each] for each in places],
        what="gate and up",
        where=WHERE,
    )
    return {f"{module}.{EXPERTS[0]}": both}


def from_peft(config: ModelConfig, theirs: Changes) -> dict[str, Change]:
    """The inverse of `to_peft`. Raises ExportError for a module that our decoder does not adapt."""
    row = row_of(config)
    inverse = {their: our for our, their in row.names(config).items()}
    sizes = {each.name: each.outputs for each in matrices(config)}
    found: dict[str, Change] = {}
    for name, change in theirs.items():
        numbers = re.findall(r"\.(\d+)\.", name)
        layer = numbers[0] if numbers else ""
        pattern = re.sub(r"\.\d+\.", ".*.", name, count=1)
        if row.joined and pattern == row.joined:
            order = torch.empty_like(joined_order(row, config))
            order[joined_order(row, config)] = torch.arange(len(order))
            parts = [f"blocks.{layer}.mixer.{each}" for each in PARTS]
            found |= _cut(with_rows(change, order), parts, sizes)
        elif name.endswith(f".experts.{EXPERTS[0]}"):
            found |= _cut(change, [f"blocks.{layer}.ffn.{each}" for each in ("gate", "up")], sizes)
        elif name.endswith(f".experts.{EXPERTS[1]}"):
            found[f"blocks.{layer}.ffn.down"] = change
        else:
            ours = inverse.get(f"{pattern}.weight", "").removesuffix(".weight").replace("*", layer)
            if ours not in sizes:
                raise ExportError(
                    f"it changes {name}, which endonym does not adapt",
                    where="adapter_config.json",
                    do="Merge it with peft (merge_and_unload), and load the whole model.",
                )
            found[ours] = change
    return found


def _cut(change: Change, names: Sequence[str], sizes: Mapping[str, int]) -> dict[str, Change]:
    """The changes of matrices that lie one below the other in another one."""
    found: dict[str, Change] = {}
    start = 0
    for name in names:
        if name not in sizes or change.b.shape[-2] < start + sizes[name]:
            raise ExportError(
                f"its change of {change.b.shape[-2]} rows does not fit {', '.join(names)}",
                where="adapter_model.safetensors",
                do="Take the adapter of this model.",
            )
        found[name] = rows_of(change, slice(start, start + sizes[name]))
        start += sizes[name]
    return found


def tensors_of(theirs: Changes) -> dict[str, Tensor]:
    """Changes as the tensors of `adapter_model.safetensors`."""
    found: dict[str, Tensor] = {}
    for name, change in theirs.items():
        module, a, b = name, change.a, change.b
        if a.ndim == 3:
            module, _, parameter = name.rpartition(".")
            is_inner = parameter == EXPERTS[0] and f"{module}.{EXPERTS[1]}" in theirs
            module += WRAPPED * is_inner
            a, b = a.flatten(0, 1), b.permute(1, 2, 0).flatten(1)
        found[f"{PREFIX}{module}.lora_A.weight"] = a
        found[f"{PREFIX}{module}.lora_B.weight"] = b
        if change.magnitude is not None:
            found[f"{PREFIX}{module}.lora_magnitude_vector"] = change.magnitude
    return {name: each.detach().float().cpu().contiguous() for name, each in found.items()}


def config_of(
    theirs: Changes, *, layers: int, base: str, dropout: float = 0.0, inputs_first: bool = False
) -> dict[str, Any]:
    """The `adapter_config.json` of these changes.

    base: what peft shows as the base's name. inputs_first: whether the matrices of the class are
    inputs × outputs.
    """
    short = _short_names(theirs, layers)
    ranks = {short[name]: each.rank for name, each in theirs.items()}
    alphas = {short[name]: each.scale * each.rank for name, each in theirs.items()}
    rank = Counter(ranks.values()).most_common(1)[0][0]
    alpha = Counter(alphas.values()).most_common(1)[0][0]
    stacks = {short[name] for name, each in theirs.items() if each.a.ndim == 3}
    return DEFAULTS | {
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": _whole(alpha),
        "lora_dropout": 0.0 if stacks else dropout,  # peft has none for parameters of experts
        "fan_in_fan_out": inputs_first,
        "use_dora": any(each.magnitude is not None for each in theirs.values()),
        "rank_pattern": {re.escape(n): each for n, each in ranks.items() if each != rank},
        "alpha_pattern": {re.escape(n): _whole(e) for n, e in alphas.items() if e != alpha},
        "target_modules": sorted({*ranks} - stacks),
        "target_parameters": sorted(stacks) or None,
    }


def _whole(number: float) -> float | int:
    """A number as JSON shows it best."""
    return int(number) if number == int(number) else number


def _short_names(theirs: Changes, layers: int) -> dict[str, str]:
    """The part of each name behind its layer, if all layers have it alike; else the whole name."""
    short = {name: re.sub(r"^.*?\.\d+\.", "", name) for name in theirs}
    alike: dict[str, set[tuple[int, float]]] = {}
    for name, each in theirs.items():
        alike.setdefault(short[name], set()).add((each.rank, each.scale))
    count = Counter(short.values())
    return {
        name: tail if count[tail] == layers and len(alike[tail]) == 1 else name
        for name, tail in short.items()
    }


def changes_from(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any], where: str
) -> dict[str, Change]:
    """The changes in a folder of peft, by modules of transformers; of experts by parameters.

    Raises ExportError for what endonym does not support, by name.
    """
    _require_known(config, where)
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(
            rf"{re.escape(PREFIX)}(.+)\.(lora_A|lora_B|lora_magnitude_vector)(?:\.weight)?", name
        )
        if match is None:
            raise _unknown(f"a tensor {name}, which is no part of a low-rank adapter", where)
        parts.setdefault(match[1], {})[match[2]] = tensor
    found: dict[str, Change] = {}
    for module, tensor in parts.items():
        if not {"lora_A", "lora_B"} <= tensor.keys():
            raise _unknown(f"no whole pair of lora_A and lora_B for {module}", where)
        name, experts = _parameter(module, parts, config)
        a, b = tensor["lora_A"], tensor["lora_B"]
        if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1]:
            raise _unknown(f"{tuple(a.shape)} and {tuple(b.shape)} for {module}", where)
        rank = int(_of_pattern(config, "rank_pattern", "r", name))
        if experts:
            if a.shape[0] % rank:
                raise _unknown(f"rank {rank} for {a.shape[0]} rows of {module}", where)
            a = a.unflatten(0, (-1, rank))
            b = b.unflatten(1, (rank, -1)).permute(2, 0, 1)
        elif a.shape[0] != rank:
            raise _unknown(f"rank {a.shape[0]} for {module}, where the config says {rank}", where)
        alpha = float(_of_pattern(config, "alpha_pattern", "lora_alpha", name))
        scale = alpha / (rank**0.5 if config.get("use_rslora") else rank)
        found[name] = Change(a, b, scale, tensor.get("lora_magnitude_vector"))
    return found


def _parameter(
    module: str, parts: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[str, bool]:
    """What a module of peft changes: itself, or a parameter of experts, and which of the two."""
    inner = module.removesuffix(WRAPPED)
    targets = config.get("target_parameters") or []
    known = [each for each in EXPERTS if any(str(t).endswith(each) for t in targets)]
    if not inner.endswith(".experts") or not known:
        return module, False
    if f"{inner}{WRAPPED}" in parts:
        return f"{inner}.{EXPERTS[0] if module != inner else EXPERTS[1]}", True
    return f"{inner}.{known[0]}", True


def _of_pattern(config: Mapping[str, Any], patterns: str, usual: str, name: str) -> Any:
    """A module's own value by the first pattern that its name ends with, as peft finds it."""
    for pattern, value in (config.get(patterns) or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", name):
            return value
    return config[usual]


def _require_known(config: Mapping[str, Any], where: str) -> None:
    """Raise ExportError for another kind of adapter, or a setting that changes what is computed."""
    kind = config.get("peft_type")
    if kind != "LORA":
        raise _unknown(f"peft_type = {kind!r}", where)
    _require_sizes(config, where)
    if config.get("bias", "none") != "none":
        raise _unknown(f"bias = {config['bias']!r}: it trained biases of the base, too", where)
    if config.get("init_lora_weights", True) not in HARMLESS_STARTS:
        raise _unknown(
            f"init_lora_weights = {config['init_lora_weights']!r}, which changes the base", where
        )
    for key, value in config.items():
        if key in CHANGES_NOTHING | READ | {"bias", "init_lora_weights"}:
            continue
        if value not in (None, False, [], {}, ""):
            raise _unknown(f"{key} = {value!r}"[:200], where)


def _require_sizes(config: Mapping[str, Any], where: str) -> None:
    """Raise ExportError for ranks and scales that are none, and for odd patterns of modules."""
    for key in ("r", "lora_alpha"):
        if not _is_positive(config.get(key)):
            raise _unknown(f"{key} = {config.get(key)!r}", where)
    for key in ("rank_pattern", "alpha_pattern"):
        patterns = config.get(key) or {}
        if not isinstance(patterns, dict) or not all(map(_is_positive, patterns.values())):
            raise _unknown(f"{key} = {patterns!r}"[:200], where)
        for pattern in patterns:
            if not PLAIN_PATTERN.fullmatch(pattern) or len(pattern) > LONGEST_PATTERN:
                raise _unknown(f"a pattern {pattern!r} in {key}", where)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9


def _unknown(what: str, where: str) -> ExportError:
    return ExportError(
        f"it has {what}, which endonym does not support",
        where=where,
        do="Merge it with peft (merge_and_unload), and load the whole model.",
    )
