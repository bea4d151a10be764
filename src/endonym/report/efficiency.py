"""The efficiency of a model in the programs that run it: a table, and size against loss."""

from collections.abc import Sequence

from endonym.evaluate.speed import Efficiency
from endonym.report.svg.curves import Chart, Series

STYLES = 15
"""Pairs of a colour and a dash in the style sheet."""
HEIGHT = 360.0
MARGIN = 0.15


def efficiency_chart(rows: Sequence[Efficiency]) -> Chart | None:
    """Bits a byte over the size on disk, a dot for each program; None if nothing was measured."""
    found = [(row.runtime, row.bytes, row.bits_per_byte) for row in rows]
    known = [(name, float(size), bits) for name, size, bits in found if bits is not None]
    if not known:
        return None
    values = [bits for _, _, bits in known]
    margin = (max(values) - min(values)) * MARGIN or 0.01
    return Chart(
        title="Size on disk and bits per byte in each program",
        description=" ".join(f"{n}: {size:,.0f} bytes, {bits:.4f}." for n, size, bits in known),
        x_name="bytes on disk",
        y_name="bits per byte, sample of test documents",
        series=[
            Series(name, [(size, bits)], f"run{index % STYLES}", has_dots=True)
            for index, (name, size, bits) in enumerate(known)
        ],
        low=min(values) - margin,
        high=max(values) + margin,
        left=0.0,
        height=HEIGHT,
        names_at_dots=True,
    )
