"""Every row, tokenizer and language in every export, each verified by its own runtime.

    python benchmarks/exports.py [--languages tt km fr] [--kinds bpe unigram char] [--rows qwen3 …]

A cell is a row of the table of architectures, a tokenizer and a language: a model of 2 × 256 is
trained on some of the language's text (120,000 tokens; it need not be good), exported to
transformers and to GGUF as F16, Q8_0, Q5_K_M and Q4_K_M, and compared with itself: ids of 10,000
lines and of strange strings, the likeliest id at 4,096 positions, bits per byte. The lines are the
held-out ones first, then others of the corpus where those do not suffice: for ids it does not
matter whether a line was trained on. Figures do not depend on other work beside it. Resumable;
results: benchmarks/results/exports.json.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cell, Cells
from pages import markdown
from runs import endonym, last_json

from endonym.data.shards import TokenShards
from endonym.export.card import Card
from endonym.export.config import Export
from endonym.export.formats import MAKING
from endonym.export.verify import LINES, verify_export
from endonym.generate.language_model import LanguageModel
from endonym.model.families import FAMILIES
from endonym.pipeline.evaluation import held_out_documents

TEXTS = {
    "tt": ("common_voice_sentences.txt", "tatoeba_sentences.txt", "mediawiki_messages.txt"),
    "km": ("libreoffice_help.jsonl.gz", "wikipedia_paragraphs.txt", "tico19_sentences.txt"),
    "fr": ("lafontaine_fables.txt", "baudelaire_fleurs_du_mal.txt"),
}
KINDS = ("bpe", "unigram", "char")
VOCAB = {"bpe": 4000, "unigram": 4000, "char": None}
GGUF = ("F16", "Q8_0", "Q5_K_M", "Q4_K_M")
KEYS = {
    "mistral": ["mixer.window = 64"],
    "moe": ["ffn.experts = 4", "ffn.hidden = 256"],
    "mamba2": ["mixer.head_width = 64", "mixer.state = 64"],
}
"""What a row needs beyond its defaults; rows of all matrices are multiples of 256."""
TOKENS = 120_000
FIRST = ("test", "dev", "train")


def main() -> None:
    """Run the cells asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--languages", nargs="+", choices=list(TEXTS), default=list(TEXTS))
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--rows", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "exports")
    parser.add_argument("--results", type=Path, default=RESULTS / "exports.json")
    parser.add_argument("--again", action="store_true")
    asked = parser.parse_args()
    cells = Cells(asked.results)
    for kind in asked.kinds:
        for language in asked.languages:
            for row in asked.rows:
                key = f"{language} {kind} {row}"
                if key not in cells or asked.again:
                    cells.keep(key, cell(asked, language, kind, row))
                print(key, "·", " · ".join(summary(cells[key])), flush=True)
    print(table(cells))


def recipe_of(language: str, kind: str, row: str, texts: Path) -> str:
    """The recipe of a cell; rows of a language and a tokenizer share all before the model."""
    vocab = VOCAB[kind]
    sources = [
        f'[[source]]\nname = "{name.partition(".")[0]}"\npath = "{texts / language / name}"\n'
        + ("" if ".jsonl" in name else 'document = "line"\n')
        for name in TEXTS[language]
    ]
    tokenizer = f'[tokenizer]\nkind = "{kind}"\n' + (f"vocab = {vocab}\n" if vocab else "")
    model = [f'family = "{row}"', "dim = 256", "layers = 2", *KEYS.get(row, [])]
    if FAMILIES[row].mixer == "attention":
        model.append("mixer.heads = 4")
    phase = f'[[phase]]\nname = "pretrain"\ntokens = {TOKENS}\nbatch_tokens = 2048\nlr = 2e-3\n'
    phase += "eval_every_steps = 100\n"
    split = '[clean]\nnormalize = ["nfc"]\nmin_chars = 3\n\n[split]\nval_share = 0.05\n'
    name = f'name = "{row}-{kind}-{language}"\nlanguage = "{language}"\n'
    pack = "[pack]\ncontext = 256\n"
    parts = (name, *sources, split, tokenizer, pack, "[model]\n" + "\n".join(model) + "\n", phase)
    return "\n".join(parts)


def cell(asked: argparse.Namespace, language: str, kind: str, row: str) -> Cell:
    """Train, export, verify."""
    asked.work.mkdir(parents=True, exist_ok=True)
    recipe = asked.work / f"{row}-{kind}-{language}.toml"
    recipe.write_text(recipe_of(language, kind, row, asked.texts.resolve()), encoding="utf-8")
    finished = last_json(endonym(asked.work, "run", recipe.name, "--json", "-q"))
    made = {stage["name"].split()[0]: stage["id"] for stage in finished["stages"]}
    store = asked.work / "store"
    model = LanguageModel.load(store / "model" / made["model"])
    texts = lines_of(store / "shards" / made["shards"], model)
    started, checks = time.perf_counter(), list[dict[str, Any]]()
    for export in (Export(format="huggingface"), Export(format="gguf", quantize=GGUF)):
        with tempfile.TemporaryDirectory(dir=asked.work) as folder:
            card = Card(recipe.stem, language)
            MAKING[export.format].write(export, model, Path(folder), card=card)
            checks += [c.as_dict() for c in verify_export(Path(folder), model, texts)]
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "vocab": model.tokenizer.vocab,
        "lines": min(LINES, sum(len(text.splitlines()) for text in texts)),
        "checks": [named(check, recipe.stem) for check in checks],
    }


def lines_of(shards: Path, model: LanguageModel) -> list[str]:
    """Held-out documents, and others until there are enough lines."""
    found = held_out_documents(shards, model.tokenizer)
    count = sum(len(text.splitlines()) for text in found)
    train = TokenShards(shards, "train")
    for number in range(len(train)):
        if count >= LINES:
            break
        found.append(model.tokenizer.decode(train.document(number).ids.tolist()))
        count += len(found[-1].splitlines())
    return found


def named(check: dict[str, Any], stem: str) -> dict[str, Any]:
    """A check under the name of its format."""
    file = check["file"].removesuffix(".gguf").removeprefix(f"{stem}-")
    kept = {key: check[key] for key in ("check", "ok", "value", "unit", "runtime", "example")}
    return {"format": file if file in GGUF else "transformers", **kept}


def of(cell: Cell, form: str, check: str) -> float:
    """One figure of a cell."""
    wanted = (form, check)
    return next(c["value"] for c in cell["checks"] if (c["format"], c["check"]) == wanted)


def summary(cell: Cell) -> Iterator[str]:
    """What a cell's line says."""
    for form in ("transformers", *GGUF):
        ids, same = of(cell, form, "ids"), of(cell, form, "likeliest")
        rise = of(cell, form, "bits_per_byte")
        yield f"{form} {ids:.0f} {100 * same:.2f} % {100 * rise:+.3f} %"


def page_table() -> str:
    """The table of docs/exports.md."""
    return table(Cells(RESULTS / "exports.json"))


def table(cells: Cells) -> str:
    """A row for each architecture: over its tokenizers and languages, the worst figure of each."""
    heads = ["row", "lines that differ", "F16 agrees", "transformers", *GGUF]
    rows: list[list[str]] = []
    for family in FAMILIES:
        mine = [cells[key] for key in cells if key.endswith(f" {family}")]
        if not mine:
            continue
        forms = ("transformers", *GGUF)
        differ = sum(of(each, form, "ids") for each in mine for form in forms)
        total = sum(each["lines"] for each in mine)
        agree = min(of(each, "F16", "likeliest") for each in mine)
        worst = [max((of(each, f, "bits_per_byte") for each in mine), key=abs) for f in forms]
        rises = [f"{100 * each:+.2f} %" for each in worst]
        rows.append([family, f"{differ:.0f} of {total:,}", f"{100 * agree:.2f} %", *rises])
    return markdown(heads, rows)


if __name__ == "__main__":
    main()
