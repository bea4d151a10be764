"""Tables that are larger than memory."""

import errno
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from endonym.copies.tables import Tables
from endonym.errors import StoreError


def test_a_path_that_is_not_utf8_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not UTF-8") as caught:
        Tables(tmp_path / "store-\udcff")
    assert caught.value.where.endswith("store-\\xff")
    assert "--store" in caught.value.do


def test_rows_are_added_while_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "work" / "spill").mkdir(parents=True)  # of a run that was killed
    with Tables(tmp_path / "work") as tables:
        tables.run("CREATE TABLE a (x BIGINT)")
        tables.run("CREATE TABLE b (x BIGINT)")
        tables.insert("a", {"x": np.arange(600_000)})
        for rows in tables.batches("SELECT x FROM a WHERE x % 2 = 0 ORDER BY x DESC"):
            tables.insert("b", {"x": rows["x"]})
        assert tables.number("SELECT count(*) FROM b") == 300_000
        assert tables.number("SELECT max(x) FROM b WHERE x > 900000") == 0
    assert not (tmp_path / "work").exists()


def test_files_with_signs_of_globs_and_quotes_in_their_names_are_one_table(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a*[1]'s.parquet", "ә?.parquet")]
    for number, path in enumerate(paths):
        pq.write_table(pa.table({"x": [number, 5]}), path)
    with Tables(tmp_path / "work") as tables:
        tables.files("every", paths)
        assert tables.number("SELECT sum(x) FROM every") == 11
        tables.files("every", paths[:1])
        assert tables.number("SELECT sum(x) FROM every") == 5


def test_what_exceeds_the_limit_is_written_to_the_folder(tmp_path: Path) -> None:
    with Tables(tmp_path / "work", memory_bytes=40_000_000) as tables:
        tables.run("CREATE TABLE a AS SELECT range AS x, hash(range) AS y FROM range(6000000)")
        assert list((tmp_path / "work" / "spill").iterdir())
        assert tables.number("SELECT count(*) FROM (SELECT y FROM a ORDER BY y)") == 6_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_a_full_disk_is_the_usual_error(small_disk: Path) -> None:
    with (
        pytest.raises(OSError, match="No space left") as caught,
        Tables(small_disk / "work", memory_bytes=30_000_000) as tables,
    ):
        tables.run("CREATE TABLE a AS SELECT range AS x, hash(range) AS y FROM range(9000000)")
    assert caught.value.errno == errno.ENOSPC
