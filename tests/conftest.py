"""What several folders of tests share: a recipe so small that its whole run takes seconds."""

import gc
import gzip
import io
import itertools
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Hundreds of processes import the same modules: each would compile them again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# pytest-xdist sets it; without it, texts are not folded.
os.environ.pop("COLUMNS", None)
# Two workers on two cores: each computes with one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# torch's cache of compiled code mixes code for processors of two kinds.
if CAPABILITY := os.environ.get("ATEN_CPU_CAPABILITY"):
    CACHE = str(Path(tempfile.gettempdir()) / f"torchinductor_{CAPABILITY}")
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", CACHE)
TEXTS = Path(__file__).parent / "texts"
FOLDERS = itertools.count()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays: nothing of it is garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow modules begin: workers end by sharing out what is left of a module, fixtures and all."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Modules and tests stay to the end: no collection needs to walk through them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def sentences(language: str) -> list[str]:
    """Hand-written sentences in tatar, romanian, french or khmer; no two are alike."""
    return (TEXTS / f"{language}.txt").read_text(encoding="utf-8").splitlines()


def write_small_recipe(folder: Path) -> Path:
    """Texts of three sources (lines, JSON lines in gzip, blocks), prompts, and the recipe."""
    texts = folder / "texts"
    texts.mkdir(parents=True)
    (texts / "tatar.txt").write_text("\n".join(sentences("tatar")) + "\n", encoding="utf-8")
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in sentences("romanian")]
    packed = gzip.compress(("\n".join(lines) + "\n").encode("utf-8"), mtime=0)
    (texts / "romanian.jsonl.gz").write_bytes(packed)
    others = [*sentences("french"), *sentences("khmer")]
    (texts / "others.txt").write_text("\n\n".join(others) + "\n", encoding="utf-8")
    (folder / "prompts.txt").write_text("Әбием мич янында\nLe facteur\n", encoding="utf-8")
    recipe = folder / "recipe.toml"
    recipe.write_text((TEXTS / "small.toml").read_text(encoding="utf-8"), encoding="utf-8")
    return recipe


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test. pytest's own looks at the folders of all other tests each time."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    folder = tmp_path_factory.getbasetemp() / f"{name}-{next(FOLDERS)}"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture(scope="session", autouse=True)
def brief_measuring() -> Iterator[None]:
    """This machine is measured in an instant: what is done with its pace is tested, not the pace.

    Nor does a disk keep tests waiting, and the samples that a training shows are short.
    Tests that do without torch need not wait for it.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda number: None)
        if "torch" in sys.modules:
            patch.setattr("endonym.pipeline.progress.SAMPLE_TOKENS", 3)
            patch.setattr("endonym.device.PROBE_SECONDS", 0.01)
            patch.setattr("endonym.autopilot.probe.SECONDS", 0.01)
        yield


@pytest.fixture(scope="session")
def small_recipe() -> Callable[[Path], Path]:
    """Writes the small recipe with its texts into a folder and gives its path."""
    return write_small_recipe


@pytest.fixture(scope="session")
def language_sentences() -> Callable[[str], list[str]]:
    """The hand-written sentences of a language."""
    return sentences


@pytest.fixture(scope="session")
def real_model() -> Path:
    """The folder of a real pretrained model, SmolLM2-135M-Instruct (tests/real_model.py).

    `real_model.parent / "pad"` is the same with a pad token of its own. Neither is to be changed.
    """
    from real_model import FOLDER

    if not (FOLDER / "pad").is_dir():
        note = FOLDER / "reason.txt"
        reason = note.read_text(encoding="utf-8") if note.is_file() else "`make test` makes it"
        pytest.skip(f"no real model in {FOLDER}: {reason}")
    return FOLDER / "plain"


BROKEN_COMPILER = """#!/bin/sh
case "$*" in *--version*) exec c++ "$@";; esac
echo "main.cpp:5: fatal error: Python.h: No such file or directory" >&2
exit 1
"""


@pytest.fixture
def broken_compiler(tmp_path: Path) -> dict[str, str]:
    """The environment of a process whose C++ compiler says its version and compiles nothing.

    torch remembers what it learnt of a compiler, so that only a process of its own may have it.
    """
    compiler = tmp_path / "compiler"
    compiler.write_text(BROKEN_COMPILER, encoding="utf-8")
    compiler.chmod(0o755)
    cache = {"TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "compiled")}
    return os.environ | cache | {"CXX": str(compiler)}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command of endonym said, and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one JSON object of `--json`: the last line of standard output."""
        return json.loads(self.out.splitlines()[-1])


def run_command(*arguments: object) -> Answer:
    """Run `endonym` with these arguments inside this process, on one thread."""
    from endonym.cli.main import answer

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr("endonym.device.cores", lambda: 1)
        code = answer([str(each) for each in arguments])
    said = Answer(code, out.getvalue(), err.getvalue())
    assert "Traceback" not in said.out + said.err
    return said


@pytest.fixture(scope="session")
def command() -> Callable[..., Answer]:
    """The command line: `command("check", recipe)`."""
    return run_command


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the small recipe was run to its end; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "project"
    recipe = write_small_recipe(folder)
    said = run_command("run", recipe, "--store", folder / "store")
    assert said.code == 0, said.err
    return folder


@pytest.fixture
def prepared(finished: Path, tmp_path: Path) -> Path:
    """The small recipe without its export, whose library takes seconds to import.

    Its store knows the machine and has all that comes before training.
    """
    recipe = write_small_recipe(tmp_path / "project")
    text = recipe.read_text(encoding="utf-8").partition("[[export]]")[0]
    recipe.write_text(text, encoding="utf-8")
    later = shutil.ignore_patterns("model", "evaluation", "export", "journal")
    shutil.copytree(finished / "store", recipe.parent / "store", ignore=later)
    return recipe
