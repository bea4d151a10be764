"""Lists of sentences with and without joining: bits a byte of lines, blocks and FLORES documents.

    python benchmarks/joining.py [--languages tt km ro] [--seeds 1 2] [--tokens 2400000]

Only the sources that are lists of sentences are taken. The recipe is what `endonym new` writes for
ten minutes, with a fixed shape (4 × 128) and the given tokens; a cell is a language, a seed (which
also chooses what is held out) and whether `[pack] join` is as written or empty. Both are judged on
the same texts: dev and test documents, the blocks of both, FLORES sentences, and documents of four
neighbouring FLORES sentences. Budgets are tokens, so other work beside it changes no figure but
seconds. Each cell keeps three samples of 100 tokens. Resumable; results:
benchmarks/results/joining.json.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cell, Cells
from judging import difference, held_texts, judged
from pages import interval, markdown
from readme_page import NAMES
from runs import Row, endonym, last_json, row_of, sets_of

from endonym.data.shards import TokenShards
from endonym.evaluate.bits import Texts
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.recipe.recipe import Recipe
from endonym.tokenizer.tokenizer import Tokenizer

LISTS = {
    "tt": ("common_voice_sentences", "tatoeba_sentences", "mediawiki_messages",
           "common_voice_numbers", "tatar_cc0_templated"),
    "km": ("tatoeba_sentences", "tico19_sentences", "wikipedia_paragraphs"),
    "ro": ("common_voice_sentences", "ronec_sentences", "tatoeba_sentences"),
}  # fmt: skip
"""The files of each language that hold a sentence or a paragraph a line."""
SHAPE = {"model.dim": 128, "model.layers": 4, "model.mixer.heads": 2, "model.dropout": 0.1}
FLORES_SENTENCES = 4
JUDGED = {
    "lines": "test document",
    "blocks": "test block",
    "FLORES sentences": "flores sentences",
    "FLORES documents": "flores documents",
}
"""What is shown of all that is judged, and its names."""
SAMPLES, SAMPLE_TOKENS = 3, 100
SHOWN_LETTERS = 110


def main() -> None:
    """Run the cells asked for and print the table."""
    asked = arguments()
    cells = Cells(asked.results)
    asked.work.mkdir(parents=True, exist_ok=True)
    for language in asked.languages:
        recipe = written(language, asked)
        for seed in asked.seeds:
            for joined in (False, True):
                key = key_of(language, asked.tokens, seed, joined=joined)
                if key not in cells or asked.again:
                    cells.keep(key, cell(recipe, language, seed, asked, joined=joined))
                print(line(key, cells[key]), flush=True)
    print(table(cells))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--languages", nargs="+", choices=list(LISTS), default=list(LISTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--tokens", type=int, default=2_400_000)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "joining")
    parser.add_argument("--results", type=Path, default=RESULTS / "joining.json")
    parser.add_argument("--again", action="store_true")
    return parser.parse_args()


def key_of(language: str, tokens: int, seed: int, *, joined: bool) -> str:
    """The name of a cell."""
    return f"{language} {tokens / 1e6:g}M tokens · {'joined' if joined else 'alone'} · seed {seed}"


def written(language: str, asked: argparse.Namespace) -> Path:
    """The recipe that `new` writes for a language's lists."""
    recipe = asked.work / language / "recipe.toml"
    if not recipe.exists():
        files = sorted((asked.texts / language).iterdir())
        lists = [path for path in files if path.name.split(".")[0] in LISTS[language]]
        texts = [word for path in lists for word in ("--text", path.resolve())]
        endonym(asked.work, "new", language, "--language", language, *texts, "--hours", 1 / 6)
    return recipe


def cell(
    recipe: Path, language: str, seed: int, asked: argparse.Namespace, *, joined: bool
) -> dict[str, Any]:
    """Train one model and judge it on everything."""
    join = Recipe.load(recipe).pack.join
    name = f"{language}-{'joined' if joined else 'alone'}-{seed}"
    changes = SHAPE | {
        "name": name,
        "seed": seed,
        "split.seed": seed,
        "phase.0.tokens": asked.tokens,
    }
    changes |= {"phase.0.patience": "", "evaluate.0.baselines": False}
    changes |= {} if joined else {"pack.join": []}
    sets = sets_of(changes)
    where = recipe.relative_to(asked.work)
    finished = last_json(endonym(asked.work, "run", where, *sets, "--json", "-q"))
    ids = {stage["name"].split()[0]: stage["id"] for stage in finished["stages"]}
    model_folder, shards = (
        next((asked.work / "store" / kind).glob(f"{ids[kind]}*")) for kind in ("model", "shards")
    )
    model = LanguageModel.load(model_folder)
    texts = {
        f"{split} {kind}": each
        for split in ("dev", "test")
        for kind, each in held_texts(TokenShards(shards, split), model.tokenizer, join).items()
    }
    texts |= flores(asked.texts / "parallel", language, model.tokenizer)
    nats = asked.work / "nats"
    nats.mkdir(exist_ok=True)
    scores, beside = dict[str, list[Row]](), dict[str, Any]()
    for text, each in texts.items():
        out = nats / f"{name} {text}.npy"
        scores[text] = judged(model.decoder, each, text, out)
        if joined:
            alone = nats / f"{language}-alone-{seed} {text}.npy"
            beside[text] = difference(out, alone)
    samplings = [Sampling(temperature=0.8, seed=number) for number in range(SAMPLES)]
    made = model.generate_many([""] * SAMPLES, max_tokens=SAMPLE_TOKENS, samplings=samplings)
    samples = ["".join(each) for each in made]
    return {"scores": scores, "beside": beside, "samples": samples, "join": list(join)}


def flores(folder: Path, language: str, tokenizer: Tokenizer) -> dict[str, Texts]:
    """FLORES sentences, and runs of four neighbours as documents; the file names no documents."""
    path = folder / "flores200_devtest.jsonl"
    rows = [json.loads(each)[language] for each in path.read_text(encoding="utf-8").splitlines()]
    starts = range(0, len(rows), FLORES_SENTENCES)
    pages = ["\n".join(rows[start : start + FLORES_SENTENCES]) for start in starts]

    def texts(found: Sequence[str]) -> Texts:
        return Texts(tokenizer.encode_many(found), ["flores"] * len(found), tokenizer)

    return {"flores sentences": texts(rows), "flores documents": texts(pages)}


def headline(cell: Cell, text: str) -> Row:
    """The mean over the sources of a text."""
    kind = "block" if text.endswith("block") else "document"
    found = row_of(cell["scores"][text], text=kind, split=None)
    assert found is not None
    return found


def line(key: str, cell: Cell) -> str:
    """One cell as a person reads it."""
    rows = {text: headline(cell, text) for text in cell["scores"]}
    scores = [f"{n} {interval(r['value'], r['low'], r['high'], 4)}" for n, r in rows.items()]
    return "  ".join([f"{key:<40}", *scores])


def table(cells: Cells) -> str:
    """Alone and joined side by side, with the paired difference, for each seed."""
    head = ["text", "read by", "seed", "alone", "joined", "joined less alone, paired 95 %"]
    rows: list[list[str]] = []
    pairs = [(key, key.replace("joined", "alone")) for key in cells if " joined " in key]
    for joined, alone in pairs:
        language, seed = joined.split()[0], joined.rpartition(" ")[2]
        for name, text in JUDGED.items():
            both = (headline(cells[key], text) for key in (alone, joined))
            gap = cells[joined]["beside"][text]
            columns = [interval(each["value"], each["low"], each["high"]) for each in both]
            low, high = gap["low"], gap["high"]
            span = "" if low is None else f" ({low:+.3f} to {high:+.3f})"
            rows.append([NAMES[language], name, seed, *columns, f"{gap['value']:+.3f}{span}"])
    return markdown(head, rows, labels=2)


def samples(cells: Cells) -> str:
    """How the first sample of each model of seed 1 begins; " / " stands for a line end."""
    rows: list[list[str]] = []
    for key in (key for key in cells if key.endswith(" seed 1")):
        first = cells[key]["samples"][0].replace("\n", " / ")
        shown = first if len(first) <= SHOWN_LETTERS else f"{first[:SHOWN_LETTERS].rstrip()} …"
        rows.append([NAMES[key.split()[0]], key.split(" · ")[1], shown.replace("|", "¦")])
    return markdown(["text", "trained", "sample"], rows, labels=3)


if __name__ == "__main__":
    main()
