"""A contender in a process of its own, kept alive, which gets commands over a pipe in turns.

Compilers, allocators and threads of one contender cannot disturb another's so. Both ends are here:
`Worker` asks; run as a program, this file answers.
"""

import gc
import importlib.util
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contenders import Contender, Ours, Shape, Spec
from peers import Nanochat, NanoGpt, Transformers

from endonym import device
from endonym.data.batches import Batch, Batches
from endonym.data.order import Order
from endonym.data.shards import TokenShards
from endonym.evaluate.score import ratio
from endonym.generate.reading import read_nats

TOKENS_SEED = 1
NEXT_TO_NOTHING = 1e-9
Answer = dict[str, Any]


class WorkerFailed(Exception):
    """A contender cannot do what was asked; the message is the last line it said."""


class Worker:
    """The asking end: `ask` sends one command and waits for its answer."""

    def __init__(
        self,
        spec: Spec,
        *,
        threads: int,
        shards: str = "",
        cache: str = "",
        compiles: bool = True,
    ) -> None:
        """cache: a folder for what is compiled. compiles: False runs everything as written."""
        settings = {"spec": spec.as_dict(), "threads": threads, "shards": shards}
        count = str(threads)
        given = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "HF_HUB_OFFLINE": "1"}
        if not compiles:
            given["TORCHDYNAMO_DISABLE"] = "1"
        if cache:
            given["TORCHINDUCTOR_CACHE_DIR"] = cache
        self.log = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - closed in close
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=os.environ | given,
        )

    def ask(self, command: str, **arguments: Any) -> Answer:
        """The answer to a command. Raises WorkerFailed if the process is gone."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if line:
            return json.loads(line)
        self.log.seek(0)
        said = [each for each in self.log.read().splitlines() if each.strip()]
        raise WorkerFailed(said[-1] if said else f"exit status {self.process.wait()}")

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()
        self.log.close()


def build(spec: Spec) -> Contender:
    """The contender that a spec names, with freshly made weights.

    `transformers` goes through its Trainer where accelerate, which that needs, is installed; else
    the same step is written out.
    """
    torch.manual_seed(0)
    if spec.equal:
        device.keep_freed_memory()
    if spec.network == "transformers" and importlib.util.find_spec("accelerate") is not None:
        from trainer import Trained

        return Trained(spec)
    kinds: dict[str, Callable[[Spec], Contender]] = {
        "ours": Ours,
        "nanoGPT": NanoGpt,
        "nanochat": Nanochat,
        "transformers": Transformers,
    }
    return kinds[spec.network](spec)


class Answering:
    """The answering end: a contender with its batches."""

    def __init__(self, settings: dict[str, Any]) -> None:
        torch.set_num_threads(settings["threads"])
        self.spec = Spec.of(settings["spec"])
        if self.spec.device != "cpu":
            torch.set_float32_matmul_precision("high")
        started = time.perf_counter()
        self.contender: Contender = build(self.spec)
        self.batches = batches(self.spec, settings["shards"])
        self.shards = settings["shards"]
        self.step = 0
        self.built_seconds = time.perf_counter() - started

    def facts(self) -> Answer:
        """What can be said before any step."""
        loop = type(self.contender).__name__
        return {
            "parameters": self.contender.parameters(),
            "loop": loop,
            "built_seconds": round(self.built_seconds, 2),
        }

    def steps(self, count: int) -> Answer:
        """Take steps at the full rate; seconds of all, and the last loss."""
        started = time.perf_counter()
        for _ in range(count):
            nats = self._learn(1.0)
        self._wait()
        return {"seconds": time.perf_counter() - started, "nats": nats}

    def warm(self, count: int) -> Answer:
        """Steps at next to no rate: what is compiled or tried is so before the clock starts."""
        seconds: list[float] = []
        for _ in range(count):
            started = time.perf_counter()
            self.contender.learn(self.batches(0), NEXT_TO_NOTHING)
            self._wait()
            seconds.append(round(time.perf_counter() - started, 3))
        gc.collect()
        gc.freeze()
        return {"seconds": seconds}

    def train(self, seconds: float, schedule: str) -> Answer:
        """Learn for so long, with a rate that follows the clock."""
        taken: list[float] = []
        started, nats = time.perf_counter(), float("nan")
        while (now := time.perf_counter()) - started < seconds:
            nats = self._learn(SCHEDULES[schedule]((now - started) / seconds, self.step))
            taken.append(time.perf_counter() - now)
        self._wait()
        total = time.perf_counter() - started
        middle = statistics.median(taken)
        return {"seconds": total, "steps": len(taken), "median_seconds": middle, "nats": nats}

    def judge(self) -> Answer:
        """Bits per byte of the test documents, each read alone, with the interval."""
        torch.set_float32_matmul_precision("highest")
        test = TokenShards(Path(self.shards), "test")
        documents = [test.document(number).ids for number in range(len(test))]
        nats = [
            float(part.sum())
            for part in read_nats(self.contender.judged(), documents, [test.end_id])
        ]
        return bits_of(nats, [int(test.byte_counts[ids].sum()) for ids in documents])

    def memory(self) -> Answer:
        """The most memory that was held: of the GPU if there is one, of the process else."""
        if self.spec.device != "cpu":
            return {"peak_bytes": torch.cuda.max_memory_allocated()}
        return {"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}

    def _learn(self, lr_scale: float) -> float:
        nats = self.contender.learn(self.batches(self.step), lr_scale)
        self.step += 1
        return nats

    def _wait(self) -> None:
        if self.spec.device != "cpu":
            torch.cuda.synchronize()


def bits_of(nats: list[float], sizes: list[int]) -> Answer:
    """Bits per byte with the interval over documents."""
    found = ratio(np.array(nats) / math.log(2), np.array(sizes))
    ends = {"low": found.low, "high": found.high}
    return {"bits_per_byte": found.value, **ends, "documents": len(sizes)}


def linear(progress: float, step: int) -> float:
    """Up in 20 steps, then straight to zero."""
    return min(1.0, (step + 1) / 20) * (1.0 - progress)


def cosine(progress: float, step: int) -> float:
    """nanoGPT's: up in 100 steps, half a cosine down to a tenth."""
    down = 0.1 + 0.9 * (1 + math.cos(math.pi * progress)) / 2
    return min(1.0, (step + 1) / 101) * down


def warmdown(progress: float, step: int) -> float:
    """nanochat's: up in 40 steps, level, the last 65 % of the way straight down to 5 %."""
    left = min(1.0, (1.0 - progress) / 0.65)
    return min(1.0, (step + 1) / 40) * (left + (1 - left) * 0.05)


SCHEDULES = {"linear": linear, "cosine": cosine, "warmdown": warmdown}


def batches(spec: Spec, shards: str) -> Callable[[int], Batch]:
    """Every contender reads these: rows of a training split, or one set of rows of random ids.

    Random rows are one document each, so that nobody may leave out work, unless the spec says how
    long documents are.
    """
    if not shards:
        batch = random_batch(spec.shape, spec.device, spec.document)
        return lambda step: batch
    order = Order(TokenShards(Path(shards), "train"), context=spec.shape.context, seed=0)
    return Batches(order, rows=spec.shape.rows, device=spec.device).__getitem__


def random_batch(shape: Shape, device: str, document: int = 0) -> Batch:
    """Random ids, the same in every process, in documents of so many tokens; 0: a row each."""
    generator = torch.Generator().manual_seed(TOKENS_SEED)
    ids_BT = torch.randint(shape.vocab, (shape.rows, shape.context + 1), generator=generator)
    length = document or shape.context
    documents_BT = (torch.arange(shape.rows * shape.context) // length).view(shape.rows, -1)
    parts = (ids_BT[:, :-1], ids_BT[:, 1:], documents_BT)
    return Batch(*(part.contiguous() for part in parts)).to(device)


def main() -> None:
    """Answer commands until the pipe closes; what peers print goes to the log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    answering = Answering(json.loads(sys.argv[1]))
    for line in sys.stdin:
        request = json.loads(line)
        found = getattr(answering, request.pop("command"))(**request)
        answers.write(json.dumps(found) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
