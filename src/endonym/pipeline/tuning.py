"""`run --tune MINUTES`: what formulas cannot say is settled by short trainings.

First the learning rate, then, at the best rate, the weight decay, if the time is enough to show
what it is worth. Every trial is the phase itself on fewer tokens, with its own fall to the end, on
the same rows. The dev text that decides is the one that validations see during training, so the
final score has seen it no more than they have.
"""

import math
import tempfile
from pathlib import Path

from endonym.autopilot import probe
from endonym.autopilot.model_size import Choice, Choices
from endonym.autopilot.pace import usual_document
from endonym.autopilot.resolve import ResolvedTraining, facts_of
from endonym.data.shards import TokenShards
from endonym.errors import RecipeError, TrainingError
from endonym.log import Log, number
from endonym.model.foreign.decoder import AnyDecoder
from endonym.pipeline.training import new_or_loaded
from endonym.store import Artifact
from endonym.train.config import TrainConfig, require_weights_left
from endonym.train.loop import Training, TrainingInputs

DECAY = "weight_decay"
SCALES = {"lr": (0.5, 1.0, 2.0), DECAY: (0.3, 1.0, 3.0)}
"""What a value is multiplied by, in the order in which keys are settled."""
TOGETHER = {"lr": "embedding_lr"}
"""A key that is scaled with another, so that their proportion stays."""
LOOK_TOKENS = 131_072
LOOK_SHARE = 0.25
"""Of a trial's time, at most, for its two validations: one before, one after."""
FORWARD_SHARE = 0.4
"""A validation goes forward only, a third of a step, and its rows are fetched and sorted."""
LEAST_STEPS = 20
"""In fewer steps no rate shows what it is worth."""
GAIN = 0.002
"""Bits a byte that another value must gain to be taken: two seeds differ by as much."""
READ_SHARE = 0.5
"""Of the phase's tokens, that a trial must read to show what decay is worth: what it prevents comes
with the last of many passes."""


class Trials:
    """Short trainings of a first phase, each in so many seconds, on a device."""

    def __init__(
        self, training: ResolvedTraining, shards: Artifact, seconds: float, target: str
    ) -> None:
        self.training, self.target, self.failure = training, target, ""
        self.train, self.dev = (TokenShards(shards.folder, split) for split in ("train", "dev"))
        config = training.phases[0]
        self.batch, decoder = config.batch_tokens, self.decoder()
        length = training.pack.usual_length(facts_of(shards).mean_document_tokens)
        document = usual_document(length, decoder.config)
        self.speed = probe.plain(decoder, config, target, document)
        self.held_out = sum(each["tokens"] for each in shards.numbers["dev"].values())
        self.whole = config.steps * self.batch
        self.give(seconds)

    def decoder(self) -> AnyDecoder:
        """What the phase begins with."""
        given = self.training
        return new_or_loaded(given.model, given.folder, given.pack.context, given.seed)

    def give(self, seconds: float) -> None:
        """Let each training last so long."""
        self.seconds, all_ = seconds, seconds * self.speed
        most = int(all_ * LOOK_SHARE / (2 * FORWARD_SHARE))
        self.look_tokens = max(1, min(LOOK_TOKENS, self.held_out, most))
        self.tokens = min(int(all_ - 2 * FORWARD_SHARE * self.look_tokens), self.whole)

    def require_enough(self) -> None:
        """Raise RecipeError if a training is too short to show anything."""
        least, steps = min(LEAST_STEPS * self.batch, self.whole), self.tokens // self.batch
        if self.tokens < least:
            times = least / (1 - LOOK_SHARE) / max(1.0, self.seconds * self.speed)
            raise RecipeError(
                f"{self.seconds:.2g} s for each training are {steps} steps: too few",
                where="--tune",
                do=f"Give {times:.2g} times as many minutes.",
            )

    def bits(self, config: TrainConfig) -> float:
        """Dev bits a byte after such a phase; infinite if it fails.

        A rate and a decay that go together with others may not with each other.
        """
        try:
            require_weights_left(config.lr, config.weight_decay)
        except ValueError as error:
            self.failure = str(error)
            return math.inf
        steps = max(1, -(-self.tokens // self.batch))
        warmup = min(config.warmup_steps, steps // 10)
        trial = config.but(
            steps=steps,
            warmup_steps=warmup,
            patience=0,
            keep="last",
            eval_every_steps=steps + 1,
            eval_tokens=self.look_tokens,
        ).executed(save_every_steps=steps + 1)
        with tempfile.TemporaryDirectory() as folder:
            join = self.training.pack.join
            work = TrainingInputs(self.train, self.dev, Path(folder), math.inf, self.target, join)
            decoder = self.decoder().to(self.target)
            try:
                *_, last = Training(decoder, trial, work, seed=self.training.seed).reports()
            except TrainingError as error:
                self.failure = error.message
                return math.inf
        return last.validation.bits_per_byte if last.validation is not None else math.inf

    def told(self, bits: float) -> str:
        """What a training came to, or why it did not."""
        return f"{bits:.4f} bits/byte" if math.isfinite(bits) else f"failed: {self.failure}"


def tune(
    training: ResolvedTraining, shards: Artifact, minutes: float, *, log: Log, target: str = "cpu"
) -> Choices:
    """Rate and decay of the first phase by trial, around what was resolved.

    The reasons hold the scores. Empty if every trial failed.
    Raises RecipeError if the time is too short.
    """
    config = training.phases[0]
    keys = [key for key in SCALES if getattr(config, key)]
    trials = Trials(training, shards, minutes * 60 / _count(keys), target)
    if DECAY in keys and trials.tokens < READ_SHARE * trials.whole:
        half = f"with {_count(keys)} trainings none would read half of the phase's tokens"
        log.line(f"{'tuning':<22} {DECAY} stays: {half}")
        keys.remove(DECAY)
        trials.give(minutes * 60 / _count(keys))
    trials.require_enough()
    log.line(f"{'tuning':<22} {_count(keys)} trainings of {number(trials.tokens)} tokens")
    found: Choices = {}
    known: dict[float, float] = {}
    for key in keys:
        bits: dict[float, float] = {}
        for scale in SCALES[key]:
            changed = scaled(config, key, scale)
            trial = config.but(**changed)
            bits[scale] = known[scale] if scale in known else trials.bits(trial)
            log.line(f"  {key} = {changed[key]:g}: {trials.told(bits[scale])}")
        best = min(bits, key=lambda scale: bits[scale] - GAIN * (scale == 1.0))
        if not math.isfinite(bits[best]):
            log.warn("no training came to its end: nothing is tuned")
            return {}
        found |= _chosen(config, key, bits, best=best, tokens=trials.tokens)
        config, known = config.but(**scaled(config, key, best)), {1.0: bits[best]}
    _say(found, log)
    return found


def _count(keys: list[str]) -> int:
    """Trainings that settle these keys; the best of one is where the next begins."""
    return 1 + sum(len(SCALES[key]) - 1 for key in keys)


def scaled(config: TrainConfig, key: str, scale: float) -> dict[str, float]:
    """A key times a scale, and what goes with it, rounded as people write numbers."""
    values = {name: getattr(config, name) for name in (key, TOGETHER.get(key, key))}
    return {name: float(f"{value * scale:.6g}") for name, value in values.items() if value}


def _chosen(
    config: TrainConfig, key: str, bits: dict[float, float], *, best: float, tokens: int
) -> Choices:
    """The best of a key's trials, and what goes with it; all scores are the reason."""
    told = " · ".join(f"{scaled(config, key, s)[key]:g} {_told(bits[s])}" for s in bits)
    reason = f"instead of {getattr(config, key):g}, tried on {number(tokens)} tokens: {told}"
    return {
        f"phase.0.{name}": Choice(value, reason if name == key else f"in proportion to {key}")
        for name, value in scaled(config, key, best).items()
    }


def _told(bits: float) -> str:
    return f"{bits:.4f}" if math.isfinite(bits) else "failed"


def _say(found: Choices, log: Log) -> None:
    """What came out, as lines of a recipe."""
    log.line("  tuned; this run keeps it, and a recipe does that says in its first [[phase]]:")
    for key, choice in found.items():
        log.line(f"  {key.removeprefix('phase.0.')} = {choice.value:g}  # {choice.reason}")
