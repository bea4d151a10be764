"""The report: its verdict, where over-fitting began, what was copied, no text that breaks it."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endonym.evaluate.score import Score
from endonym.log import append_jsonl
from endonym.model.config import ModelKeys
from endonym.model.families import resolve
from endonym.recipe.recipe import Recipe
from endonym.run.execute import Made, Run
from endonym.run.plan import Stage
from endonym.run.report.copied import longest_copied
from endonym.run.report.corpus import first_sentence
from endonym.run.report.page import page, write_report
from endonym.run.report.scores import gap, group, verdict
from endonym.run.report.training import Look, epoch_marks, overfitting
from endonym.run.report.words import JOINER
from endonym.store import Artifact, Store
from endonym.text.config import Clean, Source, Split
from endonym.text.corpus import make_corpus
from endonym.text.document import Document
from endonym.text.files import source_files
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import fit, report_json, train_tokenizer

HOSTILE = "</p><script>alert('Ярамый!')</script><img src=x onerror=alert(1)> & \"мин\" 'син'"
TATAR = "Мин бүген мәктәпкә барам, ә син өйдә каласың."
KHMER = "ខ្ញុំចង់ទៅសាលារៀន។ គាត់មិនទៅទេ។"
ARABIC = "كان يا ما كان في قديم الزمان."
RECIPE = """
name = "try"
language = "tt"
[[source]]
name = "tatar"
path = "tatar.txt"
document = "line"
[tokenizer]
kind = "bpe"
vocab = 300
[pack]
context = 32
[model]
dim = 16
layers = 1
mixer.heads = 1
[[phase]]
steps = 40
batch_tokens = 64
lr = 1e-3
number_format = "fp32"
[[evaluate]]
kind = "bits"
"""


def score(model: str, value: float, **changes: Any) -> Score:
    frame: dict[str, Any] = {
        "metric": "bits_per_byte",
        "unit": "bits",
        "low": value - 0.03,
        "high": value + 0.03,
        "n_documents": 412,
        "n_bytes": 90_000,
        "n_chars": 50_000,
        "n_tokens": 20_000,
        "source": None,
        "split": "val",
    }
    return Score(model=model, value=value, **{**frame, **changes})


def baselines(**changes: Any) -> list[Score]:
    values = {"uniform": 3.1, "unigram": 2.7, "bigram": 2.31, "compressor": 1.40}
    return [score(name, value, **changes) for name, value in values.items()]


def test_the_verdict_of_a_good_model_stands_beside_what_needs_no_learning() -> None:
    found = verdict([score("model", 1.20), *baselines()])
    assert " ".join(found).replace("\xa0", " ").replace(JOINER, "") == (
        "On 412 held-out documents the model needs 1.20 bits per byte (95 %: 1.17–1.23); counting "
        "pairs of word pieces needs 2.31, a compressor primed with the same text 1.40. "
        "It predicts these texts better than all that needs no learning."
    )


def test_the_verdict_says_that_a_model_near_uniform_has_learnt_nothing() -> None:
    assert "learnt next to nothing" in verdict([score("model", 3.0), *baselines()])[-1]


def test_the_verdict_says_that_a_model_is_worse_than_counting_pairs() -> None:
    assert "worse than counting pairs" in verdict([score("model", 2.5), *baselines()])[-1]


def test_the_verdict_says_that_the_compressor_is_better() -> None:
    assert "the compressor still predicts" in verdict([score("model", 1.64), *baselines()])[-1]


@pytest.mark.parametrize(("value", "rival"), [(2.33, "counting pairs"), (1.41, "the compressor")])
def test_the_verdict_claims_no_difference_inside_the_interval(value: float, rival: str) -> None:
    told = verdict([score("model", value), *baselines()])[-1]
    assert told == f"It cannot be told apart from {rival}."


def test_below_ten_documents_the_verdict_has_no_interval_and_says_so() -> None:
    few = {"low": None, "high": None, "n_documents": 7}
    told = verdict([score("model", 1.20, **few), *baselines(**few)])
    assert "95" not in told[0]
    assert "fewer than 10 documents" in told[-1]
    assert group([score("model", 1.20, **few)]).rows[0].cells[1] == "too few"


def test_the_verdict_without_baselines_is_one_sentence() -> None:
    assert len(verdict([score("model", 1.64)])) == 1
    assert verdict([]) == []


def test_the_verdict_says_on_how_many_documents_the_compressor_was_tried() -> None:
    found = [score("model", 1.64), score("compressor", 1.40, n_documents=20)]
    assert "compressor primed with the same text needs 1.40 (on 20 of them)" in verdict(found)[0]
    assert "20 of the 412 documents" in group(found).notes[0]


def test_a_gap_between_two_texts_is_explained() -> None:
    away = {"split": "fables.txt", "n_documents": 30}
    found = [score("model", 0.9), *baselines(), score("model", 2.4, **away), *baselines(**away)]
    compared = gap(found)
    assert compared is not None
    bars, told = compared
    assert [bar.name for bar in bars.bars] == ["held-out documents", "fables.txt"]
    assert "1.50 more" in told[0]
    assert "the kind of text that it was trained on" in told[0]


def test_a_gap_inside_its_uncertainty_is_not_claimed() -> None:
    compared = gap([score("model", 1.60), score("model", 1.63, split="other.txt")])
    assert compared is not None
    assert "within its uncertainty" in compared[1][0]
    assert gap([score("model", 1.60)]) is None


def looks(*bits: float) -> list[Look]:
    return [Look(10 * n, 1000 * n, n / 2, value, {}) for n, value in enumerate(bits)]


FALLING = [(float(x), 3.0 - x / 10_000) for x in range(0, 6000, 100)]


def test_over_fitting_began_after_the_best_look() -> None:
    told = overfitting(looks(3.0, 2.0, 1.8, 1.9, 2.1), FALLING)
    assert told.startswith("Over-fitting began after step 20 (epoch 1.0)")
    assert "the 2 looks after it were worse, the last by 0.300" in told


def test_a_best_look_at_the_end_is_no_over_fitting() -> None:
    assert "still falling" in overfitting(looks(3.0, 2.0, 1.8), FALLING)


def test_a_level_end_is_no_over_fitting() -> None:
    assert "level after it" in overfitting(looks(3.0, 1.8, 1.8001), FALLING)


def test_a_rise_of_both_losses_is_not_called_over_fitting() -> None:
    rising = [(x, -y) for x, y in FALLING]
    told = overfitting(looks(3.0, 2.0, 1.8, 2.4), rising)
    assert told.startswith("Held-out loss rose after step 20")


def test_a_run_that_was_best_before_its_first_step_says_so() -> None:
    assert overfitting(looks(1.5, 1.6, 1.7), FALLING).startswith(
        "No look was better than the start"
    )


def test_many_epochs_get_few_marks() -> None:
    marks = epoch_marks([{"tokens": 100_000, "epoch": 40.0}])
    assert [mark.name for mark in marks] == ["epoch 5", *map(str, range(10, 45, 5))]
    assert marks[0].x == pytest.approx(12_500)
    assert epoch_marks([{"tokens": 100, "epoch": 0.4}]) == []


def documents(texts: Sequence[str]) -> list[Document]:
    return [Document(text, f"f#{n}", "s") for n, text in enumerate(texts)]


def slow_longest(samples: Sequence[str], texts: Sequence[str]) -> int:
    """Every span of every sample, looked for in every text."""
    spans = {
        s[start:end]
        for s in samples
        for start in range(len(s))
        for end in range(start + 1, len(s) + 1)
        if any(s[start:end] in text for text in texts)
    }
    return max(map(len, spans), default=0)


def test_the_longest_copied_span_is_found_with_its_document() -> None:
    found = longest_copied(
        ["Яңа ел. Мин бүген мәктәпкә бармыйм."], documents(["юк", f"Ә шулай, {TATAR}", KHMER])
    )
    assert found is not None
    assert found.text == " Мин бүген мәктәпкә бар"
    assert (found.document, found.documents, found.is_whole) == ("f#1", 3, True)


@given(
    st.lists(st.text("аб ខ", max_size=30), max_size=3),
    st.lists(st.text("аб ខ", max_size=60), max_size=5),
)
def test_the_fast_search_for_copies_equals_the_slow_one(
    samples: list[str], texts: list[str]
) -> None:
    found = longest_copied(samples, documents(texts))
    assert (len(found.text) if found else 0) == slow_longest(samples, texts)
    if found:
        assert found.text in samples[found.sample]
        assert any(found.text in text for text in texts)


def test_a_search_that_runs_out_of_time_says_how_far_it_came() -> None:
    def slow() -> Iterator[Document]:
        for document in documents([TATAR[:9], TATAR, TATAR]):
            yield document
            time.sleep(0.2)

    found = longest_copied([TATAR], slow(), most_seconds=0.1)
    assert found is not None
    assert (found.text, found.documents, found.is_whole) == (TATAR[:9], 1, False)


def test_a_document_that_repeats_one_letter_for_ever_does_not_take_for_ever() -> None:
    started = time.monotonic()
    endless = documents([("а" * 1998 + "б") * 2000])
    found = longest_copied(["а" * 1999], endless, most_seconds=0.5)
    assert time.monotonic() - started < 5
    assert found is not None
    assert (len(found.text), found.is_whole) == (1998, False)


def test_first_sentences_end_where_the_script_ends_them() -> None:
    assert first_sentence(KHMER) == "ខ្ញុំចង់ទៅសាលារៀន។"
    assert first_sentence("Ул килде. Мин киттем.") == "Ул килде."
    assert first_sentence("3.14 дөрес\nикенче юл") == "3.14 дөрес"


@pytest.fixture
def texts_of_a_run() -> list[str]:
    return [HOSTILE, KHMER, ARABIC, *(f"{TATAR} {n} тапкыр." for n in range(60))]


class Workshop:
    """A run made by hand, stage by stage, of real artefacts without training."""

    def __init__(self, root: Path, texts: Sequence[str]) -> None:
        (root / "tatar.txt").write_text("\n".join(texts) + "\nюк\n", encoding="utf-8")
        (root / "recipe.toml").write_text(RECIPE, encoding="utf-8")
        self.root, self.store = root, Store(root / "store")
        folder = root / "runs" / "try"
        folder.mkdir(parents=True)
        self.run = Run(folder, Recipe.load(root / "recipe.toml"), self.store)

    def add(self, kind: str, name: str, numbers: dict[str, Any]) -> Artifact:
        """A stage with an artefact whose folder is empty so far."""
        stage = Stage(name, kind, {"for": name}, lambda making, inputs, log: {})
        place = self.store.folder(kind, stage.id)
        place.mkdir(parents=True)
        files = {"x": {"bytes": 1234, "sha256": "0" * 64}}
        manifest = {**stage.declared(), "id": stage.id, "numbers": numbers, "files": files}
        made = Made(stage, Artifact(place, manifest), True, 1.5)
        self.run.made.append(made)
        return made.artifact

    def corpus(self) -> None:
        artifact = self.add("corpus", "corpus", {})
        source = Source(name="tatar", path="tatar.txt", document="line")
        make_corpus(
            [(source, source_files(source, self.root))],
            Clean(min_chars=5),
            Split(val_share=0.2),
            seed=1,
            out=artifact.folder,
            advance=lambda n: None,
        )

    def tokenizer(self) -> None:
        artifact = self.add("tokenizer", "tokenizer", {})
        texts = [HOSTILE, TATAR * 3, KHMER, ARABIC]
        made = train_tokenizer(TokenizerConfig(kind="bpe", vocab=270), lambda: iter(texts))
        (artifact.folder / "tokenizer.json").write_text(made.to_json(), encoding="utf-8")
        report = fit(made, [("tatar", TATAR)])
        (artifact.folder / "report.json").write_text(report_json(report), encoding="utf-8")

    def model(self, name: str = "model pretrain", *, has_journal: bool = True) -> None:
        numbers = {"parameters": 9000, "steps": 40, "kept_step": 20, "epochs": 3.0, "tokens": 2560}
        artifact = self.add("model", name, numbers)
        keys = ModelKeys.model_validate({"dim": 16, "layers": 1, "mixer": {"heads": 1}})
        shape = resolve(keys, vocab=270, context=32)
        text = json.dumps(shape.model_dump())
        (artifact.folder / "config.json").write_text(text, encoding="utf-8")
        if has_journal:
            self.journal(self.store.journal("model", artifact.manifest["id"]))

    def journal(self, path: Path) -> None:
        """A journal of a training that over-fits after step 20 and was interrupted once."""
        append_jsonl(path, {"event": "started", "step": 0, "processor": HOSTILE, "threads": 2})
        for step in range(41):
            line: dict[str, Any] = {"event": "step", "step": step, "tokens": 64 * step}
            line |= {"epoch": step * 0.075, "lr": 1e-3, "seconds": 0.1 * bool(step)}
            if step:
                line |= {"train_nats": 3.0, "train_bits_per_byte": 3.0 - step / 20}
            if step % 10 == 0:
                bits = 1.5 + abs(step - 20) / 20
                line |= {
                    "val_nats": 1.0,
                    "val_bits_per_byte": bits,
                    "val_bits_per_byte/tatar": bits,
                }
            append_jsonl(path, line)
            if step in (0, 40):
                text = HOSTILE if step else TATAR
                sample = {"event": "sample", "step": step, "prompt": "", "text": text}
                append_jsonl(path, sample)
            if step == 15:
                append_jsonl(path, {"event": "started", "step": 15, "processor": HOSTILE})

    def evaluation(self) -> None:
        artifact = self.add("evaluation", "evaluation bits", {})
        found = [score("model", 1.55), *baselines(), score("model", 2.0, split=HOSTILE)]
        text = json.dumps([each.as_dict() for each in found])
        (artifact.folder / "scores.json").write_text(text, encoding="utf-8")
        continuation = {"prompt": HOSTILE, "text": KHMER, "finish_reason": "end"}
        text = json.dumps([continuation])
        (artifact.folder / "continuations.json").write_text(text, encoding="utf-8")

    def whole(self) -> str:
        """The report of everything."""
        for make in (self.corpus, self.tokenizer, self.model, self.evaluation):
            make()
        return page(self.run, self.store)


class Reader(HTMLParser):
    """The tags of a page, the links it follows, and whether every tag is closed."""

    VOID = frozenset({"meta", "br", "img", "link"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for key, value in attrs if key in ("src", "href")]
        self.handlers += [key for key, _ in attrs if key.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def workshop(tmp_path: Path, texts_of_a_run: list[str]) -> Workshop:
    return Workshop(tmp_path, texts_of_a_run)


def test_the_report_has_every_section_and_closes_every_tag(workshop: Workshop) -> None:
    html = workshop.whole()
    sections = re.findall(r'<section id="(\w+)">', html)
    assert sections == ["scores", "curves", "samples", "corpus", "tokenizer", "model", "making"]
    assert Reader(html).open == []
    assert "Over-fitting began after step 20" in html
    assert "it was started 2 times" in html
    assert workshop.run.recipe.text.splitlines()[1].replace('"', "&#34;") in html


def test_no_text_of_the_corpus_becomes_markup(workshop: Workshop) -> None:
    html = workshop.whole()
    read = Reader(html)
    assert "script" not in read.tags
    assert "img" not in read.tags
    assert read.handlers == []
    assert html.count("&lt;script&gt;") >= 5


def test_the_report_needs_nothing_from_outside(workshop: Workshop) -> None:
    html = workshop.whole()
    assert all(link.startswith("#") for link in Reader(html).links)
    assert "@import" not in html
    assert "url(" not in html


def test_texts_of_every_direction_find_their_own(workshop: Workshop) -> None:
    html = workshop.whole()
    for opening in re.findall(r"<p class=\"(?:text|tokens)[^>]*>", html):
        assert 'dir="auto"' in opening


def test_the_report_names_the_longest_copy_in_its_samples(workshop: Workshop) -> None:
    html = workshop.whole()
    assert re.search(r'<p class="text copied" dir="auto">.+', html)
    assert "training documents were searched" in html


def test_dropped_texts_stand_in_the_report_with_their_reason(workshop: Workshop) -> None:
    html = workshop.whole()
    assert "<b>min_chars</b>" in html
    assert re.search(r'<p class="text" dir="auto">юк</p>', html)


@pytest.mark.parametrize(
    ("parts", "sections"),
    [
        ([], []),
        (["corpus"], ["corpus", "making"]),
        (["tokenizer"], ["tokenizer", "making"]),
        (["corpus", "tokenizer"], ["corpus", "tokenizer", "making"]),
        (["model"], ["curves", "samples", "model", "making"]),
        (["evaluation"], ["scores", "samples", "making"]),
    ],
)
def test_a_section_without_data_is_left_out(
    workshop: Workshop, parts: list[str], sections: list[str]
) -> None:
    for part in parts:
        getattr(workshop, part)()
    html = page(workshop.run, workshop.store)
    assert re.findall(r'<section id="(\w+)">', html) == sections
    assert Reader(html).open == []


def test_a_model_without_its_journal_is_still_described(workshop: Workshop) -> None:
    workshop.model(has_journal=False)
    html = page(workshop.run, workshop.store)
    assert re.findall(r'<section id="(\w+)">', html) == ["model", "making"]


def test_each_phase_has_curves_of_its_own(workshop: Workshop) -> None:
    workshop.model("model pretrain")
    workshop.model("model cool-down")
    html = page(workshop.run, workshop.store)
    assert "<h3>pretrain</h3>" in html
    assert "<h3>cool-down</h3>" in html


def test_the_report_is_written_as_one_file_into_the_runs_folder(workshop: Workshop) -> None:
    workshop.whole()
    path = write_report(workshop.run, workshop.store)
    assert path == workshop.run.folder / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]


def test_the_report_holds_the_full_identity_of_every_artefact(workshop: Workshop) -> None:
    html = workshop.whole()
    for made in workshop.run.made:
        assert made.artifact.manifest["id"] in html
