"""The command `write`: what its flags become, for each who may write, and what it prints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_grammars import write_grammar

from endonym.commands import load, write_model
from endonym.commands import write as writing
from endonym.commands.write import Written
from endonym.errors import RecipeError
from endonym.log import Log
from endonym.synthesis import endpoint
from endonym.synthesis.endpoint import Endpoint
from endonym.synthesis.grammar import Grammar
from endonym.synthesis.plan import Plan
from endonym.synthesis.prompts import source_hash

Say = Callable[..., Any]


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A file of three prompts."""
    path = tmp_path / "башлангыч 1.txt"
    path.write_text("Таң атты.\nUn pod vechi\nLe facteur\n", encoding="utf-8")
    return path


@pytest.fixture
def grammar(tmp_path: Path) -> Path:
    return write_grammar(tmp_path / "g.toml", "Хикәя")


class Kept:
    """What the command asks of those who write, and what it is answered."""

    def __init__(self, folder: Path) -> None:
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.files = [folder / "a-00000.jsonl"]
        self.written = Written(1_234, 0, 4, 2.0, self.files, 70, {"empty": 3})

    def write(self, *given: Any, **named: Any) -> Written:
        """As `write_grammar` and `write_answers`."""
        self.calls.append((given, named))
        return self.written


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    kept = Kept(tmp_path / "out")
    monkeypatch.setattr(writing, "write_grammar", kept.write)
    monkeypatch.setattr(writing, "write_answers", kept.write)
    monkeypatch.setattr(
        load, "identity_of", lambda name, store, where: f"{name} in {store.root} by {where}"
    )
    return kept


USUAL = {"temperature": 0.8, "max_tokens": 512, "system": ""}
GIVEN = ("--temperature", "0.25", "--max-tokens", "7", "--system", "Кыска яз.")
OTHER = {"temperature": 0.25, "max_tokens": 7, "system": "Кыска яз."}


@pytest.mark.parametrize(("flags", "seed", "workers"), [
    ((), 0, 2), (("--seed", 5, "--workers", 3), 5, 3),
])  # fmt: skip
@pytest.mark.parametrize("in_folder", [False, True])
def test_a_grammar_writes_as_the_flags_say(
    flags: tuple[Any, ...], seed: int, workers: int, in_folder: bool, grammar: Path,
    tmp_path: Path, kept: Kept, command: Say,
) -> None:  # fmt: skip
    """A file or a folder: the whole plan, and all that is passed on."""
    path = grammar
    if in_folder:
        path = tmp_path / "әкият"
        path.mkdir()
        grammar.rename(path / "all.toml")
    said = command("write", path, "--count", 7, "--out", tmp_path / "out", *flags)
    assert said.code == 0, said.err
    ((given, named),) = kept.calls
    assert isinstance(named.pop("log"), Log)
    plan = Plan(path.stem, "grammar", source_hash(path), 7, seed, "", {})
    assert (given, named) == ((plan, path, tmp_path / "out"), {"workers": workers})


@pytest.mark.parametrize(("flags", "sampling", "seed", "budget"), [
    ((), USUAL, 0, None), ((*GIVEN, "--seed", 5, "--budget-tokens", 60), OTHER, 5, 60),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["endpoint", "model"])
def test_answers_are_written_as_the_flags_say(
    kind: str, flags: tuple[Any, ...], sampling: dict[str, Any], seed: int, budget: int | None,
    listed: Path, tmp_path: Path, kept: Kept, command: Say,
) -> None:  # fmt: skip
    """The plan knows a model of ours by its identity; each text calls it by its name."""
    who = {
        "endpoint": ("--endpoint", "http://x/v1", "--model", "зур"),
        "model": ("--by", "кечкенә", "--store", tmp_path / "store"),
    }[kind]
    said = command("write", listed, "--count", 7, "--out", tmp_path / "out", *who, *flags)
    assert said.code == 0, said.err
    (((plan, prompts, folder, make), named),) = kept.calls
    model = "зур" if kind == "endpoint" else f"кечкенә in {tmp_path / 'store'} by --by"
    assert plan == Plan("башлангыч-1", kind, source_hash(listed), 7, seed, model, sampling)
    assert [*plan.sampling] == ["temperature", "max_tokens", "system"]
    assert (prompts.listed, prompts.grammar, prompts.seed) == (
        ["Таң атты.", "Un pod vechi", "Le facteur"], None, seed,
    )  # fmt: skip
    assert folder == tmp_path / "out"
    assert callable(make)
    assert isinstance(named.pop("log"), Log)
    name = "зур" if kind == "endpoint" else "кечкенә"
    assert named == {"model": name, "budget": budget}


def test_prompts_of_a_grammar_are_those_of_the_seed(
    grammar: Path, tmp_path: Path, kept: Kept, command: Say
) -> None:
    """Whoever answers them."""
    who = ("--endpoint", "http://x/v1", "--model", "зур", "--seed", 5)
    assert command("write", grammar, "--count", 7, "--out", tmp_path / "out", *who).code == 0
    (((plan, prompts, *_), _),) = kept.calls
    assert (plan.writer, plan.sampling, prompts.listed) == ("endpoint", USUAL, [])
    loaded = Grammar.load(grammar)
    assert [prompts.prompt(n) for n in range(3)] == [loaded.text(n, 5) for n in range(3)]
    assert prompts.prompt(0) != loaded.text(0)


@pytest.mark.parametrize("works", [False, True])
@pytest.mark.parametrize(("flags", "asked", "many", "seconds"), [
    ((), USUAL, 8, 600), ((*GIVEN, "--concurrency", 3, "--timeout", 45), OTHER, 3, 45),
])  # fmt: skip
def test_a_server_is_made_as_the_flags_say(
    flags: tuple[Any, ...], asked: dict[str, Any], many: int, seconds: int, works: bool,
    listed: Path, tmp_path: Path, kept: Kept, command: Say, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Its address, fields, key, message, requests at a time, patience, whether it has answered."""
    monkeypatch.setenv("ENDONYM_API_KEY", " key-7 \n")
    who = ("--endpoint", "http://x/v1//", "--model", "зур", "--quiet")
    assert command("write", listed, "--count", 7, "--out", tmp_path / "o", *who, *flags).code == 0
    (((*_, make), named),) = kept.calls
    fields = {"model": "зур", **{key: asked[key] for key in ("temperature", "max_tokens")}}
    assert make(works) == Endpoint(
        "http://x/v1", fields, "key-7", asked["system"], many, named["log"], seconds=seconds,
        works=works,
    )  # fmt: skip
    assert named["log"].quiet
    monkeypatch.delenv("ENDONYM_API_KEY")
    assert make(works).key == ""


@pytest.mark.parametrize(("flags", "asked", "device"), [
    ((), USUAL, None), ((*GIVEN, "--device", "cpu:0"), OTHER, "cpu:0"),
])  # fmt: skip
def test_a_model_is_loaded_as_the_flags_say(
    flags: tuple[Any, ...], asked: dict[str, Any], device: str | None, listed: Path,
    tmp_path: Path, kept: Kept, command: Say, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Its name, store, device and settings; that it takes a while is told."""
    made: list[Any] = []
    monkeypatch.setattr(
        write_model, "model_writer", lambda *given, **named: made.append((given, named))
    )
    who = ("--by", "кечкенә", "--store", tmp_path / "store")
    assert command("write", listed, "--count", 7, "--out", tmp_path / "o", *who, *flags).code == 0
    (((*_, make), named),) = kept.calls
    told: list[str] = []
    monkeypatch.setattr(named["log"], "line", told.append)
    make(True)
    (((name, store, log), settings),) = made
    assert (name, store.root, log) == ("кечкенә", tmp_path / "store", named["log"])
    assert settings == {"device_name": device, **asked}
    assert told == ["loading кечкенә …"]


@pytest.mark.parametrize("address", ["x/v1", "ftp://x/v1", "http:///v1"])
def test_what_is_no_address_is_refused_before_it_is_asked(
    address: str, listed: Path, tmp_path: Path, kept: Kept, command: Say
) -> None:
    """When the server is needed, in the words of the flag."""
    who = ("--endpoint", address, "--model", "зур")
    assert command("write", listed, "--count", 7, "--out", tmp_path / "o", *who).code == 0
    with pytest.raises(RecipeError) as caught:
        kept.calls[0][0][3](False)
    assert (caught.value.message, caught.value.where, caught.value.do) == (
        f"{address} is no address of a server",
        "--endpoint",
        "For example: --endpoint http://127.0.0.1:8000/v1",
    )


def test_a_server_needs_its_library(
    listed: Path, tmp_path: Path, kept: Kept, command: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to install is said before the address is looked at."""
    monkeypatch.setattr(endpoint, "find_spec", lambda name: None)
    who = ("--endpoint", "x/v1", "--model", "зур")
    assert command("write", listed, "--count", 7, "--out", tmp_path / "o", *who).code == 0
    with pytest.raises(RecipeError, match="asking a server needs httpx"):
        kept.calls[0][0][3](False)


def test_what_was_written_is_printed_for_people_and_for_programs(
    listed: Path, tmp_path: Path, kept: Kept, command: Say
) -> None:
    """A line, what is left, and what to do with the texts; or one object."""
    given = ["write", listed, "--count", 7, "--out", tmp_path / "out"]
    given += ["--endpoint", "http://x/v1", "--model", "зур"]
    pattern = json.dumps(f"{tmp_path}/out/башлангыч-1-*.jsonl", ensure_ascii=False)
    table = f'[[source]]\nname = "башлангыч-1"\npath = {pattern}\nsynthetic = true'
    after = f"next: a source of your recipe (endonym explain source)\n\n{table}\n"
    line = "texts · 3 rejects (empty 3) · 70 tokens · 2.0 texts/s in 2.0 s · 1 file\n"
    said = command(*given)
    assert (said.out, said.err) == (f"1\u202f234 {line}", after)
    left = "1\u202f900 are left: the same command with more than --budget-tokens 60 goes on\n"
    kept.written = Written(1_234, 1_900, 4, 2.0, kept.files, 70, {"empty": 3})
    said = command(*given, "--budget-tokens", 60)
    assert (said.out, said.err) == (f"1\u202f234 {line}", left + after)
    found = command(*given, "--budget-tokens", 60, "--json")
    assert found.json() == {
        "texts": 1_234, "rejects": {"empty": 3}, "left": 1_900, "new": 4, "tokens": 70,
        "seconds": 2.0, "files": [str(kept.files[0])], "source": table,
    }  # fmt: skip
    assert found.err == ""
    kept.written = Written(0, 0, 4, 2.0, [], 70, {"empty": 3})
    said = command(*given)
    assert (said.out, said.err) == (f"0 {line.replace('1 file', '0 files')}", "")


def test_a_dry_run_says_what_would_be_and_asks_nobody(
    listed: Path, grammar: Path, tmp_path: Path, kept: Kept, command: Say
) -> None:
    """Of prompts, of a grammar's texts, and of answers to a grammar's prompts."""
    given = ("--count", 12, "--out", tmp_path / "out", "--dry-run")
    who = ("--endpoint", "http://x/v1", "--model", "зур", "--max-tokens", 7)
    tokens = "texts     12 in 1 file\ntokens    at most 84, and those of the prompts\n"
    said = command("write", listed, *given, *who)
    assert said.out == f"{tokens}prompts   3, again and again with other seeds\n"
    found = command("write", listed, *given, *who, "--json").json()
    assert found == {"texts": 12, "files": 1, "most_tokens": 84, "prompts": 3}
    said = command("write", grammar, *given, *who)
    assert said.out == f"{tokens}casts     100 combinations of the slots in [cast]\n"
    found = command("write", grammar, *given, "--seed", 5, "--json").json()
    plan = Plan("g", "grammar", "", 12, 5)
    assert found == writing.foreseen(plan, Grammar.load(grammar), 0)
    assert kept.calls == []
    assert not (tmp_path / "out").exists()


SERVER = ("--endpoint", "http://x/v1", "--model", "зур")
OWN = ("--by", "кечкенә")
LIMITS: list[tuple[tuple[str, ...], str, tuple[Any, Any], tuple[Any, Any]]] = [
    (SERVER, "--count", (1, 10**9), (0, 10**9 + 1)),
    (SERVER, "--seed", (0, 2**63 - 1), (-1, 2**63)),
    (SERVER, "--concurrency", (1, 1_000), (0, 1_001)),
    (SERVER, "--timeout", (1, 86_400), (0, 86_401)),
    (OWN, "--temperature", (0, 100), (-0.01, 100.01)),
    (OWN, "--max-tokens", (1, 1 << 20), (0, (1 << 20) + 1)),
    (OWN, "--budget-tokens", (1, 10**12), (0, 10**12 + 1)),
    ((), "--workers", (1, 10_000), (0, 10_001)),
]


@pytest.mark.parametrize(("who", "flag", "good", "wrong"), LIMITS)
def test_a_number_has_its_limits(
    who: tuple[str, ...], flag: str, good: tuple[Any, Any], wrong: tuple[Any, Any], listed: Path,
    grammar: Path, tmp_path: Path, kept: Kept, command: Say,
) -> None:  # fmt: skip
    """The least and the largest are taken, what lies beyond is not."""
    given = ("write", listed if who else grammar, *who, "--out", tmp_path / "out", "--count", 1)
    given += ("--store", tmp_path / "store")
    for number in good:
        said = command(*given, flag, number)
        assert said.code == 0, said.err
    for number in wrong:
        said = command(*given, flag, number)
        assert said.code == 2
        assert "is not in the range" in said.err
    assert len(kept.calls) == 2


FLAGS = {
    "--workers": ("a grammar alone", "grammar"),
    "--model": ("--endpoint", "endpoint"),
    "--concurrency": ("--endpoint", "endpoint"),
    "--timeout": ("--endpoint", "endpoint"),
    "--temperature": ("--endpoint or --by", "endpoint model"),
    "--max-tokens": ("--endpoint or --by", "endpoint model"),
    "--budget-tokens": ("--endpoint or --by", "endpoint model"),
    "--system": ("--endpoint or --by", "endpoint model"),
}


@pytest.mark.parametrize("kind", ["grammar", "endpoint", "model"])
@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_that_would_do_nothing_is_refused(
    flag: str, kind: str, listed: Path, grammar: Path, tmp_path: Path, kept: Kept, command: Say
) -> None:
    """Even with the value that it has by itself."""
    who = {"grammar": (grammar,), "endpoint": (listed, *SERVER), "model": (listed, *OWN)}[kind]
    usual = {"--workers": 2, "--concurrency": 8, "--temperature": 0.8, "--max-tokens": 512}
    usual |= {"--timeout": 600}
    given = ("--count", 1, "--out", tmp_path / "out", flag, usual.get(flag, 1))
    said = command("write", *who, *given, "--store", tmp_path / "store")
    whose, kinds = FLAGS[flag]
    if kind in kinds.split():
        assert said.code == 0, said.err
        return
    assert (said.code, kept.calls) == (2, [])
    assert f"{flag} is for {whose}; here it does nothing." in " ".join(said.err.split())


@pytest.mark.parametrize(("words", "message"), [
    ((*SERVER, *OWN), "Give --endpoint or --by, one of the two."),
    (SERVER[:2], "--endpoint needs --model NAME: the model's name there."),
    ((), "{path} holds prompts: who answers them, --endpoint or --by?"),
])  # fmt: skip
def test_flags_that_do_not_fit_together_are_refused(
    words: tuple[str, ...], message: str, tmp_path: Path, kept: Kept, command: Say
) -> None:
    """Whoever is to write must be told."""
    path = tmp_path / "a.txt"
    path.write_text("Таң атты.\n", encoding="utf-8")
    said = command("write", path, "--count", 1, "--out", tmp_path / "out", *words)
    assert (said.code, kept.calls) == (2, [])
    assert message.format(path=path) in said.err


@pytest.mark.parametrize("who", [(), SERVER, OWN])
def test_prompts_that_are_not_there_are_told_whoever_writes(
    who: tuple[str, ...], tmp_path: Path, kept: Kept, command: Say
) -> None:
    """The file is missing, rather than one who answers it; nor can a flag be left out."""
    path, given = tmp_path / "юк.txt", ("--count", 1, "--out", tmp_path / "out")
    said = command("write", path, *given, *who, "--store", tmp_path / "store")
    assert (said.code, kept.calls) == (2, [])
    assert f"{path}: there is no such file" in said.err
    for missing in ("--count", "--out"):
        rest = given[2:] if missing == "--count" else given[:2]
        assert f"Missing option '{missing}'" in command("write", path, *rest, *who).err
