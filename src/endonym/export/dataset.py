"""A corpus as a data set: parquet files that `datasets.load_dataset` opens, and a card.

The files of a split hold its documents in their order. Nothing is chosen or changed: what a model
is trained on and judged by here is what others get. Everything in the card comes from the corpus's
manifest and the recipe. What they do not say, it does not say.
Source of its head: https://github.com/huggingface/hub-docs/blob/main/datasetcard.md
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet

from endonym.batching import in_batches
from endonym.copies.held_out.split import FEW_BLOCKS, SIDES, Side
from endonym.corpus.corpus import Corpus
from endonym.errors import printable
from endonym.export import synthetic
from endonym.export.card import Card
from endonym.export.markdown import filled_template, hub_license
from endonym.formats.config import Clean
from endonym.formats.document import KEYS, Document

FOLDER = "data"
BATCH_BYTES = 16_000_000
FILE_BYTES = 256_000_000
"""Approximate size of the text in a row group, and in a file."""
RECORD_ID = "record_id"
OWN_COLUMNS = {"id": RECORD_ID}
"""Keys of `Document.meta` whose column has another name: `id` is the document's place."""

NOTED = {OWN_COLUMNS.get(key, key): key for key in KEYS if key != "license"}
"""Columns that hold a key of `Document.meta`; null where a document does not say it."""
SCHEMA = arrow.schema(
    {
        **dict.fromkeys(("text", "id", "source", "license", *NOTED, "meta"), arrow.string()),
        "block": arrow.int64(),
    }
)
CATEGORIES = {10**3: "1K", 10**4: "10K", 10**5: "100K", 10**6: "1M", 10**7: "10M"}
"""Limits of the hub's categories of size, in documents, and how they are written."""
UNKNOWN = "unknown"
"""What the hub calls a license that nobody has said."""
LONGEST_VALUE = 60
NOT_SHOWN = ("normalize", "max_unreadable")
PATHS = ("contrast", "decontaminate")


def write_dataset(corpus: Corpus, out: Path, licenses: Mapping[str, str]) -> list[str]:
    """Write the documents of all splits; the files' names. licenses: of sources, by name."""
    (out / FOLDER).mkdir(parents=True)
    return [name for side in SIDES for name in _write_split(corpus, side, out, licenses)]


def _write_split(
    corpus: Corpus, side: Side, out: Path, licenses: Mapping[str, str]
) -> Iterator[str]:
    """Write the files of a split; at least one, which may have no rows."""
    batches = row_batches(corpus.documents(side), licenses)
    batch = next(batches, None)
    number = 0
    while batch is not None or not number:
        name = f"{FOLDER}/{side}-{number:05d}.parquet"
        size = 0
        with parquet.ParquetWriter(out / name, SCHEMA, compression="zstd") as file:
            while batch is not None and size < FILE_BYTES:
                file.write_table(arrow.Table.from_pylist(batch, SCHEMA))
                size += sum(len(row["text"]) for row in batch)
                batch = next(batches, None)
        number += 1
        yield name


def row_batches(
    documents: Iterator[Document], licenses: Mapping[str, str]
) -> Iterator[list[dict[str, Any]]]:
    """Documents as rows, about 16 MB of text at a time; what they do not say is null."""
    for batch in in_batches(documents, lambda each: len(each.text.encode()), BATCH_BYTES):
        yield [_row(document, licenses) for document in batch]


def _row(document: Document, licenses: Mapping[str, str]) -> dict[str, Any]:
    """A document as a row."""
    meta = document.meta
    others = {key: value for key, value in meta.items() if key not in KEYS}
    return {
        "text": document.text,
        "id": document.id,
        "source": document.source,
        "license": meta.get("license") or licenses.get(document.source),
        **{column: meta.get(key) for column, key in NOTED.items()},
        "meta": json.dumps(others, ensure_ascii=False, sort_keys=True) if others else None,
        "block": document.block,
    }


def readme(corpus: Mapping[str, Any], clean: Mapping[str, Any], card: Card) -> str:
    """The card: the head that the hub reads, then Markdown for people.

    corpus: the numbers of its manifest. clean: the rules of its recipe.
    """
    sources = corpus["sources"]
    total = corpus["total"]
    licenses = card.licenses
    documents = sum(side["documents"] for side in total["kept"].values())
    hub_names = [hub_license([licenses.get(source)]) for source in sources]
    sizes = {name: _text_bytes(each) / max(1, _text_bytes(total)) for name, each in sources.items()}
    dropped = ((reason, counts["records"]) for reason, counts in total["dropped"].items())
    return filled_template(
        "dataset.md",
        name=printable(card.name),
        language=card.language,
        licenses=licenses,
        hub_licenses=sorted({UNKNOWN if each is None else each[0] for each in hub_names}),
        synthetic=synthetic.of_texts(sizes, card.synthetic, "the text"),
        unstated=[source for source in sources if source not in licenses],
        corpus=corpus,
        documents=documents,
        size_category=size_category(documents),
        dropped=sorted(dropped, key=lambda each: (-each[1], each[0])),
        clean=clean,
        rules=_rules(clean),
        sides=SIDES,
        few_blocks=FEW_BLOCKS,
        folder=FOLDER,
        noted={column: KEYS[key] for column, key in NOTED.items()},
    )


def _text_bytes(figures: Mapping[str, Any]) -> int:
    """The bytes of text of a source, or of all of them."""
    return sum(side["text_bytes"] for side in figures["kept"].values())


def size_category(documents: int) -> str:
    """The hub's name for so many documents.

    >>> size_category(25_000)
    '10K<n<100K'
    """
    low = next((name for limit, name in reversed(CATEGORIES.items()) if documents >= limit), "")
    high = next((name for limit, name in CATEGORIES.items() if documents < limit), "100M")
    return f"{low}<n<{high}" if low else f"n<{high}"


def _rules(clean: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The keys of `[clean]` that were set, with their values; none that has no effect on a text.

    A path is shown by its last name: where a file lay on one machine says nothing elsewhere.
    """
    defaults = Clean().model_dump(mode="json")
    for key, value in Clean.model_validate(clean).model_dump(mode="json").items():
        if value == defaults[key] or key in NOT_SHOWN:
            continue
        values = value if isinstance(value, list) else [value]
        if key in PATHS:
            values = [PurePath(each).name for each in values]
        shown = ", ".join(map(str, values))
        shown = shown if len(shown) <= LONGEST_VALUE else shown[:LONGEST_VALUE] + "…"
        yield key, printable(shown)
