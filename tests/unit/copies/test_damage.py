"""How damaged a text is."""

from text_samples import FRENCH, KHMER, TATAR

from endonym.copies.keys import accents, damage


def test_good_texts_show_no_damage() -> None:
    assert not damage([*TATAR, *FRENCH, *KHMER, "", "1917"]).any()


def test_lost_letters_look_alikes_and_capitals_show() -> None:
    look_alikes = TATAR[0].replace("а", "a").replace("у", "y")
    lost = TATAR[0].replace("ү", "\ufffd").replace("и", "\ufffd")
    found = damage([TATAR[0], look_alikes, lost, TATAR[0].upper(), TATAR[0]])
    assert found[0] == found[4] == 0
    assert (found[1:4] >= 5).all()
    assert found[3] > 70


def test_a_text_does_not_mix_with_the_one_before_it() -> None:
    assert not damage(["Кояш", "soleil", "", "көн"]).any()


def test_accents_of_letters_are_counted_and_cedillas_count_half() -> None:
    texts = ["și", "şi", "si", "", "бай", "баи\u0306", "сло\u0301во", "ខ្ញុំ", "a\0é"]
    assert accents(texts).tolist() == [2, 1, 0, 0, 2, 2, 0, 0, 2]


def test_signs_are_counted_in_a_hundred_characters_and_rounded_down() -> None:
    assert damage(["\ufffd" + "ә" * 98, "\ufffd" + "ә" * 100]).tolist() == [1, 0]
    # Each place where the alphabets meet; a blank between them is none.
    assert damage(["бaр" + "ә" * 97, "б aр" + "ә" * 96, "Windows бар"]).tolist() == [2, 1, 0]
    half = ["АБвг" + "1" * 96, "АБВг" + "1" * 96]
    assert damage(half).tolist() == [0, 3]
