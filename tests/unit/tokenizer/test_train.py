"""Training a tokenizer: the same anywhere, letters with their marks, no surprise in size."""

import collections
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator

import pytest
import regex
from tokenizers import Regex, pre_tokenizers
from toys import KINDS, toy_texts, toy_tokenizer

from endonym.errors import TokenizerError
from endonym.tokenizer import keyboard, unigram
from endonym.tokenizer.config import SPECIALS, TokenizerConfig
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import STRANGE, by_shares, evenly, fit, train_tokenizer
from endonym.tokenizer.unigram import BYTE_TOKENS, SPELLING
from endonym.tokenizer.words import SPLIT, TRAINING_SPLIT

KHMER = "ស្រីតូចបោះគ្រាប់ពូជលើដីសើមក្បែររបង"


def train(texts: list[str], **keys: object) -> Tokenizer:
    def fresh() -> Iterator[str]:
        return iter(texts)

    return train_tokenizer(TokenizerConfig.model_validate(keys), fresh)


def pieces(pattern: str, text: str) -> list[str]:
    splitter = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    return [piece for piece, _ in splitter.pre_tokenize_str(text)]


PROGRAM = """
import sys
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer
texts = sys.stdin.buffer.read().decode("utf-8").split("\\n")
for kind, vocab in (("bpe", 500), ("char", None)):
    config = TokenizerConfig(kind=kind, vocab=vocab)
    sys.stdout.buffer.write(train_tokenizer(config, lambda: iter(texts)).to_json().encode("utf-8"))
"""


def test_the_same_texts_give_the_same_bytes_in_every_process() -> None:
    data = "\n".join(toy_texts()).encode("utf-8")
    found = set()
    for seed in ("0", "1", "31337"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": seed[-1]}
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(command, input=data, env=environment, capture_output=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1
    assert b'"<|endoftext|>"' in found.pop()


def test_the_split_keeps_vowel_signs_with_their_letters() -> None:
    assert pieces(SPLIT, KHMER) == [KHMER]
    assert pieces(SPLIT, "Күрше, 12 ел.") == ["Күрше", ",", " ", "1", "2", " ел", "."]
    assert pieces(SPLIT, "e\u0301te\u0301") == ["e\u0301te\u0301"]
    assert pieces(SPLIT, "un\n\nsoir") == ["un", "\n\n", "soir"]


def test_khmer_merges_cross_from_a_letter_to_its_sign() -> None:
    tokenizer = train([KHMER, "ស្រី"] * 5, kind="bpe", vocab=320)
    tokens = [tokenizer.token(index) for index in tokenizer.encode(KHMER)]
    assert "".join(tokens) == KHMER
    assert len(tokens) < 8
    assert "ស្រី" in tokens[0]


def test_no_merge_crosses_the_edge_of_a_word() -> None:
    tokenizer = train(["ел буе, ел буе, ел буе"] * 9, kind="bpe", vocab=400, min_count=1)
    tokens = [tokenizer.bytes_of(index) for index in range(1, tokenizer.vocab)]
    assert " буе".encode() in tokens
    whole = [token.decode("utf-8", errors="ignore") for token in tokens if len(token) > 1]
    assert len(whole) >= 9
    assert not [token for token in whole if regex.search(r"\w\W", token)]


def test_a_hundred_kilobytes_without_a_blank_take_no_time() -> None:
    text = (KHMER * (100_000 // len(KHMER.encode("utf-8")) + 1))[:34_000]
    assert len(text.encode("utf-8")) > 100_000
    started = time.perf_counter()
    tokenizer = train([text], kind="bpe", vocab=600)
    ids = tokenizer.encode(text)
    assert time.perf_counter() - started < 5
    assert len(ids) < 34_000 / 4
    assert tokenizer.decode(ids) == text


def test_the_training_split_is_the_split_with_shorter_pieces() -> None:
    for text in toy_texts():
        for piece in pieces(SPLIT, text):
            parts = pieces(TRAINING_SPLIT, piece)
            assert "".join(parts) == piece
            assert max(len(part) for part in parts) <= 25
            assert len(parts) == 1 or len(piece) > 24


@pytest.mark.parametrize("kind", ["bpe", "char", "byte", "unigram", "keyboard"])
@pytest.mark.parametrize("texts", [["ә"], ["а", "б"], ["\n"], [""]])
def test_a_tiny_corpus_gives_a_tokenizer_that_still_reads_everything(kind: str, texts: list[str]):
    tokenizer = train(texts, kind=kind)
    for text in ("Ә", KHMER, "👩🏽\u200d🚀", "", "\x00 \r\n"):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    least = 259 + {"unigram": len(SPELLING) + 1, "keyboard": 30 + len(keyboard.SPELLING) + 1}.get(
        kind, 0
    )
    assert least <= tokenizer.vocab <= least + 2


@pytest.mark.parametrize("kind", ["bpe", "char", "unigram"])
def test_half_a_character_in_the_corpus_is_refused_with_its_place(kind: str) -> None:
    with pytest.raises(TokenizerError, match=r"U\+D83D is half a character"):
        train(["алма", "су \ud83d"], kind=kind)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_vocabulary_that_one_letter_cannot_fill_stays_small(kind: str) -> None:
    tokenizer = train(["а" * 5_000], kind=kind, vocab=5_000)
    assert tokenizer.vocab < 330
    assert tokenizer.decode(tokenizer.encode("ааа")) == "ааа"


def test_a_vocabulary_that_the_corpus_cannot_fill_stays_smaller() -> None:
    tokenizer = train(["аба аба аба"], kind="bpe", vocab=5000, min_count=2)
    # а, б and " а" take a merge each; then аб, аба and " аба".
    assert 259 < tokenizer.vocab < 270
    assert train(["абв"], kind="char", vocab=5000, min_count=1).vocab == 259 + 3


def test_a_vocabulary_is_never_larger_than_asked_for() -> None:
    for vocab in (259, 260, 300, 431):
        assert train(toy_texts(), kind="bpe", vocab=vocab).vocab == vocab
    assert train(toy_texts(), kind="char", vocab=270).vocab == 270


def test_merges_are_of_what_stands_often_enough() -> None:
    texts = ["алма", "алма", "кош"]
    assert "кош" in shown(train(texts, kind="bpe", vocab=400, min_count=1))
    twice = shown(train(texts, kind="bpe", vocab=400, min_count=2))
    assert "алма" in twice
    assert "кош" not in twice


def shown(tokenizer: Tokenizer) -> list[str]:
    return [tokenizer.token(index) for index in range(tokenizer.vocab)]


def test_characters_stand_by_frequency_and_then_by_code() -> None:
    tokenizer = train(["ббаавввг", "ги"], kind="char", min_count=2)
    assert shown(tokenizer)[259:] == ["в", "а", "б", "г"]
    assert shown(train(["ббаавввг"], kind="char", vocab=260))[259:] == ["в"]
    ids = tokenizer.encode("иа")
    assert [tokenizer.token(index) for index in ids] == ["<D0>", "<B8>", "а"]


def test_bytes_are_ids_in_their_order_whatever_the_corpus() -> None:
    tokenizer = train(["ә"], kind="byte")
    assert tokenizer.vocab == 259
    assert [tokenizer.bytes_of(index) for index in range(3, 259)] == [
        bytes([n]) for n in range(256)
    ]
    assert tokenizer.encode("ә") == [3 + byte for byte in "ә".encode()]
    assert train(["ә"], kind="byte", vocab=259).vocab == 259
    with pytest.raises(TokenizerError, match="259 ids, not 300"):
        train(["ә"], kind="byte", vocab=300)


def test_a_sample_is_spread_evenly_over_the_corpus() -> None:
    texts = [letter * 9 for letter in "абвгдежзик"]
    # 18 bytes each: of 180 bytes every fourth document fits into fifty, the last one in part.
    found = train(texts, kind="char", min_count=1, sample_bytes=50)
    assert sorted(shown(found)[259:]) == ["а", "д", "и"]
    halved = train(texts, kind="char", min_count=8, sample_bytes=50)
    assert sorted(shown(halved)[259:]) == ["а", "д"]


def test_no_more_than_the_sample_is_read_even_of_one_long_document() -> None:
    found = train(["ва" * 50, "ж"], kind="char", min_count=10, sample_bytes=41)
    assert sorted(shown(found)[259:]) == ["а", "в"]
    assert train(["ва" * 50, "ж"], kind="char", min_count=11, sample_bytes=41).vocab == 259


def test_a_tokenizer_that_loses_text_is_never_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(self: Tokenizer, ids: object) -> str:
        return ""

    monkeypatch.setattr(Tokenizer, "decode", lose)
    with pytest.raises(TokenizerError, match="'алма' comes back as ''"):
        train(["алма"], kind="bpe")


def test_the_fit_counts_bytes_tokens_and_words_by_source() -> None:
    tokenizer = toy_tokenizer("byte")
    report = fit(tokenizer, [("tt", "ел буе"), ("fr", "l’été"), ("tt", "ел")])
    tatar, french = report["sources"]["tt"], report["sources"]["fr"]
    assert (tatar["documents"], tatar["bytes"], tatar["chars"], tatar["words"]) == (2, 15, 8, 3)
    assert (french["documents"], french["bytes"], french["words"]) == (1, 9, 2)
    assert report["total"]["tokens"] == 24
    assert report["total"]["bytes_per_token"] == 1.0
    assert tatar["tokens_per_word"] == 5.0
    assert list(report["sources"]) == ["fr", "tt"]


KHMER_LINES = [
    "អ្នករត់សំបុត្រដោះបន្ទុកពីខ្នង",
    "តើរោគសញ្ញាទាំងនេះបាននឹងកំពុងកើតឡើងយូរប៉ុន្មានហើយ?",
    "ហើយរាល់ការឈឺទ្រូងទាំងអស់គឺគួរតែព្យាបាលតាមវិធីនេះ ជាពិសេសព្យាបាលទៅតាមអាយុរបស់អ្នក",
    "ហើយក៏ត្រូវពិនិត្យសម្ពាធឈាមកូលេស្តេរ៉ុលរបស់អ្នកផងដែរ",
]


@pytest.mark.parametrize("vocab", [260, 300, 360, 700])
def test_no_merge_begins_inside_a_character(vocab: int) -> None:
    texts = [*KHMER_LINES * 3, *toy_texts(), "汉字𒀀汉字"]
    tokenizer = train(texts, kind="bpe", vocab=vocab)
    merged = [each for n in range(vocab) if len(each := tokenizer.bytes_of(n)) > 1]
    assert len(merged) == vocab - 259
    # Either whole characters or the first bytes of one.
    for piece in merged:
        whole = piece.decode("utf-8", errors="ignore")
        assert whole.encode("utf-8") == piece or (not whole and len(piece) < 4)
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_letters_of_a_script_are_whole_in_a_small_vocabulary() -> None:
    tokenizer = train(KHMER_LINES * 20, kind="bpe", vocab=340)
    for line in KHMER_LINES:
        pieces = tokenizer.pieces(tokenizer.encode(line))
        assert "".join(text for text, _ in pieces) == line
        assert all(count == 1 for _, count in pieces)


def test_time_is_linear_in_the_number_of_characters() -> None:
    """As in Chinese; each new one was once counted against all before it."""

    def seconds(count: int) -> float:
        text = "".join(map(chr, range(0x3400, 0x3400 + count)))
        started = time.process_time()
        tokenizer = train([KHMER, text, text], kind="bpe", vocab=count + 1_500)
        spent = time.process_time() - started
        assert len(tokenizer.encode(text)) <= count
        return spent

    few, many = (min(seconds(count) for _ in range(2)) for count in (3_000, 24_000))
    assert many / few < 12, "for eight times the characters"


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are encoded and decoded again as a check, in order."""
    found: list[str] = []
    real = Tokenizer.check_lossless

    def noted(self: Tokenizer, texts: Iterable[str]) -> None:
        found.extend(given := [*texts])
        real(self, given)

    monkeypatch.setattr(Tokenizer, "check_lossless", noted)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_strange_strings_are_tried_in_training(kind: str, tried: list[str]) -> None:
    train(KHMER_LINES, kind=kind)
    assert {*SPECIALS.values(), *BYTE_TOKENS, *STRANGE, *KHMER_LINES} == {*tried}


def test_the_first_texts_and_every_hundredth_after_them_are_tried(tried: list[str]) -> None:
    texts = [f"{number} {KHMER}" for number in range(450)]
    texts[300] *= 1_000
    train(texts, kind="byte")
    wanted = [*texts[:200], *texts[200::100]]
    assert tried[: len(wanted)] == [text[:20_000] for text in wanted]
    assert not {*texts} & {*tried[len(wanted) :]}


def test_a_tokenizer_that_takes_a_name_for_the_token_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unigram, "NEVER", -100_000_000.0)
    with pytest.raises(TokenizerError, match="im_start"):
        train(KHMER_LINES, kind="unigram", vocab=340)


SHORT, LONG = "ស្រីតូច", "Кояш чыкты, кош оча"


def documents() -> Iterator[tuple[str, str]]:
    for _ in range(300):
        yield "khmer", SHORT
        yield "tatar", LONG
        yield "tatar", LONG
        yield "french", "un soir"


def taken(shares: dict[str, float], limit: int = 10**9) -> dict[str, int]:
    sizes = collections.Counter[str]()
    for text in by_shares(documents, shares, limit)():
        sizes[text[:1]] += len(text.encode())
    return {name: sizes[each[:1]] for name, each in (("khmer", SHORT), ("tatar", LONG))}


def test_sources_have_the_shares_that_were_asked_for() -> None:
    sizes = {"khmer": 300 * len(SHORT.encode()), "tatar": 600 * len(LONG.encode())}
    found = taken({"khmer": 0.6, "tatar": 0.4})
    # All of the Khmer text is used, and as much Tatar as belongs to it.
    assert found["khmer"] == pytest.approx(sizes["khmer"], abs=30)
    assert found["tatar"] == pytest.approx(sizes["khmer"] * 0.4 / 0.6, abs=40)
    # The larger source is the scarce one where its share is larger still.
    uneven = taken({"khmer": 0.05, "tatar": 0.95})
    assert uneven["tatar"] == pytest.approx(sizes["tatar"], abs=40)
    assert uneven["khmer"] == pytest.approx(sizes["tatar"] * 0.05 / 0.95, abs=30)
    # All that are not named are one part, and a source without text has none.
    rest = taken({"khmer": 0.05, "*": 0.9, "bashkir": 0.05})
    assert rest["tatar"] == pytest.approx(sizes["tatar"], abs=40)
    assert rest["khmer"] == pytest.approx((sizes["tatar"] + 2_100) * 0.05 / 0.9, abs=30)
    small = taken({"khmer": 0.5, "tatar": 0.5}, limit=4_000)
    assert small == pytest.approx({"khmer": 2_000, "tatar": 2_000}, abs=3)


def test_a_share_that_cannot_be_filled_is_named() -> None:
    with pytest.raises(TokenizerError, match="bashkir has 0 bytes") as caught:
        by_shares(documents, {"bashkir": 1.0}, 10**9)
    assert caught.value.where == "tokenizer.sources.bashkir"
    with pytest.raises(TokenizerError, match="french has 2,100 bytes of training text"):
        by_shares(documents, {"tatar": 0.1, "french": 0.9}, 10**9)


def test_every_k_th_document_is_taken() -> None:
    texts = [f"{n:04d}" for n in range(100)]
    assert list(evenly(lambda: iter(texts), 80)()) == texts[::5]
    assert list(evenly(lambda: iter(texts), 150)()) == texts[::3]
    assert list(evenly(lambda: iter(texts), 10**6)()) == texts
