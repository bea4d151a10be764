"""What is said beside a score of training text that stands beside held-out text, or repeats it."""

from endonym.evaluate.neighbours import Gain
from endonym.export.neighbours import held_by_article, sentences


def gain(source: str, value: float, low: float | None) -> Gain:
    return Gain("test", source, value, low, None if low is None else value + 0.01, 40)


def test_figures_are_said_of_certain_sources_and_a_caution_of_others() -> None:
    assert sentences([], {}) == []
    certain, unknown = sentences([gain("китап", 0.025, 0.02), gain("исемлек", 0.001, -0.01)], {})
    assert "китап 0.025 (0.020–0.035)" in certain
    assert "20 kB each" in certain
    assert "исемлек" in unknown
    assert "cannot be measured" in unknown
    kept = {"kept": {"train": {"documents": 100}}, "of_articles": 99}
    (together,) = sentences([gain("leipzig", 0.0, -0.01)], {"sources": {"leipzig": kept}})
    assert "article by article" in together
    assert sentences([gain("аз", 0.5, None)], {})[0].startswith("No effect")
    stories = {"kept": {"train": {"documents": 145, "chars": 145 * 2_100}}}
    card = {
        "sources": {
            "हितोपदेश": stories,
            "leipzig": {"kept": {"train": {"documents": 9, "chars": 9 * 400}}},
        }
    }
    whole, lines = sentences([gain(name, 0.0, -0.01) for name in card["sources"]], card)
    assert whole == "No effect of neighbouring documents is seen in हितोपदेश."
    assert lines.startswith("No effect of neighbours is seen in leipzig: its lines")


def test_what_training_text_covers_of_the_test_text_is_said_beside_the_score() -> None:
    (said,) = sentences([], {"covered": 0.0312})
    assert "3.1 % of the letters of dev and test" in said
    assert sentences([], {"covered": 0.0, "sources": {}}) == []  # a recipe without texts


def test_a_small_source_much_of_which_is_covered_is_named_beside_the_share_of_all() -> None:
    shares = {"китап": 0.4012, "исемлек": 0.0, "хәбәр": 0.0999}
    sources = {name: {"covered": share, "kept": {}} for name, share in shares.items()}
    card = {"covered": 0.0312, "sources": sources}
    (said,) = sentences([], card)
    assert "3.1 % of the letters" in said
    assert "short sentences (40.1 % of китап). A text" in said
    (alone,) = sentences([], {"covered": 0.4, "sources": {"китап": sources["китап"]}})
    assert "of китап" not in alone


def test_a_source_is_held_out_by_article_if_most_of_its_sentences_know_theirs() -> None:
    kept = {side: {"documents": 100} for side in ("train", "dev", "test")}
    card = {
        "sources": {
            "leipzig": {"kept": kept, "of_articles": 299},
            "half": {"kept": kept, "of_articles": 150},
            "old": {"kept": kept},
        }
    }
    assert held_by_article(card) == ["leipzig"]
    assert held_by_article({}) == []
