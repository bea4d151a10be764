"""Fine-tuning on probes: it learns, seeds differ, and the model that was given stays as it is."""

from collections import Counter

import numpy as np
import pytest
import torch
from serving import toy_language_model
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.evaluate import fine_tuning
from endonym.evaluate.fine_tuning import fine_tuned, n_trainings, steps_of, train
from endonym.evaluate.probe_file import Example, Probe
from endonym.evaluate.probes import Answers, accuracy, pearson

LANGUAGES = {"tt": TATAR, "km": KHMER, "ro": ROMANIAN, "fr": FRENCH}


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few examples make many steps, and large ones: the model has learnt nothing before."""
    monkeypatch.setattr(fine_tuning, "BATCH", 8)
    monkeypatch.setattr(fine_tuning, "RATES", (1e-3, 4e-3))


def languages() -> Probe:
    """Which language it is: words of each, in other orders."""
    random = np.random.default_rng(0)

    def part(count: int) -> list[Example]:
        made = list[Example]()
        for n in range(count):
            name = [*LANGUAGES][n % 4]
            words = " ".join(LANGUAGES[name]).split()
            made.append(Example((" ".join(random.permutation(words)[:4]),), name))
        return made

    return Probe({"train": part(96), "dev": part(40), "test": part(40)}, [], [])


def similarities() -> Probe:
    """Two texts are alike if they are of one language."""
    texts = {split: [e.texts[0] for e in part] for split, part in languages().parts.items()}
    parts = {}
    for split, found in texts.items():
        pairs = [(a, b) for n, a in enumerate(found) for b in found[n % 3 :: 7]]
        of = {text: n % 4 for n, text in enumerate(found)}
        parts[split] = [Example(pair, 5.0 * (of[pair[0]] == of[pair[1]])) for pair in pairs][:120]
    return Probe(parts, [], [])


def test_labels_are_learnt_under_three_seeds_with_choices_on_dev() -> None:
    model, probe = toy_language_model(), languages()
    before = {name: each.clone() for name, each in model.decoder.state_dict().items()}
    steps, answers = Counter[str](), Answers(probe)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    found = fine_tuned(model, probe, answers, lambda n: steps.update({"done": n}))
    assert torch.rand(1) == expected, "it leaves the random numbers of others alone"
    assert len(found.runs) == 3
    assert all(accuracy(answers.of["test"], run) >= 0.8 for run in found.runs)
    assert found.chosen.startswith("lr = ")
    epochs, each = steps_of(probe)
    assert steps["done"] == n_trainings() * epochs * each
    assert all(torch.equal(before[k], v) for k, v in model.decoder.state_dict().items())
    assert not model.decoder.training


def test_similarities_are_learnt_by_the_cosine_of_both_texts() -> None:
    model, probe = toy_language_model(), similarities()
    answers = Answers(probe)
    found = train(model, probe, answers, lambda n: None, rate=4e-3, seed=0)
    assert pearson(answers.of["test"], found.predicted) > 0.7
    assert np.abs(found.predicted).max() <= 1 + 1e-5


def test_a_seed_repeats_a_training_and_another_one_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fine_tuning, "MOST_EPOCHS", 2)
    model, probe = toy_language_model(), similarities()
    answers = Answers(probe)
    first, again, other = (
        train(model, probe, answers, lambda n: None, rate=3e-4, seed=seed) for seed in (0, 0, 1)
    )
    assert (first.on_dev, first.epoch) == (again.on_dev, again.epoch)
    assert np.array_equal(first.predicted, again.predicted)
    assert not np.array_equal(first.predicted, other.predicted)


def test_the_epoch_that_is_best_on_dev_predicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test examples never choose: dev figures are given here, the best one in the second epoch."""
    figures, asked = iter([0.2, 0.6, 0.6, 0.5, 0.6]), list[int]()
    answers, probe = Answers(languages()), languages()
    monkeypatch.setattr(
        answers, "on_dev", lambda predicted: asked.append(len(predicted)) or next(figures)
    )
    found = train(toy_language_model(), probe, answers, lambda n: None, rate=3e-4, seed=0)
    assert (found.epoch, found.on_dev) == (2, 0.6)
    assert len(asked) == 2 + fine_tuning.PATIENCE
    assert set(asked) == {40}
