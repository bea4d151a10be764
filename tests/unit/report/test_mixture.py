"""What a phase has read, by its journal."""

from typing import Any

import pytest

from endonym.report.training import largest_deviation, mixture_chart, mixture_sentence, slices


def journal(steps: int, **shares: float) -> list[dict[str, Any]]:
    """Steps of 1,000 tokens; the tokens read of each source are summed up."""
    lines: list[dict[str, Any]] = [{"step": 0, "tokens": 0}]
    for step in range(1, steps + 1):
        read = {f"read_tokens/{k}": round(1000 * step * v) for k, v in shares.items()}
        lines.append({"step": step, "tokens": 1000 * step, **read})
    return lines


def test_shares_are_those_within_each_hundredth() -> None:
    lines = journal(400, web=1.0, books=0.0)
    for line in lines[201:]:
        line["read_tokens/web"], line["read_tokens/books"] = 200_000, line["tokens"] - 200_000
    parts = slices(lines)
    assert len(parts) == 100
    assert [each.shares for each in parts[:50]] == [{"web": 1.0, "books": 0.0}] * 50
    assert [each.shares for each in parts[50:]] == [{"web": 0.0, "books": 1.0}] * 50
    assert parts[-1].so_far == {"web": 0.5, "books": 0.5}
    assert largest_deviation(parts, {"web": 0.5, "books": 0.5}) == 0.5
    assert largest_deviation(parts[:50], {"web": 1.0}) == 0.0
    three = slices(journal(200, web=0.2, books=0.4, news=0.4))
    planned = {"web": 0.5, "books": 0.25, "news": 0.25}
    assert largest_deviation(three, planned) == pytest.approx(0.3), "too little counts as well"


def test_a_phase_of_fewer_steps_than_hundredths_is_cut_at_its_steps() -> None:
    assert [each.tokens for each in slices(journal(3, web=0.5, books=0.5))] == [1000, 2000, 3000]


def test_the_report_says_what_was_read_and_draws_it() -> None:
    parts = slices(journal(200, web=0.1, books=0.9))
    assert mixture_sentence(parts, {"web": 0.1, "books": 0.9}) == (
        "Read, by the journal: web 10.0% · books 90.0% of the tokens; what was read so far was "
        "within 0.00 points of the recipe at every hundredth of the phase."
    )
    drawn = mixture_chart(parts)
    assert drawn is not None
    assert [series.name for series in drawn.series] == ["books", "web"]
    assert drawn.series[0].points[7] == (16_000.0, pytest.approx(90.0))
    assert mixture_chart(slices(journal(200, web=1.0))) is None
    assert slices([{"step": 0, "tokens": 0}, {"step": 1, "tokens": 9}]) == []
    assert mixture_sentence([], {"web": 1.0}) == ""
