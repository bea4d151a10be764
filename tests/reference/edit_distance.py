"""Edit distance by the table of Wagner and Fischer, and the similarity that follows from it."""


def distance(one: str, other: str) -> int:
    """How many letters must be changed, taken out or put in (Levenshtein)."""
    row = list(range(len(other) + 1))
    for above, letter in enumerate(one, 1):
        before, row[0] = row[0], above
        for column, theirs in enumerate(other, 1):
            changed = before + (letter != theirs)
            before, row[column] = row[column], min(changed, row[column] + 1, row[column - 1] + 1)
    return row[-1]


def similarity(one: str, other: str) -> float:
    """1 - distance / length of the longer text."""
    return 1 - distance(one, other) / max(len(one), len(other), 1)
