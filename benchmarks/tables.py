"""Writes the tables of the pages from the results in benchmarks/results, and from formulas.

    python benchmarks/tables.py

A test keeps the committed pages current. No number in a table is written by hand.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import architectures_page
import beyond_bits
import cleaning_page
import continued
import corpus_page
import curricula
import dictionaries
import doctor_page
import efficiency
import exports
import extraction_page
import fables_fr
import instructions
import key_presses
import keyboard_models
import minimal_pairs
import proofreading
import pruning
import readme_page
import related_language
import serve
import suggest_speed
import teachers
import tokenizers_page
import training_page
from cells import ROOT
from pages import renewed

PAGES: dict[Path, dict[str, Callable[[], str]]] = {
    ROOT / "README.md": {"five minutes": readme_page.five_minutes},
    ROOT / "docs" / "architectures.md": architectures_page.TABLES,
    ROOT / "docs" / "cleaning.md": cleaning_page.TABLES,
    ROOT / "docs" / "continued.md": continued.TABLES_OF_PAGE,
    ROOT / "docs" / "doctor.md": doctor_page.TABLES,
    ROOT / "docs" / "documents.md": extraction_page.TABLES,
    ROOT / "docs" / "dictionaries.md": dictionaries.TABLES_OF_PAGE,
    ROOT / "docs" / "keyboard.md": keyboard_models.TABLES_OF_PAGE,
    ROOT / "docs" / "phases.md": curricula.TABLES_OF_PAGE
    | fables_fr.TABLES_OF_PAGE
    | instructions.TABLES_OF_PAGE
    | pruning.TABLES_OF_PAGE
    | teachers.TABLES_OF_PAGE,
    ROOT / "docs" / "probes.md": {"probes": beyond_bits.TABLES_OF_PAGE["probes"]},
    ROOT / "docs" / "proofreading.md": proofreading.TABLES_OF_PAGE,
    ROOT / "docs" / "results.md": readme_page.TABLES,
    ROOT / "docs" / "scale.md": corpus_page.TABLES,
    ROOT / "docs" / "tasks.md": minimal_pairs.TABLES_OF_PAGE
    | {"flores": beyond_bits.TABLES_OF_PAGE["flores"]},
    ROOT / "docs" / "tokenizers.md": tokenizers_page.TABLES,
    ROOT / "docs" / "typing.md": key_presses.TABLES_OF_PAGE | suggest_speed.TABLES_OF_PAGE,
    ROOT / "docs" / "training.md": training_page.TABLES | related_language.TABLES_OF_PAGE,
    ROOT / "docs" / "exports.md": {
        "exports": exports.page_table,
        "efficiency 5M": partial(efficiency.page_table, "5M"),
        "efficiency 25M": partial(efficiency.page_table, "25M"),
    },
    ROOT / "docs" / "serve.md": {"serve": serve.page_table},
}


def main() -> None:
    """Write every page whose tables changed, and name it."""
    for page, tables in PAGES.items():
        text = renewed(page, tables)
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
            print(page.relative_to(ROOT))


if __name__ == "__main__":
    main()
