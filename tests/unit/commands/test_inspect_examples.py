"""What look shows of conversations and pairs: some of all that is learnt, as the model reads it."""

import re
from pathlib import Path
from typing import Any

from artefacts import DECLARED, ID, nobody
from made_conversations import conversations, make_toy_examples, pairs, said

from endonym.commands.inspect import look
from endonym.store import Store


def looking(folder: Path, records: list[Any], objective: str = "chat", **keys: Any) -> Any:
    """Examples of these records, and the look at so many of them, as data or as it is printed."""
    store = Store(folder / "store")
    with store.workspace("examples", ID, waiting=nobody) as ctx:
        assert ctx is not None
        numbers = make_toy_examples(ctx.out, records, objective, **keys)
        declared = {**DECLARED, "stage": "examples", "id": ID, "numbers": numbers}
        made = store.publish(ctx, declared)

    def shown(count: int, *, is_printed: bool = False) -> Any:
        found = look(store, made.id, dropped=None, count=count)
        return found.text if is_printed else found.data["examples"]

    return numbers, shown


def numbered(examples: list[str]) -> list[int]:
    """The numbers in their first questions."""
    return [int(re.findall(r" (\d+)\. ", each)[0]) for each in examples]


def test_the_conversations_that_are_shown_are_spread_over_all_that_are_learnt(tmp_path: Path):
    numbers, shown = looking(tmp_path, conversations(24))
    learnt = numbered(shown(99))
    assert len(learnt) == numbers["train"]["examples"] > numbers["dev"]["examples"] > 0
    assert learnt == sorted({*learnt})
    assert numbered(shown(3)) == learnt[:: len(learnt) // 3][:3] != learnt[:3]
    assert (shown(0), numbered(shown(1))) == ([], learnt[:1])


def test_both_sides_of_a_pair_are_shown_beside_each_other(tmp_path: Path) -> None:
    _, shown = looking(tmp_path, records := pairs(12), "preferences")
    every = numbered(shown(99))
    assert every[::2] == every[1::2] == sorted({*every})
    some = shown(2)
    assert numbered(some) == [every[0]] * 2 + [every[len(every) // 4 * 2]] * 2
    for number, example in zip(numbered(some), some, strict=True):
        side = "chosen" if example in some[::2] else "rejected"
        assert f"«{records[number][side]}" in example


def test_an_example_is_shown_in_whole_letters_and_with_the_names_of_special_tokens(tmp_path: Path):
    """Each letter of Khmer is three tokens here."""
    asked, answer = "តើស្វាយមានពណ៌អ្វី?", "លឿង"
    template = "{% for m in messages %}{{ m['content'] }}<|endoftext|>{% endfor %}"
    records = [said(asked, answer), said("Алма нинди?", "Кызыл.")]
    _, shown = looking(tmp_path, records, kind="byte", template=template, val_share=None)
    assert shown(1) == [f"{asked}<|endoftext|>«{answer}<|endoftext|>»"]


def test_what_would_change_the_screen_is_shown_and_not_done(tmp_path: Path) -> None:
    _, shown = looking(tmp_path, [said("Ничек\x1b[2J?", "Әйбәт.\x07")], kind="byte", val_share=None)
    printed = shown(1, is_printed=True)
    assert "Ничек" in printed
    assert not {"\x1b", "\x07"} & {*printed}
