"""Speed and memory of training on one GPU, next to nanochat, nanoGPT and transformers.

`benchmarks/gpu/run.sh` measures the cells on a machine with a GPU; this module has their table.
"""

from collections.abc import Callable, Mapping

from benchmark import Bench, Benchmark, NotThisMachine, Watch, main
from cells import Cell, Cells
from pages import markdown

MEASURED_BY = "measure.py"
"""In benchmarks/gpu."""


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """None of them is measured here."""

    def unavailable() -> Cell:
        raise NotThisMachine("benchmarks/gpu/run.sh measures this, on a machine with a GPU")

    return {"50M ours": unavailable}


def speeds(cells: Cells) -> str:
    """Every shape and program, the fastest first."""
    rows: list[list[str]] = []
    measured = [name for name in cells if "failed" not in cells.repeats(name)[-1]]
    order = sorted(measured, key=lambda name: -cells.repeats(name)[-1]["tokens_per_second"])
    for name in sorted(order, key=lambda name: name.split()[0]):
        cell, (shape, program) = cells[name], name.split()
        rows.append(
            [
                shape,
                program,
                f"{cell['tokens_per_second']:,.0f}",
                f"{cell['mfu']:.1%}",
                f"{cell['peak_bytes'] / 1e9:.1f}",
                f"{cell['parameters'] / 1e6:.0f}",
            ]
        )
    head = ["shape", "program", "tokens a second", "of the peak", "memory, GB", "weights, M"]
    return markdown(head, rows, labels=2)


BENCHMARK = Benchmark(
    name="gpu-speed",
    code=("endonym.train", "endonym.model", "endonym.autopilot", "endonym.tokenizer"),
    cells=cells,
    tables={("docs/training.md", "gpu"): speeds},
    watched={
        "tokens_per_second": Watch("higher", 0.05, timed=True),
        "bits_per_byte": Watch("lower", 0.02, timed=True),
    },
)

if __name__ == "__main__":
    main(BENCHMARK)
