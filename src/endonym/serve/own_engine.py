"""endonym's own runtime as an engine, for models that llama.cpp cannot run.

Sequences are computed one after the other, each with a cache of its own.
"""

from collections.abc import Sequence

import numpy as np
import torch

from endonym.generate.language_model import LanguageModel
from endonym.generate.reading import PREFILL_TOKENS, mean_states
from endonym.generate.sample import Logits
from endonym.model.cache import Cache
from endonym.model.count import cache_bytes
from endonym.model.span import Span
from endonym.serve.engine import Engine, Row, Vector
from endonym.tokenizer.chat_template import Markup


class OwnEngine(Engine):
    """A decoder on its device, and for each slot in use a cache, which grows with its text."""

    name = "endonym"

    def __init__(self, model: LanguageModel, *, most_slots: int, memory: int) -> None:
        """memory: bytes that all caches together may take."""
        self.model = model
        self.decoder = model.decoder
        self.batch = PREFILL_TOKENS
        self.context = model.decoder.config.context
        self.vocabulary = model.tokenizer
        width = model.decoder.readout.weight_VD.element_size()
        each = cache_bytes(model.decoder.config, self.context, width)
        self.slots = max(1, min(most_slots, memory // max(1, each)))
        self.before = model.tokenizer.before
        self.start = model.tokenizer.start_name
        self.document_start = model.tokenizer.document_start
        self.end = model.tokenizer.end
        self.template = model.tokenizer.chat_template
        self.ends = model.tokenizer.stop_ids
        self.spelled = model.spelled
        self.turns = model.turns
        self.defaults = model.defaults
        self._markup = Markup(model.tokenizer)
        self.device = model.decoder.readout.weight_VD.device
        self._caches: dict[int, Cache] = {}

    @torch.inference_mode()
    def compute(self, rows: Sequence[Row]) -> Logits:
        """The wanted logits, row after row."""
        return np.concatenate([self._row_logits(row) for row in rows])

    def _row_logits(self, row: Row) -> Logits:
        decoder = self.decoder
        if row.slot not in self._caches:
            self._caches[row.slot] = decoder.empty_cache(1, self.context)
        tokens_BT = torch.tensor([row.ids], device=self.device)
        span = Span.after(row.past, tokens_BT)
        hidden_BTD, _ = decoder(tokens_BT, span, self._caches[row.slot])
        wanted_ND = hidden_BTD[0, len(row.ids) - row.outputs :]
        return decoder.readout.logits(wanted_ND).float().cpu().numpy()

    @torch.inference_mode()
    def mean_state(self, ids: Sequence[int], slot: int) -> Vector:
        """The mean of a text's last hidden states."""
        return mean_states(self.decoder, [ids], len(self.before))[0].cpu().numpy()

    def release(self, slot: int) -> None:
        """Forget the sequence in a slot."""
        self._caches.pop(slot, None)

    def encode_markup(self, text: str, begins: bool = False) -> list[int]:
        """The ids of a chat template's own text: specials by name."""
        return self._markup.encode(text, begins)

    def close(self) -> None:
        """Free the caches."""
        self._caches.clear()
