"""new, check, run and explain, as they are typed."""

import json
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endonym.autopilot import machine
from endonym.autopilot.model_size import Facts
from endonym.commands import new as starter
from endonym.log import number
from endonym.survey.survey import Survey

Say = Callable[..., Any]


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Path:
    return small_recipe(tmp_path / "project")


def broken(recipe: Path, old: str, new: str) -> Path:
    """The recipe with one thing wrong."""
    text = recipe.read_text(encoding="utf-8")
    assert old in text
    recipe.write_text(text.replace(old, new), encoding="utf-8")
    return recipe


def test_a_wrong_key_is_told_with_its_line_a_caret_and_the_right_one(recipe: Path, command: Say):
    path = broken(recipe, "layers = 2", "layer = 2")
    said = command("run", path, "--store", recipe.parent / "store")
    line = path.read_text(encoding="utf-8").splitlines().index("layer = 2") + 1
    assert said.code == 2
    assert said.err.startswith(f"{path}:{line}: model.layer is not a key of a model")
    assert "^^^^" in said.err
    assert "Did you mean `layers`?" in said.err
    assert not (recipe.parent / "store").exists()


def test_check_counts_and_makes_nothing(recipe: Path, command: Say) -> None:
    before = sorted(recipe.parent.rglob("*"))
    said = command("check", recipe, "--store", recipe.parent / "store", "--json")
    found = said.json()
    blocks = 2 * (4 * 32 * 32 + 3 * 32 * 256 + 2 * 32 + 2 * 16)
    assert found["parameters"] == 400 * 32 + blocks + 32
    assert found["train_tokens"] == 40 * 256
    assert found["epochs"] == pytest.approx(found["train_tokens"] / found["positions"])
    assert found["seconds"] is None
    assert sorted(recipe.parent.rglob("*")) == before


def test_check_and_run_warn_of_a_source_in_another_language(recipe: Path, command: Say) -> None:
    warning = 'source "romanian" reads like another language: all of it reads like Romanian'
    warnings = command("check", recipe, "--json").json()["warnings"]
    assert any(each.startswith(warning) for each in warnings)
    assert not any('"tatar"' in each for each in warnings)
    store = ["--store", recipe.parent / "store"]
    assert warning in command("run", recipe, *store, "--until", "source").err
    assert warning in command("run", recipe, *store, "--until", "corpus").err
    again = command("run", recipe, *store, "--until", "corpus").err
    assert "reads like" not in again, "the texts are not read once more"
    assert warning in (recipe.parent / "runs" / "kechkena" / "log.txt").read_text(encoding="utf-8")


def test_check_for_people_says_what_was_chosen_and_what_comes_next(recipe: Path, command: Say):
    said = command("check", recipe)
    shape = "qwen3 · 2 layers × 32 · 2 heads of 16, gated feed-forward of 256\n"
    first, _, details = said.out.partition("\n\n")
    assert "70\u202f368" in first
    assert {line.split()[0] for line in first.splitlines()[1:4]} == {"time", "memory", "text"}
    assert not any(word in first for word in ("FLOPs", "nats", "chosen"))
    assert first.count("epochs") == first.count(" times (epochs)") == 1, "the word is explained"
    assert shape in details
    assert "chosen" in said.out
    assert said.err == f"next: endonym run {recipe}\n"
    assert command("check", recipe, "-q").err == ""
    sets = ["--set", "seed=9", "--set", "track.project=ел буе"]
    said = command("check", recipe, *sets)
    assert said.err == f"next: endonym run {recipe} --set seed=9 --set 'track.project=ел буе'\n"


def test_a_dry_run_says_what_is_there_and_what_is_missing(
    finished: Path, recipe: Path, command: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = Facts(400, 100, 30.0)
    monkeypatch.setattr("endonym.autopilot.resolve.estimated_facts", lambda *_: (facts, None))
    store = ["--store", finished / "store"]
    said = command("run", finished / "recipe.toml", *store, "--dry-run", "--json").json()
    assert all(stage["there"] for stage in said["stages"])
    more = ["--set", "phase.0.lr=1e-3", "--dry-run"]
    text = command("run", finished / "recipe.toml", *store, *more).out
    stages = text.partition("\n\n")[0]
    states = {line.split()[0]: line.split()[-1] for line in stages.splitlines()}
    assert (states["shards"], states["model"], states["export"]) == ("there", "missing", "missing")


def test_a_dry_run_shows_what_each_rule_does_before_the_corpus_is_made(recipe: Path, command: Say):
    texts = recipe.parent / "texts" / "tatar.txt"
    dirt = "Бу бaрның хаты.\nЮк.\nСаша@почта.рф\n"
    texts.write_text(texts.read_text(encoding="utf-8") + dirt, encoding="utf-8")
    steps = 'clean.normalize=["nfc","look_alikes","spaces"]'
    sets = ["--set", steps, "--set", "clean.min_chars=10", "--set", 'clean.mask=["email"]']
    given = ["run", recipe, "--store", recipe.parent / "store", "--dry-run", *sets]
    said = command(*given).out
    assert "cleaning of all texts: " in said
    assert "'…" not in said
    assert "'Бу бaрның хаты.' → 'Бу барның хаты.'" in said
    assert "'████@█████.██' → '<email>'" in said
    lines = {line.split()[0]: line.split() for line in said.splitlines() if line.startswith("  ")}
    assert lines["look_alikes"][1] == "1"
    assert "Юк." in said
    found = command(*given, "--json").json()["cleaning"]
    short = found["rules"]["min_chars"]
    assert short["documents"] >= 1
    assert short["share"] == pytest.approx(short["documents"] / found["documents"], abs=1e-6)
    store = ["--store", recipe.parent / "store"]
    assert command("run", recipe, *store, *sets, "--until", "corpus").code == 0
    made = command(*given, "--json").json()["cleaning"]
    assert made["rules"] == found["rules"]
    assert made["kept"] == found["kept"]


def tree(folder: Path) -> dict[Path, int]:
    """Every file and folder below a folder, with the time of its last change."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("more", [["--replan", "--variant", "all"], ["--until", "corpus"]])
def test_a_dry_run_writes_nothing(recipe: Path, command: Say, more: list[str]) -> None:
    text = recipe.read_text(encoding="utf-8") + "\n[variant.deep.clean]\nmin_chars = 50\n"
    recipe.write_text(text, encoding="utf-8")
    before = tree(recipe.parent)
    said = command("run", recipe, "--store", recipe.parent / "store", "--dry-run", *more)
    assert said.code == 0, said.err
    assert tree(recipe.parent) == before
    assert ("model" in said.out) == ("corpus" not in more)


def test_a_dry_run_of_a_finished_run_writes_nothing(finished: Path, command: Say) -> None:
    before = tree(finished)
    touched = finished / "texts" / "tatar.txt"
    store = ["--store", finished / "store"]
    mark = touched.stat().st_mtime_ns
    touched.touch()  # Its hash is made anew, and not written down.
    try:
        assert command("run", finished / "recipe.toml", *store, "--dry-run").code == 0
    finally:
        os.utime(touched, ns=(mark, mark))
    assert tree(finished) == before


def test_replanning_measures_anew(recipe: Path, command: Say, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("endonym.device.cores", lambda: 1)  # As many as the command has here.
    store = recipe.parent / "store"
    machine.remembered(store / "machine.json", "pace of yesterday", lambda: 1.0)
    args = ["run", recipe, "--store", store, "--until", "source"]
    assert command(*args).code == 0
    assert machine.saved_measurement(store / "machine.json", "pace of yesterday") == 1.0
    assert command(*args, "--replan").code == 0
    assert machine.saved_measurement(store / "machine.json", "pace of yesterday") is None


def test_sizing_to_a_gpu_is_said(command: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = (tmp_path / "r.toml", Survey())
    monkeypatch.setattr(starter, "write_recipe", lambda *_, **__: found)
    args = ["new", tmp_path / "project", "--language", "tt", "--text", tmp_path]
    said = command(*args, "--device", "cuda")
    assert "sized to this machine's processor, not to cuda" in said.err
    assert "sized to" not in command(*args, "--device", "cpu").err
    demo = ["new", tmp_path / "demo", "--demo", "french"]
    assert "not to cuda" not in command(*demo, "--device", "cuda").err


def test_until_ends_after_the_last_stage_of_that_name(recipe: Path, command: Say) -> None:
    for until, last in (("source", "source prompts.txt"), ("romanian", "source romanian")):
        given = ["run", recipe, "--store", recipe.parent / "store", "--until", until, "--json"]
        said = command(*given)
        assert said.code == 0
        assert said.json()["stages"][-1]["name"] == last
        assert said.json()["scores"] == []


@pytest.mark.parametrize(
    "flags", [["--until", "modle"], ["--device", "abacus"], ["--variant", "all"]]
)
def test_a_wrong_flag_of_run_is_refused_at_once(recipe: Path, command: Say, flags: list[str]):
    store = recipe.parent / "store"
    said = command("run", recipe, "--store", store, *flags, "--json")
    assert said.code == 2
    assert said.json()["error"]["do"]
    assert not list(store.glob("*/*/manifest.json"))


def test_a_variant_runs_under_its_own_name_and_shares_what_is_the_same(recipe: Path, command: Say):
    text = "\n[variant.wide.model]\ndim = 64\nlayers = 1\nmixer.heads = 2\n"
    recipe.write_text(recipe.read_text(encoding="utf-8") + text, encoding="utf-8")
    given = ["--store", recipe.parent / "store", "--until", "shards", "--json"]
    command("run", recipe, *given)
    said = command("run", recipe, "--variant", "wide", *given).json()
    assert Path(said["run"]).name == "kechkena@wide"
    assert not any(stage["made"] for stage in said["stages"])
    every = command("run", recipe, "--variant", "all", *given).json()
    assert [Path(run["run"]).name for run in every["runs"]] == ["kechkena", "kechkena@wide"]
    assert every["comparison"] is None
    said = command("check", recipe, "--variant", "all", "--json").json()["recipes"]
    assert [each["name"] for each in said] == ["kechkena", "kechkena@wide"]
    assert "--variant wide" in command("check", recipe, "--variant", "wide").err


def test_warnings_of_a_study_stand_in_the_json_of_check_too(recipe: Path, command: Say) -> None:
    text = "\n[variant.same]\n[variant.short.phase.pretrain]\nsteps = 20\n"
    recipe.write_text(recipe.read_text(encoding="utf-8") + text, encoding="utf-8")
    warnings = command("check", recipe, "--variant", "all", "--json").json()["warnings"]
    shorter, same = warnings
    assert shorter.startswith("kechkena@short reads 2.0 times less text than kechkena")
    assert same.startswith("kechkena@same is the same as kechkena")
    said = command("check", recipe, "--variant", "all").out
    assert all(each in said for each in warnings)


def test_a_shape_that_is_chosen_is_tried_for_every_variant_too(recipe: Path, command: Say) -> None:
    text = "\n[variant.odd.model]\nmixer.heads = 4\nmixer.kv_heads = 3\n"
    recipe.write_text(recipe.read_text(encoding="utf-8") + text, encoding="utf-8")
    store = recipe.parent / "store"
    args = ["run", recipe, "--variant", "all", "--store", store]
    said = command(*args, "--json")
    assert said.code == 2
    message = said.json()["error"]["message"]
    assert message.startswith("kechkena@odd: ")
    assert "4 heads are not divisible by 3 kv_heads" in message
    said = command(*args, "--until", "modle")
    assert said.err.count("no stage is called modle") == 1
    assert "kv_heads" in said.err
    assert not list(store.glob("*/*/manifest.json"))


def test_a_dry_run_of_all_variants_tells_each_plan(recipe: Path, command: Say) -> None:
    text = "\n[variant.wide.model]\ndim = 64\nlayers = 1\nmixer.heads = 2\n"
    recipe.write_text(recipe.read_text(encoding="utf-8") + text, encoding="utf-8")
    args = ["run", recipe, "--variant", "all", "--store", recipe.parent / "store", "--dry-run"]
    runs = command(*args, "--json").json()["runs"]
    assert [run["run"] for run in runs] == ["kechkena", "kechkena@wide"]
    one, two = ({stage["name"]: stage["id"] for stage in run["stages"]} for run in runs)
    assert one["shards"] == two["shards"]
    assert one["model pretrain"] != two["model pretrain"]
    lines = command(*args).out.splitlines()
    heads = [line for line in lines if line.startswith("kechkena")]
    tokens = [f"{number(run['train_tokens'])} training tokens" for run in runs]
    assert heads == [f"{run['run']} · {said}" for run, said in zip(runs, tokens, strict=True)]


def test_runs_with_other_overrides_stand_beside_each_other(recipe: Path, command: Say) -> None:
    given = ["--store", recipe.parent / "store", "--until", "source"]
    sets = [[], ["--set", "seed=9"], ["--set", "name=икенче"], ["--set", "clean.normalize=['nfc']"]]
    for each in sets:
        assert command("run", recipe, *given, *each).code == 0
    names = sorted(path.name for path in (recipe.parent / "runs").iterdir())
    assert names[1:] == ["kechkena+5d041144", "kechkena+seed=9", "икенче"]
    runs = recipe.parent / "runs"
    assert (runs / names[0] / "recipe.toml").read_bytes() == recipe.read_bytes()
    kept = (runs / "kechkena+seed=9" / "recipe.toml").read_text(encoding="utf-8")
    assert tomllib.loads(kept)["seed"] == 9


def test_a_run_stands_for_its_recipe(recipe: Path, command: Say, monkeypatch: pytest.MonkeyPatch):
    """By name, by folder and from another folder: with its overrides, in its own store."""
    given = ["--store", recipe.parent / "store", "--until", "tokenizer", "--json"]
    first = command("run", recipe, *given, "--set", "clean.min_chars=60").json()
    run = Path(first["run"])
    monkeypatch.chdir(recipe.parent)
    for name in (run.name, run.relative_to(recipe.parent), run / "recipe.toml"):
        again = command("run", name, "--until", "tokenizer", "--json").json()
        assert [stage["made"] for stage in again["stages"]] == [False] * len(first["stages"])
        assert Path(again["run"]).resolve() == run.resolve()
        assert command("check", name, "--json").json()["name"] == run.name
        other = command("check", name, "--set", "clean.min_chars=70", "--json").json()["name"]
        assert other == "kechkena+clean.min_chars=70"
    monkeypatch.chdir(recipe.parent.parent)
    before = set(recipe.parent.parent.iterdir())
    again = command("run", run.name, "--until", "tokenizer", "--json").json()
    assert not any(stage["made"] for stage in again["stages"])
    assert set(recipe.parent.parent.iterdir()) == before
    assert command("check", recipe.parent, "--json").json()["name"] == "kechkena"
    said = command("run", "алма", "--json").json()["error"]
    assert said["message"] == "no recipe or run is called алма"
    assert run.name in said["do"]
    recipe.rename(recipe.with_name("moved.toml"))
    said = command("run", run.name, "--json").json()["error"]
    assert "is not there any more" in said["message"]


def test_explain_tells_a_key_and_the_whole(command: Say) -> None:
    said = command("explain", "model.mixer.heads", "--json").json()
    assert said["key"] == "model.mixer.heads"
    assert "query heads" in said["text"]
    assert "phase" in command("explain").out
    assert command("explain", "model.mixer.head").code == 2
    assert json.loads(command("explain", "--schema").out)["title"]
    assert command("explain", "--schema", "--json").json()["title"]


def test_new_asks_for_what_it_needs(tmp_path: Path, command: Say) -> None:
    said = command("new", tmp_path / "a", "--language", "tt", "--json")
    assert (said.code, said.json()["error"]["message"]) == (2, "--text PATH is missing")
    said = command("new", tmp_path / "a", "--text", tmp_path, "--json")
    assert (said.code, said.json()["error"]["message"]) == (2, "--language CODE is missing")
    said = command("new", tmp_path / "a", "--demo", "klingon", "--json")
    assert (said.code, said.json()["error"]["do"]) == (2, "Demos: french, english.")
    said = command("new", tmp_path / "a", "--language", "tt", "--text", tmp_path / "b", "--json")
    assert (said.code, said.json()["error"]["kind"]) == (2, "MissingSource")
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_writes_a_page_and_prints_a_table_or_json(
    tmp_path: Path, command: Say, language_sentences: Callable[[str], list[str]]
) -> None:
    texts, out = tmp_path / "a.txt", tmp_path / "page.html"
    lines = [*language_sentences("tatar"), language_sentences("tatar")[0]]
    texts.write_text("\n".join(lines) + "\n", encoding="utf-8")
    said = command("doctor", texts, "--language", "tt", "--out", out, "-q")
    assert said.code == 0, said.err
    assert f"page  {out}" in said.out
    assert "Exact copies" in said.out
    assert out.is_file()
    given = ("--out", out, "--examples", "1", "--json")
    told = json.loads(command("doctor", texts, *given).out.splitlines()[-1])
    (copies,) = [each for each in told["findings"] if each["name"] == "exact"]
    assert copies["count"] == 1
    assert copies["examples"][0]["place"] == f"a/a.txt#{len(lines)}"
    assert told["language"] == "tt"


def test_the_doctor_ends_with_the_command_that_writes_its_recipe(
    tmp_path: Path,
    command: Say,
    language_sentences: Callable[[str], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a b.txt").write_text("\n".join(language_sentences("tatar")), encoding="utf-8")
    Path("c.txt").write_text("Кояш чыкты.\n", encoding="utf-8")
    given = "--text 'a b.txt' --text c.txt"
    said = command("doctor", "a b.txt", "c.txt", "--language", "tt")
    assert said.err.splitlines()[-1] == f"next: endonym new a-b --language tt {given} --hours 1"
    Path("c").mkdir()
    said = command("doctor", "c.txt")
    assert said.err.splitlines()[-1] == (
        "next: endonym new c-model --language x-mine --text c.txt --hours 1"
    )
    assert "next:" not in command("doctor", "c.txt", "--json").err
    text = 'name = "r"\nlanguage = "tt"\nphase = [{}]\n[[source]]\nname = "a"\npath = "c.txt"\n'
    Path("recipe.toml").write_text(text, encoding="utf-8")
    Path("bad.txt").write_bytes(bytes(range(256)) * 20)
    said = command("doctor", "bad.txt")
    assert "\n- binary data" in said.out
    assert said.err.splitlines()[-1].endswith("then the same command again")
    said = command("doctor", "recipe.toml")
    assert said.code == 0, said.err
    assert "next:" not in said.err


def test_the_doctor_says_what_is_missing(tmp_path: Path, command: Say) -> None:
    (tmp_path / "empty").mkdir()
    said = command("doctor", tmp_path / "empty", "--out", tmp_path / "page.html")
    assert said.code == 2
    assert "Give a file or a folder of texts." in said.err
    assert not (tmp_path / "page.html").exists()
    assert "no language code" in command("doctor", tmp_path, "--language", "Tatar!").err


def test_a_stop_keeps_nothing(tmp_path: Path, command: Say, monkeypatch: pytest.MonkeyPatch):
    def stop(*given: object, **keys: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("endonym.commands.doctor.examine_texts", stop)
    said = command("doctor", tmp_path)
    assert said.code == 130
    assert "Nothing is kept of it." in said.err
    assert "goes on" not in said.err
