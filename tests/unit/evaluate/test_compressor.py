"""The compressor line: what each document adds to the compressed training text."""

import io
import json
import struct
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pyppmd
import pytest
from toys import toy_texts

from endonym.errors import EndonymError
from endonym.evaluate import compressor
from endonym.evaluate.compressor import (
    KeptSizes,
    compressed_bytes,
    draws_of,
    ends,
    forked_sizes,
    read_request,
)

Kept = tuple[KeptSizes, list[str]]

Patch = pytest.MonkeyPatch

TRAIN = "\n\n".join(toy_texts()[:50] * 4).encode("utf-8")
DOCUMENTS = [text.encode("utf-8") for text in [*toy_texts()[50:54], toy_texts()[3], "ә"]]


def compressed(data: bytes) -> int:
    """C(x), by the library alone."""
    encoder = pyppmd.Ppmd8Encoder(16, 1 << 30)
    return len(encoder.encode(data)) + len(encoder.flush())


def added(train: bytes, documents: list[bytes]) -> list[list[int]]:
    """C(train + separator + document) - C(train), for each end of the training text."""
    begun = [train[:end] for end in ends(train, 8)]
    alone = [compressed(each) for each in begun]
    return [
        [compressed(each + b"\n\n" + document) - size for document in documents]
        for each, size in zip(begun, alone, strict=True)
    ]


def test_each_document_costs_what_it_adds_to_the_training_text() -> None:
    done: list[float] = []
    found = compressed_bytes(TRAIN, DOCUMENTS, advance=done.append)
    assert sum(done) == pytest.approx(1)
    assert len(done) == len(found)
    assert 1 < len(found) < 8
    assert found.tolist() == added(TRAIN, DOCUMENTS)
    # A sentence that stands in the training text costs almost nothing, a new one a lot.
    assert found[:, 4].max() < 10 < found[:, 0].min()


def test_with_little_free_memory_one_text_is_measured_at_a_time(monkeypatch: Patch) -> None:
    monkeypatch.setattr("endonym.device.free_memory_bytes", lambda: 10**6)
    texts = ["Күрше авылда яңа күпер салдылар.\n".encode(), "ភូមិ".encode()]
    sizes = [[compressed(b"\n\n" + each) - compressed(b"\n\n") for each in texts]]
    assert list(forked_sizes([b"\n\n"], texts)) == sizes


def test_the_training_text_ends_after_lines_and_never_after_empty_ones() -> None:
    text = "Беренче.\n\nИкенче.\n\n\nӨченче юл.\nДүртенче.\n".encode() * 100
    found = ends(text, 3)
    assert len(found) == 3
    assert all(text[end : end + 1] == b"\n" != text[end - 1 : end] for end in found)
    assert found[-1] == len(text) - 1
    assert text[found[1] : found[2]].decode() == "\nДүртенче."
    assert text[found[0] : found[1]].decode() == "\n\n\nӨченче юл."


def test_no_end_leaves_out_more_than_a_fiftieth() -> None:
    text = b"\n\n".join(b"a" * 980 for _ in range(100))
    assert ends(text, 8) == [len(text) - 982, len(text)]
    assert ends(b"a" * 980, 8) == [980]
    assert ends(b"", 8) == [0]


def test_one_size_of_the_training_text_for_all_documents_moves_their_mean() -> None:
    text = "\n".join(f"{n} бала коенырга барган, {n + 1} бала өйдә калган." for n in range(450))
    some = [f"{n} бала уйнарга чыккан.".encode() for n in range(20)]
    sizes = compressed_bytes(text.encode("utf-8"), some)
    assert sizes.shape == (9, 20)  # No end leaves out more than 2 % of the text.
    bits = 8 * sizes.sum(1) / sum(map(len, some))
    # A byte more or less for each document of 40 bytes is a fifth of a bit per byte.
    assert 0.01 < bits.std(ddof=1) < 0.4
    assert bits.min() < bits.mean() < bits.max()


@pytest.mark.parametrize(
    ("count", "size", "draws"),
    [(2_000, 80, 8), (22, 110, 40), (200, 80, 20), (10, 10_000, 10), (3, 1_000_000, 8), (0, 0, 40)],
)
def test_few_short_texts_are_measured_at_more_ends(count: int, size: int, draws: int) -> None:
    assert draws_of(count, count * size) == draws


def request(train: bytes, train_ends: list[int], documents: list[bytes]) -> bytes:
    header = {"ends": train_ends, "extras": [len(document) for document in documents]}
    line = json.dumps(header).encode("utf-8")
    return struct.pack("<Q", len(line)) + line + train[: train_ends[-1]] + b"".join(documents)


@pytest.fixture
def kept(tmp_path: Path) -> tuple[KeptSizes, list[str]]:
    """A folder of sizes, and what is said of it."""
    said: list[str] = []
    return KeptSizes(tmp_path / "cache", said.append), said


def test_sizes_are_measured_once_for_the_same_texts(kept: Kept, monkeypatch: Patch) -> None:
    sizes, said = kept
    found = compressed_bytes(TRAIN, DOCUMENTS, kept=sizes)
    assert said == []
    assert found.tolist() == compressed_bytes(TRAIN, DOCUMENTS).tolist()
    monkeypatch.setattr(compressor, "sizes_by_end", lambda data: pytest.fail("measured again"))
    done: list[float] = []
    again = compressed_bytes(TRAIN, DOCUMENTS, kept=sizes, advance=done.append)
    assert (again.dtype, again.tolist(), done) == (found.dtype, found.tolist(), [1.0])
    (line,) = said
    assert "earlier run" in line


@pytest.mark.parametrize(
    "change",
    [
        lambda: ((TRAIN + b"!\n", DOCUMENTS), {}),
        lambda: ((TRAIN, DOCUMENTS[:-1]), {}),
        lambda: ((TRAIN, [*DOCUMENTS[:-1], "ө".encode()]), {}),
        lambda: ((TRAIN, DOCUMENTS, b"\n"), {}),
        lambda: ((TRAIN, DOCUMENTS), {"ORDER": 8}),
        lambda: ((TRAIN, DOCUMENTS), {"own_code": lambda: "other code"}),
        lambda: ((TRAIN, DOCUMENTS), {"MOST_LEFT_OUT": 0.5}),
    ],
    ids=["train", "fewer", "another letter", "separator", "order", "code", "ends"],
)
def test_other_texts_or_settings_are_measured_anew(
    kept: Kept, change: Callable[[], tuple[tuple[Any, ...], dict[str, Any]]], monkeypatch: Patch
) -> None:
    sizes, said = kept
    monkeypatch.setattr(compressor, "sizes_by_end", fixed_answers)
    compressed_bytes(TRAIN, DOCUMENTS, kept=sizes)
    (given, settings) = change()
    for name, value in settings.items():
        monkeypatch.setattr(compressor, name, value)
    compressed_bytes(*given, kept=sizes)
    assert said == []
    assert len(list(sizes.folder.iterdir())) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"[1, 2]\n",
        lambda data: b"\xff" + data,
        lambda data: data.replace(b"7", b"8"),
        lambda data: b'{"key": 1, "sizes": null}',
    ],
    ids=["empty", "cut", "a list", "no text", "other figures", "foreign"],
)
def test_a_damaged_file_is_redone(kept: Kept, spoil: Callable[[bytes], bytes], monkeypatch: Patch):
    sizes, said = kept
    monkeypatch.setattr(compressor, "sizes_by_end", fixed_answers)
    right = compressed_bytes(TRAIN, DOCUMENTS, kept=sizes)
    (path,) = sizes.folder.iterdir()
    good = path.read_bytes()
    assert spoil(good) != good
    path.write_bytes(spoil(good))
    assert compressed_bytes(TRAIN, DOCUMENTS, kept=sizes).tolist() == right.tolist()
    assert said == []
    assert path.read_bytes() == good


def test_sizes_of_another_request_are_not_taken_under_its_name(kept: Kept) -> None:
    """A whole file that stands in the place of another one."""
    sizes, said = kept
    sizes.keep("a" * 64, np.array([[1, 2]]))
    sizes.path("a" * 64).rename(sizes.path("b" * 64))
    assert sizes.find("b" * 64, (1, 2)) is None
    assert said == []


def test_where_sizes_cannot_be_kept_they_are_measured(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(compressor, "sizes_by_end", fixed_answers)
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    sizes = KeptSizes(tmp_path / "cache", lambda line: pytest.fail(line))
    assert compressed_bytes(TRAIN, DOCUMENTS, kept=sizes).max() == 170


def fixed_answers(data: bytes) -> Generator[list[int]]:
    """Answers of the right shape to a request, without a process."""
    train, extras = read_request(io.BytesIO(data))
    yield from ([170] * len(extras) for _ in train)


def test_a_request_is_read_as_it_was_sent() -> None:
    documents = ["ә".encode(), b"", b"\n\n\x00"]
    found = read_request(io.BytesIO(request(b"abc", [1, 3], documents)))
    assert found == ([b"a", b"bc"], documents)


@pytest.mark.parametrize(("end", "code"), [("exit 1", "1"), ("kill -9 $$", "-9")])
def test_a_dead_compressor_says_what_to_do(end: str, code: str, tmp_path: Path, monkeypatch: Patch):
    (program := tmp_path / "python").write_text(f"#!/bin/sh\n{end}\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    with pytest.raises(EndonymError, match=f"the compressor ended with {code}") as caught:
        compressed_bytes(TRAIN, DOCUMENTS)
    assert "baselines = false" in caught.value.do


def test_a_compressor_that_nobody_listens_to_any_more_is_ended(tmp_path: Path, monkeypatch: Patch):
    """It would do the rest first: `close` waits for its end."""
    work = f"#!/bin/sh\necho '[7]'\nsleep 9\ntouch {tmp_path}/rest\n"
    (program := tmp_path / "python").write_text(work, encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    answers = compressor.sizes_by_end(b"")
    assert next(answers) == [7]
    answers.close()
    assert not (tmp_path / "rest").exists()


def test_nothing_in_the_current_folder_is_run(tmp_path: Path, monkeypatch: Patch) -> None:
    for name in ("json", "struct", "pyppmd"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('hostile')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert compressed_bytes("Кояш чыкты. ".encode() * 9, [b"x"]).min() > 0
