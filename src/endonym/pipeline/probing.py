"""Scores of a probe: of a model here, or of one that a server answers with."""

from typing import NamedTuple

import numpy as np

from endonym.evaluate.fine_tuning import fine_tuned, n_trainings, steps_of
from endonym.evaluate.probe_endpoint import served_features
from endonym.evaluate.probe_file import WORDS, Probe
from endonym.evaluate.probes import (
    Answers,
    Array,
    ProbeScore,
    baselines,
    frozen,
    probe_scores,
    require_scikit_learn,
)
from endonym.generate.language_model import LanguageModel
from endonym.log import Log, counted

TEXTS_AT_ONCE = 512


class Served(NamedTuple):
    """A model on a server with OpenAI's API. address: up to /v1. name: the model's, there."""

    address: str
    name: str
    key: str = ""


def score_probe(
    model: LanguageModel | Served,
    probe: Probe,
    *,
    task: str,
    log: Log,
    fine_tune: bool = False,
    with_baselines: bool = True,
) -> list[ProbeScore]:
    """The scores of a probe; says how its examples are divided, and what is left out.

    task: said as their split. fine_tune: also train the model, which is one here then.
    with_baselines: also score what knows nothing of the language. Raises SourceError if too few
    texts have a token, MissingLibrary without scikit-learn.
    """
    require_scikit_learn()
    for note in probe.notes:
        log.line(f"{task}: {note}")
    for warning in probe.warnings:
        log.warn(f"{task}: {warning}")
    texts = probe.texts
    # The features of texts, (texts, D), with a progress bar; NaN of a text without a token.
    with log.progress(f"reading {task}", len(texts)) as advance:
        if isinstance(model, Served):
            found, n_cut = served_features(model.address, model.name, texts, advance, key=model.key)
        else:
            n_cut = sum(model.opened(text)[1] for text in texts)
            parts = list[Array]()
            for first in range(0, len(texts), TEXTS_AT_ONCE):
                parts.append(model.embed(texts[first : first + TEXTS_AT_ONCE]))
                advance(len(parts[-1]))
            found = np.concatenate(parts)
    if n_cut:
        log.line(f"{task}: {WORDS['cut'].format(found=counted(n_cut, 'text'))}")
    if lost := [texts[n] for n in np.flatnonzero(np.isnan(found[:, 0]))]:
        log.warn(f"{task}: {WORDS['no_tokens'].format(found=counted(len(lost), 'text'))}")
        probe = probe.without(lost, task)
    answers = Answers(probe)
    features = dict(zip(texts, found, strict=True))
    predicted = [*baselines(probe, answers)] if with_baselines else []
    predicted += frozen(probe, features, answers)
    if fine_tune:
        assert isinstance(model, LanguageModel), "a server's model is not trained"
        epochs, steps = steps_of(probe)
        with log.progress(f"fine-tuning on {task}", n_trainings() * epochs * steps) as advance:
            predicted.append(fine_tuned(model, probe, answers, advance))
    return probe_scores(probe, predicted, answers, task=task)
