"""Suggested words, proofreading and kept corrections over HTTP."""

import asyncio
import json
import stat
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from serving import Client, SlowEngine, client_of, toy_language_model

from endonym.data.conversations import pair_of
from endonym.generate.language_model import LanguageModel
from endonym.generate.proofread import Proofreader
from endonym.lexicon.known_words import KnownWords
from endonym.serve.answers import ApiError
from endonym.serve.desk import MOST_WAITING, Corrections, OneByOne, Writers, end_of
from endonym.serve.service import Service

HALF_TYPED = (
    "",
    "Әбием мич яны",
    "ភូមិរបស់ខ្ញុំ",
    "Bunica mea ",
    "L’été,",
    "Таң\u0000\u0007 Б",
    "т" * 200,
)


@pytest.fixture(scope="module")
def served() -> Generator[tuple[Client, Service]]:
    with client_of() as (client, service):
        yield client, service


def suggested(client: Client, text: str, **keys: Any) -> list[dict[str, Any]]:
    """The words that are suggested after a text."""
    answer = client.post("/v1/suggestions", text=text, **keys)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


@pytest.mark.parametrize("text", HALF_TYPED)
def test_words_are_those_of_the_model_with_a_blank_where_words_have_one(
    served: tuple[Client, Service], text: str
) -> None:
    client, _ = served
    alone = LanguageModel(toy_language_model().decoder, toy_language_model().tokenizer)
    expected = alone.suggest(text, 5)
    found = suggested(client, text, n=5)
    assert [(each["word"], each["rest"]) for each in found] == [each[:2] for each in expected]
    assert [each["probability"] for each in found] == pytest.approx([each[2] for each in expected])
    for each in found:
        are_khmer = {"\u1780" <= letter <= "\u17ff" for letter in each["word"]}
        if len(are_khmer) == 1:  # The model has learnt nothing, and mixes scripts.
            assert each["blank"] == (are_khmer == {False})


def test_a_surrogate_at_the_end_is_half_of_a_character_and_elsewhere_an_error(
    served: tuple[Client, Service],
) -> None:
    client, _ = served
    as_json = {"headers": {"Content-Type": "application/json"}}

    def asked(text: str) -> httpx.Response:
        body = json.dumps({"model": "тел", "text": text})
        return client.request("POST", "/v1/suggestions", content=body, **as_json)

    assert asked("Кояш \ud83c").json()["data"] == []
    refused = asked("\ud83c Кояш")
    assert refused.status_code == 400
    assert "half of a character" in refused.json()["error"]["message"]
    broken = client.request("POST", "/v1/suggestions", content='{"model": ', **as_json)
    assert (broken.status_code, broken.json()["error"]["message"][:12]) == (400, "invalid JSON")


def test_what_cannot_be_asked_is_refused_by_its_name(served: tuple[Client, Service]) -> None:
    client, _ = served
    for keys, word in (
        ({"n": 0}, "n:"),
        ({"n": 11}, "n:"),
        ({"txt": "а"}, "txt"),
        ({"text": 3}, "text"),
    ):
        answer = client.post("/v1/suggestions", **keys)
        assert answer.status_code == 400
        assert word in answer.json()["error"]["message"]
    assert client.post("/v1/suggestions", model="башка").status_code == 404


class Tokens:
    """Counts the tokens that a model reads."""

    def __init__(self, model: LanguageModel) -> None:
        self.count = 0
        self.hook = model.decoder.register_forward_hook(self._seen)

    def _seen(self, module: Any, given: Any, made: Any) -> None:
        tokens_BT: torch.Tensor = given[0]
        self.count += tokens_BT.shape[1]


def test_each_of_several_writers_keeps_a_cache() -> None:
    texts = ["Бүген урамда кояш яктырта, балалар уйный", "Bunica a pus plăcinta pe masă"]
    model = toy_language_model(context=256)
    writers, tokens = Writers(model, 1 << 30), Tokens(model)
    for text in texts:
        writers.suggest(text, 1)
    first, tokens.count = tokens.count, 0
    for text in texts:  # one letter more
        writers.suggest(text + "т", 1)
    more, tokens.count = tokens.count, 0
    for text in texts:
        Writers(model, 1 << 30).suggest(text + "т", 1)
    tokens.hook.remove()
    read = sum(len(model.tokenizer.encode(text)) for text in texts)
    assert more < tokens.count - read / 2
    assert first > more


def test_a_small_memory_has_one_cache_and_the_same_words() -> None:
    model = toy_language_model(context=256)
    wide, narrow = Writers(model, 1 << 30), Writers(model, 0)
    for text in ("Бүген урам", "Bunica a pus", "Бүген урамд", "Bunica a pus p", ""):
        found, expected = narrow.suggest(text, 3), wide.suggest(text, 3)
        assert [each[:2] for each in found] == [each[:2] for each in expected]
        assert len(narrow._kept) == 1  # pyright: ignore[reportPrivateUsage]


def test_many_writers_at_once_get_what_each_gets_alone(served: tuple[Client, Service]) -> None:
    client, _ = served
    texts = [text + end for text in HALF_TYPED for end in ("", " а")]
    alone = [suggested(client, text) for text in texts]
    body = [{"json": {"model": "тел", "text": text}} for text in texts]
    answers = client.all([("POST", "/v1/suggestions", each) for each in body])
    for answer, expected in zip(answers, alone, strict=True):
        found = answer.json()["data"]
        assert [each["word"] for each in found] == [each["word"] for each in expected]


def test_the_end_of_a_long_text_begins_at_the_same_place_while_it_grows() -> None:
    long = "Кар ява. " * 1000
    begins = {long.index(end_of(long[:end], 1000)) % 9 for end in range(3001, 3400)}
    assert len(begins) == 1
    assert len(end_of(long, 1000)) <= 1000
    assert end_of(long[:1000], 1000) == long[:1000]


def test_a_text_longer_than_any_context_is_read_at_its_end(served: tuple[Client, Service]) -> None:
    client, _ = served
    assert suggested(client, "Кар ява, җил исә. " * 5000)


def test_a_model_that_only_llama_cpp_has_says_that_it_suggests_nothing() -> None:
    with client_of() as (client, service):
        del service.desk.writers["тел"]
        (described,) = client.request("GET", "/v1/models").json()["data"]
        assert described["suggestions"] is False
        answer = client.post("/v1/suggestions", text="Кояш")
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "no_suggestions"
        assert "GGUF file" in answer.json()["error"]["message"]


def test_a_queue_that_is_full_says_when_to_try_again() -> None:
    async def ask() -> None:
        queue, go_on = OneByOne("words"), threading.Event()
        waiting = [asyncio.ensure_future(queue.run(go_on.wait)) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(ApiError, match="Try again soon") as refused:
            await queue.run(go_on.wait)
        assert refused.value.status == 429
        waiting[-1].cancel()
        await asyncio.sleep(0)
        assert queue.waiting == MOST_WAITING - 1
        go_on.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert queue.waiting == 0
        queue.close()

    asyncio.run(ask())


def test_findings_are_told_with_their_places(served: tuple[Client, Service]) -> None:
    client, service = served
    text = "Бүген кояш 🌞 яктырткан, балалар уйный.\nБалалар уйнй."
    assert client.post("/v1/proofread", text=text).json()["error"]["code"] == "no_proofreading"
    words = KnownWords.of_texts(["Бүген кояш яктырткан, балалар уйный."] * 4, "tt")
    reader = service.desk.readers["тел"] = Proofreader(toy_language_model(), words, -1e9)
    try:
        answer = client.post("/v1/proofread", text=text).json()
        expected, unchecked = reader.check_known(text)
        assert expected
        assert answer["unchecked_lines"] == unchecked
        for found, each in zip(answer["data"], expected, strict=True):
            assert text[found["begin"] : found["end"]] == found["word"] == each.word
            assert [one["word"] for one in found["corrections"]] == [
                one.word for one in each.corrections
            ]
        assert client.post("/v1/proofread", text="а" * 20_001).status_code == 400
    finally:
        del service.desk.readers["тел"]


PAIR = {"prompt": "Әби мич янында", "chosen": " ипи пешерә.", "rejected": " ипи ипи."}


def test_a_correction_is_kept_as_a_pair_that_training_reads(tmp_path: Path) -> None:
    path = tmp_path / "corrections.jsonl"
    with client_of(SlowEngine()) as (client, service):
        refused = client.post("/v1/preferences", **PAIR)
        assert refused.status_code == 400
        assert "--keep FILE" in refused.json()["error"]["message"]
        service.desk.corrections = Corrections(path)
        other = PAIR | {"prompt": "ចៅ", "chosen": "សាលា", "rejected": "ទៅ"}
        for number, pair in enumerate((PAIR, other), 1):
            kept = client.post("/v1/preferences", **pair).json()
            assert kept == {"object": "preference", "file": str(path), "kept": number}
        for changes, word in (
            ({"chosen": PAIR["rejected"] + " "}, "the same"),
            ({"prompt": " "}, "question"),
            ({"chosen": ""}, "empty"),
        ):
            answer = client.post("/v1/preferences", **(PAIR | changes))
            assert answer.status_code == 400
            assert word in answer.json()["error"]["message"]
    assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == [PAIR, other]
    assert pair_of(PAIR).chosen == PAIR["chosen"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_of_a_long_prompt_the_end_is_kept_that_fits_into_a_row_with_both_sides(
    tmp_path: Path,
) -> None:
    path = tmp_path / "corrections.jsonl"
    long = "Кар ява, җил исә, урамда салкын. " * 20 + PAIR["prompt"]
    with client_of(SlowEngine(context=128)) as (client, service):
        service.desk.corrections = Corrections(path)
        assert client.post("/v1/preferences", **(PAIR | {"prompt": long})).status_code == 200
        kept = json.loads(path.read_text("utf-8"))
        encode = toy_language_model(context=128).tokenizer.encode
        sides = [len(encode(kept["prompt"] + kept[side])) for side in ("chosen", "rejected")]
        assert 64 < sum(sides) <= 128
        assert long.endswith(" " + kept["prompt"])
        answer = client.post("/v1/preferences", **(PAIR | {"chosen": long}))
        assert answer.status_code == 400
        assert "write less at once" in answer.json()["error"]["message"]
    assert len(path.read_text("utf-8").splitlines()) == 1


def test_a_line_that_was_cut_off_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "corrections.jsonl"
    path.write_text('{"prompt": "Әби м', encoding="utf-8")
    corrections = Corrections(path)
    assert [corrections.add(PAIR), corrections.add(PAIR)] == [2, 3]
    with path.open("a", encoding="utf-8") as file:
        file.write('{"prompt": "Әби')  # as a full disk leaves it while the server runs
    assert corrections.add(PAIR) == 5
    assert Corrections(path).add(PAIR) == 6
    lines = path.read_text("utf-8").splitlines()
    assert [json.loads(lines[number]) for number in (1, 2, 4, 5)] == [PAIR] * 4
    with pytest.raises(ApiError, match="cannot be written"):
        Corrections(tmp_path).add(PAIR)
