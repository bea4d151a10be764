"""What a recipe may say about texts."""

import pytest
from pydantic import ValidationError

from endonym.formats.config import Clean, Source, Split


def test_a_script_is_one_that_unicode_has():
    assert Clean(script="Cyrillic").script == "cyrillic"
    with pytest.raises(ValidationError, match="klingon"):
        Clean(script="klingon")


def test_a_share_needs_what_it_is_a_share_of():
    with pytest.raises(ValidationError, match="needs script"):
        Clean(min_script_share=0.5)
    with pytest.raises(ValidationError, match="needs expected_letters"):
        Clean(min_expected_share=0.5)


def test_documents_or_a_share_are_held_out_but_not_both():
    with pytest.raises(ValidationError, match="not both"):
        Split(val_documents=5, val_share=0.1)


def test_a_source_keeps_its_own_script():
    own, none = Source(name="a", path=".", script="latin"), Source(name="a", path=".")
    assert own.in_script("georgian") == own
    assert none.in_script("georgian").script == "georgian"
    assert none.in_script(None) == none
