"""`endonym new`: writes a commented recipe, sized for the texts and this machine."""

import json
import re
import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from endonym.autopilot import machine
from endonym.autopilot.cleaning import guess_clean
from endonym.autopilot.model_size import (
    MOST_PASSES,
    Choice,
    Choices,
    Facts,
    choose_context,
    choose_dropout,
    choose_shape,
    choose_vocab,
    deeper,
)
from endonym.autopilot.pace import (
    Pace,
    matrix_rates,
    measured_pace,
    promised_seconds,
    small_shape,
    usual_shape,
    usual_training,
)
from endonym.autopilot.phase import NEW_PASSES, choose_phase, muon_for
from endonym.autopilot.survey import Survey, survey_texts
from endonym.autopilot.text_size import letters
from endonym.config import Config
from endonym.data.config import PackConfig
from endonym.errors import RecipeError, printable
from endonym.log import Log, number
from endonym.model.keys import ModelKeys
from endonym.recipe.recipe import Recipe
from endonym.text.config import DEFAULT_SHARE
from endonym.text.files import RawSet, source_files
from endonym.train.config import Phase

OVERHEAD = 0.9
"""Share of the hours for training steps; the rest is for validations, samples and checkpoints."""


def write_recipe(
    folder: Path,
    *,
    name: str,
    language: str,
    texts: Sequence[Path],
    hours: float,
    store: Path,
    log: Log,
) -> tuple[Path, Survey]:
    """Write `folder/recipe.toml`; returns its path and what was found in the texts.

    The machine is always measured again; warns if other programs use it.

    Raises MissingSource if a path has no readable text, RecipeError if a recipe is there already
    or the language code is not valid.
    """
    path = folder / "recipe.toml"
    refuse_to_overwrite(path)
    survey = survey_texts(texts, folder)
    clean, reasons = guess_clean(language, survey.sample)
    machine.forget(store / "machine.json")
    choices = choose(survey, folder, hours, store=store, log=log)
    folder.mkdir(parents=True, exist_ok=True)
    valid_name = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:48] or "model"
    parts = [
        _head(path, valid_name, language, survey),
        *(
            f"[[source]]  # {printable(reason)}\n" + _table(source)
            for source, reason in survey.sources
        ),
        "[clean]\n" + _table(clean, reasons),
        _training(choices),
        '[[evaluate]]\nkind = "bits"',
        '[[export]]\nformat = "huggingface"',
    ]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    try:
        Recipe.load(path)
    except RecipeError:
        path.unlink()
        raise
    return path, survey


def refuse_to_overwrite(path: Path) -> None:
    """Raise RecipeError if there is a recipe already."""
    if path.exists():
        raise RecipeError(
            "a recipe is there already",
            where=str(path),
            do="Choose another folder, or delete it first.",
        )


def choose(survey: Survey, folder: Path, hours: float, *, store: Path, log: Log) -> Choices:
    """All choices for these texts and hours.

    The shape is chosen by an estimate of its speed from that of a small shape; the token budget by
    measuring the chosen one.
    """
    raw = [
        RawSet(source=each, files=tuple(source_files(each, folder))) for each, _ in survey.sources
    ]
    vocab = choose_vocab(letters(raw))
    bytes_per_token = _bytes_per_token(survey, vocab.value)
    unique = int(survey.text_bytes * (1 - DEFAULT_SHARE) / bytes_per_token)
    facts = Facts(int(survey.text_bytes), unique, survey.mean_document_bytes / bytes_per_token)
    context = choose_context(facts, ModelKeys())
    machine_file, seconds = store / "machine.json", hours * 3600 * OVERHEAD
    shape, promised = _timed_shape(
        facts, vocab.value, context.value, seconds=seconds, machine_file=machine_file
    )
    dim, layers, dropout = (shape[f"model.{key}"].value for key in ("dim", "layers", "dropout"))
    chosen = usual_shape(dim, layers, vocab.value, context.value, dropout=dropout)

    def probed(optimizer: Literal["adamw", "muon"]) -> Pace:
        usual = usual_training(matrix_rates(machine_file), optimizer=optimizer)
        pack = PackConfig(context=context.value, join=tuple(survey.lists))
        document = pack.usual_length(facts.mean_document_tokens)
        return measured_pace(chosen, usual, machine_file, document=document)

    budget = partial(_budget, unique=unique, hours=hours, seconds=seconds)
    muon = muon_for(Phase(tokens=promised), facts, dim=dim)
    pace = probed("adamw" if muon is None else "muon")
    if muon is not None:  # Its measured speed may allow more epochs than Muon is good for.
        muon = muon_for(Phase(tokens=budget(pace)[0]), facts, dim=dim)
        if muon is None:
            pace = probed("adamw")
    if pace.doubt:
        log.warn(f"this machine was measured{pace.doubt}: write the recipe anew when they are done")
    tokens, reason = budget(pace)
    shape |= choose_dropout(facts, tokens)
    phase = {} if muon is None else {"optimizer": muon}
    given = Phase(tokens=tokens, optimizer="adamw" if muon is None else "muon")
    phase |= choose_phase(given, facts, context.value, dim=dim)
    if tokens > NEW_PASSES * unique:
        phase["average"] = Choice("ema", "averaged weights overfit less")
    data = {"tokenizer.vocab": vocab, "pack.context": context}
    if survey.lists:
        data["pack.join"] = Choice(survey.lists, "lists of sentences: their neighbours are context")
    data |= shape | {"phase.tokens": Choice(tokens, reason)}
    return data | {f"phase.{key}": c for key, c in phase.items()}


def _timed_shape(
    facts: Facts, vocab: int, context: int, *, seconds: float, machine_file: Path
) -> tuple[Choices, int]:
    """The shape for so many seconds of training, and its estimated tokens.

    It gets more layers if time is left.
    """
    rates = matrix_rates(machine_file)
    usual = usual_training(rates)
    small = measured_pace(small_shape(), usual, machine_file)

    def promised(dim: int, layers: int) -> int:
        shape = usual_shape(dim, layers, vocab, context)
        return int(seconds / promised_seconds(shape, rates[usual.number_format], small))

    choices = choose_shape(ModelKeys(), facts, promised)
    dim, layers = choices["model.dim"].value, choices["model.layers"].value
    if (more := deeper(dim, layers, facts, promised)) is not None:
        choices["model.layers"] = more
    return choices, promised(dim, choices["model.layers"].value)


def _budget(pace: Pace, unique: int, hours: float, seconds: float) -> tuple[int, str]:
    """Training tokens, in whole thousands, and why: limited by time or by the size of the text.

    seconds: time for training steps.
    """
    most, possible = MOST_PASSES * unique, pace.tokens_in(seconds)
    reason = f"{hours:g} h at {number(possible / seconds)} tokens/s, probed{pace.doubt}"
    if possible > most:
        reason = f"{MOST_PASSES} passes; more gain nothing, though there is time: {reason}"
    return max(2048, min(possible, most) // 1000 * 1000), reason


def _bytes_per_token(survey: Survey, vocab: int) -> float:
    """Bytes per token with this vocabulary, measured on the sample."""
    from endonym.tokenizer.config import TokenizerConfig
    from endonym.tokenizer.train import fit, train_tokenizer

    config = TokenizerConfig(kind="bpe", vocab=vocab)
    lines = [line for line in survey.sample.split("\n") if line.strip()]
    made = train_tokenizer(config, lambda: iter(lines))
    return float(fit(made, (("sample", line) for line in lines))["total"]["bytes_per_token"])


def _head(path: Path, name: str, language: str, survey: Survey) -> str:
    """The recipe's first lines."""
    count = len(survey.sources)
    lines = [
        f"# {name}: a language model from {number(count)} source{'' if count == 1 else 's'}, about "
        f"{survey.text_bytes / 1e6:.1f} MB of text.",
        f"# Every key: endonym explain KEY. Make the model: endonym run {shlex.quote(str(path))}",
        *(f"# left out: {file}: {reason}" for file, reason in survey.skipped),
        f"name = {_toml(name)}",
        f"language = {_toml(language)}",
        "seed = 42",
    ]
    return "\n".join(map(printable, lines))


def _training(choices: Choices) -> str:
    """Tokenizer, packing, model and phase, each value with its reason."""
    tables: dict[str, list[str]] = {"tokenizer": ['kind = "bpe"'], "pack": [], "model": []}
    tables["model"].append(f"family = {_toml(ModelKeys().family)}")
    tables["phase"] = ['name = "pretrain"']
    for key, choice in choices.items():
        table, _, rest = key.partition(".")
        line = f"{rest} = {_toml(choice.value)}"
        tables[table].append(_noted(line, choice.reason))
    tables["phase"].append(
        f"{'patience = 6':<28}# validations without a better one before it stops"
    )
    heads = {"phase": "[[phase]]"}
    parts = [heads.get(name, f"[{name}]") + "\n" + "\n".join(t) for name, t in tables.items()]
    return "\n\n".join(parts)


def _table(config: Config, reasons: dict[str, str] | None = None) -> str:
    """The fields of a config that differ from defaults, one a line, with reasons."""
    lines: list[str] = []
    for key, value in config.model_dump(exclude_defaults=True).items():
        line = f"{key} = {_toml(value)}"
        reason = (reasons or {}).get(key)
        lines.append(_noted(line, reason))
    return "\n".join(lines)


def _noted(line: str, reason: str | None) -> str:
    """A line with its reason as a comment: beside it, or above a long line."""
    if not reason:
        return line
    reason = printable(reason)
    return f"{line:<28}# {reason}" if len(line) < 28 else f"# {reason}\n{line}"


def _toml(value: object) -> str:
    """A value in TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if value >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:g}" if "e" not in f"{value:g}" else f"{value:e}".replace("e-0", "e-")
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def write_demo(folder: Path, demo: str) -> Path:
    """The texts and the recipe of a demo. Raises RecipeError for a demo that does not exist."""
    from endonym.demo import recipes

    if demo not in recipes.DEMOS:
        raise RecipeError(
            f"no demo is called {demo}",
            where="--demo",
            do=f"Demos: {', '.join(recipes.DEMOS)}.",
        )
    refuse_to_overwrite(folder / "recipe.toml")
    folder.mkdir(parents=True, exist_ok=True)
    return recipes.DEMOS[demo](folder)
