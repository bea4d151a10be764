"""Adapters in the format of the library `peft`: names and layouts of tensors, and the config.

peft knows matrices by the modules of `transformers`. Where a class there holds several of our
matrices as one, their changes become one (low_rank.py). Its format holds experts as parameters of
one module (`target_parameters`), with the ranks of all experts on one axis.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from endonym.errors import ExportError
from endonym.export.adapters.low_rank import rows_of, side_by_side, with_rows
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
PLAIN_PATTERN = re.compile(
    r"\^?(?:\.\*)?(?:[\w.-]|\\[.d-])*(?:\\d\+(?:[\w.-]|\\[.d-])+)?\$?", re.ASCII
)
LONGEST_NAME = 200
"""Patterns of modules that cannot take long to match, as a file of somebody else holds them: one
`\\d+` for the layer, no other repetition. The names of modules are as short."""
READ = {"r", "lora_alpha", "use_rslora", "use_dora", "rank_pattern", "alpha_pattern"}
PATTERNS = {"r": "rank_pattern", "lora_alpha": "alpha_pattern"}
"""Keys that hold for all modules, and the tables of those that differ."""
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
    module = _module_of_experts(names).replace("*", layer)
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


def _module_of_experts(names: Mapping[str, str]) -> str:
    """The module that holds the experts of a layer; empty if there are none."""
    module, found, _ = names.get("blocks.*.ffn.down.weight", "").partition(".experts.")
    return f"{module}.experts" if found else ""


def from_peft(config: ModelConfig, theirs: Changes) -> dict[str, Change]:
    """The inverse of `to_peft`. Raises ExportError for a module that our decoder does not adapt."""
    row = row_of(config)
    names = row.names(config)
    inverse = {their: our for our, their in names.items()}
    sizes = {each.name: each.outputs for each in matrices(config)}
    experts = _module_of_experts(names) or None
    found: dict[str, Change] = {}
    for name, change in theirs.items():
        numbers = re.findall(r"\.(\d+)\.", name, re.ASCII)
        layer = numbers[0] if numbers else ""
        pattern = re.sub(r"\.\d+\.", ".*.", name, count=1, flags=re.ASCII)
        if row.joined and pattern == row.joined:
            parts = [f"blocks.{layer}.mixer.{each}" for each in PARTS]
            _require_rows(change, parts, sizes)
            order = torch.empty_like(joined_order(row, config))
            order[joined_order(row, config)] = torch.arange(len(order))
            found |= _cut(with_rows(change, order), parts, sizes)
        elif experts and pattern == f"{experts}.{EXPERTS[0]}":
            parts = [f"blocks.{layer}.ffn.{each}" for each in ("gate", "up")]
            _require_rows(change, parts, sizes)
            found |= _cut(change, parts, sizes)
        elif experts and pattern == f"{experts}.{EXPERTS[1]}":
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


def _require_rows(change: Change, names: Sequence[str], sizes: Mapping[str, int]) -> None:
    """Raise ExportError unless a change has the rows of these matrices together, and no others."""
    wanted = sum(sizes.get(name, 0) for name in names)
    if not all(name in sizes for name in names) or change.b.shape[-2] != wanted:
        raise ExportError(
            f"its change of {change.b.shape[-2]} rows does not fit {', '.join(names)}, which have "
            f"{wanted}",
            where="adapter_model.safetensors",
            do="Take the adapter of this model.",
        )


def _cut(change: Change, names: Sequence[str], sizes: Mapping[str, int]) -> dict[str, Change]:
    """The changes of matrices that lie one below the other in another one."""
    found: dict[str, Change] = {}
    start = 0
    for name in names:
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
    parts = _parts(tensors, where)
    rank_of, alpha_of = _by_pattern(config, "r"), _by_pattern(config, "lora_alpha")
    found: dict[str, Change] = {}
    for module, tensor in parts.items():
        name, experts = _parameter(module, parts, config)
        magnitude = tensor.get("lora_magnitude_vector")
        _require_shapes(module, tensor, has_magnitude=bool(config.get("use_dora")), where=where)
        a, b, rank = tensor["lora_A"], tensor["lora_B"], int(rank_of(name))
        if experts:
            if a.shape[0] % rank or magnitude is not None:
                what = f"rank {rank} for {a.shape[0]} rows" if a.shape[0] % rank else "DoRA"
                raise _unknown(f"{what} of {module}", where)
            a = a.unflatten(0, (-1, rank))
            b = b.unflatten(1, (rank, -1)).permute(2, 0, 1)
        elif a.shape[0] != rank:
            raise _unknown(f"rank {a.shape[0]} for {module}, where the config says {rank}", where)
        scale = alpha_of(name) / (rank**0.5 if config.get("use_rslora") else rank)
        found[name] = Change(a, b, scale, magnitude)
    return found


def _parts(tensors: Mapping[str, Tensor], where: str) -> dict[str, dict[str, Tensor]]:
    """The tensors of each module of peft, by its part of an adapter."""
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        match = re.fullmatch(
            rf"{re.escape(PREFIX)}(.+)\.(lora_A|lora_B|lora_magnitude_vector)(?:\.weight)?", name
        )
        if match is None or len(name) > LONGEST_NAME:
            raise _unknown(f"a tensor {name[:99]}, which is no part of a low-rank adapter", where)
        held = parts.setdefault(match[1], {})
        if match[2] in held:
            raise _unknown(f"{match[2]} of {match[1]} twice, with and without .weight", where)
        held[match[2]] = tensor
    if not parts:
        raise _unknown("no tensors", where)
    return parts


def _require_shapes(
    module: str, tensor: Mapping[str, Tensor], *, has_magnitude: bool, where: str
) -> None:
    """Raise ExportError unless a module has two matrices of one rank, and norms for DoRA alone."""
    if not {"lora_A", "lora_B"} <= tensor.keys():
        raise _unknown(f"no whole pair of lora_A and lora_B for {module}", where)
    a, b, magnitude = tensor["lora_A"], tensor["lora_B"], tensor.get("lora_magnitude_vector")
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1] or not a.shape[0]:
        raise _unknown(f"{tuple(a.shape)} and {tuple(b.shape)} for {module}", where)
    if (magnitude is not None) != has_magnitude:
        said = "use_dora, but no" if has_magnitude else "no use_dora, but a"
        raise _unknown(f"{said} lora_magnitude_vector for {module}", where)
    if magnitude is not None and tuple(magnitude.shape) != (b.shape[0],):
        raise _unknown(f"{tuple(magnitude.shape)} magnitudes for {b.shape[0]} rows", where)


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


def _by_pattern(config: Mapping[str, Any], usual: str) -> Callable[[str], float]:
    """A module's own rank or alpha: by the first pattern that its name ends with, as in peft."""
    given: Mapping[str, float] = config.get(PATTERNS[usual]) or {}
    known = [(re.compile(rf"(.*\.)?({pattern})$"), value) for pattern, value in given.items()]

    def of(name: str) -> float:
        return next((value for pattern, value in known if pattern.match(name)), config[usual])

    return of


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
    """Raise ExportError for values that are none, and for odd patterns of modules."""
    for key in ("use_dora", "use_rslora"):
        if not isinstance(config.get(key), bool | None):
            raise _unknown(f"{key} = {config[key]!r}"[:200], where)
    if not isinstance(config.get("target_parameters"), list | None):
        raise _unknown(f"target_parameters = {config['target_parameters']!r}"[:200], where)
    for key, in_patterns in PATTERNS.items():
        patterns = config.get(in_patterns) or {}
        if not _is_size(config.get(key), key):
            raise _unknown(f"{key} = {config.get(key)!r}"[:200], where)
        if not isinstance(patterns, dict) or not all(_is_size(e, key) for e in patterns.values()):
            raise _unknown(f"{in_patterns} = {patterns!r}"[:200], where)
        for pattern in patterns:
            if not PLAIN_PATTERN.fullmatch(pattern) or len(pattern) > LONGEST_NAME:
                raise _unknown(f"a pattern {pattern[:99]!r} in {in_patterns}", where)


def _is_size(value: Any, key: str) -> bool:
    """Whether a value can be a rank, which is a whole number, or an alpha."""
    return is_positive(value) and (key != "r" or isinstance(value, int))


def is_positive(value: Any) -> bool:
    """Whether a value of JSON is a number above zero, neither huge nor NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9


def _unknown(what: str, where: str) -> ExportError:
    return ExportError(
        f"it has {what}, which endonym does not support",
        where=where,
        do="Merge it with peft (merge_and_unload), and load the whole model.",
    )
