"""Near copies: what goes, what stays, and that the order of work changes nothing."""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, SHARED, TATAR

from endonym.copies import near as module
from endonym.copies.keys import CopyRules, key_files, write_keys
from endonym.copies.near import Copies, near_copies
from endonym.copies.shingles import level
from endonym.copies.tables import Tables
from endonym.script.fold import folded

NEAR = CopyRules(frozenset({"near"}))
NONE = np.zeros(0, dtype=np.int64)
WORDS = " ".join([*TATAR, *ROMANIAN, *FRENCH]).split()


def found(
    folder: Path,
    texts: list[str],
    *,
    rules: CopyRules = NEAR,
    gone: np.ndarray = NONE,
    parts: int = 1,
) -> tuple[Copies, int]:
    """The near copies; the keys are in so many files, in a random order."""
    folder.mkdir(parents=True, exist_ok=True)
    ends = np.linspace(0, len(texts), parts + 1).astype(int).tolist()
    pairs = list(pairwise(ends))
    random.Random(3).shuffle(pairs)
    for number, (first, last) in enumerate(pairs):
        write_keys(texts[first:last], rules, folder / f"{number}", first=first)

    def read(chosen: np.ndarray | None) -> Iterator[str]:
        assert chosen is not None
        return (text for text, is_chosen in zip(texts, chosen, strict=True) if is_chosen)

    files = key_files(folder, "near")
    random.Random(5).shuffle(files)
    with Tables(folder / "work") as tables:
        return near_copies(tables, files, rules, read, count=len(texts), gone=gone)


def replaced(near: tuple[Copies, int]) -> dict[int, int]:
    return dict(zip(near[0].documents.tolist(), near[0].stayed.tolist(), strict=True))


def sentences(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(28, 45))) for _ in range(count)]


LONG = " ".join(TATAR)


@pytest.mark.parametrize(
    "copy",
    [
        LONG.upper() + "!",
        f"{LONG} Шул гына.",
        LONG.replace("матур", "яхшы"),
        LONG[: int(0.9 * len(LONG))],
        LONG.replace("а", "a", 6),
        "— " + LONG.replace(" ", "  "),
    ],
)
def test_copies_in_other_letters_shorter_or_longer_are_near(tmp_path: Path, copy: str) -> None:
    texts = [" ".join(FRENCH), LONG, " ".join(ROMANIAN), copy, "".join(KHMER)]
    assert replaced(found(tmp_path, texts)) in ({3: 1}, {1: 3})


def test_the_less_worn_then_the_longer_then_the_earlier_copy_stays(tmp_path: Path) -> None:
    longer = f"{LONG} Шул гына инде."
    worn = longer.replace("а", "a")
    assert replaced(found(tmp_path / "a", [LONG.upper(), LONG])) == {0: 1}
    assert replaced(found(tmp_path / "b", [LONG, longer])) == {0: 1}
    assert replaced(found(tmp_path / "c", [worn, LONG, longer, longer])) == {0: 2, 1: 2, 3: 2}


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        (
            "Stiu ca nu ai facut asta intr-o zi si nici tu",
            "Știu că nu ai făcut asta într-o zi și nici tu",
        ),
        (
            "Ştiu că nu ai făcut asta într-o zi şi nici tu",
            "Știu că nu ai făcut asta într-o zi și nici tu",
        ),
        (
            "Stiu ca nu ai facut asta intr-o zi si nici tu",
            "Ştiu că nu ai făcut asta într-o zi şi nici tu",
        ),
        ("Аның баи өе зур иде, тау буенда утыра иде", "Аның бай өе зур иде, тау буенда утыра иде"),
        ("Elle a mange un gateau ou elle a ete", "Elle a mangé un gâteau où elle a été"),
    ],
)
def test_of_equal_letters_the_text_with_its_accents_stays(
    tmp_path: Path, worse: str, better: str
) -> None:
    one, other = (". ".join([text] * 4) for text in (worse, better))
    assert replaced(found(tmp_path / "a", [one, other])) == {0: 1}
    assert replaced(found(tmp_path / "b", [other, one])) == {1: 0}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("où", "ou"),
        ("Sunt obosit.", "Sunt obosită."),
        (
            "Il est interdit de fumer dans cette salle pendant les heures de travail.",
            "Il n’est pas interdit de fumer dans cette salle pendant les heures de travail.",
        ),
        ("Аның баи өе.", "Аның бай өе."),
        ("He has three sons.", "He has two sons."),
        ("Ea are trei copii și o casă.", "Ea are doi copii și o casă."),
        ("Аның өч малае бар.", "Аның ике малае бар."),
        ("ខ្ញុំទៅផ្សារនៅថ្ងៃនេះជាមួយម្តាយ", "ខ្ញុំទៅផ្សារនៅថ្ងៃនេះជាមួយឪពុក"),
    ],
)
def test_short_texts_that_say_something_else_stay(tmp_path: Path, one: str, other: str) -> None:
    assert replaced(found(tmp_path, [one, other])) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "Җир тетрәү аркасында күп кеше йортсыз калган.",
            "Җир тетрәү аркасында күп кеше йортсыз калды.",
        ),
        (
            "Dle preşedinte, am votat împotriva acestui raport.",
            "Domnule președinte, am votat împotriva acestui raport.",
        ),
        (
            "Stiu ca nu ai facut asta intr-o zi si nici tu",
            "Știu că nu ai făcut asta într-o zi și nici tu",
        ),
        (
            "Mais qu’est-ce que vous avez donc dans le corps ?",
            "Qu’est-ce que vous avez donc dans le corps ?",
        ),
        (
            "គាត់បានបាត់បង់លំនឹង នាំឱ្យគាត់ធ្លាក់ ។",
            "គាត់បានបាត់បង់លំនឹង នាំឱ្យគាត់ធ្លាក់ម៉ោ ។",
        ),
    ],
)
def test_short_texts_with_another_letter_or_word_are_copies(
    tmp_path: Path, one: str, other: str
) -> None:
    texts = [one, *TATAR, other, *ROMANIAN, *FRENCH]
    assert len(replaced(found(tmp_path, texts))) == 1


@pytest.mark.parametrize(
    ("one", "other", "copies"),
    [
        ("Шәһәрдә 2010 елда 1143535 кеше яши.", "Шәһәрдә 2011 елда 1143535 кеше яши.", 0),
        ("Votul are loc la ora 12, mâine", "Votul are loc la ora 21, mâine", 0),
        ("ការប្រជុំនឹងចាប់ផ្តើមនៅម៉ោង ៩", "ការប្រជុំនឹងចាប់ផ្តើមនៅម៉ោង ៥", 0),
        ("Шәһәрдә 2010 елда 1143535 кеше яши.", "Шәһәрдә 2010 елда 1143535 кеше яшәгән.", 1),
        ("12. Хөрмәтле газета укучылар, исәнмесез!", "Хөрмәтле газета укучылар, исәнмесез!", 1),
        (f"12.03.2019 {' '.join(TATAR)}", f"13.04.2020 {' '.join(TATAR)}", 1),
    ],
)
def test_short_texts_with_different_numbers_are_no_copies(
    tmp_path: Path, one: str, other: str, copies: int
) -> None:
    assert len(replaced(found(tmp_path, [one, other]))) == copies


def test_of_real_short_lines_all_similar_pairs_are_found(tmp_path: Path) -> None:
    path = SHARED / "tt" / "common_voice_sentences.txt"
    if not path.is_file():
        pytest.skip("../shared/data is not beside the project")
    rng = random.Random(4)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 10]
    lines = [line for line in rng.sample(lines, 1_500) if not re.search(r"\d", line)]
    copies = [line[: 9 * len(line) // 10] for line in lines[:300]]
    copies += [" ".join([*line.split(), *line.split()[:1]]) for line in lines[300:600]]
    kept = found(tmp_path, [*lines, *copies])[0].documents.tolist()
    gone, missed, near = set(kept), 0, 0
    for number, copy in enumerate(copies):
        one, two = (
            {each[i : i + 6] for i in range(len(each) - 5)}
            for each in folded([lines[number], copy])
        )
        if one and jaccard(one, two) > 0.85:
            near += 1
            missed += number not in gone and len(lines) + number not in gone
    assert near > 300
    assert missed <= near // 100


@pytest.mark.parametrize("copy", ["— АНЫҢ БАЙ  ӨЕ!", "аның бай\u200b өе", "Аның баи\u0306 өе…"])
def test_short_texts_that_are_spelt_the_same_are_copies(tmp_path: Path, copy: str) -> None:
    assert len(replaced(found(tmp_path, ["Аның бай өе.", copy, "Башка җөмлә."]))) == 1


def test_texts_without_letters_and_unlike_texts_stay(tmp_path: Path) -> None:
    texts = ["…", "…", "1917", "1918", "", *TATAR, *KHMER, *FRENCH]
    assert replaced(found(tmp_path, texts)) == {}
    assert replaced(found(tmp_path / "none", [])) == {}


def test_what_is_gone_already_takes_no_part(tmp_path: Path) -> None:
    longer = f"{LONG} Шул гына инде."
    assert replaced(found(tmp_path, [LONG, longer, LONG.upper()], gone=np.array([1]))) == {2: 0}


def test_each_that_goes_resembles_one_that_stays_and_no_two_that_stay_resemble(
    tmp_path: Path,
) -> None:
    rng, base = random.Random(7), sentences(60, 1)
    texts = list(base)
    for text in base * 12:
        words = text.split()
        for _ in range(rng.randint(1, 6)):
            words[rng.randrange(len(words))] = rng.choice(WORDS)
        texts.append(" ".join(words))
    rng.shuffle(texts)
    near = found(tmp_path, texts)
    stays = np.ones(len(texts), dtype=np.bool_)
    stays[near[0].documents] = False
    assert 100 < stays.sum() < len(texts) - 50
    assert stays[near[0].stayed].all()
    sets = [{part[i : i + 6] for i in range(len(part) - 5)} for part in map(plain, texts)]
    for document, stayed, similarity in zip(*near[0], strict=True):
        exact = jaccard(sets[document], sets[stayed])
        assert exact == pytest.approx(similarity, abs=1e-6)
        assert exact >= 0.8 - 1e-9
    left = np.flatnonzero(stays).tolist()
    missed = [(a, b) for a in left for b in left if a < b and jaccard(sets[a], sets[b]) > 0.85]
    assert missed == []


def plain(text: str) -> str:
    return folded([text])[0]


def jaccard(one: set[str], two: set[str]) -> float:
    return len(one & two) / len(one | two)


def test_the_order_of_files_and_parts_changes_nothing(tmp_path: Path) -> None:
    texts = sentences(300, 2)
    texts += [f"{text} {TATAR[0].split()[n % 5]}" for n, text in enumerate(texts[::3])]
    texts += [text.upper() for text in texts[::7]]
    whole = found(tmp_path / "whole", texts)
    parts = found(tmp_path / "parts", texts, parts=9)
    assert len(whole[0].documents) > 100
    for one, two in zip(whole[0], parts[0], strict=True):
        assert (one == two).all()


def test_a_large_family_is_compared_with_its_best_ones_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = "{} авылы Татарстанның Арча районында урнашкан, анда {} кеше яши. " + LONG
    texts = [stub.format(f"Кырлай{n}", 100 + n) for n in range(500)]
    near = found(tmp_path / "a", texts)
    assert len(near[0].documents) >= 495
    assert near[1] == 0
    monkeypatch.setattr(module, "LEADERS", (1,))
    unlike = [f"{LONG} {' '.join(random.Random(n).choices(WORDS, k=60))}" for n in range(300)]
    crowded = found(tmp_path / "b", unlike, rules=CopyRules(frozenset({"near"}), 0.5))
    assert crowded[1] > 0


def test_a_lower_threshold_finds_more(tmp_path: Path) -> None:
    half = f"{LONG} {' '.join(FRENCH)}"
    counts = [
        len(found(tmp_path / f"{s}", [LONG, half], rules=CopyRules(frozenset({"near"}), s))[0][0])
        for s in (0.5, 0.9)
    ]
    assert counts == [1, 0]


def test_texts_of_several_levels_of_length_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("keys", "shingles"):
        monkeypatch.setattr(f"endonym.copies.{name}.LONG_CHARS", 2_000)
    monkeypatch.setattr("endonym.copies.letters.BATCH_CHARS", 1_000)
    book = " ".join(sentences(50, 9))
    assert len(book) > 4_000
    shorter = [book[: int(share * len(book))] for share in (0.97, 0.9)]
    other = " ".join(sentences(50, 10))
    assert replaced(found(tmp_path, [other, *shorter, book])) == {1: 3, 2: 3}


def test_long_copies_just_below_the_length_of_the_next_level_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("keys", "shingles"):
        monkeypatch.setattr(f"endonym.copies.{name}.LONG_CHARS", 2_000)
    monkeypatch.setattr("endonym.copies.letters.BATCH_CHARS", 1_000)
    books = [" ".join(sentences(50, seed))[:4_100] for seed in range(20)]
    copies = [book[:3_900] for book in books]
    assert level(copies[0]) + 1 == level(books[0])
    assert replaced(found(tmp_path, [*copies, *books])) == {n: 20 + n for n in range(20)}


def test_groups_of_copies_made_for_the_purpose_are_found(tmp_path: Path) -> None:
    path = SHARED / "raw" / "broken" / "near_duplicates.jsonl"
    if not path.is_file():
        pytest.skip("../shared/data is not beside the project")
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    near = found(tmp_path, [each["text"] for each in records])
    left = Counter(each["group"] for each in records)
    for document, stayed in replaced(near).items():
        assert records[document]["group"] == records[stayed]["group"]
        left[records[document]["group"]] -= 1
    assert set(left.values()) == {1}
    assert sum(left.values()) == 30
