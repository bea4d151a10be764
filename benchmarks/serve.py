"""A server under load, beside llama.cpp's own server on the same file.

    python benchmarks/serve.py FILE.gguf [--cells clients slow memory] [--threads 1] [--anyway]

clients: 64 clients at once, each with one text of 100 tokens: is everyone answered, how far behind
is the slowest, and how many tokens a second come together; in turn from endonym's server and from
that of llama.cpp (in xllamacpp), with the same threads, slots, context and sampling. slow: 8 honest
clients with and without 200 connections that send a head or a body byte by byte. memory: the
resident memory of the server over 5,000 requests. Each cell is a row of
benchmarks/results/serve.json; the processor time of the server stands beside the wall clock, as it
changes little on a busy machine.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from cells import RESULTS, Cells, quiet_machine
from pages import markdown

CLIENTS, TOKENS, PAIRS = 64, 100, 7
HONEST, SLOW, ASKED, ROUNDS = 8, 200, 25, 3
REQUESTS, AT_ONCE = 5000, 32
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


def main() -> None:
    """Measure the cells asked for, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--cells", nargs="+", default=["clients", "slow", "memory"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--results", type=Path, default=RESULTS / "serve.json")
    parser.add_argument("--anyway", action="store_true")
    asked = parser.parse_args()
    cells = Cells(asked.results)
    for cell in asked.cells:
        key = f"{cell} {asked.file.stem} {asked.threads} threads"
        before = quiet_machine(key, anyway=asked.anyway)
        found = CELLS[cell](asked.file, asked.threads)
        cells.keep(key, found | before | {"bytes": asked.file.stat().st_size})
        print(key, json.dumps(found), flush=True)


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
    given = [str(each) for each in (path, port, slots, context, threads)]
    command = [sys.executable, "-c", PEER, *given]
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


def round_of(url: str, name: str, pid: int) -> dict[str, float]:
    """All clients at once."""

    async def ask() -> list[tuple[float, int]]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(timeout=600, limits=limits) as client:
            return await asyncio.gather(*(one_text(client, url, name, n) for n in range(CLIENTS)))

    cpu, started = cpu_seconds(pid), time.perf_counter()
    answers = asyncio.run(ask())
    wall, cpu = time.perf_counter() - started, cpu_seconds(pid) - cpu
    seconds, tokens = [each for each, _ in answers], sum(each for _, each in answers)
    return {
        "answered": len(answers),
        "tokens": tokens,
        "tokens_a_second": round(tokens / wall, 1),
        "cpu_microseconds_a_token": round(1e6 * cpu / tokens, 1),
        "slowest_to_median": round(max(seconds) / statistics.median(seconds), 3),
    }


def clients(path: Path, threads: int) -> dict[str, Any]:
    """Pairs of rounds, a round of each server, the other one idle and the order swapped each time.

    The first pair is not counted. A ratio is the median of the ratios of the pairs.
    """
    rounds: dict[str, list[dict[str, float]]] = {"endonym": [], "llama.cpp": []}
    with ours(path, threads) as (url, pid):
        (model,) = httpx.get(f"{url}/v1/models").json()["data"]
        with peer(path, threads, CLIENTS, model["context"]) as (peer_url, peer_pid):
            servers = [("endonym", url, path.stem, pid), ("llama.cpp", peer_url, "", peer_pid)]
            for number in range(PAIRS + 1):
                for name, address, asked, process in servers:
                    measured = round_of(address, asked, process)
                    if number:
                        rounds[name].append(measured)
                servers.reverse()
    found: dict[str, Any] = {"clients": CLIENTS, "tokens": TOKENS, "threads": threads}
    for name, each in rounds.items():
        for figure in each[0]:
            found[f"{name}/{figure}"] = [one[figure] for one in each]
    for figure in ("tokens_a_second", "cpu_microseconds_a_token"):
        pairs = zip(*(found[f"{name}/{figure}"] for name in rounds), strict=True)
        found[f"ratio/{figure}"] = round(statistics.median(a / b for a, b in pairs), 3)
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def honest(url: str, name: str) -> list[float]:
    """Seconds of each of the requests of the honest clients."""
    body = {"model": name, "prompt": PROMPT, "max_tokens": 20, "min_tokens": 20}

    async def asks(client: httpx.AsyncClient) -> list[float]:
        found: list[float] = []
        for _ in range(ASKED):
            started = time.perf_counter()
            (await client.post(f"{url}/v1/completions", json=body)).raise_for_status()
            found.append(time.perf_counter() - started)
        return found

    async with httpx.AsyncClient(timeout=600) as client:
        everyone = await asyncio.gather(*(asks(client) for _ in range(HONEST)))
    return [each for one in everyone for each in one]


async def dripping(url: str, number: int) -> None:
    """A connection that sends a byte each half second: a head, or a body."""
    host, port = url.removeprefix("http://").split(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
            head = f"POST /v1/completions HTTP/1.1\r\nHost: {host}:{port}\r\n"
            if number % 2:
                head += "Content-Type: application/json\r\nContent-Length: 900000\r\n\r\n"
            writer.write(head.encode())
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.5)
        except OSError:
            continue


def p95(seconds: list[float]) -> float:
    """The 95th percentile."""
    return round(statistics.quantiles(seconds, n=20)[-1], 4)


def slow(path: Path, threads: int) -> dict[str, Any]:
    """The honest clients alone and beside slow ones, in turn."""

    async def beside(url: str) -> list[float]:
        drips = [asyncio.create_task(dripping(url, n)) for n in range(SLOW)]
        await asyncio.sleep(2)
        found = await honest(url, path.stem)
        for each in drips:
            each.cancel()
        return found

    alone: list[float] = []
    crowded: list[float] = []
    with ours(path, threads) as (url, _):
        asyncio.run(honest(url, path.stem))
        for _ in range(ROUNDS):
            alone += asyncio.run(honest(url, path.stem))
            crowded += asyncio.run(beside(url))
    one, two = p95(alone), p95(crowded)
    return {"alone_p95": one, "beside_p95": two, "ratio": round(two / one, 3), "slow": SLOW}


def memory(path: Path, threads: int) -> dict[str, Any]:
    """Resident memory after each tenth of the requests, whole and streamed ones and errors."""

    async def ask(client: httpx.AsyncClient, url: str, number: int) -> None:
        body = {"model": path.stem, "prompt": PROMPT, "max_tokens": 4, "seed": number}
        kinds: tuple[dict[str, Any], ...] = (
            {},
            {"stream": True},
            {"logprobs": 3, "echo": True},
            {"top_k": -1},
        )
        await client.post(f"{url}/v1/completions", json=body | kinds[number % len(kinds)])

    async def part(url: str, first: int) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def gated(client: httpx.AsyncClient, number: int) -> None:
            async with gate:
                await ask(client, url, number)

        async with httpx.AsyncClient(timeout=600) as client:
            numbers = range(first, first + REQUESTS // 10)
            await asyncio.gather(*(gated(client, number) for number in numbers))

    with ours(path, threads) as (url, pid):
        held = [resident_bytes(pid)]
        for first in range(0, REQUESTS, REQUESTS // 10):
            asyncio.run(part(url, first))
            held.append(resident_bytes(pid))
    return {
        "requests": REQUESTS,
        "resident_bytes": held,
        "growth": round(held[-1] / held[1] - 1, 4),
    }


def page_table() -> str:
    """The table of docs/serve.md: 64 clients at once, medians of the rounds."""
    kept, rows = Cells(RESULTS / "serve.json"), list[list[str]]()
    for name, model in (("5m-q8", "5M, Q8_0"), ("25m-q8", "25M, Q8_0")):
        one = kept[f"clients {name} 1 threads"]
        speeds = [
            statistics.median(one[f"{who}/tokens_a_second"]) for who in ("endonym", "llama.cpp")
        ]
        slowest = max(one["endonym/slowest_to_median"])
        ratio = f"{one['ratio/tokens_a_second']:.2f}"
        rows.append([model, *(f"{each:,.0f}" for each in speeds), ratio, f"{slowest:.3f}"])
    heads = ["model", "endonym serve, tokens/s", "llama.cpp's server, tokens/s", "ratio"]
    return markdown([*heads, "slowest client / median"], rows)


CELLS = {"clients": clients, "slow": slow, "memory": memory}

if __name__ == "__main__":
    main()
