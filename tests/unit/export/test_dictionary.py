"""Dictionaries: what the files say, what a strict reader refuses, and what Hunspell makes of them.

The check of the combined list follows AOSP's CombinedInputOutput and FusionDictionary, from its
description alone: it shares nothing with the reader of the package.
"""

import re
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest
from text_samples import files

from endonym.corpus.corpus import make_corpus
from endonym.errors import ExportError
from endonym.export.card import Card
from endonym.export.config import Export
from endonym.export.dictionary import combined, hunspell, keyman, write
from endonym.export.formats import make_corpus_export
from endonym.export.record import content_of, record_of
from endonym.formats.config import Clean, Source, Split
from endonym.lexicon.spans import words_in
from endonym.lexicon.words import WordList, word_list
from endonym.log import Log
from endonym.store import Artifact

TATAR = [
    "Бүген Казан урамнарында халык күп, өр-яңа йортлар да бар.",
    "Мин иртән Казан базарына барам, халык анда өр-яңа кием ала.",
    "Җәй көне әби белән бабай бакчада эшли.",
    "Әби белән бабай җәй көне шәһәргә килә.",
]
ROMANIAN = [
    "Astăzi mergem la școală și apoi într-un parc din București.",
    "În București, elevii merg la școală și citesc într-un parc.",
    "Țara noastră are munți înalți și ape curate.",
    "Munți înalți și ape curate are țara noastră.",
]
FRENCH = ["L'eau de l'île est claire.", "L’eau de l’île est si claire aujourd’hui."]
KHMER = "ខ្ញុំ ចូលចិត្ត អាន សៀវភៅ ភាសា ខ្មែរ នេះ ល្អ ណាស់ មិត្ត សរសេរ ទិញ លក់ ទៅ ផ្ទះ"
KHMER_TEXTS = ["".join(Random(n).choices(KHMER.split(), k=9)) + " ។" for n in range(200)]
EVERY = {"tt": TATAR, "ro": ROMANIAN, "fr": FRENCH, "km": KHMER_TEXTS}
MADE_UP = {"tt": "кырбышка", "ro": "brumbelit", "fr": "glombise", "km": "ខខខខ"}


def listed(language: str) -> WordList:
    texts = EVERY[language]
    return word_list(texts, words_in(texts), language)


@pytest.fixture(scope="module")
def lists() -> dict[str, WordList]:
    return {language: listed(language) for language in EVERY}


def read_as_dicttool(text: str) -> dict[str, int]:
    """What AOSP's dicttool takes from a combined list; fails where it throws."""
    head, *lines = text.splitlines()
    assert re.fullmatch(r"dictionary=[^:]+(:[^=]+=[^:]+)*", head)
    attributes = dict(item.split("=") for item in head.split(","))
    assert attributes["dictionary"].startswith("main:")
    assert int(attributes["version"]) > 0
    words, followers = dict[str, int](), list[tuple[str, str, int]]()
    word = ""
    for line in lines:
        assert not line.startswith("#")
        values = dict(item.split("=", 1) for item in line.strip().split(","))
        f = int(values.pop("f"))
        assert 0 <= f <= 255
        (kind, value) = values.popitem()
        assert not values, "no other value is written"
        if kind == "word":
            word = value
            assert word not in words
            assert 0 < len(word) < 48, "Constants.DICTIONARY_MAX_WORD_LENGTH"
            words[word] = f
        else:
            assert kind == "bigram"
            followers.append((word, value, f))
    for _, other, f in followers:
        assert f >= words[other], "dicttool warns of a bigram that is rarer than its word"
    return words


def test_the_combined_list_is_what_dicttool_reads(lists: dict[str, WordList]) -> None:
    for words in lists.values():
        text = combined.combined(words, "my, words: =1\n")
        assert combined.read_combined(text).header["description"] == "my words 1"
        found = read_as_dicttool(text)
        assert list(found) == list(words.words)
        assert list(found.values()) == sorted(found.values(), reverse=True)
        assert min(found.values()) == 1


def test_f_is_a_logarithm_and_bigrams_are_on_the_same_scale(lists: dict[str, WordList]) -> None:
    words = lists["ro"]
    found = combined.read_combined(combined.combined(words, "ro"))
    same = [each for each, value in words.words.items() if value.count == words.words["și"].count]
    assert len({found.words[each] for each in same}) == 1
    assert found.words["și"] > found.words["parc"]
    assert words.pairs["ape", "curate"] == words.words["ape"].count == 2
    assert found.bigrams["ape", "curate"] == 255, "it always follows"


WRONG_LINES = [
    (" word=халык,f=0", " word=халык,f=300"),
    ("  bigram=юк,f=200", " bigram=халык,f=200", "  bigram=халык,f=1"),
    (" word=x", " word=ха лык,f=3", " word=х=а,f=3", " word=ха\x07,f=3", "", "#"),
]
HEAD = "dictionary=main:tt,locale=tt,description=китап,date=0,version=1"


@pytest.mark.parametrize("line", [line for lines in WRONG_LINES for line in lines])
def test_a_combined_list_with_a_wrong_line_is_refused_by_its_number(line: str) -> None:
    good = f"{HEAD}\n word=мин,f=9\n word=халык,f=8\n"
    assert combined.read_combined(good).words == {"мин": 9, "халык": 8}
    with pytest.raises(ExportError, match="line 3 is none of its format"):
        combined.read_combined(f"{HEAD}\n word=мин,f=9\n{line}\n word=халык,f=8\n")


@pytest.mark.parametrize(
    "head", [HEAD.replace("китап", ""), HEAD.replace("=0", "=x"), HEAD[:-10], HEAD + ",a=1"]
)
def test_a_combined_list_without_a_whole_header_is_refused(head: str) -> None:
    with pytest.raises(ExportError, match="line 1 is none"):
        combined.read_combined(f"{head}\n word=мин,f=9\n")


def test_the_list_for_keyman_has_words_and_counts(lists: dict[str, WordList]) -> None:
    words = lists["tt"]
    text = keyman.tsv(words)
    assert "Казан\t2\n" in text
    assert keyman.read_tsv(text) == {word: each.count for word, each in words.words.items()}
    assert "languageUsesCasing: true" in keyman.model(words, "китап")
    assert "languageUsesCasing: false" in keyman.model(lists["km"], "សៀវភៅ")
    for wrong in ("#\t1", "мин", "мин\t0", "мин\t1\nмин\t2", "\t1"):
        with pytest.raises(ExportError, match="is none of its format"):
            keyman.read_tsv(wrong + "\n")


def test_hunspell_is_told_of_letters_that_keyboards_lack(lists: dict[str, WordList]) -> None:
    tatar = hunspell.read_aff(hunspell.aff(lists["tt"]))
    assert ["эә"] in tatar.sections["MAP"]
    assert ["һ", "х"] not in tatar.sections["MAP"]
    assert ["aа"] in tatar.sections["MAP"], "a Latin letter"
    assert tatar.alone("LANG") == "tt"
    assert tatar.alone("WORDCHARS") == "-"
    assert tatar.alone("TRY")[0] == max("а", "ә", key="".join(TATAR).lower().count)
    romanian = hunspell.read_aff(hunspell.aff(lists["ro"]))
    assert {"aă", "sș", "tț"} <= {line for (line,) in romanian.sections["MAP"]}
    french = hunspell.read_aff(hunspell.aff(lists["fr"]))
    assert french.alone("WORDCHARS") == "'’"
    assert french.sections["ICONV"] == [["’", "'"]]
    assert french.alone("KEY").startswith("azerty")


def test_files_of_hunspell_with_a_wrong_line_are_refused() -> None:
    assert hunspell.read_dic("2\nкызыл-яшел\nс’est\n") == ["кызыл-яшел", "с’est"]
    for wrong in ("3\nа\nв", "1\nа b", "2\nа\nа", "1\nа/b", "1\nа\\/b", "1\n"):
        with pytest.raises(ExportError, match="is none of its format"):
            hunspell.read_dic(wrong + "\n")
    for wrong in ("SET KOI8-R", "SET UTF-8\nREP 2\nREP a b", "SET UTF-8\nFOO 1", "TRY ab"):
        with pytest.raises(ExportError, match="is none of its format"):
            hunspell.read_aff(wrong + "\n")


@pytest.mark.skipif(shutil.which("hunspell") is None, reason="hunspell is not installed")
@pytest.mark.parametrize("language", EVERY)
def test_hunspell_knows_the_words_and_no_others(
    language: str, lists: dict[str, WordList], tmp_path: Path
) -> None:
    words = lists[language]
    (tmp_path / "own.dic").write_text(hunspell.dic(words), encoding="utf-8")
    (tmp_path / "own.aff").write_text(hunspell.aff(words), encoding="utf-8")
    wrong, said = unknown([*words.words, MADE_UP[language]], tmp_path / "own")
    assert said == ""
    assert wrong == [MADE_UP[language]]


def unknown(words: list[str], dictionary: Path) -> tuple[list[str], str]:
    """The words that Hunspell does not know, and what it complains of."""
    ran = subprocess.run(
        ["hunspell", "-i", "UTF-8", "-d", str(dictionary), "-l"],
        input="\n".join(words) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.split(), ran.stderr


@pytest.mark.skipif(shutil.which("hunspell") is None, reason="hunspell is not installed")
@pytest.mark.parametrize(
    ("language", "written", "meant"),
    [("tt", "белэн", "белән"), ("tt", "жэй", "җәй"), ("ro", "scoala", "școală")],
)
def test_hunspell_suggests_the_word_with_its_own_letters(
    language: str, written: str, meant: str, lists: dict[str, WordList], tmp_path: Path
) -> None:
    (tmp_path / "own.dic").write_text(hunspell.dic(lists[language]), encoding="utf-8")
    (tmp_path / "own.aff").write_text(hunspell.aff(lists[language]), encoding="utf-8")
    said = subprocess.run(
        ["hunspell", "-i", "UTF-8", "-d", str(tmp_path / "own"), "-a"],
        input=written + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(rf"& {written} .*: .*\b{meant}\b", said.stdout)


@pytest.fixture
def corpus(tmp_path: Path) -> Artifact:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join([*TATAR * 20, "Күрше килде."]) + "\n", encoding="utf-8")
    source = Source(name="texts", path=str(path), document="line")
    card = make_corpus([(source, files(source))], Clean(), Split(), out=tmp_path / "corpus")
    return Artifact(tmp_path / "corpus", {"id": "a" * 64, "numbers": card})


def exported(corpus: Artifact, out: Path, card: Card) -> list[str]:
    export = Export(format="dictionary")
    return make_corpus_export(export, corpus, out, card=card, log=Log(quiet=True)).files


def test_a_corpus_becomes_a_folder_of_dictionaries(
    corpus: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "LEAST_WORDS", 5)
    out = tmp_path / "out"
    made = exported(corpus, out, Card("китап", "tt", {"texts": "CC0-1.0"}))
    wanted = ["README.md", "export.json", "main_tt.combined", "model.ts", "tt.aff", "tt.dic"]
    assert made == [*wanted, "wordlist.tsv"]
    record = record_of(out)
    assert content_of(record) == "corpus"
    assert [each["ok"] for each in record["checks"]] == [True] * 4
    readme = (out / "README.md").read_text(encoding="utf-8")
    assert "cc0-1.0" in readme
    assert "| seen in fewer than 2 documents |" in readme
    exported(corpus, tmp_path / "again", Card("китап", "tt", {"texts": "CC0-1.0"}))
    for name in made:
        assert (out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_dictionary_without_a_language_says_so(
    corpus: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "LEAST_WORDS", 5)
    made = exported(corpus, tmp_path / "out", Card("китап"))
    assert "und.dic" in made
    assert "names no language" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_a_corpus_of_few_words_is_too_small(corpus: Artifact, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"too small for a dictionary, which takes 1000 words: "):
        exported(corpus, tmp_path / "out", Card("китап", "tt"))


@pytest.mark.parametrize("name", ["main_tt.combined", "wordlist.tsv", "tt.dic", "tt.aff"])
def test_a_file_that_lacks_a_word_or_letter_fails_the_proof(
    name: str, lists: dict[str, WordList], tmp_path: Path
) -> None:
    words = lists["tt"]
    write.write_dictionary(
        Artifact(tmp_path, {"numbers": {"sources": {}}}), words, tmp_path, Card("китап", "tt")
    )
    assert all(check.ok for check in write.prove_dictionary(tmp_path, words))
    text = (tmp_path / name).read_text(encoding="utf-8")
    lines = text.split("\n")
    if name.endswith("aff"):
        text = text.replace("ә", "")
    elif name.endswith("dic"):
        text = "\n".join([str(int(lines[0]) - 1), *lines[2:]])
    else:
        last = [n for n, line in enumerate(lines) if line and "bigram" not in line][-1]
        text = "\n".join(lines[:last]) + "\n"
    (tmp_path / name).write_text(text, encoding="utf-8")
    try:
        failed = [each.file for each in write.prove_dictionary(tmp_path, words) if not each.ok]
    except ExportError as error:
        failed = [error.where]
    assert failed == [name]
