"""Strangers' tokenizers: refused by what they say, or by what they do in a process with limits."""

import base64
import importlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from foreign_folders import byte_level, gemma_like
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR
from tokenizers import Regex, decoders, normalizers, pre_tokenizers
from toys import toy_tokenizer

from endonym.errors import TokenizerError
from endonym.limited.process import LimitedProcess
from endonym.tokenizer import untrusted
from endonym.tokenizer.tokenizer import END_OF_TEXT, Tokenizer, read_engine
from endonym.tokenizer.untrusted import (
    growth_of,
    is_own,
    is_own_frame,
    literals_of,
    risky_letters,
    whole_size,
)

VOCAB = {END_OF_TEXT: 0, "a": 1, "b": 2, "ә": 3}
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
    r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
THOUSANDS = r"\p{N}{1,3}(?=(?:\p{N}{3})*\b)|[\u4e00-\u9fa5\u3040-\u30ff]+|\s+|[^\s\p{N}]+"


def described(**changes: Any) -> dict[str, Any]:
    model = {"type": "BPE", "vocab": VOCAB, "merges": [], "unk_token": "b"}
    names = ("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder")
    made = {"version": "1.0", "added_tokens": [], "model": model, **dict.fromkeys(names)}
    return made | changes


def split(pattern: str) -> dict[str, Any]:
    how = {"behavior": "Isolated", "invert": False}
    return {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": pattern}, **how}}


def replace(pattern: str, content: str, kind: str = "String") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def chain(count: int, pattern: str, content: str, kind: str = "String") -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": [replace(pattern, content, kind)] * count}


def written(folder: Path, content: dict[str, Any] | str) -> Path:
    path = folder / "tokenizer.json"
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path) -> str:
    start = time.monotonic()
    with pytest.raises(TokenizerError) as caught:
        read_engine(path)
    assert time.monotonic() - start < 60
    assert str(path.parent) in caught.value.where
    return caught.value.message


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(қ*)*\\x{0}", "(?:ab)+(?:ab)+(?:ab)+(?:ab)+c", "(\\p{Khmer}+)+!", "(.*)*x"],
)
def test_a_pattern_that_takes_for_ever_is_refused(tmp_path: Path, pattern: str):
    assert "opening it fails" in refused(written(tmp_path, described(**split(pattern))))


@pytest.mark.parametrize("pattern", [GPT2, O200K, DEEPSEEK, THOUSANDS, r"\s+|\w+|[^\w\s]+", "▁+"])
def test_patterns_of_known_tokenizers_are_opened(tmp_path: Path, pattern: str):
    engine = read_engine(written(tmp_path, described(**split(pattern))))
    assert engine.encode("ab", add_special_tokens=False).ids == [1, 2]


@pytest.mark.parametrize("index", [2**31, 2**32, 2**63, 10**7, -1, 1.5, "1", None, True])
def test_an_id_far_beyond_the_tokens_is_refused(tmp_path: Path, index: Any):
    model = described()["model"] | {"vocab": VOCAB | {"һ": index}}
    assert str(index) in refused(written(tmp_path, described(model=model))).replace(
        ",", ""
    ) or "no whole number" in refused(written(tmp_path, described(model=model)))
    added = [{"id": index, "content": "<x>", "special": True}]
    assert refused(written(tmp_path, described(added_tokens=added)))


EXPLODING = [
    {"normalizer": chain(40, "a", "aa")},
    {"normalizer": chain(10, "ә", "ә" * 9)},
    {"normalizer": chain(40, "", "a", "Regex")},
    {"normalizer": replace("a", "ба" * 500)},
    {"normalizer": {"type": "Sequence", "normalizers": [chain(9, "a", "aaa")] * 9}},
    {"decoder": {"type": "Sequence", "decoders": chain(50, "a", "aa")["normalizers"]}},
]


@pytest.mark.parametrize("rules", EXPLODING)
def test_rules_that_make_a_text_explode_are_refused(tmp_path: Path, rules: dict[str, Any]):
    assert "letters of one" in refused(written(tmp_path, described(**rules)))


def test_growth_is_that_of_the_rules():
    assert growth_of(None) == growth_of(replace(" ", "▁")) == growth_of(replace("ab", "c")) == 1
    assert growth_of(chain(3, "a", "bb")) == 8
    assert growth_of(replace(r"\s+", "", "Regex")) == 1
    assert growth_of(replace("", "abc")) == 7  # before and after a letter
    assert growth_of(replace(r" {2,}", "▁", "Regex")) == 3
    assert growth_of(replace("a", "가")) == 2  # NFD would take it apart
    blob = b"\xc8\0\0\0" + b"trie" * 50 + b"a\0" + "ә".encode() * 90 + b"\0"
    charsmap = base64.b64encode(blob).decode()
    assert growth_of({"type": "Precompiled", "precompiled_charsmap": charsmap}) == 90


MULTIPLYING = [
    [normalizers.Replace("ل", "ﷺ"), normalizers.NFKC()],
    [normalizers.Replace("a", "각"), normalizers.NFD(), normalizers.Replace("ᆨ", "a")],
    [normalizers.Replace("i", "İ"), normalizers.Lowercase()],
    [normalizers.ByteLevel()],
    [normalizers.BertNormalizer()],
    [normalizers.Prepend("ба"), normalizers.Strip()],
    [pre_tokenizers.ByteLevel(add_prefix_space=True)],
    [pre_tokenizers.Metaspace("▁", "always"), pre_tokenizers.Metaspace("_", "always")],
    [decoders.BPEDecoder(suffix="")],
    [decoders.CTC(word_delimiter_token="")],
    [decoders.WordPiece()],
    [decoders.Replace(Regex("x*"), "ә")],
]


@pytest.mark.parametrize("rules", MULTIPLYING, ids=lambda rules: type(rules[0]).__name__)
def test_no_rules_in_a_row_make_more_letters_than_counted(tmp_path: Path, rules: list[Any]):
    module = importlib.import_module(type(rules[0]).__module__)
    for times in (1, 2, 3, 4):
        made = module.Sequence(rules * times)
        wanted = growth_of(json.loads(made.__getstate__()))
        for letter in "aiالә中각ﷺ¼":
            if module is normalizers:
                found = made.normalize_str(letter)
            elif module is pre_tokenizers:
                found = "".join(piece for piece, _ in made.pre_tokenize_str(letter))
            else:
                found = made.decode([letter])
            assert len(found) <= wanted * whole_size(letter), (times, letter)
    key = module.__name__.rpartition(".")[2].removesuffix("s")
    many = json.loads(module.Sequence(rules * 40).__getstate__())
    assert "letters of one" in refused(written(tmp_path, described(**{key: many})))


def test_a_sequence_is_counted_by_every_list_it_has():
    hidden = {"type": "Sequence", "normalizers": [replace("a", "b")]}
    assert growth_of(hidden | {"decoders": chain(9, "a", "bb")["normalizers"]}) == 2**9


NO_TOKENIZERS = [
    *("", "null", "[]", "{", "[" * 100_000, "\0" * 99, '{"model": []}', '{"model": {}}'),
    *('{"model": {"vocab": 5}}', '{"model": {"vocab": {"a": NaN}}}'),
    '{"model": {}, "added_tokens": 5}',
]


@pytest.mark.parametrize("text", NO_TOKENIZERS)
def test_json_that_is_no_tokenizer_is_an_error_of_ours(tmp_path: Path, text: str):
    assert refused(written(tmp_path, text))


@pytest.mark.parametrize("value", ["[]", "{}"])
def test_json_of_millions_of_values_is_not_even_parsed(tmp_path: Path, value: str):
    text = '{"model": [' + f"{value}," * 4_000_001 + "0]}"
    start = time.monotonic()
    assert "values" in refused(written(tmp_path, text))
    assert time.monotonic() - start < 5


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(untrusted, "MOST_BYTES", 1_000)
    assert "more than 1,000 bytes" in refused(written(tmp_path, json.dumps({"model": "a" * 999})))


NO_FILES = [
    *(("tokenizer.json", kind) for kind in ("pipe", "socket", "zeros", "folder", "out", "loop")),
    *(("tokenizer_config.json", "pipe"), ("config.json", "zeros")),
    *(("chat_template.jinja", "out"), ("chat_template.jinja", "pipe")),
]


@pytest.mark.parametrize(("name", "kind"), NO_FILES)
def test_what_is_no_file_of_the_folder_is_not_waited_for(
    tmp_path: Path, kind: str, name: str, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "a"
    folder.mkdir()
    toy_tokenizer("bpe").save(folder)
    path = folder / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(folder)  # the path of a socket must be short
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(name)
    elif kind == "folder":
        path.mkdir()
    else:
        (tmp_path / "secret").write_text("{}", encoding="utf-8")
        targets = {"zeros": "/dev/zero", "out": "../secret", "loop": name}
        path.symlink_to(targets[kind])
    start = time.monotonic()
    with pytest.raises(TokenizerError, match=name):
        Tokenizer.load(folder / "tokenizer.json")
    assert time.monotonic() - start < 5


def test_links_of_the_hubs_cache_and_within_a_folder_are_followed(tmp_path: Path):
    snapshot, blobs = tmp_path / "models--a/snapshots/0", tmp_path / "models--a/blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "1f").write_text(toy_tokenizer("bpe").to_json(), encoding="utf-8")
    (snapshot / "tokenizer.json").symlink_to("../../blobs/1f")
    assert Tokenizer.load(snapshot / "tokenizer.json").encode("су")
    (blobs / "tokenizer.json").symlink_to("1f")
    assert Tokenizer.load(blobs / "tokenizer.json").encode("су")


def test_kinds_are_opened_in_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for kind in ("bpe", "unigram", "char", "byte", "keyboard"):
        assert is_own(json.loads(toy_tokenizer(kind).to_json()))
    found = json.loads(toy_tokenizer("bpe").to_json())
    found["model"]["dropout"] = 0.5
    assert not is_own(found)
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(LimitedProcess, "ask", lambda *each: asked.append(each[1]))
    for engine in (gemma_like(), byte_level()):
        engine.normalizer = normalizers.Sequence(
            [each for each in (engine.normalizer, normalizers.Prepend(tmp_path.name)) if each]
        )
        path = written(tmp_path, engine.to_str())
        read_engine(path)
        read_engine(path)
    assert len(asked) == 2


def test_other_tokenizers_read_as_before(tmp_path: Path):
    for engine in (gemma_like(), byte_level()):
        found = read_engine(written(tmp_path, engine.to_str()))
        for text in TATAR + KHMER + ROMANIAN + FRENCH:
            assert found.encode(text).ids == engine.encode(text).ids


def test_a_slow_pattern_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(LimitedProcess, "ask", lambda *_: {})
    model = described()["model"]
    made = described(model=model, **split("(a+)+$"))
    tokenizer = Tokenizer.load(written(tmp_path, made))
    with pytest.raises(TokenizerError, match="fails at this text"):
        tokenizer.encode("a" * 40 + "b")


def test_the_letters_of_a_pattern_are_tried():
    assert [*literals_of(r"[а-я]\u049b\x{6b}\x41\h(\+)")] == [*"[а-я]қkA0(+)"]
    steps = [split("ң+")["pre_tokenizer"], {"type": "ByteLevel"}]
    rules = {"pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}}
    assert {"ң", "ң+"} <= {*risky_letters(described(**rules))}
    assert {"қ", "қа", "(қа)+[ក]"} <= {*risky_letters(described(**split(r"(қа)+[\p{Khmer}]")))}


def test_rules_nested_just_under_the_limit_are_an_error_of_ours(tmp_path: Path):
    for depth in range(430, 500):
        nest = '{"a":[' * depth + "]}" * depth
        text = json.dumps(described(normalizer="NEST")).replace('"NEST"', nest)
        refused(written(tmp_path, text))


def test_a_word_without_a_token_for_what_is_unknown_is_an_error_of_ours(tmp_path: Path):
    words = {"a": 0, END_OF_TEXT: 1}
    model = {"type": "WordPiece", "unk_token": "nope", "continuing_subword_prefix": "##"}
    model |= {"max_input_chars_per_word": 100, "vocab": words}
    engine = read_engine(written(tmp_path, described(model=model, added_tokens=[])))
    with pytest.raises(TokenizerError, match="fails at this text"):
        Tokenizer(engine).encode(FRENCH[0])


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_file_that_lacks_the_list_of_specials_is_none_of_ours(kind: str) -> None:
    described = json.loads(toy_tokenizer(kind).to_json())
    assert is_own_frame(described)
    del described["added_tokens"]
    assert not is_own_frame(described)
