"""The process that answers, tried in this one."""

import resource
import subprocess
import sys

from text_samples import TATAR

from endonym.limited.worker import ENOUGH_CHARS, answer, cap


class Panic(BaseException):
    """As Rust's, which is no Exception."""


def test_an_answer_a_refusal_and_a_panic():
    def say(question: dict[str, object]) -> dict[str, object]:
        if question["word"] == TATAR[1]:
            raise Panic("ә" * 10_000)
        if question["word"] == TATAR[2]:
            raise MemoryError
        return question

    found = [answer(say, {"question": {"word": each}, "texts": b"x"}) for each in TATAR[:3]]  # type: ignore[arg-type]
    assert found[0] == {"word": TATAR[0], "texts": b"x"}
    assert found[1] == {"failed": "ә" * ENOUGH_CHARS}
    assert "MiB of memory" in found[2]["failed"]


def test_a_limit_is_never_above_the_one_that_there_is():
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    cap({resource.RLIMIT_CORE: hard if hard != resource.RLIM_INFINITY else soft})
    assert resource.getrlimit(resource.RLIMIT_CORE)[1] == hard or soft != hard


LATER_QUESTION = """
import resource, time
from endonym.limited.worker import begin
while time.process_time() < 1.2:
    pass
begin({"memory_bytes": 1 << 40, "cpu_seconds": 0.9, "seconds": 60.0})
print(resource.getrlimit(resource.RLIMIT_CPU)[0] - time.process_time())
"""


def test_a_question_may_take_its_time_whatever_those_before_it_took():
    """The kernel counts from the start of the process."""
    script = f"import sys; sys.path[:] = {sys.path!r}\n{LATER_QUESTION}"
    said = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True)
    assert 0.9 <= float(said.stdout) <= 0.9 + 2
