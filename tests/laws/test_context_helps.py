"""Law 23, with joining more context makes a text cheaper: a block costs no more than its lines do.

Fables in five languages stand as lists of sentences, every sentence a document, as users have them.
A small model learns from them, once joined and once not, and judges unseen fables by line and by
block of four lines: what came before shows at least the language.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from made_dirt import FABLES
from toys import train_config

from endonym.data.shards import SPLITS, ShardDocument, TokenShards, write_shards
from endonym.evaluate.bits import Texts, blocks_of, by_source, held_out_texts, measure_nats
from endonym.evaluate.score import find
from endonym.generate.language_model import LanguageModel
from endonym.model.config import MixerKeys, ModelKeys
from endonym.model.families import resolve
from endonym.model.init import new_decoder
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import train_tokenizer
from endonym.train.inputs import TrainingInputs
from endonym.train.loop import Training

LANGUAGES = ("tt", "km", "ro", "fr", "en")
MARGIN = 1.01
BLOCK_LINES = 4
SENTENCE = re.compile(r"(?<=[.!?»។]) +")
PHASE = train_config(
    context=256, tokens=120_000, batch_tokens=1024, lr=6e-3, embedding_lr=2.4e-2, warmup_steps=20,
    number_format="fp32", compile="off", eval_every_steps=10_000,
)  # fmt: skip

Bits = Callable[[tuple[str, ...]], tuple[float, float]]


def pieces() -> dict[str, list[ShardDocument]]:
    """The sentences of every fable; of five fables one is test, the first of a language is dev."""
    found: dict[str, list[ShardDocument]] = {split: [] for split in SPLITS}
    block = 0
    for language in LANGUAGES:
        folder = FABLES / language
        for number, path in enumerate(sorted(folder.iterdir(), key=lambda each: each.name)):
            text = path.read_text(encoding="utf-8").splitlines()
            lines = [part for line in text for part in SENTENCE.split(line) if part.strip()]
            split = "test" if number % 5 == 2 else "dev" if number == 0 else "train"
            for position, line in enumerate(lines):
                piece = ShardDocument(
                    language, line, block + position // BLOCK_LINES, block + position
                )
                found[split].append(piece)
            block += len(lines) + 1
    return found


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tokenizer]:
    """Shards of those lists, and their tokenizer."""
    folder, found = tmp_path_factory.mktemp("lists"), pieces()
    config = TokenizerConfig(kind="bpe", vocab=512)
    tokenizer = train_tokenizer(config, lambda: (each.text for each in found["train"]))
    write_shards(
        folder, tokenizer, list(LANGUAGES), lambda split: found[split], advance=lambda read: None
    )
    return folder, tokenizer


@pytest.fixture(scope="module")
def bits(lists: tuple[Path, Tokenizer], tmp_path_factory: pytest.TempPathFactory) -> Bits:
    """Bits a byte of unseen lines and blocks, of a model trained with these sources joined."""
    folder, tokenizer = lists
    keys = ModelKeys(family="qwen3", dim=64, layers=2, mixer=MixerKeys(heads=2))
    train, dev, test = (TokenShards(folder, split) for split in SPLITS)

    def judged(join: tuple[str, ...]) -> tuple[float, float]:
        decoder = new_decoder(resolve(keys, vocab=tokenizer.vocab, context=256), seed=1)
        work = TrainingInputs(train, dev, tmp_path_factory.mktemp("work"), 99.0, join=join)
        for _ in Training(decoder, PHASE, work, seed=1).reports():
            pass
        model = LanguageModel(decoder, tokenizer)
        lines = value(model, held_out_texts(test, tokenizer))
        return lines, value(model, blocks_of(test, tokenizer, LANGUAGES))

    return judged


def value(model: LanguageModel, texts: Texts) -> float:
    """Bits a byte of all texts together."""
    measured = measure_nats(model, texts, advance=lambda read: None)
    found = by_source(texts, measured, model="model", split="test")
    score = find(found, metric="bits_per_byte", model="model", source=None, text=texts.text)
    assert score is not None
    return score.value


def test_a_block_costs_no_more_than_its_lines_where_lists_are_joined(bits: Bits) -> None:
    lines, blocks = bits(LANGUAGES)
    assert blocks <= MARGIN * lines


def test_it_costs_more_where_they_are_not(bits: Bits) -> None:
    lines, blocks = bits(())
    assert blocks > 1.05 * lines
