"""The tables of docs/tokenizers.md."""

from cells import RESULTS, Cells
from pages import markdown
from tokenizer_kinds import FOLDERS, KINDS, MEGABYTES, SIZES

CELLS = Cells(RESULTS / "tokenizer-kinds.json")
NAMES = {"bpe": "bpe", "unigram": "unigram", "gpt2": "GPT-2's split", "gpt4": "GPT-4's split"}


def fit() -> str:
    """Tokens a character by language, vocabulary and kind; and bpe against GPT-4's split."""
    rows: list[list[str]] = []
    for language in FOLDERS:
        for vocab in SIZES:
            keys = {kind: f"fit {language} {vocab} {kind}" for kind in KINDS}
            if not all(key in CELLS for key in keys.values()):
                continue
            found = {kind: CELLS[key]["tokens_per_character"] for kind, key in keys.items()}
            fewer = 1 - found["bpe"] / found["gpt4"]
            cells = [f"{found[kind]:.3f}" for kind in KINDS]
            rows.append([language.capitalize(), f"{vocab:,}", *cells, f"{fewer:+.1%}"])
    head = ["text", "vocabulary", *(NAMES[kind] for kind in KINDS), "bpe needs fewer than GPT-4's"]
    return markdown(head, rows)


def memory() -> str:
    """Peak memory and seconds of training."""
    rows: list[list[str]] = []
    for kind in ("bpe", "unigram"):
        for size in MEGABYTES:
            if (key := f"memory {kind} {size}") not in CELLS:
                continue
            one = CELLS[key]
            same = "–"
            if "merges" in one:
                same = f"{one['equal_merges']:,} of {one['merges']:,}"
            rows.append(
                [
                    kind,
                    str(size),
                    f"{one['peak_bytes'] / 1e9:.2f}",
                    f"{(one['peak_bytes'] - one['before_bytes']) / 1e9:.2f}",
                    f"{one['seconds']:.0f}",
                    f"{one['distinct_words_kept']:,}",
                    f"{one['pruned']:,}",
                    same,
                ]
            )
    head = ["kind", "MB", "peak GB", "of it training", "seconds", "distinct words", "pruned"]
    return markdown([*head, "merges as the library's"], rows)


TABLES = {"tokenizers fit": fit, "tokenizers memory": memory}
