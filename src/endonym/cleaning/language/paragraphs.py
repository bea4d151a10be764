"""Finds the paragraphs of a document that are in another language.

A paragraph is a line. Each has its log-odds of being in the language; a change of language between
two lines costs SWITCH_ODDS. The likeliest sequence is chosen (Viterbi), so that a short line, which
says little, goes with its neighbours, and so does a heading in capitals, which often lacks its
accents. Taking the others out changes nothing about those that stay.
"""

from collections.abc import Sequence

from endonym.cleaning.language.identify import Identifier

SWITCH_ODDS = 2.5
HEADING_CHARS = 100
"""Of a line in capitals that is no longer, nothing tells that it is in another language."""


def other_language(lines: Sequence[str], identifier: Identifier) -> list[bool]:
    """For each line, whether it is in another language; blank lines go with the line before."""
    odds = zip(lines, identifier.odds(lines), strict=True)
    return likeliest([max(0.0, each) if is_heading(line) else each for line, each in odds])


def is_heading(line: str) -> bool:
    """Whether a line is short and in capitals."""
    return len(line) <= HEADING_CHARS and line.isupper()


def likeliest(odds: Sequence[float]) -> list[bool]:
    """Whether each is the second of two states, in the likeliest sequence of states."""
    if not odds:
        return []
    best = [0.0, 0.0]
    came: list[tuple[int, int]] = []
    for each in odds:
        stay = best[0] >= best[1] - SWITCH_ODDS, best[1] > best[0] - SWITCH_ODDS
        froms = (0 if stay[0] else 1, 1 if stay[1] else 0)
        came.append(froms)
        best = [
            best[froms[0]] - SWITCH_ODDS * froms[0] + each / 2,
            best[froms[1]] - SWITCH_ODDS * (1 - froms[1]) - each / 2,
        ]
    state = int(best[1] > best[0])
    states = list[bool]()
    for froms in reversed(came):
        states.append(bool(state))
        state = froms[state]
    return states[::-1]
