"""llama.cpp cuts texts as our table of its splits says, and as published tokenizers do."""

import json
import random
import re
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from published_splits import CODE, NFC, SAME_RULE, SHAPES, split, tokenizer_of
from tokenizers import models
from toys import toy_texts

from endonym.errors import ExportError
from endonym.export import verify
from endonym.export.gguf.splits import ORDINARY, RARE, SPLITS, TABLES, Imitation, imitation_of
from endonym.export.gguf.vocabulary import reading_of, vocabulary_of
from endonym.generate.llama_cpp import LlamaCpp
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import STRANGE

gguf = pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")
HARD = [
    "1234567 12 3.14159 1,234,567 0xFF x1y2 1st 3D 4k ½ ² Ⅷ 一二三",
    "  leading   many    spaces     \n\n\n   x \t y  \n",
    "ТатарСтан РФнең iPhone camelCase HTTPServer ÉcoleÉté",
    "日本語のテキスト。中文标点，测试！한국어 ไทยภาษา ភាសាខ្មែរ हिन्दी العَرَبِيَّة",
    "👩🏽\u200d🚀 🙂🙂 ❤️ 🇷🇴 a\u00a0b\u2003c\u3000d\u0085e\u200bf\u2028g",
    "l'ſouhait 'ſtand 'S 'LL O'Brien d'été l’été кот's",
    "foo/bar\n/ path///\n\n $100 €5 #tag a_b __init__ x^2 ~`| ``code``",
    "!!! ... ?!? (a) [b] {c} <d> -- — «e» „f“ …\n!!\n\n",
    "\n\n \n x\n",
    "x\n\n\ny\r\rz\r\n\r\nq ",
]


@cache
def all_lines(sentences: Callable[[str], list[str]]) -> tuple[str, ...]:
    """Sentences of four languages, code, hard texts, and their letters in any order."""
    names = ("tatar", "khmer", "romanian", "french")
    texts = [text for name in names for text in sentences(name)]
    hard = [*HARD, *CODE, *STRANGE, *ORDINARY, *(text for group in RARE.values() for text in group)]
    generator, letters = random.Random(0), [letter for text in hard for letter in text]
    made = ["".join(generator.choices(letters, k=14)) for _ in range(400)]
    return (*texts, *toy_texts(), *hard, *made)


def write_gguf(path: Path, words: dict[str, Any]) -> None:
    """A GGUF file of a tokenizer alone: words are keys below `tokenizer.ggml`."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model(words["model"])
    writer.add_tokenizer_pre(words["pre"])
    writer.add_token_list([token.encode("utf-8") for token in words["tokens"]])
    writer.add_token_types(words["token_type"])
    writer.add_token_merges(words["merges"])
    for name in ("bos", "eos"):
        getattr(writer, f"add_{name}_token_id")(0)
    writer.add_add_bos_token(False)
    for name in ("block_count", "context_length", "embedding_length", "feed_forward_length"):
        getattr(writer, f"add_{name}")(8)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def ids_of_llama_cpp(path: Path, words: dict[str, Any], lines: Iterable[str]) -> list[list[int]]:
    """The ids that llama.cpp gives to each line."""
    write_gguf(path, words)
    with LlamaCpp(path, context=0, is_tried=True) as engine:
        return [engine.encode(line) for line in lines]


@cache
def pairs_of_bytes(lines: tuple[str, ...], seed: int) -> models.BPE:
    """Merges of any two bytes that stand next to each other: ids then show where a text was cut."""
    as_bytes = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words = [word for line in lines for word, _ in as_bytes.pre_tokenize_str(line)]
    pairs = sorted({pair for word in words for pair in pairwise(word)})
    random.Random(seed).shuffle(pairs)
    tokens = ["<|endoftext|>", *sorted(as_bytes.alphabet()), *map("".join, pairs)]
    return models.BPE({token: index for index, token in enumerate(tokens)}, pairs)


def test_splits_differ_in_their_names_and_each_is_told_from_the_others() -> None:
    names = [name for row in TABLES["split"] for name in row["names"]]
    assert len(names) == len(set(names)) > 75
    rules = [(*one.patterns, one.ignore_merges) for one in SPLITS]
    assert len(rules) == len(set(rules))


@pytest.mark.parametrize("row", [row for row in TABLES["split"] if not row.get("is_raw")])
def test_llama_cpp_knows_each_name_and_cuts_as_the_table_says(
    row: dict[str, Any], tmp_path: Path, language_sentences: Callable[[str], list[str]]
) -> None:
    lines = all_lines(language_sentences)
    model = pairs_of_bytes(lines, seed=7)
    engine = tokenizers.Tokenizer(model)
    engine.pre_tokenizer = next(
        one for one in SPLITS if one.name == row["names"][0]
    ).pre_tokenizer()
    expected = [each.ids for each in engine.encode_batch(lines)]
    described = json.loads(engine.to_str())["model"]
    words = {
        "model": "gpt2",
        "tokens": list(described["vocab"]),
        "token_type": [3] + [1] * (len(described["vocab"]) - 1),
        "merges": [" ".join(pair) for pair in described["merges"]],
    }
    for name in row["names"]:
        found = ids_of_llama_cpp(tmp_path / "x.gguf", words | {"pre": name}, lines)
        for line, ours, theirs in zip(lines, expected, found, strict=True):
            assert theirs == ours, (name, line)


@pytest.mark.parametrize("name", SHAPES | SAME_RULE)
def test_a_published_split_is_found_and_gives_the_same_ids(
    name: str, tmp_path: Path, language_sentences: Callable[[str], list[str]]
) -> None:
    ours, shape = tokenizer_of(name), (SHAPES | SAME_RULE)[name]
    words, lines = vocabulary_of(ours, ours.vocab), all_lines(language_sentences)
    if shape.name:
        assert words["pre"] == shape.name
    found = ids_of_llama_cpp(tmp_path / "x.gguf", words, lines)
    imitation = imitation_of(ours)
    assert isinstance(imitation, Imitation)
    assert found == imitation.encode_many(lines)
    own = [ids.tolist() for ids in ours.encode_many(lines)]
    if not imitation.limits:
        assert found == own
    has_marks = "a letter with a combining mark" in imitation.limits
    for text in [*toy_texts(), *CODE, *ORDINARY]:
        if not (has_marks and re.search(r"[\u1780-\u17ff]", text)):
            number = lines.index(text)
            assert found[number] == own[number], text
    if shape.normalizer == NFC:
        assert "text that is not in NFC" in imitation.limits


def test_a_real_models_tokenizer_has_the_same_ids(
    real_model: Path, tmp_path: Path, language_sentences: Callable[[str], list[str]]
) -> None:
    ours = Tokenizer.load(real_model / "tokenizer.json")
    words, lines = vocabulary_of(ours, ours.vocab), all_lines(language_sentences)
    assert words["pre"] == "smollm"
    found = ids_of_llama_cpp(tmp_path / "x.gguf", words, lines)
    assert found == [ids.tolist() for ids in ours.encode_many(lines)]


def with_unreachable_token(name: str, *, ignore_merges: bool) -> Tokenizer:
    """A token that is a whole word but that no merges make."""
    described = json.loads(tokenizer_of(name).to_json())
    described["model"]["vocab"]["Ġunmergeable"] = len(described["model"]["vocab"])
    described["model"]["ignore_merges"] = ignore_merges
    return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(described)))


@pytest.mark.parametrize(
    ("name", "ignore_merges", "pre"),
    [("Llama 3", True, "llama-bpe"), ("Llama 3", False, "smaug-bpe"), ("Qwen 3", False, "qwen2")],
)
def test_whether_whole_words_are_merged_goes_by_the_name(
    name: str, ignore_merges: bool, pre: str, tmp_path: Path
) -> None:
    ours = with_unreachable_token(name, ignore_merges=ignore_merges)
    words = vocabulary_of(ours, ours.vocab)
    assert words["pre"] == pre
    text = "it is unmergeable"
    assert ids_of_llama_cpp(tmp_path / "x.gguf", words, [text]) == [ours.encode(text)]
    assert (ours.vocab - 1 in ours.encode(text)) == ignore_merges


def test_no_split_takes_whole_words_where_only_such_would_be_right() -> None:
    with pytest.raises(ExportError, match=r"unmergeable.* otherwise"):
        vocabulary_of(with_unreachable_token("SmolLM", ignore_merges=True), 1_501)


def test_merges_that_are_the_same_either_way_need_no_such_name() -> None:
    described = json.loads(tokenizer_of("Qwen 3").to_json())
    described["model"]["ignore_merges"] = True
    ours = Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(described)))
    assert vocabulary_of(ours, ours.vocab)["pre"] == "qwen2"


OTHER_RULES = {
    "halves of words": (split(r"\p{L}{1,2}"), "gpt-2"),
    "every letter": (split(r"."), "qwen2"),
    "cut before capitals": (split(r"(?=\p{Lu})"), "gpt-2"),
}
"""Each with the split of llama.cpp that differs least."""


@pytest.mark.parametrize("name", OTHER_RULES)
def test_a_split_that_llama_cpp_lacks_is_refused_with_its_steps(name: str) -> None:
    described = json.loads(tokenizer_of("GPT-2").to_json())
    rule, nearest = OTHER_RULES[name]
    steps = [rule, described["pre_tokenizer"]]
    described["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}
    ours = Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(described)))
    with pytest.raises(ExportError) as caught:
        vocabulary_of(ours, ours.vocab)
    shown = str(caught.value)
    assert "Split" in shown
    assert "ByteLevel" in shown
    assert f"The nearest is {nearest}, " in shown
    assert "transformers folder" in shown


class Theirs:
    """llama.cpp's tokenizer, as `verify` reads with it."""

    name = "llama.cpp"

    def __init__(self, engine: LlamaCpp) -> None:
        self.encode, self.decode = engine.encode, engine.decode


def checks(tokenizer: Tokenizer, lines: list[str], path: Path) -> list[verify.Check]:
    """What `verify` says of the ids."""
    write_gguf(path, vocabulary_of(tokenizer, tokenizer.vocab))
    with LlamaCpp(path, context=0, is_tried=True) as engine:
        reading = reading_of(tokenizer)
        return [*verify._text_checks(lines, tokenizer, Theirs(engine), file="", reading=reading)]


def test_few_lines_may_differ_where_the_split_is_known_to_and_are_counted(tmp_path: Path) -> None:
    ours = tokenizer_of("Qwen 3")
    plain = [*toy_texts(), *CODE] * 2
    found = checks(ours, [*plain, "cafe\u0301 au lait", *STRANGE], tmp_path / "a.gguf")
    assert [check.ok for check in found] == [True] * 3
    assert found[0].value == 1
    assert "cafe" in found[0].example
    found = checks(ours, [*plain, *["cafe\u0301 au lait"] * 20, *STRANGE], tmp_path / "b.gguf")
    assert [check.ok for check in found] == [False, True, True]
    assert "llama.cpp may give other ids to text that is not in NFC" in reading_of(ours).limits()


def test_the_table_has_only_keys_that_are_read() -> None:
    data = Path(verify.__file__).parent.joinpath("gguf", "splits.toml").read_bytes()
    rows = tomllib.loads(data.decode("utf-8"))["split"]
    keys = {key for row in rows for key in row}
    assert keys == {"names", "patterns", "ignore_merges", "is_raw", "is_fallback"}
