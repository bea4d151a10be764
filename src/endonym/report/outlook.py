"""The report's first screen: samples, what to expect, a compressor beside it, and what to do next.

All of it is measured on this run: the words of samples (first_look.py), the scores, the curve of
the last phase and the counts of the corpus. The words are in outlook.toml.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from endonym.autopilot.mixture import require_enough_text
from endonym.autopilot.resolve import facts_of
from endonym.disk import packaged_tables
from endonym.errors import RecipeError, quoted
from endonym.evaluate.score import BITS, Score, find
from endonym.evaluate.typing_scores import MODEL, PAIRS, SAVED, TYPING
from endonym.evaluate.writing import PIECE
from endonym.export.history import events, journal_of, training_seconds
from endonym.formats.files import is_remote
from endonym.formats.reasons import READER_REASONS, in_words
from endonym.log import duration, number, size
from endonym.pipeline.execute import Run
from endonym.report.first_look import Counts, FirstLook
from endonym.report.scores import (
    cost_on_texts,
    first_judged,
    headlines,
    splits,
    standing_name,
    verdicts,
)
from endonym.report.training import LEVELLED, Lines, Validation, dev_baselines, validations_of
from endonym.store import run_argument

WORDS = packaged_tables("endonym.report", "outlook.toml")
SHOWN_SAMPLES = 3
LEAST_VALIDATIONS = 4
LEAST_STEPS = 2
MOST_STEPS = 3
TWICE = (0.3, 1.1)
"""What training twice as long brings, as shares of what the last half brought (docs/log.md)."""
LAST_STEPS = 0.05
"""The share of the steps, at the end, whose mean is the training loss."""
FEW_PASSES = 3
LEAST_GAP = 0.03
NO_TEXT = ("file", "unread", "passed")
"""Kinds of reasons of a reader by which whole files or pages are left out."""
NO_LOSS = {"exact", "near", "paragraphs", "decontaminate", "marked_out"}
"""Reasons for which text is dropped that stands elsewhere."""
SENTENCE_BYTES = 60
"""Bytes of a document: words of a list are harder to predict than any text."""
READ = {
    "next_token": "texts",
    "autocorrect": "texts",
    "chat": "conversations",
    "preferences": "pairs",
}
"""What a phase reads, by its objective."""
WEAK = 1.1
LEAST_DROPPED = 0.05
"""How far a source's bits per byte lie above all, and the share of bytes dropped, to be named."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do, what it brings, and the command for it, which may be empty."""

    title: str
    brings: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The first screen. samples: prompts and what it writes; of a model that was asked, its first
    answers. asked: as in FirstLook; learnt: how many of these it answers. expect: what its texts
    are like. compared: with the compressor, if it was scored. typing: key presses saved by three
    suggestions, if text was typed."""

    samples: list[tuple[str, str]]
    asked: list[tuple[str, str, str]]
    learnt: str
    expect: list[str]
    compared: str
    typing: str
    steps: list[NextStep]


def outlook(run: Run, scores: Sequence[Score], look: FirstLook | None) -> Outlook:
    """The first screen of a run. scores: of all its evaluations. look: at its final model.

    Where no compressor was measured, only the model's own score is said.
    """
    part = splits(scores).get(first_judged(scores), [])
    standing = beside_compressor(part) or next(iter(verdicts(scores)), "")
    expect = expectation(look, beyond_pairs(run)) if look else []
    asked = look.asked if look else []
    answers = [(question, given) for question, _, given in asked]
    samples = (answers or look.samples)[:SHOWN_SAMPLES] if look else []
    right = sum(answer == given for _, answer, given in asked)
    learnt = WORDS["expect"]["asked"].format(asked=len(asked), right=right) if asked else ""
    return Outlook(
        samples,
        asked,
        learnt,
        expect,
        standing,
        saved_by_three(run),
        next_steps(run, part, answered=right / len(asked) if asked else None),
    )


def saved_by_three(run: Run) -> str:
    """How many of 100 key presses three suggestions save; nothing if no text was typed."""
    rows = [row for each in run.all("evaluation") for row in each.rows(TYPING)]
    saved = {row["model"]: row["value"] for row in rows if row["metric"] == SAVED.format(3)}
    if MODEL not in saved:
        return ""
    said = WORDS["typing"]["saved"].format(100 * saved[MODEL])
    words = WORDS["typing"]["beside"]
    return f"{said} {words.format(100 * saved[PAIRS])}" if PAIRS in saved else said


def expectation(look: FirstLook, bits: float) -> list[str]:
    """What the texts of a model are like: a level, its figures, faults, and what they rest on.

    bits: as `beyond_pairs` gives them.
    """
    words = WORDS["expect"]
    limits = WORDS["limits"]
    written = look.written
    usual = look.usual
    if written.words < limits["fewest_words"] or usual.words < limits["fewest_words"]:
        return [words["nothing"]] if look.samples and not written.words else []
    measured = words["pieces_measured" if look.by_pieces else "words_measured"]
    shares = {"written": 100 * written.known[0], "usual": 100 * usual.known[0]}
    limit = words["limit"].format(samples=len(look.samples), words=number(written.words))
    said = [words[level(written, usual, bits)], measured.format(piece=PIECE, **shares)]
    least = max(limits["by_heart"] * usual.known[1], limits["by_heart_share"])
    if written.known[1] >= least:
        said.append(words["by_heart"])
    if written.repeated >= max(limits["repeats"], 3 * usual.repeated):
        said.append(words["repeats"])
    return [*said, limit]


def level(written: Counts, usual: Counts, bits: float) -> str:
    """The name of the level that texts reach. bits: as `beyond_pairs` gives them."""
    words = written.known[0] / max(usual.known[0], 1e-9)
    if written.repeated >= WORDS["limits"]["loops"]:
        bits = math.inf
    reached = (each for each in WORDS["level"] if words >= each["least_words"])
    return next(each["name"] for each in reached if bits <= each["most_bits"])


def beyond_pairs(run: Run) -> float:
    """Bits per byte of held-out texts by those of counting pairs of tokens, in the last phase that
    was validated on texts; infinite without one. Less is better."""
    for model in reversed(run.all("model")):
        lines = journal_of(model)
        baselines = dev_baselines(lines)
        validations = validations_of(lines)
        if baselines and validations:
            return min(each.bits for each in validations) / baselines["bigram"]
    return math.inf


def beside_compressor(part: Sequence[Score]) -> str:
    """How the model stands against the compressor on unseen texts, in one sentence; or empty.

    part: the scores of one split. Documents decide. Where the same texts read in blocks say
    otherwise, it is as good as the compressor and no better.
    """
    documents = headlines(part)
    blocks = headlines(part, "block")
    mine = documents["model"]
    other = documents["compressor"]
    if mine is None or other is None:
        return ""
    name = standing_name(mine, documents)
    if blocks["model"] and blocks["compressor"]:
        names = {name, standing_name(blocks["model"], blocks)}
        name = "mixed" if len(names) == 2 and "better_than_both" in names else name
    words = WORDS["compared"]
    if name not in words:
        return ""
    mine = documents["model_on_sample"] or mine
    said = words["numbers"].format(sentence=words[name], mine=mine.value, other=other.value)
    return f"{said} {cost_on_texts(documents)}".rstrip()


def next_steps(run: Run, part: Sequence[Score], *, answered: float | None = None) -> list[NextStep]:
    """One to three things to do, those that this run's curve and counts speak for.

    part: the scores of one split. answered: the share of the answers asked for that it gives as
    written. Where no conversation is held out, this speaks and the curve does not.
    """
    model = run.artifact("model")
    asks = run.recipe.learns_answers
    lines = journal_of(model) if model else []
    steps = [line for line in events(lines, "step") if line["step"]]
    validations = validations_of(lines)
    found = list[NextStep]()
    examples = run.artifact("examples")
    if (
        examples
        and answered is not None
        and answered < 1
        and not examples.numbers.get("held_out", 1)
    ):
        words = WORDS["step"]
        time = duration(2 * training_seconds([steps]))
        # Of a question with several answers only one can be given.
        if not examples.numbers.get("several_answers") and (command := _longer_command(run)):
            title = words["longer"].format(phase=f"phase {run.recipe.phase[-1].name} ")
            found = [NextStep(title, words["longer_answers"].format(time=time), command)]
    elif answered != 1 and len(validations) >= LEAST_VALIDATIONS:
        train = [line["train_bits_per_byte"] for line in steps if "train_bits_per_byte" in line]
        mean = fmean(train[-max(1, round(LAST_STEPS * len(train))) :]) if train else 0.0
        longer = _longer(run, validations, steps, part)
        every = (longer, _more_text(run, validations, mean, part), _dropped(run))
        found = [each for each in every if each is not None]
    if model and (asks or len(found) < LEAST_STEPS):
        words = WORDS["ask"]["chat" if asks else "texts"]
        command = words["command"].format(run=run_argument(run.folder, run.store))
        found.insert(LEAST_STEPS, NextStep(words["title"], words["brings"], command))
    return found[:MOST_STEPS]


def keeps_best(run: Run) -> bool:
    """Whether the last phase keeps the weights of its best validation."""
    model = run.artifact("model")
    return model is None or model.manifest["config"].get("phase", {}).get("keep") in (None, "best")


def _longer(
    run: Run, validations: Sequence[Validation], steps: Lines, part: Sequence[Score]
) -> NextStep | None:
    """What training twice as long would bring, by the last half of the curve; None if it may not be
    longer."""
    words = WORDS["step"]
    last = validations[-1]
    best = min(validations, key=lambda each: each.bits)
    if last.bits - best.bits > LEVELLED * best.bits:
        if not keeps_best(run):
            return None
        where = f"after {100 * best.tokens / max(1, last.tokens):.0f} %"
        return NextStep(words["stop"], words["stop_brings"].format(where=where))
    half = min(validations, key=lambda each: abs(each.tokens - last.tokens / 2))
    fall = half.bits - best.bits
    low, high = (share * fall for share in TWICE)
    if high < LEVELLED * best.bits:
        return NextStep(words["level"], words["level_brings"].format(fall=max(0.0, fall)))
    if not (command := _longer_command(run)):
        return None
    time = duration(2 * training_seconds([steps]))
    text = words["longer_brings"].format(low=low, high=high, time=time)
    by_model = headlines(part)
    mine = by_model["model_on_sample"] or by_model["model"]
    other = by_model["compressor"]
    if run.recipe.phase[-1].reads_texts and mine and other and mine.value > other.value:
        away = mine.value - other.value
        text += words["longer_passes" if high > away else "longer_nears"]
    phase = f"phase {run.recipe.phase[-1].name} " if len(run.recipe.phase) > 1 else ""
    return NextStep(words["longer"].format(phase=phase), text, command)


def _longer_command(run: Run) -> str:
    """The command that trains the last phase twice as long, as a run of its own.

    Empty if its sources may not be read so often.
    """
    assert run.training is not None, "there is a model"
    phase = run.training.phases[-1]
    keys = run.recipe.phase[-1]
    written = {"steps": keys.steps, "epochs": keys.epochs, "flops": keys.flops}
    given = ((key, value) for key, value in written.items() if value is not None)
    key, value = next(given, ("tokens", phase.steps * phase.batch_tokens))
    if (shards := run.artifact("shards")) is not None:
        phases = [*run.recipe.phase[:-1], keys.model_copy(update={key: 2 * value})]
        configs = [*run.training.phases[:-1], phase.but(steps=2 * phase.steps)]
        context = run.training.pack.context
        try:
            require_enough_text(
                run.recipe.source, phases, configs, facts_of(shards), context=context
            )
        except RecipeError:
            return ""
    place = "phase" if len(run.recipe.phase) == 1 else f"phase.{phase.name}"
    return f"run {run_argument(run.folder, run.store)} --set {place}.{key}={2 * value}"


def _more_text(
    run: Run, validations: Sequence[Validation], train: float, part: Sequence[Score]
) -> NextStep | None:
    """What more of what it read would bring: at most the difference to what it did not read."""
    words = WORDS["step"]
    last = validations[-1]
    best = min(validations, key=lambda each: each.bits) if keeps_best(run) else last
    gap = best.bits - train
    model = run.artifact("model")
    passes = last.epoch + (model.numbers.get("epochs_before", 0.0) if model else 0.0)
    if passes < 1 or (passes < FEW_PASSES and gap < LEAST_GAP):
        return None
    name = "texts_gap" if gap >= LEAST_GAP else "texts_few"
    what = READ[run.recipe.phase[-1].objective]
    text = words[name].format(what=what, passes=passes, train=train, dev=best.bits)
    title = words["texts"].format(what=what)
    if not run.recipe.phase[-1].reads_texts:
        command = f"run {run_argument(run.folder, run.store)}"
        return NextStep(title, text + words["chats_put"], command)
    total = find(part, metric=BITS, model="model", source=None)
    own = [
        score
        for score in part
        if (score.metric, score.model, score.text) == (BITS, "model", "document")
        and score.source is not None
        and score.low is not None
        and score.n_bytes >= SENTENCE_BYTES * score.n_documents
    ]
    weakest = max(own, key=lambda score: score.value, default=None)
    if weakest and total and len(own) > 1 and weakest.value > WEAK * total.value:
        text += words["texts_which"].format(source=weakest.source, bits=weakest.value)
    return NextStep(title, text + words["texts_put"], _texts_command(run))


def _texts_command(run: Run) -> str:
    """The command that takes new files beside the texts into the recipe; empty for texts of the
    network alone."""
    recipe = run.recipe
    if all(map(is_remote, recipe.source)):
        return ""
    return f"new {quoted(os.path.relpath(recipe.path))} --update"


def _dropped(run: Run) -> NextStep | None:
    """What the rules dropped, if it is much; copies are no loss.

    Of files that cannot be read, bytes are no bytes of text, so they are not counted.
    """
    corpus = run.artifact("corpus")
    total = corpus.numbers.get("total", {}) if corpus is not None else {}
    every = total.get("dropped", {}).items()
    dropped = {
        reason: n["bytes"]
        for reason, n in every
        if reason not in NO_LOSS and READER_REASONS.get(reason) not in NO_TEXT
    }
    share = sum(dropped.values()) / max(1, total.get("read", {}).get("bytes", 0))
    if share < LEAST_DROPPED:
        return None
    words = WORDS["step"]
    most = max(dropped, key=lambda reason: dropped[reason])
    amount = size(sum(dropped.values()))
    text = words["dropped_brings"].format(share=100 * share, size=amount, reason=in_words(most))
    command = f"look {run_argument(run.folder, run.store)} --dropped all"
    return NextStep(words["dropped"], text, command)
