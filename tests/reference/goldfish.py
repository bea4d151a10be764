"""Goldfish's protocol with transformers alone: bits of the second halves of sentences.

    python goldfish.py MODEL_FOLDER SENTENCES.txt

After `eval_code/flores_eval_goldfish.py` of the paper (Chang et al., arXiv:2408.10441). It imports
nothing of endonym.
"""

import math
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

MOST_TOKENS = 512


@torch.inference_mode()
def half_bits(folder: Path, lines: list[str]) -> list[float]:
    """The bits of the second half of each line, by characters, given the first half."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    found: list[float] = []
    for line in map(str.strip, lines):
        ids = tokenizer(line, add_special_tokens=False)["input_ids"]
        row = torch.tensor([[tokenizer.bos_token_id, *ids][:MOST_TOKENS]])
        logits = model(row).logits[0, :-1]
        nats = torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction="none")
        half = line[: len(line) // 2]
        nats[: len(tokenizer(half, add_special_tokens=False)["input_ids"])] = 0.0
        found.append(float(nats.sum()) / math.log(2))
    return found


if __name__ == "__main__":
    bits = half_bits(Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8").splitlines())
    sys.stdout.write(f"{sum(bits) / len(bits)}\n")
