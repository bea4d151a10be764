"""What cleaning buys: the same model of raw and of cleaned Tatar text, bits of clean text.

The raw text is made by dirty_web.py. The recipe is what `endonym new` writes for it, with a fixed
shape, vocabulary and number of tokens; its variant "raw" has no `[clean]`. Without [clean], too,
endonym leaves out pages of mojibake, so both allow any share of these (`max_unreadable = 1`). Each
trains its tokenizer on its own text: bits per byte do not depend on it. Both are judged on clean
pages that share no line and no eight words in a row with the raw text, and on sentences of FLORES.
Intervals and the paired difference are over documents. Budgets are tokens, so other programs change
no figure but the minutes.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmark import MAKES_A_MODEL, TINY_TEXTS, Bench, Benchmark, Watch, main
from cells import Cell, Cells
from copied_lines import opened
from dirty_web import Web, web
from judging import documents_of
from pages import interval, markdown
from runs import endonym, last_json, manifest, sets_of

from endonym.evaluate import documents
from endonym.evaluate.bits import Texts
from endonym.evaluate.documents import Documents
from endonym.generate.language_model import LanguageModel

ARMS = ("raw", "cleaned")
LISTS = ("tt/common_voice_sentences.txt", "tt/tatoeba_sentences.txt")
FOREIGN = (
    "other/ky_common_voice.txt",
    "other/kk_common_voice.txt",
    "other/ba_common_voice.txt",
    "en/common_voice_sentences.txt",
)
PAIRS, FLORES = "parallel/tatoeba_pairs.jsonl.gz", "parallel/flores200_devtest.jsonl"
SHAPE = {
    "model.dim": 128,
    "model.layers": 4,
    "model.mixer.heads": 2,
    "tokenizer.vocab": 2048,
    "pack.context": 256,
    "phase.0.tokens": 1_000_000,
}
TINY_SHAPE = {
    "model.dim": 64,
    "model.layers": 1,
    "model.mixer.heads": 1,
    "tokenizer.vocab": 300,
    "pack.context": 64,
    "phase.0.tokens": 4_096,
    "split.val_share": 0.3,
}
MOST_PAGES = 120
"""Held-out pages that judge: with more, reading takes longer than training."""
TEXTS = {"pages": "clean pages of the same kinds", "flores": "FLORES sentences"}
KINDS = {
    "own": "the language itself",
    "foreign": "other languages",
    "copies": "copies of pages",
    "bots": "stubs made by a program",
    "junk": "price lists, links, programs",
}


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """One cell: both models and what judges them."""
    return {"tt": partial(both_arms, bench)}


def raw_web(bench: Bench) -> Web:
    """The raw pages and the clean ones that judge; in tiny form of words in random order."""
    if bench.tiny:
        return web([drawn_lines("tatar.txt")], [drawn_lines("romanian.txt")])
    if not bench.has(*LISTS, *FOREIGN, PAIRS):
        return web([bench.lines("tt")], [bench.lines(code) for code in ("ro", "fr", "en")])
    rows = map(json.loads, opened(bench.file(PAIRS)).splitlines())
    russian = [row["src"] for row in rows if row["pair"] == "ru-tt"]
    foreign = [lines_of(bench.file(name)) for name in FOREIGN]
    return web([lines_of(bench.file(name)) for name in LISTS], [*foreign, russian])


def drawn_lines(name: str) -> list[str]:
    """Four hundred lines of ten words drawn from a text of the project."""
    words, rng = (TINY_TEXTS / name).read_text(encoding="utf-8").split(), random.Random(name)
    return [" ".join(rng.choices(words, k=10)) for _ in range(400)]


def lines_of(path: Path) -> list[str]:
    """The lines of a file that are not empty."""
    return [line for line in opened(path).split("\n") if line.strip()]


def both_arms(bench: Bench) -> Cell:
    """Both models, what they cost, and the bits of each text that judges, with the difference."""
    made, work = raw_web(bench), bench.folder("cleaning")
    write_recipe(made, work)
    judging = {"pages": made.held_out[:: -(-len(made.held_out) // MOST_PAGES)]}
    if not bench.tiny and bench.has(FLORES):
        sentences = map(json.loads, opened(bench.file(FLORES)).splitlines())
        judging["flores"] = [row["tt"] for row in sentences]
    arms, read = dict[str, Cell](), dict[str, dict[str, Documents]]()
    for arm in ARMS:
        model, arms[arm] = trained(work, arm, TINY_SHAPE if bench.tiny else SHAPE)
        read[arm] = {name: read_by(model, name, texts) for name, texts in judging.items()}
    return {
        "kinds": made.kinds,
        "pages": len(made.raw),
        "arms": arms,
        "scores": {
            name: {
                "documents": len(texts),
                "bytes": sum(len(text.encode()) for text in texts),
                "raw": estimate(documents.interval(read["raw"][name])),
                "cleaned": estimate(documents.interval(read["cleaned"][name])),
                "gain": estimate(documents.difference(read["cleaned"][name], read["raw"][name])),
            }
            for name, texts in judging.items()
        },
    }


def write_recipe(made: Web, work: Path) -> None:
    """The recipe that `new` and `doctor` write for the raw text; a variant cleans nothing."""
    recipe = work / "recipe.toml"
    rows = (json.dumps({"text": page}, ensure_ascii=False) + "\n" for page in made.raw)
    (work / "pages.jsonl").write_text("".join(rows), encoding="utf-8")
    written = endonym(work, "doctor", "pages.jsonl", "--language", "tt", "--json")
    variant = "\n[variant.raw.clean]\nmax_unreadable = 1.0\n"
    recipe.write_text(last_json(written)["recipe"] + variant, encoding="utf-8")


def trained(work: Path, arm: str, shape: Mapping[str, Any]) -> tuple[LanguageModel, Cell]:
    """The model of an arm, and how much text it has read."""
    changes = {"phase.0.patience": "", "phase.0.keep": "last", "phase.0.compile": "off"}
    changes |= {"phase.0.number_format": "fp32", **shape}
    chosen = ["--variant", "raw"] if arm == "raw" else list(sets_of({"clean.max_unreadable": 1.0}))
    options = [*sets_of(changes), *chosen, "--until", "model", "--json", "-q"]
    finished = last_json(endonym(work, "run", "recipe.toml", *options))
    stages = {stage["name"].split()[0]: stage for stage in finished["stages"]}
    numbers = {kind: manifest(work / "store", stages[kind])["numbers"] for kind in stages}
    model = LanguageModel.load(next((work / "store").glob(f"model/{stages['model']['id']}*")))
    return model, {"corpus": numbers["corpus"], "model": numbers["model"]}


def read_by(model: LanguageModel, name: str, texts: Sequence[str]) -> Documents:
    """What each text costs a model."""
    ids = model.tokenizer.encode_many(texts)
    return documents_of(model.decoder, Texts(ids, [name] * len(texts), model.tokenizer))


def estimate(given: tuple[float, float | None, float | None]) -> dict[str, float | None]:
    """A figure and the ends of its interval, by name."""
    return dict(zip(("value", "low", "high"), given, strict=True))


def raw_text(cells: Cells) -> str:
    """What the raw text is made of."""
    cell = cells.get("tt")
    kinds: dict[str, int] = cell["kinds"] if cell else {}
    total = sum(kinds.values())
    rows = [
        [KINDS[kind], f"{size / 1e3:,.0f}", f"{100 * size / total:.0f}"]
        for kind, size in kinds.items()
    ]
    return markdown(["pages", "kB", "% of the bytes"], rows)


def gains(cells: Cells) -> str:
    """Both models on each text, with the paired difference."""
    rows: list[list[str]] = []
    cell = cells.get("tt")
    for name, score in (cell["scores"] if cell else {}).items():
        both = [score[arm] for arm in ARMS]
        columns = [interval(each["value"], each["low"], each["high"]) for each in both]
        gain = score["gain"]
        span = f"{gain['value']:+.3f}"
        if gain["low"] is not None:
            span += f" ({gain['low']:+.3f} to {gain['high']:+.3f})"
        size = [f"{score['documents']:,}", f"{score['bytes'] / 1e3:.0f}"]
        rows.append([TEXTS[name], *size, *columns, span])
    head = ["judged by", "texts", "kB", *ARMS, "cleaned minus raw, paired 95 %"]
    return markdown(head, rows)


BENCHMARK = Benchmark(
    name="cleaning",
    code=(*MAKES_A_MODEL, "endonym.commands.doctor"),
    cells=cells,
    tables={
        ("docs/cleaning.md", "raw text"): raw_text,
        ("docs/cleaning.md", "what cleaning buys"): gains,
    },
    watched={"scores/*/cleaned/value": Watch("lower", 0.01)},
)

if __name__ == "__main__":
    main(BENCHMARK)
