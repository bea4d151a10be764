"""A phase of training, as an iterator of reports: the loop yields, the caller looks."""

import functools
import gc
import math
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from endonym.data.batches import Batches
from endonym.data.order import Order
from endonym.data.shards import TokenShards
from endonym.model.foreign import AnyDecoder
from endonym.seed import named_seed
from endonym.train import checkpoint, guard
from endonym.train.averaging import Average, averaged
from endonym.train.checkpoint import TrainState
from endonym.train.compile import compile_blocks, obstacle, uncompiled
from endonym.train.config import Phase
from endonym.train.guard import Trouble
from endonym.train.optimizer import Optimizer
from endonym.train.room import USEFUL_TOKENS, within_memory
from endonym.train.schedule import multiplier
from endonym.train.step import Stepped, gather
from endonym.train.validate import Look, look

TRUSTED_STEPS = 100
"""Before this many steps nobody expects a model to beat the unigram line."""


@dataclass(frozen=True, slots=True)
class Report:
    """One step, and what was seen if this was a moment to look at held-out text.

    step: optimiser steps done. tokens: training tokens seen. seconds: spent on this step.
    troubles: what went wrong and was survived. A report of a return to a checkpoint has that
    checkpoint's step, and no seconds.
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
    troubles: tuple[Trouble, ...] = ()

    @property
    def is_skipped(self) -> bool:
        """Whether this step left the weights as they were."""
        return any(each.event == "skipped" for each in self.troubles)

    @property
    def is_rolled_back(self) -> bool:
        """Whether training goes on from an earlier step now."""
        return any(each.event == "rolled_back" for each in self.troubles)


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

    def __init__(self, decoder: AnyDecoder, phase: Phase, work: Work, *, seed: int) -> None:
        context = decoder.config.context
        rows = max(1, (phase.batch_tokens or context) // context)
        order = Order(work.train, context=context, seed=seed)
        self.decoder, self.phase, self.work, self.seed = decoder, phase, work, seed
        self.batches = Batches(order, rows=rows, device=work.device)
        self.micro_rows = max(1, min(rows, (phase.micro_tokens or USEFUL_TOKENS) // context))
        self.steps = steps_of(phase, order.positions_per_epoch, self.batches.tokens)
        self.eval_every = phase.eval_every_steps or max(1, self.steps // 20)
        self.save_every = phase.save_every_steps or self.eval_every
        self.warmup = min(phase.warmup_steps or 0, self.steps // 2)
        decoder.recomputes = phase.recompute == "on"
        self.optimizer = Optimizer(decoder, phase, phase.number_format)
        self.average = Average(self.optimizer, phase, self.steps)
        is_whole = not decoder.recomputes and obstacle(decoder.config) is None
        if phase.compile == "on" and is_whole:
            compile_blocks(decoder)
        self.state = TrainState()
        self.troubles: list[Trouble] = []

    def resume(self) -> int:
        """Take up the newest checkpoint, if there is one; returns the step it stands at.

        The one of step 0 is kept only because it may be the best: training begins anew.
        """
        found = checkpoint.last(self.work.folder)
        if found is not None and found.state.step:
            self._take_up(found)
        return self.state.step

    def _take_up(self, found: checkpoint.Checkpoint) -> None:
        memories = found.moments()
        self.optimizer.load(found.weights(), memories, found.state.updates)
        self.average.load(memories)
        self.state = found.state

    def reports(self) -> Iterator[Report]:
        """Train to the end, or until no look gets better; saves as it goes."""
        self.decoder.train()
        gc.collect()
        gc.freeze()
        try:
            if self.state.step == 0:
                yield self._report(None, 0.0)
                guard.require_sound(self.state, self.phase)
            while not self.state.is_finished:
                start = time.perf_counter()
                stepped = self._step()
                self.state.step += 1
                self._check_weights()
                self.average.update(self.state.step)
                report = self._report(stepped, time.perf_counter() - start)
                yield report
                if guard.is_lost(self.state):
                    yield self._roll_back(report)
        finally:
            gc.unfreeze()

    def _step(self) -> Stepped:
        """One optimiser step, its random stream named by the step; or a skipped one."""
        state, batch = self.state, self.batches[self.state.step]

        def gathered(rows: int) -> Stepped:
            torch.manual_seed(named_seed(self.seed, "dropout", state.step))
            return gather(self.decoder, self.optimizer, batch, rows=rows)

        planned = state.micro_rows or self.micro_rows
        stepped, rows = within_memory(gathered, planned, self.optimizer.forget)
        if rows < planned:
            state.micro_rows = rows
            self._note("smaller_micro_batch", f"memory ended: {rows} rows at a time from now on")
        reason = guard.trouble_with(stepped, state)
        if reason:
            self.optimizer.forget()
            guard.note_skipped(state)
            self._note("skipped", reason)
        else:
            self.optimizer.step(self._share(state.step))
            guard.note_good(stepped, state)
        return stepped

    def _note(self, event: str, message: str) -> None:
        """Note what went wrong in the step that is being made, for its report."""
        rows = self.batches.row_numbers(self.state.step)
        numbers = {"first_row": rows.start, "last_row": rows.stop - 1}
        step, returns = self.state.step + 1, self.state.rollbacks
        self.troubles.append(Trouble(event, step, message, returns, numbers))

    def _check_weights(self) -> None:
        """Before they are looked at or kept, weights must be finite; or else they are lost."""
        step = self.state.step
        is_moment = step % self.eval_every == 0 or step % self.save_every == 0
        if (is_moment or step >= self.steps) and not self.optimizer.is_finite():
            self._lose("a weight is not a finite number")

    def _lose(self, why: str) -> None:
        """Give the weights up for lost."""
        state = self.state
        state.skipped_in_row = guard.IN_A_ROW
        self.troubles.append(Trouble("lost", state.step, why, state.rollbacks))

    def _roll_back(self, last: Report) -> Report:
        """Go on from the last checkpoint before the trouble, at half the rate."""
        lost, rows = self.state, self.batches.row_numbers(self.state.step - 1)
        where = f"step {lost.step}, rows {rows.start} to {rows.stop - 1}, "
        where += f"last checkpoint in {self.work.folder}"
        is_finite = math.isfinite(last.nats + last.gradient_norm)
        guard.require_hope(lost, self.phase, last.troubles[-1].message, where, is_finite=is_finite)
        self._take_up(checkpoint.back_to(self.work.folder, lost.good_step))
        self.state = guard.gone_back(lost, self.state)
        self.troubles.append(guard.returned(lost, self.state))
        return self._said(None, 0.0)

    def _share(self, step: int) -> float:
        schedule = self.phase.schedule or "linear"
        share = multiplier(
            schedule,
            step=step,
            steps=self.steps,
            warmup_steps=self.warmup,
            final=self.phase.final_lr,
            cooldown=self.phase.cooldown,
        )
        return share * guard.rate_share(self.state)

    def _report(self, stepped: Stepped | None, seconds: float) -> Report:
        """Look and save if it is time to, unless the weights are lost; and say what happened."""
        step = self.state.step
        is_last = step >= self.steps
        seen, is_best = None, False
        if (step % self.eval_every == 0 or is_last) and not guard.is_lost(self.state):
            seen = self._look()
            is_best = seen is not None and self._judge(seen)
        is_sound = not guard.is_lost(self.state)
        self.state.is_finished = is_sound and (is_last or self._is_stale())
        if is_sound and (seen or step % self.save_every == 0 or self.state.is_finished):
            self.save()
        return self._said(stepped, seconds, seen, is_best=is_best)

    def _said(
        self,
        stepped: Stepped | None,
        seconds: float,
        seen: Look | None = None,
        *,
        is_best: bool = False,
    ) -> Report:
        """A report of where training stands; it takes the troubles noted so far with it."""
        step, troubles = self.state.step, tuple(self.troubles)
        self.troubles.clear()
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
            troubles=troubles,
        )

    def _look(self) -> Look | None:
        """A look at held-out text; None, and the weights are lost, if it is no number."""
        with self.as_handed_on():
            seen = look(self.decoder, self.work.val, self.phase.eval_tokens, self.work.device)
        if math.isfinite(seen.nats):
            return seen
        self._lose(f"the held-out loss is not a finite number ({seen.nats})")
        return None

    @functools.cached_property
    def bytes_per_token(self) -> float:
        """Bytes of a training token, end-of-text included as a token of none."""
        train = self.work.train
        sizes = [train.byte_counts[part].sum() for part in train.parts]
        return float(sum(sizes)) / max(1, self.batches.order.positions_per_epoch)

    @contextmanager
    def as_handed_on(self) -> Generator[None]:
        """The model with the weights it would be handed on with, for looks and samples."""
        with uncompiled(), self.average.shown():
            yield

    def _judge(self, seen: Look) -> bool:
        """Note a look; raises TrainingError if the model has learnt less than counting words."""
        state = self.state
        state.looks.append({"step": state.step, "nats": seen.nats, "bits": seen.bits_per_byte})
        trusted = max(self.warmup * 2, TRUSTED_STEPS)
        best = min(seen.nats, seen.nats if state.best_nats is None else state.best_nats)
        if state.step >= trusted and best > self.work.unigram_nats:
            raise guard.nothing_learnt(state, self.phase, seen.nats, self.work.unigram_nats)
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
        """Write a checkpoint of this step, unless a weight or a memory is not finite.

        Then what was written before is what training goes on from.
        """
        if not self.optimizer.is_finite():
            return
        if not self.state.skipped_in_row:
            self.state.good_step = self.state.step
        memories = self.optimizer.state() | self.average.state()
        checkpoint.save(self.work.folder, self.state, self.optimizer.weights(), memories)

    def weights(self) -> dict[str, torch.Tensor]:
        """The weights to hand on: the best look's, or the last; averaged, if a phase wants it."""
        if self.phase.keep == "best" and self.state.best_step < self.state.step:
            best = checkpoint.at(self.work.folder, self.state.best_step)
            return averaged(best.weights(), best.moments())
        return self.average.weights()
