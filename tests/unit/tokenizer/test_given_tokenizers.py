"""Tokenizers that others made: what each id stands for, and what ends a text."""

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from foreign_folders import SPECIALS, byte_level, gemma_like
from tokenizers import decoders, models, normalizers, pre_tokenizers
from toys import toy_texts

from endonym.errors import TokenizerError
from endonym.tokenizer.tokenizer import END_OF_TEXT, Tokenizer

KINDS = {"gemma": gemma_like, "bytes": byte_level}
HARD = [
    "",
    "  two  blanks, a tab\t, lines\n\n\n",
    "Ә мин 👩‍🌾 күрдем: ﷺ, e\u0301, \u200b.",
    "<0x41> <eos> <bos>",
]


@pytest.fixture(params=KINDS)
def given(request: pytest.FixtureRequest) -> Tokenizer:
    return Tokenizer(KINDS[request.param](), "<eos>", "<bos>")


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


def test_a_blank_put_before_the_text_is_refused() -> None:
    engine = gemma_like()
    engine.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), engine.normalizer])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    engine.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    with pytest.raises(TokenizerError, match="'алма' comes back as ' алма'"):
        Tokenizer(engine, "<eos>").check_lossless(["алма"])


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
    assert [len(ids) for ids in given.encode_many(["а", "алма"])] == [
        len(given.encode("а")),
        len(given.encode("алма")),
    ]


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


@pytest.mark.parametrize(
    ("files", "end", "start"),
    [
        ({"tokenizer_config.json": {"eos_token": "<bos>"}}, "<bos>", "<bos>"),
        (
            {"tokenizer_config.json": {"eos_token": {"content": "<eos>"}, "bos_token": "<bos>"}},
            "<eos>",
            "<bos>",
        ),
        ({"special_tokens_map.json": {"eos_token": "<eos>"}}, "<eos>", "<eos>"),
        ({"config.json": {"eos_token_id": [3, 1], "bos_token_id": 2}}, "<unk>", "<unk>"),
        ({"generation_config.json": {"eos_token_id": 1}}, "<eos>", "<eos>"),
        ({"tokenizer_config.json": {"eos_token": None, "bos_token": "<bos>"}}, "<bos>", "<bos>"),
    ],
)
def test_what_ends_a_text_is_read_from_beside_the_tokenizer(
    tmp_path: Path, files: dict[str, Any], end: str, start: str
) -> None:
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


def test_a_tokenizer_that_says_no_end_is_refused_with_advice(tmp_path: Path) -> None:
    gemma_like().save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(TokenizerError, match="nothing says which token ends a text") as caught:
        Tokenizer.load(tmp_path / "tokenizer.json")
    assert END_OF_TEXT in caught.value.do
