"""The words that typed keys mean: how their probabilities are added, and what is refused."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from text_samples import ROMANIAN
from toys import lively_decoder, toy_config, toy_tokenizer

from endonym.errors import RecipeError, TokenizerError
from endonym.generate.correct import Corrector
from endonym.generate.language_model import LanguageModel

TEXT = "Bunicul a reparat ceasul "
TABLE = {
    "<XBC>": {"de ": 0.5, "d": 0.3, "e": 0.2},
    "d": {"e": 1.0},
    "e": {" ": 0.6, "<XEC>": 0.4},
}
"""What follows a token, and how likely."""


class Table:
    """A decoder that looks at the last token alone, and keeps the ids that it has read."""

    def __init__(self) -> None:
        tokenizer = toy_tokenizer("keyboard")
        self.weights_VV = torch.full((tokenizer.vocab, tokenizer.vocab), -40.0)
        for last, following in TABLE.items():
            for name, share in following.items():
                ids = [tokenizer.id_of(each) for each in (last, name)]
                self.weights_VV[ids[0], ids[1]] = torch.tensor(share).log()
        self.config, self.read = SimpleNamespace(context=64), list[int]()
        self.readout = SimpleNamespace(weight_VD=self.weights_VV, logits=lambda x_BD: x_BD)

    def empty_cache(self, *_: int) -> list[Any]:
        """None: all ids are read each time."""
        return []

    def __call__(self, tokens_BT: torch.Tensor, *_: Any) -> tuple[torch.Tensor, float]:
        self.read = tokens_BT[0].tolist()
        return self.weights_VV[tokens_BT], 0.0


@pytest.fixture
def table() -> tuple[Corrector, Table]:
    decoder = Table()
    return Corrector(cast(Any, decoder), toy_tokenizer("keyboard")), decoder


def test_a_word_that_several_rows_of_tokens_write_is_as_likely_as_all_of_them(
    table: tuple[Corrector, Table],
) -> None:
    found = table[0].correct(TEXT, "ed", 5)
    assert [each.word for each in found] == ["de", "e"]
    assert [each.probability for each in found] == pytest.approx([0.5 + 0.3, 0.2], rel=1e-4)
    assert [each.rest for each in found] == ["de ", "e "]
    assert [each.word for each in table[0].correct(TEXT, "ed", 1)] == ["de"]


@pytest.mark.parametrize("typed", ["isi", "își", "ISI"])
def test_the_model_reads_text_and_keys_without_accents_and_capitals(
    table: tuple[Corrector, Table], typed: str
) -> None:
    corrector, decoder = table
    corrector.correct(TEXT, typed, 1)
    tokenizer = toy_tokenizer("keyboard")
    read = [tokenizer.token(each) for each in decoder.read]
    keys = ["<XBU>", "<CHAR_I>", "<CHAR_S>", "<CHAR_I>", "<XBC>"]
    begin = read.index("<XBU>")
    assert read[begin : begin + 5] == keys
    assert (read[0], "".join(read[1:begin])) == ("<s>", TEXT)


def test_a_word_in_other_letters_is_refused(table: tuple[Corrector, Table]) -> None:
    for wrong in ("сөт", "", "12"):
        with pytest.raises(TokenizerError, match="not all from A to Z"):
            table[0].correct(TEXT, wrong)


def test_a_model_without_keys_is_refused() -> None:
    tokenizer = toy_tokenizer("bpe")
    config = toy_config("llama", vocab=tokenizer.vocab, context=64)
    with pytest.raises(RecipeError, match="no tokens of typed keys"):
        LanguageModel(lively_decoder(config), tokenizer).correct(ROMANIAN[0], "casa")


def test_a_decoder_of_our_own_gives_the_same_with_its_cache() -> None:
    tokenizer = toy_tokenizer("keyboard")
    config = toy_config("llama", vocab=tokenizer.vocab, context=64)
    model = LanguageModel(lively_decoder(config), tokenizer)
    texts = [TEXT, f"{TEXT}din ", TEXT]
    alone = [LanguageModel(model.decoder, tokenizer).correct(text, "perete") for text in texts]
    for text, wanted in zip(texts, alone, strict=True):
        found = model.correct(text, "perete")
        assert [each.word for each in found] == [each.word for each in wanted]
        assert [each.probability for each in found] == pytest.approx(
            [each.probability for each in wanted], rel=1e-3
        )
