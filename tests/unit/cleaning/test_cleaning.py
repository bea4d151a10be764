"""Cleaning of one document in two steps, with counts."""

from corpus_facts import facts_of
from text_samples import FRENCH, TATAR

from endonym.cleaning.cleaning import Cleaning
from endonym.cleaning.corpus_rules import CorpusJudge
from endonym.formats.config import Clean
from endonym.formats.document import Document, Reject


def document(text: str, number: int = 1) -> Document:
    return Document(text, f"a.txt#{number}", "a")


def test_steps_and_masks_change_a_document_and_are_counted():
    cleaning = Cleaning(Clean(normalize=("nfc", "look_alikes", "spaces"), mask=("email",)))
    found = cleaning.normalized(document("Бу  бaрның хаты: a@b.tatar"))
    assert isinstance(found, Document)
    assert found.text == "Бу барның хаты: <email>"
    assert {name: rule.documents for name, rule in cleaning.tally.rules.items()} == {
        "look_alikes": 1,
        "spaces": 1,
        "mask email": 1,
    }
    good = document(TATAR[0], 2)
    assert cleaning.normalized(good) is good


def test_mojibake_is_repaired_if_asked_and_refused_if_not():
    broken = document(TATAR[0].encode().decode("cp1251"))
    found = Cleaning(Clean(normalize=("mojibake", "spaces"))).normalized(broken)
    assert isinstance(found, Document)
    assert found.text == TATAR[0]
    refused = Cleaning(Clean(normalize=("spaces",))).normalized(broken)
    assert isinstance(refused, Reject)
    assert refused.reason == "mojibake"


def test_controls_do_not_hide_mojibake():
    """Of UTF-8 that was read as Latin-1, half of the characters are controls."""
    broken = document(" ".join(FRENCH).encode().decode("latin-1"))
    refused = Cleaning(Clean(normalize=("controls", "spaces"))).normalized(broken)
    assert isinstance(refused, Reject)


def test_a_drop_is_counted_with_its_size_and_its_sample():
    cleaning = Cleaning(Clean(min_chars=100))
    refused = cleaning.judged(document(TATAR[0]), 77)
    assert isinstance(refused, Reject)
    assert refused.reason == "min_chars"
    rule = cleaning.tally.rules["min_chars"].as_dict(1)
    assert (rule["documents"], rule["bytes"]) == (1, 77)
    assert rule["samples"][0]["text"] == TATAR[0]


def test_parts_are_taken_out_before_a_document_is_judged():
    notice = "Барлык хокуклар якланган, материалларны алганда сылтама мәҗбүри."
    texts = [f"{line}\n{notice}" for line in TATAR]
    clean = Clean(normalize=("spaces",), max_line_documents=3, max_chars=len(max(TATAR, key=len)))
    removed: list[tuple[str, str, str]] = []
    cleaning = Cleaning(clean, lambda each, *part: removed.append((each.id, *part)))
    corpus = CorpusJudge(clean, facts_of(clean, texts))
    found = [cleaning.judged(document(text, n), 9, corpus) for n, text in enumerate(texts)]
    assert [each.text for each in found] == TATAR
    assert all(isinstance(each, Document) for each in found)
    assert removed == [(f"a.txt#{n}", "max_line_documents", notice) for n in range(len(TATAR))]
    rule = cleaning.tally.rules["max_line_documents"]
    assert (rule.documents, rule.parts) == (len(TATAR), len(TATAR))


def test_parts_of_a_document_that_is_dropped_go_with_it_and_are_not_counted():
    notice = "Барлык хокуклар якланган, материалларны алганда сылтама мәҗбүри."
    texts = [f"{line}\n{notice}\n{notice}" for line in [*TATAR, "Шул."]]
    clean = Clean(max_line_documents=3, min_chars=10)
    removed: list[str] = []
    cleaning = Cleaning(clean, lambda each, rule, part: removed.append(each.id))
    corpus = CorpusJudge(clean, facts_of(clean, texts))
    *kept, dropped = [cleaning.judged(document(each, n), 9, corpus) for n, each in enumerate(texts)]
    assert all(isinstance(each, Document) for each in kept)
    assert isinstance(dropped, Reject)
    assert dropped.text == texts[-1]
    assert dropped.detail.endswith("below 10, without 2 parts by max_line_documents")
    assert removed == [f"a.txt#{n}" for n in range(len(TATAR)) for _ in range(2)]
    rule = cleaning.tally.rules["max_line_documents"]
    assert (rule.documents, rule.parts) == (len(TATAR), 2 * len(TATAR))
    assert cleaning.tally.rules["min_chars"].documents == 1


def test_what_is_left_without_a_part_is_normalized_again():
    notice = "Барлык хокуклар якланган, материалларны алганда сылтама мәҗбүри."
    texts = [f"{line}\n\n{notice}\n\n{line}." for line in TATAR]
    clean = Clean(normalize=("spaces",), max_line_documents=3)
    corpus = CorpusJudge(clean, facts_of(clean, texts))
    found = [Cleaning(clean).judged(document(text), 9, corpus) for text in texts]
    assert [each.text for each in found] == [f"{line}\n\n{line}." for line in TATAR]
