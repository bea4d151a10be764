"""llama.cpp as an engine: many sequences in one batch, through its C functions.

The functions are those of `include/llama.h` of llama.cpp, in xllamacpp's shared library. What a
structure holds beyond the fields that are set here is left as llama.cpp fills it.
"""

import ctypes as c
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from endonym.errors import Damaged, EndonymError, RecipeError
from endonym.serve.engine import Logits, Row

BATCH_TOKENS = 512
BATCH_LOGITS = 1 << 25
"""No batch gives more numbers than these."""
UNIT = 256
"""llama.cpp rounds the cache of a sequence up to a multiple of it."""
WARNING = 3
"""The lowest level of a message that tells why something failed."""


class ModelParams(c.Structure):
    """`llama_model_params`: all defaults."""

    _fields_ = (("all", c.c_char * 256),)


class ContextParams(c.Structure):
    """`llama_context_params`: its first fields."""

    _fields_ = (
        *((name, c.c_uint32) for name in ("n_ctx", "n_batch", "n_ubatch", "n_seq_max", "n_rs_seq")),
        *((name, c.c_uint32) for name in ("n_outputs_max", "n_outputs_max_per_seq")),
        *((name, c.c_int32) for name in ("n_threads", "n_threads_batch")),
        ("rest", c.c_char * 220),
    )


class Batch(c.Structure):
    """`llama_batch`."""

    _fields_ = (
        ("n_tokens", c.c_int32),
        *((n, c.c_void_p) for n in ("token", "embd", "pos", "n_seq_id", "seq_id", "logits")),
    )


MESSAGES = c.CFUNCTYPE(None, c.c_int, c.c_char_p, c.c_void_p)
P, I, B = c.c_void_p, c.c_int32, c.c_bool
FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "llama_log_set": (None, (MESSAGES, P)),
    "llama_model_default_params": (ModelParams, ()),
    "llama_context_default_params": (ContextParams, ()),
    "llama_model_load_from_file": (P, (c.c_char_p, ModelParams)),
    "llama_model_free": (None, (P,)),
    "llama_model_get_vocab": (P, (P,)),
    "llama_model_n_ctx_train": (I, (P,)),
    "llama_model_chat_template": (c.c_char_p, (P, c.c_char_p)),
    "llama_model_desc": (I, (P, c.c_char_p, c.c_size_t)),
    "llama_init_from_model": (P, (P, ContextParams)),
    "llama_free": (None, (P,)),
    "llama_get_memory": (P, (P,)),
    "llama_memory_seq_rm": (B, (P, I, I, I)),
    "llama_decode": (I, (P, Batch)),
    "llama_get_logits": (P, (P,)),
    "llama_vocab_n_tokens": (I, (P,)),
    "llama_vocab_bos": (I, (P,)),
    "llama_vocab_eos": (I, (P,)),
    "llama_vocab_get_text": (c.c_char_p, (P, I)),
    "llama_vocab_is_eog": (B, (P, I)),
    "llama_tokenize": (I, (P, c.c_char_p, I, P, I, B, B)),
    "llama_token_to_piece": (I, (P, I, c.c_char_p, I, I, B)),
}
"""Name -> type of the result, types of the arguments."""


class Library:
    """The functions, and the last messages of llama.cpp, which it does not print here."""

    def __init__(self) -> None:
        try:
            module: Any = import_module("xllamacpp.xllamacpp")
        except ImportError as error:
            raise RecipeError(
                "llama.cpp is not installed", do='pip install "endonym[gguf]"'
            ) from error
        library = c.CDLL(module.__file__)
        self.messages: list[str] = []
        self._listener = MESSAGES(self._listen)
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
            setattr(self, name.removeprefix("llama_"), function)
        self._library = library
        library.llama_log_set(self._listener, None)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def _listen(self, level: int, text: bytes, data: int | None) -> None:
        if level >= WARNING:
            self.messages = [*self.messages[-9:], text.decode("utf-8", "replace").strip()]

    @property
    def reason(self) -> str:
        """What llama.cpp said last of a failure."""
        return next((each for each in self.messages if each), "llama.cpp gives no reason")


class LlamaVocabulary:
    """The tokenizer of a GGUF file, as llama.cpp reads it."""

    def __init__(self, library: Library, model: int) -> None:
        self._library, self._vocab = library, library.model_get_vocab(model)
        self.vocab: int = library.vocab_n_tokens(self._vocab)
        self.ends = frozenset(n for n in range(self.vocab) if library.vocab_is_eog(self._vocab, n))
        bos: int = library.vocab_bos(self._vocab)
        self.ending: int = library.vocab_eos(self._vocab)
        self.opening: int = bos if bos >= 0 else self.ending
        self._bytes = [self._piece(index) for index in range(self.vocab)]

    def _piece(self, index: int) -> bytes:
        space = c.create_string_buffer(256)
        while True:
            length = self._library.token_to_piece(self._vocab, index, space, len(space), 0, False)
            if length >= 0:
                return space.raw[:length]
            space = c.create_string_buffer(-length)

    def encode(self, text: str, *, has_markup: bool = False) -> list[int]:
        """The ids of a text; has_markup: names of special tokens in it stand for them."""
        data = text.encode("utf-8", "replace")
        ids = np.empty(len(data) + 2, dtype=np.int32)
        given = (data, len(data), ids.ctypes.data, len(ids), False, has_markup)
        count = self._library.tokenize(self._vocab, *given)
        assert count >= 0, "a token stands for one byte at least"
        return ids[:count].tolist()

    def bytes_of(self, index: int) -> bytes:
        """The bytes of an id; empty for a special token."""
        return self._bytes[index] if 0 <= index < self.vocab else b""

    def token(self, index: int) -> str:
        """An id as the file spells it."""
        return self._library.vocab_get_text(self._vocab, index).decode("utf-8", "replace")


class LlamaEngine:
    """A GGUF file in llama.cpp, with one cache for each slot."""

    name = "llama.cpp"

    def __init__(self, path: Path, *, slots: int, threads: int, context: int | None = None) -> None:
        self._library = library = Library()
        self._context = self._model = None
        self._model = library.model_load_from_file(str(path).encode(), _model_params(library))
        if not self._model:
            raise Damaged(
                f"llama.cpp cannot read this file: {library.reason}",
                where=str(path),
                do="Make it again, or check that it was copied whole.",
            )
        self.vocabulary = LlamaVocabulary(library, self._model)
        self.opening, self.ending = self.vocabulary.opening, self.vocabulary.ending
        self.ends = self.vocabulary.ends
        template = library.model_chat_template(self._model, None)
        self.template = template.decode("utf-8", "replace") if template else None
        self.context = context or int(library.model_n_ctx_train(self._model))
        fitting = min(BATCH_TOKENS, BATCH_LOGITS // self.vocabulary.vocab)
        self.slots, self.batch = slots, max(fitting, slots)
        params = _context_params(library)
        params.n_ctx = slots * -(-self.context // UNIT) * UNIT
        params.n_batch = params.n_ubatch = self.batch
        params.n_seq_max = slots
        params.n_outputs_max = params.n_outputs_max_per_seq = 0
        params.n_threads = params.n_threads_batch = threads
        self._context = library.init_from_model(self._model, params)
        if not self._context:
            self.close()
            raise EndonymError(f"llama.cpp cannot hold this model: {library.reason}", where=str(path))
        self._memory = library.get_memory(self._context)
        self._arrays()

    def _arrays(self) -> None:
        """The arrays of a batch. Each token belongs to one sequence."""
        size = self.batch
        self._tokens, self._positions, self._of, self._ones = np.ones((4, size), dtype=np.int32)
        self._wanted = np.zeros(size, dtype=np.int8)
        self._pointers = self._of.ctypes.data + 4 * np.arange(size, dtype=np.uint64)
        arrays = (self._positions, self._ones, self._pointers, self._wanted)
        self._batch = Batch(0, self._tokens.ctypes.data, None, *(a.ctypes.data for a in arrays))

    def compute(self, rows: Sequence[Row]) -> Logits:
        """The wanted logits, row after row."""
        at = outputs = 0
        for row in rows:
            end = at + len(row.ids)
            self._tokens[at:end] = row.ids
            self._positions[at:end] = range(row.past, row.past + len(row.ids))
            self._of[at:end] = row.slot
            self._wanted[at:end] = 0
            self._wanted[end - row.outputs : end] = 1
            at, outputs = end, outputs + row.outputs
        self._batch.n_tokens = at
        code = self._library.decode(self._context, self._batch)
        if code:
            raise EndonymError(f"llama.cpp failed with code {code}: {self._library.reason}")
        vocab = self.vocabulary.vocab
        if not outputs:
            return np.empty((0, vocab), dtype=np.float32)
        found = c.cast(self._library.get_logits(self._context), c.POINTER(c.c_float))
        return np.ctypeslib.as_array(found, (outputs, vocab)).copy()

    def release(self, slot: int) -> None:
        """Forget the sequence in a slot."""
        self._library.memory_seq_rm(self._memory, slot, -1, -1)

    def encode_markup(self, text: str) -> list[int]:
        """The ids of a chat template's own text."""
        return self.vocabulary.encode(text, has_markup=True)

    def close(self) -> None:
        """Free the model."""
        if self._context:
            self._library.free(self._context)
        if self._model:
            self._library.model_free(self._model)
        self._context = self._model = None


def _model_params(library: Library) -> ModelParams:
    return library.model_default_params()


def _context_params(library: Library) -> ContextParams:
    """The defaults. Raises EndonymError if this is not the structure that we know."""
    params = library.context_default_params()
    if (params.n_ctx, params.n_batch, params.n_ubatch, params.n_seq_max) != (512, 2048, 512, 1):
        raise EndonymError(
            "this version of xllamacpp is not one that endonym knows",
            do='pip install "endonym[gguf]" brings the right one.',
        )
    return params
