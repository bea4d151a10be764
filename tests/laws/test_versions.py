"""Law 18: what a stage makes changes with its version, and with nothing outside its identity.

`golden.json` holds a hash of what each kind of stage makes from the small recipe, and
`golden_numbers.json` what it computes there with floating point: weights, losses, scores.
"""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from laws.contents import CLOSE, Contents, contents
from made_conversations import conversations, make_toy_examples, pairs, said

from endonym.pipeline.stage import VERSIONS
from endonym.store import Store

HERE = Path(__file__).parent
GOLDEN = json.loads((HERE / "golden.json").read_text(encoding="utf-8"))
NUMBERS = json.loads((HERE / "golden_numbers.json").read_text(encoding="utf-8"))
KINDS = ("source", "corpus", "tokenizer", "shards", "model", "evaluation", "export")
COMPUTED = ("model", "evaluation", "export")


@pytest.fixture(scope="module")
def made(finished: Path) -> dict[str, Contents]:
    """What each kind of stage made."""
    artifacts = list(Store(finished / "store").artifacts())
    return {kind: contents(kind, artifacts) for kind in KINDS}


@pytest.fixture(scope="module")
def renewed(made: dict[str, Contents], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of what was computed now, ready to be the golden one."""
    new: dict[str, Any] = {}
    for kind in COMPUTED:
        floats = {key: [round(x, 6) for x in xs] for key, xs in made[kind].numbers.items()}
        new[kind] = {"numbers": floats, "drawn": made[kind].drawn}
    text = json.dumps(new, ensure_ascii=False, indent=1) + "\n"
    text = re.sub(r"\[[-\s\d.e,]+\]", lambda found: " ".join(found[0].split()), text)
    path = tmp_path_factory.mktemp("renewed") / "golden_numbers.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_kind_of_stage_may_not_be_changed_without_raising_its_version(
    made: dict[str, Contents],
) -> None:
    for kind, golden in GOLDEN["outputs"].items():
        assert VERSIONS[kind] == golden["version"], (
            f"write the new figures of {kind} to golden.json"
        )
        assert made[kind].exact == golden["sha256"], (
            f"{kind} makes something else now ({made[kind].exact}): raise its version in VERSIONS "
            "and write both to golden.json"
        )
    assert set(GOLDEN["outputs"]) == set(KINDS)


def test_examples_may_not_be_changed_without_raising_their_version(tmp_path: Path) -> None:
    """Of few conversations, which are learnt in other ways too, and of pairs."""
    chats = [said("Син кем?", "Айгөл.", system="Кыска сөйлә."), said("Cine ești?", "Ana.")]
    made: dict[str, Any] = {"kind": "byte", "context": 400}
    make_toy_examples(tmp_path / "chat", [*chats, *conversations(30)], val_share=None, **made)
    make_toy_examples(tmp_path / "pairs", pairs(30), "preferences", **made)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    seen = hashlib.sha256()
    for path in files:
        seen.update(f"{path.relative_to(tmp_path)}\n".encode() + path.read_bytes())
    found = {"version": VERSIONS["examples"], "sha256": seen.hexdigest()}
    assert found == GOLDEN["examples"], "raise the version in VERSIONS, and write both there"


@pytest.mark.parametrize("kind", COMPUTED)
def test_what_a_kind_of_stage_computes_stays_the_same_up_to_rounding(
    kind: str, made: dict[str, Contents], renewed: Path
) -> None:
    known, found = NUMBERS[kind]["numbers"], made[kind].numbers
    do = f"raise the version of {kind} in VERSIONS, and copy {renewed} to {HERE}"
    assert list(known) == list(found), do
    for key, numbers in known.items():
        assert found[key] == pytest.approx(numbers, **CLOSE), f"{key}: {do}"
    assert made[kind].drawn == NUMBERS[kind]["drawn"], do


def test_what_is_not_part_of_a_name_changes_no_byte_of_a_model(
    finished: Path,
    small_recipe: Callable[[Path], Path],
    command: Callable[..., Any],
    tmp_path: Path,
) -> None:
    recipe = small_recipe(tmp_path / "project")
    sets = ("phase.0.name=pilot", "phase.0.save_every_steps=3", "name=башка", "language=ba")
    given = [argument for each in sets for argument in ("--set", each)]
    store = tmp_path / "store"
    assert command("run", recipe, "--store", store, "--until", "model", *given).code == 0
    (mine,) = [each for each in Store(store).artifacts() if each.stage == "model"]
    (known,) = [each for each in Store(finished / "store").artifacts() if each.stage == "model"]
    assert mine.manifest == known.manifest
