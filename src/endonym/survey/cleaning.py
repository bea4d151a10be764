"""The cleaning that is tried on texts: every rule that can say something about them.

`new` and the doctor examine the texts with it (survey/examination.py), and recommend those of its
rules that acted (survey/findings.py).

A threshold is Tukey's outer fence: three times the range of the middle half, beyond that half. It
is robust: up to a quarter of the documents may be dirt, and it hardly moves. It stays within bounds
that are sensible for any language, since nearly all documents of a clean corpus have no table at
all, and then any row would lie beyond the fence. A limit that would drop more than TAIL_LOSS of the
sample cuts off a tail of honest texts, and the loosest one is tried in its place. If that would
drop more than SAFE_LOSS, none is: such is this corpus.
"""

from collections.abc import Sequence
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np

from endonym.cleaning.packs import pack_steps, packs
from endonym.cleaning.personal import PERSONAL
from endonym.cleaning.rules import DROPS, STEPS, normalizer, step_names
from endonym.disk import packaged_tables
from endonym.formats.config import Clean
from endonym.formats.faults import of_sound
from endonym.formats.readers.plain import VISIBLE
from endonym.script.scripts import BREAK_SCRIPTS, BRIEF_SCRIPTS, script_counts

SAMPLE_LINES = 2_000
MOST_LETTERS = 0.5
"""Fewer letters of the script, and a text is dropped. A higher limit drops sentences with a name in
another script."""
ALWAYS = ("nfc", "zero_width", "spaces")
"""Steps that do no harm to any text, and that nearly every corpus needs."""
REPEATED_LINES = 0.8
"""Songs and tales for children repeat up to seven lines of ten."""
BOILERPLATE_DOCUMENTS = 10
SAME_SKELETON = 20
SUSPECT_SCORE = 0.2
"""A document is called foreign if the odds against its language are four to one: at 0.6 three times
as many Tatar sentences are, mostly of two words, and no more Russian, Bashkir or Kazakh ones."""
MASK = "[…]"
"""What stands in place of personal data: a word would be counted among the letters."""
SHORTEST = 2
"""Characters of the shortest text that says anything: "Я?" is a line of a play."""
MOST_DOCUMENTS = 5_000
"""Documents that are measured: more tell no more."""
LEAST_DOCUMENTS = 40
"""Documents that a measure is known of: fewer have no distribution."""
TAIL_LOSS = 0.002
SAFE_LOSS = 0.02
"""Share of the documents that a limit within the bounds may drop, and the loosest one."""
FENCE = 3.0
"""Ranges of the middle half from it to the limit."""
LEAST_SHARE = 0.6
"""Share of all letters from which on a script is that of the texts."""


LIMITS = packaged_tables("endonym.survey", "cleaning.toml")
BOUNDS: dict[str, tuple[float, float]] = LIMITS["bounds"]
"""The strictest and the loosest limit of a rule."""


def diagnostic_clean(language: str, sample: str, documents: Sequence[str]) -> Clean:
    """Cleaning with every rule that says something about these texts.

    language: its code, or empty. sample: of the texts; documents: whole ones. Texts in which our
    code fails say nothing.
    """
    return of_sound(partial(_diagnostic, language), sample, documents)


def _diagnostic(language: str, sample: str, documents: Sequence[str]) -> Clean:
    """As `diagnostic_clean`, but raises what a rule raises."""
    script = main_script(sample)
    clean = normalizer(Clean(normalize=ALWAYS))
    plain = [text for document in documents if (text := clean(document))]
    code = language.partition("-")[0]
    wanted = {*STEPS, *(name for name in pack_steps(language) if is_wanted(name, documents))}
    keys: dict[str, Any] = {
        "normalize": tuple(name for name in step_names() if name in wanted),
        "min_chars": SHORTEST,
        "max_repeated_lines": REPEATED_LINES,
        "max_line_documents": BOILERPLATE_DOCUMENTS,
        "max_same_skeleton": SAME_SKELETON,
        # Addresses of the web are many: without them other rules would see other texts than a run.
        "mask": PERSONAL,
        "mask_with": MASK,
        "dedup": ("exact", "near", "paragraphs"),
        **thresholds(plain, script),
    }
    if script:
        keys |= {"script": script, "min_script_share": MOST_LETTERS}
    if code and code != "x":
        keys |= {"language": code, "min_language_score": SUSPECT_SCORE, "split_languages": True}
    return Clean.model_validate(keys)


def main_script(sample: str) -> str:
    """The script of most letters of a sample; empty if no script has nearly all of them."""
    lines = [line for line in sample.split("\n") if VISIBLE.search(line)]
    counts = script_counts("\n".join(lines[:: max(1, len(lines) // SAMPLE_LINES)]))
    script, letters = max(counts.items(), key=lambda item: item[1], default=("other", 0))
    return "" if script == "other" or letters < LEAST_SHARE * counts.total() else script


def is_wanted(name: str, documents: Sequence[str]) -> bool:
    """Whether some document of the sample has the spelling that a step of a pack would make."""
    right = packs()[name].right if name in packs() else ""
    return not right or any(packs()[name].is_right(text) for text in documents)


def thresholds(documents: Sequence[str], script: str) -> dict[str, float]:
    """The limits that a sample of normalized documents supports, by key.

    A measure gets none if the loosest limit of its bounds is not safe.
    """
    has_words = script not in BREAK_SCRIPTS | BRIEF_SCRIPTS
    rules = {drop.key: drop for drop in DROPS}
    wanted = [key for key in BOUNDS if has_words or key not in LIMITS["of_words"]]
    measures = [rules[key].measure_of(Clean()) for key in wanted]
    chosen = documents[:: max(1, -(-len(documents) // MOST_DOCUMENTS))]
    table = [[measure(text) for measure in measures] for text in chosen]
    limits = dict[str, float]()
    for key, column in zip(wanted, zip(*table, strict=True), strict=False):
        rule = rules[key]
        values = [value for value in column if value is not None]
        if len(values) < LEAST_DOCUMENTS:
            continue
        low, high = (float(quartile) for quartile in np.quantile(values, (0.25, 0.75)))
        reach = FENCE * (high - low)
        fence = low - reach if rule.is_least else high + reach
        strictest, loosest = BOUNDS[key]
        within = sorted((fence, strictest, loosest))[1]  # the fence within the bounds
        for limit, most in ((float(f"{within:.2g}"), TAIL_LOSS), (loosest, SAFE_LOSS)):
            if fmean(rule.verdict(value, limit) is not None for value in values) <= most:
                limits[key] = limit
                break
    return limits
