"""`endonym judge`: texts of models, in pairs and one by one, before judges that are servers.

A folder holds the texts of one request, the answers of every judge that was asked about them, and
what follows from these:

    texts-1/ texts-2/ texts-held-out/    what each model wrote, and how people went on
    judge-NAME/                          the questions and answers of a judge
    judged.json                          what `--json` prints

The folders are as `endonym write` makes them: safe to interrupt, no answer paid twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from endonym.commands.judge_tables import shown
from endonym.commands.judge_texts import (
    JudgedTexts,
    Request,
    held_out_overlap,
    text_reports,
    write_texts,
)
from endonym.commands.load import origin_of
from endonym.commands.scoring import Shown, in_json
from endonym.commands.write import Writer, write_answers
from endonym.device import environment
from endonym.disk import write_json
from endonym.evaluate.judging import Question
from endonym.evaluate.opinions import Answers, report
from endonym.generate.sample import Sampling
from endonym.log import Log, counted, number
from endonym.script.letters import as_name
from endonym.store import Store, fingerprint, read_sealed
from endonym.synthesis.endpoint import BYTES_PER_TOKEN
from endonym.synthesis.plan import WRITTEN, Plan
from endonym.synthesis.prompts import Prompts
from endonym.synthesis.shards import records_in

JUDGE = "judge-"
FOUND = "judged.json"
"""What the folder of a judge's answers begins with; and what follows from all answers."""


class Judge(NamedTuple):
    """Who is asked: its name there, and its address. make: gives its client.

    budget: tokens that all of its answers may take.
    """

    name: str
    endpoint: str
    make: Callable[[bool], Writer]
    budget: int | None


def judge(
    request: Request,
    asked_judge: Judge | None,
    folder: Path,
    *,
    store: Store,
    log: Log,
    device_name: str | None,
) -> Shown:
    """Let the models write, ask the judge if there is one, and show what all judges have answered.

    Raises RecipeError and EndpointError.
    """
    rubric = request.rubric
    judged = write_texts(request, folder, store=store, log=log, device_name=device_name)
    overlap = held_out_overlap(request, judged, folder, store=store, log=log)
    texts = text_reports(request, judged, folder, log)
    asked = rubric.questions(judged.language, judged.prompts, judged.texts)
    log.line(foreseen(asked, request.answer_tokens))
    if asked_judge is not None:
        source = fingerprint([judged.source, judged.language, rubric._asdict()])
        ask(asked_judge, asked, folder, source=source, seed=request.seed, log=log)
    found = report(answers_in(folder, asked, log), asked, judged.names, [*rubric.criteria])
    told = {**how(request, judged, store), **asdict(found), **in_json(overlap)}
    told["texts"] = {name: asdict(each) for name, each in texts.items()}
    write_json(folder / FOUND, told)
    return told, shown(told, found, texts, overlap)


def foreseen(asked: Sequence[Question], max_tokens: int) -> str:
    """What it takes to ask a judge everything."""
    n_bytes = sum(len(each.text.encode("utf-8", "replace")) for each in asked)
    most = number(len(asked) * max_tokens)
    tokens = f"about {number(n_bytes / BYTES_PER_TOKEN)} tokens, and at most {most} of answers"
    return f"{counted(len(asked), 'question')} for each judge: {tokens}"


def ask(
    judge: Judge, asked: Sequence[Question], folder: Path, *, source: str, seed: int, log: Log
) -> None:
    """Ask a judge what it has not been asked, always at temperature 0, and keep each answer as it
    comes. source: what tells these questions from others; more prompts add questions.

    Longer answers (`--answer-tokens`) are no other plan: one that is cut is not scored.
    """
    name = as_name(judge.name, "-", 48).strip(".-")
    if name != judge.name:  # another judge may have this name, too
        name = f"{name}-{fingerprint(judge.name)[:8]}"
    sampling = {"temperature": 0.0, "system": "", "endpoint": judge.endpoint}
    plan = Plan("answers", "endpoint", source, len(asked), seed, judge.name, sampling)
    write_answers(
        plan,
        Prompts([each.text for each in asked]),
        folder / f"{JUDGE}{name}",
        judge.make,
        model=judge.name,
        budget=judge.budget,
        log=log,
        doing="judging",
    )


def answers_in(folder: Path, asked: Sequence[Question], log: Log) -> dict[str, Answers]:
    """The answers to these questions, and the failures, by the name of each judge."""
    found = dict[str, Answers]()
    texts = {n: each.text for n, each in enumerate(asked)}
    for place in sorted(folder.glob(f"{JUDGE}*")):
        kept = read_sealed(place / WRITTEN, "Delete the folder, and ask the judge again.")
        if kept is None:
            continue
        kept.pop("version")
        plan = Plan(**kept)
        records = records_in(place, plan)
        if any(each["prompt"] != texts.get(n) for n, each in records.items()):
            log.warn(f"{place.name} was asked other questions and is left out")
        elif records:  # else it was a wrong name, or a server that was away
            found[plan.model] = Answers(plan.sampling["endpoint"], records)
    return found


def how(request: Request, judged: JudgedTexts, store: Store) -> dict[str, Any]:
    """What was judged, and how it was made and asked for, as `--json` prints it.

    split: None if the prompts are those of a file.
    """
    sampling = asdict(Sampling(request.temperature, seed=request.seed))
    return {
        "models": [origin_of(each, store) for each in request.models],
        **environment(),
        "prompts": len(judged.prompts),
        "prompts_file": request.prompts and request.prompts.name,
        "split": None if request.prompts else request.split,
        "sampling": {**sampling, "max_tokens": request.max_tokens},
        "rubric": request.rubric._asdict(),
    }
