"""A fault of our own code in one document costs it alone; what others must mend is raised."""

import pytest
from text_samples import TATAR

from endonym.errors import SourceError
from endonym.formats.document import Document, Reject
from endonym.formats.faults import FAULT, failure, of_sound, passing_over, refusal

FULL = OSError(28, "No space left on device")
MENDED_BY_OTHERS = [FULL, MemoryError(), SourceError("a library is missing", do="Install it.")]


def failing(text: str, bad: str = TATAR[3]) -> str:
    """Work that fails in one text, and with it in every list of texts that holds it."""
    if bad in text:
        raise ZeroDivisionError("no words")
    return text


def raised() -> Exception:
    with pytest.raises(ZeroDivisionError) as caught:
        failing(TATAR[3])
    return caught.value


def test_a_reject_says_the_document_the_error_and_the_place() -> None:
    found = refusal(Document(f"{TATAR[3]}\ud800", "b.txt#2", "tt"), raised())
    assert (found.reason, found.id, found.source) == (FAULT, "b.txt#2", "tt")
    assert "ZeroDivisionError at test_faults.py:" in found.detail
    assert "(no words); this document is left out. Please report this line" in found.detail
    assert found.text == f"{TATAR[3]}\\ud800"


@pytest.mark.parametrize("error", MENDED_BY_OTHERS, ids=lambda each: type(each).__name__)
def test_what_the_machine_or_a_person_must_mend_is_raised(error: Exception) -> None:
    def work(*_: object) -> Reject:
        raise error

    with pytest.raises(type(error)):
        refusal(Document(TATAR[0], "a.txt#1", "tt"), error)
    with pytest.raises(type(error)):
        failure(work)
    with pytest.raises(type(error)), passing_over():
        work()
    with pytest.raises(type(error)):
        of_sound(work, TATAR[0], TATAR)


def test_a_person_who_stops_it_stops_it() -> None:
    with pytest.raises(KeyboardInterrupt), passing_over():
        raise KeyboardInterrupt


@pytest.mark.parametrize("bad", TATAR)
def test_the_text_that_work_fails_in_is_left_out_of_lines_and_documents_alone(bad: str) -> None:
    def work(sample: str, documents: object) -> tuple[str, list[str]]:
        assert isinstance(documents, (list, tuple))
        return failing(sample, bad), [failing(each, bad) for each in documents]

    sample, documents = of_sound(work, "\n".join(TATAR), TATAR)
    own = [each for each in TATAR if each != bad]
    assert sample.split("\n") == documents == own


def test_a_fault_that_is_in_no_single_text_is_raised() -> None:
    def work(sample: str, documents: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        of_sound(work, TATAR[0], TATAR)


def test_a_failure_is_told_and_success_is_not() -> None:
    assert "no words" in failure(lambda: failing(TATAR[3]))
    assert "TypeError at endonym/formats/faults.py:" in failure(None)  # type: ignore[arg-type]
    assert failure(lambda: failing(TATAR[0])) == ""
