"""The tables of docs/documents.md: what is read of files of every kind."""

from collections.abc import Callable

from cells import RESULTS, Cells
from extraction import FOLDERS, GUIDES
from main_text import CONTENDERS, MARKS
from pages import markdown

CELLS = Cells(RESULTS / "extraction.json")
LANGUAGES = {"fr": "French", "ro": "Romanian", "tt": "Tatar"}


def files() -> str:
    """Each folder of raw files: what was read, rejects, time and memory."""
    rows: list[list[str]] = []
    for folder in FOLDERS:
        if (key := f"files/{folder}") not in CELLS:
            continue
        one = CELLS[key]
        numbers = (one.get(name, 0) for name in ("files", "documents", "pages", "characters"))
        rows.append(
            [
                folder,
                *(f"{number:,}" for number in numbers),
                f"{sum(one['rejects'].values()):,}",
                f"{one['seconds']:.1f}",
                f"{one['cpu_seconds']:.1f}",
                f"{one['own_mib']:,}",
                f"{one['worker_mib']:,}" if one["worker_mib"] else "–",
                f"{one['busy_cores_before']:.1f}",
            ]
        )
    head = ["folder", "files", "documents", "pages", "characters", "rejects", "seconds", "CPU s"]
    return markdown([*head, "MiB, reader", "MiB, worker", "others' cores"], rows)


def rejects() -> str:
    """Rejects of each folder by reason."""
    rows = [
        [folder, ", ".join(f"{reason} {count:,}" for reason, count in found.items())]
        for folder in FOLDERS
        if (key := f"files/{folder}") in CELLS and (found := CELLS[key]["rejects"])
    ]
    return markdown(["folder", "rejects by reason"], rows, labels=2)


def guides() -> str:
    """The text of the Debian guides against the text that Debian ships."""
    rows = [
        [
            LANGUAGES[language],
            name,
            f"{one['characters']:,}",
            *(f"{one[key]:.1%}" for key in ("cer", "letters_cer", "precision", "recall")),
        ]
        for language in GUIDES
        for name in ("endonym", "pdfium")
        if (key := f"pdf/{language} {name}") in CELLS and (one := CELLS[key])
    ]
    head = ["guide", "read by", "characters", "character errors", "of letters and digits"]
    return markdown([*head, "words: precision", "recall"], rows, labels=2)


def pictures() -> str:
    """OCR against what stands on the pictures, by pack."""
    rows: list[list[str]] = []
    for key in CELLS:
        kind, _, name = key.partition("/")
        if kind != "ocr":
            continue
        one, (language, pack) = CELLS[key], name.split(" ")
        kept = "–" if one["kept_cer"] is None else f"{one['kept_cer']:.1%}"
        every = sorted(one["pictures"].values())
        rows.append(
            [
                LANGUAGES[language],
                f"{pack}, chosen" if one["chosen"] else pack,
                f"{len(every)}",
                f"{one['cer']:.1%}",
                f"{every[0]:.1%} – {every[-1]:.1%}",
                f"{one['kept']}",
                kept,
            ]
        )
    head = ["pictures", "pack", "number", "character errors", "best – worst picture"]
    return markdown([*head, "sure enough to be kept", "errors of these"], rows, labels=2)


def main_texts() -> str:
    """Main text beside peers, over the marked pages, and on each."""
    found = {name: CELLS[f"html/{name}"] for name in CONTENDERS if f"html/{name}" in CELLS}
    rows = [
        [measure, *(f"{one[key]:.3f}" for one in found.values())]
        for measure, key in (("precision", "precision"), ("recall", "recall"), ("**F1**", "f1"))
    ]
    for page in MARKS:
        stem = page.rpartition("/")[2].rpartition(".")[0]
        rows.append([f"F1 of `{stem}`", *(f"{one[f'f1/{stem}']:.3f}" for one in found.values())])
    return markdown(["ten pages", *found], rows)


def isolation() -> str:
    """Clean files in a worker and in the same process."""
    rows = [
        [
            key.partition("/")[2],
            f"{one['bytes'] / 1e6:.1f}",
            f"{one['units']:,.0f}",
            f"{one['here_seconds']:.2f}",
            f"{one['seconds']:.2f}",
            f"{one['seconds_ratio'] - 1:+.1%}",
            f"{one['cpu_seconds_ratio'] - 1:+.1%}",
        ]
        for key in CELLS
        if key.startswith("isolation/") and (one := CELLS[key])
    ]
    head = ["file", "MB", "units", "s, same process", "s, worker", "wall clock", "processor time"]
    return markdown(head, rows)


TABLES: dict[str, Callable[[], str]] = {
    "extraction files": files,
    "extraction rejects": rejects,
    "extraction guides": guides,
    "extraction pictures": pictures,
    "extraction main text": main_texts,
    "extraction isolation": isolation,
}
