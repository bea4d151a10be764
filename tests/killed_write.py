"""`endonym write` with small files, killed by a worker: `killed_write.py KIND NUMBER ARGUMENTS…`.

KIND: "text", before a text with this number or a later one is made, or "name", before a file with
such a number gets its name. With "never" nobody is killed. Workers read this file, too, so it is
they who know the moment: it comes however fast they are.
"""

import multiprocessing
import os
import re
import signal
import sys
import time
from typing import Any

from endonym.synthesis import grammar_texts, plan

KIND, NUMBER = sys.argv[1], int(sys.argv[2])
NAMED = re.compile(r"-(\d{5})\.jsonl$")
PATIENCE_SECONDS = 600.0
written = grammar_texts.grammar_record


def reached(kind: str, number: int) -> None:
    """If this is the moment, kill the command; its worker then waits for its own end."""
    if kind == KIND and number >= NUMBER and multiprocessing.parent_process() is not None:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(PATIENCE_SECONDS)


def grammar_record(given: Any, grammar: Any, index: int) -> dict[str, Any]:
    """As it is, if its moment is not the last."""
    reached("text", index)
    return written(given, grammar, index)


def hook(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: sees every file that gets a name."""
    if event == "os.rename" and (named := NAMED.search(os.fsdecode(arguments[1]))):
        reached("name", int(named[1]))


plan.SHARD = 100
grammar_texts.grammar_record = grammar_record
sys.addaudithook(hook)
if __name__ == "__main__":
    from endonym.cli.main import answer  # workers need it not

    sys.exit(answer(sys.argv[3:]))
