"""The unigram and bigram baselines of a run, against an independent count of the same text.

It counts in dictionaries, and reads text by the `tokenizers` library; nothing here is endonym's.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
from tokenizers import Tokenizer

TATAR = Path(__file__).parents[1] / "texts" / "tatar.txt"
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "tt" / "tatoeba_sentences.txt"
RECIPE = """
name = "tatar"
language = "tt"
[[source]]
name = "tatoeba"
path = "{path}"
document = "line"
[split]
val_share = 0.2
[tokenizer]
kind = "bpe"
vocab = 400
[pack]
context = 64
[model]
dim = 16
layers = 1
mixer.heads = 1
[[phase]]
steps = 2
batch_tokens = 128
lr = 1e-3
[[evaluate]]
kind = "bits"
tokens = 1_000_000_000
"""


def bits_by_hand(train: Sequence[str], test: Sequence[str], tokenizer: Tokenizer) -> list[float]:
    """Bits per byte of test texts under unigrams with add-one smoothing, and under bigrams with
    absolute discounting by 0.75, interpolated with these (Ney, Essen and Kneser 1994, eq. 12).

    Each text stands between two ends of texts; the second one is learnt, and not scored.
    """
    end = "end"  # any name that is no id
    tokens, pairs = Counter[Any](), Counter[tuple[Any, Any]]()
    for text in train:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        tokens.update([*ids, end])
        pairs.update(zip([end, *ids], [*ids, end], strict=True))
    contexts, followers = Counter[Any](), Counter[Any]()
    for (first, _), count in pairs.items():
        contexts[first] += count
        followers[first] += 1
    total, vocab = tokens.total(), tokenizer.get_vocab_size()
    nats, size = [0.0, 0.0], 0
    for text in test:
        size += len(text.encode("utf-8"))
        before: Any = end
        for token in tokenizer.encode(text, add_special_tokens=False).ids:
            unigram = bigram = (tokens[token] + 1) / (total + vocab)
            if seen := contexts[before]:
                kept = max(pairs[before, token] - 0.75, 0.0) / seen
                bigram = kept + 0.75 * followers[before] / seen * unigram
            nats[0] -= math.log(unigram)
            nats[1] -= math.log(bigram)
            before = token
    return [each / math.log(2) / size for each in nats]


@pytest.mark.parametrize("path", [TATAR, SHARED], ids=["own", "tatoeba"])
def test_baselines_are_those_of_an_independent_count(
    path: Path, command: Callable[..., Any], tmp_path: Path
) -> None:
    if not path.is_file():
        pytest.skip("../shared/data is not beside the project")
    recipe, where = tmp_path / "recipe.toml", ("--store", tmp_path / "store")
    recipe.write_text(RECIPE.format(path=path), encoding="utf-8")
    ran = command("run", recipe, *where, "--json")
    assert ran.code == 0, ran.err
    found = {
        score["model"]: score["value"]
        for score in ran.json()["scores"]
        if score["metric"] == "bits_per_byte" and score["text"] == "document"
    }
    out = tmp_path / "data"
    run = tmp_path / "runs" / "tatar"
    assert command("export", run, "--to", "dataset", "--out", out, *where).code == 0
    texts = {
        name: [
            text
            for file in sorted((out / "data").glob(f"{name}-*.parquet"))
            for text in parquet.read_table(file)["text"].to_pylist()
        ]
        for name in ("train", "test")
    }
    stages = json.loads((run / "plan.json").read_text(encoding="utf-8"))["stages"]
    (model,) = [stage["id"] for stage in stages if stage["stage"] == "model"]
    file = tmp_path / "store" / "model" / model / "tokenizer.json"
    by_hand = bits_by_hand(texts["train"], texts["test"], Tokenizer.from_file(str(file)))
    assert [found["unigram"], found["bigram"]] == pytest.approx(by_hand, rel=1e-9)
    assert by_hand[1] < by_hand[0]
