"""A unit, and the refusal of a file."""

import pytest

from endonym.formats.parsers.unit import Refused, Unit


def test_a_unit_with_text_has_no_reason() -> None:
    unit = Unit(3, "Кояш чыкты.")
    assert (unit.reason, unit.meta, unit.data) == ("", {}, None)


def test_a_refusal_carries_its_reason_and_a_sentence() -> None:
    with pytest.raises(Refused) as caught:
        raise Refused("damaged", "бөтен түгел")
    assert (caught.value.reason, caught.value.detail) == ("damaged", "бөтен түгел")
