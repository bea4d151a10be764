"""The second half of each text, given the first: Goldfish's protocol, and its published figures.

Chang et al., arXiv:2408.10441, `eval_code/flores_eval_goldfish.py`: the mean over sentences of
FLORES-200 (devtest) of the bits of the second half. The whole is cut into tokens, the first half by
characters; as many tokens as the first half has alone are not counted. It compares models with
other tokenizers. One deviation: texts of more than 512 tokens are read whole, in windows.
"""

import csv
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import NamedTuple

from endonym.evaluate.items import Item
from endonym.script.languages import usual_code

TEXTS = 1012
"""Sentences of FLORES-200's devtest, of which the figures are."""
SIZES = {"5 MB": 5, "10 MB": 10, "100 MB": 100, "1 GB": 1000}
OTHERS = ("unigram", "bigram", "XGLM-4.5B", "XGLM-7.5B", "MaLA-500", "BLOOM-7.1B")


class Published(NamedTuple):
    """A model of Goldfish's table. bits: of a second half, the mean. megabytes: of raw text that it
    has read in this language; None if that is not stated."""

    flores: str
    model: str
    bits: float
    megabytes: float | None


def halves(texts: Iterable[str]) -> list[Item]:
    """An item for each text: its second half by characters, after the first."""
    stripped = (text.strip() for text in texts)
    return [Item(text[: len(text) // 2], (text[len(text) // 2 :],), None) for text in stripped]


def published(language: str) -> Iterator[Published]:
    """The published figures of a language, in each script that the table has it in.

    language: a code of ISO 639, of two letters or three. Source: `data/flores_logperplexities.tsv`
    and `data/goldfish_data_info.tsv` of Goldfish. Its sizes are of text in English's measure: a
    language whose letters take twice the bytes has twice as many.
    """
    table = files("endonym.evaluate").joinpath("goldfish.tsv").read_text(encoding="utf-8")
    for row in csv.DictReader(table.splitlines(), delimiter="\t"):
        flores = row["flores"]
        if usual_code(flores.partition("_")[0]) != usual_code(language.partition("-")[0]):
            continue
        of = f" of {row['model of']}" if row["model of"] else ""
        for name, megabytes in SIZES.items():
            if row[name]:
                size = megabytes * float(row["byte premium"])
                yield Published(flores, f"Goldfish {name}{of}", float(row[name]), size)
        if row["full"]:
            full = float(row["MB of full"])
            yield Published(flores, f"Goldfish, all text{of}", float(row["full"]), full)
        yield from (Published(flores, name, float(row[name]), None) for name in OTHERS if row[name])
