"""`endonym check`: what a recipe would make, counted by formula. Makes and measures nothing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from endonym.autopilot import machine
from endonym.autopilot.cautions import cautions
from endonym.autopilot.model_size import BYTES_PER_TOKEN, Choices, Facts, estimate
from endonym.autopilot.pace import promised_here
from endonym.autopilot.phase import budget_of
from endonym.autopilot.resolve import estimated, filled, number_formats, room_choices, shape_with
from endonym.autopilot.text_size import text_bytes
from endonym.errors import OutOfMemory
from endonym.export.shapes import row_of
from endonym.log import duration, number, size
from endonym.model.config import ModelConfig
from endonym.model.count import (
    cache_bytes,
    cache_bytes_per_token,
    flops_per_token,
    parameters,
)
from endonym.model.foreign.folder import Shape
from endonym.model.words import parts_in_words
from endonym.pipeline import sources
from endonym.recipe.recipe import Recipe
from endonym.store import Store
from endonym.text.files import RawSet
from endonym.train.config import Phase
from endonym.train.room import phase_bytes


@dataclass(frozen=True, slots=True)
class Checked:
    """What a recipe comes to; seconds is None where nothing was ever measured."""

    recipe: Recipe
    shape: Shape
    choices: Choices
    raw_bytes: int
    unique_tokens: int
    train_tokens: int
    seconds: float | None
    warnings: list[str]

    @property
    def memory_bytes(self) -> int:
        """Of the phase that takes most, if a document fills a row: their lengths are not known."""
        return max(phase_bytes(self.shape, phase) for phase in self.recipe.phase)

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        return {
            "name": self.recipe.run_name,
            "family": self.shape.family,
            "parameters": parameters(self.shape).total,
            "active_parameters": parameters(self.shape).active,
            "flops_per_token": flops_per_token(self.shape),
            "train_tokens": self.train_tokens,
            "unique_tokens": self.unique_tokens,
            "epochs": self.train_tokens / max(1, self.unique_tokens),
            "memory_bytes": self.memory_bytes,
            "cache_bytes_per_token": cache_bytes_per_token(self.shape),
            "cache_bytes": cache_bytes(self.shape, self.shape.context),
            "seconds": self.seconds,
            "choices": {k: {"value": c.value, "reason": c.reason} for k, c in self.choices.items()},
            "warnings": self.warnings,
        }


def check(recipe: Recipe, store: Store, target: str = "cpu") -> Checked:
    """Count a recipe for training on a device.

    Raises MissingSource, ShapeError and ExportError as `run` would.
    """
    recipe.require_sources()
    raw = [RawSet(source, tuple(files), ()) for source, files in sources.find(recipe)]
    n_bytes = text_bytes(raw)
    settled, choices = estimated(recipe, raw, target)
    vocab = settled.tokenizer.vocab or (257 if settled.tokenizer.kind == "byte" else 400)
    context = settled.pack.context or 256
    shape = shape_with(settled, vocab, context)
    if settled.export and isinstance(shape, ModelConfig):
        row_of(shape)
    facts = estimate(n_bytes)
    tokens = budget_of(settled.phase, facts, target)
    machine_file = store.root / "machine.json"
    rates = machine.known(machine_file, "matmul_per_second") if target == "cpu" else None
    if rates or target != "cpu":
        formats = number_formats(settled, machine_file, target)
        settled, choices = filled(settled, formats), choices | formats
    times = [
        promised_here(shape, rates, machine_file, phase.number_format) if rates else None
        for phase in settled.phase
    ]
    warnings = _warnings(recipe)
    try:
        room = room_choices(settled, shape, {}, device=target)
        settled, choices = filled(settled, room), choices | room
    except OutOfMemory as error:
        warnings.append(f"{error.where}: {error.message}")
    for phase, each in zip(settled.phase, times, strict=True):
        warnings += cautions(phase, facts, context, seconds=each)
    seconds = _in_all(settled.phase, times, facts)
    return Checked(settled, shape, choices, n_bytes, facts.unique_tokens, tokens, seconds, warnings)


def _in_all(phases: Sequence[Phase], seconds: Sequence[float | None], facts: Facts) -> float | None:
    """Time of all phases, each of so many seconds a token; None if one's is not known."""
    known = [each for each in seconds if each is not None]
    if len(known) < len(phases):
        return None
    pairs = zip(phases, known, strict=True)
    return sum(budget_of([phase], facts) * each for phase, each in pairs)


def _warnings(recipe: Recipe) -> list[str]:
    """What a recipe leaves open that usually hurts."""
    found: list[str] = []
    clean = recipe.clean
    if clean.min_script_share is None and clean.min_expected_share is None:
        found.append("[clean] names no script threshold: other languages may pass")
    if not clean.dedup:
        found.append('[clean] has no dedup = ["exact"]: copies may be learnt by heart')
    if "nfc" not in clean.normalize:
        found.append('[clean] normalize has no "nfc": one word may be spelt in two ways')
    return found


def describe(found: Checked) -> str:
    """The check as people read it. ≈ marks estimates from file sizes."""
    recipe, shape, count = found.recipe, found.shape, parameters(found.shape)
    epochs = found.train_tokens / max(1, found.unique_tokens)
    time = "unknown until this machine is measured (endonym new or run does it)"
    if found.seconds is not None:
        time = f"≈ {duration(found.seconds)} on this machine"
    lines = [
        f"{recipe.run_name} · {shape.family} · {shape.layers} layers × {number(shape.dim)} · "
        f"{parts_in_words(shape)}",
        f"{'texts':<18}≈ {size(found.raw_bytes)} in {len(recipe.source)} "
        f"source{'s' if len(recipe.source) > 1 else ''}",
        f"{'parameters':<18}{number(count.total)}   embedding {number(count.embedding)} · "
        f"positions {number(count.positions)} · blocks {number(count.blocks)} · "
        f"head {number(count.head)}",
        *([f"{'active':<18}{number(count.active)} for each token"] if count.idle else []),
        f"{'operations':<18}{number(flops_per_token(shape))} FLOPs to train on a token",
        f"{'context':<18}{number(shape.context)} tokens · vocabulary {number(shape.vocab)} · "
        f"uniform guess {math.log(shape.vocab):.2f} nats/token",
        f"{'training':<18}≈ {number(found.train_tokens)} tokens, {epochs:.1f} passes over "
        f"≈ {number(found.unique_tokens)} ({BYTES_PER_TOKEN:.0f} bytes a token)",
        f"{'training memory':<18}≈ {size(found.memory_bytes)}",
        f"{'cache':<18}{size(cache_bytes_per_token(shape))} a token of generation, "
        f"{size(cache_bytes(shape, shape.context))} for a whole context",
        f"{'time':<18}{time}",
    ]
    for key, choice in found.choices.items():
        lines.append(f"{'chosen':<18}{key} = {choice.value}  ({choice.reason})")
    lines += [f"{'warning':<18}{text}" for text in found.warnings]
    return "\n".join(lines)
