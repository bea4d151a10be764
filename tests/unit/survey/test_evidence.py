"""Cleaning that a sample shows to be needed."""

from made_dirt import fables, lines_of, stubs
from text_samples import FRENCH, KHMER, ROMANIAN, RUSSIAN, TATAR

from endonym.survey.evidence import ALWAYS, corpus_keys, language_keys, step_keys

CEDILLAS = str.maketrans("șțȘȚ", "şţŞŢ")


def steps(language: str, script: str, documents: list[str]) -> tuple[str, ...]:
    keys, reasons = step_keys(language, script, documents)
    assert keys.keys() == reasons.keys()
    return keys["normalize"]


def test_clean_texts_need_only_what_every_corpus_gets():
    for language, script, texts in (
        ("tt", "cyrillic", TATAR),
        ("km", "khmer", KHMER),
        ("ro", "latin", ROMANIAN),
        ("fr", "latin", FRENCH),
    ):
        assert steps(language, script, texts) == ALWAYS


def test_what_the_sample_shows_is_repaired_in_the_usual_order():
    assert steps("tt", "cyrillic", [*TATAR, "Бу бaрның əше."]) == (
        "nfc",
        "zero_width",
        "look_alikes",
        "spaces",
    )
    broken = TATAR[0].encode().decode("cp1251")
    assert steps("tt", "cyrillic", [*TATAR, broken])[:2] == ("mojibake", "nfc")
    assert "romanian_commas" in steps("ro", "latin", [ROMANIAN[0].translate(CEDILLAS)])
    assert "khmer_order" in steps("km", "khmer", ["ខុ្ញំទៅផ្សារ"])


def test_steps_of_other_languages_are_not_recommended():
    assert "romanian_commas" not in steps("tr", "latin", ["Bu iş kolay değil, şimdi."])


def test_a_spelling_is_unified_only_where_both_stand():
    straight = ["L'été est là.", "C'est l'hiver."]
    assert "french_apostrophes" not in steps("fr", "latin", straight)
    assert "french_apostrophes" in steps("fr", "latin", [*straight, FRENCH[0]])


def test_the_reason_shows_a_word_as_it_was_and_as_it_becomes():
    _, reasons = step_keys("tt", "cyrillic", [*TATAR, "Бу бaрның эше."])
    assert "look_alikes changes 1 text of the sample: бaрның to барның" in reasons["normalize"]


def test_boilerplate_and_bots_are_recommended_where_they_are_found():
    assert corpus_keys(fables("fr")) == ({}, {})
    notice = "Tous droits réservés, toute reproduction interdite sans accord écrit."
    keys, reasons = corpus_keys([f"{text}\n{notice}" for text in fables("fr")])
    assert keys == {"max_line_documents": 10}
    assert notice[:40] in reasons["max_line_documents"]
    keys, reasons = corpus_keys([*fables("fr"), *stubs(30)])
    assert keys == {"max_same_skeleton": 20}
    assert "10 texts" in reasons["max_same_skeleton"]


def test_the_language_is_asked_for_where_that_is_safe():
    keys, reasons = language_keys("fr", lines_of("fr"))
    assert keys == {"language": "fr", "min_language_score": 0.6}
    assert keys.keys() == reasons.keys()
    assert language_keys("fr", [*lines_of("fr")[:20], *TATAR, *RUSSIAN])[0] == {}
    assert language_keys("x-gasconha", lines_of("fr")) == ({}, {})
    assert language_keys("fr", []) == ({}, {})


def test_texts_that_are_certainly_foreign_do_not_make_the_score_unsafe():
    dirty = [*lines_of("fr"), " ".join(TATAR), " ".join(RUSSIAN), *RUSSIAN]
    keys, reasons = language_keys("fr", dirty)
    assert keys["min_language_score"] == 0.6
    assert "another language" in reasons["min_language_score"]


def test_paragraphs_of_another_language_are_taken_out_where_there_are_some():
    texts = [
        f"{text}\n{RUSSIAN[n % 5]}\n{RUSSIAN[(n + 1) % 5]}" for n, text in enumerate(fables("fr"))
    ]
    keys, reasons = language_keys("fr", texts)
    assert keys["split_languages"] is True
    assert any(line[:30] in reasons["split_languages"] for line in RUSSIAN)
