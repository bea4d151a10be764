"""Before a phase starts: what usually gives a worse model, and adapters that fit nothing."""

from collections.abc import Sequence
from typing import Any

from endonym.autopilot.mixture import HOLD_OUT, not_held_out
from endonym.autopilot.model_size import Facts
from endonym.data.config import PackConfig
from endonym.disk import packaged_tables
from endonym.errors import ExportError, ShapeError
from endonym.formats.config import Clean
from endonym.log import duration, listed, number
from endonym.model.adapt_config import require_adaptable
from endonym.model.foreign.folder import AnyModelConfig
from endonym.recipe.checks import unfit_adapter
from endonym.recipe.problems import Problem
from endonym.recipe.recipe import Recipe
from endonym.train.config import TrainConfig

TEXTS: dict[str, str] = packaged_tables("endonym.autopilot", "cautions.toml")
WEEK = 7 * 24 * 3600.0
STRONG_DECAY = 0.1
"""lr × weight_decay: at 0.1, a weight without a gradient loses half its value in seven steps."""
FAR_APART = 32
"""Times lr. Up to 1,024 channels the autopilot itself goes so far, as lr falls with the width."""
SHORT_CONTEXT = 256
"""The shortest context that the autopilot chooses; no warning up to it."""
SHORT_DOCUMENTS = 5
"""Documents are short if this many fit into one row."""


def cautions(
    config: TrainConfig, facts: Facts, context: int, *, seconds: float | None, longest: int | None
) -> list[str]:
    """Warnings about one phase, each with what to change.

    seconds: training time per token, if known. longest: the longest document in tokens, if known.
    """
    warnings: list[str] = []

    def warn(name: str, **values: Any) -> None:
        warnings.append(f"phase {config.name}: {TEXTS[name].format(**values)}")

    total = config.steps * config.batch_tokens * (seconds or 0.0)
    if total > WEEK:
        steps = number(max(1, int(config.steps * WEEK / total)))
        warn("week", hours=number(total / 3600), time=duration(total), steps=steps)
    pull = config.lr * config.weight_decay
    if pull > STRONG_DECAY:
        warn("strong_decay", pull=pull, hundredth=STRONG_DECAY / 10 / config.lr)
    times = config.embedding_lr / config.lr if config.lr else 0.0
    if times > FAR_APART:
        warn("far_apart", times=times, usual=8 * config.lr)
    batch, tokens = config.batch_tokens, facts.unique_tokens
    fewer = max(context, tokens // 100)
    if batch > max(tokens, fewer):
        sizes = {"batch": number(batch), "tokens": number(tokens), "fewer": number(fewer)}
        warn("large_batch", times=batch / max(1, tokens), **sizes)
    if context > SHORT_CONTEXT and longest is not None and longest < context:
        warn("long_context", context=number(context), longest=number(longest))
    if missing := not_held_out(config.shares, facts):
        warn("not_held_out", missing=missing, advice=HOLD_OUT)
    return warnings


def cautions_of_starts(recipe: Recipe) -> list[str]:
    """Warnings of phases that learn answers before any text."""
    text, phases = TEXTS["new_weights"], enumerate(recipe.phase)
    new = [phase for index, phase in phases if recipe.begins_new(index)]
    return [f"phase {phase.name}: {text}" for phase in new if phase.objective == "chat"]


def cautions_of_cleaning(clean: Clean, *, are_alike: bool = False) -> list[str]:
    """Warnings of what cleaning leaves in the texts.

    are_alike: the texts are meant to be near copies (split.keep_near_copies).
    """
    warnings: list[str] = []
    if clean.min_script_share is None and clean.min_expected_share is None:
        warnings.append("[clean] names no script threshold: other languages may pass")
    wanted = ("exact",) if are_alike else ("exact", "near")
    if missing := [each for each in wanted if each not in clean.dedup]:
        kinds = " and ".join(f'"{each}"' for each in missing)
        warnings.append(f"[clean] dedup has no {kinds}: copies may be memorized")
    if "nfc" not in clean.normalize:
        warnings.append('[clean] normalize has no "nfc": one word may be spelt in two ways')
    return warnings


def caution_of_empty(facts: Facts) -> str:
    """A warning that names all sources without training text; empty if each has some."""
    empty = [f'"{name}"' for name, each in facts.sources.items() if not each.unique_tokens]
    return TEXTS["empty"].format(sources=listed(empty)) if empty else ""


def caution_of_rows(facts: Facts, pack: PackConfig) -> str:
    """A warning if documents are short and not joined; empty if not.

    Attention does not cross the documents of a row, so a longer context teaches nothing then.
    """
    mean = facts.mean_document_tokens
    if not mean or pack.join or mean * SHORT_DOCUMENTS > pack.context:
        return ""
    return TEXTS["short_documents"].format(mean=mean)


def require_adapters(recipe: Recipe, shape: AnyModelConfig, phases: Sequence[TrainConfig]) -> None:
    """Raise RecipeError, with lines, for adapters that do not fit the model or an export.

    Only the adapter of the last phase is exported. Imports torch only for such an export.
    """
    problems: list[Problem] = []
    for index, phase in enumerate(phases):
        try:
            require_adaptable(shape, phase.adapt, recipe.model_folder)
        except ShapeError as error:
            problems.append(unfit_adapter(index, error))
    recipe.refuse(problems)
    last = phases[-1]
    for index, export in enumerate(recipe.export):
        if export.row.content != "adapter" or last.adapt is None:
            continue
        from endonym.export.adapters import require_form

        try:
            require_form(export, shape, last.adapt)
        except ExportError as error:
            path = ("export", index, "format")
            about = (("phase", len(recipe.phase) - 1, "adapt"),)
            message = f"{error.message}."
            problems.append(Problem(path, message, error.do, at_value=True, about=about))
    recipe.refuse(problems)
