"""Small artefacts, for tests of the store."""

from endonym.store import Artifact, Store

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
