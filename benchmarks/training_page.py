"""The tables of docs/training.md, from the results in benchmarks/results."""

import re
from collections.abc import Iterator
from functools import partial
from itertools import groupby

import data_efficiency
import joining
import little_text
import promise
import steps_to_loss
from cells import RESULTS, Cell, Cells
from judging import TEXTS
from pages import interval, markdown
from readme_page import NAMES, by_source, measured, peers
from runs import row_of
from training_speed import AGAINST, SHAPES, WAYS, Quoted, key_of, quoted

from endonym.log import number


def of(name: str) -> Cells:
    """The cells of a benchmark."""
    return Cells(RESULTS / f"{name}.json")


def times(ratio: dict[str, float]) -> str:
    """How many times, with the interval."""
    return interval(ratio["median"], ratio["low"], ratio["high"], 2)


def memory() -> str:
    """How near the estimate comes, and what is taken of a memory that is given."""
    cells = of("memory")
    plain = [key for key in cells if not key.endswith(" heap")]
    muon = [key for key in plain if key.endswith(" muon")]
    taken = [
        cells[key]["measured_bytes"] / (int(key.split()[-2]) * 1e6)
        for key in cells
        if key.endswith(" MB")
    ]
    promised = {key: cells[key]["promised_bytes"] / cells[key]["measured_bytes"] for key in cells}
    kept = [1 / promised[key] for key in cells if key.endswith(" heap")]
    rows = [
        ["estimate, freed memory given back", *span([promised[key] - 1 for key in plain], "+.1%")],
        ["of these, Muon", *span([promised[key] - 1 for key in muon], "+.1%")],
        ["times the estimate, freed memory kept", *span(kept, ".2f")],
        ["share taken of a memory that is given", *span(taken, ".0%")],
    ]
    return markdown(["beside what the system counts", "cells", "lowest", "highest"], rows)


def span(values: list[float], form: str) -> list[str]:
    """How many, the lowest and the highest."""
    return [str(len(values)), f"{min(values):{form}}", f"{max(values):{form}}"]


def loader() -> str:
    """What reading rows costs, by corpus and length of a row."""
    cells, sizes = of("loader"), ("2048", "16384")
    head = ["documents", "context", *(f"{number(int(size))} tokens" for size in sizes)]
    head.append("order of a pass, s")
    rows: list[list[str]] = []
    for key in cells:
        shares = [f"{cells[key][f'share_of_step/{size}']:.2%}" for size in sizes]
        rows.append([*key.split(), *shares, f"{cells[key]['epoch_seconds']:.3f}"])
    return markdown(head, rows)


SPEED = ["machine", "shape", "format", "beside", "its best way", "equal settings"]
SPEED += ["as it comes", "rounds", "of the peak, ours", "its"]
MACHINES = {"Xeon": "training-speed", "EPYC": "training-speed-epyc"}


def speed() -> str:
    """How many times as fast ours trains as each peer at its best, on each machine."""
    rows = [[machine, *row] for machine, name in MACHINES.items() for row in speed_rows(of(name))]
    return markdown(SPEED, rows, labels=5)


def speed_rows(cells: Cells) -> Iterator[list[str]]:
    """A row for each shape, format and peer that was measured with equal settings."""
    for kind in WAYS:
        for shape in SHAPES:
            for against in AGAINST[1:]:
                best = quoted(cells, key_of(shape, against, kind), equal=True)
                if best is not None:
                    comes = quoted(cells, key_of(shape, against, kind), equal=False)
                    yield speed_row(shape, kind, against, best, comes)


def speed_row(shape: str, kind: str, against: str, best: Quoted, comes: Quoted | None) -> list[str]:
    """One peer: how many times as fast ours is with equal settings, and as the peer comes."""
    ours, sizes = best.cell["contenders"]["ours"], SHAPES[shape]
    return [
        f"{sizes.layers} × {sizes.dim}",
        kind,
        against,
        best.name.removeprefix(against).strip().partition(", equal")[0],
        times(best.ratio),
        "–" if comes is None else times(comes.ratio),
        str(best.cell["rounds"]),
        f"{ours['mfu']:.0%}",
        f"{best.found['mfu']:.0%}",
    ]


def profiles() -> str:
    """Where the time of a step of ours goes."""
    cells = of("training-speed")
    keys = [key for shape in SHAPES if (key := f"{shape} profile") in cells]
    parts = {part: None for key in keys for part in cells[key]["parts"]}
    order = sorted(parts, key=lambda part: -sum(share(cells[key], part) for key in keys))
    sizes = [SHAPES[key.split()[0]] for key in keys]
    rows = [[part, *(f"{share(cells[key], part):.0%}" for key in keys)] for part in order]
    rows.append(["the step, ms", *(number(cells[key]["step_ms"]) for key in keys)])
    return markdown(["part", *(f"{each.layers} × {each.dim}" for each in sizes)], rows)


def share(cell: Cell, part: str) -> float:
    """The share of a part in a step."""
    return cell["parts"].get(part, {"share": 0.0})["share"]


def head_table() -> str:
    """How many times as long as ours the other ways of the loss head take."""
    cells, rows = of("loss-head"), list[list[str]]()
    shapes = {key: [int(size) for size in re.findall(r" (\d+)", key)] for key in cells}
    for key in sorted(cells, key=lambda key: (key.split()[0], shapes[key])):
        dim, vocab = shapes[key]
        ways = [times(cells[key]["times_ours"][way]) for way in ("torch chunked", "at once")]
        rows.append([key.split()[0], str(dim), number(vocab), *ways])
    head = ["format", "channels", "ids", "torch's `linear_cross_entropy`", "all logits at once"]
    return markdown(head, rows)


def quality_table() -> str:
    """Bits per byte after equal minutes by the earlier rule, ours beside nanoGPT at its best."""
    cells = of("quality")
    head = ["text", "minutes", "judged on", "read by", "ours (95 %)", "nanoGPT", "its best way"]
    rows: list[list[str]] = []
    for language, minutes, split in newest_heads(cells):
        head_of = f"{language} {minutes} min {split} · "
        peers = [key for key in cells if key.startswith(f"{head_of}nanoGPT")]
        for text in TEXTS:
            ours = row_of(cells[f"{head_of}ours"]["rows"], text=text, split=split)
            tried = [each for each in peers if row_of(cells[each]["rows"], text=text, split=split)]
            if ours is None or not tried:
                continue
            way, its = cells.best(tried, partial(chosen_by, text=text, split=split))
            score = row_of(its["rows"], text=text, split=split)
            assert score is not None
            figures = [interval(ours["value"], ours["low"], ours["high"]), f"{score['value']:.3f}"]
            way = way.partition(" · nanoGPT ")[2]
            rows.append([NAMES[language], minutes, split, text, *figures, way])
    return markdown(head, rows)


def chosen_by(cell: Cell, *, text: str, split: str) -> float:
    """What a way of nanoGPT was chosen by: its figure on dev text, or on what judged."""
    row = row_of(cell["rows"], text=text, split="dev") or row_of(
        cell["rows"], text=text, split=split
    )
    assert row is not None
    return row["value"]


def newest_heads(cells: Cells) -> list[tuple[str, ...]]:
    """Language, minutes and what judged, of the newest protocol: "test", where that was run."""
    found = {tuple(key.partition(" · ")[0].replace(" min", "").split()) for key in cells}
    order = list(NAMES)
    # "test" comes before "val".
    heads = sorted(found, key=lambda each: (order.index(each[0]), float(each[1]), each[2]))
    return [next(same) for _, same in groupby(heads, key=lambda each: each[:2])]


def ablations() -> str:
    """Differences from the base of the same seed, in bits a byte."""
    cells, rows = of("ablations"), list[list[str]]()
    runs = [key.split(" · ") for key in cells if not key.startswith("speed")]
    for head, same in groupby(sorted(runs), key=lambda parts: parts[:2]):
        seeds: dict[str, list[str]] = {}
        for *_, name, seed in same:
            seeds.setdefault(name, []).append(seed)
        for name, found in seeds.items():
            values = [cells[" · ".join([*head, name, seed])]["bits_per_byte"] for seed in found]
            bases = [cells[" · ".join([*head, "base", seed])]["bits_per_byte"] for seed in found]
            gaps = [f"{a - b:+.4f}" for a, b in zip(values, bases, strict=True)]
            columns = [f"{value:.4f}" for value in values] if name == "base" else gaps
            language, minutes = head[0].split()[:2]
            rows.append([NAMES[language], minutes, name, *columns, *["–"] * (2 - len(columns))])
    return markdown(["text", "minutes", "change", "seed 1", "seed 2"], rows, labels=3)


def steps() -> str:
    """Muon and AdamW at their best after as many steps, and the same Muon in fewer."""
    cells = of("steps-to-loss")
    split = "dev" if any(" dev " in key for key in cells) else "val"
    found = steps_to_loss.outcome(f"ro {split}", 400, cells)
    rows = [
        [
            each.kind,
            f"{each.rate:g}",
            str(each.cell["steps"]),
            f"{each.cell['bits_per_byte']:.3f}",
            f"{each.cell['step_seconds']:.0f}",
        ]
        for each in (found.adamw, found.muon, found.fewer)
    ]
    rows.append(["Muon as good as AdamW", "", f"{found.needed:.0f}", "", f"{found.seconds:.0f}"])
    return markdown(["optimizer", "rate of matrices", "steps", "bits a byte", "seconds"], rows)


def efficiency(head: str) -> str:
    """How much text the plain recipe needs to be as good as ours. head: of the cells' names."""
    cells = of("data-efficiency")
    mine = data_efficiency.ours_of(head, cells)
    least = data_efficiency.megabytes_of(mine)
    rows = [["ours", f"{least:g}", f"{cells[mine]['bits_per_byte']:.3f}", "", "1.00"]]
    for size, key in data_efficiency.curve_of(head, cells).items():
        bits = cells.best([key], data_efficiency.BITS)[1]["bits_per_byte"]
        way = key.split(" · ")[1].removeprefix("plain, ")
        rows.append(["plain", f"{size:g}", f"{bits:.3f}", way, f"{size / least:.2f}"])
    needed = data_efficiency.needed_megabytes(head, cells)
    rows.append(["plain, as good as ours", f"{needed:.2f}", "", "", f"{needed / least:.2f}"])
    return markdown(["recipe", "MB of text", "bits a byte", "its best way", "times the text"], rows)


def gpu() -> str:
    """Speed, memory and share of the peak on a GPU, by shape and contender."""
    cells = of("gpu")
    rows = [
        [
            *key.split(),
            number(round(cells[key]["tokens_per_second"], -2)),
            f"{cells[key]['mfu']:.1%}",
            f"{cells[key]['peak_bytes'] / 1e9:.1f}",
            f"{cells[key]['parameters'] / 1e6:.0f}",
        ]
        for key in sorted(cells, key=lambda key: (-int(key.split("M")[0]), key.split()[1]))
    ]
    heads = ["shape", "program", "tokens a second", "share of the peak", "memory, GB", "weights, M"]
    return markdown(heads, rows)


TABLES = {
    "gpu": gpu,
    "memory": memory,
    "loader": loader,
    "speed": speed,
    "profiles": profiles,
    "head": head_table,
    "quality": quality_table,
    "short runs, nanoGPT": lambda: peers(measured()),
    "ablations": ablations,
    "steps": steps,
    "efficiency": lambda: efficiency("km 10 min val"),
    "efficiency, 0.5 MB": lambda: efficiency("km 60 min test"),
    "little text": lambda: little_text.table(of("little-text")),
    "promise": lambda: promise.table(of("promise")),
    "joining": lambda: joining.table(of("joining")),
    "joining samples": lambda: joining.samples(of("joining")),
    "short runs, by source": lambda: by_source(measured()),
}
