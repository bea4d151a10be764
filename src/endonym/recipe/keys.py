"""The tables and keys of recipes, from the configs, and suggestions for unknown keys."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic.fields import FieldInfo

from endonym.config import Config

OTHER_NAMES = {
    "accumulate_grad_batches": "micro_tokens",
    "accumulation_steps": "micro_tokens",
    "activation_checkpointing": "recompute",
    "adam_beta1": "betas",
    "adam_beta2": "betas",
    "adam_betas": "betas",
    "architecture": "family",
    "batch": "batch_tokens",
    "batch_size": "batch_tokens",
    "beta1": "betas",
    "beta2": "betas",
    "bf16": "number_format",
    "block_size": "context",
    "checkpoint_every": "save_every_steps",
    "context_length": "context",
    "context_size": "context",
    "context_window": "context",
    "conv_kernel": "conv_width",
    "d_conv": "conv_width",
    "d_ff": "hidden",
    "d_model": "dim",
    "d_state": "state",
    "data_path": "path",
    "dataset": "path",
    "dtype": "number_format",
    "early_stopping": "patience",
    "early_stopping_patience": "patience",
    "ema": "average",
    "embed_dim": "dim",
    "embedding_dim": "dim",
    "embedding_size": "dim",
    "epoch": "epochs",
    "eval_interval": "eval_every_steps",
    "eval_steps": "eval_every_steps",
    "eval_strategy": "eval_every_steps",
    "evaluation_strategy": "eval_every_steps",
    "file": "path",
    "fp16": "number_format",
    "fp32": "number_format",
    "fsdp": "shard",
    "grad_accum": "micro_tokens",
    "grad_clip": "clip",
    "gradient_accumulation": "micro_tokens",
    "gradient_accumulation_steps": "micro_tokens",
    "gradient_checkpointing": "recompute",
    "gradient_clip_val": "clip",
    "gradient_clipping": "clip",
    "head_dim": "head_width",
    "hidden_dim": "dim",
    "hidden_size": "dim",
    "intermediate_size": "hidden",
    "lang": "language",
    "learning_rate": "lr",
    "licence": "license",
    "lr_schedule": "schedule",
    "lr_scheduler": "schedule",
    "lr_scheduler_type": "schedule",
    "max_grad_norm": "clip",
    "max_length": "context",
    "max_lr": "lr",
    "max_new_tokens": "max_tokens",
    "max_position_embeddings": "context",
    "max_seq_len": "context",
    "max_seq_length": "context",
    "max_steps": "steps",
    "micro_batch_size": "micro_tokens",
    "min_frequency": "min_count",
    "min_lr": "final_lr",
    "mixed_precision": "number_format",
    "model_dim": "dim",
    "model_name_or_path": "folder",
    "model_type": "family",
    "n_ctx": "context",
    "n_embd": "dim",
    "n_head": "heads",
    "n_heads": "heads",
    "n_layer": "layers",
    "n_layers": "layers",
    "n_positions": "context",
    "num_attention_heads": "heads",
    "num_epochs": "epochs",
    "num_experts": "experts",
    "num_heads": "heads",
    "num_hidden_layers": "layers",
    "num_key_value_heads": "kv_heads",
    "num_layers": "layers",
    "num_train_epochs": "epochs",
    "optim": "optimizer",
    "per_device_train_batch_size": "micro_tokens",
    "precision": "number_format",
    "pretrained": "folder",
    "random_seed": "seed",
    "report_to": "to",
    "rope_theta": "rope_base",
    "save_steps": "save_every_steps",
    "seq_len": "context",
    "seq_length": "context",
    "sequence_length": "context",
    "sliding_window": "window",
    "ssm_state_size": "state",
    "state_size": "state",
    "tie_word_embeddings": "tied",
    "time_step_rank": "step_rank",
    "torch_compile": "compile",
    "torch_dtype": "number_format",
    "total_steps": "steps",
    "train": "phase",
    "train_steps": "steps",
    "trainer": "phase",
    "training": "phase",
    "val_split": "val_share",
    "validation_split": "val_share",
    "vocab_size": "vocab",
    "vocabulary": "vocab",
    "wandb": "to",
    "wandb_project": "project",
    "warmup": "warmup_steps",
    "zero": "shard",
}
"""What other programs call our keys."""

_ACCUMULATION = "micro_tokens = batch_tokens / accumulation steps."
_MICRO_BATCH = "micro_tokens = batch size of a forward pass × context."
_BATCH = "batch_tokens = batch size × context."
_FORMATS = 'number_format is "fp32", "bf16" or "auto"; there is no fp16.'
_BETAS = "both stand in one list, betas = [0.9, 0.95]."
CONVERSIONS = {
    "accumulate_grad_batches": _ACCUMULATION,
    "accumulation_steps": _ACCUMULATION,
    "adam_beta1": _BETAS,
    "adam_beta2": _BETAS,
    "batch": _BATCH,
    "batch_size": _BATCH,
    "beta1": _BETAS,
    "beta2": _BETAS,
    "bf16": 'write number_format = "bf16".',
    "dtype": _FORMATS,
    "early_stopping": "patience counts validations without a better one.",
    "ema": 'write average = "ema".',
    "eval_strategy": "validations come every eval_every_steps steps, never by epochs.",
    "evaluation_strategy": "validations come every eval_every_steps steps, never by epochs.",
    "fp16": _FORMATS,
    "fp32": 'write number_format = "fp32".',
    "grad_accum": _ACCUMULATION,
    "gradient_accumulation": _ACCUMULATION,
    "gradient_accumulation_steps": _ACCUMULATION,
    "micro_batch_size": _MICRO_BATCH,
    "min_lr": "final_lr = smallest learning rate / lr.",
    "mixed_precision": _FORMATS,
    "per_device_train_batch_size": _MICRO_BATCH,
    "precision": _FORMATS,
    "report_to": 'write to = ["wandb"] under [track].',
    "torch_dtype": _FORMATS,
    "wandb": 'write to = ["wandb"] under [track].',
}
"""How to write what other programs have in another unit or form."""

WITHOUT_KEY = {
    "device": "It is no key of a recipe but a flag: endonym run RECIPE --device cuda",
    "hours": "It is no key of a recipe but a flag: endonym new DIR --hours H. It is written as the "
    "tokens of the phases.",
    "logging_steps": "It needs no key: every step is written into runs/NAME/metrics.jsonl.",
    "num_processes": "It is no key of a recipe but a flag: endonym run RECIPE --processes N",
    "output_dir": "It needs no key: runs stand in runs/NAME beside the store (--store DIR).",
    "resume": "It needs no key: the same `endonym run` goes on where it was stopped.",
    "resume_from_checkpoint": "It needs no key: the same `endonym run` goes on where it stopped.",
    "tensorboard": "It needs no key: with the package tensorboard, a run writes its events into "
    "runs/NAME/tensorboard.",
}
"""What other programs have keys for and a recipe has none; what to do instead."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a recipe: its dotted name, its config, and its title in messages."""

    name: str
    config: type[Config]
    title: str
    is_list: bool
    description: str

    @property
    def header(self) -> str:
        """The table's header in a recipe."""
        if not self.name:
            return "the top of the recipe"
        return f"[[{self.name}]]" if self.is_list else f"[{self.name}]"

    @property
    def location(self) -> str:
        """The table in a message, after a key's name."""
        return f"in {self.header}" if self.name else f"at {self.header}"

    def dotted(self, key: str) -> str:
        """A key of it, from the top of the recipe."""
        return f"{self.name}.{key}" if self.name else key

    @property
    def keys(self) -> dict[str, FieldInfo]:
        """Its keys, sub-tables included, in their order."""
        return self.config.model_fields


def inner(annotation: Any) -> tuple[type[Config] | None, bool]:
    """The config that a field's type holds, and whether it holds a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation, False
    for part in get_args(annotation):
        config, _ = inner(part)
        if config is not None:
            return config, Ellipsis in get_args(annotation)
    return None, False


def tables(root: type[Config], name: str = "", title: str = "a recipe") -> Iterator[Table]:
    """The recipe and every table in it, each before its own tables."""
    yield Table(name, root, title, False, (root.__doc__ or "").partition("\n")[0])
    for key, field in root.model_fields.items():
        config, is_list = inner(field.annotation)
        if config is None:
            continue
        below = f"{name}.{key}" if name else key
        description = field.description or ""
        first, *rest = tables(config, below, field.title or description)
        yield Table(below, first.config, first.title, is_list, description)
        yield from rest


def table_named(root: type[Config], name: str) -> Table | None:
    """The table with this dotted name; the empty name is the recipe itself."""
    return next((table for table in tables(root) if table.name == name), None)


def meant(root: type[Config], words: Sequence[str]) -> list[tuple[Table, str]]:
    """The keys, each with its table, that a name may mean: `lr`, `phase.pretrain.lr`, `num_heads`.

    The words are those of a dotted name. Names and numbers of list items are passed over. Nothing
    is found for the name of a table.
    """
    known = {table.name: table for table in tables(root)}
    path: list[str] = []
    for word in words:
        above = known.get(".".join(path))
        is_item = above is not None and above.is_list and plain_word(word) not in above.keys
        if not (is_item and word != words[-1]):
            path.append(plain_word(word))
    name, last = ".".join(path[:-1]), path[-1]
    if name in known and last in known[name].keys:
        return [(known[name], last)]
    key = OTHER_NAMES.get(last, last)
    return [
        (table, key)
        for table in known.values()
        if key in table.keys and f".{name}." in f"..{table.name}."
    ]


def nearest(word: str, choices: list[str], *, cutoff: float = 0.6) -> str | None:
    """The choice that is spelled most like the word, if one is near."""
    found = difflib.get_close_matches(plain_word(word), choices, n=1, cutoff=cutoff)
    return found[0] if found else None


def plain_word(word: str) -> str:
    """The word in lower case with underscores, as keys are written."""
    return word.lower().replace("-", "_").replace(" ", "_")


def nearest_key(
    root: type[Config],
    table: Table,
    wrong: str,
    *,
    held: Sequence[str] = (),
    is_dotted: bool = False,
) -> str | None:
    """A key to suggest for an unknown one: of this table, of one inside it, or of another.

    held: the keys under the unknown one, which may tell what table is meant. is_dotted: whether a
    key of another table is written as `--set` takes it.
    """
    name = OTHER_NAMES.get(plain_word(wrong), plain_word(wrong))
    own, start = list(table.keys), f"{table.name}."
    inside = {
        key: f"{other.name.removeprefix(start)}.{key}"
        for other in tables(root)
        if table.name and other.name.startswith(start)
        for key in other.keys
    }
    if name in inside and name not in own:
        return f"`{inside[name]}`"
    close = nearest(wrong if held else name, own, cutoff=0.7)
    if close is not None:
        return f"`{close}`"
    wanted = [_known_elsewhere(root, plain_word(each)) for each in held or [name]]
    if not held and wanted[0] in [*own, *inside]:
        return f"`{wanted[0] if wanted[0] in own else inside[wanted[0]]}`"
    homes = [other for other in tables(root) if any(each in other.keys for each in wanted)]
    if homes:
        home = max(homes, key=lambda other: sum(each in other.keys for each in wanted))
        found = next(each for each in wanted if each in home.keys)
        return f"`{home.dotted(found)}`" if is_dotted else f"`{found}` {home.location}"
    leaf = nearest(name, list(inside), cutoff=0.7)
    loose = inside[leaf] if leaf else nearest(name, own)
    return f"`{loose}`" if loose else None


def _known_elsewhere(root: type[Config], wrong: str) -> str:
    """The key of any table, or of another program, that is spelled most like this word, or it."""
    known = [key for table in tables(root) for key in table.keys]
    near = nearest(wrong, [*known, *OTHER_NAMES], cutoff=0.8) or wrong
    return OTHER_NAMES.get(near, near)
