"""The five recipes of whole projects: full size through `check`, and a toy-sized run of each."""

import gzip
import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_dirt import lines_of

from endonym.log import read_jsonl

RECIPES = Path(__file__).parents[2] / "recipes"
Say = Callable[..., Any]
Sentences = Callable[[str], list[str]]
MILLIONS = {
    ("fables-ro", None): 35.3,
    ("fables-ro", "bpe"): 35.3,
    ("fables-ro", "mamba"): 49.6,
    ("tatar", None): 23.1,
    ("khmer-english", None): 499.5,
}
"""Parameters, as the plan of each project has them."""
TOY = {
    "tokenizer.vocab": 400,
    "pack.context": 128,
    "model.dim": 32,
    "model.layers": 1,
    "model.mixer.heads": 2,
    "split.val_share": 0.2,
}
PHASE = {"steps": 6, "batch_tokens": 256, "warmup_steps": 1, "number_format": "fp32", "lr": 3e-3}
OF_SIZE = re.compile(
    "times the whole text|longer than any document|take a week|tokens on average|too few for|"
    "is little text"
)
BUDGETS = ("epochs", "tokens")


@pytest.fixture
def placed(tmp_path: Path, language_sentences: Sentences) -> Callable[[str], Path]:
    """A recipe of the project in a folder with texts for it, a few sentences each."""

    def place(name: str) -> Path:
        shutil.copy(RECIPES / f"{name}.toml", tmp_path / f"{name}.toml")
        shutil.copytree(RECIPES / "prompts", tmp_path / "prompts")
        data = tmp_path / "data"
        data.mkdir()
        {
            "fables-ro": romanian_fables,
            "tatar": leipzig_archive,
            "khmer-english": two_languages,
            "fables-fr": french_fables,
        }[name](data, language_sentences)
        return tmp_path / f"{name}.toml"

    return place


def asked(lines: list[str]) -> list[dict[str, str]]:
    """Requests with their answers."""
    return [{"prompt": f"{line.split()[0]}?", "completion": line} for line in lines]


def json_lines(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in records)


def romanian_fables(data: Path, sentences: Sentences) -> None:
    (data / "fables").mkdir()
    texts = sentences("romanian")
    pq.write_table(pa.table({"translated_fable": texts}), data / "fables" / "part-0.parquet")
    records = json_lines(asked(sentences("romanian")))
    (data / "fable-prompts.jsonl").write_text(records, encoding="utf-8")


def leipzig_archive(data: Path, sentences: Sentences) -> None:
    lines = "".join(f"{n}\t{line}\n" for n, line in enumerate(sentences("tatar"), 1))
    with tarfile.open(data / "tat_mixed_2015_1M.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("tat_mixed_2015_1M/tat_mixed_2015_1M-sentences.txt")
        content = lines.encode("utf-8")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


def two_languages(data: Path, sentences: Sentences) -> None:
    for folder, texts in (("khmer", sentences("khmer")), ("english", lines_of("en"))):
        (data / folder).mkdir()
        records = json_lines([{"text": each} for each in texts])
        packed = gzip.compress(records.encode("utf-8"), mtime=0)
        (data / folder / "part.jsonl.gz").write_bytes(packed)
    turns = [
        {
            "messages": [
                {"role": "user", "content": line[:9]},
                {"role": "assistant", "content": line},
            ]
        }
        for line in sentences("khmer")
    ]
    (data / "instructions.jsonl").write_text(json_lines(turns), encoding="utf-8")


def french_fables(data: Path, sentences: Sentences) -> None:
    lines = sentences("french")
    (data / "made-fables.txt").write_text("\n\n".join(lines[::2]) + "\n", encoding="utf-8")
    verse = "\n\n\n".join(f"{line}\n\nEt {line}" for line in lines[1::2])
    (data / "verse.txt").write_text(verse, encoding="utf-8")


@pytest.mark.parametrize(("name", "variant"), MILLIONS)
def test_a_recipe_at_full_size_has_the_parameters_of_its_project(
    name: str, variant: str | None, placed: Callable[[str], Path], command: Say
) -> None:
    recipe = placed(name)
    named = ("--variant", variant) if variant else ()
    short = ("--set", "clean.min_chars=20")  # the texts here are sentences
    said = command("check", recipe, *named, *short, "--store", recipe.parent / "store", "--json")
    assert said.code == 0, said.err
    assert round(said.json()["parameters"] / 1e6, 1) == MILLIONS[name, variant]
    # Texts of a few sentences are too short for anything; all else that is said is of the recipe.
    of_recipe = [each for each in said.json()["warnings"] if not OF_SIZE.search(each)]
    assert of_recipe == []


def test_the_french_mixture_of_experts_computes_two_of_eight(
    placed: Callable[[str], Path], command: Say
) -> None:
    recipe = placed("fables-fr")
    said = command("check", recipe, "--store", recipe.parent / "store", "--json").json()
    assert 40e6 < said["parameters"] < 45e6
    assert said["active_parameters"] < said["parameters"] / 2.5
    assert [each["sources"] for each in said["phases"]] == [{"made": 1.0}, {"verse": 1.0}]


@pytest.mark.parametrize("name", ["fables-ro", "tatar", "khmer-english", "fables-fr"])
def test_a_recipe_runs_at_toy_scale(name: str, placed: Callable[[str], Path], command: Say) -> None:
    recipe = placed(name)
    sets = toy_sets(recipe.read_text(encoding="utf-8"))
    store = recipe.parent / "store"
    said = command("run", recipe, "--store", store, "--json", *sets)
    assert said.code == 0, said.err
    stages = {stage["name"]: stage["id"] for stage in said.json()["stages"]}
    models = [each for each in stages if each.startswith("model ")]
    assert models == [f"model {each}" for each in phases_of(recipe)]
    for stage in models:
        lines = read_jsonl(store / "journal" / f"model-{stages[stage]}.jsonl")
        steps = [line for line in lines if line["event"] == "step"]
        assert steps[-1]["step"] == PHASE["steps"]
        assert steps[-1]["dev_nats"] > 0


def test_each_phase_of_the_bilingual_recipe_reads_its_own_mixture(
    placed: Callable[[str], Path], command: Say
) -> None:
    recipe = placed("khmer-english")
    store = recipe.parent / "store"
    sets = toy_sets(recipe.read_text(encoding="utf-8"), steps=40)
    said = command("run", recipe, "--until", "model cpt", "--store", store, "--json", *sets)
    assert said.code == 0, said.err
    for stage in said.json()["stages"]:
        wanted = {"model pilot": 0.6, "model pretrain": 0.5, "model cpt": 0.9}.get(stage["name"])
        if wanted is None:
            continue
        lines = read_jsonl(store / "journal" / f"model-{stage['id']}.jsonl")
        last = [line for line in lines if line["event"] == "step"][-1]
        read = {name: last[f"read_tokens/{name}"] for name in ("khmer", "english")}
        assert read["khmer"] / sum(read.values()) == pytest.approx(wanted, abs=0.02)


def phases_of(recipe: Path) -> list[str]:
    """The names of a recipe's phases."""
    tables = recipe.read_text(encoding="utf-8").split("[[phase]]")[1:]
    return [table.split('name = "')[1].split('"')[0] for table in tables]


def toy_sets(text: str, steps: int = PHASE["steps"]) -> list[str]:
    """Overrides that make a recipe small: a tiny model, a few short steps in each phase."""
    changes: dict[str, Any] = dict(TOY)
    if 'kind = "char"' in text:
        del changes["tokenizer.vocab"]
    if "min_chars" in text:
        changes["clean.min_chars"] = 20
    if "val_documents" in text:
        changes["split.val_documents"] = ""
    if "ffn.hidden" in text:
        changes["model.ffn.hidden"] = 64
    for number, table in enumerate(text.split("[[phase]]")[1:]):
        changes |= {
            f"phase.{number}.{budget}": "" for budget in BUDGETS if f"\n{budget} =" in table
        }
        changes |= {f"phase.{number}.{key}": value for key, value in PHASE.items()}
        changes[f"phase.{number}.steps"] = steps
        changes[f"phase.{number}.eval_every_steps"] = steps
    for number in range(text.split("[variant")[0].count("[[export]]")):
        if 'format = "gguf"' in text:
            changes[f"export.{number}.quantize"] = ["F16"]
    pairs = [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in changes.items()
    ]
    return [word for pair in pairs for word in ("--set", pair)]
