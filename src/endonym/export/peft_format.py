"""Adapters in the format of the library `peft`: names and layouts of tensors, and the config.

peft knows matrices by the modules of `transformers`. Where a class there holds several of our
matrices as one, their changes become one, side by side. Its format holds experts as parameters of
one module (`target_parameters`), with the ranks of all experts on one axis.
"""

import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from endonym.errors import EndonymError
from endonym.export.names import QUERY_KEY_VALUE, joined_rows, pattern_of
from endonym.export.refusals import refusal
from endonym.export.row import HFArchitecture, Json
from endonym.export.shapes import KNOWN, row_of
from endonym.model.adapt_config import matrices
from endonym.model.config import ModelConfig
from endonym.model.lora import Change

Changes = Mapping[str, Change]
Number = TypeVar("Number", int, float)
PREFIX = "base_model.model."
WRAPPED = ".base_layer"
WHERE = "export adapter"
EXPERTS = ("gate_up_proj", "down_proj")
"""Parameters of a module of experts, in its own order: peft wraps one around the other."""
DEFAULTS: Json = KNOWN["adapter"]["written"] | {"auto_mapping": None, "modules_to_save": None}
CHANGES_NOTHING: list[str] = KNOWN["adapter"]["any_value"]
REFUSED_FOR = {
    "bias": ": it trained biases of the base, too",
    "init_lora_weights": ", which changes the base",
}
LONGEST_NAME = 200
PLAIN_PATTERN = re.compile(
    r"\A\^?(?:\.\*)?(?:[\w.-]|\\[.d-])*(?:\\d\+(?:[\w.-]|\\[.d-])+)?\$?\Z", re.ASCII
)
"""Patterns of modules that cannot take long to match, as a file of somebody else holds them: one
`\\d+` for the layer, no other repetition. The names of modules are as short."""
Rank = Annotated[int, Field(gt=0, lt=1e9)]
Alpha = Annotated[float, Field(gt=0, lt=1e9)]
Pattern = Annotated[str, Field(max_length=LONGEST_NAME, pattern=PLAIN_PATTERN)]


class LoraConfig(BaseModel):
    """The keys of `adapter_config.json` that decide what an adapter computes.

    The values of init_lora_weights are those that leave the base's weights as they are.
    """

    model_config = ConfigDict(strict=True, extra="allow")
    peft_type: Literal["LORA"]
    r: Rank
    lora_alpha: Alpha
    rank_pattern: dict[Pattern, Rank] | None = None
    alpha_pattern: dict[Pattern, Alpha] | None = None
    use_dora: bool | None = None
    use_rslora: bool | None = None
    target_parameters: list[Any] | None = None
    bias: Literal["none"] = "none"
    init_lora_weights: Literal[True, False, None, "gaussian", "eva", "orthogonal"] = True

    @classmethod
    def read(cls, config: Mapping[str, Any], where: str) -> "LoraConfig":
        """The checked config.

        Raises ExportError for another kind of adapter, and for any other key that would change
        what is computed.
        """
        try:
            read = cls.model_validate(config)
        except ValidationError as error:
            key = str(error.errors()[0]["loc"][0])
            what = f"{key} = {config.get(key)!r}"[:200] + REFUSED_FOR.get(key, "")
            raise _unknown(what, where) from error
        for key, value in (read.model_extra or {}).items():
            if key not in CHANGES_NOTHING and value not in (None, False, [], {}, ""):
                raise _unknown(f"{key} = {value!r}"[:200], where)
        return read

    def rank(self, module: str) -> int:
        """The rank of a module of this name."""
        return _by_pattern(self.rank_pattern, module, self.r)

    def scale(self, module: str) -> float:
        """What the product of a module of this name is multiplied by."""
        rank = self.rank(module)
        alpha = _by_pattern(self.alpha_pattern, module, self.lora_alpha)
        return alpha / (rank**0.5 if self.use_rslora else rank)


def _by_pattern(patterns: Mapping[str, Number] | None, module: str, usual: Number) -> Number:
    """The value of the first pattern that a module's name ends with, as in peft; else `usual`."""
    values = (patterns or {}).items()
    return next((v for pattern, v in values if re.match(rf"(.*\.)?({pattern})$", module)), usual)


def held_together(
    config: ModelConfig, joined: str, names: Mapping[str, str]
) -> dict[str, list[str]]:
    """Our matrices that can be adapted, by the tensor of another program that holds them, in order.

    joined: its name of queries, keys and values in one, empty if it has none. names: of the others.
    """
    held: dict[str, list[str]] = {}
    for matrix in matrices(config):
        pattern, layer = pattern_of(f"{matrix.name}.weight")
        place, _, part = matrix.name.rpartition(".")
        is_joined = joined and place.endswith("mixer") and part in QUERY_KEY_VALUE
        theirs = joined if is_joined else names[pattern]
        held.setdefault(theirs.replace("*", layer), []).append(matrix.name)
    return held


def _modules(row: HFArchitecture, config: ModelConfig) -> dict[str, list[str]]:
    """Our matrices by the module of transformers that holds them; of experts by the parameter."""
    names = row.names(config)
    for ours, theirs in names.items():
        module, separator, part = theirs.partition(".+.")
        if separator:
            parameter = EXPERTS[1] if part.startswith(EXPERTS[1]) else EXPERTS[0]
            names[ours] = f"{module}.{parameter}"
        else:
            names[ours] = theirs.removesuffix(".weight")
    return held_together(config, row.joined, names)


def _rows_of(
    row: HFArchitecture, config: ModelConfig, parts: Sequence[str], sizes: Mapping[str, int]
) -> Sequence[Tensor]:
    """The rows that our matrices `parts` have in the one that holds them all. sizes: their rows."""
    if parts[0].endswith(f"mixer.{QUERY_KEY_VALUE[0]}"):
        return joined_rows(row, config)
    counts = [sizes[part] for part in parts]
    return torch.arange(sum(counts)).split(counts)


def to_peft(config: ModelConfig, changes: Changes) -> dict[str, Change]:
    """The changes of our own decoder by modules of transformers; of experts by parameters.

    Raises ExportError if transformers or peft cannot hold them.
    """
    row = row_of(config)
    theirs = dict[str, Change]()
    _require_supported(row, changes)
    sizes = {matrix.name: matrix.outputs for matrix in matrices(config)}
    for module, parts in _modules(row, config).items():
        if len(parts) == 1 and parts[0] in changes:
            theirs[module] = changes[parts[0]]
        elif any(part in changes for part in parts):
            joined = side_by_side(parts, changes, sizes, where=WHERE)
            order = torch.cat([*_rows_of(row, config, parts, sizes)]).argsort()
            theirs[module] = with_rows(joined, order)
    return theirs


def _require_supported(row: HFArchitecture, changes: Changes) -> None:
    """Raise ExportError for what peft refuses, or transformers does not hear."""
    wrong = next((name for name in changes if name.endswith(tuple(row.uncalled))), None)
    if wrong:
        part = wrong.rpartition(".")[2]
        raise refusal("peft_uncalled", WHERE, part=part, model_type=row.model_type)
    if any(name.endswith("ffn.router") for name in changes):
        raise refusal("peft_router", WHERE)
    if any(change.a.ndim == 3 and change.magnitude is not None for change in changes.values()):
        raise refusal("peft_dora_of_experts", WHERE)


def from_peft(config: ModelConfig, theirs: Changes) -> dict[str, Change]:
    """The inverse of `to_peft`. Raises ExportError for a module that our decoder does not adapt."""
    row = row_of(config)
    ours = dict[str, Change]()
    modules = _modules(row, config)
    sizes = {matrix.name: matrix.outputs for matrix in matrices(config)}
    for module, change in theirs.items():
        parts = modules.get(module)
        if parts is None:
            raise refusal("peft_module", "adapter_config.json", module=module)
        if len(parts) == 1:
            ours[parts[0]] = change
            continue
        wanted = sum(sizes[part] for part in parts)
        if change.b.shape[-2] != wanted:
            where = "adapter_model.safetensors"
            rows = change.b.shape[-2]
            raise refusal("peft_rows", where, rows=rows, parts=", ".join(parts), wanted=wanted)
        for part, rows in zip(parts, _rows_of(row, config, parts, sizes), strict=True):
            ours[part] = with_rows(change, rows)
    return ours


def tensors_of(theirs: Changes) -> dict[str, Tensor]:
    """Changes as the tensors of `adapter_model.safetensors`."""
    found: dict[str, Tensor] = {}
    for name, change in theirs.items():
        module = name
        a = change.a
        b = change.b
        if a.ndim == 3:
            module, _, parameter = name.rpartition(".")
            # The wrapper of the second parameter is around that of the first, if both change.
            is_inner = parameter == EXPERTS[0] and f"{module}.{EXPERTS[1]}" in theirs
            module += WRAPPED if is_inner else ""
            a = a.flatten(0, 1)
            b = b.permute(1, 2, 0).flatten(1)
        found[f"{PREFIX}{module}.lora_A.weight"] = a
        found[f"{PREFIX}{module}.lora_B.weight"] = b
        if change.magnitude is not None:
            found[f"{PREFIX}{module}.lora_magnitude_vector"] = change.magnitude
    return {name: each.detach().float().cpu().contiguous() for name, each in found.items()}


def config_of(
    theirs: Changes, *, layers: int, base: str, dropout: float = 0.0, inputs_first: bool = False
) -> dict[str, Any]:
    """The `adapter_config.json` of these changes.

    layers: how many the model has. base: what peft shows as the base's name. inputs_first: whether
    the matrices of the class are inputs × outputs. A module goes by its name behind its layer if
    all layers have it alike.
    """
    forms = {
        name: (re.sub(r"^.*?\.\d+\.", "", name), each.rank, each.scale)
        for name, each in theirs.items()
    }
    uses = Counter(forms.values())
    short = {name: form[0] if uses[form] == layers else name for name, form in forms.items()}
    ranks = {short[name]: each.rank for name, each in theirs.items()}
    products = {short[name]: each.scale * each.rank for name, each in theirs.items()}
    alphas = {n: int(each) if each == int(each) else each for n, each in products.items()}
    rank = statistics.mode(ranks.values())
    alpha = statistics.mode(alphas.values())
    stacks = {short[name] for name, each in theirs.items() if each.a.ndim == 3}
    return DEFAULTS | {
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0 if stacks else dropout,  # peft has none for parameters of experts
        "fan_in_fan_out": inputs_first,
        "use_dora": any(their.magnitude is not None for their in theirs.values()),
        "rank_pattern": {re.escape(n): each for n, each in ranks.items() if each != rank},
        "alpha_pattern": {re.escape(n): each for n, each in alphas.items() if each != alpha},
        "target_modules": sorted({*ranks} - stacks),
        "target_parameters": sorted(stacks) or None,
    }


def changes_from(
    tensors: Mapping[str, Tensor], config: Mapping[str, Any], where: str
) -> dict[str, Change]:
    """The changes in a folder of peft, by modules of transformers; of experts by parameters.

    Raises ExportError for what endonym does not support, by name.
    """
    keys = LoraConfig.read(config, where)
    parts = _parts(tensors, where)
    changes: dict[str, Change] = {}
    for module, tensor in parts.items():
        name, experts = _parameter(module, parts, keys)
        magnitude = tensor.get("lora_magnitude_vector")
        _require_shapes(module, tensor, has_magnitude=bool(keys.use_dora), where=where)
        a = tensor["lora_A"]
        b = tensor["lora_B"]
        rank = keys.rank(name)
        if experts:
            if a.shape[0] % rank or magnitude is not None:
                what = f"rank {rank} for {a.shape[0]} rows" if a.shape[0] % rank else "DoRA"
                raise _unknown(f"{what} of {module}", where)
            a = a.unflatten(0, (-1, rank))
            b = b.unflatten(1, (rank, -1)).permute(2, 0, 1)
        elif a.shape[0] != rank:
            raise _unknown(f"rank {a.shape[0]} for {module}, where the config says {rank}", where)
        changes[name] = Change(a, b, keys.scale(name), magnitude)
    return changes


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
    a = tensor["lora_A"]
    b = tensor["lora_B"]
    magnitude = tensor.get("lora_magnitude_vector")
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1] or not a.shape[0]:
        raise _unknown(f"{tuple(a.shape)} and {tuple(b.shape)} for {module}", where)
    if (magnitude is not None) != has_magnitude:
        mismatch = "use_dora, but no" if has_magnitude else "no use_dora, but a"
        raise _unknown(f"{mismatch} lora_magnitude_vector for {module}", where)
    if magnitude is not None and tuple(magnitude.shape) != (b.shape[0],):
        raise _unknown(f"{tuple(magnitude.shape)} magnitudes for {b.shape[0]} rows", where)


def _parameter(module: str, parts: Mapping[str, Any], keys: LoraConfig) -> tuple[str, bool]:
    """What a module of peft changes: itself, or a parameter of experts, and which of the two."""
    inner = module.removesuffix(WRAPPED)
    targets = keys.target_parameters or []
    listed = [each for each in EXPERTS if any(str(t).endswith(each) for t in targets)]
    if not inner.endswith(".experts") or not listed:
        return module, False
    if f"{inner}{WRAPPED}" in parts:
        return f"{inner}.{EXPERTS[0] if module != inner else EXPERTS[1]}", True
    return f"{inner}.{listed[0]}", True


def _unknown(what: str, where: str) -> EndonymError:
    return refusal("peft_unknown", where, what=what)


def side_by_side(
    names: Sequence[str], changes: Changes, sizes: Mapping[str, int], *, where: str
) -> Change:
    """One change of matrices that another program holds as one, one below the other.

    names: of the matrices; one without a change stays as it is. sizes: their outputs. Parts with
    the same A keep it. Else the ranks add up, and B has a block for each part:

        [B1  0] [A1]
        [ 0 B2] [A2]

    Raises ExportError if only some have magnitudes: the others' would be the norms of the base.
    """
    parts = [changes.get(name) for name in names]
    present = [part for part in parts if part is not None]
    if len({part is not None and part.magnitude is not None for part in parts}) > 1:
        *others, last = (name.rpartition(".")[2] for name in names)
        raise refusal("dora_of_some", where, others=", ".join(others), last=last)
    first = present[0]
    is_shared = all(each.rank == first.rank and torch.equal(each.a, first.a) for each in present)
    a = first.a if is_shared else torch.cat([each.a for each in present], dim=-2)
    blocks: list[Tensor] = []
    start = 0
    for name, change in zip(names, parts, strict=True):
        block = first.b.new_zeros(*first.b.shape[:-2], sizes[name], a.shape[-2])
        if change is not None:
            block[..., start : start + change.rank] = change.b * (change.scale / first.scale)
            start += 0 if is_shared else change.rank
        blocks.append(block)
    magnitudes = [each.magnitude for each in present if each.magnitude is not None]
    magnitude = torch.cat(magnitudes, dim=-1) if magnitudes else None
    return Change(a, torch.cat(blocks, dim=-2), first.scale, magnitude)


def with_rows(change: Change, order: Tensor) -> Change:
    """The change of some rows of a matrix, or of all in another order."""
    magnitude = None if change.magnitude is None else change.magnitude[..., order]
    return Change(change.a, change.b[..., order, :], change.scale, magnitude)
