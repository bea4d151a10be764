"""Models of `transformers` behind the interface of `Decoder`: they keep the laws that ours keep."""

from pathlib import Path

import pytest
import torch
from foreign_folders import VOCAB, WINDOW, write_model
from torch import Tensor

from endonym.errors import ShapeError
from endonym.model.foreign.decoder import ForeignCache, ForeignDecoder
from endonym.model.foreign.weights import load_foreign
from endonym.model.span import Span

CLOSE = {"rtol": 0.0, "atol": 2e-5}
ATTENTION = ("gemma3", "gemma2", "qwen2", "mixtral")
ALL = (*ATTENTION, "bloom", "falcon_mamba")
LENGTH = 4 * WINDOW


@pytest.fixture(scope="module", params=ALL)
def decoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> object:
    return opened(request.param, tmp_path_factory.mktemp(request.param))


def opened(kind: str, folder: Path) -> ForeignDecoder:
    write_model(kind, folder)
    return load_foreign(folder).eval()


def tokens(rows: int, length: int, seed: int = 2) -> Tensor:
    return torch.randint(VOCAB, (rows, length), generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def test_documents_of_a_packed_row_do_not_leak(decoder: ForeignDecoder) -> None:
    lengths = [2 * WINDOW + 1, 1, WINDOW - 1, LENGTH - 3 * WINDOW - 1]
    rows = tokens(2, LENGTH)
    documents = torch.repeat_interleave(torch.arange(4), torch.tensor(lengths)).expand(2, -1)
    found = decoder.logits(rows, Span.packed(documents)).split(lengths, dim=1)
    for part, logits in zip(rows.split(lengths, dim=1), found, strict=True):
        torch.testing.assert_close(logits, decoder.logits(part), **CLOSE)


@pytest.mark.parametrize("parts", [[WINDOW + 2, *[1] * (3 * WINDOW - 2)], [7, 6, 1, 6], [2, 18]])
@torch.no_grad()
def test_generation_from_memory_equals_one_full_pass(decoder: ForeignDecoder, parts: list[int]):
    rows = tokens(2, LENGTH)
    cache = decoder.empty_cache(2, LENGTH)
    found, past = [], 0
    for piece in rows.split(parts, dim=1):
        found.append(decoder.logits(piece, Span.after(past, piece), cache))
        past += piece.shape[1]
    torch.testing.assert_close(torch.cat(found, dim=1), decoder.logits(rows), **CLOSE)
    (foreign_cache,) = cache
    assert isinstance(foreign_cache, ForeignCache)
    assert foreign_cache.bytes() > 0


@torch.no_grad()
def test_a_cache_begins_anew_at_index_zero(decoder: ForeignDecoder) -> None:
    cache = decoder.empty_cache(1, LENGTH)
    for seed in (3, 4):
        rows = tokens(1, LENGTH, seed)
        found = decoder.logits(rows, Span.after(0, rows), cache)
        torch.testing.assert_close(found, decoder.logits(rows), **CLOSE)


@torch.no_grad()
def test_padding_on_the_left_is_never_seen(decoder: ForeignDecoder) -> None:
    rows, starts = tokens(3, LENGTH), torch.tensor([0, 3, WINDOW + 3])
    cache = decoder.empty_cache(3, LENGTH)
    if not decoder.reads_padded:
        with pytest.raises(ShapeError, match="falcon_mamba reads rows of one length only"):
            decoder.logits(rows, Span.after(0, rows, starts), cache)
        return
    found, past = [], 0
    for piece in rows.split([WINDOW + 1, 2, *[1] * (3 * WINDOW - 3)], dim=1):
        found.append(decoder.logits(piece, Span.after(past, piece, starts), cache))
        past += piece.shape[1]
    logits = torch.cat(found, dim=1)
    for row, start in enumerate(starts.tolist()):
        wanted = decoder.logits(rows[row : row + 1, start:])[0]
        torch.testing.assert_close(logits[row, start:], wanted, **CLOSE)


@torch.no_grad()
def test_logits_are_those_of_the_library(decoder: ForeignDecoder) -> None:
    rows = tokens(2, LENGTH)
    hidden, penalty = decoder(rows)
    torch.testing.assert_close(decoder.readout.logits(hidden), decoder.network(rows).logits)
    assert penalty == 0
    assert decoder.readout.cap == (2.0 if decoder.config.family == "gemma2" else None)


def test_state_spaces_read_packed_documents_one_by_one(decoder: ForeignDecoder) -> None:
    assert decoder.reads_packed == (decoder.config.family not in ("bloom", "falcon_mamba"))


def test_gradients_of_a_packed_row_are_those_of_its_documents(tmp_path: Path) -> None:
    decoder = opened("gemma3", tmp_path)
    rows = tokens(1, LENGTH)
    documents = (torch.arange(LENGTH) >= 9).long()[None]
    seen = []
    alone = [(rows[:, :9], None), (rows[:, 9:], None)]
    for parts in ([(rows, Span.packed(documents))], alone):
        decoder.zero_grad()
        for part, span in parts:
            decoder.logits(part, span).square().sum().backward()
        seen.append({name: each.grad.clone() for name, each in decoder.named_parameters()})
    for name, gradient in seen[0].items():
        scale = float(gradient.abs().max())
        assert scale > 0
        torch.testing.assert_close(seen[1][name], gradient, rtol=1e-3, atol=1e-4 * scale)
