"""What people read: numbers, sizes and durations; lines on stderr and in a file."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from endonym.errors import Damaged, isolated
from endonym.log import Log, append_jsonl, columns, duration, folded, number, read_jsonl, size


@pytest.mark.parametrize(("value", "text"), [
    (0, "0"), (999, "999"), (1_000, "1\u202f000"), (70_368, "70\u202f368"),
    (2.5e9, "2\u202f500\u202f000\u202f000"),
])  # fmt: skip
def test_thousands_are_parted_by_a_thin_space(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(("n_bytes", "text"), [
    (0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (283_936, "283.9 kB"), (12_500_000, "12.5 MB"),
    (8_000_000_000, "8.0 GB"), (20_000_000_000_000, "20000.0 GB"),
])  # fmt: skip
def test_a_size_is_said_in_the_unit_that_reads_best(n_bytes: float, text: str) -> None:
    assert size(n_bytes) == text


@pytest.mark.parametrize(("seconds", "text"), [
    (0.04, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (89, "89 s"), (90, "2 min"), (3_600, "60 min"),
    (5_400, "1.5 h"), (86_400, "24.0 h"), (3 * 86_400, "72.0 h"), (4 * 86_400, "4 days"),
    (699 * 86_400, "699 days"), (700 * 86_400, "1.9 years"), (1e8, "3.2 years"),
])  # fmt: skip
def test_a_duration_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_last_line_that_a_kill_cut_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal" / "model.jsonl"
    append_jsonl(path, {"step": 1, "text": "Таң\nатканда"})
    append_jsonl(path, {"step": 2})
    whole = [{"step": 1, "text": "Таң\nатканда"}, {"step": 2}]
    assert read_jsonl(path) == whole
    data = path.read_bytes()
    assert read_jsonl(tmp_path / "nothing.jsonl") == []
    for cut in range(len(data) - 11, len(data)):
        path.write_bytes(data[:cut])
        assert read_jsonl(path) == whole[:1], cut


def test_letters_are_written_as_themselves_and_keys_in_order(tmp_path: Path) -> None:
    append_jsonl(tmp_path / "lines.jsonl", {"b": "ғ", "a": 1})
    assert (tmp_path / "lines.jsonl").read_text(encoding="utf-8") == (
        '{"a": 1, "b": "ғ", "~": "db25cb3e"}\n'
    )


@pytest.mark.parametrize(
    "line", ["null", "{}", "[]", "5", '{"event": "step", "step": 1}', "", '{"step', "ә"]
)
def test_a_line_that_was_not_written_so_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "model.jsonl"
    append_jsonl(path, {"step": 1, "text": "Таң"})
    whole = path.read_bytes()
    path.write_bytes(whole + line.encode() + b"\n" + whole)
    with pytest.raises(Damaged, match="line 2 is not what was written") as caught:
        read_jsonl(path)
    assert caught.value.where == str(path)
    assert "Remove this line, or the file" in caught.value.do


def test_each_flipped_bit_of_a_journal_is_seen_or_cuts_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "model.jsonl"
    append_jsonl(path, {"event": "sample", "step": 1, "text": "Таң атканда"})
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in range(8):
            flipped = bytearray(whole)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            if place == len(whole) - 1:
                assert read_jsonl(path) == []
                continue
            with pytest.raises(Damaged):
                read_jsonl(path)


def test_lines_go_to_stderr_and_never_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log()
    log.line("corpus made")
    log.detail("only with -v")
    log.warn("no dedup")
    assert capsys.readouterr() == ("", "corpus made\nwarning: no dedup\n")


def test_a_reader_who_reads_no_further_stops_no_work() -> None:
    code = "from endonym.log import Log; log = Log(); log.line('Таң атты.'); log.warn('Кич.')"
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", f"{code}; print(1)"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=writer, timeout=60, check=True)
    os.close(writer)
    assert done.stdout == b"1\n"


@pytest.mark.parametrize("width", [40, 80])
def test_lines_are_folded_at_blanks(monkeypatch: pytest.MonkeyPatch, width: int):
    reason = "each tenth of 16 043 sentences, and 1.0392 bits per byte on text of the same kind"
    text = f"chosen            lr = 0.0034  ({reason})\n  next: 太陽が 出て 鳥が 歌う {reason}"
    monkeypatch.setenv("COLUMNS", str(width))
    lines = folded(text).splitlines()
    assert max(map(columns, lines)) <= width
    assert " ".join(folded(text).split()) == " ".join(text.split())
    assert lines[1].startswith(" " * 18)
    assert lines[-1].startswith("  ")
    monkeypatch.setenv("COLUMNS", "0")
    assert folded(text) == text


def test_a_quotation_keeps_its_direction_in_each_of_its_lines(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "40")
    text = (
        "A line of it: " + isolated("کتاب خوبی است. آیا کتاب دیگری دارید که بخوانم؟") + " Left out."
    )
    lines = folded(text).splitlines()
    assert [line.count("\u2068") for line in lines] == [line.count("\u2069") for line in lines]
    assert " ".join(folded(text).replace("\u2069\n\u2068", "\n").split()) == text


def test_what_has_no_blank_is_not_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    khmer = "អ្នករត់សំបុត្រដោះបន្ទុកពីខ្នងអ្នករត់សំបុត្រ"
    assert folded(f"see {khmer}") == f"see\n{khmer}"


def test_a_line_goes_on_below_its_text(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "40")
    for label, start in ((26, 26), (27, 0)):
        first, second, *_ = folded("сүз".ljust(label) + "Кояш чыкты, кошлар сайрый").splitlines()
        assert first == "сүз".ljust(label) + "Кояш чыкты,"
        assert second.startswith(" " * start + "кошлар"), label


@pytest.mark.parametrize("mark", ["- ", "  • ", "12. "])
def test_an_item_of_a_list_goes_on_below_its_text(monkeypatch: pytest.MonkeyPatch, mark: str):
    monkeypatch.setenv("COLUMNS", "30")
    for line in folded(f"{mark}Кояш чыкты, кошлар сайрый, балалар уйный").splitlines()[1:]:
        assert line.startswith(" " * len(mark))
        assert line[len(mark)] != " "


@pytest.mark.parametrize(
    ("text", "width"),
    [("Кояш", 4), ("ភាសា", 4), ("ខ្មែ", 3), ("ស\u200bត", 2), ("語", 2), ("Ａ", 2), ("ｱ", 1)],
)
def test_signs_take_the_columns_that_a_terminal_gives_them(text: str, width: int) -> None:
    assert columns(text) == width


def test_a_warning_has_a_colour_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", Terminal())
    Log().warn("wiki: 99 documents hold Khmer signs out of order")
    Log().line("corpus made")
    first, second = sys.stderr.getvalue().splitlines()
    assert first.startswith("\x1b[33m")
    assert second == "corpus made"


def test_a_quiet_log_still_warns_and_a_verbose_one_says_all(capsys: pytest.CaptureFixture[str]):
    quiet, verbose = Log(quiet=True), Log(verbose=True)
    for log in (quiet, verbose):
        log.line("corpus made")
        log.detail("detail")
        log.warn("no dedup")
    expected = "warning: no dedup\ncorpus made\ndetail\nwarning: no dedup\n"
    assert capsys.readouterr().err == expected
    Log(quiet=True, verbose=True).detail("detail")
    assert capsys.readouterr().err == ""


def test_the_file_of_a_run_keeps_what_the_terminal_hides(tmp_path: Path) -> None:
    log = Log(quiet=True)
    log.file = tmp_path / "log.txt"
    log.line("source tatar")
    log.detail("Әбием мич янында")
    log.warn("no dedup")
    kept = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert kept == "source tatar\nӘбием мич янында\nwarning: no dedup\n"


def test_long_progress_is_told_in_few_lines_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Log().progress("corpus", 100) as advance:
        advance(10)
        advance(90, note="done")
    assert capsys.readouterr() == ("", "")
    seconds = iter(range(0, 1_010, 10))
    monkeypatch.setattr("endonym.log.monotonic", lambda: next(seconds))
    with Log().progress("compressing", 200, done=100) as advance:
        for step in range(100):
            advance(1, note="слово" * (step == 2))
    said = ["52 % · слово", *(f"{share} %" for share in (53, 56, 62, 74, 98))]
    left = ("16 min", "16 min", "15 min", "13 min", "9 min", "40 s")
    assert capsys.readouterr().err.splitlines() == [
        f"compressing: {each} · about {time} left" for each, time in zip(said, left, strict=True)
    ]
    seconds = iter((0, 40, 80))
    with Log().progress("corpus", 9) as advance:
        advance(0)
        advance(9)
    assert capsys.readouterr().err.splitlines() == ["corpus: 0 %", "corpus: 100 %"]
    seconds = iter((0, 40))
    for log, total in ((Log(), 0), (Log(quiet=True), 9)):
        with log.progress("compressing", total) as advance:
            advance(1)
            seconds = iter((0, 40))
    assert capsys.readouterr().err == ""


class Terminal(io.StringIO):
    """A stderr that somebody looks at."""

    def isatty(self) -> bool:
        return True


def test_a_line_during_progress_stands_whole_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "stderr", Terminal())
    log = Log()
    with log.progress("training", 40) as advance:
        advance(20, note="step 20")
        log.line("step 20 [of 40] · held-out 3.41 nats")
    log.line("after the bar")
    said = sys.stderr.getvalue()
    assert "step 20 [of 40] · held-out 3.41 nats\n" in said.replace("\r", "")
    assert said.endswith("after the bar\n")
    assert "training" in said


def test_odd_names_are_escaped_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    log = Log(verbose=True)
    log.file = tmp_path / "log.txt"
    for say in (log.line, log.detail, log.warn):
        say("a\udcff\x1b[31mә")
    assert capsys.readouterr().err == log.file.read_text(encoding="utf-8")
    assert log.file.read_text(encoding="utf-8").count("a\\xff\\x1b[31mә\n") == 3
    append_jsonl(tmp_path / "a.jsonl", {"path": "a\udcff"})
    assert read_jsonl(tmp_path / "a.jsonl") == [{"path": "a\udcff"}]


def test_a_bar_that_goes_on_starts_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that was stopped at step 30 of 40 is at 75 %, not at 0."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Log().progress("training", 40, done=30):
        pass
    said = sys.stderr.getvalue()
    assert " 75 %" in said
    assert " 0 %" not in said


def test_on_a_narrow_screen_the_time_left_stays_and_whole_parts_of_the_note(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Log().progress("training", 40) as advance:
        advance(30, note="step 1200 · 3.214 bits/byte · 12345 tokens/s")
    said = re.sub(r"\x1b\[[0-9;]*m", "", sys.stderr.getvalue())
    assert re.search("training  +75 % +(0:00:00 left)? step 1200 · 3.214 bits/byte *$", said, re.M)
    assert "tokens/s" not in said


@pytest.mark.timeout(60)
def test_a_pipe_in_the_place_of_a_journal_or_of_a_log_is_told(tmp_path: Path) -> None:
    path = tmp_path / "model-ab12.jsonl"
    os.mkfifo(path)
    with pytest.raises(Damaged, match="is no regular file"):
        append_jsonl(path, {"event": "step", "step": 1})
    log = Log(quiet=True)
    log.file = path
    with pytest.raises(Damaged, match="is no regular file"):
        log.line("Сәлам")
    assert read_jsonl(path) == []


@pytest.mark.parametrize("command", [
    "python -m endonym new magazine-model --language km --text magazine",
    "endonym new 'my texts' --language tt --text 'Туган як/Әби сөйли.docx' --hours 0.5",
    "/home/әби/.venv/bin/endonym check km3/recipe.toml --variant all",
    "apt-get install tesseract-ocr tesseract-ocr-script-cyrl",
])  # fmt: skip
def test_a_command_is_never_broken(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = f"next: when the other programs are done, {command}, then more of the same words as here"
    lines = folded(text).splitlines()
    assert f"{command}," in lines
    assert max(columns(line) for line in lines if command not in line) <= 40
