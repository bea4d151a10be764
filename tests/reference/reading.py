"""Reading a document alone, one window at a time: the protocol of the fixed judge.

A document starts after end-of-text, which is given. Where it is longer than the context, the
window moves by half of it; a model of states (mamba, mamba2) reads all of it at once, since it
carries its state over. Nothing is batched, padded or chunked.
"""

import torch
from torch import Tensor

LONGEST_CONTEXT = 2048
STATES = ("mamba", "mamba2")
"""Families whose layers remember a state of constant size, and nothing else."""


@torch.inference_mode()
def document_nats(decoder: torch.nn.Module, ids: list[int], end_id: int) -> list[float]:
    """Nats of each id of one document."""
    row = torch.tensor([end_id, *ids])
    context = min(decoder.config.context, LONGEST_CONTEXT)
    if decoder.config.family in STATES:
        context = len(row)
    found: list[float] = []
    done = 1
    while done < len(row):
        end = len(row)
        if len(row) > context:
            end = min(len(row), max(context, done + context // 2))
        begin = max(0, end - context)
        logits_TV = logits_of(decoder, row[begin:end])
        for index in range(done, end):
            shares_V = logits_TV[index - 1 - begin].double().softmax(-1)
            found.append(-float(shares_V[row[index]].log()))
        done = end
    return found


def logits_of(decoder: torch.nn.Module, window_T: Tensor) -> Tensor:
    """Logits after each token of one window."""
    return decoder.logits(window_T[None])[0]
