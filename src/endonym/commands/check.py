"""`endonym check`: what a recipe would make, computed by formula. Makes and measures nothing."""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise, zip_longest
from typing import Any, NamedTuple

from endonym.autopilot import resolve
from endonym.autopilot.cautions import (
    TEXTS,
    Read,
    caution_of_empty,
    cautions,
    cautions_of_amount,
    cautions_of_cleaning,
    cautions_of_starts,
    cautions_of_unequal,
    sets_for_as_much,
)
from endonym.autopilot.known_machines import KnownMachine
from endonym.autopilot.machine import saved_measurement
from endonym.autopilot.mixture import facts_of_phase
from endonym.autopilot.model_size import Choice, Choices, Facts
from endonym.autopilot.run_time import in_proportion, paces_here, promised_parts
from endonym.autopilot.teachers import kept_bytes, teachers_of
from endonym.autopilot.text_size import SourceSample, measure, samples_of
from endonym.commands.filled import filled
from endonym.data.order import largest_gap
from endonym.data.shards import TokenShards
from endonym.device import free_memory_bytes
from endonym.errors import MissingSource, OutOfMemory, RecipeError, TokenizerError
from endonym.export.shapes import require_shapes
from endonym.formats.files import RawFile, RawSet, is_remote, source_files
from endonym.log import QUIET, Log, counted, listed
from endonym.model import count
from endonym.model.config import ModelConfig
from endonym.model.foreign.folder import AnyModelConfig
from endonym.pipeline import sources
from endonym.pipeline.execute import (
    dropped_in_words,
    require_evaluation_files,
    require_other_run,
    run_folder,
)
from endonym.pipeline.made_by import CodeNotes, Fresh, OtherCode
from endonym.pipeline.metrics import require_packages
from endonym.pipeline.plan import (
    DataStages,
    model_stages,
    plan_data,
    plan_training,
    room_warnings,
)
from endonym.pipeline.settle import Lockfile, with_examples
from endonym.pipeline.stage import Stage
from endonym.recipe.checks import after_pruning
from endonym.recipe.recipe import Recipe
from endonym.report.training import SLICES
from endonym.store import Store
from endonym.survey.odd_sources import source_warnings
from endonym.train.config import TrainConfig
from endonym.train.memory_budget import kept_steps_bytes, phase_bytes, teachers_bytes
from endonym.train.schedule import kept_steps

EXACT_ROWS = 200
"""Rows of a hundredth of a phase from which on its shares are exact to half a point."""
SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(|[kmgt]?b)", re.IGNORECASE)
UNITS = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}
LEFT_OUT = "left out: {}"
UNMEASURED = Choice("fp32", "nothing was measured here yet")
TOLD = ("keep", "lr")
"""Choices of a phase of answers that are told with their reasons."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check.

    parts: seconds of each part of the run; empty if this machine was never measured. facts: of the
    training text, and of the examples of other phases. is_counted: an earlier run on the same texts
    and settings has counted these; otherwise they are estimated from samples. free_bytes: memory
    for training there. sized: the sources whose size was given. other_code: of the artefacts that
    are there. machine: another one, if the plan is for it.
    """

    recipe: Recipe
    training: resolve.ResolvedTraining
    choices: Choices
    facts: Facts
    parts: dict[str, float]
    warnings: list[str]
    free_bytes: int
    is_counted: bool = False
    sized: tuple[str, ...] = ()
    other_code: tuple[OtherCode, ...] = ()
    machine: KnownMachine | None = None

    @property
    def seconds(self) -> float | None:
        """From training to export; None if this machine was never measured."""
        return sum(self.parts.values()) if self.parts else None

    @property
    def train_tokens(self) -> int:
        """The tokens of all phases."""
        return sum(each.steps * each.batch_tokens for each in self.training.phases)

    @property
    def text_tokens(self) -> int:
        """Those of the phases that read the texts."""
        readers = [each for each in self.training.phases if each.reads_texts]
        return sum(each.steps * each.batch_tokens for each in readers)

    @property
    def epochs(self) -> float:
        """How often the training text is read; in a phase with shares, its largest source."""
        phases = zip(self.recipe.phase, self.training.phases, strict=True)
        return sum(
            config.steps * config.batch_tokens / max(1, facts_of_phase(phase, self.facts).positions)
            for phase, config in phases
            if phase.reads_texts
        )

    @property
    def shape(self) -> AnyModelConfig:
        """The config of the decoder."""
        return self.training.model

    @property
    def memory_bytes(self) -> int:
        """Of the largest phase, or of teachers that read before one, if documents fill whole rows:
        their lengths are not known."""
        needed = list[int]()
        shape = self.shape
        for number, config in enumerate(self.training.phases):
            beside, before = teachers_of(self.recipe, number, shape, config.context)
            row = config.row_tokens(shape.context)
            needed += [phase_bytes(shape, config, teachers=beside), teachers_bytes(row, before)]
        return max(needed)

    @property
    def fits(self) -> bool:
        """Whether the largest phase fits into memory."""
        return self.memory_bytes <= self.free_bytes

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        shape = self.shape
        phases = list[dict[str, Any]]()
        for config in self.training.phases:
            shares = {source.name: source.share for source in config.sources}
            phases.append({"name": config.name, "sources": shares})
            phases[-1]["tokens"] = config.steps * config.batch_tokens
        return {
            "name": self.recipe.run_name,
            "family": shape.family,
            "parameters": count.parameters(shape).total,
            "active_parameters": count.parameters(shape).active,
            "trained_parameters": {
                e.name: count.trained_parameters(shape, e.adapt) for e in self.training.phases
            },
            "flops_per_token": count.flops_per_token(shape, self.training.pack.context),
            "train_tokens": self.train_tokens,
            "unique_tokens": self.facts.unique_tokens,
            "positions": self.facts.positions,
            "epochs": self.epochs,
            "is_counted": self.is_counted,
            "phases": phases,
            "memory_bytes": self.memory_bytes,
            "free_bytes": self.free_bytes,
            "machine": None if self.machine is None else asdict(self.machine),
            "cache_bytes_per_token": count.cache_bytes_per_token(shape),
            "cache_bytes": count.cache_bytes(shape, shape.context),
            "seconds": self.seconds,
            "seconds_of": self.parts,
            "choices": {key: choice._asdict() for key, choice in self.choices.items()},
            "warnings": self.warnings,
            "other_code": {each.stage: each._asdict() for each in self.other_code},
        }


def check(
    recipe: Recipe,
    store: Store,
    target: str = "cpu",
    *,
    log: Log | None = None,
    machine: KnownMachine | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Checked:
    """Check a recipe for training on a device, or on a machine that is not here.

    log: told of texts that are fetched. sizes: bytes of text that sources, and `data` of phases,
    will hold, by name; these need no files. Raises MissingSource, ShapeError and ExportError as
    `run` would.
    """
    sizes = sizes or {}
    if log is not None:
        for told in sources.words_of(sources.beside(recipe, store), recipe):
            log.warn(told)
    recipe.require_sources(log or QUIET, but=sizes)
    require_packages(recipe)
    require_evaluation_files(recipe)
    require_other_run(recipe, store)
    samples, raw = texts_of(recipe, store, sizes, log or QUIET)
    target = "cuda" if machine else target
    estimate = expected(recipe, samples, store, target, raw=raw, machine=machine, sizes=sizes)
    facts, choices, training, *_ = estimate
    others = estimate.other_code(recipe, store).values()
    paces = paces_here(training, facts, store.root / "machine.json") if target == "cpu" else []
    if machine:
        paces = [machine.seconds_a_token(training.model, phase) for phase in training.phases]
    require_shapes(recipe.export, training.model)
    require_tokenizer(recipe, samples, training.model)
    warnings = warnings_of_texts(recipe, samples, estimate)
    warnings += [] if machine else warnings_of_room(recipe, store, estimate)
    free = machine.free_bytes if machine else free_memory_bytes(target)
    try:
        memory = resolve.memory_choices(recipe, training, {}, target, longest=None, free=free)
        training = training.with_choices(memory)
        choices = choices | memory
    except OutOfMemory as error:
        warnings.append(f"{error.where}: {error.message}. {error.do}")
    # There are no paces, not even some, on a machine that was never measured.
    for number, (config, pace) in enumerate(zip_longest(training.phases, paces)):
        read_facts = facts.examples.get(number, facts)
        warnings += cautions(config, read_facts, training.pack.context, seconds=pace, longest=None)
    return Checked(
        recipe=recipe,
        training=training,
        choices=choices,
        facts=facts,
        parts=promised_parts(recipe, training, facts, paces) if paces else {},
        warnings=warnings,
        free_bytes=free,
        is_counted=estimate.is_counted,
        sized=tuple(sizes),
        other_code=tuple(each for each in others if not each.are_releases),
        machine=machine,
    )


def warnings_of_room(recipe: Recipe, store: Store, estimate: "Expected") -> list[str]:
    """Whether the disk has no room for what will be kept of teachers, and is not there yet."""
    stages = estimate.stages(recipe) if recipe.keeps_teachers else []
    made = [stage.name for stage in stages if store.find(stage.kind, stage.id) is not None]
    vocab = estimate.training.model.vocab
    return room_warnings(recipe, store, estimate.facts, vocab, made=made)


def warnings_of_texts(
    recipe: Recipe, samples: Sequence[SourceSample], estimate: "Expected"
) -> list[str]:
    """What is odd about a recipe's texts and conversations, and about what it does with them."""
    facts = estimate.facts
    clean = recipe.clean
    warnings = source_warnings(samples, recipe.language, clean.max_unreadable)
    warnings += cautions_of_starts(recipe)
    warnings += [LEFT_OUT.format(each.faults) for each in facts.examples.values() if each.faults]
    warnings += [each.several_answers for each in facts.examples.values() if each.several_answers]
    if estimate.is_counted and (empty := caution_of_empty(facts)):
        warnings.append(empty)
    if recipe.source:
        warnings += cautions_of_cleaning(clean, are_alike=bool(recipe.split.keep_near_copies))
        warnings += cautions_of_amount(recipe, facts, estimate.training.model)
    return warnings


def read_by(checks: Sequence[Checked]) -> dict[str, Read]:
    """The training text that each of these runs would read, by the run's name."""
    read: dict[str, Read] = {}
    for each in checks:
        epochs = each.epochs
        phases = each.recipe.phase
        lengths = {
            f"phase.{phase.name}.{key}": value
            for phase in phases
            for key in ("steps", "tokens", "epochs", "flops")
            if phase.reads_texts and (value := getattr(phase, key)) is not None
        }
        n_bytes = each.facts.text_bytes
        token_bytes = n_bytes / max(1, each.facts.positions)
        context = each.training.pack.context
        of_run = Read(epochs * n_bytes, epochs, lengths, context, token_bytes)
        read[each.recipe.run_name] = of_run
    return read


def sets_of_study(checks: Sequence[Checked]) -> list[str]:
    """The overrides with which these recipes read as much text, if they do not without."""
    return sets_for_as_much(read_by(checks))


def cautions_of_study(checks: Sequence[Checked]) -> list[str]:
    """Warnings of what makes a comparison of these recipes unfair or idle."""
    alike = list[str]()
    for place, each in enumerate(checks):
        same = [e for e in checks[:place] if e.recipe.model_dump() == each.recipe.model_dump()]
        name = each.recipe.run_name
        alike += [TEXTS["same"].format(name=name, other=e.recipe.run_name) for e in same[:1]]
    return cautions_of_unequal(read_by(checks)) + alike


def require_tokenizer(
    recipe: Recipe, samples: Sequence[SourceSample], shape: AnyModelConfig
) -> None:
    """Raise TokenizerError or ExportError if the tokenizer of a pretrained model does not work.

    It is made on a sample of the texts as `run` makes it, and must read them, and so must the
    programs of the exports.
    """
    if recipe.model_folder is None:
        return
    from endonym.export.formats import require_formats
    from endonym.tokenizer.extend import extend_tokenizer
    from endonym.tokenizer.tokenizer import Tokenizer
    from endonym.tokenizer.train import train_tokenizer

    texts = [text for text in measure(samples, recipe.clean).sample if text.strip()]
    tokenizer = Tokenizer.load(recipe.model_folder / "tokenizer.json")
    if recipe.tokenizer.extend is not None:
        tokenizer = extend_tokenizer(tokenizer, recipe.tokenizer, lambda: iter(texts))
    elif not recipe.keeps_tokenizer:
        if isinstance(shape, ModelConfig):  # every program of an export reads our own ones
            return
        tokenizer = train_tokenizer(recipe.tokenizer, lambda: iter(texts))
    try:
        tokenizer.check_lossless(texts)
    except TokenizerError as error:
        is_nfc = "nfc" not in recipe.clean.normalize and '"NFC"' in tokenizer.to_json()
        first = 'Write normalize = ["nfc"] in [clean], as this tokenizer does; or replace it'
        error.do = f'{first if is_nfc else "Replace it"}: write kind = "bpe" in [tokenizer].'
        raise
    require_formats(recipe.export, shape, tokenizer, texts)


def texts_of(
    recipe: Recipe, store: Store, sizes: Mapping[str, int], log: Log
) -> tuple[list[SourceSample], list[RawSet] | None]:
    """Samples of a recipe's sources, and the sources with their files and hashes.

    None in place of these if one was never hashed, or if the size of one was given.
    """
    if not sizes:
        files = sources.find(recipe, store)
        unhashed = [RawSet(source=source, files=tuple(each)) for source, each in files]
        return samples_of(unhashed, log), sources.remembered(files, store)
    raw: list[RawSet] = []
    for source in recipe.source:
        found: list[RawFile] = []
        # What lies in the network is not fetched for a plan.
        if source.name not in sizes or not is_remote(source):
            with suppress(MissingSource):
                found = source_files(source, recipe.folder)
        raw.append(RawSet(source=source, files=tuple(found)))
    samples = samples_of(raw, log)
    return [replace(e, text_bytes=sizes.get(e.source.name)) for e in samples], None


def sizes_of(recipe: Recipe, given: Sequence[str]) -> dict[str, int]:
    """Bytes of text by source or phase, from words such as "20MB", "web=1.5GB" or "chat=5MB".

    A size without a name is that of all sources together, in equal parts. Raises RecipeError for
    what is no size, and for a name that the recipe does not have.
    """
    sizes = dict[str, int]()
    names = [source.name for source in recipe.source]
    phases = [phase.name for phase in recipe.phase if not phase.reads_texts]
    for text in given:
        name, _, amount = text.rpartition("=")
        match = SIZE.fullmatch(amount)
        size = round(float(match[1]) * UNITS[match[2].lower()]) if match else 0
        if not size or (name and name not in [*names, *phases]):
            raise RecipeError(
                f'"{text}" is no size of a source or of a phase\'s data in this recipe',
                where="--text-size",
                do=f"For example 20MB, or {names[0] if names else 'NAME'}=1.5GB. "
                f"Sources: {listed(names) or 'none'}"
                + (f"; phases with data: {listed(phases)}." if phases else "."),
            )
        sizes |= {name: size} if name else dict.fromkeys(names, size // len(names))
    return sizes


class Planned(NamedTuple):
    """The stages of hashed texts, what an earlier run has chosen, and what is made again."""

    data: DataStages
    lock: Lockfile
    fresh: Fresh


class Expected(NamedTuple):
    """The training that a recipe will get. planned: if the texts were hashed. is_counted: as in
    Checked.
    """

    facts: Facts
    choices: Choices
    training: resolve.ResolvedTraining
    planned: Planned | None
    is_counted: bool

    def stages(self, recipe: Recipe) -> list[Stage]:
        """All stages, with what `--tune` found before; none if the texts were not hashed."""
        if self.planned is None:
            return []
        data, lock, fresh = self.planned
        training = self.training.with_choices(
            lock.tuned_for(model_stages(recipe, data, self.training)[0].id)
        )
        stages = [*data.all(), *plan_training(recipe, data, training)]
        return [*map(fresh.renewed, stages)]

    def other_code(self, recipe: Recipe, store: Store) -> dict[str, OtherCode]:
        """How the code of the artefacts that are there differs from today's, by stage."""
        if self.planned is None:
            return {}
        notes = self.planned.fresh.notes
        made = [each for each in self.stages(recipe) if store.find(each.kind, each.id)]
        others = [notes.other_code(each.name, each.kind, each.id) for each in made]
        return {each.stage: each for each in others if each is not None}


def expected(
    recipe: Recipe,
    samples: Sequence[SourceSample],
    store: Store,
    target: str,
    *,
    raw: Sequence[RawSet] | None,
    replan: bool = False,
    fresh: frozenset[str] = frozenset(),
    machine: KnownMachine | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Expected:
    """The training that a recipe will get on a device.

    raw: its hashed texts, if they are known. The texts are counted in the shards of an earlier run,
    or else estimated from samples. Choices of an earlier run are taken from its plan; replan:
    nothing is. fresh: the stages to be made again by today's code. The number format of a phase
    that says "auto" is fp32 if nothing was measured here. machine, sizes: as in `check`.
    """
    lock = None
    planned = None
    shards = None
    if raw is not None:
        lock = Lockfile(run_folder(store, recipe), recipe, raw, replan=replan)
    earlier_choices = lock.choices if lock else {}
    facts, choices = resolve.estimated(recipe, samples, target, earlier_choices, sizes=sizes)
    vocab = resolve.likely_vocab(recipe, choices, facts)
    if lock is not None:
        renewal = Fresh(CodeNotes(store), lock.fresh, fresh)
        data = plan_data(recipe, lock.raw, resolve.resolve_tokenizer(recipe, choices))
        planned = Planned(data.renewed(renewal.renewed), lock, renewal)
        shards = store.find("shards", planned.data.shards.id)
        if shards is not None:
            vocab = TokenShards(shards.folder, "train").vocab
            counted_facts = resolve.facts_of(shards)
            facts = with_examples(recipe, counted_facts, planned.data, store, fresh=renewal)
            choices = resolve.counted_choices(choices, recipe, facts, vocab, device=target)
    machine_file = store.root / "machine.json"
    formats = dict.fromkeys(resolve.unsaid_formats(recipe), UNMEASURED)
    if machine:
        formats = dict.fromkeys(formats, machine.number_format)
    elif target != "cpu" or saved_measurement(machine_file, "matmul_per_second"):
        formats = resolve.number_formats(recipe, machine_file, target)
    choices |= formats | earlier_choices
    training = resolve.resolve_training(recipe, choices, facts, vocab)
    choices = {key: choice for key, choice in choices.items() if choice is not UNMEASURED}
    return Expected(facts, choices, training, planned, shards is not None)


def describe(checked: Checked) -> str:
    """The check as text for people. ≈ marks estimates, such as those from samples of the texts."""
    tokenizer = checked.recipe.tokenizer
    shape = checked.shape
    phases = checked.training.phases
    weights = count.parameters(shape)
    about = "" if checked.is_counted else "≈ "
    has_open_vocab = tokenizer.extend is not None or tokenizer.kind == "char"
    adapted = [phase for phase in phases if phase.adapt is not None]
    row = checked.training.pack.context
    return filled(
        "check.txt",
        checked=checked,
        figures=checked.as_dict(),
        about=about,
        about_vocab=about if has_open_vocab else "",
        about_adapters="" if isinstance(shape, ModelConfig) else "≈ ",
        weights=weights,
        parts_text=count.parts_text(shape),
        adapter_flops={p.name: count.flops_per_token(shape, row, p.adapt) for p in adapted},
        uniform_nats=math.log(shape.vocab),
        in_proportion=in_proportion,
        dropped_in_words=dropped_in_words,
        briefly=briefly(checked),
        inexact={phase.name: inexact(phase, row) for phase in phases},
        kept=kept_bytes(checked.recipe, checked.facts, shape.vocab),
        kept_steps=kept_steps,
        kept_steps_bytes=kept_steps_bytes,
        pruned=pruned(checked),
    )


def pruned(checked: Checked) -> dict[str, int]:
    """The parameters that each phase which prunes leaves, by its name."""
    phases = [*enumerate(checked.recipe.phase)]
    return {
        phase.name: count.parameters(after_pruning(checked.shape, phases[: number + 1])[0]).total
        for number, phase in phases
        if phase.prune is not None
    }


def briefly(checked: Checked) -> dict[str, str]:
    """By its key each choice of a phase of answers that needs no reason, and the line that lists
    those of its phase which differ from the phase before."""
    lines = dict[str, str]()
    for number, (before, phase) in enumerate(pairwise(checked.training.phases), 1):
        if phase.reads_texts:
            continue
        own, of_before = ({**dict(e), **dict(e.execution)} for e in (phase, before))
        names = [name for name in own if f"phase.{number}.{name}" in checked.choices]
        said = [f"{n} = {own[n]}" for n in names if n not in TOLD and own[n] != of_before[n]]
        line = f"phase.{number}: {' · '.join(said)}" if said else ""
        lines |= {f"phase.{number}.{name}": line for name in names if name not in TOLD}
    return lines


def inexact(phase: TrainConfig, context: int) -> str:
    """How exact shares can be within a hundredth of a phase, if that has few rows."""
    batch_rows = phase.batch_tokens // context
    steps = [math.ceil(phase.steps * part / SLICES) for part in range(1, SLICES + 1)]
    ends = [batch_rows * step for step in steps]
    rows = max(batch_rows, ends[-1] // SLICES)
    if len(phase.sources) < 2 or rows >= EXACT_ROWS:
        return ""
    gap = largest_gap(phase.shares, ends)
    return f" · a hundredth has {counted(rows, 'row')}: off by up to {100 * gap:.1f} points"
