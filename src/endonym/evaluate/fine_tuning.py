"""Fine-tuning a decoder on a probe: with a linear head on its mean states for labels; as a
bi-encoder whose cosine of two texts approaches their score (Reimers and Gurevych,
arXiv:1908.10084).
"""

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy, mse_loss

from endonym.evaluate.probe_file import Example, Probe
from endonym.evaluate.probes import Answers, Array, Predicted
from endonym.generate.language_model import LanguageModel
from endonym.generate.reading import mean_states

RATES = (1e-4, 3e-4, 1e-3)
"""Peaks of the learning rate; tried with the first seed."""
SEEDS = (0, 1, 2)
MOST_EPOCHS = 10
MOST_EXAMPLES = 20_000
"""Passes over train, and examples read in all, of one training."""
PATIENCE = 3
"""Epochs without a better dev figure, after which a training ends."""
BATCH = 32
LONGEST = 256
POOL = 8
"""Examples of a step; tokens of a text that are read, with the one that opens it; batches that are
drawn together."""
WARMUP = 0.1
WEIGHT_DECAY = 0.01
CLIP = 1.0
Ids = list[int]


class Trained(NamedTuple):
    """The best epoch of a training on dev, its figure there, and what it predicts of test."""

    on_dev: float
    epoch: int
    predicted: Array


class Tuned(nn.Module):
    """A copy of a decoder: with a head of `classes`, or of none, for the cosine of two texts."""

    def __init__(self, model: LanguageModel, classes: int) -> None:
        super().__init__()
        self.decoder = copy.deepcopy(model.decoder).float().requires_grad_(True)
        self.head = None
        self.before = len(model.tokenizer.before)
        if classes:
            self.head = nn.Linear(model.decoder.config.dim, classes)
            self.head.to(model.decoder.readout.weight_VD.device)

    def forward(self, sides: Sequence[Sequence[Ids]]) -> Tensor:
        """Logits (B, classes), or cosines (B,). sides: the rows of the first texts, and second."""
        first, *second = [mean_states(self.decoder, rows, self.before) for rows in sides]
        return cosine_similarity(first, second[0]) if self.head is None else self.head(first)


def steps_of(probe: Probe) -> tuple[int, int]:
    """The most epochs of a training, and the steps of each."""
    size = len(probe.parts["train"])
    return max(1, min(MOST_EPOCHS, MOST_EXAMPLES // size)), math.ceil(size / BATCH)


def n_trainings() -> int:
    """How many times the model is trained: with each rate, and with the best under each seed."""
    return len(RATES) + len(SEEDS) - 1


def fine_tuned(
    model: LanguageModel, probe: Probe, answers: Answers, advance: Callable[[int], None]
) -> Predicted:
    """What the model predicts under each seed after training, by the epoch that is best on dev.

    The learning rate is chosen on dev with the first seed. advance: called with each step, and
    those that were left out, `n_trainings` times epochs times steps together.
    """
    first, *others = SEEDS
    trained_by = partial(train, model, probe, answers, advance)
    tried = [(trained_by(rate=rate, seed=first), rate) for rate in RATES]
    best, rate = max(tried, key=lambda each: each[0].on_dev)
    trained = [best, *(trained_by(rate=rate, seed=seed) for seed in others)]
    epochs = ", ".join(str(each.epoch) for each in trained)
    chosen = f"lr = {rate:g}, epochs {epochs}"
    return Predicted("fine-tuned", [each.predicted for each in trained], chosen)


def train(
    model: LanguageModel,
    probe: Probe,
    answers: Answers,
    advance: Callable[[int], None],
    *,
    rate: float,
    seed: int,
) -> Trained:
    """Train a copy of the model with AdamW. The rate rises over WARMUP of the steps, then falls
    to 0 by a line. The seed decides the head's first values, the order and what is dropped out."""
    rows = {split: _rows(model, part) for split, part in probe.parts.items()}
    targets = _targets(answers).to(model.decoder.readout.weight_VD.device)
    epochs, steps = steps_of(probe)
    best = Trained(-math.inf, 0, np.empty(0))
    since = 0
    step = 0
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tuned = Tuned(model, len(answers.labels))
        optimizer = torch.optim.AdamW(tuned.parameters(), weight_decay=WEIGHT_DECAY)
        for epoch in range(1, epochs + 1):
            tuned.train()
            for chosen in _batches(rows["train"]):
                for group in optimizer.param_groups:
                    done = (step + 0.5) / (epochs * steps)
                    group["lr"] = rate * min(done / WARMUP, (1 - done) / (1 - WARMUP))
                predicted = tuned([[side[n] for n in chosen] for side in rows["train"]])
                loss = _loss(predicted, targets[chosen.to(targets.device)])
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(tuned.parameters(), CLIP)
                optimizer.step()
                step += 1
                advance(1)
            on_dev = answers.on_dev(_predicted(tuned, rows["dev"]))
            since += 1
            if on_dev > best.on_dev or epoch == 1:
                best = Trained(on_dev, epoch, _predicted(tuned, rows["test"]))
                since = 0
            if since == PATIENCE:
                break
    advance(epochs * steps - step)
    return best


def _rows(model: LanguageModel, examples: Sequence[Example]) -> list[list[Ids]]:
    """The ids of the first texts of examples, and those of the second ones, if there are."""
    sides = zip(*(each.texts for each in examples), strict=True)
    return [[model.opened(text)[0][:LONGEST] for text in texts] for texts in sides]


def _batches(sides: Sequence[Sequence[Ids]]) -> list[Tensor]:
    """The numbers of the examples of each step, in random order; texts of similar length together,
    out of POOL batches, so that little is padding."""
    sizes = torch.tensor([max(map(len, rows)) for rows in zip(*sides, strict=True)])
    pools = torch.randperm(len(sizes)).split(POOL * BATCH)
    sorted_pools = (pool[sizes[pool].argsort()] for pool in pools)
    batches = [batch for pool in sorted_pools for batch in pool.split(BATCH)]
    return [batches[n] for n in torch.randperm(len(batches))]


def _targets(answers: Answers) -> Tensor:
    """The classes of the train examples, or their scores, as they lie between the lowest and the
    highest: from 0 to 1."""
    train = answers.of["train"]
    if not answers.is_similarity:
        return torch.from_numpy(train)
    return torch.from_numpy((train - train.min()) / np.ptp(train)).float()


def _loss(predicted: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of classes, or the mean squared difference of cosines from scores."""
    return (mse_loss if targets.is_floating_point() else cross_entropy)(predicted, targets)


@torch.inference_mode()
def _predicted(tuned: Tuned, sides: Sequence[Sequence[Ids]]) -> Array:
    """The classes of examples, or their cosines."""
    tuned.eval()
    found = [tuned([side[n : n + BATCH] for side in sides]) for n in range(0, len(sides[0]), BATCH)]
    every = torch.cat(found)
    return (every.argmax(1) if tuned.head is not None else every).cpu().numpy()
