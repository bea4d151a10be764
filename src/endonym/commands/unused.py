"""`endonym prune`: artefacts that no run refers to. A finished model is listed with its score."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endonym.commands.inspect import validated_by
from endonym.evaluate.score import Score, headline
from endonym.log import columns, counted, read_jsonl, size
from endonym.store import Artifact, Store

SCORES = "scores.json"


@dataclass(frozen=True, slots=True)
class Unused:
    """An artefact that no run refers to, the work folder of one, or its GGUF file for `serve`.

    note: what a finished model scores, and when it was finished.
    """

    kind: str
    folder: Path
    bytes: int
    note: str = ""
    artifact: Artifact | None = None

    @property
    def id(self) -> str:
        """The twelve digits of its name."""
        return self.folder.name.strip(".")[:12]

    def as_dict(self) -> dict[str, Any]:
        """The form that `--json` prints."""
        row = {"stage": self.kind, "id": self.id, "bytes": self.bytes, "note": self.note}
        return row | {"folder": str(self.folder)}


def unused(store: Store) -> list[Unused]:
    """All that no run refers to."""
    found, judged = list[Unused](), _judged(store)
    for each in store.unreferred():
        note = _note(each, store, judged) if each.stage == "model" else ""
        found.append(Unused(each.stage, each.folder, each.bytes(), note, each))
    for part in store.unfinished():
        found.append(Unused(f"{part.parent.name} (unfinished)", part, _weight(part)))
    for folder in store.unneeded_gguf():
        kind = "gguf (unfinished)" if folder.name.endswith(".part") else "gguf"
        found.append(Unused(kind, folder, _weight(folder), "serve makes it again"))
    return found


def _weight(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def remove(store: Store, found: Sequence[Unused]) -> None:
    """Delete them. Raises Busy if a process is using one."""
    for each in found:
        if each.artifact is None:
            store.remove_unfinished(each.folder)
        else:
            store.remove(each.artifact)


def describe_unused(found: Sequence[Unused], *, are_removed: bool = False) -> str:
    """One line each; then what was removed, or a warning if finished models are among them."""
    if not found:
        return "every artefact belongs to a run"
    widest = max(20, *(columns(each.kind) for each in found))
    lines = [
        f"{each.kind:<{widest}}  {each.id}  {size(each.bytes):>8}  {each.note}".rstrip()
        for each in found
    ]
    if are_removed:
        freed = size(sum(each.bytes for each in found))
        return "\n".join([*lines, f"removed {counted(len(found), 'artefact')}, {freed}"])
    models = sum(each.kind == "model" for each in found)
    if models:
        lines.append(
            f"finished models among them: {models}. To keep one, `endonym export` it by its id."
        )
    return "\n".join(lines)


def _note(model: Artifact, store: Store, judged: dict[str, float]) -> str:
    """What a model scores, on test documents if they were judged, and when it was finished."""
    key, what = validated_by(model)
    values = [each[key] for each in model.rows("validations.json")]
    said = f"{min(values):.3f} {what} of dev text" if values else "not scored"
    if model.id in judged:
        said = f"{judged[model.id]:.3f} bits/byte of test text"
    ends = [
        line["at"][:10]
        for line in read_jsonl(store.journal("model", model.manifest["id"]))
        if line.get("event") == "finished"
    ]
    return ", ".join([said, *(f"finished {at}" for at in ends[-1:])])


def _judged(store: Store) -> dict[str, float]:
    """Bits per byte of test documents, by the short identifier of each model that was judged."""
    found: dict[str, float] = {}
    for each in store.artifacts():
        if each.stage != "evaluation":
            continue
        scores = [Score(**row) for row in each.rows(SCORES) if row["split"] == "test"]
        score = headline(scores, model="model")
        if score is not None:
            found[each.manifest["inputs"]["model"][:12]] = score.value
    return found
