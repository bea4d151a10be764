"""What is said beside a score of training text that stands beside held-out text, or repeats it."""

from collections.abc import Mapping, Sequence
from typing import Any

from endonym.evaluate.neighbours import Gain
from endonym.export.markdown import filled_template

MUCH_COVERED = 0.1
"""A source is named if training text covers so large a share of it, which that of all may hide."""
LONG = 400
"""Characters: documents that are longer on average are no sentences."""


def sentences(gains: Sequence[Gain], card: Mapping[str, Any]) -> list[str]:
    """What to say beside a score, in sentences. gains: by source. card: the corpus's numbers."""
    by_article = held_by_article(card)
    sources = card.get("sources", {})
    uncertain = [each.source for each in gains if not each.is_certain]
    shares = {name: source.get("covered", 0) for name, source in sources.items()}
    kept = {name: [*source["kept"].values()] for name, source in sources.items()}
    long = [
        name
        for name in uncertain
        if sum(e.get("chars", 0) - LONG * e["documents"] for e in kept.get(name, [])) > 0
    ]
    text = filled_template(
        "neighbours.txt",
        certain=[each for each in gains if each.is_certain],
        together=[name for name in uncertain if name in by_article],
        long=[name for name in long if name not in by_article],
        unknown=[name for name in uncertain if name not in by_article + long],
        stay=card.get("keep_near_copies", False),
        covered=card.get("covered") if card.get("sources", True) else None,
        much={
            name: each for name, each in shares.items() if len(shares) > 1 and each >= MUCH_COVERED
        },
    )
    return text.splitlines()


def held_by_article(card: Mapping[str, Any]) -> list[str]:
    """The sources of a corpus most of whose sentences are held out with their articles."""
    return [
        name
        for name, source in card.get("sources", {}).items()
        if 2 * source.get("of_articles", 0) > sum(e["documents"] for e in source["kept"].values())
    ]
