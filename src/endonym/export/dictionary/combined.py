"""The word list of Android's keyboard (AOSP), of which HeliBoard, FUTO and others are made.

Its text form is called "combined". A header names the dictionary, then comes a line for each word,
and below a word a line for each that often follows it:

    dictionary=main:tt,locale=tt,description=…,date=0,version=1
     word=белән,f=189
      bigram=бергә,f=201

f is a probability from 0 to 255, on a scale of logarithms: 255 is certain, and here 1 is the rarest
word. That of a bigram is the probability of its word behind the other one, and no lower than that
word's own. 0 is not written: keyboards do not suggest such words.

Source: CombinedInputOutput, CombinedFormatUtils and FusionDictionary of AOSP's dicttool. It ends a
value at the next comma and takes no empty one. It leaves out words of 48 characters.
"""

import math
from collections import defaultdict
from typing import NamedTuple

import regex

from endonym.export.refusals import refusal
from endonym.lexicon.words import LONGEST, WordList

MOST_FOLLOWERS = 16
"""Bigrams of a word, the most frequent ones."""
CERTAIN = 255
VERSION = 1
"""A keyboard replaces a dictionary by one of a higher version without asking."""

HEADER = regex.compile(r"dictionary=[^:]+(?::[^=]+=[^:]+)*")
"""By which dicttool knows the format."""
KEYS = ("dictionary", "locale", "description", "date", "version")
ENTRY = regex.compile(r" word=(?P<word>[^,=\s\p{Cc}]+),f=(?P<f>\d{1,3})")
FOLLOWER = regex.compile(r"  bigram=(?P<word>[^,=\s\p{Cc}]+),f=(?P<f>\d{1,3})")


class Combined(NamedTuple):
    """What a combined list says. words: with their f. bigrams: by first and second word, with f."""

    header: dict[str, str]
    words: dict[str, int]
    bigrams: dict[tuple[str, str], int]


def combined(words: WordList, name: str) -> str:
    """A word list in the combined form. name: describes it to people."""
    code = (words.language or "und").replace("-", "_")
    description = " ".join(regex.sub(r"[,=:\p{C}]", " ", name).split()) or code
    total = sum(each.count for each in words.words.values())
    rarest = math.log(min(each.count for each in words.words.values()) / total)
    f = {word: _f(each.count / total, rarest) for word, each in words.words.items()}
    followers = defaultdict[str, list[tuple[str, int]]](list)
    for (one, other), count in words.pairs.items():
        if len(followers[one]) < MOST_FOLLOWERS:
            share = min(1.0, count / words.words[one].count)
            followers[one].append((other, max(f[other], _f(share, rarest))))
    head = f"dictionary=main:{code.lower()},locale={code},description={description}"
    lines = [f"{head},date=0,version={VERSION}"]
    for word in words.words:
        lines.append(f" word={word},f={f[word]}")
        lines += [f"  bigram={other},f={value}" for other, value in followers[word]]
    return "\n".join(lines) + "\n"


def _f(probability: float, rarest: float) -> int:
    """A probability from 1 to 255. rarest: the logarithm of that which is 1."""
    share = math.log(probability) / rarest if rarest else 0.0
    return max(1, round(CERTAIN - (CERTAIN - 1) * share))


def read_combined(text: str, file: str = "") -> Combined:
    """A combined list, read as dicttool reads it, and more strictly.

    Each word stands once, each bigram names a listed word, and nothing else is there. Raises
    ExportError with the first line that is wrong.
    """
    head, *lines = text.removesuffix("\n").split("\n")
    header = _header(head, file)
    words = dict[str, int]()
    bigrams = dict[tuple[str, str], int]()
    word = ""
    of_line = dict[tuple[str, str], int]()
    for number, line in enumerate(lines, 2):
        entry = ENTRY.fullmatch(line)
        follower = FOLLOWER.fullmatch(line)
        found = entry or follower
        f = int(found["f"]) if found else 0
        is_wrong = not 1 <= f <= CERTAIN
        if entry:
            word = entry["word"]
            is_wrong |= word in words or len(word) > LONGEST
            words[word] = f
        elif follower:
            pair = word, follower["word"]
            is_wrong |= not word or pair in bigrams
            bigrams[pair], of_line[pair] = f, number
        if is_wrong:
            raise refusal("dictionary_line", file, number=number, line=line)
    for (one, other), f in bigrams.items():
        if other not in words or f < words[other]:
            line = f"bigram={other},f={f} of {one}"
            raise refusal("dictionary_line", file, number=of_line[one, other], line=line)
    return Combined(header, words, bigrams)


def _header(line: str, file: str) -> dict[str, str]:
    """What the header says. Raises ExportError."""
    pairs = [each.split("=") for each in line.split(",")]
    is_whole = HEADER.fullmatch(line) and all(len(each) == 2 and each[1] for each in pairs)
    header = dict(pairs) if is_whole else {}
    if tuple(header) != KEYS or not (header["date"] + header["version"]).isdecimal():
        raise refusal("dictionary_line", file, number=1, line=line)
    return header
