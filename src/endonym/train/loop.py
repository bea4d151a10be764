"""A phase of training, as an iterator of reports: the loop yields, the caller looks."""

import functools
import gc
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from endonym.data.batches import Batches
from endonym.data.order import Order
from endonym.data.shards import TokenShards
from endonym.errors import TrainingError
from endonym.model.foreign import AnyDecoder
from endonym.seed import named_seed
from endonym.train import checkpoint
from endonym.train.checkpoint import TrainState
from endonym.train.config import Phase
from endonym.train.distributed import ALONE, Group, whole
from endonym.train.optimizer import Optimizer
from endonym.train.schedule import multiplier
from endonym.train.step import Stepped, take_step
from endonym.train.validate import Look, look

TRUSTED_STEPS = 100
"""Before this many steps nobody expects a model to beat the unigram line."""


@dataclass(frozen=True, slots=True)
class Report:
    """One step, and what was seen if this was a moment to look at held-out text.

    step: optimiser steps done. tokens: training tokens seen. seconds: spent on this step.
    """

    step: int
    steps: int
    tokens: int
    epoch: float
    nats: float
    bits_per_byte: float
    lr: float
    gradient_norm: float
    seconds: float
    look: Look | None = None
    is_best: bool = False


@dataclass(frozen=True, slots=True)
class Work:
    """What a phase works on: training text, held-out text, and the folder of its checkpoints.

    unigram_nats: the unigram line of the held-out text, which a model must pass after warm-up.
    """

    train: TokenShards
    val: TokenShards
    folder: Path
    unigram_nats: float
    device: str = "cpu"


def steps_of(phase: Phase, positions_per_epoch: int, batch_tokens: int) -> int:
    """Optimiser steps of a phase, from whichever budget it names."""
    if phase.steps is not None:
        return phase.steps
    tokens = phase.tokens or (phase.epochs or 1) * positions_per_epoch
    return max(1, math.ceil(tokens / batch_tokens))


class Training:
    """The state of a phase between steps. Iterate `reports()` to train; `weights()` at the end."""

    def __init__(
        self,
        decoder: AnyDecoder,
        phase: Phase,
        work: Work,
        *,
        seed: int,
        group: Group = ALONE,
    ) -> None:
        context = decoder.config.context
        rows = max(1, (phase.batch_tokens or context) // context)
        order = Order(work.train, context=context, seed=seed)
        self.decoder, self.phase, self.work, self.seed = decoder, phase, work, seed
        self.group = group
        self.batches = Batches(order, rows=rows, device=work.device)
        self.micro_rows = max(1, phase.micro_tokens // context)
        self.steps = steps_of(phase, order.positions_per_epoch, self.batches.tokens)
        self.eval_every = phase.eval_every_steps or max(1, self.steps // 20)
        self.save_every = phase.save_every_steps or self.eval_every
        self.warmup = min(phase.warmup_steps or 0, self.steps // 2)
        self.optimizer = self._optimizer()
        self.state = TrainState()

    def _optimizer(self) -> Optimizer:
        """The decoder's optimiser; in shards, those are the masters, and round by themselves."""
        if not self.is_sharded:
            return Optimizer(self.decoder, self.phase, self.phase.number_format)
        from endonym.train.sharding import shard  # takes a second to import

        shard(self.decoder, self.phase, self.group)
        return Optimizer(self.decoder, self.phase, "fp32")

    @property
    def is_sharded(self) -> bool:
        """Whether each process holds only a part of something."""
        return self.phase.shard != "none" and self.group.size > 1

    def resume(self) -> int:
        """Take up the newest checkpoint, if there is one; returns the step it stands at.

        The one of step 0 is kept only because it may be the best: training begins anew.
        """
        found = checkpoint.last(self.work.folder) if self.group.is_first else None
        step = self.group.tell(found.state.step if found else 0)
        if found is None and step:
            found = checkpoint.at(self.work.folder, step)
        if found is not None and found.state.step:
            self.optimizer.load(found.weights(), found.moments(), found.state.step)
            self.state = found.state
        return self.state.step

    def reports(self) -> Iterator[Report]:
        """Train to the end, or until no look gets better; saves as it goes."""
        self.decoder.train()
        gc.collect()
        gc.freeze()
        try:
            if self.state.step == 0:
                yield self._report(None, 0.0)
            while not self.state.is_finished:
                start = time.perf_counter()
                stepped = self._step()
                self.state.step += 1
                yield self._report(stepped, time.perf_counter() - start)
        finally:
            gc.unfreeze()

    def _step(self) -> Stepped:
        """One optimiser step, its random stream named by the step."""
        step = self.state.step
        torch.manual_seed(named_seed(self.seed, "dropout", step, *self.group.stream()))
        return take_step(
            self.decoder,
            self.optimizer,
            self.batches.part(step, self.group.share(self.batches.rows)),
            share=self._share(step),
            rows=self.micro_rows,
            where=f"step {step + 1}, rows {self.batches.row_numbers(step)}, "
            f"last checkpoint in {self.work.folder}",
            group=self.group,
            tokens=self.batches.tokens,
        )

    def _share(self, step: int) -> float:
        schedule = self.phase.schedule or "linear"
        return multiplier(schedule, step=step, steps=self.steps, warmup_steps=self.warmup)

    def _report(self, stepped: Stepped | None, seconds: float) -> Report:
        """Look and save if it is time to, and say what happened."""
        step = self.state.step
        is_last = step >= self.steps
        seen, is_best = None, False
        if step % self.eval_every == 0 or is_last:
            tokens, at = self.phase.eval_tokens, self.work.device
            seen = look(self.decoder, self.work.val, tokens, at, self.group)
            is_best = self._judge(seen)
        self.state.is_finished = is_last or self._is_stale()
        if seen or step % self.save_every == 0 or self.state.is_finished:
            self.save()
        peak = self.phase.lr or 0.0
        nats = stepped.nats if stepped else float("nan")
        return Report(
            step=step,
            steps=self.steps,
            tokens=step * self.batches.tokens,
            epoch=self.batches.epochs(step),
            nats=nats,
            bits_per_byte=nats / math.log(2) / self.bytes_per_token,
            lr=peak * self._share(max(0, step - 1)),
            gradient_norm=stepped.gradient_norm if stepped else float("nan"),
            seconds=seconds,
            look=seen,
            is_best=is_best,
        )

    @functools.cached_property
    def bytes_per_token(self) -> float:
        """Bytes of a training token, end-of-text included as a token of none."""
        train = self.work.train
        sizes = [train.byte_counts[part].sum() for part in train.parts]
        return float(sum(sizes)) / max(1, self.batches.order.positions_per_epoch)

    def _judge(self, seen: Look) -> bool:
        """Note a look; raises TrainingError if the model has learnt less than counting words."""
        state = self.state
        state.looks.append({"step": state.step, "nats": seen.nats, "bits": seen.bits_per_byte})
        trusted = max(self.warmup * 2, TRUSTED_STEPS)
        best = min(seen.nats, seen.nats if state.best_nats is None else state.best_nats)
        if state.step >= trusted and best > self.work.unigram_nats:
            raise TrainingError(
                f"after {state.step} steps the held-out loss is {seen.nats:.2f} nats, above the "
                f"unigram line of {self.work.unigram_nats:.2f}: nothing but noise is learnt",
                where=f"phase {self.phase.name}",
                do="Usually lr is too high (try a third of it), or the held-out text is of "
                "another kind than the training text (see `endonym look`).",
            )
        is_best = state.best_nats is None or seen.nats < state.best_nats
        if is_best:
            state.best_nats, state.best_step, state.looks_since_best = seen.nats, state.step, 0
        else:
            state.looks_since_best += 1
        return is_best

    def _is_stale(self) -> bool:
        patience = self.phase.patience
        return patience is not None and self.state.looks_since_best >= patience

    def save(self) -> None:
        """Write a checkpoint of this step; the first process does, or each its shards."""
        weights, moments = self.optimizer.weights(), self.optimizer.state()
        if self.is_sharded:
            checkpoint.save_sharded(self.work.folder, self.state, weights, moments, self.group)
        elif self.group.is_first:
            checkpoint.save(self.work.folder, self.state, weights, moments)

    def weights(self) -> dict[str, torch.Tensor]:
        """The weights to hand on: the best look's, or the last."""
        if self.phase.keep == "best" and self.state.best_step < self.state.step:
            best = checkpoint.at(self.work.folder, self.state.best_step)
            return best.weights() if self.group.is_first else {}
        return {name: whole(each) for name, each in self.optimizer.weights().items()}

    def reader(self) -> AnyDecoder:
        """A decoder that one process can use without the others; each must ask for it."""
        if not self.is_sharded:
            return self.decoder
        from endonym.train.sharding import twin

        return twin(self.decoder, self.optimizer.weights(), self.work.folder)
