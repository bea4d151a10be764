"""Near copies: what is compared, what goes, what stays, and clusters of them for people to read."""

import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, SHARED, TATAR

from endonym.copies import near as module
from endonym.copies.keys import key_files, write_keys
from endonym.copies.near import SHOWN_COPIES, Candidates, Copies, near_copies, write_clusters
from endonym.copies.notes import COPIES
from endonym.copies.shingles import Bands, level
from endonym.copies.tables import Tables
from endonym.formats.config import Clean
from endonym.script.fold import folded

NEAR = Clean(dedup=("near",))
NONE = np.zeros(0, dtype=np.int64)
WORDS = " ".join([*TATAR, *ROMANIAN, *FRENCH]).split()
LONG = " ".join(TATAR)
COMMAS = "Știu că nu ai făcut asta într-o zi și nici tu"


def found(
    folder: Path,
    texts: list[str],
    *,
    clean: Clean = NEAR,
    gone: np.ndarray = NONE,
    parts: int = 1,
) -> tuple[Copies, int]:
    """The near copies; the keys are in so many files, in a random order."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = list(pairwise(np.linspace(0, len(texts), parts + 1).astype(int).tolist()))
    random.Random(3).shuffle(pairs)
    for number, (first, last) in enumerate(pairs):
        write_keys(texts[first:last], clean, folder / f"{number}", first=first)

    def read(numbers: np.ndarray) -> Iterator[str]:
        return (texts[number] for number in numbers.tolist())

    files = key_files(folder, "near")
    random.Random(5).shuffle(files)
    with Tables(folder / "work") as tables:
        return near_copies(tables, files, clean.near_similarity, read, gone=gone)


def replaced(near: tuple[Copies, int]) -> dict[int, int]:
    """Which document stays in the place of which."""
    return dict(zip(near[0].documents.tolist(), near[0].stayed.tolist(), strict=True))


def sentences(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(28, 45))) for _ in range(count)]


def runs(text: str) -> set[str]:
    """The runs of six letters of a folded text."""
    return {text[i : i + 6] for i in range(len(text) - 5)}


def jaccard(one: set[str], two: set[str]) -> float:
    return len(one & two) / max(1, len(one | two))


def test_copies_in_other_letters_shorter_or_longer_are_near(tmp_path: Path) -> None:
    texts = [LONG, " ".join(ROMANIAN), " ".join(FRENCH), *sentences(3, 8)]
    edits = [
        lambda text: text.upper() + "!",
        lambda text: f"{text} Шул гына.",
        lambda text: text.replace(WORDS[-1], "яхшы"),
        lambda text: text[: int(0.9 * len(text))],
        lambda text: text.replace("а", "a", 6),
        lambda text: "— " + text.replace(" ", "  "),
    ]
    copies = [edit(text) for edit, text in zip(edits, texts, strict=True)]
    found_pairs = replaced(found(tmp_path, [*texts, "".join(KHMER), *copies])).items()
    assert {frozenset(pair) for pair in found_pairs} == {frozenset((n, n + 7)) for n in range(6)}


def test_the_less_damaged_then_the_longer_then_the_earlier_copy_stays(tmp_path: Path) -> None:
    longer = f"{LONG} Шул гына инде."
    damaged = longer.replace("а", "a")
    assert replaced(found(tmp_path / "a", [LONG.upper(), LONG])) == {0: 1}
    assert replaced(found(tmp_path / "b", [LONG, longer])) == {0: 1}
    assert replaced(found(tmp_path / "c", [damaged, LONG, longer, longer])) == {0: 2, 1: 2, 3: 2}
    three = [LONG, longer, LONG.upper()]
    assert replaced(found(tmp_path / "d", three, gone=np.array([1]))) == {2: 0}
    # Of two that stay it names the more similar one, though the other is the better copy.
    both = [f"{LONG} {' '.join(FRENCH)[:60]}", f"{LONG} {ROMANIAN[0][:25]}", LONG]
    assert replaced(found(tmp_path / "e", both)) == {2: 1}


def test_of_equal_letters_the_text_with_its_accents_stays(tmp_path: Path) -> None:
    plain = "Stiu ca nu ai facut asta intr-o zi si nici tu"
    cedillas = "Ştiu că nu ai făcut asta într-o zi şi nici tu"
    tatar = "Аның баи өе зур иде, тау буенда утыра иде", "Аның бай өе зур иде, тау буенда утыра иде"
    french = "Elle a mange un gateau ou elle a ete", "Elle a mangé un gâteau où elle a été"
    repeated = [[". ".join([text] * 4) for text in (plain, cedillas, COMMAS)]]
    repeated += [[". ".join([text] * 4) for text in pair] for pair in (tatar, french)]
    (one, two, three), *pairs = repeated
    assert replaced(found(tmp_path / "a", [one, three, two])) == {0: 1, 2: 1}
    assert replaced(found(tmp_path / "b", [two, one])) == {1: 0}
    every = [*pairs[0], *reversed(pairs[1])]
    assert replaced(found(tmp_path / "c", every)) == {0: 1, 3: 2}


FORBIDDEN = "interdit de fumer dans cette salle pendant les heures de travail."
QUAKE = "Җир тетрәү аркасында күп кеше йортсыз"
BODY = "est-ce que vous avez donc dans le corps ?"
UNLIKE = [
    ("où", "ou"),
    ("Sunt obosit.", "Sunt obosită."),
    (f"Il est {FORBIDDEN}", f"Il n’est pas {FORBIDDEN}"),
    ("Аның баи өе.", "Аның бай өе."),
    ("Stiu ca vine.", "Știu că vine."),  # of ten letters, one fewer than in a text that is alike
    ("He has three sons.", "He has two sons."),
    ("Ea are trei copii și o casă.", "Ea are doi copii și o casă."),
    ("Аның өч малае бар.", "Аның ике малае бар."),
    ("ខ្ញុំទៅផ្សារនៅថ្ងៃនេះជាមួយម្តាយ", "ខ្ញុំទៅផ្សារនៅថ្ងៃនេះជាមួយឪពុក"),
    # Other numbers.
    ("Шәһәрдә 2010 елда 1143535 кеше яши.", "Шәһәрдә 2011 елда 1143535 кеше яши."),
    ("Votul are loc la ora 12, mâine", "Votul are loc la ora 21, mâine"),
    ("ការប្រជុំនឹងចាប់ផ្តើមនៅម៉ោង ៩", "ការប្រជុំនឹងចាប់ផ្តើមនៅម៉ោង ៥"),
]
ALIKE = [
    (f"{QUAKE} калган.", f"{QUAKE} калды."),
    (
        "Dle preşedinte, am votat împotriva acestui raport.",
        "Domnule președinte, am votat împotriva acestui raport.",
    ),
    ("Stiu ca nu ai facut asta intr-o zi si nici tu", COMMAS),
    (f"Mais qu’{BODY}", f"Qu’{BODY}"),
    ("Stiu ca mergi.", "Știu că mergi."),
    ("គាត់បានបាត់បង់លំនឹង នាំឱ្យគាត់ធ្លាក់ ។", "គាត់បានបាត់បង់លំនឹង នាំឱ្យគាត់ធ្លាក់ម៉ោ ។"),
    ("Шәһәрдә 2012 елда 843535 кеше яши.", "Шәһәрдә 2012 елда 843535 кеше яшәгән."),
    ("12. Хөрмәтле газета укучылар, исәнмесез!", "Хөрмәтле газета укучылар, исәнмесез!"),
    (f"12.03.2019 {LONG}", f"13.04.2020 {LONG}"),
    # Spelt the same.
    ("Безнең урам.", "— БЕЗНЕҢ  УРАМ!"),
    ("Кара урман.", "кара\u200b урман"),
    ("Зур бай кеше.", "Зур баи\u0306 кеше…"),
]


def test_short_texts_are_copies_unless_they_say_something_else(tmp_path: Path) -> None:
    texts = [text for pair in (*UNLIKE, *ALIKE) for text in pair]
    pairs = {frozenset(pair) for pair in replaced(found(tmp_path, texts)).items()}
    first = 2 * len(UNLIKE)
    assert pairs == {frozenset((n, n + 1)) for n in range(first, len(texts), 2)}


def test_texts_without_letters_and_unlike_texts_stay(tmp_path: Path) -> None:
    texts = ["…", "…", "1917", "1918", "", *TATAR, *KHMER, *FRENCH]
    assert replaced(found(tmp_path, texts)) == {}
    assert replaced(found(tmp_path / "none", [])) == {}


def test_of_real_short_lines_all_similar_pairs_are_found(tmp_path: Path) -> None:
    path = SHARED / "tt" / "common_voice_sentences.txt"
    if not path.is_file():
        pytest.skip("../shared/data is not beside the project")
    rng = random.Random(4)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 10]
    lines = [line for line in rng.sample(lines, 1_500) if not re.search(r"\d", line)]
    copies = [line[: 9 * len(line) // 10] for line in lines[:300]]
    copies += [" ".join([*line.split(), *line.split()[:1]]) for line in lines[300:600]]
    gone = set(found(tmp_path, [*lines, *copies])[0].documents.tolist())
    likeness = [jaccard(*map(runs, folded(pair))) for pair in zip(lines, copies, strict=False)]
    similar = [n for n, each in enumerate(likeness) if each > 0.85]
    missed = [n for n in similar if n not in gone and len(lines) + n not in gone]
    assert len(similar) > 300
    assert len(missed) <= len(similar) // 100


def test_each_that_goes_resembles_one_that_stays_and_no_two_that_stay_resemble(tmp_path: Path):
    rng, base = random.Random(7), sentences(30, 1)
    texts = list(base)
    for text in base * 10:
        words = text.split()
        for _ in range(rng.randint(1, 6)):
            words[rng.randrange(len(words))] = rng.choice(WORDS)
        texts.append(" ".join(words))
    rng.shuffle(texts)
    near, _ = found(tmp_path, texts)
    stays = np.ones(len(texts), dtype=np.bool_)
    stays[near.documents] = False
    assert 50 < stays.sum() < len(texts) - 30
    assert stays[near.stayed].all()
    sets = list(map(runs, folded(texts)))
    for document, stayed, similarity in zip(*near, strict=True):
        exact = jaccard(sets[document], sets[stayed])
        assert exact == pytest.approx(similarity, abs=1e-6)
        assert exact >= 0.8 - 1e-9
    left = [sets[number] for number in np.flatnonzero(stays)]
    assert not [one for n, one in enumerate(left) for two in left[:n] if jaccard(one, two) > 0.85]


def test_the_order_of_files_and_parts_changes_nothing(tmp_path: Path) -> None:
    texts = sentences(150, 2)
    texts += [f"{text} {TATAR[0].split()[n % 5]}" for n, text in enumerate(texts[::3])]
    texts += [text.upper() for text in texts[::7]]
    whole, parts = (found(tmp_path / str(n), texts, parts=n)[0] for n in (1, 5))
    assert len(whole.documents) > 50
    for one, two in zip(whole, parts, strict=True):
        assert (one == two).all()


def test_a_large_family_is_compared_best_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stub = "{} авылы Татарстанның Арча районында урнашкан, анда {} кеше яши. " + LONG
    texts = [stub.format(f"Кырлай{n}", 100 + n) for n in range(250)]
    near, partly_compared = found(tmp_path / "a", texts)
    assert len(near.documents) >= 245
    assert partly_compared == 0
    monkeypatch.setattr(module, "LEADERS", (1,))
    unlike = [f"{LONG} {' '.join(random.Random(n).choices(WORDS, k=60))}" for n in range(100)]
    assert found(tmp_path / "b", unlike, clean=Clean(dedup=("near",), near_similarity=0.5))[1] > 0


def test_a_lower_threshold_finds_more(tmp_path: Path) -> None:
    half = LONG + "".join(folded(ROMANIAN + FRENCH))[: len(folded([LONG])[0]) - 5]
    assert jaccard(*map(runs, folded([LONG, half]))) == 0.5
    for similarity, copies in ((0.5, {0: 1}), (0.9, {})):
        clean = Clean(dedup=("near",), near_similarity=similarity)
        assert replaced(found(tmp_path / str(similarity), [LONG, half], clean=clean)) == copies


def test_texts_of_several_levels_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("endonym.copies.shingles.LONG_CHARS", 2_000)
    monkeypatch.setattr("endonym.copies.letters.BATCH_CHARS", 1_000)
    book = " ".join(sentences(50, 9))
    assert len(book) > 4_000
    shorter = [book[: int(share * len(book))] for share in (0.97, 0.9)]
    other = " ".join(sentences(50, 10))
    assert replaced(found(tmp_path / "a", [other, *shorter, book])) == {1: 3, 2: 3}
    # Just below the length of the next level.
    books = [" ".join(sentences(50, seed))[:4_100] for seed in range(20)]
    copies = [book[:3_900] for book in books]
    assert level(copies[0]) + 1 == level(books[0])
    assert replaced(found(tmp_path / "b", [*copies, *books])) == {n: 20 + n for n in range(20)}


def test_groups_of_copies_made_for_the_purpose_are_found(tmp_path: Path) -> None:
    path = SHARED / "raw" / "broken" / "near_duplicates.jsonl"
    if not path.is_file():
        pytest.skip("../shared/data is not beside the project")
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    groups = [each["group"] for each in records]
    left = Counter(groups)
    for document, stayed in replaced(found(tmp_path, [each["text"] for each in records])).items():
        assert groups[document] == groups[stayed]
        left[groups[document]] -= 1
    assert set(left.values()) == {1}
    assert sum(left.values()) == 30


BANDS = Bands(2, 1)
ROWS = [(0, 50, 0, 0, 1, 10, 90), (1, 60, 0, 0, 2, 10, 91)]
ROWS += [(2, 60, 3, 0, 3, 11, 91), (3, 9, 0, 0, 4, 12, 92)]


def keys(path: Path, rows: list[tuple[int, ...]]) -> Path:
    """A file of near keys: what a copy is like, its digest, and the keys of two bands."""
    names = ("document", "letters", "damage", "accents", "high", "band0", "band1")
    columns = {
        name: np.array(each, dtype=np.int64 if name in names[:4] else np.uint64)
        for name, each in zip(names, zip(*rows, strict=True), strict=True)
    }
    pq.write_table(pa.table({**columns, "low": columns["high"]}), path)
    return path


def compared(candidates: Candidates, count: int) -> list[set[tuple[int, int]]]:
    """Pairs of document numbers of each round, if nothing is dropped."""
    numbers = candidates.documents().tolist()
    rounds = candidates.rounds(np.ones(count, dtype=np.bool_))
    return [{(numbers[a], numbers[b]) for a, b in pairs_of(pairs)} for pairs in rounds]


def pairs_of(batches: Any) -> set[tuple[int, int]]:
    return {pair for a, b in batches for pair in zip(a.tolist(), b.tolist(), strict=True)}


def test_documents_that_share_a_key_are_pairs_from_the_better_to_the_worse(tmp_path: Path) -> None:
    path = keys(tmp_path / "a", ROWS)
    with Tables(tmp_path / "work") as tables:
        every = Candidates(tables, [path], BANDS, NONE)
        assert every.documents().tolist() == [1, 0, 2]
        assert compared(every, 3) == [{(1, 0), (1, 2)}]
        assert compared(Candidates(tables, [path], BANDS, np.array([0])), 2) == [{(1, 2)}]
        rows = [(4, 60, 5, 0, 2, 10, 91), *ROWS, (5, 60, 0, 0, 2, 10, 91), (6, 70, 0, 0, 1, 10, 90)]
        # Of documents with equal letters the best takes part.
        every = Candidates(tables, [keys(tmp_path / "b", rows)], BANDS, NONE)
        assert sorted(tables.rows("SELECT worse, better FROM same")) == [(0, 6), (4, 1), (5, 1)]
        assert every.documents().tolist() == [6, 1, 2]
        rows = [(0, 50, 1, 9, 1, 10, 90), (1, 50, 0, 0, 2, 10, 91), (2, 60, 0, 0, 3, 10, 92)]
        rows += [(3, 50, 0, 2, 4, 10, 93), (4, 50, 0, 0, 5, 10, 94)]
        # Less damaged, then longer, then with more accents, then earlier.
        every = Candidates(tables, [keys(tmp_path / "c", rows)], BANDS, NONE)
        assert every.documents().tolist() == [2, 3, 1, 4, 0]


def test_the_best_of_many_are_compared_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "LEADERS", (1, 2))
    rows = [(n, 100 - n, 0, 0, n, 7, 100 + n) for n in range(6)]
    with Tables(tmp_path / "work") as tables:
        every = Candidates(tables, [keys(tmp_path / "a", rows)], BANDS, NONE)
        kept = np.ones(6, dtype=np.bool_)
        rounds = every.rounds(kept)
        assert pairs_of(next(rounds)) == {(0, n) for n in range(1, 6)}
        kept[[2, 5]] = False
        assert pairs_of(next(rounds)) == {(0, 1), (0, 3), (0, 4), (1, 3), (1, 4)}
        assert next(rounds, None) is None
        assert every.partly_compared(kept) == 2


def clusters(folder: Path, *rows: tuple[str, int, int, float]) -> tuple[dict[str, int], list[Any]]:
    """Figures and lines of documents by text, number, what stays, and their similarity."""
    made: list[dict[str, Any]] = []
    if rows:
        texts, documents, stayed, similarity = map(list, zip(*rows, strict=True))
        ids = {"id": [f"a#{number}" for number in documents], "source": ["tt"] * len(rows)}
        made.append({"text": texts, "document": documents, "stayed": stayed} | ids)
        made[0]["similarity"] = similarity
    with Tables(folder / "work") as tables:
        figures = write_clusters(made, tables, folder)
    lines = gzip.decompress((folder / COPIES).read_bytes()).splitlines()
    return figures, [json.loads(line) for line in lines]


def test_clusters_stand_in_the_order_of_the_corpus_though_what_stays_comes_later(tmp_path: Path):
    upper, lower = TATAR[0].upper(), TATAR[2].lower()
    rows = [(upper, 3, 9, 0.875), (TATAR[2], 8, 8, 1), (TATAR[0], 9, 9, 1), (lower, 11, 8, 0.8125)]
    figures, (first, second) = clusters(tmp_path, *rows)
    assert (first["stays"]["id"], second["stays"]["id"]) == ("a#8", "a#9")
    assert second["goes"] == [{"id": "a#3", "source": "tt", "similarity": 0.875, "text": upper}]
    assert figures == {"clusters": 2, "largest": 2}


def test_of_a_large_cluster_the_first_copies_are_shown_and_all_counted(tmp_path: Path) -> None:
    copies = [(f"{FRENCH[0]} {number}", number, 0, 1.0) for number in range(1, 50)]
    figures, (record,) = clusters(tmp_path, (FRENCH[0], 0, 0, 1), *copies)
    assert figures == {"clusters": 1, "largest": 50}
    assert (record["copies"], len(record["goes"])) == (49, SHOWN_COPIES)
    assert record["goes"][0]["text"] == f"{FRENCH[0]} 1"
    assert clusters(tmp_path) == ({"clusters": 0, "largest": 0}, [])
