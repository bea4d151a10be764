"""What the hub reads of a README."""

import pytest
from huggingface_hub import ModelCard
from made_scores import score

from endonym.export.front_matter import front_matter, hub_license


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


def head(**given: object) -> dict[str, object]:
    usual = {"license": None, "library": "gguf", "tags": ["gguf"]}
    text = front_matter("әкият", "tt", **{**usual, **given})
    return ModelCard(text + "\n# әкият\n").data.to_dict()


def test_words_for_a_license_are_its_name_on_the_hub() -> None:
    found = head(license=("other", 'as "is": no'))
    assert (found["license"], found["license_name"]) == ("other", 'as "is": no')
    assert "license_name" not in head(license=("cc0-1.0", "CC0-1.0"))


@pytest.mark.parametrize(
    ("language", "found"), [("tt", ["tt"]), ("zh-Hant", ["zh"]), ("x-mine", None), ("", None)]
)
def test_a_language_goes_by_the_code_that_the_hub_knows(
    language: str, found: list[str] | None
) -> None:
    text = front_matter("әкият", language, license=None, library="gguf", tags=[])
    assert ModelCard(text).data.to_dict().get("language") == found


def test_without_scores_there_is_no_index() -> None:
    assert "model-index" not in head()


def test_scores_stand_in_the_index_with_their_interval() -> None:
    unigram = score("unigram", 2.5, low=None, high=None)
    lines = [score("model", 1.25, low=1.2, high=1.3), unigram]
    (result,) = head(scores=lines)["model-index"][0]["results"]
    assert result["dataset"]["split"] == "test"
    assert [(each["type"], each["value"]) for each in result["metrics"]] == [
        ("bits_per_byte", 1.25),
        ("bits_per_byte_unigram", 2.5),
    ]
    assert "1.2000 to 1.3000" in result["metrics"][0]["name"]
    assert "95 %" not in result["metrics"][1]["name"]
