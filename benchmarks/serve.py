"""A server under load, next to llama.cpp's own server on the same file.

"clients": 64 clients at once, each with one text of 100 tokens: is everyone answered, how far
behind is the slowest, and how many tokens a second come together; in turns from endonym's server
and from that of llama.cpp (in xllamacpp), with the same threads, slots, context and sampling.
"memory": the resident memory of the server over 1,000 requests. The file is the Q8_0 export of the
five-minute Tatar model (five_minutes.py).
"""

import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from benchmark import MAKES_A_MODEL, Bench, Benchmark, Watch, main
from cells import Cell, Cells
from five_minutes import model_of, work_folder
from pages import markdown
from runs import endonym

from endonym import device

CLIENTS, TOKENS, PAIRS = 64, 100, 5
REQUESTS, AT_ONCE = 1000, 32
PROMPT = "Әбием мич янында"
SAMPLING = {"temperature": 0.8, "top_p": 0.95, "top_k": 0}
PEER = """
import sys, time, xllamacpp as x
path, port, slots, context, threads = sys.argv[1], *map(int, sys.argv[2:])
params = x.CommonParams()
params.model.path, params.port, params.hostnames = path, port, ["127.0.0.1"]
params.n_parallel, params.n_ctx = slots, slots * context
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
server = x.Server(params)
print("ready", flush=True)
time.sleep(1e9)
"""


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """Clients at once, then memory over many requests."""
    if bench.tiny:
        return {"tiny memory": partial(memory_cell, bench)}
    return {
        "clients five-minute Tatar Q8_0": partial(clients_cell, bench),
        "memory five-minute Tatar Q8_0": partial(memory_cell, bench),
    }


def gguf_file(bench: Bench) -> Path:
    """The GGUF file of the five-minute model, exported anew."""
    quantization, folder = "F16" if bench.tiny else "Q8_0", bench.folder("serve") / "gguf"
    options = ["--to", "gguf", "--quantize", quantization, "--out", folder]
    endonym(work_folder(bench, "tt"), "export", model_of(bench, "tt"), *options)
    return next(folder.glob(f"*{quantization}.gguf"))


@contextmanager
def ours(path: Path, threads: int) -> Iterator[tuple[str, int]]:
    """endonym's server: its address and its process."""
    command = [sys.executable, "-m", "endonym", "serve", str(path), "--port", "0", "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"], process.pid
        finally:
            process.send_signal(signal.SIGTERM)


@contextmanager
def peer(path: Path, threads: int, slots: int, context: int) -> Iterator[tuple[str, int]]:
    """llama.cpp's own server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [str(value) for value in (path, port, slots, context, threads)]
    command = [sys.executable, "-c", PEER, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            while "ready" not in process.stdout.readline():
                pass
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.kill()


async def one_text(client: httpx.AsyncClient, url: str, name: str, seed: int) -> tuple[float, int]:
    """Seconds and tokens of one text that does not end early."""
    body = {"model": name, "prompt": PROMPT, "max_tokens": TOKENS, "seed": seed, **SAMPLING}
    own = {"min_tokens": TOKENS} if name else {"ignore_eos": True, "min_p": 0}
    started = time.perf_counter()
    answer = await client.post(f"{url}/v1/completions", json=body | own)
    answer.raise_for_status()
    return time.perf_counter() - started, answer.json()["usage"]["completion_tokens"]


def one_round(url: str, name: str, pid: int) -> dict[str, float]:
    """All clients at once."""

    async def ask() -> list[tuple[float, int]]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=600, limits=limits) as client:
            return await asyncio.gather(*(one_text(client, url, name, n) for n in range(CLIENTS)))

    cpu, started = cpu_seconds(pid), time.perf_counter()
    answers = asyncio.run(ask())
    wall, cpu = time.perf_counter() - started, cpu_seconds(pid) - cpu
    seconds, tokens = [took for took, _ in answers], sum(count for _, count in answers)
    return {
        "answered": len(answers),
        "tokens": tokens,
        "tokens_a_second": round(tokens / wall, 1),
        "cpu_microseconds_a_token": round(1e6 * cpu / tokens, 1),
        "slowest_to_median": round(max(seconds) / statistics.median(seconds), 3),
    }


def clients_cell(bench: Bench) -> Cell:
    """Pairs of rounds, a round of each server, the other one idle and the order swapped each time.

    The first pair is not counted. The ratio is the median of the ratios of the pairs.
    """
    path, threads = gguf_file(bench), 1
    bench.quiet("clients")
    rounds: dict[str, list[dict[str, float]]] = {"endonym": [], "llama.cpp": []}
    with ours(path, threads) as (url, pid):
        (model,) = httpx.get(f"{url}/v1/models").json()["data"]
        with peer(path, threads, CLIENTS, model["context"]) as (peer_url, peer_pid):
            servers = [("endonym", url, path.stem, pid), ("llama.cpp", peer_url, "", peer_pid)]
            for number in range(PAIRS + 1):
                for name, address, model_name, process in servers:
                    measured = one_round(address, model_name, process)
                    if number:
                        rounds[name].append(measured)
                servers.reverse()
    cell: dict[str, Any] = {"clients": CLIENTS, "tokens": TOKENS, "threads": threads}
    for name, of_server in rounds.items():
        cell[name] = {figure: [one[figure] for one in of_server] for figure in of_server[0]}
    pairs = zip(*(cell[name]["tokens_a_second"] for name in rounds), strict=True)
    cell["ratio"] = round(statistics.median(a / b for a, b in pairs), 3)
    return cell | {"file_bytes": path.stat().st_size}


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def memory_cell(bench: Bench) -> Cell:
    """Resident memory after each tenth of the requests, whole and streamed ones and errors."""
    path, requests = gguf_file(bench), 20 if bench.tiny else REQUESTS

    async def ask(client: httpx.AsyncClient, url: str, number: int) -> None:
        body = {"model": path.stem, "prompt": PROMPT, "max_tokens": 4, "seed": number}
        kinds: tuple[dict[str, Any], ...] = (
            {},
            {"stream": True},
            {"logprobs": 3, "echo": True},
            {"temperature": -1},
        )
        await client.post(f"{url}/v1/completions", json=body | kinds[number % len(kinds)])

    async def part(url: str, first: int) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def gated(client: httpx.AsyncClient, number: int) -> None:
            async with gate:
                await ask(client, url, number)

        async with httpx.AsyncClient(timeout=600) as client:
            numbers = range(first, first + requests // 10)
            await asyncio.gather(*(gated(client, number) for number in numbers))

    with ours(path, device.threads()) as (url, pid):
        resident = [resident_bytes(pid)]
        for first in range(0, requests, requests // 10):
            asyncio.run(part(url, first))
            resident.append(resident_bytes(pid))
    growth = round(resident[-1] / resident[1] - 1, 4)
    return {"requests": requests, "resident_bytes": resident, "growth": growth}


def loads(cells: Cells) -> str:
    """Many clients at once, and the memory of the server over many requests."""
    clients = cells.get("clients five-minute Tatar Q8_0")
    memory = cells.get("memory five-minute Tatar Q8_0")
    if clients is None or memory is None:
        return ""
    speeds = {
        name: statistics.median(clients[name]["tokens_a_second"])
        for name in ("endonym", "llama.cpp")
    }
    rows = [
        ["tokens a second, endonym serve", f"{speeds['endonym']:,.0f}"],
        ["tokens a second, llama.cpp's server", f"{speeds['llama.cpp']:,.0f}"],
        ["ratio, median of the pairs of rounds", f"{clients['ratio']:.2f}"],
        ["slowest client / median", f"{max(clients['endonym']['slowest_to_median']):.3f}"],
        ["memory of the server, MB", f"{memory['resident_bytes'][1] / 1e6:,.0f}"],
        [f"its growth over {memory['requests']:,} requests", f"{memory['growth']:.1%}"],
    ]
    return markdown([f"{clients['clients']} clients, one thread", ""], rows)


BENCHMARK = Benchmark(
    name="serve",
    code=(*MAKES_A_MODEL, "endonym.commands.serve", "endonym.serve"),
    cells=cells,
    tables={("docs/serve.md", "serve"): loads},
    watched={
        "ratio": Watch("higher", 0.15, timed=True),
        "resident_bytes/1": Watch("lower", 0.15, timed=True),
    },
)

if __name__ == "__main__":
    main(BENCHMARK)
