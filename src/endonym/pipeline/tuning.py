"""`run --tune MINUTES`: finds learning rate and weight decay by short trainings.

First the learning rate, then, at the best rate, the weight decay, if the time suffices to see its
effect. Every trial is the phase itself on fewer tokens, with a full learning rate schedule, on the
same rows; of a phase with members it is such a member, which has no teacher. Trials are compared on
the dev text that validations use during training, so the test score stays independent.
"""

import math
import tempfile
from pathlib import Path

from endonym.autopilot import probe
from endonym.autopilot.model_size import Choice, Choices
from endonym.autopilot.resolve import ResolvedTraining, facts_of
from endonym.autopilot.workload import usual_document
from endonym.data.shards import TokenShards
from endonym.errors import RecipeError, TrainingError
from endonym.log import Log, number
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.lora import adapted
from endonym.pipeline.training import keyboard_of, new_or_loaded, subwords_of
from endonym.store import Artifact, Store
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train.config import TrainConfig, require_weights_left
from endonym.train.inputs import TrainingInputs
from endonym.train.loop import Training

DECAY = "weight_decay"
SCALES = {"lr": (0.5, 1.0, 2.0), DECAY: (0.3, 1.0, 3.0)}
"""Factors that are tried, in the order in which keys are tuned."""
TOGETHER = {"lr": "embedding_lr"}
"""A key that is scaled together with another, so that their ratio stays."""
VALIDATION_TOKENS = 131_072
VALIDATION_SHARE = 0.25
"""Largest share of a trial's time for its two validations, before and after."""
FORWARD_SHARE = 0.4
"""Time per token of a validation, relative to a training step: a forward pass and batching."""
LEAST_STEPS = 20
"""With fewer steps, learning rates cannot be compared."""
GAIN = 0.002
"""Bits per byte that another value must gain: two seeds differ by as much."""
READ_SHARE = 0.5
"""Share of the phase's tokens that a trial must read to compare weight decays: over-fitting comes
only after many epochs."""


class Trials:
    """Short trainings of a first phase, each of so many seconds, on a device.

    target: the device. failure: why the last trial failed.
    """

    def __init__(
        self, training: ResolvedTraining, shards: Artifact, seconds: float, target: str
    ) -> None:
        self.training = training
        self.target = target
        self.failure = ""
        self.train = TokenShards(shards.folder, "train")
        self.dev = TokenShards(shards.folder, "dev")
        folder = Store.of(shards.folder).folder("tokenizer", shards.manifest["inputs"]["tokenizer"])
        self.tokenizer = folder / "tokenizer.json"
        config = training.phases[0]
        self.batch_tokens, decoder = config.batch_tokens, self.decoder()
        length = training.pack.usual_length(facts_of(shards).mean_document_tokens)
        document = usual_document(length, training.pack.context)
        self.tokens_per_second = probe.plain(decoder, config, target, document)
        self.dev_tokens = sum(source["tokens"] for source in shards.numbers["dev"].values())
        self.phase_tokens = config.steps * self.batch_tokens
        self.set_seconds(seconds)

    def decoder(self) -> AnyDecoder:
        """The decoder that the phase starts with."""
        training = self.training
        return new_or_loaded(training.model, training.folder, self.tokenizer, training.seed)

    def set_seconds(self, seconds: float) -> None:
        """Set the seconds of each training, and from them its tokens and those of a validation."""
        self.seconds = seconds
        most_tokens = seconds * self.tokens_per_second
        most_validated = int(most_tokens * VALIDATION_SHARE / (2 * FORWARD_SHARE))
        self.validation_tokens = max(1, min(VALIDATION_TOKENS, self.dev_tokens, most_validated))
        left = most_tokens - 2 * FORWARD_SHARE * self.validation_tokens
        self.tokens = min(int(left), self.phase_tokens)

    def require_enough(self) -> None:
        """Raise RecipeError if trainings are too short to be compared."""
        least = min(LEAST_STEPS * self.batch_tokens, self.phase_tokens)
        if self.tokens < least:
            steps = self.tokens // self.batch_tokens
            tokens_now = max(1.0, self.seconds * self.tokens_per_second)
            times = least / (1 - VALIDATION_SHARE) / tokens_now
            raise RecipeError(
                f"{self.seconds:.2g} s for each training are {steps} steps: too few",
                where="--tune",
                do=f"Give {times:.2g} times as many minutes.",
            )

    def trial_bits(self, config: TrainConfig) -> float:
        """Train this config on fewer tokens, without members; returns its dev bits per byte.

        Infinite if the training fails; `failure` then says why.
        """
        try:
            require_weights_left(config.lr, config.weight_decay)
        except ValueError as error:
            self.failure = str(error)
            return math.inf
        steps = max(1, math.ceil(self.tokens / self.batch_tokens))
        warmup = min(config.warmup_steps, steps // 10)
        trial = config.but(steps=steps, warmup_steps=warmup, patience=0, keep="last")
        trial = trial.but(
            distill=None,
            keep_steps=None,
            eval_every_steps=steps + 1,
            eval_tokens=self.validation_tokens,
        )
        trial = trial.executed(save_every_steps=steps + 1)
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = Tokenizer.load(self.tokenizer)
            inputs = TrainingInputs(
                self.train,
                self.dev,
                Path(folder),
                unigram_nats=math.inf,  # A short training need not be better than unigrams.
                device=self.target,
                join=self.training.pack.join,
                subwords=subwords_of(trial, tokenizer, self.training.seed),
                keyboard=keyboard_of(trial, tokenizer),
            )
            decoder = adapted(self.decoder(), trial.adapt, self.training.seed).to(self.target)
            try:
                *_, last = Training(decoder, trial, inputs, seed=self.training.seed).reports()
            except TrainingError as error:
                self.failure = error.message
                return math.inf
        return last.validation.bits_per_byte if last.validation is not None else math.inf

    def describe(self, bits: float) -> str:
        """The result of the last trial for the log, or why it failed."""
        return f"{bits:.4f} bits/byte" if math.isfinite(bits) else f"failed: {self.failure}"


def tune(
    training: ResolvedTraining, shards: Artifact, minutes: float, *, log: Log, target: str = "cpu"
) -> Choices:
    """Tune learning rate and weight decay of the first phase, around the resolved values.

    Returns the best values; their reasons hold the scores. Empty if every trial failed. Raises
    RecipeError if the time is too short.
    """
    config = training.phases[0]
    keys = [key for key in SCALES if getattr(config, key)]
    # The best training of one key is the first of the next.
    count = 1 + sum(len(SCALES[key]) - 1 for key in keys)
    trials = Trials(training, shards, minutes * 60 / count, target)
    if DECAY in keys and trials.tokens < READ_SHARE * trials.phase_tokens:
        why = f"with {count} trainings none would read half of the phase's tokens"
        log.line(f"{'tuning':<22} {DECAY} is not tuned: {why}")
        keys.remove(DECAY)
        count -= len(SCALES[DECAY]) - 1
        trials.set_seconds(minutes * 60 / count)
    trials.require_enough()
    tokens = number(trials.tokens)
    alone = ", each without a teacher" if config.distill is not None else ""
    log.line(f"{'tuning':<22} {count} trainings of {tokens} tokens{alone}")
    choices: Choices = {}
    bits: dict[float, float] = {}  # dev bits per byte by scale, of the key that is tuned
    best_scale = 1.0
    for key in keys:
        values = {scale: scaled(config, key, scale) for scale in SCALES[key]}
        bits = {1.0: bits[best_scale]} if bits else {}
        for scale, changed in values.items():
            if scale not in bits:
                bits[scale] = trials.trial_bits(config.but(**changed))
            log.line(f"  {key} = {changed[key]:g}: {trials.describe(bits[scale])}")
        best_scale = min(SCALES[key], key=lambda scale: bits[scale] - GAIN * (scale == 1.0))
        if not math.isfinite(bits[best_scale]):
            log.warn("all trainings failed: nothing is tuned")
            return {}
        scores = " · ".join(
            f"{changed[key]:g} {f'{bits[s]:.4f}' if math.isfinite(bits[s]) else 'failed'}"
            for s, changed in values.items()
        )
        reason = f"instead of {getattr(config, key):g}, tried on {tokens} tokens: {scores}"
        for name, value in values[best_scale].items():
            why = reason if name == key else f"in proportion to {key}"
            choices[f"phase.0.{name}"] = Choice(value, why)
        config = config.but(**values[best_scale])  # The next key is tuned beside this one.
    log.line("  tuned, for this run. To keep it in the recipe, write into its first [[phase]]:")
    for key, choice in choices.items():
        log.line(f"  {key.removeprefix('phase.0.')} = {choice.value:g}  # {choice.reason}")
    return choices


def scaled(config: TrainConfig, key: str, scale: float) -> dict[str, float]:
    """A key times a scale, and the key that goes with it, rounded to six digits."""
    values = {name: getattr(config, name) for name in (key, TOGETHER.get(key, key))}
    return {name: float(f"{value * scale:.6g}") for name, value in values.items() if value}
