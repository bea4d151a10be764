"""Messages that share text with held-out and evaluation texts are known, long and short."""

from pathlib import Path

import pytest
from made_conversations import conversations, make_toy_examples, pairs, said
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.data.kept_out import KeptOut

SHORT = ["Бүген көн җылы булды.", "Ursul doarme iarna în bârlog.", "ឆ្កែដេកនៅក្រោមតុ។"]
LONG = " ".join(ROMANIAN)
APART = ["Рәхмәт!", "Iepurele aleargă prin iarbă.", "ស្វាយ", "Il neige sur la montagne."]


def kept_out() -> KeptOut:
    return KeptOut([("dev", SHORT), ("a novel", [LONG, *KHMER]), ("lines", ["\n".join(TATAR)])])


@pytest.mark.parametrize(
    "message",
    [
        *SHORT,
        SHORT[0].upper().replace(" ", "  "),
        f"Менә шул җөмлә:\n{SHORT[0]}",
        f"Iată povestea. {LONG} Sfârșit.",
        LONG[: 3 * len(LONG) // 4],
        f"«{KHMER[0]}»",
        TATAR[1],
    ],
)
def test_a_message_that_holds_such_text_is_known(message: str) -> None:
    assert kept_out().shared_by([*APART, message]) == {message}


def test_other_messages_and_greetings_are_not() -> None:
    assert kept_out().shared_by([*APART, *FRENCH]) == set()
    assert KeptOut([("dev", APART[:1])]).shared_by(APART) == set()
    assert KeptOut([]).shared_by(APART) == set()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_conversation_with_such_a_message_is_a_counted_reject(place: int, tmp_path: Path) -> None:
    turns = ["Сөйлә әле.", "Ярар, тыңла.", "Тагын?", "Бетте."]
    turns[place] = LONG
    records = [*conversations(12), said(*turns), said("Ce face?", SHORT[1])]
    counted = make_toy_examples(tmp_path, records, context=900, kept_out=kept_out(), max_rejected=0)
    assert (counted["kept"], counted["dropped"]) == (12, {"held_out": 2})


@pytest.mark.parametrize("side", ["prompt", "chosen", "rejected"])
def test_a_pair_with_such_a_side_is_a_counted_reject(side: str, tmp_path: Path) -> None:
    strange = {"prompt": "Ce face?", "chosen": "Doarme.", "rejected": "Nimic.", side: SHORT[1]}
    records = [*pairs(12), strange]
    counted = make_toy_examples(tmp_path, records, "preferences", kept_out=kept_out())
    assert (counted["kept"], counted["dropped"]) == (12, {"held_out": 1})
