"""Law 17, near copies: texts with planted edits are found, and unrelated texts are left alone."""

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist
from reference.edit_distance import similarity

from endonym.copies.hashes import Marks
from endonym.copies.held_out.repeated import Index
from endonym.copies.held_out.split import NearCopySearch, digest, held_out
from endonym.formats.config import Split
from endonym.script.fold import folded


def words(text: str) -> list[str]:
    """The words of a line."""
    return text.split()


WORDS = {
    "tatar": words(
        "абый авыл агач алма апа арыш әни әти бакча балык без белән болын бүген былтыр гөл "
        "дәфтәр диңгез елга җәй җиләк җыр зур иптәш ишек йолдыз йорт казан китап кичә көз күл "
        "күрде кызыл кыш мәктәп миңа өй өстәл песи сандугач сеңлем сөт су тавыш тәрәзә урман "
        "үлән чишмә шәһәр ямьле яңгыр яңа яшел барды кайтты килде укыды яратты күтәрде "
        "сөйләде"
    ),
    "romanian": words(
        "acasă afară albină aleargă anul apă aproape bătrân brânză bunica câine câmp cântă "
        "cartea casă cerul copil cumpără dealul dimineață dulce fereastră fetița frate frunză "
        "grădină iarnă învață împreună lângă lup lună masa mână mere mărgele noaptea oraș ouă "
        "pădure pâine pește piață pisica poartă pușcă rândunică râu săptămână școală soare "
        "soră spune stejar strada toamnă țară țăran vară vacă vântul veche vine zăpadă"
    ),
    "khmer": words(
        "ខ្ញុំ គាត់ នាង យើង ពួកគេ ម្តាយ ឪពុក បងប្រុស ប្អូនស្រី ក្មេង គ្រូ សិស្ស កសិករ ទៅ មក "
        "ញ៉ាំ ផឹក មើល ស្តាប់ អាន សរសេរ ដើរ រត់ លេង ដាំ លក់ ទិញ ផ្ទះ សាលា ផ្សារ វត្ត ភូមិ "
        "ទីក្រុង ទន្លេ បឹង ភ្នំ ព្រៃ ស្រែ ចម្ការ បាយ ត្រី ទឹក ស្វាយ ចេក ឆ្កែ ឆ្មា គោ ក្របី "
        "ថ្ងៃ យប់ ព្រឹក ល្ងាច ធំ តូច ថ្មី ចាស់ ស្អាត ឆ្ងាញ់ នៅ ក្នុង លើ ក្រោម ជាមួយ របស់ និង "
        "ហើយ"
    ),
}
JOINED = {"tatar": " ", "romanian": " ", "khmer": ""}
SUFFIXES = {
    "tatar": ["лар", "ның", "да", "дан", "га", "ны"],
    "romanian": ["ul", "le", "lor", "ei", "uri", "i"],
    "khmer": ["ៗ", "ទេ", "ណាស់", "ហើយ"],
}
LOOK_ALIKES = str.maketrans("аеорсухһТКМ", "aeopcyxhTKM")
CEDILLAS = str.maketrans("țșȚȘ", "ţşŢŞ")


def sentences(language: str, count: int, seed: int) -> list[str]:
    """Sentences of 5 to 14 words of a language."""
    rng, blank = random.Random(seed), JOINED[language]
    made = [blank.join(rng.choices(WORDS[language], k=rng.randint(5, 14))) for _ in range(count)]
    return [text[:1].upper() + text[1:] + "។."[blank == " "] for text in made]


def letters_changed(text: str, language: str, rng: random.Random) -> str:
    """A fifth of the letters changed, taken out or put in, anywhere."""
    letters = list(text)
    for _ in range(max(1, len(letters) // 5)):
        index, letter = rng.randrange(len(letters)), rng.choice(rng.choice(WORDS[language]))
        start, end, new = rng.choice([(0, 1, letter), (0, 1, ""), (0, 0, letter)])
        letters[index + start : index + end] = list(new)
    return "".join(letters)


def suffixes_changed(text: str, language: str, rng: random.Random) -> str:
    """Two or three words with another ending."""
    for _ in range(rng.randint(2, 3)):
        word = rng.choice(WORDS[language])
        text = text.replace(word, word + rng.choice(SUFFIXES[language]), 1)
    cut, index = rng.randint(0, 2), rng.randrange(1, len(text))
    return text[:index] + text[index + cut :] + rng.choice(SUFFIXES[language])


def written_otherwise(text: str, language: str, rng: random.Random) -> str:
    """The same words with dashes, other capitals, old letters and letters of another script."""
    text = text.translate(CEDILLAS).translate(LOOK_ALIKES)
    text = re.sub(" ", lambda _: rng.choice([" ", " — ", "-", "  ", " ,"]), text)
    text = "\u200b".join([text[:3], text[3:7], text[7:]])
    return rng.choice([text.upper(), "— " + text, text[:-1] + "…", "«" + text + "»"])


def everything(text: str, language: str, rng: random.Random) -> str:
    """All of it at once, in half of the text."""
    half = len(text) // 2
    changed = letters_changed(text[:half], language, rng) + text[half:]
    return written_otherwise(suffixes_changed(changed, language, rng), language, rng)


Edit = Callable[[str, str, random.Random], str]
EDITS = [letters_changed, suffixes_changed, written_otherwise, everything]


def planted(language: str, edit: Edit) -> tuple[list[str], list[str]]:
    """Sentences, and an edited copy of each whose similarity is above 0.8."""
    rng, originals = random.Random(3), sentences(language, 160, 1)
    copies = [edit(text, language, rng) for text in originals]
    likeness = map(similarity, folded(originals), folded(copies))
    kept = [index for index, value in enumerate(likeness) if value > 0.8]
    return [originals[index] for index in kept], [copies[index] for index in kept]


@pytest.mark.parametrize("language", WORDS)
@pytest.mark.parametrize("edit", EDITS)
def test_17_nineteen_of_twenty_edited_copies_are_found(language: str, edit: Edit) -> None:
    originals, copies = planted(language, edit)
    assert len(copies) > 50
    texts = originals + sentences(language, 1_000, 2)
    index = Index.made(copies, copies + texts)
    index.compare(texts)
    assert index.contaminated.mean() >= 0.95


@pytest.mark.parametrize("language", WORDS)
def test_17_edited_copies_are_found_where_most_runs_are_frequent(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    originals, copies = planted(language, letters_changed)
    texts = originals + sentences(language, 3_000, 2)
    monkeypatch.setattr("endonym.copies.held_out.repeated.MAX_COMPARED_TEXTS", 50)
    index = Index.made(copies, copies + texts)
    index.compare(texts)
    assert index.contaminated.mean() >= 0.95


@pytest.mark.parametrize("language", WORDS)
def test_17_unrelated_sentences_are_left_alone(language: str) -> None:
    candidates, texts = sentences(language, 300, 4), sentences(language, 1_000, 5)
    index = Index.made(candidates, candidates + texts)
    index.compare(texts)
    assert index.contaminated.mean() <= 0.01


@pytest.mark.parametrize("language", WORDS)
def test_17_edited_copies_stay_on_one_side(language: str) -> None:
    originals, copies = planted(language, everything)
    texts = originals + copies + sentences(language, 300, 6)
    keys = np.array([int.from_bytes(digest(text.encode(), 1)[:8], "big") for text in texts])

    def read(chosen: Marks) -> Iterator[str]:
        return (text for text, is_chosen in zip(texts, chosen, strict=True) if is_chosen)

    sides = held_out([keys.astype(np.uint64)], Split(val_share=0.3), NearCopySearch(read)).sides()
    mine, theirs = np.split(sides[: 2 * len(copies)], 2)
    assert (mine == theirs).mean() >= 0.95
    assert all((sides == number).mean() > 0.05 for number in range(3))


SHARED = Path(__file__).parents[3] / "shared" / "data"
FILES = ["tt/tatoeba_sentences.txt", "ro/ud_rrt_dev.txt", "km/tatoeba_sentences.txt"]


@pytest.mark.parametrize("name", FILES)
def test_17_no_real_sentence_keeps_a_near_copy(name: str) -> None:
    path = SHARED / name
    if not path.is_file():
        pytest.skip("../shared/data is not beside the project")
    texts = list(dict.fromkeys(path.read_text(encoding="utf-8").splitlines()))
    candidates, others = texts[::20], [text for n, text in enumerate(texts) if n % 20]
    index = Index.made(candidates, texts)
    index.compare(others)
    likeness = cdist(
        folded(candidates), folded(others), scorer=Levenshtein.normalized_similarity
    ).max(axis=1)
    is_missed = (likeness > 0.8) & ~index.contaminated
    assert is_missed.sum() <= 0.05 * (likeness > 0.8).sum()
    assert index.contaminated[likeness < 0.69].mean() < 0.02
