"""The model stage: a phase of training with its pre-flight, its journal and its samples."""

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from torch import Tensor

from endonym import device
from endonym.data.baselines import count
from endonym.data.shards import TokenShards
from endonym.disk import write_atomic, write_json
from endonym.evaluate.bits import baseline_scores, held_out
from endonym.evaluate.score import Score, find
from endonym.export.shapes import row_of
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.log import Log, append_jsonl, duration, number, read_jsonl
from endonym.model.config import ModelConfig
from endonym.model.count import parameters
from endonym.model.families import resolve
from endonym.model.folder import read_shape
from endonym.model.foreign import AnyDecoder
from endonym.model.foreign_weights import load_any, weights_of
from endonym.model.init import new_decoder
from endonym.model.weights import save_tensors
from endonym.recipe.recipe import Recipe
from endonym.run.models import begin
from endonym.run.stopping import stop_requests
from endonym.run.work import Inputs, Numbers, read_json
from endonym.store import Making
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train import checkpoint
from endonym.train.config import Phase
from endonym.train.distributed import ALONE, Group
from endonym.train.loop import Report, Training, Work
from endonym.train.preflight import learn_by_heart

WEIGHTS = "weights.safetensors"
SAMPLE_TOKENS = 60
SAMPLES = 5
LINES = 20


def train_model(
    recipe: Recipe,
    phase: Phase,
    making: Making,
    inputs: Inputs,
    log: Log,
    group: Group = ALONE,
) -> Numbers:
    """Train a phase from scratch or from another's weights, or take up where a kill left it.

    Of a group, the first process alone writes, tries and speaks; the others only train.
    """
    device.use_threads()
    reader = Tokenizer.load(inputs["tokenizer"].folder / "tokenizer.json")
    folder = inputs["shards"].folder
    train, val = TokenShards(folder, "train"), TokenShards(folder, "val")
    context = recipe.pack.context
    assert context is not None, "the context is settled before any model is planned"
    lines = group.tell(baseline_lines(train, val, reader) if group.is_first else None)
    work = Work(train, val, making.work, lines["unigram"].value, device.pick(making.device))
    begin_ = partial(_start, recipe, context, reader.vocab, inputs)
    decoder = begin_().to(work.device)
    if recipe.export and isinstance(decoder.config, ModelConfig):
        row_of(decoder.config)  # Hours of training would end in a refusal.
    training = Training(decoder, phase, work, seed=recipe.seed, group=group)
    is_resumed = training.resume() > 0
    if group.is_first:
        _cut_journal(making.journal, training)
        _announce(training, lines, log)
        if is_resumed:
            log.line(f"  goes on from step {number(training.state.step)}")
        else:
            _preflight(training, begin_, log)
    _run(training, making, reader, _prompts(recipe), log)
    learnt = training.weights()
    return _keep(training, learnt, reader, making) if group.is_first else {}


def baseline_lines(train: TokenShards, val: TokenShards, reader: Tokenizer) -> dict[str, Score]:
    """Uniform, unigram and bigram nats a token of the held-out text."""
    found = baseline_scores(count(train), held_out(val, reader), split="val")
    names = ("uniform", "unigram", "bigram")
    lines = {n: find(found, metric="nats_per_token", model=n, source=None) for n in names}
    return {name: line for name, line in lines.items() if line is not None}


def _start(recipe: Recipe, context: int, vocab: int, inputs: Inputs) -> AnyDecoder:
    """The decoder to begin with: an earlier phase's, a folder's, or a new one."""
    if "start" in inputs:
        folder = inputs["start"].folder
        return load_any(read_shape(read_json(folder / "config.json")), folder / WEIGHTS)
    if recipe.model_folder is not None:
        return begin(recipe.model_folder, context)
    return new_decoder(resolve(recipe.model, vocab=vocab, context=context), recipe.seed)


def _announce(training: Training, lines: dict[str, Score], log: Log) -> None:
    shape, batches = training.decoder.config, training.batches
    total = parameters(shape).total
    log.line(
        f"  {shape.family} · {shape.layers} layers × {shape.dim} · {number(total)} parameters · "
        f"{training.phase.number_format}{_spread(training)}"
    )
    log.line(
        f"  {number(training.steps)} steps × {number(batches.tokens)} tokens = "
        f"{batches.epochs(training.steps):.1f} passes over "
        f"{number(batches.order.positions_per_epoch)} tokens"
    )
    guesses = " · ".join(f"{name} {line.value:.2f}" for name, line in lines.items())
    log.line(f"  held-out nats a token without learning: {guesses}")


def _spread(training: Training) -> str:
    """Over how many processes, and what of it is in shards."""
    if training.group.size == 1:
        return ""
    shards = f", {training.phase.shard} in shards" if training.is_sharded else ""
    return f" · {training.group.size} processes{shards}"


def _preflight(training: Training, begin_: Callable[[], AnyDecoder], log: Log) -> None:
    """Room on the disk, and one batch learnt by heart."""
    count_ = parameters(training.decoder.config).total
    saves = max(1, training.steps // training.save_every)
    checkpoint.check_room(training.work.folder, count_, saves)
    twin = begin_().to(training.work.device)
    before, after = learn_by_heart(twin, training.batches[0], training.phase)
    log.line(f"  pre-flight: one batch learnt by heart, {before:.2f} → {after:.2f} nats")


def _run(
    training: Training, making: Making, reader: Tokenizer, prompts: list[str], log: Log
) -> None:
    """Train to the end; show, journal and sample what the loop reports."""
    left = training.steps - training.state.step
    started, seen = time.perf_counter(), 0
    group = training.group
    if group.is_first:
        note = {"event": "started", "step": training.state.step, "versions": device.versions()}
        where = {"processor": device.processor(), "threads": device.threads()}
        append_jsonl(making.journal, {**note, **where, "processes": group.size})
    sample_every = max(1, training.steps // training.eval_every // SAMPLES)
    with log.progress("training", left, "") as advance, stop_requests() as stop:
        for report in training.reports():
            seen += training.batches.tokens if report.seconds else 0
            speed = seen / max(1e-9, time.perf_counter() - started)
            if group.is_first:
                append_jsonl(making.journal, as_metrics(report))
            advance(1 if report.seconds else 0, note=_short(report, speed))
            if report.look is not None:
                log.line(_line(report, speed))
                looks = len(training.state.looks) - 1
                if looks % sample_every == 0 or report.step == training.steps:
                    _sample(training, reader, prompts, report.step, making.journal)
            if group.is_any(stop.is_set()) and report.step:
                _save_and_stop(training, report.step, log)


def _save_and_stop(training: Training, step: int, log: Log) -> NoReturn:
    """Keep what was learnt so far, and say so."""
    training.save()
    training.group.wait()
    log.line(f"stopped after step {step}, saved in {training.work.folder}")
    raise KeyboardInterrupt


def as_metrics(report: Report) -> dict[str, Any]:
    """A report as one flat object, unit in the key."""
    flat: dict[str, Any] = {
        "event": "step",
        "step": report.step,
        "tokens": report.tokens,
        "epoch": round(report.epoch, 5),
        "seconds": round(report.seconds, 5),
        "lr": report.lr,
    }
    if report.seconds:
        flat |= {"train_nats": report.nats, "train_bits_per_byte": report.bits_per_byte}
        flat["gradient_norm"] = report.gradient_norm
    if report.look is not None:
        flat |= {"val_nats": report.look.nats, "val_bits_per_byte": report.look.bits_per_byte}
        flat |= {f"val_bits_per_byte/{k}": v for k, v in report.look.sources.items()}
    return flat


def _short(report: Report, speed: float) -> str:
    if not report.seconds:
        return ""
    return f"step {report.step} · {report.bits_per_byte:.3f} bits/byte · {number(speed)} tokens/s"


def _line(report: Report, speed: float) -> str:
    """One look at held-out text, as a person reads it."""
    assert report.look is not None
    mark = "  best so far" if report.is_best and report.step else ""
    pace = f"{number(speed):>7} tokens/s" if report.seconds else ""
    return (
        f"  step {report.step:>6} of {report.steps} · epoch {report.epoch:5.2f} · held-out "
        f"{report.look.nats:.3f} nats · {report.look.bits_per_byte:.4f} bits/byte {pace}{mark}"
    )


def _sample(
    training: Training, reader: Tokenizer, prompts: list[str], step: int, journal: Path
) -> None:
    """What the model would write at this step."""
    decoder = training.reader()
    if not training.group.is_first:
        return
    model = LanguageModel(decoder, reader)
    samplings = [Sampling(seed=step * SAMPLES + place) for place in range(len(prompts))]
    made = model.generate_many(prompts, max_tokens=SAMPLE_TOKENS, samplings=samplings)
    for prompt, each in zip(prompts, made, strict=True):
        line = {"event": "sample", "step": step, "prompt": prompt, "text": "".join(each)}
        append_jsonl(journal, line)
    training.decoder.train()


def _prompts(recipe: Recipe) -> list[str]:
    """The first prompts of the recipe, or the empty one: the start of any document."""
    for asked in recipe.evaluate:
        for path in asked.files(recipe.folder) if asked.kind == "prompts" else []:
            lines = path.read_text(encoding="utf-8").splitlines()
            return [line for line in lines if line.strip()][:2]
    return [""]


def _cut_journal(journal: Path, training: Training) -> None:
    """Leave out what will be done again; put in the look that a kill left unwritten."""
    step = training.state.step
    kept = [line for line in read_jsonl(journal) if line.get("step", 0) <= step and step]
    written = {line["step"] for line in kept if line["event"] == "step"}
    for seen in training.state.looks:
        if seen["step"] == step and step not in written:
            tokens, epoch = step * training.batches.tokens, training.batches.epochs(step)
            line = {"event": "step", "step": step, "tokens": tokens, "epoch": round(epoch, 5)}
            kept.append({**line, "val_nats": seen["nats"], "val_bits_per_byte": seen["bits"]})
    text = "".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in kept)
    write_atomic(journal, text.encode("utf-8"))


def _keep(
    training: Training, learnt: dict[str, Tensor], reader: Tokenizer, making: Making
) -> Numbers:
    """Write the model as it is handed on."""
    shape = training.decoder.config
    kept = weights_of(training.decoder) | learnt
    save_tensors({name: each.cpu() for name, each in kept.items()}, making.out / WEIGHTS)
    write_json(making.out / "config.json", shape.model_dump())
    reader.save(making.out)
    state = training.state
    best = state.best_step if training.phase.keep == "best" else state.step
    write_json(making.out / "looks.json", state.looks)
    return {
        "parameters": parameters(shape).total,
        "steps": state.step,
        "kept_step": best,
        "tokens": state.step * training.batches.tokens,
        "epochs": training.batches.epochs(state.step),
        "unique_tokens": int(training.batches.order.positions_per_epoch),
        "best_nats": _rounded(state.best_nats),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(np.round(value, 6))


def spent(journal: Path) -> str:
    """How long the steps of a journal took."""
    return duration(sum(line.get("seconds", 0.0) for line in read_jsonl(journal)))
