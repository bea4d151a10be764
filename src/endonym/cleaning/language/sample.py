"""What the character model is learnt from: paragraphs drawn from all over a corpus.

The user has texts of one language, and knows of none of its neighbours. So the neighbours are taken
from what is there: texts that the user names (`contrast`), and paragraphs of the corpus itself that
the libraries are certain of to be in another language. Only what is too rare or too near to be
found so is left to the model's class of unknown languages.

1. Paragraphs are drawn by hash: those with the smallest ones, so that the sample is the same
   however the corpus is divided.
2. A paragraph that pycld2 is certain of to be in another language gets its label if py3langid says
   the same, unless so many would get it that the libraries must mean the corpus's own language,
   which they do not know. Each language with enough text is a class.
3. Twice, each half of the sample is judged by a model of the other half, and paragraphs change to
   the class that they are most likely in: labels were wrong here and there. A label that most of
   its paragraphs lose was wrong everywhere.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endonym.cleaning.keyed import key_of, keyed
from endonym.cleaning.language.model import CharacterModel
from endonym.cleaning.language.votes import known_codes, langid_vote, reliable_code
from endonym.disk import json_bytes, read_json
from endonym.formats.chunks import memory_mapped, write_arrays
from endonym.formats.document_files import write_file

SAMPLE_CHARS = 3_000_000
"""Characters of the sample."""
LEAST_PARAGRAPH = 30
MOST_PARAGRAPH = 1_000
"""Characters of a paragraph that is drawn, and of how much of it is taken."""
LEAST_CLASS = 2_000
"""Characters of a class; of languages with less, all texts together are one."""
LEAST_MODEL = 5_000
"""Characters of the language without which no model is learnt."""
MOST_WRONG = 0.3
"""Largest share of paragraphs with one label, if the libraries do not know the language."""
ROUNDS = 2
MOST_STAY = 0.5
"""Share of a label's paragraphs that must keep it: of fewer, the libraries take texts of the
corpus's own language for that one."""
RARE = 0.05
PART = 0.4
"""Share of a language's paragraphs that are unlike it, and the part of what the others reach above
the background that a text must reach."""
LEAST_MARGIN = 5.0
"""Nats by which another class must be likelier before a paragraph changes to it."""
OTHERS = "others"
TOLD = "language.json"


@dataclass(frozen=True, slots=True)
class Learnt:
    """A character model.

    least: how much likelier than by its background each letter must be. knows_neighbours: whether
    the user gave texts to contrast with. others: the share of the sample in other languages.
    """

    model: CharacterModel
    least: float = 0.0
    knows_neighbours: bool = False
    others: float = 0.0

    def save(self, folder: Path) -> None:
        """Write the model to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        write_arrays(folder, self.model.arrays())
        fields = {"codes": self.model.codes, "least": self.least, "knows": self.knows_neighbours}
        write_file(folder, TOLD, json_bytes(fields | {"others": self.others}))

    @classmethod
    def load(cls, folder: Path) -> "Learnt":
        """The model in a folder."""
        fields = read_json(folder / TOLD)
        arrays = {path.stem: memory_mapped(path) for path in folder.glob("*.npy")}
        model = CharacterModel.of_arrays(fields["codes"], arrays)
        return cls(model, fields["least"], fields["knows"], fields["others"])


def candidates(text: str) -> Iterator[tuple[int, str]]:
    """The paragraphs of a document that may be drawn, each with its key."""
    for line in text.split("\n"):
        if len(line) >= LEAST_PARAGRAPH:
            paragraph = line[:MOST_PARAGRAPH]
            yield key_of(paragraph), paragraph


def smallest_keys(parts: "Sequence[np.ndarray]", most_chars: int) -> "np.ndarray":
    """The smallest keys, whose paragraphs together have so many characters, or a few more.

    parts: rows of a paragraph's key and its characters.
    """
    rows = np.concatenate(parts)
    _, firsts = np.unique(rows[:, 0], return_index=True)
    rows = rows[firsts]
    return rows[: int(np.searchsorted(np.cumsum(rows[:, 1]), most_chars)) + 1]


def drawn_paragraphs(paragraphs: Mapping[int, str], most_chars: int) -> dict[int, str]:
    """Of paragraphs by their keys those with the smallest ones, in the order of these."""
    rows = keyed([(key, len(paragraph)) for key, paragraph in paragraphs.items()])
    return {key: paragraphs[key] for key in smallest_keys([rows], most_chars)[:, 0].tolist()}


def learn(
    paragraphs: Sequence[str], language: str, contrast: Mapping[str, Iterable[str]]
) -> "Learnt | None":
    """The model of a language against what else is in its corpus, and against given texts.

    None if there is too little text. If too little of it is left next to the given texts, the model
    is learnt without them.
    """
    code = language.partition("-")[0]
    others = {name: list(texts) for name, texts in contrast.items() if name != code}
    labels = first = _labels(paragraphs, code)
    for _ in range(ROUNDS):
        labels = _relabelled(paragraphs, labels, code, others)
    stayed = Counter(label for label, before in zip(labels, first, strict=True) if label == before)
    wrong = {label for label, count in Counter(first).items() if stayed[label] < MOST_STAY * count}
    labels = [code if label in wrong else label for label in labels]
    classes = _classes(paragraphs, labels, code, others)
    if sum(map(len, classes[code])) < LEAST_MODEL:
        # Given texts of a near neighbour draw paragraphs of a small corpus to their own class.
        return learn(paragraphs, language, {}) if others else None
    share = sum(label != code for label in labels) / len(labels)
    return Learnt(CharacterModel(classes), _usual_odds(classes[code]), bool(others), share)


def _usual_odds(texts: Sequence[str]) -> float:
    """What nearly all texts of a language reach above the background, a letter; at least 0.

    Each half is judged by a model of the other half: a text that was learnt knows itself.
    """
    found: list[float] = []
    for mine, other in ((texts[::2], texts[1::2]), (texts[1::2], texts[::2])):
        likely, letters = CharacterModel({"": other}).likelihoods(mine)
        found.append(_usual((likely[:, 0] - likely[:, 1]) / np.maximum(1, letters)))
    return sum(found) / len(found)


def _usual(above: NDArray[np.float64]) -> float:
    """The least that a text must reach, of what texts reach above the background a letter."""
    return max(0.0, PART * float(np.quantile(above, RARE))) if len(above) else 0.0


def _labels(paragraphs: Sequence[str], code: str) -> list[str]:
    """The language of each paragraph: the corpus's own unless both libraries name another.

    Of a language that py3langid does not know, pycld2's word is enough.
    """
    named = [reliable_code(paragraph) or code for paragraph in paragraphs]
    most = MOST_WRONG * len(named)
    known = known_codes()["py3langid"]
    frequent = {label for label, number in Counter(named).items() if number > most} | {code}
    return [
        label
        if label not in frequent and (label not in known or langid_vote(text).code == label)
        else code
        for label, text in zip(named, paragraphs, strict=True)
    ]


def _classes(
    paragraphs: Sequence[str], labels: Sequence[str], code: str, others: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """The texts of each class, the language's own first; small classes are one.

    others: given texts in other languages, by language.
    """
    names = [code, *sorted({*labels, *others} - {code})]
    classes = {name: list(others.get(name, ())) for name in names}
    for text, label in zip(paragraphs, labels, strict=True):
        classes[label].append(text)
    small = [name for name in names[1:] if sum(map(len, classes[name])) < LEAST_CLASS]
    together = [text for name in small for text in classes.pop(name)]
    if sum(map(len, together)) >= LEAST_CLASS:
        classes[OTHERS] = together
    return classes


def _relabelled(
    paragraphs: Sequence[str], labels: Sequence[str], code: str, others: Mapping[str, Sequence[str]]
) -> list[str]:
    """The labels of paragraphs after each half has been judged by a model of the other half.

    A paragraph changes to the language of the corpus only if it is as far above the background as
    most of that language.
    """
    halves = [[n for n in range(len(labels)) if n % 2 == half] for half in (0, 1)]
    found = list(labels)
    for mine, rest in (halves, halves[::-1]):
        classes = _classes([paragraphs[n] for n in rest], [labels[n] for n in rest], code, others)
        if len(classes) < 2:
            continue
        model = CharacterModel(classes)
        likely, letters = model.likelihoods([paragraphs[n] for n in mine])
        above = (likely[:, model.codes.index(code)] - likely[:, -1]) / np.maximum(1, letters)
        usual = _usual(above[[labels[n] == code for n in mine]])
        for n, each, typical in zip(mine, likely[:, :-1], above >= usual, strict=True):
            label = labels[n] if labels[n] in model.codes else OTHERS
            best = model.codes[int(each.argmax())]
            if label not in model.codes or (best == code and not typical):
                continue
            if each.max() - each[model.codes.index(label)] >= LEAST_MARGIN:
                found[n] = best
    return found
