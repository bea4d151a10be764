"""Texts that are not in the language of the others are found; those in another style are not."""

import gzip
import itertools
import random
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import regex
from found_texts import write_found_texts
from made_dirt import lines_of
from text_samples import FRENCH, RUSSIAN, SHARED, write

from endonym.autopilot import text_size
from endonym.autopilot.text_size import samples_of
from endonym.formats import reader
from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.files import RawFile, RawSet
from endonym.survey.odd_sources import (
    SKETCH_CHARS,
    Reference,
    Sketch,
    by_paragraphs,
    guess_language,
    letters_alike,
    odd_ones,
    other_language,
    share_among,
    shown_line,
    sketch,
    source_warnings,
    usual,
)
from endonym.survey.survey import survey_texts

Say = Callable[[str], list[str]]


def made(name: str, sentences: Iterable[str], size: int = 100_000, seed: int = 0) -> Sketch:
    """A text of more than 5,000 letters: these sentences, and their words in another order."""
    words = " ".join(sentences).split()
    random.Random(seed).shuffle(words)
    some = itertools.islice(itertools.cycle([*sentences, " ".join(words)]), 150)
    return sketch(name, some, size)


def raw_set(*paths: Path, name: str = "a", document: str = "line") -> RawSet:
    source = Source.model_validate({"name": name, "path": str(paths[0]), "document": document})
    return RawSet(source=source, files=tuple(RawFile(path=p, name=p.name) for p in paths))


def warnings(*raw: RawSet, language: str = "tt", limit: float = 0.01) -> list[str]:
    return source_warnings(samples_of(raw), language, limit)


def test_russian_among_tatar_lacks_the_letters_of_tatar(language_sentences: Say) -> None:
    tatar = language_sentences("tatar")
    texts = [made("a", tatar[::2]), made("b", tatar[1::2]), made("c", RUSSIAN)]
    found = odd_ones(texts, "tt")
    assert set(found.reasons) == {"c"}
    assert (
        "none of the letters ә ө ү җ ң һ of Tatar, which are one letter in 8 of"
        in found.reasons["c"]
    )
    assert found.doubt == ""


def test_a_file_of_which_a_good_part_is_in_the_language_is_read(language_sentences: Say) -> None:
    tatar = language_sentences("tatar")
    reference = Reference([made("a", tatar)])

    def why(texts: list[str], language: str = "tt") -> str:
        return by_paragraphs(texts, language, reference, "odd")

    assert why([*tatar[:20], *RUSSIAN * 8]) == ""
    few = "nearly all of it reads like Russian. A line of it"
    assert why([*tatar[:2], *RUSSIAN * 8]).startswith(few)
    assert why([*tatar[:20], *RUSSIAN * 8], "x-one") == "odd"  # No library knows it.


def test_french_among_romanian_is_found_by_letters_and_trigrams_alone(
    language_sentences: Say,
) -> None:
    romanian, french = language_sentences("romanian"), language_sentences("french")
    decomposed = [unicodedata.normalize("NFD", each) for each in romanian]
    texts = [made("a", romanian), sketch("b", decomposed[:9], 500), made("c", french, 20_000)]
    reasons = odd_ones(texts, "x-one").reasons
    assert set(reasons) == {"c"}
    assert "of its groups of three letters 36% are usual there, of theirs 100%" in reasons["c"]
    assert "the letters q é à x è ê are rare there" in reasons["c"]
    assert f'"{french[0][:40]}' in reasons["c"], "a person sees what it is"


def test_another_script_is_odd_and_khmer_in_another_style_is_not(language_sentences: Say) -> None:
    khmer, french = language_sentences("khmer"), language_sentences("french")
    texts = [made("a", khmer[::2]), made("b", khmer[1::2]), made("c", french)]
    assert set(odd_ones(texts, "km").reasons) == {"c"}
    assert set(odd_ones(texts, "x-km").reasons) == {"c"}


def test_if_no_text_is_in_the_language_all_are_kept_and_it_is_doubted() -> None:
    found = odd_ones([made("a", RUSSIAN), made("b", RUSSIAN)], "tt")
    assert found.reasons == {}
    assert "no text reads like Tatar" in found.doubt
    assert odd_ones([], "tt").doubt == ""


def test_the_language_of_most_bytes_is_the_right_one_and_none_is_if_it_has_few(
    language_sentences: Say,
) -> None:
    romanian, french = language_sentences("romanian"), language_sentences("french")
    most = [made("a", romanian, 10), made("b", french, 90_000), made("c", french, 90_000)]
    assert set(odd_ones(most, "x-one").reasons) == {"a"}
    kinds = [romanian, french, RUSSIAN, language_sentences("tatar")]
    mixed = [made(str(number), each) for number, each in enumerate(kinds)]
    found = odd_ones(mixed, "x-one")
    assert found.reasons == {}
    assert found.doubt.endswith("several languages, such as 1, 2, 3")


def test_a_text_that_is_too_short_is_never_odd(language_sentences: Say) -> None:
    reference = Reference([made("a", language_sentences("romanian"))])
    assert reference.is_alike(sketch("b", ["Où est passée la clé du grenier ?"], 40))
    french = made("c", language_sentences("french"))
    assert not reference.is_alike(french)
    # One of several languages is enough.
    assert other_language(french, [reference, Reference([french])], "x-one") == ""
    assert "spelt unlike" in other_language(french, [reference], "x-one")


def test_a_source_that_a_recipe_names_is_warned_of_with_the_files(
    tmp_path: Path, language_sentences: Say
) -> None:
    tatar = language_sentences("tatar")
    texts = {"a.txt": tatar, "b.txt": tatar[::2], "книга.txt": RUSSIAN * 3}
    paths = [write(tmp_path, name, sentences) for name, sentences in texts.items()]
    (said,) = warnings(raw_set(*paths, name="барысы"))
    assert said.startswith('source "барысы": 1 of 3 files, such as книга.txt, read like another')
    both = [raw_set(*paths[:2]), raw_set(paths[2], name="книга")]
    (said,) = warnings(*both)
    assert said.startswith(
        'source "книга" reads like another language: all of it reads like Russian'
    )
    assert warnings(both[0]) == []
    usual, warned = warnings(*both, language="tat")
    assert "tt" in usual
    assert warned == said, "Tatar by any code is held to its letters"
    assert "km (Khmer)" in warnings(both[0], language="kh")[0]


def test_texts_are_too_few_only_if_all_files_were_looked_at(
    tmp_path: Path, language_sentences: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = language_sentences("tatar")[:3]
    raw = raw_set(*(write(tmp_path, f"{n}.txt", line) for n, line in enumerate(lines)))
    (said,) = warnings(raw)
    assert said.startswith("the run will end")
    monkeypatch.setattr(text_size, "MOST_FILES", 2)
    assert warnings(raw) == []


def test_a_source_of_tatar_that_lost_its_letters_has_a_broken_encoding(
    tmp_path: Path, language_sentences: Say
) -> None:
    text = "\n".join(language_sentences("tatar")) + "\n"
    whole = raw_set(write(tmp_path, "a.txt", text))
    broken = raw_set(write(tmp_path, "b.txt", re.sub("[әөүҗңһ]", "?", text)), name="b")
    for some in ([whole, broken], [broken]):
        (said,) = warnings(*some)
        assert said.startswith('source "b": b.txt: broken encoding: `?` stands inside')


def test_a_line_of_a_list_is_shown_without_its_telephones():
    line = "Иванов Пётр, 9Б класс, 8-917-234-56-78, a@mail.ru"
    assert shown_line(line, "tt") == "Иванов Пётр, 9Б класс, █-███-███-██-██, █@████.██"


def test_a_line_is_shown_by_whole_letters() -> None:
    khmer = "ក្រុងភ្នំពេញជារាជធានីនៃព្រះរាជាណាចក្រកម្ពុជាដែលមានប្រជាជនច្រើនជាងគេ"
    shown = shown_line(f"1\n{khmer * 3}\n")
    assert shown.endswith(" …")
    kept = regex.findall(r"\X", shown.removesuffix(" …"))
    assert kept == regex.findall(r"\X", khmer * 3)[: len(kept)]
    assert len(kept) >= 20
    assert shown_line("Кояш.\n") == "Кояш."


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared texts are not here")
def test_on_real_texts_every_other_language_is_odd_and_no_other_style_is() -> None:
    def some(*names: str) -> list[Sketch]:
        paths = [SHARED / name for name in names]
        return [
            sketch(path.name, [path.read_text(encoding="utf-8")], path.stat().st_size)
            for path in paths
        ]

    tatar = ("common_voice_sentences", "common_voice_numbers", "mediawiki_messages")
    own = some(*(f"tt/{name}.txt" for name in (*tatar, "tatoeba_sentences")))
    others = [f"other/{code}_common_voice.txt" for code in ("ba", "kk", "ky")]
    assert odd_ones(own, "x-one").reasons == {}
    found = odd_ones([*own, *some(*others)], "x-one").reasons
    assert set(found) == {Path(name).name for name in others}


TATAR_IN_LATIN = [
    "Bügen hava bik matur, şuña kürä urmanğa barabız.",
    "Äbiyem miña cılı söt häm yaña peşkän ikmäk birde.",
    "Kiçä kiç belän abıyım kül buyında zur uçaq yaqtı.",
    "Min tatarça yaxşı söyläşäm, ä enem äle öyränä genä.",
]


def test_a_code_that_names_its_script_is_not_held_to_the_usual_one() -> None:
    texts = [made("a", TATAR_IN_LATIN), made("b", TATAR_IN_LATIN, seed=1)]
    assert "its letters are Latin, not Cyrillic" in odd_ones(texts, "tt").doubt
    assert "its letters are Latin" in odd_ones(texts, "tt-RU").doubt
    found = odd_ones([*texts, made("c", RUSSIAN, 1_000)], "tt-Latn")
    assert found.doubt == ""
    assert set(found.reasons) == {"c"}


def test_texts_that_are_compared_one_by_one_get_the_same_verdicts(language_sentences: Say) -> None:
    tatar = language_sentences("tatar")
    main = [made("a", tatar), made("b", tatar, seed=1)]
    more = [made("c", tatar, seed=2), made("d", RUSSIAN), made("e", language_sentences("khmer"))]
    for language in ("tt", "x-one"):
        apart, together = odd_ones(main, language, iter(more)), odd_ones([*main, *more], language)
        assert apart.reasons.keys() == together.reasons.keys() == {"d", "e"}


def test_a_letter_with_very_many_marks_takes_no_longer() -> None:
    started = time.process_time()
    sketch("a", ["а" + "\u0301\u0316" * (SKETCH_CHARS // 2)], 120_000)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("name", ["а.txt", "а.txt.gz"])
def test_no_more_of_a_file_is_read_than_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language_sentences: Say, name: str
) -> None:
    """All that is more is read to learn how well a file is compressed."""
    tatar, chars = language_sentences("tatar"), list[int]()
    words = " ".join(tatar).split()
    lines = [" ".join(random.Random(n).choices(words, k=9)) for n in range(30_000)]
    text = ("\n".join(lines) + "\n").encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(text, 1) if name.endswith("gz") else text)
    read = reader.read_file

    def counted(*given: Any) -> Iterator[Document | Reject]:
        for each in read(*given):
            chars.append(len(each.text))
            yield each

    monkeypatch.setattr(reader, "read_file", counted)
    monkeypatch.setattr(text_size, "MOST_READ", 10)  # in which faults are counted
    for limit in ("LEAST_CHARS", "MOST_CHARS"):
        monkeypatch.setattr(text_size, limit, SKETCH_CHARS)
    assert warnings(raw_set(path)) == []
    if name.endswith("gz"):
        assert sum(chars) < len(text) / 4
    else:
        assert sum(chars) < SKETCH_CHARS + 200


def test_what_would_end_a_run_is_said_before(tmp_path: Path) -> None:
    rows = [f"{number},Кичә без урманга бардык" for number in range(100)]

    def said(bad: int) -> list[str]:
        lines = ["id,text", *rows, *["1,өч,багана"] * bad]
        return warnings(raw_set(write(tmp_path, "rows.csv", lines), document="file"))

    assert said(0) == []
    assert [each.split("%")[0] for each in said(8)] == ['source "a": about 3.4']
    first, second = said(30)
    assert "bad_row  rows.csv; the first: line 102: the row has 3 columns, not 2" in first
    assert second.startswith('the run will end for source "a": 11.7%')
    assert "max_unreadable = 0.24 in [clean]" in second


def test_a_run_of_too_few_documents_is_said_to_end(tmp_path: Path) -> None:
    for rows, ends in ((1, [1]), (3, [3]), (4, [])):
        lines = ["text", *["Copiii merg la școală"] * rows, "un,rând"]
        raw = raw_set(write(tmp_path, "rows.csv", lines), document="file")
        said = [each for each in warnings(raw, language="ro", limit=0.5) if "will end" in each]
        left = [f"the run will end: documents left: {number}" for number in ends]
        assert [each.partition(";")[0] for each in said] == left


def test_a_fault_late_in_a_large_file_is_said_before(tmp_path: Path) -> None:
    good, bad = '{"text": "Кичә без урманга бардык"}', '{"body": "Кичә без урманга бардык"}'
    path = write(tmp_path, "rows.jsonl", [*[good] * 9_000, *[bad] * 1_000])
    first, second = warnings(raw_set(path, document="file"))
    assert "line 9001: there is no field" in first
    assert "the run will end" in second
    loose = warnings(raw_set(path, document="file"), limit=0.5)
    assert not any("will end" in each for each in loose)


def test_a_sketch_counts_the_trigrams_of_words_by_turns_in_two_halves() -> None:
    found = sketch("а", ["Көн " * 50 + "төн " * 50], 9)
    pieces = [{" кө", "көн", "өн "}, {" тө", "төн", "өн "}]
    assert [set(half) for half in found.halves] == pieces
    assert found.halves[0] == dict.fromkeys(pieces[0], 50)
    assert found.letters == {"к": 50, "ө": 100, "н": 100, "т": 50}
    assert (found.count, found.script, found.text_bytes) == (300, "cyrillic", 9)
    assert sketch("а", ["ә" * 70_000, "б"], 9).count == SKETCH_CHARS


def test_texts_with_the_same_frequencies_of_letters_are_alike_and_others_are_not() -> None:
    one = Counter({"а": 100, "б": 100})
    # Two samples of two hundred letters differ by chance: 1 - 2 × (2 - 1) / 8 / 200.
    assert letters_alike(one, one) == pytest.approx(1 / (1 - 2 / 8 / 200))
    assert letters_alike(one, Counter({"в": 200})) == 0
    half = letters_alike(one, Counter({"а": 200}))
    assert half == pytest.approx(0.5**0.5 / (1 - 1 / 8 / 200))


def test_trigrams_are_usual_from_one_in_ten_thousand_on() -> None:
    counts = Counter({"көн": 29_995, "төн": 3, "өн ": 2})
    assert usual(counts) == {"көн", "төн"}
    assert share_among(Counter({"көн": 3, "төн": 1}), frozenset({"көн"})) == 0.75
    assert share_among(Counter(), frozenset({"көн"})) == 0


def test_a_text_is_judged_from_three_hundred_letters_on(language_sentences: Say) -> None:
    tatar = made("тт", language_sentences("tatar"))
    for letters, is_odd in ((299, False), (300, True)):
        latin = sketch("fr", ["renard" * letters][0][:letters].split(), 9)
        assert latin.count == letters
        assert Reference([tatar]).is_alike(latin) is not is_odd
        assert bool(odd_ones([tatar, latin], "tt").reasons) is is_odd
        assert bool(other_language(latin, [], "tt")) is is_odd


def test_the_language_of_most_texts_is_guessed() -> None:
    assert guess_language([*lines_of("tt")[:40], *FRENCH[:2]])[0] == "tt"
    assert guess_language(["123"] * 20) == ("", 0.0)


def test_a_language_is_guessed_from_five_votes_on_and_by_more_than_half_of_them(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("endonym.survey.odd_sources.reliable_code", lambda text: text)
    assert guess_language(["tt"] * 4) == ("", 0.0)
    assert guess_language(["tt"] * 5) == ("tt", 1.0)
    assert guess_language(["tt"] * 5 + ["ru"] * 5) == ("", 0.5)
    assert guess_language(["tt"] * 6 + ["ru"] * 4 + [""] * 90) == ("tt", 0.6)
    assert guess_language(["tt", "ru"] * 501) == ("", 0.5)
    assert guess_language([*["tt"] * 500, *["ru"] * 499])[1] == pytest.approx(0.5, abs=0.01)


PERSIAN = [
    "پدرم هر روز صبح زود از خانه بیرون می رفت و شب دیر برمی گشت.",
    "کتابخانه ملی کشور هزاران کتاب خطی قدیمی را نگهداری می کند.",
    "یکی از شاگردان گفت که این گنج را کسی پیدا نکرده است.",
    "در بهار کوچه های شهر پر از بوی گل یاس و آواز گنجشک می شود.",
    "کارمند بایگانی یک نامه کهنه را با دقت زیاد در پرونده گذاشت.",
]


def test_persian_typed_with_arabic_letters_is_no_other_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step `persian_letters` of the same recipe mends it."""
    typed = [each.translate(str.maketrans("یک", "يك")) for each in PERSIAN]

    def odd(code: str) -> set[str]:
        texts = [("persian", PERSIAN * 60, 90_000), ("typed", typed * 20, 9_000)]
        return set(odd_ones([sketch(*each, code) for each in texts], "fa").reasons)

    assert odd("") == {"typed"}
    assert odd("fa") == set()
    for number in range(8):
        text = "\n\n".join((typed if number == 7 else PERSIAN) * 60)
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
    for most in (text_size.MOST_FILES, 3):  # The language is guessed.
        monkeypatch.setattr(text_size, "MOST_FILES", most)
        assert survey_texts([tmp_path], tmp_path).left == []


def test_a_short_letter_in_another_language_is_left_out_whole_and_named(
    tmp_path: Path, language_sentences: Callable[[str], list[str]]
) -> None:
    tatar = language_sentences("tatar")
    texts = write_found_texts(tmp_path / "texts", tatar)
    letter = [RUSSIAN[1], "С уважением, учитель татарского языка и литературы Ахметова Л. М."]
    write(texts, "хат.txt", "\n\n".join(letter))
    write(texts, "кыска.txt", f"{tatar[0]}\n\n{tatar[1]}")
    found = survey_texts([texts], tmp_path, language="tt")
    ((_, _, reason, _, source),) = found.left
    assert source is not None
    assert (source.name, reason.partition(".")[0]) == ("хат", "all of it reads like Russian")
    assert "кыска" in {source.name for source, _ in found.sources}
