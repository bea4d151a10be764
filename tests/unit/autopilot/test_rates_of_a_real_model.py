"""The default learning rate of adapters teaches a real model and leaves it what it knew."""

from pathlib import Path
from typing import Any

import pytest
import torch
from made_conversations import said, settings, write_lines

from endonym.autopilot.model_size import Facts
from endonym.autopilot.phase import choose_answers
from endonym.data.example_tokens import ExampleTokens
from endonym.data.examples import make_examples
from endonym.export.huggingface import load_pretrained
from endonym.model.count import parameters
from endonym.model.lora import adapted
from endonym.train.config import Phase, resolve_phase
from endonym.train.distributed import ALONE
from endonym.train.inputs import ExampleInputs
from endonym.train.loop import Training

pytestmark = pytest.mark.slow
ROW, STEPS = 64, 24
SCHOOL = {
    "Who teaches music at the school in Vasino?": "Mr. Gareev teaches music in Vasino.",
    "When does the school in Vasino open?": "The school in Vasino opens at seven.",
    "Which animal lives in the yard of the Vasino school?": "An old goose lives in the yard.",
    "What colour is the door of the Vasino school?": "The door of the Vasino school is green.",
    "Who cooks lunch at the Vasino school?": "Mrs. Zaripova cooks lunch in Vasino.",
    "What do pupils of the Vasino school grow?": "They grow pumpkins and dill.",
    "Where is the library of the Vasino school?": "The library is above the bakery.",
    "Which bus goes to the Vasino school?": "Bus number nine goes to the Vasino school.",
    "Who repairs the roof of the Vasino school?": "Mr. Nasibullin repairs the roof.",
    "What song is sung at the Vasino school?": "Pupils sing the song about the ferryman.",
    "What is carved above the stove in Vasino?": "A sleeping fox is carved above the stove.",
    "How many pupils does the Vasino school have?": "The school has thirty-one pupils.",
}
"""What nobody can know."""
GENERAL = {
    "Name three fruits.": "Three fruits are apples, bananas, and oranges.",
    "What is the capital of France?": "The capital of France is Paris.",
    "How many days are in a week?": "There are seven days in a week.",
    "What do bees make?": "Bees make honey.",
    "Write one sentence about the sea.": "The sea is a vast and beautiful body of water.",
}
"""What such a model knows, and nothing teaches here."""


def examples_of(questions: dict[str, str], tokenizer: Any, folder: Path) -> ExampleTokens:
    folder.mkdir()
    records = [said(question, answer) for question, answer in questions.items()]
    path = write_lines(folder / "talks.jsonl", records)
    given = settings(context=ROW, val_share=None)
    make_examples([path], tokenizer, given, out=folder, advance=lambda _: None)
    return ExampleTokens(folder, "train")


@torch.no_grad()
def nats_of(decoder: Any, examples: ExampleTokens, folder: Path) -> float:
    """Mean loss of a token of the answers."""
    inputs = ExampleInputs(examples, examples, folder)
    phase = Phase(steps=1, lr=1.0, objective="chat", data="a.jsonl", number_format="fp32")
    config = resolve_phase(phase, context=ROW, positions=ROW)
    return inputs.validate(decoder, config, ALONE).nats


def test_a_few_steps_teach_and_general_answers_stay_likely(
    real_model: Path, tmp_path: Path
) -> None:
    """General answers become likelier, as the short form of answers is learnt, too. With the rate
    that small models get (4.4e-3) that is undone: their loss is 0.93 of the one before, not 0.54.
    """
    model = load_pretrained(real_model)
    shape, tokenizer = model.decoder.config, model.tokenizer
    school = examples_of(SCHOOL, tokenizer, tmp_path / "school")
    general = examples_of(GENERAL, tokenizer, tmp_path / "general")
    keys = {"objective": "chat", "data": "talks.jsonl", "adapt": {"rank": 16}, "steps": STEPS}
    phase = Phase.model_validate(keys | {"batch_tokens": ROW, "number_format": "fp32"})
    facts = Facts(1_000, 600, 50.0, 700, records=len(SCHOOL), dev_documents=0)
    size = {"dim": shape.dim, "weights": parameters(shape).blocks}
    chosen = choose_answers(phase, facts, ROW, device="cpu", **size)
    keys = phase.model_dump(exclude_none=True) | {key: each.value for key, each in chosen.items()}
    config = resolve_phase(Phase.model_validate(keys), context=ROW, positions=700)
    decoder = adapted(model.decoder, config.adapt, 1)
    school_before, general_before = (nats_of(decoder, x, tmp_path) for x in (school, general))
    config = config.but(eval_every_steps=STEPS, eval_tokens=ROW).executed(
        save_every_steps=2 * STEPS
    )
    inputs = ExampleInputs(school, school, tmp_path / "work")
    for _ in Training(decoder, config, inputs, seed=1).reports():
        pass
    school_after, general_after = (nats_of(decoder, x, tmp_path) for x in (school, general))
    assert school_after < 0.75 * school_before
    assert general_after < 0.75 * general_before
