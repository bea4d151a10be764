"""Before a phase starts: what usually gives a worse model, and adapters that fit nothing."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from endonym.autopilot.mixture import HOLD_OUT, not_held_out
from endonym.autopilot.model_size import Facts, block_weights
from endonym.data.config import PackConfig
from endonym.disk import packaged_tables
from endonym.errors import ExportError, ShapeError
from endonym.evaluate.score import FEWEST_DOCUMENTS, FEWEST_OF_SOURCE, SOURCE_BYTES
from endonym.formats.config import Clean
from endonym.formats.reasons import in_words
from endonym.log import duration, listed, number, rounded, size
from endonym.model.adapt_config import require_adaptable
from endonym.model.config import ModelConfig
from endonym.model.foreign.folder import AnyModelConfig
from endonym.recipe.checks import after_pruning, unfit_exports, unfit_part
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
AMPLE = 1.6
"""So many times the fewest groups are to be expected: hashes then rarely hold out too few."""
LESS_TEXT = 1.2
"""Runs whose training texts differ by a larger factor are not compared without a warning."""
SHORTER_CONTEXT = 1.5
"""The same of the bytes of text that they see at once."""
CONTEXT_UNIT = 64
"""A context that is advised is a multiple of it."""
LARGEST_SHARE = 0.5
"""No more of a text is ever held out."""
OTHER_KEYS = ("val_documents", "val_bytes")
"""Keys of [split] that let no larger share be held out."""


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
    batch = config.batch_tokens
    tokens = facts.unique_tokens
    fewer = max(context, tokens // 100)
    if batch > max(tokens, fewer):
        sizes = {"batch": number(batch), "tokens": number(tokens), "fewer": number(fewer)}
        warn("large_batch", times=batch / max(1, tokens), **sizes)
    if context > SHORT_CONTEXT and longest is not None and longest < context:
        warn("long_context", context=number(context), longest=number(longest))
    if missing := not_held_out(config.shares, facts):
        warn("not_held_out", missing=missing, advice=HOLD_OUT)
    return warnings


class HeldGroups(NamedTuple):
    """Groups of neighbours that are held out for test, about: of all texts, or of a source.

    fewest: how many an interval takes. share: the val_share that holds out enough.
    """

    source: str
    groups: float
    fewest: int
    share: float


def held_groups(facts: Facts, block_bytes: int) -> list[HeldGroups]:
    """The groups of all texts, and, where the score is a mean over sources, of each of these."""
    found = list[HeldGroups]()
    large = list[HeldGroups]()
    for name, each in {"": facts, **facts.sources}.items():
        group_bytes = max(block_bytes, each.mean_document_tokens * each.token_bytes)
        fewest = FEWEST_OF_SOURCE if name else FEWEST_DOCUMENTS
        share = math.ceil(200 * AMPLE * fewest * group_bytes / max(1.0, each.all_bytes)) / 100
        if not name or each.all_bytes >= SOURCE_BYTES:
            held = large if name else found
            held.append(HeldGroups(name, each.dev_bytes / group_bytes, fewest, share))
    return found + large if len(large) > 1 else found


def caution_of_intervals(recipe: Recipe, facts: Facts) -> str:
    """A warning if so little is held out that the score will have no interval; else empty."""
    if not recipe.source or not any(each.reads_held_out for each in recipe.evaluate):
        return ""
    few = [e for e in held_groups(facts, recipe.split.block_bytes) if e.groups < e.fewest]
    if not few:
        return ""
    share = max(each.share for each in few)
    other = next((key for key in OTHER_KEYS if getattr(recipe.split, key) is not None), "")
    instead = other and f" in place of {other}"
    advice = TEXTS["hold_out_more"].format(share=share, instead=instead)
    return TEXTS["few_held_out"].format(
        groups=int(few[0].groups),  # never as many as it takes
        of=few[0].source and f" of {few[0].source}",
        fewest=few[0].fewest,
        advice=advice if share <= LARGEST_SHARE else TEXTS["few_texts"],
    )


def cautions_of_starts(recipe: Recipe) -> list[str]:
    """Warnings of phases that learn answers before any text."""
    text = TEXTS["new_weights"]
    phases = enumerate(recipe.phase)
    new = [phase for index, phase in phases if recipe.begins_new(index)]
    return [f"phase {phase.name}: {text}" for phase in new if phase.objective == "chat"]


class Trial(NamedTuple):
    """Bits per byte of test text of a new model and of a compressor that have read the same text.

    bytes: of all text, the held-out texts of the recipe among it. width, layers: of the model, one
    of those that `new` chooses. bits: by language, the model's and the compressor's (PPMd), seed 42
    (docs/log.md).
    """

    bytes: float
    width: int
    layers: int
    bits: Mapping[str, Sequence[float]]


TRIALS = packaged_tables("endonym.autopilot", "little_text.toml")["trial"]
LITTLE_TEXTS = [Trial(**each) for each in TRIALS]
NEAR = 1.5
"""Text is like that of a trial up to so many times as much."""


def caution_of_little_text(recipe: Recipe, facts: Facts, shape: AnyModelConfig) -> str:
    """A warning if a compressor predicted as little text better than a new model; else empty.

    Of the trials with such text that one counts whose model is nearest in size.
    """
    if not recipe.source or not recipe.begins_new(0) or not recipe.phase[0].reads_texts:
        return ""
    like = [each for each in LITTLE_TEXTS if facts.all_bytes <= NEAR * each.bytes]
    if not like:
        return ""
    assert isinstance(shape, ModelConfig), "a model of a folder is not new"
    own = math.log(block_weights(shape.dim, shape.layers))

    def distance(trial: Trial) -> tuple[float, float]:
        return trial.bytes, abs(math.log(block_weights(trial.width, trial.layers)) - own)

    trial = min(like, key=distance)
    bits = [f"{name} {model:.2f} and {other:.2f}" for name, (model, other) in trial.bits.items()]
    return TEXTS["little_text"].format(
        size=size(facts.all_bytes),
        tried=f"{trial.bytes / 1e6:g} MB",
        layers=trial.layers,
        width=trial.width,
        bits=", ".join(bits),
    )


def cautions_of_amount(recipe: Recipe, facts: Facts, shape: AnyModelConfig) -> list[str]:
    """Warnings if there is too little text: for a new model, or for an interval of the score."""
    said = caution_of_little_text(recipe, facts, shape), caution_of_intervals(recipe, facts)
    return [each for each in said if each]


class Read(NamedTuple):
    """The training text that a run reads: its bytes, each pass counted, and epochs.

    lengths: the dotted keys that say how long its phases on texts are, with their values. context:
    tokens that are read at once; 0 if it is not known. token_bytes: the bytes of a token.
    """

    bytes: float
    epochs: float
    lengths: Mapping[str, Any]
    context: int = 0
    token_bytes: float = 0.0


def sets_for_as_much(read: Mapping[str, Read]) -> list[str]:
    """The overrides with which all these runs read as much text; none if they do, or would not.

    They are known where the recipes say the same of the length, and the text is the same.
    """
    few, many = (choose(read.values(), key=lambda each: each.bytes) for choose in (min, max))
    factor = many.bytes / max(1.0, few.bytes)
    is_one_text = math.isclose(factor, many.epochs / max(1e-9, few.epochs), rel_tol=0.1)
    phases = {key.rpartition(".")[0] for key in many.lengths}
    is_said_alike = len(phases) == 1 and few.lengths == many.lengths
    if factor <= LESS_TEXT or not is_one_text or not is_said_alike:
        return []
    return [*(f"{key}=" for key in many.lengths), f"{phases.pop()}.epochs={many.epochs:.3g}"]


def cautions_of_unequal(read: Mapping[str, Read]) -> list[str]:
    """Warnings, if one of these runs reads much less text than another, or sees less at once.

    read: by the run's name. Where a setting mends it, it is named.
    """
    warnings: list[str] = []
    least, most = (choose(read, key=lambda name: read[name].bytes) for choose in (min, max))
    few = read[least]
    many = read[most]
    factor = many.bytes / max(1.0, few.bytes)
    if factor > LESS_TEXT:
        sets = " ".join(f"--set {each}" for each in sets_for_as_much(read))
        as_much = TEXTS["as_much"].format(sets=sets) if sets else ""
        values = {"few": few.epochs, "many": many.epochs, "factor": factor, "as_much": as_much}
        warnings.append(TEXTS["less_text"].format(least=least, most=most, **values))
    seen = {name: each.context * each.token_bytes for name, each in read.items()}
    least = min(seen, key=seen.__getitem__)
    most = max(seen, key=seen.__getitem__)
    if 0 < seen[least] * SHORTER_CONTEXT < seen[most]:
        context = CONTEXT_UNIT * math.ceil(seen[most] / read[least].token_bytes / CONTEXT_UNIT)
        values = {"few": number(rounded(seen[least])), "many": number(rounded(seen[most]))}
        times = read[most].token_bytes / read[least].token_bytes
        text = TEXTS["shorter_context"] + (TEXTS["more_steps"] if times > LESS_TEXT else "")
        values |= {"least": least, "most": most, "context": str(context)}
        warnings.append(text.format(times=times, **values))
    return warnings


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
    """A warning that names all sources without training text, and why; empty if each has some."""
    empty = {name: each for name, each in facts.sources.items() if not each.unique_tokens}
    whys = dict[str, str]()
    for name, each in empty.items():
        reasons = [f"{n:,} {in_words(reason)}" for reason, n in each.dropped.items()]
        reasons += [f"{each.dev_documents:,} held out for dev"] if each.dev_documents else []
        if reasons:
            whys[name] = f"{name}: {listed(reasons)}" if len(empty) > 1 else listed(reasons)
    names = listed([f'"{name}"' for name in empty])
    reasons = f" ({'; '.join(whys.values())})" if whys else ""
    return TEXTS["empty"].format(sources=names, reasons=reasons) if empty else ""


def caution_of_rows(facts: Facts, pack: PackConfig) -> str:
    """A warning if documents are short and not joined; empty if not.

    Attention does not cross the documents of a row, so a longer context teaches nothing then.
    """
    mean = facts.mean_document_tokens
    if not mean or pack.join or mean * SHORT_DOCUMENTS > pack.context:
        return ""
    return TEXTS["short_documents"].format(mean=mean)


def require_prunes(recipe: Recipe, shape: AnyModelConfig) -> None:
    """Raise RecipeError, with lines, for phases that prune what the model has not, or more than an
    export can express."""
    left, problems = after_pruning(shape, enumerate(recipe.phase))
    if left is not shape:
        problems += unfit_exports(left, enumerate(recipe.export))
    recipe.refuse(problems)


def require_adapters(recipe: Recipe, shape: AnyModelConfig, phases: Sequence[TrainConfig]) -> None:
    """Raise RecipeError, with lines, for adapters that do not fit the model or an export.

    Only the adapter of the last phase is exported. Imports torch only for such an export.
    """
    problems: list[Problem] = []
    for index, phase in enumerate(phases):
        try:
            require_adaptable(shape, phase.adapt, recipe.model_folder)
        except ShapeError as error:
            problems.append(unfit_part(index, error))
    recipe.refuse(problems)
    last = phases[-1]
    for index, export in enumerate(recipe.export):
        if export.row.content != "adapter" or last.adapt is None:
            continue
        from endonym.export.formats import require_form

        try:
            require_form(export, shape, last.adapt)
        except ExportError as error:
            path = ("export", index, "format")
            about = (("phase", len(recipe.phase) - 1, "adapt"),)
            message = f"{error.message}."
            problems.append(Problem(path, message, error.do, at_value=True, about=about))
    recipe.refuse(problems)
