"""Every kind of tokenizer gives back every text of many languages, and letters keep their marks."""

import gzip
import io
import json
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import zstandard
from toys import KINDS

from endonym.tokenizer.config import SPECIALS, TokenizerConfig
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import STRANGE, train_tokenizer
from endonym.tokenizer.unigram import BYTE_TOKENS

DATA = Path(__file__).parents[3] / "shared" / "data"
LINES_OF_A_FILE, RECORDS_OF_A_FILE = 24, 16
VOCAB, SMALL_VOCAB = 2_000, 500


def files() -> list[Path]:
    """Texts of Tatar, Khmer, Romanian, French, English, and those of `other`, `parallel`."""
    folders = ("tt", "km", "ro", "fr", "en", "other", "parallel")
    found = [path for folder in folders for path in sorted((DATA / folder).glob("*.*"))]
    return [path for path in found if ".txt" in path.name or ".jsonl" in path.name]


def records(path: Path) -> Iterator[str]:
    """The first lines of a file; of JSON all its strings."""
    with path.open("rb") as file:
        unzipped = zstandard.ZstdDecompressor().stream_reader
        opened = {".gz": gzip.open, ".zst": lambda given: io.BufferedReader(unzipped(given))}
        lines = opened.get(path.suffix, lambda given: given)(file)
        for line in islice(lines, LINES_OF_A_FILE if ".txt" in path.name else RECORDS_OF_A_FILE):
            text = line.decode("utf-8").rstrip("\n")
            if ".jsonl" not in path.name:
                yield text
                continue
            yield from (each[:5_000] for each in json.loads(text).values() if isinstance(each, str))


def by_language() -> dict[str, list[Path]]:
    """The files of each language; those of `other` are named by theirs, a parallel one is alone."""
    found: dict[str, list[Path]] = {}
    for path in files():
        shared = path.parent.name in ("other", "parallel")
        name = path.name.split("_")[0] if shared else path.parent.name
        found.setdefault(name, []).append(path)
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", by_language())
def test_a_tokenizer_of_one_language_reads_names_as_text(language: str, kind: str) -> None:
    own = [text for path in by_language()[language] for text in records(path)]
    vocab = None if kind in ("char", "byte") else SMALL_VOCAB
    config = TokenizerConfig.model_validate({"kind": kind, "vocab": vocab})
    made = train_tokenizer(config, lambda: iter(own[::2]))
    names = [*SPECIALS.values(), *BYTE_TOKENS]
    texts = [
        *own,
        *STRANGE,
        *names,
        *(text[:50] + name for text, name in zip(own, names, strict=False)),
    ]
    for text, ids in zip(texts, made.encode_many(texts), strict=True):
        assert made.decode(ids) == text
        assert not {*made.special_ids.values()} & {*ids.tolist()}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    if not DATA.is_dir():
        pytest.skip("the shared data is not here")
    return [text for path in files() for text in records(path)]


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest, texts: list[str]) -> Tokenizer:
    vocab = None if request.param in ("char", "byte") else VOCAB
    config = TokenizerConfig.model_validate({"kind": request.param, "vocab": vocab})
    return train_tokenizer(config, lambda: iter(texts[::2]))


def test_texts_of_all_languages_come_back(tokenizer: Tokenizer, texts: list[str]) -> None:
    assert len({letter for text in texts for letter in text}) > 400
    for text, ids in zip(texts, tokenizer.encode_many(texts), strict=True):
        assert tokenizer.decode(ids) == text


def test_thousands_of_random_texts_come_back(tokenizer: Tokenizer, texts: list[str]) -> None:
    generator = random.Random(0)
    odd = [*SPECIALS.values(), "<0x41>", "▁", "\t", "\n", "\r\n", "  ", "\u200d", "\0", "\ufeff"]

    def letter() -> str:
        code = generator.choice((0x80, 0x300, 0x1800, 0x3000, 0xD800, 0x1F700))
        return chr(generator.randrange(code))

    made = [
        "".join(
            generator.choice((letter(), generator.choice(odd), generator.choice(texts)[:9]))
            for _ in range(generator.randrange(1, 25))
        )
        for _ in range(3_000)
    ]
    made = [text.encode("utf-8", "replace").decode("utf-8") for text in made]
    for text, ids in zip(made, tokenizer.encode_many(made), strict=True):
        assert tokenizer.decode(ids) == text
        assert not {*tokenizer.special_ids.values()} & {*ids.tolist()}
