"""The plot of size against loss: every program named beside its dot."""

import itertools
import re

import pytest

from endonym.evaluate.speed import Efficiency
from endonym.report.scores import efficiency_chart
from endonym.report.svg import draw_all

ROWS = [
    Efficiency("endonym fp32", 858_000, 2, bits_per_byte=1.5050),
    Efficiency("transformers fp32", 859_500, 2, bits_per_byte=1.5050),
    Efficiency("llama.cpp Q8_0", 252_000, 2, bits_per_byte=1.5051),
    Efficiency("llama.cpp Q4_K_M", 205_000, 2, bits_per_byte=1.5061),
    Efficiency("llama.cpp F16", 436_500, 2, reason="it is not installed"),
]


@pytest.mark.parametrize("width", [350.0, 760.0])
def test_each_measured_program_has_a_dot_and_a_name_that_covers_no_other(width: float) -> None:
    chart = efficiency_chart(ROWS)
    assert chart is not None
    (svg,) = draw_all([chart], width)
    assert svg.count("<circle") == 4
    label = r'<text class="label run\d+" x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)">([^<]+)<'
    found = {name: (float(x), float(y), side) for x, y, side, name in re.findall(label, svg)}
    assert set(found) == {row.runtime for row in ROWS if not row.reason}
    ys = sorted(y for _, y, _ in found.values())
    assert all(low + 14 <= high for low, high in itertools.pairwise(ys))
    small, large = found["llama.cpp Q4_K_M"], found["endonym fp32"]
    assert (small[2], large[2]) == ("start", "end"), "names stand on the side with space"
    assert small[0] < large[0]


def test_without_a_figure_there_is_no_plot() -> None:
    assert efficiency_chart(ROWS[-1:]) is None
