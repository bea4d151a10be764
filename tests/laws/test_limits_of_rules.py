"""Rules of cleaning act from their limit on and not before it, wherever in a text the case lies."""

import pytest
from corpus_facts import facts_of
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.cleaning.corpus_rules import CorpusJudge, line_keys, without_boilerplate
from endonym.cleaning.personal import mask
from endonym.copies.contamination import Contamination
from endonym.formats.config import Clean

NOTICES = [
    "Барлык хокуклар якланган, материалларны алганда сылтама мәҗбүри.",
    "Toate drepturile rezervate, preluarea se face numai cu sursa.",
    "រក្សាសិទ្ធិគ្រប់យ៉ាង ការចម្លងត្រូវតែបញ្ជាក់ប្រភពច្បាស់លាស់",
]
OWN = [*TATAR, *ROMANIAN, *FRENCH, *KHMER]


@pytest.mark.parametrize("notice", NOTICES)
@pytest.mark.parametrize("limit", [2, 4, 7])
def test_a_line_may_stand_in_as_many_documents_as_its_limit_says(notice: str, limit: int) -> None:
    clean = Clean(max_line_documents=limit)
    for count in (limit, limit + 1):
        texts = [f"{notice}\n{OWN[n]}\n{n} {OWN[n + 1]}" for n in range(count)]
        judge = CorpusJudge(clean, facts_of(clean, texts))
        lost = [gone for text in texts for _, gone in judge.shortened(text)[1]]
        assert lost == [notice] * (count if count > limit else 0)


@pytest.mark.parametrize("limit", [2, 4, 7])
def test_as_many_documents_may_be_the_same_as_the_limit_says(limit: int) -> None:
    clean = Clean(max_same_skeleton=limit)
    for count in (limit, limit + 1):
        texts = [f"{n} елда авылда {3 * n} кеше яшәгән, {n + 7} йорт булган." for n in range(count)]
        texts += OWN
        judge = CorpusJudge(clean, facts_of(clean, texts))
        judge.prepare(texts)
        dropped = [text for text in texts if judge.verdict(text) is not None]
        assert len(dropped) == max(0, count - limit)


@pytest.mark.parametrize("blank", ["", " ", "***", "\u200b"])
def test_a_line_without_letters_ends_no_menu(blank: str) -> None:
    menu = ["Баш бит", "Acasă", "ទំព័រដើម"]
    own = [OWN[0], OWN[1]]
    often = line_keys("\n".join(menu))
    lines = [menu[0], blank, menu[1], blank, *own, blank, menu[2]]
    text, gone = without_boilerplate("\n".join(lines), often, often)
    assert gone == menu
    assert [line for line in text.split("\n") if line.strip(" *\u200b")] == own


@pytest.mark.parametrize("digit", "0123456789")
@pytest.mark.parametrize("count", range(12, 20))
def test_a_card_has_more_than_one_digit(digit: str, count: int) -> None:
    text = f"Формада {digit * count} дип язылган."
    assert mask("card", "<card>", None)(text) == text


@pytest.mark.parametrize("cut", range(1, 13))
@pytest.mark.parametrize("between", ["\n\n", "\n \n", "\n\n\n"])
def test_a_run_over_two_paragraphs_is_found_wherever_they_end(cut: int, between: str) -> None:
    sentence = "Кичә кич белән без әбием янына барып аның белән озак икмәк турында сөйләштек"
    words = sentence.split()
    assert len(words) == 13
    parts = " ".join(words[:cut]), " ".join(words[cut:])
    text = between.join([" ".join(ROMANIAN), *parts, " ".join(FRENCH)])
    (found,) = Contamination.of_files([("a", [sentence])]).judge([text])
    assert found.removed == parts
    assert found.text is not None
    assert all(part not in found.text for part in parts)
