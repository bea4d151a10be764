"""Text to ids and back, by a file that anybody can read, whoever made it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from foreign_folders import (
    SPECIALS,
    byte_level,
    gemma_like,
    llama_like,
    quiet_transformers,
    write_tokenizer,
)
from tokenizers import decoders, models, pre_tokenizers
from tokenizers.pre_tokenizers import ByteLevel
from toys import CHAT_KINDS, KINDS, toy_texts, toy_tokenizer

from endonym.errors import TokenizerError
from endonym.tokenizer.bpe import byte_alphabet
from endonym.tokenizer.config import END_OF_TEXT
from endonym.tokenizer.kinds import GGUF_SCALE, gguf_scores, kind_of, merges_of
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import STRANGE

KHMER = "ស្រីតូចបោះគ្រាប់ពូជលើដីសើម"


def test_the_byte_alphabet_is_the_one_the_format_uses() -> None:
    alphabet = byte_alphabet()
    assert sorted(alphabet.values()) == list(range(256))
    assert set(alphabet) == set(ByteLevel.alphabet())
    splitter = ByteLevel(add_prefix_space=False, use_regex=False)
    for text in [*map(chr, range(128)), "é", KHMER, "🚀"]:
        ((letters, _),) = splitter.pre_tokenize_str(text)
        assert bytes(alphabet[letter] for letter in letters) == text.encode("utf-8")


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_special_tokens_have_fixed_names_and_ids_and_stand_for_no_bytes(kind: str) -> None:
    tokenizer = toy_tokenizer(kind)
    assert tokenizer.special_ids == {"end_of_text": 0, "turn_start": 1, "turn_end": 2}
    names = [tokenizer.token(index) for index in range(3)]
    assert names == [END_OF_TEXT, "<|im_start|>", "<|im_end|>"]
    assert tokenizer.byte_counts[:3].tolist() == [0, 0, 0]
    assert (tokenizer.end_id, tokenizer.bytes_of(0)) == (0, b"")
    assert tokenizer.decode([0, *tokenizer.encode("су"), 0]) == "су"


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_character_is_refused_with_its_place(kind: str) -> None:
    tokenizer = toy_tokenizer(kind)
    for read in (tokenizer.encode, lambda text: tokenizer.encode_many(["су", text])):
        with pytest.raises(TokenizerError, match=r"U\+D83D is half a character") as caught:
            read("су \ud83d")
        assert caught.value.where.startswith("character 3 of")


@pytest.mark.parametrize("kind", KINDS)
def test_a_written_tokenizer_is_read_back_the_same(kind: str, tmp_path: Path) -> None:
    tokenizer, path = toy_tokenizer(kind), tmp_path / "tokenizer.json"
    path.write_text(tokenizer.to_json(), encoding="utf-8")
    if kind == "keyboard":  # another name ends a text
        ends = '{"bos_token": "<s>", "eos_token": "<s>"}'
        path.with_name("tokenizer_config.json").write_text(ends, encoding="utf-8")
    again = Tokenizer.load(path)
    assert again.to_json() == tokenizer.to_json()
    many = again.encode_many(toy_texts())
    assert [ids.tolist() for ids in many] == [tokenizer.encode(text) for text in toy_texts()]
    assert again.byte_counts.tolist() == tokenizer.byte_counts.tolist()


def test_a_letter_cut_in_two_shows_as_a_replacement_and_hurts_nothing_else() -> None:
    tokenizer = toy_tokenizer("byte")
    ids = tokenizer.encode("су ស")
    assert tokenizer.decode(ids[:-1]) == "су \ufffd"
    assert tokenizer.token(ids[0]) == "<D1>"
    assert tokenizer.token(ids[4]) == " "


@pytest.mark.parametrize("content", ["{", "[]", '{"version": "1.0"}', ""])
def test_a_file_that_is_no_tokenizer_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TokenizerError) as caught:
        Tokenizer.load(path)
    assert caught.value.where == str(path)
    path.unlink()
    with pytest.raises(TokenizerError, match=r"there is no tokenizer\.json") as caught:
        Tokenizer.load(path)
    assert caught.value.where == str(tmp_path)
    assert "whole copy" in caught.value.do


def test_a_tokenizer_without_end_of_text_is_refused() -> None:
    engine = tokenizers.Tokenizer(tokenizers.models.BPE(vocab={"a": 0}, merges=[]))
    with pytest.raises(TokenizerError, match="has no <"):
        Tokenizer(engine)


def broken(change: dict[str, object]) -> Tokenizer:
    description = json.loads(toy_tokenizer("bpe").to_json()) | change
    return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(description)))


def test_a_tokenizer_that_loses_letters_is_refused_with_the_position() -> None:
    lossy = broken({"normalizer": {"type": "Lowercase"}})
    lossy.check_lossless(["алма пешә"])
    with pytest.raises(TokenizerError, match="'Җир' comes back as 'җир'") as caught:
        lossy.check_lossless(["алма пешә", "алма Җир"])
    assert caught.value.where == "character 5 of 'алма Җир'"


STRIP = {"type": "Strip", "strip_left": False, "strip_right": True}


CHANGED = [
    ({"decoder": {"type": "Fuse"}}, "алма", "comes back as"),
    ({"normalizer": STRIP}, "алма  ", "'  ' comes back as ''"),
]


@pytest.mark.parametrize(("change", "text", "said"), CHANGED)
def test_a_change_at_the_end_is_found_too(change: dict[str, object], text: str, said: str):
    with pytest.raises(TokenizerError, match=said):
        broken(change).check_lossless([text])


GIVEN = {"gemma": gemma_like, "bytes": byte_level}
HARD = ["", "  two  blanks, a tab\t, lines\n\n\n", "<0x41> <eos> <bos>"]
HARD += ["Ә мин 👩‍🌾 күрдем: ﷺ, e\u0301, \u200b."]


@pytest.fixture(params=GIVEN)
def given(request: pytest.FixtureRequest) -> Tokenizer:
    return Tokenizer(GIVEN[request.param](), "<eos>", "<bos>")


def test_bytes_and_letters_of_the_ids_are_those_of_the_text(given: Tokenizer) -> None:
    texts = [*toy_texts(), *HARD]
    given.check_lossless(texts)
    for text in texts:
        ids = given.encode(text)
        assert given.byte_counts[ids].sum() == len(text.encode("utf-8"))
        assert given.char_counts[ids].sum() == len(text)


def test_specials_stand_for_nothing(given: Tokenizer) -> None:
    assert [given.byte_counts[index] for index in range(len(SPECIALS))] == [0] * len(SPECIALS)
    assert (given.end_id, given.start_id) == (1, 2)
    assert given.decode([given.end_id, *given.encode("алма"), given.start_id]) == "алма"


@pytest.mark.parametrize("is_new", [False, True])
def test_pieces_of_a_text_are_read_without_the_space_that_is_put_before_a_text(
    tmp_path: Path, is_new: bool
) -> None:
    engine = llama_like(is_new=is_new)
    Tokenizer(engine, "<eos>").check_lossless(["алма"])
    write_tokenizer(engine, tmp_path)
    given = Tokenizer.load(tmp_path / "tokenizer.json")
    library = quiet_transformers().LlamaTokenizer.from_pretrained(tmp_path, add_prefix_space=False)
    texts = ["алма", " алма  бакчасы", "", *STRANGE]
    assert given.restores("алма")
    for text, ids in zip(texts, given.encode_documents(texts), strict=True):
        assert given.decode_document(ids) == text.replace("▁", " ")
        assert given.document_sizes(ids)[1] == len(text)
    for text in texts:
        ids = library(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        assert given.encode(text) == ids
    assert given.line_end_id is not None


def test_blanks_marked_by_metaspace_are_counted() -> None:
    engine = gemma_like()
    engine.normalizer = None
    engine.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    metaspace = decoders.Metaspace(prepend_scheme="never")
    engine.decoder = decoders.Sequence([decoders.ByteFallback(), metaspace])
    given = Tokenizer(engine, "<eos>")
    ids = given.encode("алма бакчасы")
    assert given.byte_counts[ids].sum() == len("алма бакчасы".encode())
    assert given.decode(ids) == "алма бакчасы"


def test_a_decoder_that_joins_words_is_refused_by_name() -> None:
    engine = gemma_like()
    engine.decoder = decoders.WordPiece()
    with pytest.raises(TokenizerError, match="decodes by WordPiece") as caught:
        Tokenizer(engine, "<eos>")
    assert "ByteLevel" in caught.value.do


def test_a_file_that_cuts_or_pads_does_neither_here() -> None:
    engine = byte_level()
    engine.enable_truncation(3)
    engine.enable_padding(length=9)
    given = Tokenizer(engine, "<eos>")
    assert given.decode(given.encode("Бакчада алмалар пешкән")) == "Бакчада алмалар пешкән"
    ids = given.encode_many(["а", "алма"])
    assert [each.tolist() for each in ids] == [given.encode("а"), given.encode("алма")]


def test_ids_without_a_token_stand_for_nothing() -> None:
    vocab = {"<eos>": 0, **{f"<0x{byte:02X}>": 3 + byte for byte in range(256)}, "ә": 300}
    engine = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=[], byte_fallback=True))
    engine.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    given = Tokenizer(engine, "<eos>")
    assert (given.vocab, given.used_vocab) == (301, 301)
    assert given.decode([1, 2, 299, 300]) == "ә"
    assert given.bytes_of(5000) == b""
    assert given.decode(given.encode("ә")) == "ә"


def test_special_ids_beyond_the_model_are_not_counted_as_used() -> None:
    engine = gemma_like()
    engine.add_special_tokens(["<picture>"])
    given = Tokenizer(engine, "<eos>")
    assert (given.vocab, given.used_vocab) == (601, 600)
    engine.add_tokens(["<|im_end|>"])
    assert Tokenizer(engine, "<eos>").special_ids == {}, "it is text there"


EOS = {"content": "<eos>"}


ENDINGS = [
    ({"tokenizer_config.json": {"eos_token": "<bos>"}}, "<bos>", "<bos>"),
    ({"tokenizer_config.json": {"eos_token": EOS, "bos_token": "<bos>"}}, "<eos>", "<bos>"),
    ({"special_tokens_map.json": {"eos_token": "<eos>"}}, "<eos>", "<eos>"),
    ({"config.json": {"eos_token_id": [3, 1], "bos_token_id": 2}}, "<unk>", "<unk>"),
    ({"generation_config.json": {"eos_token_id": 1}}, "<eos>", "<eos>"),
    ({"tokenizer_config.json": {"eos_token": None, "bos_token": "<bos>"}}, "<bos>", "<bos>"),
]


@pytest.mark.parametrize(("files", "end", "start"), ENDINGS)
def test_the_end_of_a_text_is_read(tmp_path: Path, files: dict[str, Any], end: str, start: str):
    gemma_like().save(str(tmp_path / "tokenizer.json"))
    for name, data in files.items():
        (tmp_path / name).write_text(json.dumps(data), encoding="utf-8")
    given = Tokenizer.load(tmp_path / "tokenizer.json")
    assert (given.end, given.start) == (end, start)
    (tmp_path / "again").mkdir()
    given.save(tmp_path / "again")
    again = Tokenizer.load(tmp_path / "again" / "tokenizer.json")
    assert (again.end, again.start) == (end, start)
    assert again.to_json() == given.to_json()


def test_our_own_end_of_text_comes_before_the_number_of_a_models_config(tmp_path: Path) -> None:
    engine = gemma_like()
    engine.add_special_tokens([END_OF_TEXT])
    engine.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text('{"eos_token_id": 1}', encoding="utf-8")
    assert Tokenizer.load(tmp_path / "tokenizer.json").end == END_OF_TEXT
    Tokenizer(engine, END_OF_TEXT, "<bos>").save(tmp_path)
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    assert (again.end, again.start) == (END_OF_TEXT, "<bos>")


def test_a_text_is_opened_by_bos_only_with_a_chat_template() -> None:
    given = Tokenizer(gemma_like(), "<eos>", "<bos>")
    assert given.before == (given.end_id,) == (1,)
    given.chat_template = "{{ messages }}"
    assert given.before == (given.start_id,) == (2,)


def test_a_tokenizer_that_says_no_end_is_refused_with_advice(tmp_path: Path) -> None:
    gemma_like().save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(TokenizerError, match="nothing says which token ends a text") as caught:
        Tokenizer.load(tmp_path / "tokenizer.json")
    assert END_OF_TEXT in caught.value.do


def test_tokens_of_one_letter_are_shown_as_that_letter() -> None:
    reader = toy_tokenizer("byte")
    ids = reader.encode("ស្រី, ә")
    assert reader.pieces(ids) == [*((sign, 3) for sign in "ស្រី"), (",", 1), (" ", 1), ("ә", 2)]
    assert reader.pieces([*ids[:2], *reader.encode("a")]) == [("<E1>", 1), ("<9E>", 1), ("a", 1)]
    assert reader.pieces([*ids[:1], reader.end_id]) == [("<E1>", 1), ("<|endoftext|>", 1)]


TEMPLATED = {"tokenizer_config.json": {"eos_token": "<eos>", "chat_template": "{{ messages }}"}}


STOPS = [
    ([1, 2], ["<eos>", "<bos>"]),
    ([2, 1, 3], ["<eos>", "<bos>", "<unk>"]),
    ([2, 2, 9_999, -1, "2", None], ["<eos>", "<bos>"]),
    (1, ["<eos>"]),
]


@pytest.mark.parametrize(("ends", "wanted"), STOPS)
def test_a_foreign_folder_ends_as_it_generates(ends: Any, wanted: list[str], tmp_path: Path):
    gemma_like().save(str(tmp_path / "tokenizer.json"))
    for name, data in {**TEMPLATED, "generation_config.json": {"eos_token_id": ends}}.items():
        (tmp_path / name).write_text(json.dumps(data), encoding="utf-8")
    given = Tokenizer.load(tmp_path / "tokenizer.json")
    assert [given.name_of(each) for each in given.stop_ids] == wanted
    assert set(given.turn_ends) == set(wanted[1:])
    given.chat_template = None
    assert given.stop_ids == (given.end_id,)


def test_the_ends_of_an_answer_are_kept_when_a_foreign_tokenizer_is_saved(tmp_path: Path) -> None:
    given = Tokenizer(gemma_like(), "<eos>")
    given.chat_template, given.turn_ends = "{{ messages }}", ("<bos>", "<is nowhere>")
    given.save(tmp_path)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [1, 3]}', encoding="utf-8")
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    assert again.turn_ends == given.turn_ends
    assert [again.name_of(each) for each in again.stop_ids] == ["<eos>", "<bos>"]


def test_a_template_beside_our_own_special_tokens_ends_turns_as_chatml_does(tmp_path: Path) -> None:
    given = toy_tokenizer("bpe")
    given.save(tmp_path)
    assert Tokenizer.load(tmp_path / "tokenizer.json").stop_ids == (given.end_id,)
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    assert again.stop_ids == (given.end_id, given.special_ids["turn_end"])


def test_a_template_from_another_folder_leaves_the_tokenizer_itself_as_it_is(tmp_path: Path):
    given = toy_tokenizer("bpe")
    assert given.with_chat_of(tmp_path) is given
    settings = {"chat_template": "{{ messages }}", "turn_ends": ["<|endoftext|>", "<|im_start|>"]}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    found = given.with_chat_of(tmp_path)
    assert found.chat_template == "{{ messages }}"
    assert found.stop_ids == (given.end_id, given.special_ids["turn_start"])
    assert (given.chat_template, given.turn_ends) == (None, ())
    assert found.encode("Сәлам, ça va ?") == given.encode("Сәлам, ça va ?")
    (tmp_path / "tokenizer_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(TokenizerError) as told:
        given.with_chat_of(tmp_path)
    assert told.value.where == str(tmp_path)


def test_a_text_that_only_the_library_changes_is_not_restored() -> None:
    """Other programs decode by it: here a blank at the beginning is lost."""
    engine = gemma_like()
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    engine.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    given = Tokenizer(engine, "<eos>")
    assert given.decode(given.encode(" алма")) == " алма"
    assert (given.restores("алма"), given.restores(" алма")) == (True, False)
    given.check_lossless(["алма"])
    with pytest.raises(TokenizerError, match="' алма' comes back as 'алма'"):
        given.check_lossless([" алма"])


class Failing:
    """A library's tokenizer that fails."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def encode_batch_fast(self, texts: list[str], *, add_special_tokens: bool) -> list[Any]:
        raise self.error


class PanicException(BaseException):
    """What a failure within the library's Rust code is."""


FAILURES = [
    (Exception("no token"), TokenizerError, "this one cannot read all texts"),
    (PanicException("slow"), TokenizerError, "too slow for such a text"),
    (KeyboardInterrupt(), KeyboardInterrupt, ""),
    (MemoryError(), MemoryError, ""),
]


@pytest.mark.parametrize(("error", "wanted", "advice"), FAILURES)
def test_only_failures_of_the_library_at_a_text_are_errors_of_the_tokenizer(
    error: BaseException, wanted: type[BaseException], advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = toy_tokenizer(KINDS[0])
    monkeypatch.setattr(tokenizer, "_engine", Failing(error))
    with pytest.raises(wanted) as caught:
        tokenizer.encode("су")
    assert advice in getattr(caught.value, "do", "")


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_seen_in_the_file(kind: str, tmp_path: Path) -> None:
    toy_tokenizer(kind).save(tmp_path)
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    assert kind_of(again) == kind


def test_tokenizers_of_others_have_no_kind() -> None:
    for engine in (gemma_like(), byte_level()):
        assert kind_of(Tokenizer(engine, "<eos>")) is None
    described = json.loads(toy_tokenizer("unigram").to_json())
    described["normalizer"] = {"type": "NFC"}
    other = tokenizers.Tokenizer.from_str(json.dumps(described))
    assert kind_of(Tokenizer(other)) is None


def test_characters_of_an_older_version_are_read_and_have_no_kind() -> None:
    vocab = {END_OF_TEXT: 0, **{f"<0x{byte:02X}>": byte + 1 for byte in range(256)}, "а": 257}
    engine = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=[], byte_fallback=True))
    steps = [tokenizers.decoders.ByteFallback(), tokenizers.decoders.Fuse()]
    engine.decoder = tokenizers.decoders.Sequence(steps)
    engine.add_special_tokens([END_OF_TEXT])
    old = Tokenizer(engine)
    assert old.encode("аә") == [257, 1 + 0xD3, 1 + 0x99]
    assert kind_of(old) is None


def test_merges_make_the_tokens() -> None:
    made = toy_tokenizer("bpe")
    assert all(made.id_of(left + right) is not None for left, right in merges_of(made))
    assert merges_of(toy_tokenizer("byte")) == []


def test_scores_are_the_same_whole_numbers_in_32_bits() -> None:
    made = toy_tokenizer("unigram")
    exact = [score for _, score in json.loads(made.to_json())["model"]["vocab"]][259:]
    single = np.array(gguf_scores(made)[259:], dtype=np.float32).astype(np.float64)
    assert np.round(single * GGUF_SCALE).tolist() == exact


def test_a_character_is_one_token_and_few_ids_are_parts_of_one() -> None:
    made = toy_tokenizer("char")
    for text in toy_texts():
        assert len(made.encode(text)) <= len(text) * 1.05
    texts = [made.bytes_of(n).decode("utf-8", "replace") for n in range(259, made.vocab)]
    assert 0 < sum("\ufffd" in each for each in texts) < 10
