"""The cards of a corpus and of a tokenizer: their rows, notes, samples and sentences."""

from endonym.report.corpus import first_sentence

TATAR = "Мин бүген мәктәпкә барам, ә син өйдә каласың."
KHMER = "ខ្ញុំចង់ទៅសាលារៀន។ គាត់មិនទៅទេ។"


def test_first_sentences_end_where_the_script_ends_them() -> None:
    assert first_sentence(KHMER) == "ខ្ញុំចង់ទៅសាលារៀន។"
    assert first_sentence("Ул килде. Мин киттем.") == "Ул килде."
    assert first_sentence("3.14 дөрес\nикенче юл") == "3.14 дөрес"
