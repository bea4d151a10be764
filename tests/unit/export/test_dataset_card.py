"""The README of a data set."""

from typing import Any

import pytest

from endonym.export.dataset import readme, size_category
from endonym.formats.config import Clean

KEPT = {
    "train": {"documents": 900, "bytes": 0, "text_bytes": 90_000, "chars": 50_000},
    "dev": {"documents": 30, "bytes": 0, "text_bytes": 3_000, "chars": 1_600},
    "test": {"documents": 30, "bytes": 0, "text_bytes": 3_000, "chars": 1_600},
}
CARD: dict[str, Any] = {
    "sources": {"тел": {"kept": KEPT}, "ил": {"kept": KEPT}},
    "total": {
        "kept": KEPT,
        "read": {"records": 1_000, "bytes": 1},
        "changed_documents": 77,
        "dropped": {
            "min_chars": {"records": 30, "bytes": 1},
            "exact": {"records": 10, "bytes": 1},
        },
    },
    "overlap": 0.0123,
    "warnings": ["тел: 3 documents hold U+FFFD"],
}


def card(**keys: Any) -> str:
    given: dict[str, Any] = {
        "name": "tatar",
        "language": "tt",
        "corpus": CARD,
        "clean": {"normalize": ["nfc"], "min_chars": 20, "dedup": ["exact"], "max_unreadable": 1},
        "licenses": {"тел": "CC-BY-SA-4.0"},
    }
    return readme(**{**given, **keys})


def test_the_head_says_what_the_hub_reads() -> None:
    head = card().split("---\n")[1]
    assert head.splitlines() == [
        "language:",
        '- "tt"',
        "license:",
        "- cc-by-sa-4.0",
        "- unknown",
        'pretty_name: "tatar"',
        "size_categories:",
        "- n<1K",
        "task_categories:",
        "- text-generation",
        "tags:",
        "- endonym",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        "    path: data/train-*.parquet",
        "  - split: dev",
        "    path: data/dev-*.parquet",
        "  - split: test",
        "    path: data/test-*.parquet",
    ]


def test_sources_what_was_dropped_and_limits_are_told() -> None:
    text = card()
    assert "960 documents, 53,200 characters, 96.0 kB of UTF-8" in text
    assert "| тел | 900 | 30 | 30 | 96.0 kB | CC-BY-SA-4.0 |" in text
    assert "| ил | 900 | 30 | 30 | 96.0 kB | not stated |" in text
    assert "1,000 records were read. Normalization (nfc) changed 77 of them." in text
    assert "* `min_chars = 20`" in text
    assert "| `min_chars`: too short | 30 | 3.00% |\n| `exact`: copies | 10 | 1.00% |" in text
    assert "1.2% of the runs of 13 letters" in text
    assert "* тел: 3 documents hold U+FFFD" in text
    assert "No license is stated for: ил." in text


def test_a_language_without_a_code_is_not_told_to_the_hub() -> None:
    assert "language:" not in card(language="x-mixed").split("---\n")[1]


@pytest.mark.parametrize(
    ("documents", "name"),
    [(7, "n<1K"), (1_000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**7, "10M<n<100M")],
)
def test_sizes_have_the_names_of_the_hub(documents: int, name: str) -> None:
    assert size_category(documents) == name


def test_only_keys_that_were_set_are_shown_and_no_local_paths() -> None:
    clean = Clean(
        min_chars=20,
        language="tt",
        min_language_score=0.6,
        contrast=("/home/alsu/күршеләр/ba.txt", "kk*.txt"),
        decontaminate=("/home/alsu/сораулар.jsonl",),
    )
    text = card(clean=clean.model_dump())
    rules = [line for line in text.splitlines() if line.startswith("* `") and " = " in line]
    assert rules == [
        "* `language = tt`",
        "* `contrast = ba.txt, kk*.txt`",
        "* `min_language_score = 0.6`",
        "* `min_chars = 20`",
        "* `decontaminate = сораулар.jsonl`",
    ]
    assert "alsu" not in text


def test_neighbours_that_were_divided_by_moving_near_copies_are_told() -> None:
    text = " ".join(card().split())
    assert "to `dev`." in text
    assert "neighbours are divided" not in text
    moved = card(corpus=CARD | {"total": CARD["total"] | {"near_copies_moved": 3}})
    assert "to `dev`: 3 documents, so that some neighbours are divided." in " ".join(moved.split())
    assert "but for near copies that were moved" in moved
    assert "are in one split, and" not in moved
