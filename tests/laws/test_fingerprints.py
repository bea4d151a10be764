"""Law 18: an artefact's name is the hash of what made it, and of nothing else.

`golden.json` holds the names of the small recipe's artefacts and hashes of what its stages make,
with the version each stage had. Whoever changes what a stage produces raises its version in
`pipeline/plan.py` and writes the new figures here; so does whoever adds a field that changes names.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from laws.changes import CHANGES, MOVED, UNSAID, WITH
from plans import planned

from endonym.config import Config
from endonym.log import Log
from endonym.pipeline import sources
from endonym.pipeline.stage import VERSIONS
from endonym.recipe.keys import inner
from endonym.recipe.recipe import Recipe
from endonym.store import Store

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))
KINDS = ("source", "corpus", "tokenizer", "shards", "model", "evaluation", "export")
SETTLED = {
    "phase.0.eval_tokens": 32_768,
    "phase.0.weight_decay": 0.1,
    "phase.0.embedding_lr": 1e-2,
    "phase.0.betas": [0.9, 0.95],
}
"""What the autopilot would choose."""


def ids(path: Path, changes: Mapping[str, Any] = MappingProxyType({})) -> dict[str, str]:
    """The identities of a recipe's stages by kind and number, with other values laid over it."""
    recipe = Recipe.load(path).with_values({**SETTLED, **changes})
    memory = Store(path.parent / "hashes")
    raw = sources.hash_all(sources.find(recipe), memory, Log(quiet=True))
    seen: Counter[str] = Counter()
    found: dict[str, str] = {}
    for stage in planned(recipe, raw):
        found[f"{stage.kind} {seen[stage.kind]}"] = stage.id
        seen[stage.kind] += 1
    return found


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Path:
    return small_recipe(tmp_path / "project")


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """The stages whose identity is another one."""
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def test_the_names_of_the_small_recipe_are_what_they_were(recipe: Path) -> None:
    assert ids(recipe) == GOLDEN["fingerprints"]


ELSEWHERE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from laws.test_fingerprints import ids
import json
print(json.dumps(ids(Path(sys.argv[2]))))
"""


@pytest.mark.parametrize("seed", ["0", "4294967295"])
def test_names_are_the_same_in_another_process_with_another_hash_seed(
    recipe: Path, seed: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(Path(__file__).parents[1]), str(recipe)],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    assert json.loads(done.stdout) == GOLDEN["fingerprints"]


def test_the_order_of_keys_and_tables_in_the_file_does_not_matter(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    head, *tables = text.split("\n\n")
    blocks = ["\n".join([t.split("\n")[0], *reversed(t.strip().split("\n")[1:])]) for t in tables]
    lists = [t for t in blocks if t.startswith("[[")]
    others = [t for t in blocks if not t.startswith("[[")]
    recipe.write_text("\n\n".join([head, *reversed(others), *lists]) + "\n", encoding="utf-8")
    assert ids(recipe) == GOLDEN["fingerprints"]


def test_another_order_of_sources_is_another_corpus(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    parts = text.split("\n\n")
    sources = [part for part in parts if part.startswith("[[source]]")]
    assert len(sources) == 3
    others = iter([sources[1], sources[0], sources[2]])
    swapped = [next(others) if part in sources else part for part in parts]
    recipe.write_text("\n\n".join(swapped), encoding="utf-8")
    before, after = GOLDEN["fingerprints"], ids(recipe)
    files = [name for name in before if name.startswith("source ")]
    assert {before[name] for name in files} == {after[name] for name in files}
    assert before["corpus 0"] != after["corpus 0"]


def test_paths_times_and_comments_do_not_matter(recipe: Path, tmp_path: Path) -> None:
    moved = tmp_path / "кая да булса" / "project"
    shutil.copytree(recipe.parent, moved)
    (moved / "texts").rename(moved / "мәтеннәр")
    for path in (moved / "мәтеннәр").iterdir():
        os.utime(path, (1, 1))
    text = (moved / "recipe.toml").read_text(encoding="utf-8")
    text = "# another comment\n" + text.replace('"texts/', '"мәтеннәр/')
    (moved / "recipe.toml").write_text(text, encoding="utf-8")
    assert ids(moved / "recipe.toml") == GOLDEN["fingerprints"]


def test_one_other_byte_in_a_text_is_another_corpus_but_the_same_other_sources(
    recipe: Path,
) -> None:
    path = recipe.parent / "texts" / "tatar.txt"
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    assert changed(GOLDEN["fingerprints"], ids(recipe)) == set(GOLDEN["fingerprints"]) - {
        "source 1",
        "source 2",
        "source 3",
    }


def test_another_prompt_is_another_evaluation_and_nothing_else(recipe: Path) -> None:
    (recipe.parent / "prompts.txt").write_text("Кичә кич белән\n", encoding="utf-8")
    assert changed(GOLDEN["fingerprints"], ids(recipe)) == {"source 3", "evaluation 1"}


@pytest.mark.parametrize("kind", KINDS)
def test_another_version_is_another_name_for_the_stage_and_what_follows(
    recipe: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VERSIONS, kind, VERSIONS[kind] + 1)
    after = changed(GOLDEN["fingerprints"], ids(recipe))
    assert {name.split(" ")[0] for name in after} == downstream(kind)


def downstream(kind: str) -> set[str]:
    """A kind of stage and all that is made from it."""
    if kind == "file of an evaluation":
        return {"source", "evaluation"}
    if kind == "prompts":
        return {"evaluation"}
    return set(KINDS[KINDS.index(kind) :])


def fields_of(config: type[Config], above: str = "") -> set[str]:
    """Every dotted key of a config and of those within it, without the numbers of lists."""
    found: set[str] = set()
    for name, field in config.model_fields.items():
        within, _ = inner(field.annotation)
        found |= fields_of(within, f"{above}{name}.") if within else {above + name}
    return found


def test_every_field_of_a_recipe_is_tried_here() -> None:
    tried = {".".join(p for p in key.split(".") if not p.isdigit()) for key in CHANGES}
    assert tried | MOVED == fields_of(Recipe)


@pytest.mark.parametrize("key", CHANGES)
def test_a_field_renames_what_it_decides_and_nothing_else(recipe: Path, key: str) -> None:
    value, kind = CHANGES[key]
    ground = WITH.get(key, {}) | ({"export": None} if key in UNSAID else {})
    after = changed(ids(recipe, ground), ids(recipe, {**ground, key: value}))
    wanted = downstream(kind) if kind else set()
    assert {name.split(" ")[0] for name in after} == wanted - {"export" if key in UNSAID else ""}


def test_another_default_share_of_held_out_text_is_another_corpus(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_share = {"split.val_share": None}
    before = ids(recipe, open_share)
    monkeypatch.setattr("endonym.formats.config.DEFAULT_SHARE", 0.1)
    after = changed(before, ids(recipe, open_share))
    assert {name.split(" ")[0] for name in after} == downstream("corpus")


def test_parts_of_a_batch_matter_only_where_experts_pay_for_imbalance(recipe: Path) -> None:
    fewer = {"phase.0.micro_tokens": 64}
    for ground, matters in (
        ({}, False),
        ({"model.family": "moe"}, True),
        ({"model.family": "moe", "model.ffn.balance": "bias", "export": None}, False),
    ):
        after = changed(ids(recipe, ground), ids(recipe, {**ground, **fewer}))
        assert bool(after) is matters


TUNED = """
[[phase]]
name = "tuned"
steps = 9
batch_tokens = 256
lr = 1e-3
number_format = "fp32"
adapt = {}
"""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("adapt.rank", 4), ("adapt.alpha", 4.0), ("adapt.dropout", 0.1)),
        *(("adapt.on", ["query"]), ("adapt.dora", True)),
        *(("prune.heads", 0.5), ("prune.ffn", 0.25), ("prune.layers", 0.5)),
    ],
)
def test_an_adapter_renames_its_own_phase_and_what_follows_and_so_does_pruning(
    recipe: Path, key: str, value: object
) -> None:
    tuned = TUNED.replace("adapt = {}", "prune = { ffn = 0.1 }")
    tuned = tuned if key.startswith("prune") else TUNED
    recipe.write_text(recipe.read_text("utf-8") + tuned, "utf-8")
    settled = {key.replace("0", "1", 1): each for key, each in SETTLED.items()}
    before = ids(recipe, settled)
    after = ids(recipe, settled | {f"phase.1.{key}": value})
    assert {name for name in before if before[name] != after[name]} == {
        *("model 1", "evaluation 0", "evaluation 1", "export 0")
    }


@pytest.mark.parametrize(
    ("key", "value", "first"),
    [
        ("phase.0.distill", {"share": 0.7}, "model"),
        ("phase.0.distill", {"top_k": 8}, "teacher"),
        ("phase.0.lr", 5e-4, "member"),
        ("seed", 8, "member"),
        ("phase.0.save_every_steps", 7, ""),
    ],
)
def test_what_a_phase_learns_from_its_members_renames_what_follows(
    recipe: Path, key: str, value: object, first: str
) -> None:
    ground = {"phase.0.members": 2}
    before = ids(recipe, ground)
    assert before["member 0"] != before["member 1"]
    made = ("member", "teacher", "model", "evaluation", "export")
    after = changed(before, ids(recipe, {**ground, key: value}))
    assert {name.split(" ")[0] for name in after} == set(made[made.index(first) :] if first else ())


def test_members_are_what_the_phase_alone_would_be_under_another_seed(recipe: Path) -> None:
    """One more of them leaves the others as they are, and so does a teacher beside the phase."""
    alone, two, three = (ids(recipe, {"phase.0.members": each}) for each in (None, 2, 3))
    assert two["member 0"] == three["member 0"] != alone["model 0"]
    assert two["member 1"] == three["member 1"]
    assert two["model 0"] not in (three["model 0"], alone["model 0"])
    live = ids(recipe, {"phase.0.members": 2, "phase.0.distill": {"live": True}})
    assert (live["member 0"], live["member 1"]) == (two["member 0"], two["member 1"])
    assert "teacher 0" not in live


ANSWERS = """
[[phase]]
name = "answers"
objective = "chat"
data = "talks.jsonl"
steps = 9
batch_tokens = 256
lr = 1e-3
number_format = "fp32"
"""


@pytest.mark.parametrize(
    ("key", "value", "first"),
    [
        ("phase.1.objective", "preferences", "examples"),
        ("phase.1.data", "others.jsonl", "examples"),
        ("phase.1.beta", 0.3, "model"),
        ("chat.template", "own.jinja", "examples"),
        ("chat.val_share", 0.25, "examples"),
        ("chat.max_rejected", 0.5, ""),
    ],
)
def test_what_answers_are_learnt_from_renames_their_phase_and_what_follows(
    recipe: Path, key: str, value: object, first: str
) -> None:
    recipe.write_text(recipe.read_text("utf-8") + ANSWERS, "utf-8")
    for name, text in {"talks": "башка", "others": "тагын"}.items():
        line = json.dumps({"prompt": "Нинди?", "completion": text}, ensure_ascii=False)
        (recipe.parent / f"{name}.jsonl").write_text(line + "\n", "utf-8")
    (recipe.parent / "own.jinja").write_text("{{ messages[0]['content'] }}", "utf-8")
    ground = {key.replace("0", "1", 1): each for key, each in SETTLED.items()}
    ground |= {"phase.1.objective": "preferences"} if key == "phase.1.beta" else {}
    before, after = ids(recipe, ground), ids(recipe, {**ground, key: value})
    made = [each for each in before if not each.startswith("source ")]
    follows = ["model 1", "evaluation 0", "evaluation 1", "export 0"]
    wanted = {"examples": ["examples 0", *follows], "model": follows, "": []}[first]
    assert {name for name in made if before[name] != after.get(name)} == set(wanted)
