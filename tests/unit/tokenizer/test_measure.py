"""What a tokenizer does with texts is counted the same way for anybody's tokenizer."""

import json

import pytest
import tokenizers
from pydantic import ValidationError
from toys import KINDS, toy_texts, toy_tokenizer

from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.measure import cut_letters, measure_tokenizer

KHMER = "ស្រីតូច"


def engine(kind: str, **changes: object) -> tokenizers.Tokenizer:
    described = json.loads(toy_tokenizer(kind).to_json()) | changes
    made = tokenizers.Tokenizer.from_str(json.dumps(described))
    made.encode_special_tokens = True
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_counts_are_those_of_the_texts_and_the_ids(kind: str) -> None:
    texts = [("tt", "Кояш чыкты, <|endoftext|>"), ("km", KHMER), ("tt", "")]
    found, tokenizer = measure_tokenizer(engine(kind), texts), toy_tokenizer(kind)
    tatar = found.sources["tt"]
    assert (tatar.documents, tatar.words, tatar.characters) == (2, 3, len(texts[0][1]))
    ids = [tokenizer.encode(text) for _, text in texts]
    assert found.total().tokens == sum(map(len, ids))
    assert found.total().bytes == sum(len(text.encode()) for _, text in texts)
    specials = sum(not tokenizer.bytes_of(index) for index in range(tokenizer.vocab))
    used = {index for each in ids for index in each}
    assert found.unused == tokenizer.vocab - specials - len(used)
    assert found.is_lossless
    assert found.megabytes_per_second > 0
    ratios = found.sources["km"].as_dict()
    assert ratios["tokens_per_character"] == pytest.approx(len(ids[1]) / len(KHMER), abs=1e-5)


def test_a_letter_is_cut_from_its_marks_or_within_its_bytes() -> None:
    # ស ្ រ ី: the coeng and the vowel are marks, each a token of its own.
    assert cut_letters("ស្រី", [(0, 1), (1, 2), (2, 3), (3, 4)], [*"ស្រី"]) == 2
    assert cut_letters("ស្រី", [(0, 4)], ["ស្រី"]) == 0
    assert cut_letters("ә", [(0, 1), (0, 1)], ["É", "Ļ"]) == 1
    assert cut_letters("", [], []) == 0
    for kind in ("bpe", "unigram", "byte"):  # three characters of three bytes, not in the texts
        assert measure_tokenizer(engine(kind), [("zh", "中文字")]).total().cut_letters == 6
    assert (
        measure_tokenizer(engine("byte"), [("km", KHMER)]).total().cut_letters == 2 * len(KHMER) + 3
    )
    assert measure_tokenizer(engine("char"), [("km", KHMER)]).total().cut_letters == 3


def test_a_tokenizer_that_loses_letters_is_measured_and_marked() -> None:
    lossy = engine("bpe", normalizer={"type": "Lowercase"})
    found = measure_tokenizer(lossy, [("tt", "Җир"), ("tt", "җир")])
    assert (found.total().changed, found.is_lossless) == (1, False)


def test_no_text_gives_no_ratios() -> None:
    found = measure_tokenizer(engine("bpe"), [("tt", "")])
    assert found.total().as_dict()["bytes_per_token"] is None
    assert found.unused == toy_tokenizer("bpe").vocab - 3
    assert (
        measure_tokenizer(engine("bpe"), [("tt", each) for each in toy_texts()]).unused
        < found.unused
    )


def test_a_vocabulary_holds_every_byte_and_end_of_text() -> None:
    assert TokenizerConfig(vocab=259).vocab == 259
    with pytest.raises(ValidationError, match="greater than or equal to 259"):
        TokenizerConfig(vocab=256)


@pytest.mark.parametrize("wrong", [{"kind": "word"}, {"min_count": 0}, {"sample_bytes": 0}])
def test_values_that_cannot_be_meant_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TokenizerConfig.model_validate(wrong)
