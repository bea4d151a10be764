"""The texts that judges see: what each model writes, and how people went on.

Each system has a folder of answers as `endonym write` makes them: safe to interrupt, and what is
there is not written again.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Literal, NamedTuple

from endonym.commands.load import card_of, find_artifact, identity_of, shards_of
from endonym.commands.write import Writer, write_answers
from endonym.commands.write_model import model_writer
from endonym.copies.notes import distinct_names
from endonym.data.shards import TokenShards
from endonym.disk import read_json, write_atomic, write_json
from endonym.errors import Damaged, RecipeError
from endonym.evaluate.judging import Rubric, evened
from endonym.evaluate.languagetool import Mistake, found_mistakes, mistake_rate
from endonym.evaluate.names import names_kept
from endonym.evaluate.neighbours import joined_texts
from endonym.evaluate.score import Interval
from endonym.evaluate.writing import HELD_OUT, Written
from endonym.log import Log, counted
from endonym.pipeline.evaluation_texts import Overlap, overlaps
from endonym.pipeline.writing import cut, divided, drawn, most_chars
from endonym.store import Store, fingerprint
from endonym.synthesis.plan import Plan
from endonym.synthesis.prompts import Prompts, read_prompts
from endonym.synthesis.shards import Answer, Ask, json_line, records_in
from endonym.tokenizer.tokenizer import Tokenizer

MISTAKES = "languagetool.jsonl"
OVERLAP = "overlap.json"
"""In the folder: what LanguageTool found in each text; and what held-out text each model knows."""
ALONE = "one model with prompts of your own: its texts are graded, and compared with none"
OWN_PROMPTS = "Give prompts of your own: --prompts FILE."
NO_CORPUS = "the corpus of this model is not in the store: no beginnings of held-out texts"
MOST_PROMPTS = 100_000
"""Beginnings of held-out texts at most."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is judged: texts of one or two models, from prompts in a file or held-out texts; and by
    what. languagetool: the address of a server. timeout: its seconds for a text."""

    models: Sequence[str]
    prompts: Path | None
    count: int
    split: Literal["test", "dev"]
    temperature: float
    max_tokens: int
    seed: int
    rubric: Rubric
    answer_tokens: int
    languagetool: str | None
    timeout: float


class JudgedTexts(NamedTuple):
    """Prompts, and of each the texts of all systems, as they are judged.

    source: what tells this request from others, but for its count. names: of the systems: the
    models, and held-out text if its beginnings are the prompts. held_out: all of that text then.
    """

    source: str
    language: str
    names: list[str]
    prompts: list[str]
    texts: list[list[str]]
    held_out: list[str]


@dataclass(slots=True)
class Given:
    """A writer that hands over texts that are there."""

    texts: Sequence[Written]

    def answer_all(self, asks: Iterator[Ask], take: Callable[[Answer], None]) -> None:
        """Give each text to `take`."""
        for ask in asks:
            text = self.texts[ask.index]
            take(Answer(ask, text.text, "end" if text.has_ended else "length"))


def write_texts(
    request: Request, folder: Path, *, store: Store, log: Log, device_name: str | None
) -> JudgedTexts:
    """The texts that are judged. Those that are in the folder already are not written again."""
    models = request.models
    identities = [identity_of(each, store) for each in models]
    if len({*identities}) < len(identities):
        do = "Give one model, or two different ones."
        raise RecipeError("both are the same model", where=models[1], do=do)
    prompts, rests, held_out = _prompts_of(request, store)
    source = fingerprint(prompts)
    count = min(request.count, len(prompts))
    if count < request.count:
        log.line(f"--count {request.count}: there are {counted(count, 'prompt')}, no more")
    if len(models) == 1 and not held_out:
        log.warn(ALONE)
    sampling = {"temperature": request.temperature, "max_tokens": request.max_tokens}
    plan = Plan("texts", "model", source, count, request.seed, sampling=sampling)
    names = distinct_names([Path(each) for each in models])
    writing = partial(_writer, request=request, store=store, log=log, device_name=device_name)
    makers: list[Callable[[bool], Writer]] = [partial(writing, each) for each in models]
    systems = [*zip([f"texts-{n}" for n in (1, 2)], identities, names, makers, strict=False)]
    if held_out:
        systems.append(("texts-held-out", HELD_OUT, HELD_OUT, lambda _: Given(rests)))
    written = list[dict[int, Written]]()
    for place, identity, name, make in systems:
        own = replace(plan, model=identity)
        write_answers(own, Prompts(prompts), folder / place, make, model=name, log=log)
        records = records_in(folder / place, own).items()
        texts = {
            n: Written(record["text"], record["finish_reason"] != "length")
            for n, record in records
            if "reason" not in record  # it was too long for the model
        }
        written.append(texts)
    whole = [n for n in range(count) if all(n in texts for texts in written)]
    if not whole:
        do = "Give shorter prompts (--prompts), or a model with a longer context."
        raise RecipeError("no prompt is left that fits into the context", where="MODEL", do=do)
    if len(whole) < count:
        log.warn(f"{counted(count - len(whole), 'prompt')} left out: too long for a model")
    return JudgedTexts(
        fingerprint([source, identities, sampling]),
        card_of(models[0], store).language,
        [name for _, _, name, _ in systems],
        [prompts[n] for n in whole],
        [evened([texts[n] for texts in written]) for n in whole],
        held_out,
    )


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


def _prompts_of(request: Request, store: Store) -> tuple[list[str], list[Written], list[str]]:
    """All prompts, in an order drawn by the seed: the first ones are a sample, and may be more.

    Then how people went on from those that are used, and all held-out text; nothing of both for
    prompts of a file.
    """
    shuffle = Random(request.seed).shuffle
    if request.prompts is not None:
        prompts = read_prompts(request.prompts)
        shuffle(prompts)
        return prompts, [], []
    first = request.models[0]
    artifact = find_artifact(first, store)
    shards = shards_of(first, store)
    if artifact is None or shards is None:
        raise RecipeError(NO_CORPUS, where=first, do=OWN_PROMPTS)
    tokenizer = Tokenizer.load(artifact.verify().folder / "tokenizer.json")
    split = TokenShards(shards[0], request.split)
    held_out = [*joined_texts(split, tokenizer, shards[1].join)]
    chars = most_chars(tokenizer, held_out, request.max_tokens)
    texts = drawn(held_out, MOST_PROMPTS, chars)
    if not texts:
        where = f"--split {request.split}"
        raise RecipeError("there is no held-out text", where=where, do=OWN_PROMPTS)
    shuffle(texts)
    parts = [divided(each) for each in texts]
    rests = [cut(rest, tokenizer, request.max_tokens) for _, rest in parts[: request.count]]
    return [prompt for prompt, _ in parts], rests, held_out


def held_out_overlap(
    request: Request, judged: JudgedTexts, folder: Path, *, store: Store, log: Log
) -> dict[str, Overlap]:
    """How much of the held-out text each model was trained on, by the name of the model.

    The training text is read once: what was found is kept in the folder. Empty for prompts of a
    file.
    """
    if not judged.held_out:
        return {}
    place = folder / OVERLAP
    found = dict[str, Overlap]()
    kept = read_json(place) if place.is_file() else {}
    for n, (model, name) in enumerate(zip(request.models, judged.names, strict=False), 1):
        key = f"texts-{n}"
        said = f"{HELD_OUT}, {name}"
        if key not in kept:
            judging = {said: judged.held_out}
            made = find_artifact(model, store)
            kept[key] = overlaps(judging, made, log, what="text")[said]._asdict()
            write_json(place, kept)
        found[name] = Overlap(**kept[key])
    return found


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
    request: Request, judged: JudgedTexts, folder: Path, log: Log
) -> dict[str, TextReport]:
    """What is measured of each system's texts.

    Raises EndpointError if LanguageTool gives no answer, RecipeError if the language is not known.
    """
    reports = dict[str, TextReport]()
    mistakes = dict[str, list[Mistake]]()
    if tool := request.languagetool:
        place = folder / MISTAKES
        mistakes = mistakes_by_text(tool, judged, place, seconds=request.timeout, log=log)
    for n, name in enumerate(judged.names):
        texts = [row[n] for row in judged.texts]
        rate = None
        if tool:
            rate = mistake_rate([len(mistakes[text]) for text in texts], texts)
        kept = names_kept(map("".join, zip(judged.prompts, texts, strict=True)))
        reports[name] = TextReport(float(median(map(len, texts))), kept, rate)
    return reports


def mistakes_by_text(
    tool: str, judged: JudgedTexts, file: Path, *, seconds: float, log: Log
) -> dict[str, list[Mistake]]:
    """What LanguageTool finds in each text. tool: its address.

    Answers are kept in the file. Only what this address has not answered in this language is asked.
    """
    if not judged.language:
        do = "Name a run first: its recipe says the language."
        raise RecipeError("the language of the texts is not known", where="--languagetool", do=do)
    asked = {"endpoint": tool, "language": judged.language}
    lines = file.read_bytes().splitlines() if file.is_file() else []
    try:
        before: list[dict[str, Any]] = [json.loads(each) for each in lines]
        found = {each["text"]: each["mistakes"] for each in before if asked.items() <= each.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        do = "Remove the file: LanguageTool is then asked again."
        raise Damaged("a line is not what was written there", where=file, do=do) from error
    named = [pair for row in judged.texts for pair in zip(judged.names, row, strict=True)]
    missing = [text for text in dict.fromkeys(text for _, text in named) if text not in found]
    answers = found_mistakes(tool, missing, judged.language, seconds=seconds, log=log)
    try:
        for text, mistakes in zip(missing, answers, strict=True):
            found[text] = mistakes
    finally:  # what is answered stays, whatever ends this
        records = [
            {"model": name, "text": text, "mistakes": found[text], **asked}
            for name, text in named
            if text in found
        ]
        if records:  # else this address has said nothing, and what another one said stays
            write_atomic(file, b"".join(map(json_line, records)))
    return found
