"""Examples on disk, and rows of whole ones: none is cut, lost or read twice in an epoch."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made_conversations import (
    conversations,
    fresh_tokenizer,
    make_toy_examples,
    pairs,
    said,
    write_toy_examples,
)

from endonym.data import example_tokens
from endonym.data.example_tokens import GAP, ExampleOrder, ExampleTokens, figures, packed
from endonym.errors import Damaged
from endonym.tokenizer.tokenizer import Tokenizer

ASKED = (
    ("Бакчада нинди агач үсә?", "Алмагач һәм чия."),
    ("Ce gătește bunica duminica?", "Sarmale cu mămăligă."),
    ("តើផ្ទះរបស់អ្នកនៅឯណា?", "នៅជិតទន្លេ។"),
    ("Où passe le facteur ?", "Par le vieux pont."),
    ("Кыш көне елга нишли?", "Боз белән каплана."),
    ("Quand revient l'hirondelle ?", "Au printemps."),
)


IS_DEV = np.array([False, True, False, False, True, False])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """These questions with their answers; the second and the fifth are held out."""
    make_toy_examples(tmp_path, [said(*each) for each in ASKED])
    np.save(tmp_path / "dev.npy", IS_DEV)
    return tmp_path


def both(folder: Path) -> list[ExampleTokens]:
    return [ExampleTokens(folder, "train"), ExampleTokens(folder, "dev")]


def test_each_example_is_in_its_split_with_its_question_and_its_answer(folder: Path) -> None:
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    for tokens, is_mine in zip(both(folder), (~IS_DEV, IS_DEV), strict=True):
        found: list[tuple[str, str]] = []
        for start, length in zip(tokens.starts, tokens.lengths, strict=True):
            ids = tokens.ids[start : start + length]
            learnt = tokens.learnt[start : start + length].astype(bool)
            found.append((tokenizer.decode(ids[~learnt]), tokenizer.decode(ids[learnt])))
        mine = [ASKED[number] for number in np.flatnonzero(is_mine)]
        assert len(tokens) == len(mine)
        assert found == [(f"user\n{asked}\nassistant\n", answer) for asked, answer in mine]


def test_a_prompt_ends_where_its_answer_begins(folder: Path) -> None:
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    start, end = (tokenizer.special_ids[name] for name in ("turn_start", "turn_end"))
    line_end = tokenizer.encode("\n")
    asks = [*tokenizer.before, start, *tokenizer.encode("user\n")]
    opens = [end, *line_end, start, *tokenizer.encode("assistant\n")]
    prompts = {(*asks, *tokenizer.encode(asked), *opens) for asked, _ in ASKED}
    found = [tokens.prompt(n) for tokens in both(folder) for n in range(len(tokens))]
    assert {tuple(ids.tolist()) for ids in found} == prompts
    assert all(ids.dtype == np.int64 for ids in found)


def test_the_prompt_of_several_turns_ends_before_the_first_answer(tmp_path: Path) -> None:
    turns = [message for each in ASKED[:3] for message in each]
    make_toy_examples(tmp_path, [said(*turns[n:]) for n in (0, 2)], context=256)
    tokenizer = Tokenizer.load(tmp_path / "tokenizer.json")
    texts = {tokenizer.decode(t.prompt(n)) for t in both(tmp_path) for n in range(len(t))}
    assert texts == {f"user\n{asked}\nassistant\n" for asked, _ in (ASKED[0], ASKED[1])}


def test_every_answer_of_several_turns_stands_alone(tmp_path: Path) -> None:
    turns = [message for each in ASKED for message in each]
    make_toy_examples(tmp_path, [said(*turns[n:]) for n in (0, 2)], context=512)
    tokenizer = Tokenizer.load(tmp_path / "tokenizer.json")
    found = [
        [tokenizer.decode(ids.tolist()) for ids in tokens.answers(n)]
        for tokens in both(tmp_path)
        for n in range(len(tokens))
    ]
    answers = [answer for _, answer in ASKED]
    assert sorted(found, key=len) == [answers[1:], answers]


@pytest.mark.parametrize("chunk", [1, 40, 1 << 24])
def test_totals_are_those_of_the_answers(folder: Path, chunk: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(example_tokens, "GROUP_TOKENS", chunk)
    tokenizer, lengths = fresh_tokenizer(), np.diff(np.load(folder / "offsets.npy"))
    for tokens, is_mine in zip(both(folder), (~IS_DEV, IS_DEV), strict=True):
        answers = [ASKED[number][1] for number in np.flatnonzero(is_mine)]
        assert tokens.totals() == {
            "examples": len(answers),
            "tokens": lengths[is_mine].sum(),
            "learnt": sum(len(tokenizer.encode(answer)) + 1 for answer in answers),
            "bytes": sum(len(answer.encode()) for answer in answers),
        }


def test_a_pair_is_two_examples_of_one_split(tmp_path: Path) -> None:
    make_toy_examples(tmp_path, pairs(20), "preferences")
    for tokens in both(tmp_path):
        assert tokens.together == 2
        assert len(tokens) % 2 == 0
        for number in range(0, len(tokens), 2):
            assert tokens.prompt(number).tolist() == tokens.prompt(number + 1).tolist()
    assert sum(map(len, both(tmp_path))) == 40


def test_the_longest_example_and_the_empty_part_of_rows(folder: Path) -> None:
    tokens = ExampleTokens(folder, "train")
    assert tokens.together == 1
    assert tokens.longest_document == max(tokens.lengths)
    found = figures(tokens, rows=4, context=128)
    assert found["rows"] == 4
    assert found["gap"] == pytest.approx(1 - tokens.lengths.sum() / 512, abs=1e-6)
    assert found["learnt"] == tokens.totals()["learnt"]


@pytest.mark.parametrize("name", ["ids.bin", "learnt.bin"])
def test_a_file_that_was_cut_is_told(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Damaged, match="another size") as told:
        ExampleTokens(folder, "train")
    assert told.value.where == str(path)


def test_ids_beyond_two_bytes_are_read_as_four(folder: Path) -> None:
    before = ExampleTokens(folder, "dev").prompt(0).tolist()
    described = json.loads((folder / "examples.json").read_text("utf-8"))
    (folder / "examples.json").write_text(json.dumps({**described, "vocab": 70_000}), "utf-8")
    wide = np.fromfile(folder / "ids.bin", dtype="<u2").astype("<u4")
    (folder / "ids.bin").write_bytes(wide.tobytes())
    after = ExampleTokens(folder, "dev")
    assert after.ids.itemsize == 4
    assert after.prompt(0).tolist() == before


def test_an_example_that_is_learnt_from_its_first_token_on_is_asked_by_what_opens_it(
    tmp_path: Path,
) -> None:
    tokens, _ = write_toy_examples(tmp_path / "a", "chat", vocab=24, longest=32)
    start, length = int(tokens.starts[1]), int(tokens.lengths[1])
    ids = tokens.ids[start : start + length].tolist()
    learnt = tokens.learnt[:].copy()
    learnt[start : start + length] = [1, 1, *[0] * (length - 3), 1]
    tokens.learnt = learnt
    assert tokens.prompt(1).tolist() == [tokens.end_id]
    assert [part.tolist() for part in tokens.answers(1)] == [ids[:2], ids[-1:]]
    learnt[start : start + length] = 1
    assert [part.tolist() for part in tokens.answers(1)] == [ids]


@pytest.fixture
def tokens(tmp_path: Path) -> ExampleTokens:
    make_toy_examples(tmp_path, conversations(60), context=256)
    return ExampleTokens(tmp_path, "train")


def test_each_example_stands_whole_in_one_row_of_each_epoch(tokens: ExampleTokens) -> None:
    order, sizes = ExampleOrder(tokens, context=256, seed=7), tokens.totals()
    assert order.bytes_per_position == sizes["bytes"] / sizes["learnt"]
    for epoch in range(3):
        rows = order.rows(epoch * order.rows_per_epoch, order.rows_per_epoch)
        seen: Counter[tuple[int, ...]] = Counter()
        for row in range(len(rows.tokens_BT)):
            numbers = rows.documents_BT[row]
            for number in dict.fromkeys(numbers.tolist()):
                here = numbers == number
                if number == GAP:
                    assert not rows.weights_BT[row][here].any()
                    assert set(rows.targets_BT[row][here].tolist()) == {tokens.end_id}
                    continue
                targets = rows.targets_BT[row][here]
                assert rows.tokens_BT[row][here].tolist() == [tokens.end_id, *targets[:-1]]
                seen[(*targets, *rows.weights_BT[row][here].astype(int))] += 1
        both = np.stack([tokens.ids, tokens.learnt]).astype(int)
        spans = zip(tokens.starts, tokens.lengths, strict=True)
        expected = Counter(tuple(both[:, s : s + n].flatten().tolist()) for s, n in spans)
        assert seen == expected


def test_rows_are_a_pure_function_of_seed_and_number(tokens: ExampleTokens) -> None:
    one, other = (ExampleOrder(tokens, context=256, seed=7) for _ in range(2))
    count = 2 * one.rows_per_epoch + 3
    whole = one.rows(0, count)
    for number in reversed(range(count)):
        again = other.rows(number, 1)
        for left, right in zip(whole, again, strict=True):
            assert (left is None) == (right is None)
            if left is not None and right is not None:
                assert (left[number] == right[0]).all()
    moved = ExampleOrder(tokens, context=256, seed=8).rows(0, one.rows_per_epoch)
    assert (moved.tokens_BT != whole.tokens_BT[: one.rows_per_epoch]).any()


def test_pairs_stand_in_one_row_with_the_reference_at_their_start(tmp_path: Path) -> None:
    make_toy_examples(tmp_path, pairs(40), "preferences")
    tokens = ExampleTokens(tmp_path, "train")
    order = ExampleOrder(tokens, context=128, seed=7)
    order.reference = -1.0 - np.arange(len(tokens), dtype=np.float32)
    rows = order.rows(0, order.rows_per_epoch)
    assert rows.reference_BT is not None
    assert order.bytes_per_position == np.inf, "a pair's loss is not one of bytes"
    for row, known in zip(rows.documents_BT, rows.reference_BT, strict=True):
        numbers = [n for n in dict.fromkeys(row.tolist()) if n != GAP]
        assert [n + 1 for n in numbers[::2]] == numbers[1::2]
        assert all(n % 2 == 0 for n in numbers[::2])
        firsts = [int((row == n).argmax()) for n in numbers]
        assert known[firsts].tolist() == [-1.0 - n for n in numbers]
        assert (known != 0).sum() == len(numbers)


def test_packing_leaves_little_empty() -> None:
    """Lengths of short conversations, drawn once; and few rows where exact fits exist."""
    random = np.random.Generator(np.random.Philox(key=3))
    lengths = (20 + random.gamma(2.0, 40.0, 20_000)).astype(np.int64).clip(max=1024)
    packing = packed(lengths, 1024)
    assert sorted(packing.items.tolist()) == list(range(len(lengths)))
    sums = np.add.reduceat(lengths[packing.items], packing.starts[:-1])
    assert sums.max() <= 1024
    assert 1 - lengths.sum() / (1024 * len(sums)) < 0.02
    exact = packed(np.array([7, 3, 6, 4, 5, 5]), 10)
    assert len(exact.starts) == 4


def test_one_item_is_no_pair_that_fills_a_row() -> None:
    """Of the lengths 2 and 3 the longer one goes beside 6, unless two of 2 fill the row."""
    assert packed(np.array([6, 2, 3]), 10).items.tolist() == [0, 2, 1]
    assert packed(np.array([6, 2, 3, 2]), 10).items.tolist() == [0, 1, 3, 2]


def test_examples_of_one_length_change_places_between_epochs(tokens: ExampleTokens) -> None:
    order = ExampleOrder(tokens, context=256, seed=7)
    epochs = [
        [order.examples(epoch, row).tolist() for row in range(order.rows_per_epoch)]
        for epoch in range(2)
    ]
    lengths = [sorted(sorted(tokens.lengths[row].tolist()) for row in each) for each in epochs]
    assert lengths[0] == lengths[1]
    one, other = ({frozenset(row) for row in each} for each in epochs)
    assert len(one & other) < 2 * len(one) / 3


def test_an_example_stands_after_the_token_that_opens_a_text(tokens: ExampleTokens) -> None:
    """Which need not be the one that ends a text."""
    tokens.openings[:] = 7
    order = ExampleOrder(tokens, context=256, seed=7)
    rows = order.rows(0, order.rows_per_epoch)
    for row, numbers in zip(rows.tokens_BT, rows.documents_BT, strict=True):
        for number in dict.fromkeys(numbers.tolist()):
            first = int(row[(numbers == number).argmax()])
            assert first == (tokens.end_id if number == GAP else 7)
