"""Cleaning that is recommended because a sample of the texts shows that it is needed.

Each key comes with what was found: how many documents, and an example. What the sample does not
show is not recommended; `endonym run --dry-run` shows what any rule would do.
"""

from collections.abc import Sequence
from statistics import median
from typing import Any

from endonym.cleaning.corpus_rules import CorpusJudge, facts_of
from endonym.cleaning.language.sample import of_others
from endonym.cleaning.packs import pack_steps, packs
from endonym.cleaning.rules import STEPS, normalizer, step_names
from endonym.cleaning.tally import Tally
from endonym.formats.config import Clean
from endonym.log import counted

Keys = tuple[dict[str, Any], dict[str, str]]
"""Keys of [clean], and the reason for each."""

ALWAYS = ("nfc", "zero_width", "spaces")
"""Steps that do no harm to any text, and that nearly every corpus needs."""
BOILERPLATE_DOCUMENTS, SAME_SKELETON = 10, 20
LEAST_SCORE = 0.6
MOST_DOCUMENTS = 5_000
"""Documents that are identified."""
SAFE_LOSS = 0.02
LEAST_LINES = 3
"""Lines of the median document that make paragraphs of another language likely."""
MOST_OTHERS = 0.5
"""Share of the documents in other languages from which on the language itself is in doubt."""
EXAMPLE_CHARS = 60


def step_keys(language: str, script: str, documents: Sequence[str]) -> Keys:
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
    return {"normalize": tuple(sorted(needed, key=order.index))}, {"normalize": "; ".join(reasons)}


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


def corpus_keys(documents: Sequence[str]) -> Keys:
    """Lines that stand in many documents, and documents that a program has filled in."""
    clean = Clean(max_line_documents=BOILERPLATE_DOCUMENTS, max_same_skeleton=SAME_SKELETON)
    judge = CorpusJudge(clean, facts_of(clean, documents))
    keys: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    gone = [line for text in documents for _, line in judge.shortened(text)[1]]
    if gone:
        keys["max_line_documents"] = BOILERPLATE_DOCUMENTS
        reasons["max_line_documents"] = (
            f"takes out {counted(len(gone), 'line')} of the sample, such as "
            f'"{max(gone, key=len)[:EXAMPLE_CHARS]}"'
        )
    same = [text for text in documents if judge.verdict(text) is not None]
    if same:
        keys["max_same_skeleton"] = SAME_SKELETON
        reasons["max_same_skeleton"] = (
            f"drops {counted(len(same), 'text')} of the sample that a program may have filled in, "
            f'such as "{same[0][:EXAMPLE_CHARS]}"'
        )
    return keys, reasons


def language_keys(language: str, documents: Sequence[str]) -> Keys:
    """A least score of the language, if it is safe, and paragraphs of others, if there are any.

    It is safe if it drops hardly any document beside those that are certainly in other languages,
    and most documents are not.
    """
    code = language.partition("-")[0]
    clean = Clean(language=code, min_language_score=LEAST_SCORE, split_languages=True)
    if not documents or code == "x":
        return {}, {}
    judge = CorpusJudge(clean, facts_of(clean, documents))
    chosen = documents[:: max(1, -(-len(documents) // MOST_DOCUMENTS))]
    short = [judge.shortened(text) for text in chosen]
    parts = [part for _, gone in short for _, part in gone]
    judge.prepare([text for text, _ in short])
    lost = [text for text, _ in short if judge.verdict(text) is not None]
    doubtful = len(lost) - sum(of_others(lost, code))
    share = len(lost) / len(chosen)
    is_safe = share < MOST_OTHERS and doubtful <= SAFE_LOSS * (len(chosen) - len(lost) + doubtful)
    keys: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    if is_safe:
        keys |= {"language": code, "min_language_score": LEAST_SCORE}
        reasons["language"] = "documents must be in it"
        reasons["min_language_score"] = f"drops {share:.1%} of the sample: another language"
    lines = median(text.count("\n") + 1 for text in documents)
    if is_safe and parts and lines >= LEAST_LINES:
        keys |= {"language": code, "split_languages": True}
        reasons["language"] = "documents must be in it"
        reasons["split_languages"] = (
            f"takes out {counted(len(parts), 'paragraph')} of the sample, such as "
            f'"{parts[0][:EXAMPLE_CHARS]}"'
        )
    return keys, reasons
