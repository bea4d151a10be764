"""Filling in what a recipe leaves out, and keeping the answer: `plan.json` is a lockfile."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from endonym.autopilot.memory import choose_room
from endonym.autopilot.model_size import (
    Choice,
    Choices,
    Facts,
    choose_context,
    choose_shape,
    choose_vocab,
    estimate,
)
from endonym.autopilot.pace import choose_compile, matrix_rates
from endonym.autopilot.phase import budget_of, choose_phase
from endonym.autopilot.text_size import letters, text_bytes
from endonym.device import faster_format, free_memory_bytes
from endonym.export.shapes import folder_shape
from endonym.model.families import has_experts, resolve
from endonym.model.foreign.folder import Shape, with_context
from endonym.recipe.recipe import Recipe
from endonym.store import Artifact
from endonym.text.files import RawSet


def facts_of(shards: Artifact) -> Facts:
    """What was counted when the shards were made."""
    train = shards.numbers["train"].values()
    tokens, documents = (sum(each[key] for each in train) for key in ("tokens", "documents"))
    return Facts(sum(each["bytes"] for each in train), tokens, tokens / max(1, documents))


def longest_document(recipe: Recipe, shards: Artifact) -> int:
    """Tokens that are read together at most: of a document, end-of-text included, or joined."""
    from endonym.data.shards import TokenShards

    return recipe.pack.longest(TokenShards(shards.folder, "train").longest_document)


def vocab_choice(recipe: Recipe, raw: Sequence[RawSet]) -> Choices:
    """The vocabulary, if the recipe leaves it out; characters and bytes need none."""
    if recipe.tokenizer.vocab is not None or recipe.tokenizer.kind != "bpe":
        return {}
    if recipe.model_folder is not None:
        return {}
    return {"tokenizer.vocab": choose_vocab(letters(raw))}


def training_choices(recipe: Recipe, facts: Facts, device: str = "cpu") -> Choices:
    """Every other key that the recipe leaves out, for training on a device."""
    budget = budget_of(recipe.phase, facts, device)
    folder, choice = recipe.model_folder, choose_context(facts, recipe.model)
    if folder is not None and (longest := folder_shape(folder).context) < choice.value:
        choice = Choice(longest, "the model has read no more at once")
    found: Choices = {"pack.context": choice}
    context = recipe.pack.context or choice.value
    if folder is None:
        found |= choose_shape(recipe.model, facts, lambda dim, layers: budget)
    dim = recipe.model.dim or (found["model.dim"].value if folder is None else None)
    begins = {"goes_on": folder is not None, "has_experts": has_experts(recipe.model)}
    for place, phase in enumerate(recipe.phase):
        read = budget_of(recipe.phase[:place], facts, device) / max(1, facts.unique_tokens)
        choices = choose_phase(phase, facts, context, dim=dim, device=device, read=read, **begins)
        found |= {f"phase.{place}.{key}": choice for key, choice in choices.items()}
    return {key: choice for key, choice in found.items() if value_at(recipe, key) is None}


def number_formats(recipe: Recipe, machine_file: Path, target: str = "cpu") -> Choices:
    """fp32 or bf16 for each phase that says "auto", by what the device computes fast."""
    places = [n for n, phase in enumerate(recipe.phase) if phase.number_format == "auto"]
    if not places:
        return {}
    choice = number_format(machine_file, target)
    return {f"phase.{place}.number_format": choice for place in places}


def number_format(machine_file: Path, target: str) -> Choice:
    """On a processor what multiplies matrices faster; on a GPU bf16, if it has units for that."""
    if target == "cpu":
        rates = matrix_rates(machine_file)
        reason = " · ".join(f"{name} {rate / 1e9:.0f} GFLOP/s" for name, rate in rates.items())
        return Choice(faster_format(rates), f"measured here: {reason}")
    if target.partition(":")[0] != "cuda":
        return Choice("fp32", f"bf16 was never tried on {target}")
    import torch

    if torch.cuda.is_bf16_supported(including_emulation=False):
        return Choice("bf16", "this GPU has units for it")
    return Choice("fp32", "this GPU has no units for bf16")


def shape_with(recipe: Recipe, vocab: int, context: int) -> Shape:
    """The shape of a recipe's model, when it is known how many ids the tokenizer has."""
    if recipe.model_folder is not None:
        return with_context(folder_shape(recipe.model_folder), context)
    return resolve(recipe.model, vocab=vocab, context=context)


def room_choices(
    recipe: Recipe,
    shape: Shape,
    known: Mapping[str, Choice],
    *,
    longest_document: int | None = None,
    device: str | None = None,
) -> Choices:
    """What each phase holds in memory at once; what is known stays, whatever is free now.

    What does not fit in spite of that is halved in training. Raises OutOfMemory if a phase cannot.
    """
    found: Choices = {}
    for place, phase in enumerate(recipe.phase):
        is_open = {"micro_tokens": phase.micro_tokens is None}
        is_open["recompute"] = phase.recompute == "auto"
        keys = [f"phase.{place}.{key}" for key, is_it in is_open.items() if is_it]
        if all(key in known for key in keys):
            found |= {key: known[key] for key in keys}
            continue
        free = free_memory_bytes(device or "cpu")
        choices = choose_room(shape, phase, free, longest_document)
        found |= {f"phase.{place}.{key}": choice for key, choice in choices.items()}
    return found


def compilings(
    recipe: Recipe, shards: Artifact, machine_file: Path, target: str = "cpu"
) -> Choices:
    """Whether blocks are compiled, for each phase that says "auto"; all else is settled."""
    found: Choices = {}
    for place, phase in enumerate(recipe.phase):
        if phase.compile == "auto":
            facts, shape = facts_of(shards), shape_of(recipe, shards)
            document = recipe.pack.usual_length(facts.mean_document_tokens)
            tokens = budget_of([phase], facts)
            choice = choose_compile(shape, phase, tokens, machine_file, target, document)
            found[f"phase.{place}.compile"] = choice
    return found


def shape_of(recipe: Recipe, shards: Artifact) -> Shape:
    """The shape of a recipe whose every key is settled, for tokens that are there."""
    context = recipe.pack.context
    assert context is not None, "the context is settled before the shape"
    vocab = json.loads((shards.folder / "shards.json").read_text(encoding="utf-8"))["vocab"]
    return shape_with(recipe, vocab, context)


def value_at(recipe: Recipe, key: str) -> Any:
    """What a recipe says at a dotted key."""
    value: Any = recipe
    for part in key.split("."):
        value = value[int(part)] if part.isdigit() else getattr(value, part)
    return value


def filled(recipe: Recipe, choices: Mapping[str, Choice]) -> Recipe:
    """The recipe with the choices written in."""
    return recipe.with_values({key: choice.value for key, choice in choices.items()})


def estimated(recipe: Recipe, raw: Sequence[RawSet], device: str = "cpu") -> tuple[Recipe, Choices]:
    """What `check` shows: the choices by estimate, without making or measuring anything."""
    choices = vocab_choice(recipe, raw)
    choices |= training_choices(recipe, estimate(text_bytes(raw)), device)
    return filled(recipe, choices), choices
