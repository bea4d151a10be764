"""The memory of training by formula: what is fixed, what a micro-batch keeps, what shards save."""

import pytest
import torch
from laws.shapes import lively, shape, some_tokens

from endonym.model.config import ModelConfig
from endonym.model.count import parameters
from endonym.model.families import FAMILIES
from endonym.model.kernels.loss import summed_nats
from endonym.model.memory import training_bytes
from endonym.model.span import Span


def kept_bytes(config: ModelConfig, tokens: int, dtype: torch.dtype) -> int:
    """Memory of what the backward pass of one packed micro-batch holds, weights aside."""
    decoder = lively(config).to(dtype).train()
    weights = {each.untyped_storage().data_ptr() for each in decoder.parameters()}
    seen: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    tokens_BT = some_tokens(tokens // 32, 32, vocab=config.vocab)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        hidden_BTD, _ = decoder(tokens_BT, Span.packed(tokens_BT * 0))
        nats = summed_nats(hidden_BTD.flatten(0, 1), decoder.readout, tokens_BT.flatten())
    assert nats.requires_grad
    return sum(seen.values())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_memory_of_training_is_about_what_a_micro_batch_keeps(family: str) -> None:
    config = shape(family, dim=64, layers=4, vocab=300)
    tokens = 1024
    promised = training_bytes(config, tokens, "fp32") - training_bytes(config, 0, "fp32")
    logits = tokens * config.vocab * 3 * 4
    held = kept_bytes(config, tokens, torch.float32)
    assert 0.6 < (promised - logits) / held < 1.7


def test_the_fixed_memory_of_training_is_sixteen_bytes_a_parameter() -> None:
    config = shape("llama")
    count = parameters(config).total
    assert training_bytes(config, 0, "fp32") == 16 * count
    assert training_bytes(config, 0, "bf16") == (16 + 4) * count
