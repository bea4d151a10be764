"""What of a text a program or a model wrote, in sentences for the README of an export."""

from collections.abc import Mapping, Sequence
from typing import Any

from endonym.errors import printable


def of_texts(shares: Mapping[str, float], synthetic: Sequence[str] | None, text: str) -> str:
    """The share that is synthetic; empty if nothing is.

    shares: of the sources in the text. synthetic: those that a program or a model wrote; None if
    that is not known. text: what it is called.
    """
    if shares and synthetic is None:
        return f"Whether a program or a model wrote some of {text} is not known here."
    made = [name for name in synthetic or () if shares.get(name)]
    if not made:
        return ""
    share = sum(shares[name] for name in made)
    names = ", ".join(map(printable, made))
    wrote = f"was written by a program or a model (sources {names})"
    return f"{100 * share:.1f} % of {text} {wrote}."


def of_answers(counted: Mapping[str, Any]) -> str:
    """The files of answers that `endonym write` wrote; empty if there is none.

    counted: the numbers of a phase's examples.
    """
    names = ", ".join(f"`{printable(name)}`" for name in counted.get("written", ()))
    return f"A program or a model wrote {names}." if names else ""
