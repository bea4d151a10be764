"""What every objective minimises, and what holds for every example and every adapter."""

from pathlib import Path

import numpy as np
import pytest
from made_conversations import conversations, make_toy_examples, toy_inputs
from text_samples import KHMER, ROMANIAN, TATAR
from toys import CHAT_KINDS, lively_decoder, toy_config, train_config

from endonym.data.batches import Batch
from endonym.data.conversations import Message
from endonym.data.example_tokens import GAP, ExampleOrder, ExampleTokens
from endonym.data.examples import prompt_key
from endonym.model.span import Span
from endonym.tokenizer.chat_template import CHATML
from endonym.train.objectives import OBJECTIVES

MOE = toy_config("moe", vocab=24, context=32)
BLANKS = (" {}", "{}\n", "\u00a0{}\u3000", "\n\n{} ")


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_penalty_of_experts_weighs_as_much_as_what_is_learnt(name: str, tmp_path: Path) -> None:
    decoder = lively_decoder(MOE)
    kind = "preferences" if name == "preferences" else "chat"
    inputs = toy_inputs(tmp_path / "examples", kind, decoder, tmp_path / "work")
    batch = Batch.of(inputs.order(inputs.train, 32, seed=1).rows(0, 4))
    objective = OBJECTIVES[name](train_config(context=32, objective=name))
    loss, weight = objective.loss(decoder, batch), objective.weight(batch)
    assert 0 < weight <= batch.targets_BT.numel()
    _, penalty = decoder(batch.tokens_BT, Span.packed(batch.documents_BT))
    added = float((loss.objective - loss.nats).detach()) / weight
    assert added == pytest.approx(float(penalty.detach()), rel=1e-3) != 0


@pytest.mark.parametrize("text", [TATAR[0], ROMANIAN[0], KHMER[0]])
@pytest.mark.parametrize("blanks", BLANKS)
def test_prompts_equal_but_for_blanks_are_on_one_side(text: str, blanks: str) -> None:
    plain, other = ([Message("user", each)] for each in (text, blanks.format(text)))
    assert prompt_key(plain, 1) == prompt_key(other, 1) != prompt_key([], 1)


@pytest.mark.parametrize("kind", CHAT_KINDS)
@pytest.mark.parametrize("start", ["", "{{ bos_token }}", "{{ eos_token }}"])
def test_each_example_opens_once_whatever_the_template_writes(
    start: str, kind: str, tmp_path: Path
) -> None:
    make_toy_examples(tmp_path / "a", conversations(12), kind=kind, context=400)
    plain = ExampleTokens(tmp_path / "a", "train")
    records = conversations(12)
    make_toy_examples(tmp_path / "b", records, kind=kind, context=400, template=start + CHATML)
    found = ExampleTokens(tmp_path / "b", "train")
    if start == "{{ bos_token }}" or (found.openings == found.end_id).all():
        assert np.array_equal(found.ids, plain.ids)
    rows = ExampleOrder(found, context=400, seed=1).rows(0, 1)
    for number in {*rows.documents_BT.ravel().tolist()} - {GAP}:
        first, second = rows.tokens_BT[rows.documents_BT == number][:2].tolist()
        assert first == found.openings[number % len(found)] != second


def test_an_example_of_two_epochs_is_two_documents(tmp_path: Path) -> None:
    make_toy_examples(tmp_path, conversations(24), context=256)
    tokens = ExampleTokens(tmp_path, "train")
    order = ExampleOrder(tokens, context=256, seed=1)
    numbers = order.rows(0, 3 * order.rows_per_epoch).documents_BT
    assert len(np.unique(numbers[numbers != GAP])) == 3 * len(tokens)
