"""`endonym look` and `prune`: artefacts, read from their files."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import regex

from endonym.cleaning.normalize import composed
from endonym.cleaning.rules import LAST
from endonym.commands.filled import SHOWN_CHARS, filled
from endonym.copies.held_out.split import SIDES
from endonym.copies.notes import staying_texts
from endonym.corpus.corpus import Corpus, dropped_records, some_dropped
from endonym.device import program
from endonym.errors import RecipeError, printable_lines, quoted
from endonym.evaluate.score import Score, headline
from endonym.export.history import events, journal_of
from endonym.formats.document import Document, Reject
from endonym.formats.document_files import DROPPED, REMOVED
from endonym.log import columns
from endonym.mappings import largest_first
from endonym.pipeline import sources
from endonym.pipeline.execute import NO_TEXTS, counts_of
from endonym.recipe.recipe import Recipe
from endonym.runs import find
from endonym.script.letters import beginning
from endonym.store import Artifact, Store, open_artifact

if TYPE_CHECKING:
    from endonym.data.example_tokens import ExampleTokens
    from endonym.tokenizer.tokenizer import Tokenizer

SHOWN_BYTES = 2_000
INVISIBLE = regex.compile(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}")
BARS = "▁▂▃▄▅▆▇█"


class Inspection(NamedTuple):
    """What is shown of an artefact, as text and as JSON."""

    text: str
    data: dict[str, Any]


DROPPING = ("corpus", "examples")
IN_WORDS = "a corpus or examples"
"""Stages that leave records out."""


class LeftOut(NamedTuple):
    """What a stage left out: its folder, and how many records, and parts of documents, by reason.

    made: the artefact; None if the stage was refused, or is not finished.
    """

    folder: Path
    counts: Mapping[str, int]
    parts: Mapping[str, int]
    made: Artifact | None = None


def look(
    store: Store,
    name: str,
    kind: str | None = None,
    *,
    dropped: str | None,
    text: str | None = None,
    count: int,
    mark: bool = False,
    of: str | None = None,
) -> Inspection:
    """Samples of an artefact, or of a run's artefact of a kind or that the flags ask for.

    of: of a corpus, what became of a file, or of documents whose ids begin so. mark: of a
    corpus, also the command that marks the documents that are shown. dropped: a reason, or "all";
    of a run what its corpus and its examples left out, or one of them by `kind`.
    """
    named = _named_artifact(store, name)
    flags = {"--mark": mark, "--of": of, "--text": text is not None, "this": True}
    flag = next(each for each, is_given in flags.items() if is_given)
    wanted = {"this": kind, "--text": "tokenizer"}.get(flag, "corpus")
    if mark and (named or text is not None or kind not in (None, wanted)):
        message = "--mark gives a command for the recipe of a run, and for documents of its corpus"
        raise RecipeError(message, where="--mark", do="Give a run, and no other KIND than corpus.")
    if mark:
        return with_marks(name, look(store, name, wanted, dropped=dropped, count=count, of=of))
    if dropped:
        kinds = DROPPING if kind is None else (kind,)
        left = _left_out(store, name) if dropped == "all" and "corpus" in kinds else {}
        found = _dropping(store, name, kinds)
        return _look_at_dropped(found, left, reason=dropped, count=count)
    if not (wanted or named):
        return _look_at_run(store, name, count)
    artifact = _artifact(store, name, wanted)
    if wanted not in (None, artifact.stage):
        message = f"{name} is a {artifact.stage}, but {flag} looks at a {wanted}"
        raise RecipeError(message, where="ARTEFACT", do=f"Give a run or a {wanted}.")
    with artifact.read_with_care():
        if of is not None:
            return _look_at_file(store, name, artifact, count=count, of=of)
        return _look_inside(artifact, count, text)


def _look_inside(artifact: Artifact, count: int, text: str | None) -> Inspection:
    """What an artefact holds, by its kind. text: for a tokenizer, to be cut into tokens."""
    match artifact.stage:
        case "corpus":
            return _look_at_corpus(artifact, count)
        case "tokenizer":
            return _look_at_tokenizer(artifact, text)
        case "examples":
            return _look_at_examples(artifact, count)
        case "model" | "member":
            return _look_at_model(artifact)
        case _:
            shown = {key: artifact.manifest[key] for key in ("stage", "id", "config", "numbers")}
            head = f"{artifact.stage} {artifact.id[:12]}  {counts_of(artifact)}"
            return Inspection(head, shown)


def _look_at_run(store: Store, name: str, count: int) -> Inspection:
    """What was counted in each finished stage of a run, and inside the last one with samples."""
    last = _artifact(store, name, None)
    run = find.find_run(store, name)
    home = find.store_of(run, store)
    stages = find.planned(run)
    made = {each["name"]: home.find(each["stage"], each["id"]) for each in stages}
    counts = {stage: counts_of(each) for stage, each in made.items() if each is not None}
    inside = look(store, str(last.folder), dropped=None, text=None, count=count)
    text = filled("look_run.txt", counts=counts, last=last.stage, inside=inside.text)
    return Inspection(text, {"stages": counts, **inside.data})


def _named_artifact(store: Store, name: str) -> Artifact | None:
    """An artefact by folder, or by (the start of) its id; None if it is neither."""
    if (Path(name) / "manifest.json").is_file():
        return open_artifact(Path(name))
    found = (each for each in store.artifacts() if len(name) >= 4 and each.id.startswith(name))
    return next(found, None)


def _artifact(store: Store, name: str, wanted: str | None) -> Artifact:
    """An artefact by folder, by (the start of) its id, or by run and kind."""
    if (artifact := _named_artifact(store, name)) is not None:
        return artifact
    folder = find.find_run(store, name)
    for kind in [wanted] if wanted else ["model", "shards", "tokenizer", "corpus", "source"]:
        if (made := find.planned_artifact(folder, store, kind)) is not None:
            return made
    return find.made_artifact(folder, store, wanted or "stage")


def _dropping(store: Store, name: str, kinds: Sequence[str]) -> dict[str, LeftOut]:
    """What an artefact, or each stage of a run, of these kinds left out, by its name.

    Also of stages that were refused, or are not finished.
    """
    if unfit := [kind for kind in kinds if kind not in DROPPING]:
        message = f"--dropped looks at {IN_WORDS}, and not at a {unfit[0]}"
        raise RecipeError(message, where="KIND", do=f"KIND is one of {', '.join(DROPPING)}.")
    if (artifact := _named_artifact(store, name)) is not None:
        if artifact.stage not in kinds:
            message = f"{name} is a {artifact.stage}, but --dropped looks at {IN_WORDS}"
            raise RecipeError(message, where="ARTEFACT", do="Give a run, or one of these.")
        return {artifact.stage: _left_out_of(artifact)}
    run = find.find_run(store, name)
    found = dict[str, LeftOut]()
    run_store = find.store_of(run, store)
    shown = set[tuple[str, str]]()  # Phases on the same data share their examples.
    for stage in find.planned(run):
        if stage["stage"] not in kinds or (stage["stage"], stage["id"]) in shown:
            continue
        shown.add((stage["stage"], stage["id"]))
        left = run_store.work_folder(stage["stage"], stage["id"]) / "out"
        if (made := run_store.find(stage["stage"], stage["id"])) is not None:
            found[stage["name"]] = _left_out_of(made)
        elif (left / DROPPED).is_dir():
            records = Counter(each.reason for each in dropped_records(left, kind=DROPPED))
            parts = Counter(each.reason for each in dropped_records(left, kind=REMOVED))
            found[stage["name"]] = LeftOut(left, records, parts)
    if not found:
        find.made_artifact(run, store, kinds[0])
    return found


def _left_out_of(artifact: Artifact) -> LeftOut:
    """What a finished corpus or examples left out."""
    with artifact.read_with_care():
        if artifact.stage == "examples":
            return LeftOut(artifact.folder, artifact.numbers["dropped"], {}, artifact)
        total = Corpus(artifact.folder).card["total"]
        counts = {name: n["records"] for name, n in total["dropped"].items()}
        parts = {name: rule["parts"] for name, rule in total["rules"].items() if rule["parts"]}
        return LeftOut(artifact.folder, counts, parts, artifact)


def _look_at_dropped(
    found: dict[str, LeftOut], left: dict[str, str], *, reason: str, count: int
) -> Inspection:
    """How many records were dropped for each reason, and some of them; and parts of documents.

    reason: one, or "all". left: files that were left out as a whole, with why.
    """
    known = {why for each in found.values() for why in (*each.counts, *each.parts)}
    if reason not in ("all", *known):
        reasons = ", ".join(sorted(known)) or "none, nothing was dropped"
        message = f"nothing was dropped for the reason {reason}"
        raise RecipeError(message, where="--dropped", do=f"Reasons here: {reasons}; or all.")
    texts = list[str]()
    data: dict[str, Any] = {"rejects": [], "dropped": Counter(), "removed": [], "parts": Counter()}
    for name, each in found.items():
        if reason == "all" or reason in (*each.counts, *each.parts):
            with each.made.read_with_care() if each.made else nullcontext():
                shown = _shown_of(each, data, reason=reason, count=count)
            texts.append(f"{name}\n{shown}" if len(found) > 1 else shown)
    if left:
        data["left_out"] = left
        texts.append(filled("look_left.txt", files=left))
    return Inspection("\n\n".join(texts), data)


def _shown_of(left: LeftOut, data: dict[str, Any], *, reason: str, count: int) -> str:
    """What one stage left out, as text; it is added to `data`, too."""
    folder = left.folder
    parts = left.parts
    counts = {**dict.fromkeys(parts, 0), **left.counts}
    ordered = [*largest_first(counts)]
    shown: list[tuple[str, list[Reject], dict[str, str], list[Reject]]] = []
    for why in ordered if reason == "all" else [reason]:
        some_rejects = some_dropped(folder, why, count)
        near_ids = {each.stayed for each in some_rejects if why == "near"}
        stayed = staying_texts(folder, near_ids)
        some_removed = some_dropped(folder, why, count, REMOVED) if why in parts else []
        shown.append((why, some_rejects, stayed, some_removed))
        for each in some_rejects:
            data["rejects"].append(_plain(each))
            if stayed.get(each.stayed):
                data["rejects"][-1]["stayed_text"] = stayed[each.stayed][:SHOWN_CHARS]
        data["removed"] += map(_plain, some_removed)
    data["dropped"].update(counts)
    data["parts"].update(parts)
    return filled("look_dropped.txt", ordered=ordered, counts=counts, parts=parts, shown=shown)


def _left_out(store: Store, name: str) -> dict[str, str]:
    """The files that the recipe of a run leaves out as a whole, with why; empty of an artefact."""
    with suppress(RecipeError):
        named = find.find_recipe(store, Path(name))
        return sources.left_out(Recipe.load(named.path, variant=named.variant, sets=named.sets))
    return {}


def _look_at_file(
    store: Store, name: str, artifact: Artifact, *, count: int, of: str
) -> Inspection:
    """Whole documents of a file, what of it was dropped, or why all of it was left out."""
    corpus = Corpus(artifact.folder)
    left = _left_out(store, name)
    counts = Counter[str]()
    by_reason = dict[str, list[Reject]]()
    for wanted in dict.fromkeys((f"/{composed(of)}", f"/{composed(Path(of).name)}")):
        every = (document for side in SIDES for document in corpus.documents(side))
        own = (each for each in every if wanted in composed(f"/{each.source}/{each.id}"))
        documents = [_plain(each, is_whole=True) for each in itertools.islice(own, count)]
        for each in dropped_records(artifact.folder):
            if wanted in composed(f"/{each.source}/{each.id}"):
                counts[each.reason] += 1
                by_reason.setdefault(each.reason, []).extend([each][: counts[each.reason] <= count])
        files = {path: why for path, why in left.items() if wanted in composed(f"/{path}")}
        if documents or counts or files:
            break
    else:
        do = f"See --dropped all; {program()} new RECIPE --update takes in new files. "
        do += f"Conversations: {program()} look RUN examples"
        raise RecipeError(f"no text that was read is of {of}", where="--of", do=do)
    data: dict[str, Any] = {"documents": documents}
    texts = [filled("look_corpus.txt", sources=None, documents=documents)]
    if counts:
        rejects = [each for some in by_reason.values() for each in some]
        data |= {"rejects": [_plain(each) for each in rejects], "dropped": counts}
        shown = [(why, some, {}, []) for why, some in by_reason.items()]
        values = {"ordered": [*counts], "counts": counts, "parts": {}, "shown": shown}
        texts.append(filled("look_dropped.txt", **values))
    if files:
        data["left_out"] = files
        texts.append(filled("look_left.txt", files=files))
    found = Inspection("\n\n".join(text.strip("\n") for text in texts if text.strip()), data)
    is_markable = not documents and counts.keys() - {*LAST} and not _named_artifact(store, name)
    return with_marks(name, found) if is_markable else found


def _look_at_corpus(artifact: Artifact, count: int) -> Inspection:
    """The beginnings of the first documents."""
    corpus = Corpus(artifact.folder)
    documents = (document for side in SIDES for document in corpus.documents(side))
    shown = [_plain(each) for each in itertools.islice(documents, count)]
    text = filled(
        "look_corpus.txt",
        sources=corpus.card["sources"],
        sides=SIDES,
        documents=shown,
        no_texts=NO_TEXTS,
    )
    return Inspection(text, {"documents": shown})


def with_marks(name: str, found: Inspection) -> Inspection:
    """What is shown of a run's corpus, with the command that marks it out, or dropped ones in."""
    data = found.data
    documents: list[dict[str, Any]] = data.get("documents") or []
    shown = documents or [*data.get("rejects", ()), *data.get("removed", ())]
    flag = "--mark-out" if documents else "--mark-in"
    places = [f"{each['source']}/{each['id']}" for each in shown if each.get("reason") not in LAST]
    marks = "".join(f" {flag} {quoted(each)}" for each in dict.fromkeys(places))
    command = f"{program()} look {quoted(name)}{marks}" if marks else "none of these can be marked"
    return Inspection(f"{found.text}\n\n{command}", {**data, "command": command})


def _plain(each: Document | Reject, *, is_whole: bool = False) -> dict[str, Any]:
    """A document or a reject as `--json` shows it, with the beginning of its text, or all of it."""
    begun = each.text if is_whole else beginning(each.text, SHOWN_CHARS)
    text = begun if len(begun) == len(each.text) else f"{begun}…"
    shown = {"id": each.id, "source": each.source, "text": text}
    if isinstance(each, Reject):
        return {**shown, "reason": each.reason, "detail": each.detail}
    return {**shown, "meta": each.meta}


def _look_at_tokenizer(artifact: Artifact, text: str | None) -> Inspection:
    """The fit to held-out text, and a text split into its tokens."""
    from endonym.tokenizer.tokenizer import Tokenizer

    report = artifact.numbers["held_out"]
    tokens: list[str] = []
    pieces = None
    n_bytes = 0
    if text is not None:
        if Path(text).is_file():
            with Path(text).open("rb") as file:  # its first whole characters
                text = file.read(SHOWN_BYTES).decode("utf-8", "ignore")
        reader = Tokenizer.load(artifact.folder / "tokenizer.json")
        ids = reader.encode(text)
        tokens = [reader.token(index) for index in ids]
        n_bytes = len(text.encode("utf-8", "surrogatepass"))
        pieces = [
            INVISIBLE.sub(lambda sign: f"U+{ord(sign[0]):04X}", piece)
            + (f" [{count} tokens]" if count > 1 else "")
            for piece, count in reader.pieces(ids)
        ]
    shown = filled(
        "look_tokenizer.txt", report=report, tokens=tokens, pieces=pieces, n_bytes=n_bytes
    )
    return Inspection(shown, {"report": report, "tokens": tokens})


def _look_at_examples(artifact: Artifact, count: int) -> Inspection:
    """Some conversations or pairs as the model reads them, with «what it learns»."""
    from endonym.data.example_tokens import ExampleTokens
    from endonym.tokenizer.tokenizer import Tokenizer

    tokens = ExampleTokens(artifact.folder, "train")
    reader = Tokenizer.load(artifact.folder / "tokenizer.json")
    groups = range(0, len(tokens), tokens.together)  # both sides of a pair
    examples = list[str]()
    for first in groups[:: max(1, len(groups) // max(1, count))][:count]:
        for number in range(first, first + tokens.together):
            examples.append(_marked(tokens, number, reader))
    head = f"{artifact.stage} {artifact.id[:12]}  {counts_of(artifact)}"
    text = "\n\n".join([head, *(printable_lines(each) for each in examples)])
    shown = {key: artifact.manifest[key] for key in ("stage", "id", "config", "numbers")}
    return Inspection(text, {**shown, "examples": examples})


def _marked(tokens: "ExampleTokens", number: int, reader: "Tokenizer") -> str:
    """An example with its special tokens by their names, and «what is learnt»."""
    place = slice(tokens.starts[number], tokens.starts[number] + tokens.lengths[number])
    marked = zip(tokens.learnt[place].tolist(), tokens.ids[place].tolist(), strict=True)
    said = list[str]()
    for is_learnt, pairs in itertools.groupby(marked, key=itemgetter(0)):
        ids = [each for _, each in pairs]
        groups = itertools.groupby(ids, key=lambda each: bool(reader.bytes_of(each)))
        text = "".join(
            reader.decode([*some]) if is_text else "".join(map(reader.token, some))
            for is_text, some in groups
        )
        said.append(f"«{text}»" if is_learnt else text)
    return "".join(said)


def validated_by(model: Artifact) -> tuple[str, str]:
    """The key of a model's validations by which its best step was chosen, and its name."""
    phase = model.manifest["config"].get("phase", {})
    is_of_pairs = phase.get("objective") == "preferences"
    return ("nats", "loss") if is_of_pairs else ("bits", "bits/byte")


def _look_at_model(artifact: Artifact) -> Inspection:
    """The validation curve as a line of bars, key numbers and samples."""
    validations = artifact.json("validations.json")
    key, metric = validated_by(artifact)
    values = [validation[key] for validation in validations]
    low = min(values)
    span = max(max(values) - min(values), 1e-9)
    text = filled(
        "look_model.txt",
        numbers=artifact.numbers,
        what=metric,
        values=values,
        curve="".join(BARS[int((value - low) / span * (len(BARS) - 1))] for value in values),
        samples=events(journal_of(artifact), "sample")[-2:],
    )
    return Inspection(text, {"validations": validations})


@dataclass(frozen=True, slots=True)
class Unused:
    """An artefact that no run refers to, the work folder of one, or its GGUF file for `serve`.

    note: what a finished model scores, and when it was finished.
    """

    kind: str
    folder: Path
    bytes: int
    note: str = ""

    @property
    def id(self) -> str:
        """The twelve digits of its name."""
        return self.folder.name.strip(".")[:12]

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        row = {"stage": self.kind, "id": self.id, "bytes": self.bytes, "note": self.note}
        return row | {"folder": str(self.folder)}


def unused(store: Store) -> list[Unused]:
    """All that no run refers to."""
    found: list[Unused] = []
    scores = _test_scores(store)
    for each in store.unreferred():
        note = _note(each, scores.get(each.id)) if each.stage == "model" else ""
        found.append(Unused(each.stage, each.folder, each.bytes(), note))
    for part in store.unfinished():
        found.append(Unused(f"{part.parent.name} (unfinished)", part, _bytes_of(part)))
    for folder in store.unneeded_gguf():
        kind = "gguf (unfinished)" if folder.name.endswith(".part") else "gguf"
        found.append(Unused(kind, folder, _bytes_of(folder), "serve makes it again"))
    return found


def _bytes_of(folder: Path) -> int:
    """The bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def describe_unused(found: Sequence[Unused], *, are_removed: bool = False) -> str:
    """One line each; then what was removed, or a warning if finished models are among them."""
    widest = max([20, *(columns(each.kind) for each in found)])
    return filled("unused.txt", found=found, widest=widest, are_removed=are_removed)


def _note(model: Artifact, score: float | None) -> str:
    """What a model scores, on test documents if they were judged, and when it was finished."""
    key, metric = validated_by(model)
    values = [row[key] for row in model.rows("validations.json")]
    note = f"{min(values):.3f} {metric} of dev text" if values else "not scored"
    if score is not None:
        note = f"{score:.3f} bits/byte of test text"
    dates = [line["at"][:10] for line in events(journal_of(model), "finished")]
    return f"{note}, finished {dates[-1]}" if dates else note


def _test_scores(store: Store) -> dict[str, float]:
    """Bits per byte of test documents, by the short identifier of each model that was judged."""
    scores: dict[str, float] = {}
    for artifact in store.artifacts():
        rows = artifact.rows("scores.json") if artifact.stage == "evaluation" else []
        score = headline([Score(**row) for row in rows if row["split"] == "test"], model="model")
        if score is not None:
            scores[artifact.manifest["inputs"]["model"][:12]] = score.value
    return scores
