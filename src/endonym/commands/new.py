"""`endonym new`: writes a commented recipe, sized for the texts and this machine."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from endonym.autopilot import machine
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
    plain_pace,
    promised_seconds,
    small_shape,
    usual_shape,
    usual_training,
)
from endonym.autopilot.phase import NEW_PASSES, choose_phase, muon_for
from endonym.autopilot.text_size import bytes_per_token, measure
from endonym.commands.check import check
from endonym.commands.found_texts import describe_model, describe_survey
from endonym.data.config import PackConfig
from endonym.disk import write_atomic
from endonym.errors import RecipeError, printable
from endonym.formats.config import Clean, Source, Split
from endonym.formats.readable import allowance, worst
from endonym.log import Log, number
from endonym.model.config import ModelKeys
from endonym.model.families import resolve
from endonym.recipe.recipe import Recipe
from endonym.recipe.written import config_lines, noted, toml
from endonym.script.languages import (
    language_name,
    language_warning,
    nearest_code,
    usual_code,
)
from endonym.store import Store
from endonym.survey.cleaning import guess_clean
from endonym.survey.survey import Survey, survey_texts
from endonym.tokenizer.config import TokenizerConfig
from endonym.train.config import Phase

DEMO_SECONDS, DEMO_TOKENS = 120.0, 4_000_000
"""How long the training of a demo takes, and its most tokens."""
SHOWN = 20
"""Files that the recipe names as left out; the rest is counted."""
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
    require_language(language)
    refuse_to_overwrite(path)
    language = usual_language(language, log)
    survey = survey_texts(texts, folder, language=language, log=log)
    describe_survey(survey, language, log)
    clean, reasons = guess_clean(language, survey.sample, survey.texts)
    clean, reasons = allowed(survey, clean, reasons)
    machine.forget(store / "machine.json")
    log.line("measuring how fast this machine trains: about a minute …")
    choices = choose(survey, folder, hours, store=store, log=log, clean=clean)
    valid_name = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:48] or "model"
    parts = [
        _head(path, valid_name, language, survey),
        *(
            "\n".join([f"[[source]]  # {printable(reason)}", *config_lines(source)])
            for source, reason in survey.sources
        ),
        *(_commented(source, printable(reason)) for source, reason in survey.odd),
        "\n".join(["[clean]", *config_lines(clean, reasons)]),
        _training(choices),
        '[[evaluate]]\nkind = "bits"',
        "[[evaluate]]  # to choose between runs: endonym compare RUN RUN --split dev\n"
        'kind = "bits"\nsplit = "dev"\nbaselines = false',
        '[[export]]\nformat = "huggingface"',
    ]
    write_atomic(path, ("\n\n".join(parts) + "\n").encode("utf-8"))
    try:
        describe_model(check(Recipe.load(path), Store(store)), log)
    except BaseException:  # The next `new` would refuse to write over it.
        path.unlink()
        raise
    return path, survey


def allowed(survey: Survey, clean: Clean, reasons: dict[str, str]) -> tuple[Clean, dict[str, str]]:
    """The cleaning with which these texts can be read, and its reasons."""
    limit = allowance(survey.readings, clean.max_unreadable)
    if limit == clean.max_unreadable:
        return clean, reasons
    (_, source, what), *_ = worst(survey.readings)
    why = f"so much may be unreadable, and is left out; most of it: {source}: {what}"
    return clean.model_copy(update={"max_unreadable": limit}), reasons | {"max_unreadable": why}


def require_language(code: str) -> None:
    """Raise RecipeError, with the code that may be meant, unless it is a language's code."""
    pattern = next(each.pattern for each in Recipe.model_fields["language"].metadata)
    if re.match(pattern, code):
        return
    near = nearest_code(code)
    do = "Write its code of ISO 639, such as tt, ro or km; x-NAME for a language that has none."
    if near is not None:
        do = f"Write --language {near} for {language_name(near)}, or the code of another one."
    raise RecipeError(f'"{code}" is no language code', where="--language", do=do)


def usual_language(given: str, log: Log) -> str:
    """The code that the recipe gets: the usual one. Says so; warns of a code that is unknown."""
    code = usual_code(given)
    if code != given:
        log.line(f"language {given}: the recipe has its usual code, {code}")
    elif said := language_warning(code):
        log.warn(said)
    return code


def refuse_to_overwrite(path: Path) -> None:
    """Raise RecipeError if there is a recipe already."""
    if path.exists():
        raise RecipeError(
            "a recipe is there already",
            where=str(path),
            do="Choose another folder, or delete it first.",
        )


def choose(
    survey: Survey, folder: Path, hours: float, *, store: Path, log: Log, clean: Clean | None = None
) -> Choices:
    """All choices for these texts, cleaned in this way, and hours.

    The shape is chosen by an estimate of its speed from that of a small shape; the token budget by
    measuring the chosen one.
    """
    size = replace(measure(survey.samples, clean), text_bytes=int(survey.text_bytes))
    for each in size.faults[:SHOWN]:
        log.warn(each)
    vocab = choose_vocab(size.letters)
    ratio = bytes_per_token(TokenizerConfig(kind="bpe", vocab=vocab.value), size.sample)
    facts = size.facts(Split(), ratio)
    unique = facts.unique_tokens
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
        again = shlex.quote(str(folder / "recipe.toml"))
        log.warn(
            f"{busy(pace)}, so the recipe may ask for too little: when they are done, delete "
            f"{again} and give this command again"
        )
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


def busy(pace: Pace) -> str:
    """That a measurement was disturbed."""
    return f"other programs took {pace.others:.1f} cores while this machine was measured"


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
        tokens = seconds / promised_seconds(shape, rates[usual.number_format], small)
        return max(1, int(tokens))

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


def _head(path: Path, name: str, language: str, survey: Survey) -> str:
    """The recipe's first lines."""
    count = len(survey.sources)
    lines = [
        f"# {name}: a language model from {number(count)} source{'' if count == 1 else 's'}, about "
        f"{survey.text_bytes / 1e6:.1f} MB of text.",
        f"# Every key: endonym explain KEY. Make the model: endonym run {shlex.quote(str(path))}",
        *(f"# left out: {file}: {reason}" for file, reason in survey.skipped[:SHOWN]),
        *([f"# left out: {more} more files"] if (more := len(survey.skipped) - SHOWN) > 0 else []),
        *([f"# doubtful: {survey.doubt}"] if survey.doubt else []),
        f"name = {toml(name)}",
        f"language = {toml(language)}",
        "seed = 42",
    ]
    return "\n".join(map(printable, lines))


def _training(choices: Choices) -> str:
    """Tokenizer, packing, model and phase, each value with its reason."""
    tables: dict[str, list[str]] = {"tokenizer": ['kind = "bpe"'], "pack": [], "model": []}
    tables["model"].append(f"family = {toml(ModelKeys().family)}")
    tables["phase"] = ['name = "pretrain"']
    for key, choice in choices.items():
        table, _, rest = key.partition(".")
        line = f"{rest} = {toml(choice.value)}"
        tables[table].append(noted(line, choice.reason))
    tables["phase"].append(
        f"{'patience = 6':<28}# validations without a better one before it stops"
    )
    heads = {"phase": "[[phase]]"}
    parts = [heads.get(name, f"[{name}]") + "\n" + "\n".join(t) for name, t in tables.items()]
    return "\n\n".join(parts)


def _commented(source: Source, reason: str) -> str:
    """A source that is not used, with the reason, as comments."""
    head = f"left out, as it reads like another language: {reason}\nTo use it all the same:"
    lines = [*head.splitlines(), "[[source]]", *config_lines(source)]
    return "\n".join(f"# {line}" for line in lines)


def write_demo(folder: Path, demo: str, *, store: Path, log: Log) -> Path:
    """The texts and the recipe of a demo, sized to two minutes of training on this machine.

    Raises RecipeError for a demo that does not exist.
    """
    from endonym.demo import recipes

    if demo not in recipes.DEMOS:
        raise RecipeError(
            f"no demo is called {demo}",
            where="--demo",
            do=f"Demos: {', '.join(recipes.DEMOS)}.",
        )
    refuse_to_overwrite(folder / "recipe.toml")
    folder.mkdir(parents=True, exist_ok=True)
    path = recipes.DEMOS[demo](folder)
    tokens, reason = demo_budget(Recipe.load(path), store / "machine.json", log)
    line = noted(f"tokens = {toml(tokens)}", reason)
    sized = re.sub(r"^tokens = .*$", line, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    path.write_text(sized, encoding="utf-8")
    return path


def demo_budget(recipe: Recipe, machine_file: Path, log: Log) -> tuple[int, str]:
    """Training tokens for DEMO_SECONDS of a demo here, in whole thousands, and why.

    The machine is measured again, as for any new recipe.
    """
    vocab, context = recipe.tokenizer.vocab, recipe.pack.context
    assert vocab is not None, "a demo says its vocabulary"
    assert context is not None, "a demo says its context"
    machine.forget(machine_file)
    shape = resolve(recipe.model, vocab=vocab, context=context)
    pace = plain_pace(shape, usual_training(matrix_rates(machine_file)), machine_file)
    if pace.doubt:
        log.warn(f"{busy(pace)}: the demo is sized to what they left")
    tokens = pace.tokens_in(DEMO_SECONDS * OVERHEAD)
    reason = f"two minutes at {number(pace.plain)} tokens/s, probed{pace.doubt}"
    if tokens > DEMO_TOKENS:
        reason = "more training on these texts gains nothing: less than two minutes here"
    return max(100_000, min(tokens, DEMO_TOKENS) // 1000 * 1000), reason
