"""Law 14: text comes back from its ids as it was, and specials in plain text stay plain."""

from itertools import pairwise

import pytest
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from toys import KINDS, toy_texts, toy_tokenizer

from endonym.tokenizer.config import SPECIALS, TokenizerConfig
from endonym.tokenizer.train import train_tokenizer

PIECES = [
    *SPECIALS.values(),
    "<|endoftext",
    "<0x41>",
    "<unk>",
    "Ġ",
    "▁",
    "##",
    "\r\n",
    "\r",
    "\u2028",
    "\u0000",
    "\ufeff",
    "\ufffd",
    "\u200b",
    "e\u0301",
    "ស្រី",
    "👩🏽\u200d🚀",
    "𒀀",
    "бәрәңге",
    "  ",
    "’s",
    "'S",
]
TEXTS = st.one_of(
    st.text(),
    st.lists(st.sampled_from([*PIECES, *toy_texts()]), max_size=8).map("".join),
    st.tuples(st.sampled_from(toy_texts()), st.text(max_size=5), st.sampled_from(PIECES)).map(
        "".join
    ),
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
@example(text="")
def test_text_comes_back_as_it_was(kind: str, text: str) -> None:
    tokenizer = toy_tokenizer(kind)
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert b"".join(tokenizer.bytes_of(index) for index in ids) == text.encode("utf-8")
    (many,) = tokenizer.encode_many([text])
    assert many.tolist() == ids


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(text=TEXTS)
def test_whoever_else_reads_the_file_gets_the_text_back_too(kind: str, text: str) -> None:
    tokenizer = toy_tokenizer(kind)
    reader = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    assert reader.decode(tokenizer.encode(text), skip_special_tokens=False) == text


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(before=TEXTS, after=TEXTS)
def test_a_special_token_written_in_a_text_is_plain_text(
    kind: str, before: str, after: str
) -> None:
    tokenizer = toy_tokenizer(kind)
    for special in SPECIALS.values():
        ids = tokenizer.encode(before + special + after)
        assert not {*ids} & {*tokenizer.special_ids.values()}
        assert tokenizer.decode(ids) == before + special + after


@pytest.mark.parametrize("kind", KINDS)
def test_lines_joined_by_ids_have_the_ids_of_the_joined_text(kind: str) -> None:
    lines = toy_texts()
    # Line ends stand behind full stops in the training text, and are frequent enough to be merged.
    pages = ["\n".join(lines[start : start + 9]) for start in range(0, len(lines), 9)] * 4
    config = TokenizerConfig(kind=kind, vocab=None if kind in ("char", "byte") else 600)
    for reader in (train_tokenizer(config, lambda: iter(pages)), toy_tokenizer(kind)):
        line_end = reader.line_end_id
        assert line_end is not None
        assert reader.bytes_of(line_end) == b"\n"
        edges = ["Кояш чыкты. ", "\nAm fost la mare.", " Un soir\n", "ទឹក។\n", "\r\n", "… "]
        for first, second in pairwise([*lines, *edges]):
            joined = [*reader.encode(first), line_end, *reader.encode(second)]
            assert reader.encode(f"{first}\n{second}") == joined
