"""Making what is missing, stage after stage, and saying what came of it."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from endonym.config import Config
from endonym.errors import Damaged, RecipeError
from endonym.log import THIN, Log
from endonym.pipeline.execute import NO_TEXTS, last_stage, make, result, run_folder, run_recipe
from endonym.pipeline.stage import Numbers, Stage, StageContext
from endonym.recipe.recipe import Recipe
from endonym.store import Store

Written = Callable[[Path], Path]


TOML = """
name = "stages"
language = "ro"

[[source]]
name = "books"
path = "books.txt"

[[phase]]
name = "pilot"
steps = 1

[[phase]]
name = "books"
steps = 1

[[evaluate]]
kind = "bits"

[[evaluate]]
kind = "bits"
split = "dev"
"""


@pytest.fixture
def stages(tmp_path: Path) -> Recipe:
    (tmp_path / "books.txt").write_text("O carte.", encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(TOML, encoding="utf-8")
    return Recipe.load(tmp_path / "recipe.toml")


@pytest.mark.parametrize(("until", "name"), [
    (None, None), ("corpus", "corpus"), ("pilot", "model pilot"), ("model pilot", "model pilot"),
    ("model", "model books"), ("books", "model books"), ("evaluation", "evaluation bits dev"),
    ("evaluation bits", "evaluation bits"),
])  # fmt: skip
def test_a_stage_is_named_in_three_ways(stages: Recipe, until: str | None, name: str | None):
    assert last_stage(stages, until) == name


def test_a_stage_that_is_none_is_refused_with_those_there_are(stages: Recipe) -> None:
    with pytest.raises(RecipeError, match=r"^--until: no stage is called modle") as caught:
        last_stage(stages, "modle")
    assert caught.value.exit_code == 2
    for name in ("corpus", "model pilot", "pilot", "evaluation"):
        assert name in caught.value.do


def test_a_wrong_stage_is_refused(stages: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("endonym.pipeline.sources.file_hash", lambda *given: pytest.fail("read"))
    with pytest.raises(RecipeError, match="no stage is called modle"):
        run_recipe(stages, Store(tmp_path / "store"), Log(quiet=True), until="modle")
    assert not (tmp_path / "runs").exists()


class Line(Config):
    """What the stage below writes."""

    text: str


def writer(text: str) -> Stage:
    """A stage that writes a file."""

    def write(config: Line, ctx: StageContext) -> Numbers:
        (ctx.out / "text.txt").write_text(config.text, encoding="utf-8")
        return {"chars": len(config.text), "files": 1, "bytes": 3}

    return Stage("line", "source", Line(text=text), write)


def test_an_artefact_is_made_once_and_then_found(tmp_path: Path) -> None:
    """Where another process makes it, that is said at once, and waited for."""
    store, log, other = Store(tmp_path / "store"), Log(quiet=True), ExitStack()
    other.enter_context(store.lock("source", writer("Таң").id, pytest.fail))
    log.line = lambda text: other.close() if "waiting: " in text else None  # type: ignore[method-assign]
    first = make(writer("Таң"), store, log)
    again = make(writer("Таң"), store, log)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.artifact == again.artifact
    assert first.artifact.numbers["chars"] == 3
    assert first.seconds > 0 == again.seconds
    (journal,) = (store.root / "journal").glob("source-*.jsonl")
    line = json.loads(journal.read_text(encoding="utf-8"))
    assert line["event"] == "finished"
    assert line["wall_seconds"] >= 0


def test_what_a_stage_made_is_checked_each_time_it_is_found(tmp_path: Path) -> None:
    store, log = Store(tmp_path / "store"), Log(quiet=True)
    made = make(writer("Таң"), store, log)
    (made.artifact.folder / "text.txt").write_text("Таӊ", encoding="utf-8")
    with pytest.raises(Damaged, match=r"/text\.txt: text\.txt is not what was written"):
        make(writer("Таң"), store, log)


def test_a_stage_that_fails_leaves_no_artefact(tmp_path: Path) -> None:
    def fail(_: Config, ctx: StageContext) -> Numbers:
        (ctx.out / "half.txt").write_text("х", encoding="utf-8")
        raise RecipeError("no")

    store = Store(tmp_path / "store")
    with pytest.raises(RecipeError):
        make(Stage("corpus", "corpus", Config(), fail), store, Log(quiet=True))
    assert list(store.artifacts()) == []


def test_runs_stand_beside_the_store_by_name(small_recipe: Written, tmp_path: Path):
    path = small_recipe(tmp_path / "project")
    text = path.read_text(encoding="utf-8") + "\n[variant.wide.model]\ndim = 64\nlayers = 1\n"
    path.write_text(text, encoding="utf-8")
    wide = Recipe.load(path, variant="wide", sets=("seed=9",))
    found = run_folder(Store(tmp_path / "store"), wide)
    assert found == tmp_path / "runs" / "kechkena@wide+seed=9"


def test_the_folder_of_a_run_holds_what_people_read(finished: Path) -> None:
    run = finished / "runs" / "kechkena"
    names = {path.name for path in run.iterdir()}
    assert names == {
        "recipe.toml", "plan.json", "log.txt", "metrics.jsonl", "report.html", "samples.json",
        "tensorboard",
    }  # fmt: skip
    given = (finished / "recipe.toml").read_text(encoding="utf-8")
    assert (run / "recipe.toml").read_text(encoding="utf-8") == given
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    for each in plan["stages"]:
        manifest = finished / "store" / each["stage"] / each["id"] / "manifest.json"
        found = json.loads(manifest.read_text(encoding="utf-8"))
        assert {key: found[key] for key in ("config", "inputs", "version")} == {
            key: each[key] for key in ("config", "inputs", "version")
        }
    keys = ("betas", "compile", "embedding_lr", "micro_tokens", "recompute", "weight_decay")
    assert set(plan["choices"]) == {f"phase.0.{key}" for key in keys}


def test_tensorboard_reads_the_same_numbers(finished: Path) -> None:
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    (events,) = (finished / "runs" / "kechkena" / "tensorboard").iterdir()
    found: dict[int, float] = {}
    for event in loader.EventFileLoader(str(events)).Load():
        for value in event.summary.value:
            if value.tag == "model pretrain/dev_bits_per_byte":
                found[event.step] = value.tensor.float_val[0]
    text = (finished / "runs" / "kechkena" / "metrics.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    expected = {n["step"]: n["dev_bits_per_byte"] for n in lines if "dev_bits_per_byte" in n}
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_source_leaves_out_the_store(small_recipe: Written, command: Any, tmp_path: Path):
    recipe = small_recipe(tmp_path)
    text = recipe.read_text("utf-8")
    first = text.index("[[source]]")
    after = text.index("\n[", text.rindex("[[source]]") + 1)
    whole = '[[source]]\nname = "all"\npath = "."\nexclude = ["*.toml", "prompts.txt"]\n'
    text = text[:first] + whole + text[after:]
    recipe.write_text(text.replace('["tatar", "romanian"]', '["all"]'), "utf-8")
    given = ("run", recipe, "--store", tmp_path / "хәзинә", "--until", "corpus")
    ids = []
    for _ in range(2):
        said = command(*given)
        assert said.code == 0, said.err
        assert 'source "all": runs/kechkena, хәзинә left out (' in said.err
        ids.append(sorted(path.name for path in (tmp_path / "хәзинә" / "corpus").iterdir()))
    assert ids[0] == ids[1]


def card(dropped: dict[str, int], **encodings: int) -> dict[str, Any]:
    """A corpus of 16,043 records with these rejects."""
    kept = {"train": 15_014, "dev": 369, "test": 369}
    return {
        "sources": {"tatar": {}},
        "total": {
            "read": {"records": 16_043, "bytes": 2_000_000},
            "kept": {side: {"documents": count} for side, count in kept.items()},
            "dropped": {reason: {"records": n, "bytes": n} for reason, n in dropped.items()},
            "encodings": encodings or {"utf-8": 3},
            "changed_documents": 0,
            "rules": {},
        },
    }


def held(ratio: float) -> dict[str, Any]:
    """How a tokenizer fits dev text."""
    return {"total": {"bytes_per_token": ratio}}


def test_a_corpus_is_told_by_what_was_read_held_out_and_dropped_and_why() -> None:
    rejects = {"exact": 80, "min_chars": 203, "empty": 5, "bad_json": 2, "max_chars": 1}
    said = result("corpus", card(rejects, **{"utf-8": 2, "cp1251": 2})).replace(THIN, ",")
    assert said == (
        "16,043 documents read · 15,014 to train on · 738 held out · 291 dropped (203 too short, "
        "80 copies, 5 empty, 2 bad json, 1 for other reasons) · 2 files not in UTF-8 (cp1251)"
    )
    assert result("corpus", card({})).endswith("none dropped")
    assert result("corpus", card({}, **{"utf-8": 2, "utf-16": 1})).endswith("none dropped")


def test_pieces_that_a_tokenizer_lacks_and_its_fit_before_are_told() -> None:
    fit = {"total": {"bytes_per_token": 3.0}, "before": {"vocab": 512, **held(2.0)}}
    grown = {"vocab": 612, "held_out": fit, "asked": 100}
    whole = "612 ids · 3.00 bytes a token on dev text · 2.00 with the 512 before"
    assert result("tokenizer", {**grown, "added": 100}) == whole
    assert result("tokenizer", {**grown, "added": 99}).startswith(
        f"{whole} · only 99 of 100 pieces added"
    )


def test_examples_are_told_by_what_is_learnt_and_by_what_rows_leave_empty() -> None:
    train = {"examples": 40, "learnt": 300, "tokens": 900, "gap": 0.125, "rows": 8}
    numbers = {"records": 52, "kept": 50, "held_out": 10, "train": train, "dropped": {}, "cut": 0}
    assert result("examples", numbers) == (
        "52 records read · 40 to train on · 10 held out · none dropped · "
        "300 of 900 tokens learnt · 12.5 % of 8 rows empty"
    )
    said = result("examples", {**numbers, "cut": 3, "dropped": {"held_out": 2}})
    assert "2 dropped (2 " in said
    assert "3 without what followed the last answer" in said


def test_of_a_recipe_without_texts_no_figure_of_texts_is_told() -> None:
    nothing = {**card({}), "sources": {}}
    tokens: dict[str, Any] = {"train": {}, "dev": {}, "test": {}, "unused": 397}
    assert result("corpus", nothing) == result("shards", tokens) == NO_TEXTS
    assert result("tokenizer", {"vocab": 400, "held_out": held(0.0)}) == "400 ids"


def test_what_cleaning_changed_and_took_out_is_told() -> None:
    changed = card({})
    changed["total"]["changed_documents"] = 40
    rules = {"spaces": {"documents": 40, "parts": 0}}
    changed["total"]["rules"] = {**rules, "split_languages": {"documents": 2, "parts": 7}}
    said = result("corpus", changed)
    assert said.endswith("none dropped · 40 changed · 7 parts in another language")


def test_every_other_stage_is_told_by_its_counts() -> None:
    tokens = {"tt": {"tokens": 400}, "km": {"tokens": 600}}
    numbers: dict[str, dict[str, Any]] = {
        "source": {"files": 3, "bytes": 929_640},
        "tokenizer": {"vocab": 512, "held_out": {"total": {"bytes_per_token": 2.517}}},
        "shards": {"train": tokens, "dev": {}, "test": tokens},
        "model": {"parameters": 4160, "epochs": 0.25, "kept_step": 20, "steps": 30},
        "evaluation": {"kind": "prompts", "continuations": 12},
        "export": {"format": "huggingface", "files": ["config.json"] * 5, "checks": []},
    }
    said = {kind: result(kind, each).replace(THIN, ",") for kind, each in numbers.items()}
    assert said == {
        "source": "3 files · 929.6 kB",
        "tokenizer": "512 ids · 2.52 bytes a token on dev text",
        "shards": "1,000 training tokens · 0 dev · 1,000 test",
        "model": "4,160 parameters · 30 steps · 0.2 epochs · step 20 was the best and is kept",
        "evaluation": "12 prompts continued",
        "export": "huggingface: 5 files",
    }
    figures = [
        ("ids", "F16", 0),
        ("bits_per_byte", "F16", -1e-6),  # never "-0.00"
        ("bits_per_byte", "Q4_K_M", 0.0132),
    ]
    checks = [{"check": c, "file": f"a-{kind}.gguf", "value": v} for c, kind, v in figures]
    checks = [each | {"runtime": "llama.cpp 0.6 (…)"} for each in checks]
    gguf = {"format": "gguf", "files": ["a-F16.gguf", "a-Q4_K_M.gguf"], "checks": checks}
    expected = "gguf: 2 files · F16 +0.00 % · Q4_K_M +1.32 % bits/byte in llama.cpp 0.6"
    assert result("export", gguf) == expected
    assert "test texts scored" in result("evaluation", {"kind": "bits", "split": "test"})
    assert result("pretrained", {"files": 1, "bytes": 1}) == ""
