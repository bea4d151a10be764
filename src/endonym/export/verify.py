"""Proves that an export is the model: ids, logits and bits per byte, as its runtime has them."""

import json
import math
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from endonym import device
from endonym.errors import Damaged
from endonym.evaluate import runtimes
from endonym.export.config import Quantization
from endonym.export.gguf.keyboard_file import PROBE, KeyboardFile, tokenizer_in
from endonym.export.gguf.quantize import FILE_TYPES, QUANTIZATIONS, block_size
from endonym.export.gguf.vocabulary import Reading, reading_of
from endonym.export.gguf.write import write_vocabulary
from endonym.export.kept import keeps_tokenizer, number_format
from endonym.export.refusals import refusal
from endonym.export.shapes import config_json
from endonym.generate.language_model import LanguageModel
from endonym.generate.llama_cpp import LlamaCpp
from endonym.generate.llama_cpp import version as llama_cpp_version
from endonym.generate.sample import log_softmax
from endonym.log import listed
from endonym.model.config import ModelConfig
from endonym.model.foreign.folder import CONFIG, AnyModelConfig
from endonym.tokenizer.chat_template import exported_template
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import STRANGE
from endonym.tokenizer.unigram import SPACE

LINES = 10_000
"""Held-out lines whose ids are compared."""
TOKENS = 4096
"""Tokens of held-out text whose logits are compared."""
LONGEST = 512
"""Most tokens of one of these documents."""
RISE: dict[Quantization, float] = QUANTIZATIONS["rise"]
AGREEMENT: dict[Quantization, float] = QUANTIZATIONS["agreement"]
MOST_KEPT = 100_000_000
"""Most log-probabilities that are kept in memory, of 8 bytes each."""
MOST_OTHER = 0.01
"""Most of the held-out lines to which llama.cpp may give other ids, where its split is known to
differ from the tokenizer's."""
TIE = 0.05
"""Nats by which the model's likeliest id is ahead of one that counts as equally likely: a model of
little training has many of these."""


PLAIN = {"add_special_tokens": False}


class Reader(Protocol):
    """A program's tokenizer. encode: the ids of a text, without specials."""

    name: str

    def encode(self, text: str) -> list[int]: ...
    def decode(self, ids: Sequence[int]) -> str: ...


class Runtime(Reader, Protocol):
    """A program that runs an export.

    vocab: how many logits it has at a position. settings: what it does around a text, as
    `Ours.settings`. logits: after each id of a text that starts with them, (T, V).
    """

    vocab: int

    def settings(self) -> dict[str, Any]: ...
    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison. value: what was measured, in `unit`; limit: the bound, None if there is none.

    check: ids, decoding, settings, words, logits, likeliest or bits_per_byte.
    example: the first difference that was found, if any.
    """

    file: str
    runtime: str
    check: str
    ok: bool
    value: float
    limit: float | None
    unit: str
    example: str = ""

    def shown(self) -> str:
        """What was measured, in words."""
        if self.check in ("ids", "decoding", "settings", "words"):
            return f"{self.value:.0f} {self.unit}{self.example}"
        if self.check == "logits":
            wanted = "" if self.limit is None else f", not {self.limit:,.0f}"
            return f"{self.value:.{'2g' if self.limit is None else '0f'}} {self.unit}{wanted}"
        if self.check == "likeliest":
            return f"{100 * self.value:.2f} % {self.unit}"
        signed = f"{100 * self.value:+.3f}"
        return f"{signed.lstrip('+-') if float(signed) == 0 else signed} % {self.unit}"


class Ours:
    """The model itself, in fp32."""

    name = "endonym"

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.vocab = model.decoder.config.vocab
        self.encode = model.tokenizer.encode
        self.decode = model.tokenizer.decode

    def settings(self) -> dict[str, Any]:
        """What a program should do around a text.

        start: the ids of PROBE with those around a text. end: the id that ends a text. stops: all
        ids that end generation. context: the longest text in tokens. template: for conversations,
        as `transformers` needs it. names: the ids of the names of the start and the end token in
        a text; llama.cpp's programs always read them as the tokens.
        """
        tokenizer = self.model.tokenizer
        settings = {
            "start": tokenizer.text_ids(PROBE),
            "end": tokenizer.end_id,
            "stops": sorted(tokenizer.stop_ids),
            "template": exported_template(tokenizer),
        }
        if keeps_tokenizer(self.model):  # its files are copies, and say the rest as before
            return settings
        starts = [] if tokenizer.start is None else [tokenizer.start_id]
        return settings | {
            "names": [*starts, tokenizer.end_id],
            "context": self.model.decoder.config.context,
        }

    @torch.inference_mode()
    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits after each id, (T, V)."""
        return self.model.decoder.logits(torch.tensor([ids]))[0].float().numpy()


class TheirTokenizer:
    """The tokenizer of a folder as `transformers` loads it."""

    def __init__(self, folder: Path) -> None:
        library = import_module("transformers")
        library.utils.logging.set_verbosity_error()
        self.name = f"transformers {library.__version__}"
        self._tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without specials."""
        return self._tokenizer(text, **PLAIN, split_special_tokens=True)["input_ids"]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return self._tokenizer.decode(ids)

    def changes(self, tokenizer: Tokenizer) -> str:
        """The rules that it has instead of those of a tokenizer, in words; empty if none."""
        texts = tokenizer.to_json(), self._tokenizer.backend_tokenizer.to_str()
        ours, theirs = map(json.loads, texts)
        found: list[str] = []
        for key in ("normalizer", "pre_tokenizer", "decoder"):
            if ours.get(key) != theirs.get(key):
                own, its = ((each.get(key) or {"type": "none"})["type"] for each in (ours, theirs))
                found.append(f"{key.replace('_', ' ')} {its} instead of {own}")
        return ", ".join(found) or "other pieces" * (ours["model"] != theirs["model"])


class Transformers(runtimes.Transformers, TheirTokenizer):
    """A folder as `transformers` loads it, in fp32."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "fp32")
        TheirTokenizer.__init__(self, folder)
        self.vocab = self.model.config.vocab_size

    def settings(self) -> dict[str, Any]:
        """What transformers does around a text."""
        stops = self.model.generation_config.eos_token_id
        template = self._tokenizer.chat_template
        names = f"{self._tokenizer.bos_token or ''}{self._tokenizer.eos_token}"
        return {
            "start": self._tokenizer(PROBE)["input_ids"],
            "end": self._tokenizer.eos_token_id,
            "stops": sorted(stops if isinstance(stops, list) else [stops]),
            "context": self._tokenizer.model_max_length,
            "template": template.get("default") if isinstance(template, dict) else template,
            "names": self._tokenizer(names, **PLAIN)["input_ids"],
        }


class Peft(Transformers):
    """A folder as `transformers` loads it, with an adapter as `peft` loads it."""

    def __init__(self, folder: Path, adapter: Path) -> None:
        super().__init__(folder)
        library = import_module("peft")
        self.name = f"peft {library.__version__} on {self.name}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what peft itself calls in transformers
            self.model = library.PeftModel.from_pretrained(self.model, str(adapter)).eval()


class Gguf:
    """A GGUF file as llama.cpp runs it, with its usual settings; maybe with an adapter."""

    def __init__(self, path: Path, context: int, *, adapter: Path | None = None) -> None:
        self.name = f"llama.cpp {llama_cpp_version()}"
        threads = device.threads()
        self._engine = LlamaCpp(path, adapter=adapter, context=context, threads=threads)
        self.vocab = self._engine.vocab
        self.encode = self._engine.encode
        self.decode = self._engine.decode
        self.logits = self._engine.logits
        self.close = self._engine.close

    def settings(self) -> dict[str, Any]:
        """What llama.cpp's programs do around a text.

        They put the start token before the file's template themselves, if they put it before texts.
        """
        return {
            "start": self._engine.encode(PROBE, opens=True, by_name=True),
            "end": self._engine.end_id,
            "stops": [index for index in range(self.vocab) if self._engine.ends(index)],
            "context": self._engine.trained_context,
            "template": self._engine.template(),
        }


def verify_export(
    path: Path, model: LanguageModel, texts: Sequence[str], *, name: str = ""
) -> list[Check]:
    """Compare a transformers folder, a GGUF file or a folder of these with the model.

    texts: held-out documents. name: what checks call a transformers folder, if not by its own name.
    Raises Damaged if a runtime cannot read a file.
    """
    files = sorted(path.glob("*.gguf")) if path.is_dir() else [path]
    sample = Sample(model, texts)
    if not files:
        if not (path / CONFIG).is_file():
            raise Damaged("there is neither a GGUF file nor a config.json", where=path)
        if find_spec("transformers"):
            runtime: Runtime = Transformers(path)
        else:
            from endonym.export.huggingface import import_huggingface

            runtime = Ours(import_huggingface(path))
            runtime.name = "endonym's reader (transformers is not installed)"
        return list(sample.compared(runtime, name or path.name, number_format(model)))
    checks: list[Check] = []
    for file in files:
        kind, note = quantization_of(file)
        with closing(_opened(file, sample.longest)) as runtime:
            checks += sample.compared(runtime, file.name, kind)
            checks[-1] = replace(checks[-1], unit=checks[-1].unit + note)
    return checks


def _opened(file: Path, context: int) -> Gguf | KeyboardFile:
    """A GGUF file as its program runs it: llama.cpp, or FUTO Keyboard."""
    tokenizer = tokenizer_in(file)
    return Gguf(file, context) if tokenizer is None else KeyboardFile(file, tokenizer, context)


def require_same_ids(config: ModelConfig, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Raise ExportError, before a model is trained, if llama.cpp reads these texts otherwise."""
    lines = _lines(texts)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vocabulary.gguf"
        write_vocabulary(config, tokenizer, path)
        with closing(Gguf(path, context=0)) as runtime:
            reading = reading_of(tokenizer)
            checks = list(_text_checks(lines, tokenizer, runtime, file="", reading=reading))
    for check in checks:
        if not check.ok:
            raise refusal("other_ids", "export gguf", **asdict(check))


def require_unchanged(config: AnyModelConfig, tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    """Raise ExportError, before a model is trained, if transformers reads these texts otherwise.

    It reads folders of some architectures by a class of its own, whatever their files say. It also
    writes the bytes of some tokenizers otherwise, as it takes `<0x0A>` in a text for a byte.
    """
    from endonym.export.huggingface import write_tokenizer

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        is_ours = isinstance(config, ModelConfig)
        described = config_json(config, tokenizer.end_id) if is_ours else config.transformers
        (folder / CONFIG).write_text(json.dumps(described), encoding="utf-8")
        write_tokenizer(tokenizer, config.context, folder)
        theirs = TheirTokenizer(folder)
    for check in _text_checks(_lines(texts), tokenizer, theirs, file="", reading=Reading()):
        if not check.ok:
            where = "export huggingface"
            about = asdict(check)
            if changes := theirs.changes(tokenizer):
                about |= {"family": config.family, "changes": changes}
                raise refusal("changed_on_loading", where, **about)
            raise refusal("read_otherwise", where, **about)


def require_ok(checks: Sequence[Check]) -> None:
    """Raise ExportError with the first check that failed."""
    for each in checks:
        if not each.ok:
            bound = "" if each.limit is None else f", not {each.limit:g}"
            raise refusal("failed_check", each.file, bound=bound, **asdict(each))


def quantization_of(path: Path) -> tuple[Quantization, str]:
    """The number format that a GGUF file declares, and in words which matrices have another one.

    Raises Damaged for a file that is none.
    """
    import gguf

    try:
        reader = gguf.GGUFReader(path)
        field = reader.get_field("general.file_type")
        declared = None if field is None else int(field.contents())
        rows = [(e.shape[0], e.tensor_type.name) for e in reader.tensors if len(e.shape) > 1]
    except (ArithmeticError, LookupError, MemoryError, OSError, TypeError, ValueError) as error:
        raise Damaged(f"no whole GGUF file: {error}", where=path) from error
    by_number: dict[int | None, Quantization] = {number: n for n, number in FILE_TYPES.items()}
    if declared not in by_number:
        raise Damaged(f"file type {declared} is not one that endonym writes", where=path)
    kind = by_number[declared]
    block = block_size(QUANTIZATIONS["usual"].get(kind, kind))
    others = [each for each in rows if each[0] % block and each[1] != "F32"]
    widths, types = (listed(sorted({str(each[part]) for each in others})) for part in (0, 1))
    count = f"{len(others)} of {len(rows)} matrices are {types}"
    note = f"; {count}, as their width {widths} is no multiple of {block}"
    return kind, note if others else ""


class Sample:
    """Held-out text, and what the model makes of it.

    rows: ids of documents evenly spread, TOKENS in all, and of joined ones as long as the context.
    Each starts with the ids that start a document in training. longest: of a row, in ids.
    """

    def __init__(self, model: LanguageModel, texts: Sequence[str]) -> None:
        self.ours = Ours(model)
        self.lines = _lines(texts)
        self.rows = _rows(model, texts or STRANGE)
        self.longest = max(map(len, self.rows), default=LONGEST)
        self._kept: dict[int, NDArray[np.float64]] = {}

    def compared(self, runtime: Runtime, file: str, kind: Quantization) -> Iterator[Check]:
        """Every check of one runtime; that of bits per byte is the last."""
        tokenizer = self.ours.model.tokenizer
        is_gguf = isinstance(runtime, Gguf)
        lines = self.lines
        reading = reading_of(tokenizer) if is_gguf else Reading()
        if isinstance(runtime, KeyboardFile):  # which reads SentencePiece's sign as a blank
            lines = [line.replace(SPACE, " ") for line in lines]
        yield from _text_checks(lines, tokenizer, runtime, file=file, reading=reading)
        expected = self.ours.settings()
        found = runtime.settings()
        if is_gguf:
            expected["template"] = tokenizer.chat_template
        # llama.cpp also stops at names that it knows, such as <|im_end|>.
        if is_gguf or keeps_tokenizer(self.ours.model):
            found["stops"] = [each for each in expected["stops"] if each in found["stops"]]
        compared = [name for name in expected if name in found]
        differing = [
            f": {name} is {found[name]!r}, not {expected[name]!r}"[:122]
            for name in compared
            if found[name] != expected[name]
        ]
        count = len(differing)
        check = partial(Check, file, runtime.name)
        yield check(
            "settings",
            ok=not count,
            value=count,
            limit=0,
            unit=f"of {len(compared)} settings differ",
            example="".join(differing),
        )
        if runtime.vocab == self.ours.vocab:
            yield from self._numbers(runtime, file, kind)
        else:
            yield check(
                "logits",
                ok=False,
                value=runtime.vocab,
                limit=self.ours.vocab,
                unit="logits at a position",
            )

    def _numbers(self, runtime: Runtime, file: str, kind: Quantization) -> Iterator[Check]:
        """Logits and bits per byte of held-out documents."""
        farthest = 0.0
        same = 0
        tied = 0
        total = 0
        our_nats = their_nats = 0.0
        for number, row in enumerate(self.rows):
            # Logits may be shifted by a constant, which changes no probability.
            ours = self._own(number)
            theirs = log_softmax(runtime.logits(row.tolist()))
            farthest = max(farthest, float(np.abs(ours - theirs).max()))
            # By how much our likeliest id is ahead of theirs, in our own probabilities.
            ahead = ours.max(-1) - np.take_along_axis(ours, theirs.argmax(-1)[:, None], -1)[:, 0]
            same += int((ahead == 0).sum())
            tied += int(((ahead > 0) & (ahead <= TIE)).sum())
            total += len(row)
            targets = row[1:, None]
            our_nats -= np.take_along_axis(ours[:-1], targets, -1).sum()
            their_nats -= np.take_along_axis(theirs[:-1], targets, -1).sum()
        rise = float(their_nats / our_nats - 1)
        limit = AGREEMENT.get(kind)
        n_bytes = sum(self.ours.model.tokenizer.byte_counts[row[1:]].sum() for row in self.rows)
        our_bits, their_bits = (nats / np.log(2) / n_bytes for nats in (our_nats, their_nats))
        check = partial(Check, file, runtime.name)
        yield check("logits", ok=True, value=farthest, limit=None, unit="nats at most apart")
        is_ok = limit is None or (same + tied) / total >= limit
        unit = f"of {total:,} positions agree" + f", {tied} more are ties" * (tied > 0)
        yield check("likeliest", ok=is_ok, value=same / total, limit=limit, unit=unit)
        is_ok = abs(rise) <= RISE[kind]  # False for nan
        unit = f"(model {our_bits:.4f}, export {their_bits:.4f})"
        yield check("bits_per_byte", ok=is_ok, value=rise, limit=RISE[kind], unit=unit)

    def _own(self, number: int) -> NDArray[np.float64]:
        """The model's own log-probabilities of a row; kept for the next runtime if they are few."""
        if number in self._kept:
            return self._kept[number]
        log_probabilities = log_softmax(self.ours.logits(self.rows[number].tolist()))
        if sum(map(len, self.rows)) * log_probabilities.shape[-1] <= MOST_KEPT:
            self._kept[number] = log_probabilities
        return log_probabilities


def _lines(texts: Sequence[str]) -> list[str]:
    """The lines whose ids are compared: those of the texts, then strange strings."""
    lines = (line for text in texts for line in text.splitlines() if line)
    return [*islice(lines, LINES), *STRANGE]


def _text_checks(
    lines: Sequence[str], tokenizer: Tokenizer, runtime: Reader, *, file: str, reading: Reading
) -> Iterator[Check]:
    """Ids of every line, and the text that they are decoded to.

    reading: what the runtime is known to read otherwise. Its ids must be those of the imitation,
    which must be the tokenizer's own for all held-out lines but MOST_OTHER.
    """
    check = partial(Check, file, runtime.name)
    texts = [line.removeprefix(reading.dropped) for line in lines]
    expected = [ids.tolist() for ids in tokenizer.encode_whole(texts)]
    if reading.imitation is not None:
        own = expected
        expected = reading.imitation.encode_many(texts)
        rows = zip(texts, own, expected, strict=True)
        other = [text for text, a, b in rows if a != b and text not in STRANGE]
        limit = math.floor(MOST_OTHER * len(lines))
        yield check(
            "ids",
            ok=len(other) <= limit,
            value=len(other),
            limit=limit,
            unit=f"of {len(lines):,} lines have other ids by the split of llama.cpp",
            example=f": {other[0][:60]!r}" if other else "",
        )
    found = [runtime.encode(line) for line in lines]
    unit = f"of {len(lines):,} lines differ"
    # A tokenizer from elsewhere may lose some strange strings: it must lose them there too.
    texts_back = [tokenizer.decode_document(ids) for ids in expected]
    # The library leaves the space that byte-level rules put before a text.
    theirs_back = [
        text if (their_text := runtime.decode(theirs)) == tokenizer.decode(ours) else their_text
        for text, ours, theirs in zip(texts_back, expected, found, strict=True)
    ]
    for kind, *both in (("ids", expected, found), ("decoding", texts_back, theirs_back)):
        rows = zip(texts, *both, strict=True)
        wrong = [f": {text[:60]!r} became {str(its)[:80]}" for text, own, its in rows if own != its]
        example = wrong[0] if wrong else ""
        yield check(kind, ok=not wrong, value=len(wrong), limit=0, unit=unit, example=example)


def _rows(model: LanguageModel, texts: Sequence[str]) -> list[NDArray[np.int64]]:
    """The rows of a sample. Documents are taken from all over, as many as have TOKENS together."""
    tokenizer = model.tokenizer
    context = model.decoder.config.context
    longest = min(context, LONGEST)
    joined = "\n".join(texts[:LONGEST])[: 16 * TOKENS]
    start = np.array(tokenizer.document_start, dtype=np.int64)

    def row(text: str) -> NDArray[np.int64]:
        return np.concatenate((start, tokenizer.encode_documents([text])[0]))

    rows = [row(joined)[: min(context, TOKENS)]]
    some = texts[:: -(-len(texts) // 64)]  # about 64, to tell how long documents are
    size = sum(min(len(ids), longest) for ids in tokenizer.encode_documents(some))
    count = math.ceil(TOKENS * len(some) / max(1, size))
    room = TOKENS
    for text in texts[:: max(1, len(texts) // count)]:
        ids = row(text[: 16 * LONGEST])[: min(longest, room)]
        if len(ids) > 1:
            rows.append(ids)
            room -= len(ids)
        if room <= 1:
            break
    return [row for row in rows if len(row) > 1]
