"""Law 20, beyond one pass: `transformers` learns from a text, and remembers it, as we do."""

from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from laws.shapes import some_tokens
from torch.nn import functional as F

from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.model.decoder import Decoder
from endonym.model.span import Span

HandedOver = tuple[LanguageModel, Path]
LENGTH = 300


def test_the_slope_of_the_loss_is_the_same(
    handed_over: HandedOver, transformers: ModuleType, tmp_path: Path
) -> None:
    """Our gradients, handed over as if they were weights, stand beside theirs by name."""
    model, folder = handed_over
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokens_BT = some_tokens(2, LENGTH, vocab=model.tokenizer.vocab)
    theirs(tokens_BT, labels=tokens_BT).loss.backward()
    slopes = Decoder(model.decoder.config)
    slopes.load_state_dict(model.decoder.state_dict())
    logits_BTV = slopes.logits(tokens_BT[:, :-1])
    F.cross_entropy(logits_BTV.flatten(0, 1), tokens_BT[:, 1:].flatten()).backward()
    with torch.no_grad():
        for parameter in slopes.parameters():
            assert parameter.grad is not None
            parameter.copy_(parameter.grad)
    export_huggingface(LanguageModel(slopes, model.tokenizer), tmp_path)
    handed = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    whole = max(each.grad.norm() for each in theirs.parameters())
    for name, parameter in theirs.named_parameters():
        found = handed.get_parameter(name)
        gap = (found - parameter.grad).norm()
        assert gap < 1e-3 * parameter.grad.norm() or gap < 1e-6 * whole, name


@torch.no_grad()
def test_what_is_remembered_gives_the_logits_of_one_pass(
    handed_over: HandedOver, theirs: Any
) -> None:
    """Over the window's edge too: theirs in one pass, ours piece by piece from memory."""
    model, _ = handed_over
    tokens_BT = some_tokens(2, LENGTH, vocab=model.tokenizer.vocab)
    wanted = theirs(tokens_BT).logits
    for pieces in ([LENGTH - 6, *[1] * 6], [97, 4, LENGTH - 101]):
        cache, past, found = model.decoder.empty_cache(2, LENGTH), 0, []
        for piece_BT in tokens_BT.split(pieces, dim=1):
            found.append(model.decoder.logits(piece_BT, Span.after(past, piece_BT), cache))
            past += piece_BT.shape[1]
        torch.testing.assert_close(torch.cat(found, dim=1), wanted, rtol=0.0, atol=1e-4)


@torch.no_grad()
def test_three_rows_with_padding_give_what_each_gives_alone(handed_over: HandedOver) -> None:
    model, _ = handed_over
    lengths = [LENGTH, 41, 200]
    rows = [some_tokens(1, n, vocab=model.tokenizer.vocab, seed=n) for n in lengths]
    padded_BT = torch.cat([F.pad(row, (LENGTH - row.shape[1], 0)) for row in rows])
    starts_B = LENGTH - torch.tensor(lengths)
    cache, found, past = model.decoder.empty_cache(3, LENGTH), [], 0
    for piece_BT in padded_BT.split([LENGTH - 20, 19, 1], dim=1):
        found.append(model.decoder.logits(piece_BT, Span.after(past, piece_BT, starts_B), cache))
        past += piece_BT.shape[1]
    together = torch.cat(found, dim=1)
    for row, length, answer in zip(rows, lengths, together, strict=True):
        alone = model.decoder.logits(row)[0]
        largest = float(alone.abs().max())
        torch.testing.assert_close(answer[LENGTH - length :], alone, rtol=0.0, atol=4e-6 * largest)
