"""What was written into an export, and whether it is still so."""

import shutil
import subprocess
from pathlib import Path

import pytest

from endonym.errors import Damaged, ExportError
from endonym.export.checksums import SUMS, check_sums, write_sums


def test_an_export_is_as_written_for_us_and_for_sha256sum(folder: Path) -> None:
    names = check_sums(folder)
    assert "model.safetensors" in names
    assert "README.md" not in names
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", SUMS], cwd=folder, check=True, capture_output=True)


def test_a_changed_byte_and_a_missing_file_are_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(Damaged, match=r"model\.safetensors is not what was written"):
        check_sums(folder)
    path.unlink()
    with pytest.raises(Damaged, match=r"model\.safetensors is missing"):
        check_sums(folder)


def test_the_readme_may_be_edited(folder: Path) -> None:
    (folder / "README.md").write_text("# Әкият\n", encoding="utf-8")
    assert check_sums(folder)


@pytest.mark.parametrize("line", ["", "nonsense", f"{'0' * 64}  ../config.json"])
def test_a_list_that_is_none_is_refused(folder: Path, line: str) -> None:
    (folder / SUMS).write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(Damaged, match="is not a hash and a name"):
        check_sums(folder)


def test_another_folder_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="this is not an export"):
        check_sums(tmp_path)


def test_hashes_are_written_anew(folder: Path) -> None:
    (folder / "config.json").write_text("{}", encoding="utf-8")
    write_sums(folder)
    assert "config.json" in check_sums(folder)
