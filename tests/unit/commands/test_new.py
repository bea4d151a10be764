"""The recipe that new writes, and what it says of texts and of its choices."""

import gzip
import hashlib
import json
import os
import random
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fake_web import running_web
from found_texts import write_found_texts
from made_dirt import commands, stubs
from text_samples import RUSSIAN, TATAR

from endonym.autopilot import machine
from endonym.autopilot.machine import Pace
from endonym.autopilot.model_size import MOST_PASSES
from endonym.commands import new as starter
from endonym.commands.check import Checked, check
from endonym.commands.new import describe_model, describe_survey, write_recipe
from endonym.corpus.corpus import make_corpus
from endonym.errors import MissingSource, RecipeError
from endonym.formats.config import Clean, Source, Split
from endonym.formats.files import source_files
from endonym.log import Log, columns, number
from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.families import resolve
from endonym.recipe.recipe import Recipe
from endonym.store import Store
from endonym.survey.diagnosis import diagnose
from endonym.survey.raw_files import FEW_FILES
from endonym.survey.survey import ODD, Left, Survey, survey_texts
from endonym.survey.templates import SHARE
from endonym.workers import Inline

SPEED = 5_000.0
Say = Callable[[str], list[str]]


@pytest.fixture(autouse=True)
def known_speed(monkeypatch: pytest.MonkeyPatch) -> list[ModelConfig]:
    """This machine trains every shape at one speed; the shapes that were asked for."""
    asked: list[ModelConfig] = []

    def speed(work: machine.Workload, _: Path) -> Pace:
        asked.append(work.shape)
        return Pace(SPEED)

    monkeypatch.setattr(machine, "measured_pace", speed)
    return asked


@pytest.fixture
def texts(tmp_path: Path, language_sentences: Say) -> Path:
    return write_found_texts(tmp_path / "texts", language_sentences("tatar"))


def new(
    folder: Path, texts: Path, language: str = "tt", log: Log | None = None, *, hours: float = 0.01
) -> Path:
    given = {"texts": [texts], "store": folder.parent / "store", "log": log or Log(quiet=True)}
    return write_recipe(folder, language=language, hours=hours, **given)[0]


def write(texts: Path, hours: float = 1.0, folder: str = "project") -> str:
    return new(texts.parent / folder, texts, hours=hours).read_text(encoding="utf-8")


def test_the_recipe_is_valid_and_gives_a_reason_for_each_choice(texts: Path) -> None:
    text = write(texts, folder="мой проект")
    recipe = Recipe.load(texts.parent / "мой проект" / "recipe.toml")
    assert (recipe.name, recipe.language) == ("мой-проект", "tt")
    recipe.require_sources()
    assert recipe.clean.script == "cyrillic"
    chosen = ("vocab", "context", "dim", "layers", "lr", "batch_tokens", "schedule", "dropout")
    assert (recipe.phase[0].optimizer, recipe.phase[0].average) == (None, "ema")
    for line in text.splitlines():
        if line.split(" = ")[0] in chosen:
            assert "  # " in line or " # " in line, line
    assert {each.kind for each in recipe.evaluate} == {"bits"}
    assert recipe.export[0].format == "huggingface"


def test_the_texts_are_cleaned_as_the_doctor_recommends(texts: Path) -> None:
    """One examiner: the same rules, and the same sources."""
    (texts / "bots.txt").write_text("\n".join(stubs(60)), encoding="utf-8")
    write(texts)
    recipe = Recipe.load(texts.parent / "project" / "recipe.toml")
    log = Log(quiet=True)
    found = diagnose([texts], language="tt", runner_of=lambda _: nullcontext(Inline()), log=log)
    assert recipe.clean == found.clean
    assert recipe.clean.max_same_skeleton == 20
    doctors = tomllib.loads(found.recipe)["source"]
    assert [each.name for each in recipe.source] == [each["name"] for each in doctors]


def test_a_recipe_in_the_folder_where_one_works_is_called_as_that(
    texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (texts.parent / "әкиятләр").mkdir()
    monkeypatch.chdir(texts.parent / "әкиятләр")
    store, log = texts.parent / "store", Log(quiet=True)
    path, _ = write_recipe(Path(), language="tt", texts=[texts], hours=1.0, store=store, log=log)
    assert Recipe.load(path).name == "әкиятләр"


def test_texts_in_the_network_are_written_with_address_and_hash(
    tmp_path: Path, language_sentences: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.chdir(tmp_path)
    packed = gzip.compress("\n".join(language_sentences("tatar")).encode())
    with running_web() as web:
        web.files["/tt.txt.gz"] = packed
        given: dict[str, Any] = {"texts": [f"{web.url}/tt.txt.gz"], "store": Path("store")}
        path, _ = write_recipe(
            Path("project"), language="tt", hours=0.01, log=Log(quiet=True), **given
        )
    (source,) = Recipe.load(path).source
    assert (source.name, source.path, source.document) == ("tt", given["texts"][0], "line")
    assert source.sha256 == hashlib.sha256(packed).hexdigest()
    (file,) = source_files(source, path.parent)  # The server is gone.
    assert file.path.read_bytes() == packed


@pytest.mark.parametrize("hours", [1e-320, 0.05, 12.0])
def test_training_takes_no_longer_than_the_hours_it_is_given(texts: Path, hours: float) -> None:
    tokens = tomllib.loads(write(texts, hours))["phase"][0]["tokens"]
    assert tokens == 2048 if hours < 1e-9 else 2048 < tokens <= hours * 3600 * SPEED


def test_a_machine_that_others_use_is_said_and_what_was_known_of_it_is_measured_anew(
    texts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = texts.parent / "store" / "machine.json"
    machine.remembered(file, "pace of an older version", lambda: 1.0)
    text = write(texts)
    assert "other programs" not in text
    assert machine.saved_measurement(file, "pace of an older version") is None
    (texts.parent / "project" / "recipe.toml").unlink()
    capsys.readouterr()
    monkeypatch.setattr(machine, "measured_pace", lambda *_, **__: Pace(SPEED, others=1.3))
    text = write(texts)
    assert "tokens/s, probed, while other programs took 1.3 cores from it" in text
    said = " ".join(capsys.readouterr().err.split())
    assert "other programs took 1.3 cores while this machine was measured" in said
    assert "with more `tokens` in [[phase]] it takes longer" in said


def test_the_pace_is_measured_with_the_dropout_that_is_promised(
    texts: Path, known_speed: list[ModelConfig]
) -> None:
    """Random numbers take time: without them more tokens would be promised than are read."""
    dropout = tomllib.loads(write(texts, 0.05))["model"]["dropout"]
    assert dropout > 0
    assert known_speed[-1].dropout > 0


def test_the_time_is_told_by_its_long_parts(
    texts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = {"training": 80.0, "samples": 0.4, "evaluation": 60.0, "export": 2.0}
    check = starter.check
    monkeypatch.setattr(starter, "check", lambda *each: replace(check(*each), parts=parts))
    new(texts.parent / "project", texts, log=Log())
    said = capsys.readouterr().err
    assert "≈ 2 min here: training 80 s · evaluation 60 s (75 % of training)\n" in said


def test_no_more_passes_are_planned_than_teach_something(texts: Path) -> None:
    text = write(texts, 100.0)
    phase = tomllib.loads(text)["phase"][0]
    line = next(each for each in text.splitlines() if each.startswith("tokens = "))
    assert phase["tokens"] < 100 * 3600 * SPEED
    assert "32 epochs; more gain nothing, though there is time" in line
    planned = check(Recipe.load(texts.parent / "project/recipe.toml"), Store(texts.parent / "s"))
    assert planned.epochs == pytest.approx(32, rel=0.02), "one figure in the recipe and in check"


def test_a_recipe_that_is_there_is_never_written_over(texts: Path) -> None:
    text = write(texts)
    with pytest.raises(RecipeError, match=r"recipe\.toml: a recipe is there already") as caught:
        write(texts)
    assert caught.value.exit_code == 2
    assert (texts.parent / "project" / "recipe.toml").read_text(encoding="utf-8") == text


def test_files_that_cannot_be_read_are_named_with_the_reason(texts: Path, tmp_path: Path) -> None:
    left_out = dict(survey_texts([texts], tmp_path).skipped)
    assert {Path(name).name for name in left_out} == {"photo.jpg", "empty.txt"}
    assert all(left_out.values())
    written = new(tmp_path / "project", texts).read_text(encoding="utf-8")
    assert "# left out:" in written
    assert "photo.jpg" in written


def test_many_files_of_one_kind_are_one_source(tmp_path: Path, language_sentences: Say) -> None:
    folder = tmp_path / "អត្ថបទ របស់ខ្ញុំ"
    folder.mkdir()
    sentences = language_sentences("tatar")
    count = FEW_FILES + 5
    for n in range(count):
        text = " ".join(sentences[(n + step) % len(sentences)] for step in range(4))
        (folder / f"{n:03}.txt").write_text(text + "\n", encoding="utf-8")
    (folder / "web.jsonl").write_text(json.dumps({"text": sentences[0]}) + "\n", encoding="utf-8")
    recipe = Recipe.load(new(tmp_path / "រឿង", folder))
    assert (recipe.name, recipe.source[0].name) == ("រឿង", "អត្ថបទ_របស់ខ្ញុំ")
    assert sorted(source.path for source in recipe.source) == [
        "../អត្ថបទ របស់ខ្ញុំ/*.txt",
        "../អត្ថបទ របស់ខ្ញុំ/web.jsonl",
    ]
    recipe.require_sources()


def test_of_a_small_text_enough_is_held_out_for_an_interval(
    tmp_path: Path, language_sentences: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    words, draw = " ".join(language_sentences("tatar")).split(), random.Random(5)
    words += ["".join(draw.choices(words, k=2)) for _ in range(20_000)]
    lines = [" ".join(draw.choices(words, k=9)) for _ in range(3_000)]
    path = tmp_path / "җөмләләр.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    recipe = Recipe.load(new(tmp_path / "project", path))
    assert 0.06 < (recipe.split.val_share or 0) <= 0.25
    # Of less text a quarter is not enough either: the share stays, and is said.
    path.write_text("\n".join(lines[:400]), encoding="utf-8")
    few = Recipe.load(new(tmp_path / "few", path, log=Log()))
    assert few.split.val_share is None
    assert "too few for an interval of the score" in capsys.readouterr().err


def test_a_language_that_is_no_code_is_refused_and_nothing_is_left(
    texts: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match="language"):
        new(tmp_path / "project", texts, language="Tatar, please")
    assert not (tmp_path / "project" / "recipe.toml").exists()


def test_a_language_by_its_name_fails_at_once_with_its_code(
    texts: Path, tmp_path: Path, known_speed: list[ModelConfig]
) -> None:
    with pytest.raises(RecipeError, match=r'^--language: "romanian" is no language code') as caught:
        new(tmp_path / "project", tmp_path / "nothing here", language="romanian")
    assert "--language ro for Romanian" in caught.value.do
    assert known_speed == []


@pytest.mark.parametrize(
    ("given", "written", "said"),
    [
        ("tat", "tt", "language tat: the recipe has its usual code, tt"),
        ("tat-Latn", "tt-Latn", "usual code, tt-Latn"),
        ("tar", "tar", "or tt (Tatar)?"),
        ("kh", "kh", "did you mean km (Khmer)?"),
    ],
)
def test_the_recipe_has_the_usual_code_and_an_unknown_one_is_warned_of(
    texts: Path, capsys: pytest.CaptureFixture[str], given: str, written: str, said: str
) -> None:
    recipe = Recipe.load(new(texts.parent / "project", texts, language=given, log=Log()))
    assert recipe.language == written
    assert said in " ".join(capsys.readouterr().err.split())


def test_texts_that_are_left_out_stand_in_the_recipe_as_comments_that_can_be_used(
    texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (texts / "книга.txt").write_text(f"{RUSSIAN[0]}\n" * 9, encoding="utf-8")
    table = f'question,answer\n"{TATAR[0]}","{TATAR[1]}"\n'
    (texts / "сөйләшү.csv").write_text(table, encoding="utf-8")
    path = new(tmp_path / "project", texts)
    recipe, text = Recipe.load(path), path.read_text(encoding="utf-8")
    assert "книга" not in {source.name for source in recipe.source}
    left = "# left out, as it reads like another language: all of it reads like Russian"
    comment = text[text.index(left) :].partition("\n\n")[0]
    table = "\n".join(line.removeprefix("# ") for line in comment.splitlines()[2:])
    path.write_text(text.replace(comment, table), encoding="utf-8")
    taken = Recipe.load(path)
    assert taken.source[-1].path == "../texts/книга.txt"
    taken.require_sources()
    sources = {source.path for source in taken.source}
    assert taken.phase[1].data == "../texts/сөйләшү.csv" not in sources
    assert "../texts/книга.txt: all of it reads like Russian" in (
        " ".join(capsys.readouterr().err.split())
    )


def test_muon_is_not_taken_where_its_probe_allows_more_passes_than_were_promised(
    texts: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def pace(work: machine.Workload, _: Path) -> Pace:
        return Pace(SPEED * (3 if work.config.optimizer == "muon" else 1), others=1.3)

    monkeypatch.setattr(machine, "measured_pace", pace)
    monkeypatch.setattr(machine, "promised_seconds", lambda *_, **__: 1 / SPEED)
    once = replace(survey_texts([texts], texts.parent / "project"), text_bytes=10**8)
    monkeypatch.setattr(starter, "survey_texts", lambda *_, **__: once)
    capsys.readouterr()
    phase = tomllib.loads(write(texts))["phase"][0]
    assert capsys.readouterr().err.count("this machine was measured") == 1
    assert phase["tokens"] == SPEED * 3600 * starter.OVERHEAD
    assert "optimizer" not in phase
    assert phase["batch_tokens"] == 2048
    assert phase["lr"] <= 3e-3


def test_text_that_is_read_once_is_promised_at_the_pace_of_muon(
    texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def pace(work: machine.Workload, _: Path) -> Pace:
        asked.append(work.config)
        return Pace(SPEED)

    monkeypatch.setattr(machine, "measured_pace", pace)
    found = survey_texts([texts], texts.parent / "project")
    much = replace(found, text_bytes=10**8)
    monkeypatch.setattr(starter, "survey_texts", lambda *_, **__: much)
    text = write(texts)
    phase = tomllib.loads(text)["phase"][0]
    assert (phase["optimizer"], phase["batch_tokens"], phase["lr"]) == ("muon", 4096, 6e-3)
    assert (asked[-1].optimizer, asked[-1].batch_tokens) == ("muon", 4096)
    assert "average" not in phase
    passes = re.findall(r"# about (\d\.\d) epochs", text)
    assert len(passes) == 3
    assert len(set(passes)) == 1, "optimizer, dropout and decay speak of the same epochs"
    most = Recipe.load(new(texts.parent / "long", texts, hours=1e4)).phase[0].tokens or 0
    hours = 1.95 * most / MOST_PASSES / (SPEED * 3600 * starter.OVERHEAD)
    phase = tomllib.loads(write(texts, hours, "short"))["phase"][0]
    assert "average" not in phase, "epochs are counted with the ends of documents"


def test_texts_in_a_folder_whose_name_is_not_utf8_have_a_recipe(
    tmp_path: Path, language_sentences: Say, known_speed: list[ModelConfig]
) -> None:
    folder = tmp_path / os.fsdecode(b"\xcf\xf0\xe8")
    write_found_texts(folder, language_sentences("tatar"))
    new(tmp_path / "project", folder)
    recipe = Recipe.load(tmp_path / "project" / "recipe.toml")
    assert all(each.path.startswith("../???/") for each in recipe.source)
    assert all(source_files(each, recipe.folder) for each in recipe.source)


def test_after_a_failure_nothing_is_left_that_the_next_one_refuses(
    texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for failure in (MissingSource("the folder is gone"), KeyboardInterrupt()):

        def fails(*_: object, failure: BaseException = failure) -> None:
            raise failure

        monkeypatch.setattr(starter, "check", fails)
        with pytest.raises(type(failure)):
            write(texts)
        assert list((texts.parent / "project").iterdir()) == []


def messy(folder: Path, sentences: list[str]) -> Path:
    """Good sentences beside small tables with bad rows, and bad JSON."""
    folder.mkdir()
    sentences = sentences * 20
    (folder / "good.txt").write_text("\n".join(sentences * 2), encoding="utf-8")
    rows = [f'{number},"{text}",A' for number, text in enumerate(sentences[:100])]
    rows[7], rows[40] = '7,"ачык җәя,A', "40,бер,ике,өч,дүрт"
    (folder / "small.csv").write_text("\n".join(["id,text,author", *rows]), encoding="utf-8")
    cells = [f"{text}\t{number}" for number, text in enumerate(sentences[:40])]
    (folder / "t.tsv").write_text("\n".join(["text\tn", *cells, "а\tб\tв"]), encoding="utf-8")
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in sentences[:60]]
    lines[3::7] = ['{"text": "өзел'] * len(lines[3::7])
    (folder / "rows.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.mark.parametrize("bad", [0, 400])
def test_a_new_recipe_of_a_messy_folder_makes_its_corpus(
    tmp_path: Path, language_sentences: Say, bad: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many bad rows the recipe allows them and says so; a few need nothing."""
    sentences = language_sentences("tatar")
    folder = messy(tmp_path / "texts", sentences)
    if bad:  # late in a file, where only the survey looks
        monkeypatch.setattr(starter, "LIMIT_BYTES", 20_000)
        rows = [f"{text};{text}" for text in sentences] * 4 + ["артык;өч;багана"] * bad
        (folder / "bad.csv").write_text("\n".join(["a;b", *rows]), encoding="utf-8")
    said: list[str] = []
    log = Log(quiet=True)
    log.warn = said.append  # type: ignore[method-assign]
    recipe = Recipe.load(new(tmp_path / "project", folder, log=log))
    assert any("rows.jsonl; the first: line 4:" in each for each in said)
    assert (recipe.clean.max_unreadable > Clean().max_unreadable) == bool(bad)
    raw = [(each, source_files(each, recipe.folder)) for each in recipe.source]
    card = make_corpus(raw, recipe.clean, Split(seed=1), out=tmp_path / "corpus")
    assert card["total"]["dropped"]["bad_row"]["records"] == 3 + bad
    assert any(each.startswith("rows: ") and "bad_json" in each for each in card["warnings"])


def said(survey: Survey, capsys: pytest.CaptureFixture[str], log: Log | None = None) -> str:
    describe_survey(survey, "tt", Path("m"), log or Log())
    return capsys.readouterr().err


def test_a_mixed_folder_is_summarised_within_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = "рус теле/" * 12 + "китап.txt"
    why = "0.0% of its letters are ә ө ү җ ң һ, against 11.6% in other texts"
    text = said(
        Survey(
            sources=[(Source(name="a", path="a.txt"), "")],
            left=[Left(ODD, long, why, 130_000, Source(name="b", path=long))],
            convertible=["хат.doc", *(f"{n}.ppt" for n in range(1_205))],
            unreadable={"broken.txt": "binary data: too many control characters"},
            encodings=Counter({"utf-8": 5, "cp1251": 1}),
            **{"files": 1_208, "used": 6},
            text_bytes=870_000,
            all_documents=31_983.2,
        ),
        capsys,
    )
    assert all(columns(line) <= 80 for line in text.splitlines() if "китап.txt" not in line)
    flat = re.sub("[ \\n]+", " ", text)
    for part in (
        f"{number(1208)} files opened, 6 used: 870.0 kB, ≈ {number(32000)} documents",
        "5 utf-8, 1 cp1251 (guessed",
        f"not read хат.doc, 0.ppt, 1.ppt, 2.ppt, 3.ppt and {number(1201)} more: save them as",
        "Tatar: 1 source · 1 file (130.0 kB, 13%) in another, left out",
        f"китап.txt: {why}",
        "broken.txt cannot be read, and is left out: binary",
    ):
        assert part in flat


def test_parts_of_a_run_that_take_little_of_its_time_are_not_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    keys = ModelKeys.model_validate({"dim": 64, "layers": 2, "mixer": {"heads": 2}})
    shape = resolve(keys, vocab=512, context=64)
    parts = {"training": 950.0, "scoring": 50.0, "export": 1.0}
    figures = {"train_tokens": 1_000, "text_tokens": 1_000, "epochs": 2.0, "seconds": 1_000.0}
    checked = SimpleNamespace(shape=shape, parts=parts, **figures)
    describe_model(cast(Checked, checked), Log())
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith("here: training 16 min · scoring 50 s (5 % of training)")
    )


def test_a_plain_folder_is_three_lines_without_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = Survey(sources=[(Source(name="a", path="a"), "")], encodings=Counter({"utf-8": 1}))
    plain.all_documents = 4.0
    text = said(plain, capsys)
    assert len(text.splitlines()) == 3
    assert "warning" not in text
    plain.doubt = "no text reads like Tatar: 0.0% of its letters are ә"
    assert "warning: no text reads like Tatar" in said(plain, capsys)
    plain.doubt, plain.all_documents = "", 3.0
    assert "warning: the run will end: documents left: 3; " in said(plain, capsys)


def test_a_rule_that_would_drop_most_of_the_texts_is_not_written_but_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("\n".join([*RUSSIAN * 20, *TATAR[:5]]), "utf-8")
    recipe = Recipe.load(new(tmp_path / "project", tmp_path / "texts", log=Log()))
    assert recipe.clean.min_language_score is None
    assert re.search(r"for that\.\s+Is\s+--language\s+tt", capsys.readouterr().err)


def test_a_source_of_templates_is_named_and_weighed_down(
    tmp_path: Path, language_sentences: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder := tmp_path / "texts").mkdir()
    (folder / "prose.txt").write_text("\n".join(language_sentences("tatar")), encoding="utf-8")
    (folder / "commands.txt").write_text("\n".join(commands(1_500)), encoding="utf-8")
    recipe = Recipe.load(new(tmp_path / "project", folder, log=Log()))
    assert "warning: commands was filled in by a program" in capsys.readouterr().err
    assert recipe.phase[0].sources == {"commands": SHARE, "*": 1 - SHARE}
    assert recipe.tokenizer.sources == recipe.phase[0].sources
    assert [source.name for source in recipe.source if source.repeatable] == ["commands"]
    (folder / "prose.txt").unlink()
    alone = Recipe.load(new(tmp_path / "alone", folder))
    assert alone.phase[0].sources is None
