"""Messages through a pipe, and the memory that two processes share."""

import os
import struct
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest
from text_samples import KHMER, TATAR

from endonym.limited import frames
from endonym.limited.frames import BadFrame, Incoming, Whereabouts, framed, readable, send, sendable


@pytest.fixture
def pipe() -> Generator[tuple[Incoming, int]]:
    read, write = os.pipe()
    yield Incoming(read), write
    os.close(read)


def test_messages_arrive_whole_in_order_and_then_the_end(pipe: tuple[Incoming, int]):
    incoming, write = pipe
    messages = [{"text": each} for each in TATAR + KHMER]
    for each in messages:
        send(write, each)
    os.close(write)
    assert [incoming.receive() for _ in messages] == messages
    assert incoming.receive() is None


def test_a_message_in_pieces_is_waited_for(pipe: tuple[Incoming, int]):
    incoming, write = pipe
    data = framed({"text": TATAR[0]})
    assert not incoming.is_waiting()
    os.write(write, data[:11])
    assert incoming.more()
    assert incoming.whole() is None
    os.write(write, data[11:])
    assert incoming.receive() == {"text": TATAR[0]}
    os.close(write)


def test_texts_arrive_beside_a_message_as_they_are(pipe: tuple[Incoming, int]):
    incoming, write = pipe
    os.write(write, framed({"units": [5]}, TATAR[0].encode()) + framed({"done": True}))
    os.close(write)
    assert incoming.receive() == {"units": [5], "texts": TATAR[0].encode()}
    assert incoming.receive() == {"done": True}


def test_half_characters_are_replaced_and_whole_ones_stay(pipe: tuple[Incoming, int]):
    incoming, write = pipe
    send(write, {"text": "а\ud800б \U0001f600", "n": [1]})
    os.close(write)
    assert incoming.receive() == {"text": "а\ufffdб \U0001f600", "n": [1]}


@pytest.mark.parametrize(
    "body", [b"not json", b"[1]", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"a": NaN']
)
def test_what_is_no_message_is_refused(pipe: tuple[Incoming, int], body: bytes):
    incoming, write = pipe
    os.write(write, struct.pack(">II", len(body), 0))
    left = memoryview(body)
    while left:
        left = left[os.write(write, left[:60_000]) :]
        incoming.more()
    os.close(write)
    with pytest.raises(BadFrame):
        incoming.receive()


def test_a_length_that_no_document_has_is_refused_before_it_is_held(pipe: tuple[Incoming, int]):
    incoming, write = pipe
    os.write(write, b"\xff\xff\xff\xff....")
    os.close(write)
    with pytest.raises(BadFrame):
        incoming.receive()


@pytest.mark.parametrize("missing", [0, 1])
def test_the_longest_message_is_held_and_one_byte_more_is_not(
    pipe: tuple[Incoming, int], monkeypatch: pytest.MonkeyPatch, missing: int
):
    incoming, write = pipe
    data = framed({"text": KHMER[0]}, TATAR[0].encode())
    monkeypatch.setattr(frames, "MAX_FRAME_BYTES", len(data) - missing)
    os.write(write, data)
    os.close(write)
    if missing:
        with pytest.raises(BadFrame):
            incoming.receive()
    else:
        assert incoming.receive() == {"text": KHMER[0], "texts": TATAR[0].encode()}


def test_whereabouts_are_seen_by_both_and_every_step_changes_them():
    with tempfile.TemporaryFile() as file:
        file.truncate(frames.WHEREABOUTS.size)
        own, other = Whereabouts(file.fileno()), Whereabouts(file.fileno())
        steps = set[int]()
        for unit in (0, 1, 1, 7):
            own.say(unit)
            steps.add(other.steps)
            assert other.unit == unit
        assert len(steps) == 4


@pytest.mark.parametrize("name", [b"a.txt", "әби\n .txt".encode(), b"\xff\xeb.txt"])
def test_a_path_of_any_bytes_is_opened(pipe: tuple[Incoming, int], tmp_path: Path, name: bytes):
    incoming, write = pipe
    path = tmp_path / os.fsdecode(name)
    try:
        path.write_text(TATAR[0], encoding="utf-8")
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    send(write, {"path": sendable(str(path))})
    os.close(write)
    message = incoming.receive()
    with readable(message["path"]) as found:
        assert found.encode("utf-8")
        assert Path(found).read_text(encoding="utf-8") == TATAR[0]
