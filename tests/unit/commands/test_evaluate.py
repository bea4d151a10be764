"""`endonym evaluate`: which texts a model is scored on, and what its scores stand beside."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_scores import baselines, score
from text_samples import ROMANIAN, TATAR
from toys import toy_tokenizer

from endonym.commands import evaluate
from endonym.commands.evaluate import as_dict, conclusions, doubts, score_model
from endonym.commands.load import load_model, shards_of
from endonym.data.shards import TokenShards
from endonym.errors import RecipeError
from endonym.evaluate.bits import Texts
from endonym.evaluate.score import find
from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.generate.reading import read_nats
from endonym.log import Log
from endonym.pipeline.evaluation_texts import Cutting, Overlap
from endonym.store import Store

Captured = pytest.CaptureFixture[str]

Patch = pytest.MonkeyPatch

QUIET: Any = {"log": Log(quiet=True), "device_name": "cpu"}
LOUD: Any = {**QUIET, "log": Log()}


def test_a_foreign_model_is_scored_alone_on_given_texts(finished: Path, tmp_path: Path):
    (folder,) = (finished / "store" / "model").iterdir()
    export_huggingface(LanguageModel.load(folder), tmp_path / "out")
    store, name = Store(finished / "store"), str(tmp_path / "out")
    assert shards_of(name, store) is None
    assert shards_of(str(next((finished / "store" / "export").iterdir())), store) is None
    with pytest.raises(RecipeError, match=f"^{name}: .* corpus is not in the store"):
        score_model(name, [], "test", store=store, **QUIET)
    text = tmp_path / "text.txt"
    text.write_text("Таң атканда авыл өстендә.\n", encoding="utf-8")
    found = score_model(name, [text], "test", store=store, **QUIET).scores
    assert {score.model for score in found} == {"model"}
    beside = score_model("kechkena", [text], "test", store=store, **QUIET).scores
    mine = [score for score in beside if score.model == "model"]
    assert [s.value for s in found] == pytest.approx([s.value for s in mine], rel=1e-5)
    assert {score.model for score in beside} > {"model", "unigram"}
    told = as_dict(score_model("kechkena", [text], "test", store=store, **QUIET))
    assert {each.source for each in told["scores"]} == {None}, "the only file is all of it"
    assert len({*map(repr, told["scores"])}) == len(told["scores"]) == (len(beside) + 1) / 2
    assert any("There is no interval" in line for line in told["notes"]["text.txt"])


def test_translations_of_one_text_are_compared_by_the_bits_of_a_sentence(
    finished: Path, tmp_path: Path
) -> None:
    file, store = tmp_path / "parallel.jsonl", Store(finished / "store")
    rows = [{"ro": ro, "tt": tt} for ro, tt in zip(ROMANIAN, TATAR, strict=False)]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    bits = list[float]()
    for column, texts in (("ro", ROMANIAN), ("tt", TATAR[: len(ROMANIAN)])):
        cutting = Cutting.of(None, column)
        found = score_model("kechkena", [file], "test", store=store, cutting=cutting, **QUIET)
        (each,) = [one for one in found.scores if one.metric == "bits_per_text"]
        whole = find(found.scores, metric="bits_per_byte", model="model", source=None)
        n_bytes = sum(len(text.encode("utf-8")) for text in texts)
        assert each.value == pytest.approx(whole.value * n_bytes / len(texts))
        assert (each.n_documents, each.n_bytes, each.unit) == (len(texts), n_bytes, "bits")
        said = "\n".join(conclusions(found.scores))
        assert f"A document takes {each.value:,.1f} bits on average." in said
        bits.append(each.value)
    assert bits[0] != bits[1]
    own = score_model("kechkena", [], "test", store=store, **QUIET).scores
    assert "bits_per_text" not in {each.metric for each in own}


def test_a_model_without_shards_is_scored_on_given_texts(finished: Path, tmp_path: Path):
    shutil.copytree(finished, tmp_path / "project")
    store = Store(tmp_path / "project" / "store")
    (shards,) = (store.root / "shards").iterdir()
    shutil.rmtree(shards)
    assert shards_of("kechkena", store) is None
    text = tmp_path / "text.txt"
    text.write_text("Таң атканда авыл өстендә.\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"^kechkena: .* corpus is not in the store"):
        score_model("kechkena", [], "dev", store=store, **QUIET)
    found = score_model("kechkena", [text], "dev", store=store, **QUIET).scores
    assert {score.model for score in found} == {"model"}
    assert {score.split for score in found} == {"text.txt"}


def test_each_cut_is_said(finished: Path, tmp_path: Path, capsys: Captured):
    folder = tmp_path / "яңа"
    folder.mkdir()
    lines = ["Таң атканда авыл өстендә.", "Әбием миңа сөт бирде.", "Кояш чыкты."]
    (folder / "юллар.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "иске.txt").write_bytes("\n\n".join(lines * 3).encode("utf-16"))
    record = json.dumps({"текст": lines[0], "id": 1}, ensure_ascii=False)
    (folder / "web.jsonl").write_text(record + "\n", encoding="utf-8")
    (folder / "photo.heic").write_bytes(b"\xff\xd8\xff")
    store = Store(finished / "store")
    found = score_model("kechkena", [folder], "test", store=store, **LOUD).scores
    kind = ("model", "bits_per_byte")
    named = {s.source: s.n_documents for s in found if s.source and (s.model, s.metric) == kind}
    assert named == {"юллар.txt": 3, "иске.txt": 9, "web.jsonl": 1}
    said = capsys.readouterr().err
    assert "юллар.txt: 3 documents, one a line (" in said
    assert "иске.txt: 9 documents, which end at empty lines, read as utf-16-le (" in said
    assert "photo.heic: not read: by its content this is a picture" in said
    assert "яңа: not read: 1 in a format that is not read" in said


def test_trained_documents_are_warned_of(finished: Path, tmp_path: Path, capsys: Captured):
    store = Store(finished / "store")
    train = TokenShards(next((store.root / "shards").iterdir()), "train")
    tokenizer = load_model("kechkena", store).tokenizer
    numbers = train.documents_of("tatar")[:3]
    old = [tokenizer.decode(train.document(int(each)).ids.tolist()) for each in numbers]
    new = ["Яңа китапханәдә алма агачлары турында китап бар.", f"{old[0]} Ә кич булды."]
    file = tmp_path / "яңа.txt"
    file.write_text("\n".join([old[0], f"  {old[1]} ", old[2], *new]) + "\n", encoding="utf-8")
    found = score_model("kechkena", [file], "test", store=store, **LOUD)
    # The one that repeats a training line and goes on nearly repeats it.
    said = capsys.readouterr().err
    assert "яңа.txt: 80.0 % of its 5 documents stand in the training text" in said
    assert found.overlap["яңа.txt"] == Overlap(5, 4)
    notes = as_dict(found)["notes"]["яңа.txt"]
    assert any(each.startswith("80.0 % of its 5 documents stand in the training") for each in notes)
    assert not any("guessing" in each for each in notes), "it is not judged by what it has read"
    words = old[1].split()
    pieces = [" ".join(words[1:]), " ".join(words[: len(words) // 2 + 1]), " ".join(old)]
    file.write_text("\n".join([*pieces, new[0]]) + "\n", encoding="utf-8")
    score_model("kechkena", [file], "test", store=store, **LOUD)
    assert "75.0 % of its 4 documents stand in the training text" in capsys.readouterr().err
    file.write_text(new[0] + "\n", encoding="utf-8")
    told = as_dict(score_model("kechkena", [file], "test", store=store, **LOUD))
    assert "stand in the training text" not in capsys.readouterr().err
    assert told["overlap"]["яңа.txt"]["found"] == 0
    said = "None of its 1 document stands in the training text, whole, nearly or in pieces."
    assert said in told["notes"]["яңа.txt"]


RUSSIAN_TEXT = "Все люди рождаются свободными и равными в своём достоинстве и правах. "


def test_a_text_in_another_language_or_a_broken_one_is_doubted_by_its_name() -> None:
    tokenizer = toy_tokenizer("byte")
    texts = {
        "рус.txt": (RUSSIAN_TEXT, "ә ө ү җ ң һ"),
        "ватык.txt": ("М?н б?ген мәкт?пкә бар?м, ул кит?п укый. ", "broken encoding"),
        "ro.txt": ("Copiii se joacă în grădină și râd, iar bunica îi privește. ", "are Latin"),
        "хат.txt": ("Әбием мич янында күмәч пешерә, без аны яратабыз. ", None),
    }
    encoded = tokenizer.encode_many([text * 20 for text, _ in texts.values()])
    found = doubts(Texts(encoded, list(texts), tokenizer), None, "tt")
    assert len(found) == 3
    for said, (name, (_, why)) in zip(found, texts.items(), strict=False):
        assert said.startswith(f"{name}: ")
        assert why is not None
        assert why in said


def test_a_text_like_a_source_is_not_doubted(finished: Path, tmp_path: Path, capsys: Captured):
    """The model is of four languages."""
    file, store = tmp_path / "хат.txt", Store(finished / "store")
    greek = "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια. "
    for text, is_doubted in ((greek, True), (RUSSIAN_TEXT, False), (ROMANIAN[0] + " ", False)):
        file.write_text(text * 20, encoding="utf-8")
        score_model("kechkena", [file], "test", store=store, **LOUD)
        assert ("says little about the model" in capsys.readouterr().err) == is_doubted


def test_a_text_that_says_little_is_not_judged(finished: Path, tmp_path: Path) -> None:
    file, store = tmp_path / "хат.txt", Store(finished / "store")
    file.write_text("Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι. " * 20, encoding="utf-8")
    found = score_model("kechkena", [file], "test", store=store, **QUIET)
    said = " ".join(conclusions(found.scores, found.cautions["хат.txt"]))
    assert "do not judge the model" in said
    assert "guessing" not in said
    assert "counting pairs." not in said


def test_the_conclusion_is_the_report_s_and_says_why_baselines_and_interval_are_missing() -> None:
    opening, standing = conclusions([score("model", 1.20), *baselines()])
    assert opening.startswith("On 412 test documents the model needs 1.20 bits per byte")
    assert "better than all that needs no learning" in standing
    few = {"low": None, "high": None, "no_interval": "too few", "n_documents": 7}
    alone = conclusions([score("model", 1.20, **few)])
    assert "no interval: it takes 10 groups of neighbouring documents" in alone[-2]
    assert alone[-1].startswith("There are no baselines")


@pytest.mark.parametrize("document", ["page", "line"])
def test_files_are_cut_as_asked(document: Any, finished: Path, tmp_path: Path, capsys: Captured):
    lines = ["Таң атканда авыл өстендә.", "Әбием миңа сөт бирде.", "Кояш чыкты."]
    texts = {
        "a.txt": "\n".join(lines),
        "numbered.txt": "".join(f"{n}\t{line}\n" for n, line in enumerate(lines)),
        "a.jsonl": "".join(json.dumps({"text": line}) + "\n" for line in lines),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    files = [tmp_path / name for name in texts]
    given: Any = {"store": Store(finished / "store"), "log": Log(), "device_name": "cpu"}
    found = score_model("kechkena", files, "test", **given, cutting=Cutting(document=document))
    counts = {each.split: each.n_documents for each in found.scores if each.model == "model"}
    said = {line.partition(":")[0]: line for line in capsys.readouterr().err.splitlines()}
    for name in texts:
        count = 3 if document == "line" or name == "a.jsonl" else 1
        assert counts[name] == count
        assert f"{name}: {count} document" in said[name]
        assert ("(as asked)" in said[name]) == (name != "a.jsonl")


def test_a_title_page_is_no_half_of_a_folder(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "китаплар"
    folder.mkdir()
    for name in ("бер.txt", "ике.txt"):
        text = "\n\n".join(f"Таң атканда {n} кеше авыл өстендә җыелды." for n in range(60))
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "титул.txt").write_text("Әкиятләр китабы.", encoding="utf-8")
    store = Store(finished / "store")
    found = score_model("kechkena", [folder], "test", store=store, **LOUD)
    named = {(each.metric, each.model, each.weighting): each for each in found.scores}
    mean = named["bits_per_byte", "model", "sources"]
    assert mean.averaged == ("бер.txt", "ике.txt")


def test_what_an_adapter_learnt_counts(finished: Path, tmp_path: Path, monkeypatch: Patch):
    asked = list[str | None]()

    def known(*given: Any, adapter: str | None) -> dict[str, Overlap]:
        asked.append(adapter)
        return {}

    load = evaluate.load_model
    monkeypatch.setattr(evaluate, "load_model", lambda *given, adapter: load(*given))
    monkeypatch.setattr(evaluate, "overlaps", known)
    file = tmp_path / "яңа.txt"
    file.write_text("Яңа китапханәдә алма агачлары турында китап бар.\n", encoding="utf-8")
    store = Store(finished / "store")
    for adapter in (None, "yomshak"):
        score_model("kechkena", [file], "test", store=store, **QUIET, adapter=adapter)
    assert asked == [None, "yomshak"]


def test_the_context_decides_how_much_is_seen_before_a_token(
    finished: Path, tmp_path: Path, capsys: Captured
) -> None:
    """The score is that of windows of so many tokens, at most of the model's context."""
    store = Store(finished / "store")
    (path := tmp_path / "page.txt").write_text(" ".join(TATAR[:12]), encoding="utf-8")

    def bits(context: int | None) -> float:
        given: Any = {"store": store, **LOUD, "context": context}
        found = score_model("kechkena", [path], "test", **given).scores
        return find(found, metric="bits_per_byte", model="model", source=None).value  # type: ignore[union-attr]

    model = load_model("kechkena", store, "cpu", Log(quiet=True))
    ids = np.array(model.tokenizer.encode(path.read_text(encoding="utf-8")), dtype=np.int64)
    for context in (8, 16, None):
        (nats,) = read_nats(model.decoder, [ids], model.tokenizer.document_start, context or 32)
        mine = nats.sum() / np.log(2) / len(path.read_bytes())
        assert bits(context) == pytest.approx(mine, rel=1e-6)
    assert len({bits(8), bits(16), bits(None)}) == 3
    assert "the model reads at most" not in capsys.readouterr().err
    assert bits(64) == bits(None)
    assert "the model reads at most 32 tokens" in capsys.readouterr().err
