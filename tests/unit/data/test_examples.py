"""Conversations become examples: each record is one, or a counted reject."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from made_conversations import (
    conversations,
    fresh_tokenizer,
    make_toy_examples,
    pairs,
    said,
    settings,
    write_lines,
)
from toys import CHAT_KINDS

from endonym.data.conversations import Message
from endonym.data.example_tokens import ExampleTokens
from endonym.data.examples import (
    held_out_prompts,
    make_examples,
    prompt_key,
    read_held_out,
    with_template,
)
from endonym.data.kept_out import KeptOut
from endonym.errors import CorpusError, RecipeError, SourceError
from endonym.tokenizer.chat_template import CHATML
from endonym.tokenizer.tokenizer import Tokenizer

BROKEN = [
    "{no json", {"prompt": "Нәрсә?"}, {"messages": []}, said("Ce?", " "), said("су " * 300, "а"),
]  # fmt: skip


@pytest.mark.parametrize("kind", CHAT_KINDS)
def test_every_record_is_kept_or_a_reject_by_reason(kind: str, tmp_path: Path) -> None:
    good = conversations(20)
    counted = make_toy_examples(tmp_path, [*good, *BROKEN, good[3]], kind=kind, context=400)
    assert counted["records"] == counted["kept"] + sum(counted["dropped"].values()) == 26
    assert counted["dropped"] == {
        "bad_json": 1, "duplicate": 1, "empty_answer": 1, "no_answer": 1, "no_columns": 1,
        "longer_than_context": 1,
    }  # fmt: skip
    assert counted["train"]["examples"] + counted["dev"]["examples"] == counted["kept"] == 20
    for reason in counted["dropped"]:
        with gzip.open(tmp_path / "dropped" / f"{reason}.jsonl.gz") as lines:
            (line,) = [json.loads(line) for line in lines]
        assert line["id"].startswith("records.jsonl#")
        assert line["detail"]


def test_the_template_and_the_end_of_a_turn_go_with_the_tokenizer(tmp_path: Path) -> None:
    make_toy_examples(tmp_path, conversations(8))
    tokenizer = Tokenizer.load(tmp_path / "tokenizer.json")
    assert tokenizer.chat_template == CHATML
    assert tokenizer.turn_ends == ("<|im_end|>",)
    assert tokenizer.stop_ids == (0, 2)


def test_a_tokenizer_keeps_its_own_template_unless_another_is_given() -> None:
    """And says anew then what ends a turn."""
    own = fresh_tokenizer("bpe", "{{ messages }}")
    own.turn_ends = ("<|im_start|>",)
    for given, kept, ends in ((None, own.chat_template, own.turn_ends), (CHATML, CHATML, ())):
        found = with_template(own, given)
        assert (found.chat_template, found.turn_ends) == (kept, ends)
    assert with_template(own, "").chat_template == ""


def test_a_broken_template_ends_it_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be filled in"):
        make_toy_examples(tmp_path, conversations(8), template="{% for %}")


def test_one_conversation_that_a_template_cannot_take_is_a_reject(tmp_path: Path) -> None:
    fails = "{% if messages|length > 6 %}{{ 1 // 0 }}{% endif %}" + CHATML
    long = [said(*["Нәрсә?", "алма"] * 4), said(*["Ce?", "pâine"] * 200)]
    counted = make_toy_examples(tmp_path, [*conversations(8), *long], template=fails, context=256)
    assert counted["dropped"] == {"template": 1, "longer_than_context": 1}
    with gzip.open(tmp_path / "dropped" / "template.jsonl.gz") as lines:
        assert json.loads(next(iter(lines)))["id"] == "records.jsonl#9"


def test_both_sides_of_a_pair_follow_each_other_and_fit_into_a_row(tmp_path: Path) -> None:
    counted = make_toy_examples(tmp_path, pairs(24), "preferences")
    assert counted["train"]["examples"] + counted["dev"]["examples"] == 48
    train = ExampleTokens(tmp_path, "train")
    sizes = counted["train"]
    assert sizes["gap"] == pytest.approx(1 - sizes["tokens"] / sizes["rows"] / 128, abs=1e-6)
    tokenizer, said = Tokenizer.load(tmp_path / "tokenizer.json"), set[tuple[str, ...]]()
    for number in range(0, len(train), 2):
        assert train.prompt(number).tolist() == train.prompt(number + 1).tolist()
        answers = (train.answers(n)[0].tolist() for n in (number, number + 1))
        said.add(tuple(map(tokenizer.decode, answers)))
    assert said == {(each["chosen"], each["rejected"]) for each in pairs(24)}
    with pytest.raises(CorpusError, match="24 longer_than_context") as caught:
        make_toy_examples(
            tmp_path / "short", pairs(24), "preferences", context=train.longest_document
        )
    assert re.search(r"jsonl#1: both sides have \d+ tokens; a row has", caught.value.do)


def test_few_pairs_with_a_system_message_are_learnt_as_they_are(tmp_path: Path) -> None:
    system = {"role": "system", "content": "Кыска."}
    records = [
        {**each, "prompt": [system, {"role": "user", "content": each["prompt"]}]}
        for each in pairs(5)
    ]
    counted = make_toy_examples(tmp_path, records, "preferences", val_share=None, context=400)
    assert (counted["kept"], counted["train"]["examples"]) == (5, 10)
    train = ExampleTokens(tmp_path, "train")
    tokenizer = Tokenizer.load(tmp_path / "tokenizer.json")
    said = [tokenizer.decode(train.answers(number)[0].tolist()) for number in range(10)]
    assert said == [answer for each in pairs(5) for answer in (each["chosen"], each["rejected"])]


def test_too_many_rejects_are_an_error_with_their_reasons(tmp_path: Path) -> None:
    """Duplicates are no fault of the data: however many there are, other records are shown."""
    records = [*conversations(8), *conversations(1) * 20, *[{"messages": []}] * 19]
    with pytest.raises(
        SourceError, match=r"44\.7% of 47 records .* = 0\.4\n +20 duplicate\n +19 no_a"
    ) as caught:
        make_toy_examples(tmp_path, records, max_rejected=0.4)
    made = make_toy_examples(tmp_path / "as many", records, max_rejected=21 / 47)
    assert made["dropped"] == {"duplicate": 20, "longer_than_context": 2, "no_answer": 19}
    assert caught.value.do.startswith("Look at the records")
    assert "look RUN examples --dropped all. Or raise chat.max" in caught.value.do
    assert "The first with no_answer is records.jsonl#29: " in caught.value.do
    assert "chat.max_rejected" in caught.value.do


def test_commented_lines_are_not_rejected_and_none_left_is_said_in_records(tmp_path: Path) -> None:
    records = [
        *conversations(16),
        *[f"{line} …" for line in ("# мин", "#син", "  # ул")],
        "{no json",
    ]
    counted = make_toy_examples(tmp_path / "few", records, context=400, max_rejected=0.1)
    assert counted["dropped"] == {"commented": 3, "bad_json": 1}
    folder = tmp_path / "none"
    path, tokenizer = write_lines(tmp_path / "a.jsonl", conversations(1)), fresh_tokenizer()
    key = prompt_key([Message("user", conversations(1)[0]["messages"][0]["content"])], 1)
    left = r"is left of 1 record, 1 of which an earlier phase holds out\nAdd [a-z ]+\.$"
    with pytest.raises(CorpusError, match=left):
        make_examples([path], tokenizer, settings(), out=folder, advance=[].append, held_out=[key])
    write_lines(path, conversations(16))
    make_examples([path], tokenizer, settings(), out=folder, advance=[].append, held_out=[7, key])
    assert len(read_held_out(folder)) > 2
    assert {7, key} < {*read_held_out(folder)}, "for the phases after the next one, too"


def test_what_is_longer_than_a_row_is_put_down_to_the_key_of_the_recipe(tmp_path: Path) -> None:
    """Whether some are left, or none; and rows are not named where length is not at fault."""
    long = [said(f"{n} нче китап турында сөйлә.", "Менә шулай. " * 300) for n in range(9)]
    for number, records in enumerate(([*conversations(8), *long], long)):
        with pytest.raises((SourceError, CorpusError), match="9 longer_than_context") as caught:
            make_toy_examples(tmp_path / str(number), records, context=256)
        assert "pack.context" in caught.value.do
        assert re.search(r"records.jsonl#\d+: it has \d+ tokens; a row has 256", caught.value.do)
    with pytest.raises(SourceError, match="9 no_answer") as caught:
        make_toy_examples(tmp_path / "other", [*conversations(8), *[{"messages": []}] * 9])
    assert "context" not in caught.value.do


def test_of_few_conversations_none_is_held_out_and_of_more_so_many_as_are_said(
    tmp_path: Path,
) -> None:
    records = [said(f"Cât fac {n} plus unu?", f"{n + 1}.") for n in range(640)]
    few = make_toy_examples(tmp_path / "few", records[:639], val_share=None)
    assert (few["kept"], few["held_out"]) == (639, 0)
    assert few["dev"] == few["train"], "validations read what is learnt"
    asked = make_toy_examples(tmp_path / "asked", records[:31], val_share=0.2)
    enough = make_toy_examples(tmp_path / "enough", records, val_share=None)
    for made in (asked, enough):
        assert 0 < made["held_out"] == made["dev"]["examples"] < 64
        assert made["train"]["examples"] == made["kept"] - made["held_out"], "each is learnt once"
    again = [said(f"Cât fac {n // 2} plus unu?", f"{n}.") for n in range(640)]
    doubled = make_toy_examples(tmp_path / "again", again, val_share=None)
    assert (doubled["held_out"], doubled["dev"]) == (0, doubled["train"]), "320 questions are few"
    assert doubled["train"]["examples"] == 2 * 640, "and learnt after another one"
    twos = make_toy_examples(tmp_path / "twos", pairs(640), "preferences", val_share=None)
    assert twos["held_out"] == twos["dev"]["examples"] / 2 > 0


def test_conversations_that_are_too_long_do_not_make_the_others_many(tmp_path: Path) -> None:
    """Nor does one stand before another: that would be too long as well."""
    long = [said(f"{n}: {'кайда, ' * 99}?", "Монда.") for n in range(60)]
    for count in (20, 600):
        records = [said(f"Cât fac {n} plus unu?", f"{n + 1}.") for n in range(count)]
        made = make_toy_examples(
            tmp_path / f"{count}", [*records, *long], val_share=None, max_rejected=1
        )
        assert (made["kept"], made["dropped"]) == (count, {"longer_than_context": 60})
        assert (made["held_out"], made["train"]["examples"]) == (0, 2 * count)


def test_of_few_conversations_each_question_is_learnt_after_another_one_too(
    tmp_path: Path,
) -> None:
    """What stands before it is read and not learnt; those of several questions stay as they are."""
    records = [said(f"Cât fac {n} plus unu?", f"{n + 1}.", system="Pe scurt." * n) for n in (0, 1)]
    records.append(said("Cine ești?", "Ana.", "Câți ani ai?", "Nouă."))
    made = make_toy_examples(tmp_path / "few", records, val_share=None, kind="byte")
    assert (made["kept"], made["train"]["examples"], made["turns"]) == (3, 6, 2)
    train = ExampleTokens(tmp_path / "few", "train")
    tokenizer = fresh_tokenizer("byte", None)
    prompts = [tokenizer.decode(train.prompt(n).tolist()) for n in range(6)]
    asked = [re.findall(r"(?:Pe|Cât|Cine|Câți) [^?.]*[?.]", each) for each in prompts]
    zero, one = "Cât fac 0 plus unu?", "Cât fac 1 plus unu?"
    assert asked == [
        [zero], ["Pe scurt.", one], ["Cine ești?"],
        [one, zero], [one], [zero, one],
    ]  # fmt: skip
    learnt = [[tokenizer.decode(each.tolist()) for each in train.answers(n)] for n in range(6)]
    assert [len(each) for each in learnt] == [1, 1, 2, 1, 1, 1]
    assert (learnt[3], learnt[4], learnt[5]) == (learnt[0], learnt[1], learnt[1])
    alone = make_toy_examples(tmp_path / "one", records[:1], val_share=None, kind="byte")
    assert alone["train"]["examples"] == 1, "there is no other one"
    short = make_toy_examples(tmp_path / "row", records, val_share=None, kind="byte", context=64)
    assert (short["train"]["examples"], short["dropped"]) == (3, {"longer_than_context": 1})
    many = [said(f"Cât fac {n} plus unu?", f"{n + 1}.") for n in range(1_300)]  # two batches
    whole = make_toy_examples(tmp_path / "many", many, val_share=None)
    assert whole["train"]["examples"] + whole["held_out"] == 1_300
    held = make_toy_examples(tmp_path / "held", records, val_share=0.3)
    assert held["train"]["examples"] + held["dev"]["examples"] == 3, "single ones are measured"
    records[2] = said("Cine ești?", "Ana.", "Câți ani ai?", "Nouă.", system="Pe scurt.")
    long = make_toy_examples(tmp_path / "long", records, val_share=None, kind="byte")
    assert long["train"]["examples"] == 7, "one of several questions is also learnt without it"
    first = next(each for each in records[2]["messages"] if each["role"] == "assistant")
    first["weight"] = 0
    some = make_toy_examples(tmp_path / "some", records, val_share=None, kind="byte")
    assert some["train"]["examples"] == 6, "unless an answer of it is not to be learnt"
    del first["weight"]
    earlier = make_toy_examples(tmp_path / "later", records, val_share=None, held_out=[1])
    assert earlier["train"]["examples"] == 3, "an earlier phase has held some out"
    for name, system in (("bare", ""), ("other", "Pe larg.")):  # others ask the same question
        records[0] = said("Cât fac 1 plus unu?", "Doi, desigur.", system=system)
        same = make_toy_examples(tmp_path / name, records, val_share=None, kind="byte")
        assert same["train"]["examples"] == 6, name


def test_a_question_after_another_one_may_fill_its_row(tmp_path: Path) -> None:
    records = [said(f"Сорау {n}?", f"җавап {n}") for n in range(3)]
    made = make_toy_examples(tmp_path / "all", records, val_share=None, context=256)
    longest = ExampleTokens(tmp_path / "all", "train").longest_document
    assert made["train"]["examples"] == 6
    for context, count in ((longest, 6), (longest - 1, 3)):
        out = tmp_path / f"{context}"
        found = make_toy_examples(out, records, val_share=None, context=context)
        assert (found["kept"], found["train"]["examples"]) == (3, count)


def test_a_conversation_that_is_longer_with_its_system_message_is_learnt_in_no_way(
    tmp_path: Path,
) -> None:
    records = [said(f"Сорау {n}?", f"җавап {n}") for n in range(4)]
    records[1] = said("Син кем?", "Айгөл.", system="Кыска һәм аңлаешлы итеп сөйләш. " * 9)
    made = make_toy_examples(tmp_path, records, val_share=None, kind="byte", context=256)
    assert (made["kept"], made["dropped"]) == (3, {"longer_than_context": 1})
    train, tokenizer = ExampleTokens(tmp_path, "train"), fresh_tokenizer("byte")
    learnt = [
        tokenizer.decode(each.tolist()) for n in range(len(train)) for each in train.answers(n)
    ]
    assert len(learnt) == 6
    assert not any("Айгөл" in each for each in learnt)


def test_the_turns_of_half_of_the_conversations_are_told(tmp_path: Path) -> None:
    records = [said(f"Cât fac {n} plus unu?", f"{n + 1}.") for n in range(30)]
    for each in records[:15]:
        each["messages"] *= 2
    for each in records:
        each["messages"].insert(0, {"role": "system", "content": "Кыска."})
    assert make_toy_examples(tmp_path / "half", records)["turns"] == 2
    assert make_toy_examples(tmp_path / "fewer", records[1:])["turns"] == 1


def test_too_few_records_are_put_down_to_what_dropped_most_of_them(tmp_path: Path) -> None:
    records = [said("Сорау?", "Бүген көн җылы булды."), *[{"messages": []}] * 9]
    known = KeptOut([("dev", ["Бүген көн җылы булды."])])
    with pytest.raises(CorpusError) as caught:
        make_toy_examples(tmp_path, records, kept_out=known)
    assert caught.value.do.startswith("Look at the records")


def test_a_system_message_is_not_compared_with_held_out_texts(tmp_path: Path) -> None:
    """Nothing of it is learnt, and one may stand in every record."""
    system = {"role": "system", "content": "Бүген көн җылы булды."}
    records = [{"messages": [system, *each["messages"]]} for each in conversations(9)]
    known = KeptOut([("dev", [system["content"]])])
    given = (("with", known), ("without", None))
    kept = [make_toy_examples(tmp_path / n, records, kept_out=out) for n, out in given]
    assert kept[0] == kept[1]


def test_what_is_kept_out_is_not_read_before_other_questions_either(tmp_path: Path) -> None:
    records = [said(f"Сорау {n}?", f"җавап {n}") for n in range(9)]
    records[4] = said("Бүген нәрсә булды?", "Бүген көн җылы булды.")
    known = KeptOut([("dev", ["Бүген көн җылы булды."])])
    made = make_toy_examples(tmp_path, records, val_share=None, kept_out=known, context=400)
    assert (made["kept"], made["train"]["examples"]) == (8, 16)
    train, tokenizer = ExampleTokens(tmp_path, "train"), fresh_tokenizer()
    read = [tokenizer.decode(train.prompt(number).tolist()) for number in range(len(train))]
    assert sum("Бүген" in each for each in read) == 0


def test_conversations_of_which_the_end_was_left_out_are_counted(tmp_path: Path) -> None:
    records = conversations(9)
    for number, more in ((1, 1), (4, 3)):
        asked = [said("Тагын?", "Юк.")["messages"][0]] * more
        records[number]["messages"] += asked
    assert make_toy_examples(tmp_path, records)["cut"] == 2


def test_equal_prompts_are_on_one_side(tmp_path: Path) -> None:
    records = [said(f"Сорау {n // 4}?", f"җавап {n}") for n in range(80)]
    made = make_toy_examples(tmp_path, records)
    assert made["several_answers"] == (
        "20 questions have more than one answer, such as “Сорау 0?”: “җавап 0” and “җавап 3”"
    )
    both = {split: ExampleTokens(tmp_path, split) for split in ("train", "dev")}
    sides = {split: {tuple(of.prompt(n)) for n in range(len(of))} for split, of in both.items()}
    assert len(sides["dev"]) + len(sides["train"]) == 20
    assert not sides["dev"] & sides["train"]


def test_added_records_move_no_prompt(tmp_path: Path) -> None:
    def dev(count: int) -> set[tuple[int, ...]]:
        make_toy_examples(tmp_path / str(count), conversations(count))
        tokens = ExampleTokens(tmp_path / str(count), "dev")
        return {tuple(tokens.prompt(n)) for n in range(len(tokens))}

    assert dev(30) <= dev(60)


def test_at_least_one_prompt_is_held_out_and_one_is_not() -> None:
    keys = np.array([prompt_key([], seed) for seed in range(5)], dtype=np.uint64)
    said = [prompt_key([Message(role, "Нәрсә бу?")], 3) for role in ("user", "system")]
    assert prompt_key([Message("user", " Нәрсә бу?\n")], 3) == said[0] != said[1]
    none = keys[:0]
    few = np.arange(1, 640, dtype=np.uint64)  # of equal prompts all go or stay
    assert not held_out_prompts(np.repeat(few, 2), None, none).any()
    assert held_out_prompts(keys, 1e-9, none).tolist() == (keys == keys.min()).tolist()
    assert (~held_out_prompts(keys, 1.0, none)).tolist() == (keys == keys.max()).tolist()
    # What an earlier phase holds out is never learnt by a later one.
    largest, smallest = keys == keys.max(), keys == keys.min()
    assert held_out_prompts(keys, 1e-9, keys[largest]).tolist() == largest.tolist()
    assert (~held_out_prompts(keys, 1.0, keys[~smallest])).tolist() == smallest.tolist()


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        make_toy_examples(tmp_path / name, [*conversations(20), "{"])
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            other = tmp_path / "b" / path.relative_to(tmp_path / "a")
            assert path.read_bytes() == other.read_bytes(), path.name


def test_an_answer_of_weight_0_has_no_learnt_token(tmp_path: Path) -> None:
    records = conversations(24)
    bare = make_toy_examples(tmp_path / "bare", records, context=256)
    for record in records:
        answers = [each for each in record["messages"] if each["role"] == "assistant"]
        if len(answers) > 1:
            answers[0]["weight"] = 0
    counted = make_toy_examples(tmp_path / "weighed", records, context=256)
    assert counted["train"]["tokens"] == bare["train"]["tokens"]
    was, now = (ExampleTokens(tmp_path / name, "train") for name in ("bare", "weighed"))
    lost = now.learnt[:] < was.learnt[:]
    assert (now.learnt[:] <= was.learnt[:]).all()
    tokenizer = Tokenizer.load(tmp_path / "weighed" / "tokenizer.json")
    firsts = {record["messages"][-3]["content"] for record in records[2::3]}
    assert lost.sum() > 24
    assert any(tokenizer.decode(now.ids[lost].tolist()).startswith(each) for each in firsts)


def test_weights_that_are_not_read_change_no_byte_and_are_counted(tmp_path: Path) -> None:
    records = conversations(24)
    bare = make_toy_examples(tmp_path / "bare", records, context=256)
    weighed = [{**each, "weight": 0.7 if n % 2 else 1} for n, each in enumerate(records)]
    weighed[0]["messages"][0]["weight"] = "72 kg"
    counted = make_toy_examples(tmp_path / "weighed", weighed, context=256)
    assert (bare["unread"], counted["unread"]) == ({}, {"weight": 13})
    assert counted["kept"] == bare["kept"] == 24
    for name in ("ids.bin", "learnt.bin", "offsets.npy", "dev.npy"):
        made = [(tmp_path / each / name).read_bytes() for each in ("bare", "weighed")]
        assert made[0] == made[1], name


def test_an_empty_answer_of_weight_0_is_read(tmp_path: Path) -> None:
    """At the beginning, and after a question; nothing of it is learnt."""
    empty = {"role": "assistant", "content": "", "weight": 0}
    asked = {"role": "user", "content": "Nu ai răspuns. Кабатла!"}
    records = conversations(12)
    counted = make_toy_examples(tmp_path / "bare", records, context=256)
    learnt = sum(counted[side]["learnt"] for side in ("train", "dev"))
    for number, record in enumerate(records):
        told = record["messages"]
        if told[0]["role"] == "user":
            record["messages"] = [*([told[0]] if number % 2 else []), empty, asked, *told[1:]]
    opened = make_toy_examples(tmp_path / "opened", records, context=256)
    assert (opened["kept"], opened["dropped"]) == (12, {})
    assert sum(opened[side]["learnt"] for side in ("train", "dev")) == learnt
    tokens = ExampleTokens(tmp_path / "opened", "train")
    assert "Кабатла" not in fresh_tokenizer().decode(tokens.ids[tokens.learnt[:] > 0].tolist())


def test_an_example_may_fill_its_row(tmp_path: Path) -> None:
    """One token less, and the longest one has no room."""
    make_toy_examples(tmp_path / "a", conversations(20), context=400)
    lengths = np.diff(np.load(tmp_path / "a" / "offsets.npy"))
    longest, count = int(lengths.max()), int((lengths == lengths.max()).sum())
    whole = make_toy_examples(tmp_path / "b", conversations(20), context=longest)
    assert (whole["kept"], whole["dropped"]) == (20, {})
    less = make_toy_examples(tmp_path / "c", conversations(20), context=longest - 1)
    assert (less["kept"], less["dropped"]) == (20 - count, {"longer_than_context": count})


def test_examples_of_one_conversation_need_no_room_together(tmp_path: Path) -> None:
    """Here each answer is an example, as the last turn is written otherwise."""
    thinking = CHATML.replace(
        "{{ message['content'] }}",
        "{% if message['role'] == 'assistant' and loop.last %}<think></think>{% endif %}"
        "{{ message['content'] }}",
    )
    make_toy_examples(tmp_path / "a", conversations(20), template=thinking, context=400)
    longest = int(np.diff(np.load(tmp_path / "a" / "offsets.npy")).max())
    counted = make_toy_examples(
        tmp_path / "b", conversations(20), template=thinking, context=longest
    )
    assert (counted["kept"], counted["dropped"]) == (20, {})
    assert counted["train"]["examples"] + counted["dev"]["examples"] > 30
