"""What a device computes is what the CPU computes, or training is refused."""

import math

import pytest
import torch
from torch import Tensor, nn
from toys import toy_config, toy_decoder, toy_texts, toy_tokenizer

from endonym.data.batches import Batch
from endonym.errors import TrainingError
from endonym.model.decoder import Decoder
from endonym.model.span import Span
from endonym.train.preflight import COMPARED_TOKENS, TOLERANCE, logits, require_agreement

READER = toy_tokenizer("bpe")
CONTEXT = 80


def sentences() -> Batch:
    """Two rows of real sentences, several in each, longer than what is compared."""
    texts = [text for text in toy_texts() if text][:24]
    ids = [(number, each) for number, t in enumerate(READER.encode_many(texts)) for each in t]
    flat = torch.tensor([each for _, each in ids][: 2 * CONTEXT + 1])
    documents = torch.tensor([number for number, _ in ids][: 2 * CONTEXT])
    rows = (flat[:-1], flat[1:], documents)
    return Batch(*(part.view(2, CONTEXT) for part in rows))


def begun(family: str = "qwen3") -> Decoder:
    return toy_decoder(toy_config(family, vocab=READER.vocab, context=CONTEXT, dropout=0.2))


@pytest.mark.parametrize("family", ["qwen3", "gpt2", "moe", "mamba2"])
def test_a_sound_device_agrees(family: str) -> None:
    decoder = begun(family)
    precision = torch.get_float32_matmul_precision()
    assert require_agreement(begun(family), begun(family), sentences()) == 0
    with torch.no_grad():
        for weight in decoder.parameters():
            weight *= 1 + 1e-6 * torch.randn(weight.shape)
    assert 0 < require_agreement(decoder, begun(family), sentences()) < TOLERANCE / 10
    assert torch.get_float32_matmul_precision() == precision


def test_less_than_fp32_is_not_taken_for_it() -> None:
    with pytest.raises(TrainingError, match="of their spread"):
        require_agreement(begun().bfloat16(), begun(), sentences())


def perturbed(decoder: nn.Module, name: str) -> None:
    with torch.no_grad():
        weight = decoder.get_parameter(name)
        weight += 0.01 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize(
    "name", ["embedding.weight", "blocks.0.mixer.query.weight", "blocks.1.ffn.down.weight"]
)
def test_a_weight_that_was_copied_wrongly_is_refused(name: str) -> None:
    there = begun()
    perturbed(there, name)
    with pytest.raises(TrainingError, match="of their spread") as caught:
        require_agreement(there, begun(), sentences())
    assert caught.value.where == "pre-flight on cpu"
    assert "another version of torch" in caught.value.do


def test_a_block_that_computes_wrongly_is_refused_though_its_output_begins_as_zero() -> None:
    there = begun()

    def harm(_: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> Tensor:
        return found * (torch.arange(found.shape[1])[:, None] != 38)

    there.blocks[1].mixer.query.register_forward_hook(harm)
    plain = begun().eval()
    with torch.no_grad():
        row = (sentences().tokens_BT[:1], Span.packed(sentences().documents_BT[:1]))
        assert torch.equal(there.eval().logits(*row), plain.logits(*row))
    with pytest.raises(TrainingError, match=f"most after token 39 of {COMPARED_TOKENS}"):
        require_agreement(there, plain, sentences())


def test_logits_that_are_no_numbers_are_refused() -> None:
    there = begun()
    there.norm.register_forward_hook(lambda *given: given[-1] * math.nan)
    with pytest.raises(TrainingError, match="by nan of their spread"):
        require_agreement(there, begun(), sentences())


def test_the_gap_is_a_share_of_the_deviation_of_all_logits() -> None:
    there, here = begun(), begun()
    with torch.no_grad():
        for weight in there.parameters():
            weight *= 1 + 1e-6 * torch.randn(weight.shape, generator=torch.Generator())
    gap = require_agreement(there, here, sentences())
    row = [part[:1, :COMPARED_TOKENS] for part in (sentences().tokens_BT, sentences().documents_BT)]
    one, other = (logits(each, *row) for each in (there, here))
    assert gap == pytest.approx(float((one - other).abs().max() / other.std()), rel=1e-3)
