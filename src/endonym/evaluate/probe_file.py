"""The examples of a probe: texts with a label, or two texts with a score of their similarity.

They are learnt from (train), chosen by (dev) and judged on (test). A record says its split, or the
name of its file does, or it is drawn by the hash of its texts.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from endonym.data.conversation_files import places_in_words
from endonym.data.conversations import Unfit, text_of
from endonym.disk import packaged_tables
from endonym.errors import SourceError, printable
from endonym.evaluate.config import SPLITS, split_files
from endonym.evaluate.items import fitting, names_in_words, names_of
from endonym.formats.document import Reject
from endonym.log import listed, number
from endonym.script.languages import language_alone

WORDS: dict[str, Any] = packaged_tables("endonym.evaluate", "probes.toml")
SPLIT_OF = {name: split for split, names in SPLITS.items() for name in names}
TEST_SHARE = 0.2
DEV_SHARE = 0.1
"""What is drawn for a split that no record has."""
SHOWN_LANGUAGES = 12


class Example(NamedTuple):
    """One text and its label, or two texts and the score of their similarity.

    split, language: as the record says; empty if it does not.
    """

    texts: tuple[str, ...]
    answer: str | float
    split: str = ""
    language: str = ""

    @property
    def place(self) -> float:
        """A number from 0 to 1 that only depends on the texts."""
        digest = hashlib.sha256("\0".join(self.texts).encode()).digest()
        return int.from_bytes(digest[:7], "big") / 256**7


class Probe(NamedTuple):
    """The examples of each split; how they were divided; and in words what is not read."""

    parts: Mapping[str, list[Example]]
    notes: list[str]
    warnings: list[str]

    @property
    def is_similarity(self) -> bool:
        """Whether the answers are scores of two texts, and no labels."""
        return isinstance(self.parts["train"][0].answer, float)

    @property
    def texts(self) -> list[str]:
        """All texts, each once."""
        examples = chain.from_iterable(self.parts.values())
        return [*dict.fromkeys(text for each in examples for text in each.texts)]

    @property
    def test_texts(self) -> list[str]:
        """The texts that judge, each once."""
        return [*dict.fromkeys(chain.from_iterable(each.texts for each in self.parts["test"]))]

    def without(self, texts: Iterable[str], where: str) -> "Probe":
        """The examples that have none of these texts. Raises SourceError as `read_probe`."""
        left_out = set(texts)
        parts = {
            split: [each for each in part if left_out.isdisjoint(each.texts)]
            for split, part in self.parts.items()
        }
        return self._replace(parts=_checked(parts, where))


def read_probe(path: Path, language: str = "") -> Probe:
    """The examples of a file, or of a file of train and those of the other splits beside it.

    language: of the model, in which those records are read that say their language. Raises
    SourceError if there are none, for records of several kinds, and for one class only.
    """
    examples = list[Example]()
    rejects = list[Reject]()
    unread = dict[str, None]()
    for split, file in split_files(path):
        found, left, others = fitting(file, WORDS, example_of)
        examples += [each._replace(split=split) if split else each for each in found]
        rejects += left
        unread |= others
    left_out = places_in_words(rejects)
    where = str(path)
    if not examples:
        raise SourceError(f"no examples: {left_out}", where=where, do=WORDS["advice"])
    if len({type(each.answer) for each in examples}) > 1:
        raise SourceError(WORDS["mixed"], where=where, do=WORDS["advice"])
    notes = [f"fields that are not read: {listed([*unread])}"] if unread else []
    examples = _in_language(examples, language, notes, where=where)
    parts = _checked(_divided(examples, notes, where), where)
    known = {each.texts for split in ("train", "dev") for each in parts[split]}
    copies = sum(each.texts in known for each in parts["test"])
    warnings = [f"left out: {left_out}"] if left_out else []
    if copies:
        warnings.append(WORDS["copies"].format(n=number(copies), total=number(len(parts["test"]))))
    return Probe(parts, notes, warnings)


def example_of(record: dict[Any, Any]) -> tuple[Example, Iterator[str]]:
    """The example in a record, and the names of its fields that are not read. Raises Unfit."""
    names = names_of(record, WORDS["fields"])
    is_pair = {"first", "second", "score"} <= names.keys()
    if is_pair and {"text", "label"} <= names.keys():
        raise Unfit("bad_item", WORDS["both_forms"].format(**names))
    if is_pair:
        texts = ("first", "second")
        answer = _score(record[names["score"]])
    elif {"text", "label"} <= names.keys():
        texts = ("text",)
        answer = _label(record[names["label"]])
    else:
        raise Unfit("bad_item", WORDS["no_fields"].format(found=names_in_words(record)))
    kept = tuple(text_of(record[names[each]], "a text") for each in texts)
    if not all(text.strip() for text in kept):
        raise Unfit("empty_text", "a text is empty")
    split = str(record[names["split"]]).strip().lower() if "split" in names else ""
    if split and split not in SPLIT_OF:
        raise Unfit("bad_split", WORDS["bad_split"].format(found=printable(split[:40])))
    language = str(record[names["language"]]).strip() if "language" in names else ""
    read = {*names.values()}
    others = (printable(name) for name in record if name not in read)
    return Example(kept, answer, SPLIT_OF.get(split, ""), language), others


def _label(value: Any) -> str:
    """The name of a class, which may be a number: 1.0 is 1."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Unfit("no_answer", WORDS["bad_label"].format(found=value))
        value = int(value) if value.is_integer() else value
    label = str(value) if isinstance(value, int | float) else text_of(value, "the label").strip()
    if not label:
        raise Unfit("no_answer", WORDS["no_label"])
    return label


def _score(value: Any) -> float:
    """A similarity, which a table writes as text."""
    try:
        score = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        score = math.nan
    if not math.isfinite(score):
        found = printable(str(value)[:40])
        raise Unfit("no_answer", WORDS["bad_score"].format(found=found))
    return score


def _in_language(
    examples: list[Example], language: str, notes: list[str], *, where: str
) -> list[Example]:
    """The examples of one language, and those that do not say theirs.

    Raises SourceError if they are in other languages, or in several and the model's is not known.
    """
    named = dict.fromkeys(each.language for each in examples if each.language)
    codes = {each: language_alone(each.replace("_", "-")) for each in named}
    wanted = language_alone(language) if language else next(iter(codes.values()), "")
    kept = [each for each in examples if codes.get(each.language, wanted) == wanted]
    found = listed([printable(each) for each in codes][:SHOWN_LANGUAGES])
    if not kept or (not language and len(set(codes.values())) > 1):
        asked = WORDS["other_language" if language else "no_language"].format(language=language)
        message = WORDS["languages"].format(found=found, asked=asked)
        raise SourceError(message, where=where, do=WORDS["name_language"])
    if n_others := len(examples) - len(kept):
        counts = Counter(each.language for each in examples)
        others = [
            f"{printable(each)} {number(counts[each])}" for each in codes if codes[each] != wanted
        ]
        found = listed(others[:SHOWN_LANGUAGES])
        notes.append(WORDS["other_languages"].format(n=number(n_others), found=found))
    return kept


def _divided(examples: list[Example], notes: list[str], where: str) -> dict[str, list[Example]]:
    """The examples of each split. Splits that no record has are drawn from others: see notes.

    Equal texts come into the same split. Raises SourceError if only some records have a split.
    """
    n_without = sum(not each.split for each in examples)
    if 0 < n_without < len(examples):
        message = WORDS["some_splits"].format(n=number(n_without))
        raise SourceError(message, where=where, do=WORDS["name_splits"])
    parts = {split: [e for e in examples if e.split == split] for split in SPLITS}
    if n_without:
        parts["train"] = examples
    if not parts["test"] and parts["dev"]:
        parts["test"], parts["dev"] = parts["dev"], []
        notes.append(WORDS["dev_judges"])
    elif not parts["test"]:
        _draw(parts, "test", 0.0, TEST_SHARE)
        notes.append(WORDS["test_drawn"])
    if not parts["dev"]:
        _draw(parts, "dev", 1 - DEV_SHARE, 1.0)
        notes.append(WORDS["dev_drawn"])
    return parts


def _draw(parts: dict[str, list[Example]], split: str, low: float, high: float) -> None:
    """Move the train examples whose `place` lies between two numbers to another split."""
    is_drawn = [low <= each.place < high for each in parts["train"]]
    train = list(zip(parts["train"], is_drawn, strict=True))
    parts[split] = [each for each, drawn in train if drawn]
    parts["train"] = [each for each, drawn in train if not drawn]


def _checked(parts: dict[str, list[Example]], where: str) -> dict[str, list[Example]]:
    """The parts. Raises SourceError if one has no examples, or all of them the same answer."""
    for split, part in parts.items():
        if not part:
            count = sum(map(len, parts.values()))
            message = WORDS["no_examples"].format(split=split, n=number(count))
            raise SourceError(message, where=where, do=WORDS["more_examples"])
        if len({each.answer for each in part}) < 2:
            kind = "label" if isinstance(part[0].answer, str) else "score"
            answer = printable(str(part[0].answer)[:40])
            message = WORDS["one_class"].format(n=len(part), split=split, kind=kind, answer=answer)
            raise SourceError(message, where=where, do=WORDS["two_classes"])
    return parts
