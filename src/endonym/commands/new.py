"""`endonym new`: writes a commented recipe, sized for the texts and this machine."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from endonym.autopilot import machine, model_size
from endonym.autopilot.cautions import cautions_of_amount, held_groups
from endonym.autopilot.model_size import Choice, Choices, Facts
from endonym.autopilot.phase import NEW_PASSES, muon_for
from endonym.autopilot.purpose import Purpose, PurposeName, purpose_of
from endonym.autopilot.run_time import in_proportion
from endonym.autopilot.text_size import measure, try_tokenizer
from endonym.autopilot.workload import Workload
from endonym.commands.check import Checked, check
from endonym.commands.filled import filled
from endonym.corpus.work import suitable_workers
from endonym.data.config import PackConfig
from endonym.device import program
from endonym.disk import file_hash, write_atomic
from endonym.errors import MissingSource, RecipeError, printable, quoted
from endonym.formats.config import (
    BLOCK_BYTES,
    DEFAULT_SHARE,
    LANGUAGE_CODE,
    REST,
    Clean,
    Source,
    Split,
)
from endonym.formats.fetched import fetched_file, is_address
from endonym.formats.files import source_files
from endonym.formats.hub import PREFIX
from endonym.formats.readable import loss_in_words
from endonym.formats.source_errors import source_error
from endonym.log import Log, counted, number
from endonym.model.config import ModelKeys
from endonym.model.count import parameters
from endonym.pipeline.execute import dropped_in_words
from endonym.recipe.recipe import Recipe
from endonym.script.languages import language_name, language_warning, nearest_code, usual_code
from endonym.script.letters import as_name
from endonym.store import Store
from endonym.survey.chats import chat_phases, chats_in_words
from endonym.survey.diagnosis import Advice, Patient, advice
from endonym.survey.examination import LIMIT_BYTES
from endonym.survey.findings import personal_data
from endonym.survey.mending import ALIKE, of_most
from endonym.survey.observing import WORD_MARKS
from endonym.survey.odd_sources import few_warnings
from endonym.survey.raw_files import files_below, relative
from endonym.survey.survey import ODD, PERSONS, Survey, survey_texts
from endonym.survey.templates import SHARE, apart
from endonym.tokenizer.config import TokenizerConfig
from endonym.train.config import Phase
from endonym.workers import runner

LABEL = 12
"""Columns of the labels of survey.txt."""
NAMED = 8
SHOWN = 20
"""Files that are named on the screen, and as left out in the recipe; the rest is counted."""
MOST_HELD_OUT = 0.25
"""The largest share of a small text that is held out so that its score has an interval."""
CHATS = (
    "conversations  {chats}. Their answers are learnt after the texts, which takes extra time; "
    "then: {program} chat NAME"
)
EXAMPLES = 3
"""Examples that are kept of each finding."""


def describe_survey(survey: Survey, language: str, folder: Path, log: Log) -> None:
    """Say what was found in the texts; what is left out is a warning. folder: of the recipe."""
    is_known = all(name.startswith("utf-") for name in survey.encodings)
    names = [Path(path).name for path in survey.no_texts]
    log.line(filled("survey.txt", part="read", survey=survey, is_known=is_known, names=names))
    again = f"{program()} new {quoted(folder)} --update"
    for awaited in survey.awaited.values():
        log.warn(f"not read yet are {awaited}. After that, {again} takes them in")
    for name, reason in list(survey.unreadable.items())[:NAMED]:
        log.warn(f"{name} cannot be read, and is left out: {reason}")
    lost = [
        f"{each.source}: about {why}" for each in survey.readings if (why := loss_in_words(each))
    ]
    _warn_of(lost, "sources that cannot be read as a whole", log)
    chats = [f"{each.data}: {each.problem}" for each in survey.chat_files if each.problem]
    _warn_of(chats, "files of conversations", log)
    name = language_name(language)
    log.line(filled("survey.txt", part="language", survey=survey, language=name))
    for kind, said in ((ODD, ""), (PERSONS, " is left out")):
        some = [f"{printable(each.path)}{said}: {each.reason}" for each in survey.left_as(kind)[0]]
        _warn_of(some, "lists of persons" if kind == PERSONS else "", log)
    if patterns := survey.exclude():
        text = filled("survey.txt", part="left out", survey=survey, patterns=patterns, named=NAMED)
        log.detail(text)
    for warning in [] if survey.taken else few_warnings(survey.all_documents):
        log.warn(warning)
    if survey.doubt:
        log.warn(f"{survey.doubt}. Is --language {language} right?")


def _warn_of(warnings: Sequence[str], kind: str, log: Log) -> None:
    """Give the first warnings, and say how many more there are of the kind."""
    for warning in warnings[:NAMED]:
        log.warn(warning)
    if len(warnings) > NAMED:
        log.line(f"{'':<{LABEL}}and {len(warnings) - NAMED} more {kind}".rstrip())


def describe_model(checked: Checked, log: Log, keyboard: str = "") -> None:
    """Say which model was chosen, and how long it will take. keyboard: what it does on a phone."""
    values = {"parameters": parameters, "in_proportion": in_proportion}
    log.line(filled("chosen.txt", checked=checked, keyboard=keyboard, **values))


OVERHEAD = 0.9
"""Share of the hours for training steps; the rest is for validations, samples and checkpoints."""
MARGIN = 1.25
"""Hours that are said to be enough are so many times more: the next measurement is another one."""


def write_recipe(
    folder: Path,
    *,
    language: str,
    texts: Sequence[str | Path],
    hours: float,
    store: Path,
    log: Log,
    purpose: PurposeName = "model",
) -> tuple[Path, Survey]:
    """Write `folder/recipe.toml`; returns its path and what was found in the texts.

    The recipe has the folder's name and the usual code of the language. The machine is always
    measured again; warns if other programs use it. Raises MissingSource if a path has no readable
    text, RecipeError if a recipe is there already or the language code is not valid.
    """
    path = folder / "recipe.toml"
    require_language(language)
    refuse_to_overwrite(path)
    written_code = language
    language = usual_code(language)
    if language != written_code:
        log.line(f"language {written_code}: the recipe has its usual code, {language}")
    elif warning := language_warning(language):
        log.warn(warning)
    paths, keys = with_fetched(texts, folder, log)
    survey = survey_texts(paths, folder, language=language, log=log)
    write_addresses(survey, keys)
    describe_survey(survey, language, folder, log)
    advised = examined_texts(survey, folder, language, log)
    usable = {source.name for source in advised.sources}
    if not usable:
        raise MissingSource("no text that can be read", where=", ".join(map(str, texts)))
    survey.sources = [pair for pair in survey.sources if pair[0].name in usable]
    survey.joined = [name for name in survey.joined if name in usable]
    survey.samples = [sample for sample in survey.samples if sample.source.name in usable]
    machine.forget(store / "machine.json")
    log.line("measuring how fast this machine trains: about a minute …")
    learnt, shares = apart(survey, usable & advised.templates.keys(), advised.clean)
    made_for = purpose_of(purpose, language, advised.clean.script)
    choices = choose(
        learnt, folder, hours, store=store, log=log, clean=advised.clean, purpose=made_for
    )
    if advised.are_alike:
        choices["split.keep_near_copies"] = Choice(True, ALIKE)
    choices |= _of_templates(shares, made_for) if shares else {}
    text = recipe_text(
        path,
        survey=survey,
        advised=advised,
        choices=choices,
        purpose=made_for,
        language=language,
    )
    write_atomic(path, f"{text}\n".encode())
    try:
        # Check a recipe that was written, and say what it makes, and what to know of that.
        checked = check(Recipe.load(path), Store(store))
        if chats := chats_in_words(survey.chat_files):
            log.line(CHATS.format(chats=chats, program=program()))
        describe_model(checked, log, made_for.note)
        for warning in cautions_of_amount(checked.recipe, checked.facts, checked.training.model):
            log.warn(warning)
    except BaseException:  # The next `new` would refuse to write over it.
        path.unlink()
        raise
    return path, survey


def _of_templates(shares: Mapping[str, float], purpose: Purpose) -> Choices:
    """The shares of sources of which some were filled in by a program."""
    why = f"{100 * SHARE:.0f} % at most for templates; {REST} are all other sources, by size"
    of_phases = ("phase", "keys") if purpose.learns_keys else ("phase",)
    choices = {f"{table}.sources": Choice(shares, why) for table in of_phases}
    return choices | {"tokenizer.sources": Choice(shares, "few pieces for templates")}


def with_fetched(
    texts: Sequence[str | Path], folder: Path, log: Log
) -> tuple[list[Path], dict[str, dict[str, str]]]:
    """The texts as paths, of which those in the network are fetched; and what to write for these.

    Their keys of a source are found by the path that a recipe in `folder` would have for the file.
    """
    paths = list[Path]()
    keys = dict[str, dict[str, str]]()
    for text in map(str, texts):
        if text.startswith(PREFIX):
            raise source_error("hub_in_new", f"--text {text}")
        if not is_address(text):  # A wrong path is an error before anything is fetched.
            files_below(Path(text), "--text ")
    for text in map(str, texts):
        paths.append(Path(text))
        if is_address(text):
            paths[-1] = fetched_file(Source(name="texts", path=text), folder, log)
            keys[relative(paths[-1], folder)] = {"path": text, "sha256": file_hash(paths[-1])}
    return paths, keys


def write_addresses(survey: Survey, keys: Mapping[str, Mapping[str, str]]) -> None:
    """Let sources name where they were fetched from. keys: as `with_fetched` returns them."""
    found = survey.sources
    found[:] = [(each.model_copy(update=keys.get(each.path)), why) for each, why in found]
    for at, left in enumerate(survey.left):
        if left.source and (update := keys.get(left.path)):
            source = left.source.model_copy(update=update)
            survey.left[at] = left._replace(path=source.path, source=source)


def examined_texts(survey: Survey, folder: Path, language: str, log: Log) -> Advice:
    """What the doctor advises for the texts, or for a sample of large ones. Says what it found."""
    sources = [(source, source_files(source, folder)) for source, _ in survey.sources]
    patient = Patient(
        folder.name, folder, sources, language, "", survey.sample, survey.texts, survey
    )
    advised = advice(
        patient,
        runner_of=lambda size: runner(suitable_workers(size)),
        log=log,
        samples=EXAMPLES,
        limit=LIMIT_BYTES,
    )
    for finding in of_most(advised.findings):
        log.warn(
            f"{finding.title.lower()}: {finding.share:.0%} of the documents. No rule is written "
            f"for that. Is --language {language} right?"
        )
    if personal := personal_data(advised.findings):
        log.warn(personal)
    for each in advised.findings:
        if each.name == WORD_MARKS:
            where = "the recipe has the lines that take them out as comments below [clean]"
            log.warn(f"{each.within}: {number(each.count)} of {number(each.total)}; {where}")
    examined = advised.examined
    text = "nothing could be examined: the run reads pictures of text"
    if examined.documents:
        n_dropped = examined.documents - examined.kept.documents
        sample = "" if examined.is_whole else "a sample of "
        documents = counted(examined.documents, "document")
        by_rule = {name: rule.documents for name, rule in examined.rules().items()}
        reasons = {reason: n for reason in examined.reasons() if (n := by_rule.get(reason))}
        text = (
            f"{dropped_in_words(reasons)} of {sample}{documents}, "
            f"{100 * n_dropped / examined.documents:.1f} %; endonym doctor shows examples of each"
        )
    log.line(f"{'cleaning':<{LABEL}}{text}")
    for name, share in advised.templates.items():
        log.warn(
            f"{name} was filled in by a program: {100 * share:.0f} % of its letters stand in other "
            f"texts of it. Beside other sources it gets {100 * SHARE:.0f} % of the training tokens "
            "at most (sources in [[phase]]), so that the model does not write like it"
        )
    return advised


def require_language(code: str) -> None:
    """Raise RecipeError, with the code that may be meant, unless it is a language's code."""
    if re.match(LANGUAGE_CODE, code):
        return
    near = nearest_code(code)
    do = "Write its code of ISO 639, such as tt, ro or km; x-NAME for a language that has none."
    if near is not None:
        do = f"Write --language {near} for {language_name(near)}, or the code of another one."
    raise RecipeError(f'"{code}" is no language code', where="--language", do=do)


def refuse_to_overwrite(path: Path) -> None:
    """Raise RecipeError if there is a recipe already."""
    if path.exists():
        again = f"{program()} run {quoted(path.parent)} --set phase.tokens=N"
        do = (
            f"To train it for longer or shorter: {again}\nTo take in new texts: --update. "
            "For a model of another size: give another folder."
        )
        raise RecipeError("a recipe is there already", where=path, do=do)


def choose(
    survey: Survey,
    folder: Path,
    hours: float,
    *,
    store: Path,
    log: Log,
    clean: Clean,
    purpose: Purpose,
) -> Choices:
    """All choices that a recipe for these texts states, if it trains for so many hours.

    The shape is chosen by an estimate of its speed from that of a small shape; the token budget by
    measuring the chosen one.
    """
    texts = replace(measure(survey.samples, clean), text_bytes=int(survey.text_bytes))
    for fault in texts.faults[:SHOWN]:
        log.warn(fault)
    vocab = purpose.vocab(texts.letters)
    config = TokenizerConfig(kind=purpose.tokenizer, vocab=vocab.value)
    bytes_per_token = try_tokenizer(config, texts.sample).bytes_per_token
    # The facts of texts of which enough is held out, and how much, if that is unusual.
    facts = texts.facts(Split(), bytes_per_token)
    share = held_groups(facts, BLOCK_BYTES)[0].share
    held: Choices = {}
    if DEFAULT_SHARE < share <= MOST_HELD_OUT:
        held["split.val_share"] = Choice(share, "less of so small a text gives no interval")
        facts = texts.facts(Split(val_share=share), bytes_per_token)
    context = model_size.choose_context(facts, ModelKeys())
    machine_file = store / "machine.json"
    seconds = hours * 3600 * OVERHEAD
    shape, promised, passes = _timed_shape(
        facts, vocab.value, context.value, seconds=seconds, machine_file=machine_file
    )
    dim, layers, dropout = (shape[f"model.{key}"].value for key in ("dim", "layers", "dropout"))
    chosen = machine.usual_shape(dim, layers, vocab.value, context.value, dropout=dropout)

    def probed(muon: Choice | None) -> machine.Pace:
        """The measured pace of the chosen shape, with Muon or without it."""
        optimizer = "adamw" if muon is None else "muon"
        usual = machine.usual_training(machine.matrix_rates(machine_file), optimizer=optimizer)
        pack = PackConfig(context=context.value, join=tuple(survey.joined))
        document = pack.usual_length(facts.mean_document_tokens)
        return machine.measured_pace(Workload(chosen, usual, document=document), machine_file)

    budget = partial(_budget, epoch=facts.positions, passes=passes, hours=hours, seconds=seconds)
    muon = muon_for(Phase(tokens=promised), facts, dim=dim)
    pace = probed(muon)
    if muon is not None:  # Its measured speed may allow more epochs than Muon is good for.
        muon = muon_for(Phase(tokens=budget(pace)[0]), facts, dim=dim)
        pace = probed(None) if muon is None else pace
    if pace.doubt:
        log.warn(
            f"{busy(pace)}, so the recipe may ask for less than {hours:g} h of training: with more "
            "`tokens` in [[phase]] it takes longer"
        )
    tokens, reason = budget(pace)
    phase = {} if muon is None else {"phase.optimizer": muon}
    keys = Phase(tokens=tokens, optimizer="adamw" if muon is None else "muon")
    phase |= purpose.phases(keys, reason, facts, context.value, dim=dim, layers=layers)
    data = held | {"tokenizer.vocab": vocab, "pack.context": context}
    if survey.joined:
        why = "lists of sentences, parts of a text: their neighbours are context"
        data["pack.join"] = Choice(survey.joined, why)
    data |= purpose.of_model() | shape | {"phase.tokens": phase["phase.tokens"]} | phase
    # What goes with so many epochs. passes: how many the chosen model may get at most.
    found = model_size.choose_dropout(facts, tokens)
    if tokens > NEW_PASSES * facts.positions:
        found["phase.average"] = Choice("ema", "averaged weights overfit less")
    if tokens > model_size.MOST_PASSES * facts.positions and passes == model_size.LITTLE_PASSES:
        why = "tokens are split at random, so that each reading of the text differs"
        found["model.dropout"] = Choice(model_size.LITTLE_DROPOUT, found["model.dropout"].reason)
        found["phase.subword_dropout"] = Choice(model_size.LITTLE_SUBWORDS, why)
    return purpose.averaged(data | found)


def _timed_shape(
    facts: Facts, vocab: int, context: int, *, seconds: float, machine_file: Path
) -> tuple[Choices, int, int]:
    """The shape for so many seconds of training, its estimated tokens, and its epochs at most.

    It gets more layers if time is left.
    """
    rates = machine.matrix_rates(machine_file)
    usual = machine.usual_training(rates)
    small = machine.measured_pace(Workload(machine.small_shape(), usual), machine_file)

    def promised(dim: int, layers: int) -> int:
        """The tokens that a shape can train on in these seconds, by estimate."""
        shape = machine.usual_shape(dim, layers, vocab, context)
        tokens = seconds / machine.promised_seconds(shape, rates[usual.number_format], small)
        return max(1, int(tokens))

    choices = model_size.choose_shape(ModelKeys(), facts, promised)
    dim = choices["model.dim"].value
    layers = choices["model.layers"].value
    little = model_size.little_shape(facts, promised)
    passes = model_size.MOST_PASSES
    if little is not None:
        choices = choices | little
        passes = model_size.LITTLE_PASSES
    elif (more_layers := model_size.deeper(dim, layers, facts, promised)) is not None:
        choices["model.layers"] = more_layers
    if little is None and facts.positions in model_size.LITTLE_TOKENS:
        share = promised(*model_size.LITTLE_SHAPE) / (model_size.LITTLE_PASSES * facts.positions)
        enough = math.ceil(10 * MARGIN * seconds / 3600 / OVERHEAD / share) / 10
        more = f"; --hours {enough:.1f} is enough for a larger model"
        choices["model.dim"] = Choice(dim, choices["model.dim"].reason + more)
    return choices, promised(choices["model.dim"].value, choices["model.layers"].value), passes


def _budget(
    pace: machine.Pace, *, epoch: int, passes: int, hours: float, seconds: float
) -> tuple[int, str]:
    """Training tokens, in whole thousands, and why: limited by time or by the size of the text.

    epoch: its tokens. passes: epochs at most. seconds: time for training steps.
    """
    most = passes * epoch
    possible = pace.tokens_in(seconds)
    reason = f"{hours:g} h at {number(possible / seconds)} tokens/s, probed{pace.doubt}"
    if possible > most:
        gain = "gain nothing" if passes == model_size.MOST_PASSES else "were not tried"
        reason = f"{passes} epochs; more {gain}, though there is time: {reason}"
    return max(2048, min(possible, most) // 1000 * 1000), reason


def busy(pace: machine.Pace) -> str:
    """The words for a measurement that other programs disturbed."""
    return f"other programs took {pace.others:.1f} cores while this machine was measured"


def recipe_text(
    path: Path,
    *,
    language: str,
    survey: Survey,
    advised: Advice,
    choices: Choices,
    purpose: Purpose,
) -> str:
    """The recipe. Its name is that of its folder, as far as a name can hold it."""
    name = as_name(path.absolute().parent.name, "-", 48).strip("-.") or "model"
    weighed = choices["phase.sources"].value if "phase.sources" in choices else {}
    return filled(
        "recipe.txt",
        called=name,
        path=quoted(path),
        language=language,
        survey=survey,
        shown=SHOWN,
        sources=[
            source.model_copy(update={"repeatable": True}) if source.name in weighed else source
            for source in advised.sources
        ],
        reasons={source.name: reason for source, reason in survey.sources},
        clean=advised.table,
        purpose=purpose,
        choices=choices,
        chats=chat_phases(survey.chat_files),
    )
