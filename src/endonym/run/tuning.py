"""`run --tune MINUTES`: what formulas cannot say is settled by short trainings.

First the learning rate, then, at the best rate, the weight decay. Every trial is the phase itself
on fewer tokens, with its own fall to the end, on the same rows. The held-out text that decides is
the one that looks see during training, so the final score has seen it no more than they have.
"""

import math
import tempfile
from pathlib import Path
from typing import Any

from endonym.data.shards import TokenShards
from endonym.errors import TrainingError
from endonym.log import Log, number
from endonym.recipe.recipe import Recipe
from endonym.run.pace import measured_pace
from endonym.run.resolve import shape_of
from endonym.run.training import beginning
from endonym.store import Artifact
from endonym.train.autopilot import Choice, Choices
from endonym.train.config import Phase
from endonym.train.loop import Training, Work

SCALES = {"lr": (0.5, 1.0, 2.0), "weight_decay": (0.3, 1.0, 3.0)}
"""What the autopilot's value is multiplied by, in the order in which keys are settled."""
TOGETHER = {"lr": "embedding_lr"}
"""A key that is scaled with another, so that their proportion stays."""
LOOK_TOKENS = 131_072


def tune(
    recipe: Recipe, keys: list[str], shards: Artifact, minutes: float, machine: Path, log: Log
) -> Choices:
    """Rate and decay of the first phase by trial, with the scores of all trials as the reason.

    recipe: with every choice filled in. keys: those of the first phase that may be changed.
    """
    wanted = [key for key in SCALES if key in keys and getattr(recipe.phase[0], key)]
    if not wanted:
        return {}
    phase = recipe.phase[0]
    pace = measured_pace(shape_of(recipe, shards), phase, machine)
    trials = len(wanted) * 2 + 1
    tokens = pace.tokens_in(minutes * 60 / trials)
    log.line(f"{'tuning':<22} {trials} trainings of {number(tokens)} tokens")
    found: Choices = {}
    bits: dict[float, float] = {}
    for key in wanted:
        middle, now = getattr(phase, key), bits.get(1.0)
        bits = {} if now is None else {1.0: now}
        for scale in SCALES[key]:
            if scale not in bits:
                trial = phase.model_copy(update=_scaled(phase, key, scale, keys))
                bits[scale] = _trial(recipe, trial, shards, tokens)
                log.line(f"  {key} = {middle * scale:g}: {bits[scale]:.4f} bits/byte")
        best = min(bits, key=lambda scale: bits[scale])
        told = " · ".join(f"{middle * scale:g} {bits[scale]:.4f}" for scale in SCALES[key])
        changed = _scaled(phase, key, best, keys)
        phase = phase.model_copy(update=changed)
        reason = f"tried on {number(tokens)} tokens: {told} bits/byte"
        found |= {f"phase.0.{name}": Choice(value, reason) for name, value in changed.items()}
        bits = {1.0: bits[best]}
    return found


def _scaled(phase: Phase, key: str, scale: float, keys: list[str]) -> dict[str, float]:
    """A key times a scale, and what goes with it."""
    names = [key, *([TOGETHER[key]] if TOGETHER.get(key) in keys else [])]
    return {name: getattr(phase, name) * scale for name in names if getattr(phase, name)}


def _trial(recipe: Recipe, phase: Phase, shards: Artifact, tokens: int) -> float:
    """Held-out bits a byte after so many tokens; infinite if training fails."""
    shorter: dict[str, Any] = {"steps": None, "epochs": None, "tokens": tokens, "patience": None}
    steps = max(1, tokens // (phase.batch_tokens or tokens))
    brief = {"warmup_steps": min(phase.warmup_steps or 0, steps // 10), "keep": "last"}
    looks = {"eval_every_steps": steps, "eval_tokens": LOOK_TOKENS}
    trial = phase.model_copy(update={**shorter, **brief, **looks})
    train, val = TokenShards(shards.folder, "train"), TokenShards(shards.folder, "val")
    with tempfile.TemporaryDirectory() as folder:
        work = Work(train, val, Path(folder), unigram_nats=math.inf)
        training = Training(beginning(recipe, train.vocab, {}), trial, work, seed=recipe.seed)
        try:
            *_, last = training.reports()
        except TrainingError:
            return math.inf
    return last.look.bits_per_byte if last.look is not None else math.inf
