"""What a person has marked, and a person's own replacements."""

import hashlib
from pathlib import Path

import pytest
from text_samples import KHMER, TATAR, write

from endonym.cleaning import normalize
from endonym.cleaning.cleaning import Cleaning
from endonym.cleaning.marks import Marks, text_hash, unmatched
from endonym.cleaning.rules import replacements
from endonym.errors import RecipeError
from endonym.formats.config import Clean, Replacement, require_replacement
from endonym.formats.document import MARKED, Document, Reject


def document(text: str) -> Document:
    return Document(text, "a.txt#1", "a")


def cleaned(text: str, clean: Clean) -> Document | Reject:
    """A text after its marks, both steps of cleaning, and no rule of the corpus."""
    cleaning = Cleaning(clean)
    found = cleaning.normalized(Marks(clean).marked(document(text)))
    return found if isinstance(found, Reject) else cleaning.judged(found, len(text.encode()))


def test_a_text_that_is_marked_as_in_stays_whatever_a_rule_says_and_is_still_normalized():
    text = "Кояш\u00a0чыкты."
    clean = Clean(normalize=("spaces",), min_chars=50)
    assert isinstance(cleaned(text, clean), Reject)
    kept = cleaned(text, clean.model_copy(update={"marked_in": (text_hash(text)[:12],)}))
    assert isinstance(kept, Document)
    assert (kept.text, kept.meta) == ("Кояш чыкты.", {MARKED: "in"})


def test_a_text_that_is_marked_as_out_goes_and_is_counted_as_by_a_rule():
    clean = Clean(marked_out=(text_hash(TATAR[0])[:16],))
    cleaning = Cleaning(clean)
    gone = cleaning.normalized(Marks(clean).marked(document(TATAR[0])))
    assert isinstance(gone, Reject)
    assert gone.reason == "marked_out"
    rule = cleaning.tally.rules["marked_out"]
    assert (rule.documents, rule.bytes) == (1, len(TATAR[0].encode()))
    assert isinstance(cleaned(TATAR[1], clean), Document)
    other = Clean(marked_out=(text_hash(TATAR[0])[:12] + "0" * 52,))
    assert isinstance(cleaned(TATAR[0], other), Document)


def test_a_file_is_marked_by_its_content_and_a_document_against_its_file(tmp_path: Path):
    path = write(tmp_path, "a.txt", TATAR)
    own = hashlib.sha256(path.read_bytes()).hexdigest()
    path = path.rename(tmp_path / "башка.txt")
    clean = Clean(marked_out=(own[:12], own), marked_in=(text_hash(TATAR[1]), "0123456789ab"))
    marks = Marks(clean)  # Both forms of the file's hash are one mark.
    of_file = marks.of_file(path)
    notes = [marks.marked(document(text), of_file).meta[MARKED] for text in TATAR[:2]]
    assert notes == ["out", "in"]
    assert unmatched(clean, marks.found) == [
        "marked_in: 1 of 2 hashes belong to no document or file, such as 0123456789ab"
    ]


def test_one_hash_cannot_be_on_both_lists():
    with pytest.raises(ValueError, match="both name"):
        Clean(marked_out=("0" * 12,), marked_in=("0" * 64,))


def test_replacements_come_before_normalize_once_each_and_are_counted_with_examples():
    rules = (
        Replacement(find=r"\s*\[\d+\]", by=""),
        Replacement(letters={"е": "э", "э": "е", "нь": "ң"}),  # two change places
    )
    cleaning = Cleaning(Clean(normalize=("spaces",), replace=rules))
    found = cleaning.normalized(document("Эней кень [12]\u00a0килде"))
    assert isinstance(found, Document)
    assert found.text == "Энэй кэң килдэ"
    one, two = (cleaning.tally.rules[name] for name in ("replace 1", "replace 2"))
    assert (one.documents, two.documents) == (1, 1)
    (sample,) = one.samples.values()
    assert sample["before"].endswith("[12]\u00a0килде")


def test_a_pattern_may_be_explained_in_a_comment():
    (_, change), *_ = replacements(
        Clean(replace=(Replacement(find="(?x) е (?=к) # ә elsewhere", by="ә"),))
    )
    assert change("елек кечкенек") == "еләк кечкенәк"


NOT_RIGHT = "the regular expression is not right: "
EVERYWHERE = "find matches nothing at all, so that `by` would stand everywhere"
REFUSED: list[tuple[dict[str, object], str]] = [
    ({}, "give find or letters, one of the two"),
    ({"find": "("}, f"{NOT_RIGHT}missing \\)"),
    ({"find": "а*"}, EVERYWHERE),
    ({"find": ""}, EVERYWHERE),
    ({"find": "(а)", "by": r"\2"}, f"{NOT_RIGHT}invalid group reference"),
    ({"find": "а", "by": r"\g<хәреф>"}, f"{NOT_RIGHT}unknown group"),
    ({"find": f"{'(' * 3_000}а{')' * 3_000}"}, NOT_RIGHT),
    ({"find": "(?R)?а"}, f"{NOT_RIGHT}regex timed out"),  # looks for itself without an end
    ({"find": "а", "letters": {"а": "б"}}, "give find or letters, one of the two"),
    ({"find": "", "letters": {"а": "б"}}, "give find or letters, one of the two"),
    ({"letters": {"": "б"}}, "letters name what each becomes"),
    ({"letters": {"а": "б"}, "by": "в"}, "letters name what each becomes"),
]


@pytest.mark.parametrize(("keys", "said"), REFUSED)
def test_a_replacement_that_cannot_be_made_is_refused(keys: dict[str, object], said: str):
    with pytest.raises(ValueError, match=f"Replacement\n +Value error, {said}"):
        Replacement.model_validate(keys)


@pytest.mark.parametrize("kind", [IndexError, RecursionError, MemoryError, TimeoutError])
def test_whatever_a_pattern_breaks_is_said_of_the_pattern(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some patterns take seconds to run out of memory."""

    def broken(pattern: str) -> None:
        raise kind("артык күп")

    with monkeypatch.context() as patch:
        patch.setattr("regex.compile", broken)
        with pytest.raises(ValueError, match=f"^{NOT_RIGHT}артык күп$"):
            require_replacement("(?R)", "")


def test_a_pattern_that_would_not_end_costs_its_document(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(normalize, "PATTERN_SECONDS", 0.02)
    clean = Clean(replace=(Replacement(find=r"(\w+) .*\1 .*\1!"),))
    hard, cleaning = document("бер ике " * 3_000), Cleaning(clean)
    for _ in range(2):
        refused = cleaning.normalized(hard)
        assert isinstance(refused, Reject)
        assert (refused.reason, refused.detail[:23]) == (
            "replace_timeout",
            "replace 1 took too long",
        )
    assert isinstance(cleaning.normalized(document(KHMER[0])), Document)
    with pytest.raises(RecipeError, match="on 2 other documents"):
        cleaning.normalized(hard)
