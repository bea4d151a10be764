"""A corpus on disk, from raw files to card."""

import hashlib
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from made_dirt import lines_of
from progress_bars import bars_of
from text_samples import FRENCH, KHMER, ROMANIAN, RUSSIAN, TATAR, files, numbered, write

from endonym.copies.held_out.split import SIDES
from endonym.corpus.corpus import Corpus, dropped_records, make_corpus, some_dropped
from endonym.errors import CorpusError, RecipeError, SourceError
from endonym.formats.config import Clean, Source, Split
from endonym.formats.document import Reject
from endonym.formats.document_files import GzipLines, reject_line
from endonym.log import Log

CLEAN = Clean(normalize=("nfc", "zero_width", "spaces"), dedup=("exact",))


def made(
    folder: Path, *sources: Source, clean: Clean = CLEAN, split: Split | None = None
) -> Corpus:
    """A corpus of sources whose paths are absolute."""
    out = folder / "corpus"
    pairs = [(source, files(source)) for source in sources]
    make_corpus(pairs, clean, split or Split(seed=7), out=out)
    return Corpus(out)


def lines_source(folder: Path, lines: list[str], name: str = "lines", **keys: Any) -> Source:
    path = write(folder, f"{name}.txt", lines)
    return Source(name=name, path=str(path), document="line", **keys)


def test_documents_are_read_back_as_they_were_cleaned(tmp_path: Path):
    source = lines_source(tmp_path, [f"  {line}\u00a0 " for line in TATAR])
    corpus = made(tmp_path, source)
    sets = {side: list(corpus.documents(side)) for side in SIDES}
    assert sorted(each.text for found in sets.values() for each in found) == sorted(TATAR)
    assert (len(sets["dev"]), len(sets["test"])) == (1, 1)
    assert {document.source for document in sets["train"]} == {"lines"}
    for counts in (corpus.card["total"], corpus.card["sources"]["lines"]):
        assert (counts["changed_documents"], counts["rules"]["spaces"]["share"]) == (6, 1.0)
    assert not (tmp_path / "corpus" / "work").exists()


def test_what_is_dropped_is_kept_to_be_looked_at_with_its_reason(tmp_path: Path):
    clean = Clean(min_chars=20, script="cyrillic", min_script_share=0.5)
    corpus = made(tmp_path, lines_source(tmp_path, [*TATAR, "Кояш.", FRENCH[0]]), clean=clean)
    assert {reject.reason for reject in dropped_records(corpus.folder)} == {
        "min_chars",
        "min_script_share",
    }
    (short,) = dropped_records(corpus.folder, "min_chars")
    assert (short.text, short.detail) == ("Кояш.", "5 characters, below 20")
    assert short.raw_bytes == len("Кояш.".encode())


def test_the_card_counts_what_each_source_lost(tmp_path: Path):
    lines = ['{"text": "Кояш чыкты."}', "{", '{"text": ""}', '{"text": " x "}']
    broken = Source(name="bad", path=str(write(tmp_path, "bad.jsonl", lines)))
    russian = write(tmp_path, "a.txt", "\n".join(RUSSIAN).encode("cp1251"))
    old = Source(name="ru", path=str(russian), document="line")
    wide = lines_source(tmp_path, [], "wide")
    write(tmp_path, "wide.txt", KHMER[0].encode("utf-16"))
    named = lines_source(tmp_path, [], "fr-sentences", encoding="cp1252")
    write(tmp_path, "fr-sentences.txt", "\n".join(FRENCH).encode("cp1252"))
    write(tmp_path, "fr-inv_so.txt", ["7\t1", "7\t3"])
    clean = CLEAN.model_copy(update={"max_unreadable": 0.5})
    lines = lines_source(tmp_path, [*TATAR, TATAR[0]])
    corpus = made(tmp_path, lines, broken, old, wide, named, clean=clean)
    card = corpus.card
    assert card["sources"]["bad"]["dropped"]["bad_json"] == {"records": 1, "bytes": 1}
    assert card["sources"]["bad"]["dropped"]["empty"] == {"records": 1, "bytes": 0}
    assert card["total"]["dropped"]["exact"]["records"] == 1
    assert card["total"]["encodings"] == {"cp1251": 1, "cp1252": 1, "utf-16-le": 1, "utf-8": 2}
    assert card["total"]["of_articles"] == 2
    no_dev = "nothing is left to choose by, so no choice sees it"
    assert card["warnings"] == [
        "bad: 4.2% of its bytes cannot be read, and are left out: bad_json  bad.jsonl",
        f"bad: {no_dev}",
        "ru: the encoding of 1 files is a guess: cp1251",
        "wide: no documents are held out, so it gets no score of its own",
        *(f"{name}: {no_dev}" for name in ("wide", "fr-sentences")),
    ]
    for side in SIDES:
        documents = [(each.source, each.id) for each in corpus.documents(side)]
        for name, source in card["sources"].items():  # which have few documents, so all are shown
            assert source["samples"][side] == [each for of, each in documents if of == name]


def test_bytes_of_the_text_are_those_that_the_files_hold(tmp_path: Path):
    corpus = made(tmp_path, lines_source(tmp_path, KHMER + ROMANIAN))
    for split in SIDES:
        kept = corpus.card["total"]["kept"][split]
        texts = [document.text for document in corpus.documents(split)]
        assert kept["documents"] == len(texts)
        assert kept["text_bytes"] == sum(len(text.encode()) for text in texts)
        assert kept["chars"] == sum(map(len, texts))


def test_too_much_that_cannot_be_read_is_an_error_that_names_the_files(tmp_path: Path):
    write(tmp_path, "raw/good.txt", TATAR)
    write(tmp_path, "raw/bad.txt", TATAR[0].encode() + b"\n\xff\xff\xff\xff\xff\xff\xff\xff" * 11)
    source = Source(name="raw", path=str(tmp_path / "raw"), document="line")
    with pytest.raises(SourceError) as caught:
        made(tmp_path, source)
    assert caught.value.exit_code == 1
    assert "bad.txt" in caught.value.message
    assert "invalid_utf8" in caught.value.message
    assert "max_unreadable" in caught.value.do
    assert "good.txt" not in caught.value.message


def test_files_in_other_formats_are_counted_and_stop_nothing(tmp_path: Path):
    write(tmp_path, "raw/good.txt", TATAR)
    write(tmp_path, "raw/book.djvu", b"AT&TFORM" * 1_000)
    write(tmp_path, "raw/empty.txt", b"")
    corpus = made(tmp_path, Source(name="raw", path=str(tmp_path / "raw"), document="line"))
    assert set(corpus.card["total"]["dropped"]) == {"unsupported_format", "empty_file"}
    assert corpus.card["warnings"] == [
        "raw: empty.txt: empty file: it holds 0 bytes",
        "raw: 1 files or members are in a format that is not read",
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_fewer_than_four_documents_are_too_few_for_three_sets(tmp_path: Path, count: int):
    paths = [write(tmp_path, f"{number}.txt", TATAR[number:]) for number in range(count)]
    with pytest.raises(CorpusError, match=f"left: {count}") as caught:
        made(tmp_path, *(Source(name=path.stem, path=str(path)) for path in paths))
    assert '"blank_lines"' in caught.value.do


def test_a_book_beside_a_list_of_all_its_lines_is_told_with_what_to_do(tmp_path: Path):
    lines = [f"{text} {number}." for number, text in enumerate(numbered(80))]
    pages = ["\n".join(lines[first : first + 10]) for first in range(0, 80, 10)]
    book = write(tmp_path, "book.txt", "\n\n".join(pages))
    both = lines_source(tmp_path, lines), Source(name="book", path=str(book))
    with pytest.raises(CorpusError, match=r": \d+ stand in others, whole, nearly or") as caught:
        made(tmp_path, *both)
    assert "exclude in [[source]]" in caught.value.do


def test_the_share_of_held_out_text_that_training_has_is_told_of_each_source(tmp_path: Path):
    lines = [f"{text} {number}." for number, text in enumerate(numbered(40))]
    new = [*ROMANIAN, *FRENCH, *KHMER]
    pages = [f"{' '.join([text, text[::-1]])} {lines[n]}" for n, text in enumerate(new)]
    sources = lines_source(tmp_path, lines), lines_source(tmp_path, pages, "pages")
    card = made(tmp_path, *sources).card
    shares = {name: each["covered"] for name, each in card["sources"].items()}
    assert shares["pages"] > card["covered"] > shares["lines"] >= 0
    # Twenty letters are fewer than eight words, of which the other share counts runs.
    assert card["covered"] > card["overlap"] > 0


def test_broken_text_is_refused_and_odd_text_is_reported(tmp_path: Path):
    mojibake = [line.encode().decode("cp1251", "replace") for line in TATAR]
    odd = [f"{KHMER[0]} ខុ្ញំ", "Күк й\ufffdзе аяз"]
    odd += [f"{text} сүз{number}\ufffd" for number, text in enumerate(numbered(40, 900))]
    clean = CLEAN.model_copy(update={"max_unreadable": 1.0})
    corpus = made(tmp_path, lines_source(tmp_path, numbered(30) + mojibake + odd), clean=clean)
    assert corpus.card["total"]["dropped"]["mojibake"]["records"] == 6
    khmer, lost = sorted(corpus.card["warnings"][-2:], key=lambda each: "U+FFFD" in each)
    assert khmer.startswith("lines: 1 documents hold Khmer signs out of order, as in ខុ្ញំ for ខ្ញុំ")
    assert '"khmer_order" in normalize repairs that' in khmer
    assert lost.startswith("lines: 41 documents hold U+FFFD")
    assert lost.endswith("as in й\ufffdзе"), "the first one"


def test_a_mask_that_knows_no_country_of_the_language_is_warned_of_once(tmp_path: Path):
    source = lines_source(tmp_path, TATAR)
    for language, warned in (("tat", 0), ("x-gasconha", 1)):
        clean = Clean.model_validate({"mask": ["email", "phone"], "language": language})
        card = made(tmp_path / language, source, clean=clean).card
        assert sum(each.startswith("mask") for each in card["warnings"]) == warned


def test_progress_adds_up_to_the_raw_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one = lines_source(tmp_path, numbered(500), "one")
    write(tmp_path, "two.djvu", b"AT&TF" * 100)
    two = Source(name="two", path=str(tmp_path / "two.djvu"))
    bars, log = bars_of(monkeypatch), Log(quiet=True)
    pairs = [(source, files(source)) for source in (one, two)]
    make_corpus(pairs, CLEAN, Split(seed=1), out=tmp_path / "out", progress=log.progress)
    raw = sum((tmp_path / name).stat().st_size for name in ("one.txt", "two.djvu"))
    assert bars["reading the texts"] == [raw, raw]
    assert all(done == total for done, total in bars.values())
    assert set(bars) >= {"reading the texts", "cleaning", "writing the corpus"}


def test_two_sources_of_one_name_are_the_recipes_fault(tmp_path: Path):
    source = lines_source(tmp_path, TATAR)
    with pytest.raises(RecipeError, match='2 sources are called "lines"'):
        made(tmp_path, source, source)


def test_a_folder_without_a_card_is_no_corpus(tmp_path: Path):
    with pytest.raises(CorpusError, match="no corpus"):
        Corpus(tmp_path)


def test_some_of_what_was_dropped_is_spread_over_sources_and_within_each(tmp_path: Path):
    (tmp_path / "dropped").mkdir()
    with GzipLines(tmp_path / "dropped", "min_chars.jsonl.gz") as lines:
        for number in range(380):
            lines.line(reject_line(Reject("min_chars", f"a#{number}", "әкият", "", TATAR[0])))
        lines.line(reject_line(Reject("min_chars", "b#0", "шигырь", "", TATAR[1])))
    found = some_dropped(tmp_path, "min_chars", 5)
    assert len(found) == 5
    numbers = [int(each.id[2:]) for each in found if each.source == "әкият"]
    assert numbers[0] == 0
    assert min(b - a for a, b in pairwise(numbers)) > 60
    assert numbers[-1] > 200
    assert [each.id for each in found if each.source == "шигырь"] == ["b#0"]
    few = [(each.source, each.id) for each in some_dropped(tmp_path, "min_chars", 1_000)]
    assert len(few) == len(set(few)) == 381
    assert some_dropped(tmp_path, "min_chars", 0) == []
    assert some_dropped(tmp_path, "exact", 5) == []
    path = tmp_path / "dropped" / "min_chars.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-99])  # A run was killed: what there is can be looked at.
    assert 0 < len([*dropped_records(tmp_path)]) < 381
    (tmp_path / "card.json").touch()
    with pytest.raises(EOFError):
        list(dropped_records(tmp_path))


def test_a_source_that_lost_what_was_held_out_of_it_to_training_is_named(tmp_path: Path):
    copies = [f"{TATAR[0]} {TATAR[1]} {number}" for number in range(200)]
    rhymes = lines_source(tmp_path, [*copies, *numbered(20, 1_000)], name="rhymes")
    corpus = made(tmp_path, lines_source(tmp_path, numbered(300)), rhymes)
    (found,) = [each for each in corpus.card["warnings"] if "go there" in each]
    assert found.startswith("rhymes: 15 documents drawn")
    assert "; 5 are left" in found, "three for dev and two for test"


ALL_COPIES = CLEAN.model_copy(update={"dedup": ("exact", "near", "paragraphs"), "min_chars": 30})
SCRIPT = """
import sys
from pathlib import Path
from endonym.formats.config import Source
from unit.corpus.test_corpus import ALL_COPIES, made
made(Path("there"), Source(name="raw", path=sys.argv[1], document="line"), clean=ALL_COPIES)
"""


def test_the_same_texts_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("b.txt", "a.txt", "c/ә.txt"):
        lines = numbered(120, len(name) * 1_000)
        texts = [*lines, *KHMER, *map(str.upper, lines[::9])]
        write(tmp_path, f"raw/{name}", texts)
    raw = tmp_path / "raw"
    here = made(tmp_path, Source(name="raw", path=str(raw), document="line"), clean=ALL_COPIES)
    for number, path in enumerate(sorted(raw.rglob("*.txt"))):
        os.utime(path, (number, 4242 + number))
    tests = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{tests}:{tests.parent / 'src'}")
    monkeypatch.setenv("PYTHONHASHSEED", "4242")
    monkeypatch.setenv("RAYON_NUM_THREADS", "4")
    subprocess.run([sys.executable, "-c", SCRIPT, str(raw)], check=True, cwd=tmp_path)
    digests: list[dict[str, bytes]] = []
    for folder in (here.folder, tmp_path / "there" / "corpus"):
        paths = [path for path in folder.rglob("*") if path.is_file()]
        digests.append({path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})
    assert digests[0] == digests[1]
    shards = [f"{side}-00000.jsonl.gz" for side in SIDES]
    dropped = ["dropped/exact.jsonl.gz", "dropped/near.jsonl.gz"]
    assert set(digests[0]) == {"card.json", "copies.jsonl.gz", *dropped, *shards}


def test_each_source_is_judged_in_its_own_language_and_by_its_own_keys(tmp_path: Path):
    """Khmer and French: what is foreign in one source is at home in the other."""
    rules = {"script": "khmer", "min_script_share": 0.5, "min_chars": 10}
    clean = Clean(**rules, language="km", min_language_score=0.2)
    khmer, french = (
        [f"{text} {n}" for n, text in enumerate(lines_of(code))] for code in ("km", "fr")
    )
    km = lines_source(tmp_path, [*khmer, *FRENCH], "km")
    fr = lines_source(
        tmp_path, [*french, "Oui.", *KHMER], "fr", language="fr", clean={"min_chars": 3}
    )
    corpus = made(tmp_path, km, fr, clean=clean)
    dropped = {(each.source, each.text, each.reason) for each in dropped_records(corpus.folder)}
    wrong = [("km", text) for text in FRENCH] + [("fr", text) for text in KHMER]
    assert dropped == {(*each, "min_script_share") for each in wrong}
    other = clean.model_copy(update={"script": None, "min_script_share": None})
    corpus = made(tmp_path / "2", km, fr, clean=other)
    dropped = {(each.source, each.text, each.reason) for each in dropped_records(corpus.folder)}
    assert dropped == {(*each, "min_language_score") for each in wrong}


def test_marks_hold_by_content_in_any_file_and_one_that_nothing_has_is_said(tmp_path: Path):
    texts = [*TATAR, "Кояш."]
    marks = {
        "marked_in": (hashlib.sha256("Кояш.".encode()).hexdigest()[:12], "0" * 12),
        "marked_out": (hashlib.sha256(TATAR[0].encode()).hexdigest(),),
    }
    clean = Clean(min_chars=20, max_line_documents=1, **marks)  # judged in a second step
    for name, lines in (("a", texts), ("b", ["Яңа җөмлә башында тора бу файлда.", *texts])):
        corpus = made(tmp_path / name, lines_source(tmp_path, lines, name), clean=clean)
        kept = [each.text for side in SIDES for each in corpus.documents(side)]
        assert sorted(kept) == sorted({*lines} - {TATAR[0]})
        (gone,) = dropped_records(corpus.folder)
        assert (gone.reason, gone.text) == ("marked_out", TATAR[0])
        said = "marked_in: 1 of 2 hashes belong to no document or file, such as 000000000000"
        assert corpus.card["warnings"] == [said]
