"""Chooses the open keys of a phase that learns from conversations or preference pairs.

Imports no torch.
"""

from math import log
from pathlib import Path

import numpy as np

from endonym.autopilot.model_size import Choice, Choices, Facts
from endonym.autopilot.phase import adapter_rates, betas, usual_batch
from endonym.data.conversations import Unfit, conversation_of, pair_of, read_records, share_read
from endonym.formats.document import Reject
from endonym.log import number
from endonym.recipe.recipe import Recipe
from endonym.train.config import Phase

EPOCHS = Choice(3.0, "usual for answers; the best validation is kept")
RATES = {"chat": 1e-3, "preferences": 3e-5}
"""Up to RATES_DIM channels, less in wider models, as AdamW's rates in autopilot/phase.py."""
RATES_DIM = 256
STEPS_AN_EPOCH = 8
SAMPLE_RECORDS = 2_000
TINY_SHARE = 1e-9
TEMPLATE_TOKENS = 8
"""Of a message: its role, and where it begins and ends."""


def choose_answers(
    phase: Phase,
    facts: Facts,
    context: int,
    *,
    dim: int | None,
    device: str,
    is_new: bool = False,
) -> Choices:
    """Budget, batch size, learning rates and schedule.

    facts: of the examples. dim: if known. is_new: the weights are random at the start.
    """
    choices: Choices = {}
    if phase.steps is None and phase.tokens is None and phase.epochs is None:
        choices["epochs"] = EPOCHS
    usual, why = usual_batch("adamw", device)
    few = facts.positions // STEPS_AN_EPOCH // context * context
    batch = phase.batch_tokens or max(context, min(usual, few))
    choices["batch_tokens"] = Choice(batch, why)
    chosen = betas(batch)
    half_life = round(batch * log(0.5) / log(chosen[1]), -2)
    reason = f"squared gradients are half forgotten after {number(half_life)} tokens"
    choices["betas"] = Choice(list(chosen), reason)
    rate = float(f"{RATES[phase.objective] * min(1.0, RATES_DIM / (dim or RATES_DIM)):.2g}")
    why = "low, to keep what the model has learned from texts"
    tables = "as lr: the embeddings are trained already"
    decay = "the weights should stay near those of the texts"
    if is_new:
        why, tables = (
            "as for a model that has learned from texts; not tried on random weights",
            "as lr",
        )
        decay = "the answers are read a few times only"
    lr = phase.lr or rate
    choices["lr"] = Choice(lr, why)
    choices["embedding_lr"] = Choice(lr, tables)
    if phase.adapt is not None:
        choices |= adapter_rates(phase, rate)
    tokens = phase.tokens or (phase.epochs or EPOCHS.value) * facts.positions
    steps = phase.steps or max(1, int(tokens // batch))
    choices["warmup_steps"] = Choice(max(1, steps // 10), "a tenth of the steps")
    choices["schedule"] = Choice("linear", "straight to zero beats a cosine (arXiv:2502.15938)")
    choices["weight_decay"] = Choice(0.0, decay)
    return choices


def estimated_examples(recipe: Recipe, context: int, bytes_per_token: float) -> dict[int, Facts]:
    """What the data of each phase will be as examples, by the first records of its files."""
    found: dict[int, Facts] = {}
    for phase, asked in enumerate(recipe.phase):
        if asked.objective != "next_token":
            found[phase] = _estimated(recipe, phase, context, bytes_per_token)
    return found


def _estimated(recipe: Recipe, phase: int, context: int, bytes_per_token: float) -> Facts:
    """Facts of one phase's data."""
    is_pairs = recipe.phase[phase].objective == "preferences"
    sums = np.zeros(3)
    for path in recipe.data_files(phase):
        sums += _sampled(path, bytes_per_token, is_pairs=is_pairs)
    examples, tokens, answer_bytes = (sums * (1 - recipe.chat.val_share)).tolist()
    examples = max(1, round(examples))
    rows = max(1, -(-int(tokens) // context))
    return Facts(int(answer_bytes), int(tokens), tokens / examples, rows * context)


def _sampled(path: Path, bytes_per_token: float, *, is_pairs: bool) -> np.ndarray:
    """Examples, their tokens and the bytes of their answers in a file, by its first records."""
    sums, read, line_bytes = np.zeros(3), 0, 0
    for record in read_records(path, path.name):
        if read == SAMPLE_RECORDS:
            return sums / max(TINY_SHARE, share_read(path, read, line_bytes))
        read += 1
        if isinstance(record, Reject):
            line_bytes += record.raw_bytes + 1  # with the end of the line
            continue
        line_bytes += len(record.raw.encode()) + 1
        try:
            sides = _contents(record.value, is_pairs=is_pairs)
        except Unfit:
            continue
        for contents, answers in sides:
            tokens = sum(map(len, contents)) / bytes_per_token + TEMPLATE_TOKENS * len(contents)
            sums += (1, tokens, answers)
    return sums


def _contents(record: object, *, is_pairs: bool) -> list[tuple[list[bytes], int]]:
    """The contents of each example's messages, and the bytes of its answers."""
    if not is_pairs:
        messages = conversation_of(record).messages
        contents = [each.content.encode() for each in messages]
        return [(contents, sum(len(each.content) for each in messages if each.role == "assistant"))]
    pair = pair_of(record)
    prompt = [each.content.encode() for each in pair.prompt]
    answers = [each.encode() for each in (pair.chosen, pair.rejected)]
    return [([*prompt, each], len(each)) for each in answers]
