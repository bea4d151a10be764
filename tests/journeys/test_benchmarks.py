"""The benchmarks run as they are told to: small enough to be tried here, whole enough to count."""

import ast
import importlib
import io
import json
import os
import subprocess
import sys
import tarfile
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import toy_texts, toy_tokenizer

from endonym.data.batches import Batch
from endonym.data.shards import ShardDocument, TokenShards, write_shards
from endonym.errors import SourceError
from endonym.generate.reading import read_nats

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(os.environ.get("PEERS", ROOT.parent / "shared" / "peers"))
needs_peers = pytest.mark.skipif(
    not (PEERS / "nanochat.tar.gz").is_file(), reason="../shared/peers is not here"
)


def run_sh(*args: str) -> subprocess.CompletedProcess[str]:
    """The GPU script, by this Python."""
    environment = os.environ | {"PYTHON": sys.executable, "PEERS": str(PEERS)}
    script = str(ROOT / "benchmarks" / "gpu" / "run.sh")
    command = ["bash", script, *args]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def check_cell(cell: dict[str, Any]) -> None:
    """A cell of the GPU script has every figure that the table names."""
    assert "failed" not in cell, cell
    assert cell["tokens"] > 0
    assert cell["tokens_per_second"] > 0
    assert cell["mfu"] > 0
    assert cell["peak_bytes"] > 100_000_000
    assert cell["low"] < cell["bits_per_byte"] < cell["high"] < 8
    assert {"commit", "machine", "versions"} <= set(cell)


@pytest.mark.timeout(1800)  # processes that import torch, beside any other work
def test_the_gpu_script_measures_each_contender_once_and_says_what_is_left(tmp_path: Path) -> None:
    """Of the peers those that are here; the second command lacks a cell, and has no time."""
    results, names = tmp_path / "gpu-speed.json", ["ours", "transformers"]
    if (PEERS / "nanochat.tar.gz").is_file():
        names += ["nanoGPT", "nanochat"]
    args = ("--tiny", "--results", str(results), "--seconds", "0.5", "--contenders", *names)
    first = run_sh(*args)
    assert first.returncode == 0, first.stderr
    found = json.loads(results.read_text(encoding="utf-8"))
    assert set(found) == {f"tiny {name}" for name in names}
    for (cell,) in found.values():
        check_cell(cell)
    (ours,), (its,) = found.pop("tiny ours"), found["tiny transformers"]
    assert its["parameters"] == ours["parameters"]
    assert its["flops_per_token"] == ours["flops_per_token"]
    results.write_text(json.dumps(found), encoding="utf-8")
    second = run_sh(*args, "--minutes", "0.001")
    assert second.returncode == 0, second.stderr
    assert "tiny transformers" in second.stdout
    assert "no time left for tiny ours: run the same command again" in second.stdout
    assert json.loads(results.read_text(encoding="utf-8")) == found, "no cell is measured again"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_the_gpu_script_says_what_it_takes_where_there_is_no_gpu(tmp_path: Path) -> None:
    done = run_sh("--results", str(tmp_path / "gpu-speed.json"))
    assert done.returncode == 1
    assert "sees no CUDA device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmarks' modules by name, as their programs import them."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def tiny_spec(benchmarks: Any, network: str, **fields: Any) -> Any:
    contenders = benchmarks("contenders")
    shape = contenders.Shape(layers=2, dim=32, heads=2, context=16, vocab=64, rows=1)
    return contenders.Spec(network=network, shape=shape, format="fp32", **fields)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_program_of_make_figures_runs_in_a_tiny_form(tmp_path: Path, benchmarks: Any) -> None:
    """In a clone without ../shared and without network: on texts of the project itself."""
    figures, empty, results = benchmarks("figures"), tmp_path / "empty", tmp_path / "results"
    empty.mkdir()
    script = str(ROOT / "benchmarks" / "figures.py")
    options = ["--tiny", "--work", str(tmp_path), "--data", str(empty), "--peers", str(empty)]
    command = [sys.executable, script, *options, "--results", str(results)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-6000:]
    for program in figures.PROGRAMS:
        if program == "gpu_speed":
            continue  # It has the table alone: run.sh measures, and is tried below.
        benchmark = figures.benchmark_of(program)
        file = results / benchmark.file.name
        cells = json.loads(file.read_text(encoding="utf-8"))
        assert cells, program
        for (cell,) in cells.values():
            assert {"code", "date", "elapsed_minutes", "commit", "machine", "versions"} <= set(cell)
        paths = benchmarks("benchmark").figures_of(cells)
        watched = [
            path for path in paths for each in benchmark.watched if fnmatch(path, f"*{each}")
        ]
        assert watched, f"{program}: no figure is one of those that are watched"


def test_benchmarks_do_not_import_one_another_in_a_circle() -> None:
    files = {path.stem: path for path in (ROOT / "benchmarks").rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        modules = {str(each.module) for each in tree if isinstance(each, ast.ImportFrom)}
        graph[name] = modules & set(files)
    assert set(TopologicalSorter(graph).static_order()) >= {"worker", "peers", "trainer"}


def made_up(benchmarks: Any, cells: dict[str, Any], **fields: Any) -> Any:
    """A benchmark with these cells, of the code of one small module."""
    described = {"name": "intervals", "code": ("endonym.seed",), "tables": {}} | fields
    return benchmarks("benchmark").Benchmark(cells=lambda bench: cells, **described)


def measuring(*figures: float) -> Any:
    """What measures one figure after another."""
    left = [*figures]
    return lambda: {"bits": left.pop(0)}


# What is reused was made by the code at hand.


def test_a_model_of_other_code_is_not_reused(
    benchmarks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every program that uses a five-minute model finds it in a folder that its code names."""
    frame, five_minutes = benchmarks("benchmark"), benchmarks("five_minutes")
    bench = frame.Bench(tmp_path, tiny=True)
    monkeypatch.setattr(frame.Benchmark, "code_hash", lambda benchmark: "before")
    old = five_minutes.recipe_of(bench, "tt")
    assert old.is_relative_to(tmp_path / "five-minutes-tiny" / "before" / "tt")
    monkeypatch.setattr(frame.Benchmark, "code_hash", lambda benchmark: "now")
    ran: list[Path] = []

    def ends(work: Path, *words: object, **options: Any) -> str:
        ran.append(work)
        raise KeyboardInterrupt

    monkeypatch.setattr(five_minutes, "endonym", ends)
    for program in ("flores", "probes", "key_presses", "dictionaries", "proofreading", "serve"):
        (measure, *_) = benchmarks(program).BENCHMARK.cells(bench).values()
        with pytest.raises(KeyboardInterrupt):
            measure()
    assert set(ran) == {tmp_path / "five-minutes-tiny" / "now" / "tt"}
    assert len(ran) == 6


@pytest.mark.parametrize("again", ["interrupted", "measured"])
def test_a_cell_that_measures_a_model_starts_from_an_empty_folder(
    benchmarks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: str
) -> None:
    five_minutes, starts = benchmarks("five_minutes"), benchmarks("starts")
    bench = benchmarks("benchmark").Bench(tmp_path, tiny=True)
    monkeypatch.setattr(starts, "published_model", lambda bench: tmp_path / "published")
    monkeypatch.setattr(starts, "texts_of", lambda bench, language, size, folder: folder / "t")
    left: list[str] = []

    def ends(work: Path, *words: object, **options: Any) -> str:
        left.extend(path.name for path in work.rglob("*") if path.name == again)
        (work / "store").mkdir(exist_ok=True)
        (work / "store" / again).touch()
        raise InterruptedError

    for module, measure in (
        (five_minutes, lambda: five_minutes.our_cell(bench, "tt")),
        (starts, lambda: starts.continued_cell(bench, "tt")),
        (starts, lambda: starts.new_cell(bench, "tt", 0.1)),
    ):
        monkeypatch.setattr(module, "endonym", ends)
        for _ in range(2):
            with pytest.raises(InterruptedError):
                measure()
    assert left == []


def test_programs_keep_nothing_in_the_work_folder_under_a_name_without_the_code() -> None:
    """They take `Bench.folder`, which is empty, or `Bench.kept_folder`, which the code names."""
    for path in (ROOT / "benchmarks").glob("*.py"):
        if path.stem not in ("benchmark", "runs"):  # runs.py keeps environments of peers there
            assert "bench.work" not in path.read_text(encoding="utf-8"), path.name


def test_code_that_changes_while_it_is_measured_gives_no_figure(
    benchmarks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, hashes = benchmarks("benchmark"), iter(["before", "after"])
    monkeypatch.setattr(frame.Benchmark, "code_hash", lambda benchmark: next(hashes))
    benchmark = made_up(benchmarks, {"one": measuring(1.0)})
    outcome = frame.run(benchmark, frame.Bench(tmp_path), tmp_path / "cells.json")
    assert list(outcome.failed) == ["one"]
    assert not (tmp_path / "cells.json").exists()


# What got worse stays so until it is better or accepted.


def test_what_got_worse_is_said_again_until_it_is_accepted(
    benchmarks: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame, results = benchmarks("benchmark"), tmp_path / "cells.json"
    watched = {"bits": frame.Watch("lower", 0.02)}
    cells = {"one": measuring(1.0, 1.5, 1.49, 1.6, 1.0), "two": measuring(1, 1, 1, 1, 1)}
    benchmark = made_up(benchmarks, cells, watched=watched)

    def exit_code(**options: Any) -> int:
        return frame.report([frame.run(benchmark, frame.Bench(tmp_path), results, **options)])

    assert exit_code() == 0
    assert exit_code(again=True) == 1
    assert exit_code() == 1, "the same command, with nothing to measure"
    assert "one: bits 1 → 1.5" in capsys.readouterr().out
    assert exit_code(only=["two"]) == 0
    assert exit_code(again=True) == 1, "as bad as before, compared with the best"
    assert frame.accept(results, ["two"]) == []
    assert frame.accept(results) == ["cells: one: bits 1 → 1.49"]
    assert exit_code() == 0
    (*_, kept) = json.loads(results.read_text(encoding="utf-8"))["one"]
    assert kept["worse"] == ["bits 1 → 1.49"], "it stays in the file"
    assert exit_code(again=True) == 1, "worse than what was accepted"
    assert exit_code(again=True) == 0
    assert "Nothing got worse" not in capsys.readouterr().out


def test_many_small_steps_add_up(benchmarks: Any, tmp_path: Path) -> None:
    frame, results = benchmarks("benchmark"), tmp_path / "cells.json"
    cells = {"one": measuring(*(1.019**step for step in range(10)))}
    watched = {"bits": frame.Watch("lower", 0.02)}
    benchmark = made_up(benchmarks, cells, watched=watched)
    worse = [
        bool(frame.run(benchmark, frame.Bench(tmp_path), results, again=True).worse)
        for _ in range(10)
    ]
    assert worse == [False, False, *[True] * 8]


def test_a_timing_is_compared_with_the_best_of_the_same_machine(benchmarks: Any) -> None:
    frame = benchmarks("benchmark")
    watched = {"speed": frame.Watch("higher", 0.1, timed=True)}
    benchmark = made_up(benchmarks, {}, watched=watched)
    cells = [
        {"machine": name, "speed": speed}
        for name, speed in (("EPYC", 100.0), ("Xeon", 900.0), ("EPYC", 95.0))
    ]
    assert frame.worse_figures(benchmark, {"machine": "EPYC", "speed": 91.0}, cells) == []
    slow = {"machine": "EPYC", "speed": 89.0}
    assert frame.worse_figures(benchmark, slow, cells) == ["speed 100 → 89"]


def test_every_program_watches_figures(benchmarks: Any) -> None:
    figures, frame = benchmarks("figures"), benchmarks("benchmark")
    for program in figures.PROGRAMS:
        assert figures.benchmark_of(program).watched, program
    exports = figures.benchmark_of("exports")
    good = {"checks_failed": 0, "bits_ratio": {"F16": 1.0}, "machine": {}}
    assert frame.worse_figures(exports, good, []) == []
    assert frame.worse_figures(exports, good | {"checks_failed": 1}, []), "the first time, too"
    assert frame.worse_figures(exports, good | {"bits_ratio": {"F16": 1.01}}, [good])


# The hash covers what makes the figures, and no more.


def test_the_hash_covers_what_a_program_imports_and_starts(
    benchmarks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = benchmarks("benchmark")
    programs = {
        "program": "import helper\nfrom pages import markdown\n\n\n"
        "def measure():\n    return 1\n\n\ndef table(cells):\n    return markdown(1)\n\n\n"
        "BENCHMARK = Benchmark(tables={'page': table}, watched={'bits': 0.1})\n",
        "helper": "def lazy():\n    import deep\n    Path(__file__).with_name('worker.py')\n",
        "deep": "x = 1\n",
        "worker": "from endonym.part import y\n",
        "pages": "z = 1\n",
        "other": "v = 1\n",
    }
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "src" / "endonym").mkdir(parents=True)
    (tmp_path / "src" / "endonym" / "part.py").write_text("y = 1\n", encoding="utf-8")
    for name, text in programs.items():
        (tmp_path / "benchmarks" / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(frame, "ROOT", tmp_path)
    monkeypatch.setattr(frame, "SOURCE", tmp_path / "src")
    benchmark = made_up(benchmarks, {}, name="program", code=())

    def changes(path: str, before: str, after: str) -> bool:
        """Whether the hash is another one after a change; the file is as before afterwards."""
        file, code = tmp_path / path, benchmark.code_hash()
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(before, after), encoding="utf-8")
        found = benchmark.code_hash()
        file.write_text(text, encoding="utf-8")
        return found != code

    assert changes("benchmarks/program.py", "return 1", "return 2")
    assert changes("benchmarks/deep.py", "1", "20"), "imported by an import, within a function"
    assert changes("benchmarks/worker.py", "import y", "import y as x"), "started by its name"
    assert changes("src/endonym/part.py", "1", "20"), "imported from endonym"
    assert not changes("benchmarks/program.py", "markdown(1)", "markdown(20)"), "only a table"
    assert not changes("benchmarks/program.py", "0.1", "0.2"), "only when it got worse"
    assert not changes("benchmarks/pages.py", "1", "20"), "it measures nothing"
    assert not changes("benchmarks/other.py", "1", "20")


@pytest.mark.parametrize(
    ("program", "parts"),
    [
        ("five_minutes", "nanogpt worker contenders trainer judging runs peers named_texts"),
        ("near_copies", "near_copies_worker copied_lines runs named_texts"),
        ("extraction", "extraction_worker main_text main_text_worker made_documents"),
        ("starts", "five_minutes nanogpt"),
        ("gpu_speed", "measure worker peers"),
    ],
)
def test_the_parts_of_a_program(benchmarks: Any, program: str, parts: str) -> None:
    frame = benchmarks("benchmark")
    found = {path.stem for path in frame.programs_of(ROOT / "benchmarks" / f"{program}.py")}
    assert set(parts.split()) <= found
    assert not found & {"benchmark", "cells", "pages", "figures"}


def test_programs_that_use_a_model_are_of_the_code_that_makes_it(benchmarks: Any) -> None:
    figures, frame = benchmarks("figures"), benchmarks("benchmark")
    for program in figures.PROGRAMS:
        benchmark = figures.benchmark_of(program)
        text = (ROOT / "benchmarks" / f"{program}.py").read_text(encoding="utf-8")
        if "five_minutes import" in text or program in ("five_minutes", "exports"):
            assert set(frame.MAKES_A_MODEL) <= set(benchmark.code), program


# A clone without ../shared.


def test_make_figures_needs_the_published_model() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("figures:")]
    assert "$(VENV)/real-model" in line


@pytest.fixture
def stranger(benchmarks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Where a stranger's benchmarks run: texts are fetched by name, and are these."""
    frame, archive = benchmarks("benchmark"), tmp_path / "tat_mixed_2015_100K.tar.gz"
    lines = (ROOT / "tests" / "texts" / "tatar.txt").read_text(encoding="utf-8").splitlines()
    data = "".join(f"{number}\t{line}\n" for number, line in enumerate(lines, 1)).encode()
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("tat_mixed_2015_100K/tat_mixed_2015_100K-sentences.txt")
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    monkeypatch.setattr(frame, "fetched", lambda name, work: archive)
    return frame.Bench(tmp_path / "work")


def test_texts_that_have_a_name_serve_where_there_are_no_files(
    benchmarks: Any, stranger: Any
) -> None:
    lines = stranger.lines("tt")
    assert len(lines) > 20
    assert not any("\t" in line for line in lines)
    cell = benchmarks("tokenizers_fit").fit_cell(stranger, "tt", 300, "gpt2")
    assert cell["tokens"] > 0
    assert set(benchmarks("language_id").lines_by_language(stranger)) == {"tt", "km", "ro", "fr"}
    assert {"tt", "stories"} <= set(benchmarks("corpus").raw_texts(stranger))
    assert benchmarks("near_copies").written_lines(stranger)[1]
    assert benchmarks("extraction").large_file(stranger, "warc").stat().st_size > 1e6


def test_what_cannot_be_fetched_is_unavailable_and_says_where_it_is(
    benchmarks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = benchmarks("benchmark")

    def offline(name: str, work: Path) -> Path:
        raise SourceError("no network", where=name)

    monkeypatch.setattr(frame, "fetched", offline)
    bench = frame.Bench(tmp_path)
    with pytest.raises(frame.Unavailable, match=r"leipzig:tat_mixed_2015_100K.* cannot"):
        bench.texts("tt")
    with pytest.raises(
        frame.Unavailable, match=r"openlanguagedata/flores_plus on the Hugging Face"
    ):
        bench.file("parallel/flores200_devtest.jsonl")
    with pytest.raises(frame.Unavailable, match=r"commonvoice\.mozilla\.org"):
        bench.file("other/ky_common_voice.txt")


@pytest.mark.parametrize("option", ["--data", "--peers"])
def test_a_folder_that_does_not_exist_is_an_error(
    benchmarks: Any, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        benchmarks("benchmark").arguments("figures").parse_args([option, "nowhere"])
    assert stopped.value.code == 2
    assert "there is no folder nowhere" in capsys.readouterr().err


def test_make_figures_calls_programs_programs_and_suggests_one(
    benchmarks: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["figures.py", *words])
        with pytest.raises(SystemExit):
            benchmarks("figures").main()
        return "".join(capsys.readouterr())

    assert "patterns of cells" not in said("--help")
    assert "no such program: flore; is it flores?" in said("flore")


def raising(error: Exception) -> Any:
    """What cannot be measured."""

    def measure() -> dict[str, Any]:
        raise error

    return measure


@pytest.mark.parametrize(
    ("missing", "alone", "beside", "tiny"),
    [("Unavailable", 1, 1, 0), ("Waiting", 1, 1, 1), ("NotThisMachine", 0, 0, 0)],
)
def test_the_exit_status_is_that_of_each_program_alone(
    benchmarks: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    missing: str,
    alone: int,
    beside: int,
    tiny: int,
) -> None:
    frame = benchmarks("benchmark")
    none = raising(getattr(frame, missing)("why"))

    def outcome(name: str, **cells: Any) -> Any:
        results, bench = tmp_path / f"{name}.json", frame.Bench(tmp_path)
        return frame.run(made_up(benchmarks, cells), bench, results)

    whole = outcome("whole", one=measuring(1.0))
    assert frame.report([whole]) == 0
    assert frame.report([whole, outcome("none", two=none)]) == alone
    assert "why" in capsys.readouterr().out
    assert frame.report([outcome("some", one=measuring(1.0), two=none)]) == beside
    assert frame.report([outcome("tiny", one=measuring(1.0), two=none)], tiny=True) == tiny
    capsys.readouterr()
    assert frame.report([outcome("whole", one=measuring())]) == 0
    assert "Everything is up to date" in capsys.readouterr().out


def test_a_busy_machine_is_waited_for(
    benchmarks: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    frame, bench = benchmarks("benchmark"), benchmarks("benchmark").Bench(tmp_path)
    monkeypatch.setattr(frame, "busy_cores", lambda: 1.5)
    timed = made_up(benchmarks, {"one": lambda: bench.quiet("one")})
    outcome = frame.run(timed, bench, tmp_path / "cells.json")
    assert (list(outcome.waiting), outcome.unavailable) == (["one"], {})
    assert frame.report([outcome]) == 1
    assert "1 cells wait for an idle machine" in capsys.readouterr().out


@needs_peers
@pytest.mark.parametrize("equal", [False, True])
def test_nanogpt_has_fused_adamw_and_our_malloc_where_settings_are_equal(
    benchmarks: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, equal: bool
) -> None:
    calls: list[bool] = []
    worker = benchmarks("worker")
    monkeypatch.setattr(worker.device, "keep_freed_memory", lambda: calls.append(True))
    benchmarks("peers").unpack(PEERS, tmp_path)
    spec = tiny_spec(benchmarks, "nanoGPT", peers=str(tmp_path), equal=equal)
    contender = worker.build(spec)
    assert bool(contender.optimizer.param_groups[0]["fused"]) == equal
    assert calls == [True] * equal


@pytest.mark.parametrize(
    "network",
    [
        "ours",
        "transformers",
        pytest.param("nanoGPT", marks=needs_peers),
        pytest.param("nanochat", marks=needs_peers),
    ],
)
def test_our_judge_reads_what_a_contender_says_of_itself(
    benchmarks: Any, network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NANOCHAT_DTYPE", "float32")
    monkeypatch.setenv("NANOCHAT_BASE_DIR", str(tmp_path))
    peers = benchmarks("peers")
    peers.unpack(PEERS, tmp_path)
    spec = tiny_spec(benchmarks, network, peers=str(tmp_path), lr=0.01)
    contender = peers.Transformers(spec) if network == "transformers" else None
    contender = contender or benchmarks("worker").build(spec)
    ids_BT = torch.randint(1, 64, (1, 16), generator=torch.Generator().manual_seed(3))
    ids_BT[0, 0] = 0
    # Transformers shifts the labels itself.
    tokens_BT = ids_BT if network == "transformers" else ids_BT[:, :-1]
    batch = Batch(tokens_BT, ids_BT[:, 1:], torch.zeros_like(tokens_BT))
    for _ in range(20):
        contender.learn(batch, 1.0)
    said = contender.learn(batch, 0.0)
    (nats,) = read_nats(contender.judged(), [ids_BT[0, 1:].numpy()], [0])
    assert nats.mean() == pytest.approx(said, rel=1e-5)


@pytest.fixture
def list_of_sentences(tmp_path: Path) -> list[str]:
    """Toy shards of one list of sentences, its training text three times; gives all texts."""
    tokenizer, texts = toy_tokenizer("bpe"), toy_texts()
    documents = {"train": texts[24:] * 3, "dev": texts[12:24], "test": texts[:12]}
    (tmp_path / "shards").mkdir()
    write_shards(
        tmp_path / "shards",
        tokenizer,
        ["texts"],
        lambda split: (
            ShardDocument("texts", text, n // 4, n) for n, text in enumerate(documents[split])
        ),
        advance=lambda n: None,
    )
    tokenizer.save(tmp_path)
    return texts


@needs_peers
def test_nanogpt_is_trained_on_our_shards_and_judged_by_document_and_by_block(
    benchmarks: Any, tmp_path: Path, list_of_sentences: list[str]
) -> None:
    benchmarks("peers").unpack(PEERS, tmp_path)
    settings = {
        "shards": str(tmp_path / "shards"),
        "tokenizer": str(tmp_path),
        "peers": str(tmp_path),
        "seconds": 3.0,
        "threads": 1,
        "compiled": False,
        "shape": {"layers": 1, "dim": 16, "heads": 1},
        "join": ["texts"],
        "joined": True,
        **{"lr": 0.003, "beta": 0.99, "dropout": 0.0},
    }
    program = str(ROOT / "benchmarks" / "nanogpt.py")
    command = [sys.executable, program, json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["looks"][0] > min(found["looks"])
    assert found["step_seconds"] >= 3.0
    assert found["tokens"] == found["steps"] * 12 * 256
    row_of = benchmarks("runs").row_of
    test = row_of(found["rows"], text="document")
    size = sum(len(text.encode()) for text in list_of_sentences[:12])
    assert test["n_bytes"] == size
    assert test["value"] < 8, "better than guessing"
    assert row_of(found["rows"], text="document", split="dev")["n_documents"] == 12
    block = row_of(found["rows"], text="block")
    assert block["n_documents"] == 3
    assert block["n_bytes"] == size + 9, "three line ends in each block of four"


@pytest.mark.parametrize(("weights", "heads"), [(41_632, 1), (1_181_312, 3), (1_968_768, 4)])
def test_nanogpt_has_about_as_many_weights(benchmarks: Any, weights: int, heads: int) -> None:
    """Our five-minute model of Tatar has 1,181,312 weights."""
    shape = benchmarks("five_minutes").nanogpt_shape(weights, 1024)
    assert shape == {"layers": 4, "dim": 48 * heads, "heads": heads}


def test_a_joined_stream_has_line_ends_where_the_other_has_ends_of_text(
    benchmarks: Any, tmp_path: Path, list_of_sentences: list[str]
) -> None:
    stream, tokenizer = benchmarks("nanogpt").Stream, toy_tokenizer("bpe")
    shards = TokenShards(tmp_path / "shards", "test")
    apart, joined = (stream(shards, tokenizer, joined=way).ids for way in (False, True))
    assert (apart == shards.end_id).sum() == 13
    assert (joined == shards.end_id).sum() == 2, "before the first and after the last"
    text = tokenizer.decode(joined[1:-1].tolist())
    assert text == "\n".join(list_of_sentences[:12])
