"""What `endonym new` says: the texts that it found, the model that it chose, and the time."""

import textwrap

from endonym.autopilot.survey import Survey
from endonym.commands.check import Checked
from endonym.log import Log, counted, duration, number, size
from endonym.model.count import parameters
from endonym.text.languages import language_name

WIDTH, LABEL = 80, 12
SHOWN = 5


def describe_survey(survey: Survey, language: str, log: Log) -> None:
    """Say what was found in the texts; what is left out is a warning."""
    used = sum(survey.encodings.values())
    log.line(
        labelled(
            "texts",
            f"{counted(survey.files, 'file')} opened, {number(used)} used: "
            f"{size(survey.text_bytes)}, ≈ {number(survey.all_documents)} documents",
        )
    )
    encodings = ", ".join(f"{number(n)} {name}" for name, n in survey.encodings.most_common())
    is_known = all(name.startswith("utf-") for name in survey.encodings)
    guess = "" if is_known else " (guessed: see the samples of `look`)"
    log.line(labelled("encodings", encodings + guess))
    if survey.foreign:
        kinds = ", ".join(f"{number(n)} {kind}" for kind, n in survey.foreign.most_common())
        log.line(labelled("not read", f"{kinds}: convert them to txt to use them"))
    log.line(labelled("language", f"{language_name(language)}: {_odd_share(survey)}"))
    for source, reason in survey.odd[:SHOWN]:
        log.warn(warned(f"{source.path}: {reason}"))
    if survey.odd:
        log.line(labelled("", "They stand in the recipe as comments. Take out the # to use one."))
    if survey.doubt:
        log.warn(warned(f"{survey.doubt}. Is --language {language} right?"))
    for name, reason in list(survey.unreadable.items())[:SHOWN]:
        log.warn(warned(f"{name} cannot be read: {reason}"))
    if patterns := survey.exclude():
        shown = ", ".join(f'"{each}"' for each in patterns[:SHOWN])
        more = ", …" if len(patterns) > SHOWN else ""
        said = f"They are left out; for a [[source]] of a whole folder: exclude = [{shown}{more}]"
        log.line(labelled("", said))


def _odd_share(survey: Survey) -> str:
    """How many sources are in the language, and how many are not."""
    count = len(survey.sources)
    text = f"{number(count)} source{'' if count == 1 else 's'}"
    if not survey.odd:
        return text
    share = survey.odd_bytes / max(1.0, survey.odd_bytes + survey.text_bytes)
    files = counted(survey.odd_files, "file")
    return f"{text} · {files} ({size(survey.odd_bytes)}, {share:.0%}) in another, left out"


def describe_model(checked: Checked, log: Log) -> None:
    """Say which model was chosen, and how long it will take."""
    shape, epochs = checked.shape, checked.train_tokens / max(1, checked.unique_tokens)
    log.line(
        labelled(
            "model",
            f"{shape.family}, {shape.layers} layers × {number(shape.dim)}, "
            f"{number(parameters(shape).total)} parameters, vocabulary {number(shape.vocab)}, "
            f"context {number(shape.context)}",
        )
    )
    time = "unknown" if checked.seconds is None else f"≈ {duration(checked.seconds)} here"
    tokens = number(checked.train_tokens)
    log.line(labelled("training", f"{time}: ≈ {tokens} tokens, {epochs:.1f} epochs"))


def warned(text: str) -> str:
    """A warning within the width of a terminal."""
    return labelled("warning:", text, width=len("warning: ")).removeprefix("warning: ")


def labelled(label: str, text: str, *, width: int = LABEL) -> str:
    """A label and a text beside it, within the width of a terminal.

    Numbers are not broken: their thin spaces are no blanks here.
    """
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=f"{label:<{width}}",
        subsequent_indent=" " * LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )
