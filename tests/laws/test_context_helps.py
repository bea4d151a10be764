"""With joining, more context makes a text cheaper: a block costs no more than its lines do.

A list of sentences is read as a user has it: every sentence a document. A small model learns from
it, once joined and once not, and judges unseen fables by line and by block.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from endonym.data.shards import Piece, TokenShards, write_shards
from endonym.demo.grammar import fables
from endonym.evaluate.bits import blocks_of, by_source, held_out, measure
from endonym.evaluate.score import headline
from endonym.generate.language_model import LanguageModel
from endonym.model.families import resolve
from endonym.model.init import new_decoder
from endonym.model.keys import MixerKeys, ModelKeys
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import train_tokenizer
from endonym.train.config import Phase
from endonym.train.loop import Training, Work

MARGIN = 1.01
CONTEXT = 256
BLOCK_LINES = 4
Bits = Callable[[tuple[str, ...]], tuple[float, float]]
SENTENCE = re.compile(r"(?<=[.!?»]) (?=[A-ZÀÉ«])")


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Tokenizer]:
    """Sentences of generated fables, one a document and four a block; a tenth is unseen."""
    folder = tmp_path_factory.mktemp("lists")
    texts = [SENTENCE.split(text.replace("\n", " ")) for text in fables(400, seed=5)]
    sides = {"train": texts[40:], "dev": texts[:20], "test": texts[20:40]}
    config = TokenizerConfig(kind="bpe", vocab=512)
    lines = [line for text in sides["train"] for line in text]
    tokenizer = train_tokenizer(config, lambda: iter(lines))

    def pieces(side: str) -> Iterable[Piece]:
        numbered = ((line, n) for text in sides[side] for n, line in enumerate(text))
        block = -1
        for line, n in numbered:
            block += n % BLOCK_LINES == 0
            yield "fables", line, block

    write_shards(folder, tokenizer, ["fables"], pieces, lambda read: None)
    return folder, tokenizer


@pytest.fixture(scope="module")
def bits(lists: tuple[Path, Tokenizer], tmp_path_factory: pytest.TempPathFactory) -> Bits:
    """Bits a byte of unseen lines and blocks, of a model trained with these sources joined."""
    folder, tokenizer = lists
    keys = ModelKeys(family="qwen3", dim=64, layers=2, mixer=MixerKeys(heads=2))
    phase = Phase(
        tokens=250_000, batch_tokens=1024, lr=6e-3, embedding_lr=2.4e-2, warmup_steps=20,
        number_format="fp32", compile="off", eval_every_steps=10_000,
    )  # fmt: skip

    def judged(join: tuple[str, ...]) -> tuple[float, float]:
        decoder = new_decoder(resolve(keys, vocab=tokenizer.vocab, context=CONTEXT), seed=1)
        train, dev, test = (TokenShards(folder, side) for side in ("train", "dev", "test"))
        work = Work(train, dev, tmp_path_factory.mktemp("work"), 99.0, join=join)
        training = Training(decoder, phase, work, seed=1)
        for _ in training.reports():
            pass
        model = LanguageModel(decoder, tokenizer)
        texts = (held_out(test, tokenizer), blocks_of(test, tokenizer, ["fables"]))
        found = [
            headline(
                by_source(each, measure(model, each, advance=lambda n: None), model="model",
                          split="test"),
                model="model", text=each.text,
            )
            for each in texts
        ]  # fmt: skip
        lines, blocks = (each.value for each in found if each is not None)
        return lines, blocks

    return judged


@pytest.mark.slow
def test_a_block_costs_no_more_than_its_lines_where_lists_are_joined(bits: Bits) -> None:
    lines, blocks = bits(("fables",))
    assert blocks <= MARGIN * lines


@pytest.mark.slow
def test_and_more_where_they_are_not(bits: Bits) -> None:
    lines, blocks = bits(())
    assert blocks > MARGIN * lines
