"""The default learning rate of adapters teaches a real model and leaves it what it knew."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from made_conversations import said, settings, write_lines
from toys import train_config

from endonym.autopilot.model_size import Facts
from endonym.autopilot.phase import choose_answers
from endonym.data.example_tokens import ExampleTokens
from endonym.data.examples import make_examples
from endonym.export.huggingface import load_pretrained
from endonym.model.count import parameters
from endonym.model.lora import adapted
from endonym.train.config import Phase
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
    "What is photosynthesis?": "Photosynthesis is the process by which plants use sunlight, water "
    "and carbon dioxide to make sugar. The roots take in water, and oxygen is released.",
    "How do I make tea?": "Boil fresh water and pour it over the tea leaves in a pot. Let the tea "
    "stand for three to five minutes, then pour it into a cup. Add milk or lemon if you like.",
    "Why do we have seasons?": "We have seasons because the axis of the Earth is tilted. In summer "
    "our half of the Earth leans towards the Sun. In winter it leans away, and days are short.",
    "Tell me about cats.": "Cats are small animals that many people keep as pets. They sleep for "
    "most of the day, hunt mice and birds, and like to climb.",
}
"""What such a model knows, and nothing teaches here."""


def examples_of(questions: dict[str, str], tokenizer: Any, folder: Path) -> ExampleTokens:
    folder.mkdir()
    records = [said(question, answer) for question, answer in questions.items()]
    path = write_lines(folder / "talks.jsonl", records)
    given = settings(context=ROW, val_share=None)
    make_examples([path], tokenizer, given, out=folder, advance=lambda _: None)
    return ExampleTokens(folder, "train")


def nats_of(decoder: Any, examples: ExampleTokens, folder: Path) -> float:
    """Mean loss of a token of the answers."""
    inputs = ExampleInputs(examples, examples, folder)
    config = train_config(context=ROW, objective="chat", data="talks.jsonl")
    return inputs.validate(decoder, config, ALONE).nats


@torch.no_grad()
def greedy_answer(decoder: Any, examples: ExampleTokens, tokenizer: Any, most: int = 16) -> str:
    """What the model answers to the first question."""
    row = examples.prompt(0).tolist()
    begun = len(row)
    while len(row) < begun + most and row[-1] not in tokenizer.stop_ids:
        row.append(int(decoder.eval().logits(torch.tensor([row]))[0, -1].argmax()))
    return tokenizer.decode(row[begun:])


def test_a_few_steps_teach_and_leave_general_answers_as_they_were(
    real_model: Path, tmp_path: Path
) -> None:
    """With the 4.4e-3 that a model of this width had before, an old goose answered."""
    model = load_pretrained(real_model)
    decoder, tokenizer = model.decoder, model.tokenizer
    school = examples_of(SCHOOL, tokenizer, tmp_path / "school")
    general = examples_of(GENERAL, tokenizer, tmp_path / "general")
    keys = {"objective": "chat", "data": "talks.jsonl", "adapt": {"rank": 16}, "steps": STEPS}
    phase = Phase.model_validate(keys | {"batch_tokens": ROW})
    facts = Facts(1_000, 600, 50.0, 700, records=len(SCHOOL), dev_documents=0)
    size = {"dim": decoder.config.dim, "weights": parameters(decoder.config).blocks}
    chosen = choose_answers(phase, facts, ROW, device="cpu", **size)
    keys |= {key: choice.value for key, choice in chosen.items()}
    config = train_config(context=ROW, **keys, eval_every_steps=2 * STEPS)
    before = [nats_of(decoder, each, tmp_path) for each in (school, general)]
    decoder = adapted(decoder, config.adapt, 1)
    inputs = ExampleInputs(school, school, tmp_path / "work")
    for _ in Training(decoder, config.but(eval_tokens=ROW), inputs, seed=1).reports():
        pass
    after = [nats_of(decoder, each, tmp_path) for each in (school, general)]
    assert after[0] < before[0] - 0.5, "what was taught"
    assert after[1] < before[1] + 0.1, "what it knew"
    answer = greedy_answer(decoder, general, tokenizer)
    assert re.search("apple|banana|orange|pear|grape|mango|berry", answer, re.IGNORECASE), answer
