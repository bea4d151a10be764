"""Generates several texts in a batch of rows padded on the left.

Padding is a document of its own, so that no row sees it.
"""

from collections.abc import Collection, Iterator, Sequence

import torch

from endonym.generate.sample import Logits, Sampler, SamplerState, Sampling
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.span import Span

PREFILL_TOKENS = 512
"""Tokens of a prompt that are computed at once, so that memory stays bounded."""
PADDING = 0
"""Any id."""


def continued(
    decoder: AnyDecoder,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    samplings: Sequence[Sampling],
    *,
    sampler: Sampler,
    min_tokens: int = 0,
) -> Iterator[dict[int, int]]:
    """Yields up to `max_tokens` times the next token of each row that has not ended, by row number.

    A row ends with one of the sampler's `ends`, which are not chosen before `min_tokens` others.
    When the longest row exceeds the context, rows longer than the context are cut to their last
    half.
    """
    rows = dict(enumerate([*ids] for ids in prompts))
    if not rows:
        return
    states = [
        SamplerState(sampling, ids, min_tokens=min_tokens)
        for sampling, ids in zip(samplings, prompts, strict=True)
    ]
    context = decoder.config.context
    batch = None
    for _ in range(max_tokens):
        if batch is None or batch.length > context:
            for number, ids in rows.items():
                if len(ids) > context:
                    rows[number] = ids[-max(1, context // 2) :]
                    states[number].seen = set(rows[number])
            batch = _Batch(decoder, rows, max_tokens=max_tokens)
        logits_BV = batch.next_logits(rows)
        tokens = sampler.next_tokens(logits_BV, [states[number] for number in rows])
        chosen = dict(zip(rows, tokens, strict=True))
        for number, ids in rows.items():
            ids.append(chosen[number])
        yield chosen
        rows = {number: ids for number, ids in rows.items() if chosen[number] not in sampler.ends}
        if not rows:
            return
        batch.append(chosen)


class _Batch:
    """Rows with their cache. A row that has ended stays in the batch and is ignored."""

    def __init__(self, decoder: AnyDecoder, rows: dict[int, list[int]], max_tokens: int) -> None:
        self.decoder, self.numbers = decoder, list(rows)
        self.length = max(map(len, rows.values()))
        self.device = decoder.readout.weight_VD.device
        padding = [self.length - len(ids) for ids in rows.values()]
        padded = [[PADDING] * n + ids for n, ids in zip(padding, rows.values(), strict=True)]
        self.new_BT = torch.tensor(padded, device=self.device)
        self.starts_B = torch.tensor(padding, device=self.device) if any(padding) else None
        longest = min(decoder.config.context, self.length + max_tokens)
        self.cache = decoder.empty_cache(len(rows), longest)
        self.past = 0

    def append(self, chosen: dict[int, int]) -> None:
        """Add the next token of each row."""
        new = [[chosen.get(number, PADDING)] for number in self.numbers]
        self.new_BT = torch.tensor(new, device=self.device)
        self.length += 1

    @torch.inference_mode()
    def next_logits(self, numbers: Collection[int]) -> Logits:
        """Logits of the next token of these rows."""
        hidden_BTD = None
        for piece_BT in self.new_BT.split(PREFILL_TOKENS, dim=1):
            span = Span.after(self.past, piece_BT, self.starts_B)
            hidden_BTD, _ = self.decoder(piece_BT, span, self.cache)
            self.past += piece_BT.shape[1]
        assert hidden_BTD is not None, "a row has one token at least"
        wanted = [self.numbers.index(number) for number in numbers]
        return self.decoder.readout.logits(hidden_BTD[wanted, -1]).float().cpu().numpy()
