"""What a process with limits is asked to do, in tests."""

import ctypes
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def act(question: Mapping[str, Any]) -> dict[str, Any]:
    """Do what is asked, by its name."""
    match question["do"]:
        case "echo":
            return {"said": question["word"], "bytes": len(question.get("texts", b""))}
        case "echo later":
            time.sleep(0.6)
            return {"said": question["word"]}
        case "spin":
            while True:
                pass
        case "sleep":
            time.sleep(600)
        case "eat":
            return {"size": len(bytearray(1 << 40))}
        case "eat in C":
            libc = ctypes.CDLL(None)
            libc.malloc.restype = ctypes.c_void_p
            while libc.malloc(ctypes.c_size_t(1 << 24)):
                pass
            os.abort()
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "exit":
            os._exit(0)
        case "raise":
            raise ValueError("юк")
        case "print":
            os.write(1, b"x" * 100)
        case "write":
            Path(question["path"]).write_bytes(b"x")
        case "environment":
            return {"names": sorted(os.environ)}
        case _:
            pass
    return {}
