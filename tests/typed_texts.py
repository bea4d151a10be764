"""Romanian sentences in which words are typed, with the tokenizer of a keyboard."""

from pathlib import Path

from toys import TEXTS, toy_tokenizer

from endonym.data.shards import ShardDocument, TokenShards, write_shards
from endonym.data.typed_words import Keyboard
from endonym.train.inputs import TrainingInputs


def typed_inputs(folder: Path, *, device: str = "cpu") -> TrainingInputs:
    """Inputs of a phase that learns typed words, with checkpoints in `folder`/checkpoints."""
    tokenizer = toy_tokenizer("keyboard")
    lines = (TEXTS / "romanian.txt").read_text(encoding="utf-8").splitlines()
    texts = {"train": lines[:16], "dev": lines[16:19], "test": lines[19:]}
    folder.mkdir(parents=True, exist_ok=True)

    def documents(split: str) -> list[ShardDocument]:
        return [ShardDocument("romanian", line, n, n) for n, line in enumerate(texts[split])]

    write_shards(folder, tokenizer, ["romanian"], documents, advance=lambda n: None)
    train, dev = (TokenShards(folder, split) for split in ("train", "dev"))
    work, keyboard = folder / "checkpoints", Keyboard(tokenizer)
    return TrainingInputs(train, dev, work, 99.0, device=device, keyboard=keyboard)
