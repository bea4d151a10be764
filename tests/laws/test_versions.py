"""Law 18: what a stage makes changes with its version, and with nothing outside its identity.

`golden.json` holds a hash of what each kind of stage makes from the small recipe.
"""

import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from endonym.run.plan import VERSIONS
from endonym.store import Store

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))
KINDS = ("source", "corpus", "tokenizer", "shards", "model", "evaluation", "export")


def test_a_kind_of_stage_may_not_be_changed_without_raising_its_version(finished: Path) -> None:
    found = {kind: digest(kind, finished / "store") for kind in KINDS}
    for kind, golden in GOLDEN["outputs"].items():
        assert VERSIONS[kind] == golden["version"], (
            f"write the new figures of {kind} to golden.json"
        )
        assert found[kind] == golden["sha256"], (
            f"{kind} makes something else now ({found[kind]}): raise its version in VERSIONS "
            "and write both to golden.json"
        )
    assert set(GOLDEN["outputs"]) == set(KINDS)


EXACT = {
    "model": ("config.json", "tokenizer.json"),
    "evaluation": (),
    "export": ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"),
}
"""Of what is computed with floating point, the files that hold none of it."""


def digest(kind: str, store: Path) -> str:
    """SHA-256 over what a kind of stage made, unpacked; of arithmetic only that it is there."""
    seen = hashlib.sha256()
    for artifact in sorted(Store(store).artifacts(), key=lambda each: json.dumps(each.manifest)):
        if artifact.stage != kind:
            continue
        for name in sorted(artifact.manifest["files"]):
            data = (artifact.folder / name).read_bytes()
            data = gzip.decompress(data) if name.endswith(".gz") else data
            exact = kind not in EXACT or name in EXACT[kind]
            seen.update(f"{name}\n".encode() + (data if exact else b""))
    return seen.hexdigest()


def test_what_is_not_part_of_a_name_changes_no_byte_of_a_model(
    finished: Path,
    small_recipe: Callable[[Path], Path],
    command: Callable[..., Any],
    tmp_path: Path,
) -> None:
    recipe = small_recipe(tmp_path / "project")
    sets = ("phase.0.name=pilot", "phase.0.save_every_steps=3", "name=башка", "language=ba")
    given = [word for each in sets for word in ("--set", each)]
    store = tmp_path / "store"
    assert command("run", recipe, "--store", store, "--until", "model", *given).code == 0
    (mine,) = [each for each in Store(store).artifacts() if each.stage == "model"]
    (known,) = [each for each in Store(finished / "store").artifacts() if each.stage == "model"]
    assert mine.manifest == known.manifest
