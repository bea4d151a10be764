"""The [clean] table that `new` writes for a language, with a reason for each key.

A threshold is written only if a sample of the texts shows that it is safe. The sample is of lines:
whole documents are longer and pass more easily. Texts that are certainly in another language are no
part of it: that a rule drops them is no loss, and they would hide what is usual in the language.
"""

from collections.abc import Sequence
from functools import partial

from endonym.cleaning.language.sample import of_others
from endonym.cleaning.rules import normalizer
from endonym.formats.config import Clean
from endonym.formats.faults import of_sound
from endonym.formats.readers.plain import VISIBLE
from endonym.script.scripts import BRIEF_SCRIPTS, letters_share, script_counts, script_share
from endonym.survey.evidence import (
    ALWAYS,
    MOST_OTHERS,
    corpus_keys,
    language_keys,
    step_keys,
)
from endonym.survey.thresholds import thresholds

SAMPLE_LINES = 2_000
MOST_LETTERS = 0.5
"""Fewer letters of the script, and a text is dropped. A higher limit drops sentences with a name in
another script."""
SAFE_LOSS = 0.02
"""The share of the sample that a recommended threshold may drop."""

EXPECTED = {
    "tt": ("әөүҗңһ", "Russian"),
    "ba": ("әөүғҡҙҫңһ", "Russian, and from Tatar"),
    "kk": ("әғқңөұүһі", "Russian"),
    "ky": ("ңөү", "Russian"),
    "cv": ("ӑӗҫӳ", "Russian"),
    "sah": ("ҕҥөһү", "Russian"),
    "mn": ("өү", "Russian"),
    "tg": ("ғӣқӯҳҷ", "Russian"),
    "uk": ("іїєґ", "Russian"),
    "be": ("ўі", "Russian"),
    "ro": ("ăâîșțşţ", "English and other languages in Latin letters"),
    "tr": ("ğışçöü", "English and other languages in Latin letters"),
    "az": ("əğışçöü", "English and other languages in Latin letters"),
    "pl": ("ąćęłńóśźż", "English and other languages in Latin letters"),
    "vi": ("ăâđêôơư", "English and other languages in Latin letters"),
    "fa": ("پچژگ", "Arabic"),
    "ur": ("ٹڈڑںے", "Arabic and Persian"),
    "ckb": ("ڕڵۆێ", "Arabic and Persian"),
}
"""Letters that tell a language from others in its script, and the names of those others."""


def guess_clean(
    language: str, sample: str, documents: Sequence[str] = ()
) -> tuple[Clean, dict[str, str]]:
    """Recommended cleaning for a language code, with reasons.

    sample: of the texts. documents: a sample of whole documents; without it, no rule that measures
    documents is recommended. Texts in which our code fails are no part of it.
    """
    return of_sound(partial(_guessed, language), sample, documents)


def _guessed(language: str, sample: str, documents: Sequence[str]) -> tuple[Clean, dict[str, str]]:
    """See guess_clean. Raises whatever a rule raises."""
    keys: dict[str, object] = {
        "max_repeated_lines": 0.5,
        "dedup": ("exact", "near", "paragraphs"),
    }
    reasons = {
        "max_repeated_lines": "menus and lists teach nothing; below a half, refrains would go too",
        "dedup": "copies are memorized, and leak into the held-out text",
    }
    lines = in_language(sample_lines(sample), language)
    script = script_keys(lines)
    name = str(script[0].get("script", ""))
    steps = step_keys(language, name, [*documents] or lines)
    plain = [text for each in documents if (text := normalized(each, steps[0]["normalize"]))]
    limits = thresholds(in_language(plain, language), name)
    for chosen, why in (
        steps,
        script,
        length_keys(lines, name),
        letter_keys(language, lines),
        (
            {key: each.limit for key, each in limits.items()},
            {k: v.reason for k, v in limits.items()},
        ),
        corpus_keys(plain),
        language_keys(language, plain),
    ):
        keys |= chosen
        reasons |= why
    return Clean.model_validate(keys), reasons


def in_language(texts: list[str], language: str) -> list[str]:
    """The texts that are not certainly in another language; all if hardly any would be left."""
    others = of_others(texts, language)
    own = [text for text, is_other in zip(texts, others, strict=True) if not is_other]
    return own if len(own) > MOST_OTHERS * len(texts) else texts


def normalized(text: str, steps: Sequence[str] = ALWAYS) -> str:
    """A text as steps write it; those that every corpus gets, if none are given."""
    return normalizer(Clean.model_validate({"normalize": steps}))(text)


def sample_lines(sample: str) -> list[str]:
    """Clean lines from all over the sample."""
    normalized = normalizer(Clean(normalize=("nfc", "spaces")))
    lines = [line for line in normalized(sample).split("\n") if VISIBLE.search(line)]
    return lines[:: max(1, len(lines) // SAMPLE_LINES)]


def loss(lines: list[str], dropped: list[bool]) -> float:
    """The share of the lines, or of their characters if that is more, that would be dropped."""
    lost = sum(len(line) for line, is_dropped in zip(lines, dropped, strict=True) if is_dropped)
    chars = sum(map(len, lines))
    return max(lost / max(1, chars), sum(dropped) / max(1, len(lines)))


def script_keys(lines: list[str]) -> tuple[dict[str, object], dict[str, str]]:
    """The most frequent script, and a minimum share of it that is safe."""
    counts = script_counts("\n".join(lines))
    if not counts:
        return {}, {}
    script, letters = counts.most_common(1)[0]
    share = letters / counts.total()
    if script == "other" or share < 0.6:
        return {}, {}
    keys: dict[str, object] = {"script": script}
    reasons = {"script": f"{share:.1%} of the sample's letters are {script}"}
    shares = [script_share(line, script) for line in lines]
    lost = loss(lines, [each < MOST_LETTERS for each in shares])
    if lost <= SAFE_LOSS:
        keys["min_script_share"] = MOST_LETTERS
        reasons["min_script_share"] = f"drops {lost:.1%} of the sample: mostly another script"
    return keys, reasons


def length_keys(lines: list[str], script: str) -> tuple[dict[str, object], dict[str, str]]:
    """A minimum length that is safe."""
    for limit in (3,) if script in BRIEF_SCRIPTS else (20, 10, 5):
        lost = loss(lines, [len(line) < limit for line in lines])
        if lines and lost <= SAFE_LOSS:
            reason = f"drops {lost:.1%} of the sample: the shortest texts"
            return {"min_chars": limit}, {"min_chars": reason}
    return {}, {}


def letter_keys(language: str, lines: list[str]) -> tuple[dict[str, object], dict[str, str]]:
    """Letters that tell the language from similar ones, if a threshold is safe."""
    code = language.lower().split("-")[0]
    if code not in EXPECTED or not lines:
        return {}, {}
    letters, neighbours = EXPECTED[code]
    shares = [letters_share(line, letters) for line in lines]
    for limit in (0.01, 0.005):
        lost = loss(lines, [share < limit for share in shares])
        if lost <= SAFE_LOSS:
            return (
                {"expected_letters": letters, "min_expected_share": limit},
                {
                    "expected_letters": f"letters that tell it from {neighbours}",
                    "min_expected_share": f"drops {lost:.1%} of the sample",
                },
            )
    return {}, {}
