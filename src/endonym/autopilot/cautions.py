"""What is said before a phase starts: settings that are allowed and usually hurt."""

from endonym.autopilot.model_size import Facts
from endonym.data.config import PackConfig
from endonym.log import duration, number
from endonym.train.config import TrainConfig

WEEK = 7 * 24 * 3600.0
STRONG_DECAY = 0.1
"""lr × weight_decay: at a tenth, a weight that nothing holds loses half in seven steps."""
SHORT_CONTEXT = 256
"""The least that the autopilot chooses; nobody need be warned of it."""
SHORT_DOCUMENTS = 5
"""So many documents to a row, and more, are called short."""


def cautions(
    config: TrainConfig,
    facts: Facts,
    context: int,
    *,
    seconds: float | None,
    longest_document: int | None = None,
) -> list[str]:
    """Warnings about one phase, each with what to change.

    seconds: of a token. longest_document: in tokens, where it is known.
    """
    found: list[str] = []
    tokens = config.steps * config.batch_tokens
    if seconds is not None and tokens * seconds > WEEK:
        found.append(_too_long(config, tokens * seconds))
    pull = config.lr * config.weight_decay
    if pull > STRONG_DECAY:
        found.append(
            f"lr × weight_decay = {pull:.2g}: every step takes that share off each weight; "
            f"weight_decay = {STRONG_DECAY / 10 / config.lr:.2g} would be a hundredth"
        )
    batch, fewer = config.batch_tokens, max(context, facts.unique_tokens // 100)
    if batch > max(facts.unique_tokens, fewer):
        found.append(
            f"a batch of {number(batch)} tokens reads all {number(facts.unique_tokens)} tokens "
            f"{batch / max(1, facts.unique_tokens):.1f} times before one step is made: "
            f"batch_tokens = {number(fewer)} teaches more"
        )
    longest = context if longest_document is None else longest_document
    if context > SHORT_CONTEXT and longest < context:
        found.append(
            f"context = {number(context)} is longer than any document ({number(longest)} tokens): "
            "rows hold several, so nothing is lost, but no token ever sees so far back"
        )
    return [f"phase {config.name}: {text}" for text in found]


def caution_of_rows(facts: Facts, pack: PackConfig) -> str:
    """A warning if documents are so short that a model would never see two together; or nothing."""
    mean = facts.mean_document_tokens
    if pack.join or mean * SHORT_DOCUMENTS > pack.context:
        return ""
    return (
        f"documents have {mean:.0f} tokens on average, and none sees another: the model will not "
        "learn to go on after one. If they are sentences whose neighbours belong together, name "
        "their sources in pack.join"
    )


def _too_long(config: TrainConfig, seconds: float) -> str:
    """A time that nobody waits for, and the budget of a week."""
    steps = number(max(1, int(config.steps * WEEK / seconds)))
    return (
        f"≈ {number(seconds / 3600)} hours here ({duration(seconds)}): steps = {steps} would take "
        "a week; or choose a smaller model.dim and model.layers"
    )
