"""Small artefacts and runs, for tests of the store and of what finds them."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from endonym.disk import file_hash
from endonym.store import Artifact, Store, write_sealed

ID = "5e2d7b90c1ff" + "0" * 52
OTHER = "77de10ab93c4" + "0" * 52
DECLARED = {"stage": "corpus", "version": 1, "config": {"min_chars": 20}, "inputs": {}}


def nobody(who: str) -> None:
    """For makings that must not wait."""
    raise AssertionError(f"waited for {who}")


def make(store: Store, identifier: str = ID, text: str = "Әбием мич янында") -> Artifact:
    """An artefact of three files, one of them in a folder."""
    with store.workspace("corpus", identifier, waiting=nobody) as ctx:
        assert ctx is not None
        (ctx.out / "train.txt").write_text(text, encoding="utf-8")
        (ctx.out / "val.txt").write_text("утырып", encoding="utf-8")
        (ctx.out / "dropped").mkdir()
        (ctx.out / "dropped" / "short.txt").write_text("ә", encoding="utf-8")
        return store.publish(ctx, {**DECLARED, "id": identifier, "numbers": {"kept": 2}})


def a_run(
    project: Path, name: str, *, recipe: str | None = None, stages: Sequence[dict[str, Any]] = ()
) -> Path:
    """A run in a project, beside its store, which refers to it; or else with a plan, if its
    recipe or its stages are given.
    """
    folder = project / "runs" / name
    folder.mkdir(parents=True)
    (project / "store").mkdir(exist_ok=True)
    for file in ("recipe.toml", "log.txt"):
        (folder / file).write_text("", encoding="utf-8")
    plan: dict[str, Any] = {"store": "../../store", "stages": list(stages)}
    if recipe is not None:
        (project / recipe).write_text("", encoding="utf-8")
        plan |= {"recipe": f"../../{recipe}", "variant": "wide", "sets": ["seed=9"]}
    if recipe is not None or stages:
        write_sealed(folder / "plan.json", plan)
    else:
        Store(project / "store").claim(folder, folder / "recipe.toml")
    return folder


class Files(Mapping[str, dict[str, Any]]):
    """What a manifest says of the files of a folder, which a test may still write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __getitem__(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        if not path.is_file():
            raise KeyError(name)
        return {"bytes": path.stat().st_size, "sha256": file_hash(path)}

    def __iter__(self) -> Iterator[str]:
        paths = sorted(each for each in self.folder.rglob("*") if each.is_file())
        return (each.relative_to(self.folder).as_posix() for each in paths)

    def __len__(self) -> int:
        return len([*self])


def artefact_of(folder: Path, **manifest: Any) -> Artifact:
    """A folder as the artefact that it would be with what it holds."""
    return Artifact(folder, {"files": Files(folder), **manifest})
