"""A recipe: one TOML file that says everything about a language model. Imports no torch.

It composes the configs of the components. Every key is a config field; an unknown key is an error
with a suggestion. All problems are reported at once, each with its line.
"""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from pydantic import Field, PrivateAttr, model_validator

from endonym.arguments import require_kind, require_list
from endonym.config import Config, written_value
from endonym.data.config import CHATML_NAME, Chat, Pack
from endonym.errors import MissingSource
from endonym.evaluate.config import Evaluation
from endonym.export.config import Export
from endonym.formats.config import LANGUAGE_CODE, Clean, Source, Split
from endonym.formats.files import files_named
from endonym.log import QUIET, Log
from endonym.model.config import ModelKeys
from endonym.recipe.checks import base_model, contradictions, missing_files, missing_sources
from endonym.recipe.layers import (
    lay_sets,
    lay_variant,
    parse,
    plain,
    problems_and_values,
    read,
    recipe_toml,
    set_value,
)
from endonym.recipe.messages import findings, validated
from endonym.recipe.problems import Origin, Problem, refuse
from endonym.recipe.text import KeyPath, dotted
from endonym.tokenizer.config import TokenizerConfig
from endonym.train.config import Phase, Track

Draft = tuple[Mapping[str, Any], Origin, list[Problem]]
"""The data of a recipe before it is checked, its origin, and the problems so far."""
LONGEST_NAME = 64
"""Characters of a recipe's name."""
LONGEST_OVERRIDES = 32
"""Characters of overrides that a run's name shows with all of their keys, the seed aside."""
LONGEST_SHORTENED = 48
"""The same with short keys; longer ones are a hash in it."""


class Recipe(Config):
    """One language model: its texts, cleaning, tokenizer, shape, training, judgement, hand-over."""

    name: str = Field(pattern=rf"^\w[\w.-]{{0,{LONGEST_NAME - 1}}}$")
    """what runs and reports are called"""
    language: str = Field(pattern=LANGUAGE_CODE)
    """the language's code: tt, ro, km, zh-Hant; x-NAME for one that has none"""
    seed: int = Field(default=42, ge=0, lt=2**63)
    """the number that every random choice follows from"""
    source: tuple[Source, ...] = Field(default=(), title="a source")
    """the raw texts, one table for each set of files; none is needed to teach a model of
    model.folder to answer
    """
    clean: Clean = Field(default_factory=Clean, title="cleaning")
    """what is changed in the texts, and which documents are dropped"""
    split: Split = Field(default_factory=Split, title="the split")
    """which documents are held out"""
    tokenizer: TokenizerConfig = Field(default_factory=TokenizerConfig, title="a tokenizer")
    """how text becomes ids"""
    pack: Pack = Field(default_factory=Pack, title="packing")
    """how documents become rows of tokens"""
    chat: Chat = Field(default_factory=Chat, title="conversations")
    """how the data of chat and preferences become tokens"""
    model: ModelKeys = Field(default_factory=ModelKeys, title="a model")
    """the shape of the network"""
    phase: tuple[Phase, ...] = Field(min_length=1, title="a phase")
    """the stretches of training, in their order"""
    evaluate: tuple[Evaluation, ...] = Field(default=(), title="an evaluation")
    """how the finished model is judged"""
    export: tuple[Export, ...] = Field(default=(), title="an export")
    """the forms in which the model is handed over"""
    track: Track = Field(default_factory=Track, title="tracking")
    """experiment trackers that get the training metrics"""

    _origin: Origin = PrivateAttr(default_factory=Origin)
    _as_read: dict[str, Any] | None = PrivateAttr(default=None)

    def __new__(cls, **keys: Any) -> Self:
        """An empty recipe. Raises RecipeError with every problem of keys that are given in Python,
        which pydantic would tell in its own words."""
        if keys:
            given = _dumped(keys)
            problems, _ = problems_and_values(cls, given)  # without None, which no key takes here
            refuse([(problems or findings(cls, given), Origin(Path("Recipe")))])
        return super().__new__(cls)

    @model_validator(mode="after")
    def masks_know_the_language(self) -> Self:
        """Masks, and sources in other languages, need the recipe's if [clean] says none."""
        needs_language = self.clean.mask or any(each.language for each in self.source)
        if needs_language and self.clean.language is None:
            clean = self.clean.model_copy(update={"language": self.language})
            object.__setattr__(self, "clean", clean)  # the recipe is frozen
        return self

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        variant: str | None = None,
        sets: Sequence[str] = (),
        text: str | None = None,
    ) -> Self:
        """Read a recipe, apply a variant and `KEY=VALUE` overrides, and check all of it.

        text: what the file will hold, if it is not written yet. Raises RecipeError with every
        problem of the file, each with its line and what to do.
        """
        do = "Give the path of its file. A recipe of keys is endonym.Recipe(**keys)."
        require_kind("path", path, (str, Path), do=do)
        sets = require_list("sets", sets, of="overrides", example='sets=["seed=3"]')
        return cls._of([cls._read(Path(path), variant, sets, text)])[0]

    @classmethod
    def load_all(cls, path: str | Path, *, sets: Sequence[str] = ()) -> list[Self]:
        """A recipe without a variant, then with each of its variants, in the file's order.

        Raises RecipeError with every problem of all of them.
        """
        sets = require_list("sets", sets, of="overrides", example='sets=["seed=3"]')
        names = [None, *cls.variants(path)]
        return cls._of([cls._read(Path(path), name, sets) for name in names])

    @classmethod
    def variants(cls, path: str | Path) -> list[str]:
        """The names of a recipe's variants, in the file's order."""
        variants = parse(Path(path), read(Path(path))).get("variant", {})
        return list(variants) if isinstance(variants, dict) else []

    @classmethod
    def require_all_sources(cls, recipes: Sequence[Self], log: Log = QUIET) -> None:
        """Raise MissingSource for every path of texts, of any of them, that matches no file.

        log: told of what is fetched.
        """
        missing = [
            (missing_sources(each.source, each.phase, each.folder, log), each._origin)
            for each in recipes
        ]
        refuse(missing, MissingSource)

    @property
    def path(self) -> Path:
        """The recipe's file, as it was given."""
        return self._origin.path

    @property
    def folder(self) -> Path:
        """The folder that the recipe's paths are relative to."""
        return self._origin.path.absolute().parent

    @property
    def model_folder(self) -> Path | None:
        """The model to train further; None to train from scratch.

        Raises RecipeError if a run is named that has no finished model.
        """
        if self.model.folder is None:
            return None
        return base_model(self.folder / self.model.folder)

    def teacher_folder(self, phase: int) -> Path | None:
        """The model that a phase learns from, if the recipe names one.

        Raises RecipeError as `model_folder` does.
        """
        distill = self.phase[phase].distill
        if distill is None or distill.model is None:
            return None
        return base_model(self.folder / distill.model, where=f"phase.{phase}.distill.model")

    @property
    def teachers(self) -> list[Path]:
        """The models that phases learn from, each once."""
        found = map(self.teacher_folder, range(len(self.phase)))
        return list(dict.fromkeys(each for each in found if each is not None))

    @property
    def keeps_teachers(self) -> bool:
        """Whether teachers read the text before a phase, so that what they expect is kept."""
        taught = [each for each in self.phase if each.distill is not None or each.members]
        return any(each.distill is None or not each.distill.live for each in taught)

    @property
    def keeps_tokenizer(self) -> bool:
        """Whether the tokenizer is that of the model to train further, unchanged."""
        return self.model.folder is not None and not self.tokenizer.model_fields_set

    @property
    def own_rules(self) -> dict[str, Clean] | None:
        """The cleaning of each source that has its own language or keys, by name; None of none."""
        own = [each for each in self.source if each.language or each.clean]
        return {each.name: self.clean.of(each) for each in own} or None

    def data_files(self, phase: int) -> list[Path]:
        """The files of a phase's conversations or preference pairs, in order."""
        return files_named(self.phase[phase].data_patterns, self.folder)[0]

    @property
    def learns_answers(self) -> bool:
        """Whether a phase learns from conversations or preference pairs."""
        return any(not phase.reads_texts for phase in self.phase)

    def begins_new(self, phase: int) -> bool:
        """Whether a phase begins with random weights."""
        is_new = phase == 0 or self.phase[phase].start == "scratch"
        return is_new and self.model.folder is None

    @property
    def template_file(self) -> Path | None:
        """The file of the chat template, if the recipe names one."""
        named = self.chat.template
        return None if named in (None, CHATML_NAME) else self.folder / named

    @property
    def task_files(self) -> list[Path]:
        """The files of items that evaluations judge."""
        return [path for each in self.evaluate for path in each.files(self.folder, "task")]

    @property
    def prompt_files(self) -> list[Path]:
        """The files of prompts that evaluations continue."""
        kinds = ("prompts", "writing")
        return [path for each in self.evaluate for path in each.files(self.folder, *kinds)]

    @property
    def probe_files(self) -> list[Path]:
        """The file of each probe: of several, that of train."""
        return [path for each in self.evaluate for path in each.files(self.folder, "probe")[:1]]

    @property
    def task_places(self) -> tuple[int, ...]:
        """Their places among the evaluation texts."""
        tasks = {path.resolve() for path in self.task_files}
        every = enumerate(self.evaluation_texts)
        return tuple(n for n, path in every if path.resolve() in tasks)

    @property
    def evaluation_texts(self) -> list[Path]:
        """The files whose texts must not stand in the corpus, each once.

        Those that are scored, and those of `clean.decontaminate`.
        """
        kinds = ("bits", "task", "probe")
        scored = [path for each in self.evaluate for path in each.files(self.folder, *kinds)]
        named, _ = files_named(self.clean.decontaminate, self.folder)
        by_real_path: dict[Path, Path] = {}
        for path in [*scored, *named]:
            by_real_path.setdefault(path.resolve(), path)
        return list(by_real_path.values())

    @property
    def text(self) -> str:
        """The recipe exactly as it was written; in TOML if it was made or changed in Python."""
        return self._origin.text if self._is_of_file else recipe_toml(plain(self._written())[1])

    @property
    def variant(self) -> str | None:
        """The variant that was asked for."""
        return self._origin.variant

    @property
    def sets(self) -> tuple[str, ...]:
        """The `KEY=VALUE` overrides it was loaded with."""
        return self._origin.sets

    @property
    def run_name(self) -> str:
        """`name`, `name@variant`, `name+KEY=VALUE`: other overrides make another run."""
        phase = self.phase[0].name if len(self.phase) == 1 else ""
        return f"{self._variant_name}{overrides_name(self.sets, phase=phase)}"

    @property
    def title(self) -> str:
        """What a report is headed by: the name; of a variant or with overrides, also the seed."""
        seed = f"seed {self.seed}" if self.variant or _override_pairs(self.sets) else ""
        return " · ".join(filter(None, [self.name, self.variant, seed]))

    @property
    def _variant_name(self) -> str:
        return f"{self.name}@{self.variant}" if self.variant else self.name

    def as_run(self) -> str:
        """The recipe as it runs, in TOML: as given, or rewritten with variant and overrides."""
        if (self.variant is None and not self.sets) or not self._is_of_file:
            return self.text
        data, _ = lay_variant(type(self), parse(self.path, self.text), self._origin)
        notes = [f"# --variant {self.variant}"] if self.variant else []
        notes += [f"# --set {each}" for each in self.sets]
        return "\n".join([*notes, recipe_toml(lay_sets(data, self.sets)[0])])

    def checked(self) -> Self:
        """This recipe, after the checks of `load` if it was made or changed in Python.

        Raises RecipeError with every problem.
        """
        if self._is_of_file:
            return self
        return self._of([(self._written(), self._origin, [])], as_read={})[0]

    @property
    def _is_of_file(self) -> bool:
        """Whether the text that it was read from, with variant and overrides, says what it does."""
        is_known = self.model_fields_set <= type(self).model_fields.keys()
        return is_known and self._as_read == self.model_dump(warnings=False)

    def _written(self) -> dict[str, Any]:
        """The keys that were given, without configs. None stands for a key that is left out."""
        # A copy with other values may hold plain tables, of which pydantic would warn.
        keys = self.model_dump(exclude_unset=True, warnings=False)
        strange = self.model_fields_set - type(self).model_fields.keys()
        return _dumped(keys | {name: self.__dict__[name] for name in strange})

    def with_values(self, changes: Mapping[str, Any]) -> Self:
        """A copy with these dotted keys replaced, such as "phase.0.lr"; None removes a key.

        Raises RecipeError, naming the changed keys, if the copy is not a valid recipe.
        """
        data = self._written()
        labels: dict[KeyPath, str] = {}
        problems: list[Problem] = []
        for key, value in changes.items():
            path, problem = set_value(data, dotted(key), _dumped(value))
            label = f"{key} = {written_value(_dumped(value))}"
            if problem:
                problems.append(replace(problem, where=label))
            else:
                labels[path] = label
        origin = replace(self._origin, labels={**self._origin.labels, **labels})
        return self._of([(data, origin, problems)], as_read=self._as_read)[0]

    def require_sources(self, log: Log = QUIET, *, but: Collection[str] = ()) -> None:
        """Raise MissingSource, with file and line, for every path of texts that matches no file.

        log: told of what is fetched. but: names of sources and phases that need no file.
        """
        missing = missing_sources(self.source, self.phase, self.folder, log, but=but)
        refuse([(missing, self._origin)], MissingSource)

    def refuse(self, problems: Sequence[Problem]) -> None:
        """Raise RecipeError with these problems, if there are any, each with its line."""
        refuse([(problems, self._origin)])

    def is_other_than(self, text: str, *, of_model: bool = False) -> bool:
        """Whether it says something else than the text of a recipe that has run.

        Comments and variants do not matter. of_model: nor do exports, and scores of held-out texts;
        files that are scored do, as no text of theirs is learnt.
        """
        own, other = ({**parse(self.path, each), "variant": None} for each in (self.as_run(), text))
        for each in (own, other) if of_model else ():
            each["evaluate"] = [row for row in each.get("evaluate", ()) if "file" in row]
            each["export"] = None
        return own != other

    @classmethod
    def _read(
        cls, file: Path, variant: str | None, sets: Sequence[str], text: str | None = None
    ) -> Draft:
        """A file's data with a variant and overrides applied."""
        text = read(file) if text is None else text
        origin = Origin(file, text, variant, tuple(sets))
        data, problems = lay_variant(cls, parse(file, text), origin)
        data, set_problems, labels = lay_sets(data, sets)
        return data, replace(origin, labels=labels), problems + set_problems

    @classmethod
    def _of(cls, drafts: Sequence[Draft], *, as_read: dict[str, Any] | None = None) -> list[Self]:
        """The recipes that the drafts describe. Raises RecipeError with the problems of all.

        as_read: all values of the recipe in the file; their own if they were read from it.
        """
        checked: list[Draft] = []
        for data, origin, problems in drafts:
            wrong, values = problems_and_values(cls, data)
            wrong += contradictions(values, origin.variant)
            wrong += missing_files(values, origin.path.absolute().parent)
            checked.append((values, origin, [*problems, *wrong]))
        refuse([(problems, origin) for _, origin, problems in checked])
        recipes: list[Self] = []
        for values, origin, _ in checked:
            recipe = validated(cls, values)
            recipe._origin = origin
            recipe._as_read = recipe.model_dump() if as_read is None else as_read
            recipes.append(recipe)
        return recipes


def overrides_name(sets: Sequence[str], *, phase: str = "") -> str:
    """What overrides add to a run's name: themselves if they are short and plain, else a hash.

    Where they are too long, `phase.` is left out, with the name of the only phase if it is given.
    The seed stands behind them, also behind a hash: so the seeds of one recipe are told apart.
    """
    pairs = _override_pairs(sets)
    seed = [f"seed={pairs.pop('seed')}"] if "seed" in pairs else []
    only = rf"({re.escape(phase)}\.)?" if phase else ""
    texts = [f"{key}={value}" for key, value in sorted(pairs.items())]
    shorter = sorted(re.sub(rf"^phase\.{only}(?=[^.]+=)", "", text) for text in texts)
    for each, longest in ((texts, LONGEST_OVERRIDES), (shorter, LONGEST_SHORTENED)):
        name = ",".join(each + seed)
        if len(",".join(each)) <= longest and re.fullmatch(r"[\w.,=+-]*", name, re.ASCII):
            return f"+{name}" if name else ""
    given = ",".join(texts).encode("utf-8", "surrogateescape")
    return "+" + ",".join([hashlib.sha256(given).hexdigest()[:8], *seed])


def _override_pairs(sets: Sequence[str]) -> dict[str, str]:
    """Overrides by key, the last one of each, but the recipe's name: it is in the run's already."""
    parts = (override.partition("=") for override in sets)
    return {k: value.strip() for key, _, value in parts if (k := key.strip()) != "name"}


def _dumped(value: Any) -> Any:
    """A value with each config in it as the plain data that it was made of."""
    if isinstance(value, Config):
        return value.model_dump(exclude_unset=True)
    if isinstance(value, list | tuple):
        return [_dumped(item) for item in value]
    return {k: _dumped(v) for k, v in value.items()} if isinstance(value, dict) else value
