"""A process with limits: what it does to itself fails one question, and the next is answered."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from text_samples import KHMER, ROMANIAN, TATAR

from endonym.limited.landlock import version
from endonym.limited.process import ONE_THREAD, Failure, LimitedProcess, Limits

QUICK = Limits(memory_bytes=300 << 20, cpu_seconds=0.2, seconds=30.0)
SMALL = Limits(memory_bytes=300 << 20, cpu_seconds=30.0, seconds=60.0)
WAITING = Limits(memory_bytes=300 << 20, cpu_seconds=20.0, seconds=0.5)


@pytest.fixture(scope="module")
def process() -> Generator[LimitedProcess]:
    made = LimitedProcess("limited_functions:act")
    yield made
    made.close()


def test_questions_are_answered_one_after_the_other_with_bytes(process: LimitedProcess):
    for word in TATAR + KHMER:
        question = {"do": "echo", "word": word}
        assert process.ask(question, QUICK, b"x" * 1_000) == {"said": word, "bytes": 1_000}


def test_threads_that_ask_at_once_get_their_own_answers(process: LimitedProcess):
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda word: process.ask({"do": "echo", "word": word}, SMALL), TATAR * 9)
        assert [each["said"] for each in found] == TATAR * 9


FAILING = [
    ("spin", QUICK, "more than 1 seconds of processor time"),
    ("spin", WAITING, "not end within 0.5 seconds"),
    ("sleep", WAITING, "not end within 0.5 seconds"),
    ("eat", SMALL, "more than 300 MiB of memory"),
    ("eat in C", SMALL, "300 MiB of memory.*SIGABRT"),
    ("crash", QUICK, "ends the program.*SIGSEGV"),
    ("exit", QUICK, "ends the program.*exit code 0"),
    ("raise", QUICK, "^юк$"),
]


@pytest.mark.parametrize(("what", "limits", "why"), FAILING)
def test_a_question_fails_alone(process: LimitedProcess, what: str, limits: Limits, why: str):
    with pytest.raises(Failure, match=why):
        process.ask({"do": what}, limits)
    assert process.ask({"do": "echo", "word": "ә"}, QUICK) == {"said": "ә", "bytes": 0}


def test_an_answered_question_ends_nothing_when_its_time_is_over(process: LimitedProcess):
    for seconds in (30.0, 1.5):
        process.ask({"do": "echo", "word": TATAR[0]}, Limits(300 << 20, 0.2, seconds))
    answering = process._worker.process
    time.sleep(2.7)  # the alarm of the process itself comes a second later
    assert answering.poll() is None


def test_after_an_interrupt_the_next_question_gets_its_own_answer(process: LimitedProcess):
    process.ask({"do": "echo", "word": TATAR[0]}, QUICK)
    asked = process._worker.process
    # A shell lets what it starts in the background ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    stop = threading.Timer(0.3, signal.pthread_kill, [threading.get_ident(), signal.SIGINT])
    stop.start()
    with pytest.raises(KeyboardInterrupt):
        process.ask({"do": "sleep"}, Limits(300 << 20, 0.2, 60.0))
    signal.signal(signal.SIGINT, before)
    assert asked.poll() is not None
    assert process.ask({"do": "echo", "word": KHMER[0]}, QUICK)["said"] == KHMER[0]


def test_an_answer_that_comes_too_late_is_never_that_of_the_next_question(process: LimitedProcess):
    process.ask({"do": "echo", "word": TATAR[0]}, QUICK)
    with pytest.raises(Failure, match=r"not end within 0\.4 seconds"):
        process.ask({"do": "echo later", "word": ROMANIAN[0]}, Limits(300 << 20, 0.2, 0.4))
    answer = process.ask({"do": "echo later", "word": KHMER[0]}, Limits(300 << 20, 0.2, 30.0))
    assert answer["said"] == KHMER[0]


def test_one_that_ended_between_two_questions_is_started_again(process: LimitedProcess):
    process.ask({"do": "echo", "word": TATAR[0]}, QUICK)
    process._worker.process.kill()
    process._worker.process.wait()
    assert process.ask({"do": "echo", "word": KHMER[0]}, QUICK)["said"] == KHMER[0]


def test_an_interrupt_of_the_terminal_is_not_for_it(process: LimitedProcess):
    process.ask({"do": "echo", "word": KHMER[0]}, QUICK)
    assert os.getpgid(process._worker.process.pid) != os.getpgrp()


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_after_a_fork_it_belongs_to_the_parent():
    process = LimitedProcess("limited_functions:act")
    process.ask({"do": "echo", "word": ROMANIAN[0]}, QUICK)
    made = process._worker.process
    child = os.fork()
    if child == 0:
        process.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert is_running(made.pid)
    assert process.ask({"do": "echo", "word": ROMANIAN[1]}, QUICK)
    assert process._worker.process is made
    process.close()
    assert not is_running(made.pid)


def test_what_is_printed_is_no_answer(process: LimitedProcess):
    assert process.ask({"do": "print"}, QUICK) == {}


def test_no_file_is_written_and_no_key_is_seen(
    process: LimitedProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "x"
    with pytest.raises(Failure, match="ermission" if version() > 0 else "too large"):
        process.ask({"do": "write", "path": str(path)}, QUICK)
    assert not path.exists() or not path.stat().st_size
    monkeypatch.setenv("HF_TOKEN", "secret")
    fresh = LimitedProcess("limited_functions:act")
    names = set(fresh.ask({"do": "environment"}, QUICK)["names"])
    assert "HF_TOKEN" not in names
    assert set(ONE_THREAD) <= names
    fresh.close()


def test_torchs_compiler_can_be_imported_though_nothing_was_ever_compiled():
    process = LimitedProcess("limited_compiler:import_compiler")
    limits = Limits(memory_bytes=2 << 30, cpu_seconds=60.0, seconds=240.0)
    assert process.ask({"user": TATAR[0]}, limits) == {}
    process.close()


ORPHAN = """
import os, sys, threading
from endonym.limited.process import LimitedProcess, Limits
process = LimitedProcess("limited_functions:act")
limits = Limits(300 << 20, 0.2, float(sys.argv[2]))
process.ask({"do": "echo", "word": ""}, limits)
print(process._worker.process.pid, flush=True)
threading.Timer(0.2, os._exit, [0]).start()
process.ask({"do": sys.argv[1]}, limits)
"""


def is_running(number: int) -> bool:
    try:
        status = Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
@pytest.mark.parametrize(("what", "seconds"), [("spin", "60"), ("sleep", "0.5")])
def test_it_ends_if_the_one_who_asked_was_killed(what: str, seconds: str):
    made = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{ORPHAN}", what, seconds],
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    status = Path(f"/proc/{int(made.stdout)}/stat")
    end = time.monotonic() + 30
    while (
        status.exists() and status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    ):
        assert time.monotonic() < end, "the process goes on"
        time.sleep(0.05)
