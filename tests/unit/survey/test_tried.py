"""Cleaning tried on a sample, before the corpus is made."""

from pathlib import Path

import pytest
from made_dirt import fables, stubs
from text_samples import RUSSIAN, TATAR, files, write

from endonym.corpus.corpus import make_corpus
from endonym.formats.config import Clean, Source, Split
from endonym.formats.files import RawSet
from endonym.survey import tried as module
from endonym.survey.tried import try_cleaning

NOTICE = "Tous droits réservés, toute reproduction interdite sans accord écrit."


def raw(folder: Path, texts: list[str]) -> list[RawSet]:
    path = write(folder, "texts.txt", "\n\n\n".join(texts))
    source = Source(name="texts", path=str(path), document="blank_lines", blank_lines=2)
    return [RawSet(source=source, files=tuple(files(source)))]


CLEAN = Clean(
    normalize=("nfc", "look_alikes", "spaces"),
    mask=("email",),
    min_chars=20,
    dedup=("exact",),
    language="fr",
    min_language_score=0.6,
    max_line_documents=5,
    max_same_skeleton=4,
)


def dirty() -> list[str]:
    texts = [f"{text}\n{NOTICE}" for text in fables("fr")]
    texts[3] += " Écrivez à a@b.fr !"
    return [*texts, texts[5], "Oui.", *RUSSIAN[:2], *stubs(9)]


def test_the_whole_of_small_texts_is_cleaned_as_the_corpus_will_be(tmp_path: Path) -> None:
    sets = raw(tmp_path, dirty())
    found = try_cleaning(sets, CLEAN).as_dict()
    pairs = [(each.source, each.files) for each in sets]
    out = tmp_path / "out"
    card = make_corpus(pairs, CLEAN, Split(seed=1), out=out)
    total = card["total"]
    assert found["is_whole"]
    assert found["documents"] == total["read"]["records"]
    assert found["kept"] == sum(kept["documents"] for kept in total["kept"].values())
    assert found["rules"] == total["rules"]
    assert set(found["rules"]) == {
        "mask email",
        "max_line_documents",
        "min_chars",
        "min_language_score",
        "exact",
    }


def test_copies_and_evaluation_texts_go_as_they_will_from_the_corpus(tmp_path: Path) -> None:
    texts = fables("fr")
    long = [text for text in texts if len(text) > 400]
    near = [f"{long[0]} Voilà tout.", f"{long[1].upper()}!"]
    cut = f"{texts[4]}\n{max(long[2].splitlines(), key=len)}"
    sets = raw(tmp_path, [*texts, *near, cut, texts[6], f"{NOTICE} Oui."])
    clean = Clean(dedup=("exact", "near", "paragraphs"), normalize=("spaces",))
    files = [("juge.txt", [texts[8]])]
    found = try_cleaning(sets, clean, (), files).as_dict()
    pairs = [(each.source, each.files) for each in sets]
    card = make_corpus(pairs, clean, Split(seed=1), out=tmp_path / "out", evaluation=files)
    total = card["total"]
    assert found["kept"] == sum(kept["documents"] for kept in total["kept"].values())
    assert found["rules"] == total["rules"]
    assert {"exact", "near", "decontaminate"} <= set(found["rules"])


def test_a_sample_of_large_texts_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE_CHARS", 2_000)
    found = try_cleaning(raw(tmp_path, TATAR * 200), Clean(min_chars=45)).as_dict()
    assert not found["is_whole"]
    assert 0 < found["documents"] < 200
    assert found["rules"]["min_chars"]["documents"] == found["documents"] - found["kept"]


def test_nothing_is_written(tmp_path: Path) -> None:
    sets = raw(tmp_path, dirty())
    before = sorted(tmp_path.rglob("*"))
    try_cleaning(sets, CLEAN)
    assert sorted(tmp_path.rglob("*")) == before
