"""Where a model comes from: the artefacts that led to it, by the identities in its manifest."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from endonym.cleaning.rules import speller
from endonym.data.config import RECORDS
from endonym.evaluate.neighbours import NEIGHBOURS, Gain
from endonym.evaluate.score import Score
from endonym.export.record import WEIGHTS
from endonym.formats.config import Clean
from endonym.log import counted, read_jsonl
from endonym.store import TRAINED, Artifact, Store


@dataclass(frozen=True, slots=True)
class History:
    """The artefacts behind a model: its phases (the first one first), texts and scores.

    journals: of the phases. teacher_journals: of their members and of what was kept of teachers.
    Times and machines are no part of an artefact, so a stage has none. base: of the model that
    training went on from, if it is in the same store. teachers: of the models that phases name.
    lost_teachers: the ids of those that the store did not make, or of which it lost a part.
    """

    phases: list[Artifact]
    tokenizer: Artifact
    corpus: Artifact
    evaluations: Sequence[Artifact] = ()
    journals: Sequence[list[dict[str, Any]]] = ()
    base: "History | None" = None
    teachers: "Sequence[History]" = ()
    lost_teachers: frozenset[str] = frozenset()
    teacher_journals: Sequence[list[dict[str, Any]]] = ()

    @property
    def lineage(self) -> "list[History]":
        """The models that each went on from the one before; this one is the last."""
        return [*(self.base.lineage if self.base else ()), self]

    def with_teachers(self) -> "list[History]":
        """The lineage with the models that taught it, each once; this one is the last."""
        found = self.base.with_teachers() if self.base else []
        for teacher in self.teachers:
            known = {each.phases[-1].id for each in found}
            found += [each for each in teacher.with_teachers() if each.phases[-1].id not in known]
        return [*found, self]

    @property
    def sources(self) -> dict[str, dict[str, Any]]:
        """The corpus's figures by source, of those that a phase has read."""
        figures = self.corpus.numbers["sources"]
        read: set[str] = set()
        for artifact in self.phases:
            if reads_texts(artifact):
                read |= shares_read(artifact).keys() or {*figures}
        return {name: each for name, each in figures.items() if name in read}

    def read_shares(self) -> dict[str, float]:
        """Of what the phases have read of texts, base and teachers aside, the share of each source.

        By tokens where a phase reads sources by shares; else by bytes, of which each is read as
        often as the others.
        """
        train = {name: each["kept"]["train"]["bytes"] for name, each in self.sources.items()}
        read: Counter[str] = Counter()
        for artifact in self.phases:
            if not reads_texts(artifact):
                continue
            shares = shares_read(artifact) or train
            for name, share in shares.items():
                read[name] += artifact.numbers["tokens"] * share / max(1e-9, sum(shares.values()))
        return {name: tokens / max(1e-9, read.total()) for name, tokens in read.items()}

    def all_sources(self) -> "list[tuple[History, str]]":
        """The sources of `with_teachers`, each once: the last model that read it, and its name."""
        read = {
            (each.corpus.id, name): each for each in self.with_teachers() for name in each.sources
        }
        return [(each, name) for (_, name), each in read.items()]

    def language_of(self, source: str) -> str | None:
        """The language that the corpus's rules ask of a source; None if it is the recipe's."""
        config = self.corpus.manifest["config"]
        own_rules = config.get("own_rules") or {}
        return own_rules.get(source, config["clean"]).get("language")

    def licenses(self, named: Mapping[str, str]) -> list[str | None]:
        """The licenses of `all_sources`, in order; None where it is not known.

        named: those of this recipe's sources, by name.
        """
        return [named.get(name) if each is self else None for each, name in self.all_sources()]

    @property
    def is_from_scratch(self) -> bool:
        """Whether the first phase of all began with random weights."""
        if self.base is not None:
            return self.base.is_from_scratch
        return "folder" not in self.phases[0].manifest["inputs"]

    @property
    def members(self) -> int:
        """How many models of other seeds taught the phases of the lineage."""
        phases = [phase for each in self.lineage for phase in each.phases]
        return sum(each.stage == "member" for phase in phases for each in teachers_of(phase))

    @property
    def known_teachers(self) -> int:
        """How many models that phases name as teachers were made of texts of this store alone."""
        return sum(self._teachers_by_knowledge().values())

    @property
    def unknown_teachers(self) -> int:
        """How many models that phases name as teachers were made elsewhere, or of one that was."""
        lost = {teacher for each in self.lineage for teacher in each.lost_teachers}
        return len(lost) + sum(not known for known in self._teachers_by_knowledge().values())

    @property
    def is_of_known_texts(self) -> bool:
        """Whether the model, its base and all teachers were made of texts of this store alone."""
        return self.is_from_scratch and not self.unknown_teachers

    @property
    def has_answers(self) -> bool:
        """Whether any of `with_teachers` learned answers; no license of their files is known."""
        phases = [phase for each in self.with_teachers() for phase in each.phases]
        return any("examples" in phase.manifest["inputs"] for phase in phases)

    def _teachers_by_knowledge(self) -> dict[str, bool]:
        """Each teacher in the store, by id: whether it was made of texts of this store alone."""
        return {
            teacher.phases[-1].id: teacher.is_of_known_texts
            for each in self.lineage
            for teacher in each.teachers
        }

    def scores(self) -> list[Score]:
        """The scores of the corpus's test documents, with the most baselines."""
        return [Score(**row) for row in self._most_rows("scores.json")]

    def neighbours(self) -> list[Gain]:
        """What neighbours in training save of test documents, in each source."""
        return [Gain(**row) for row in self._most_rows(NEIGHBOURS)]

    def _most_rows(self, file: str) -> list[dict[str, Any]]:
        """The rows of a file in the evaluation of test documents that has the most of them."""
        of_test = [each for each in self.evaluations if is_of_split(each.manifest["config"])]
        return max((each.rows(file) for each in of_test), key=len, default=[])

    def answers(self) -> list[tuple[list[str], dict[str, Any]]]:
        """Of each phase that learned answers: its data files, and what was counted of them."""
        store = Store.of(self.corpus.folder)
        found: list[tuple[list[str], dict[str, Any]]] = []
        for examples in filter(None, map(examples_of, self.phases)):
            data = [store.find("source", each) for each in data_of(examples).values()]
            files = [file for each in data if each for file in each.manifest["config"]["files"]]
            found.append(([file["name"] for file in files], examples.numbers))
        return found

    def seconds(self) -> float:
        """Time of all training steps, also of members and teachers; 0 if no journal tells."""
        journals = [(*each.journals, *each.teacher_journals) for each in self.with_teachers()]
        return training_seconds([journal for some in journals for journal in some])

    def machine(self) -> str:
        """Processor and threads of the last phase; empty if no journal tells."""
        machine = machine_of(self.journals[-1]) if self.journals else None
        return f"{machine[0]}, {counted(int(machine[1]), 'thread')}" if machine else ""


def journal_of(artifact: Artifact) -> list[dict[str, Any]]:
    """The lines of an artefact's journal, in its store."""
    return read_jsonl(Store.of(artifact.folder).journal(artifact.stage, artifact.id))


def events(journal: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The lines of a journal that tell of such an event."""
    return [line for line in journal if line.get("event") == name]


def training_seconds(journals: Sequence[list[dict[str, Any]]]) -> float:
    """Time of all steps in the journals of phases; 0 if none tells."""
    return sum(line.get("seconds", 0.0) for journal in journals for line in journal)


def machine_of(journal: list[dict[str, Any]]) -> tuple[str, str] | None:
    """Processor and number of threads of a phase's last start; None if its journal has none."""
    started = events(journal, "started")
    return (str(started[-1]["processor"]), str(started[-1]["threads"])) if started else None


def is_of_split(config: dict[str, Any], split: str = "test") -> bool:
    """Whether a stage's config asks for the scores of the corpus's documents of a split."""
    evaluation = config.get("evaluation", {})
    is_of_corpus = evaluation.get("kind") == "bits" and not evaluation.get("file")
    return is_of_corpus and evaluation.get("split", "test") == split


def reads_texts(phase: Artifact) -> bool:
    """Whether a phase learnt from texts, and not from conversations or pairs."""
    return phase.manifest["config"]["phase"]["objective"] not in RECORDS


def data_of(examples: Artifact | None) -> dict[str, str]:
    """The identities of the files that examples were made of; empty for a phase without any."""
    inputs = examples.manifest["inputs"].items() if examples else ()
    return {name: identity for name, identity in inputs if name.startswith("data")}


def shares_read(phase: Artifact) -> dict[str, float]:
    """The sources that a phase names, with their shares; empty if it reads all together."""
    sources = phase.manifest["config"]["phase"].get("sources") or ()
    return {each["name"]: each["share"] for each in sources}


def phases_of(model: Artifact) -> list[Artifact]:
    """The phase that made a model and those it started from, as far as they are in its store."""
    store = Store.of(model.folder)
    phases = [model]
    while start := phases[0].manifest["inputs"].get("start"):
        earlier = store.find("model", start)
        if earlier is None:
            break
        phases.insert(0, earlier)
    return phases


def history_of(model: Artifact, evaluations: Sequence[Artifact] = ()) -> History | None:
    """Everything that led to a model artefact; None if its store does not hold it any more."""
    store = Store.of(model.folder)
    inputs = model.manifest["inputs"]
    phases = phases_of(model)
    tokenizer = store.find("tokenizer", inputs["tokenizer"])
    if tokenizer is None or "start" in phases[0].manifest["inputs"]:
        return None
    corpus = store.find("corpus", tokenizer.manifest["inputs"]["corpus"])
    if corpus is None:
        return None
    base = base_of(phases[0])
    taught = [(phase, teacher_of(phase)) for phase in phases if has_teacher(phase)]
    named = [(phase, history_of(teacher) if teacher else None) for phase, teacher in taught]
    return History(
        phases,
        tokenizer,
        corpus,
        evaluations,
        base=history_of(base) if base else None,
        teachers=[each for _, each in named if each],
        lost_teachers=frozenset(
            _inputs_of_teaching(phase)["teacher"] for phase, each in named if not each
        ),
    )


def phases_of_lineage(model: Artifact) -> tuple[list[Artifact], list[str]]:
    """The phases of a model, of those it went on from and of its teachers; and what is lost of them
    ("base", "teacher").

    Members are left out: they read what their phase reads.
    """
    phases = phases_of(model)
    inputs = phases[0].manifest["inputs"]
    before = list[Artifact]()
    lost = ["base"] if "start" in inputs else []
    behind = [("base", base_of(phases[0]))] if "folder" in inputs else []
    behind += [("teacher", teacher_of(phase)) for phase in phases if has_teacher(phase)]
    for name, each in behind:
        found, lost_there = phases_of_lineage(each) if each is not None else ([], [name])
        before += found
        lost += lost_there
    return [*before, *phases], lost


def base_of(phase: Artifact) -> Artifact | None:
    """The model that a first phase went on from; None if its store made no such model."""
    return _model_in(phase.manifest["inputs"].get("folder"), Store.of(phase.folder))


def teacher_of(phase: Artifact) -> Artifact | None:
    """The model that a phase names as its teacher; None if its store made no such model."""
    return _model_in(_inputs_of_teaching(phase).get("teacher"), Store.of(phase.folder))


def has_teacher(phase: Artifact) -> bool:
    """Whether a phase names a model as its teacher. Yes if what was kept of a teacher is lost."""
    return "teacher" in _inputs_of_teaching(phase)


def teachers_of(phase: Artifact) -> list[Artifact]:
    """What taught a phase and is in its store: its members, and what was kept of a teacher."""
    store = Store.of(phase.folder)
    kept = phase.manifest["inputs"].get("teacher")
    found = [store.find("member", each) for each in _members(_inputs_of_teaching(phase)).values()]
    found += [store.find("teacher", kept)] if kept else []
    return [each for each in found if each is not None]


def ensemble_of(model: Artifact) -> list[Artifact]:
    """The members whose mean is scored beside a model (`members_beside` of the plan).

    Empty if there are none, or if one is lost.
    """
    texts = [each for each in phases_of(model) if reads_texts(each)]
    taught = [_members(_inputs_of_teaching(phase)) for phase in (model, *texts[-1:])]
    ids = next((each.values() for each in taught if each), ())
    found = [Store.of(model.folder).find("member", each) for each in ids]
    return [] if None in found else [each for each in found if each is not None]


def without_seed(phase: Artifact) -> dict[str, Any]:
    """What a phase was trained on and how: what is the same under every seed of a recipe.

    Steps whose weights are kept change nothing. The phase before it and its members have other ids
    under each seed. The former has a description of its own; the latter are trained as the phase
    is, so their number says all. Of a teacher that is lost nothing is known but what was kept of
    it, and that is of one seed.
    """
    taught = _inputs_of_teaching(phase)
    inputs = phase.manifest["inputs"]
    others = ("start", "teacher", *_members(inputs))
    config = {key: each for key, each in phase.manifest["config"].items() if key != "seed"}
    config["phase"] = {key: n for key, n in config["phase"].items() if key != "keep_steps"}
    return {
        "config": config,
        "inputs": {name: each for name, each in inputs.items() if name not in others},
        "teacher": taught.get("teacher"),
        "members": len(_members(taught)),
    }


def _members(inputs: Mapping[str, str]) -> dict[str, str]:
    """Those of the inputs of teaching that are members, by name."""
    return {name: each for name, each in inputs.items() if name.startswith("teacher ")}


def _inputs_of_teaching(phase: Artifact) -> dict[str, str]:
    """The inputs of what was kept of a phase's teachers; of the phase, if it asks them itself."""
    inputs = phase.manifest["inputs"]
    kept = inputs.get("teacher")
    found = Store.of(phase.folder).find("teacher", kept) if kept else None
    return inputs if found is None else found.manifest["inputs"]


def _model_in(identity: str | None, store: Store) -> Artifact | None:
    """The trained model in a folder that was an input, by the id of the folder.

    It is found by the hash of its weights; or, if it was exported out of the store, by the id that
    the export's record had.
    """
    folder = store.find("source", identity) if identity else None
    if folder is None:
        return None
    hashes = {each["sha256"] for each in folder.manifest["config"]["files"]}
    made_of = folder.numbers.get("made_of")
    for artifact in store.artifacts():
        files = artifact.manifest["files"].items()
        weights = {each["sha256"] for name, each in files if name.endswith(WEIGHTS)}
        if weights & hashes and artifact.stage in TRAINED:
            return artifact
        if weights & hashes and artifact.stage == "export":
            made_of = artifact.manifest["inputs"]["model"]
            break
    return store.find("model", made_of) if made_of else None


def with_times(history: History) -> History:
    """The same with the journals of training, for what is written outside the store."""
    return replace(
        history,
        journals=[*map(journal_of, history.phases)],
        teacher_journals=journals_of_teachers(history.phases),
        base=with_times(history.base) if history.base else None,
        teachers=[*map(with_times, history.teachers)],
    )


def journals_of_teachers(phases: Sequence[Artifact]) -> list[list[dict[str, Any]]]:
    """The journals of the members of phases, and of what was kept of teachers."""
    return [journal_of(each) for phase in phases for each in teachers_of(phase)]


def evaluations_of(model: Artifact) -> list[Artifact]:
    """The evaluations of a model in its store, in the order of their names."""
    manifests = sorted(Store.of(model.folder).root.glob("evaluation/*/manifest.json"))
    found = (Store.of(model.folder).find("evaluation", path.parent.name) for path in manifests)
    identity = model.manifest["id"]
    return [each for each in found if each and each.manifest["inputs"].get("model") == identity]


def turns_of(model: Artifact) -> int:
    """The answers in the conversations that a model artefact has learnt (`data/examples.py`).

    0 if it has learnt none, or if its store has them no more.
    """
    learnt = filter(None, map(examples_of, reversed(phases_of(model))))
    return next((int(turns) for each in learnt if (turns := each.numbers.get("turns"))), 0)


def examples_of(phase: Artifact) -> Artifact | None:
    """The examples that a phase has learnt; None if it has learnt none, or if they are lost."""
    identity = phase.manifest["inputs"].get("examples")
    return Store.of(phase.folder).find("examples", identity) if identity else None


def spelling_of(model: Artifact) -> Callable[[str], str]:
    """How the corpus of a model artefact writes its texts; `str` if its store has it no more."""
    store = Store.of(model.folder)
    made = model
    for kind in ("tokenizer", "corpus"):
        identity = made.manifest["inputs"].get(kind)
        found = store.find(kind, identity) if identity else None
        if found is None:
            return str
        made = found
    with made.read_with_care():
        rules = made.manifest["config"]["clean"]
        keys = ("replace", "normalize", "script")
        return speller(Clean.model_validate({key: rules[key] for key in keys if key in rules}))
