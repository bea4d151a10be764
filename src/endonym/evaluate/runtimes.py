"""A model in one program that runs it: how fast, in how much memory, and with what loss.

This module runs as a process of its own (`python -m endonym.evaluate.runtimes`): what it reports as
peak memory is then that of one program. It reads one request and writes one answer, both JSON. Each
program generates by its own means: `generate` of transformers, llama.cpp's own evaluation, ours.
"""

import contextlib
import importlib
import json
import math
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endonym import device
from endonym.errors import EndonymError
from endonym.generate.sample import log_softmax
from endonym.model.foreign.folder import UNKNOWN_CONTEXT

WARM_UP_TOKENS = 8
TRANSFORMERS_MISSING = 'transformers is not installed: pip install "endonym[hf]"'


class Endonym:
    """Our own runtime, on a model artefact."""

    def __init__(self, path: Path, number_format: str) -> None:
        from endonym.generate.language_model import LanguageModel

        assert number_format == "fp32"
        self.model = LanguageModel.load(path)
        self.context = self.model.decoder.config.context

    def seconds_to_each_token(self, ids: Sequence[int], count: int) -> list[float]:
        """Seconds from the prompt to each of `count` new tokens: greedy, and never the end."""
        from endonym.generate.language_model import continued
        from endonym.generate.sample import SamplerState, Sampling

        greedy = SamplerState(Sampling(temperature=0), ids, min_tokens=count)
        decoder = self.model.decoder
        sampler = self.model.sampler
        started = time.perf_counter()
        seconds = list[float]()
        for _ in continued(decoder, [ids], count, [greedy], sampler=sampler):
            seconds.append(time.perf_counter() - started)
        return seconds

    def nats(self, ids: Sequence[int]) -> float:
        """The loss of all ids but the first, their sum in nats."""
        from endonym.generate.reading import read_nats

        (nats,) = read_nats(self.model.decoder, [np.array(ids[1:], dtype=np.int64)], ids[:1])
        return float(nats.sum())


class _OfLogits:
    """A program that gives logits: its loss is computed here."""

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits after each id, (T, V)."""
        raise NotImplementedError

    def nats(self, ids: Sequence[int]) -> float:
        """The loss of all ids but the first, their sum in nats."""
        logs_TV = log_softmax(self.logits(ids[:-1]))
        return -float(logs_TV[np.arange(len(ids) - 1), list(ids[1:])].sum())


class Transformers(_OfLogits):
    """transformers, on an exported folder."""

    def __init__(self, path: Path, number_format: str) -> None:
        try:
            transformers: Any = importlib.import_module("transformers")
        except ImportError as error:
            raise EndonymError(TRANSFORMERS_MISSING) from error
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        dtype = "bfloat16" if number_format == "bf16" else "float32"
        # The folder may ask for kernels that this machine lacks, or that are fetched from the hub.
        config = transformers.AutoConfig.from_pretrained(path, local_files_only=True)
        config._attn_implementation = None
        self.model = transformers.AutoModelForCausalLM.from_pretrained(
            path, config=config, dtype=dtype, local_files_only=True
        ).eval()
        file = path / "tokenizer_config.json"
        settings = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        own = getattr(self.model.config, "max_position_embeddings", None)
        lengths = [each for each in (settings.get("model_max_length"), own) if each is not None]
        self.context = int(min(lengths, default=UNKNOWN_CONTEXT))

    def seconds_to_each_token(self, ids: Sequence[int], count: int) -> list[float]:
        """Seconds from the prompt to each of `count` new tokens: greedy, and never the end."""
        import torch

        clock = _Clock()
        row = torch.tensor([ids])
        own = self.model.generation_config
        # What is given to `generate` would be filled up from the model's own: the end token, too.
        self.model.generation_config = type(own)(do_sample=False, pad_token_id=own.pad_token_id)
        ones = torch.ones_like(row)
        self.model.generate(row, attention_mask=ones, max_new_tokens=count, streamer=clock)
        return clock.times[1:]  # The first is of the prompt.

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits after each id, (T, V)."""
        import torch

        with torch.inference_mode():
            return self.model(torch.tensor([ids])).logits[0].float().numpy()


class _Clock:
    """Takes the place of transformers' streamer, and notes when each token comes."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.times = list[float]()

    def put(self, _: Any) -> None:
        """A new token."""
        self.times.append(time.perf_counter() - self.started)

    def end(self) -> None:
        """The end of the text."""


class LlamaCppRuntime(_OfLogits):
    """llama.cpp, on a GGUF file."""

    def __init__(self, path: Path, number_format: str) -> None:
        from endonym.generate.llama_cpp import LlamaCpp

        assert number_format
        self.model = LlamaCpp(path, threads=device.threads())
        self.context = self.model.context
        self.logits = self.model.logits

    def seconds_to_each_token(self, ids: Sequence[int], count: int) -> list[float]:
        """Seconds from the prompt to each of `count` new tokens: greedy, and never the end."""
        started = time.perf_counter()
        seconds = list[float]()
        new = list(ids)
        self.model.clear()
        for _ in range(count):
            *_, logits = self.model.read(new, all_logits=False)
            new = [int(logits[-1].argmax())]
            seconds.append(time.perf_counter() - started)
        return seconds


RUNTIMES = {"endonym": Endonym, "transformers": Transformers, "llama.cpp": LlamaCppRuntime}


def import_program(program: str, path: Path) -> None:
    """Import what a program needs, before the time of loading a model is taken."""
    if program == "llama.cpp":
        from endonym.generate.llama_cpp import library

        library()
        return
    if program == "endonym":
        importlib.import_module("endonym.generate.language_model")
        return
    with contextlib.suppress(ImportError):
        transformers: Any = importlib.import_module("transformers")
        (architecture,) = json.loads((path / "config.json").read_text("utf-8"))["architectures"]
        getattr(transformers, architecture)


def measured(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request: times, memory and, if texts are given, bits a byte.

    The keys of a request are written by `speed.measured_once`.
    """
    path = Path(request["path"])
    import_program(request["program"], path)
    if request["program"] != "llama.cpp":
        device.prepare()
    started = time.perf_counter()
    model = RUNTIMES[request["program"]](path, request["number_format"])
    answer: dict[str, Any] = {"load_seconds": time.perf_counter() - started}
    prompt = request["prompt"]
    context = model.context
    model.seconds_to_each_token(prompt[: min(WARM_UP_TOKENS, context // 2)], 2)
    lengths = [n for n in request["lengths"] if n <= context]
    first_times = {n: model.seconds_to_each_token(prompt[:n], 1)[0] for n in lengths}
    longest = max(first_times)
    answer["first_token_seconds"] = {str(n): seconds for n, seconds in first_times.items()}
    answer["prompt_tokens_per_second"] = longest / first_times[longest]
    prompt_tokens = max(1, min(request["decode_after"], context // 2))
    count = min(request["decode_tokens"], context - prompt_tokens)
    times = model.seconds_to_each_token(prompt[:prompt_tokens], count)
    answer["decode_tokens_per_second"] = (count - 1) / (times[-1] - times[0])
    answer["peak_bytes"] = peak_bytes()
    if request["texts"]:
        nats = sum(model.nats(ids) for ids in request["texts"])
        answer["bits_per_byte"] = nats / math.log(2) / request["bytes"]
    return answer


def peak_bytes() -> int:
    """The most memory that this process held, in bytes.

    Linux has it as VmHWM, in kB; its `ru_maxrss` counts the parent's memory, too.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def answer_request() -> None:
    """Answer one request on standard input."""
    device.wait_briefly()
    try:
        answer = measured(json.load(sys.stdin))
    except EndonymError as error:
        answer = {"reason": str(error).replace("\n", " ")}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    answer_request()
