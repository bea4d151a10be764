"""What the hub reads of a README."""

import pytest

from endonym.export.markdown import hub_license


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (["CC-BY-SA-4.0", "CC-BY-SA-4.0"], ("cc-by-sa-4.0", "CC-BY-SA-4.0")),
        (["ODbL-1.0"], ("odbl", "ODbL-1.0")),
        (["GPL-3.0-or-later"], ("gpl-3.0", "GPL-3.0-or-later")),
        (["with the author's leave"], ("other", "with the author's leave")),
        (["CC0-1.0", "CC-BY-4.0"], None),
        (["CC0-1.0", None], None),
        ([None], None),
        ([], None),
    ],
)
def test_a_model_has_a_license_where_all_sources_say_the_same(
    said: list[str | None], found: tuple[str, str] | None
) -> None:
    assert hub_license(said) == found
