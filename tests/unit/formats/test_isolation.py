"""Parsers in a process with limits: what they do to themselves, they do to one unit."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import lying_parsers
import pytest
from text_samples import KHMER, TATAR, write

from endonym.errors import SourceError
from endonym.formats import isolation
from endonym.formats.io.formats import FORMAT_TABLES
from endonym.formats.isolation import IDLE, Limits, parsed_units
from endonym.formats.parsers.unit import Unit
from endonym.limited.landlock import version

QUICK = Limits(memory_bytes=400 << 20, unit_cpu_seconds=1, unit_seconds=60.0, file_seconds=300.0)
WAITING = Limits(memory_bytes=400 << 20, unit_cpu_seconds=1, unit_seconds=2.0, file_seconds=60.0)
"""For what neither computes nor ends."""
A, B, C = TATAR[:3]


def parsed(folder: Path, lines: list[str], limits: Limits = QUICK) -> list[Unit]:
    path = write(folder, "a.odd", ["open", *lines])
    return list(
        parsed_units("bad_parsers:units", path, {}, raw_bytes=path.stat().st_size, limits=limits)
    )


def texts(found: list[Unit]) -> list[str]:
    return [each.text for each in found if not each.reason]


def test_a_clean_file_gives_its_units_in_order(tmp_path: Path):
    found = parsed(tmp_path, TATAR + KHMER)
    assert texts(found) == TATAR + KHMER
    assert [each.number for each in found] == list(range(1, 10))


ACTS = {
    "abort": ("parser_crashed", "SIGABRT"),
    "segfault": ("parser_crashed", "SIGSEGV"),
    "exit-now": ("parser_crashed", "exit code 0"),
    "exit-3": ("parser_crashed", "exit code 3"),
    "exit": ("parser_failed", "SystemExit"),
    "spin": ("parser_timeout", "1 s of processor time"),
    "sleep": ("parser_timeout", "nothing came for 2 s"),
    "ignore-signals-and-spin": ("parser_timeout", "nothing came"),
    "eat": ("parser_memory", "400 MiB"),
    "eat-in-c": ("parser_memory", "400 MiB"),
    "raise": ("parser_failed", "KeyError: 'юк'"),
    "recurse": ("parser_failed", "RecursionError"),
    "write": ("parser_failed", "PermissionError" if version() > 0 else "File too large"),
}


@pytest.mark.parametrize("act", ACTS)
def test_what_one_unit_does_is_its_own_reject(tmp_path: Path, act: str):
    reason, detail = ACTS[act]
    limits = WAITING if detail.startswith("nothing") else QUICK
    if reason == "parser_memory":  # to fill 400 MiB takes a second where pages are slow to come
        limits = replace(QUICK, unit_cpu_seconds=30)
    evil = tmp_path / "evil"
    line = f"write {evil}" if act == "write" else act
    found = parsed(tmp_path, [A, line, B], limits)
    assert texts(found) == [A, B]
    assert [(each.number, each.reason) for each in found if each.reason] == [(2, reason)]
    assert detail in found[1].detail
    if version() > 0:
        assert not evil.exists()
    elif evil.exists():  # nothing but Landlock forbids to make a file; it has no content
        assert evil.stat().st_size == 0


@pytest.mark.parametrize("kind", [*lying_parsers.MESSAGES, "where", "flood"])
def test_what_no_parser_sends_is_a_reject_in_time(tmp_path: Path, kind: str):
    path = write(tmp_path, "a.odd", [A])
    limits = Limits(unit_seconds=0.5, unit_cpu_seconds=2, file_seconds=2, failures=2)
    began = time.monotonic()
    found = list(
        parsed_units("lying_parsers:units", path, {"kind": kind}, raw_bytes=9, limits=limits)
    )
    assert time.monotonic() - began < 300
    assert found
    assert all(type(each.reason) is str and each.reason for each in found)


def test_a_parser_sees_no_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    limits = Limits(memory_bytes=401 << 20)
    found = parsed(tmp_path, ["environment", "environment-of-parent"], limits)
    assert "HF_TOKEN" not in found[0].detail
    assert "PATH" in found[0].detail
    if version() > 0:
        assert "PermissionError" in found[1].detail


@pytest.mark.parametrize("act", ["print", "read-input"])
def test_a_parser_that_prints_or_reads_input_does_not_reach_the_pipes(tmp_path: Path, act: str):
    assert texts(parsed(tmp_path, [A, act, B])) == [A, act, B]


@pytest.mark.parametrize(("act", "reason"), [
    ("abort", "parser_crashed"), ("spin", "parser_timeout"), ("eat", "parser_memory"),
    ("raise", "parser_failed"), ("refuse", "damaged"),
])  # fmt: skip
def test_a_closed_file_is_one_reject_not_tried_again(tmp_path: Path, act: str, reason: str):
    path = write(tmp_path, "a.odd", [act, A, B])
    limits = replace(QUICK, unit_cpu_seconds=30) if reason == "parser_memory" else QUICK
    (found,) = parsed_units("bad_parsers:units", path, {}, raw_bytes=9, limits=limits)
    assert (found.number, found.reason) == (0, reason)


@pytest.mark.parametrize(("format_name", "library"), [
    *((each, "no_library") for each in ("docx", "epub", "html", "odt", "warc", "wiki")),
    ("warc", "fastwarc"), ("html", "resiliparse"), ("wiki", "lxml"), ("wiki", "mwparserfromhell"),
])  # fmt: skip
def test_a_file_that_is_gone_and_a_broken_library_are_one_reject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_name: str, library: str
):
    write(tmp_path, f"{library}.py", "raise ImportError('libxml2.so.2 is damaged')")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    limits = Limits(unit_seconds=60.0 + len(library))  # other ones ask for a new process
    path, function = tmp_path / "юк", FORMAT_TABLES[format_name]["parser"]["function"]
    (found,) = parsed_units(function, path, {}, raw_bytes=9, limits=limits)
    assert (found.number, found.reason) == (0, "parser_failed")
    assert ("FileNotFound" if library == "no_library" else "is damaged") in found.detail


def test_a_parser_that_refuses_the_rest_keeps_what_came_before(tmp_path: Path):
    found = parsed(tmp_path, [A, B, "refuse-rest"])
    assert texts(found) == [A, B, "refuse-rest"]
    assert (found[-1].number, found[-1].reason) == (0, "truncated")


def test_one_process_reads_many_files_and_a_new_one_is_started_only_after_a_crash(tmp_path: Path):
    processes = [parsed(tmp_path, [A])[0].meta["process"] for _ in range(3)]
    assert len(set(processes)) == 1
    after = parsed(tmp_path, ["raise", A, "raise", B])
    assert {each.meta.get("process") for each in after} == {None, processes[0]}
    after = parsed(tmp_path, ["segfault", B])
    assert after[1].meta["process"] != processes[0]


def test_units_that_were_not_sent_before_a_crash_are_not_lost(tmp_path: Path):
    many = [f"{number}: {A}" for number in range(1_000)]
    found = parsed(tmp_path, [*many, "abort", B, C, "segfault", *many])
    assert texts(found) == [*many, B, C, *many]
    assert [each.number for each in found if each.reason] == [1_001, 1_004]


def test_after_many_failures_the_rest_is_one_reject(tmp_path: Path):
    limits = Limits(memory_bytes=400 << 20, failures=3)
    found = parsed(tmp_path, [A, *["raise"] * 9, *["abort"] * 9, B], limits)
    assert [each.number for each in found] == [*range(1, 14), 0]
    found = parsed(tmp_path, [A, *(["abort", *[B] * 30] * 5), C], limits)
    assert found[-1].text == C
    found = parsed(tmp_path, [A, *["abort"] * 9, B], limits)
    assert [each.number for each in found] == [1, 2, 3, 4, 0]
    assert "after 3 failures, the rest is not read" in found[-1].detail
    (only,) = parsed(tmp_path, ["abort", A], replace(limits, failures=1))  # as of a picture
    assert (only.number, only.reason) == (1, "parser_crashed")


def test_a_file_that_hangs_three_times_in_a_row_or_too_often_is_given_up(tmp_path: Path):
    found = parsed(tmp_path, [A, "spin", "spin", "spin", *[C] * 9])
    assert [each.number for each in found] == [1, 2, 3, 4, 0]
    assert "too much processor time, the rest is not read" in found[-1].detail
    few = Limits(memory_bytes=400 << 20, unit_cpu_seconds=1, lost_cpu_seconds=1.2)
    found = parsed(tmp_path, [*[A, "spin"] * 9, C], few)
    assert found[-1].number == 0
    assert len(found) < 14


def test_a_process_that_used_much_memory_takes_no_other_file(tmp_path: Path):
    first = parsed(tmp_path, ["use-much", A])
    assert texts(first) == ["use-much", A]
    assert parsed(tmp_path, [B])[0].meta["process"] != first[1].meta["process"]


def test_a_file_whose_time_is_over_ends_with_one_reject(tmp_path: Path):
    limits = Limits(unit_cpu_seconds=9, unit_seconds=0.5, file_seconds=0.9, file_seconds_per_mb=0)
    found = parsed(tmp_path, [A, "sleep", B, "sleep", C], limits)
    assert texts(found) == [A, B]
    assert [each.number for each in found] == [1, 2, 3, 4, 0]
    assert "its time is over" in found[-1].detail


def test_a_missing_library_is_an_error_that_says_how_to_install_it(tmp_path: Path):
    with pytest.raises(SourceError, match="pdfreader is not installed") as caught:
        parsed(tmp_path, [A, "missing"])
    assert 'pip install "endonym[documents,serve]"' in caught.value.do


def test_a_file_that_is_given_up_leaves_its_process_for_the_next_one(tmp_path: Path):
    path = write(tmp_path, "a.odd", ["open", *[A] * 20_000])
    begun = parsed_units("bad_parsers:units", path, {}, raw_bytes=9, limits=QUICK)
    process = next(begun).meta["process"]
    del begun
    gc.collect()
    assert parsed(tmp_path, [B])[0].meta["process"] == process


def test_two_files_at_once_have_a_process_each(tmp_path: Path):
    paths = [write(tmp_path, f"{n}.odd", ["open", *[f"{n} {A}"] * 5]) for n in range(2)]
    both = [
        parsed_units("bad_parsers:units", each, {}, raw_bytes=9, limits=QUICK) for each in paths
    ]
    for one, other in zip(*both, strict=True):
        assert (one.text[0], other.text[0]) == ("0", "1")
        assert one.meta["process"] != other.meta["process"]


PARENT = """
import sys, time
sys.path[:0] = [{src!r}, {tests!r}]
from pathlib import Path
from endonym.formats.isolation import parsed_units
for unit in parsed_units("bad_parsers:units", Path({path!r}), {{}}, raw_bytes=9):
    print(unit.meta["process"], flush=True)
"""


@pytest.mark.parametrize("act", ["spin", "sleep"])
def test_the_process_dies_with_its_parent_even_within_a_loop(tmp_path: Path, act: str):
    path = write(tmp_path, "a.odd", ["open", A, act])
    here = Path(__file__).parents[2]
    code = PARENT.format(src=str(here.parent / "src"), tests=str(here), path=str(path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        worker = int(parent.stdout.readline())
        os.kill(worker, 0)
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 60
    while time.monotonic() < end and Path(f"/proc/{worker}").exists():
        time.sleep(0.02)
    assert not Path(f"/proc/{worker}").exists()


def test_each_thread_has_its_own_process_and_a_fork_does_not_end_its_parents(tmp_path: Path):
    own = parsed(tmp_path, [A])[0].meta["process"]
    others: list[str] = []
    thread = threading.Thread(
        target=lambda: others.append(parsed(tmp_path, [A])[0].meta["process"])
    )
    thread.start()
    thread.join()
    assert others[0] != own
    waiting = list(IDLE.processes)
    child = os.fork()
    if child == 0:
        found = IDLE.take(QUICK)
        IDLE.processes.append(found)
        is_kept = IDLE.take(QUICK) is found
        found.close()
        gc.collect()
        os._exit(0 if found not in waiting and is_kept else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert parsed(tmp_path, [A])[0].meta["process"] == own


def test_the_memory_of_a_large_parent_is_not_taken_for_the_parsers(tmp_path: Path):
    path = write(tmp_path, "a.odd", ["open", "abort", "eat-in-c"])
    code = f"""
from pathlib import Path
import sys
sys.path[:] = {sys.path!r}
held = b"x" * (400 << 20)
from endonym.formats.isolation import Limits, parsed_units
limits = Limits(400 << 20)
found = parsed_units("bad_parsers:units", Path({str(path)!r}), {{}}, raw_bytes=9, limits=limits)
print([each.reason for each in found])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().strip() == "['parser_crashed', 'parser_memory']"


def test_a_process_that_does_not_start_is_an_error_with_its_cause(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("endonym.limited.process.START", "raise SystemExit('no such module')")
    with pytest.raises(SourceError, match="no such module"):
        isolation.ParserProcess(Limits(unit_seconds=1.5))
