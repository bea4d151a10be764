"""A wheel, as `pip install .` makes it, holds all that the program needs."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from endonym.demo.recipes import DEMOS
from endonym.recipe.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
PACKAGED = ("pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an unpacked wheel, which is made of a copy: a build leaves files behind."""
    copy, wheels = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheels")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", copy / "src", ignore=ignored)
    for name in PACKAGED:
        shutil.copy(ROOT / name, copy / name)
    given = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "wheel", *given, "--wheel-dir", wheels, copy]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = wheels.glob("endonym-*.whl")
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_every_file_of_the_package_is_in_the_wheel(installed: Path) -> None:
    package = ROOT / "src" / "endonym"
    files = {path.relative_to(package) for path in package.rglob("*") if path.is_file()}
    wanted = {path for path in files if "__pycache__" not in path.parts and path.name[0] != "."}
    known = ("py.typed", "demo/fables_fr/plots/hiver.toml", "serve/page/index.html")
    assert set(map(Path, known)) < wanted
    assert not [path for path in sorted(wanted) if not (installed / "endonym" / path).is_file()]


MAKE_ALL = """
import sys
from endonym import device
from endonym.autopilot import probe
from endonym.cli.main import answer
device.PROBE_SECONDS = probe.SECONDS = 0.05  # The machine is measured in an instant.
sys.exit(any([answer(["new", demo, "--demo", demo, "--store", "store"]) for demo in sys.argv[1:]]))
"""


def test_every_demo_can_be_made_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    no_compiler = str(Path(sys.executable).parent)
    environment = {**os.environ, "PYTHONPATH": str(installed), "PATH": no_compiler}
    command = [sys.executable, "-P", "-c", MAKE_ALL, *DEMOS]
    said = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert said.returncode == 0, said.stderr
    for demo in DEMOS:
        assert Recipe.load(tmp_path / demo / "recipe.toml").source
