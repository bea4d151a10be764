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
from endonym.export.front_matter import hub_license, quoted
from endonym.export.markdown import table
from endonym.formats.config import Clean
from endonym.formats.reasons import in_words
from endonym.log import counted, size

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
    parts = [_summary(card), _use(card), _sources(card), _columns(), _made(card), _limits(card)]
    return _head(card) + "\n" + "\n\n".join(parts) + "\n"


def _head(card: DatasetCard) -> str:
    """The front matter. The files of each split are named, as the hub does not know all names."""
    code = card.language.partition("-")[0]
    language = [] if code in ("", "x") else ["language:", f"- {quoted(code)}"]
    known = {source: hub_license([card.licenses.get(source)]) for source in card.corpus["sources"]}
    licenses = sorted({UNKNOWN if each is None else each[0] for each in known.values()})
    documents = sum(each["documents"] for each in card.corpus["total"]["kept"].values())
    lines = [
        *language,
        "license:",
        *(f"- {each}" for each in licenses),
        f"pretty_name: {quoted(printable(card.name))}",
        "size_categories:",
        f"- {size_category(documents)}",
        "task_categories:",
        "- text-generation",
        "tags:",
        "- endonym",
        "configs:",
        "- config_name: default",
        "  data_files:",
    ]
    for side in SIDES:
        lines += [f"  - split: {side}", f"    path: {FOLDER}/{side}-*.parquet"]
    return "\n".join(["---", *lines, "---"]) + "\n"


def size_category(documents: int) -> str:
    """The hub's name for so many documents.

    >>> size_category(25_000)
    '10K<n<100K'
    """
    low = next((name for limit, name in reversed(CATEGORIES.items()) if documents >= limit), "")
    high = next((name for limit, name in CATEGORIES.items() if documents < limit), "100M")
    return f"{low}<n<{high}" if low else f"n<{high}"


def _summary(card: DatasetCard) -> str:
    """Name, language, size."""
    kept = card.corpus["total"]["kept"]
    of = f" in the language `{card.language}`" if card.language else ""
    documents, bytes_, chars = (
        sum(each[unit] for each in kept.values()) for unit in ("documents", "text_bytes", "chars")
    )
    return f"""# {printable(card.name)}

Texts{of}, cleaned and divided by endonym {version("endonym")} to train and judge language models:
{documents:,} documents, {chars:,} characters, {size(bytes_)} of UTF-8. Their license is that of
each source, and of each document where it says one."""


def _use(card: DatasetCard) -> str:
    """How it is opened, and what the splits are."""
    moved = card.corpus["total"].get("near_copies_moved", 0)
    divided = f": {counted(moved, 'document')}, so that some neighbours are divided" * bool(moved)
    return f"""## Use

```python
from datasets import load_dataset

texts = load_dataset(".")  # the folder of this file; on the hub, its name there
print(texts["train"][0]["text"])
```

`train` is for training, `dev` for every choice, `test` for the last judgement alone. They were
drawn by blocks of neighbouring documents (in sources of fewer than {FEW_BLOCKS} blocks by
documents). Documents of `dev` and `test` that nearly repeat a training text were then moved to
`train`, and those of `test` that nearly repeat one of `dev` to `dev`{divided}."""


def _sources(card: DatasetCard) -> str:
    """A row for each source."""
    rows: list[list[str]] = []
    for name, each in card.corpus["sources"].items():
        kept = [each["kept"][side] for side in SIDES]
        rows.append(
            [
                name,
                *(f"{side['documents']:,}" for side in kept),
                size(sum(side["text_bytes"] for side in kept)),
                card.licenses.get(name, "not stated"),
            ]
        )
    return "## Sources\n\n" + table(["source", *SIDES, "text", "license"], rows)


def _columns() -> str:
    """What each column holds."""
    return "## Columns\n\n" + "\n".join(f"* `{name}`: {what}" for name, what in COLUMNS.items())


def _made(card: DatasetCard) -> str:
    """What was changed, and what was dropped by which rule."""
    total = card.corpus["total"]
    read = total["read"]["records"]
    steps = card.clean.get("normalize", ())
    changed = f"Normalization ({', '.join(steps)}) changed" if steps else "Cleaning changed"
    lines = [
        f"{read:,} records were read. {changed} {total['changed_documents']:,} of them.",
        *(f"* `{key} = {value}`" for key, value in _rules(card.clean)),
    ]
    dropped = sorted(total["dropped"].items(), key=lambda each: (-each[1]["records"], each[0]))
    rows = [
        [f"`{reason}`: {in_words(reason)}", f"{n['records']:,}", f"{n['records'] / read:.2%}"]
        for reason, n in dropped
    ]
    told = table(["dropped because", "records", "share"], rows) if rows else "Nothing was dropped."
    parts = ["## How it was made", "\n".join(lines), told]
    return "\n\n".join(parts)


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


def _limits(card: DatasetCard) -> str:
    """What nobody should expect of these texts."""
    overlap = card.corpus["overlap"]
    points = [
        f"{overlap:.1%} of the runs of 13 letters in `dev` and `test` also stand in `train`. Runs "
        "of 20 letters and short sentences that do hold "
        f"{card.corpus.get('covered', 0.0):.1%} of their letters.",
        "No person has read all of it. It may hold private, false or hurtful text, and text that "
        "its sources had no right to give.",
        *(printable(each) for each in card.corpus["warnings"]),
    ]
    unstated = [name for name in card.corpus["sources"] if name not in card.licenses]
    if unstated:
        points.append(f"No license is stated for: {', '.join(unstated)}.")
    return "## Known limits\n\n" + "\n".join(f"* {point}" for point in points)
