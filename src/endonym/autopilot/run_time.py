"""How long the parts of a run take, and how much of it may go into judging the model.

By default validations cost at most a twentieth of the training (phase.py), and so do the
evaluations on test and dev documents together. Imports no torch.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from endonym.autopilot.items_time import items_seconds
from endonym.autopilot.machine import expected_here
from endonym.autopilot.model_size import Facts
from endonym.autopilot.phase import FORWARD_SHARE
from endonym.autopilot.resolve import ResolvedTraining
from endonym.autopilot.teachers import forward_passes, kept_positions
from endonym.autopilot.workload import Workload
from endonym.evaluate.compressor import MOST_DOCUMENTS, PRIMING_LIMIT_BYTES, draws_of
from endonym.evaluate.config import Evaluation
from endonym.formats.config import BLOCK_BYTES
from endonym.log import duration
from endonym.recipe.recipe import Recipe
from endonym.train.config import SAMPLE_TOKENS

EVALUATION_SHARE = 0.025
"""Of the time of training, for one evaluation of bits; usually there are two, of test and dev."""
LEAST_JUDGED_TOKENS = 16_384
"""Fewer say too little, however short the training."""
GENERATED_TOKEN_SECONDS = 0.001
"""Time of one generated token in each layer: small models wait for Python, not for products."""
PRIMED_BYTES_A_SECOND = 2.1e6
"""Speed at which the compressor baseline reads training text."""
FORK_SECONDS = 1.7e-3
FORK_BYTE_SECONDS = 1.7e-6
"""Its time for each document, and for each byte of it."""
SPEED_SECONDS = 20.0
"""Three processes of one program that runs the model; starting them takes most of it."""
WRITTEN_BATCHES = {"prompts": 1, "writing": 9}
"""What evaluations let the model write."""
TYPED_TOKENS = 12_000
"""Tokens that are generated to suggest words at the places of a text that is typed: two or three
rounds of a beam for each place."""
START_SECONDS = 3.0
EXPORT_SECONDS = 0.5
"""Reading, the pre-flight checks and saving of a phase; writing an export."""
LEAST_PART = 0.02
"""Of the whole time; shorter parts are not named."""
LEAST_OF_SHARES = 60.0
"""Seconds of training from which on other parts are also said as shares of it."""
TRAINING = ("training", "answers")
"""Phases that read texts, and those that read conversations or preference pairs."""
PARTS = (*TRAINING, "members", "teacher", "start", "validations", "samples", "evaluation", "export")


def judged_tokens(evaluation: Evaluation, training: ResolvedTraining) -> int | None:
    """Held-out tokens that an evaluation scores at most; None if it scores none, or a file.

    If the recipe does not say, as many as the model reads in EVALUATION_SHARE of its training.
    Lists of sentences are read twice, and a pretrained model, or the one before conversations,
    reads all that the trained one reads. So do members; but so much more was trained, too.
    """
    if not evaluation.reads_held_out:
        return None
    if evaluation.tokens is not None:
        return evaluation.tokens
    trained = sum(config.steps * config.batch_tokens for config in training.phases)
    readings = readings_of(training) * (1 + has_one_before(training))
    return max(LEAST_JUDGED_TOKENS, int(EVALUATION_SHARE / FORWARD_SHARE * trained / readings))


def has_one_before(training: ResolvedTraining) -> bool:
    """Whether another model is scored beside the trained one: that which it goes on from."""
    return training.folder is not None or not training.phases[-1].reads_texts


def members_beside(recipe: Recipe) -> int:
    """How many members are scored: those of the last phase, or else of the last one of texts."""
    of_texts = [each.members or 0 for each in recipe.phase if each.reads_texts]
    return recipe.phase[-1].members or (of_texts[-1] if of_texts else 0)


def readings_of(training: ResolvedTraining) -> int:
    """How often a model reads held-out text: lists of sentences also in blocks."""
    return 2 if training.pack.join else 1


def paces_here(training: ResolvedTraining, facts: Facts, machine_file: Path) -> list[float]:
    """Seconds of a token of training in each phase; nothing if this machine was not measured."""
    document = training.pack.usual_length(facts.mean_document_tokens)
    paces = [
        expected_here(Workload(training.model, phase, document=document), machine_file)
        for phase in training.phases
    ]
    return [pace for pace in paces if pace is not None]


def in_proportion(parts: Mapping[str, float]) -> str:
    """Training, then the other parts that take a while, also as shares of a longer training."""
    training = sum(parts.get(name, 0.0) for name in TRAINING)
    least = LEAST_PART * sum(parts.values())
    what = " of training"
    said = [f"{name} {duration(parts[name])}" for name in TRAINING if parts.get(name)]
    for name, seconds in parts.items():
        if name not in TRAINING and seconds >= least:
            said.append(f"{name} {duration(seconds)}")
            if LEAST_OF_SHARES <= training >= seconds:
                said[-1] += f" ({100 * seconds / training:.0f} %{what})"
                what = ""
    return " · ".join(said)


def promised_parts(
    recipe: Recipe,
    training: ResolvedTraining,
    facts: Facts,
    seconds_a_token: Sequence[float],
) -> dict[str, float]:
    """Seconds of each part of a run, from start to export.

    seconds_a_token: of training, for each phase. If it is empty, nothing can be said: no parts.
    """
    if not seconds_a_token:
        return {}
    parts: dict[str, float] = dict.fromkeys(PARTS, 0.0)
    generated_token_seconds = GENERATED_TOKEN_SECONDS * training.model.layers
    for phase, (config, seconds) in enumerate(zip(training.phases, seconds_a_token, strict=True)):
        own = facts.examples.get(phase, facts)
        if config.is_of_pairs and phase in facts.examples:
            parts["start"] += own.positions * FORWARD_SHARE * seconds
        validations = -(-config.steps // config.eval_every_steps) + 1
        parts["start"] += START_SECONDS
        learnt = "training" if config.reads_texts else "answers"
        own_seconds = seconds * config.steps * config.batch_tokens
        parts[learnt] += own_seconds
        members = recipe.phase[phase].members or 0
        if config.distill is not None:  # a live teacher reads all that the phase reads
            is_live = config.distill.live
            read = own_seconds if is_live else kept_positions(recipe, phase, facts) * seconds
            times = forward_passes(recipe, phase, config, training.model)
            parts["teacher"] += times * read * FORWARD_SHARE
        tokens = min(config.eval_tokens, own.dev_tokens or config.eval_tokens)
        validating = validations * tokens * FORWARD_SHARE * seconds
        samples = (validations - 1) // config.validations_per_sample + 1
        sampling = samples * SAMPLE_TOKENS * generated_token_seconds
        parts["validations"] += validating
        parts["samples"] += sampling
        parts["members"] += members * (own_seconds + START_SECONDS + validating + sampling)
    parts["evaluation"] = sum(
        _evaluation_seconds(each, recipe, training, facts, pace=seconds_a_token[-1])
        for each in recipe.evaluate
    )
    parts["export"] = EXPORT_SECONDS * _exported_models(recipe)
    return parts


def _exported_models(recipe: Recipe) -> int:
    """How many exports hold a model."""
    return sum(each.row.content != "corpus" for each in recipe.export)


def _evaluation_seconds(
    evaluation: Evaluation,
    recipe: Recipe,
    training: ResolvedTraining,
    facts: Facts,
    *,
    pace: float,
) -> float:
    """Time of one evaluation. pace: seconds of a token of training."""
    if batches := WRITTEN_BATCHES.get(evaluation.kind):
        token_seconds = GENERATED_TOKEN_SECONDS * training.model.layers
        return batches * evaluation.max_tokens * token_seconds
    if evaluation.kind == "typing":
        return TYPED_TOKENS * GENERATED_TOKEN_SECONDS * training.model.layers
    if evaluation.kind == "speed":
        return SPEED_SECONDS * (1 + 2 * _exported_models(recipe))
    if evaluation.kind != "bits":
        return items_seconds(evaluation, recipe, facts, pace)
    models = 1 + has_one_before(training) + members_beside(recipe)
    tokens = facts.dev_tokens or 0  # test is as large as dev
    tokens = min(tokens, judged_tokens(evaluation, training) or tokens)
    seconds = 0.0
    for is_in_blocks in (False, True)[: readings_of(training)]:
        seconds += models * tokens * FORWARD_SHARE * pace
        if evaluation.baselines:
            seconds += _compressor_seconds(facts, tokens, is_in_blocks=is_in_blocks)
    return seconds


def _compressor_seconds(facts: Facts, tokens: float, *, is_in_blocks: bool) -> float:
    """Time of the compressor baseline on so many tokens, in documents or in blocks of them."""
    token_bytes = facts.text_bytes / max(1, facts.unique_tokens)
    text_bytes = BLOCK_BYTES if is_in_blocks else facts.mean_document_tokens * token_bytes
    text_bytes = min(text_bytes, tokens * token_bytes)  # Of long documents the beginning is judged.
    n_texts = int(min(MOST_DOCUMENTS, tokens * token_bytes / max(1.0, text_bytes)))
    # A process is primed with training text, and forked for each text and once for none.
    draws = draws_of(n_texts, int(n_texts * text_bytes))
    fork_seconds = (n_texts + 1) * FORK_SECONDS + n_texts * text_bytes * FORK_BYTE_SECONDS
    priming_seconds = min(facts.text_bytes, PRIMING_LIMIT_BYTES) / PRIMED_BYTES_A_SECOND
    return priming_seconds + draws * fork_seconds
