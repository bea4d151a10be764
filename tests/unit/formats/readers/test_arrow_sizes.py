"""What an Arrow file says that it unpacks to."""

import io

import pyarrow as arrow
import pytest
from text_samples import TATAR

from endonym.formats.readers.arrow_sizes import declared_bytes


def written(make: object, packing: str | None, texts: list[str]) -> io.BytesIO:
    table = arrow.table({"n": range(len(texts)), "text": arrow.array(texts).dictionary_encode()})
    sink = io.BytesIO()
    options = arrow.ipc.IpcWriteOptions(compression=packing)
    with make(sink, table.schema, options=options) as writer:  # pyright: ignore
        writer.write_table(table, max_chunksize=20)
    return io.BytesIO(sink.getvalue())


@pytest.mark.parametrize("make", [arrow.ipc.new_stream, arrow.ipc.new_file])
@pytest.mark.parametrize("packing", ["lz4", "zstd"])
def test_what_compressed_batches_and_dictionaries_unpack_to_is_known_before(
    make: object, packing: str
):
    texts = [f"{n}: {text * 20}" for n in range(6) for text in TATAR]
    size = sum(len(each.encode()) for each in texts)
    total, largest = declared_bytes(file := written(make, packing, texts))
    assert size + 12 * len(texts) < total < size + 20 * len(texts) + 400
    assert size <= largest < total
    assert file.tell() == 0
    assert declared_bytes(written(make, None, texts)) == (0, 0)


@pytest.mark.parametrize("make", [arrow.ipc.new_stream, arrow.ipc.new_file])
def test_a_cut_or_changed_file_ends_or_is_an_error(make: object):
    data = written(make, "zstd", TATAR * 9).getvalue()
    for cut in range(0, len(data), 13):
        for changed in (data[:cut], data[:cut] + b"\xff\x7f\0\xfe" + data[cut + 4 :]):
            try:
                total, _ = declared_bytes(io.BytesIO(changed))
            except ValueError:
                continue
            assert total >= 0
