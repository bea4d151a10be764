"""The benchmarks run as they are told to: small enough to be tried here, whole enough to count."""

import ast
import importlib
import json
import os
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import torch
from toys import toy_texts, toy_tokenizer

from endonym.data.batches import Batch
from endonym.data.shards import ShardDocument, TokenShards, write_shards
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
    figures, nowhere, results = benchmarks("figures"), tmp_path / "nowhere", tmp_path / "results"
    script = str(ROOT / "benchmarks" / "figures.py")
    options = ["--tiny", "--work", str(tmp_path), "--data", str(nowhere), "--peers", str(nowhere)]
    command = [sys.executable, script, *options, "--results", str(results)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-6000:]
    for program in figures.PROGRAMS:
        if program == "gpu_speed":
            continue  # It has the table alone: run.sh measures, and is tried below.
        file = results / figures.benchmark_of(program).file.name
        cells = json.loads(file.read_text(encoding="utf-8"))
        assert cells, program
        for (cell,) in cells.values():
            assert {"code", "date", "elapsed_minutes", "commit", "machine", "versions"} <= set(cell)


def test_benchmarks_do_not_import_one_another_in_a_circle() -> None:
    files = {path.stem: path for path in (ROOT / "benchmarks").rglob("*.py")}
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        modules = {str(each.module) for each in tree if isinstance(each, ast.ImportFrom)}
        graph[name] = modules & set(files)
    assert set(TopologicalSorter(graph).static_order()) >= {"worker", "peers", "trainer"}


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
        "judge": True,
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
