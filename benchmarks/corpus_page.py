"""The tables of docs/scale.md about the corpus."""

from cells import RESULTS, Cells
from corpus import CELLS as KEYS
from pages import markdown

CELLS = Cells(RESULTS / "corpus.json")
COPIES = Cells(RESULTS / "corpus_copies.json")
NAMES = {
    "1 worker": "one process",
    "2 workers": "two workers",
    "ray": "Ray, two nodes of one core",
    "killed": "two workers, killed three times",
}
LARGE_GB = 20


def speed(cells: Cells) -> str:
    """Seconds, speed, memory and disk of each way to make the same corpus."""
    rows: list[list[str]] = []
    known = [cells[key]["hash"] for key in KEYS if key in cells]
    for key in KEYS:
        if key not in cells:
            continue
        one = cells[key]
        cpu = f"{one['cpu_seconds']:,.0f}" if one["cpu_seconds"] else "–"
        busy = f"{one['busy_cores_before']:.1f}"
        rows.append(
            [
                NAMES[key],
                f"{one['text_bytes'] / 1e6:,.0f}",
                f"{one['seconds']:,.0f}",
                cpu,
                f"{one['megabytes_a_second']:.2f}",
                f"{one['peak_bytes'] / 1e9:.2f}",
                f"{one['disk_bytes'] / 1e9:.2f}",
                "yes" if one["is_balanced"] else "no",
                "yes" if one["hash"] == known[0] else "no",
                busy,
            ]
        )
    head = ["", "MB of text", "seconds", "CPU s", "MB/s", "peak GB", "disk GB", "accounts exact"]
    return markdown([*head, "same bytes", "others' cores"], rows)


def large() -> str:
    """What a larger corpus would take, from the CPU seconds that were measured."""
    found = [CELLS[key] for key in ("1 worker", "2 workers") if key in CELLS]
    if not found:
        return ""
    one = found[0]
    times = LARGE_GB * 1e9 / one["text_bytes"]
    hours = one["cpu_seconds"] * times / 3600
    rows = [[str(cores), f"{hours / cores:.1f}"] for cores in (1, 2, 8, 32)]
    disk = one["disk_bytes"] * times / 1e9
    said = markdown(
        ["cores", f"hours for {LARGE_GB} GB of text, if all cores are always busy"], rows
    )
    return f"{said}\nOn disk: {disk:.0f} GB at most while it is made.\n"


TABLES = {
    "corpus speed": lambda: speed(CELLS),
    "corpus copies": lambda: speed(COPIES),
    "corpus large": large,
}
