"""`endonym check`: what a recipe would make, computed by formula. Makes and measures nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

from endonym.autopilot import machine, resolve
from endonym.autopilot.cautions import cautions, cautions_of_cleaning, cautions_of_starts
from endonym.autopilot.machine import expected_here
from endonym.autopilot.model_size import Choice, Choices, Facts
from endonym.autopilot.text_size import SourceSample, samples_of
from endonym.autopilot.workload import Workload
from endonym.commands.filled import filled
from endonym.data.order import largest_gap
from endonym.data.shards import TokenShards
from endonym.errors import OutOfMemory
from endonym.evaluate.compressor import MOST_DOCUMENTS, PRIMING_LIMIT_BYTES, draws_of
from endonym.export.shapes import require_shapes
from endonym.formats.config import BLOCK_BYTES
from endonym.formats.files import RawSet
from endonym.log import counted
from endonym.model import count
from endonym.model.config import ModelConfig
from endonym.model.foreign.folder import AnyModelConfig
from endonym.pipeline import sources
from endonym.pipeline.execute import run_folder
from endonym.pipeline.metrics import require_packages
from endonym.pipeline.plan import DataStages, plan_data
from endonym.pipeline.settle import Lockfile, with_examples
from endonym.recipe.recipe import Recipe
from endonym.report.training import SLICES
from endonym.store import Store
from endonym.survey.odd_sources import source_warnings
from endonym.train.config import SAMPLE_TOKENS, TrainConfig
from endonym.train.memory_budget import phase_bytes

EXACT_ROWS = 200
"""Rows of a hundredth of a phase from which on its shares are exact to half a point."""
FORWARD_SHARE = 1 / 3
"""Share of the time of a training token that the forward pass takes, as in evaluation."""
GENERATED_TOKEN_SECONDS = 0.001
"""Time of one generated token in each layer: small models wait for Python, not for products."""
PRIMED_BYTES_A_SECOND, FORK_SECONDS, FORK_BYTE_SECONDS = 2.1e6, 1.7e-3, 1.7e-6
"""Speed of the compressor baseline, and the time of one document in it: for itself, a byte."""
SPEED_SECONDS = 20.0
"""Three processes of one program that runs the model; starting them takes most of it."""
START_SECONDS, EXPORT_SECONDS = 3.0, 0.5
"""Reading, the pre-flight checks and saving of a phase; writing an export."""
UNMEASURED = Choice("fp32", "nothing was measured here yet")


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check.

    parts: seconds of each part of the run; empty if this machine was never measured. facts: of the
    training text, and of the examples of other phases. train_tokens: of all phases. text_tokens: of
    those that read the texts. is_counted: an earlier run on the same texts and settings has counted
    these; otherwise they are estimated from samples.
    """

    recipe: Recipe
    training: resolve.ResolvedTraining
    choices: Choices
    facts: Facts
    train_tokens: int
    text_tokens: int
    parts: dict[str, float]
    warnings: list[str]
    is_counted: bool = False

    @property
    def seconds(self) -> float | None:
        """From training to export; None if this machine was never measured."""
        return sum(self.parts.values()) if self.parts else None

    @property
    def epochs(self) -> float:
        """How often the training text is read."""
        return self.text_tokens / max(1, self.facts.positions)

    @property
    def shape(self) -> AnyModelConfig:
        """The config of the decoder."""
        return self.training.model

    @property
    def memory_bytes(self) -> int:
        """Of the largest phase, if documents fill whole rows: their lengths are not known."""
        return max(phase_bytes(self.shape, config) for config in self.training.phases)

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        shape, phases = self.shape, list[dict[str, Any]]()
        for config in self.training.phases:
            shares = {source.name: source.share for source in config.sources}
            phases.append({"name": config.name, "sources": shares})
            phases[-1]["tokens"] = config.steps * config.batch_tokens
        return {
            "name": self.recipe.run_name,
            "family": shape.family,
            "parameters": count.parameters(shape).total,
            "active_parameters": count.parameters(shape).active,
            "trained_parameters": {
                e.name: count.trained_parameters(shape, e.adapt) for e in self.training.phases
            },
            "flops_per_token": count.flops_per_token(shape),
            "train_tokens": self.train_tokens,
            "unique_tokens": self.facts.unique_tokens,
            "positions": self.facts.positions,
            "epochs": self.epochs,
            "is_counted": self.is_counted,
            "phases": phases,
            "memory_bytes": self.memory_bytes,
            "cache_bytes_per_token": count.cache_bytes_per_token(shape),
            "cache_bytes": count.cache_bytes(shape, shape.context),
            "seconds": self.seconds,
            "seconds_of": self.parts,
            "choices": {key: choice._asdict() for key, choice in self.choices.items()},
            "warnings": self.warnings,
        }


def check(recipe: Recipe, store: Store, target: str = "cpu") -> Checked:
    """Check a recipe for training on a device.

    Raises MissingSource, ShapeError and ExportError as `run` would.
    """
    recipe.require_sources()
    require_packages(recipe)
    samples, raw = texts_of(recipe, store)
    estimate = expected(recipe, samples, store, target, raw=raw)
    facts, choices, training = estimate.facts, estimate.choices, estimate.training
    paces = paces_here(training, facts, store) if target == "cpu" else []
    require_shapes(recipe.export, training.model)
    warnings = source_warnings(samples, recipe.language, recipe.clean.max_unreadable)
    warnings += cautions_of_starts(recipe)
    if recipe.source:
        are_alike = bool(recipe.split.keep_near_copies)
        warnings += cautions_of_cleaning(recipe.clean, are_alike=are_alike)
    try:
        memory = resolve.memory_choices(recipe, training, {}, target, longest=None)
        training, choices = training.with_choices(memory), choices | memory
    except OutOfMemory as error:
        warnings.append(f"{error.where}: {error.message}")
    train_tokens, text_tokens = 0, 0
    # There are no paces, not even some, on a machine that was never measured.
    for number, (config, pace) in enumerate(zip_longest(training.phases, paces)):
        phase_tokens = config.steps * config.batch_tokens
        train_tokens += phase_tokens
        text_tokens += phase_tokens if config.reads_texts else 0
        read_facts = facts.examples.get(number, facts)
        warnings += cautions(config, read_facts, training.pack.context, seconds=pace, longest=None)
    return Checked(
        recipe=recipe,
        training=training,
        choices=choices,
        facts=facts,
        train_tokens=train_tokens,
        text_tokens=text_tokens,
        parts=promised_parts(recipe, training, facts, paces) if paces else {},
        warnings=warnings,
        is_counted=estimate.is_counted,
    )


def texts_of(recipe: Recipe, store: Store) -> tuple[list[SourceSample], list[RawSet] | None]:
    """Samples of a recipe's sources, and the sources with their files and hashes.

    None in place of these if one was never hashed.
    """
    files = sources.find(recipe, store)
    unhashed = [RawSet(source=source, files=tuple(each)) for source, each in files]
    return samples_of(unhashed), sources.remembered(files, store)


class Expected(NamedTuple):
    """The training that a recipe will get.

    data, lock: the stages of its texts and what an earlier run has chosen, if the texts were
    hashed. is_counted: as in Checked.
    """

    facts: Facts
    choices: Choices
    training: resolve.ResolvedTraining
    data: DataStages | None
    lock: Lockfile | None
    is_counted: bool


def expected(
    recipe: Recipe,
    samples: Sequence[SourceSample],
    store: Store,
    target: str,
    *,
    raw: Sequence[RawSet] | None,
    replan: bool = False,
) -> Expected:
    """The training that a recipe will get on a device.

    raw: its hashed texts, if they are known. The texts are counted in the shards of an earlier run,
    or else estimated from samples. Choices of an earlier run are taken from its plan; replan:
    nothing is. The number format of a phase that says "auto" is fp32 if nothing was measured here.
    """
    lock, data, shards = None, None, None
    if raw is not None:
        lock = Lockfile(run_folder(store, recipe), recipe, raw, replan=replan)
    earlier_choices = lock.choices if lock else {}
    facts, choices = resolve.estimated(recipe, samples, target, earlier_choices)
    vocab = resolve.likely_vocab(recipe, choices, facts)
    if raw is not None:
        data = plan_data(recipe, raw, resolve.resolve_tokenizer(recipe, choices))
        shards = store.find("shards", data.shards.id)
    if data is not None and shards is not None:
        vocab = TokenShards(shards.folder, "train").vocab
        facts = with_examples(recipe, resolve.facts_of(shards), data, store)
        choices = resolve.counted_choices(choices, recipe, facts, vocab, device=target)
    machine_file = store.root / "machine.json"
    formats = dict.fromkeys(resolve.unsaid_formats(recipe), UNMEASURED)
    if target != "cpu" or machine.saved_measurement(machine_file, "matmul_per_second"):
        formats = resolve.number_formats(recipe, machine_file, target)
    choices |= formats | earlier_choices
    training = resolve.resolve_training(recipe, choices, facts, vocab)
    choices = {key: choice for key, choice in choices.items() if choice is not UNMEASURED}
    return Expected(facts, choices, training, data, lock, shards is not None)


def paces_here(training: resolve.ResolvedTraining, facts: Facts, store: Store) -> list[float]:
    """Seconds of a token of training in each phase; nothing if this machine was not measured."""
    machine_file = store.root / "machine.json"
    document = training.pack.usual_length(facts.mean_document_tokens)
    paces = [
        expected_here(Workload(training.model, phase, document=document), machine_file)
        for phase in training.phases
    ]
    return [pace for pace in paces if pace is not None]


def promised(recipe: Recipe, store: Store) -> dict[str, float]:
    """Seconds of the parts of a run on this machine's processors, as `check` promises them.

    Nothing if the machine was never measured.
    """
    if not machine.saved_measurement(store.root / "machine.json", "matmul_per_second"):
        return {}
    samples, raw = texts_of(recipe, store)
    estimate = expected(recipe, samples, store, "cpu", raw=raw)
    paces = paces_here(estimate.training, estimate.facts, store)
    return promised_parts(recipe, estimate.training, estimate.facts, paces) if paces else {}


def promised_parts(
    recipe: Recipe,
    training: resolve.ResolvedTraining,
    facts: Facts,
    seconds_a_token: Sequence[float],
) -> dict[str, float]:
    """Seconds of each part of a run, from start to export.

    seconds_a_token: of training, for each phase.
    """
    split = recipe.split.resolved()
    share = split.val_share or 0.0
    held_out_tokens = facts.unique_tokens * share / (1 - share)
    if split.val_documents is not None:
        held_out_tokens = split.val_documents * facts.mean_document_tokens
    judged_tokens = held_out_tokens / 2  # of dev and of test each
    names = ("start", "training", "validations", "samples", "evaluation", "export")
    parts: dict[str, float] = dict.fromkeys(names, 0.0)
    n_models = sum(each.row.content != "corpus" for each in recipe.export)
    generated_token_seconds = GENERATED_TOKEN_SECONDS * training.model.layers
    for phase, (config, seconds) in enumerate(zip(training.phases, seconds_a_token, strict=True)):
        if config.is_of_pairs and phase in facts.examples:
            parts["start"] += facts.examples[phase].positions * FORWARD_SHARE * seconds
        validations = config.steps // config.eval_every_steps + 1
        parts["start"] += START_SECONDS
        parts["training"] += seconds * config.steps * config.batch_tokens
        validated_tokens = validations * min(config.eval_tokens, judged_tokens)
        parts["validations"] += validated_tokens * FORWARD_SHARE * seconds
        samples = (validations - 1) // config.validations_per_sample + 1
        parts["samples"] += samples * SAMPLE_TOKENS * generated_token_seconds
    for evaluation in recipe.evaluate:
        if evaluation.kind == "prompts":
            parts["evaluation"] += evaluation.max_tokens * generated_token_seconds
            continue
        if evaluation.kind == "speed":
            parts["evaluation"] += SPEED_SECONDS * (1 + 2 * n_models)
            continue
        # Lists of sentences are read a second time, in blocks.
        readings = 2 if training.pack.join else 1
        parts["evaluation"] += readings * judged_tokens * FORWARD_SHARE * seconds_a_token[-1]
        if evaluation.baselines:
            parts["evaluation"] += _compressor_seconds(facts, judged_tokens, is_in_blocks=False)
            if training.pack.join:
                parts["evaluation"] += _compressor_seconds(facts, judged_tokens, is_in_blocks=True)
    parts["export"] = EXPORT_SECONDS * n_models
    return parts


def _compressor_seconds(facts: Facts, tokens: float, *, is_in_blocks: bool) -> float:
    """Time of the compressor baseline on so many tokens, in documents or in blocks of them."""
    token_bytes = facts.text_bytes / max(1, facts.unique_tokens)
    text_bytes = BLOCK_BYTES if is_in_blocks else facts.mean_document_tokens * token_bytes
    n_texts = int(min(MOST_DOCUMENTS, tokens * token_bytes / max(1.0, text_bytes)))
    # A process is primed with training text, and forked for each text and once for none.
    forks = draws_of(n_texts, int(n_texts * text_bytes)) * (n_texts + 1)
    priming_seconds = min(facts.text_bytes, PRIMING_LIMIT_BYTES) / PRIMED_BYTES_A_SECOND
    return priming_seconds + forks * (FORK_SECONDS + text_bytes * FORK_BYTE_SECONDS)


def describe(checked: Checked) -> str:
    """The check as text for people. ≈ marks estimates, such as those from samples of the texts."""
    tokenizer, shape = checked.recipe.tokenizer, checked.shape
    phases, weights = checked.training.phases, count.parameters(shape)
    about = "" if checked.is_counted else "≈ "
    has_open_vocab = tokenizer.extend is not None or tokenizer.kind == "char"
    adapted = [phase for phase in phases if phase.adapt is not None]
    return filled(
        "check.txt",
        checked=checked,
        figures=checked.as_dict(),
        about=about,
        about_vocab=about if has_open_vocab else "",
        about_adapters="" if isinstance(shape, ModelConfig) else "≈ ",
        weights=weights,
        parts_text=count.parts_text(shape),
        adapter_flops={p.name: count.flops_per_token(shape, adapt=p.adapt) for p in adapted},
        uniform_nats=math.log(shape.vocab),
        inexact={phase.name: inexact(phase, shape.context) for phase in phases},
    )


def inexact(phase: TrainConfig, context: int) -> str:
    """How exact shares can be within a hundredth of a phase, if that has few rows."""
    batch_rows = phase.batch_tokens // context
    steps = [math.ceil(phase.steps * part / SLICES) for part in range(1, SLICES + 1)]
    ends = [batch_rows * step for step in steps]
    rows = max(batch_rows, ends[-1] // SLICES)
    if len(phase.sources) < 2 or rows >= EXACT_ROWS:
        return ""
    gap = largest_gap(phase.shares, ends)
    return f" · a hundredth has {counted(rows, 'row')}: off by up to {100 * gap:.1f} points"
