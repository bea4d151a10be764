"""Sources that a program filled in, such as commands to a voice assistant, and their weight.

Most letters of such a text stand in other texts of its source, in runs of twenty letters and more
(copies/held_out/covered.py): of Tatar, Romanian, Khmer or Arabic sentences a fifth at most, of
messages of a program a third, of commands that were made from templates more than half.
A model has learnt templates long before the other texts, and would write little else.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import compress

import numpy as np

from endonym.autopilot.text_size import SourceSample, measure
from endonym.copies.held_out.repeated import Index
from endonym.formats.config import REST, Clean
from endonym.survey.survey import Survey

LEAST_TEXTS = 100
LONGEST = 500
"""A source of fewer texts is not judged, nor one of longer texts, in letters on average: several
tellings of a story, or versions of a page, are no templates.
"""
JUDGED = 100
COMPARED = 4_000
"""Texts of a source that are judged, and that they are compared with, at most."""
MOST_REPEATED = 0.35
"""Share of the letters from which on a source is one of templates."""
SHARE = 0.05
"""Of the training tokens all such sources get together, at most."""


def templated(samples: Sequence[SourceSample]) -> dict[str, float]:
    """The sources of templates, each with the share of its letters that other texts of it have."""
    shares: dict[str, float] = {}
    for each in samples:
        share = repeated([text for _, begin in each.beginnings for text in begin.texts])
        if share > MOST_REPEATED:
            shares[each.source.name] = share
    return shares


def repeated(texts: Sequence[str]) -> float:
    """The share of the letters of some texts that stands in others of them; 0 of few texts.

    Copies count once. Lines that stand in several texts are boilerplate, and do not count.
    """
    seen = set[str]()
    several = set[str]()
    distinct = list(dict.fromkeys(texts))[:COMPARED]
    for text in distinct:
        lines = set(text.splitlines())
        several |= lines & seen
        seen |= lines
    own = ["\n".join(line for line in t.splitlines() if line not in several) for t in distinct]
    own = [text for text in own if text]
    if len(own) < LEAST_TEXTS or sum(map(len, own)) > LONGEST * len(own):
        return 0.0
    is_judged = np.zeros(len(own), dtype=np.bool_)
    is_judged[:: -(-len(own) // JUDGED)] = True
    index = Index.made(compress(own, is_judged), own)
    index.compare(compress(own, ~is_judged))
    return index.covered.share(np.arange(is_judged.sum()))


def apart(
    survey: Survey, templates: Collection[str], clean: Clean
) -> tuple[Survey, dict[str, float]]:
    """What was found of the other sources, and the shares of templates and of these (REST).

    Its size is what is read until the others were read once: of templates their share.
    clean: the recipe's. There are no shares without templates, nor of templates alone: these are
    learnt as they are.
    """
    own = [each for each in survey.samples if each.source.name not in templates]
    if not own or len(own) == len(survey.samples):
        return survey, {}
    every = measure(survey.samples, clean)
    others = measure(own, clean)
    text_bytes = survey.text_bytes * others.text_bytes / max(1, every.text_bytes)
    sizes = {name: max(1.0, kept) for name, (kept, _) in every.sources.items()}
    shares = mixture(sizes, templates)
    return replace(survey, samples=own, text_bytes=text_bytes / shares[REST]), shares


def mixture(sizes: Mapping[str, float], templates: Collection[str]) -> dict[str, float]:
    """Shares of the templates by size, SHARE at most together, and of the other sources (REST).

    sizes: of all sources, in any unit. templates: not all of them.
    """
    filled = sum(sizes[name] for name in templates)
    least = min(SHARE, filled / sum(sizes.values()))
    shares = {name: max(1e-4, round(least * sizes[name] / filled, 4)) for name in sorted(templates)}
    return shares | {REST: round(1 - sum(shares.values()), 4)}
