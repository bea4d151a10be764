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
    with store.making("corpus", identifier, waiting=nobody) as making:
        assert making is not None
        (making.out / "train.txt").write_text(text, encoding="utf-8")
        (making.out / "val.txt").write_text("утырып", encoding="utf-8")
        (making.out / "dropped").mkdir()
        (making.out / "dropped" / "short.txt").write_text("ә", encoding="utf-8")
        return store.publish(making, {**DECLARED, "id": identifier, "numbers": {"kept": 2}})
