"""The [clean] table that `new` writes for a language, with a reason for each key.

Each key comes with what was found in a sample of the texts: how many it changes or drops, and an
example. What the sample does not show is not recommended; `endonym run --dry-run` shows what any
rule would do. A threshold is written only if the sample shows that it is safe. The sample is of
lines: whole documents are longer and pass more easily. Texts that are certainly in another language
are no part of it: that a rule drops them is no loss, and they would hide what is usual in the
language. The doctor tries more: every rule that says something about the texts.

A threshold is Tukey's outer fence: three times the range of the middle half, beyond that half. It
is robust: up to a quarter of the documents may be dirt, and it hardly moves. It stays within bounds
that are sensible for any language (those of Gopher and FineWeb lie in them), since nearly all
documents of a clean corpus have no table at all, and then any row would lie beyond the fence. A
limit that would drop more than SAFE_LOSS of the sample is not recommended: such is this corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from endonym.autopilot.model_size import Choice, Choices
from endonym.cleaning.corpus_rules import CorpusJudge, facts_of
from endonym.cleaning.language.sample import of_others
from endonym.cleaning.packs import pack_steps, packs
from endonym.cleaning.personal import KINDS
from endonym.cleaning.rules import DROPS, STEPS, normalizer, step_names
from endonym.cleaning.tally import Tally
from endonym.formats.config import Clean
from endonym.formats.faults import of_sound
from endonym.formats.readers.plain import VISIBLE
from endonym.log import counted
from endonym.script.scripts import (
    BREAK_SCRIPTS,
    BRIEF_SCRIPTS,
    letters_share,
    script_counts,
    script_share,
)

SAMPLE_LINES = 2_000
MOST_LETTERS = 0.5
"""Fewer letters of the script, and a text is dropped. A higher limit drops sentences with a name in
another script."""
ALWAYS = ("nfc", "zero_width", "spaces")
"""Steps that do no harm to any text, and that nearly every corpus needs."""
REPEATED_LINES = 0.5
BOILERPLATE_DOCUMENTS, SAME_SKELETON = 10, 20
SUSPECT_SCORE = 0.2
"""A document is called foreign if the odds against its language are four to one: at 0.6 three times
as many Tatar sentences are, mostly of two words, and no more Russian, Bashkir or Kazakh ones."""
SHORTEST, SHORTEST_BRIEF = 3, 2
"""Characters of the shortest text that says anything, and of scripts of short words."""
LEAST_SCORE = 0.6
MOST_DOCUMENTS = 5_000
"""Documents that are measured and identified: more tell no more."""
LEAST_DOCUMENTS = 40
"""Documents that a measure is known of: fewer have no distribution."""
SAFE_LOSS = 0.02
FENCE = 3.0
"""Ranges of the middle half from it to the limit."""
LEAST_LINES = 3
"""Lines of the median document that make paragraphs of another language likely."""
MOST_OTHERS = 0.5
"""Share of the documents in other languages from which on the language itself is in doubt."""
EXAMPLE_CHARS = 60

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


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a limit may lie. of_words: only where words are divided by blanks."""

    key: str
    least: float
    most: float
    about: str
    of_words: bool = False


BOUNDS = (
    Bounds("min_word_length", 1.5, 3.0, "words in pieces, as of bad OCR", of_words=True),
    Bounds("max_word_length", 9.0, 25.0, "words without blanks between them", of_words=True),
    Bounds("max_symbols", 0.05, 0.3, "pages of symbols, formulas, broken fonts"),
    Bounds("max_digits", 0.12, 0.4, "price lists, tables of results, numbers"),
    Bounds("min_ended_lines", 0.08, 0.4, "menus and lists, whose lines are no sentences"),
    Bounds("max_short_lines", 0.7, 0.97, "menus, indexes"),
    Bounds("max_list_lines", 0.5, 0.9, "lists"),
    Bounds("max_table_lines", 0.25, 0.8, "tables"),
    Bounds("max_code_lines", 0.12, 0.5, "programs and markup"),
    Bounds("max_repeated_5grams", 0.2, 0.6, "texts that repeat themselves"),
)


def guess_clean(
    language: str, sample: str, documents: Sequence[str] = ()
) -> tuple[Clean, dict[str, str]]:
    """Recommended cleaning for a language code, with reasons.

    sample: of the texts. documents: a sample of whole documents; without it, no rule that measures
    documents is recommended. Texts in which our code fails are no part of it.
    """
    chosen = of_sound(partial(_guessed, language), sample, documents)
    clean = Clean.model_validate({key: choice.value for key, choice in chosen.items()})
    return clean, {key: choice.reason for key, choice in chosen.items()}


def _guessed(language: str, sample: str, documents: Sequence[str]) -> Choices:
    """See guess_clean. Raises whatever a rule raises."""
    lines = in_language(sample_lines(sample), language)
    script = script_keys(lines)
    name = script["script"].value if script else ""
    steps = step_keys(language, name, [*documents] or lines)
    plain = [text for each in documents if (text := normalized(each, steps["normalize"].value))]
    return {
        "max_repeated_lines": Choice(
            REPEATED_LINES, "menus and lists teach nothing; below a half, refrains would go too"
        ),
        "dedup": Choice(
            ("exact", "near", "paragraphs"),
            "copies are memorized, and leak into the held-out text",
        ),
        **steps,
        **script,
        **length_keys(lines, name),
        **letter_keys(language, lines),
        **thresholds(in_language(plain, language), name),
        **corpus_keys(plain),
        **language_keys(language, plain),
    }


def diagnostic_clean(language: str, sample: str, documents: Sequence[str]) -> Clean:
    """Cleaning with every rule that says something about these texts.

    language: its code, or empty. sample: of the texts; documents: whole ones. Texts in which our
    code fails say nothing.
    """
    return of_sound(partial(_diagnostic, language), sample, documents)


def _diagnostic(language: str, sample: str, documents: Sequence[str]) -> Clean:
    """See diagnostic_clean. Raises whatever a rule raises."""
    found = script_keys(sample_lines(sample))
    script = found["script"].value if found else ""
    plain = [text for each in documents if (text := normalized(each))]
    own, code = pack_steps(language), language.partition("-")[0]
    keys: dict[str, Any] = {
        "normalize": tuple(
            name
            for name in step_names()
            if name in STEPS or (name in own and is_wanted(name, documents))
        ),
        "min_chars": SHORTEST_BRIEF if script in BRIEF_SCRIPTS else SHORTEST,
        "max_repeated_lines": REPEATED_LINES,
        "max_line_documents": BOILERPLATE_DOCUMENTS,
        "max_same_skeleton": SAME_SKELETON,
        "mask": tuple(KINDS),
        "mask_with": "…",  # a word would be counted among the letters
        "dedup": ("exact", "near", "paragraphs"),
    }
    keys |= {name: each.value for name, each in thresholds(plain, script).items()}
    if script:
        keys |= {"script": script, "min_script_share": MOST_LETTERS}
    if code and code != "x":
        keys |= {"language": code, "min_language_score": SUSPECT_SCORE, "split_languages": True}
    return Clean.model_validate(keys)


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


def dropped_share(lines: list[str], dropped: list[bool]) -> float:
    """The share of the lines, or of their characters if that is more, that would be dropped."""
    lost = sum(len(line) for line, is_dropped in zip(lines, dropped, strict=True) if is_dropped)
    chars = sum(map(len, lines))
    return max(lost / max(1, chars), sum(dropped) / max(1, len(lines)))


def script_keys(lines: list[str]) -> Choices:
    """The most frequent script, and a minimum share of it that is safe."""
    counts = script_counts("\n".join(lines))
    if not counts:
        return {}
    script, letters = counts.most_common(1)[0]
    share = letters / counts.total()
    if script == "other" or share < 0.6:
        return {}
    chosen = {"script": Choice(script, f"{share:.1%} of the sample's letters are {script}")}
    lost = dropped_share(lines, [script_share(line, script) < MOST_LETTERS for line in lines])
    if lost <= SAFE_LOSS:
        reason = f"drops {lost:.1%} of the sample: mostly another script"
        chosen["min_script_share"] = Choice(MOST_LETTERS, reason)
    return chosen


def length_keys(lines: list[str], script: str) -> Choices:
    """A minimum length that is safe."""
    for limit in (3,) if script in BRIEF_SCRIPTS else (20, 10, 5):
        lost = dropped_share(lines, [len(line) < limit for line in lines])
        if lines and lost <= SAFE_LOSS:
            reason = f"drops {lost:.1%} of the sample: the shortest texts"
            return {"min_chars": Choice(limit, reason)}
    return {}


def letter_keys(language: str, lines: list[str]) -> Choices:
    """Letters that tell the language from similar ones, if a threshold is safe."""
    code = language.lower().split("-")[0]
    if code not in EXPECTED or not lines:
        return {}
    letters, neighbours = EXPECTED[code]
    shares = [letters_share(line, letters) for line in lines]
    for limit in (0.01, 0.005):
        lost = dropped_share(lines, [share < limit for share in shares])
        if lost <= SAFE_LOSS:
            return {
                "expected_letters": Choice(letters, f"letters that tell it from {neighbours}"),
                "min_expected_share": Choice(limit, f"drops {lost:.1%} of the sample"),
            }
    return {}


def step_keys(language: str, script: str, documents: Sequence[str]) -> Choices:
    """The steps of `normalize`: those for every text, and those that change the sample."""
    own = pack_steps(language)
    tried = [name for name in step_names() if name in own or (name in STEPS and name not in ALWAYS)]
    tally = Tally()
    clean = Clean.model_validate({"normalize": ("nfc", *tried), "script": script or None})
    normalized = normalizer(clean, tally.changed)
    for place, text in enumerate(documents):
        tally.begin(str(place))
        normalized(text)
    reasons = ["one form of each letter, no marks without a use, single spaces"]
    needed: list[str] = list(ALWAYS)
    for name in tried:
        rule = tally.rules.get(name)
        if rule is None or not is_wanted(name, documents):
            continue
        needed.append(name)
        sample = next(iter(rule.samples.values()))
        reasons.append(
            f"{name} changes {counted(rule.documents, 'text')} of the sample: {shown(sample)}"
        )
    order = step_names()
    return {"normalize": Choice(tuple(sorted(needed, key=order.index)), "; ".join(reasons))}


def is_wanted(name: str, documents: Sequence[str]) -> bool:
    """Whether a step unifies the sample; where all of it is spelt one way, it may stay so."""
    right = packs()[name].right if name in packs() else ""
    return not right or any(packs()[name].is_right(text) for text in documents)


def shown(sample: dict[str, str]) -> str:
    """The words that a step changed, as they were and as they are."""
    before, after = sample["before"].split(), sample["after"].split()
    changed = [(one, two) for one, two in zip(before, after, strict=False) if one != two]
    one, two = changed[0] if changed else (sample["before"], sample["after"])
    return f"{one[:EXAMPLE_CHARS]} to {two[:EXAMPLE_CHARS]}"


def corpus_keys(documents: Sequence[str]) -> Choices:
    """Lines that stand in many documents, and documents that a program has filled in."""
    clean = Clean(max_line_documents=BOILERPLATE_DOCUMENTS, max_same_skeleton=SAME_SKELETON)
    judge = CorpusJudge(clean, facts_of(clean, documents))
    chosen: Choices = {}
    gone = [line for text in documents for _, line in judge.shortened(text)[1]]
    if gone:
        chosen["max_line_documents"] = Choice(
            BOILERPLATE_DOCUMENTS,
            f"takes out {counted(len(gone), 'line')} of the sample, such as "
            f'"{max(gone, key=len)[:EXAMPLE_CHARS]}"',
        )
    same = [text for text in documents if judge.verdict(text) is not None]
    if same:
        chosen["max_same_skeleton"] = Choice(
            SAME_SKELETON,
            f"drops {counted(len(same), 'text')} of the sample that a program may have filled in, "
            f'such as "{same[0][:EXAMPLE_CHARS]}"',
        )
    return chosen


def language_keys(language: str, documents: Sequence[str]) -> Choices:
    """A least score of the language, if it is safe, and paragraphs of others, if there are any.

    It is safe if it drops hardly any document beside those that are certainly in other languages,
    and most documents are not.
    """
    code = language.partition("-")[0]
    clean = Clean(language=code, min_language_score=LEAST_SCORE, split_languages=True)
    if not documents or code == "x":
        return {}
    judge = CorpusJudge(clean, facts_of(clean, documents))
    chosen = documents[:: max(1, -(-len(documents) // MOST_DOCUMENTS))]
    short = [judge.shortened(text) for text in chosen]
    parts = [part for _, gone in short for _, part in gone]
    judge.prepare([text for text, _ in short])
    lost = [text for text, _ in short if judge.verdict(text) is not None]
    doubtful = len(lost) - sum(of_others(lost, code))
    share = len(lost) / len(chosen)
    is_safe = share < MOST_OTHERS and doubtful <= SAFE_LOSS * (len(chosen) - len(lost) + doubtful)
    if not is_safe:
        return {}
    reason = f"drops {share:.1%} of the sample: another language"
    chosen = {
        "language": Choice(code, "documents must be in it"),
        "min_language_score": Choice(LEAST_SCORE, reason),
    }
    if parts and median(text.count("\n") + 1 for text in documents) >= LEAST_LINES:
        chosen["split_languages"] = Choice(
            True,
            f"takes out {counted(len(parts), 'paragraph')} of the sample, such as "
            f'"{parts[0][:EXAMPLE_CHARS]}"',
        )
    return chosen


def thresholds(documents: Sequence[str], script: str) -> Choices:
    """The limits that a sample of normalized documents supports, by key.

    A measure gets none if no limit within its bounds is safe.
    """
    has_words = script not in BREAK_SCRIPTS | BRIEF_SCRIPTS
    rules = {each.key: each for each in DROPS}
    wanted = [each for each in BOUNDS if has_words or not each.of_words]
    measures = [rules[each.key].measure_of(Clean()) for each in wanted]
    chosen = documents[:: max(1, -(-len(documents) // MOST_DOCUMENTS))]
    table = [[measure(text) for measure in measures] for text in chosen]
    choices: Choices = {}
    for bounds, column in zip(wanted, zip(*table, strict=True), strict=False):
        rule, values = rules[bounds.key], [value for value in column if value is not None]
        if len(values) < LEAST_DOCUMENTS:
            continue
        low, high = (float(each) for each in np.quantile(values, (0.25, 0.75)))
        reach = FENCE * (high - low)
        fence = low - reach if rule.is_least else high + reach
        # Two digits, as a person would write it.
        limit = float(f"{min(max(fence, bounds.least), bounds.most):.2g}")
        dropped = sum(rule.verdict(value, limit) is not None for value in values)
        if dropped > SAFE_LOSS * len(values):
            continue
        share = f"{dropped / len(chosen):.1%}" if dropped else "none"
        is_length = rule.like == "length"
        half = " to ".join(
            f"{each:.1f}" if is_length else f"{100 * each:.2g} %" for each in (low, high)
        )
        reason = f"{bounds.about}: half of the sample has {half}; drops {share} of it"
        choices[bounds.key] = Choice(limit, reason)
    return choices
