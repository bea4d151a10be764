"""A copy of the package's code, which a test edits and runs take for today's code."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import endonym
from endonym.source_code import source_code

SOURCE = Path(endonym.__file__).parent


class PackageCopy:
    """The copy, in a folder that is not there yet."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(SOURCE, root, ignore=shutil.ignore_patterns("__pycache__"))

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a part of a file, in the first place where it stands."""
        path = self.root / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        source_code.cache_clear()  # As another process reads it.

    def restore(self, name: str) -> None:
        """Undo the edits of a file."""
        shutil.copy(SOURCE / name, self.root / name)
        source_code.cache_clear()

    @contextmanager
    def edited(self, name: str, old: str, new: str) -> Iterator[None]:
        """The same, undone at the end."""
        self.edit(name, old, new)
        yield
        self.restore(name)

    def use(self, patch: pytest.MonkeyPatch) -> "PackageCopy":
        """From now on runs compare this code with what they have noted, and note it."""
        patch.setattr("endonym.source_code.ROOT", self.root)
        return self
