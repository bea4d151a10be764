"""The cleaning that is tried on texts, and the limits that a sample of them supports."""

import random

from made_dirt import fables
from text_samples import FRENCH, KHMER, TATAR

from endonym.cleaning.rules import judge
from endonym.formats.config import Clean
from endonym.survey.cleaning import BOUNDS, LEAST_DOCUMENTS, diagnostic_clean, thresholds


def test_every_rule_that_fits_the_language_is_tried():
    clean = diagnostic_clean("tt-RU", "\n".join(TATAR * 20), TATAR)
    assert {"mojibake", "look_alikes", "tatar_letters", "spaces"} <= set(clean.normalize)
    assert "khmer_order" not in clean.normalize
    assert (clean.script, clean.language, clean.split_languages) == ("cyrillic", "tt", True)
    assert clean.max_line_documents
    assert clean.max_same_skeleton
    khmer = diagnostic_clean("", "\n".join(KHMER * 20), KHMER)
    assert (khmer.script, khmer.language, khmer.min_chars) == ("khmer", None, 2)
    for language in ("x-gasconha", ""):
        assert diagnostic_clean(language, "", []).language is None


def test_a_sample_in_many_scripts_or_none_is_in_no_script():
    sample = "\n".join([*TATAR[:2], *KHMER[:2], *FRENCH[:2]])
    assert diagnostic_clean("xx", sample, []).script is None
    assert diagnostic_clean("tt", "", []).script is None
    assert diagnostic_clean("tt", "\n".join(FRENCH * 300 + TATAR * 1_500), []).script == "cyrillic"


def test_a_spelling_is_unified_only_where_both_stand():
    straight = ["L'été est là.", "C'est l'hiver."]
    for texts, is_tried in ((straight, False), ([*straight, FRENCH[0]], True)):
        clean = diagnostic_clean("fr", "\n".join(texts), texts)
        assert ("french_apostrophes" in clean.normalize) is is_tried


def pages(count: int, seed: int = 1) -> list[str]:
    """Pages of Tatar sentences."""
    draw = random.Random(seed)
    return ["\n".join(draw.choices(TATAR, k=8)) for _ in range(count)]


TABLE = "\n".join(f"{n} 120 {n * 7} 99 {n * 3} сум." for n in range(9))


def test_clean_pages_are_all_kept_and_dirt_is_not():
    limits = thresholds(pages(60), "cyrillic")
    for key, bounds in BOUNDS.items():
        if key in limits:
            assert min(bounds) <= limits[key] <= max(bounds)
    judged = judge(Clean.model_validate(limits))
    assert [judged(text) for text in pages(40, seed=2)] == [None] * 40
    for text in (
        "Карлар ява, карлар ява\nАк мамыклар сибелә\nУрам буйлап чаналарда\nБалалар шуа көлеп\nКыш",
        "ГАЛИЯ. Кайда идең?\nГАЛИМ. Өйдә.\nГАЛИЯ. Нигә?\nГАЛИМ. Шулай.\nГАЛИЯ. Ярый.",
        "1917 елның 25 октябрендә, 1941 елның 22 июнендә һәм 1945 елның 9 маенда.",
        "Тукмаклашырлармы икән, тукмаклашмаслармы икән, әллә килешәчәкләрме?",
    ):  # verse, a play, a sentence of dates, and long words
        assert judged(text) is None, text
    for text in (
        TABLE,
        "\n".join("★☆★ ∑∏∆ кояш ≈≠ ←→." for _ in range(9)),
        "\n".join(f"| авыл | {n} | кеше яши анда |." for n in range(9)),
        "\n".join(f"әйтү(исем) {{ кайтар(исем); }} // {n}." for n in "абвгде"),
    ):
        assert judged(text) is not None, text


def digits(*shares: float) -> list[str]:
    """Documents with these shares of digits."""
    return ["1" * round(1000 * share) + "ә" * round(1000 * (1 - share)) for share in shares]


def test_dirt_moves_no_limit_and_what_would_drop_much_a_person_must_decide():
    good = thresholds(pages(600), "cyrillic")["max_digits"]
    assert thresholds([*pages(600), TABLE], "cyrillic")["max_digits"] == good
    assert "max_digits" not in thresholds([*pages(60), *[TABLE] * 15], "cyrillic")
    lists = ["\n".join(f"{n}. {line}" for n, line in enumerate(TATAR)) for _ in range(60)]
    found = thresholds(lists, "cyrillic")  # a corpus that is so by nature
    assert ("max_list_lines" in found, "max_digits" in found) == (False, True)
    # Two of a hundred measured texts may go; others are too short to be measured.
    for dropped, short, is_safe in ((2, 0, True), (2, 900, True), (3, 900, False)):
        texts = digits(*[0.0] * (100 - dropped), *[0.9] * dropped)
        assert ("max_digits" in thresholds([*texts, *["ә"] * short], "cyrillic")) is is_safe


def test_forty_documents_have_a_distribution_and_fewer_have_none():
    assert LEAST_DOCUMENTS == 40
    assert "max_digits" in thresholds(pages(40), "cyrillic")
    assert thresholds(pages(39), "cyrillic") == thresholds([], "cyrillic") == {}


def test_no_words_are_measured_where_they_are_not_divided():
    assert not {"min_word_length", "max_word_length"} & thresholds(fables("km") * 5, "khmer").keys()
    assert "max_word_length" in thresholds(fables("tt") * 5, "cyrillic")


def test_a_limit_is_the_fence_within_its_bounds():
    for middle, limit in (
        ((0.01, 0.02), 0.3),  # the fence at 0.05 lies beyond the strictest
        ((0.151, 0.20), 0.35),  # 0.2 + 3 × 0.049, in two digits
        ((0.10, 0.20), 0.4),  # the fence at 0.5 lies beyond the loosest
    ):
        assert thresholds(digits(*middle) * 50, "cyrillic")["max_digits"] == limit
    # One of 500 beyond the fence is dirt; more may be a tail of honest texts, and 0.4 is tried.
    for count, limit in ((1, 0.3), (2, 0.4)):
        texts = digits(*[0.0] * (500 - count), *[0.35] * count)
        assert thresholds(texts, "cyrillic")["max_digits"] == limit
    words = thresholds(["алма " * 50, "алмаа " * 50] * 50, "cyrillic")
    assert words["max_word_length"] == 15.0
