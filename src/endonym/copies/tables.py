"""Tables that are larger than memory: DuckDB with a limit, in a folder of its own."""

import errno
import os
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import duckdb
import numpy as np
import pyarrow as pa

from endonym.errors import StoreError, printable

MEMORY_BYTES = 1 << 30
"""What DuckDB may hold; the rest is written to the folder."""
MOST_THREADS = 4
"""Each thread needs memory of its own."""
BATCH_ROWS = 1 << 18

Columns = dict[str, np.ndarray[Any, Any]]


class Tables:
    """A database in a folder, which is deleted with it.

    Queries that must give the same bytes again name an order: DuckDB itself keeps none. Raises
    StoreError if DuckDB and Arrow cannot open files in the folder.
    """

    def __init__(self, folder: Path, memory_bytes: int = MEMORY_BYTES) -> None:
        self.folder = folder
        try:
            str(folder).encode()
        except UnicodeEncodeError as error:
            raise StoreError(
                "the path is not UTF-8, and copies are looked for in files that must have such a "
                "path",
                where=printable(folder),
                do="Give another store with --store, or rename the folder.",
            ) from error
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        # A database in memory writes to its folder only what exceeds the limit.
        self.connection = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": f"{memory_bytes // 1_000_000}MB",
                "temp_directory": str(folder / "spill"),
                "threads": min(MOST_THREADS, os.cpu_count() or 1),
                "preserve_insertion_order": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        self.writer = self.connection.cursor()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()
        self.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, sql: str) -> None:
        """Run statements that return nothing."""
        with disk_errors():
            self.connection.execute(sql)

    def files(self, name: str, files: Sequence[Path]) -> None:
        """Show files of parquet as one table; they are read again by each query."""
        import pyarrow.dataset as ds  # It takes pandas with it, which is slow to import.

        self.connection.register(name, ds.dataset([*map(str, files)], format="parquet"))

    def insert(self, name: str, columns: Mapping[str, Any]) -> None:
        """Add rows to a table; also while the rows of a query are read."""
        with disk_errors():
            self.writer.register("_rows", pa.table({**columns}))
            self.writer.execute(f"INSERT INTO {name} BY NAME SELECT * FROM _rows")
            self.writer.unregister("_rows")

    def one_column(self, name: str, column: str, values: np.ndarray[Any, Any]) -> None:
        """Make a table of one column of whole numbers."""
        self.run(f"CREATE OR REPLACE TABLE {name} ({column} BIGINT)")
        self.insert(name, {column: values})

    def columns(self, sql: str) -> Columns:
        """All rows of a query."""
        with disk_errors():
            found = self.connection.sql(sql).to_arrow_table()
        return {name: found[name].to_numpy() for name in found.column_names}

    def batches(self, sql: str) -> Iterator[Columns]:
        """The rows of a query as arrays, some at a time. Meanwhile there is no other query."""
        with disk_errors():
            for batch in self.connection.sql(sql).to_arrow_reader(BATCH_ROWS):
                names = batch.schema.names
                yield {name: batch[name].to_numpy(zero_copy_only=False) for name in names}

    def rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, one by one."""
        for batch in self.batches(sql):
            yield from zip(*(column.tolist() for column in batch.values()), strict=True)

    def number(self, sql: str) -> int:
        """The only number that a query returns; 0 for none."""
        with disk_errors():
            found = self.connection.sql(sql).fetchall()
        return int(found[0][0] or 0) if found else 0


@contextmanager
def disk_errors() -> Generator[None]:
    """Make DuckDB's error of a full disk the usual one, so that the user is told the usual."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException) as error:
        full = os.strerror(errno.ENOSPC)
        if full not in str(error) and "max_temp_directory_size" not in str(error):
            raise
        raise OSError(errno.ENOSPC, full) from error
