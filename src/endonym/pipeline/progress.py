"""The progress of a training: shown, sampled, written to a journal, and stopped on request.

Each line of a journal belongs to a step. Steps that are repeated, after a kill or a rollback to a
checkpoint, are deleted first; but what led to a rollback stays, with the number of rollbacks before
it.
"""

import signal
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from endonym import device
from endonym.cpu_contention import ContentionMonitor
from endonym.device import process_info, signals_to
from endonym.disk import write_atomic
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.log import QUIET, Log, append_jsonl, journal_line, number, read_jsonl
from endonym.pipeline.stage import StageContext
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train.checkpoint import TrainState
from endonym.train.config import SAMPLE_TOKENS, SAMPLES
from endonym.train.inputs import ValidationResult
from endonym.train.loop import Report, Training, as_metrics

Prompt = str | list[int]
DISCARDED = "its weights were discarded; the last checkpoint is kept"


STOPPING = (
    "  stopping: this step is finished and saved first; Ctrl-C again stops at once without it"
)


@contextmanager
def stop_requests(log: Log = QUIET) -> Generator[threading.Event]:
    """Ctrl-C and SIGTERM ask for a stop after the step; a second one stops at once.

    log: says so, as a step may take minutes.

    torchrun passes on a Ctrl-C that its processes also get from the terminal: two within a second
    count as one.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    echo_seconds = 1.0 if process_info().size > 1 else 0.0
    end_of_echo = 0.0

    def request_stop(number: int, frame: Any) -> None:
        nonlocal end_of_echo
        if stop.is_set() and time.monotonic() >= end_of_echo:
            raise KeyboardInterrupt
        end_of_echo = end_of_echo or time.monotonic() + echo_seconds
        if not stop.is_set():
            # A signal may come while this thread writes to the log.
            threading.Thread(target=log.line, args=(STOPPING,), daemon=True).start()
        stop.set()

    with signals_to(request_stop, signal.SIGINT, signal.SIGTERM):
        yield stop
    if stop.is_set():  # Asked for after the last step: what follows training must not run.
        raise KeyboardInterrupt


def note_report(report: Report, state: TrainState, journal: Path, log: Log) -> None:
    """Write a step to the journal; its problems also to the log."""
    if report.is_rolled_back:
        _rewrite(journal, _still_true(journal, state))
    for event in report.events:
        append_jsonl(journal, event.as_dict())
        log.line(f"  step {event.step:>6}  {event.event.replace('_', ' ')}: {event.message}")
    if not report.is_rolled_back:
        append_jsonl(journal, as_metrics(report))


def cut_journal(journal: Path, training: Training) -> None:
    """Delete the lines of steps that will be repeated; add those that a kill left unwritten."""
    state = training.state
    kept = _still_true(journal, state) if state.step else []
    unwritten = [line for line in state.lines if line["step"] == state.step and line not in kept]
    if not any(line["event"] == "step" and line["step"] == state.step for line in kept):
        kept.extend(unwritten)
    _rewrite(journal, kept)


def _still_true(journal: Path, state: TrainState) -> list[dict[str, Any]]:
    """Lines of a journal up to the state's step, and those of problems before its last rollback."""
    return [
        line
        for line in read_jsonl(journal)
        if line.get("step", 0) <= state.step
        or line.get("rollbacks", state.rollbacks) < state.rollbacks
    ]


def _rewrite(journal: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Replace the journal by these lines, at once."""
    write_atomic(journal, b"".join(map(journal_line, lines)))


def run_training(
    training: Training, ctx: StageContext, tokenizer: Tokenizer, prompts: Sequence[Prompt]
) -> None:
    """Train to the end; show, journal and sample the progress.

    Tokens a second are those of training steps, as everywhere: validations, samples and checkpoints
    do not count.
    """
    steps = training.config.steps
    group = training.group
    seconds = 0.0
    tokens = 0
    last_step = training.state.step
    if group.is_first:
        start = {"event": "started", "step": last_step, "versions": device.versions()}
        machine = {"processor": device.processor(), "threads": device.threads()}
        append_jsonl(ctx.journal, {**start, **machine, "processes": group.size})
    sample_every = training.config.validations_per_sample
    contention = ContentionMonitor(training.inputs.device)
    examples = ctx.inputs.get("examples")
    split = "dev" if examples is None or examples.numbers["held_out"] else "what it learns:"
    progress = ctx.log.progress("training", steps, done=last_step)
    with progress as advance, stop_requests(ctx.log) as stop:
        for report in training.reports():
            tokens += training.batches.tokens if report.seconds else 0
            seconds += report.seconds
            pace = f" · {number(tokens / max(1e-9, seconds))} tokens/s" if report.seconds else ""
            if group.is_first:
                note_report(report, training.state, ctx.journal, ctx.log)
                if report.seconds and (warning := contention.warning(report.seconds)):
                    ctx.log.warn(warning, once="busy")
            loss = f"loss {report.nats:.3f}"  # of pairs, which have no bits per byte
            if report.bits_per_byte:
                loss = f"{report.bits_per_byte:.3f} bits/byte"
            note = f"step {report.step} · {loss}{pace}" if pace else ""
            advance(report.step - last_step, note=note)
            last_step = report.step
            if report.validation is not None:
                line = _validation_line(report, report.validation, steps, split=split)
                is_best = report.is_best and report.step > 0 and split == "dev"
                ctx.log.detail(line + pace + " · best" * is_best)
                validations = len(training.state.validations) - 1
                if validations % sample_every == 0 or report.step == steps:
                    _sample(training, tokenizer, prompts, report.step, journal=ctx.journal)
            if ctx.metrics is not None:
                ctx.metrics.update()
            if group.is_any(stop.is_set()) and report.step:
                is_saved = training.save()
                group.wait()
                what = "saved" if is_saved else DISCARDED
                ctx.log.line(f"stopped after step {report.step}, {what} in {ctx.work}")
                raise KeyboardInterrupt


def _validation_line(
    report: Report, validation: ValidationResult, steps: int, *, split: str
) -> str:
    """One validation as a line of the log. steps: of the phase. split: what it has read."""
    step = f"{report.step:>{len(str(steps))}} of {steps}"
    bits = f"{split} {validation.bits_per_byte:.4f} bits/byte"
    if validation.figures:
        figures = " · ".join(f"{name} {value:.3f}" for name, value in validation.figures.items())
        bits = f"{split} loss {validation.nats:.4f} · {figures}"
    return f"  step {step} · epoch {report.epoch:.2f} · {bits}"


def _sample(
    training: Training, tokenizer: Tokenizer, prompts: Sequence[Prompt], step: int, *, journal: Path
) -> None:
    """Continue the prompts with the current weights, and write what comes to the journal."""
    samplings = [Sampling(seed=step * SAMPLES + index) for index in range(len(prompts))]
    with training.for_evaluation():
        decoder = training.whole_decoder()
        if not training.group.is_first:
            return
        model = LanguageModel(decoder, tokenizer)
        texts = model.generate_many(prompts, max_tokens=SAMPLE_TOKENS, samplings=samplings)
    for prompt, pieces in zip(prompts, texts, strict=True):
        if not isinstance(prompt, str):  # the ids of a conversation
            prompt = "".join(text for text, _ in tokenizer.pieces(prompt))
        line = {"event": "sample", "step": step, "prompt": prompt, "text": "".join(pieces)}
        append_jsonl(journal, line)
    training.decoder.train()
