"""A rule that fails in one document costs this document, in every command, and is told."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_dirt import lines_of
from text_samples import files
from text_samples import write as write_file

from endonym.autopilot import machine, text_size
from endonym.autopilot.machine import Pace
from endonym.cleaning import corpus_rules, rules
from endonym.cleaning.language import identify
from endonym.commands import new as starter
from endonym.copies.held_out.split import SIDES
from endonym.corpus import chunk_steps
from endonym.corpus.corpus import Corpus, dropped_records, make_corpus
from endonym.errors import SourceError
from endonym.formats import reader
from endonym.formats.config import Clean, Source, Split
from endonym.formats.document import Document, Reject
from endonym.formats.files import source_files
from endonym.formats.io.content import Content
from endonym.log import Log
from endonym.pipeline.evaluation_texts import documents_below
from endonym.recipe.recipe import Recipe
from endonym.survey.diagnosis import diagnose
from endonym.survey.examination import examine
from endonym.survey.survey import survey_texts
from endonym.workers import Inline

BAD = "Ватык җөмлә: моны тикшергәндә код үзе абына, ә калганнары исән кала."
TEXTS = list(dict.fromkeys(lines_of("tt")))[:90]
CLEAN = Clean(
    normalize=("nfc", "zero_width", "spaces"),
    script="cyrillic",
    min_script_share=0.5,
    max_same_skeleton=20,
    language="tt",
    min_language_score=0.01,
)


def breaking(work: Callable[..., Any], bad: str = BAD) -> Callable[..., Any]:
    """The same work, which fails in the bad text."""

    def failing(text: str, *given: Any) -> Any:
        if bad in text:
            raise ZeroDivisionError("no words")
        return work(text, *given)

    return failing


def break_step(monkeypatch: pytest.MonkeyPatch, bad: str = BAD) -> None:
    step = rules.STEPS["spaces"](CLEAN)
    monkeypatch.setitem(rules.STEPS, "spaces", lambda clean: breaking(step, bad))


def break_measure(monkeypatch: pytest.MonkeyPatch, bad: str = BAD) -> None:
    drops = {each.key: each for each in rules.DROPS}
    share = drops["min_script_share"]
    drops[share.key] = replace(share, measure=breaking(share.measure, bad))
    monkeypatch.setattr(rules, "DROPS", tuple(drops.values()))


def break_warnings(monkeypatch: pytest.MonkeyPatch, bad: str = BAD) -> None:
    monkeypatch.setattr(chunk_steps, "text_warnings", breaking(chunk_steps.text_warnings, bad))


def break_rule_of_the_corpus(monkeypatch: pytest.MonkeyPatch, bad: str = BAD) -> None:
    monkeypatch.setattr(corpus_rules, "skeleton", breaking(corpus_rules.skeleton, bad))


def break_language(monkeypatch: pytest.MonkeyPatch, bad: str = BAD) -> None:
    monkeypatch.setattr(identify, "excerpt", breaking(identify.excerpt, bad))


BREAKS = [break_step, break_measure, break_warnings, break_rule_of_the_corpus]


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three Tatar files, the second of which has the bad sentence."""
    monkeypatch.chdir(tmp_path)
    for name, some in (("a", TEXTS[:30]), ("b", [*TEXTS[30:60], BAD]), ("c", TEXTS[60:])):
        write_file(tmp_path, f"tatar/{name}.txt", some)
    return tmp_path / "tatar"


def corpus(folder: Path, clean: Clean = CLEAN, name: str = "corpus") -> Corpus:
    source = Source(name="tatar", path=str(folder), document="line")
    out = folder.parent / name
    make_corpus([(source, files(source))], clean, Split(seed=7), out=out)
    return Corpus(out)


def is_told(rejects: Sequence[Reject]) -> bool:
    """Whether one reject names the file and the error."""
    (refused,) = rejects
    assert refused.id == "b.txt#31"
    assert refused.text == BAD
    return "ZeroDivisionError at " in refused.detail and "(no words)" in refused.detail


@pytest.mark.parametrize("break_it", [*BREAKS, break_language])
def test_a_run_keeps_the_others_and_counts_the_document(
    texts: Path, monkeypatch: pytest.MonkeyPatch, break_it: Callable[..., None]
) -> None:
    break_it(monkeypatch)
    made = corpus(texts)
    assert sorted(each.text for side in SIDES for each in made.documents(side)) == sorted(TEXTS)
    assert is_told(list(dropped_records(made.folder, "cleaning_failed")))
    counted = made.card["total"]["dropped"]["cleaning_failed"]
    assert counted == {"records": 1, "bytes": len(BAD.encode())}
    (warning,) = [each for each in made.card["warnings"] if "fault of endonym" in each]
    assert warning.startswith("tatar: b.txt#31: ")


@pytest.mark.parametrize("break_it", [break_step, break_rule_of_the_corpus])
def test_a_run_that_loses_a_great_share_that_way_ends_and_says_so(
    texts: Path, monkeypatch: pytest.MonkeyPatch, break_it: Callable[..., None]
) -> None:
    break_it(monkeypatch, "иде")
    with pytest.raises(SourceError, match=r"of all bytes cannot be read.*\n.*cleaning_failed  "):
        corpus(texts)
    lost = list(dropped_records(texts.parent / "corpus", "cleaning_failed"))
    assert len(lost) > 10
    allowed = corpus(texts, CLEAN.model_copy(update={"max_unreadable": 1.0}), "allowed")
    assert sum(len(list(allowed.documents(side))) for side in SIDES) == 91 - len(lost)


def test_what_the_machine_lacks_ends_the_run(texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(text: str) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(rules.STEPS, "spaces", lambda clean: full)
    with pytest.raises(OSError, match="No space left"):
        corpus(texts)


@pytest.mark.parametrize("break_it", BREAKS)
def test_the_doctor_finds_it(
    texts: Path, monkeypatch: pytest.MonkeyPatch, break_it: Callable[..., None]
) -> None:
    break_it(monkeypatch)
    in_this_process = lambda size: nullcontext(Inline())  # noqa: E731
    found = diagnose([texts], runner_of=in_this_process, log=Log(quiet=True), language="tt")
    (finding,) = [each for each in found.findings if each.name == "cleaning_failed"]
    assert (finding.count, finding.of) == (1, "record")
    assert "kept from being cleaned" in finding.title
    (example,) = finding.examples
    assert example.place == "b/b.txt#31"
    assert "ZeroDivisionError" in example.why
    assert found.examined.kept.documents > 80


@pytest.mark.parametrize("break_it", BREAKS)
def test_a_new_recipe_is_written_and_says_what_it_could_not_clean(
    texts: Path, monkeypatch: pytest.MonkeyPatch, break_it: Callable[..., None]
) -> None:
    monkeypatch.setattr(machine, "measured_pace", lambda *_, **__: Pace(5_000.0))
    break_it(monkeypatch)
    said: list[str] = []
    log = Log(quiet=True)
    log.warn = said.append  # type: ignore[method-assign]
    folder = texts.parent / "project"
    given: dict[str, Any] = {"language": "tt", "hours": 0.1, "store": texts.parent / "store"}
    path, _ = starter.write_recipe(folder, texts=[texts], log=log, **given)
    recipe = Recipe.load(path)
    raw = [(each, source_files(each, recipe.folder)) for each in recipe.source]
    assert sum(len(each) for _, each in raw) == 3
    if break_it is break_step:
        (warning,) = [each for each in said if "fault of endonym" in each]
        assert warning.startswith("b.txt#31: ")
    card = make_corpus(raw, recipe.clean, Split(seed=1), out=texts.parent / "made")
    assert card["total"]["kept"]["train"]["documents"] > 70


@pytest.mark.parametrize("break_it", [break_step, break_measure, break_rule_of_the_corpus])
def test_a_dry_run_counts_it(
    texts: Path, monkeypatch: pytest.MonkeyPatch, break_it: Callable[..., None]
) -> None:
    break_it(monkeypatch)
    source = Source(name="tatar", path=str(texts), document="line")
    found = examine([(source, files(source))], CLEAN)
    rule = found.rules()["cleaning_failed"]
    assert (found.kept.documents, rule.documents, rule.bytes) == (90, 1, len(BAD.encode()))
    assert [each["id"] for each in rule.samples.values()] == ["b.txt#31"]


def test_a_file_whose_look_fails_is_left_out_of_a_new_recipe_and_named(
    texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_size, "lost_letters", breaking(text_size.lost_letters))
    found = survey_texts([texts], texts.parent, language="tt")
    ((name, why),) = found.skipped
    assert name.endswith("b.txt")
    assert "ZeroDivisionError" in why
    assert [source.path for source, _ in found.sources] == ["tatar/a.txt", "tatar/c.txt"]


def test_texts_to_score_go_on_without_the_file_that_cannot_be_read(
    texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = reader.READERS["txt"]

    def failing(content: Content, *given: Any) -> Iterator[Document | Reject]:
        if content.path is not None and content.path.name == "b.txt":
            raise ZeroDivisionError("no words")
        yield from plain(content, *given)

    monkeypatch.setitem(reader.READERS, "txt", failing)
    said: list[str] = []
    log = Log(quiet=True)
    log.warn = said.append  # type: ignore[method-assign]
    found, names = documents_below(texts, log)
    assert found == [*TEXTS[:30], *TEXTS[60:]]
    assert set(names) == {"a.txt", "c.txt"}
    assert said == ["tatar: not read: 1 that a fault of endonym kept from being read"]
