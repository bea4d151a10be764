"""Small conversations and preference pairs in several languages, for tests (CC0)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from toys import toy_tokenizer

from endonym.data.config import ExampleSettings
from endonym.data.example_tokens import ExampleTokens
from endonym.data.examples import make_examples, with_template
from endonym.data.kept_out import KeptOut
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train.distributed import ALONE, Group
from endonym.train.inputs import ExampleInputs, reference

THINGS = {"алма": "кызыл", "pâine": "aurie", "ស្វាយ": "លឿង", "le pain": "doré", "китап": "калын"}
ASK = ("Нинди?", "Cum este?", "តើវាមានពណ៌អ្វី?", "Comment est-il ?")


def said(*contents: str, system: str = "") -> dict[str, Any]:
    """A record of messages, in turns."""
    roles = ("user", "assistant") * len(contents)
    told = [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]
    return {"messages": [{"role": "system", "content": system}] * bool(system) + told}


def conversations(count: int) -> list[dict[str, Any]]:
    """Different conversations of one to three turns."""
    things = list(THINGS.items())
    found: list[dict[str, Any]] = []
    for number in range(count):
        turns: list[str] = []
        for turn in range(1 + number % 3):
            thing, answer = things[(number + turn) % len(things)]
            turns += [f"{thing} {number}. {ASK[(number + turn) % len(ASK)]}", answer]
        found.append(said(*turns, system="Кыска җавап бир." if number % 4 == 3 else ""))
    return found


def pairs(count: int) -> list[dict[str, Any]]:
    """Different preference pairs."""
    things = list(THINGS.items())
    return [
        {
            "prompt": f"{things[n % 5][0]} {n}. {ASK[n % 4]}",
            "chosen": things[n % 5][1],
            "rejected": things[(n + 1) % 5][1],
        }
        for n in range(count)
    ]


def write_lines(path: Path, records: Sequence[Any]) -> Path:
    """Records as JSON lines; strings as they are."""
    lines = (r if isinstance(r, str) else json.dumps(r, ensure_ascii=False) for r in records)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def fresh_tokenizer(kind: str = "bpe", template: str | None = None) -> Tokenizer:
    """A toy tokenizer of its own, with a chat template."""
    copy = Tokenizer.__new__(Tokenizer)
    copy.__dict__.update(toy_tokenizer(kind).__dict__)
    return with_template(copy, template)


def settings(objective: Any = "chat", **changes: Any) -> ExampleSettings:
    """How toy examples are made: a quarter held out, in rows of 128 tokens."""
    usual = {"context": 128, "val_share": 0.25, "max_rejected": 0.5, "seed": 1}
    return ExampleSettings.model_validate({"objective": objective, **usual, **changes})


def make_toy_examples(
    out: Path,
    records: Sequence[Any],
    objective: Any = "chat",
    *,
    kind: str = "bpe",
    template: str | None = None,
    kept_out: KeptOut | None = None,
    held_out: Sequence[int] = (),
    **changes: Any,
) -> dict[str, Any]:
    """Examples of these records in a folder; returns what was counted."""
    out.mkdir(parents=True, exist_ok=True)
    path = write_lines(out / "records.jsonl", records)
    tokenizer = fresh_tokenizer(kind, template)
    made = settings(objective, **changes)
    read: list[int] = []
    keys = {"kept_out": kept_out, "held_out": held_out}
    counted = make_examples([path], tokenizer, made, out=out, advance=read.append, **keys)
    assert sum(read) == counted["records"]
    tokenizer.save(out)
    return counted


def write_toy_examples(
    folder: Path, objective: Any, *, vocab: int, longest: int, train: int = 24, dev: int = 8
) -> tuple[ExampleTokens, ExampleTokens]:
    """Examples of ids alone, the end of each learnt; pairs have a common beginning."""
    random = np.random.Generator(np.random.Philox(key=9))
    together = 2 if objective == "preferences" else 1
    documents: list[list[int]] = []
    learnt: list[list[int]] = []
    for _ in range((train + dev) // together):
        prompt = random.integers(1, vocab, random.integers(1, longest // 4)).tolist()
        for _ in range(together):
            answer = random.integers(1, vocab, random.integers(1, longest // 4)).tolist()
            documents.append([*prompt, *answer])
            learnt.append([0] * len(prompt) + [1] * len(answer))
    folder.mkdir(parents=True)
    (folder / "ids.bin").write_bytes(np.concatenate(documents).astype("<u2").tobytes())
    (folder / "learnt.bin").write_bytes(np.concatenate(learnt).astype("u1").tobytes())
    np.save(folder / "offsets.npy", np.cumsum([0, *map(len, documents)]).astype("<i8"))
    np.save(folder / "dev.npy", np.arange(len(documents)) >= train)
    np.save(folder / "bytes.npy", np.minimum(np.arange(vocab), 1).astype("<i8"))
    described = {"objective": objective, "context": longest, "vocab": vocab, "end": 0, "opening": 0}
    (folder / "examples.json").write_text(json.dumps(described), encoding="utf-8")
    return ExampleTokens(folder, "train"), ExampleTokens(folder, "dev")


def toy_inputs(
    folder: Path, objective: Any, decoder: Any, home: Path, group: Group = ALONE
) -> ExampleInputs:
    """What a phase reads of such examples; of pairs with what the decoder says of them."""
    config = decoder.config
    if not (folder / "dev.npy").is_file():
        write_toy_examples(folder, objective, vocab=config.vocab, longest=config.context)
    train, dev = ExampleTokens(folder, "train"), ExampleTokens(folder, "dev")
    inputs = ExampleInputs(train, dev, home)
    for tokens in (train, dev) if objective == "preferences" else ():
        inputs.references[tokens.split] = reference(
            lambda: decoder,
            tokens,
            context=config.context,
            folder=home,
            device="cpu",
            group=group,
        )
    return inputs
