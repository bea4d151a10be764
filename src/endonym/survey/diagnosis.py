"""What is wrong with raw texts, and what mends it: the doctor's work from paths to findings."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from endonym.autopilot import model_size
from endonym.autopilot.machine import usual_shape
from endonym.autopilot.phase import budget_of
from endonym.autopilot.text_size import TextSize, samples_of, try_tokenizer
from endonym.device import program
from endonym.errors import RecipeError, printable, quoted
from endonym.formats.config import Clean, Source, Split
from endonym.formats.files import RawFile, RawSet, files_named, source_files
from endonym.formats.readable import loss_in_words
from endonym.formats.source_errors import source_error
from endonym.log import Log, counted, listed, number, size
from endonym.model.config import ModelKeys
from endonym.model.count import parameters
from endonym.recipe.recipe import Recipe
from endonym.script.languages import language_name, ocr_packages, usual_code, usual_script
from endonym.script.letters import as_name
from endonym.survey import findings, mending
from endonym.survey.chats import chat_phases
from endonym.survey.cleaning import diagnostic_clean
from endonym.survey.examination import EXAMPLES, LIMIT_BYTES, Examined, examine
from endonym.survey.findings import Finding
from endonym.survey.odd_sources import guess_language
from endonym.survey.raw_files import is_of_grammar, relative
from endonym.survey.survey import FEW, Survey, look_through
from endonym.survey.templates import templated
from endonym.tokenizer.config import TokenizerConfig
from endonym.train.config import Phase
from endonym.workers import Runner

RunnerMaker = Callable[[int], AbstractContextManager[Runner]]
"""From the bytes of raw files to what runs the jobs."""
MOST_NAMED = 3
LEAST_CHARS = 2_000
"""Characters of a sample on which a tokenizer is tried."""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined. code: of the language, empty if it is unknown; why: how it is known.

    sample, documents: of the texts. folder: of the recipe, written or to be written. new: the
    command that writes it. called: what commands call it, quoted.
    """

    name: str
    folder: Path
    sources: list[tuple[Source, list[RawFile]]]
    code: str
    why: str
    sample: str
    documents: Sequence[str]
    survey: Survey | None = None
    recipe: Recipe | None = None
    new: str = ""
    called: str = ""

    @property
    def script(self) -> str | None:
        """The script of the language, if it is known."""
        return (self.recipe and self.recipe.clean.script) or usual_script(self.code)


@dataclass(frozen=True, slots=True)
class Potential:
    """bytes: of the text. tokens: of a tokenizer with `vocab` ids that is trained on a sample.

    parameters: of the shape that `endonym check` chooses for a recipe that leaves it open, by the
    tokens that are not held out; dim, layers: this shape. is_enough: whether they suffice for it,
    which is not so for the smallest shape of too little text.
    """

    bytes: int
    tokens: int
    vocab: int
    parameters: int
    dim: int
    layers: int
    is_enough: bool


def potential(text_bytes: int, chars: int, documents: int, sample: Sequence[str]) -> Potential:
    """What a text of this size can feed. sample: paragraphs of it."""
    vocab = model_size.choose_vocab(chars).value
    ratio = model_size.BYTES_PER_TOKEN
    if sum(map(len, sample)) >= LEAST_CHARS:
        config = TokenizerConfig(kind="bpe", vocab=vocab)
        ratio = try_tokenizer(config, sample).bytes_per_token
    mean = text_bytes / max(1, documents)
    text_size = TextSize(
        text_bytes, letters=chars, kept_share=1.0, document_bytes=mean, sample=tuple(sample)
    )
    facts = text_size.facts(Split(), ratio)
    budget = budget_of([Phase(name="pretrain")], facts)
    shape = model_size.choose_shape(ModelKeys(), facts, lambda dim, layers: budget)
    dim = shape["model.dim"].value
    layers = shape["model.layers"].value
    context = model_size.choose_context(facts, ModelKeys()).value
    needed = model_size.TOKENS_PER_PARAMETER * model_size.block_weights(dim, layers)
    tokens = int(text_bytes / ratio)
    total = parameters(usual_shape(dim, layers, vocab, context)).total
    is_enough = needed <= model_size.useful(budget, facts)
    return Potential(text_bytes, tokens, vocab, total, dim, layers, is_enough)


@dataclass(frozen=True, slots=True)
class Advice:
    """What is wrong with texts, and the recipe's answer.

    findings: those that matter most first. clean: the recommended [clean]; table: the same as
    TOML, each key with its reason. sources: without files that gave nothing. templates: the sources
    that a program filled in (survey/templates.py). are_alike: whether a grammar wrote all texts.
    """

    examined: Examined
    findings: list[Finding]
    clean: Clean
    sources: list[Source]
    table: str
    templates: Mapping[str, float]
    are_alike: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The findings, those that matter most first, and what else the page says.

    clean: the recommended [clean]. recipe: the whole recipe.
    raw, kept: what the text feeds as it is, and as that [clean] would leave it.
    """

    patient: Patient
    examined: Examined
    findings: list[Finding]
    clean: Clean
    recipe: str
    raw: Potential
    kept: Potential
    seconds: float

    @property
    def language(self) -> str:
        """The language's name."""
        return language_name(self.patient.code) if self.patient.code else "an unknown language"

    def verdict(self) -> str:
        """One or two sentences."""
        examined = self.examined
        if not examined.documents:
            return "No text could be read. The findings say which files these are, and why."
        n_dropped = examined.documents - examined.kept.documents
        texts = f"{counted(examined.documents, 'document')} ({size(examined.raw.bytes)})"
        present = [each for each in self.findings if each.rank >= findings.WORTHWHILE]
        named = {
            kind: ", ".join(
                f"{each.within} ({counted(each.count, each.of)})"
                for each in [each for each in present if each.severity == kind][:MOST_NAMED]
            )
            for kind in ("serious", "worth mending", "mended", "masked by the recipe")
        }
        masked = named["masked by the recipe"]
        unmasked = [each for each in present if not (each.is_personal and each.is_mended)]
        if any(each.rank >= findings.SERIOUS for each in unmasked):
            share = f"{100 * n_dropped / examined.documents:.1f} %"
            sentence = f"Of {texts} that were read, {share} should go."
            if named["serious"]:
                sentence += f" What matters most: {named['serious']}."
        elif worth := named["worth mending"]:
            sentence = f"{texts} in good order, with something worth mending: {worth}."
        else:
            sentence = f"{texts} in good order: nothing that matters was found."
        if named["mended"]:
            sentence += f" The recipe mends by itself: {named['mended']}."
        sentence += f" The recipe masks personal data: {masked}." if masked else ""
        left = f"{counted(examined.kept.documents, 'document')}, {size(examined.kept.bytes)}"
        enough = "too little for any model here"
        if self.kept.is_enough:
            enough = f"enough for a model of about {rough(self.kept.parameters)} parameters"
            enough += " that reads them four times (one that reads them more often may be larger)"
        tokens = f"about {rough(self.kept.tokens)} tokens"
        return f"{sentence} After cleaning {left} stay: {tokens}, {enough}."

    def read(self) -> list[str]:
        """Sentences on what was read, where it is not everything, and on what is doubtful."""
        examined = self.examined
        patient = self.patient
        notes = [patient.why] if patient.why else []
        if examined.files < examined.all_files:
            notes.append(
                f"Examined is an evenly spread sample: {number(examined.files)} of "
                f"{counted(examined.all_files, 'file')}, {size(examined.bytes)} of "
                f"{size(examined.all_bytes)}. All numbers below are of this sample."
            )
        if examined.cut:
            notes += ["Of large files only the beginnings were read. Numbers below are of these."]
        if any(source.ocr for source, _ in patient.sources):
            notes += ["Pictures of text were not read here; the recipe lets Tesseract read them."]
        same = list(examined.same.items())
        for stays, files in same[:MOST_NAMED]:
            names = [each.partition("/")[2] for each in (stays, *files)]
            every = names if len(set(names)) == len(names) else [stays, *files]
            notes.append(f"{listed(every)} hold the same text, or nearly; {every[0]} stays.")
        if len(same) > MOST_NAMED:
            notes.append(f"The same is so of {counted(len(same) - MOST_NAMED, 'more text')}.")
        if (survey := patient.survey) is not None:
            notes += [survey.doubt] if survey.doubt else []
            if divided := [source.name for source, why in survey.sources if FEW in why]:
                names = listed([*divided[:MOST_NAMED], *["others"] * (len(divided) > MOST_NAMED)])
                notes.append(
                    f"The texts of {names} are few. Parts of them are documents, so that some can "
                    'judge the model; document = "file" in [[source]] keeps texts whole.'
                )
        return notes

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        examined = self.examined
        seen = examined.raw
        return {
            "verdict": self.verdict(),
            "notes": self.read(),
            "language": self.patient.code or None,
            "read": {
                "files": examined.files,
                "all_files": examined.all_files,
                "raw_bytes": examined.bytes,
                "all_raw_bytes": examined.all_bytes,
                "is_sample": not examined.is_whole,
                "documents": examined.documents,
                "bytes": seen.bytes,
                "chars": seen.chars,
            },
            "left": {"documents": examined.kept.documents, "bytes": examined.kept.bytes},
            "findings": [finding.as_dict() for finding in self.findings],
            "languages": dict(examined.languages.most_common()),
            "scripts": dict(seen.scripts.most_common()),
            "mixed_scripts": dict(seen.mixed.most_common()),
            "encodings": dict(examined.encodings.most_common()),
            "lengths": seen.lengths,
            "letters": dict(seen.letters.most_common()),
            "licenses": {
                source.name: source.license or seen.licences.get(source.name, {})
                for source, _ in self.patient.sources
            },
            "words": {"read": seen.words, "growth": examined.growth.get("raw", [])},
            "feeds": {"raw": asdict(self.raw), "cleaned": asdict(self.kept)},
            "recipe": self.recipe,
            "seconds": round(self.seconds, 1),
        }


def rough(value: float) -> str:
    """A number to two digits, as people say it."""
    for unit, name in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if value >= unit:
            return f"{float(f'{value / unit:.2g}'):g}{name}"
    return f"{value:.0f}"


def diagnose(
    paths: Sequence[Path],
    *,
    runner_of: RunnerMaker,
    log: Log,
    language: str | None = None,
    contrast: Sequence[str] = (),
    samples: int = EXAMPLES,
    limit: int = LIMIT_BYTES,
) -> Diagnosis:
    """Examine texts, or the sources of a recipe.

    Raises MissingSource if a path has no file, RecipeError for a recipe that cannot be read, or
    that is not alone.
    """
    began = time.perf_counter()
    recipes = [path for path in paths if path.suffix == ".toml"]
    if recipes and len(paths) > 1:
        raise RecipeError(
            f"a recipe is examined alone, and {len(paths)} paths are given",
            where=printable(recipes[0]),
            do="Give one recipe, or files and folders of texts.",
        )
    is_recipe = bool(recipes) and paths[0].is_file()
    patient = (of_recipe if is_recipe else of_texts)(paths, language, log)
    files, missing = files_named(list(contrast), Path.cwd())
    if missing:
        raise source_error("no_contrast", f"--contrast {missing[0]}")
    advised = advice(
        patient, runner_of=runner_of, log=log, contrast=files, samples=samples, limit=limit
    )
    raw, kept = (
        potential(each.bytes, each.chars, each.documents, list(each.paragraphs.values()))
        for each in (advised.examined.raw, advised.examined.kept)
    )
    recipe = _recipe(patient, advised)
    seconds = time.perf_counter() - began
    return Diagnosis(
        patient, advised.examined, advised.findings, advised.clean, recipe, raw, kept, seconds
    )


def advice(
    patient: Patient,
    *,
    runner_of: RunnerMaker,
    log: Log,
    contrast: Sequence[Path] = (),
    samples: int = EXAMPLES,
    limit: int = LIMIT_BYTES,
) -> Advice:
    """Examine texts with every rule: what is wrong with them, and what a recipe does about it.

    contrast: files of texts in other languages. limit: bytes of raw files that are examined.
    """
    clean = diagnostic_clean(patient.code, patient.sample, patient.documents)
    if patient.recipe is not None:  # what a person has decided
        own = patient.recipe.clean
        kept = {key: each for key in findings.OWN_KEYS if (each := getattr(own, key)) is not None}
        clean = clean.model_copy(update=kept)
    if contrast and clean.language:
        names = tuple(relative(path, patient.folder) for path in contrast)
        clean = clean.model_copy(update={"contrast": names})
    plain = list[tuple[Source, list[RawFile]]]()
    for each, raw in patient.sources:
        script = usual_script(each.language) if each.language else patient.script
        plain.append((each.in_script(script).model_copy(update={"ocr": None, "clean": None}), raw))
    total = sum(RawSet(source=each, files=tuple(raw)).bytes() for each, raw in plain)
    with runner_of(min(total, limit)) as runner:
        examined = examine(
            plain,
            clean,
            contrast=contrast,
            runner=runner,
            progress=log.progress,
            samples=samples,
            limit=limit,
        )
    sources = [each for each, _ in patient.sources]
    survey = patient.survey
    packages = ocr_packages(patient.script, patient.code)
    templates = templated(survey.samples) if survey else {}
    found = findings.findings_of(
        examined, sources, survey, samples=samples, packages=packages, templates=templates
    )
    read = mending.readings(examined)
    # Late faults of large files are in the survey, which reads more of some.
    all_readings = [*read, *(survey.readings if survey else ())]
    files = [file for _, some in patient.sources for file in some]
    are_alike = bool(files) and all(is_of_grammar(file.path) for file in files)
    clean = mending.recommended(examined.clean, found, all_readings, are_alike=are_alike)
    found = mending.prescribed(found, clean, patient.recipe and patient.recipe.clean)
    table = mending.clean_table(clean, found, [each.source for each in read if loss_in_words(each)])
    mended = mending.mended(examined, patient.sources)
    return Advice(examined, found, clean, mended, table, templates, are_alike)


def _recipe(patient: Patient, advised: Advice) -> str:
    """The whole recipe of texts; of a recipe what changes in it; empty without any text."""
    if not advised.sources:
        return ""
    if patient.recipe is None:
        notes = [f"{patient.new} writes this, and chooses the rest"]
        return mending.recipe_text(
            patient.name,
            patient.code,
            advised.sources,
            advised.table,
            notes=notes,
            chats=chat_phases(patient.survey.chat_files) if patient.survey else (),
            are_alike=advised.are_alike,
        )
    before = [source for source, _ in patient.sources]
    changed = [each for each in advised.sources if each not in before]
    tried_keys, own_keys = (
        clean.model_dump(exclude_defaults=True)
        for clean in (advised.examined.clean, patient.recipe.clean)
    )
    path = printable(patient.recipe.path)
    notes = [f"# Put this in the place of [clean] in {path}; all else stays."]
    if changed:
        names = ", ".join(f'"{source.name}"' for source in changed)
        notes.append(f"# The same for [[source]] {names}.")
    if untried := ", ".join(key for key in own_keys if key not in tried_keys):
        why = "that were not tried here; keep them if you want them"
        notes.append(f"# It has keys {why}: {untried}")
    tables = [*map(mending.source_table, changed), advised.table]
    if advised.are_alike and not patient.recipe.split.keep_near_copies:
        notes.append("# Its [split] gets the key below as well.")
        tables.append(mending.split_table())
    return "\n\n".join(["\n".join(notes), *tables]) + "\n"


def of_texts(paths: Sequence[Path], language: str | None, log: Log) -> Patient:
    """Texts, whose sources are guessed as `endonym new` does.

    The recipe has absolute paths: its lines work in any folder, also in the recipe of `new`.
    """
    folder = Path(Path.cwd().anchor)
    survey = look_through(paths, folder, language=usual_code(language or ""), log=log)
    code, why = language_of(language, survey.texts)
    sources = [(source, source_files(source, folder)) for source, _ in survey.sources]
    stem = printable(paths[0].absolute().name.split(".")[0])
    name = as_name(stem, "-", 48).strip("-.") or "texts"
    target = f"{name}-model" if Path(name).exists() else name
    given = "".join(f" --text {quoted(path)}" for path in paths)
    new = f"{program()} new {quoted(target)} --language {code or mending.UNKNOWN}{given} --hours 1"
    sample = survey.sample
    documents = survey.texts
    values: dict[str, Any] = {"survey": survey, "new": new, "called": quoted(target)}
    return Patient(name, folder, sources, code, why, sample, documents, **values)


def of_recipe(paths: Sequence[Path], language: str | None, log: Log) -> Patient:
    """The sources of a recipe."""
    recipe = Recipe.load(paths[0])
    raw = [
        RawSet(source=each, files=tuple(source_files(each, recipe.folder, log=log)))
        for each in recipe.source
    ]
    found = samples_of(raw, log)
    texts = [text for each in found for _, begin in each.beginnings for text in begin.texts]
    sources = [(each.source, list(each.files)) for each in raw]
    code = usual_code(language) if language else recipe.language
    why = f"Examined are the sources of {paths[0]}."
    sample = "\n".join(texts)
    values: dict[str, Any] = {"recipe": recipe, "called": quoted(paths[0])}
    return Patient(recipe.name, recipe.folder, sources, code, why, sample, texts, **values)


def language_of(named: str | None, documents: Sequence[str]) -> tuple[str, str]:
    """The code of the language, as it is named or guessed; and, if guessed, how it is known."""
    if named:
        return usual_code(named), ""
    code, share = guess_language(documents)
    if code:
        why = f"The texts were taken to be {language_name(code)} ({code}): {100 * share:.0f} % of "
        return code, why + "those whose language can be told. If not, name it: --language CODE."
    return "", (
        "The language could not be told, so nothing is said of documents in other languages. Name "
        "it: --language CODE, such as tt."
    )
