"""llama.cpp in this process: what it makes of a GGUF file, text by text and logit by logit.

The functions are those of `llama_cpp.toml`, called by ctypes in the shared library of the package
`xllamacpp`. Structs are passed by value, so their layout must be that of the library's version:
it is compared with known defaults when the library is opened.
"""

import ctypes
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from endonym.disk import open_regular, packaged_tables
from endonym.errors import Damaged, EndonymError, ExportError
from endonym.generate.damage import damage
from endonym.limited.frames import as_sent, sendable
from endonym.limited.opened import NEVER, Opened, key_of
from endonym.limited.process import Failure, LimitedProcess, Limits
from endonym.tokenizer.config import SEPARATORS

INTS = ctypes.POINTER(ctypes.c_int32)
BYTES = ctypes.POINTER(ctypes.c_int8)
LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
TABLES = packaged_tables("endonym.generate", "llama_cpp.toml")
STRUCTS: dict[str, Any] = {}


def _type(name: str) -> Any:
    """The type of ctypes for a name in `llama_cpp.toml`: "" is nothing, "int*" a pointer."""
    if name in ("", "log"):
        return LOG if name else None
    plain = name.removesuffix("*")
    kind = STRUCTS.get(plain) or getattr(ctypes, f"c_{plain}")
    return ctypes.POINTER(kind) if name.endswith("*") else kind


for _name, _members in TABLES["structs"].items():
    _fields = [(each, _type(kind)) for kind, names in _members for each in names.split()]
    STRUCTS[_name] = type(_name, (ctypes.Structure,), {"_fields_": _fields})

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]
Marks = NDArray[np.int8]
ERROR = 4
"""GGML_LOG_LEVEL_ERROR."""
CACHE_TYPES = {"f32": 0, "f16": 1}
"""ggml_type of keys and values."""
SAMPLING_NAMES = {"temperature": "temp", "repetition_penalty": "penalty_repeat"}
"""The keys below `general.sampling` in a file that differ from those of generation_config.json."""
BATCH = 512
UNIT = 256
"""llama.cpp rounds the length of a sequence up to a multiple of it."""
FIRST_ROOM = 2 * UNIT
"""Tokens for which there is room at first."""
MEMORY = 4 << 30
SECONDS = 60.0
SECONDS_PER_GB = 60.0
"""Of the process that opens a file first; beside the file itself, which is mapped and may be
copied."""
CONTEXT = 64
TEXTS = ("Әбием миңа җылы сөт бирде; l’été, 1920: ទន្លេនៅមុខភូមិ។\n", "a" * 2_000, " " * 2_000)


_messages: list[str] = []


@LOG
def _log(level: int, text: bytes, _: object) -> None:
    """Keep llama.cpp's errors for our own messages; it prints nothing."""
    if level == ERROR:
        _messages.append(text.decode("utf-8", "replace").strip())
        del _messages[5:]


@cache
def library() -> ctypes.CDLL:
    """llama.cpp's shared library. Raises ExportError if it is missing or of another version."""
    try:
        import xllamacpp.xllamacpp as module
    except ImportError as error:
        do = 'Install it: pip install "endonym[gguf]"'
        raise ExportError("llama.cpp is not installed", do=do) from error
    loaded = ctypes.CDLL(str(module.__file__))
    for name, (result, arguments) in TABLES["functions"].items():
        function = getattr(loaded, name)
        function.restype = _type(result)
        function.argtypes = [*map(_type, arguments.split())]
    loaded.llama_log_set(_log, None)
    # In structs of another layout the defaults would be read at wrong places.
    context = loaded.llama_context_default_params()
    model = loaded.llama_model_default_params()
    defaults = (context.n_ctx, context.n_batch, context.type_k, context.type_v, model.n_gpu_layers)
    if defaults != (512, 2048, 1, 1, -1) or not model.use_extra_bufts or not context.offload_kqv:
        raise ExportError(
            f"xllamacpp holds llama.cpp {version(loaded)}, whose structs are laid out otherwise",
            do='Install the version that endonym knows: pip install "endonym[gguf]"',
        )
    return loaded


def version(loaded: ctypes.CDLL | None = None) -> str:
    """llama.cpp's version, and that of the package that holds it."""
    import xllamacpp

    number = (loaded or library()).llama_version().decode("ascii")
    return f"{number} (xllamacpp {xllamacpp.__version__})"


class LlamaCpp:
    """A GGUF file as llama.cpp reads it. A context manager; not for several threads.

    context: longest text in tokens; the model's own if None. With 0, only the vocabulary is read.
    adapter: a GGUF file of a low-rank adapter, which is added to what every text gives.
    cache: number format of keys and values; `f16` is llama.cpp's default. sequences: how many
    texts are remembered at once, each of up to `context` tokens; `compute` takes them together.
    Memory is taken for as many and as long texts as there are: llama.cpp itself would take, and
    fill, that of all sequences at once.
    is_tried: it need not be opened first in a process with limits. opened: notes of files that were
    tried before. Raises Damaged if llama.cpp cannot read the file.
    """

    def __init__(
        self,
        path: Path,
        *,
        adapter: Path | None = None,
        context: int | None = None,
        threads: int = 1,
        cache: Literal["f32", "f16"] = "f16",
        sequences: int = 1,
        is_tried: bool = False,
        opened: Opened = NEVER,
    ) -> None:
        self._lib = library()
        self._context = None
        if not is_tried:
            require_openable(path, adapter, opened)
        params = self._lib.llama_model_default_params()
        params.n_gpu_layers = 0
        params.vocab_only = context == 0
        _messages.clear()
        self._model = self._lib.llama_model_load_from_file(os.fsencode(path), params)
        if not self._model:
            raise damage("unreadable", path, reason=_reason())
        self._vocab = self._lib.llama_model_get_vocab(self._model)
        self.vocab = int(self._lib.llama_vocab_n_tokens(self._vocab))
        self.start_id = int(self._lib.llama_vocab_bos(self._vocab))
        self.end_id = int(self._lib.llama_vocab_eos(self._vocab))
        adds_start = self._lib.llama_vocab_get_add_bos(self._vocab) and self.start_id >= 0
        self.before: tuple[int, ...] = (self.start_id,) if adds_start else ()
        self.trained_context = int(self._lib.llama_model_n_ctx_train(self._model))
        self.context = context or self.trained_context
        if context == 0:
            return
        self._most_sequences = sequences
        self._most_room = -(-self.context // UNIT) * UNIT
        self._remembered: dict[int, list[int]] = {}
        """The ids of each text that was computed and not forgotten."""
        self._sequences = 1
        self._room = min(FIRST_ROOM, self._most_room)
        family = self.value_of("general.architecture")
        if self.value_of(f"{family}.rope.scaling.original_context_length") is not None:
            self._room = self._most_room  # angles may depend on the length of the context
        settings = self._lib.llama_context_default_params()
        settings.n_batch = settings.n_ubatch = max(BATCH, sequences)
        settings.n_outputs_max = settings.n_outputs_per_seq = 0  # no limit but the batch
        settings.n_threads = settings.n_threads_batch = threads
        settings.pooling_type = 0  # none: hidden states of each token are read
        settings.type_k = settings.type_v = CACHE_TYPES[cache]
        if cache == "f32":
            settings.flash_attn_type = 0  # off: it would compute in f16
        self._settings = settings
        self._adapter = None
        try:
            if adapter is not None:
                _messages.clear()
                self._adapter = self._lib.llama_adapter_lora_init(self._model, os.fsencode(adapter))
                if not self._adapter:
                    raise damage("strange_adapter", adapter, reason=_reason())
                self._adapter_path = adapter
            self._context = self._new_context(self._sequences, self._room)
        except ExportError as error:
            self.close()
            raise Damaged(error.message, where=path) from error
        except Damaged:
            self.close()
            raise

    def _new_context(self, sequences: int, room: int) -> Any:
        """A context for so many texts of so many tokens, with the adapter if there is one.

        Raises ExportError if there is none, Damaged if the adapter does not fit.
        """
        self._settings.n_seq_max = sequences
        self._settings.n_ctx = sequences * room
        _messages.clear()
        context = self._lib.llama_init_from_model(self._model, self._settings)
        if not context:
            raise ExportError(f"llama.cpp cannot compute with it: {_reason()}")
        if self._adapter is not None:
            handle = ctypes.c_void_p(self._adapter)
            scale = ctypes.c_float(1.0)
            if self._lib.llama_set_adapters_lora(context, handle, 1, scale) != 0:
                self._lib.llama_free(context)
                raise damage("strange_adapter", self._adapter_path, reason=_reason())
        return context

    def _make_room(self, sequences: int, length: int) -> None:
        """See that so many texts of so many tokens fit: take a larger context if need be.

        Texts are copied into it, or computed again. Raises ExportError if there is no memory.
        """
        sequences = _grown(self._sequences, sequences, self._most_sequences)
        room = _grown(self._room, -(-length // UNIT) * UNIT, self._most_room)
        if (sequences, room) == (self._sequences, self._room):
            return
        earlier = self._context, self._sequences, self._room
        texts = {sequence: [*ids] for sequence, ids in self._remembered.items()}
        self._context = self._new_context(sequences, room)
        self._sequences = sequences
        self._room = room
        try:
            for sequence, ids in texts.items():
                if not self._copy(sequence, earlier[0]):
                    self.forget(sequence)
                    for _ in self._read_on(ids, sequence, all_outputs=False):
                        pass
        except EndonymError:
            self._lib.llama_free(self._context)
            self._context, self._sequences, self._room = earlier
            self._remembered = texts
            raise
        self._lib.llama_free(earlier[0])

    def _copy(self, sequence: int, smaller: Any) -> bool:
        """Copy what is remembered of a text from another context; whether llama.cpp does so.

        It refuses (2026) if the contexts are made for different numbers of texts.
        """
        size = self._lib.llama_state_seq_get_size(smaller, sequence)
        state = np.empty(size, dtype=np.uint8)
        data = state.ctypes.data
        self._lib.llama_state_seq_get_data(smaller, data, size, sequence)
        return self._lib.llama_state_seq_set_data(self._context, data, size, sequence) == size

    def _read_on(self, ids: Sequence[int], sequence: int, *, all_outputs: bool) -> Iterator[int]:
        """Compute the next tokens of a text, at most BATCH at once.

        Yields after each batch how many outputs it has: of all its tokens, or of the last one.
        """
        past = len(self._remembered.get(sequence, ()))
        for first in range(0, len(ids), BATCH):
            part = np.asarray(ids[first : first + BATCH], dtype=np.int32)
            positions = np.arange(past + first, past + first + len(part), dtype=np.int32)
            is_wanted = np.full(len(part), all_outputs, dtype=np.int8)
            is_wanted[-1] = 1
            self._decode(part, positions, np.full_like(part, sequence), is_wanted)
            yield int(is_wanted.sum())

    def __enter__(self) -> "LlamaCpp":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the memory back."""
        if self._context:
            self._lib.llama_free(self._context)
        if self._model:
            self._lib.llama_model_free(self._model)
        self._context = self._model = None

    def encode(self, text: str, *, opens: bool = False, by_name: bool = False) -> list[int]:
        """The ids of a text, without specials.

        opens: the start token before it, where the file asks for it. by_name: specials where their
        names stand, as in a chat template's own text. llama.cpp's programs read a prompt with both.
        """
        data = text.encode("utf-8")
        room = (ctypes.c_int32 * (len(data) + 2))()
        count = self._lib.llama_tokenize(
            self._vocab, data, len(data), room, len(room), opens, by_name
        )
        if count < 0:
            raise ExportError(f"llama.cpp made {-count} tokens of {len(data)} bytes")
        return list(room[:count])

    def document_start(self) -> tuple[int, ...]:
        """The ids before a document, as `Tokenizer.document_start` has them."""
        for name in SEPARATORS:
            ids = self.encode(name, by_name=True)
            if len(ids) == 1 and not self.bytes_of(ids[0]) and not self.before:
                return tuple(ids)
        return self.before or (self.start_id if self.start_id >= 0 else self.end_id,)

    def text_ids(self, text: str) -> list[int]:
        """The ids of a whole text, as llama.cpp's programs read a prompt."""
        return self.encode(text, opens=True) or [*self.document_start()]

    def chat_ids(self, ids: Sequence[int]) -> list[int]:
        """The ids of a conversation: llama.cpp puts the start token there once, if the file asks
        for it."""
        before = self.before
        return [*ids] if tuple(ids[: len(before)]) == before else [*before, *ids]

    def bytes_of(self, index: int, *, by_name: bool = False) -> bytes:
        """The bytes of an id; empty for none of the file's. by_name: of a special token its name,
        else nothing."""
        size = 64
        while 0 <= index < self.vocab:
            room = ctypes.create_string_buffer(size)
            count = self._lib.llama_token_to_piece(self._vocab, index, room, size, 0, by_name)
            if count >= 0:
                return room.raw[:count]
            size = -count
        return b""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; broken characters become U+FFFD."""
        pieces = (self.bytes_of(index, by_name=True) for index in ids)
        return b"".join(pieces).decode("utf-8", errors="replace")

    def ends(self, index: int) -> bool:
        """Whether generation ends at this id."""
        return bool(self._lib.llama_vocab_is_eog(self._vocab, index))

    def token(self, index: int) -> str:
        """An id as the file spells it."""
        return self._lib.llama_vocab_get_text(self._vocab, index).decode("utf-8", "replace")

    def value_of(self, key: str) -> str | None:
        """The value of a key of the file, as text."""
        room = ctypes.create_string_buffer(256)
        count = self._lib.llama_model_meta_val_str(self._model, key.encode(), room, len(room))
        return room.value.decode("utf-8", "replace") if count >= 0 else None

    def template(self) -> str | None:
        """The chat template, if there is one."""
        found = self._lib.llama_model_chat_template(self._model, None)
        return found.decode("utf-8", "replace") if found else None

    def forget(self, sequence: int) -> None:
        """Forget one of several texts."""
        if self._remembered.pop(sequence, None) is None:
            return
        memory = self._lib.llama_get_memory(self._context)
        self._lib.llama_memory_seq_rm(memory, sequence, -1, -1)

    def compute(
        self,
        ids: Integers,
        positions: Integers,
        sequences: Integers,
        is_wanted: Marks,
    ) -> Floats:
        """Logits of tokens of several texts, (tokens where is_wanted is 1, V).

        sequences, positions: the text of each token, and its place there. Raises ExportError if
        llama.cpp fails.
        """
        self._decode(ids, positions, sequences, is_wanted)
        return self._output(self._lib.llama_get_logits, int(is_wanted.sum()), self.vocab)

    def hidden_states(self, ids: Sequence[int], sequence: int) -> Floats:
        """The last hidden states of a whole text, after the final norm, (T, D).

        sequence: which of several texts it takes the place of; it is forgotten. Raises ExportError
        if llama.cpp fails.
        """
        width = int(self._lib.llama_model_n_embd(self._model))
        self.forget(sequence)
        self._make_room(sequence + 1, len(ids))
        self._lib.llama_set_embeddings(self._context, True)
        try:
            read = self._lib.llama_get_embeddings
            parts = self._read_on(ids, sequence, all_outputs=True)
            return np.concatenate([self._output(read, count, width) for count in parts])
        finally:
            self._lib.llama_set_embeddings(self._context, False)
            self.forget(sequence)

    def _decode(
        self,
        ids: Integers,
        positions: Integers,
        sequences: Integers,
        is_wanted: Marks,
    ) -> None:
        """Compute tokens, as `compute` says."""
        if len(ids):
            self._make_room(int(sequences.max()) + 1, int(positions.max()) + 1)
        for sequence, index in zip(sequences.tolist(), ids.tolist(), strict=True):
            self._remembered.setdefault(sequence, []).append(index)
        _messages.clear()
        counts = np.ones_like(ids)  # A token is of one sequence.
        # For each token the address of its sequence's number.
        pointers = sequences.ctypes.data + sequences.itemsize * np.arange(len(ids), dtype=np.uint64)
        batch = STRUCTS["batch"](
            len(ids),
            ids.ctypes.data_as(INTS),
            None,
            positions.ctypes.data_as(INTS),
            counts.ctypes.data,
            pointers.ctypes.data,
            is_wanted.ctypes.data_as(BYTES),
        )
        code = self._lib.llama_decode(self._context, batch)
        if code != 0:
            raise ExportError(f"llama.cpp failed with code {code}: {_reason()}")

    def _output(self, read: Any, rows: int, width: int) -> Floats:
        """What was computed of the last tokens, (rows, width). read: llama.cpp's function."""
        if not rows:
            return np.empty((rows, width), dtype=np.float32)
        return np.ctypeslib.as_array(read(self._context), shape=(rows, width)).copy()

    def clear(self) -> None:
        """Forget everything that was read."""
        self._lib.llama_memory_clear(self._lib.llama_get_memory(self._context), True)
        self._remembered.clear()

    def logits(self, ids: Sequence[int]) -> Floats:
        """Logits after each of the ids, (T, V), of a text that starts with them."""
        self.clear()
        return np.concatenate(list(self.read(ids)))

    def read(self, ids: Sequence[int], *, all_logits: bool = True) -> Iterator[Floats]:
        """Read on: logits of `ids` in parts of at most 512 positions, or of each part's last.

        Raises ExportError if the context is too short.
        """
        length = len(self._remembered.get(0, ())) + len(ids)
        if length > self.context:
            raise ExportError(f"{length} tokens, but a context of {self.context}")
        self._make_room(1, length)
        for count in self._read_on(ids, 0, all_outputs=all_logits):
            yield self._output(self._lib.llama_get_logits, count, self.vocab)


def _grown(now: int, needed: int, most: int) -> int:
    """A size that is enough, at least twice the present one, so that it seldom grows."""
    return now if needed <= now else min(most, max(needed, 2 * now))


def _reason() -> str:
    """The first error that llama.cpp told since it was asked: the others follow from it."""
    return _messages[0] if _messages else "it does not say why"


_process = LimitedProcess("endonym.generate.llama_cpp:open_and_read")
_tried: set[str] = set()
"""Files that this process has tried, by the keys of `opened`."""


def require_openable(path: Path, adapter: Path | None = None, opened: Opened = NEVER) -> None:
    """Open the file, with an adapter, first in a process with limits, and read a little text.

    A file may claim 10⁹ blocks or an array of 2⁶⁰ names; then native code takes all memory or
    aborts, which no caller can catch. opened: notes of files that were tried before. Raises Damaged
    for what ends a process or takes far more than its size, and for a pipe, device or folder.
    """
    files = [path] if adapter is None else [path, adapter]
    size = 0
    for file in files:
        try:
            with open_regular(file):
                size += file.stat().st_size
        except (OSError, ValueError) as error:
            raise Damaged(f"llama.cpp cannot read it: {error}", where=file) from error
    key = key_of(files, version(), __file__)
    if key in _tried or opened.has(key):
        return
    seconds = SECONDS + SECONDS_PER_GB * size / 1e9
    limits = Limits(MEMORY + 2 * size, seconds, 4 * seconds)
    question = {"files": [sendable(each.resolve()) for each in files]}
    try:
        # The memory of a model is not kept.
        _process.ask(question, limits, is_last=True)
    except Failure as failure:
        raise damage("harmful", " with ".join(map(str, files)), failure=failure) from failure
    _tried.add(key)
    opened.note(key)


def open_and_read(question: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the process with limits: loads the files and reads a few tokens.

    What llama.cpp refuses by itself is told where the file is opened.
    """
    path, *adapters = map(as_sent, question["files"])
    adapter = adapters[0] if adapters else None
    with (
        suppress(EndonymError),
        LlamaCpp(path, context=CONTEXT, adapter=adapter, is_tried=True) as model,
    ):
        ids, *_ = [model.encode(text) for text in TEXTS]
        model.decode(ids)
        for index in range(model.vocab):
            model.token(index)
        model.template()
        if model.vocab:
            model.logits([min(each, model.vocab - 1) for each in ids[:4]] or [0])
    return {}
