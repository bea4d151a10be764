"""`endonym judge`: texts of models, in pairs and one by one, before judges that are servers.

A folder holds the texts of one request, and the answers of every judge that was asked about them:

    texts-1/ texts-2/ texts-held-out/    what each model wrote, and how people went on
    judge-NAME/                          the questions and answers of a judge

All are folders of answers as `endonym write` makes them: safe to interrupt, no answer paid twice.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import ne
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Literal, NamedTuple

from endonym.commands.evaluate import shards_of
from endonym.commands.load import card_of, find_artifact
from endonym.commands.write import Writer, write_answers
from endonym.commands.write_model import identity_of, model_writer
from endonym.copies.notes import distinct_names
from endonym.data.shards import TokenShards
from endonym.disk import write_atomic
from endonym.errors import RecipeError
from endonym.evaluate.judging import UNREADABLE, Rubric, choice_in, evened, grade_in
from endonym.evaluate.languagetool import found_mistakes, mistake_rate
from endonym.evaluate.names import names_kept
from endonym.evaluate.neighbours import joined_texts
from endonym.evaluate.opinions import (
    Grades,
    Pair,
    Preferences,
    alpha,
    grades,
    preferences,
    squared,
)
from endonym.evaluate.score import Interval
from endonym.evaluate.writing import HELD_OUT, Written
from endonym.log import Log, counted, number
from endonym.pipeline.evaluation_texts import overlaps
from endonym.pipeline.writing import cut, divided, drawn, most_chars
from endonym.script.languages import language_name
from endonym.script.letters import as_name
from endonym.store import Store, fingerprint, read_sealed
from endonym.synthesis.endpoint import BYTES_PER_TOKEN
from endonym.synthesis.plan import WRITTEN, Plan
from endonym.synthesis.prompts import Prompts, read_prompts
from endonym.synthesis.shards import Answer, Ask, json_line, records_in
from endonym.tokenizer.tokenizer import Tokenizer

MISTAKES = "languagetool.jsonl"
"""In the folder: what LanguageTool found in each text."""
JUDGE = "judge-"
"""What the folder of a judge's answers begins with."""
ALONE = "one model with prompts of your own: its texts are graded, and compared with none"
OWN_PROMPTS = "Give prompts of your own: --prompts FILE."
NO_CORPUS = "the corpus of this model is not in the store: no beginnings of held-out texts"
MOST_PROMPTS = 100_000
"""Beginnings of held-out texts at most."""
CHOICES = {"A": 1.0, "B": 0.0, "tie": 0.5}
"""What an answer is worth to the text that stood first."""


@dataclass(frozen=True, slots=True)
class Request:
    """Which texts are written: of one or two models, from prompts in a file or held-out texts."""

    models: Sequence[str]
    prompts: Path | None
    count: int
    split: Literal["test", "dev"]
    temperature: float
    max_tokens: int
    seed: int


class Judged(NamedTuple):
    """Prompts, and of each the texts of all systems, as they are judged.

    source: what tells this request from others, but for its count. names: of the systems: the
    models, and held-out text if its beginnings are the prompts.
    """

    source: str
    language: str
    names: list[str]
    prompts: list[str]
    texts: list[list[str]]


class Question(NamedTuple):
    """One question. number: of its prompt. systems: whose texts stand in it, in this order."""

    number: int
    systems: tuple[int, ...]
    text: str


class Opening(NamedTuple):
    """Prompts, and how people went on from those that are used; empty with prompts of a file."""

    prompts: list[str]
    held_out: list[Written]


class Given:
    """A writer that hands over texts that are there."""

    def __init__(self, texts: Sequence[Written]) -> None:
        self.texts = texts

    def answer_all(self, asks: Iterator[Ask], take: Callable[[Answer], None]) -> None:
        """Give each text to `take`."""
        for ask in asks:
            text = self.texts[ask.index]
            take(Answer(ask, text.text, "end" if text.has_ended else "length"))


def write_texts(
    request: Request, folder: Path, *, store: Store, log: Log, device_name: str | None
) -> Judged:
    """The texts that are judged. Those that are in the folder already are not written again."""
    first = request.models[0]
    identities = [identity_of(each, store, where="MODEL") for each in request.models]
    if len({*identities}) < len(identities):
        do = "Give one model, or two different ones."
        raise RecipeError("both are the same model", where=request.models[1], do=do)
    opening = _opening(request, folder, store, log)
    names = distinct_names([Path(each) for each in request.models])
    writing = partial(_writer, request=request, store=store, log=log, device_name=device_name)
    rows: list[tuple[str, str, str, Callable[[bool], Writer]]] = [
        (f"texts-{n}", identity, name, partial(writing, model))
        for n, (model, identity, name) in enumerate(
            zip(request.models, identities, names, strict=True), 1
        )
    ]
    if opening.held_out:
        rows.append(("texts-held-out", HELD_OUT, HELD_OUT, lambda _: Given(opening.held_out)))
    sampling = {"temperature": request.temperature, "max_tokens": request.max_tokens}
    source, count = fingerprint(opening.prompts), min(request.count, len(opening.prompts))
    if count < request.count:
        log.line(f"--count {request.count}: there are {counted(count, 'prompt')}, no more")
    if len(request.models) == 1 and not opening.held_out:
        log.warn(ALONE)
    every, plan = list[dict[int, Written]](), Plan("texts", "model", source, count, request.seed)
    for place, identity, name, make in rows:
        plan = replace(plan, model=identity, sampling=sampling)
        write_answers(plan, Prompts(opening.prompts), folder / place, make, model=name, log=log)
        found = records_in(folder / place, plan).items()
        every.append({n: _written(each) for n, each in found if "reason" not in each})
    whole = [n for n in range(count) if all(n in texts for texts in every)]
    if not whole:
        do = "Give shorter prompts (--prompts), or a model with a longer context."
        raise RecipeError("no prompt is left that fits into the context", where="MODEL", do=do)
    if len(whole) < count:
        log.warn(f"{counted(count - len(whole), 'prompt')} left out: too long for a model")
    return Judged(
        fingerprint([source, identities, sampling]),
        card_of(first, store).language,
        [name for _, _, name, _ in rows],
        [opening.prompts[n] for n in whole],
        [evened([texts[n] for texts in every]) for n in whole],
    )


def _written(record: Mapping[str, Any]) -> Written:
    """The text in a record."""
    return Written(record["text"], record["finish_reason"] != "length")


def _writer(
    name: str, _: bool, *, request: Request, store: Store, log: Log, device_name: str | None
) -> Writer:
    """A model as a writer. Held-out texts are continued, also by a model that answers questions."""
    log.line(f"loading {name} …")
    made = model_writer(
        name,
        store,
        log,
        device_name=device_name,
        system="",
        temperature=request.temperature,
        max_tokens=request.max_tokens,
    )
    return replace(made, is_bare=True, as_ids=made.as_ids if request.prompts else None)


def _opening(request: Request, folder: Path, store: Store, log: Log) -> Opening:
    """All prompts, in an order drawn by the seed: the first ones are a sample, and may be more."""
    if request.prompts is not None:
        prompts = read_prompts(request.prompts)
        Random(request.seed).shuffle(prompts)
        return Opening(prompts, [])
    first = request.models[0]
    artifact, shards = find_artifact(first, store), shards_of(first, store)
    if artifact is None or shards is None:
        raise RecipeError(NO_CORPUS, where=first, do=OWN_PROMPTS)
    tokenizer = Tokenizer.load(artifact.verify().folder / "tokenizer.json")
    split = TokenShards(shards[0], request.split)
    held_out = [*joined_texts(split, tokenizer, shards[1].join)[0]]
    for place, other in enumerate(request.models[1:], 2):
        if not (folder / f"texts-{place}").is_dir():
            _warn_of_known(other, shards[0], held_out, store=store, log=log)
    chars = most_chars(tokenizer, held_out, request.max_tokens)
    texts = drawn(held_out, MOST_PROMPTS, chars)
    if not texts:
        where = f"--split {request.split}"
        raise RecipeError("there is no held-out text", where=where, do=OWN_PROMPTS)
    Random(request.seed).shuffle(texts)
    parts = [divided(each) for each in texts]
    rests = (cut(rest, tokenizer, request.max_tokens) for _, rest in parts[: request.count])
    return Opening([prompt for prompt, _ in parts], [*rests])


def _warn_of_known(
    model: str, shards: Path, held_out: list[str], *, store: Store, log: Log
) -> None:
    """Say how much of the first model's held-out text another one was trained on."""
    own = shards_of(model, store)
    if own is not None and own[0] == shards:
        return
    overlaps(
        {f"{model}, {HELD_OUT} of the other model": held_out}, find_artifact(model, store), log
    )


def questions(judged: Judged, rubric: Rubric) -> list[Question]:
    """Of each prompt the first two systems in both orders, and then each text for its grades."""
    found, language = list[Question](), language_name(judged.language) or "one language"
    for n, (prompt, texts) in enumerate(zip(judged.prompts, judged.texts, strict=True)):
        for order in ((0, 1), (1, 0)) if len(texts) > 1 else ():
            sides = (texts[each] for each in order)
            found.append(Question(n, order, rubric.pair_question(language, prompt, *sides)))
        for system, text in enumerate(texts):
            asked = rubric.grade_question(language, prompt, text)
            found.append(Question(n, (system,), asked))
    return found


def judge_plan(judged: Judged, rubric: Rubric, judge: str, *, seed: int, address: str) -> Plan:
    """What is asked of a judge, always at temperature 0. More prompts add questions.

    Longer answers (`--answer-tokens`) are no other plan: one that is cut is not scored.
    """
    source, count = fingerprint([judged.source, rubric._asdict()]), len(questions(judged, rubric))
    sampling = {"temperature": 0.0, "system": "", "endpoint": address}
    return Plan("answers", "endpoint", source, count, seed, judge, sampling)


def foreseen(asked: Sequence[Question], max_tokens: int) -> str:
    """What it takes to ask a judge everything."""
    n_bytes = sum(len(each.text.encode("utf-8", "replace")) for each in asked)
    most = number(len(asked) * max_tokens)
    tokens = f"about {number(n_bytes / BYTES_PER_TOKEN)} tokens, and at most {most} of answers"
    return f"{counted(len(asked), 'question')} for each judge: {tokens}"


def ask(
    asked: Sequence[Question],
    plan: Plan,
    folder: Path,
    make: Callable[[bool], Writer],
    *,
    budget: int | None,
    log: Log,
) -> None:
    """Ask a judge what it has not been asked, and keep each answer as it comes."""
    name = as_name(plan.model, "-", 48).strip(".-")
    if name != plan.model:  # another judge may have this name, too
        name = f"{name}-{fingerprint(plan.model)[:8]}"
    place = folder / f"{JUDGE}{name}"
    prompts, model = Prompts([each.text for each in asked]), plan.model
    write_answers(plan, prompts, place, make, model=model, budget=budget, log=log, doing="judging")


def answers_in(
    folder: Path, asked: Sequence[Question], *, log: Log
) -> dict[str, dict[int, dict[str, Any]]]:
    """The answers to these questions, and the failures, by the name of each judge."""
    found = dict[str, dict[int, dict[str, Any]]]()
    for place in sorted(folder.glob(f"{JUDGE}*")):
        kept = read_sealed(place / WRITTEN, "Delete the folder, and ask the judge again.")
        if kept is None:
            continue
        kept.pop("version")
        records = records_in(place, Plan(**kept))
        texts = {n: each.text for n, each in enumerate(asked)}
        if not records:
            continue  # a wrong name, or a server that was away
        if all(each["prompt"] == texts.get(n) for n, each in records.items()):
            found[kept["model"]] = records
        else:
            log.warn(f"{place.name} was asked other questions and is left out")
    return found


class Opinion(NamedTuple):
    """What a judge says: of each prompt the pair, and by system and criterion the grades.

    failed: the number of answers that are none, by reason.
    """

    pairs: list[Pair]
    grades: dict[tuple[int, str], list[int | None]]
    failed: Counter[str]


def opinion(
    asked: Sequence[Question],
    records: Mapping[int, Mapping[str, Any]],
    judged: Judged,
    criteria: Sequence[str],
) -> Opinion:
    """What the answers of a judge say; what is no answer is None."""
    pairs = [Pair(None, None) for _ in judged.prompts if len(judged.names) > 1]
    keys = [(system, name) for system in range(len(judged.names)) for name in criteria]
    found, failed = {key: list[int | None]([None] * len(judged.prompts)) for key in keys}, Counter()
    for index, record in records.items():
        number, systems, _ = asked[index]
        if "reason" in record:
            failed[record["reason"]] += 1
        elif len(systems) == 2:
            choice = choice_in(record["text"])
            failed[UNREADABLE] += choice is None
            if choice is not None:
                worth = CHOICES[choice]
                answer = {"first": worth} if systems[0] == 0 else {"second": 1 - worth}
                pairs[number] = pairs[number]._replace(**answer)
        else:
            said = {name: grade_in(record["text"], name) for name in criteria}
            failed[UNREADABLE] += None in said.values()
            for name, grade in said.items():
                found[systems[0], name][number] = grade
    return Opinion(pairs, found, +failed)


@dataclass(frozen=True, slots=True)
class JudgeReport:
    """What follows from the answers of a judge. preferences: None without pairs.

    grades: by criterion and system. failed: answers that are none, by reason. n_left: questions
    that it was not asked yet. tokens: of its answers with their questions.
    """

    preferences: Preferences | None
    grades: dict[str, dict[str, Grades]]
    failed: dict[str, int]
    n_left: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Report:
    """What follows from the answers of all judges, by their names.

    agreement: Krippendorff's alpha of several judges; of `pairs`, their outcomes as names, and of
    each criterion, the grades as numbers.
    """

    judges: dict[str, JudgeReport]
    agreement: dict[str, float | None]

    @property
    def pairs(self) -> dict[str, Preferences]:
        """What each judge prefers, if there are pairs."""
        every = {judge: each.preferences for judge, each in self.judges.items()}
        return {judge: each for judge, each in every.items() if each is not None}


def report(
    answers: Mapping[str, Mapping[int, Mapping[str, Any]]],
    asked: Sequence[Question],
    judged: Judged,
    criteria: Sequence[str],
) -> Report:
    """Preferences, grades and agreement."""
    found = {judge: opinion(asked, each, judged, criteria) for judge, each in answers.items()}
    judges = {
        judge: JudgeReport(
            preferences(each.pairs) if each.pairs else None,
            {
                name: {
                    system: grades(each.grades[n, name]) for n, system in enumerate(judged.names)
                }
                for name in criteria
            },
            dict(sorted(each.failed.items())),
            len(asked) - len(answers[judge]),
            sum(record["tokens"] for record in answers[judge].values()),
        )
        for judge, each in found.items()
    }
    agreement, every = dict[str, float | None](), found.values()
    if len(found) > 1:
        if len(judged.names) > 1:
            agreement["pairs"] = alpha([[pair.outcome for pair in o.pairs] for o in every], ne)
        for name in criteria:
            rows = [
                [g for (_, of), row in o.grades.items() if of == name for g in row] for o in every
            ]
            agreement[name] = alpha(rows, squared)
    return Report(judges, agreement)


@dataclass(frozen=True, slots=True)
class TextReport:
    """What is measured of the texts of one system, without a judge.

    characters: of the median text. names_kept: `evaluate/names.py`. mistakes: that LanguageTool
    found, per 1,000 words. None is undefined, or not asked for.
    """

    characters: float
    names_kept: Interval | None
    mistakes: Interval | None


def text_reports(
    judged: Judged, folder: Path, languagetool: str | None, *, seconds: float, log: Log
) -> dict[str, TextReport]:
    """What is measured of each system's texts; its mistakes are kept in the folder.

    languagetool: the address of a server. Raises EndpointError if it gives no answer, RecipeError
    if the language is not known.
    """
    if languagetool and not judged.language:
        do = "Name a run first: its recipe says the language."
        raise RecipeError("the language of the texts is not known", where="--languagetool", do=do)
    reports, lines = dict[str, TextReport](), list[bytes]()
    for n, name in enumerate(judged.names):
        texts, mistakes = [row[n] for row in judged.texts], None
        if languagetool:
            found = found_mistakes(languagetool, texts, judged.language, seconds=seconds, log=log)
            mistakes = mistake_rate([len(each) for each in found], texts)
            lines += [
                json_line({"model": name, "text": text, "mistakes": each})
                for text, each in zip(texts, found, strict=True)
            ]
        kept = names_kept(map("".join, zip(judged.prompts, texts, strict=True)))
        characters = float(median(map(len, texts))) if texts else 0.0
        reports[name] = TextReport(characters, kept, mistakes)
    if languagetool:
        write_atomic(folder / MISTAKES, b"".join(lines))
    return reports
