"""The README.md of an exported data set: sources, sizes, what was dropped and why, known limits.

Everything in it comes from the corpus's manifest and the recipe. What they do not say, it does not
say.
Source: https://github.com/huggingface/hub-docs/blob/main/datasetcard.md
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import PurePath
from typing import Any

from endonym.copies.held_out.split import FEW_BLOCKS, SIDES
from endonym.errors import printable
from endonym.export.dataset import COLUMNS, FOLDER
from endonym.export.front_matter import hub_license, language_code
from endonym.export.markdown import filled_template
from endonym.formats.config import Clean

CATEGORIES = {10**3: "1K", 10**4: "10K", 10**5: "100K", 10**6: "1M", 10**7: "10M"}
"""Limits of the hub's categories of size, in documents, and how they are written."""
UNKNOWN = "unknown"
"""What the hub calls a license that nobody has said."""
LONGEST_VALUE = 60
NOT_SHOWN = ("normalize", "max_unreadable")
PATHS = ("contrast", "decontaminate")


@dataclass(frozen=True, slots=True)
class DatasetCard:
    """What is known of a corpus. licenses: of its sources, by name."""

    name: str
    language: str
    corpus: Mapping[str, Any]
    clean: Mapping[str, Any]
    licenses: Mapping[str, str] = field(default_factory=dict[str, str])


def readme(card: DatasetCard) -> str:
    """The file's text: the head that the hub reads, then Markdown for people."""
    sources, total = card.corpus["sources"], card.corpus["total"]
    kept = total["kept"].values()
    documents = sum(side["documents"] for side in kept)
    known = [hub_license([card.licenses.get(source)]) for source in sources]
    dropped = ((reason, lost["records"]) for reason, lost in total["dropped"].items())
    return filled_template(
        "dataset.md",
        name=printable(card.name),
        language=card.language,
        language_code=language_code(card.language),
        licenses=card.licenses,
        hub_licenses=sorted({UNKNOWN if each is None else each[0] for each in known}),
        unstated=[name for name in sources if name not in card.licenses],
        version=version("endonym"),
        corpus=card.corpus,
        total=total,
        documents=documents,
        size_category=size_category(documents),
        chars=sum(side["chars"] for side in kept),
        bytes=sum(side["text_bytes"] for side in kept),
        dropped=sorted(dropped, key=lambda each: (-each[1], each[0])),
        clean=card.clean,
        rules=_rules(card.clean),
        sides=SIDES,
        few_blocks=FEW_BLOCKS,
        folder=FOLDER,
        columns=COLUMNS,
    )


def size_category(documents: int) -> str:
    """The hub's name for so many documents.

    >>> size_category(25_000)
    '10K<n<100K'
    """
    low = next((name for limit, name in reversed(CATEGORIES.items()) if documents >= limit), "")
    high = next((name for limit, name in CATEGORIES.items() if documents < limit), "100M")
    return f"{low}<n<{high}" if low else f"n<{high}"


def _rules(clean: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The keys of `[clean]` that were set, but those that have no effect on a text.

    A path is shown by its last name: where a file lay on one machine says nothing elsewhere.
    """
    usual = Clean().model_dump(mode="json")
    given = Clean.model_validate(clean).model_dump(mode="json")
    for key, value in given.items():
        if value == usual[key] or key in NOT_SHOWN:
            continue
        values = value if isinstance(value, list) else [value]
        if key in PATHS:
            values = [PurePath(each).name for each in values]
        shown = ", ".join(map(str, values))
        shown = shown if len(shown) <= LONGEST_VALUE else shown[:LONGEST_VALUE] + "…"
        yield key, printable(shown)
