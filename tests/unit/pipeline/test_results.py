"""What a stage has made, in words."""

from typing import Any

from endonym.log import THIN
from endonym.pipeline.execute import NO_TEXTS, result


def card(dropped: dict[str, int], **encodings: int) -> dict[str, Any]:
    """A corpus of 16,043 records with these rejects."""
    kept = {"train": 15_014, "dev": 369, "test": 369}
    return {
        "sources": {"tatar": {}},
        "total": {
            "read": {"records": 16_043, "bytes": 2_000_000},
            "kept": {side: {"documents": count} for side, count in kept.items()},
            "dropped": {reason: {"records": n, "bytes": n} for reason, n in dropped.items()},
            "encodings": encodings or {"utf-8": 3},
            "changed_documents": 0,
            "rules": {},
        },
    }


def held(ratio: float) -> dict[str, Any]:
    """How a tokenizer fits dev text."""
    return {"total": {"bytes_per_token": ratio}}


def test_a_corpus_is_told_by_what_was_read_held_out_and_dropped_and_why() -> None:
    rejects = {"exact": 80, "min_chars": 203, "empty": 5, "bad_json": 2, "max_chars": 1}
    said = result("corpus", card(rejects, **{"utf-8": 2, "cp1251": 2})).replace(THIN, ",")
    assert said == (
        "16,043 documents read · 15,014 to train on · 738 held out · 291 dropped (203 too short, "
        "80 copies, 5 empty, 2 bad json, 1 for other reasons) · 2 files not in UTF-8 (cp1251)"
    )
    assert result("corpus", card({})).endswith("none dropped")
    assert result("corpus", card({}, **{"utf-8": 2, "utf-16": 1})).endswith("none dropped")


def test_pieces_that_a_tokenizer_lacks_and_its_fit_before_are_told() -> None:
    fit = {"total": {"bytes_per_token": 3.0}, "before": {"vocab": 512, **held(2.0)}}
    grown = {"vocab": 612, "held_out": fit, "asked": 100}
    whole = "612 ids · 3.00 bytes a token on dev text · 2.00 with the 512 before"
    assert result("tokenizer", {**grown, "added": 100}) == whole
    assert result("tokenizer", {**grown, "added": 99}).startswith(
        f"{whole} · only 99 of 100 pieces added"
    )


def test_examples_are_told_by_what_is_learnt_and_by_what_rows_leave_empty() -> None:
    train = {"examples": 40, "learnt": 300, "tokens": 900, "gap": 0.125, "rows": 8}
    numbers = {"records": 52, "train": train, "dev": {"examples": 10}, "dropped": {}, "cut": 0}
    assert result("examples", numbers) == (
        "52 records read · 40 examples to train on · 10 held out · none dropped · "
        "300 of 900 tokens learnt · 12.5 % of 8 rows empty"
    )
    said = result("examples", {**numbers, "cut": 3, "dropped": {"held_out": 2}})
    assert "2 dropped (2 " in said
    assert "3 without what followed the last answer" in said


def test_of_a_recipe_without_texts_no_figure_of_texts_is_told() -> None:
    nothing = {**card({}), "sources": {}}
    tokens: dict[str, Any] = {"train": {}, "dev": {}, "test": {}, "unused": 397}
    assert result("corpus", nothing) == result("shards", tokens) == NO_TEXTS
    assert result("tokenizer", {"vocab": 400, "held_out": held(0.0)}) == "400 ids"


def test_what_cleaning_changed_and_took_out_is_told() -> None:
    changed = card({})
    changed["total"]["changed_documents"] = 40
    changed["total"]["rules"] = {
        "spaces": {"documents": 40, "parts": 0},
        "split_languages": {"documents": 2, "parts": 7},
    }
    said = result("corpus", changed)
    assert said.endswith("none dropped · 40 changed · 7 parts in another language")


def test_every_other_stage_is_told_by_its_counts() -> None:
    tokens = {"tt": {"tokens": 400}, "km": {"tokens": 600}}
    numbers: dict[str, dict[str, Any]] = {
        "source": {"files": 3, "bytes": 929_640},
        "tokenizer": {"vocab": 512, "held_out": {"total": {"bytes_per_token": 2.517}}},
        "shards": {"train": tokens, "dev": {}, "test": tokens},
        "model": {"tokens": 640, "epochs": 0.25, "kept_step": 20, "steps": 30},
        "evaluation": {"kind": "prompts", "continuations": 12},
        "export": {"format": "huggingface", "files": ["config.json"] * 5, "checks": []},
    }
    said = {kind: result(kind, each).replace(THIN, ",") for kind, each in numbers.items()}
    assert said == {
        "source": "3 files · 929.6 kB",
        "tokenizer": "512 ids · 2.52 bytes a token on dev text",
        "shards": "1,000 training tokens · 0 dev · 1,000 test",
        "model": "640 tokens seen, 0.2 epochs · weights of step 20 of 30 kept",
        "evaluation": "12 prompts continued",
        "export": "huggingface: 5 files",
    }
    checks = [
        {"check": "ids", "file": "a-F16.gguf", "runtime": "llama.cpp 0.6 (…)", "value": 0},
        *(
            {"check": "bits_per_byte", "file": f, "runtime": "llama.cpp 0.6 (…)", "value": value}
            for f, value in (("a-F16.gguf", 0.0), ("a-Q4_K_M.gguf", 0.0132))
        ),
    ]
    gguf = {"format": "gguf", "files": ["a-F16.gguf", "a-Q4_K_M.gguf"], "checks": checks}
    expected = "gguf: 2 files · F16 +0.00 % · Q4_K_M +1.32 % bits/byte in llama.cpp 0.6"
    assert result("export", gguf) == expected
    assert "test scored" in result("evaluation", {"kind": "bits", "split": "test"})
    assert result("pretrained", {"files": 1, "bytes": 1}) == ""
