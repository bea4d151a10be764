"""Pre-flight: one row is overfitted, or a refusal that says what to change."""

import pytest
import torch
from torch.nn import functional as F
from toys import lively_decoder, toy_config, toy_decoder, train_config

from endonym.data.batches import Batch
from endonym.errors import TrainingError
from endonym.model.adapt_config import Adapt
from endonym.model.attention import Attention
from endonym.model.lora import adapted
from endonym.train import preflight
from endonym.train.config import TrainConfig
from endonym.train.preflight import overfit_one_row


def batch_of(rows: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(2)
    tokens_BT = torch.randint(0, 40, (rows, 17), generator=generator)
    inputs_BT = tokens_BT[:, :-1].contiguous()
    return Batch(inputs_BT, tokens_BT[:, 1:].contiguous(), torch.zeros_like(inputs_BT))


def phase_of(lr: float, number_format: str = "fp32") -> TrainConfig:
    return train_config(**({"lr": lr, "weight_decay": 0.01, "number_format": number_format}))


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
@pytest.mark.parametrize("family", ["qwen3", "llama", "gpt2"])
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
    phase = phase_of(1e-12, number_format).model_copy(update={"optimizer": optimizer})
    with pytest.raises(TrainingError, match="cannot overfit one row") as caught:
        overfit_one_row(toy_decoder(), batch_of(), phase)
    assert "Lower lr" not in caught.value.do
    assert "tried at lr = 0.002" in caught.value.do
    assert help_ in caught.value.do


def test_careful_rates_of_matrices_and_tables_are_both_livelier_here() -> None:
    brisk, careful = phase_of(2e-3), phase_of(1e-5)
    brisk = brisk.but(**{"embedding_lr": 2e-3})
    careful = careful.but(**{"embedding_lr": 4e-5})
    seen: list[str] = []
    for phase in (brisk, careful):
        with pytest.raises(TrainingError, match="overfit") as caught:
            overfit_one_row(toy_decoder(), batch_of(), phase)
        seen.append(caught.value.message)
    assert seen[0] == seen[1]


def test_a_rate_that_learns_too_slowly_is_not_lowered() -> None:
    decoder = toy_decoder()
    for parameter in decoder.parameters():
        parameter.requires_grad_(requires_grad=False)
    decoder.blocks[0].mixer.query.weight.requires_grad_(requires_grad=True)
    with pytest.raises(TrainingError, match="cannot overfit one row") as caught:
        overfit_one_row(decoder, batch_of(), phase_of(3e-3))
    assert "Lower lr" not in caught.value.do


def test_a_model_whose_gradients_do_not_arrive_is_refused() -> None:
    decoder = toy_decoder()
    for parameter in decoder.parameters():
        parameter.requires_grad_(requires_grad=False)
    decoder.blocks[0].mixer.query.weight.requires_grad_(requires_grad=True)
    with pytest.raises(TrainingError, match="cannot overfit one row"):
        overfit_one_row(decoder, batch_of(), phase_of(2e-2))


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
def test_a_small_adapter_need_not_learn_a_row_by_heart(number_format: str) -> None:
    adapt = Adapt(rank=1, on=("1.mixer.key",)).resolved()
    phase = phase_of(1e-3, number_format).but(adapt=adapt)
    before, after = overfit_one_row(adapted(lively_decoder(), adapt, 1), batch_of(), phase)
    assert 0.9 * before < after < 0.999 * before


@pytest.mark.parametrize(("number_format", "help_"), [("fp32", "rank."), ("bf16", '"fp32".')])
def test_an_adapter_without_gradients_is_refused_and_its_matrices_are_blamed_first(
    number_format: str, help_: str
) -> None:
    adapt = Adapt(rank=1, on=("query",)).resolved()
    decoder = adapted(lively_decoder(), adapt, 1)
    for name, parameter in decoder.named_parameters():
        if name.endswith("lora_A"):  # B is zero, so that nothing arrives at A, nor anywhere
            parameter.data.zero_()
    phase = phase_of(3e-3, number_format).but(adapt=adapt)
    with pytest.raises(TrainingError, match="the adapters learn no row") as caught:
        overfit_one_row(decoder, batch_of(), phase)
    assert caught.value.do.startswith("It was tried at lr = 0.02. Name more matrices in adapt.on")
    assert caught.value.do.endswith(help_)
