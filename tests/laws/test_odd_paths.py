"""Files of every format below folders whose names are bytes, blanks and line ends."""

import bz2
import gzip
import io
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from fake_ocr import picture
from made_documents import (
    arc,
    docx,
    dump,
    epub,
    http,
    lines,
    odt,
    pdf,
    rtf,
    rtf_escaped,
    warc,
    word_paragraph,
    xhtml,
    zipped,
)
from text_samples import TATAR, kept, records, refused, tar

from endonym.formats.io.formats import FORMATS

TEXT = "".join(f"{each}\n" for each in TATAR)
TABLE = pa.table({"text": TATAR})
ROWS = "".join(f'{{"text": "{each}"}}\n' for each in TATAR)
HTML = xhtml(TATAR)
PAGE = http(HTML.encode())
WIKI = dump([("Авыл", "0", "\n\n".join(TATAR))])
FOLDERS = {
    "cp1251": "\u0442\u0435\u043a\u0441\u0442\u043b\u0430\u0440".encode("cp1251"),
    "broken": b"\xff\xfe \n\t%41",
    "lines": "а \n б".encode(),
    "blanks": b" a  b ",
}


def parquet(table: pa.Table) -> bytes:
    pq.write_table(table, out := io.BytesIO())
    return out.getvalue()


def arrow(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "a.txt": TEXT.encode,
    "a.jsonl": ROWS.encode,
    "a.csv": lambda: b"text\n" + "".join(f'"{each}"\n' for each in TATAR).encode(),
    "a.tsv": lambda: f"text\n{TEXT}".encode(),
    "a.parquet": lambda: parquet(TABLE),
    "a.arrow": lambda: arrow(TABLE),
    "a.pdf": lambda: pdf([lines(TATAR)]),
    "a.html": HTML.encode,
    "a.epub": lambda: epub({"1.xhtml": HTML}),
    "a.docx": lambda: docx("".join(map(word_paragraph, TATAR))),
    "a.odt": lambda: odt("".join(f"<text:p>{each}</text:p>" for each in TATAR)),
    "a.rtf": lambda: rtf("".join(rf"{rtf_escaped(each)}\par" for each in TATAR)),
    "a.warc": lambda: warc([("response", "https://a.tt/", PAGE)]),
    "a.wet": lambda: warc([("conversion", "https://a.tt/", TEXT.encode())], "text/plain"),
    "a.arc": lambda: arc([("https://a.tt/", PAGE)]),
    "ttwiki-pages-articles.xml": WIKI.encode,
    "a.zip": lambda: zipped({"б.txt": TEXT}),
    "b.zip": lambda: zipped({"б.pdf": pdf([lines(TATAR)])}),
    "a.tar": lambda: tar({"б.txt": TEXT}),
    "a.txt.gz": lambda: gzip.compress(TEXT.encode()),
    "a.txt.zst": lambda: zstandard.compress(TEXT.encode()),
    "a.txt.bz2": lambda: bz2.compress(TEXT.encode()),
    "a.txt.xz": lambda: lzma.compress(TEXT.encode()),
    "a.html.gz": lambda: gzip.compress(HTML.encode()),
    "a.warc.gz": lambda: gzip.compress(warc([("response", "https://a.tt/", PAGE)])),
    "a.png": lambda: picture(*TATAR),
}


def test_every_format_is_tried():
    assert {FORMATS[each] for each in FORMATS} <= {FORMATS.get(Path(n).suffix) for n in FILES}


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_whatever_its_folder_is_called(tmp_path: Path, name: str, folder: bytes):
    plain, odd = tmp_path / "plain", tmp_path / os.fsdecode(folder)
    for each in (plain, odd):
        try:
            each.mkdir()
        except OSError:
            pytest.skip("this file system takes only names in UTF-8")
        (each / name).write_bytes(FILES[name]())
    expected, found = records(plain / name), records(odd / name)
    assert kept(found) == kept(expected)
    assert [each.reason for each in refused(found)] == [each.reason for each in refused(expected)]
    assert kept(expected) or name == "a.png"
