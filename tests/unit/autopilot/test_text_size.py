"""How much text there is, estimated before it is read."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from endonym.autopilot.model_size import choose_vocab
from endonym.autopilot.text_size import letters, text_bytes
from endonym.text.config import Source
from endonym.text.files import RawSet, source_files

SENTENCES = {
    "km": "សៀវភៅនេះជារបស់ខ្ញុំ ហើយខ្ញុំចូលចិត្តអានវា",
    "tt": "Бу китап минеке, мин аны укырга яратам",
    "fr": "Ce livre est à moi et j'aime le lire",
}
LINES = 3_000


def raw_set(path: Path, pattern: str) -> RawSet:
    source = Source(name="texts", path=str(path / pattern), document="line")
    return RawSet(source=source, files=tuple(source_files(source, path)))


def test_packed_files_count_for_more_text_than_they_weigh(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Бу китап минеке.\n", encoding="utf-8")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"Ce livre est le mien.\n"))
    plain, packed = (path.stat().st_size for path in sorted(tmp_path.iterdir()))
    assert text_bytes([raw_set(tmp_path, "*")]) == int(plain + 3.5 * packed)


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize(
    "write",
    [
        lambda text: text.encode(),
        lambda text: b"\n".join(json.dumps({"text": t}).encode() for t in text.split("\n")),
    ],
    ids=["lines", "escaped json"],
)
def test_letters_are_counted_and_not_bytes(
    language: str, write: Callable[[str], bytes], tmp_path: Path
) -> None:
    text = "\n".join([SENTENCES[language]] * LINES)
    written = write(text)
    name = "a.jsonl" if written.startswith(b"{") else "a.txt"
    (tmp_path / name).write_bytes(written)
    assert letters([raw_set(tmp_path, name)]) == pytest.approx(len(text), rel=0.05)


@pytest.mark.parametrize(
    ("name", "first"),
    [("a.md", b"# Texts of a village\n"), ("a.txt", b""), ("a.txt", b"Free for all uses.\n")],
    ids=["no text", "empty", "a licence"],
)
def test_what_stands_first_in_a_folder_does_not_speak_for_it(
    name: str, first: bytes, tmp_path: Path
) -> None:
    text = "\n".join([SENTENCES["km"]] * LINES)
    (tmp_path / name).write_bytes(first)
    (tmp_path / "b.txt").write_text(text, encoding="utf-8")
    assert letters([raw_set(tmp_path, "*")]) == pytest.approx(len(text), rel=0.05)


def test_three_bytes_a_letter_ask_for_no_more_ids(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n".join([SENTENCES["km"]] * 40_000), encoding="utf-8")
    raw = [raw_set(tmp_path, "a.txt")]
    assert text_bytes(raw) > 2_500_000 > letters(raw)
    assert choose_vocab(letters(raw)).value < choose_vocab(text_bytes(raw)).value
