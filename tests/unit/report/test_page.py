"""The page as a whole: every section, nothing from outside, and no text that breaks it."""

import json
import os
import random
import re
from collections.abc import Sequence
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from artefacts import Files
from made_scores import baselines, score

from endonym.config import Config
from endonym.corpus.corpus import make_corpus
from endonym.disk import write_json
from endonym.formats.config import Clean, Source, Split
from endonym.formats.files import source_files
from endonym.log import append_jsonl
from endonym.model.config import ModelKeys
from endonym.model.families import resolve
from endonym.pipeline.execute import Made, Run
from endonym.pipeline.stage import Stage
from endonym.recipe.recipe import Recipe
from endonym.report.first_look import Counts, FirstLook
from endonym.report.outlook import NextStep, next_steps, outlook
from endonym.report.page import gather, report_page, write_report
from endonym.store import Artifact, Store, write_sealed
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import fit, train_tokenizer

WORDS = (  # of Tatar
    "мин бүген мәктәпкә барам ә син өйдә каласың урманда яшел агач астында карт аю йоклый "
    "кичен йолдызлар яктыра су буенда балалар уйный җил исә яңгыр ява кояш чыга әби күмәч "
    "пешерә"
)
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


def texts_unlike(count: int) -> list[str]:
    """Sentences of which none nearly repeats another."""
    draws = (random.Random(number).choices(WORDS.split(), k=8) for number in range(count))
    return [" ".join(words) + "." for words in draws]


class Named(Config):
    """A stage's config."""

    name: str


class Workshop:
    """A run made by hand, stage by stage, of real artefacts without training."""

    def __init__(self, root: Path, texts: Sequence[str]) -> None:
        (root / "tatar.txt").write_text("\n".join(texts) + "\nюк\n", encoding="utf-8")
        (root / "recipe.toml").write_text(RECIPE, encoding="utf-8")
        self.root, self.store = root, Store(root / "store")
        self.clean = Clean(min_chars=5)
        folder = root / "runs" / "try"
        folder.mkdir(parents=True)
        self.run = Run(folder, Recipe.load(root / "recipe.toml"), self.store)

    def add(self, kind: str, name: str, numbers: dict[str, Any]) -> Artifact:
        """A stage with an artefact whose folder is empty so far."""
        stage = Stage(name, kind, Named(name=name), lambda config, ctx: {})
        folder = self.store.folder(kind, stage.id)
        folder.mkdir(parents=True)
        files = {"x": {"bytes": 1234, "sha256": "0" * 64}}
        manifest = {**stage.declared(), "id": stage.id, "numbers": numbers, "files": files}
        made = Made(stage, Artifact(folder, manifest), True, 1.5)
        self.run.made.append(made)
        return made.artifact

    def corpus(self) -> None:
        artifact = self.add("corpus", "corpus", {})
        source = Source(name="tatar", path="tatar.txt", document="line")
        texts, split = [(source, source_files(source, self.root))], Split(val_share=0.2, seed=1)
        make_corpus(texts, self.clean, split, out=artifact.folder)
        artifact.manifest["files"] |= Files(artifact.folder)

    def tokenizer(self) -> None:
        artifact = self.add("tokenizer", "tokenizer", {})
        texts = [HOSTILE, TATAR * 3, KHMER, ARABIC]
        made = train_tokenizer(TokenizerConfig(kind="bpe", vocab=270), lambda: iter(texts))
        (artifact.folder / "tokenizer.json").write_text(made.to_json(), encoding="utf-8")
        report = fit(made, [("tatar", TATAR)])
        write_json(artifact.folder / "report.json", report)
        artifact.manifest["files"] |= Files(artifact.folder)

    def examples(self, **more: int) -> None:
        numbers = {"objective": "chat", "records": 9, "kept": 8, "cut": 0, "dropped": {"<b>": 1}}
        numbers |= more
        split = {"examples": 4, "tokens": 40, "learnt": 10}
        self.add("examples", "examples sft", {**numbers, "train": split, "dev": split})

    def model(self, name: str = "model pretrain", *, has_journal: bool = True) -> None:
        numbers = {"parameters": 9000, "steps": 40, "kept_step": 20, "epochs": 3.0, "tokens": 2560}
        numbers["unique_tokens"] = 853
        artifact = self.add("model", name, numbers)
        keys = ModelKeys.model_validate({"dim": 16, "layers": 1, "mixer": {"heads": 1}})
        shape = resolve(keys, vocab=270, context=32)
        text = json.dumps(shape.model_dump())
        (artifact.folder / "config.json").write_text(text, encoding="utf-8")
        artifact.manifest["files"] |= Files(artifact.folder)
        if has_journal:
            self.journal(self.store.journal("model", artifact.manifest["id"]))

    def journal(self, path: Path) -> None:
        """A journal of a training that over-fits after step 20 and was interrupted once."""
        append_jsonl(path, {"event": "started", "step": 0, "processor": HOSTILE, "threads": 2})
        baseline = {"uniform": 8.0, "unigram": 2.7, "bigram": 1.3}
        append_jsonl(path, {"event": "baselines", **baseline})
        for step in range(41):
            line: dict[str, Any] = {"event": "step", "step": step, "tokens": 64 * step}
            line |= {"epoch": step * 0.075, "lr": 1e-3 + step * 5e-5, "seconds": 0.1 * bool(step)}
            if step:
                line |= {"train_bits_per_byte": 3.0 - step / 20 + 0.4 * (-1) ** step}
            if step % 10 == 0:
                bits = 1.5 + abs(step - 20) / (20 + step)
                line |= {"dev_nats": 1.0, "dev_bits_per_byte": bits}
                line |= {"dev_bits_per_byte/tatar": bits, "dev_bits_per_byte/хат": bits + 1}
            append_jsonl(path, line)
            if step in (0, 40):
                text = HOSTILE if step else TATAR
                sample = {"event": "sample", "step": step, "prompt": "", "text": text}
                append_jsonl(path, sample)
            if step == 15:
                append_jsonl(path, {"event": "started", "step": 15, "processor": HOSTILE})
        for seconds in (200.0, 70.0):
            append_jsonl(path, {"event": "finished", "wall_seconds": seconds})

    def evaluation(self) -> None:
        artifact = self.add("evaluation", "evaluation bits", {})
        found = [score("model", 1.55), *baselines(), score("model", 2.0, split=HOSTILE)]
        text = json.dumps([asdict(each) for each in found])
        (artifact.folder / "scores.json").write_text(text, encoding="utf-8")
        continuation = {"prompt": HOSTILE, "text": KHMER, "finish_reason": "end"}
        text = json.dumps([continuation])
        (artifact.folder / "continuations.json").write_text(text, encoding="utf-8")
        artifact.manifest["files"] |= Files(artifact.folder)

    def whole(self) -> str:
        """The report of everything."""
        for make in (self.corpus, self.tokenizer, self.model, self.evaluation):
            make()
        return report_page(self.run)


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
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path, [HOSTILE, KHMER, ARABIC, *texts_unlike(60)])


def test_the_report_has_every_section_and_is_whole_and_safe(workshop: Workshop) -> None:
    html = workshop.whole()
    sections = re.findall(r'<section id="(\w+)">', html)
    assert sections == ["scores", "curves", "samples", "corpus", "tokenizer", "model", "making"]
    read = Reader(html)
    assert read.open == []
    assert "Over-fitting began after step 20" in html
    assert "it was started 2 times" in html
    assert workshop.run.recipe.text.splitlines()[1].replace('"', "&#34;") in html
    assert not {"script", "img"} & {*read.tags}, "no text of the corpus becomes markup"
    assert read.handlers == []
    assert html.count("&lt;script&gt;") >= 5
    assert all(link.startswith("#") for link in read.links), "nothing comes from outside"
    assert "@import" not in html
    assert "url(" not in html
    for opening in re.findall(r"<p class=\"(?:text|tokens)[^>]*>", html):
        assert 'dir="auto"' in opening, "texts of every direction find their own"
    assert re.search(r'<p class="text copied" dir="auto">.+', html)
    assert "training documents were searched" in html
    assert "<b>min_chars</b>" in html
    assert re.search(r'<p class="text" dir="auto">юк</p>', html)
    assert all(made.artifact.manifest["id"] in html for made in workshop.run.made)
    path = write_report(workshop.run)
    assert path == workshop.run.folder / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]


def test_what_cleaning_changed_is_marked_in_whole_letters(tmp_path: Path) -> None:
    """Before and after look the same in Khmer, and half of a letter stands on a dotted circle."""
    made = Workshop(tmp_path, ["ភាសាខែ្មរពិរោះណាស់។", *texts_unlike(20)])
    made.clean = Clean(normalize=("khmer_order",))
    made.corpus()
    html = report_page(made.run)
    assert "ភាសា<del>ខែ្ម</del>រ" in html
    assert "ភាសា<ins>ខ្មែ</ins>រ" in html


def test_the_report_shows_no_telephones_whatever_the_recipe_masks(tmp_path: Path) -> None:
    texts = texts_unlike(60)
    rows = [f"тел. 8-917-234-56-{n}, ata{n}@mail.ru, {text}" for n, text in enumerate(texts, 10)]
    made = Workshop(tmp_path, rows)
    made.clean = Clean(min_chars=5, normalize=("spaces",))
    made.corpus()
    made.tokenizer()
    html = report_page(made.run)
    assert not re.findall(r"234-56|@mail", html)
    assert html.count("тел. █-███-███-██-██, █████@████.██") >= 4


SECTIONS = [
    ([], []),
    (["corpus"], ["corpus", "making"]),
    (["examples"], ["answers", "making"]),
    (["tokenizer"], ["tokenizer", "making"]),
    (["corpus", "tokenizer"], ["corpus", "tokenizer", "making"]),
    (["model"], ["curves", "samples", "model", "making"]),
    (["evaluation"], ["scores", "samples", "making"]),
]


@pytest.mark.parametrize(("parts", "sections"), SECTIONS)
def test_an_empty_section_is_left_out(workshop: Workshop, parts: list[str], sections: list[str]):
    for part in parts:
        getattr(workshop, part)()
    html = report_page(workshop.run)
    assert re.findall(r'<section id="(\w+)">', html) == sections
    assert Reader(html).open == []


def test_a_model_without_its_journal_is_still_described(workshop: Workshop) -> None:
    workshop.model(has_journal=False)
    html = report_page(workshop.run)
    assert re.findall(r'<section id="(\w+)">', html) == ["model", "making"]


def test_the_curves_of_a_phase_are_told_in_words(workshop: Workshop) -> None:
    workshop.model("model ел")
    (phase,) = gather(workshop.run)["phases"]
    loss = phase.charts[0]
    assert [each.description for each in phase.charts] == [
        "Dev loss goes from 2.50 to 1.83. Training loss goes from 2.55 to 1.06. "
        "uniform: 8.00. unigram: 2.70. bigram: 1.30.",
        "tatar ends at 1.83. хат ends at 2.83.",
        "Peak 0.003.",
    ]
    assert (loss.low, loss.high) == pytest.approx((0.952, 2.912), abs=1e-3)
    assert phase.legend.endswith("on the dev documents. Outside the chart: uniform (8.00).")
    best = [(mark.x, mark.name, mark.y) for mark in loss.marks if mark.is_strong]
    assert best == [(1280.0, "best 1.500", 1.5)]
    assert phase.notes[1:] == ["The final weights are those of step 20 of 40."]
    assert (phase.name, phase.starts, phase.tokens, round(phase.seconds)) == ("ел", 2, 2560, 4)


@pytest.mark.parametrize(("held_out", "which", "shown"), [(2, "held-out", 4), (0, "learnt", 0)])
def test_a_phase_that_holds_nothing_out_is_validated_on_what_it_learns(
    workshop: Workshop, held_out: int, which: str, shown: int
) -> None:
    workshop.examples(held_out=held_out)
    workshop.model("model sft")
    model = workshop.run.made[-1].artifact
    model.manifest["numbers"]["kept_step"] = 40
    judged = {"dev_accuracy": 0.75, "dev_margin": 0.5, "dev_nats": 0.6}
    last = {"event": "step", "step": 41, "tokens": 2624, "epoch": 3.075, "lr": 1e-3, **judged}
    append_jsonl(workshop.store.journal("model", model.manifest["id"]), last)
    (phase,) = gather(workshop.run)["phases"]
    assert f"dots: validations on {which} text." in phase.legend
    assert phase.notes[0].startswith("Over-fitting began" if held_out else "The final weights")
    assert phase.notes[-2:] == [
        "The final weights are the last ones.",
        f"Of the {which} pairs 75.0% are judged rightly at step 41, by a margin of 0.500 on "
        "average.",
    ]
    assert f"<td>4</td><td>{shown}</td><td>25.0 %</td></tr>" in report_page(workshop.run)


def steps_of(workshop: Workshop, bits: Sequence[float], epoch: float = 1.0) -> list[NextStep]:
    """What is to be done next after validations with these bits, two steps apart."""
    workshop.model(has_journal=False)
    journal = workshop.store.journal("model", workshop.run.made[-1].artifact.manifest["id"])
    for number, value in enumerate(bits):
        line = {
            "event": "step",
            "step": 2 * number,
            "tokens": 128 * number,
            "epoch": epoch * number,
        }
        line |= {"dev_bits_per_byte": value, "train_bits_per_byte": value / 2, "seconds": 30.0}
        append_jsonl(journal, line)
    phase = SimpleNamespace(name="pretrain", steps=40, batch_tokens=64, sources=())
    phase.but = lambda steps: SimpleNamespace(**{**vars(phase), "steps": steps})
    training = SimpleNamespace(phases=[phase], pack=SimpleNamespace(context=32))
    workshop.run.training = cast(Any, training)
    return gather(workshop.run)["outlook"].steps


FALLING, LEVEL = [4.0, 3.0, 2.6, 2.4, 2.2, 2.1], [4.0, 3.0, 2.001, 2.0005, 2.0]
LONGER = (
    "Train twice as long: about {} bits a byte less, in {} min. It was still getting better at "
)
LONGER += "the end. [run {run} --set phase.steps=80]"
TEXTS = "Give it more texts: it has read its texts {} times, and predicts them at {} bits a byte, "
TEXTS += "those it was validated on at {}. More of them can bring a part of this difference, and "
TEXTS += "new words. Put them into the folder of the others, then: [new {recipe} --update]"
WRITE = "Write with it: give it the beginning of a text in your language, and read what it makes "
WRITE += 'of it. [generate {run} "…"]'
IDLE = "Training it longer brings next to nothing: in the last half of the training it gained "
CURVES = [
    (FALLING, 1.0, [(LONGER, "0.15 to 0.55", 5), (TEXTS, "5.0", 1.05, "2.10")]),
    (FALLING, 0.5, [(LONGER, "0.15 to 0.55", 5), (TEXTS, "2.5", 1.05, "2.10")]),
    (FALLING, 0.1, [(LONGER, "0.15 to 0.55", 5), (WRITE,)]),
    (FALLING[:4], 1.0, [(LONGER, "0.18 to 0.66", 3), (TEXTS, "3.0", "1.20", "2.40")]),
    (FALLING[:3], 1.0, [(WRITE,)]),
    (LEVEL, 1.0, [(IDLE + "0.001 bits a byte. []",), (TEXTS, "4.0", "1.00", "2.00")]),
]


@pytest.mark.parametrize(("bits", "epoch", "wanted"), CURVES)
def test_what_is_next_follows_from_the_curve(
    workshop: Workshop, bits: list[float], epoch: float, wanted: list[tuple[Any, ...]]
) -> None:
    """A curve that falls asks for more training, one that rises for more text and no training."""
    given = {"run": workshop.run.folder, "recipe": os.path.relpath(workshop.run.recipe.path)}
    found = steps_of(workshop, bits, epoch)
    assert [f"{each.title}: {each.brings} [{each.command}]" for each in found] == [
        text.format(*figures, **given) for text, *figures in wanted
    ]


def test_twice_the_training_is_asked_for_by_the_key_that_the_recipe_has(workshop: Workshop):
    in_flops = {"phase.0.steps": None, "phase.0.flops": 3e9}
    workshop.run.recipe = workshop.run.recipe.with_values(in_flops)
    longer, _ = steps_of(workshop, [4.0, 3.0, 2.6, 2.4, 2.2, 2.1])
    assert longer.command.endswith(" --set phase.flops=6000000000.0")


def test_no_command_is_advised_that_would_be_refused(workshop: Workshop) -> None:
    """The text may be read five times, and was read four times."""
    counts = {"bytes": 2400, "tokens": 600, "documents": 10}
    workshop.add("shards", "shards", {"train": {"tatar": counts}, "dev": {"tatar": counts}})
    recipe, falling = workshop.run.recipe, [4.0, 3.0, 2.6, 2.4, 2.2, 2.1]
    assert "steps=80" in steps_of(workshop, falling)[0].command
    sources = [recipe.source[0].model_copy(update={"repeatable": 5})]
    other = sources[0].model_copy(update={"name": "other", "path": "other.txt"})
    workshop.run.recipe = recipe.model_copy(update={"source": [*sources, other]})
    texts, _ = gather(workshop.run)["outlook"].steps
    assert texts.title == "Give it more texts"
    assert texts.command.endswith(" --update")


def test_after_conversations_nothing_is_said_of_texts(workshop: Workshop) -> None:
    """Neither more texts nor the compressor, which has read texts, has to do with answers."""
    workshop.evaluation()
    recipe, falling = workshop.run.recipe, [4.0, 3.0, 2.6, 2.4, 2.2, 2.1]
    assert "the compressor" in steps_of(workshop, falling)[0].brings
    chat = recipe.phase[0].model_copy(update={"objective": "chat"})
    workshop.run.recipe = recipe.model_copy(update={"phase": (chat,)})
    longer, talks, ask = gather(workshop.run)["outlook"].steps
    assert (ask.title, ask.command) == ("Ask it a question", f"chat {workshop.run.folder}")
    assert "compressor" not in longer.brings
    assert talks.title == "Give it more conversations"
    assert talks.command.startswith("run ")
    assert "conversations 5.0 times" in talks.brings
    total = {"read": {"bytes": 1_000}, "dropped": {"min_chars": {"bytes": 200}}}
    workshop.add("corpus", "corpus", {"total": total})
    assert next_steps(workshop.run, []) == [longer, talks, ask], "there is room for three"
    nothing = Counts(0, (0.0, 0.0), 0.0)
    for asked, said, steps in (
        ("а", "4 answered", [ask]),  # it gives all answers already
        ("б", "2 answered", [longer, talks, ask]),
    ):
        answers = [("Ничек?", "а", asked), ("Кем?", "а", "а")] * 2
        seen = FirstLook([], nothing, nothing, by_pieces=False, asked=answers)
        found = outlook(workshop.run, [], seen)
        assert found.learnt.startswith("Asked 4 questions of the conversations that it learnt: ")
        assert (found.learnt.endswith(f": {said} as written."), found.steps) == (True, steps)
        assert found.samples == [("Ничек?", asked), ("Кем?", "а"), ("Ничек?", asked)]
    assert outlook(workshop.run, [], None).steps == [longer, talks, ask]
    workshop.add("examples", "examples some", {"held_out": 4, "several_answers": ""})
    assert next_steps(workshop.run, [], answered=0.9) == [longer, talks, ask]
    workshop.add("examples", "examples none", {"held_out": 0, "several_answers": ""})
    again, *others = next_steps(workshop.run, [], answered=0.9)
    assert again.command == longer.command
    assert (others, next_steps(workshop.run, [], answered=1.0)) == ([ask], [ask])
    assert again.title == "Train phase pretrain twice as long"
    assert again.brings.startswith("it learns more of its answers as they are written, in 5 min. ")
    workshop.add("examples", "examples of two minds", {"held_out": 0, "several_answers": "1 has"})
    assert next_steps(workshop.run, [], answered=0.9) == [ask], "it can give one of two only"


LEARNT = "Its answers at temperature 0 to questions that it has learnt: the first 1, not chosen."
FIRST = [
    ([("Ничек?", "а", "б")], LEARNT, "Ничек?"),
    ([], "What it writes by itself: the first 1 texts, not chosen.", ""),
]


@pytest.mark.parametrize(("asked", "note", "prompt"), FIRST)
def test_the_first_screen_says_what_its_texts_are(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, asked: Any, note: str, prompt: str
) -> None:
    workshop.model()
    nothing = Counts(0, (0.0, 0.0), 0.0)
    seen = FirstLook([("", "б")], nothing, nothing, by_pieces=False, asked=asked)
    monkeypatch.setattr("endonym.report.page.first_look", lambda *_: seen)
    html = report_page(workshop.run)
    head, _, rest = html.partition('<div class="first">')
    assert ("0 answered as written.</b></p>" in head) == bool(asked)
    assert f'<p class="note">{note}</p>' in rest
    shown = f'<span class="prompt">{prompt}</span> б' if prompt else "б"
    assert rest.lstrip().startswith(f'<p class="text" dir="auto">{shown}</p>')


def test_what_cannot_be_read_is_no_text_that_rules_have_dropped(workshop: Workshop) -> None:
    steps_of(workshop, [4.0, 3.0, 2.6, 2.4, 2.2, 2.1])
    for reason, is_told in (("truncated", False), ("exact", False), ("min_chars", True)):
        total = {"read": {"bytes": 1_000}, "dropped": {reason: {"bytes": 200}}}
        workshop.add("corpus", f"corpus {reason}", {"total": total})
        told = [each.title for each in next_steps(workshop.run, [])]
        assert ("Look at what was left out" in told) is is_told, reason
        assert len(told) == 2 + is_told
    dropped = next_steps(workshop.run, [])[-1]
    assert dropped.brings.startswith(
        "20 % of your texts (200 B) were dropped by the rules, most as: too short."
    )
    assert dropped.command == f"look {workshop.run.folder} --dropped all"


def test_after_overfitting_no_training_is_advised(workshop: Workshop) -> None:
    stop, texts = steps_of(workshop, [4.0, 3.0, 2.2, 2.1, 2.4, 2.6])
    assert (stop.title, stop.command) == ("Do not train it longer", "")
    assert "after 60 %" in stop.brings
    assert texts.title == "Give it more texts"


def test_each_phase_has_curves_choices_times_and_samples(workshop: Workshop) -> None:
    chosen, tuned = ({"phase.lr": [value, f"of {value}"]} for value in (0.5, 0.25))
    plan = {"choices": {"model.family": ["qwen3", "the usual"], **chosen}}
    write_sealed(workshop.run.folder / "plan.json", {**plan, "tuned": {"choices": tuned}})
    for name in ("a", "b", "c", "d"):
        workshop.model(f"model {name}")
    phase = SimpleNamespace(name="a", number_format="fp32")
    workshop.run.training = cast(Any, SimpleNamespace(phases=[phase] * 4))
    gathered, html = gather(workshop.run), report_page(workshop.run)
    headings = re.findall("<h3>(.)</h3>", html)
    assert html.count("<td>40</td><td>20</td><td>2\u202f560</td><td>853</td><td>3.0</td>") == 4
    rows = [("model.family", "qwen3", "the usual"), ("phase.lr", "0.25", "of 0.25")]
    assert (gathered["model"]["choices"], headings) == (rows, [*"abcd"])
    assert [seconds for _, seconds in gathered["stages"]] == [70.0] * 4
    shown = [(each.phase, each.step, each.epoch) for each in gathered["samples"]]
    assert shown[:2] == [("a", 0, 0.0), ("a", 40, 3.0)]
    assert (len(shown), shown[-1]) == (6, ("d", 40, 3.0))
