"""Finished runs as a comparison reads them, written by hand: no training."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from artefacts import artefact_of
from made_scores import baselines, score
from toys import toy_config

from endonym.evaluate.documents import documents, save
from endonym.evaluate.score import Measured, scores
from endonym.runs.finished_runs import FinishedRun

SENTENCES = tuple(f"Кояшлы көндә {number} бала су коенырга барган." for number in range(30))


def measured(nats: Sequence[float], texts: Sequence[str]) -> Measured:
    sizes = np.array([len(text.encode("utf-8")) for text in texts])
    return Measured(np.array(nats), sizes, sizes, sizes)


def validations(bits: Sequence[float]) -> list[dict[str, Any]]:
    """A journal of one training: a validation every ten steps of 64 tokens, two seconds each."""
    first: dict[str, Any] = {"event": "started", "step": 0, "processor": "abacus", "threads": 2}
    steps: list[dict[str, Any]] = [
        {
            "event": "step",
            "step": 10 * index,
            "tokens": 640 * index,
            "epoch": index / 2,
            "seconds": 2.0 * bool(index),
            "dev_bits_per_byte": value,
        }
        for index, value in enumerate(bits)
    ]
    sample = {"event": "sample", "step": steps[-1]["step"], "prompt": "", "text": "Таң атты."}
    return [first, {**sample, "step": 0}, *steps, sample]


def contender(
    folder: Path,
    name: str,
    nats: Sequence[float],
    *,
    texts: Sequence[str] = SENTENCES,
    sources: Sequence[str] = (),
    journals: Sequence[list[dict[str, Any]]] = (),
    has_documents: bool = True,
    others: dict[str, Any] | None = None,
) -> FinishedRun:
    """A run that needed so many nats for each text.

    sources: of each text, if there are several. others: changes to its baselines.
    """
    run_folder = folder / name
    for part in ("model", "evaluation"):
        (run_folder / part).mkdir(parents=True)
    shape = json.dumps(toy_config().model_dump())
    (run_folder / "model" / "config.json").write_text(shape, encoding="utf-8")
    found = measured(nats, texts)
    lines = scores(found, model="model", source=None, split="test")
    lines += [*baselines(**(others or {})), score("model", 9.0, source="tatar")]
    names = list(sources) or ["tatar"] * len(texts)
    if sources:
        lines += scores(
            found, sources=np.array(names), is_mean=True, model="model", source=None, split="test"
        )
    text = json.dumps([asdict(each) for each in lines])
    (run_folder / "evaluation" / "scores.json").write_text(text, encoding="utf-8")
    if has_documents:
        save(run_folder / "evaluation", documents(texts, names, found))
    numbers = {"tokens": 1280, "epochs": 1.0, "steps": 20, "kept_step": 10}
    all_journals = list(journals) or [validations([3.0, 2.0, 1.5])]
    manifest = {
        "numbers": numbers,
        "config": {"phase": {"name": name, "lr": 0.006}, "seed": 42},
        "inputs": {},
    }
    models = [artefact_of(run_folder / "model", **manifest) for _ in all_journals]
    judged = artefact_of(run_folder / "evaluation")
    return FinishedRun(name, run_folder, models, all_journals, judged, [judged])
