"""Finds texts that are not in the language of the others: the odd ones in a folder.

Three tests, each with figures that a person can check:

1. Letters: too few of the letters that the language must have (`LETTERS`), or of its script.
2. Letters again: their frequencies differ from those of the other texts.
3. Trigrams: groups of three letters that are usual in the other texts are rare here.

A text is odd by the first test alone, or by the second and third together: a text in another style
differs in one of them only. The limits were set on texts in Tatar, Bashkir, Kazakh, Kyrgyz,
Russian, Romanian, French, English, Persian, Arabic, Hindi, Nepali and Khmer: at 5,000 letters,
every other language was odd, and no text of the same one. On texts that no limit was set on, the
messages of a program in 58 languages, no text of the same one was odd and 96.7 % of the others
were (docs/log.md). A language written like its neighbour may pass.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import not_

import regex

from endonym.autopilot.text_size import SourceSample, reading_of
from endonym.cleaning.language import identify
from endonym.cleaning.language.votes import cld2_vote, known_codes, reliable_code
from endonym.cleaning.normalize import composed, without_mojibake
from endonym.cleaning.packs import pack_steps, packs
from endonym.cleaning.personal import showable
from endonym.errors import isolated
from endonym.formats.faults import passing_over
from endonym.formats.readable import DIVIDE, Reading, loss_in_words, too_few, too_much
from endonym.script import languages
from endonym.script.scripts import script_counts

SKETCH_CHARS = 60_000
"""Characters of a text that are enough to compare it."""
LEAST_LETTERS = 300
LEAST_COMPARED = 1_500
LEAST_REFERENCE = 5_000
"""Letters needed to judge a text by expected letters, by trigrams, and to judge others by it."""
LEAST_BOTH_WAYS = 30_000
"""Letters of a text from which the others may also be judged by its trigrams."""
LEAST_EXPECTED = 0.005
"""Expected letters are 3 to 15 % of the letters; with a smaller share than this, text is odd."""
LEAST_SCRIPT = 0.5
LETTERS_ALIKE = 0.965
TRIGRAMS_ALIKE = 0.80
TRIGRAMS_ALIKE_BACK = 0.85
USUAL = 1e-4
"""Trigrams with at least this share are usual."""
MOST_OF_ITSELF = 0.25
"""A text that makes up more of a group is not compared with it again."""
PIECE_CHARS = 200
VOTERS = 500
LEAST_VOTES = 5
MAJORITY = 0.5
"""Documents by which a language is guessed, those that must tell one, and their majority."""
LEAST_KEPT = 0.2
"""The share of a text in paragraphs of the language from which on it is used."""
LEAST_SHOWN = 20
MOST_SHOWN = 50
"""Characters of a line that is shown to people."""

OF_ONE_LANGUAGE = {"khmer", "thai", "lao", "myanmar", "georgian", "armenian", "greek", "hangul",
    "gurmukhi", "gujarati", "oriya", "tamil", "telugu", "kannada", "malayalam", "sinhala",
    "thaana"}  # fmt: skip
"""Scripts of one language each: here trigrams tell subjects apart and no languages."""

SAY_LANGUAGE = 'If it is meant to be, write language = "CODE" into this [[source]]'
WORD = regex.compile(r"[\p{L}\p{M}]+")


@dataclass(slots=True, eq=False)
class Sketch:
    """Counts of a text's letters and trigrams.

    halves: trigrams of every other piece, to see how well the text knows itself. line: the
    beginning of one of its lines, for people.
    """

    name: str
    text_bytes: float = 0.0
    letters: Counter[str] = field(default_factory=Counter)
    halves: tuple[Counter[str], Counter[str]] = field(
        default_factory=lambda: (Counter(), Counter())
    )
    scripts: Counter[str] = field(default_factory=Counter)
    line: str = ""

    @property
    def count(self) -> int:
        """How many letters were counted."""
        return self.letters.total()

    @property
    def script(self) -> str:
        """The script of most letters."""
        return self.scripts.most_common(1)[0][0] if self.scripts else ""


@dataclass(frozen=True, slots=True)
class Odd:
    """What was found: the odd texts, each with its reason, and a doubt about all texts.

    reference: the others; none if there are none, or if they are in doubt.
    """

    reasons: dict[str, str]
    doubt: str = ""
    reference: "Reference | None" = None


class Reference:
    """Texts of one language, to compare others with."""

    def __init__(self, sketches: Sequence[Sketch]) -> None:
        self.pool = pool = Sketch("", sum(each.text_bytes for each in sketches))
        for each in sketches:
            pool.letters.update(each.letters)
            pool.scripts.update(each.scripts)
            for half, more in zip(pool.halves, each.halves, strict=True):
                half.update(more)
        one, other = pool.halves
        self.usual = usual(one + other)
        self.own_share = (share_among(one, usual(other)) + share_among(other, usual(one))) / 2

    def trigrams_alike(self, sketch: Sketch) -> float:
        """The share of its trigrams that are usual here, divided by that of these texts' own."""
        share = share_among(sketch.halves[0] + sketch.halves[1], self.usual)
        return share / max(self.own_share, 0.1)

    def is_alike(self, sketch: Sketch) -> bool:
        """Whether a text is in the language of these; so are texts too short to say."""
        least = min(self.pool.count, sketch.count)
        if least >= LEAST_LETTERS and sketch.script != self.pool.script:
            return False
        if self.pool.count < LEAST_REFERENCE or sketch.count < LEAST_COMPARED:
            return True
        if sketch.script in OF_ONE_LANGUAGE:
            return True
        if letters_alike(sketch.letters, self.pool.letters) >= LETTERS_ALIKE:
            return True
        if self.trigrams_alike(sketch) >= TRIGRAMS_ALIKE:
            return True
        is_long = sketch.count >= LEAST_BOTH_WAYS
        return is_long and Reference([sketch]).trigrams_alike(self.pool) >= TRIGRAMS_ALIKE_BACK


def guess_language(documents: Sequence[str]) -> tuple[str, float]:
    """The language of most documents, empty if it cannot be told; and their share.

    pycld2 votes; for a language that it does not know, the user has to name it.
    """
    step = max(1, -(-len(documents) // VOTERS))
    votes = Counter[str]()
    for document in documents[::step]:
        with passing_over():
            if code := reliable_code(document):
                votes[code] += 1
    if votes.total() < LEAST_VOTES:
        return "", 0.0
    code, number = votes.most_common(1)[0]
    share = number / votes.total()
    return (code, share) if share > MAJORITY else ("", share)


def sketch(name: str, texts: Iterable[str], text_bytes: float, language: str = "") -> Sketch:
    """The counts of the beginning of some texts, spelt as the steps of their language spell.

    text_bytes: the size of all of them.
    """
    result = Sketch(name, text_bytes)
    sample = ""
    for text in texts:
        sample += text[:SKETCH_CHARS] + "\n"
        if len(sample) > SKETCH_CHARS:
            break
    sample = without_mojibake(sample)  # It is repaired later, and no other language.
    result.line = shown_line(sample, language)
    sample = sample[:SKETCH_CHARS]
    for step in pack_steps(language):
        sample = packs()[step].changer()(sample)
    sample = composed(sample).lower()
    for number, start in enumerate(range(0, len(sample), PIECE_CHARS)):
        half = result.halves[number % 2]
        for word in WORD.findall(sample[start : start + PIECE_CHARS]):
            padded = f" {word} "
            half.update(padded[n : n + 3] for n in range(len(word)))
    result.letters.update("".join(WORD.findall(sample)))
    result.scripts.update(script_counts(sample))
    return result


def shown_line(sample: str, language: str = "") -> str:
    """The beginning of the first line that is long enough to tell the language, as anyone may see
    it. language: of the text."""
    lines = [" ".join(line.split()) for line in sample.split("\n")]
    line = next((each for each in lines if len(each) >= LEAST_SHOWN), max(lines, key=len))
    line = showable(line, slice(0, 4 * MOST_SHOWN), language)
    shown = "".join(regex.findall(r"\X", line)[:MOST_SHOWN])
    return shown if shown == line else f"{shown.rstrip()} …"


def source_warnings(
    samples: Sequence[SourceSample], language: str, max_unreadable: float
) -> list[str]:
    """What is doubtful about a recipe's sources: odd or broken ones, and the language's code.

    max_unreadable: that of its [clean]; a warning says if so much is unreadable that a run ends.
    """
    sketches = {each.source.name: dict[str, Sketch]() for each in samples}
    texts = dict[str, Sequence[str]]()
    readings = [Reading(each.source.name) for each in samples]
    codes = {each.source.name: each.source.language or language for each in samples}
    all_codes = dict.fromkeys([language, *codes.values()])
    warnings = [why for code in all_codes if (why := languages.language_warning(code))]
    files = sum(len(each.beginnings) for each in samples)
    opened = 0
    for sample, reading in zip(samples, readings, strict=True):
        source = sample.source
        for file, begin in sample.beginnings:
            with passing_over():  # The corpus stage names what our code fails in.
                reading.include(reading_of(source, file, begin, files))
                opened += 1
                if why := begin.damage:
                    warnings.append(f'source "{source.name}": {file.name}: {why}')
                    continue
                name = f"{source.name}/{file.name}"
                counted = sketch(name, begin.texts, begin.text_bytes, codes[source.name])
                sketches[source.name][file.name] = counted
                texts[name] = begin.texts
    reasons = dict[str, str]()
    for code in dict.fromkeys(codes.values()):
        own_sketches = [sketches[name] for name in sketches if codes[name] == code]
        judged = odd_ones([each for own in own_sketches for each in own.values()], code)
        warnings += [judged.doubt] if judged.doubt else []
        for name, why in judged.reasons.items():
            if judged.reference is not None:
                why = by_paragraphs(texts[name], code, judged.reference, why)
            reasons |= {name: why} if why else {}
    for name, own in sketches.items():
        odd = [file for file, each in own.items() if each.name in reasons]
        if odd:
            which = f": {len(odd)} of {len(own)} files, such as {odd[0]}, read"
            which = " reads" if len(odd) == len(own) else which
            why = reasons[own[odd[0]].name]
            warnings.append(f'source "{name}"{which} like another language: {why}. {SAY_LANGUAGE}')
    warnings += unreadable_warnings(readings, max_unreadable)
    if opened == files > 0 and all(each.is_whole for each in samples):
        warnings += few_warnings(sum(each.records - each.bad_records for each in readings))
    return warnings


def few_warnings(documents: float) -> list[str]:
    """A warning if a run will end because texts have at most so many documents."""
    return [f"the run will end: {why}. {DIVIDE}"] if (why := too_few(documents)) else []


def unreadable_warnings(readings: Sequence[Reading], limit: float) -> list[str]:
    """Warnings of sources of which much cannot be read, and of whether that ends the run."""
    warnings = [
        f'source "{each.source}": about {why}' for each in readings if (why := loss_in_words(each))
    ]
    if (error := too_much(readings, limit)) is not None:
        found = error.message.partition("\n")[0]
        warnings.append(f"the run will end for {error.where}: {found}. {error.do}")
    return warnings


def odd_ones(sketches: Sequence[Sketch], language: str, others: Iterable[Sketch] = ()) -> Odd:
    """The texts that are not in the language of the others, or not in the one that is named.

    others: texts that are only compared with these, one at a time.
    """
    judged = [each for each in sketches if each.count >= LEAST_LETTERS]
    reasons = {each.name: why for each in judged if (why := unexpected(each, language, judged))}
    if judged and len(reasons) == len(judged):
        why = with_line(reasons[judged[0].name], judged[0].line)
        return Odd({}, f"no text reads like {languages.language_name(language)}: {why}")
    rest = [each for each in judged if each.name not in reasons]
    main = largest_group(rest)
    total = sum(each.text_bytes for each in rest)
    members = set(main)
    strange = [each for each in rest if each not in members]
    reference = Reference(main)
    doubt = ""
    if sum(each.text_bytes for each in main) * 2 < total:
        names = ", ".join(each.name for each in strange[:3])
        doubt = f"these texts seem to be in several languages, such as {names}"
    else:
        reasons |= {each.name: unlike(each, reference) for each in strange}
    for each in judged:
        if each.name in reasons:
            reasons[each.name] = with_line(reasons[each.name], each.line)
    for each in others:
        if why := other_language(each, [] if doubt else [reference], language):
            reasons[each.name] = why
    return Odd(reasons, doubt, reference if main and not doubt else None)


def by_paragraphs(texts: Iterable[str], language: str, reference: Reference, why: str) -> str:
    """Why a text is left out, after a look at its paragraphs; or empty.

    why: it is odd as a whole. If a good part is in the language, it is used all the same, as
    `split_languages` takes out the others. A short text is also left out if all of it is in another
    language. Nothing changes if no library knows the language.
    """
    text = "\n".join(texts)[:SKETCH_CHARS]
    code = languages.usual_code(language.lower()).partition("-")[0]
    whole = sketch("", [text], 0.0, language)
    if not any(code in codes for codes in known_codes().values()) or not whole.count:
        return why
    has_letters = share_of(whole, languages.LETTERS.get(code, "")) >= 2 * LEAST_EXPECTED
    is_long = whole.count >= LEAST_COMPARED
    if not why and (is_long or has_letters or cld2_vote(text).code == code):
        return ""
    lines = [line for line in text.split("\n") if WORD.search(line)]
    are_other = identify.other_language(lines, identify.Identifier(code))
    kept = sketch("", compress(lines, map(not_, are_other)), 0.0, language)
    votes = Counter[str]()
    share = 1 - kept.count / whole.count
    others = [*compress(lines, are_other)]
    for line in others:
        votes[cld2_vote(line).code] += len(line)
    votes -= Counter({"": votes[""], code: votes[code]})
    is_good = kept.count >= LEAST_LETTERS and reference.trigrams_alike(kept) >= TRIGRAMS_ALIKE
    if (share <= 1 - LEAST_KEPT and is_good and votes) or (not why and kept.count):
        return ""
    if not votes or share < LEAST_KEPT:
        return why
    how_much = "nearly all" if share > 0.9 else f"about {share:.0%}"
    other = languages.language_name(votes.most_common(1)[0][0])
    reason = f"{'all' if not kept.count else how_much} of it reads like {other}"
    return with_line(reason, shown_line("\n".join(others)))


def other_language(sketch: Sketch, references: Sequence[Reference], language: str) -> str:
    """Why a text is not in the language that is named, nor in that of any reference; or empty.

    The language does not count if a reference is in another one itself.
    """
    if sketch.count < LEAST_LETTERS:
        return ""
    pools = [reference.pool for reference in references]
    is_misnamed = any(unexpected(pool, language, pools) for pool in pools)
    why = "" if is_misnamed else unexpected(sketch, language, pools)
    if not why and references and not any(reference.is_alike(sketch) for reference in references):
        why = unlike(sketch, max(references, key=lambda each: each.pool.count))
    return with_line(why, sketch.line) if why else ""


def with_line(reason: str, line: str) -> str:
    """A reason with a line of the text, by which a person can judge it."""
    quoted_line = isolated(f'"{line}"')
    return f"{reason}. A line of it: {quoted_line}"


def largest_group(sketches: Sequence[Sketch]) -> list[Sketch]:
    """The texts of the language with the most bytes; groups grow from the largest text left.

    In the end all are compared with the whole group: its first texts may have been few.
    """
    left = sorted(sketches, key=lambda each: -each.text_bytes)
    groups: list[list[Sketch]] = []
    while left:
        group = joining = left[:1]  # The largest text left begins a group.
        left = left[1:]
        while joining and left:
            reference = Reference(group)
            joining = [each for each in left if reference.is_alike(each)]
            group = group + joining
            joined = set(joining)
            left = [each for each in left if each not in joined]
        groups.append(group)
    main = max(groups, key=lambda group: sum(each.text_bytes for each in group), default=[])
    whole = Reference(main)
    most = MOST_OF_ITSELF * whole.pool.count
    large = {each for each in main if each.count > most}
    return [each for each in sketches if each in large or whole.is_alike(each)]


def unexpected(sketch: Sketch, language: str, others: Sequence[Sketch]) -> str:
    """Why these are not the letters of the language; empty if they may be."""
    code, *parts = languages.usual_code(language.lower()).split("-")
    if any(len(part) == 4 and part.isalpha() for part in parts):
        return ""  # tt-Latn names its script, which may not be the usual one.
    script = languages.usual_script(code) or ""
    share = sketch.scripts[script] / max(1, sketch.scripts.total())
    if script and share < LEAST_SCRIPT:
        found = sketch.script.replace("_", " ").capitalize()
        return f"its letters are {found}, not {script.capitalize()}"
    expected = languages.LETTERS.get(code, "")
    share = share_of(sketch, expected)
    if not expected or share >= LEAST_EXPECTED:
        return ""
    most = max((share_of(other, expected) for other in others), default=0.0)
    name = languages.language_name(code)
    hardly = "hardly any" if share else "none"
    compared = f", which are one letter in {1 / most:.0f} of the others" if most else ""
    return (
        f"it has {hardly} of the letters {' '.join(expected)} of {name}{compared}. It is in "
        "another language, or was typed without them"
    )


def unlike(sketch: Sketch, reference: Reference) -> str:
    """Why a text is not in the language of the reference."""
    if sketch.script != reference.pool.script:
        found, usual_one = (each.script.capitalize() for each in (sketch, reference.pool))
        return f"its letters are {found}, those of the others {usual_one}"
    common = share_among(sketch.halves[0] + sketch.halves[1], reference.usual)
    text = (
        f"its words are spelt unlike those of the others: of its groups of three letters "
        f"{common:.0%} are usual there, of theirs {reference.own_share:.0%}"
    )
    limit = 1e-4 * reference.pool.count
    letters = [letter for letter, _ in sketch.letters.most_common()]
    strange = [each for each in letters if reference.pool.letters[each] < limit]
    share = sum(sketch.letters[each] for each in strange) / sketch.count
    if share >= LEAST_EXPECTED:
        text += f"; the letters {' '.join(strange[:6])} are rare there"
    return text


def share_of(sketch: Sketch, letters: str) -> float:
    """The share of a text's letters that are among these."""
    return sum(sketch.letters[each] for each in set(letters.lower())) / max(1, sketch.count)


def usual(trigrams: Counter[str]) -> frozenset[str]:
    """The trigrams that are not rare."""
    limit = max(1.0, USUAL * trigrams.total())
    return frozenset(each for each, count in trigrams.items() if count >= limit)


def share_among(trigrams: Counter[str], among: frozenset[str]) -> float:
    """The share of a text's trigrams that are among these."""
    count = sum(count for each, count in trigrams.items() if each in among)
    return count / max(1, trigrams.total())


def letters_alike(one: Counter[str], other: Counter[str]) -> float:
    """How alike two texts use their letters, from 0 to 1 (Bhattacharyya coefficient).

    Divided by what two samples of this size would reach by chance: 1 - (letters - 1) / 8 / size.
    """
    total = one.total() * other.total()
    found = sum(math.sqrt(one[each] * other[each] / total) for each in one.keys() & other.keys())
    lost = sum((len(each) - 1) / 8 / each.total() for each in (one, other))
    return found / max(0.5, 1 - lost)
