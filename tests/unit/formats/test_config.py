"""What a recipe may say about texts."""

import pytest
from pydantic import ValidationError

from endonym.formats.config import Clean, Source, Split


def test_a_script_is_one_that_unicode_has():
    assert Clean(script="Cyrillic").script == "cyrillic"
    with pytest.raises(ValidationError, match="klingon"):
        Clean(script="klingon")


def test_keys_need_what_they_refer_to_and_exclude_each_other():
    for keys, why in (
        ({"min_script_share": 0.5}, "needs script"),
        ({"min_expected_share": 0.5}, "needs expected_letters"),
        ({"min_language_score": 0.5}, "needs language"),
        ({"split_languages": True}, "needs language"),
        ({"min_chars": 5, "max_chars": 4}, "above max_chars"),
    ):
        with pytest.raises(ValidationError, match=why):
            Clean.model_validate(keys)
    with pytest.raises(ValidationError, match="not both"):
        Split(val_documents=5, val_share=0.1)
    with pytest.raises(ValidationError, match="limits val_share"):
        Split(val_documents=5, val_bytes=9)


def test_a_share_is_held_out_and_no_more_than_so_much_of_it_unless_another_is_given():
    given = ({}, {"val_bytes": 9}, {"val_share": 0.1}, {"val_documents": 8})
    found = [Split.model_validate(each).resolved() for each in given]
    shares = [(0.06, 20_000_000), (0.06, 9), (0.1, None), (None, None)]
    assert [(each.val_share, each.val_bytes) for each in found] == shares


def test_a_source_keeps_its_own_script():
    own, none = Source(name="a", path=".", script="latin"), Source(name="a", path=".")
    assert own.in_script("georgian") == own
    assert none.in_script("georgian").script == "georgian"
    assert none.in_script(None) == none
