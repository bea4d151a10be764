"""The front matter of a model's README: what the Hugging Face hub reads.

It is YAML; every string in it is written as JSON, which YAML reads, so that a name such as "no" or
"1.0" stays a string.
Source: https://github.com/huggingface/hub-docs/blob/main/modelcard.md
"""

import json
from collections.abc import Iterable, Sequence

from endonym.evaluate.score import BITS, Score, headline

HUB_LICENSES = {
    *(
        f"cc-{kind}-{number}"
        for kind in ("by", "by-sa", "by-nc", "by-nc-sa", "by-nd", "by-nc-nd")
        for number in ("2.0", "3.0", "4.0")
    ),
    *("cc0-1.0", "odbl", "odc-by", "pddl", "gfdl", "mit", "apache-2.0", "unlicense", "wtfpl"),
    *("gpl-2.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "bsd-2-clause", "bsd-3-clause"),
}
"""Identifiers of the hub's list that texts are given under."""
SPDX_PREFIXES = {"odbl-": "odbl", "odc-by-": "odc-by", "pddl-": "pddl", "gfdl-": "gfdl"}
"""Identifiers of SPDX that the hub has without a version."""
BASELINES = ("uniform", "unigram", "bigram", "compressor")


def hub_license(said: Iterable[str | None]) -> tuple[str, str] | None:
    """The one license of all sources, as the hub's identifier and in their words.

    The identifier is "other" if the hub does not list it. None if a source says nothing, or if
    they say different things.

    >>> hub_license(["CC0-1.0", "CC0-1.0"])
    ('cc0-1.0', 'CC0-1.0')
    """
    every = set(said)
    if len(every) != 1 or None in every:
        return None
    (one,) = every
    assert one is not None
    plain = one.lower()
    for prefix, name in SPDX_PREFIXES.items():
        plain = name if plain.startswith(prefix) else plain
    plain = plain.removesuffix("-only").removesuffix("-or-later")
    return (plain if plain in HUB_LICENSES else "other"), one


def front_matter(
    name: str,
    language: str,
    *,
    license: tuple[str, str] | None,
    library: str,
    tags: Sequence[str],
    scores: Sequence[Score] = (),
) -> str:
    """The lines between `---` and `---`, both included."""
    code = language.partition("-")[0]
    lines = [] if code in ("", "x") else ["language:", f"- {quoted(code)}"]
    if license is not None:
        lines.append(f"license: {license[0]}")
        lines += [f"license_name: {quoted(license[1])}"] if license[0] == "other" else []
    lines += [f"library_name: {library}", "pipeline_tag: text-generation", "tags:"]
    lines += [f"- {tag}" for tag in ("endonym", *tags)]
    lines += _model_index(name, language, scores)
    return "\n".join(["---", *lines, "---"]) + "\n"


def quoted(text: str) -> str:
    """A string of YAML."""
    return json.dumps(text, ensure_ascii=False)


def _model_index(name: str, language: str, scores: Sequence[Score]) -> list[str]:
    """The headline scores in the hub's form, the model's with its interval; empty without any."""
    metrics: list[str] = []
    for model in ("model", *BASELINES):
        found = headline(scores, model=model, metric=BITS)
        if found is None:
            continue
        of = "" if model == "model" else f", baseline {model}"
        span = "" if found.low is None else f" (95 %: {found.low:.4f} to {found.high:.4f})"
        over = "mean over sources" if found.weighting == "sources" else "all bytes"
        metrics += [
            f"    - name: {quoted(f'bits per byte, {over}{of}{span}')}",
            f"      type: bits_per_byte{'' if model == 'model' else f'_{model}'}",
            f"      value: {found.value:.6f}",
        ]
    if not metrics:
        return []
    return [
        "model-index:",
        f"- name: {quoted(name)}",
        "  results:",
        "  - task:",
        "      type: text-generation",
        "    dataset:",
        f"      name: {quoted(f'held-out documents of the own corpus ({language})')}",
        "      type: held-out",
        "      split: test",
        "    metrics:",
        *metrics,
    ]
