"""Generates several texts in a batch of rows padded on the left.

Padding is a document of its own, so that no row sees it.
"""

from collections.abc import Collection, Iterator, Sequence

import torch
from torch import Tensor

from endonym.generate.sample import Sampling, choose
from endonym.generate.whole_characters import WholeCharacters
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.span import Span

PREFILL_TOKENS = 512
"""Tokens of a prompt that are computed at once, so that memory stays bounded."""


def continued(
    decoder: AnyDecoder,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    samplings: Sequence[Sampling],
    *,
    end_id: int,
    ends: Collection[int] = (),
    min_tokens: int = 0,
    characters: WholeCharacters | None = None,
) -> Iterator[dict[int, int]]:
    """Yields up to `max_tokens` times the next token of each row that has not ended, by row number.

    A row ends with the end-of-text token or another one of `ends` (of a turn), which are not chosen
    before `min_tokens` others. When the longest row exceeds the context, rows longer than the
    context are cut to their last half.
    characters: no token is drawn that would break a character; greedy choice (temperature 0) stays
    the most probable token of all.
    """
    rows = dict(enumerate([*ids] for ids in prompts))
    if not rows:
        return
    stops = {end_id, *ends}
    pending = dict.fromkeys(rows, b"")
    generators = [torch.Generator().manual_seed(sampling.seed) for sampling in samplings]
    context = decoder.config.context
    batch = None
    for made in range(max_tokens):
        if batch is None or batch.length > context:
            half = max(1, context // 2)
            rows = {n: ids if len(ids) <= context else ids[-half:] for n, ids in rows.items()}
            batch = _Batch(decoder, rows, end_id, max_tokens=max_tokens)
        logits = batch.next_logits()
        chosen: dict[int, int] = {}
        for number, ids in rows.items():
            # No repetition penalty for the tokens that open a document or end a turn.
            seen = torch.tensor(sorted({*ids} - stops), dtype=torch.int64)
            logits_V = logits[number]
            if made < min_tokens:
                logits_V = logits_V.index_fill(0, torch.tensor(sorted(stops)), -torch.inf)
            if characters is not None and not samplings[number].is_greedy:
                logits_V = characters.narrowed(logits_V, pending[number])
            index = choose(logits_V, seen, samplings[number], generators[number])
            if characters is not None:
                pending[number] = characters.after(pending[number], index)
            chosen[number] = index
            ids.append(index)
        yield chosen
        rows = {number: ids for number, ids in rows.items() if chosen[number] not in stops}
        if not rows:
            return
        batch.append(chosen)


class _Batch:
    """Rows with their cache. A row that has ended stays in the batch and is ignored."""

    def __init__(
        self, decoder: AnyDecoder, rows: dict[int, list[int]], end_id: int, max_tokens: int
    ) -> None:
        self.decoder, self.numbers, self.end_id = decoder, list(rows), end_id
        self.length = max(map(len, rows.values()))
        self.device = decoder.readout.weight_VD.device
        padding = [self.length - len(ids) for ids in rows.values()]
        padded = [[end_id] * n + ids for n, ids in zip(padding, rows.values(), strict=True)]
        self.new_BT = torch.tensor(padded, device=self.device)
        self.starts_B = torch.tensor(padding, device=self.device) if any(padding) else None
        longest = min(decoder.config.context, self.length + max_tokens)
        self.cache = decoder.empty_cache(len(rows), longest)
        self.past = 0

    def append(self, chosen: dict[int, int]) -> None:
        """Add the next token of each row."""
        new = [[chosen.get(number, self.end_id)] for number in self.numbers]
        self.new_BT = torch.tensor(new, device=self.device)
        self.length += 1

    @torch.inference_mode()
    def next_logits(self) -> dict[int, Tensor]:
        """Logits of the next token of each row, by row number."""
        hidden_BTD = None
        for piece_BT in self.new_BT.split(PREFILL_TOKENS, dim=1):
            span = Span.after(self.past, piece_BT, self.starts_B)
            hidden_BTD, _ = self.decoder(piece_BT, span, self.cache)
            self.past += piece_BT.shape[1]
        assert hidden_BTD is not None, "a row has one token at least"
        logits_BV = self.decoder.readout.logits(hidden_BTD[:, -1]).cpu()
        return dict(zip(self.numbers, logits_BV, strict=True))
