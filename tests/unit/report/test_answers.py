"""The tables of conversations and pairs: what was read, rejected and kept."""

from pathlib import Path

from made_conversations import conversations, make_toy_examples, pairs

from endonym.config import Config
from endonym.pipeline.execute import Made
from endonym.pipeline.plan import Stage
from endonym.report.corpus import answers_card
from endonym.store import Artifact


def made(name: str, kind: str, folder: Path, numbers: dict[str, object]) -> Made:
    stage = Stage(name, kind, Config(), lambda config, ctx: {})
    return Made(stage, Artifact(folder, {"numbers": numbers}), True, 1.0)


def test_each_phase_has_its_row_and_each_reason_its_own(tmp_path: Path) -> None:
    talks = [*conversations(18), {"prompt": "Нәрсә?"}, "{", "{"]
    chat = make_toy_examples(tmp_path / "a", talks, context=400)
    liked = make_toy_examples(tmp_path / "b", pairs(24), "preferences", context=400)
    found = answers_card(
        [
            made("corpus", "corpus", tmp_path, {}),
            made("examples sft", "examples", tmp_path / "a", chat),
            made("examples dpo", "examples", tmp_path / "b", liked),
        ]
    )
    assert found is not None
    assert [row[:4] for row in found.rows] == [
        ["sft", "conversations", "21", "3"],
        ["dpo", "preference pairs", "24", "0"],
    ]
    assert [int(row[4]) + int(row[5]) for row in found.rows] == [18, 48]
    assert found.rejects == [["sft", "bad_json", "2", "9.5 %"], ["sft", "no_columns", "1", "4.8 %"]]


def test_a_run_without_answers_has_no_card(tmp_path: Path) -> None:
    assert answers_card([made("corpus", "corpus", tmp_path, {})]) is None
