"""Casting where bf16 is not precise enough."""

import torch

from endonym.model.layers import precise


def test_what_is_multiplied_over_a_document_is_float32_at_least() -> None:
    found = [precise(torch.zeros(1, dtype=t)).dtype for t in (torch.bfloat16, torch.float64)]
    assert found == [torch.float32, torch.float64]
