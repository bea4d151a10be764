"""The evaluation `kind = "speed"`: a model and its exports in the programs that run them.

The artefact holds what was measured on (the sample of text, the files); what depends on the machine
and on other programs' versions goes to the journal.
"""

from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from endonym import device
from endonym.disk import read_json, write_json
from endonym.evaluate.speed import (
    ROUNDS,
    Efficiency,
    cells,
    contenders,
    measure_speed,
    notes,
    sample,
)
from endonym.evaluate.tables import aligned
from endonym.log import append_jsonl, read_jsonl
from endonym.model.foreign.folder import read_shape
from endonym.pipeline.types import Numbers, StageContext
from endonym.store import Artifact, Store
from endonym.tokenizer.tokenizer import Tokenizer

SPEED = "speed"
SPEED_FILE = "efficiency.json"
PACKAGES = ("endonym", "torch", "transformers", "xllamacpp")


def evaluate_speed(ctx: StageContext) -> Numbers:
    """Measure the model and every export that the stage was given."""
    model = ctx.inputs["model"].folder
    tokenizer = Tokenizer.load(model / "tokenizer.json")
    context = read_shape(read_json(model / "config.json")).context
    text = sample(ctx.inputs["shards"].folder, tokenizer, context)
    exports = [each.folder for name, each in ctx.inputs.items() if name.startswith("export")]
    given = contenders(model, exports)
    threads = device.threads()
    with ctx.log.progress(SPEED, ROUNDS * len(given), "processes") as advance:
        rows = measure_speed(given, text, threads=threads, advance=advance)
    append_jsonl(ctx.journal, measurement(rows))
    for line in [*aligned(cells(rows), indent=2), *(f"  {note}" for note in notes(rows))]:
        ctx.log.line(line)
    files = [{"runtime": each.name, "bytes": each.bytes} for each in given]
    counts = {"documents": len(text.texts), "bytes": text.bytes}
    write_json(ctx.out / SPEED_FILE, {"sample": counts, "runtimes": files})
    return {"kind": SPEED, "runtimes": len(given), **counts}


def measurement(rows: list[Efficiency]) -> dict[str, Any]:
    """Rows with the machine and the versions that they are of, as a line of a journal."""
    return {
        "event": SPEED,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": device.processor(),
        "versions": {name: known for name in PACKAGES if (known := _version(name))},
        "rows": [row.as_dict() for row in rows],
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def measured_efficiency(evaluation: Artifact) -> list[Efficiency]:
    """What was measured when an evaluation was made; empty if its journal is gone."""
    store, identity = Store.of(evaluation.folder), evaluation.manifest["id"]
    lines = read_jsonl(store.journal("evaluation", identity))
    found = [line["rows"] for line in lines if line.get("event") == SPEED]
    return [Efficiency(**row) for row in found[-1]] if found else []
