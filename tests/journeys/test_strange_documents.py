"""Documents as an attacker would make them, each between two good ones: counted, and no more."""

from collections import Counter
from pathlib import Path

import pytest
from strange_documents import FILES, PAGE
from text_samples import kept, records, refused, write

LONGEST_SECONDS = 60


@pytest.mark.timeout(LONGEST_SECONDS)
@pytest.mark.parametrize("name", FILES)
def test_it_becomes_counted_rejects_and_its_neighbours_are_kept(name: str, tmp_path: Path) -> None:
    make, reasons, documents = FILES[name]
    folder = tmp_path / "a" / "b" / "c" / "texts"  # four folders: as many as a name leads out of
    write(folder, "a.html", PAGE)
    write(folder, f"b_{name}", make())
    write(folder, "c.html", PAGE)
    found = records(folder)
    assert len(kept(found)) == documents + 2
    given = (each.reason for each in refused(found))
    said = Counter("parser" if each.startswith("parser_") else each for each in given)
    assert said == reasons
    assert all(each.detail and each.raw_bytes >= 0 for each in refused(found))
    assert [each.id.partition("#")[0] for each in (found[0], found[-1])] == ["a.html", "c.html"]
    assert not list(tmp_path.rglob("evil*"))
