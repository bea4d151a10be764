"""Pre-flight: a batch learnt by heart, or a refusal that says what to change."""

import pytest
import torch
from torch.nn import functional as F
from toys import toy_config, toy_decoder

from endonym.data.batches import Batch
from endonym.errors import TrainingError
from endonym.train.config import Phase
from endonym.train.preflight import learn_by_heart


def batch_of(rows: int = 3) -> Batch:
    generator = torch.Generator().manual_seed(2)
    tokens_BT = torch.randint(0, 40, (rows, 17), generator=generator)
    inputs_BT = tokens_BT[:, :-1].contiguous()
    return Batch(inputs_BT, tokens_BT[:, 1:].contiguous(), torch.zeros_like(inputs_BT))


def phase_of(lr: float, number_format: str = "fp32") -> Phase:
    return Phase.model_validate({"lr": lr, "weight_decay": 0.01, "number_format": number_format})


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
@pytest.mark.parametrize("family", ["qwen3", "llama", "gpt2"])
def test_a_healthy_model_learns_one_row_by_heart(family: str, number_format: str) -> None:
    decoder = toy_decoder(toy_config(family, dropout=0.5))
    before, after = learn_by_heart(decoder, batch_of(), phase_of(2e-2, number_format))
    with torch.no_grad():
        logits_TV = decoder.eval().logits(batch_of().tokens_BT[:1])[0]
    expected = F.cross_entropy(logits_TV, batch_of().targets_BT[0])
    assert before == pytest.approx(float(expected), rel=1e-3)
    assert after < before / 2


def test_the_model_itself_is_not_trained() -> None:
    decoder = toy_decoder(toy_config(dropout=0.5)).train()
    before = {name: tensor.clone() for name, tensor in decoder.state_dict().items()}
    learn_by_heart(decoder, batch_of(), phase_of(2e-2, "bf16"))
    for name, tensor in decoder.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert decoder.dropout.p == 0.5
    assert decoder.training


@pytest.mark.parametrize("lr", [1e-12, 30.0])
def test_a_rate_that_learns_nothing_or_diverges_is_refused(lr: float) -> None:
    with pytest.raises(TrainingError, match="cannot be learnt by heart") as caught:
        learn_by_heart(toy_decoder(), batch_of(), phase_of(lr))
    assert caught.value.where == "phase pretrain"
    assert "Lower lr" in caught.value.do


def test_a_model_whose_gradients_do_not_arrive_is_refused() -> None:
    decoder = toy_decoder()
    for parameter in decoder.parameters():
        parameter.requires_grad_(requires_grad=False)
    decoder.blocks[0].mixer.query.weight.requires_grad_(requires_grad=True)
    with pytest.raises(TrainingError, match="cannot be learnt by heart"):
        learn_by_heart(decoder, batch_of(), phase_of(2e-2))
