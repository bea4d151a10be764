"""A model that knows a few sentences by heart, for tests of suggestions on a page."""

from functools import cache
from pathlib import Path

import torch

from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.model.config import MixerKeys, ModelKeys
from endonym.model.families import resolve
from endonym.model.init import new_decoder
from endonym.model.span import Span
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer

SENTENCES = (
    "Бүген урамда кояш яктырта, балалар бакчада уйный.",
    "Әбием мич янында ипи пешерә, бабам китап укый.",
    "ខ្ញុំទៅសាលារៀនជាមួយមិត្តភក្តិរបស់ខ្ញុំ។",
    "ភូមិរបស់ខ្ញុំនៅជិតទន្លេធំមួយ។",
    "امروز هوا سرد است و ما در خانه می‌مانیم.",
    "مادرم هر روز صبح نان تازه می‌خرد.",
    "Le boulanger ouvre sa boutique avant le lever du soleil.",
    "Les enfants jouent dans le jardin de leur grand-mère.",
)
STEPS, CONTEXT, IGNORED = 80, 128, -100


@cache
def learnt_by_heart() -> LanguageModel:
    """A model that goes on with each of the sentences from its first word. Takes seconds."""
    config = TokenizerConfig.model_validate({"kind": "bpe", "vocab": 500})
    tokenizer = train_tokenizer(config, lambda: iter(SENTENCES * 4))
    keys = ModelKeys(family="qwen3", dim=64, layers=2, mixer=MixerKeys(heads=1), dropout=0.0)
    decoder = new_decoder(resolve(keys, vocab=tokenizer.vocab, context=CONTEXT), seed=0)
    rows = [torch.tensor([*tokenizer.begun_ids(each), tokenizer.end_id]) for each in SENTENCES]
    ids_BT = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=IGNORED)
    tokens_BT, targets_BT = ids_BT[:, :-1].clamp(min=0), ids_BT[:, 1:]
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=1e-2)
    for _ in range(STEPS):
        hidden_BTD, _ = decoder(tokens_BT, Span.after(0, tokens_BT))
        logits_BTV = decoder.readout.logits(hidden_BTD)
        loss = torch.nn.functional.cross_entropy(
            logits_BTV.flatten(0, 1), targets_BT.flatten(), ignore_index=IGNORED
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return LanguageModel(decoder, tokenizer)


def write_learnt_by_heart(folder: Path) -> Path:
    """That model as a folder that `endonym serve` reads."""
    export_huggingface(learnt_by_heart(), folder)
    return folder
