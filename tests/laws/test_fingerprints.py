"""Law 18: an artefact's name is the hash of what made it, and of nothing else.

`golden.json` holds the names of the small recipe's artefacts and hashes of what its stages make,
with the version each stage had. Whoever changes what a stage produces raises its version in
`run/plan.py` and writes the new figures here; so does whoever adds a field that changes names.
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

from endonym.config import Config
from endonym.log import Log
from endonym.recipe.keys import inner
from endonym.recipe.recipe import Recipe
from endonym.run import sources
from endonym.run.plan import VERSIONS, plan
from endonym.store import Store

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))
KINDS = ("source", "corpus", "tokenizer", "shards", "model", "evaluation", "export")
SETTLED = {"phase.0.weight_decay": 0.1, "phase.0.embedding_lr": 1e-2}
"""What the autopilot would choose."""


def ids(path: Path, changes: Mapping[str, Any] = MappingProxyType({})) -> dict[str, str]:
    """The identities of a recipe's stages by kind and number, with other values laid over it."""
    recipe = Recipe.load(path).with_values({**SETTLED, **changes})
    memory = Store(path.parent / "hashes")
    raw = sources.hash_all(sources.find(recipe), memory, Log(quiet=True))
    seen: Counter[str] = Counter()
    found: dict[str, str] = {}
    for stage in plan(recipe, raw):
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
from test_fingerprints import ids
import json
print(json.dumps(ids(Path(sys.argv[2]))))
"""


@pytest.mark.parametrize("seed", ["0", "1", "4294967295"])
def test_names_are_the_same_in_another_process_with_another_hash_seed(
    recipe: Path, seed: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(Path(__file__).parent), str(recipe)],
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    assert json.loads(done.stdout) == GOLDEN["fingerprints"]


def test_the_order_of_keys_and_tables_in_the_file_does_not_matter(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    head, *tables = text.split("\n\n")
    turned = ["\n".join([t.split("\n")[0], *reversed(t.strip().split("\n")[1:])]) for t in tables]
    lists = [t for t in turned if t.startswith("[[")]
    others = [t for t in turned if not t.startswith("[[")]
    recipe.write_text("\n\n".join([head, *reversed(others), *lists]) + "\n", encoding="utf-8")
    assert ids(recipe) == GOLDEN["fingerprints"]


def test_another_order_of_sources_is_another_corpus(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    parts = text.split("\n\n")
    sources = [part for part in parts if part.startswith("[[source]]")]
    assert len(sources) == 3
    turned = iter([sources[1], sources[0], sources[2]])
    swapped = [next(turned) if part in sources else part for part in parts]
    recipe.write_text("\n\n".join(swapped), encoding="utf-8")
    before, after = GOLDEN["fingerprints"], ids(recipe)
    files = [name for name in before if name.startswith("source ")]
    assert {before[name] for name in files} == {after[name] for name in files}
    assert before["corpus 0"] != after["corpus 0"]


def test_places_times_and_comments_do_not_matter(recipe: Path, tmp_path: Path) -> None:
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
    if kind in ("evaluation", "export"):
        return {kind}
    return set(KINDS[KINDS.index(kind) :])


CHANGES: dict[str, tuple[Any, str]] = {
    "name": ("башка", ""),
    "language": ("ba", ""),
    "seed": (8, "corpus"),
    "source.0.name": ("китап", "source"),
    "source.0.format": ("txt", "source"),
    "source.0.document": ("blank_lines", "source"),
    "source.0.blank_lines": (2, "source"),
    "source.0.column": (1, "source"),
    "source.0.member": ("*.txt", "source"),
    "source.0.encoding": ("utf-8", "source"),
    "clean.normalize": (["nfc"], "corpus"),
    "clean.min_chars": (41, "corpus"),
    "clean.max_chars": (4_000, "corpus"),
    "clean.script": ("cyrillic", "corpus"),
    "clean.min_script_share": (0.8, "corpus"),
    "clean.expected_letters": ("әөүҗңһ", "corpus"),
    "clean.min_expected_share": (0.005, "corpus"),
    "clean.max_repeated_lines": (0.3, "corpus"),
    "clean.dedup": ([], "corpus"),
    "clean.max_unreadable": (0.02, "corpus"),
    "split.val_share": (0.2, "corpus"),
    "split.val_documents": (5, "corpus"),
    "tokenizer.kind": ("char", "tokenizer"),
    "tokenizer.vocab": (399, "tokenizer"),
    "tokenizer.min_count": (3, "tokenizer"),
    "tokenizer.sample_bytes": (1_000_000, "tokenizer"),
    "pack.context": (16, "model"),
    "model.family": ("llama", "model"),
    "model.dim": (64, "model"),
    "model.layers": (3, "model"),
    "model.mixer.heads": (4, "model"),
    "model.mixer.kv_heads": (1, "model"),
    "model.mixer.head_width": (8, "model"),
    "model.mixer.query_key_norm": (False, "model"),
    "model.mixer.rope_base": (5_000.0, "model"),
    "model.mixer.kind": ("mamba2", "model"),
    "model.mixer.window": (8, "model"),
    "model.mixer.rope_scaling.kind": ("linear", "model"),
    "model.mixer.rope_scaling.factor": (3.0, "model"),
    "model.mixer.rope_scaling.original_context": (64, "model"),
    "model.mixer.rope_scaling.low_turns": (2.0, "model"),
    "model.mixer.rope_scaling.high_turns": (8.0, "model"),
    "model.mixer.rope_scaling.sharpness": (1.1, "model"),
    "model.mixer.rotary_share": (0.5, "model"),
    "model.mixer.bias": (True, "model"),
    "model.mixer.state": (8, "model"),
    "model.mixer.expand": (3, "model"),
    "model.mixer.conv_width": (3, "model"),
    "model.mixer.step_rank": (4, "model"),
    "model.mixer.groups": (2, "model"),
    "model.ffn.kind": ("plain", "model"),
    "model.ffn.hidden": (64, "model"),
    "model.ffn.activation": ("relu", "model"),
    "model.ffn.bias": (True, "model"),
    "model.ffn.experts": (4, "model"),
    "model.ffn.active": ("all", "model"),
    "model.ffn.gated": (False, "model"),
    "model.ffn.balance": ("bias", "model"),
    "model.ffn.balance_weight": (0.1, "model"),
    "model.norm": ("layer", "model"),
    "model.position": ("none", "model"),
    "model.parallel": (True, "model"),
    "model.shared_norm": (True, "model"),
    "model.logit_cap": (30.0, "model"),
    "model.attention_dropout": (0.1, "model"),
    "model.embedding_dropout": (0.0, "model"),
    "model.residual_init": ("scaled", "model"),
    "model.tied": (False, "model"),
    "model.dropout": (0.2, "model"),
    "model.norm_epsilon": (1e-5, "model"),
    "phase.0.name": ("pilot", ""),
    "phase.0.start": ("scratch", "model"),
    "phase.0.steps": (41, "model"),
    "phase.0.tokens": (9_000, "model"),
    "phase.0.epochs": (2.5, "model"),
    "phase.0.batch_tokens": (512, "model"),
    "phase.0.lr": (1e-3, "model"),
    "phase.0.embedding_lr": (2e-2, "model"),
    "phase.0.warmup_steps": (5, "model"),
    "phase.0.schedule": ("cosine", "model"),
    "phase.0.weight_decay": (0.2, "model"),
    "phase.0.betas": ([0.9, 0.99], "model"),
    "phase.0.clip": (0.5, "model"),
    "phase.0.eval_every_steps": (10, "model"),
    "phase.0.eval_tokens": (1_000, "model"),
    "phase.0.patience": (3, "model"),
    "phase.0.keep": ("last", "model"),
    "phase.0.save_every_steps": (4, ""),
    "phase.0.number_format": ("bf16", "model"),
    "phase.0.micro_tokens": (64, ""),
    "evaluate.0.baselines": (False, "evaluation"),
    "evaluate.1.kind": ("bits", "evaluation"),
    "evaluate.1.file": ("texts/tatar.txt", "file of an evaluation"),
    "evaluate.1.max_tokens": (13, "evaluation"),
    "evaluate.1.temperature": (0.5, "evaluation"),
    "export.0.format": ("huggingface", ""),
}
"""Key -> another value, and the first kind of stage that it renames ("" if none)."""

YARN = {"kind": "yarn", "factor": 2.0, "original_context": 16}
MAMBA = {"model.mixer.heads": None, "model.mixer.kind": "mamba"}
WITH: dict[str, dict[str, Any]] = {
    "clean.min_script_share": {"clean.script": "cyrillic"},
    "clean.min_expected_share": {"clean.expected_letters": "әөүҗңһ"},
    "split.val_documents": {"split.val_share": None},
    "model.mixer.kind": {"model.mixer.heads": None, "model.mixer.kind": "mamba"},
    "model.mixer.rope_scaling.kind": {"model.mixer.rope_scaling": YARN},
    "model.mixer.rope_scaling.factor": {"model.mixer.rope_scaling": YARN},
    "model.mixer.rope_scaling.original_context": {"model.mixer.rope_scaling": YARN},
    "model.mixer.rope_scaling.low_turns": {"model.mixer.rope_scaling": YARN},
    "model.mixer.rope_scaling.high_turns": {"model.mixer.rope_scaling": YARN},
    "model.mixer.rope_scaling.sharpness": {"model.mixer.rope_scaling": YARN},
    "model.mixer.state": MAMBA,
    "model.mixer.expand": MAMBA,
    "model.mixer.conv_width": MAMBA,
    "model.mixer.step_rank": MAMBA,
    "model.mixer.groups": MAMBA | {"model.mixer.kind": "mamba2", "model.mixer.head_width": 16},
    "model.ffn.experts": {"model.family": "moe"},
    "model.ffn.active": {"model.family": "moe"},
    "model.ffn.gated": {"model.family": "moe"},
    "model.ffn.balance": {"model.family": "moe"},
    "model.ffn.balance_weight": {"model.family": "moe"},
    "model.shared_norm": {"model.parallel": True},
    "phase.0.tokens": {"phase.0.steps": None},
    "phase.0.epochs": {"phase.0.steps": None},
}
"""What another key needs to have before it may be written."""

MOVED = {"source.path"}
"""Fields that other tests change: a path cannot be another one where no file is."""


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
    ground = WITH.get(key, {})
    after = changed(ids(recipe, ground), ids(recipe, {**ground, key: value}))
    assert {name.split(" ")[0] for name in after} == (downstream(kind) if kind else set())
