"""What `endonym new` says: the texts that it found, the model that it chose, and the time."""

from pathlib import Path

from endonym.commands.check import Checked
from endonym.formats.readable import said
from endonym.log import Log, counted, duration, number, rounded, size
from endonym.model.count import parameters
from endonym.script.languages import language_name
from endonym.survey.odd_sources import few_warnings
from endonym.survey.survey import Survey

LABEL = 12
SHOWN = 8
LEAST_PART = 0.05
"""Parts of a run that take less of its time are not named."""


def describe_survey(survey: Survey, language: str, log: Log) -> None:
    """Say what was found in the texts; what is left out is a warning."""
    used = sum(survey.encodings.values())
    found = f"{counted(survey.files, 'file')} opened, {number(used)} used"
    amount = f"{size(survey.text_bytes)}, ≈ {number(rounded(survey.all_documents))} documents"
    log.line(f"{'texts':<{LABEL}}{found}: {amount}")
    encodings = ", ".join(f"{number(n)} {name}" for name, n in survey.encodings.most_common())
    is_known = all(name.startswith("utf-") for name in survey.encodings)
    guess = "" if is_known else " (guessed: see the samples of `look`)"
    log.line(f"{'encodings':<{LABEL}}{encodings}{guess}")
    if survey.foreign:
        kinds = ", ".join(f"{number(n)} {kind}" for kind, n in survey.foreign.most_common())
        log.line(f"{'not read':<{LABEL}}{kinds}: convert them to txt to use them")
    if survey.pictures:
        log.line(f"{'pictures':<{LABEL}}{survey.pictures}")
    for name, reason in list(survey.unreadable.items())[:SHOWN]:
        log.warn(f"{name} cannot be read, and is left out: {reason}")
    _describe_unreadable(survey, log)
    log.line(f"{'language':<{LABEL}}{language_name(language)}: {_odd_share(survey)}")
    for source, reason in survey.odd[:SHOWN]:
        log.warn(f"{source.path}: {reason}")
    if len(survey.odd) > SHOWN:
        log.line(f"{'':<{LABEL}}and {len(survey.odd) - SHOWN} more")
    if survey.odd:
        log.line(f"{'':<{LABEL}}the recipe has them as comments: take out the # to use one")
    if patterns := [*survey.exclude(), *(Path(each.path).name for each, _ in survey.odd)]:
        shown = ", ".join(f'"{each}"' for each in patterns[:SHOWN])
        more = ", …" if len(patterns) > SHOWN else ""
        said = f"the key that leaves them out of a folder: exclude = [{shown}{more}]"
        log.line(f"{'':<{LABEL}}{said}")
    for warning in few_warnings(survey.all_documents):
        log.warn(warning)
    if survey.doubt:
        log.warn(f"{survey.doubt}. Is --language {language} right?")


def _describe_unreadable(survey: Survey, log: Log) -> None:
    """Say of which sources much cannot be read."""
    bad = [f"{each.source}: about {why}" for each in survey.readings if (why := said(each))]
    for warning in bad[:SHOWN]:
        log.warn(warning)
    if len(bad) > SHOWN:
        log.line(f"{'':<{LABEL}}and {len(bad) - SHOWN} more sources that cannot be read as a whole")


def _odd_share(survey: Survey) -> str:
    """How many sources are in the language, and how many are not."""
    text = counted(len(survey.sources), "source")
    if not survey.odd:
        return text
    share = survey.odd_bytes / max(1.0, survey.odd_bytes + survey.text_bytes)
    files = counted(survey.odd_files, "file")
    return f"{text} · {files} ({size(survey.odd_bytes)}, {share:.0%}) in another, left out"


def describe_model(checked: Checked, log: Log) -> None:
    """Say which model was chosen, and how long it will take."""
    shape = checked.shape
    log.line(
        f"{'model':<{LABEL}}{shape.family}, {shape.layers} layers × {number(shape.dim)}, "
        f"{number(parameters(shape).total)} parameters, vocabulary {number(shape.vocab)}, "
        f"context {number(shape.context)}"
    )
    tokens = number(checked.train_tokens)
    log.line(f"{'training':<{LABEL}}≈ {tokens} tokens, {checked.epochs:.1f} epochs")
    time = "unknown"
    if checked.seconds is not None:
        least = LEAST_PART * checked.seconds
        parts = [f"{k} {duration(v)}" for k, v in checked.parts.items() if v >= least]
        time = f"≈ {duration(checked.seconds)} here: {' · '.join(parts)}"
    log.line(f"{'time':<{LABEL}}{time}")
