"""Continuing texts: whole letters only, the same for the same seed, beyond any context."""

import functools
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import regex
import torch
from made_conversations import fresh_tokenizer
from torch import Tensor, nn
from toys import END, lively_decoder, toy_config, toy_tokenizer

from endonym.errors import Damaged
from endonym.generate.language_model import LanguageModel, most_tokens
from endonym.generate.sample import SamplerState, Sampling
from endonym.model.decoder import Decoder
from endonym.model.kernels.loss import Readout
from endonym.model.weights import save_tensors
from endonym.tokenizer.tokenizer import read_engine

GREEDY = Sampling(temperature=0)
BYTES = toy_tokenizer("byte")


class Reciter(nn.Module):
    """Says given ids one after another, and remembers what it was fed."""

    def __init__(self, ids: list[int], *, context: int = 1000) -> None:
        super().__init__()
        self.ids, self.fed = iter(ids), []
        self.config = SimpleNamespace(context=context, vocab=BYTES.vocab)
        self.readout = Readout(torch.eye(BYTES.vocab))

    def empty_cache(self, batch: int, length: int) -> list[object]:
        return []

    def forward(self, tokens_BT: Tensor, span: object, cache: object) -> tuple[Tensor, Tensor]:
        self.fed += tokens_BT[0].tolist()
        hidden_BTD = torch.zeros(1, tokens_BT.shape[1], BYTES.vocab)
        hidden_BTD[0, -1, next(self.ids)] = 9.0
        return hidden_BTD, torch.zeros(())


def reciting(ids: list[int]) -> tuple[LanguageModel, Reciter]:
    reciter = Reciter(ids)
    return LanguageModel(reciter, BYTES), reciter


@pytest.mark.parametrize("text", ["ស្រីតូច", "Күрше әби", "👩🏽\u200d🚀!", "l’été"])
def test_letters_are_given_out_whole(text: str) -> None:
    model, _ = reciting([*BYTES.encode(text), END])
    pieces = list(model.stream("", sampling=GREEDY))
    assert pieces == list(text)


def test_the_prompt_opens_a_document_and_is_not_closed() -> None:
    model, reciter = reciting([*BYTES.encode(" ба"), END])
    continuation = model.stream("ал", sampling=GREEDY)
    assert "".join(continuation) == " ба"
    assert reciter.fed == [END, *BYTES.encode("ал ба")]
    assert continuation.finish_reason == "end"
    assert continuation.ids == BYTES.encode(" ба")


def test_without_a_prompt_a_document_begins_from_nothing() -> None:
    model, reciter = reciting([END])
    assert model.generate("", sampling=GREEDY) == ""
    assert reciter.fed == [END]


def test_end_of_text_in_a_prompt_is_plain_text() -> None:
    model, reciter = reciting([END])
    model.generate("<|endoftext|>", sampling=GREEDY)
    assert reciter.fed == [END, *BYTES.encode("<|endoftext|>")]
    assert reciter.fed.count(END) == 1


def test_the_end_of_a_turn_ends_a_text() -> None:
    tokenizer = fresh_tokenizer("byte")
    tokenizer.turn_ends = ("<|im_end|>",)
    reciter = Reciter([*BYTES.encode(" ба"), tokenizer.stop_ids[1], *BYTES.encode("л"), END])
    continuation = LanguageModel(reciter, tokenizer).stream("ал", sampling=GREEDY)
    assert ("".join(continuation), continuation.finish_reason) == (" ба", "end")


def test_no_tokens_are_no_work() -> None:
    model, reciter = reciting([])
    continuation = model.stream("ал", max_tokens=0, sampling=GREEDY)
    assert list(continuation) == []
    assert continuation.finish_reason == "length"
    assert reciter.fed == []


def test_a_letter_that_was_cut_off_is_left_out() -> None:
    model, _ = reciting(BYTES.encode("ស្រី"))
    continuation = model.stream("", max_tokens=5, sampling=GREEDY)
    assert list(continuation) == ["ស"]
    assert continuation.finish_reason == "length"
    assert len(continuation.ids) == 5


def test_end_of_text_is_not_made_unlikely_because_it_opens_the_document() -> None:
    logits = torch.zeros(BYTES.vocab)
    logits[END], logits[5] = 4.0, 3.0
    model, reciter = reciting([END] * 3)
    reciter.readout = Readout(logits[:, None] * torch.ones(BYTES.vocab) / 9.0)
    penalty = Sampling(temperature=0, repetition_penalty=2.0)
    continuation = model.stream("", max_tokens=3, sampling=penalty)
    assert list(continuation) == []
    assert continuation.finish_reason == "end"


def test_a_repetition_penalty_moves_on_to_what_was_not_said() -> None:
    logits = torch.zeros(BYTES.vocab)
    for rank, letter in enumerate("abc"):
        logits[BYTES.encode(letter)] = 5.0 - rank
    model, reciter = reciting([END] * 3)
    reciter.readout = Readout(logits[:, None] * torch.ones(BYTES.vocab) / 9.0)
    assert model.generate("", max_tokens=3, sampling=GREEDY) == "aaa"
    model.decoder.ids = iter([END] * 3)
    assert model.generate("", max_tokens=3, sampling=Sampling(0, repetition_penalty=3.0)) == "abc"


def test_what_a_context_has_lost_may_be_repeated() -> None:
    logits = torch.zeros(BYTES.vocab)
    for rank, letter in enumerate("abcdef"):
        logits[BYTES.encode(letter)] = 5.0 - 0.1 * rank
    model, reciter = reciting([END] * 20)
    reciter.config.context = 4
    reciter.readout = Readout(logits[:, None] * torch.ones(BYTES.vocab) / 9.0)
    penalty = Sampling(temperature=0, repetition_penalty=3.0)
    assert model.generate("", max_tokens=5, sampling=penalty) == "abcda"


def lively(family: str = "qwen3", *, context: int = 16) -> LanguageModel:
    return LanguageModel(lively_decoder(toy_config(family, vocab=259, context=context)), BYTES)


@torch.inference_mode()
def slow_ids(decoder: Decoder, prompt: str, count: int) -> list[int]:
    """The likeliest ids without a cache; a full context goes on from its second half."""
    ids, found = [END, *BYTES.encode(prompt)], []
    while len(found) < count:
        if len(ids) > decoder.config.context:
            ids = ids[-(decoder.config.context // 2) :]
        chosen = int(decoder.logits(torch.tensor([ids]))[0, -1].argmax())
        if chosen == END:
            break
        found.append(chosen)
        ids = [*ids, chosen]
    return found


@pytest.mark.parametrize("family", ["qwen3", "mistral", "mamba2"])
@pytest.mark.parametrize("prompt", ["", "Бабай яңа тырма ясады да аны киртәгә сөяп куйды."])
def test_generating_with_a_cache_equals_reading_everything_anew(family: str, prompt: str) -> None:
    model = lively(family)
    continuation = model.stream(prompt, max_tokens=40, sampling=GREEDY, inside_word=True)
    pieces = list(continuation)
    assert continuation.ids == slow_ids(model.decoder, prompt, 40)
    written = b"".join(BYTES.bytes_of(index) for index in continuation.ids)
    assert "".join(pieces) == written.decode("utf-8", errors="ignore")


PROMPTS = ["Бабай яңа тырма", "", "អ្នករត់សំបុត្រ", "Les moineaux du grenier savaient l’heure"]


@pytest.mark.parametrize("family", ["qwen3", "mistral", "mamba2"])
def test_many_prompts_together_are_continued_as_each_alone(family: str) -> None:
    model = lively(family, context=64)
    samplings = [Sampling(temperature=1.2, seed=seed) for seed in range(len(PROMPTS))]
    found = model.generate_many(PROMPTS, max_tokens=20, samplings=samplings)
    for prompt, sampling, continuation in zip(PROMPTS, samplings, found, strict=True):
        alone = model.stream(prompt, max_tokens=20, sampling=sampling)
        assert "".join(continuation) == "".join(alone)
        assert continuation.ids == alone.ids
        assert continuation.finish_reason == alone.finish_reason


def test_many_prompts_need_no_samplings_and_a_model_says_what_it_is() -> None:
    model = lively()
    for prompt, each in zip(PROMPTS, model.generate_many(PROMPTS, max_tokens=9), strict=True):
        assert "".join(each) == model.generate(prompt, max_tokens=9)
    size = sum(each.numel() for each in model.decoder.parameters())
    assert (
        repr(model) == f"LanguageModel(qwen3, {size:,} parameters, vocabulary {BYTES.used_vocab})"
    )


def test_many_prompts_end_each_for_its_own_reason() -> None:
    model = lively(context=64)
    reasons: dict[str, set[int]] = {"end": set(), "length": set()}
    samplings = [Sampling(temperature=3.0, seed=seed) for seed in range(60)]
    for each in model.generate_many(["ел"] * 60, max_tokens=30, samplings=samplings):
        assert END not in each.ids
        assert (len(each.ids) == 30) or each.finish_reason == "end"
        reasons[each.finish_reason].add(len(each.ids))
    assert reasons["length"] == {30}
    assert len(reasons["end"]) > 1


def test_no_prompts_have_no_continuations() -> None:
    assert lively().generate_many([], samplings=[]) == []


def test_a_stream_is_the_text_in_pieces() -> None:
    model = lively()
    for seed in range(3):
        sampling = Sampling(temperature=1.5, seed=seed)
        continuation = model.stream("ел", max_tokens=60, sampling=sampling)
        pieces = list(continuation)
        text = model.generate("ел", max_tokens=60, sampling=sampling)
        assert "".join(pieces) == text
        assert BYTES.decode(continuation.ids).removeprefix(text) in ("", "\ufffd")
        assert all(pieces)


def test_settings_of_sampling_may_stand_alone() -> None:
    model = lively()
    cold = model.generate("Кояш", max_tokens=8, sampling=Sampling(temperature=0))
    assert model.generate("Кояш", max_tokens=8, temperature=0) == cold
    with pytest.raises(TypeError, match="temprature"):
        model.generate("Кояш", temprature=0)


def test_the_same_seed_draws_differently_for_each_prompt() -> None:
    states = [
        SamplerState(Sampling(seed=seed), BYTES.encode(prompt))
        for prompt, seed in (("Кояш", 0), ("Кояш", 0), ("Ай", 0), ("Кояш", 1))
    ]
    first = [state.random.random() for state in states]
    assert first[0] == first[1]
    assert len({*first}) == 3


def test_an_empty_text_has_no_bits() -> None:
    assert lively().score("") == 0.0
    assert lively().score("ел") > 0


def test_a_score_has_the_log_probability_of_the_whole_text_and_its_tokens() -> None:
    """A longer text has more bits and may yet have fewer of them per byte."""
    model = lively()
    short, long = (model.score(text) for text in ("Күрше", "Күрше малае килде дә китте"))
    for score, text in ((short, "Күрше"), (long, "Күрше малае килде дә китте")):
        n_bytes = len(text.encode("utf-8"))
        assert score.bytes == n_bytes
        assert score.tokens == len(model.tokenizer.encode(text))
        assert score.log_probability == pytest.approx(-float(score) * n_bytes * math.log(2))
        assert len(score.token_log_probabilities) == score.tokens
        assert sum(score.token_log_probabilities) == pytest.approx(score.log_probability)
        assert model.tokenizer.decode(score.ids) == text
    assert short.log_probability > long.log_probability
    assert model.score("").log_probability == 0


def save_model(folder: Path, decoder: Decoder, kind: str) -> Path:
    folder.mkdir()
    save_tensors(dict(decoder.state_dict()), folder / "weights.safetensors")
    (folder / "config.json").write_text(json.dumps(decoder.config.model_dump()), encoding="utf-8")
    (folder / "tokenizer.json").write_text(toy_tokenizer(kind).to_json(), encoding="utf-8")
    return folder


def test_a_saved_model_says_what_it_said(tmp_path: Path) -> None:
    model = lively("gpt2")
    again = LanguageModel.load(save_model(tmp_path / "model", model.decoder, "byte"))
    assert again.score("Күрше малае") == model.score("Күрше малае")
    assert again.generate("ел", max_tokens=9) == model.generate("ел", max_tokens=9)
    assert not again.decoder.training


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model", lively().decoder, "bpe")
    with pytest.raises(Damaged, match="a vocabulary of 400 beside a model of 259"):
        LanguageModel.load(folder)


def test_the_end_of_a_text_is_not_chosen_before_so_many_tokens() -> None:
    said = [*BYTES.encode("ab"), END, *BYTES.encode("c"), END]
    for min_tokens, length in ((0, 2), (2, 2), (3, 4)):
        made = reciting(said)[0].stream("", min_tokens=min_tokens, sampling=GREEDY)
        assert list(made)
        assert (len(made.ids), made.finish_reason) == (length, "end")
        assert END not in made.ids
    made = reciting(said)[0].stream("", min_tokens=9, max_tokens=3, sampling=GREEDY)
    assert "".join(made) == "ab"
    assert len(made.ids) == 3
    assert made.finish_reason == "length"


def test_special_tokens_beyond_the_model_hinder_nothing(tmp_path: Path) -> None:
    """As of models that were trained before their tokenizers got tokens for pictures."""
    folder = save_model(tmp_path / "model", lively().decoder, "byte")
    engine = read_engine(folder / "tokenizer.json")
    engine.add_special_tokens(["<picture>"])
    (folder / "tokenizer.json").write_text(engine.to_str(), encoding="utf-8")
    model = LanguageModel.load(folder)
    assert model.tokenizer.vocab == model.decoder.config.vocab + 1
    assert model.score("Күрше малае") == lively().score("Күрше малае")


@pytest.mark.parametrize(
    ("context", "tokens"), [(4_096, 200), (400, 200), (64, 32), (3, 1), (1, 1)]
)
def test_half_a_context_is_left_for_a_prompt(context: int, tokens: int) -> None:
    assert most_tokens(context) == tokens


def test_settings_count_before_those_of_a_given_sampling() -> None:
    model = lively()
    hot = Sampling(temperature=2.0, seed=4, top_p=1.0)
    greedy = model.generate("ел", max_tokens=9, temperature=0)
    assert model.generate("ел", max_tokens=9, sampling=hot, temperature=0) == greedy
    assert model.generate("ел", max_tokens=9, sampling=hot) != greedy
    again = model.generate("ел", max_tokens=9, sampling=hot, seed=5)
    assert again == model.generate("ел", max_tokens=9, temperature=2.0, seed=5, top_p=1.0)


OF_WORDS = regex.compile(r"[\p{Latin}\p{Cyrillic}\p{Hangul}\p{Devanagari}0-9\p{M}]")


@functools.cache
def untrained(kind: str) -> LanguageModel:
    """A model that draws any of its tokens."""
    tokenizer = toy_tokenizer(kind)
    config = toy_config("qwen3").model_copy(update={"vocab": tokenizer.vocab})
    return LanguageModel(lively_decoder(config), tokenizer)


def firsts(kind: str, prompt: str, **settings: bool) -> str:
    """With what 60 continuations of a prompt begin, drawn in a batch and one by one."""
    model, drawn = untrained(kind), [Sampling(temperature=3.0, seed=seed) for seed in range(60)]
    drawn = [replace(each, **settings) for each in drawn]
    batch = model.generate_many([prompt] * 40, max_tokens=6, samplings=drawn[:40])
    texts = ["".join(each) for each in batch]
    texts += [model.generate(prompt, max_tokens=6, sampling=each) for each in drawn[40:]]
    return "".join(text[:1] for text in texts)


@pytest.mark.parametrize("kind", ["byte", "char", "bpe", "unigram"])
def test_the_last_word_of_a_prompt_stays_as_it_is(kind: str) -> None:
    for prompt in ("Кояшлы көндә", "În 1920", "L’été", "한국어", "हिन्दी"):
        assert not OF_WORDS.findall(firsts(kind, prompt)), prompt
        assert OF_WORDS.search(firsts(kind, prompt, inside_word=True)), prompt
    for prompt in ("ទន្លេ", "ผมรัก", "日本", "L’", "Ул («"):
        begun = firsts(kind, prompt)
        assert regex.search(r"\p{L}", begun), prompt
        assert not regex.search(r"\p{M}", begun), prompt


@pytest.mark.parametrize("glued", ["می \u200cروم", "👩 \u200d🚀", "ক্ \u200dষ", "Donau \u00addampf"])
def test_no_unseen_sign_joins_a_continuation_to_the_last_word(glued: str) -> None:
    prompt, rest = glued.split(" ")
    begun = reciting([*BYTES.encode(rest), END])[0].generate(prompt, sampling=GREEDY)
    assert not begun.startswith(rest[0])
    model, _ = reciting([*BYTES.encode(rest), END])
    assert model.generate(prompt, sampling=GREEDY, inside_word=True) == rest


@pytest.mark.parametrize("kind", ["byte", "char", "bpe", "unigram"])
def test_a_blank_at_the_end_of_a_prompt_is_read_as_the_beginning_of_a_word(kind: str) -> None:
    model = untrained(kind)
    made = model.stream("Кояшлы көндә ", max_tokens=8, min_tokens=8)
    text = "".join(made)
    data = b"".join(map(model.tokenizer.bytes_of, made.ids))
    assert data.decode("utf-8", errors="ignore") == f" {text}"
    states = [Sampling(seed=seed, temperature=3.0) for seed in range(20)]
    for made in model.generate_many(["Таң "] * 20, max_tokens=8, samplings=states):
        assert not made.ids or model.tokenizer.bytes_of(made.ids[0]).startswith(b" ")
    assert model.generate("Таң\n", temperature=3.0, max_tokens=3)


def test_a_prompt_in_another_spelling_has_the_continuation_of_the_right_one() -> None:
    config = toy_config("qwen3", vocab=BYTES.vocab, context=128)
    plain = LanguageModel(lively_decoder(config), BYTES)
    wrong, right = "ភាសាខែ្មរ ", "ភាសាខ្មែរ "
    model = LanguageModel(plain.decoder, BYTES, lambda text: text.replace("ែ្ម", "្មែ"))
    wanted = plain.generate(right, max_tokens=8, sampling=GREEDY)
    assert model.generate(wrong, max_tokens=8, sampling=GREEDY) == wanted
    (made,) = model.generate_many([wrong], max_tokens=8, samplings=[GREEDY])
    assert "".join(made) == wanted
    assert model.score(wrong) == plain.score(wrong) != plain.score(right)
