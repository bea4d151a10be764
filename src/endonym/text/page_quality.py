"""Whether the text of a page is text: what broken and legacy fonts decode to is not.

A PDF names glyphs, and a table in it says which character each stands for. If the table is missing
or wrong, letters become signs, accented letters or characters without a meaning. This shows in
statistics that hold for every language: what stands within a word, and which letters there are.
"""

import regex

LEAST_WORDS = 8
"""Pages with fewer words are not judged."""
UNDECODED = regex.compile(r"[\p{Co}\p{Cn}\uFFFD]|[\p{Cc}--\n\r\t\f\v]", regex.V1)
RUN = regex.compile(r"([^\p{L}\p{M}\p{N}])(?:\s?\1)+")
SIGN = regex.compile(r"[\p{P}\p{S}]")
WORD = regex.compile(r"\S*\p{L}\S*")
TURN = regex.compile(r"\p{Ll}\p{Lu}")
WITHIN = regex.compile(r"\p{L}\p{M}*[!\"#$%*<>=?\\^{|}~§¶°ªº¤¦¨¬¯±´¸¹²³¼½¾×÷«»„“”‹›€‡†]+\p{L}")
BEFORE = regex.compile(r"[ªº¤¦¬±¼½¾¹²³÷×¨¯´¸]\p{L}")
LATIN, PLAIN_LATIN = regex.compile(r"\p{Script=Latin}"), regex.compile(r"[A-Za-z]")
MIXED = regex.compile(
    r"\p{Latin}\p{M}*[\p{Cyrillic}\p{Greek}\p{Armenian}\p{Hebrew}\p{Arabic}\p{Thai}\p{Khmer}]"
    r"|[\p{Cyrillic}\p{Greek}\p{Armenian}\p{Hebrew}\p{Arabic}\p{Thai}\p{Khmer}]\p{M}*\p{Latin}"
)

LIMITS = {
    "characters without a meaning": 0.05,
    "signs instead of letters": 0.45,
    "capitals or signs within words": 0.3,
    "signs of an old font before letters": 0.03,
    "accents on most letters": 0.5,
    "two scripts within words": 0.3,
}
"""The share of a page's words or characters from which on it is not text."""


def quality(text: str) -> tuple[float, str]:
    """A score from 0 to 1, of which 0.5 is the least of a text; and what lowers it most."""
    shares = measures(text)
    worst = max(shares, key=lambda name: shares[name] / LIMITS[name], default="")
    badness = shares[worst] / LIMITS[worst] if worst else 0.0
    return max(0.0, 1 - badness / 2), worst


def measures(text: str) -> dict[str, float]:
    """The share of a page that shows each sign of a broken font; nothing for a short page."""
    visible = [each for each in text if not each.isspace()]
    shorter = RUN.sub(r"\1", text)
    words = WORD.findall(shorter)
    if len(words) < LEAST_WORDS and len(visible) < 5 * LEAST_WORDS:
        return {}
    n_words, n_signs = max(1, len(words)), len(SIGN.findall(shorter))
    n_visible = max(1, sum(not each.isspace() for each in shorter))
    latin = LATIN.findall(text)
    accented = len(latin) - sum(map(len, PLAIN_LATIN.findall(text)))
    odd = sum(bool(TURN.search(word) or WITHIN.search(word)) for word in words)
    return {
        "characters without a meaning": len(UNDECODED.findall(text)) / max(1, len(visible)),
        "signs instead of letters": n_signs / n_visible,
        "capitals or signs within words": odd / n_words,
        "signs of an old font before letters": sum(map(bool, map(BEFORE.search, words))) / n_words,
        "accents on most letters": accented / len(latin) if len(latin) > 20 else 0.0,
        "two scripts within words": sum(map(bool, map(MIXED.search, words))) / n_words,
    }
