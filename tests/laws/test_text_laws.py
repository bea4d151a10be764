"""Laws of the text layer: 16 cleaning, 17 the split, 21 nothing is lost."""

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as some
from reference.edit_distance import similarity

from endonym.cleaning.rules import judge, normalizer
from endonym.copies.hashes import Marks
from endonym.copies.held_out.split import SIDES, NearCopySearch, digest, held_out
from endonym.corpus.corpus import Corpus, dropped_records, make_corpus
from endonym.errors import CorpusError
from endonym.formats.config import DEFAULT_SHARE, Clean, Source, Split
from endonym.formats.document import Document, Reject
from endonym.formats.files import source_files
from endonym.script.fold import folded

STEPS = some.permutations(["nfc", "spaces", "zero_width"]).flatmap(
    lambda steps: some.integers(1, 3).map(lambda count: tuple(steps[:count]))
)
AWKWARD = (
    "aé әҗ \t\n\r\0\x07\x85\xa0\xad\u0336\u0301\u0327ក្ខុំ\u200b\u200c\u200d\u200e\u202e\u2060\u2028"
    "\u3000\ufeff👩👧ሰم़क"
)
WORDS = "кояш чыкты урман су ice înăuntru țară mère où ទឹក ភ្នំ алма апельсин"
TEXTS = some.text(some.sampled_from(AWKWARD), max_size=40) | some.text(max_size=40)
SCRIPTS = some.sampled_from([None, "latin", "cyrillic", "khmer", "arabic", "devanagari"])

SENTENCES = some.lists(
    some.sampled_from(WORDS.split()),
    min_size=3,
    max_size=12,
).map(" ".join)


@given(TEXTS, STEPS, SCRIPTS)
@settings(max_examples=200, deadline=None)
def test_16_cleaning_a_clean_text_changes_nothing(text: str, steps: tuple[str, ...], script: str):
    normalized = normalizer(Clean.model_validate({"normalize": steps, "script": script}))
    once = normalized(text)
    assert normalized(once) == once


@given(TEXTS, STEPS, SCRIPTS)
@settings(max_examples=100, deadline=None)
def test_16_a_kept_text_is_kept_when_it_is_cleaned_again(
    text: str, steps: tuple[str, ...], script: str
):
    keys = {"normalize": steps, "script": script, "min_chars": 3, "max_repeated_lines": 0.5}
    if script is not None:
        keys["min_script_share"] = 0.5
    clean = Clean.model_validate(keys)
    normalized, judged = normalizer(clean), judge(clean)
    once = normalized(text)
    if judged(once) is None:
        assert normalized(once) == once


@given(some.lists(SENTENCES, min_size=4, max_size=25), some.randoms(use_true_random=False))
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_16_cleaning_keeps_the_order_and_deduplication_the_first(lines, random):
    lines = [line if random.random() < 0.7 else f" {line}\u00a0" for line in lines]
    corpus = attempt([("\n".join(lines)).encode()], "txt")
    assume(corpus is not None)
    numbers = {
        split: [int(document.id.rpartition("#")[2]) for document in corpus.documents[split]]
        for split in SIDES
    }
    assert all(found == sorted(found) for found in numbers.values())
    first: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        first.setdefault(line.strip(), number)
    assert sorted(number for found in numbers.values() for number in found) == sorted(
        first.values()
    )


@given(
    some.lists(some.lists(SENTENCES, min_size=4, max_size=30, unique=True), min_size=1, max_size=3),
    some.lists(some.tuples(some.integers(0, 2), SENTENCES), max_size=30),
    some.integers(0, 50),
    some.sampled_from(
        [Split(), Split(val_share=0.2), Split(val_documents=2), Split(val_documents=5)]
    ),
)
@settings(max_examples=20, deadline=None)
def test_17_added_texts_move_nothing_into_the_held_out_set(before, additions, seed, split):
    assume(split.val_documents is None or split.val_documents < sum(map(len, before)))
    after = [list(source) for source in before]
    for index, text in additions:
        source = after[index % len(after)]
        if all(text not in other for other in after):
            source.append(text)
    assume(all(not share_is_capped(source, split, seed) for source in before))
    held_before, held_after = held_texts(before, split, seed), held_texts(after, split, seed)
    trained_before = {text for source in before for text in source} - held_before
    assert not held_after & trained_before


def made_up(count: int, seed: int) -> list[str]:
    """Lines of made-up words, so many that no two are alike."""
    random = np.random.default_rng(seed)
    parts = [a + b for a in "бгдклмнрст" for b in "аәеоөуүыи"]
    words = random.integers(0, len(parts), (count, 9, 3))
    return [" ".join("".join(parts[part] for part in word) for word in line) for line in words]


def sides_of(files: dict[str, list[str]]) -> dict[str, str]:
    """The set of each line of a corpus, made as users make one."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for name, lines in files.items():
            (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        source = Source.model_validate({"name": "lines", "path": ".", "document": "line"})
        pair = (source, source_files(source, root))
        make_corpus([pair], Clean(), Split(seed=3, val_share=0.12), out=root / "out")
        corpus = Corpus(root / "out")
        return {each.text: side for side in SIDES for each in corpus.documents(side)}


def test_17_lines_and_files_that_are_added_move_no_training_line_into_a_held_out_set():
    first, more = made_up(450, seed=1), made_up(150, seed=2)
    before = sides_of({"1.txt": first})
    assert all(list(before.values()).count(side) > 5 for side in SIDES)
    for files in (
        {"1.txt": first + more},
        {"1.txt": first, "2.txt": more},
        {"0.txt": more, "1.txt": first},
    ):
        after = sides_of(files)
        assert all(after[line] == "train" for line, side in before.items() if side == "train")
        kept = [line for line, side in before.items() if side == after[line] == "test"]
        assert len(kept) > 0.9 * list(before.values()).count("test")


@given(
    some.lists(some.lists(SENTENCES, min_size=2, max_size=40), min_size=1, max_size=3),
    some.integers(0, 50),
)
@settings(max_examples=20, deadline=None)
def test_17_no_held_out_text_is_nearly_a_training_text(sources, seed):
    held = held_texts(sources, Split(val_share=0.3), seed)
    every = {text for source in sources for text in source}
    others = folded(sorted(every - held))
    for text in folded(sorted(held)):
        mine = runs(text)
        assert all(len(mine & runs(other)) * 2 <= len(mine) for other in others)
        assert all(similarity(text, other) <= 0.8 for other in others)


def runs(text: str) -> set[str]:
    """Runs of thirteen letters, the obvious way."""
    text = text.ljust(13, "\0")
    return {text[start : start + 13] for start in range(len(text) - 12)}


def keys_of(texts: list[str], seed: int) -> np.ndarray:
    """The hashes by which a split chooses."""
    names = [int.from_bytes(digest(text.encode(), seed)[:8], "big") for text in texts]
    return np.array(names, dtype=np.uint64)


def share_is_capped(texts: list[str], split: Split, seed: int) -> bool:
    """Whether more than half of a source would be held out: the stated exception to the law."""
    if split.val_documents is not None:
        return False
    share = split.val_share or DEFAULT_SHARE
    return (keys_of(texts, seed) < np.uint64(int(share * 2**64))).sum() * 2 > len(texts)


def held_texts(sources: list[list[str]], split: Split, seed: int) -> set[str]:
    """The texts that are held out."""
    every = [text for source in sources for text in source]

    def read(chosen: Marks) -> Iterator[str]:
        return (text for text, is_chosen in zip(every, chosen, strict=True) if is_chosen)

    held = held_out([keys_of(source, seed) for source in sources], split, NearCopySearch(read))
    return {text for text, is_held in zip(every, held.dev | held.test, strict=True) if is_held}


RAW = some.lists(
    some.one_of(
        SENTENCES.map(str.encode),
        some.binary(max_size=30),
        SENTENCES.map(lambda text: json.dumps({"text": text}).encode()),
        SENTENCES.map(lambda text: f'1,"{text}"'.encode()),
        some.sampled_from(
            [b"", b" ", b'{"text": null}', b'{"text": "\\ud800"}', b"[1", b'"', b"\0"]
        ),
    ),
    max_size=15,
)


@given(
    some.lists(RAW, min_size=1, max_size=3),
    some.sampled_from(["txt", "jsonl", "csv", "tsv"]),
    some.sampled_from(["file", "line", "blank_lines"]),
    some.sampled_from(["", ".gz", "cut"]),
)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_21_every_record_and_byte_is_kept_or_dropped(lines, name, document, packing):
    contents = [b"\n".join(each) for each in lines]
    if packing:
        contents = [gzip.compress(content, mtime=0) for content in contents]
    if packing == "cut":
        contents = [content[: len(content) * 3 // 4] for content in contents]
    suffix = ".gz" if packing else ""
    corpus = attempt(
        contents,
        name + suffix,
        others=made_up(8, seed=3),
        document=document,
        column=2 if name == "csv" else None,
    )
    assume(corpus is not None)
    total = corpus.card["total"]
    documents = [each for found in corpus.documents.values() for each in found]
    assert total["read"]["records"] == len(documents) + len(corpus.dropped)
    size = sum(total["kept"][split]["bytes"] for split in SIDES)
    assert total["read"]["bytes"] == size + sum(reject.raw_bytes for reject in corpus.dropped)
    assert sum(len(document.text.encode()) for document in documents) == sum(
        total["kept"][split]["text_bytes"] for split in SIDES
    )


@dataclass(frozen=True)
class Made:
    """What a corpus holds, read back from its folder."""

    card: dict[str, Any]
    documents: dict[str, list[Document]]
    dropped: list[Reject]


def attempt(
    contents: list[bytes], name: str, others: Sequence[str] = (), **keys: object
) -> Made | None:
    """A corpus of raw files, and of other lines; None if too little of them is text."""
    source = Source.model_validate({"name": "raw", "path": "raw", "document": "line", **keys})
    clean = Clean(normalize=("nfc", "zero_width", "spaces"), dedup=("exact",), max_unreadable=1.0)
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "raw").mkdir()
        for number, content in enumerate(contents):
            (root / "raw" / f"{number}.{name}").write_bytes(content)
        pairs = [(source, source_files(source, root))]
        if others:
            (root / "others.txt").write_text("\n".join(others), encoding="utf-8")
            beside = Source(name="others", path="others.txt", document="line")
            pairs.append((beside, source_files(beside, root)))
        try:
            make_corpus(pairs, clean, Split(seed=1), out=root / "out")
        except CorpusError as error:
            if "do not balance" in error.message:
                raise
            return None
        corpus = Corpus(root / "out")
        documents = {split: list(corpus.documents(split)) for split in SIDES}
        return Made(corpus.card, documents, list(dropped_records(corpus.folder)))
