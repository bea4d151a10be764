"""The scoreboard: which published figures may stand beside a model, and what it has read."""

import json
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from artefacts import a_run
from made_lineages import put, put_model
from toys import TEXTS, toy_tokenizer

from endonym.commands.scoreboard import own_bytes, published_beside, require_one_text
from endonym.data.shards import ShardDocument, TokenShards, write_shards
from endonym.errors import RecipeError
from endonym.evaluate.bits import Texts
from endonym.export.card import Card
from endonym.export.history import history_of
from endonym.store import Artifact, Store, fingerprint

BYTES = toy_tokenizer("byte")
PARALLEL = {"id": 7, "number": "7", "ro": "Copiii merg la școală.", "tt": "Балалар мәктәпкә бара."}


def many(language: str, count: int = 1012) -> list[str]:
    """As many texts as FLORES-200's devtest has: the hand-written sentences, again and again."""
    text = (TEXTS / f"{language}.txt").read_text(encoding="utf-8")
    return [*islice(cycle(text.splitlines()), count)]


def texts_of(language: str, count: int = 1012) -> Texts:
    return Texts(BYTES.encode_many(many(language, count)), ["a.txt"] * count, BYTES)


def written(folder: Path, name: str, *records: dict[str, Any]) -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(each) + "\n" for each in records), encoding="utf-8")
    return path


def test_a_parallel_corpus_needs_the_name_of_its_column(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"several columns: ro and tt") as caught:
        require_one_text(written(tmp_path, "a.jsonl", PARALLEL))
    assert "--column" in caught.value.do
    path = tmp_path / "a.tsv"
    path.write_text("ro\tkm\nCopiii merg.\tក្មេងៗទៅ។\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="ro and km"):
        require_one_text(path)
    wide = {f"тел {number}": "Мин китап укыйм." for number in range(40)}
    with pytest.raises(RecipeError, match="тел 11 and 28 more"):
        require_one_text(written(tmp_path, "wide.jsonl", wide))


def test_records_with_one_text_and_plain_lines_need_none(tmp_path: Path) -> None:
    one = {key: PARALLEL[key] for key in ("id", "number", "tt")}
    require_one_text(written(tmp_path, "a.jsonl", one))
    require_one_text(written(tmp_path, "b.jsonl", PARALLEL | {"text": "Les enfants jouent."}))
    (tmp_path / "c.txt").write_text("Les enfants jouent.\n", encoding="utf-8")
    require_one_text(tmp_path / "c.txt")
    require_one_text(tmp_path)


@pytest.mark.parametrize(
    ("language", "text", "flores"),
    [
        ("tt", "tatar", "tat_cyrl"),
        ("km", "khmer", "khm_khmr"),
        ("ron", "romanian", "ron_latn"),
        ("fr-CA", "french", "fra_latn"),
    ],
)
def test_published_figures_stand_beside_texts_of_the_models_language_alone(
    language: str, text: str, flores: str
) -> None:
    found, why = published_beside(texts_of(text), Card(language=language), None)
    assert {each.flores for each in found} == {flores}
    assert not why
    for other in {"tatar", "khmer", "french"} - {text}:
        found, why = published_beside(texts_of(other), Card(language=language), None)
        assert not found
        assert "are left out" in why


@pytest.mark.parametrize(
    ("card", "count", "said"),
    [
        (Card(language="tt"), 1011, "1 011 texts"),
        (Card(), 1012, "Name its run"),
        (Card(language="sah"), 1012, "none of Yakut"),
        (Card(language="kab-Cyrl"), 1012, "none of Kabyle (Cyrl)"),
    ],
)
def test_it_is_said_why_there_are_no_published_figures(card: Card, count: int, said: str) -> None:
    found, why = published_beside(texts_of("tatar", count), card, None)
    assert not found
    assert said in why.replace("\u202f", " ")


def test_texts_without_a_letter_have_the_figures_of_every_script() -> None:
    texts = Texts(BYTES.encode_many(["1 2 3"] * 1012), ["a.txt"] * 1012, BYTES)
    found, why = published_beside(texts, Card(language="ks"), None)
    assert {each.flores for each in found} == {"kas_arab", "kas_deva"}
    assert not why


def shards_of_two(folder: Path) -> TokenShards:
    """Training text in Romanian and French."""

    def pieces(split: str) -> list[ShardDocument]:
        both = [("ro", each) for each in many("romanian", 40)]
        both += [("fr", each) for each in many("french", 40)]
        return [ShardDocument(source, text, n, n) for n, (source, text) in enumerate(both)]

    folder.mkdir()
    write_shards(folder, BYTES, ["ro", "fr"], pieces, advance=lambda _: None)
    return TokenShards(folder, "train")


def put_corpus(store: Store, name: str, sizes: dict[str, int], config: dict[str, Any]) -> None:
    """A corpus of sources of so many bytes, each of one raw text of its name, and a tokenizer."""
    kept = {each: {"kept": {"train": {"bytes": size}}} for each, size in sizes.items()}
    inputs = {f"source {each}": f"raw {each}" for each in sizes}
    put(store, "corpus", name, numbers={"sources": kept}, config=config, inputs=inputs)
    put(store, "tokenizer", f"tokens of {name}", inputs={"corpus": name})


TWO = {"clean": {"language": "ro"}, "own_rules": {"fr": {"language": "fr"}}}


def test_texts_are_compared_with_what_the_model_read_in_its_language(tmp_path: Path) -> None:
    store, train = Store(tmp_path / "store"), shards_of_two(tmp_path / "shards")
    put_corpus(store, "ике тел", {"ro": 40, "fr": 50}, TWO)
    history = history_of(put_model(store, "model", corpus="ике тел"))
    for language, text, is_own in (
        ("ro", "romanian", True),
        ("ro", "french", False),
        ("fr", "french", True),
    ):
        card = Card(language=language, history=history)
        found, why = published_beside(texts_of(text), card, train)
        assert bool(found) == (not why) == is_own


def card_of(model: Artifact, language: str = "tt") -> Card:
    return Card(language=language, history=history_of(model))


def test_megabytes_read_are_those_of_the_models_language(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    put_corpus(store, "ике тел", {"ro": 40, "fr": 50}, TWO)
    model = put_model(store, "model", corpus="ике тел")
    assert own_bytes(card_of(model, "ro"), store) == 40
    assert own_bytes(card_of(model, "fra"), store) == 50
    assert own_bytes(card_of(model, "tt"), store) == 0
    assert own_bytes(card_of(model, ""), store) is None
    assert own_bytes(Card(language="ro"), store) is None
    one = put_model(store, "one", corpus="ике тел", sources=[{"name": "fr", "share": 1.0}])
    assert own_bytes(card_of(one, "ro"), store) == 0


def test_megabytes_read_are_of_the_bases_too_each_source_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    put_corpus(store, "иске", {"wiki": 300, "kazakh": 70}, {"clean": {}})
    put_corpus(store, "яңа", {"wiki": 200, "books": 1000}, {"clean": {"language": "tt"}})
    put_model(store, "base", corpus="иске")
    model = put_model(store, "model", {"folder": "folder of base"}, corpus="яңа")
    assert own_bytes(card_of(model), store) is None, "the language of the base is not known"
    run = a_run(tmp_path, "нигез", stages=[{"stage": "model", "id": fingerprint("base")}])
    (run / "recipe.toml").write_text('language = "tat"\n', encoding="utf-8")
    assert own_bytes(card_of(model), store) == 1370
    (run / "recipe.toml").write_text('language = "kk"\n', encoding="utf-8")
    assert own_bytes(card_of(model), store) == 1200
    foreign = put_model(store, "foreign", {"folder": "folder from elsewhere"}, corpus="яңа")
    assert own_bytes(card_of(foreign), store) is None
    taught = put_model(store, "taught", {"teacher": "folder from elsewhere"}, corpus="яңа")
    assert own_bytes(card_of(taught), store) is None
