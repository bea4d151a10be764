"""The second half of each text, given the first: Goldfish's protocol, and its published figures.

Chang et al., arXiv:2408.10441, `eval_code/flores_eval_goldfish.py`: the mean over sentences of
FLORES-200 (devtest) of the bits of the second half. The whole is cut into tokens, the first half by
characters; as many tokens as the first half has alone are not counted. It compares models with
other tokenizers. Three deviations:

* There, tokens after the 512th cost nothing. Here longer texts are read whole, in windows.
* There, a token that the tokenizer does not know costs log2 of the vocabulary's size. Here none is
  unknown: a tokenizer that loses a part of the texts is refused (`Tokenizer.check_lossless`).
* There, the tokenizers fold a text before they cut it (NFKC, runs of blanks), and the bits are of
  what is left. Here they are of the text as it is.

Its unigrams and bigrams back off without normalising (factor 0.4): their probabilities do not sum
to one.
"""

import csv
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import NamedTuple

from endonym.evaluate.items import Item
from endonym.evaluate.score import Measured, Score, mean_bits, scores
from endonym.script.languages import DEBIAN_PACKS, language_alone

TEXTS = 1012
"""Sentences of FLORES-200's devtest, of which the figures are."""
SIZES = {"5 MB": 5, "10 MB": 10, "100 MB": 100, "1 GB": 1000}
WRITTEN_AS = {"no": ("nb", "nn")}
"""Languages of which FLORES-200 has the written standards alone."""
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


def half_scores(judged: Measured, *, split: str) -> list[Score]:
    """The mean of the bits of a second half, and the scores of all of them together.

    Sentences of one article are alike: where `judged` has groups, intervals draw these.
    """
    return [mean_bits(judged, split=split), *scores(judged, model="model", split=split)]


def published(language: str, script: str = "") -> Iterator[Published]:
    """The published figures of a language, in each script that the table has it in.

    language: a code of ISO 639, of two letters or three. script: of the texts, in lower case; a
    text in another one is another text. Source: `data/flores_logperplexities.tsv`
    and `data/goldfish_data_info.tsv` of Goldfish. Its sizes are of text in English's measure: a
    language whose letters take twice the bytes has twice as many.
    """
    own = language_alone(language)
    pack = DEBIAN_PACKS.get(script)
    table = files("endonym.evaluate").joinpath("goldfish.tsv").read_text(encoding="utf-8")
    for row in csv.DictReader(table.splitlines(), delimiter="\t"):
        flores = row["flores"]
        code, _, written = flores.partition("_")
        if language_alone(code) not in WRITTEN_AS.get(own, (own,)) or pack not in (None, written):
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
