"""nanoGPT trained on our shards for some seconds, and judged by us: for five_minutes.py.

Its train.py in short: AdamW with decay 0.1, betas of 0.9 and 0.99 (its small configuration), clip
1.0, 100 steps of warm-up, a cosine to a tenth, random rows of one stream; bf16 autocast where the
processor has units for it, else fp32. AdamW is torch's fused one and malloc keeps freed memory, as
with ours. The rate follows the clock of the optimizer steps. Twenty validations on rows of the dev
documents while training; the best one's weights are judged, as its small configuration keeps them.

The stream is the training documents in their order, with end-of-text between them, which is its own
convention. "joined" puts a line end between documents of one source instead, so that the rows are
like the blocks that it is judged on.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from contenders import Contender, Shape, Spec
from judging import held_texts, judged
from numpy.typing import NDArray
from worker import build, cosine

from endonym import device
from endonym.data.batches import Batch
from endonym.data.shards import TokenShards
from endonym.tokenizer.tokenizer import Tokenizer

CONTEXT, ROWS = 256, 12
VALIDATIONS, VALIDATION_TOKENS = 20, 32_768
WARM_STEPS = 3
"""Before the clock starts: the first one compiles."""


class Stream:
    """A split as nanoGPT reads it: ids one after another, and rows of them.

    joined: documents of one source have a line end between them instead of end-of-text.
    """

    def __init__(self, shards: TokenShards, tokenizer: Tokenizer, *, joined: bool) -> None:
        if not joined:
            self.ids = np.concatenate(shards.parts).astype(np.int64)
            return
        (line_end,) = tokenizer.encode_many(["\n"])
        end, parts, last = np.array([shards.end_id]), list[NDArray[np.int64]](), None
        for number in range(len(shards)):
            document = shards.document(number)
            parts += [line_end if document.source == last else end, document.ids]
            last = document.source
        self.ids = np.concatenate([*parts, end])

    def rows(self, starts: NDArray[np.int64]) -> Batch:
        """Rows that begin there; documents are not kept apart."""
        rows_BT = torch.from_numpy(self.ids[starts[:, None] + np.arange(self.length + 1)])
        tokens_BT, targets_BT = rows_BT[:, :-1].contiguous(), rows_BT[:, 1:].contiguous()
        return Batch(tokens_BT, targets_BT, torch.zeros_like(tokens_BT))

    def batch(self) -> Batch:
        """Rows that begin anywhere."""
        return self.rows(torch.randint(self.last + 1, (ROWS,)).numpy())

    @property
    def length(self) -> int:
        """Tokens in a row: the context, or all there are."""
        return min(CONTEXT, len(self.ids) - 1)

    @property
    def last(self) -> int:
        """Where the last whole row begins."""
        return len(self.ids) - 1 - self.length


def main() -> None:
    """Train, judge, and print one object."""
    settings = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    torch.set_num_threads(settings["threads"])
    shards = {
        split: TokenShards(Path(settings["shards"]), split) for split in ("train", "dev", "test")
    }
    tokenizer = Tokenizer.load(Path(settings["tokenizer"]) / "tokenizer.json")
    spec = Spec(
        network="nanoGPT",
        shape=Shape(**settings["shape"], context=CONTEXT, vocab=shards["train"].vocab, rows=ROWS),
        format="autocast" if has_bf16_units() else "fp32",
        compiled=settings["compiled"],
        equal=True,
        lr=settings["lr"],
        betas=(0.9, settings["beta"]),
        dropout=settings["dropout"],
        peers=settings["peers"],
    )
    contender = build(spec)
    torch.manual_seed(1337)
    joined = settings["joined"]
    streams = [Stream(shards[each], tokenizer, joined=joined) for each in ("train", "dev")]
    found = learn(contender, *streams, settings["seconds"])
    tokens = found["steps"] * ROWS * CONTEXT
    epochs = tokens / int(shards["train"].lengths().sum())
    found |= {"tokens": tokens, "epochs": epochs, "parameters": contender.parameters()}
    model, found["rows"] = contender.judged(), []
    for split in ("dev", "test"):
        for texts in held_texts(shards[split], tokenizer, settings["join"]).values():
            found["rows"] += judged(model, texts, split)
    answers.write(json.dumps(found) + "\n")
    answers.close()


def has_bf16_units() -> bool:
    """Whether the processor multiplies matrices in bf16 itself."""
    return any(name in device.instruction_sets() for name in ("avx512_bf16", "amx_bf16", "bf16 "))


def learn(contender: Contender, train: Stream, dev: Stream, seconds: float) -> dict[str, Any]:
    """Train for so many seconds of optimizer steps; the best validation's weights come back."""
    network = contender.network.train()
    for _ in range(WARM_STEPS):
        contender.learn(train.batch(), 1e-9)
    started, spent, steps = time.perf_counter(), 0.0, 0
    best, kept = {}, 0
    looks = [validate(contender, dev)]
    while spent < seconds:
        begun = time.perf_counter()
        contender.learn(train.batch(), cosine(spent / seconds, steps))
        spent += time.perf_counter() - begun
        steps += 1
        if spent * VALIDATIONS >= seconds * len(looks):
            looks.append(validate(contender, dev))
            if looks[-1] == min(looks):
                best = {name: each.clone() for name, each in network.state_dict().items()}
                kept = steps
    if best:
        network.load_state_dict(best)
    return {
        "steps": steps,
        "kept_step": kept,
        "step_seconds": round(spent, 1),
        "seconds": round(time.perf_counter() - started, 1),
        "looks": [round(nats, 4) for nats in looks],
    }


@torch.inference_mode()
def validate(contender: Contender, dev: Stream) -> float:
    """Mean nats of rows spread over the dev stream, by the network as it trains, no dropout."""
    network: Any = contender.network
    count = max(1, min(VALIDATION_TOKENS, len(dev.ids)) // CONTEXT)
    starts = np.linspace(0, dev.last, count, dtype=np.int64)
    network.eval()
    nats = []
    for first in range(0, count, ROWS):
        batch = dev.rows(starts[first : first + ROWS])
        with contender.rounding():
            nats.append(float(network(batch.tokens_BT, batch.targets_BT)[1]) * len(batch))
    network.train()
    return sum(nats) / count


if __name__ == "__main__":
    main()
