"""Pre-flight: a device computes what the CPU computes, and a model overfits one row."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from toys import lively_decoder, toy_config, toy_decoder, toy_texts, toy_tokenizer, train_config

from endonym.data.batches import Batch
from endonym.errors import TrainingError
from endonym.model.adapt_config import Adapt
from endonym.model.attention import Attention
from endonym.model.decoder import Decoder
from endonym.model.lora import adapted
from endonym.model.span import Span
from endonym.pipeline import preflight
from endonym.pipeline.preflight import COMPARED_TOKENS, logits, overfit_one_row, require_agreement
from endonym.train.config import TrainConfig

READER = toy_tokenizer("bpe")
CONTEXT = 80


def sentences() -> Batch:
    """Two rows of real sentences, several in each, longer than what is compared."""
    texts = [text for text in toy_texts() if text][:24]
    ids = [(number, each) for number, t in enumerate(READER.encode_many(texts)) for each in t]
    flat = torch.tensor([each for _, each in ids][: 2 * CONTEXT + 1])
    documents = torch.tensor([number for number, _ in ids][: 2 * CONTEXT])
    return Batch(*(part.view(2, CONTEXT) for part in (flat[:-1], flat[1:], documents)))


def begun(family: str = "qwen3") -> Decoder:
    return toy_decoder(toy_config(family, vocab=READER.vocab, context=CONTEXT, dropout=0.2))


@torch.no_grad()
def rounded(decoder: Decoder) -> Decoder:
    for weight in decoder.parameters():
        weight *= 1 + 1e-6 * torch.randn(weight.shape, generator=torch.Generator())
    return decoder


@pytest.mark.parametrize("family", ["qwen3", "moe", "mamba2"])
def test_a_sound_device_agrees(family: str) -> None:
    """The gap is a share of the deviation of all logits."""
    precision = torch.get_float32_matmul_precision()
    assert require_agreement(begun(family), begun(family), sentences()) == 0
    there, here = rounded(begun(family)), begun(family)
    gap = require_agreement(there, here, sentences())
    assert 0 < gap < preflight.TOLERANCE / 10
    assert torch.get_float32_matmul_precision() == precision
    row = [part[:1, :COMPARED_TOKENS] for part in (sentences().tokens_BT, sentences().documents_BT)]
    one, other = (logits(each, *row) for each in (there, here))
    assert gap == pytest.approx(float((one - other).abs().max() / other.std()), rel=1e-3)


@pytest.mark.parametrize("fault", ["ffn.down.weight", "bf16", "nan"])
def test_a_weight_that_was_copied_wrongly_is_refused(fault: str) -> None:
    there = begun()
    if fault == "bf16":
        there = there.bfloat16()
    elif fault == "nan":
        there.norm.register_forward_hook(lambda *given: given[-1] * math.nan)
    else:
        weight = there.get_parameter(f"blocks.1.{fault}")
        drawn = torch.randn(weight.shape, generator=torch.Generator().manual_seed(4))
        weight.data += 0.01 * drawn
    with pytest.raises(TrainingError, match="of their spread") as caught:
        require_agreement(there, begun(), sentences())
    assert caught.value.where == "first check on cpu"
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


def batch_of(rows: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(2)
    tokens_BT = torch.randint(0, 40, (rows, 17), generator=generator)
    inputs_BT = tokens_BT[:, :-1].contiguous()
    return Batch(inputs_BT, tokens_BT[:, 1:].contiguous(), torch.zeros_like(inputs_BT))


def phase_of(lr: float, number_format: str = "fp32", **changes: object) -> TrainConfig:
    return train_config(lr=lr, weight_decay=0.01, number_format=number_format).but(**changes)


@pytest.mark.parametrize(("family", "number_format"), [("qwen3", "bf16"), ("gpt2", "fp32")])
def test_a_healthy_model_learns_one_row_by_heart(family: str, number_format: str) -> None:
    config = toy_config(family, dropout=0.5, attention_dropout=0.9)
    decoder = toy_decoder(config)
    before, after = overfit_one_row(decoder, batch_of(), phase_of(2e-2, number_format))
    assert not any(each.dropout for each in decoder.modules() if isinstance(each, Attention))
    with torch.no_grad():
        logits_TV = toy_decoder(config).eval().logits(batch_of().tokens_BT[:1])[0]
    expected = F.cross_entropy(logits_TV, batch_of().targets_BT[0])
    assert before == pytest.approx(float(expected), rel=1e-3)
    assert after < before / 2


def test_a_rate_that_diverges_is_refused_with_the_rate() -> None:
    with pytest.raises(TrainingError, match="cannot overfit one row") as caught:
        overfit_one_row(toy_decoder(), batch_of(), phase_of(30.0))
    assert caught.value.where == "phase pretrain"
    assert "Lower lr = 30" in caught.value.do


@pytest.mark.parametrize(
    ("number_format", "optimizer", "help_"),
    [("bf16", "adamw", '"fp32"'), ("fp32", "muon", '"adamw"'), ("fp32", "adamw", "model.family")],
)
def test_a_rate_that_was_not_tried_is_not_blamed(
    monkeypatch: pytest.MonkeyPatch, number_format: str, optimizer: str, help_: str
) -> None:
    monkeypatch.setattr(preflight, "STEPS", 3)
    phase = phase_of(1e-12, number_format, optimizer=optimizer)
    with pytest.raises(TrainingError, match="cannot overfit one row") as caught:
        overfit_one_row(toy_decoder(), batch_of(), phase)
    assert "Lower lr" not in caught.value.do
    assert "tried at lr = 0.002" in caught.value.do
    assert help_ in caught.value.do


def test_careful_rates_are_livelier_here(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(preflight, "STEPS", 5)
    seen: list[str] = []
    for lr, embedding_lr in ((2e-3, 2e-3), (1e-5, 4e-5)):
        with pytest.raises(TrainingError, match="overfit") as caught:
            overfit_one_row(toy_decoder(), batch_of(), phase_of(lr, embedding_lr=embedding_lr))
        seen.append(caught.value.message)
    assert seen[0] == seen[1]


def test_a_model_whose_gradients_do_not_arrive_is_refused_and_its_rate_is_not_blamed() -> None:
    decoder = toy_decoder().requires_grad_(requires_grad=False)
    decoder.blocks[0].mixer.query.weight.requires_grad_(requires_grad=True)
    with pytest.raises(TrainingError, match="cannot overfit one row") as caught:
        overfit_one_row(decoder, batch_of(), phase_of(3e-3))
    assert "Lower lr" not in caught.value.do


def test_a_small_adapter_need_not_learn_a_row_by_heart() -> None:
    adapt = Adapt(rank=1, on=("1.mixer.key",)).resolved()
    phase = phase_of(1e-3, "bf16", adapt=adapt)
    before, after = overfit_one_row(adapted(lively_decoder(), adapt, 1), batch_of(), phase)
    assert 0.9 * before < after < 0.999 * before


@pytest.mark.parametrize(("number_format", "help_"), [("fp32", "rank."), ("bf16", '"fp32".')])
def test_a_dead_adapter_is_refused(number_format: str, help_: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(preflight, "STEPS", 3)
    adapt = Adapt(rank=1, on=("query",)).resolved()
    decoder = adapted(lively_decoder(), adapt, 1)
    for name, parameter in decoder.named_parameters():
        if name.endswith("lora_A"):  # B is zero, so that nothing arrives at A, nor anywhere
            parameter.data.zero_()
    with pytest.raises(TrainingError, match=r"^phase .*: the adapters learn no row") as caught:
        overfit_one_row(decoder, batch_of(), phase_of(3e-3, number_format, adapt=adapt))
    assert caught.value.do.startswith("It was tried at lr = 0.02. Name more matrices in adapt.on")
    assert caught.value.do.endswith(help_)
