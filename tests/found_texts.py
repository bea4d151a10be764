"""A folder as people bring one: texts of several kinds, a picture and an empty file."""

import gzip
import json
from pathlib import Path


def write_found_texts(folder: Path, sentences: list[str]) -> Path:
    """Write two files of one name, a packed one of records, and two that hold no text."""
    (folder / "old").mkdir(parents=True)
    (folder / "китап.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    (folder / "old" / "китап.txt").write_text("\n\n".join(sentences[:9]) + "\n", encoding="utf-8")
    lines = [json.dumps({"текст": text}, ensure_ascii=False) for text in sentences]
    (folder / "web.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(200))
    (folder / "empty.txt").write_bytes(b"")
    return folder
