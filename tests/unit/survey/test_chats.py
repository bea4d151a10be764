"""Conversations among texts: how many there are, and their phases in a recipe."""

import gzip
import json
import random
from pathlib import Path

import pytest

from endonym.survey import chats
from endonym.survey.chats import ChatFile, chat_phases, chats_in_words, count_chats


def test_what_a_file_holds_that_no_phase_can_read_is_no_copy(tmp_path: Path) -> None:
    asked = [{"întrebare": f"Cine este la ușa {n}?", "răspuns": f"Domnul {n}."} for n in range(3)]
    lines = "".join(f"{json.dumps(each)}\n" for each in asked) + "{}\n"
    noise = random.Random(1).randbytes(400_000).hex()
    broken, whole = tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl"
    broken.write_bytes(gzip.compress(f"{lines}{noise}\n".encode())[:-20])
    whole.write_text(lines, encoding="utf-8")
    files = [ChatFile(path, path.name, None) for path in (whole, broken)]
    count_chats(files)
    assert [each.path for each in files] == [broken, whole]
    assert "cannot be read to its end" in files[0].problem
    assert [(each.found, each.copies) for each in files] == [(3, 0), (3, 0)]


def test_columns_of_copies_alone_get_no_phase() -> None:
    first = ChatFile(Path("a.csv"), "a.csv", ("ghicitoare", "dezlegare"), found=3)
    copied = ChatFile(Path("b.csv"), "b.csv", ("табышмак", "җавап"), found=3, copies=3)
    (phase,) = chat_phases([first, copied])
    assert ('name = "chat"' in phase, "b.csv" in phase) == (True, False)
    more = ChatFile(Path("c.csv"), "c.csv", first.columns, found=2, copies=2)
    assert chat_phases([first, copied, more]) == [phase.replace('"a.csv"', '["a.csv", "c.csv"]')]
    copied.copies = 2
    assert [each.splitlines()[1] for each in chat_phases([first, copied])] == [
        'name = "chat-1"', 'name = "chat-2"',
    ]  # fmt: skip


def test_a_file_with_too_many_broken_conversations_is_in_no_phase(tmp_path: Path) -> None:
    """The run of a recipe would end for it; the good files beside it are learnt."""

    def lines(name: str, empty: int) -> ChatFile:
        asked = [
            {"întrebare": f"Cine e {name} {n}?", "răspuns": "Ana." * (n >= empty)}
            for n in range(20)
        ]
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(f"{json.dumps(each)}\n" for each in asked), encoding="utf-8")
        return ChatFile(path, f"t/{path.name}", None)

    good, fair, bad = (lines(name, empty) for name, empty in (("a", 0), ("b", 2), ("c", 3)))
    count_chats(files := [bad, fair, good])
    (phase,) = chat_phases(files)
    assert ("a.jsonl" in phase, "b.jsonl" in phase, "c.jsonl" in phase) == (True, True, False)
    assert bad.problem == (
        "15% of its conversations are broken, more than [chat] max_rejected = 0.1 allows: 3 "
        "with an empty answer: t/c.jsonl, lines 1, 2 and 3 (message 2, an answer, is empty). Mend "
        "them, then: endonym new RECIPE --update --text FILE"
    )
    assert (good.problem, fair.problem) == ("", "")
    fair.copies = 1
    assert chats_in_words(files) == (
        "2 files, 37 conversations (left out: 2 with an empty answer: t/b.jsonl, lines 1 and 2 "
        "(message 2, an answer, is empty); 1 copy of these)"
    )
    assert (chats_in_words([bad]), chats_in_words([good])) == ("", "1 file, 20 conversations")


def test_files_with_usual_names_are_read_by_the_first_phase_of_other_columns() -> None:
    first = ChatFile(Path("a.csv"), "t/a.csv", ("ghicitoare", "dezlegare"), found=3)
    usual = ChatFile(Path("b.jsonl"), "t/b.jsonl", None, found=1)
    third = ChatFile(Path("c.csv"), "t/c.csv", ("табышмак", "җавап"), found=3)
    head = "[[phase]]  # learns to answer; without it these conversations are not learnt\n"
    assert chat_phases([first, usual, third], ["chat", "chat-2"]) == [
        f'{head}name = "chat-1"\nobjective = "chat"\ndata = ["t/a.csv", "t/b.jsonl"]\n'
        'columns = ["ghicitoare", "dezlegare"]',
        f'{head}name = "chat-3"\nobjective = "chat"\ndata = "t/c.csv"\n'
        'columns = ["табышмак", "җавап"]',
    ]
    (phase,) = chat_phases([usual, first])
    assert 'columns = ["ghicitoare", "dezlegare"]' in phase, "which the second file alone has"


def test_a_file_without_conversations_has_no_broken_ones(tmp_path: Path) -> None:
    (path := tmp_path / "a.csv").write_text("întrebare,răspuns\n", encoding="utf-8")
    count_chats(files := [ChatFile(path, "a.csv", ("întrebare", "răspuns"))])
    assert (files[0].found, files[0].broken, chat_phases(files)) == (0, [], [])


def test_of_a_large_file_the_first_conversations_are_counted_with_their_copies_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chats, "MOST_COUNTED", 4)
    asked = [{"întrebare": f"Cine e la ușa {n}?", "răspuns": "Ana."} for n in range(6)]
    other = {"întrebare": "Cine e la ușa 1?", "răspuns": "Ion."}
    files = list[ChatFile]()
    for name, records in (("b", [asked[0], other]), ("a", asked)):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(f"{json.dumps(each)}\n" for each in records), encoding="utf-8")
        files.append(ChatFile(path, path.name, None))
    count_chats(files)
    assert [(each.path.stem, each.found, each.copies) for each in files] == [
        ("a", 4, 0),
        ("b", 2, 1),
    ]
    assert chats_in_words(files) == (
        "2 files, 5 conversations (1 copy of these; 1 question has more than one answer, such as "
        "“Cine e la ușa 1?”: “Ana.” and “Ion.”)"
    )
