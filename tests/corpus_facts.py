"""The facts of a few documents, as if they were a whole corpus."""

from collections.abc import Sequence

from endonym.cleaning.corpus_rules import Counts, Facts, combine, rounds
from endonym.formats.config import Clean


def facts_of(clean: Clean, documents: Sequence[str]) -> Facts:
    """Count them in as many rounds as the rules ask for."""
    facts: Facts | None = None
    for _ in range(rounds(clean)):
        counts = Counts(clean, facts)
        for text in documents:
            counts.add(text)
        facts = combine(clean, [counts.counted()], facts)
    return facts or Facts()
