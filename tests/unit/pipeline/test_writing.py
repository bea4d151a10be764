"""What a model is asked to write, and beside which held-out texts it is measured."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest
from toys import toy_tokenizer

from endonym.data.shards import ShardDocument, TokenShards, write_shards
from endonym.errors import RecipeError, SourceError
from endonym.evaluate.neighbours import joined_texts
from endonym.evaluate.prompts import read_prompts
from endonym.evaluate.writing import HELD_OUT
from endonym.generate.language_model import Continuation, LanguageModel
from endonym.generate.sample import Sampling
from endonym.log import Log
from endonym.pipeline.writing import TEXTS, ToWrite, cut, divided, drawn, judge_writing, text_of

LINES = [f"Ул {n} нче елда авылга кайтты, әнисенә ярдәм итте." for n in range(1900, 1980)]
KHMER = "ខ្ញុំចង់ទៅផ្សារ ដើម្បីទិញបន្លែ។"


class Fake:
    """Writes the same after each prompt, and remembers what it was asked."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.tokenizer, self.ids = toy_tokenizer("byte"), ids
        self.prompts, self.samplings = list[str](), list[Sampling]()

    def spelled(self, text: str) -> str:
        return text

    def generate_many(
        self, prompts: Sequence[str], *, max_tokens: int, samplings: Sequence[Sampling]
    ) -> list[Continuation]:
        self.prompts += prompts
        self.samplings += samplings
        ids = [*self.ids][:max_tokens]
        reason = "end" if len(self.ids) < max_tokens else "length"
        return [Continuation(iter(()), ids, reason) for _ in prompts]


def fake(written: bytes) -> LanguageModel:
    tokenizer = toy_tokenizer("byte")
    by_bytes = {tokenizer.bytes_of(n): n for n in range(tokenizer.vocab)}
    return cast("LanguageModel", Fake([by_bytes[bytes([each])] for each in written]))


@pytest.mark.parametrize("n_texts", [48, 49, 60, 95, 96, 97, 145, 1000])
def test_as_many_texts_are_drawn_as_are_asked_for(n_texts: int) -> None:
    texts = [f"{n} нче текст" for n in range(n_texts)]
    found = drawn(texts, 48, chars=500)
    places = [texts.index(each) for each in found]
    assert len(set(places)) == 48
    gaps = {b - a for a, b in pairwise(places)}
    assert max(gaps) - min(gaps) <= 1
    assert places[0] == 0
    assert places[-1] >= n_texts - 2 - n_texts // 48


def test_of_few_long_texts_several_parts_are_drawn_that_share_no_text() -> None:
    blocks = ["\n".join(LINES[n : n + 40]) for n in (0, 40)]
    found = drawn(blocks, 12, chars=200)
    assert len(found) == 12
    for each in found:
        assert each.partition("\n")[0] in LINES, "each begins with a line"
    begins = [each[:200] for each in found]
    numbers = [word for each in begins for word in each.split() if word.isdecimal()]
    assert len(set(numbers)) >= len(numbers) - 12, "a line that is cut may stand in two"
    assert len(drawn(blocks, 1000, chars=200)) < 30, "no more than there is text for"
    assert drawn(["", " \n"], 12, chars=200) == []


@pytest.mark.parametrize("text", [LINES[0], "Ана", KHMER, "Ул килде", "а", ""])
def test_a_text_is_divided_without_loss_and_not_within_a_word(text: str) -> None:
    prompt, rest = divided(text)
    assert prompt + rest == text
    assert rest or not text
    assert " " not in text[: len(prompt)] or rest[:1] == " "


def test_a_text_that_fills_the_tokens_is_cut_as_one_that_is_written() -> None:
    tokenizer, text = toy_tokenizer("byte"), "Ул килде"
    size = len(tokenizer.encode(text))
    assert cut(text, tokenizer, size + 1, "Кичә") == (text, True, "Кичә")
    assert cut(text, tokenizer, size) == (text, False, "")
    assert cut(text, tokenizer, size - 1) == (text[:-1], False, ""), "no half of a letter"


def test_bytes_that_are_no_utf8_are_seen_but_for_a_letter_that_is_not_finished() -> None:
    model = fake("сүз".encode()[:-1] + b"\xff" + "ә".encode() + "ә".encode()[:1])
    assert text_of(model.tokenizer, cast("Any", model).ids) == "сү\ufffd\ufffdә"


def test_a_blank_of_the_prompt_is_not_written() -> None:
    asked = ToWrite(["Ул ", "Ул"], max_tokens=60, seed=7, task="writing, test")
    judged = judge_writing(fake(b" a b"), LINES, [], asked, log=Log(quiet=True))
    assert [each.text for each in judged.groups["temperature 0"]] == ["a b", " a b"]


def test_a_model_is_asked_three_times_and_measured_beside_as_many_texts() -> None:
    model = fake(" һәм кайтты.".encode())
    asked = ToWrite(LINES[:5], max_tokens=60, seed=7, task="writing, test")
    judged = judge_writing(model, LINES, LINES, asked, log=Log(quiet=True))
    found = cast("Any", model)
    assert found.prompts == LINES[:5] * 3
    settings = [(each.temperature, each.top_p, each.seed) for each in found.samplings]
    seeds = range(7, 12)
    assert settings == [
        *((0.0, 0.95, seed) for seed in seeds),
        *((0.8, 0.95, seed) for seed in seeds),
        *((1.0, 1.0, seed) for seed in seeds),
    ]
    names = ["temperature 0", "temperature 0.8", "temperature 1", HELD_OUT]
    assert {name: len(group) for name, group in judged.groups.items()} == dict.fromkeys(names, 5)
    assert list(dict.fromkeys(each.source for each in judged.scores)) == names
    assert {each.split for each in judged.scores} == {"writing, test"}
    written = judged.groups["temperature 1"][1]
    assert written == (" һәм кайтты.", True, LINES[1])
    prompt, rest = divided(LINES[0])
    assert judged.groups[HELD_OUT][0].prompt == prompt
    assert rest.startswith(judged.groups[HELD_OUT][0].text)


def test_without_prompts_held_out_texts_are_begun() -> None:
    model = fake(b"!")
    asked = ToWrite([], max_tokens=20, seed=1, task="writing, test")
    judged = judge_writing(model, LINES, [], asked, log=Log(quiet=True))
    assert len(judged.groups[HELD_OUT]) == TEXTS
    for written, held_out in zip(judged.groups["temperature 0"], judged.groups[HELD_OUT],
                                 strict=True):  # fmt: skip
        assert written.prompt == held_out.prompt
        assert any(line.startswith(held_out.prompt) for line in LINES)
    with pytest.raises(RecipeError, match="no held-out text"):
        judge_writing(model, [], LINES, asked, log=Log(quiet=True))


def test_lists_are_joined_as_training_reads_them_and_a_part_is_evenly_spread(
    tmp_path: Path,
) -> None:
    documents = [
        *(ShardDocument("list", line, n // 8, n) for n, line in enumerate(LINES)),
        *(ShardDocument("books", f"{line} {KHMER}", n, n) for n, line in enumerate(LINES)),
    ]
    tokenizer = toy_tokenizer("byte")
    write_shards(
        tmp_path,
        tokenizer,
        ["list", "books"],
        lambda split: documents if split == "train" else [],
        advance=lambda n: None,
    )
    shards = TokenShards(tmp_path, "train")
    found = list(joined_texts(shards, tokenizer, ["list"]))
    assert found[:10] == ["\n".join(LINES[n : n + 8]) for n in range(0, 80, 8)]
    assert found[10:] == [f"{line} {KHMER}" for line in LINES]
    half = list(joined_texts(shards, tokenizer, ["list"], 0.499))
    places = [found.index(each) for each in half]
    assert len(places) in (44, 45)
    assert {b - a for a, b in pairwise(places)} <= {2, 3}
    assert list(joined_texts(shards, tokenizer, ["list"], sources=["books"])) == found[10:]
    assert list(joined_texts(TokenShards(tmp_path, "test"), tokenizer, ["list"], 0.5)) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_prompts_are_read_in_the_encodings_of_texts(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes(f"{LINES[0]}\r\n\r\n \n{LINES[1]} ".encode(encoding))
    assert read_prompts(path) == [LINES[0], f"{LINES[1]} "]


@pytest.mark.parametrize("data", [b"", b" \n\n", b"\x00\x01\xff\xfe\x00" * 40])
def test_a_file_without_prompts_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes(data)
    with pytest.raises(SourceError, match="no prompts"):
        read_prompts(path)
