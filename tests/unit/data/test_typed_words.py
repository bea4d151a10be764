"""Typed words: the form of an example, what of it is learnt, and which text stands before it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from string import ascii_lowercase

import numpy as np
import pytest
from text_samples import ROMANIAN, TATAR
from toys import toy_tokenizer
from typed_texts import typed_inputs

from endonym.data.order import Order, Rows
from endonym.data.typed_words import (
    SLIP_SHARE,
    Keyboard,
    TypedOrder,
    keys_of,
    slipped_keys,
)
from endonym.errors import RecipeError
from endonym.train.inputs import TrainingInputs

CONTEXT = 64
SENTENCE = "Țăranul a dus grâul la moară înainte să înceapă ploaia.\n"


def order_of(inputs: TrainingInputs, seed: int = 1) -> TypedOrder:
    assert inputs.keyboard is not None
    order = Order(inputs.train, context=CONTEXT, seed=seed)
    return TypedOrder(order, inputs.keyboard, seed=seed)


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> tuple[TypedOrder, Rows]:
    order = order_of(typed_inputs(tmp_path_factory.mktemp("typed")))
    return order, order.rows(0, 60)


def one_slip_away(keys: str) -> Iterator[str]:
    """All keys that one more, one less, another one, or two in the other order would make."""
    for at in range(len(keys) + 1):
        before, after = keys[:at], keys[at:]
        yield from (before + key + after for key in ascii_lowercase)
        if after:
            yield before + after[1:]
            yield from (before + key + after[1:] for key in ascii_lowercase)
    for at in range(len(keys) - 1):
        yield keys[:at] + keys[at + 1] + keys[at] + keys[at + 2 :]


def stretches(rows: Rows) -> list[tuple[list[int], list[int], list[float]]]:
    """Inputs, targets and weights of each document of the rows in which words are typed."""
    assert rows.weights_BT is not None
    found: list[tuple[list[int], list[int], list[float]]] = []
    parts = (rows.tokens_BT, rows.targets_BT, rows.documents_BT, rows.weights_BT)
    for tokens, targets, documents, weights in zip(*parts, strict=True):
        if weights.all():
            continue
        for number in dict.fromkeys(documents.tolist()):
            at = documents == number
            found.append((tokens[at].tolist(), targets[at].tolist(), weights[at].tolist()))
    return found


def test_an_example_is_context_keys_and_the_word_that_was_meant() -> None:
    tokenizer = toy_tokenizer("keyboard")
    keyboard = Keyboard(tokenizer)
    ids = np.array(tokenizer.encode(SENTENCE))
    places = keyboard.places(tokenizer.end_id, ids)
    place = next(each for each in places if each.word == "moară")
    assert tokenizer.decode(ids[: place.token]) == "Țăranul a dus grâul la "
    example = [*keyboard.question("maora"), *keyboard.answer("moară")]
    after = [tokenizer.token(each) for each in example]
    keys = ["<CHAR_M>", "<CHAR_A>", "<CHAR_O>", "<CHAR_R>", "<CHAR_A>"]
    assert after[:7] == ["<XBU>", *keys, "<XBC>"]
    assert ("".join(after[7:-1]), after[-1]) == ("moară ", "<XEC>")


def test_words_that_are_cut_or_need_other_keys_are_not_typed() -> None:
    tokenizer = toy_tokenizer("keyboard")
    keyboard = Keyboard(tokenizer)

    def typed(text: str, before: str = "") -> list[str]:
        ids = tokenizer.encode(before + text)
        skipped = len(tokenizer.encode(before))
        end = ids[skipped - 1] if before else tokenizer.end_id
        found = keyboard.places(end, np.array(ids[skipped:]))
        return [each.word for each in found]

    assert typed("Ana are 12 mere și s-a dus la Iași") == ["Ana", "are", "mere", "și", "dus", "la"]
    assert typed("a vrut să plece ", before="Nu") == ["vrut", "să", "plece"]
    assert typed(TATAR[0]) == []


def test_only_the_word_and_its_end_are_learnt(typed: tuple[TypedOrder, Rows]) -> None:
    order, rows = typed
    keyboard, tokenizer = order.keyboard, order.keyboard.tokenizer
    n_examples = 0
    for tokens, targets, weights in stretches(rows):
        assert tokens == [order.shards.end_id, *targets[:-1]]
        if not any(weights):
            assert {*targets} == {order.shards.end_id}  # what is left of a row
            continue
        begin, written = targets.index(keyboard.typed_id), targets.index(keyboard.written_id)
        assert weights == [0.0] * (written + 1) + [1.0] * (len(targets) - written - 1)
        assert targets[-1] == keyboard.corrected_id
        word = tokenizer.decode(targets[written + 1 : -1])
        assert word.endswith(" ")
        keys = "".join(tokenizer.token(each)[-2] for each in targets[begin + 1 : written]).lower()
        right = keys_of(word.strip())
        assert right is not None
        assert keys == right or keys in {*one_slip_away(right)} or right in {*one_slip_away(keys)}
        n_examples += 1
    assert n_examples > 60


def test_every_example_stands_in_the_text_with_its_word(typed: tuple[TypedOrder, Rows]) -> None:
    order, rows = typed
    keyboard, tokenizer = order.keyboard, order.keyboard.tokenizer
    texts = [tokenizer.decode(order.shards.document(n).ids) for n in range(len(order.shards))]
    for _, targets, weights in stretches(rows):
        if any(weights):
            context = tokenizer.decode(targets[: targets.index(keyboard.typed_id)])
            word = tokenizer.decode(targets[targets.index(keyboard.written_id) + 1 : -1]).strip()
            assert any(context + word in text for text in texts), (context, word)


def test_a_quarter_of_the_rows_stay_running_text(typed: tuple[TypedOrder, Rows]) -> None:
    order, rows = typed
    plain = order.order.rows(0, 60)
    assert rows.weights_BT is not None
    is_plain = rows.weights_BT.all(axis=1)
    assert 0.1 < is_plain.mean() < 0.45
    assert np.array_equal(rows.targets_BT[is_plain], plain.targets_BT[is_plain])
    same_documents = rows.documents_BT[is_plain] // CONTEXT
    assert np.array_equal(same_documents, plain.documents_BT[is_plain])
    assert order.tokens_by_source(rows.documents_BT) == {}  # of one source


def test_rows_depend_on_seed_and_number_alone(
    typed: tuple[TypedOrder, Rows], tmp_path: Path
) -> None:
    order, rows = typed
    again = order_of(typed_inputs(tmp_path)).rows(40, 20)
    for one, other in zip(rows[:4], again[:4], strict=True):
        assert one is not None
        assert other is not None
        assert np.array_equal(one[40:], other)
    assert not np.array_equal(order_of(typed_inputs(tmp_path), seed=2).rows(0, 60)[1], rows[1])
    epoch = order.positions_per_epoch // CONTEXT
    later = order.rows(epoch, 60)
    assert Counter(map(str, stretches(rows))) != Counter(map(str, stretches(later)))


def test_a_word_is_typed_with_one_slip_or_none() -> None:
    word, random = "înainte", Random(5)
    typed = [slipped_keys(word, random) for _ in range(400)]
    wrong = [each for each in typed if each != "inainte"]
    assert len(wrong) / len(typed) == pytest.approx(SLIP_SHARE, abs=0.06)
    assert len({*wrong}) > 50
    assert all(each in {*one_slip_away("inainte")} for each in wrong)


def test_a_tokenizer_without_keys_is_refused_with_what_to_write() -> None:
    with pytest.raises(RecipeError, match="no tokens of typed keys") as caught:
        Keyboard(toy_tokenizer("unigram"))
    assert 'kind = "keyboard"' in (caught.value.do or "")


def test_romanian_accents_are_never_typed() -> None:
    assert [keys_of(word) for word in ROMANIAN[0].replace(",", "").split()[2:5]] == [
        "isi",
        "bea",
        "cafeaua",
    ]
