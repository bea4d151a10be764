"""llama.cpp as an engine: the tokens of many sequences in one batch."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from endonym.generate.llama_cpp import BATCH, SAMPLING_NAMES, UNIT, LlamaCpp
from endonym.generate.sample import STATED, Defaults, Logits
from endonym.limited.opened import NEVER, Opened
from endonym.serve.engine import Engine, Row, Vector
from endonym.tokenizer.tokenizer import Tokenizer

BATCH_LOGITS = 1 << 25
"""No batch gives more numbers than these."""
BYTES = 2
STATE_BYTES = 4
"""Of a number in a cache: fp16 of keys and values, fp32 of the states of state spaces."""


class LlamaEngine(Engine):
    """A GGUF file in llama.cpp, with one cache for each slot that was ever in use at once.

    adapter: a GGUF file of an adapter of the model. chat: a tokenizer of the model whose chat
    template is used instead of the file's, and whose ends of an answer end one too: those of the
    adapter. memory: bytes that all caches together may take. A context whose cache alone would take
    more is shortened; whole_context is what the file says. opened: notes of files that were tried
    before.
    """

    name = "llama.cpp"

    def __init__(
        self,
        path: Path,
        *,
        most_slots: int,
        memory: int,
        threads: int,
        adapter: Path | None = None,
        chat: Tokenizer | None = None,
        opened: Opened = NEVER,
    ) -> None:
        with LlamaCpp(path, context=0, opened=opened) as described:
            token_bytes, state_bytes = cache_bytes(described)
            context = self.whole_context = claimed_context(described)
        if context * token_bytes + state_bytes > memory and token_bytes:
            fitting = max(0, memory - state_bytes) // token_bytes // UNIT * UNIT
            context = min(context, max(UNIT, fitting))
        bytes_each = self.whole_context * token_bytes + state_bytes
        self.slots = max(1, min(most_slots, memory // bytes_each if bytes_each else 1))
        self._llama = LlamaCpp(
            path,
            adapter=adapter,
            context=context or None,
            threads=threads,
            sequences=self.slots,
            opened=opened,
        )
        self.vocabulary = self._llama
        self.spelled = str  # a GGUF file does not say it
        self.turns = 0  # nor that
        self.defaults = stated_defaults(self._llama)
        self.model = None
        self.context = self._llama.context
        self.template = self._llama.template()
        self.ends = frozenset(n for n in range(self._llama.vocab) if self._llama.ends(n))
        if chat is not None and chat.chat_template is not None:
            self.template = chat.chat_template
            self.ends |= set(chat.stop_ids)
        self.before = self._llama.before
        self.document_start = self._llama.document_start()
        names = (self._llama.start_id, self._llama.end_id)
        self.start, self.end = (self.vocabulary.token(n) if n >= 0 else "" for n in names)
        fitting = min(BATCH, BATCH_LOGITS // self.vocabulary.vocab)
        self.batch = max(fitting, self.slots)

    def compute(self, rows: Sequence[Row]) -> Logits:
        """The wanted logits, row after row."""
        lengths = [len(row.ids) for row in rows]
        ids = np.concatenate([np.asarray(row.ids, dtype=np.int32) for row in rows])
        ends = np.cumsum(lengths)
        is_wanted = np.zeros(len(ids), dtype=np.int8)
        for row, end in zip(rows, ends.tolist(), strict=True):
            is_wanted[end - row.outputs : end] = 1
        offsets = np.array([row.past for row in rows]) - ends + lengths
        positions = np.arange(len(ids)) + np.repeat(offsets, lengths)
        slots = np.repeat(np.array([row.slot for row in rows], dtype=np.int32), lengths)
        return self._llama.compute(ids, positions.astype(np.int32), slots, is_wanted)

    def mean_state(self, ids: Sequence[int], slot: int) -> Vector:
        """The mean of a text's last hidden states."""
        return self._llama.hidden_states(ids, slot)[len(self.before) :].mean(0)

    def release(self, slot: int) -> None:
        """Forget the sequence in a slot."""
        self._llama.forget(slot)

    def encode_markup(self, text: str, begins: bool = False) -> list[int]:
        """The ids of a chat template's own text."""
        return self._llama.encode(text, by_name=True)

    def close(self) -> None:
        """Free the model."""
        self._llama.close()


def stated_defaults(described: LlamaCpp) -> Defaults:
    """What the file says of sampling."""
    found = dict[str, float]()
    for name in STATED:
        value = described.value_of(f"general.sampling.{SAMPLING_NAMES.get(name, name)}")
        with suppress(TypeError, ValueError):  # none, or no number
            found[name] = float(value or "")
    return Defaults.of(found)


def claimed_context(described: LlamaCpp) -> int:
    """The context by the keys of the file; 0 if it has none."""
    length = (
        described.value_of(f"{described.value_of('general.architecture')}.context_length") or ""
    )
    return int(length) if length.isdigit() else 0


def cache_bytes(described: LlamaCpp) -> tuple[int, int]:
    """What the cache of one sequence takes: for each token, and besides. By the keys of the file.

    Both are 0 for a kind of memory that is not known here.
    """
    family = described.value_of("general.architecture") or ""

    def number(key: str, usual: int) -> int:
        found = described.value_of(f"{family}.{key}") or ""
        return int(found) if found.isdigit() else usual

    width = number("embedding_length", 1)
    heads = number("attention.head_count", 1)
    key = number("attention.key_length", width // max(1, heads))
    value = number("attention.value_length", key)
    attention = number("attention.head_count_kv", heads) * (key + value)
    inner = number("ssm.inner_size", 0)
    state = number("ssm.state_size", 0)
    channels = inner + 2 * number("ssm.group_count", 0) * state
    states = max(0, number("ssm.conv_kernel", 0) - 1) * channels + inner * state
    layers = number("block_count", 1)
    return BYTES * layers * attention, STATE_BYTES * layers * states
