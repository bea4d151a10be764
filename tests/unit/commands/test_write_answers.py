"""What is written into a folder: who is asked what, what is told, and what comes of it."""

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_grammars import write_grammar

from endonym.commands import write as writing
from endonym.commands.write import (
    Written,
    describe,
    describe_foreseen,
    foreseen,
    source_table,
    write_answers,
)
from endonym.log import Log, rounded
from endonym.store import read_sealed
from endonym.synthesis.grammar import Grammar
from endonym.synthesis.plan import Plan
from endonym.synthesis.prompts import Prompts, source_hash
from endonym.synthesis.shards import Answer, Ask

PLAN = Plan("хикәя", "model", "0" * 64, 24, 5, "ab" * 6, {"max_tokens": 9})
PROMPTS = Prompts(["Таң атты.", "Un pod vechi", "Le facteur"])


class Told(Log):
    """A log that keeps what it is told: warnings, and the steps of its bars."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.told: list[tuple[Any, ...]] = []

    def warn(self, text: str, *, once: str = "") -> None:
        """See Log."""
        self.told.append(("warning", text, once))

    @contextmanager
    def progress(
        self, what: str, total: float, note: str = "", *, done: int = 0
    ) -> Generator[Callable[..., None]]:
        """See Log."""
        self.told.append((what, total, note, done))
        yield lambda n, note="": self.told.append((n, note.replace("\u202f", " ")))


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that goes on by 2 s for each answer; and files of ten texts."""
    clock = SimpleNamespace(now=50.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(writing, "time", clock)
    for module in ("plan", "shards"):
        monkeypatch.setattr(f"endonym.synthesis.{module}.SHARD", 10)
    return clock


class Fake:
    """A writer that answers in turn; `rejected` says which numbers are rejects."""

    def __init__(self, clock: SimpleNamespace, rejected: Callable[[int], str]) -> None:
        self.clock, self.rejected = clock, rejected
        self.works: list[bool] = []
        self.asked: list[Ask] = []
        self.most = 99

    def made(self, works: bool) -> "Fake":
        """The writer, when it is made."""
        self.works.append(works)
        return self

    def answer_all(self, asks: Iterator[Ask], take: Callable[[Answer], None]) -> None:
        """Each prompt costs 600 tokens."""
        for ask in asks:
            if len(self.asked) == self.most:
                raise KeyboardInterrupt
            self.asked.append(ask)
            self.clock.now += 2.0
            take(Answer(ask, f"{ask.prompt}…", "stop", 600, self.rejected(ask.index)))


def asks(*indices: int) -> list[Ask]:
    """What the plan asks."""
    return [Ask(index, PROMPTS.listed[index % 3], PLAN.text_seed(index)) for index in indices]


def test_prompts_are_asked_in_turn_with_their_seeds_and_told(
    tmp_path: Path, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole course of a plan: questions, progress, records and the summary."""
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda *given: sorted(glob(*given), reverse=True))
    fake, log = Fake(clock, lambda n: {1: "length", 3: "empty", 12: "length"}.get(n, "")), Told()
    plan = replace(PLAN, count=13)
    found = write_answers(plan, PROMPTS, tmp_path, fake.made, model="кечкенә", log=log)
    assert (fake.works, fake.asked) == ([False], asks(*range(13)))
    rate = "0.5 texts/s"
    assert log.told == [
        ("writing", 13, "", 0),
        (1, f"{rate} · 600 tokens"),
        (1, f"{rate} · 1 200 tokens · 1 rejects"),
        (1, f"{rate} · 1 800 tokens · 1 rejects"),
        *((1, f"{rate} · {600 * n:,} tokens · 2 rejects".replace(",", " ")) for n in range(4, 13)),
        (1, f"{rate} · 7 800 tokens · 3 rejects"),
    ]
    files = [tmp_path / "хикәя-00000.jsonl", tmp_path / "хикәя-00001.jsonl"]
    assert found == Written(10, 0, 13, 26.0, files, 7_800, {"empty": 1, "length": 2})
    assert [*found.rejects] == ["empty", "length"]
    lines = [json.loads(line) for path in files for line in path.read_bytes().splitlines()]
    kept = asks(*(n for n in range(13) if n not in (1, 3, 12)))
    assert [(each["index"], each["prompt"], each["seed"]) for each in lines] == [
        (ask.index, ask.prompt, ask.seed) for ask in kept
    ]
    assert {each["model"] for each in lines} == {"кечкенә"}
    assert read_sealed(tmp_path / "written.json", "") == plan.as_dict()


def test_a_plan_that_grew_goes_on_and_one_that_is_done_asks_nobody(
    tmp_path: Path, clock: SimpleNamespace
) -> None:
    """New texts, rates and progress are those of this command, all else of the folder."""
    fake, log = Fake(clock, lambda n: "empty" if n == 23 else ""), Told()
    fake.most = 21
    with pytest.raises(KeyboardInterrupt):
        write_answers(PLAN, PROMPTS, tmp_path, fake.made, model="м", log=log)
    assert {each.name for each in tmp_path.glob("х*")} == {
        "хикәя-00000.jsonl", "хикәя-00001.jsonl", "хикәя-00002.jsonl.part",
    }  # fmt: skip
    fake.most, clock.now = 99, 1_000.0
    log.told.clear()
    found = write_answers(PLAN, PROMPTS, tmp_path, fake.made, model="м", log=log)
    assert (fake.works, fake.asked) == ([False, True], asks(*range(24)))
    assert log.told == [
        ("writing", 24, "", 21),
        (1, "0.5 texts/s · 13 200 tokens"),
        (1, "0.5 texts/s · 13 800 tokens"),
        (1, "0.5 texts/s · 14 400 tokens · 1 rejects"),
    ]
    files = [tmp_path / f"хикәя-0000{n}.jsonl" for n in range(3)]
    assert found == Written(23, 0, 3, 6.0, files, 14_400, {"empty": 1})
    log.told.clear()
    found = write_answers(PLAN, PROMPTS, tmp_path, fake.made, model="м", log=log)
    assert found == Written(23, 0, 0, 0.0, files, 14_400, {"empty": 1})
    assert (len(fake.works), log.told) == (2, [("writing", 24, "", 24)])


@pytest.mark.parametrize("rejected", [0, 2, 3])
def test_a_writer_works_if_it_has_written_a_text_before(
    rejected: int, tmp_path: Path, clock: SimpleNamespace
) -> None:
    """Rejects alone do not say that it does."""
    fake = Fake(clock, lambda n: "odd" if n < rejected else "")
    for count in (3, 4):
        plan = replace(PLAN, count=count)
        write_answers(plan, PROMPTS, tmp_path, fake.made, model="м", log=Told())
    assert fake.works == [False, rejected < 3]


@pytest.mark.parametrize(("budget", "asked"), [
    (1, 1), (600, 1), (601, 2), (1_800, 3), (1_801, 4), (None, 24), (10**9, 24),
])  # fmt: skip
def test_no_prompt_is_asked_once_the_budget_is_spent(
    budget: int | None, asked: int, tmp_path: Path, clock: SimpleNamespace
) -> None:
    """The tokens of rejects count as well, and what is left is told."""
    fake = Fake(clock, lambda n: "empty" if n == 1 else "")
    for _ in range(2):
        found = write_answers(
            PLAN, PROMPTS, tmp_path, fake.made, model="м", budget=budget, log=Told()
        )
        assert (fake.asked, found.left) == (asks(*range(asked)), 24 - asked)
        assert (found.texts, found.tokens) == (asked - (asked > 1), 600 * asked)
        files = [tmp_path / f"хикәя-0000{n}.jsonl" for n in range(-(-asked // 10))]
        assert (found.files, [*tmp_path.glob("*.part")]) == (files, [])


class Batches(Fake):
    """A writer of whole batches of at most so many texts, whose tokens stand in `costs`."""

    def __init__(self, clock: SimpleNamespace, batch: int, *costs: int) -> None:
        super().__init__(clock, lambda _: "")
        self.batch, self.costs, self.sizes = batch, [*costs], list[int]()

    def answer_all(self, asks: Iterator[Ask], take: Callable[[Answer], None]) -> None:
        """See `ModelWriter`."""
        while batch := [*islice(asks, self.batch)]:
            self.asked += batch
            self.sizes.append(len(batch))
            for ask in batch:
                take(Answer(ask, f"{ask.prompt}…", "stop", self.costs.pop(0)))


@pytest.mark.parametrize(("budget", "costs", "sizes"), [
    (1, [12] * 24, [1]), (30, [12] * 24, [4]), (30, [3] * 24, [4, 2, 2, 1, 1]),
    (90, [9] * 24, [8, 2]), (91, [9] * 24, [8, 3]), (100, [4] * 24, [8, 8, 4, 3, 1]),
    (None, [12] * 24, [8, 8, 8]), (10**9, [12] * 24, [8, 8, 8]),
])  # fmt: skip
def test_a_batch_is_not_larger_than_the_budget_allows_if_all_are_long(
    budget: int | None, costs: list[int], sizes: list[int], tmp_path: Path, clock: SimpleNamespace
) -> None:
    """Of at most nine tokens and a prompt; what is left is asked in smaller batches."""
    fake = Batches(clock, 8, *costs)
    for _ in range(2):
        found = write_answers(
            PLAN, PROMPTS, tmp_path, fake.made, model="м", budget=budget, log=Told()
        )
        assert fake.sizes == sizes
        assert (fake.asked, found.left) == (asks(*range(sum(sizes))), 24 - sum(sizes))


def test_a_server_is_asked_until_the_budget_is_spent(
    tmp_path: Path, clock: SimpleNamespace
) -> None:
    """Its answers come one by one, and it is never stopped before."""
    plan, fake = replace(PLAN, writer="endpoint"), Batches(clock, 8, *[3] * 24)
    write_answers(plan, PROMPTS, tmp_path, fake.made, model="м", budget=30, log=Told())
    assert fake.sizes == [8, 8]


@pytest.fixture
def grammar(tmp_path: Path) -> Path:
    return write_grammar(tmp_path / "g.toml", "Борын-борын заманда")


def test_texts_of_a_grammar_are_counted_and_told(
    grammar: Path, tmp_path: Path, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is new, of how much; the summary names every file with its folder."""
    given: list[dict[str, Any]] = []
    real = writing.write_texts

    def write_texts(*names: Any, workers: int, advance: Any) -> None:
        given.append({"names": names, "workers": workers})
        clock.now += 4.0
        real(*names, workers=1, advance=advance)

    monkeypatch.setattr(writing, "write_texts", write_texts)
    folder = tmp_path / "out"
    plan = Plan("g", "grammar", source_hash(grammar), 12, 5)
    for count, new, files in ((12, 12, 2), (25, 15, 3), (25, 0, 3)):
        log = Told()
        plan = replace(plan, count=count)
        found = writing.write_grammar(plan, grammar, folder, workers=7, log=log)
        paths = [folder / f"g-0000{n}.jsonl" for n in range(files)]
        assert found == Written(count, 0, new, 4.0, paths)
        assert given.pop() == {"names": (plan, grammar, folder), "workers": 7}
        assert log.told[0] == ("writing", count, "", count - new)
        assert sum(n for n, _ in log.told[1:]) == new
        assert read_sealed(folder / "written.json", "") == plan.as_dict()


@pytest.mark.parametrize(("count", "warned"), [(99, False), (100, False), (101, True)])
def test_more_texts_than_casts_are_warned_of(
    count: int, warned: bool, grammar: Path, tmp_path: Path
) -> None:
    """The last text that has a cast of its own is no repeat yet."""
    log = Told()
    plan = Plan("g", "grammar", source_hash(grammar), count, 5)
    writing.write_grammar(plan, grammar, tmp_path / "out", workers=1, log=log)
    text = (
        "its slots in [cast] have 100 combinations: later texts differ from these only in what is "
        "drawn by chance"
    )
    warnings = [each for each in log.told if each[0] == "warning"]
    assert warnings == ([("warning", text, "")] if warned else [])


def test_a_summary_says_all_fields_and_a_line_what_counts() -> None:
    """`--json` names each file with its folder; people read what is not nothing."""
    files = [Path("out/a-00000.jsonl"), Path("out/a-00001.jsonl")]
    made = Written(1_007, 2, 4, 1.23456, files, 1, {"empty": 1})
    assert made.as_dict() == {
        "texts": 1_007, "rejects": {"empty": 1}, "left": 2, "new": 4, "tokens": 1,
        "seconds": 1.235, "files": ["out/a-00000.jsonl", "out/a-00001.jsonl"],
    }  # fmt: skip
    assert describe(made).replace("\u202f", " ") == (
        "1 007 texts · 1 reject (empty 1) · 1 token · 3.2 texts/s in 1.2 s · 2 files"
    )
    made = replace(made, new=0, tokens=1_500, rejects={"empty": 1, "length": 2})
    assert describe(made).replace("\u202f", " ") == (
        "1 007 texts · 3 rejects (empty 1, length 2) · 1 500 tokens · 2 files"
    )
    assert Written(0, 0, 4, 0.0, []).rate == pytest.approx(4e9)


def test_a_source_reads_the_files_of_a_folder_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Characters that patterns know are escaped, wherever the command runs."""
    monkeypatch.chdir(tmp_path)
    folder = Path("ye[n]i *?")
    folder.mkdir()
    (folder / "хикәя-00000.jsonl").write_text("{}", encoding="utf-8")
    (folder / "rejects.jsonl").write_text("{}", encoding="utf-8")
    table = source_table(PLAN, folder)
    path = json.dumps(f"{tmp_path}/ye[[]n]i [*][?]/хикәя-*.jsonl", ensure_ascii=False)
    assert table == f'[[source]]\nname = "хикәя"\npath = {path}\nsynthetic = true'
    found = writing.glob.glob(json.loads(path))
    assert found == [str(tmp_path / folder / "хикәя-00000.jsonl")]
    assert "/a[[]b]-*.jsonl" in source_table(replace(PLAN, name="a[b]"), folder)


@pytest.mark.parametrize("count", [2, 3, 10, 11])
def test_what_a_grammar_s_texts_will_take_is_foreseen_from_some(
    count: int, grammar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of texts that are spread over all, of the plan's seed."""
    monkeypatch.setattr(writing, "SAMPLES", 3)
    loaded = Grammar.load(grammar)
    plan = Plan("хикәя", "grammar", "0" * 64, count, 5)
    steps = {2: 1, 3: 1, 10: 3, 11: 3}
    records = [
        {"id": f"хикәя-{n:08d}", "text": loaded.text(n, 5), "index": n, "seed": 5,
         "slots": loaded.slots(n, 5)}
        for n in range(0, count, steps[count])
    ]  # fmt: skip
    sizes = [len((json.dumps(each, ensure_ascii=False) + "\n").encode()) for each in records]
    found = foreseen(plan, loaded, 4)
    about = rounded(count * sum(sizes) / len(sizes))
    assert found == {"texts": count, "files": 1 + (count > 10), "bytes": about, "casts": 100}


@pytest.mark.parametrize(("slots", "casts", "said"), [
    (17, 10**17, "100 000 000 000 000 000"), (18, 10**18, "10^18 or more"),
    (19, 10**18, "10^18 or more"), (400, 10**18, "10^18 or more"),
])  # fmt: skip
def test_a_number_of_casts_that_nobody_reads_is_told_as_more(
    slots: int, casts: int, said: str, tmp_path: Path
) -> None:
    """No float holds a number of 400 digits."""
    words = "words.w = 'таң кар жил су ут ай көн төн ел юл'\n"
    cast = "".join(f"cast.s{n}.words = 'w'\n" for n in range(slots))
    (tmp_path / "g.toml").write_text(f"{words}{cast}lines = [{{ text = '{{s0}}' }}]", "utf-8")
    plan = Plan("g", "grammar", "0" * 64, 3, 5)
    found = foreseen(plan, Grammar.load(tmp_path / "g.toml"), 0)
    assert json.loads(json.dumps(found))["casts"] == casts
    told = describe_foreseen(found).replace("\u202f", " ")
    assert f"casts     {said} combinations of the slots in [cast]" in told


def test_what_is_foreseen_is_told_in_three_lines(grammar: Path) -> None:
    """Of a grammar's texts and of answers to its prompts: the size, or a bound of tokens."""
    assert writing.SAMPLES == 200
    assert describe_foreseen({"texts": 1_200, "files": 1, "bytes": 250_000, "casts": 100}) == (
        "texts     1\u202f200 in 1 file\n"
        "size      about 250.0 kB\n"
        "casts     100 combinations of the slots in [cast]"
    )
    found = foreseen(PLAN, Grammar.load(grammar), 4)
    assert found == {"texts": 24, "files": 3, "most_tokens": 216, "casts": 100}
    assert describe_foreseen(found) == (
        "texts     24 in 3 files\n"
        "tokens    at most 216, and those of the prompts\n"
        "casts     100 combinations of the slots in [cast]"
    )
    found = foreseen(replace(PLAN, count=71_116), None, 4_000)
    assert found == {
        "texts": 71_116, "files": 7_112, "most_tokens": 640_044, "prompts": 4_000,
    }  # fmt: skip
    assert describe_foreseen(found).replace("\u202f", " ") == (
        "texts     71 116 in 7 112 files\n"
        "tokens    at most 640 044, and those of the prompts\n"
        "prompts   4 000, again and again with other seeds"
    )
