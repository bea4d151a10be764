"""How long evaluations of items take: tasks, minimal pairs and probes.

The model reads their texts at its own pace. The rest was measured in seconds of one core: models of
0.2 and 2 million weights, 1 to 2 MB of training text, SIB-200, RO-STS, CLAMS. It was measured part
by part; one rate for texts and one for probes are within half of the sums. Imports no torch.
"""

from collections.abc import Iterable
from itertools import chain

from endonym.autopilot.model_size import Facts
from endonym.autopilot.phase import FORWARD_SHARE
from endonym.evaluate.config import Evaluation
from endonym.evaluate.items import read_items
from endonym.evaluate.minimal_pairs import KINDS, MOST, READ_BYTES
from endonym.evaluate.probe_file import read_probe
from endonym.recipe.recipe import Recipe

TEXT_SECONDS = 0.8e-6
"""Looking for judged texts in the training text, or counting its words; for each byte."""
PAIR_BYTES = 200
"""Two sentences."""
PROBE_SECONDS = 6e-6
"""The regressions of a probe, its baseline and intervals; for each byte of its texts and each
label, with two more for what needs no labels."""
EPOCHS = 5 * 7
"""Of fine-tuning: five trainings, until dev is no better (evaluate/fine_tuning.py)."""


def items_seconds(
    evaluation: Evaluation, recipe: Recipe, facts: Facts, seconds_a_token: float
) -> float:
    """Seconds of an evaluation of items, whose file is there.

    facts: of the training text. seconds_a_token: of training. Raises SourceError as its reader.
    """
    train_second = seconds_a_token / max(1.0, facts.token_bytes)  # of a byte
    read_second = FORWARD_SHARE * train_second
    if evaluation.kind == "minimal_pairs":
        counted = min(READ_BYTES, facts.text_bytes)
        judged = len(KINDS) * min(MOST * PAIR_BYTES, 2 * facts.dev_bytes)
        return judged * read_second + (counted + facts.text_bytes + judged) * TEXT_SECONDS
    file, *_ = evaluation.files(recipe.folder)
    if evaluation.kind == "task":
        items = read_items(file).items
        read = _bytes(chain.from_iterable(each.texts for each in items))
        compared = facts.text_bytes + _bytes(each.right for each in items)
        return read * read_second + compared * TEXT_SECONDS
    probe = read_probe(file, recipe.language)
    train, dev, test = (
        _bytes(chain.from_iterable(example.texts for example in probe.parts[split]))
        for split in ("train", "dev", "test")
    )
    labels = {example.answer for example in probe.parts["train"] if not probe.is_similarity}
    seconds = (train + dev + test) * (read_second + (2 + len(labels)) * PROBE_SECONDS)
    seconds += (facts.text_bytes + test) * TEXT_SECONDS
    if evaluation.fine_tune:
        seconds += EPOCHS * (train * train_second + (dev + test) * read_second)
    return seconds


def _bytes(texts: Iterable[str]) -> int:
    """The bytes of texts."""
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
