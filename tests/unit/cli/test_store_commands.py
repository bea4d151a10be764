"""status, look, prune, compare and tokenizer compare, as they are typed."""

import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from artefacts import Files
from made_contenders import contender
from toys import toy_tokenizer

from endonym.cleaning.marks import text_hash
from endonym.cli.main import Settings
from endonym.cli.store_commands import show_comparison
from endonym.commands.mark import marked
from endonym.disk import file_hash
from endonym.evaluate.speed import Efficiency
from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.recipe.recipe import Recipe
from endonym.runs.compare import compare
from endonym.runs.finished_runs import FinishedRun, read
from endonym.store import Artifact

Say = Callable[..., Any]


@pytest.fixture
def store(finished: Path) -> list[Any]:
    return ["--store", finished / "store"]


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that may be changed."""
    shutil.copytree(finished, tmp_path / "project")
    return tmp_path / "project"


def test_status_tells_every_stage_and_the_next_command(command: Say, store: list[Any]) -> None:
    said = command("status", *store)
    lines = said.out.splitlines()
    assert lines[0].endswith("runs/kechkena")
    assert {line.split()[0] for line in lines[1:-1]} == {"done"}
    folder = store[1].parent / "runs" / "kechkena"
    assert lines[-1] == f'  next: endonym generate {folder} "…"'
    named = command("status", "kechkena", *store, "--json").json()["runs"]
    assert named == command("status", *store, "--json").json()["runs"]
    weights = {each["name"]: each["bytes"] for each in named[0]["stages"]}
    assert weights["model pretrain"] > 4 * 70_368


def test_status_says_that_a_recipe_was_changed_since_it_ran(copy: Path, command: Say) -> None:
    def said() -> str:
        return command("status", "kechkena", "--store", copy / "store").out

    path = copy / "recipe.toml"
    assert "changed" not in said()
    path.write_text(path.read_text(encoding="utf-8") + "# искәрмә\n", encoding="utf-8")
    assert "changed" not in said()
    text = path.read_text(encoding="utf-8").replace("steps = 40", "steps = 50")
    path.write_text(text, encoding="utf-8")
    assert "the recipe was changed since: endonym run" in said()


def test_status_names_a_text_that_holds_something_else_now(copy: Path, command: Say) -> None:
    def said() -> list[str]:
        return command("status", "kechkena", "--store", copy / "store").out.splitlines()

    path = next(Path(copy, each.path) for each in Recipe.load(copy / "recipe.toml").source)
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}Яңгыр яуды.\n", encoding="utf-8")
    assert said()[-2:-1] == [f"  new, changed or gone since this run: texts/{path.name}"]
    assert said()[-1].endswith("runs/kechkena, which looks at the files again")
    path.write_text(text, encoding="utf-8")
    assert "changed" not in " ".join(said()), "its time is another one, its text is not"
    path.write_text(f"{text}Яңгыр яуды.\n", encoding="utf-8")
    shutil.rmtree(next((copy / "store" / "source").iterdir()))
    assert "changed" not in " ".join(said()), "it is not known any more what was read"


def test_status_tells_a_refusal(small_recipe: Callable[[Path], Path], command: Say, tmp_path: Path):
    recipe = small_recipe(tmp_path / "project")
    given = ["--store", recipe.parent / "store"]
    whole = recipe.read_text(encoding="utf-8")
    recipe.write_text(whole.replace("min_chars = 40", "min_chars = 4000"), encoding="utf-8")
    failed = command("run", recipe, *given, "--json")
    error = failed.json()["error"]
    assert (failed.code, error["kind"]) == (1, "CorpusError")
    assert "endonym look RUN --dropped all" in error["do"]
    dropped = command("look", "kechkena", "--dropped", "all", *given).out
    assert dropped.startswith("min_chars")
    assert "Таң атканда" in dropped
    said = " ".join(command("status", "kechkena", *given).out.split())
    assert " ".join(error["message"].split()) in said
    assert error["do"] in said
    assert "put that right, then" in said
    assert command("status", *given, "--json").json()["runs"][0]["failure"] == error
    texts = recipe.parent / "texts" / "tatar.txt"
    texts.write_text(texts.read_text("utf-8") + "Кояш чыкты.\n", encoding="utf-8")
    said = " ".join(command("status", "kechkena", *given).out.split())
    assert said.endswith("which looks at the files again")
    recipe.write_text(whole, encoding="utf-8")
    assert command("run", recipe, *given, "--until", "corpus").code == 0
    assert "no document is left" in error["message"]
    assert "no document is left" not in command("status", *given).out


def test_a_stopped_run_is_shown(small_recipe: Callable[[Path], Path], command: Say, tmp_path: Path):
    recipe = small_recipe(tmp_path / "project")
    given = ["--store", tmp_path / "project" / "store"]
    sets = ["--set", "clean.min_chars=60"]
    assert command("run", recipe, *given, *sets, "--until", "corpus").code == 0
    name = "kechkena+clean.min_chars=60"
    rejects = command("look", name, "--dropped", "min_chars", "-n", "3", *given, "--json")
    found = rejects.json()["rejects"]
    assert [each["reason"] for each in found] == ["min_chars"] * 3
    assert all(len(each["text"]) < 60 for each in found)
    first = command("look", name, "corpus", "-n", "1", *given, "--json").json()["documents"][0]
    one = command("look", name, "--of", first["id"], "-n", "1", *given, "--json").json()
    assert one["documents"][0]["text"].startswith(first["text"].rstrip("…"))
    assert command("look", name, "--of", "юк.txt", *given).code == 2
    reject = found[0]["id"]
    gone = command("look", name, "--of", reject, *given, "--json").json()
    assert (gone["documents"], gone["dropped"]) == ([], {"min_chars": 1})
    assert " --mark-in " in gone["command"]
    of_file = ["--of", reject.partition("#")[0], "-n", "2"]
    some = command("look", name, *of_file, *given, "--json").json()
    assert some["dropped"]["min_chars"] > 2
    assert [each["reason"] for each in some["rejects"]].count("min_chars") == 2
    text = command("look", name, "--dropped", "all", *given).out
    assert text.splitlines()[0].split()[:2] == ["min_chars", "14"]
    assert text.count("min_chars  ") == 5 + 1
    lines = [line for line in text.splitlines() if "#" in line]
    assert {line.split()[1].partition("/")[0] for line in lines} == {"tatar", "others"}
    assert found[0]["text"][:20] in text
    said = command("status", *given)
    assert "goes on from here" in said.out
    assert "tatar: read 22" in command("look", name, *given).out
    odd = '# left out: a list of persons\n# To use it all the same:\n# [[source]]\n# name = "a"\n'
    odd += '# path = "texts/укучылар.txt"\n# left out, too, as persons: texts/a.txt, b.txt\n'
    more = '[[source]]\nname = "c"\npath = "texts/*.txt"\nexclude = ["c*"]\n\n[clean]'
    text = recipe.read_text().replace("[clean]", more)
    recipe.write_text(f"# left out: x.doc, y.doc: old\n{text}\n{odd}")
    (recipe.parent / "texts" / "c.txt").write_text("Юк.")
    left = command("look", name, "--dropped", "all", *given, "--json").json()["left_out"]
    names = ["a.txt", "b.txt", "c.txt", "x.doc", "y.doc", "укучылар.txt"]
    assert sorted(Path(each).name for each in left) == names
    for file, why in (("укучылар.txt", "take out the #"), ("y.doc", "old"), ("c.txt", "source c")):
        said = command("look", name, "--of", f"texts/{file}", *given)
        assert (said.code, why in said.out, file in said.out) == (0, True, True)


def test_look_draws_the_curve_of_a_model(command: Say, store: list[Any]) -> None:
    said = command("look", "kechkena", *store)
    assert "70\u202f368 parameters" in said.out
    assert "█" in said.out
    validations = command("look", "kechkena", *store, "--json").json()["validations"]
    assert [each["step"] for each in validations] == [0, 8, 16, 24, 32, 40]


@pytest.mark.parametrize(("kind", "counted"), [("source", "1 file"), ("shards", "training tokens")])
def test_look_says_what_was_counted_of_any_other_artefact(
    finished: Path, command: Say, store: list[Any], kind: str, counted: str
):
    folder = min((finished / "store" / kind).iterdir())
    said = command("look", folder.name, *store)
    assert counted in said.out
    assert len(said.out.splitlines()) == 1
    assert command("look", folder.name, *store, "--json").json()["stage"] == kind
    overview = command("look", "kechkena", *store).out.split("\n\n")[0]
    assert any(line.startswith(kind) and counted in line for line in overview.splitlines())


def test_a_flag_that_does_not_fit_is_refused(finished: Path, command: Say, store: list[Any]):
    (model,) = (finished / "store" / "model").iterdir()
    said = command("look", model, "--dropped", "all", *store, "--json")
    assert said.code == 2
    assert "is a model, but --dropped looks at a corpus" in said.json()["error"]["message"]
    (corpus,) = (finished / "store" / "corpus").iterdir()
    assert command("look", corpus, "--text", "сүз", *store).code == 2
    assert command("look", "nothing", *store).code == 2


def test_prune_lists_first_and_removes_only_when_told(copy: Path, command: Say) -> None:
    given = ["--store", copy / "store"]
    assert command("prune", *given).out == "every artefact belongs to a run\n"
    command("run", copy / "recipe.toml", *given, "--set", "seed=8", "--until", "source", "-q")
    assert command("prune", *given, "--json").json()["artefacts"] == []
    shutil.rmtree(copy / "runs")
    listed = command("prune", *given, "--json").json()
    assert not listed["removed"]
    assert {each["stage"] for each in listed["artefacts"]} >= {"source", "corpus", "model"}
    said = command("prune", *given)
    assert "next: endonym prune --yes" in said.err
    assert all(each["id"] in said.out for each in listed["artefacts"])
    assert all(Path(each["folder"]).is_dir() for each in listed["artefacts"])
    assert command("prune", "--yes", *given, "--json").json()["removed"]
    assert not any(Path(each["folder"]).exists() for each in listed["artefacts"])
    assert command("prune", *given, "--json").json()["artefacts"] == []


def test_prune_says_what_a_finished_model_scores_before_it_offers_it(copy: Path, command: Say):
    """Also when its evaluation is gone, and for people as for programs."""
    given = ["--store", copy / "store"]
    bits = command("evaluate", "kechkena", *given, "--json").json()["scores"]
    wanted = {"metric": "bits_per_byte", "model": "model", "source": None}
    wanted |= {"text": "document", "weighting": "bytes"}
    (score,) = [each["value"] for each in bits if wanted.items() <= each.items()]
    shutil.rmtree(copy / "runs")

    def note() -> str:
        rows = command("prune", *given, "--json").json()["artefacts"]
        (found,) = [row["note"] for row in rows if row["stage"] == "model"]
        return found

    assert note().startswith(f"{score:.3f} bits/byte of test text, finished 20")
    (line,) = [each for each in command("prune", *given).out.splitlines() if note() in each]
    assert line.startswith("model")
    shutil.rmtree(copy / "store" / "evaluation")
    assert "bits/byte of dev text" in note()
    assert "finished models among them: 1" in command("prune", *given).out
    said = command("prune", "--yes", *given).out
    assert "bits/byte of dev text" in said
    assert "finished models" not in said
    assert re.match(r"removed \d+ artefacts, [\d.]+ .?B$", said.splitlines()[-1])
    assert command("prune", *given).out == "every artefact belongs to a run\n"


def test_compare_prints_table_and_page(finished: Path, copy: Path, command: Say, tmp_path: Path):
    names = [finished / "runs" / "kechkena", copy / "runs" / "kechkena"]
    out = ["--out", tmp_path / "бит"]
    said = command("compare", *names, *out)
    assert said.code == 0
    documents, heads, *rows = said.out.strip().splitlines()
    assert documents == "test documents"
    assert heads.split()[:3] == ["run", "bits/byte", "95"]
    assert [row.split()[0] for row in rows[:2]] == [str(name) for name in names]
    page = tmp_path / "бит" / "comparison.html"
    assert f"page  {page}" in said.out
    forms = {".html", ".csv", ".json", ".md", ".tex"}
    assert {each.suffix for each in page.parent.iterdir()} == forms
    assert said.err == f'next: endonym generate {names[0]} "…"\n'
    data = command("compare", *names, *out, "--json").json()
    assert data["page"] == str(page)
    assert data["same_documents"]
    assert "efficiency_csv" not in data


def test_compare_scores_a_model_once_and_says_how_many_runs_it_takes(
    finished: Path, command: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (folder,) = (finished / "runs").iterdir()
    model = LanguageModel.load(read(folder, folder.name).models[-1].folder)
    export_huggingface(model, tmp_path / "gpt2-татар")
    Path("бүтән").symlink_to("gpt2-татар")
    twice = ["gpt2-татар", "gpt2-татар/", tmp_path / "gpt2-татар", "бүтән"]
    said = command("compare", *twice, folder, "--out", tmp_path, "--json")
    assert [each["name"] for each in said.json()["others"]] == ["gpt2-татар"]
    said = command("compare", "gpt2-татар", tmp_path / "бүтән")
    assert said.code == 2
    assert "it takes a finished run beside these models to compare" in said.err


def test_compare_advises_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def advice(*runs: FinishedRun) -> str:
        show_comparison(Settings(), compare([replace(run) for run in runs]), {}, tmp_path)
        return capsys.readouterr().err.removeprefix("next: endonym ").strip()

    worse = contender(tmp_path, "worse", [30.0 + n for n in range(30)])
    best = contender(tmp_path, "best", [20.0 + n for n in range(30)])
    other = contender(tmp_path, "other", [9.0], texts=["Le boulanger ouvre sa boutique."])
    (first,) = best.models
    shutil.copytree(first.folder, tmp_path / "chat")
    (tmp_path / "chat" / "tokenizer_config.json").write_text('{"chat_template": "…"}')
    chat = Artifact(tmp_path / "chat", {**first.manifest, "files": Files(tmp_path / "chat")})
    best = replace(best, models=[first, chat], journals=[*best.journals, *best.journals])
    assert advice(worse, best) == f"chat {best.folder}"
    assert advice(best, other) == (
        f"evaluate {other.folder} --text FILE, and the others on the same file"
    )
    config = {**first.manifest["config"], "seed": 43}
    models = [Artifact(each.folder, {**each.manifest, "config": config}) for each in best.models]
    other_seed = replace(worse, models=models, journals=best.journals)
    assert advice(other_seed, best) == f"chat {best.folder}"
    for run in (worse, best):
        path = run.folder / "evaluation" / "scores.json"
        path.write_text(path.read_text("utf-8").replace('"test"', '"dev"'), encoding="utf-8")
    assert advice(worse, best) == f"evaluate {best.folder} --split test"
    worse_seed = replace(best, folder=worse.folder, models=models, name="best+seed=43")
    judge = f"compare {best.folder} {worse.folder} --split test"
    said = advice(worse_seed, best, contender(tmp_path, "weak", [50.0 + n for n in range(30)]))
    told = 'add [[evaluate]] with kind = "bits" to the recipe, which scores test; then endonym '
    told += f"run {best.folder} && endonym run {worse.folder} && endonym {judge}"
    assert said == f"next: {told}"
    configs = ({"evaluation": {"kind": kind}} for kind in ("bits", "prompts"))
    of_test, of_prompts = (Artifact(worse.folder, {"files": {}, "config": c}) for c in configs)
    scored = [replace(run, evaluations=[of_test, of_prompts]) for run in (worse_seed, best)]
    assert advice(*scored) == judge
    twice = replace(best, evaluations=[of_test, of_test])
    assert advice(worse_seed, twice) == said, "one of them was not judged"


def test_compare_names_the_csv_of_efficiency_if_there_is_one(
    finished: Path, copy: Path, command: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = [Efficiency("llama.cpp F16", 5_000, 2, reason="юк")]
    monkeypatch.setattr(FinishedRun, "efficiency", measured)
    names = [finished / "runs" / "kechkena", copy / "runs" / "kechkena"]
    given = ["compare", *names, "--out", tmp_path]
    assert "and beside it .csv, .json, .md, .tex and -efficiency.csv\n" in command(*given).out
    path = Path(command(*given, "--json").json()["efficiency_csv"])
    assert "llama.cpp F16,5000" in path.read_text(encoding="utf-8")


def test_a_run_and_a_file_are_compared_on_dev(command: Say, finished: Path, tmp_path: Path):
    toy_tokenizer("unigram").save(tmp_path)
    names = ("kechkena", tmp_path)
    given = ("--store", finished / "store")
    ours, other = command("tokenizer", "compare", *names, *given, "--json").json()["tokenizers"]
    assert ours["train_seconds"] > 0
    assert other["train_seconds"] is None
    assert ours["total"]["bytes"] == other["total"]["bytes"] > 500
    said = command("tokenizer", "compare", *names, *given)
    assert said.code == 0
    assert "cut letters" in said.out


def test_what_cannot_be_read_ends_with_advice(command: Say, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{", encoding="utf-8")
    said = command("tokenizer", "compare", tmp_path, "--text", tmp_path / "tokenizer.json")
    assert said.code == 1
    assert "Traceback" not in said.err
    assert command("tokenizer", "compare", "nothing", "--text", tmp_path).code == 2


def test_a_name_of_several_texts_marks_none_of_them(
    small_recipe: Callable[[Path], Path], command: Say, tmp_path: Path
):
    recipe = small_recipe(tmp_path / "project")
    for folder, text in (("яңа", "Кояш чыкты."), ("иске", "Кар ява.")):
        path = recipe.parent / "хатлар" / folder / "хат.txt"
        path.parent.mkdir(parents=True)
        path.write_text(f"{text}\n", encoding="utf-8")
    with recipe.open("a", encoding="utf-8") as file:
        file.write('[[source]]\nname = "хатлар"\npath = "хатлар/**/*.txt"\n')
    before, given = recipe.read_bytes(), ["--store", tmp_path / "store"]
    said = command("look", recipe, "--mark-out", "хат.txt", *given)
    assert (said.code, recipe.read_bytes()) == (2, before)
    assert "2 texts of this recipe are called хат.txt" in " ".join(said.err.split())
    assert all(f"хатлар/{each}/хат.txt" in said.err for each in ("яңа", "иске"))
    assert command("look", recipe, "--mark-out", "яңа/хат.txt", *given).code == 0
    assert recipe.read_bytes() != before


def test_marks_are_written_into_the_recipe_whose_other_lines_stay(
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """By the names that `look` shows, by the command that it gives, by a hash, or by a file."""
    recipe = small_recipe(tmp_path / "project")
    written = recipe.read_text(encoding="utf-8")
    given = ["--store", tmp_path / "project" / "store"]
    until = [recipe, *given, "--set", "clean.min_chars=60", "--until", "corpus"]
    until += ["--set", "source.others.document=line"]
    assert command("run", *until).code == 0
    name = "kechkena+clean.min_chars=60,source.others.document=line"
    shown = command("look", name, "--dropped", "min_chars", "-n", "3", "--mark", *given, "--json")
    words = shlex.split(shown.json()["command"])
    short = [each["text"] for each in shown.json()["rejects"]]
    assert command(*words[words.index("look") :], *given).code == 0
    kept = command("look", name, "corpus", "-n", "2", *given, "--json").json()["documents"]
    others = tmp_path / "project" / "texts" / "others.txt"
    hashes = {"marked_out": [text_hash(kept[1]["text"])[:12], text_hash(kept[0]["text"])[:12]]}
    hashes["marked_out"].append(file_hash(others)[:12])
    out = [kept[0]["id"], hashes["marked_out"][0], others.name]
    marked = command("look", recipe, *(f"--mark-out={each}" for each in out), *given, "--json")
    assert marked.json()["marked_out"] == [*hashes["marked_out"][1::-1], hashes["marked_out"][2]]
    # What was in comes out; all other lines stay, with their comments.
    assert command("look", recipe, "--mark-out", text_hash(short[0]), *given).code == 0
    data = tomllib.loads(recipe.read_text(encoding="utf-8"))["clean"]
    assert {*data["marked_out"]} == {*hashes["marked_out"], text_hash(short[0])[:12]}
    assert {*data["marked_in"]} == {text_hash(each)[:12] for each in short[1:]}
    lines = recipe.read_text(encoding="utf-8").splitlines()
    assert [line for line in written.splitlines() if line not in lines] == []
    assert command("run", *until).code == 0
    # What the run's --set divides has its names; a path is that of a shell.
    assert command("look", name, "--mark-out", "others/others.txt#1", *given).code == 0
    monkeypatch.chdir(others.parent.parent)
    digest = file_hash(others)
    marked = command("look", recipe, "--mark-out", "texts/others.txt", *given, "--json")
    assert marked.json()["marked_out"] == [digest[:12]]
    both = ["--mark-out", digest, f"--mark-out={digest[:12]}"]
    assert command("look", recipe, *both, *given).code == 0
    for wrong in (
        ["--mark-out", "юк.txt"],
        ["--mark-in", "0" * 12],
        ["--mark-out", others.name, "--mark-in", digest],
        ["--mark-out", others.name, "-n", "3"],
        *(
            ["--mark-out", others.name, *more]
            for more in (["--dropped", "all"], ["--of", others.name], ["--text", "а"], ["--mark"])
        ),
        ["corpus", "--mark-out", others.name],
        ["source", "--mark"],
        ["--mark", "--text", "а"],
        ["examples", "--dropped", "all", "--mark"],
    ):
        before = recipe.read_bytes()
        assert command("look", name, *wrong, *given).code == 2
        made = next((tmp_path / "project" / "store" / "corpus").iterdir()).name
        assert command("look", made, "--mark", *given).code == 2
        assert recipe.read_bytes() == before


HASHES = ("0123456789ab", "ba9876543210", "abcdefabcdef")


@pytest.mark.parametrize(
    ("written", "left"),
    [
        (f'["{HASHES[0]}"\n  , "{HASHES[1]}"]', f'[\n   "{HASHES[1]}"]'),
        (f'["""{HASHES[0]}""", "{HASHES[1]}"]', f'["{HASHES[1]}"]'),
        (
            f'[\n  "{HASHES[1]}",  # not "{HASHES[0]}", mine\n  "{HASHES[0]}",\n]',
            f'[\n  "{HASHES[1]}",  # not "{HASHES[0]}", mine\n]',
        ),
        (f'[\n  "{HASHES[0]}",  # a\n]', "[]"),
        (
            f'[  # mine, \n"{HASHES[1]}", "{HASHES[0]}"# a, b\n]',
            f'[  # mine, \n"{HASHES[1]}",\n]',
        ),
        (f'["{HASHES[0]}{"0" * 52}", "{HASHES[1]}"]', f'["{HASHES[1]}"]'),
    ],
)
def test_a_hash_comes_out_of_any_list_of_marks_and_all_else_stays(written: str, left: str) -> None:
    rest, notes = "min_chars = 9  # letters\n", {HASHES[0]: "б", HASHES[2]: "в"}
    text = marked(f"[clean]\nmarked_in = {written}\n{rest}", "marked_out", notes)
    out = f'[\n  "{HASHES[0]}",  # б\n  "{HASHES[2]}",  # в\n]'
    assert text == f"[clean]\nmarked_out = {out}\nmarked_in = {left}\n{rest}"
    assert tomllib.loads(text)["clean"]["min_chars"] == 9
    again = marked(text, "marked_out", {HASHES[1]: "г"})
    assert tomllib.loads(again)["clean"]["marked_out"] == [HASHES[1], HASHES[0], HASHES[2]]
