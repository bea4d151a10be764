"""What small models know: half an hour each on at most 3 MB, by FLORES-200, SIB-200 and RO-STS.

    python benchmarks/beyond_bits.py --prepare [--languages tt km ro fr en]    on an idle machine
    python benchmarks/beyond_bits.py [--languages tt km ro fr en] [--threads 2]

--prepare writes the texts and the recipe that `endonym new --hours 0.5` makes of them, which says
how many tokens are trained on this machine. A cell trains that model, and judges it: the second
half of each FLORES-200 sentence beside the published figures (Chang et al., arXiv:2408.10441),
topics of SIB-200 and, in Romanian, similarity of RO-STS. Topics are fine-tuned in Tatar and Khmer,
too, and similarity in Romanian. Texts that judge are kept out of the training text
(`clean.decontaminate`).

Cells in benchmarks/results/beyond-bits.json are skipped; --again adds a repeat.
"""

import argparse
import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cell, Cells, quiet_machine
from pages import interval, markdown
from runs import bits_rows, costs_of, endonym, last_json, sets_of

HOURS, MOST_BYTES = 0.5, 3_000_000
KEPT_STEPS = 12
"""For minimal_pairs.py."""
TEXTS = {
    "tt": ["common_voice_sentences.txt", "tatoeba_sentences.txt", "mediawiki_messages.txt"],
    "km": ["wikipedia_paragraphs.txt", "tico19_sentences.txt", "tatoeba_sentences.txt"],
    "ro": ["ronec_sentences.txt", "common_voice_sentences.txt", "tatoeba_sentences.txt"],
    "fr": ["lafontaine_fables.txt", "common_voice_sentences.txt.gz"],
    "en": ["common_voice_sentences.txt", "pratham_storybooks.jsonl", "aesop_fables.txt"],
}
"""Of each language: files in shared/data, all of them or the beginning, MOST_BYTES together."""
NAMES = {"tt": "Tatar", "km": "Khmer", "ro": "Romanian", "fr": "French", "en": "English"}
FLORES, SIB = "parallel/flores200_devtest.jsonl", "eval/sib200.jsonl.gz"
RO_STS = "eval/ro_sts_train.jsonl"
PROBES = {"sib200": SIB, "ro-sts": RO_STS}
PROBE_NAMES = {"sib200": "SIB-200", "ro-sts": "RO-STS"}
FINE_TUNED = {("sib200", "tt"), ("sib200", "km"), ("ro-sts", "ro")}
"""Fine-tuning takes a quarter of an hour of a core, or more."""
PUBLISHED = [f"Goldfish {size}" for size in ("5 MB", "10 MB", "100 MB", "1 GB")] + ["bigram"]
LARGE = ("XGLM-4.5B", "XGLM-7.5B", "MaLA-500", "BLOOM-7.1B")


def main() -> None:
    """Prepare, or run the cells that are missing; print the tables."""
    asked = arguments()
    cells = Cells(asked.results)
    for language in asked.languages:
        if asked.prepare:
            quiet_machine(language, anyway=asked.anyway)
            prepare(language, asked)
        elif language not in cells or asked.again:
            cells.keep(language, cell(language, asked))
    print(scoreboard(cells), probes(cells), sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--languages", nargs="+", choices=TEXTS, default=list(TEXTS))
    parser.add_argument("--prepare", action="store_true", help="write texts and recipes")
    parser.add_argument("--hours", type=float, default=HOURS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "beyond-bits")
    parser.add_argument("--results", type=Path, default=RESULTS / "beyond-bits.json")
    parser.add_argument("--anyway", action="store_true", help="prepare on a busy machine")
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def prepare(language: str, asked: argparse.Namespace) -> None:
    """Write the texts of a language, and the recipe of `endonym new`."""
    texts = write_texts(language, asked)
    given = ["--language", language, "--text", texts.absolute(), "--hours", asked.hours]
    endonym(asked.work, "new", language, *given, threads=asked.threads)


def write_texts(language: str, asked: argparse.Namespace) -> Path:
    """Write the texts of a language; returns their folder. asked: of it `work` and `data`."""
    texts, left = asked.work / f"{language}-texts", MOST_BYTES
    texts.mkdir(parents=True, exist_ok=True)
    for name in TEXTS[language]:
        path = asked.data / language / name
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as lines:
            kept = b"".join(_within(lines, left))
        (texts / name.removesuffix(".gz")).write_bytes(kept)
        left -= len(kept)
    return texts


def _within(lines: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The first lines, as far as they fit."""
    for line in lines:
        size -= len(line)
        if size < 0:
            return
        yield line


def cell(language: str, asked: argparse.Namespace) -> Cell:
    """Train the model of a language, and judge it."""
    files = {name: (asked.data / each).absolute() for name, each in PROBES.items()}
    flores = (asked.data / FLORES).absolute()
    train = files["ro-sts"]
    dev = str(train.with_name(train.name.replace("train", "dev")))
    held_out = [str(flores), *map(str, files.values()), dev]
    sets = sets_of({"clean.decontaminate": held_out, "phase.0.keep_steps": KEPT_STEPS})
    work, threads = asked.work, asked.threads
    run = ("run", f"{language}/recipe.toml", *sets, "--json", "-q")
    finished = last_json(endonym(work, *run, threads=threads))
    board = ("--flores", flores, "--column", language)
    told = {"flores": judged(work, language, *board, threads=threads)}
    for name, file in files.items():
        if name == "sib200" or language == "ro":
            tuned = ["--fine-tune"] if (name, language) in FINE_TUNED else []
            told[name] = judged(work, language, "--probe", file, *tuned, threads=threads)
    rows = bits_rows(finished["scores"])
    return costs_of(work, finished) | told | {"language": language, "rows": rows}


def judged(work: Path, language: str, *given: object, threads: int) -> dict[str, Any]:
    """What `evaluate --json` says of a model."""
    return json.loads(endonym(work, "evaluate", language, *given, "--json", threads=threads))


def scoreboard(cells: Cells) -> str:
    """Bits of the second half of a FLORES-200 sentence, beside the published figures."""
    rows = list[list[str]]()
    for language in (each for each in NAMES if each in cells):
        flores = cells[language]["flores"]
        own = next(row for row in flores["scores"] if row["metric"] == "bits_per_text")
        bits = {each["model"]: each["bits"] for each in flores["published"]}
        megabytes = f"{(flores['training_bytes'] or 0) / 1e6:.1f}"
        span = interval(own["value"], own["low"], own["high"], 1)
        found = [f"{bits[name]:.1f}" if name in bits else "–" for name in PUBLISHED]
        large = sorted((bits[name], name) for name in LARGE if name in bits)[:1]
        best = "".join(f"{value:.1f} ({name})" for value, name in large)
        rows.append([NAMES[language], megabytes, span, *found, best])
    heads = [name.replace("Goldfish ", "") for name in PUBLISHED]
    return markdown(["text", "MB", "endonym", *heads, "best large model"], rows)


def probes(cells: Cells) -> str:
    """Every row of every probe."""
    rows = list[list[str]]()
    for language in (each for each in NAMES if each in cells):
        for name in (each for each in PROBES if each in cells[language]):
            scores = cells[language][name]["scores"]
            for model in dict.fromkeys(row["model"] for row in scores):
                found = [row for row in scores if row["model"] == model]
                spans = [probe_cell(row) for row in found]
                rows.append([f"{PROBE_NAMES[name]}, {NAMES[language]}", f"`{model}`", *spans])
    return markdown(
        ["probe", "row", "accuracy, or Pearson", "macro-F1, or Spearman"], rows, labels=2
    )


def probe_cell(row: dict[str, Any]) -> str:
    """A score with its interval, and what seeds do to it."""
    if row["value"] is None:
        return "undefined"
    deviation = row["deviation"]
    spread = "" if deviation is None else f", seeds ± {deviation:.3f}"
    return interval(row["value"], row["low"], row["high"]) + spread


TABLES_OF_PAGE = {
    "flores": lambda: scoreboard(Cells(RESULTS / "beyond-bits.json")),
    "probes": lambda: probes(Cells(RESULTS / "beyond-bits.json")),
}

if __name__ == "__main__":
    main()
