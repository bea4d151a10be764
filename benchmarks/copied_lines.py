"""Real lines with planted copies, larger mixtures, and the pairs that are truly similar.

The truth is computed without hashes: runs of six letters, or words, are numbered one by one, and
all pairs above a similarity are found by an inverted index over the rarest of each line (the prefix
filter: Bayardo, Ma and Srikant 2007, section 3). It shares only `script/fold.py`
with what it judges.
"""

import gzip
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import regex
import zstandard

from endonym.script.fold import folded

LINES = (
    *("tt/common_voice_sentences.txt", "tt/tatoeba_sentences.txt", "ro/ronec_sentences.txt"),
    *("ro/common_voice_sentences.txt", "km/tico19_sentences.txt", "km/wikipedia_paragraphs.txt"),
    *("other/ky_common_voice.txt", "other/kk_common_voice.txt", "other/fa_common_voice.txt"),
    *("other/ar_common_voice.txt", "en/common_voice_sentences.txt"),
    "fr/common_voice_sentences.txt.gz",
)
PLANTED = 0.1
"""Share of the lines that are edited copies of others."""
WIDTH = 6

Edit = Callable[[str, random.Random], str]
Pairs = list[tuple[int, int, float]]
Items = tuple[np.ndarray, np.ndarray]
"""The distinct items of all texts as numbers, and the text of each, in order of the texts."""
WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")


def opened(path: Path) -> str:
    """The text of a file, decompressed."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes()).decode()
    if path.suffix == ".zst":
        with path.open("rb") as file:
            reader = zstandard.ZstdDecompressor().stream_reader(file)
            return io.TextIOWrapper(reader, encoding="utf-8").read()
    return path.read_text(encoding="utf-8")


def real_lines(data: Path) -> list[str]:
    """All lines of the lists in a folder of texts, as they are."""
    return [line for name in LINES for line in opened(data / name).split("\n") if line.strip()]


def one_letter(text: str, rng: random.Random) -> str:
    """Another letter somewhere."""
    at = rng.randrange(len(text))
    return text[:at] + rng.choice(text) + text[at + 1 :]


def another_word(text: str, rng: random.Random) -> str:
    """A word turned around."""
    words = text.split(" ")
    at = rng.randrange(len(words))
    return " ".join([*words[:at], words[at][::-1], *words[at + 1 :]])


def more_words(text: str, rng: random.Random) -> str:
    """Some words of the beginning again at the end."""
    words = text.split(" ")
    return " ".join([*words, *words[: rng.randint(1, 3)]])


def word_less(text: str, rng: random.Random) -> str:
    """Without one of the words, if there are several."""
    words = text.split(" ")
    at = rng.randrange(len(words))
    return " ".join([*words[:at], *words[at + 1 :]]) if len(words) > 1 else text + text


def word_between(text: str, rng: random.Random) -> str:
    """One of the words a second time, somewhere, turned around."""
    words = text.split(" ")
    at = rng.randrange(len(words) + 1)
    return " ".join([*words[:at], rng.choice(words)[::-1], *words[at:]])


EDITS: dict[str, Edit] = {
    "other capitals and signs": lambda text, rng: f"— {text.upper()}!",
    "one letter": one_letter,
    "two letters": lambda text, rng: one_letter(one_letter(text, rng), rng),
    "one word": another_word,
    "a word less": word_less,
    "a word inserted": word_between,
    "cut by a tenth": lambda text, rng: text[: max(5, len(text) * 9 // 10)],
    "more words": more_words,
}


Record = dict[str, str | int]
"""A line: its text, its edit ("" for a real line), the number of the line it copies, or -1."""


def with_copies(lines: list[str], count: int) -> list[Record]:
    """So many lines in random order, a tenth of them edited copies."""
    rng = random.Random(5)
    rng.shuffle(lines)
    return planted(lines[: count - int(PLANTED * count)], int(PLANTED * count), EDITS, rng)


def planted(
    lines: list[str], count: int, edits: dict[str, Edit], rng: random.Random
) -> list[Record]:
    """Lines and so many edited copies of them, of each edit as many, in random order."""
    found: list[tuple[str, str, int]] = [(text, "", -1) for text in lines]
    names = list(edits)
    for number in range(count):
        source, name = rng.randrange(len(lines)), names[number % len(names)]
        found.append((edits[name](lines[source], rng), name, source))
    order = list(range(len(found)))
    rng.shuffle(order)
    places = {old: new for new, old in enumerate(order)}
    return [
        {"text": found[old][0], "edit": found[old][1], "of": places.get(found[old][2], -1)}
        for old in order
    ]


def runs_of(texts: list[str]) -> Items:
    """The runs of six folded letters of texts."""
    return numbered_runs(folded(texts))


def words_of(texts: list[str]) -> Items:
    """The words of texts, in small letters."""
    numbers: dict[str, int] = {}
    pairs = [
        (numbers.setdefault(word, len(numbers)), owner)
        for owner, text in enumerate(texts)
        for word in sorted(set(WORD.findall(text.lower())))
    ]
    ids, owners = np.array(pairs, dtype=np.int64).T
    order = np.lexsort((ids, owners))
    return ids[order], owners[order]


def similar_pairs(items: Items, count: int, least: float) -> Pairs:
    """All pairs of `count` texts whose sets of items have at least this Jaccard similarity."""
    ids, owners = items
    sizes = np.bincount(owners, minlength=count)
    firsts = np.cumsum(sizes) - sizes
    counts = np.bincount(ids)
    rarest = np.lexsort((ids, counts[ids], owners))
    places = np.arange(len(ids)) - firsts[owners]
    prefix = sizes - np.ceil(least * sizes - 1e-9).astype(np.int64) + 1
    leads = rarest[places < prefix[owners]]
    found: list[np.ndarray] = []
    lead_ids, lead_owners = ids[leads], owners[leads]
    order = np.lexsort((lead_owners, lead_ids))
    lead_ids, lead_owners = lead_ids[order], lead_owners[order]
    starts = np.append(np.flatnonzero(np.diff(lead_ids, prepend=-1)), len(lead_ids))
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        group = lead_owners[start:end]
        one, two = (group[side] for side in np.triu_indices(len(group), 1))
        near = np.minimum(sizes[one], sizes[two]) >= least * np.maximum(sizes[one], sizes[two])
        found.append(one[near] * count + two[near])
    pairs = np.unique(np.concatenate(found))
    similar: Pairs = []
    for one, two in zip(*np.divmod(pairs, count), strict=True):
        a, b = (ids[firsts[n] : firsts[n] + sizes[n]] for n in (one, two))
        common = len(np.intersect1d(a, b, assume_unique=True))
        similarity = common / (len(a) + len(b) - common)
        if similarity >= least:
            similar.append((int(one), int(two), similarity))
    return similar


def numbered_runs(texts: list[str]) -> Items:
    """The distinct runs of each text, numbered over all texts, sorted; and the text of each."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32)
    letters = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    lengths = np.array([len(text) for text in texts])
    counts = np.maximum(0, lengths - WIDTH + 1)
    starts = np.cumsum(lengths) - lengths
    places = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    alphabet, found = int(letters.max()) + 1, letters[places]
    for offset in range(1, WIDTH):
        longer = found * alphabet + letters[places + offset]
        found = np.unique(longer, return_inverse=True)[1].astype(np.int64)
    owners = np.repeat(np.arange(len(texts)), counts)
    pairs = np.unique(owners * (found.max() + 1) + found)
    return pairs % (found.max() + 1), pairs // (found.max() + 1)


def write_lines(path: Path, records: list[Record]) -> None:
    """Records as JSON lines, and beside them their texts alone, folded: one a line."""
    lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in records)
    path.write_text(lines, encoding="utf-8")
    texts = folded([str(each["text"]) for each in records])
    path.with_suffix(".folded").write_text("\n".join(texts), encoding="utf-8")
