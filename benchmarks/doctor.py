"""The doctor on Tatar texts: what it finds of planted dirt, and what it finds in clean text.

Dirt is planted with a seed, `endonym doctor` runs as anybody runs it, and each planted document is
looked for among the examples of the right finding. A document that was not planted and is in a
finding is a false alarm, unless a check that shares no code with the rule says that the finding is
true. "clean" are lists of sentences as they are.
"""

import gzip
import json
import random
import re
import shutil
import subprocess
import sys
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmark import Bench, Benchmark, Watch, main
from cells import ROOT, Cell, Cells
from copied_lines import WIDTH, another_word, more_words, one_letter
from pages import markdown
from rapidfuzz.fuzz import ratio
from runs import last_json

from endonym.script.fold import folded as fold

sys.path.insert(0, str(ROOT / "tests"))
from made_documents import lines as placed_lines
from made_documents import pdf

SEEDS = (1, 2)
CLEAN = ("common_voice_sentences", "tatoeba_sentences", "mediawiki_messages")
DIRTIED = (
    *(f"tt/{name}.txt" for name in CLEAN[:2]),
    "other/ba_common_voice.txt",
    "other/kk_common_voice.txt",
    "parallel/tatoeba_pairs.jsonl.gz",
)
"""What dirty texts are made of."""
CLEAN_LINES = 20_000
"""Of texts that are fetched, where there are no files."""
TWINS = dict(zip("аеорсухАВЕКМНОРСТХ", "aeopcyxABEKMHOPCTX", strict=True))
MENU = "Баш бит | Яңалыклар | Мәкаләләр | Безнең турында | Элемтә"
COPYRIGHT = "© 2019 «Туган як» газетасы. Барлык хокуклар да сакланган, күчереп басу тыела."
SIDE = "Безнең Telegram-каналга языл һәм яңалыкларны беренче булып бел"
NAMES = [
    "Әҗәм",
    "Мәмсә",
    "Күлле",
    "Кенәр",
    "Битаман",
    "Кишет",
    "Шушма",
    "Арташ",
    "Сабай",
    "Төрнә",
    "Чулпан",
    "Ташлы",
    "Яшел",
    "Каен",
]
REGIONS = [
    "Актаныш",
    "Арча",
    "Саба",
    "Балтач",
    "Кукмара",
    "Биектау",
    "Теләче",
    "Мамадыш",
    "Әгерҗе",
    "Минзәлә",
]
TEMPLATES = (
    "{name} — Татарстанның {region} районындагы авыл. {year} елда халык саны {number} кеше булган, "
    "авыл елга буенда урнашкан һәм район үзәгеннән {far} чакрым ераклыкта тора.",
    "{name} елгасы — {region} районында ага торган елга, озынлыгы {far} чакрым, су җыю мәйданы "
    "{number} квадрат чакрым. Елга тулысынча республика җирләреннән ага.",
    "{name} {region} улы — {year} елда туган язучы һәм журналист, {number} мәкалә һәм берничә "
    "китап авторы. Ул озак еллар буе район газетасында эшләгән.",
)
RIGHT = {
    "Russian sentences": {"min_language_score", "min_script_share"},
    "Russian pages": {"min_language_score", "min_script_share"},
    "Bashkir sentences": {"min_language_score"},
    "Kazakh sentences": {"min_language_score"},
    "Russian paragraphs in Tatar pages": {"split_languages"},
    "look-alike letters in sentences": {"look_alikes"},
    "look-alike letters in pages": {"look_alikes"},
    "mojibake by cp1251": {"mojibake"},
    "mojibake by latin-1": {"mojibake"},
    "exact copies": {"exact", "near"},
    "near copies": {"exact", "near"},
    "near copies of pages": {"exact", "near"},
    "copies less similar than 0.8": {"exact", "near"},
    "bot stubs": {"max_same_skeleton", "near"},
    "boilerplate lines": {"max_line_documents"},
    "nonsense text of PDF pages": {"bad_text_layer"},
}
"""What is planted, and the findings that are right about it."""
HARDER = ("Bashkir sentences", "Kazakh sentences", "copies less similar than 0.8")
"""What is planted to see how far the rules reach."""
SIMILARITY = 0.8
"""From when on a text is called a near copy."""
NO_ALARM = {"license", "spaces", "nfc", "encoding", "unread_files"}
"""Findings that accuse no document of anything."""
ALIKE = 80
"""Least ratio of edit similarity, in percent, of texts that are truly near copies."""
Planted = dict[str, list[tuple[str, str]]]
"""By kind: the place of each, and the line or paragraph that is meant, if not the whole."""


def texts_of(path: Path) -> list[str]:
    """The lines of a file."""
    return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def folded(text: str) -> str:
    """What of a text is compared: its letters."""
    return " ".join(re.findall(r"\w+", text.lower()))


def has_mixed_word(text: str) -> bool:
    """Whether a word has Latin and Cyrillic letters."""
    for word in re.findall(r"[^\W\d_]+", text):
        scripts = {unicodedata.name(letter, "?").split(" ")[0] for letter in word}
        if {"LATIN", "CYRILLIC"} <= scripts:
            return True
    return False


class Dirt:
    """The texts from which the dirty corpus is made. Each is used once."""

    def __init__(self, data: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        seen = set[str]()
        pools = {
            "sentences": self.unique(texts_of(data / "tt" / f"{CLEAN[0]}.txt"), seen),
            "pages": self.unique(texts_of(data / "tt" / f"{CLEAN[1]}.txt"), seen),
            "ru": self.unique(list(russian(data)), set()),
        }
        for code in ("ba", "kk"):
            path = data / "other" / f"{code}_common_voice.txt"
            pools[code] = self.unique(texts_of(path), set())
        self.pools = pools
        self.planted: Planted = defaultdict(list)

    def unique(self, texts: list[str], seen: set[str]) -> list[str]:
        """Texts of one script that differ in their letters, shuffled."""
        kept: list[str] = []
        for each in texts:
            key = folded(each)
            if len(each) >= 25 and key not in seen and not has_mixed_word(each):
                kept.append(each)
            seen.add(key)
        self.rng.shuffle(kept)
        return kept

    def take(self, pool: str, count: int, least: int = 0) -> list[str]:
        """The next texts of a pool, of so many characters at least."""
        found = [each for each in self.pools[pool] if len(each) >= least][:count]
        assert len(found) == count, (pool, count, len(found))
        gone = set(found)
        self.pools[pool] = [each for each in self.pools[pool] if each not in gone]
        return found

    def twins(self, text: str) -> str:
        """A text in which some words have look-alike letters beside Cyrillic ones."""
        words = text.split(" ")
        fit = [n for n, word in enumerate(words) if twinned(word) != word]
        for n in self.rng.sample(fit, min(len(fit), self.rng.randint(1, 2))):
            words[n] = twinned(words[n])
        return " ".join(words)

    def can_twin(self, text: str) -> bool:
        """Whether a word of it can be dirtied so."""
        return any(twinned(word) != word for word in text.split(" "))


def twinned(word: str) -> str:
    """A word with one letter's twin, if other Cyrillic letters without a twin stay beside it."""
    places = [n for n, letter in enumerate(word) if letter in TWINS]
    if not places or sum(letter.isalpha() and letter not in TWINS for letter in word) < 2:
        return word
    n = places[len(places) // 2]
    return word[:n] + TWINS[word[n]] + word[n + 1 :]


def russian(data: Path) -> Iterator[str]:
    """Russian sentences of the parallel texts."""
    with gzip.open(data / "parallel" / "tatoeba_pairs.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            pair = json.loads(line)
            first, second = pair["pair"].split("-")
            if "ru" in (first, second):
                yield pair["src" if first == "ru" else "tgt"].replace("\n", " ")


def misread(text: str, encoding: str) -> str:
    """UTF-8 read in another encoding; bytes without a meaning stay controls."""
    raw, out = text.encode("utf-8"), list[str]()
    for byte in raw:
        try:
            out.append(bytes([byte]).decode(encoding))
        except UnicodeDecodeError:
            out.append(chr(byte))
    return "".join(out)


def plant_sentences(dirt: Dirt, folder: Path) -> None:
    """A list of sentences: 6,000 clean ones, and dirt among them."""
    rows: list[tuple[str, str]] = [("", each) for each in dirt.take("sentences", 6_000)]
    originals = [text for _, text in rows if len(text) >= 60]
    rows += [("Russian sentences", each) for each in dirt.take("ru", 250)]
    rows += [("Bashkir sentences", each) for each in dirt.take("ba", 100)]
    rows += [("Kazakh sentences", each) for each in dirt.take("kk", 100)]
    fit = [each for each in dirt.take("sentences", 600) if dirt.can_twin(each)][:300]
    rows += [("look-alike letters in sentences", dirt.twins(each)) for each in fit]
    for name, encoding in (("cp1251", "cp1251"), ("latin-1", "latin-1")):
        some = dirt.take("sentences", 150)
        rows += [(f"mojibake by {name}", misread(each, encoding)) for each in some]
    copied = dirt.rng.sample(originals, 500)
    rows += [("exact copies", each) for each in copied[:200]]
    for each in copied[200:]:
        edited = dirt.rng.choice((one_letter, another_word, more_words))(each, dirt.rng)
        rows.append((near_kind(each, edited), edited))
    dirt.rng.shuffle(rows)
    write_lines(dirt, folder / "sentences.txt", rows)


def near_kind(text: str, edited: str) -> str:
    """Which near copy it is, by the true similarity of both: what their runs of letters share."""
    one, two = (
        {line[n : n + WIDTH] for line in fold([each]) for n in range(len(line) - WIDTH + 1)}
        for each in (text, edited)
    )
    is_near = len(one & two) >= SIMILARITY * len(one | two)
    return "near copies" if is_near else "copies less similar than 0.8"


def write_lines(dirt: Dirt, path: Path, rows: Sequence[tuple[str, str]]) -> None:
    """Write documents, one a line, and note the places of those that are dirty."""
    for number, (kind, _) in enumerate(rows, 1):
        if kind:
            dirt.planted[kind].append((f"{path.stem}/{path.name}#{number}", ""))
    path.write_text("".join(f"{text}\n" for _, text in rows), encoding="utf-8")


Rows = list[tuple[list[tuple[str, str]], str]]
"""Pages: what is planted in each, by kind, and its text."""


def plant_pages(dirt: Dirt, folder: Path) -> None:
    """Web pages: 540 of Tatar sentences, some of them dirty, copies of some, and Russian ones."""
    rows: Rows = []
    for number in range(540):
        kinds, body = dirty_page(dirt, number)
        rows.append((kinds, "\n".join(body)))
        if number >= 490:  # some letters differ, and a line stands above it
            worn = "\n".join([f"{dirt.rng.randint(1, 28)}.03.2019", *body])
            for _ in range(3):
                worn = one_letter(worn, dirt.rng)
            kind = near_kind("\n".join(body), worn)
            rows.append(([(kind.replace("near copies", "near copies of pages"), "")], worn))
    for _ in range(60):
        body = dirt.take("ru", dirt.rng.randint(4, 8))
        rows.append(([("Russian pages", "")], "\n".join(body)))
    dirt.rng.shuffle(rows)
    path = folder / "pages.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number, (kinds, text) in enumerate(rows, 1):
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
            for kind, part in kinds:
                dirt.planted[kind].append((f"pages/pages.jsonl#{number}", part))


def dirty_page(dirt: Dirt, number: int) -> tuple[list[tuple[str, str]], list[str]]:
    """A page of Tatar sentences, and what is planted in it: by its number, or nothing."""
    body = dirt.take("pages", dirt.rng.randint(5, 8))
    kinds: list[tuple[str, str]] = []
    if number < 220:
        for line in dirt.rng.sample((MENU, SIDE), dirt.rng.randint(1, 2)):
            body.insert(0, line)
            kinds.append(("boilerplate lines", line))
        body.append(COPYRIGHT)
        kinds.append(("boilerplate lines", COPYRIGHT))
    elif number < 260:
        part = dirt.take("ru", 2, least=40)
        at = dirt.rng.randrange(1, len(body) - 1)
        body[at:at] = part
        kinds += [("Russian paragraphs in Tatar pages", each) for each in part]
    elif number < 300:
        place = next(n for n, each in enumerate(body) if dirt.can_twin(each))
        body[place] = dirt.twins(body[place])
        kinds.append(("look-alike letters in pages", ""))
    elif number < 330:
        body = [misread(each, "cp1251") for each in body]
        kinds.append(("mojibake by cp1251", ""))
    return kinds, body


def plant_stubs(dirt: Dirt, folder: Path) -> None:
    """Articles: 200 stubs of each template among 300 real texts."""
    rows: list[tuple[str, str]] = [("", " ".join(dirt.take("sentences", 3))) for _ in range(300)]
    for template in TEMPLATES:
        for _ in range(200):
            values = {
                "name": " ".join(dirt.rng.sample(NAMES, 2)),
                "region": dirt.rng.choice(REGIONS),
                "year": dirt.rng.randint(1890, 2010),
                "number": dirt.rng.randint(12, 5_000),
                "far": dirt.rng.randint(2, 90),
            }
            rows.append(("bot stubs", template.format(**values)))
    dirt.rng.shuffle(rows)
    path = folder / "articles.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number, (kind, text) in enumerate(rows, 1):
            file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
            if kind:
                dirt.planted[kind].append((f"articles/articles.jsonl#{number}", ""))


def nonsense(text: str, rng: random.Random) -> str:
    """What a broken font makes of a text: no letters at all, or those of another encoding."""
    if rng.random() < 0.5:
        return "".join(chr(0xE000 + ord(each) % 0x700) if each.isalpha() else each for each in text)
    kept = "".join(each for each in text if ord(each) < 0x450 or not each.isalpha())
    return kept.encode("cp1251", "ignore").decode("latin-1")


def plant_books(dirt: Dirt, folder: Path) -> None:
    """Books: four PDFs of twenty pages, a quarter of which has a text layer of nonsense."""
    (folder / "books").mkdir(exist_ok=True)
    for book in range(4):
        pages: list[Any] = []
        broken = set(dirt.rng.sample(range(20), 5))
        for number in range(20):
            rows: list[str] = []
            for each in dirt.take("sentences", 8):
                text = nonsense(each, dirt.rng) if number in broken else each
                rows += [text[n : n + 70] for n in range(0, len(text), 70)]
            pages.append(placed_lines(rows))
            if number in broken:
                place = f"books/book{book}.pdf#{number + 1}"
                dirt.planted["nonsense text of PDF pages"].append((place, ""))
        (folder / "books" / f"book{book}.pdf").write_bytes(pdf(pages))


def doctor(folder: Path, page: Path, more: Sequence[str] = ()) -> dict[str, Any]:
    """What `endonym doctor --json` says of a folder, with every example; its time and memory."""
    program, memory = Path(__file__).with_name("peak.py"), page.with_suffix(".memory")
    command = [sys.executable, str(program), str(memory), "doctor", folder.name, "--language", "tt"]
    command += ["--examples", "10000", "--json", "--out", str(page), *more]
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder.parent, stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - began
    return last_json(done.stdout) | {
        "wall_seconds": seconds,
        "peak_bytes": int(memory.read_text(encoding="utf-8")),
    }


def places(found: dict[str, Any]) -> dict[str, dict[str, list[dict[str, str]]]]:
    """By finding and place, the examples."""
    by_name: dict[str, dict[str, list[dict[str, str]]]] = {}
    for finding in found["findings"]:
        mine = by_name.setdefault(finding["name"], {})
        for example in finding["examples"]:
            mine.setdefault(example["place"], []).append(example)
            if example.get("other_place"):  # either of two copies may stay
                mine.setdefault(f"stays {example['other_place']}", []).append(example)
    return by_name


def is_found(kind: str, place: str, part: str, by_name: dict[str, Any]) -> bool:
    """Whether a finding that is right names the planted document, and the planted part of it."""
    for name in RIGHT[kind]:
        mine = by_name.get(name, {})
        examples = mine.get(place, [])
        if "copies" in kind:
            examples = [*examples, *mine.get(f"stays {place}", [])]
        if any(not part or part[:100] in each.get("text", "") for each in examples):
            return True
    return False


def is_true(name: str, example: dict[str, str], text: str) -> bool:
    """Whether a finding about a text that was not planted is true, by another check."""
    if name == "look_alikes":
        return has_mixed_word(text)
    if name in ("exact", "near"):
        other = example.get("other") or example.get("text", "")
        return ratio(folded(text)[:300], folded(other)[:300]) >= ALIKE
    return False


def alarms(found: dict[str, Any], texts: dict[str, str], planted: set[str]) -> dict[str, Any]:
    """Documents that were not planted and are in a finding: in all, and falsely; by finding."""
    accused, false, by_rule = set[str](), set[str](), Counter[str]()
    for name, mine in places(found).items():
        for place, examples in mine.items():
            if name in NO_ALARM or place.startswith("stays ") or place in planted:
                continue
            if place not in texts:
                continue
            accused.add(place)
            if not is_true(name, examples[0], texts[place]):
                false.add(place)
                by_rule[name] += 1
    clean = [place for place in texts if place not in planted]
    return {
        "documents": len(clean),
        "accused": len(accused),
        "false": len(false),
        "false_share": round(len(false) / max(1, len(clean)), 5),
        "false_by_finding": dict(by_rule.most_common()),
    }


def texts_by_place(folder: Path) -> dict[str, str]:
    """The documents of text files and JSON lines, by their places."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*.*")):
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if line.strip():
                text = json.loads(line)["text"] if path.suffix == ".jsonl" else line
                found[f"{path.stem}/{path.name}#{number}"] = text
    return found


def dirty_cell(bench: Bench, seed: int) -> Cell:
    """A corpus that is dirtied on purpose."""
    files = [bench.file(name) for name in DIRTIED]
    data, work = files[0].parents[1], bench.folder(f"doctor-dirty-{seed}")
    folder = work / "texts"
    folder.mkdir()
    dirt = Dirt(data, seed)
    for plant in (plant_sentences, plant_stubs, plant_books, plant_pages):
        plant(dirt, folder)
    report = doctor(folder, work / "doctor.html")
    by_name, kinds = places(report), dict[str, Any]()
    for kind, rows in sorted(dirt.planted.items()):
        hits = [is_found(kind, *row, by_name) for row in rows]
        kinds[kind] = {"planted": len(rows), "found": sum(hits)}
    planted = {place for rows in dirt.planted.values() for place, _ in rows}
    clean = alarms(report, texts_by_place(folder), planted)
    total, hits = (sum(kind[name] for kind in kinds.values()) for name in ("planted", "found"))
    found_share = round(hits / total, 4)
    return {"kinds": kinds, "found_share": found_share, "clean": clean, **costs(report)}


def clean_cell(bench: Bench) -> Cell:
    """Texts that are as clean as they come."""
    work = bench.folder("doctor-clean")
    folder = work / "texts"
    folder.mkdir()
    if bench.tiny:
        shutil.copytree(bench.texts("tt")[0], folder, dirs_exist_ok=True)
    elif bench.has(*(f"tt/{name}.txt" for name in CLEAN)):
        for name in CLEAN:
            shutil.copy(bench.file(f"tt/{name}.txt"), folder)
    else:
        lines = bench.lines("tt")[:CLEAN_LINES]
        (folder / "lines.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    report = doctor(folder, work / "doctor.html")
    return {"clean": alarms(report, texts_by_place(folder), set()), **costs(report)}


def costs(report: dict[str, Any]) -> dict[str, Any]:
    """How much was read, in which time and memory."""
    return {
        "documents": report["read"]["documents"],
        "bytes": report["read"]["bytes"],
        "seconds": round(report["wall_seconds"], 1),
        "peak_bytes": report["peak_bytes"],
    }


def cells(bench: Bench) -> Mapping[str, Callable[[], Cell]]:
    """Dirty texts of each seed, and clean texts."""
    if bench.tiny:
        return {"clean": partial(clean_cell, bench)}
    dirty = {f"dirty {seed}": partial(dirty_cell, bench, seed) for seed in SEEDS}
    return dirty | {"clean": partial(clean_cell, bench)}


def recall(cells: Cells) -> str:
    """What is found of each kind, by seed."""
    measured = {seed: cell for seed in SEEDS if (cell := cells.get(f"dirty {seed}"))}
    rows: list[list[str]] = []
    for kind in RIGHT:
        counts = [cell["kinds"][kind] for cell in measured.values() if kind in cell["kinds"]]
        columns = [
            f"{n['found']:,} of {n['planted']:,} ({n['found'] / n['planted']:.1%})" for n in counts
        ]
        if columns:
            rows.append([kind + (" (harder)" if kind in HARDER else ""), *columns])
    if measured:
        shares = [f"{cell['found_share']:.1%}" for cell in measured.values()]
        rows.append(["all that is planted", *shares])
    return markdown(["planted", *(f"found, seed {seed}" for seed in measured)], rows)


def false_alarms(cells: Cells) -> str:
    """False alarms on text in which nothing was planted."""
    rows: list[list[str]] = []
    for name in ("clean", *(f"dirty {seed}" for seed in SEEDS)):
        if (cell := cells.get(name)) is None:
            continue
        clean = cell["clean"]
        named = ", ".join(f"{rule} {n}" for rule, n in clean["false_by_finding"].items()) or "–"
        counts = [f"{clean[key]:,}" for key in ("documents", "accused", "false")]
        share, size = f"{clean['false_share']:.2%}", f"{cell['bytes'] / 1e6:.1f}"
        costs = [f"{cell['seconds']:.0f}", f"{cell['peak_bytes'] / 1e6:.0f}"]
        rows.append([name, size, *counts, share, named, *costs])
    head = ["texts", "MB", "clean documents", "in a finding", "falsely", "share"]
    return markdown([*head, "by which finding", "seconds", "peak MB"], rows)


BENCHMARK = Benchmark(
    name="doctor",
    code=("endonym.survey", "endonym.cleaning", "endonym.copies", "endonym.formats"),
    cells=cells,
    tables={
        ("docs/doctor.md", "doctor recall"): recall,
        ("docs/doctor.md", "doctor alarms"): false_alarms,
    },
    watched={
        "found_share": Watch("higher", 0.005),
        "clean/false_share": Watch("lower", 0.3),
        "seconds": Watch("lower", 0.4, timed=True),
        "peak_bytes": Watch("lower", 0.2),
    },
)

if __name__ == "__main__":
    main(BENCHMARK)
