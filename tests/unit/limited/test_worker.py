"""The process that answers, tried in this one."""

import resource

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
