"""Rules that drop a text. A rule's reason is its key in the recipe; without the key, no rule.

The order is fixed, so that counts by reason mean the same in every run: empty texts, length,
language, repetition.
"""

from collections.abc import Callable

import regex

from endonym.text.clean.normalize import normalizer
from endonym.text.config import Clean
from endonym.text.readers.plain import VISIBLE
from endonym.text.scripts import letters_share, script_share

LOOK_ALIKES = r"\p{Latin}\p{Cyrillic}|\p{Cyrillic}\p{Latin}"
MIXED = regex.compile(rf"\p{{L}}{{0,20}}?(?:{LOOK_ALIKES})\p{{L}}{{0,20}}")

Verdict = tuple[str, str]
"""A reason and one sentence about this text."""

Rule = Callable[[str], str | None]
"""From a text to what is wrong with it, or None."""


def rules(clean: Clean) -> dict[str, Rule]:
    """The rules that a recipe sets, by reason, in the order in which they apply."""
    known: dict[str, tuple[object, Rule]] = {
        "min_chars": (clean.min_chars, lambda text: too_short(text, clean.min_chars or 0)),
        "max_chars": (clean.max_chars, lambda text: too_long(text, clean.max_chars or 0)),
        "min_script_share": (
            clean.min_script_share,
            lambda text: foreign(text, clean.script or "", clean.min_script_share or 0.0),
        ),
        "min_expected_share": (
            clean.min_expected_share,
            lambda text: unexpected(
                text, clean.expected_letters or "", clean.min_expected_share or 0.0
            ),
        ),
        "max_repeated_lines": (
            clean.max_repeated_lines,
            lambda text: repeating(text, clean.max_repeated_lines or 0.0),
        ),
    }
    return {reason: rule for reason, (value, rule) in known.items() if value is not None}


def too_short(text: str, limit: int) -> str | None:
    """Fewer characters than the limit."""
    return f"{len(text):,} characters, below {limit:,}" if len(text) < limit else None


def too_long(text: str, limit: int) -> str | None:
    """More characters than the limit."""
    return f"{len(text):,} characters, above {limit:,}" if len(text) > limit else None


def foreign(text: str, script: str, limit: float) -> str | None:
    """A smaller share of letters in the script than the limit."""
    share = script_share(text, script)
    if share >= limit:
        return None
    mixed = MIXED.search(text)
    hint = f'; letters of two scripts in one word, as in "{mixed[0]}"' if mixed else ""
    return f"{share:.1%} of its letters are {script}, below {limit:.1%}{hint}"


def unexpected(text: str, letters: str, limit: float) -> str | None:
    """A smaller share of the expected letters than the limit."""
    share = letters_share(text, letters)
    return f"{share:.2%} of its letters are {letters}, below {limit:.2%}" if share < limit else None


def repeating(text: str, limit: float) -> str | None:
    """A larger share of repeated lines than the limit; blank lines do not count."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) < 2:
        return None
    share = 1 - len(set(lines)) / len(lines)
    return f"{share:.1%} of its lines stood before, above {limit:.1%}" if share > limit else None


def cleaner(clean: Clean) -> Callable[[str], tuple[str, Verdict | None]]:
    """A function from a text to the cleaned text, and a verdict if it is dropped."""
    normalized, asked = normalizer(clean), rules(clean)

    def cleaned(text: str) -> tuple[str, Verdict | None]:
        text = normalized(text)
        if not VISIBLE.search(text):
            return text, ("empty", "nothing that can be seen is left")
        if "\0" in text:
            return text, ("nul", 'it holds NUL; normalize = ["spaces"] makes them blanks')
        for reason, rule in asked.items():
            detail = rule(text)
            if detail is not None:
                return text, (reason, detail)
        return text, None

    return cleaned
