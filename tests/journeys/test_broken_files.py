"""Files that were broken on purpose, each with what must become of it (raw/broken/EXPECTED.md)."""

import json
import resource
import time
from pathlib import Path

import pytest
from broken_files import ALL, FOLDER, NEEDED, answer, cleaned, lines
from text_samples import SHARED, files, kept, reasons, records, refused

from endonym.cleaning.rules import normalizer
from endonym.copies.held_out.split import SIDES
from endonym.corpus.corpus import Corpus, dropped_records, make_corpus
from endonym.corpus.corpus_stats import text_warnings
from endonym.errors import SourceError
from endonym.formats.broken import damaged
from endonym.formats.config import Clean, Source, Split
from endonym.formats.document import Document

pytestmark = NEEDED


def test_truncated_gzip_keeps_the_whole_lines_before_the_cut():
    found = lines("truncated.txt.gz")
    assert len(kept(found)) == 221
    (refusal,) = refused(found)
    assert refusal.reason == "truncated"
    assert "ends early" in refusal.detail
    assert "line 222" in refusal.detail


def test_truncated_zstd_is_said_to_end_early():
    found = lines("truncated.jsonl.zst")
    assert reasons(found) == {"truncated": 1}
    assert "ends early" in refused(found)[0].detail


def test_a_wrong_check_sum_is_named():
    found = lines("bad_crc.txt.gz")
    assert len(kept(found)) == 50
    (refusal,) = refused(found)
    assert refusal.reason == "bad_checksum"
    assert "check sum" in refusal.detail


def test_trailing_garbage_is_counted():
    found = lines("trailing_garbage.txt.gz")
    assert len(kept(found)) == 50
    (refusal,) = refused(found)
    assert (refusal.reason, refusal.raw_bytes) == ("trailing_garbage", 63)


def test_two_members_are_one_file():
    found = lines("two_members.txt.gz")
    assert len(kept(found)) == 100
    assert not refused(found)


def test_what_is_named_gz_and_is_not_is_refused_by_cause():
    (refusal,) = lines("not_gzip.txt.gz")
    assert refusal.reason == "not_compressed"
    assert "no gzip" in refusal.detail


@pytest.mark.parametrize("name", ["txt", "jsonl", "pdf", "epub", "txt.gz", "warc.gz", "xml.bz2"])
def test_an_empty_file_is_called_so(name: str):
    (refusal,) = records(FOLDER / f"empty.{name}")
    assert refusal.reason == "empty_file"
    assert "empty file" in refusal.detail


@pytest.mark.parametrize("document", ["file", "line", "blank_lines"])
@pytest.mark.parametrize("name", ["empty_inside.txt.gz", "blank_only.txt"])
def test_a_file_without_text_is_called_so(name: str, document: str):
    (refusal,) = records(FOLDER / name, document=document)
    assert refusal.reason == "no_text"
    assert "no text" in refusal.detail


def test_an_archive_that_climbs_out_gives_its_good_member_and_nothing_else():
    found = lines("traversal.tar.gz")
    assert len(kept(found)) == 10
    assert found[0].id == "traversal.tar.gz/good/one.txt#1"
    assert reasons(found) == {"unsafe_member": 5}
    assert sum("links are not followed" in refusal.detail for refusal in refused(found)) == 3
    assert not Path("/tmp/evil_tar_abs.txt").exists()


def test_a_pdf_named_txt_is_binary_data():
    (refusal,) = lines("pdf_named.txt")
    assert refusal.reason == "binary"
    assert "binary data" in refusal.detail


@pytest.mark.parametrize("name", ["le_bom", "be_bom", "le_nobom", "be_nobom"])
def test_utf16_is_read_with_or_without_its_mark(name: str):
    found = lines(f"utf16{name}.txt")
    assert len(kept(found)) == 30
    assert not any("\0" in text or "\ufeff" in text for text in kept(found))
    assert found[0].meta["encoding"] == f"utf-16-{name[:2]}"


def test_utf16_without_its_last_byte_loses_the_last_line_with_a_message():
    found = lines("utf16le_odd.txt")
    assert len(kept(found)) in (29, 30)
    assert "ends early" in refused(found)[0].detail


def test_the_mark_of_utf8_is_no_letter():
    found = lines("utf8_bom.txt")
    assert len(kept(found)) == 20
    assert not kept(found)[0].startswith("\ufeff")


def test_cp1251_is_guessed_right_and_recorded():
    found = lines("cp1251_lossless.txt")
    assert kept(found) == answer("cp1251_lossless.expected.txt")
    assert found[0].meta == {"encoding": "cp1251"}


def test_letters_that_cp1251_lost_are_refused_or_reported():
    documents = [each for each in lines("cp1251_lossy.txt") if isinstance(each, Document)]
    signs = [
        damaged(each) is not None or "lost_letters" in text_warnings(each.text)
        for each in documents
    ]
    assert sum(signs) >= 25
    (whole,) = records(FOLDER / "cp1251_lossy.txt")
    refusal = damaged(whole)
    assert refusal is not None
    assert refusal.reason == "lost_letters"


def test_utf8_that_was_read_as_cp1251_is_never_tatar():
    documents = lines("utf8_read_as_cp1251.txt")
    assert len(documents) == 20
    assert {refusal.reason for refusal in map(damaged, documents) if refusal} == {"mojibake"}
    assert all(damaged(document) for document in documents)


def test_romanian_latin2_is_read_when_it_is_named_and_refused_when_it_is_not():
    repair = str.maketrans("şţŞŢ", "șțȘȚ")
    given = kept(lines("latin2_romanian.txt", encoding="iso8859-2"))
    assert [text.translate(repair) for text in given] == answer("latin2_romanian.expected.txt")
    (refusal,) = lines("latin2_romanian.txt")
    assert refusal.reason == "unknown_encoding"


def test_of_mixed_encodings_the_utf8_lines_are_kept_and_the_others_counted():
    found = lines("mixed_encoding.txt")
    assert kept(found) == answer("mixed_encoding.expected.txt")[::2]
    assert reasons(found) == {"invalid_utf8": 10}


@pytest.mark.parametrize("document", ["line", "file"])
def test_lines_that_are_no_utf8_are_dropped_alone(document: str):
    found = records(FOLDER / "invalid_utf8.txt", document=document)
    assert len("\n".join(kept(found)).split("\n")) == 10
    assert reasons(found) == {"invalid_utf8": 4}
    assert all("line" in refusal.detail for refusal in refused(found))


def test_zeros_never_reach_the_corpus():
    texts = cleaned(kept(lines("nul_bytes.txt")))
    assert sum(map(bool, texts)) == 20
    assert not any("\0" in text for text in texts)


@pytest.mark.parametrize("document", ["line", "file"])
def test_every_kind_of_line_end_ends_a_line(document: str):
    texts = cleaned(kept(records(FOLDER / "line_ends.txt", document=document)))
    found = [line for text in texts for line in text.split("\n") if line]
    assert len(found) == 10
    assert not set("\r\u2028\u2029\x85\v\f") & set("".join(texts))


@pytest.mark.timeout(360)
def test_one_line_of_50_mb_is_one_document_in_bounded_memory():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (document,) = lines("one_line_50mb.txt.gz")
    assert len(document.text.encode()) == 50_000_669
    assert cleaned([document.text])[0] == document.text.strip()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000


def test_marks_without_width_go_from_tatar():
    texts = kept(lines("bidi_zero_width.txt"))
    assert cleaned(texts) == answer("bidi_zero_width.expected.txt")
    assert cleaned(texts, script="cyrillic") == answer("bidi_zero_width.expected.txt")


def test_romanian_in_pieces_is_composed():
    repair = str.maketrans("şţŞŢ", "șțȘȚ")
    texts = [text.translate(repair) for text in cleaned(kept(lines("ro_nfd_cedilla.txt")))]
    assert texts == answer("ro_nfd_cedilla.expected.txt")


def test_khmer_lines_out_of_order_are_counted():
    signs = ["khmer_order" in text_warnings(text) for text in kept(lines("km_wrong_order.txt"))]
    right = [
        "khmer_order" in text_warnings(text) for text in kept(lines("km_wrong_order.expected.txt"))
    ]
    assert sum(signs) >= 30
    assert sum(right) <= 2


def test_a_file_with_an_odd_name_is_read():
    found = lines("имя с пробелом ә ș ក.txt")
    assert len(kept(found)) == 5
    assert found[0].id == "имя с пробелом ә ș ក.txt#1"


def test_a_leipzig_archive_gives_its_sentences_only():
    found = records(FOLDER / "tat_mixed_2015_2K.tar.gz", member="*-sentences.txt", column=2)
    assert len(kept(found)) == 2_000
    assert not refused(found)
    whole = records(FOLDER / "tat_mixed_2015_2K.tar.gz", column=2)
    assert kept(whole) == kept(found)
    assert reasons(whole) == {"unsupported_format": 3}


def test_a_bad_leipzig_file_loses_its_bad_lines_only():
    found = records(FOLDER / "leipzig_bad-sentences.txt", column=2)
    assert [each.id.rpartition("#")[2] for each in found if isinstance(each, Document)] == [
        *("1", "2", "3", "5", "6", "9"),
    ]
    assert reasons(found) == {"bad_row": 2}
    assert not any(text[:1].isdigit() for text in kept(found))


@pytest.mark.parametrize(
    ("name", "reason", "said"),
    [
        ("truncated.epub", "damaged", "not a whole zip"),
        ("truncated.pdf", "damaged", "not a whole PDF"),
        ("encrypted_password.pdf", "needs_password", "needs a password"),
        ("encrypted_owner_only.pdf", "extraction_forbidden", "author forbade"),
    ],
)
def test_a_book_that_cannot_be_opened_is_refused_by_cause(name: str, reason: str, said: str):
    (refusal,) = records(FOLDER / name)
    assert refusal.reason == reason
    assert said in refusal.detail


def test_of_a_bomb_the_good_chapter_is_kept_in_time():
    began = time.monotonic()
    found = records(FOLDER / "bomb.epub")
    assert time.monotonic() - began < 120
    assert len(kept(found)) == 1
    assert reasons(found) == {"bomb": 1}
    assert "unpacks to more than" in refused(found)[0].detail


def test_a_book_that_climbs_out_gives_its_chapter_and_nothing_else():
    found = records(FOLDER / "traversal.epub")
    assert len(kept(found)[0].split("\n\n")) == 10
    assert reasons(found) == {"unsafe_member": 4}
    assert not list(Path("/tmp").glob("evil_*"))


def test_a_page_that_lies_about_its_encoding_is_read_right():
    (text,) = kept(records(FOLDER / "charset_lie.html"))
    assert "Ã©" not in text
    assert len(text.split("\n\n")) == 10
    (document,) = records(FOLDER / "cp1251_meta.html")
    assert len(document.text.split("\n\n")) == 10
    assert document.meta["encoding"] == "cp1251"


def test_a_soup_of_tags_gives_its_lines_and_nothing_of_its_scripts():
    (text,) = kept(records(FOLDER / "tag_soup.html"))
    lines = [
        "Sainte-Geneviève",
        "toujours un médecin",
        "une nuit obscure",
        "monsieur le maire",
        "Elle",
    ]
    assert all(each in text for each in lines)
    assert not any(each in text for each in ("script", "style", "color", "alert", "<!--"))


def test_a_dump_gives_its_articles_without_markup():
    found = records(FOLDER / "ttwiki-mini-pages-articles.xml.bz2")
    texts = {each.meta["title"]: each.text for each in found if isinstance(each, Document)}
    assert len(texts) == 21
    assert reasons(found) == {"redirect": 3, "not_article": 5, "blank": 1}
    answers = (FOLDER / "ttwiki-mini.expected.jsonl").read_text(encoding="utf-8").splitlines()
    for each in map(json.loads, answers):
        text = texts.get(each["title"])
        assert (text is not None) == each["kind"].startswith("article")
        assert not [part for part in each["must"] if part not in (text or "")]
        assert not [part for part in each["must_not"] if part in (text or "")]


def test_a_dump_that_ends_early_keeps_whole_pages_only():
    found = records(FOLDER / "ttwiki-truncated.xml.bz2")
    whole = kept(records(FOLDER / "ttwiki-mini-pages-articles.xml.bz2"))
    assert set(kept(found)) == set(whole)
    assert reasons(found)["truncated"] == 1
    assert "ends early" in refused(found)[-1].detail


def test_the_archive_and_the_file_of_leipzig_are_known_by_their_names():
    found = records(FOLDER / "tat_mixed_2015_2K.tar.gz")
    assert len(kept(found)) == 2_000
    assert reasons(found) == {"unsupported_format": 3}
    found = records(FOLDER / "leipzig_bad-sentences.txt")
    numbers = [each.meta["id"] for each in found if isinstance(each, Document)]
    assert {"1", "2", "8"} <= set(numbers)
    assert not any(text[:1].isdigit() for text in kept(found))
    assert set(reasons(found)) == {"bad_row"}


@pytest.mark.skipif(not (SHARED / "raw" / "warc").is_dir(), reason="needs ../shared/data/raw/warc")
@pytest.mark.parametrize(
    ("name", "documents", "expected"),
    [
        ("example.warc", 1, {}),
        ("example.warc.gz", 1, {}),
        ("example-iana.org-chunked.warc", 1, {}),
        ("example-trunc.warc", 0, {"truncated": 2}),  # its only page ends early, too
        ("example-bad-non-chunked.warc.gz", 1, {}),
        ("example.arc.gz", 1, {}),
        ("post-test.warc.gz", 0, {"not_a_page": 3}),
    ],
)
def test_web_archives_give_their_pages(name: str, documents: int, expected: dict[str, int]):
    found = records(SHARED / "raw" / "warc" / name)
    assert len(kept(found)) == documents
    assert reasons(found) == expected


@pytest.mark.timeout(120)
def test_a_run_over_the_whole_folder_ends_with_counts_that_balance(tmp_path: Path):
    strict = Source(name="broken", path=f"{FOLDER}/*.jsonl")
    with pytest.raises(SourceError, match="cannot be read"):
        run(strict, tmp_path / "strict", 0.001)
    source = Source(name="broken", path=str(FOLDER), document="line")
    card = run(source, tmp_path / "all", 1.0).card["total"]
    dropped = card["dropped"].values()
    records_kept = sum(kept["documents"] for kept in card["kept"].values())
    assert card["read"]["records"] == records_kept + sum(each["records"] for each in dropped)
    assert not list(tmp_path.rglob("evil_*"))


def run(source: Source, out: Path, max_unreadable: float) -> Corpus:
    began = time.monotonic()
    clean = Clean(normalize=ALL, dedup=("exact",), max_unreadable=max_unreadable)
    pair = (source, files(source))
    make_corpus([pair], clean, Split(seed=1), out=out)
    assert time.monotonic() - began < 300
    return Corpus(out)


ALLOWED_IDS = ["a1", "a2", "a10", "a11", "a16", "a21", "a22", "a23", "last", "nan"]


def test_bad_json_records_are_dropped_one_by_one_with_reason_and_line():
    found = records(FOLDER / "bad_records.jsonl")
    normalized = normalizer(Clean(normalize=ALL))
    documents = [each for each in found if isinstance(each, Document) and normalized(each.text)]
    ids = [each.meta.get("id", "") for each in documents]
    assert {"a1", "a2", "a10", "a22", "a23", "last"} <= set(ids)
    assert set(ids) <= {*ALLOWED_IDS, "1" + "0" * 299}
    assert len({each.id for each in documents}) == len(documents)
    assert all("line " in refusal.detail for refusal in refused(found))
    assert reasons(found) == {
        "no_text_field": 2,
        "text_not_string": 3,
        "bad_json": 6,
        "not_object": 4,
    }


def test_halves_of_characters_are_dropped_and_pairs_are_joined():
    found = records(FOLDER / "lone_surrogates.jsonl")
    documents = [each for each in found if isinstance(each, Document)]
    assert [each.meta["id"] for each in documents] == ["s1", "s5", "s6"]
    assert "\U0001f600" in documents[1].text
    assert reasons(found) == {"lone_surrogates": 3}


def test_json_without_end_is_refused_and_its_neighbours_kept():
    found = records(FOLDER / "deep_line.jsonl")
    assert [each.meta["id"] for each in found if isinstance(each, Document)] == ["d1", "d3"]
    assert reasons(found) == {"too_deep": 1}
    assert reasons(records(FOLDER / "deep.json")) == {"unsupported_format": 1}
    assert reasons(records(FOLDER / "deep.json", format="jsonl")) == {"other_kind": 1}


def test_exact_copies_are_dropped_and_near_ones_stand_on_one_side(tmp_path: Path):
    path = FOLDER / "near_duplicates.jsonl"
    source = Source(name="near", path=str(path))
    make_corpus(
        [(source, files(source))],
        Clean(dedup=("exact",)),
        Split(val_share=0.3, seed=1),
        out=tmp_path,
    )
    corpus = Corpus(tmp_path)
    assert corpus.card["total"]["dropped"]["exact"]["records"] == 10
    groups = {
        f"{path.name}#{number}": json.loads(line)["group"]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    }
    documents = {side: list(corpus.documents(side)) for side in SIDES}
    train, dev, test = ({groups[each.id] for each in documents[side]} - {None} for side in SIDES)
    assert not train & dev
    assert not train & test
    assert not dev & test
    assert all(len(documents[side]) >= 2 for side in SIDES)


def test_near_copies_leave_one_text_of_each_group(tmp_path: Path):
    path = FOLDER / "near_duplicates.jsonl"
    source = Source(name="near", path=str(path))
    clean = Clean(normalize=ALL, dedup=("exact", "near", "paragraphs"))
    make_corpus([(source, files(source))], clean, Split(seed=1), out=tmp_path)
    corpus = Corpus(tmp_path)
    dropped = {reason: n["records"] for reason, n in corpus.card["total"]["dropped"].items()}
    assert dropped == {"exact": 10, "near": 20}
    groups = {
        f"{path.name}#{number}": json.loads(line)["group"]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    }
    kept = [groups[each.id] for side in SIDES for each in corpus.documents(side)]
    assert len(kept) == len(set(kept)) == 30
    for each in dropped_records(corpus.folder, "near"):
        assert groups[each.id] == groups[each.stayed.removeprefix("near/")]
