"""How long a run takes from its shards on: training, validations, samples, evaluation, export."""

from collections.abc import Sequence

from endonym.autopilot.model_size import Facts
from endonym.autopilot.resolve import ResolvedTraining
from endonym.evaluate.compressor import PRIMING_LIMIT_BYTES, draws_of, most_documents
from endonym.export.config import DATASET
from endonym.formats.config import BLOCK_BYTES
from endonym.recipe.recipe import Recipe
from endonym.train.config import SAMPLE_TOKENS

FORWARD_SHARE = 1 / 3
"""Share of the time of a training token that the forward pass takes, as in evaluation."""
GENERATED_TOKEN_SECONDS = 0.001
"""Time of one generated token in each layer: small models wait for Python, not for products."""
PRIMED_BYTES_A_SECOND, FORK_SECONDS, FORK_BYTE_SECONDS = 2.1e6, 1.7e-3, 1.7e-6
"""Speed of the compressor baseline, and the time of one document in it: for itself, a byte."""
SPEED_SECONDS = 20.0
"""Three processes of one program that runs the model; starting them takes most of it."""
START_SECONDS, EXPORT_SECONDS = 3.0, 0.5
"""Reading, the pre-flight checks and saving of a phase; writing an export."""


def promised_parts(
    recipe: Recipe, training: ResolvedTraining, facts: Facts, seconds_a_token: Sequence[float]
) -> dict[str, float]:
    """Seconds by part. seconds_a_token: of training, for each phase."""
    judged = _held_tokens(recipe, facts) / 2
    names = ("start", "training", "validations", "samples", "evaluation", "export")
    parts: dict[str, float] = dict.fromkeys(names, 0.0)
    models = sum(each.format != DATASET for each in recipe.export)
    generated = GENERATED_TOKEN_SECONDS * training.model.layers
    for phase, (config, seconds) in enumerate(zip(training.phases, seconds_a_token, strict=True)):
        if config.objective == "preferences" and phase in facts.examples:
            parts["start"] += facts.examples[phase].positions * FORWARD_SHARE * seconds
        validations = config.steps // config.eval_every_steps + 1
        parts["start"] += START_SECONDS
        parts["training"] += seconds * config.steps * config.batch_tokens
        validated = validations * min(config.eval_tokens, judged)
        parts["validations"] += validated * FORWARD_SHARE * seconds
        samples = (validations - 1) // config.validations_per_sample + 1
        parts["samples"] += samples * SAMPLE_TOKENS * generated
    for asked in recipe.evaluate:
        if asked.kind == "prompts":
            parts["evaluation"] += asked.max_tokens * generated
            continue
        if asked.kind == "speed":
            parts["evaluation"] += SPEED_SECONDS * (1 + 2 * models)
            continue
        # Lists of sentences are read a second time, in blocks.
        readings = 2 if training.pack.join else 1
        parts["evaluation"] += readings * judged * FORWARD_SHARE * seconds_a_token[-1]
        if asked.baselines:
            parts["evaluation"] += _compressor_seconds(facts, judged, is_in_blocks=False)
            if training.pack.join:
                parts["evaluation"] += _compressor_seconds(facts, judged, is_in_blocks=True)
    parts["export"] = EXPORT_SECONDS * models
    return parts


def _compressor_seconds(facts: Facts, judged: float, *, is_in_blocks: bool) -> float:
    """Time of the compressor on so many tokens, in documents or in blocks of them."""
    ratio = facts.text_bytes / max(1, facts.unique_tokens)
    each = BLOCK_BYTES if is_in_blocks else facts.mean_document_tokens * ratio
    count = int(min(most_documents(), judged * ratio / max(1.0, each)))
    forks = draws_of(count, int(count * each)) * (count + 1)
    primed = min(facts.text_bytes, PRIMING_LIMIT_BYTES)
    return primed / PRIMED_BYTES_A_SECOND + forks * (FORK_SECONDS + each * FORK_BYTE_SECONDS)


def _held_tokens(recipe: Recipe, facts: Facts) -> float:
    """Tokens of dev and test together."""
    split = recipe.split.resolved()
    if split.val_documents is not None:
        return split.val_documents * facts.mean_document_tokens
    share = split.val_share or 0.0
    return facts.unique_tokens * share / (1 - share)
