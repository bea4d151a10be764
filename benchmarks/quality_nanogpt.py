"""nanoGPT trained for so many seconds on our shards, and judged by us: one cell of quality.py.

Its train.py in short: AdamW with decay 0.1, betas of 0.9 and 0.95 or as asked (its small
configuration has 0.99), clip 1.0, 100 steps of warm-up, a cosine to a
tenth, random rows of one stream; bf16 autocast. The cosine follows the clock, which is what a
person who knew the number of steps in advance would have asked for. Twenty looks at the same
held-out rows as ours takes while training; the best one's weights are judged, as its small
configuration keeps them.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contenders import Shape, Spec
from peers import NanoGpt
from worker import bits_of, cosine

from endonym.data.batches import Batch
from endonym.data.order import Order
from endonym.data.shards import TokenShards
from endonym.evaluate.bits import held_out
from endonym.evaluate.documents import documents
from endonym.generate.reading import read
from endonym.tokenizer.tokenizer import Tokenizer

CONTEXT, ROWS = 256, 12
LOOKS, LOOK_TOKENS = 20, 32_768


class Stream:
    """The training split as nanoGPT reads it: ids one after another, and random rows of them."""

    def __init__(self, train: TokenShards) -> None:
        self.ids = np.concatenate(train.parts).astype(np.int64)

    def batch(self) -> Batch:
        """Rows that begin anywhere; documents are not told apart."""
        starts = torch.randint(len(self.ids) - CONTEXT - 1, (ROWS,)).numpy()
        rows_BT = torch.from_numpy(self.ids[starts[:, None] + np.arange(CONTEXT + 1)])
        tokens_BT, targets_BT = rows_BT[:, :-1].contiguous(), rows_BT[:, 1:].contiguous()
        return Batch(tokens_BT, targets_BT, torch.zeros_like(tokens_BT))


def main() -> None:
    """Train, judge, keep the nats of each document, and print one object."""
    words = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    torch.set_num_threads(words["threads"])
    train, val = (TokenShards(Path(words["shards"]), split) for split in ("train", "val"))
    spec = Spec(
        network="nanoGPT",
        shape=Shape(**words["shape"], context=CONTEXT, vocab=train.vocab, rows=ROWS),
        format="autocast",
        compiled=words["compiled"],
        lr=words["lr"],
        betas=(0.9, words["beta"]),
        dropout=words["dropout"],
        peers=words["peers"],
    )
    torch.manual_seed(1337)
    contender = NanoGpt(spec)
    learnt = learn(contender, Stream(train), val, words["seconds"])
    scores = judge(contender, val, words)
    tokens = learnt["steps"] * ROWS * CONTEXT
    epochs = tokens / int(train.positions().sum())
    found = {"tokens": tokens, "epochs": epochs, "parameters": contender.parameters()}
    answers.write(json.dumps(learnt | scores | found) + "\n")
    answers.close()


def learn(contender: NanoGpt, stream: Stream, val: TokenShards, seconds: float) -> dict[str, Any]:
    """Train for so long, looks and compilation not counted; the best look's weights come back."""
    network = contender.network.train()
    begun = {name: each.clone() for name, each in network.state_dict().items()}
    started = time.perf_counter()
    contender.learn(stream.batch(), 0.0)
    first = time.perf_counter() - started
    network.load_state_dict(begun)
    contender.optimizer.state.clear()
    spent, step, looks = 0.0, 0, [(look(contender, val), 0)]
    best = begun
    while spent < seconds:
        started = time.perf_counter()
        contender.learn(stream.batch(), cosine(spent / seconds, step))
        step += 1
        spent += time.perf_counter() - started
        if spent >= seconds * len(looks) / LOOKS:
            looks.append((look(contender, val), step))
            if looks[-1] == min(looks):
                best = {name: each.clone() for name, each in network.state_dict().items()}
    network.load_state_dict(best)
    return {
        "steps": step,
        "kept_step": min(looks)[1],
        "step_seconds": round(spent, 1),
        "first_step_seconds": round(first, 1),
        "looks": [round(nats, 4) for nats, _ in looks],
    }


@torch.inference_mode()
def look(contender: NanoGpt, val: TokenShards) -> float:
    """Mean nats of held-out rows, by the network as it trains, without dropout."""
    network: Any = contender.network
    order = Order(val, context=CONTEXT, seed=0)
    count = max(1, min(LOOK_TOKENS, order.positions_per_epoch) // CONTEXT)
    network.eval()
    nats = []
    for first in range(0, count, ROWS):
        batch = Batch.of(order.rows(first, min(ROWS, count - first)))
        with contender.rounding():
            nats.append(float(network(batch.tokens_BT, batch.targets_BT)[1]) * len(batch))
    network.train()
    return sum(nats) / count


def judge(contender: NanoGpt, val: TokenShards, words: dict[str, Any]) -> dict[str, Any]:
    """Bits per byte by our protocol; what each document cost is kept in a file."""
    tokenizer = Tokenizer.load(Path(words["tokenizer"]) / "tokenizer.json")
    texts = held_out(val, tokenizer)
    measured = texts.measured(list(read(contender.judged(), texts.ids, val.end_id)))
    np.save(words["out"], documents(texts.each(), texts.sources, measured), allow_pickle=False)
    found = bits_of(measured.nats.tolist(), measured.bytes.tolist(), texts.sources)
    return found | {"held_out_bytes": int(measured.bytes.sum())}


if __name__ == "__main__":
    main()
