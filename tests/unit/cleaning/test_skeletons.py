"""Texts that a program has filled in."""

from collections import Counter

from text_samples import TATAR

from endonym.cleaning.corpus_rules import skeleton, word_key, word_keys


def stub(village: str, district: str, year: int, people: int) -> str:
    return (
        f"{village} — Татарстанның {district} районындагы авыл. {year} елда халык саны {people} "
        "кеше булган, авыл елга буенда урнашкан."
    )


STUBS = [
    stub(village, district, 1990 + number, 100 * number)
    for number, (village, district) in enumerate(
        [("Иске Әҗәм", "Актаныш"), ("Мәмсә", "Арча"), ("Түбән Сон Күле", "Саба"), ("Кенәр", "Арча")]
    )
]


def usual(texts: list[str], least: int) -> frozenset[int]:
    counts = Counter(key for text in texts for key in word_keys(text))
    return frozenset(key for key, count in counts.items() if count >= least)


def test_stubs_are_the_same_without_names_and_numbers():
    words = usual([*STUBS, *TATAR], 3)
    assert len({skeleton(text, words) for text in STUBS}) == 1
    assert skeleton(STUBS[0], words) == (
        "_ районындагы авыл _ елда халык саны _ кеше булган авыл елга буенда урнашкан"
    )


def test_a_rare_word_is_a_blank():
    words = usual([*STUBS, *TATAR], 3)
    other = STUBS[0].replace("авыл елга", "авыл кечкенә елга")
    assert skeleton(other, words) == skeleton(STUBS[0], words).replace("авыл елга", "авыл _ елга")


def test_sentences_with_few_words_in_common_have_no_skeleton():
    words = usual([*STUBS, *TATAR], 3)
    assert [skeleton(text, words) for text in TATAR] == [""] * len(TATAR)
    assert skeleton("Кояш чыкты", usual(["кояш чыкты"] * 5, 1)) == ""


def test_a_text_without_blanks_is_no_template():
    text = "бер ике өч дүрт биш алты җиде"
    assert skeleton(text, usual([text], 1)) == ""


def test_a_long_text_is_no_template():
    assert skeleton(STUBS[0] * 1000, usual(STUBS, 1)) == ""


def test_a_skeleton_has_five_words_and_two_fifths_of_all_and_one_blank():
    def of(kept: int, blanks: int) -> str:
        words = ["бер", "ике", "өч", "дүрт", "биш", "алты"][:kept]
        usual = {word_key(word) for word in words}
        return skeleton(" ".join([*words, *(f"Исем{number}" for number in range(blanks))]), usual)

    assert of(4, 1) == ""
    assert of(5, 1) == of(5, 7) == "бер ике өч дүрт биш _"
    assert of(5, 8) == ""  # five of thirteen
    assert of(6, 9) == "бер ике өч дүрт биш алты _"
    assert of(6, 0) == ""  # nothing was filled in


def test_long_texts_are_no_templates():
    usual = {word_key("бер")}
    text = "бер " * 4_999 + "Сез"
    assert skeleton(text, usual)
    assert skeleton(text + " " * (20_001 - len(text)), usual) == ""
