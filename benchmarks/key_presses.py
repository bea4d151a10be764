"""How many key presses suggestions save on unseen text, next to counted words.

`endonym evaluate --typing` types the test documents of the five-minute models (five_minutes.py)
with their suggestions, and with those of the most frequent words and of pairs of words of the same
training text.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmark import MAKES_A_MODEL, Bench, Benchmark, Watch, main
from cells import Cell, Cells
from five_minutes import LANGUAGES, model_of, work_folder
from pages import markdown, percent
from runs import endonym, last_json

from endonym.evaluate.typing_scores import FREQUENT, LETTERS_TYPED, MODEL, PAIRS, SAVED, SHOWN

MEASURED = ("tt", "km")
"""Romanian takes five minutes."""
MODELS = (MODEL, PAIRS, FREQUENT)
KINDS = {"first": "first", "among_three": "of three"}


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """A cell for each language of the five-minute models."""
    languages = ["tt"] if bench.tiny else MEASURED
    return {language: partial(typing_cell, bench, language) for language in languages}


def typing_cell(bench: Bench, language: str) -> Cell:
    """What `endonym evaluate --typing --json` says."""
    model, work = model_of(bench, language), work_folder(bench, language)
    return last_json(endonym(work, "evaluate", model, "--typing", "--json"))


def scores_of(cell: Cell) -> dict[tuple[str, str], dict[str, Any]]:
    """The scores by metric and by what suggests."""
    return {(score["metric"], score["model"]): score for score in cell["scores"]}


def saved(cells: Cells) -> str:
    """Key presses saved by one, three and five suggestions."""
    rows: list[list[str]] = []
    for language in MEASURED:
        scores = scores_of(cell) if (cell := cells.get(language)) else {}
        for model in MODELS if scores else ():
            shares = [scores[SAVED.format(count), model] for count in SHOWN]
            texts = f"{shares[0]['n_documents']:,}"
            columns = [percent(share["value"], share["low"], share["high"]) for share in shares]
            rows.append([LANGUAGES[language], model, texts, *columns])
    head = [f"saved by {count}, %" for count in SHOWN]
    return markdown(["text", "suggestions by", "texts", *head], rows, labels=2)


def next_words(cells: Cells) -> str:
    """How often the next word is shown, after so many letters."""
    rows: list[list[str]] = []
    for language in MEASURED:
        scores = scores_of(cell) if (cell := cells.get(language)) else {}
        for model in MODELS:
            metrics = [f"{kind}_after_{letters}" for kind in KINDS for letters in LETTERS_TYPED]
            shares = [scores.get((metric, model)) for metric in metrics]
            if any(shares):
                columns = [
                    "–" if share is None else f"{100 * share['value']:.0f}" for share in shares
                ]
                rows.append([LANGUAGES[language], model, *columns])
    head = [f"{words}, {letters} letters" for words in KINDS.values() for letters in LETTERS_TYPED]
    return markdown(["text", "suggestions by", *head], rows, labels=2)


BENCHMARK = Benchmark(
    name="key-presses",
    code=(
        *MAKES_A_MODEL,
        "endonym.commands.evaluate",
        "endonym.commands.typing",
        "endonym.evaluate.key_presses",
        "endonym.lexicon",
    ),
    cells=cells,
    tables={("docs/typing.md", "saved"): saved, ("docs/typing.md", "next_words"): next_words},
    watched={"scores/*/value": Watch("higher", 0.05, timed=True)},
)

if __name__ == "__main__":
    main(BENCHMARK)
