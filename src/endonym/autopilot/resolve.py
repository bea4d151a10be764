"""From a recipe as written to one in which every key has a value, each with its reason.

The vocabulary is chosen before the corpus exists (`resolve_tokenizer`), all else when the tokens
are counted (`resolve_training`).

The way of a key, for example `phase.lr`:

1. `Recipe.load` reads it from TOML into a `Phase` (`train/config.py`); None if it is left out.
2. `settle` (`pipeline/settle.py`) takes the next four steps when the tokens are counted.
3. `training_choices` has `choose_phase` (`autopilot/phase.py`) choose what is left out, and why.
4. `Lockfile.keep` prefers the choice that `plan.json` keeps from an earlier run.
5. `resolve_training` makes a `TrainConfig` of phase and choices.
6. `cautions` (`autopilot/cautions.py`) warns of harmful values; `--tune` may replace the value.
7. `model_stages` (`pipeline/plan.py`) hashes it and hands it to the stage (`pipeline/training.py`).
8. In each step `Training` (`train/loop.py`) passes a factor: `lr_scale` (`train/schedule.py`),
   halved by each return to a checkpoint (`train/loss_guard.py`).
9. `Optimizer` (`train/optimizer.py`) multiplies both, for its parameter groups and for `Muon`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endonym.autopilot import mixture, model_size
from endonym.autopilot.cautions import require_adapters, require_prunes
from endonym.autopilot.likely_examples import estimated_examples
from endonym.autopilot.machine import choose_compile, matrix_rates
from endonym.autopilot.model_size import Choice, Choices, Facts
from endonym.autopilot.phase import (
    FORMULA_MARGIN,
    Place,
    budget_of,
    choose_answers,
    choose_memory,
    choose_phase,
    choose_validation,
    with_chosen,
)
from endonym.autopilot.teachers import require_memory, teachers_of
from endonym.autopilot.text_size import SourceSample, TextSize, measure, try_tokenizer
from endonym.autopilot.workload import Workload
from endonym.data.config import PackConfig
from endonym.device import faster_format, free_memory_bytes, has_bf16_units
from endonym.export.shapes import folder_shape
from endonym.model.count import flops_per_token, parameters
from endonym.model.families import ffn_kinds, resolve
from endonym.model.foreign.folder import AnyModelConfig, require_rows, with_vocab
from endonym.recipe.recipe import Recipe
from endonym.store import Artifact
from endonym.tokenizer.config import BYTE_VOCAB, TokenizerConfig
from endonym.train.config import Execution, Phase, TrainConfig, length_of, resolve_phase

if TYPE_CHECKING:
    from endonym.tokenizer.tokenizer import Tokenizer

LIKELY_CHARACTERS = 400
"""Assumed vocabulary of a character tokenizer."""


def facts_of(shards: Artifact) -> Facts:
    """Facts counted when the shards were made."""
    dev: Mapping[str, Mapping[str, int]] = shards.numbers["dev"]

    def counted(totals: Sequence[Mapping[str, int]]) -> Facts:
        keys = ("bytes", "tokens", "documents")
        n_bytes, tokens, documents = (sum(total[key] for total in totals) for key in keys)
        return Facts(n_bytes, tokens, tokens / max(1, documents))

    train: Mapping[str, Mapping[str, int]] = shards.numbers["train"]
    dropped: Mapping[str, Mapping[str, int]] = shards.numbers.get("dropped", {})
    held = {name: each["documents"] for name, each in dev.items()}
    sources = {
        name: replace(counted([each]), dev_documents=held[name], dropped=dropped.get(name, {}))
        for name, each in train.items()
    }
    dev_tokens = sum(each["tokens"] for each in dev.values())
    return replace(counted([*train.values()]), sources=sources, dev_tokens=dev_tokens)


def vocab_choice(recipe: Recipe, size: Callable[[], TextSize]) -> Choices:
    """The vocabulary, if the recipe leaves it open; characters and bytes need none.

    size: measures the texts, which takes seconds.
    """
    if recipe.tokenizer.vocab is not None or recipe.tokenizer.kind in ("char", "byte"):
        return {}
    if recipe.keeps_tokenizer or recipe.tokenizer.extend is not None:
        return {}
    return {"tokenizer.vocab": model_size.choose_vocab(size().letters)}


def in_tokens(recipe: Recipe, facts: Facts, vocab: int) -> Recipe:
    """The recipe with its phases' FLOPs as tokens: as many as a model of this vocabulary reads."""
    flops_of = {n: phase.flops for n, phase in enumerate(recipe.phase) if phase.flops is not None}
    if not flops_of:
        return recipe
    context = recipe.pack.context or model_size.choose_context(facts, recipe.model).value
    shape = shape_of(recipe, vocab, context)
    values: dict[str, Any] = {}
    for n, flops in flops_of.items():
        adapt = recipe.phase[n].adapt
        cost = flops_per_token(shape, context, None if adapt is None else adapt.resolved())
        values[f"phase.{n}.tokens"] = max(1, round(flops / cost))
    return recipe.with_values(values | {f"phase.{n}.flops": None for n in flops_of})


def facts_of_examples(examples: Artifact) -> Facts:
    """Facts counted when conversations or preference pairs were encoded."""
    train = examples.numbers["train"]
    context = examples.manifest["config"]["context"]
    mean = train["tokens"] / max(1, train["examples"])
    dev = examples.numbers["dev"]
    return Facts(
        train["bytes"],
        train["tokens"],
        mean,
        row_positions=train["rows"] * context,
        records=examples.numbers["kept"] - examples.numbers["held_out"],
        dev_documents=examples.numbers["held_out"],
        dev_tokens=dev["rows"] * context,
        dropped=examples.numbers["dropped"],
        several_answers=examples.numbers.get("several_answers", ""),
    )


def context_choice(recipe: Recipe, facts: Facts) -> Choice:
    """The tokens of a row, whether the recipe leaves them open or not."""
    folder = recipe.model_folder
    choice = model_size.choose_context(facts, recipe.model)
    if recipe.pack.context is not None:
        return Choice(recipe.pack.context, "as the recipe says")
    if folder is not None and (longest := folder_shape(folder).context) < choice.value:
        return Choice(longest, "the model has read no more at once")
    return choice


def shape_of(recipe: Recipe, vocab: int, context: int) -> AnyModelConfig:
    """The shape of a recipe's model, whose width and depth are known.

    vocab: of the tokenizer. Where the ids of a pretrained model's tokenizer stay, so do the rows
    that the model has beyond them. context: tokens of a row. A model made here reads as many at
    once; a pretrained one keeps its own context, however short the rows are. Raises ShapeError for
    rows that are longer than that.
    """
    folder = recipe.model_folder
    if folder is None:
        return resolve(recipe.model, vocab=vocab, context=context)
    shape = folder_shape(folder)
    require_rows(shape, context)
    if recipe.keeps_tokenizer:
        return shape
    is_extended = recipe.tokenizer.extend is not None
    return with_vocab(shape, max(vocab, shape.vocab) if is_extended else vocab)


def training_choices(recipe: Recipe, facts: Facts, vocab: int, device: str = "cpu") -> Choices:
    """All keys of training that the recipe leaves open, once the vocabulary is known."""
    recipe = in_tokens(recipe, facts, vocab)
    budget = budget_of(recipe.phase, facts, device)
    folder = recipe.model_folder
    choice = context_choice(recipe, facts)
    pretrained = None if folder is None else folder_shape(folder)
    choices: Choices = {"pack.context": choice}
    context: int = choice.value
    if pretrained is None:
        choices |= model_size.choose_shape(recipe.model, facts, lambda dim, layers: budget)
        size = {key: choice.value for key, choice in choices.items()}
        shape = shape_of(recipe.with_values(size), vocab, context)
    else:
        shape = pretrained
    dim = shape.dim
    weights = parameters(shape).blocks
    # Since weights were last random:
    first_phase = 0
    read_before = dict[str, float]()
    for index, phase in enumerate(recipe.phase):
        if phase.start == "scratch":
            first_phase = index
            read_before = {}
        if not phase.reads_texts:
            counts = facts.examples.get(index, facts)
            is_new = recipe.begins_new(index)
            chosen = choose_answers(
                phase, counts, context, dim=dim, weights=weights, device=device, is_new=is_new
            )
        else:
            counts = mixture.facts_of_phase(phase, facts)
            tokens_before = budget_of(recipe.phase[first_phase:index], facts, device)
            chosen = choose_phase(
                phase,
                counts,
                context,
                dim=dim,
                weights=weights,
                device=device,
                read=tokens_before / max(1, counts.positions),
                epochs_before=mixture.epochs_before(phase, facts, read_before),
                goes_on=pretrained is not None,
                has_new_vocabulary=pretrained is not None and not recipe.keeps_tokenizer,
                has_experts="experts" in ffn_kinds(recipe.model),
                place=_place(recipe.phase, index),
                most_epochs=partial(
                    mixture.epochs_allowed, recipe.source, phase, facts, read=read_before
                ),
            )
            unjudged = mixture.not_held_out(mixture.shares_of(phase, facts), facts)
            if unjudged and "keep" not in chosen:
                chosen["keep"] = Choice("last", f"nothing of {unjudged} is held out to judge by")
        chosen |= choose_validation(phase, chosen, counts, context)
        choices |= {f"phase.{index}.{key}": choice for key, choice in chosen.items()}
        resolved = with_chosen(phase, chosen)
        steps, batch_tokens = length_of(resolved, context=context, positions=counts.positions)
        read_now = mixture.texts_read(resolved, steps * batch_tokens // context, facts, context)
        read_before = mixture.summed(read_before, read_now)
    return {key: choice for key, choice in choices.items() if value_at(recipe, key) is None}


def counted_choices(
    choices: Choices, recipe: Recipe, facts: Facts, vocab: int, *, device: str
) -> Choices:
    """Choices made from an estimate, with those of phases made anew from counted tokens.

    Some keys of a phase are chosen or left alone by the number of its epochs, so none may stay.
    """
    others = {key: each for key, each in choices.items() if not key.startswith("phase.")}
    return others | training_choices(recipe, facts, vocab, device)


def _place(phases: Sequence[Phase], index: int) -> Place:
    """Where a phase stands among those that go on learning texts with all weights."""
    if index + 1 < len(phases) and _goes_on(phases[index], phases[index + 1]):
        return "followed"
    return "last" if index and _goes_on(phases[index - 1], phases[index]) else "alone"


def _goes_on(first: Phase, second: Phase) -> bool:
    """Whether the second of two phases goes on at the learning rate of the first one.

    Not where the recipe says how far that rate falls, or gives the second phase another one.
    """
    return (
        first.final_lr is None
        and first.lr == second.lr
        and first.schedule in (None, "constant")
        and second.start != "scratch"
        and all(phase.reads_texts and phase.adapt is None for phase in (first, second))
    )


def number_formats(recipe: Recipe, machine_file: Path, target: str = "cpu") -> Choices:
    """fp32 or bf16 for each phase that says "auto".

    On a CPU the format with faster matrix products; on a GPU bf16, if it has units for it.
    """
    keys = unsaid_formats(recipe)
    if not keys:
        return {}
    if target == "cpu":
        rates = matrix_rates(machine_file)
        useful = {name: rate for name, rate in rates.items() if 20 * rate >= max(rates.values())}
        reason = " · ".join(f"{name} {rate / 1e9:.0f} GFLOP/s" for name, rate in useful.items())
        lacks = "" if has_bf16_units() else "; this processor has no units for bf16"
        choice = Choice(faster_format(rates), f"measured here: {reason}{lacks}")
    elif target.partition(":")[0] != "cuda":
        choice = Choice("fp32", f"bf16 was never tried on {target}")
    else:
        import torch

        has_units = torch.cuda.is_bf16_supported(including_emulation=False)
        reason = f"this GPU has {'' if has_units else 'no '}units for "
        choice = Choice("bf16", f"{reason}it") if has_units else Choice("fp32", f"{reason}bf16")
    return dict.fromkeys(keys, choice)


def unsaid_formats(recipe: Recipe) -> list[str]:
    """The keys of the phases with number_format = "auto"."""
    phases = enumerate(recipe.phase)
    return [f"phase.{n}.number_format" for n, each in phases if each.number_format == "auto"]


@dataclass(frozen=True, slots=True)
class ResolvedTraining:
    """A training in which every key has a value.

    folder: of the pretrained model, if there is one.
    """

    model: AnyModelConfig
    folder: Path | None
    pack: PackConfig
    phases: tuple[TrainConfig, ...]
    seed: int

    def with_choices(self, choices: Mapping[str, Choice]) -> "ResolvedTraining":
        """A copy with keys of phases changed, such as "phase.0.lr"."""
        phases = list(self.phases)
        for key, choice in choices.items():
            _, number, name = key.split(".")
            phase = phases[int(number)]
            value = choice.value == "on" if name == "compile" else choice.value
            copy_with = phase.executed if name in Execution.model_fields else phase.but
            phases[int(number)] = copy_with(**{name: value})
        return replace(self, phases=tuple(phases))


def resolve_training(
    recipe: Recipe, choices: Mapping[str, Choice], facts: Facts, vocab: int
) -> ResolvedTraining:
    """A recipe's model and phases, with the choices for the keys that it leaves open.

    memory_choices and compile_choices come later: they need this result. Raises RecipeError, naming
    the keys, if a choice contradicts the recipe.
    """
    full = in_tokens(recipe, facts, vocab)
    full = full.with_values({key: choice.value for key, choice in choices.items()})
    context = full.pack.context
    assert context is not None, "the context is among the choices"
    resolved: list[TrainConfig] = []
    for n, phase in enumerate(full.phase):
        own = facts.examples.get(n, mixture.facts_of_phase(phase, facts))
        resolved.append(resolve_phase(phase, context=context, positions=own.positions))
    phases = mixture.with_sources(full.phase, resolved, facts, context)
    mixture.require_enough_text(full.source, full.phase, phases, facts, context=context)
    mixture.require_judged(full.phase, facts)
    shape = shape_of(full, vocab, context)
    require_adapters(recipe, shape, phases)
    require_prunes(recipe, shape)
    pack = PackConfig(context=context, join=full.pack.join)
    return ResolvedTraining(shape, recipe.model_folder, pack, phases, recipe.seed)


def memory_choices(
    recipe: Recipe,
    training: ResolvedTraining,
    prior: Choices,
    device: str,
    *,
    longest: int | None,
    free: int | None = None,
) -> Choices:
    """micro_tokens and recompute of each phase; earlier choices stay, whatever is free now.

    free: bytes of memory of another machine; what is free on this device if None. If such a choice
    does not fit any more, training halves micro_tokens. Raises OutOfMemory if a phase or its
    teachers cannot fit.
    """
    choices: Choices = {}
    for number, (phase, config) in enumerate(zip(recipe.phase, training.phases, strict=True)):
        keys = [f"phase.{number}.micro_tokens"] if phase.micro_tokens is None else []
        keys += [f"phase.{number}.recompute"] if phase.recompute == "auto" else []
        if all(key in prior for key in keys):
            choices |= {key: prior[key] for key in keys}
            continue
        most = free_memory_bytes(device) if free is None else free
        beside, before = teachers_of(recipe, number, training.model, config.context)
        require_memory(config, training.model, before, most / FORMULA_MARGIN)
        chosen = choose_memory(
            training.model, phase, config, free=most, longest=longest, teachers=beside
        )
        choices |= {f"phase.{number}.{key}": choice for key, choice in chosen.items()}
    return choices


def compile_choices(
    recipe: Recipe, training: ResolvedTraining, document: float, machine_file: Path, *, target: str
) -> Choices:
    """Whether blocks are compiled, for each phase that says "auto", when all other keys are known.

    document: tokens of a usual document.
    """
    return {
        f"phase.{n}.compile": choose_compile(
            Workload(training.model, config, target, document), machine_file
        )
        for n, (phase, config) in enumerate(zip(recipe.phase, training.phases, strict=True))
        if phase.compile == "auto"
    }


def value_at(recipe: Recipe, key: str) -> Any:
    """The recipe's value at a dotted key."""
    value: Any = recipe
    for part in key.split("."):
        value = value[int(part)] if part.isdigit() else getattr(value, part)
    return value


def resolve_tokenizer(recipe: Recipe, choices: Mapping[str, Choice]) -> TokenizerConfig:
    """The tokenizer config, with the chosen vocabulary if the recipe gives none."""
    if (choice := choices.get("tokenizer.vocab")) is None:
        return recipe.tokenizer
    return recipe.tokenizer.model_copy(update={"vocab": choice.value})


def estimated(
    recipe: Recipe,
    samples: Sequence[SourceSample],
    device: str,
    prior: Choices,
    *,
    sizes: Mapping[str, int] | None = None,
) -> tuple[Facts, Choices]:
    """Facts and choices from samples of the texts, without making anything.

    prior: choices that an earlier run has made, which stay. sizes: as in `likely_examples`.
    """
    size = measure(samples, recipe.clean)
    vocab = vocab_choice(recipe, lambda: size) | prior
    facts, tokenizer = estimated_facts(recipe, size, resolve_tokenizer(recipe, vocab))
    facts = replace(facts, examples=likely_examples(recipe, facts, sizes, tokenizer))
    chosen = training_choices(recipe, facts, likely_vocab(recipe, vocab, facts), device)
    return facts, vocab | chosen | prior


def likely_examples(
    recipe: Recipe,
    facts: Facts,
    sizes: Mapping[str, int] | None = None,
    tokenizer: "Tokenizer | None" = None,
) -> dict[int, Facts]:
    """Facts of conversations and preference pairs, estimated from their first records.

    sizes: bytes of those of a phase, by its name, if a person gave them. tokenizer: that of the
    model, or one like it.
    """
    ratio = max(1.0, facts.text_bytes / max(1, facts.unique_tokens))
    context = context_choice(recipe, facts).value
    return estimated_examples(recipe, context, ratio, sizes=sizes, tokenizer=tokenizer)


def _kept_tokenizer(recipe: Recipe, config: TokenizerConfig) -> "Tokenizer | None":
    """The tokenizer of a pretrained model that is kept or extended; None if none is."""
    if recipe.model_folder is None or not (recipe.keeps_tokenizer or config.extend is not None):
        return None
    from endonym.tokenizer.tokenizer import Tokenizer

    return Tokenizer.load(recipe.model_folder / "tokenizer.json")


def likely_vocab(recipe: Recipe, choices: Choices, facts: Facts) -> int:
    """The vocabulary of a tokenizer that is not made yet, estimated if need be."""
    if facts.vocab is not None:
        return facts.vocab
    config = resolve_tokenizer(recipe, choices)
    if (kept := _kept_tokenizer(recipe, config)) is not None:
        return kept.vocab + (config.extend or 0)
    return config.vocab or (BYTE_VOCAB if config.kind == "byte" else LIKELY_CHARACTERS)


def estimated_facts(
    recipe: Recipe, size: TextSize, tokenizer: TokenizerConfig
) -> "tuple[Facts, Tokenizer | None]":
    """The training text in tokens, by trying the tokenizer on the sample, and the one of it."""
    pretrained = _kept_tokenizer(recipe, tokenizer)
    trial = try_tokenizer(tokenizer, size.sample, pretrained)
    facts = size.facts(recipe.split, trial.bytes_per_token)
    if pretrained is None or tokenizer.extend is None or trial.tokenizer is None:
        return facts, trial.tokenizer
    # New pieces grow more slowly than the text.
    sample_bytes = sum(len(text.encode("utf-8", "replace")) for text in size.sample)
    times = max(1.0, size.text_bytes * size.kept_share / max(1, sample_bytes))
    added = min(tokenizer.extend, math.ceil(times * (trial.tokenizer.vocab - pretrained.vocab)))
    return replace(facts, vocab=pretrained.vocab + added), trial.tokenizer
