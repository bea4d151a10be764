"""Scores as an evaluation would hold them, for the tests of what is said about them."""

from typing import Any

from endonym.evaluate.score import Score


def score(model: str, value: float, /, **changes: Any) -> Score:
    frame: dict[str, Any] = {
        "metric": "bits_per_byte",
        "unit": "bits",
        "low": value - 0.03,
        "high": value + 0.03,
        "n_documents": 412,
        "n_bytes": 90_000,
        "n_chars": 50_000,
        "n_tokens": 20_000,
        "source": None,
        "split": "test",
    }
    if changes.get("weighting") == "sources":
        frame["averaged"] = ("ជំនួយ", "роман")
    return Score(**{"model": model, "value": value, **frame, **changes})


def baselines(**changes: Any) -> list[Score]:
    values = {"uniform": 3.1, "unigram": 2.7, "bigram": 2.31, "compressor": 1.40}
    return [score(name, value, **changes) for name, value in values.items()]
