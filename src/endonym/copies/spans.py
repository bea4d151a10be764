"""The whole span that two texts have in common around a place where they are alike."""


def common_span(text: str, begin: int, other: str, offset: int) -> tuple[int, int]:
    """How many characters are the same before text[begin] and other[offset], and from them on."""
    back = 0
    reach = 0
    while back < min(begin, offset) and text[begin - back - 1] == other[offset - back - 1]:
        back += 1
    end = min(len(text) - begin, len(other) - offset)
    while reach < end and text[begin + reach] == other[offset + reach]:
        reach += 1
    return back, reach
