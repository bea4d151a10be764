"""How a corpus is made: by any number of workers, interrupted or not, to the same bytes."""

import hashlib
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from made_dirt import lines_of, stubs
from text_samples import ROMANIAN, RUSSIAN, TATAR, files, numbered, write

from endonym.corpus import chunk_steps, comparing
from endonym.corpus.corpus import dropped_records, make_corpus
from endonym.errors import CorpusError, SourceError
from endonym.formats import chunks as chunk_files
from endonym.formats.config import Clean, Source, Split
from endonym.formats.document_files import DROPPED, REMOVED
from endonym.formats.faults import FAULT
from endonym.workers import Advance, Function, Inline, Job, Result, Runner, runner

CLEAN = Clean(
    **{"normalize": ("nfc", "zero_width", "spaces"), "dedup": ("exact", "near", "paragraphs")},
    **{"language": "tt", "min_language_score": 0.6, "split_languages": True},
    **{"max_line_documents": 10, "max_same_skeleton": 4, "min_chars": 12},
)
SPLIT = Split(val_share=0.2, seed=7)
STEPS = ["read", "clean", "count0", "count1", "judge", "decontaminate", "keys", "remove"]
STEPS += ["dropped", "runs", "compare", "write"]
NOTICE = "Барлык хокуклар якланган, материалларны алганда сылтама мәҗбүри."
WORDS = [word for line in lines_of("tt") for word in line.split()]


def drawn(count: int, words: int, seed: int) -> list[str]:
    """Texts of Tatar words that are no near copies of one another."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=words)) + "." for _ in range(count)]


EVALUATION = [("tasks.txt", drawn(4, 30, 1)), ("more.txt", drawn(2, 30, 2))]


Sources = list[tuple[Source, Any]]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sources of several files, in which each rule of CLEAN finds something in two chunks."""
    folder = tmp_path_factory.mktemp("raw")
    lines = [*drawn(90, 18, 3), "Кояш.", *RUSSIAN, *stubs(12), "Күк й\ufffdзе аяз бүген."]
    for number in range(3):
        more = [f"{line} Бүген {number} градус." for line in lines[number:60:5]]
        asked = [EVALUATION[0][1][number], " ".join(EVALUATION[0][1][3 - number].split()[:9])]
        write(folder, f"raw/{number}.txt", [*lines[number::3], *more, *asked, lines[7]])
    write(folder, "raw/5.txt", TATAR[0].encode() + b"\n\xff\n")
    texts = ["\n\n".join(drawn(3, 25, 50 + number)) for number in range(24)]
    ends = [NOTICE, ROMANIAN[0] + ROMANIAN[1], texts[0], EVALUATION[1][1][0]]
    stories = [f"{text}\n\n{ends[number % 4]}" for number, text in enumerate(texts)]
    stories += [f"{text}\n\n{NOTICE}" for text in texts[1::4]]
    records = [json.dumps({"text": text, "title": text[:9]}) for text in [*stories, *stories[:3]]]
    write(folder, "stories.jsonl", records)
    return folder


def sources_in(folder: Path) -> Sources:
    lines = Source(name="lines", path=str(folder / "raw"), document="line")
    stories = Source(name="stories", path=str(folder / "stories.jsonl"))
    return [(source, files(source)) for source in (lines, stories)]


@pytest.fixture(scope="module")
def sources(raw: Path) -> Sources:
    return sources_in(raw)


@contextmanager
def tiny() -> Generator[None]:
    """Many groups and chunks, so that each step has several jobs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk_files, "CHUNK_CHARS", 6_000)
        patch.setattr(chunk_steps, "GROUP_BYTES", 8_000)
        patch.setattr(comparing, "GROUP_CHUNKS", 3)
        yield


def made(
    folder: Path, sources: Sources, workers: Runner, work: Path | None = None, clean: Clean = CLEAN
) -> dict[str, str]:
    """SHA-256 of every file of a corpus."""
    given: dict[str, Any] = {"evaluation": EVALUATION, "work": work, "runner": workers}
    make_corpus(sources, clean, SPLIT, out=folder, **given)
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Failing(Inline):
    """Fails when so many jobs are done."""

    def __init__(self, left: int = 10**9) -> None:
        self.left = left
        self.done: list[str] = []

    def run(self, function: Function, jobs: Iterable[Job], advance: Advance) -> Iterator[Result]:
        """See Runner."""
        for job in jobs:
            if len(self.done) == self.left:
                raise OSError("the disk is full")
            for result in super().run(function, [job], advance):
                self.done.append(f"{job.record.parent.name}/{job.record.stem}")
                yield result


@pytest.fixture(scope="module")
def calm(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """The files of a corpus of many jobs, none of which failed, and these jobs in their order."""
    workers = Failing()
    with tiny():
        yield made(tmp_path_factory.mktemp("calm") / "out", sources, workers), workers.done


def test_the_corpus_is_the_same_for_any_size_of_chunks_and_number_of_workers(
    sources: Sources, tmp_path: Path, calm: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk_files, "CHUNK_CHARS", 4 << 20)
    with runner(2) as workers:  # which read whole chunks: they know nothing of these settings
        assert made(tmp_path / "two", sources, workers) == calm[0]
    monkeypatch.setattr(chunk_steps, "GROUP_BYTES", 16 << 20)
    monkeypatch.setattr(comparing, "GROUP_CHUNKS", 8)
    assert made(tmp_path / "whole", sources, Inline()) == calm[0]
    card = json.loads((tmp_path / "whole" / "card.json").read_text(encoding="utf-8"))
    rules = {"min_chars", "max_same_skeleton", "min_language_score"}
    assert rules | {"decontaminate", "exact", "near"} <= set(card["total"]["dropped"])
    cut = {name: n["parts"] for name, n in card["total"]["rules"].items() if n["parts"]}
    assert {"max_line_documents", "split_languages", "decontaminate", "paragraphs"} <= set(cut)
    told = {reason: n["records"] for reason, n in card["total"]["dropped"].items()}
    for kind, counts in ((DROPPED, told), (REMOVED, cut)):  # All of it can be looked at.
        found = Counter(each.reason for each in dropped_records(tmp_path / "whole", kind=kind))
        assert found == counts
    first, second = card["decontamination"]
    assert (first["dropped_documents"], second["cut_documents"]) == (3, 6)
    assert first["overlap"] > 0


def test_a_run_stopped_anywhere_goes_on(sources: Sources, tmp_path: Path, calm: tuple[Any, Any]):
    whole, jobs = calm
    steps = [name.partition("/")[0] for name in jobs]
    assert list(dict.fromkeys(steps)) == STEPS
    assert min(map(steps.count, STEPS)) > 1
    stops = [steps.index(step) + steps.count(step) // 2 for step in STEPS]
    out, work, done = tmp_path / "out", tmp_path / "work", list[str]()
    for stop in stops:
        workers = Failing(stop - len(done))
        with pytest.raises(OSError, match="full"):
            made(out, sources, workers, work)
        done += workers.done
        for path in list(out.rglob("*.gz")):
            path.unlink()
    assert not any((work / step).exists() for step in STEPS[:4]), "what nothing needs any more"
    last = Failing()
    assert made(out, sources, last, work) == whole
    assert done + last.done == jobs
    assert not work.exists()


def test_files_a_power_cut_left_are_remade(sources: Sources, tmp_path: Path, calm: tuple[Any, Any]):
    work = tmp_path / "work"
    with pytest.raises(OSError, match="full"):
        made(tmp_path / "out", sources, Failing(40), work)
    emptied = sorted(work.rglob("*.arrow"))[::3]
    assert len(emptied) > 3
    for path in emptied:
        path.write_bytes(b"")
    assert made(tmp_path / "out", sources, Inline(), work) == calm[0]


def test_what_was_dropped_can_be_looked_at_when_too_little_is_left(tmp_path: Path) -> None:
    source = Source(name="a", path=str(write(tmp_path, "a.txt", TATAR)), document="line")
    with pytest.raises(CorpusError, match=r"no document is left.*\n +6  min_chars"):
        make_corpus([(source, files(source))], Clean(min_chars=500), SPLIT, out=tmp_path / "out")
    assert [each.text for each in dropped_records(tmp_path / "out", "min_chars")] == TATAR
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dropped"]


ON_RAY = """
import json
import os
import sys
from pathlib import Path
import pyarrow.parquet as pq
import ray
from ray.cluster_utils import Cluster as Nodes
from unit.copies import test_keys as planted
from unit.corpus import test_making as given
from endonym.corpus import chunk_steps, removing
from endonym.workers import Cluster, Inline, runner
folder, rows = Path(sys.argv[1]), {}
def counted(files, kind, whole=removing.rows_that_share, **others):
    found = whole(files, kind, **others)
    numbers = [sum(pq.read_metadata(path).num_rows for path in each) for each in (found, files)]
    rows[kind] = [*numbers, len(files)]
    return found
removing.rows_that_share = counted
chunk_steps.GROUP_BYTES = 20_000
nodes = Nodes()
for _ in range(2):
    nodes.add_node(num_cpus=1, object_store_memory=100_000_000, include_dashboard=False)
os.environ["RAY_ADDRESS"] = nodes.address
os.chdir(folder)  # The workers of the nodes stay where these were started.
with runner("ray") as workers:
    assert isinstance(workers, Cluster)
    assert len(ray.nodes()) == workers.count == 2
    there = given.made(Path("ray"), given.sources_in(folder), workers, clean=given.FEW_RULES)
    planted.write_all(planted.planted(), keys := folder / "keys")
    counted(planted.key_files(keys, "near"), "near", folder=keys, count=9_999)
nodes.shutdown()
here = given.made(Path("here"), given.sources_in(folder), Inline(), clean=given.FEW_RULES)
print(json.dumps({"there": there, "here": here, "rows": rows}))
"""
"""The whole corpus on two nodes and here; the rows of keys of planted near copies that Ray has left
of all, of more than one batch of Ray's, and in how many files these were. Other kinds of copies go
the same way (copies/test_keys.py)."""
FEW_RULES = Clean(max_line_documents=10, min_chars=12, dedup=("near",))


@pytest.mark.slow
def test_on_two_nodes_of_ray_the_corpus_is_the_same(raw: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("ray")
    tests = Path(__file__).parents[2]
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_worker_niceness", "0")
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    monkeypatch.setenv("PYTHONPATH", f"{tests}:{tests.parent / 'src'}")
    command = [sys.executable, "-c", ON_RAY, str(raw)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    said = json.loads(run.stdout.splitlines()[-1])
    assert said["there"] == said["here"]
    rules = ("decontaminate", "min_chars", "near")
    assert {f"dropped/{rule}.jsonl.gz" for rule in rules} < set(said["there"])
    assert said["rows"]["near"] == [349, 563, 3]


def test_a_rule_that_fails_too_often_ends_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    texts = numbered(300)

    def failing(judge: Any, text: str, **_: Any) -> Any:
        if text in texts[10:]:
            raise ZeroDivisionError
        return text, []

    source = Source(name="a", path=str(write(tmp_path, "a.txt", texts)), document="line")
    monkeypatch.setattr("endonym.cleaning.corpus_rules.CorpusJudge.shortened", failing)
    clean = Clean(max_line_documents=5)
    with pytest.raises(SourceError, match="cleaning_failed"):
        make_corpus([(source, files(source))], clean, SPLIT, out=tmp_path / "out")
    assert len([*dropped_records(tmp_path / "out", FAULT)]) == 290
