"""The corpus stage on 20 MB of mixed texts: speed, peak memory, kills, the same bytes.

The raw files are texts of many languages in six formats (plain, JSON lines plain and packed, csv,
parquet, tar). From the second repetition on, words stand in another order, within windows of 2,000
documents: real words and lengths, but no text that another one repeats. So all near copies but
those of the texts themselves are gone, and what is held out stays held out. The recipe removes
copies of every kind.

Cells: 1 and 2 workers; Ray on two nodes of this machine, where it is installed; "killed" is made by
2 workers that are killed three times with SIGKILL. Each is measured in processes of its own: wall
time, CPU time, and the peak of all processes together (proportional set size, read four times a
second), Ray's own included. `hash` is the SHA-256 of all files of the corpus.
"""

import contextlib
import csv
import gzip
import hashlib
import io
import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as arrow
import pyarrow.parquet as parquet
import regex
import zstandard
from benchmark import TINY, TINY_TEXTS, Bench, Benchmark, Unavailable, Watch, main
from cells import Cell, Cells
from copied_lines import opened
from named_texts import NAMED
from pages import markdown

from endonym.demo.grammar import fables
from endonym.formats.document_files import read_lines

MEGABYTES, TINY_MEGABYTES = 20.0, 0.1
WINDOW = 2_000
LONG = 1_000
"""A source whose texts are longer on average is written as documents, others as lines."""
KHMER_PIECE = regex.compile(r"[^ \u200b]{1,24}(?=[ \u200b]|$)|\X{1,6}|[ \u200b]")
TEXTS = {
    "en-novels": "en/eltec_eng_novels.jsonl.zst",
    "fr-novels": "fr/eltec_fra_novels.jsonl.zst",
    "ro-novels": "ro/eltec_rom_novels.jsonl.zst",
    "ro-old": "ro/eltec_rom_old_spelling.jsonl.zst",
    "en-fables": "en/tinyfabulist_fables.jsonl.gz",
    "km-help": "km/libreoffice_help.jsonl.gz",
    "km-paragraphs": "km/wikipedia_paragraphs.txt",
    "km-flores": "km/wiki_flores1_devtest.txt",
    "fr-sentences": "fr/common_voice_sentences.txt.gz",
    "en-sentences": "en/common_voice_sentences.txt",
    "ro-sentences": "ro/ronec_sentences.txt",
    "tt-sentences": "tt/common_voice_sentences.txt",
    "tt-tatoeba": "tt/tatoeba_sentences.txt",
    "hi-stories": "other/hi_pratham_storybooks.jsonl",
    "fa-sentences": "other/fa_common_voice.txt",
    "ky-sentences": "other/ky_common_voice.txt",
}
DOCUMENT_FORMATS = ("jsonl.zst", "tar.gz", "jsonl.gz", "parquet")
LINE_FORMATS = ("txt", "csv", "jsonl.gz", "parquet")
WORKERS = {"1 worker": "1", "2 workers": "2", "killed": "2", "ray": "ray"}
NAMES = {
    "1 worker": "one process",
    "2 workers": "two workers",
    "killed": "two workers, killed {kills} times",
    "ray": "Ray, two nodes of one core",
}
KILLS = 3
READY = """
import sys
import time
from contextlib import suppress
from ray._raylet import GcsClient
until = time.monotonic() + 120
while time.monotonic() < until:
    with suppress(Exception):
        found = GcsClient(address=sys.argv[1]).get_all_node_info()
        if len(found) >= int(sys.argv[2]):
            sys.exit()
    time.sleep(0.2)
sys.exit(f"{sys.argv[1]}: no {sys.argv[2]} nodes after two minutes")
"""
"""Ends when a cluster has so many nodes. Ray's own `init` gives up only after minutes."""
RECIPE = """
name = "mixed"
language = "x-mixed"

[[source]]
name = "documents"
path = "raw/documents"

[[source]]
name = "lines"
path = "raw/lines"
document = "line"

[clean]
normalize = ["nfc", "zero_width", "spaces"]
min_chars = 10
max_repeated_lines = 0.5
dedup = ["exact", "near", "paragraphs"]

[split]
seed = 7

[[phase]]
name = "none"
steps = 1
"""


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """A cell for each way to make the same corpus."""
    names = ("2 workers",) if bench.tiny else tuple(WORKERS)
    return {key_of(name, bench.tiny): partial(in_process, bench, name) for name in names}


def key_of(name: str, is_tiny: bool = False) -> str:
    """The name of a cell: the way, and how much text."""
    return f"{name}, {TINY_MEGABYTES if is_tiny else MEGABYTES:g} MB"


def in_process(bench: Bench, name: str) -> Cell:
    """The cell, measured in a fresh process, whose children are those of this cell alone."""
    if name == "ray" and find_spec("ray") is None:
        raise Unavailable("no Ray: pip install 'endonym[cluster]'")
    work = bench.kept_folder("corpus", BENCHMARK.code_hash())
    megabytes = TINY_MEGABYTES if bench.tiny else MEGABYTES
    if not (work / "raw").is_dir():
        texts = raw_texts(bench)
        write_raw(texts, work / "new", megabytes)
        (work / "new").rename(work / "raw")
    (work / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    bench.quiet(name)
    command = [sys.executable, __file__, "--in-this-process", str(work), name, str(megabytes)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])


def raw_texts(bench: Bench) -> dict[str, list[str]]:
    """The texts by name."""
    if bench.tiny:
        stories = list(fables(40))
        long = ["\n\n".join(stories[n : n + 4]) for n in range(0, len(stories), 4)]
        return {"stories": long} | {code: texts_of(TINY_TEXTS / TINY[code]) for code in TINY}
    if not bench.has(*TEXTS.values()):
        return {"stories": list(fables(5_000))} | {code: bench.lines(code) for code in NAMED}
    return {name: texts_of(bench.file(path)) for name, path in TEXTS.items()}


def measured(work: Path, cell: str, megabytes: float) -> Cell:
    """One corpus from nothing, its figures and its hash."""
    shutil.rmtree(work / "store", ignore_errors=True)
    # Both nodes of Ray listen on this machine alone: they need no token.
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    kills, nodes = 0, list[Any]()
    workers, watch = WORKERS[cell], MemoryWatch(work / "store")
    logs = Path(tempfile.mkdtemp())  # of Ray, whose sockets need a short path
    try:
        if cell == "ray":
            environment["RAY_ADDRESS"] = start_two(nodes, logs, environment)
        started = time.perf_counter()
        pause = max(4.0, megabytes / 8)
        while cell == "killed" and kills < KILLS:
            if not is_killed(work, workers, environment, after=pause * (1 + kills / 2)):
                break
            kills += 1
        command(work, workers, environment).wait()
    finally:
        for node in nodes:
            node.terminate()
            node.wait()
        shutil.rmtree(logs, ignore_errors=True)
    seconds = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    (corpus,) = [path for path in (work / "store" / "corpus").iterdir() if path.is_dir()]
    card = json.loads((corpus / "card.json").read_text(encoding="utf-8"))
    total = card["total"]
    text = sum(each["text_bytes"] for each in total["kept"].values())
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1) if cell != "ray" else None,
        "peak_bytes": watch.peak,
        "disk_bytes": watch.disk,
        "text_bytes": text,
        "raw_bytes": sum(path.stat().st_size for path in (work / "raw").rglob("*.*")),
        "megabytes_a_second": round(text / 1e6 / seconds, 2),
        "documents": sum(each["documents"] for each in total["kept"].values()),
        "is_balanced": is_balanced(corpus, total),
        "kills": kills,
        "hash": hash_of(corpus),
    }


def command(work: Path, workers: str, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    """`endonym run --until corpus`."""
    arguments = ["run", "recipe.toml", "--until", "corpus", "--workers", workers]
    environment = {**environment, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "endonym", *arguments], cwd=work, env=environment
    )


def is_killed(work: Path, workers: str, environment: dict[str, str], *, after: float) -> bool:
    """Kill a run some seconds after its start; whether it had not ended by then."""
    run = command(work, workers, environment)
    try:
        run.wait(after)
    except subprocess.TimeoutExpired:
        run.send_signal(signal.SIGKILL)
        run.wait()
        return True
    return False


def start_two(nodes: list[Any], logs: Path, environment: dict[str, str]) -> str:
    """Start a cluster of Ray with two nodes of one core each on this machine; its address.

    nodes: gets the process of each node as soon as it runs, so that it can be ended.
    """
    # Ray gives its workers the niceness 15: next to other programs they would get next to nothing.
    environment = {**environment, "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
    ray = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus", "1"]
    ray += ["--disable-usage-stats", "--object-store-memory", "200000000"]
    address = "127.0.0.1:6390"
    head = ["--head", "--port", "6390", "--include-dashboard", "false"]
    head += ["--node-ip-address", "127.0.0.1", "--temp-dir", str(logs / "ray")]
    for arguments in (head, ["--address", address]):
        log = (logs / f"ray-{len(nodes)}.txt").open("wb")
        nodes.append(subprocess.Popen([*ray, *arguments], env=environment, stdout=log, stderr=log))
        wait_for(address, len(nodes), environment)
    return address


def wait_for(address: str, count: int, environment: dict[str, str]) -> None:
    """Wait until a cluster has so many nodes. Raises CalledProcessError after two minutes."""
    subprocess.run([sys.executable, "-c", READY, address, str(count)], env=environment, check=True)


class MemoryWatch:
    """The peak memory of all processes below this one, and the most that a folder took."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.peak = self.disk = 0
        threading.Thread(target=self.look, daemon=True).start()

    def look(self) -> None:
        """Four times a second; at the folder once in four seconds."""
        for number in itertools.count():
            self.peak = max(self.peak, sum(map(proportional, family())))
            if number % 16 == 0:
                self.disk = max(self.disk, size_of(self.folder))
            time.sleep(0.25)


def family() -> list[int]:
    """The processes below this one, without it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, left = list[int](), [os.getpid()]
    while left:
        mine = children.get(left.pop(), [])
        found += mine
        left += mine
    return found


def proportional(process: int) -> int:
    """A process's memory, each shared page divided by those who share it."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; two names of one file count once."""
    found: dict[int, int] = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            status = path.stat()
            found[status.st_ino] = status.st_size
    return sum(found.values())


def hash_of(corpus: Path) -> str:
    """SHA-256 of the names and bytes of all files."""
    seen = hashlib.sha256()
    for path in sorted(path for path in corpus.rglob("*") if path.is_file()):
        seen.update(path.relative_to(corpus).as_posix().encode())
        seen.update(hashlib.sha256(path.read_bytes()).digest())
    return seen.hexdigest()[:16]


def is_balanced(corpus: Path, total: dict[str, Any]) -> bool:
    """Whether what stands in the files is what the card counts, and adds up to what was read."""
    records = size = 0
    for side, kept in total["kept"].items():
        lines, size_here = 0, 0
        for path in corpus.glob(f"{side}-*.jsonl.gz"):
            for each in read_lines(path):
                lines, size_here = lines + 1, size_here + len(each["text"].encode())
        if (lines, size_here) != (kept["documents"], kept["text_bytes"]):
            return False
        records, size = records + lines, size + kept["bytes"]
    for reason, counted in total["dropped"].items():
        dropped = list(read_lines(corpus / "dropped" / f"{reason}.jsonl.gz"))
        gone = sum(each["raw_bytes"] for each in dropped)
        if (len(dropped), gone) != (counted["records"], counted["bytes"]):
            return False
        records, size = records + len(dropped), size + gone
    return (records, size) == (total["read"]["records"], total["read"]["bytes"])


def texts_of(path: Path) -> list[str]:
    """The texts of a file, one a line or one a record."""
    lines = [line for line in opened(path).split("\n") if line.strip()]
    return [json.loads(line)["text"] for line in lines] if ".jsonl" in path.name else lines


def shuffled(texts: list[str], seed: int) -> Iterator[str]:
    """Texts with their words in another order within a window; each has as many as before."""
    generator = np.random.Generator(np.random.Philox(seed))
    for start in range(0, len(texts), WINDOW):
        window = texts[start : start + WINDOW]
        is_khmer = any("\u1780" <= sign <= "\u17ff" for sign in window[0][:50])
        words = [KHMER_PIECE.findall(t) if is_khmer else t.split(" ") for t in window]
        flat = [word for each in words for word in each]
        order = generator.permutation(len(flat)).tolist()
        first = 0
        for each in words:
            mine = [flat[number] for number in order[first : first + len(each)]]
            first += len(each)
            yield ("" if is_khmer else " ").join(mine)


def write_raw(texts: Mapping[str, list[str]], raw: Path, megabytes: float) -> None:
    """All texts, again and again in other orders and formats, until there are so many.

    Of each no more than its equal share, so that also a small mixture has texts of all kinds.
    """
    shutil.rmtree(raw, ignore_errors=True)
    share = megabytes * 1_000_000 / len(texts)
    given = {name: first(each, share) for name, each in texts.items()}
    size = 0
    for again in itertools.count():
        for name, some in given.items():
            if size >= megabytes * 1_000_000:
                return
            made = list(shuffled(some, again)) if again else some
            is_long = sum(map(len, some)) > LONG * len(some)
            formats = DOCUMENT_FORMATS if is_long else LINE_FORMATS
            folder = raw / ("documents" if is_long else "lines")
            folder.mkdir(parents=True, exist_ok=True)
            write_file(made, folder / f"{name}-{again:03d}.{formats[again % len(formats)]}")
            size += sum(len(text.encode()) for text in made)


def first(texts: list[str], size: float) -> list[str]:
    """The first texts, one at least, of about so many bytes."""
    sizes = itertools.accumulate(len(text.encode()) for text in texts)
    return texts[: max(1, sum(each <= size for each in sizes))]


def write_file(texts: list[str], path: Path) -> None:
    """Texts in the format that the file's name says."""
    kind = path.name.partition(".")[2]
    if kind == "txt":
        lines = "\n".join(text.replace("\n", " ") for text in texts)
        path.write_text(lines + "\n", encoding="utf-8")
    elif kind == "csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["id", "text"], *enumerate(texts)])
    elif kind == "parquet":
        titles = [f"{path.stem} {number}" for number in range(len(texts))]
        parquet.write_table(arrow.table({"text": texts, "title": titles}), path)
    elif kind == "tar.gz":
        with tarfile.open(path, "w:gz", compresslevel=6) as archive:
            for number, text in enumerate(texts):
                member = tarfile.TarInfo(f"{number:05d}.txt")
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
    else:
        records = ({"text": text, "id": number} for number, text in enumerate(texts))
        lines = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in records).encode()
        is_gzip = kind.endswith("gz")
        packed = gzip.compress(lines, 6) if is_gzip else zstandard.ZstdCompressor().compress(lines)
        path.write_bytes(packed)


def speed(cells: Cells) -> str:
    """Seconds, speed, memory and disk of each way to make the same corpus."""
    rows: list[list[str]] = []
    known = [cell["hash"] for name in WORKERS if (cell := cells.get(key_of(name)))]
    for name in WORKERS:
        if (cell := cells.get(key_of(name))) is None:
            continue
        rows.append(
            [
                NAMES[name].format(kills=cell["kills"]),
                f"{cell['text_bytes'] / 1e6:,.0f}",
                f"{cell['documents']:,}",
                f"{cell['seconds']:,.0f}",
                f"{cell['cpu_seconds']:,.0f}" if cell["cpu_seconds"] else "–",
                f"{cell['megabytes_a_second']:.2f}",
                f"{cell['peak_bytes'] / 1e9:.2f}",
                f"{cell['disk_bytes'] / 1e9:.2f}",
                "yes" if cell["is_balanced"] else "no",
                "yes" if cell["hash"] == known[0] else "no",
            ]
        )
    head = ["", "MB of text", "documents", "seconds", "CPU s", "MB/s", "peak GB", "disk GB"]
    return markdown([*head, "accounts exact", "same bytes"], rows)


BENCHMARK = Benchmark(
    name="corpus",
    code=(
        "endonym.cleaning",
        "endonym.copies",
        "endonym.corpus",
        "endonym.formats",
        "endonym.pipeline",
        "endonym.workers",
    ),
    cells=cells,
    tables={("docs/scale.md", "corpus speed"): speed},
    watched={
        "seconds": Watch("lower", 0.3, timed=True),
        "peak_bytes": Watch("lower", 0.2),
    },
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--in-this-process"]:
        print(json.dumps(measured(Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]))))
    else:
        main(BENCHMARK)
