"""What a model and its bases were trained on, and which texts of others stand in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

from endonym.copies.held_out.near import Index
from endonym.data.example_tokens import ExampleTokens
from endonym.data.shards import TokenShards
from endonym.evaluate.bits import Texts
from endonym.export.history import phases_of_lineage
from endonym.log import Log
from endonym.store import Artifact, Store
from endonym.tokenizer.tokenizer import Tokenizer


class Part(NamedTuple):
    """The training documents of shards, or the answers of examples, with the tokenizer of both."""

    tokens: TokenShards | ExampleTokens
    tokenizer: Tokenizer

    def texts(self) -> Iterator[str]:
        """Its texts, one by one."""
        for number in range(len(self.tokens)):
            if isinstance(self.tokens, TokenShards):
                yield self.tokenizer.decode(self.tokens.document(number).ids.tolist())
            else:
                answers = self.tokens.answers(number)
                yield from (self.tokenizer.decode(ids.tolist()) for ids in answers)


@dataclass(frozen=True, slots=True)
class Learnt:
    """What a model was trained on: what its store holds of it, and names of what it lacks."""

    parts: Sequence[Part]
    lost: Sequence[str]

    @property
    def has_answers(self) -> bool:
        """Whether there are conversations or pairs."""
        return any(isinstance(each.tokens, ExampleTokens) for each in self.parts)


def learnt_by(model: Artifact | None) -> Learnt:
    """The texts and answers of all phases of a model and of its bases.

    model: its artefact; nothing is known of a model without one, or of its export.
    """
    if model is None or model.stage != "model":
        return Learnt([], ["what the model was trained on"])
    phases, is_whole = phases_of_lineage(model)
    parts = dict[str, Part]()
    lost = dict.fromkeys([] if is_whole else ["what its base was trained on"])
    for phase in phases:
        store, inputs = Store.of(phase.folder), phase.manifest["inputs"]
        for kind, what in (("shards", "texts"), ("examples", "answers")):
            identity = inputs.get(kind)
            if identity is None or identity in parts:
                continue
            found = store.find(kind, identity)
            if found is None:
                lost[f"{what} that it was trained on"] = None
                continue
            folder = found.verify().folder
            is_text = kind == "shards"
            tokens = TokenShards(folder, "train") if is_text else ExampleTokens(folder, "train")
            parts[identity] = Part(tokens, Tokenizer.load(phase.folder / "tokenizer.json"))
    return Learnt([*parts.values()], [*lost])


def trained_on(judged: Sequence[Texts], learnt: Learnt, log: Log) -> list[int]:
    """How many documents of each of these stand in what was learnt: whole, nearly, or in pieces.

    By the rules that keep held-out text apart from training text (copies/held_out/near.py): a part
    of a training line counts, and so does a page of training lines.
    """
    mine = [text for texts in judged for text in texts.each()]
    total = 2 * sum(len(each.tokens) for each in learnt.parts)
    with log.progress("comparing with the training text", total, "documents") as advance:

        def theirs() -> Iterator[str]:
            for part in learnt.parts:
                for text in part.texts():
                    yield text
                    advance(1)

        index = Index.made(mine, chain(mine, theirs()))
        index.compare(theirs())
    index.judge_covered()
    ends = np.cumsum([len(texts.ids) for texts in judged], dtype=np.int64)
    return [int(found.sum()) for found in np.split(index.contaminated, ends[:-1])]
