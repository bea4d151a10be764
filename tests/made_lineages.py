"""Artefacts without content that led to one another, for tests of where a model comes from."""

from collections.abc import Mapping
from typing import Any

from endonym.log import append_jsonl
from endonym.store import Artifact, Store, fingerprint, open_artifact, write_sealed

CORPUS, OTHER = "әкиятләр", "povești"
"""Two corpora; the second one is of one source."""
SOURCES = {CORPUS: {"tatar": (300, 5), "romanian": (100, 15)}, OTHER: {"tatar": (70, 7)}}
"""Bytes and documents of their training text."""


def put(store: Store, stage: str, name: str, **manifest: Any) -> Artifact:
    """An artefact of this name. inputs: the names of others."""
    identity = fingerprint(name)
    folder = store.folder(stage, identity)
    folder.mkdir(parents=True)
    inputs = {key: fingerprint(each) for key, each in manifest.pop("inputs", {}).items()}
    usual: dict[str, Any] = {"version": 1, "config": {}, "numbers": {}, "files": {}}
    words = {"name": name, "stage": stage, "id": identity, "inputs": inputs}
    write_sealed(folder / "manifest.json", {**usual, **words, **manifest})
    return open_artifact(folder)


def put_corpora(store: Store) -> None:
    """The corpora, and a tokenizer of each."""
    for corpus, sizes in SOURCES.items():
        sources = {
            name: {
                "kept": {
                    "train": {"bytes": size, "documents": count},
                    **{side: {"bytes": 9 * count, "documents": 1} for side in ("dev", "test")},
                }
            }
            for name, (size, count) in sizes.items()
        }
        put(store, "corpus", corpus, numbers={"sources": sources})
        put(store, "tokenizer", f"tokens of {corpus}", inputs={"corpus": corpus})


def put_kept(store: Store, name: str, inputs: Mapping[str, str], seconds: float) -> Artifact:
    """What was kept of teachers, which took so long to read."""
    append_jsonl(store.journal("teacher", fingerprint(name)), {"event": "read", "seconds": seconds})
    return put(store, "teacher", name, inputs=inputs)


def weights_of(name: str) -> dict[str, Any]:
    """The files of a model of this name, as its manifest has them."""
    return {"weights.safetensors": {"bytes": 1, "sha256": fingerprint(f"weights of {name}")}}


def put_model(
    store: Store,
    name: str,
    inputs: Mapping[str, str] | None = None,
    *,
    stage: str = "model",
    corpus: str = CORPUS,
    seconds: float = 0.0,
    tokens: int = 100,
    **phase: Any,
) -> Artifact:
    """A phase that trained so long on so many tokens of a corpus, and the folder of its model.

    inputs: what it had beside its texts, by name. phase: keys other than those of a phase of texts.
    """
    append_jsonl(store.journal(stage, fingerprint(name)), {"event": "step", "seconds": seconds})
    texts = {"tokenizer": f"tokens of {corpus}", "shards": f"shards of {corpus}"}
    files = [{"name": name, **each} for name, each in weights_of(name).items()]
    put(store, "source", f"folder of {name}", config={"files": files})
    return put(
        store,
        stage,
        name,
        inputs={**texts, **(inputs or {})},
        config={"phase": {"objective": "next_token", **phase}},
        numbers={"tokens": tokens},
        files=weights_of(name),
    )
