"""`endonym check`: what a recipe would make, computed by formula. Makes and measures nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

from endonym.autopilot import machine, resolve
from endonym.autopilot.cautions import cautions, cautions_of_cleaning, cautions_of_starts
from endonym.autopilot.machine import Work, expected_here
from endonym.autopilot.model_size import Choice, Choices, Facts
from endonym.autopilot.text_size import SourceSample, samples_of
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
    found = expected(recipe, samples, store, target, raw=raw)
    facts, choices, training = found.facts, found.choices, found.training
    paces = paces_here(training, facts, store) if target == "cpu" else []
    require_shapes(recipe.export, training.model)
    warnings = source_warnings(samples, recipe.language, recipe.clean.max_unreadable)
    warnings += cautions_of_starts(recipe)
    warnings += cautions_of_cleaning(recipe.clean) if recipe.source else []
    try:
        memory = resolve.memory_choices(recipe, training, {}, target, longest=None)
        training, choices = training.with_choices(memory), choices | memory
    except OutOfMemory as error:
        warnings.append(f"{error.where}: {error.message}")
    tokens, read = 0, 0
    for n, (config, pace) in enumerate(zip_longest(training.phases, paces)):
        tokens += config.steps * config.batch_tokens
        read += config.steps * config.batch_tokens * config.reads_texts
        own = facts.examples.get(n, facts)
        warnings += cautions(config, own, training.pack.context, seconds=pace, longest=None)
    return Checked(
        recipe=recipe,
        training=training,
        choices=choices,
        facts=facts,
        train_tokens=tokens,
        text_tokens=read,
        parts=promised_parts(recipe, training, facts, paces) if paces else {},
        warnings=warnings,
        is_counted=found.is_counted,
    )


def texts_of(recipe: Recipe, store: Store) -> tuple[list[SourceSample], list[RawSet] | None]:
    """Samples of a recipe's sources, and these with their hashes; None if one was never hashed."""
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
    known = lock.choices if lock else {}
    facts, choices = resolve.estimated(recipe, samples, target, known)
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
    choices |= formats | known
    training = resolve.resolve_training(recipe, choices, facts, vocab)
    choices = {key: choice for key, choice in choices.items() if choice is not UNMEASURED}
    return Expected(facts, choices, training, data, lock, shards is not None)


def paces_here(training: resolve.ResolvedTraining, facts: Facts, store: Store) -> list[float]:
    """Seconds of a token of training in each phase; nothing if this machine was not measured."""
    file = store.root / "machine.json"
    document = training.pack.usual_length(facts.mean_document_tokens)
    paces = [
        expected_here(Work(training.model, phase, document=document), file)
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
    found = expected(recipe, samples, store, "cpu", raw=raw)
    paces = paces_here(found.training, found.facts, store)
    return promised_parts(recipe, found.training, found.facts, paces) if paces else {}


def promised_parts(
    recipe: Recipe,
    training: resolve.ResolvedTraining,
    facts: Facts,
    seconds_a_token: Sequence[float],
) -> dict[str, float]:
    """Seconds by part. seconds_a_token: of training, for each phase."""
    split = recipe.split.resolved()
    share = split.val_share or 0.0
    held = facts.unique_tokens * share / (1 - share)
    if split.val_documents is not None:
        held = split.val_documents * facts.mean_document_tokens
    judged = held / 2  # of dev and of test each
    names = ("start", "training", "validations", "samples", "evaluation", "export")
    parts: dict[str, float] = dict.fromkeys(names, 0.0)
    models = sum(each.row.content != "corpus" for each in recipe.export)
    generated = GENERATED_TOKEN_SECONDS * training.model.layers
    for phase, (config, seconds) in enumerate(zip(training.phases, seconds_a_token, strict=True)):
        if config.is_of_pairs and phase in facts.examples:
            parts["start"] += facts.examples[phase].positions * FORWARD_SHARE * seconds
        validations = config.steps // config.eval_every_steps + 1
        parts["start"] += START_SECONDS
        parts["training"] += seconds * config.steps * config.batch_tokens
        validated = validations * min(config.eval_tokens, judged)
        parts["validations"] += validated * FORWARD_SHARE * seconds
        samples = (validations - 1) // config.validations_per_sample + 1
        parts["samples"] += samples * SAMPLE_TOKENS * generated
    for asked in recipe.evaluate:
        if asked.kind == "prompts":
            parts["evaluation"] += asked.max_tokens * generated
            continue
        if asked.kind == "speed":
            parts["evaluation"] += SPEED_SECONDS * (1 + 2 * models)
            continue
        # Lists of sentences are read a second time, in blocks.
        readings = 2 if training.pack.join else 1
        parts["evaluation"] += readings * judged * FORWARD_SHARE * seconds_a_token[-1]
        if asked.baselines:
            parts["evaluation"] += _compressor_seconds(facts, judged, is_in_blocks=False)
            if training.pack.join:
                parts["evaluation"] += _compressor_seconds(facts, judged, is_in_blocks=True)
    parts["export"] = EXPORT_SECONDS * models
    return parts


def _compressor_seconds(facts: Facts, judged: float, *, is_in_blocks: bool) -> float:
    """Time of the compressor on so many tokens, in documents or in blocks of them."""
    ratio = facts.text_bytes / max(1, facts.unique_tokens)
    each = BLOCK_BYTES if is_in_blocks else facts.mean_document_tokens * ratio
    count = int(min(MOST_DOCUMENTS, judged * ratio / max(1.0, each)))
    forks = draws_of(count, int(count * each)) * (count + 1)
    primed = min(facts.text_bytes, PRIMING_LIMIT_BYTES)
    return primed / PRIMED_BYTES_A_SECOND + forks * (FORK_SECONDS + each * FORK_BYTE_SECONDS)


def describe(checked: Checked) -> str:
    """The check as text for people. ≈ marks estimates, such as those from samples of the texts."""
    shape = checked.shape
    return filled(
        "check.txt",
        checked=checked,
        is_ours=isinstance(shape, ModelConfig),
        count=count,
        uniform=math.log(shape.vocab),
        inexact=inexact,
    )


def inexact(phase: TrainConfig, context: int) -> str:
    """How exact shares can be within a hundredth of a phase, if that has few rows."""
    batch = phase.batch_tokens // context
    ends = [batch * -(-phase.steps * part // SLICES) for part in range(1, SLICES + 1)]
    rows = max(batch, ends[-1] // SLICES)
    if len(phase.sources) < 2 or rows >= EXACT_ROWS:
        return ""
    gap = largest_gap(phase.shares, ends)
    return f" · a hundredth has {counted(rows, 'row')}: off by up to {100 * gap:.1f} points"
