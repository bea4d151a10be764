"""The command line as a whole: frozen, quick to help, and never a traceback."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from endonym import device
from endonym.cli import main
from endonym.cli.main import COMMANDS, Lazy, cli, described_failure
from endonym.errors import Damaged, MissingSource

GLOBAL = {"--store DIR", "--device NAME", "--json", "-q/--quiet", "-v/--verbose"}
SAMPLING = {
    *("--max-tokens", "--min-tokens", "--temperature", "--top-k", "--top-p"),
    *("--min-p", "--repetition-penalty", "--seed", "--inside-word"),
}
FROZEN = {
    "doctor": {
        *("PATH...", "--language CODE", "--contrast FILES", "--out FILE", "--examples N"),
        "--workers",
    },
    "new": {
        *("DIR", "--language CODE", "--text PATH", "--hours", "--demo NAME", "--update", "--for")
    },
    "check": {
        *("RECIPE", "--variant NAME|all", "--set K=V", "--machine NAME"),
        "--text-size [SOURCE=]SIZE",
    },
    "run": {
        *(
            "RECIPE",
            "--variant NAME|all",
            "--set K=V",
            "--until STAGE",
            "--dry-run",
            "--fresh STAGE",
            "--replan",
        ),
        *("--tune MINUTES", "--ablate SOURCE", "--seeds N", "--processes N", "--workers"),
    },
    "explain": {"KEY", "--schema"},
    "status": {"RUN"},
    "write": {
        *("PROMPTS", "--count N", "--out DIR", "--endpoint URL", "--model NAME", "--by MODEL"),
        *("--seed", "--workers N", "--concurrency N", "--temperature", "--max-tokens"),
        "--timeout SECONDS",
        *("--budget-tokens N", "--system TEXT", "--dry-run"),
    },
    "look": {
        *("ARTEFACT", "KIND", "--dropped REASON", "--text TEXT", "-n", "--mark", "--of FILE"),
        *("--mark-out TEXT", "--mark-in TEXT"),
    },
    "prune": {"--yes"},
    "generate": {"MODEL", "PROMPT", *SAMPLING, "-n", "--adapter DIR"},
    "suggest": {"MODEL", "TEXT", "-n", "--adapter DIR"},
    "proofread": {"MODEL", "FILE...", "--write OUT", "--words FILE"},
    "evaluate": {
        *("MODEL", "--text PATH", "--split", "--document", "--column", "--adapter DIR"),
        "--context N",
        "--no-start",
        *("--tasks FILE", "--minimal-pairs FILE", "--flores FILE", "--probe FILE"),
        *("--harness TASKS", "--task-files DIR", "--steps"),
        *("--fine-tune", "--probe-endpoint URL", "--language CODE"),
        *("--writing", "--typing", "--prompts FILE"),
    },
    "judge": {
        *("MODEL", "OTHER", "--out DIR", "--endpoint URL", "--judge NAME", "--prompts FILE"),
        *("--rubric FILE", "--count", "--split", "--temperature", "--max-tokens", "--seed"),
        *("--answer-tokens", "--budget-tokens N", "--concurrency N", "--timeout SECONDS"),
        "--languagetool URL",
    },
    "serve": {
        *("MODEL...", "--host", "--port", "--api-key-file FILE", "--proxy NAME", "--adapter DIR"),
        "--keep FILE",
    },
    "chat": {"MODEL", *SAMPLING, "--surprise", "--system", "--adapter DIR"},
    "compare": {"RUN...", "--split", "--out DIR"},
    "tokenizer": set(),
    "tokenizer compare": {"TOKENIZER...", "--text PATH"},
    "export": {"MODEL", "--to", "--quantize F16,Q8_0,…", "--out DIR", "--adapter DIR"},
    "verify": {"EXPORT", "--against MODEL", "--text PATH", "--adapter DIR"},
    "publish": {"EXPORT", "--to OWNER/NAME", "--public", "--update", "--yes"},
}
"""Every command with its arguments and flags. What people have typed once must go on working."""


def arguments_of(command: click.Command) -> set[str]:
    """A command's arguments and flags as people type them."""
    found: set[str] = set()
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            found.add(parameter.make_metavar(click.Context(command)).strip("[]"))
        else:
            metavar = f" {parameter.metavar}" if parameter.metavar else ""
            found.add("/".join(parameter.opts) + metavar)
    return found


def test_the_commands_and_their_flags_are_frozen() -> None:
    assert isinstance(cli, Lazy)
    context = click.Context(cli)
    found = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    for name, group in [*found.items()]:
        if isinstance(group, click.Group):
            found |= {f"{name} {below}": each for below, each in group.commands.items()}
    assert {name: arguments_of(each) - GLOBAL for name, each in found.items() if each} == FROZEN
    assert all(arguments_of(each) >= GLOBAL for each in found.values() if each)
    assert arguments_of(cli) - {"--version"} == GLOBAL


def test_every_command_says_in_one_line_what_it_does() -> None:
    context = click.Context(cli)
    for name in COMMANDS:
        found = cli.get_command(context, name)
        assert found.help
        assert len(found.help.splitlines()[0]) > 20, name


PROBE = """
import json, sys
from endonym.cli.main import answer
code = answer(sys.argv[1:])
sys.stdout.flush()
slow = [name for name in ("torch", "transformers", "pyarrow", "duckdb") if name in sys.modules]
sys.stderr.write(json.dumps({"code": code, "torch": "torch" in sys.modules, "slow": slow}))
"""


def probe(*arguments: object) -> tuple[dict[str, Any], str]:
    """A command in a fresh process: its code, torch or not, slow libraries; its stdout."""
    command = [sys.executable, "-c", PROBE, *(str(each) for each in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stderr.splitlines()[-1]), done.stdout


@pytest.mark.parametrize("args", [["run", "--help"], ["explain", "model"]])
def test_help_comes_without_libraries_that_take_long_to_import(args: list[str]) -> None:
    found, _ = probe(*args)
    assert found["code"] == 0
    assert found["slow"] == []


def test_check_needs_no_torch(finished: Path) -> None:
    found, out = probe("check", finished / "recipe.toml", "--store", finished / "store", "--json")
    assert (found["code"], found["torch"]) == (0, False)
    assert json.loads(out)["parameters"] == 70_368


def test_help_of_the_whole_names_every_command(command: Callable[..., Any]) -> None:
    said = command("--help")
    assert said.code == 0
    for name, (_, line) in COMMANDS.items():
        assert f"  {name}" in said.out
        assert line in " ".join(said.out.split())


def test_global_flags_stand_anywhere(finished: Path, command: Callable[..., Any], tmp_path: Path):
    store = ["--store", finished / "store"]
    for given in (
        [*store, "--json", "status"],
        ["--json", "status", *store],
        ["status", "--json", *store],
        ["--store", tmp_path / "none", "status", *store, "--json"],
    ):
        (run,) = command(*given).json()["runs"]
        assert Path(run["run"]).name == "kechkena"


WRONG_LINES = [
    (["chek"], "Did you mean 'check'?"),
    (["evaluat", "x"], "Did you mean 'evaluate'?"),
    (["status", "--stor", "x"], "--store"),
    (["run"], "Missing argument 'RECIPE'"),
    (["export", "x", "--to", "onnx"], "'huggingface'"),
    (["export", "x", "--to", "gguf", "--quantize", "Q4"], "Q4_K_M"),
    (["export", "x", "--quantize", "F16"], "--quantize F16: quantize belongs to"),
    (["generate", "x", "y", "--max-tokens", "-1"], "--max-tokens"),
    *((["new", "x", "--hours", hours], "--hours") for hours in ("0", "nan", "1e7")),
    (["generate", "x", "-n", "0"], "-n"),
    (["run", "x", "--workers", "0"], '"0" is neither a number of processes nor "ray"'),
    (["evaluate", "x", "а.txt", "б.txt"], "Write --text before а.txt."),
    (
        ["export", "x", "--to", "dataset", "--adapter", "y"],
        "A dataset is made of texts, and has no --adapter.",
    ),
    ([], "Commands:"),
]


@pytest.mark.parametrize(("args", "hint"), WRONG_LINES)
def test_a_wrong_command_line_ends_with_2(command: Callable[..., Any], args: list[str], hint: str):
    said = command(*args)
    assert said.code == 2
    assert hint in said.err
    assert said.out == ""
    in_json = command(*args, "--json")
    assert in_json.code == 2
    assert in_json.out.count("\n") == 1
    assert set(in_json.json()["error"]) == {"kind", "message", "where", "do"}


def test_version_is_the_package_s(command: Callable[..., Any]) -> None:
    assert command("--version").out == "endonym 0.1.0\n"


FAILURES = [
    (Damaged("x", where="here", do="Do it."), 1, "Damaged", "here: x\nDo it."),
    (MissingSource("x"), 2, "MissingSource", "x"),
    (KeyboardInterrupt(), 130, "Interrupted", "\ninterrupted."),
    (MemoryError(), 1, "OutOfMemory", "out of memory. Close other programs"),
    (OSError(5, "Input/output error", "a.txt"), 1, "SystemFailure", "a.txt: Input/output error"),
    (click.UsageError("x"), 2, "UsageError", "x"),
]


@pytest.mark.parametrize(("fault", "code", "kind", "start"), FAILURES)
def test_every_failure_has_a_code_and_kind(fault: BaseException, code: int, kind: str, start: str):
    found, failure, said = described_failure(fault)
    assert (found, failure["kind"]) == (code, kind)
    assert said.startswith(start)


@pytest.mark.parametrize("is_json", [False, True])
def test_a_fault_of_its_own_is_told_in_a_line_and_kept_in_a_file(
    is_json: bool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    try:
        raise ZeroDivisionError("бүлү")
    except ZeroDivisionError as fault:
        main.explain_fault(type(fault), fault, fault.__traceback__, is_json=is_json)
    out, err = capsys.readouterr()
    (file,) = tmp_path.glob("endonym-fault-*.txt")
    assert "Traceback" in file.read_text(encoding="utf-8")
    assert "Traceback" not in out + err
    assert "internal error of endonym: ZeroDivisionError: бүлү" in err
    assert str(file) in err
    assert bool(out) == is_json
    if is_json:
        assert json.loads(out)["error"]["kind"] == "Fault"


FAULTY = """
import sys
from endonym.cli import main
main.cli.get_command = lambda *given: 1 / 0
main.main(sys.argv[1:])
"""


def test_the_program_itself_ends_with_1_and_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAULTY, "status", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["error"]["kind"] == "Fault"


def test_a_reader_that_goes_away_is_no_fault(finished: Path) -> None:
    program = [sys.executable, "-m", "endonym.cli.main", "explain", "--schema"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode in (0, 1)


def test_threads_wait_briefly_before_anything_loads_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "")
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    seen: list[str | None] = []
    monkeypatch.setattr(main, "answer", lambda given: seen.append(os.getenv("GOMP_SPINCOUNT")) or 0)
    with pytest.raises(SystemExit):
        main.main(["--help"])
    assert seen == [device.SPINS]


def test_faults_and_errors_of_the_system_are_told_with_escapes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    main.explain_fault(ValueError, ValueError("a\udcff\x1b"), None, is_json=False)
    assert "a\\xff\\x1b" in capsys.readouterr().err
    (kept,) = tmp_path.iterdir()
    assert kept.read_text(encoding="utf-8")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    main.explain_fault(ValueError, ValueError("b"), None, is_json=True)
    assert "Please report it." in capsys.readouterr().err
    error = OSError(errno.EIO, "no\x1b luck", b"/tmp/\xff")
    assert described_failure(error)[2] == "/tmp/\\xff: no\\x1b luck"
