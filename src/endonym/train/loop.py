"""The training loop of a phase, as an iterator of reports, and what they say."""

import gc
import math
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import torch

from endonym.disk import Json
from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.weights import weights_of
from endonym.model.lora import HELD, attach, changes_with
from endonym.model.weights import decoder_with
from endonym.seed import named_seed
from endonym.train import checkpoint, loss_guard
from endonym.train import compile as compiler
from endonym.train.averaging import Average, averaged
from endonym.train.checkpoint import Checkpoint, TrainState
from endonym.train.config import TrainConfig
from endonym.train.distributed import ALONE, Group, Tensors
from endonym.train.inputs import PhaseInputs, ValidationResult
from endonym.train.loss_guard import TrainingEvent
from endonym.train.optimizer import Optimizer
from endonym.train.schedule import kept_steps, lr_scale, saves_at, validates_at
from endonym.train.step import Stepped, take_step

FIRST_SAVE_SECONDS = 120.0
SAVE_SECONDS = 900.0
"""A checkpoint is also saved when a training that began or resumed has run for so long, and when
the last one is so old: steps may take far longer than was expected."""


@dataclass(frozen=True, slots=True)
class Report:
    """One step, and its validation if there was one.

    step: optimizer steps done. tokens: training tokens read. read: the same by source of the
    corpus. seconds: spent on this step.
    events: problems in this step. A rollback's report has the checkpoint's step and no seconds.
    """

    step: int
    tokens: int
    epoch: float
    nats: float
    bits_per_byte: float
    lr: float
    gradient_norm: float
    seconds: float
    validation: ValidationResult | None = None
    is_best: bool = False
    events: tuple[TrainingEvent, ...] = ()
    read: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_skipped(self) -> bool:
        """Whether this step did not change the weights."""
        return any(event.event == "skipped" for event in self.events)

    @property
    def is_rolled_back(self) -> bool:
        """Whether training goes back to an earlier step."""
        return any(event.event == "rolled_back" for event in self.events)


def as_metrics(report: Report) -> Json:
    """A report as one flat object, with units in the keys."""
    flat: Json = {"event": "step", "step": report.step, "tokens": report.tokens}
    flat |= {"epoch": round(report.epoch, 5), "seconds": round(report.seconds, 5)}
    flat["lr"] = report.lr
    if len(report.read) > 1:
        flat |= {f"read_tokens/{name}": count for name, count in report.read.items()}
    if report.seconds:
        flat["train_nats"] = report.nats
        if report.bits_per_byte:  # the loss of pairs is not one of bytes
            flat["train_bits_per_byte"] = report.bits_per_byte
        flat["gradient_norm"] = report.gradient_norm
    if report.is_skipped:
        flat = {k: v for k, v in flat.items() if k == "event" or math.isfinite(v)}
    if (dev := report.validation) is not None:
        flat |= {"dev_nats": dev.nats, "dev_bits_per_byte": dev.bits_per_byte}
        flat |= {f"dev_bits_per_byte/{source}": bits for source, bits in dev.sources.items()}
        flat |= {f"dev_{name}": value for name, value in dev.figures.items()}
    return flat


def journal_lines(report: Report) -> list[Json]:
    """The lines of a step in the journal, without its clock: its problems and its metrics."""
    metrics = {key: value for key, value in as_metrics(report).items() if key != "seconds"}
    return [*(event.as_dict() for event in report.events), metrics]


class Training:
    """The state of a phase between steps. Iterate over `reports()` to train, then call `weights()`.

    In a group each process computes its share of every batch, and the first process writes.
    """

    def __init__(
        self,
        decoder: AnyDecoder,
        config: TrainConfig,
        inputs: PhaseInputs,
        *,
        seed: int,
        group: Group = ALONE,
    ) -> None:
        execution = config.execution
        context = config.row_tokens(decoder.config.context)
        self.decoder = decoder
        self.config = config
        self.inputs = inputs
        self.seed = seed
        self.group = group
        self.batches = inputs.batches(config, context, seed)
        most_rows = -(-self.batches.rows // group.size)
        self.micro_rows = max(1, min(most_rows, execution.micro_tokens // context))
        decoder.checkpointed_blocks = execution.recompute
        if execution.shard != "none" and group.size > 1:
            from endonym.train.sharding import shard  # takes a second to import

            shard(decoder, config, group)
        self.optimizer = Optimizer(decoder, config)
        self.average = Average(self.optimizer, config)
        unsupported = compiler.phase_unsupported_reason(
            decoder.config, execution, inputs.device, group.size
        )
        if execution.compile and unsupported is None:
            compiler.compile_blocks(decoder)
        self.kept_steps = frozenset(kept_steps(config))
        self.state = TrainState()
        self.events = list[TrainingEvent]()
        self._save_due = float("inf")

    def resume(self, saved: Checkpoint | None = None) -> int:
        """Load this checkpoint, or else the newest one in the folder; returns its step.

        A checkpoint of step 0 is not loaded: it is kept only because it may be the best one.
        """
        if saved is None and self.group.is_first:
            saved = checkpoint.last(self.inputs.folder)
        if self.group.broadcast(saved.state.step if saved else 0):
            self._restore(saved)
        return self.state.step

    def _restore(self, saved: Checkpoint | None) -> None:
        """Load a checkpoint on every process. saved: the checkpoint, on the first one alone."""
        step = self.group.broadcast(saved.state.step if saved else None)
        saved = saved or checkpoint.at(self.inputs.folder, step)
        optimizer_state = saved.optimizer_state()
        self.optimizer.load(saved.weights(), optimizer_state, saved.state.updates)
        self.average.load(optimizer_state)
        self.state = saved.state

    def reports(self) -> Iterator[Report]:
        """Train to the end or until early stopping, and save checkpoints."""
        self.decoder.train()
        self._save_due = time.monotonic() + FIRST_SAVE_SECONDS
        freezes = not gc.get_freeze_count()  # A program around this one may have done so itself.
        if freezes:
            gc.collect()
            gc.freeze()  # The collector would walk through all of torch's objects again and again.
        try:
            if self.state.step == 0:
                yield self._finish_step(None, 0.0)
                loss_guard.require_sound(self.state, self.config)
            while not self.state.is_finished:
                start = time.perf_counter()
                stepped = self._step()
                self.state.step += 1
                step = self.state.step
                is_used = validates_at(self.config, step) or saves_at(self.config, step)
                if (is_used or step in self.kept_steps) and not self._is_finite():
                    why = "a weight is not a finite number"
                    self.events.append(loss_guard.lost(self.state, why))
                self.average.update(step)
                report = self._finish_step(stepped, time.perf_counter() - start)
                yield report
                if loss_guard.is_lost(self.state):
                    yield self._roll_back(report)
        finally:
            if freezes:
                gc.unfreeze()

    @compiler.explained_errors()
    def _step(self) -> Stepped:
        """One optimizer step, or a skipped one; all processes decide alike."""
        state = self.state
        group = self.group
        micro_rows = state.micro_rows or self.micro_rows
        batch = self.batches.part(state.step, group.share(self.batches.rows))
        stepped = take_step(
            self.optimizer,
            batch,
            lr_scale=self._lr_scale(state.step),
            rows=micro_rows,
            group=group,
            teach=self.inputs.teach,
            refuses=lambda stepped: loss_guard.reason_to_skip(stepped, state),
            seed=self._seed_dropout,
        )
        names = sorted(batch.read)
        if names:  # the tokens of this step on all processes
            counts = torch.tensor([batch.read[name] for name in names], dtype=torch.float64)
            for name, count in zip(names, group.total(counts).tolist(), strict=True):
                state.read[name] = state.read.get(name, 0) + int(count)
        if stepped.rows < micro_rows:
            state.micro_rows = stepped.rows
            text = f"out of memory: {stepped.rows} rows at a time from now on"
            self._note("smaller_micro_batch", text)
        if stepped.refused:
            state.skipped += 1
            state.skipped_in_row += 1
            self._note("skipped", stepped.refused)
        else:
            loss_guard.note_good(stepped, state)
        return stepped

    def _seed_dropout(self) -> None:
        """Seed dropout by the number of the step."""
        seed = named_seed(self.seed, "dropout", self.state.step, *self.group.stream())
        # `torch.manual_seed` notes the call stack for each kind of GPU that is not in use.
        (torch.default_generator if self.inputs.device == "cpu" else torch).manual_seed(seed)

    def _note(self, event: str, message: str) -> None:
        """Add an event of the current step to its report."""
        rows = self.batches.row_numbers(self.state.step)
        numbers = {"first_row": rows.start, "last_row": rows.stop - 1}
        step = self.state.step + 1
        self.events.append(TrainingEvent(event, step, message, self.state.rollbacks, numbers))

    def _is_finite(self) -> bool:
        """Whether weights and optimizer state are finite on every process."""
        return not self.group.is_any(not self.optimizer.is_finite())

    def _roll_back(self, report: Report) -> Report:
        """Go back to the last good checkpoint, with half the learning rate.

        report: of the step after which the weights are lost.
        """
        lost = self.state
        rows = self.batches.row_numbers(self.state.step - 1)
        where = f"step {lost.step}, rows {rows.start} to {rows.stop - 1}, "
        where += f"last checkpoint in {self.inputs.folder}"
        why = report.events[-1].message
        is_finite = math.isfinite(report.nats + report.gradient_norm)
        loss_guard.require_hope(lost, self.config, why, where, is_finite=is_finite)
        is_first = self.group.is_first
        self._restore(checkpoint.back_to(self.inputs.folder, lost.good_step) if is_first else None)
        self.state.rollbacks = lost.rollbacks + 1
        self.state.micro_rows = lost.micro_rows
        self.events.append(loss_guard.returned(lost, self.state))
        return self._report(None, 0.0)

    def _lr_scale(self, step: int) -> float:
        """The learning rate of a step, as a share of its peak."""
        return lr_scale(self.config, step) * loss_guard.rollback_lr_scale(self.state)

    def _finish_step(self, stepped: Stepped | None, seconds: float) -> Report:
        """Validate and save if due, unless the weights are lost; returns the step's report."""
        state = self.state
        config = self.config
        inputs = self.inputs
        validation = None
        if validates_at(config, state.step) and not loss_guard.is_lost(state):
            with self.for_evaluation():
                validation = inputs.validate(self.decoder, config, self.group)
            if math.isfinite(validation.nats):
                state.note_validation(validation.nats, validation.bits_per_byte)
                loss_guard.require_learning(state, config, inputs.unigram_nats)
            else:
                why = f"the dev loss is not a finite number ({validation.nats})"
                self.events.append(loss_guard.lost(state, why))
                validation = None
        if not loss_guard.is_lost(state):
            is_stale = 0 < config.patience <= state.validations_since_best
            state.is_finished = state.step >= config.steps or is_stale
            if state.step in self.kept_steps:  # before the checkpoint, which no kill may precede
                learnt = self.group.gather(self.average.weights())
                if self.group.is_first:
                    whole = weights_of(self.decoder) | learnt
                    checkpoint.keep_weights(inputs.folder, state.step, whole)
        report = self._report(stepped, seconds, validation)
        is_planned = bool(validation or state.is_finished or saves_at(config, state.step))
        is_due = self.group.is_any(is_planned or time.monotonic() >= self._save_due)
        if is_due and not loss_guard.is_lost(state):
            state.lines = journal_lines(report)
            self.save(is_planned=is_planned)
            if state.step:
                self._save_due = time.monotonic() + SAVE_SECONDS
        return report

    def _report(
        self, stepped: Stepped | None, seconds: float, validation: ValidationResult | None = None
    ) -> Report:
        """The report of the current step; it takes all events noted so far."""
        step = self.state.step
        events = tuple(self.events)
        self.events.clear()
        nats = stepped.nats if stepped else float("nan")
        return Report(
            step=step,
            tokens=step * self.batches.tokens,
            epoch=self.batches.epochs(step),
            nats=nats,
            bits_per_byte=nats / math.log(2) / self.batches.bytes_per_position,
            lr=self.config.lr * self._lr_scale(max(0, step - 1)),
            gradient_norm=stepped.gradient_norm if stepped else float("nan"),
            seconds=seconds,
            validation=validation,
            is_best=validation is not None and self.state.best_step == step,
            events=events,
            read=dict(self.state.read),
        )

    def save(self, *, is_planned: bool = False) -> bool:
        """Write a checkpoint, unless the weights are lost or not finite; returns whether it did.

        is_planned: whether every run of this training saves this step. Only to such a checkpoint a
        rollback returns: when others are saved depends on the clock and on the user.
        """
        if loss_guard.is_lost(self.state) or not self._is_finite():
            return False
        if is_planned and not self.state.skipped_in_row:
            self.state.good_step = self.state.step
        folder = self.inputs.folder
        weights = self.optimizer.weights()
        optimizer_state = self.optimizer.state() | self.average.state()
        shards_of = self.group if self.optimizer.is_sharded else None
        if shards_of or self.group.is_first:
            checkpoint.save(folder, self.state, weights, optimizer_state, shards_of=shards_of)
        return True

    @contextmanager
    def for_evaluation(self) -> Generator[None]:
        """The uncompiled model with the averaged weights, for validation and samples."""
        is_compiled = self.config.execution.compile
        with compiler.uncompiled() if is_compiled else nullcontext(), self.average.shown():
            yield

    def whole_decoder(self) -> AnyDecoder:
        """A decoder that the first process can use alone; every process must call this."""
        if not self.optimizer.is_sharded:
            return self.decoder
        shards = {name: each.detach() for name, each in self.decoder.named_parameters()}
        weights = self.group.gather(shards)
        if not self.group.is_first:
            return self.decoder
        assert isinstance(self.decoder, Decoder)
        own = {name: each for name, each in weights.items() if f".{HELD}." not in name}
        whole = decoder_with(self.decoder.config, own, self.inputs.folder)
        if len(own) < len(weights):
            attach(whole, changes_with(self.decoder, weights))
        return whole

    def weights(self) -> Tensors:
        """The final weights: of the best validation or the last step, averaged if asked for.

        Only those that were trained: of a model with adapters those of the adapters.
        Every process must call this; of sharded weights only the first process gets them.
        """
        if self.config.keep != "best" or self.state.best_step == self.state.step:
            return self.group.gather(self.average.weights())
        if not self.group.is_first:
            return {}
        best = checkpoint.at(self.inputs.folder, self.state.best_step)
        return averaged(best.weights(), best.optimizer_state())
