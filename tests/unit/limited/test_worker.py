"""The process that answers, tried in this one."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from text_samples import TATAR

from endonym.limited.worker import ENOUGH_CHARS, address_space, answer, cap


class Panic(BaseException):
    """As Rust's, which is no Exception."""


def test_an_answer_a_refusal_and_a_panic():
    def say(question: dict[str, object]) -> dict[str, object]:
        if question["word"] == TATAR[1]:
            raise Panic("ә" * 10_000)
        if question["word"] == TATAR[2]:
            raise MemoryError
        return question

    given: dict[str, object] = {"texts": b"x", "limits": {"memory_bytes": 7 << 20}}
    found = [answer(say, given | {"question": {"word": each}}) for each in TATAR[:3]]  # type: ignore[arg-type]
    assert found[0] == {"word": TATAR[0], "texts": b"x"}
    assert found[1] == {"failed": "ә" * ENOUGH_CHARS}
    assert "more than 7 MiB of memory" in found[2]["failed"]


def test_address_space_is_known_where_there_is_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Path("/proc/self/statm").exists() or address_space() > 1 << 20

    def read_nothing(path: Path, encoding: str) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", read_nothing)
    assert address_space() == 0


def test_a_limit_is_never_above_the_one_that_there_is():
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    cap({resource.RLIMIT_CORE: hard if hard != resource.RLIM_INFINITY else soft})
    assert resource.getrlimit(resource.RLIMIT_CORE)[1] == hard or soft != hard


SMALL_AFTER_LARGE_LIBRARIES = """
import mmap, resource
from endonym.limited.worker import address_space, set_limits
library = mmap.mmap(-1, 1 << 30)
set_limits({"memory_bytes": 1 << 28, "cpu_seconds": 9, "seconds": 60.0}, address_space())
bytearray(1 << 27)
try:
    bytearray(1 << 29)
except MemoryError:
    print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the size is in /proc")
def test_what_libraries_take_is_not_the_questions():
    script = f"import sys; sys.path[:] = {sys.path!r}\n{SMALL_AFTER_LARGE_LIBRARIES}"
    said = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    assert said.stdout == b"refused\n"


LATER_QUESTION = """
import resource, time
from endonym.limited.worker import set_limits
while time.process_time() < 1.2:
    pass
set_limits({"memory_bytes": 1 << 40, "cpu_seconds": 0.9, "seconds": 60.0})
print(resource.getrlimit(resource.RLIMIT_CPU)[0] - time.process_time())
"""


def test_a_question_may_take_its_time_whatever_those_before_it_took():
    """The kernel counts from the start of the process."""
    script = f"import sys; sys.path[:] = {sys.path!r}\n{LATER_QUESTION}"
    said = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    assert 0.9 <= float(said.stdout) <= 0.9 + 2
