"""A parser that does what a line of its file says: it crashes, hangs, eats memory, prints."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from endonym.formats.parsers.unit import Options, Refused, Unit


def units(path: str, start: int, options: Options) -> Iterator[Unit | None]:
    """One unit a line; the first line says what happens while the file is opened."""
    head, *lines = Path(path).read_text(encoding="utf-8").splitlines()
    act(head)
    return run(lines, start)


def run(lines: list[str], start: int) -> Iterator[Unit | None]:
    for number, line in enumerate(lines, 1):
        if number >= start:
            act(line)
            yield Unit(number, line, {"process": str(os.getpid())}, raw_bytes=len(line))
        else:
            yield None
    if lines and lines[-1] == "refuse-rest":
        raise Refused("truncated", "it ends early")


def act(line: str) -> None:  # noqa: C901 - a table of what may happen
    """What a line asks for."""
    match line:
        case "abort":
            os.abort()
        case "segfault":
            ctypes.string_at(0)
        case "exit":
            sys.exit(7)
        case "exit-now" | "exit-3":
            os._exit(3 * line.endswith("3"))
        case "spin":
            while True:
                pass
        case "sleep":
            time.sleep(3_600)
        case "ignore-signals-and-spin":
            signal.signal(signal.SIGXCPU, signal.SIG_IGN)
            while True:
                pass
        case "eat":
            held = []
            while True:
                held.append(bytearray(10 << 20))
        case "eat-in-c":
            libc = ctypes.CDLL(None)
            libc.malloc.restype = ctypes.c_void_p
            while found := libc.malloc(ctypes.c_size_t(10 << 20)):
                ctypes.memset(found, 1, 10 << 20)
            os.abort()
        case "use-much":
            bytearray(200 << 20)
        case "print":
            print("бу юл каналга барып җитмәскә тиеш", flush=True)  # noqa: T201
            os.write(1, b"\0\0\0\5junk!")
            sys.stderr.write("x" * 1_000_000)
        case "read-input":
            sys.stdin.read()
        case _ if line.startswith("write "):
            Path(line.removeprefix("write ")).write_text("evil", encoding="utf-8")
        case "environment":
            raise ValueError(sorted(os.environ))
        case "environment-of-parent":
            raise ValueError(Path(f"/proc/{os.getppid()}/environ").read_bytes()[-100:])
        case "raise":
            raise KeyError("юк")
        case "recurse":
            act_again(line)
        case "refuse":
            raise Refused("damaged", "бу файл бөтен түгел")
        case "missing":
            raise ModuleNotFoundError("No module named 'pdfreader'", name="pdfreader")
        case "surrogate":
            pass
        case _:
            pass


def act_again(line: str) -> None:
    act_again(line)
    raise RecursionError
