"""The tables of docs/cleaning.md."""

import cleaning
import copies
import first_rules
import language_id
from cells import Cell, Cells
from copied_lines import EDITS, LANGUAGES, SINGLE
from pages import markdown

COPIES = Cells(copies.RESULT)
LANGUAGE_ID = Cells(language_id.RESULT)
CLEANING = Cells(cleaning.RESULT)
FIRST_RULES = Cells(first_rules.RESULT)
LINES = 200_000
SAID = {
    "endonym": "endonym",
    "endonym, 0.75": "endonym, near_similarity 0.75",
    "datasketch": "datasketch, its own bands",
    "datasketch, wide": "datasketch, bands for recall",
    "rensa": "rensa's own deduplicator",
    "datatrove": "datatrove, runs of five words",
}
OWN = {"own": "the language itself", "foreign": "other languages", "copies": "copies of pages",
       "bots": "stubs made by a program", "junk": "price lists, links, programs"}  # fmt: skip


def contenders(lines: object = LINES) -> dict[str, Cell]:
    """The repeat of each contender that is quoted: ours the newest, a peer's the fastest."""
    found: dict[str, Cell] = {}
    for name in copies.CELLS:
        key = copies.key_of(name, lines)
        if not any("recall/runs" in cell for cell in COPIES.repeats(key)):
            continue
        peer = COPIES.best([key], lambda cell: cell.get("processor_seconds", float("inf")))[1]
        found[name] = COPIES[key] if name.startswith("endonym") else peer
    return found


def near_copies() -> str:
    """What is found, how surely, how fast, in how much memory."""
    rows = [
        [
            SAID[name],
            f"{cell['recall/runs']:.4f}",
            f"{cell['recall/words']:.3f}",
            f"{cell['precision']:.3f}",
            f"{cell['processor_seconds']:.1f}",
            f"{cell['seconds']:.0f}",
            f"{cell['peak_megabytes']:.0f}",
        ]
        for name, cell in contenders().items()
    ]
    head = ["", "recall, runs", "recall, words", "precision", "CPU s", "wall s", "peak MB"]
    return markdown(head, rows)


def edits() -> str:
    """The share of planted copies that are found, by what was changed."""
    found = contenders()
    rows = [
        [edit, *(f"{100 * cell[f'found/{edit}']:.1f}" for cell in found.values())] for edit in EDITS
    ]
    return markdown(["found % of copies with", *found], rows)


def single_lines() -> str:
    """Of single lines of each language what is found, lost and taken, by contender."""
    rows: list[list[str]] = []
    for language in LANGUAGES:
        for name, cell in contenders(copies.single(language)).items():
            figures = [f"{cell['recall/runs, short']:.3f}", f"{cell['precision']:.3f}"]
            figures.append(f"{100 * cell['lost']:.2f}")
            figures += [f"{100 * cell[f'found/{edit}']:.0f}" for edit in SINGLE]
            figures += [f"{cell['processor_seconds']:.1f}", f"{cell['peak_megabytes']:.0f}"]
            rows.append([language, SAID[name], *figures])
    head = ["lines", "", "recall", "precision", "lost %", *SINGLE, "CPU s", "peak MB"]
    return markdown(head, rows, labels=2)


def web() -> str:
    """What the raw text is made of, and what is left of it."""
    rows: list[list[str]] = []
    for language in ("tt", "ro"):
        cells = {arm: f"{language} · {arm} · seed 1" for arm in cleaning.ARMS}
        if any(key not in CLEANING for key in cells.values()):
            continue
        kinds = CLEANING[cells["raw"]]["kinds"]
        total = sum(kinds.values())
        name = cleaning.NAMES[language]
        rows += [[name, OWN[kind], f"{100 * n / total:.0f}"] for kind, n in kinds.items()]
    return markdown(["text", "pages", "% of the bytes"], rows, labels=2)


TABLES = {
    "near copies": near_copies,
    "near copies by edit": edits,
    "near copies of single lines": single_lines,
    "languages": lambda: language_id.own_table(LANGUAGE_ID),
    "languages, FLORES": lambda: language_id.own_table(LANGUAGE_ID, language_id.FLORES),
    "languages, worst": lambda: language_id.false_table(LANGUAGE_ID),
    "languages, libraries": lambda: language_id.library_table(LANGUAGE_ID),
    "first rules, clean": lambda: first_rules.clean_table(FIRST_RULES),
    "first rules, dirty": lambda: first_rules.dirty_table(FIRST_RULES),
    "raw text": web,
    "what cleaning buys": lambda: cleaning.table(CLEANING),
}
