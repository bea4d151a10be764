"""`endonym status` and `endonym look`: runs and artefacts, read from their files."""

import itertools
import json
import shlex
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import regex

from endonym.copies.held_out.split import SIDES
from endonym.copies.notes import staying_texts
from endonym.corpus.corpus import Corpus, dropped_records, some_dropped
from endonym.device import program
from endonym.errors import EndonymError, RecipeError
from endonym.formats.document import Document, Reject
from endonym.formats.document_files import DROPPED, REMOVED
from endonym.formats.reasons import in_words
from endonym.log import columns, counted, number, padded, read_jsonl, size
from endonym.pipeline.execute import FAILURE, NO_TEXTS
from endonym.recipe.recipe import Recipe
from endonym.runs.find import (
    RECIPE,
    asked,
    find_run,
    made_artifact,
    planned,
    planned_artifact,
    recipe_file,
    recipe_of,
    resolve_run,
    run_argument,
    runs_by_recipe,
    runs_here,
    runs_of,
    store_of,
)
from endonym.store import Artifact, Store, open_artifact, read_if_whole

SHOWN_CHARS, SHOWN_BYTES = 400, 2_000
INVISIBLE = regex.compile(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}")
BARS = "▁▂▃▄▅▆▇█"


def status(store: Store, name: str | None) -> list[dict[str, Any]]:
    """Every run here, or those that the name of a run or a recipe means, with their stages."""
    if name is None:
        runs = runs_here(store)
    elif (recipe := recipe_file(Path(name))) is not None:
        runs = runs_of(store, recipe)
    else:
        runs = [find_run(store, name)]
    return [status_of(run, store) for run in runs]


def status_of(run: Path, store: Store) -> dict[str, Any]:
    """The state of each stage of a run, and why it failed when it was last run."""
    stages: list[dict[str, Any]] = []
    expected, where = planned(run), store_of(run, store)
    for stage in expected:
        folder = where.folder(stage["stage"], stage["id"])
        parts = folder.with_name(folder.name + ".part")
        state = "done" if folder.is_dir() else "started" if parts.is_dir() else "missing"
        weight = open_artifact(folder).bytes() if state == "done" else 0
        maker = where.maker(stage["stage"], stage["id"]) if state == "started" else ""
        steps = sorted(path.name for path in parts.glob("step-*") if path.suffix == "")
        stages.append(
            {
                "name": stage["name"],
                "id": stage["id"],
                "state": "running" if maker else state,
                "bytes": weight,
                "note": ", ".join(each for each in (maker, *steps[-1:]) if each),
            }
        )
    failure = read_if_whole(run / FAILURE)
    return {
        "run": str(run),
        "called": run_argument(run, store),
        "is_changed": is_changed(run, store),
        "stages": stages,
        "is_planned": any(each["stage"] == "model" for each in expected),
        "asked": asked(run_argument(run, store), planned_artifact(run, store, "model")),
        "failure": failure,
    }


def is_changed(run: Path, store: Store) -> bool:
    """Whether the recipe says something else by now than when it ran. Comments do not matter."""
    with suppress(EndonymError, OSError, ValueError):
        named = recipe_of(run, store)
        now = Recipe.load(named.path, variant=named.variant, sets=named.sets)
        return now.is_other_than((run / RECIPE).read_text(encoding="utf-8"))
    return False


def unrun(store: Store, name: str | None) -> list[Path]:
    """The recipe of this name, or those in the current folder and below it, if not yet run."""
    if name is not None:
        found = recipe_file(Path(name))
        recipes = [] if found is None else [found]
    else:
        around = store.root.parent
        recipes = [path for where in (RECIPE, f"*/{RECIPE}") for path in sorted(around.glob(where))]
    known = runs_by_recipe(store) if recipes else {}
    return [each for each in recipes if recipe_file(each) and each.resolve() not in known]


def describe_status(runs: list[dict[str, Any]], recipes: Sequence[Path] = ()) -> str:
    """Runs and stages as aligned text, with the next command. recipes: those not yet run."""
    if not runs and not recipes:
        return f"no runs here yet; next: {program()} new DIR --demo french"
    lines: list[str] = []
    for run in runs:
        lines.append(run["run"])
        widest = max((columns(stage["name"]) for stage in run["stages"]), default=0)
        for stage in run["stages"]:
            weight = size(stage["bytes"]) if stage["bytes"] else stage["note"]
            name = padded(stage["name"], widest)
            lines.append(f"  {stage['state']:<8} {name}  {stage['id']}  {weight}")
        if failure := run["failure"]:
            where = f"{failure['where']}: " if failure["where"] else ""
            said = f"{where}{failure['message']}\n{failure['do']}".strip()
            lines.append("  last error: " + said.replace("\n", "\n    "))
        if run["is_changed"]:
            again = f"{program()} run {run['called']} --dry-run"
            lines.append(f"  the recipe was changed since: {again} lists what is missing")
        if run["stages"] and not run["is_planned"]:
            lines.append("  (model, evaluation and export follow when the tokens are counted)")
        lines.append(f"  next: {_next(run)}")
    for recipe in recipes:
        quoted = shlex.quote(str(recipe))
        lines += [str(recipe), "  a recipe is here, not yet run"]
        lines.append(f"  next: {program()} check {quoted}, then {program()} run {quoted}")
    return "\n".join(lines)


def _next(run: dict[str, Any]) -> str:
    """The command that comes next for a run."""
    states, called = [stage["state"] for stage in run["stages"]], run["called"]
    if not states:
        return "the same `endonym run` goes on from here"
    if "running" in states:
        return f"{program()} status {called}, again; {run['run']}/log.txt tells more"
    if run["failure"]:
        return f"put that right, then {program()} run {called}"
    if run["is_planned"] and set(states) == {"done"} and not run["is_changed"]:
        return f"{program()} {run['asked']}"
    return f"{program()} run {called}, which goes on from here"


@dataclass(frozen=True, slots=True)
class Inspection:
    """A result as text and as JSON."""

    text: str
    data: dict[str, Any] = field(default_factory=dict)


def look(
    store: Store,
    name: str,
    kind: str | None = None,
    *,
    dropped: str | None,
    text: str | None,
    count: int,
) -> Inspection:
    """Samples of an artefact, or of a run's artefact of a kind or that the flags ask for."""
    wanted = "corpus" if dropped else "tokenizer" if text is not None else kind
    refused = _refused_corpus(store, name) if dropped else None
    if dropped and refused is not None:
        counts, parts = (
            dict(Counter(each.reason for each in dropped_records(refused, kind=kind)))
            for kind in (DROPPED, REMOVED)
        )
        return _look_at_dropped(refused, counts, parts, reason=dropped, count=count)
    artifact = _artifact(store, name, wanted)
    if wanted not in (None, artifact.stage):
        flag = "--dropped" if dropped else "--text" if text is not None else "this"
        raise RecipeError(
            f"{name} is a {artifact.stage}, but {flag} looks at a {wanted}",
            where="ARTEFACT",
            do=f"Give a run or a {wanted}.",
        )
    with artifact.read_with_care():
        if artifact.stage == "corpus":
            return _look_at_corpus(artifact, dropped, count)
        if artifact.stage == "tokenizer":
            return _look_at_tokenizer(artifact, text)
        if artifact.stage == "model":
            return _look_at_model(artifact)
    shown = {key: artifact.manifest[key] for key in ("stage", "id", "config", "numbers")}
    return Inspection(json.dumps(shown, ensure_ascii=False, indent=1), {"artefact": artifact.id})


def _artifact(store: Store, name: str, wanted: str | None) -> Artifact:
    """An artefact by folder, by (the start of) its id, or by run and kind."""
    if (Path(name) / "manifest.json").is_file():
        return open_artifact(Path(name))
    artifacts = [each for each in store.artifacts() if len(name) >= 4 and each.id.startswith(name)]
    if artifacts:
        return artifacts[0]
    folder = find_run(store, name)
    for kind in [wanted] if wanted else ["model", "shards", "tokenizer", "corpus", "source"]:
        if (made := planned_artifact(folder, store, kind)) is not None:
            return made
    return made_artifact(folder, store, wanted or "stage")


def _refused_corpus(store: Store, name: str) -> Path | None:
    """What a run left of a corpus that was refused, or is not finished; None if there is none."""
    run = resolve_run(store, name)
    stages = [each for each in planned(run) if each["stage"] == "corpus"] if run else []
    if run is None or not stages:
        return None
    made = store_of(run, store).folder("corpus", stages[0]["id"])
    left = made.with_name(f"{made.name}.part") / "out"
    return left if not made.is_dir() and (left / "dropped").is_dir() else None


def _look_at_dropped(
    folder: Path, counts: dict[str, int], parts: dict[str, int], *, reason: str, count: int
) -> Inspection:
    """How many records were dropped for each reason, and some of them; and parts of documents."""
    counts = {**dict.fromkeys(parts, 0), **counts}
    if reason not in ("all", *counts):
        raise RecipeError(
            f"nothing was dropped for the reason {reason}",
            where="--dropped",
            do=f"Reasons here: {', '.join(sorted(counts)) or 'none, nothing was dropped'}; or all.",
        )
    ordered = sorted(counts, key=lambda each: (-counts[each], each))
    width = max(map(len, ordered), default=0)
    lines = [f"{each:<{width}}  {number(counts[each]):>9}  {in_words(each)}" for each in ordered]
    rejects, removed = list[dict[str, Any]](), list[dict[str, Any]]()
    for why in ordered if reason == "all" else [reason]:
        some = some_dropped(folder, why, count)
        stayed = staying_texts(folder, {each.stayed for each in some if why == "near"})
        for each in some:
            lines += _shown(each)
            rejects.append(_plain(each))
            if text := stayed.get(each.stayed):
                rejects[-1]["stayed_text"] = text[:SHOWN_CHARS]
                lines += [f"  {each.stayed} stays:", *_indented(text)]
        if len(some) < counts[why]:
            more = f"{number(len(some))} of {number(counts[why])} shown; -n {counts[why]} shows all"
            lines += ["", f"{why}: {more}"]
        if why in parts:
            lines += ["", f"{why}: {counted(parts[why], 'part')} taken out of documents"]
            cut = some_dropped(folder, why, count, REMOVED)
            lines += [line for each in cut for line in _shown(each)]
            removed += map(_plain, cut)
    return Inspection(
        "\n".join(lines) or "nothing was dropped",
        {"rejects": rejects, "dropped": counts, "removed": removed, "parts": parts},
    )


def _shown(each: Reject) -> list[str]:
    """Why something was dropped, where it stood, and its beginning."""
    head = f"{each.reason}  {each.source}/{each.id}  {each.detail}".rstrip()
    return ["", head, *_indented(each.text)]


def _indented(text: str) -> list[str]:
    """The beginning of a text as lines."""
    shown = text[:SHOWN_CHARS] + ("…" if len(text) > SHOWN_CHARS else "")
    return [f"  {line}" for line in shown.splitlines()]


def _look_at_corpus(artifact: Artifact, reason: str | None, count: int) -> Inspection:
    """Sample documents, or dropped ones with their reasons."""
    corpus = Corpus(artifact.folder)
    if reason:
        total = corpus.card["total"]
        counts = {name: n["records"] for name, n in total["dropped"].items()}
        rules: dict[str, dict[str, Any]] = total.get("rules", {})  # none before version 5
        parts = {name: rule["parts"] for name, rule in rules.items() if rule["parts"]}
        return _look_at_dropped(artifact.folder, counts, parts, reason=reason, count=count)
    lines: list[str] = []
    for name, card in corpus.card["sources"].items():
        kept, gone = card["kept"], card["dropped"]
        lost = ", ".join(f"{key} {value['records']}" for key, value in gone.items()) or "nothing"
        sides = ", ".join(f"{side} {kept[side]['documents']}" for side in SIDES)
        lines.append(f"{name}: read {card['read']['records']}, kept {sides}, dropped {lost}")
    documents = (each for side in SIDES for each in corpus.documents(side))
    shown = list(itertools.islice(documents, count))
    lines += [] if corpus.card["sources"] else [NO_TEXTS]
    lines += [f"\n{_origin(each)}\n{each.text[:SHOWN_CHARS]}" for each in shown]
    return Inspection("\n".join(lines), {"documents": [_plain(each) for each in shown]})


def _origin(document: Document) -> str:
    """A document's place and source, and what its reader noted of it."""
    noted = [f"{key}: {value}" for key, value in sorted(document.meta.items())]
    return "\n".join(
        [f"{document.id} ({document.source})", *([" · ".join(noted)] if noted else [])]
    )


def _plain(each: Document | Reject) -> dict[str, Any]:
    shown = {"id": each.id, "source": each.source, "text": each.text[:SHOWN_CHARS]}
    if isinstance(each, Reject):
        return {**shown, "reason": each.reason, "detail": each.detail}
    return {**shown, "meta": each.meta}


def _look_at_tokenizer(artifact: Artifact, text: str | None) -> Inspection:
    """The fit to held-out text, and a text split into its tokens."""
    from endonym.tokenizer.tokenizer import Tokenizer

    report = artifact.numbers["held_out"]
    total = report["total"]
    ratios = total["bytes_per_token"], total["tokens_per_word"]
    fit = "; on held-out text {:.2f} bytes a token, {:.2f} tokens a word".format(*ratios)
    lines = [f"vocabulary {number(report['vocab'])}" + (fit if report["sources"] else "")]
    tokens: list[str] = []
    if text is not None:
        text = _beginning(Path(text)) if Path(text).is_file() else text
        reader = Tokenizer.load(artifact.folder / "tokenizer.json")
        ids = reader.encode(text)
        tokens = [reader.token(index) for index in ids]
        pieces = reader.pieces(ids)
        ratio = len(text.encode("utf-8", "surrogatepass")) / max(1, len(tokens))
        lines.append(f"this text: {counted(len(tokens), 'token')}, {ratio:.2f} bytes a token")
        lines.append("|".join(_visible(*piece) for piece in pieces))
    return Inspection("\n".join(lines), {"report": report, "tokens": tokens})


def _beginning(path: Path) -> str:
    """The first whole characters of a text file."""
    with path.open("rb") as file:
        return file.read(SHOWN_BYTES).decode("utf-8", "ignore")


def _visible(piece: str, count: int) -> str:
    """A piece of a text with its invisible characters by number, and how many tokens it takes."""
    text = INVISIBLE.sub(lambda found: f"U+{ord(found[0]):04X}", piece)
    return f"{text} [{count} tokens]" if count > 1 else text


def validated_by(model: Artifact) -> tuple[str, str]:
    """The key of a model's validations by which its best step was chosen, and its name."""
    phase = model.manifest["config"].get("phase", {})
    is_of_pairs = phase.get("objective") == "preferences"
    return ("nats", "loss") if is_of_pairs else ("bits", "bits/byte")


def _look_at_model(artifact: Artifact) -> Inspection:
    """The validation curve as a line of bars, key numbers and samples."""
    file = artifact.folder / "validations.json"
    # Models of version 8 and before called this file looks.json.
    validations = artifact.json(file.name if file.exists() else "looks.json")
    numbers = artifact.numbers
    key, what = validated_by(artifact)
    values = [each[key] for each in validations]
    low, high = min(values), max(values)
    span = max(high - low, 1e-9)
    curve = "".join(BARS[int((value - low) / span * (len(BARS) - 1))] for value in values)
    steps, kept = numbers["steps"], numbers["kept_step"]
    which = "the last" if kept == steps else f"those of step {number(kept)}"
    lines = [
        f"{counted(numbers['parameters'], 'parameter')} · {counted(steps, 'step')}; "
        f"the weights are {which}",
        f"dev {what} {values[0]:.3f} {curve} {values[-1]:.3f} (best {low:.4f})",
    ]
    store = Store(artifact.folder.parent.parent)
    samples = [
        line
        for line in read_jsonl(store.journal("model", artifact.manifest["id"]))
        if line.get("event") == "sample"
    ]
    lines += [f"\nstep {each['step']}: {each['prompt']}{each['text']}" for each in samples[-2:]]
    return Inspection("\n".join(lines), {"validations": validations})
