"""What helps where there is little text: a ladder of 0.2, 0.5, 1 and 2 MB in four languages.

    python benchmarks/little_text.py [--languages tt km hi fa] [--megabytes 0.5] [--tried default]
    python benchmarks/little_text.py --summary

Each cell is one run: the recipe of `endonym new` for this text and an hour, with some keys changed.
Where `new` has a rule for little text, the rows begin from what it chose before that rule.
The dev text that the recipe holds out of these bytes chooses; the test text, which no recipe of any
size reads, judges. Both stand in the cell, with the compressor on the same test text. Smaller texts
are parts of larger ones, in blocks of neighbours.

Cells in benchmarks/results/little-text.json are skipped; --again adds a repeat.
"""

import argparse
import itertools
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cells
from data_efficiency import write_nested
from pages import markdown
from runs import bits_rows, costs_of, endonym, last_json, sets_of

from endonym.corpus.corpus import Corpus
from endonym.recipe.recipe import Recipe
from endonym.seed import named_seed

TEXTS = {
    "tt": ("tt", 0.1),
    "km": ("km", 0.1),
    "hi": ("other/hi_pratham_storybooks.jsonl", 0.3),
    "fa": ("other/fa_common_voice.txt", 0.25),
    "ro": ("ro/ronec_sentences.txt", 0.13),
    "fr": ("fr/common_voice_sentences.txt.gz", 0.03),
}
"""Of each language: its texts in shared/data, and the share that is held out, half of it for test:
about 100 kB or more."""
BEFORE = {
    "model.dim": 64,
    "model.mixer.heads": 1,
    "model.layers": 6,
    "model.dropout": 0.3,
    "phase.0.tokens": "",
    "phase.0.epochs": 32,
    "phase.0.subword_dropout": "",
    "phase.0.warmup_steps": "",
}
"""What `new` chose for little text until 2026-11-29: "default" in the table."""
LANGUAGES = {"tt": "Tatar", "km": "Khmer", "hi": "Hindi", "fa": "Persian"}
UNSEEN = {"ro": "Romanian", "fr": "French"}
"""Languages that chose nothing: only what was chosen is tried on them."""
COLUMNS = LANGUAGES | UNSEEN
WIDE = {"model.dim": 128, "model.mixer.heads": 2}
WIDE_DROPPED = WIDE | {"model.dropout": 0.4}
DEEP = WIDE_DROPPED | {"model.layers": 12}
SPLIT = {"phase.0.subword_dropout": 0.1}
SPLIT_MORE = {"phase.0.subword_dropout": 0.2}
LONG = {"phase.0.tokens": "", "phase.0.epochs": 58}
"""Twice the passes that `new` gave to so little text."""
TAUGHT = {"phase.0.members": 4, "phase.0.distill.live": True}
"""Four members, whose student learns from what they say of each row, also of split tokens."""
AS_WRITTEN = "as new writes it"
TRIED: dict[str, dict[str, Any]] = {
    "default": {},
    AS_WRITTEN: {},
    "long": LONG,
    "subwords 0.2, long": SPLIT_MORE | LONG,
    "deep": WIDE | {"model.layers": 12},
    "deep, dropout 0.4": DEEP,
    "deep, dropout 0.4, long": DEEP | LONG,
    "heads of 32": {"model.mixer.heads": 2},
    "heads of 16": {"model.mixer.heads": 4},
    "vocab 512": {"tokenizer.vocab": 512},
    "characters": {
        "tokenizer.kind": "char",
        "tokenizer.vocab": "",
        "phase.0.subword_dropout": "",
    },
    "wide, dropout 0.4, subwords, long": WIDE_DROPPED | SPLIT | LONG,
    "wide, dropout 0.4, subwords 0.2, long": WIDE_DROPPED | SPLIT_MORE | LONG,
    "deep, dropout 0.4, subwords 0.2, long": DEEP | SPLIT_MORE | LONG,
    "deep, dropout 0.5, subwords 0.2, long": DEEP | {"model.dropout": 0.5} | SPLIT_MORE | LONG,
    "wide, dropout 0.4, subwords 0.2, long, members 4": WIDE_DROPPED | SPLIT_MORE | LONG | TAUGHT,
}
"""What is changed in the recipe of `new`."""
HOURS = 1.0


def main() -> None:
    """Run the cells that are missing and print the table."""
    asked = arguments()
    cells = Cells(asked.results)
    wanted = itertools.product(asked.megabytes, asked.languages, asked.seeds, asked.tried)
    for megabytes, language, seed, tried in wanted if not asked.summary else ():
        key = f"{language} · {megabytes:g} MB · {tried} · seed {seed}"
        if key not in cells or asked.again:
            work = asked.work / language
            prepare(asked.texts / TEXTS[language][0], TEXTS[language][1], language, work)
            if not (work / f"{megabytes:g}").exists():
                print(f"{key:<60} there is less text")
                continue
            cells.keep(key, cell(work, megabytes, tried, seed))
            print(f"{key:<60} {cells[key]['test']:.4f}", flush=True)
    print(*summary(cells), sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--languages", nargs="+", choices=TEXTS, default=list(LANGUAGES))
    parser.add_argument("--megabytes", type=float, nargs="+", default=[0.5])
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43])
    parser.add_argument("--tried", nargs="+", choices=TRIED, default=list(TRIED))
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "little-text")
    parser.add_argument("--results", type=Path, default=RESULTS / "little-text.json")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--summary", action="store_true", help="print the table alone")
    return parser.parse_args()


def prepare(raw: Path, held_out: float, language: str, work: Path) -> None:
    """Write the test text, and of what is left JSON lines of each size, a file for each source."""
    if (work / "test").exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    endonym(work, "new", "all", "--language", language, "--text", raw, "--hours", 0.01)
    sets = sets_of({"split.val_share": held_out})
    made = last_json(endonym(work, "run", "all/recipe.toml", *sets, "--until", "corpus", "--json"))
    (stage,) = [each for each in made["stages"] if each["name"] == "corpus"]
    corpus = Corpus(work / "store" / "corpus" / stage["id"])
    write_nested(corpus, work, (0.2, 0.5, 1.0, 2.0), "little text")


def cell(work: Path, megabytes: float, tried: str, seed: int) -> dict[str, Any]:
    """Train one recipe, and judge it on its dev text and on the test text."""
    recipe = recipe_of(work, f"{megabytes:g}")
    changes = TRIED[tried] | {"seed": seed}
    if recipe.phase[0].subword_dropout is not None and tried != AS_WRITTEN:
        changes = BEFORE | changes
    name = f"cell-{named_seed(0, json.dumps(changes), str(recipe.path)):x}"
    sets = sets_of({**changes, "name": name})
    finished = last_json(endonym(work, "run", recipe.path.relative_to(work), *sets, "--json", "-q"))
    rows = bits_rows(finished["scores"])
    found = {model: judged(rows, model) for model in ("model", "ensemble", "compressor")}
    return costs_of(work, finished) | {
        "dev": mean(rows, "model", lambda split: split == "dev"),
        "test": found["model"],
        **{name: found[name] for name in ("ensemble", "compressor") if found[name] is not None},
    }


def recipe_of(work: Path, folder: str) -> Recipe:
    """What `new` writes for the text of a folder; it also scores the test text."""
    path = work / folder / "recipe.toml"
    if not path.exists():
        (language,) = {Recipe.load(work / "all" / "recipe.toml").language}
        args = ["--language", language, "--text", f"{folder}/texts", "--hours", HOURS]
        endonym(work, "new", folder, *args)
        tables = [
            f'\n[[evaluate]]\nkind = "bits"\nfile = "../test/{each.name}"\n'
            for each in sorted((work / "test").iterdir())
            if each.stat().st_size >= LEAST_BYTES
        ]
        path.write_text(path.read_text(encoding="utf-8") + "".join(tables), encoding="utf-8")
    return Recipe.load(path)


LEAST_BYTES = 10_000
"""Of test text of a source; less says nothing."""


def judged(rows: list[dict[str, Any]], model: str) -> float | None:
    """Bits per byte of the test text: the mean over its files."""
    return mean(rows, model, lambda split: split not in ("test", "dev"))


def mean(rows: list[dict[str, Any]], model: str, is_wanted: Any) -> float | None:
    """The mean over the texts that are wanted, each by the mean over its sources if it has one."""
    found = dict[str, float]()
    for row in rows:
        is_total = row["model"] == model and row["source"] is None and row["text"] == "document"
        if (
            is_total
            and is_wanted(row["split"])
            and (row["weighting"] == "sources" or row["split"] not in found)
        ):
            found[row["split"]] = row["value"]
    return statistics.mean(found.values()) if found else None


def table(cells: Cells) -> str:
    """Test bits per byte of the default and the compressor, and how much less each change needs.

    A change is compared with the default of the same seeds, by the mean over them.
    """
    found: dict[tuple[str, str], dict[str, dict[str, dict[str, Any]]]] = {}
    for key in cells:
        language, amount, tried, seed = key.split(" · ")
        by_language = found.setdefault((amount, tried), {})
        by_language.setdefault(COLUMNS[language], {})[seed] = cells[key]
    rows: list[list[str]] = []
    for amount in dict.fromkeys(amount for amount, _ in found):
        base = found.get((amount, "default"), {})
        own = {tried: each for (size, tried), each in found.items() if size == amount}
        rows.append([amount, "default", *_figures(base, "test")])
        rows.append([amount, "compressor", *_figures(base, "compressor")])
        for tried in (name for name in TRIED if name in own and name != "default"):
            rows.append([amount, tried, *_changes(own[tried], base)])
    return markdown(
        ["text", "recipe", *LANGUAGES.values(), "mean", *UNSEEN.values()], rows, labels=2
    )


BySeed = dict[str, dict[str, Any]]


def _figures(found: dict[str, BySeed], name: str) -> list[str]:
    """A figure in each language, as the mean over seeds; no mean over languages."""

    def said(language: str) -> str:
        values = [each[name] for each in found.get(language, {}).values()]
        return f"{statistics.mean(values):.4f}{_of_several(len(values))}" if values else "–"

    return [*map(said, LANGUAGES.values()), "", *map(said, UNSEEN.values())]


def _changes(found: dict[str, BySeed], base: dict[str, BySeed]) -> list[str]:
    """How much less is needed than by the default in each language, and in the mean of the four."""
    changes, seeds = dict[str, float](), dict[str, int]()
    for language in COLUMNS.values():
        own, before = found.get(language, {}), base.get(language, {})
        ratios = [own[seed]["test"] / before[seed]["test"] - 1 for seed in own.keys() & before]
        if ratios:
            changes[language], seeds[language] = statistics.mean(ratios), len(ratios)

    def said(language: str) -> str:
        if language not in changes:
            return "–"
        return f"{100 * changes[language]:+.1f} %{_of_several(seeds[language])}"

    seen = [changes[language] for language in LANGUAGES.values() if language in changes]
    mean = f"{100 * statistics.mean(seen):+.1f} %" if len(seen) == len(LANGUAGES) else "–"
    return [*map(said, LANGUAGES.values()), mean, *map(said, UNSEEN.values())]


def _of_several(seeds: int) -> str:
    """How many seeds a mean is over, if there are several."""
    return f" ({seeds})" if seeds > 1 else ""


def summary(cells: Cells) -> Iterator[str]:
    """For each amount and language bits per byte of each recipe, as the mean over its seeds."""
    table: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}
    for key in cells:
        language, amount, tried, _ = key.split(" · ")
        row = table.setdefault((amount, language), {}).setdefault(tried, [])
        row.append(cells[key])
    for (amount, language), by_recipe in sorted(table.items()):
        for tried, found in by_recipe.items():
            figures = {
                name: statistics.mean(each[name] for each in found)
                for name in ("dev", "test", "ensemble", "compressor")
                if all(each.get(name) is not None for each in found)
            }
            said = " · ".join(f"{name} {value:.4f}" for name, value in figures.items())
            yield f"{amount} {language} {tried:<32} {said} ({len(found)} seeds)"


if __name__ == "__main__":
    main()
