"""The model stage: phases, samples, what it keeps, and how it goes on after a kill."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from made_conversations import write_lines, write_toy_examples
from progress_bars import bars_of
from small_project import Killed, Project, journal_of
from toys import lively_decoder, toy_config, toy_tokenizer, train_config

from endonym import cpu_contention
from endonym.cpu_contention import ContentionMonitor
from endonym.data.config import PackConfig
from endonym.data.example_tokens import ExampleTokens
from endonym.data.order import Rows, training_order
from endonym.data.shards import TokenShards
from endonym.data.subwords import Subwords
from endonym.export import config as export_config
from endonym.generate.language_model import LanguageModel
from endonym.log import Log, read_jsonl
from endonym.model.decoder import Decoder
from endonym.model.span import Span
from endonym.model.weights import load_tensors, narrow
from endonym.pipeline import preflight, training
from endonym.pipeline.evaluation import questions
from endonym.pipeline.stage import PhaseTraining, StageContext
from endonym.store import Artifact
from endonym.train import checkpoint, inputs, loop
from endonym.train.config import Distill, SourceShare
from endonym.train.distributed import ALONE
from endonym.train.inputs import ValidationResult, reference
from endonym.train.loop import Report, as_metrics

Patch = pytest.MonkeyPatch


def test_the_journal_of_a_training_tells_where_it_ran_and_what_it_saw(finished: Path) -> None:
    guesses, began, *_, last = journal_of(finished)
    assert (began["event"], began["step"], began["threads"]) == ("started", 0, 1)
    assert began["versions"]["endonym"] == "0.1.0"
    said = (finished / "runs" / "kechkena" / "log.txt").read_text(encoding="utf-8")
    assert f"bigram {guesses['bigram']:.4f}" in said
    assert last["event"] == "finished"
    validations = [line for line in journal_of(finished) if "dev_nats" in line]
    assert [line["step"] for line in validations] == [0, 8, 16, 24, 32, 40]
    for name in ("tatar", "romanian", "others"):
        assert all(f"dev_bits_per_byte/{name}" in line for line in validations)
    assert validations[-1]["dev_nats"] < validations[0]["dev_nats"] - 1
    samples = journal_of(finished, "sample")
    assert {line["prompt"] for line in samples} == {"Әбием мич янында", "Le facteur"}
    assert [line["step"] for line in samples[::2]] == [0, 8, 16, 24, 32, 40]


def test_without_prompts_a_sample_begins_as_a_document_does(project: Project) -> None:
    assert project.run(sets=("evaluate=[]", "phase.0.steps=2")).code == 0
    assert {line["prompt"] for line in project.journal("sample")} == {""}


def test_samples_are_written_by_the_average_that_is_validated(project: Project, monkeypatch: Patch):
    seen: dict[str, list[torch.Tensor]] = {"validation": [], "sample": []}
    see, write = inputs.validate, LanguageModel.generate_many

    def noted_validate(decoder: Decoder, *given: Any, **named: Any) -> ValidationResult:
        seen["validation"].append(decoder.norm.weight.detach().clone())
        return see(decoder, *given, **named)

    def sample(self: LanguageModel, *given: Any, **keys: Any) -> Any:
        seen["sample"].append(self.decoder.norm.weight.detach().clone())
        return write(self, *given, **keys)

    monkeypatch.setattr(inputs, "validate", noted_validate)
    monkeypatch.setattr(LanguageModel, "generate_many", sample)
    keys = ("phase.0.average=tail", "phase.0.average_share=1.0", "phase.0.steps=8")
    assert project.run(sets=keys).code == 0
    del seen["sample"][2:]  # those of the report
    assert len(seen["validation"]) == len(seen["sample"]) == 2
    assert all(torch.equal(*pair) for pair in zip(*seen.values(), strict=True))
    (handed_on,) = project.store.glob("model/*/weights.safetensors")
    assert torch.equal(load_tensors(handed_on)["norm.weight"], seen["validation"][-1])


def test_a_model_tells_its_numbers_and_reaches_its_best_validation_on_dev_text(finished: Path):
    (folder,) = (finished / "store" / "model").iterdir()
    (shards,) = (finished / "store" / "shards").iterdir()
    numbers = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["numbers"]
    assert (numbers["parameters"], numbers["steps"], numbers["tokens"]) == (70_368, 40, 40 * 256)
    validations = json.loads((folder / "validations.json").read_text(encoding="utf-8"))
    best = min(validations, key=lambda each: each["nats"])
    assert numbers["kept_step"] == best["step"]
    assert numbers["best_nats"] == pytest.approx(best["nats"], abs=1e-6)
    dev, decoder = TokenShards(shards, "dev"), LanguageModel.load(folder).decoder
    found = inputs.validate(decoder, dev, 1_000_000, "cpu", join=("tatar", "romanian"))
    assert best["nats"] == pytest.approx(found.nats, rel=1e-6)


def test_a_kill_loses_no_validation(project: Project, monkeypatch: Patch, finished: Path):
    save = checkpoint.save

    def save_and_die(work: Path, state: checkpoint.TrainState, *tensors: Any, **how: Any) -> None:
        save(work, state, *tensors, **how)
        if state.step == 16:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_die)
        with pytest.raises(Killed):
            project.run()
    assert project.steps() == list(range(16))
    bars = bars_of(monkeypatch)
    said = project.run("-v", "--until", "evaluation bits").err
    assert {"training", "scoring unseen texts"} <= set(bars)
    assert all(done == pytest.approx(total) for done, total in bars.values()), bars
    assert "goes on from step 16" in said
    assert "first check" not in said
    mended, whole = project.journal("step"), journal_of(finished, "step")
    for line in (*mended, *whole):
        line.pop("seconds", None)
    assert mended == whole
    assert "dev_nats" in mended[16]


def test_a_report_is_one_flat_object() -> None:
    result = ValidationResult(nats=3.5, bits_per_byte=1.25, sources={"tatar": 1.5}, n_tokens=177)
    numbers = {"nats": 3.4, "bits_per_byte": 1.2, "lr": 1e-3, "gradient_norm": 0.5, "seconds": 0.25}
    frame = {"step": 8, "tokens": 2048, "epoch": 0.6201234}
    report = Report(validation=result, is_best=True, **frame, **numbers)
    assert as_metrics(report) == {
        **{"event": "step", "step": 8, "tokens": 2048, "epoch": 0.62012, "seconds": 0.25},
        **{"lr": 1e-3, "train_nats": 3.4, "train_bits_per_byte": 1.2, "gradient_norm": 0.5},
        **{"dev_nats": 3.5, "dev_bits_per_byte": 1.25, "dev_bits_per_byte/tatar": 1.5},
    }


def test_another_device_is_compared_first(project: Project, tmp_path: Path, monkeypatch: Patch):
    """torch's other name of the CPU stands for another device, which one harmed weight spoils.

    What the comparison changes is not what overfits the row.
    """
    move, keys = Decoder.to, ("phase.0.steps=2",)

    def harmed(decoder: Decoder, device: str) -> Decoder:
        with torch.no_grad():
            decoder.embedding.weight[:, 0] += 0.1
        return move(decoder, device)

    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "to", harmed)
        said = project.run("--device", "cpu:0", sets=keys)
    assert said.code == 1
    assert "first check on cpu" in said.err
    assert "logits differ from those of the CPU" in said.err
    there = project.run("-v", "--device", "cpu:0", sets=keys).err
    assert "first check: logits on cpu:0 are those of the CPU to" in there
    here = project.run("-v", "--store", tmp_path / "other", sets=keys).err
    learnt = "first check: overfits one row, as it should: loss "
    assert there.partition(learnt)[2].split()[0] == here.partition(learnt)[2].split()[0] != ""


def test_a_phase_reads_split_tokens(project: Project, monkeypatch: Patch) -> None:
    firsts, split = list[int](), Subwords.split

    def spied(subwords: Subwords, rows: Rows, first: int) -> Rows:
        assert subwords.chance == 0.5
        firsts.append(first)
        return split(subwords, rows, first)

    monkeypatch.setattr(Subwords, "split", spied)
    said = project.run(sets=("phase.0.subword_dropout=0.5", "phase.0.steps=3"))
    assert said.code == 0, said.err
    rows = firsts[-1] // 2
    assert {0, rows, 2 * rows} <= {*firsts}
    assert project.steps() == [0, 1, 2, 3]


@pytest.mark.parametrize(("distill", "is_split"), [
    (None, True), (Distill(), False), (Distill(model="a", live=True), True),
])  # fmt: skip
def test_tokens_are_whole_where_a_teacher_reads_before(
    distill: Distill | None, is_split: bool
) -> None:
    phase, tokenizer = train_config(subword_dropout=0.2), toy_tokenizer("bpe")
    found = training.subwords_of(phase.but(distill=distill), tokenizer, 5)
    assert (found is not None) == is_split
    assert found is None or (found.chance, found.seed) == (0.2, 5)
    assert training.subwords_of(phase.but(subword_dropout=None), tokenizer, 5) is None


class Other:
    """A process that is not the first one, and hears of these baselines."""

    is_first = False

    def broadcast(self, value: Any) -> Any:
        assert value is None
        return {"nats": {"unigram": 3.5}, "bits": {"unigram": 2.25}}


@pytest.mark.parametrize(("sources", "is_judged", "nats"), [
    ({}, True, 2.5), ({"tatar": 0.75, "romanian": 0.25}, True, 2.5),
    ({"tatar": 1.0}, False, math.inf),
])  # fmt: skip
def test_texts_are_read_as_the_phase_and_its_recipe_say(
    finished: Path,
    tmp_path: Path,
    monkeypatch: Patch,
    sources: dict[str, float],
    is_judged: bool,
    nats: float,
) -> None:
    asked = list[Any]()
    figures = {"nats": {"unigram": 2.5}, "bits": {"unigram": 1.5}}
    monkeypatch.setattr(training, "baselines_of", lambda *given: asked.append(given) or figures)
    monkeypatch.setattr(training.device, "pick", lambda name: f"the device {name}")
    if not is_judged:
        monkeypatch.setattr(training, "judged_shares", lambda dev, shares: {})
    (shards,) = (finished / "store" / "shards").iterdir()
    phase = train_config(context=32, subword_dropout=0.375).but(
        sources=tuple(SourceShare(name=name, share=share) for name, share in sources.items())
    )
    pack = PackConfig(context=32, join=("romanian",))
    config = PhaseTraining(model=toy_config(), folder=None, pack=pack, phase=phase, seed=23)
    inputs = {"shards": Artifact(shards, {})}
    ctx = StageContext(shards, tmp_path, tmp_path / "j", inputs, Log(quiet=True), device="b")
    found, bits = training.text_inputs(config, ctx, toy_tokenizer("bpe"), ALONE)
    ((order, dev, tokenizer, shares),) = asked
    assert (tokenizer is toy_tokenizer("bpe"), shares) == (True, sources if is_judged else {})
    wanted = training_order(shards, pack, 23).rows(0, 9)
    assert [each.tolist() for each in order.rows(0, 9)[:3]] == [
        each.tolist() for each in wanted[:3]
    ]
    assert (found.train is order.shards, found.dev is dev, dev.split) == (True, True, "dev")
    assert (found.train.folder, found.train.split, dev.folder) == (shards, "train", shards)
    assert (found.folder, found.unigram_nats, found.device) == (tmp_path, nats, "the device b")
    assert (found.join, found.teach, bits) == (("romanian",), None, {"unigram": 1.5})
    assert found.subwords is not None
    assert (found.subwords.chance, found.subwords.seed) == (0.375, 23)
    other, bits = training.text_inputs(config, ctx, toy_tokenizer("bpe"), Other())
    assert (len(asked), bits) == (1, {"unigram": 2.25}), "the first process measures them"
    assert other.unigram_nats == (3.5 if is_judged else math.inf)
    assert other.subwords is not None
    assert other.subwords.seed == 23


def test_compiling_that_was_asked_for_and_cannot_be_is_said(project: Project, monkeypatch: Patch):
    for module in (preflight, loop.compiler):
        monkeypatch.setattr(module, "phase_unsupported_reason", lambda *_: "no compiler here")
    said = project.run(sets=("phase.0.steps=1", "phase.0.compile=on"))
    assert said.code == 0, said.err
    assert 'compile = "on", but nothing is compiled: no compiler here' in said.err


def test_a_crowded_machine_is_said_in_the_midst_of_training(project: Project, monkeypatch: Patch):
    """From the tenth on, steps seem to take ten times as long; training goes on."""
    original = ContentionMonitor.warning
    monkeypatch.setattr(cpu_contention, "WINDOW", 3)
    seen: list[float] = []

    def slowed(each: ContentionMonitor, seconds: float) -> str | None:
        seen.append(seconds)
        return original(each, 0.1 if len(seen) < 10 else 1.0)

    monkeypatch.setattr(cpu_contention.OtherProcesses, "cores_used", lambda _: 0.0)
    monkeypatch.setattr(ContentionMonitor, "warning", slowed)
    said = project.run(sets=("phase.0.steps=30",))
    assert said.code == 0, said.err
    assert said.err.count("Other programs may be using this machine.") == 1
    assert len(seen) == 30


MORE = """[[phase]]
name = "more"
steps = 4
batch_tokens = 256
lr = 4e-3
number_format = "fp32"
save_every_steps = 2
eval_tokens = 32_768

[[evaluate]]"""


def test_a_second_phase_begins_where_the_first_ended(project: Project, monkeypatch: Patch):
    """What both say of a crowded machine is shown once."""

    def crowded(each: ContentionMonitor, _: float) -> str | None:
        has_warned, each.has_warned = each.has_warned, True
        return None if has_warned else "crowded"

    monkeypatch.setattr(ContentionMonitor, "warning", crowded)
    project.edit(("steps = 40", "steps = 8"), ("[[evaluate]]", MORE))
    said = project.run("--json")
    assert said.err.count("warning: crowded") == 1
    stages = said.json()["stages"]
    models = [each for each in stages if each["name"].startswith("model")]
    assert [each["name"] for each in models] == ["model pretrain", "model more"]
    paths = [project.store / "model" / each["id"] / "validations.json" for each in models]
    first, second = (json.loads(path.read_text(encoding="utf-8")) for path in paths)
    assert second[0]["nats"] == pytest.approx(min(each["nats"] for each in first), abs=1e-6)


def test_a_phase_of_one_book_that_no_text_judges_keeps_its_last_step(
    project: Project, language_sentences: Callable[[str], list[str]], monkeypatch: Patch
) -> None:
    """Nor is it stopped because it is bad at the other texts, of which there is held-out text."""
    monkeypatch.setattr("endonym.train.loss_guard.LEARNT_BY", 1)
    book = project.recipe.parent / "book.txt"
    book.write_text(" ".join(language_sentences("french")), encoding="utf-8")
    source = '[[source]]\nname = "book"\npath = "book.txt"\nrepeatable = true\n\n[[source]]'
    project.edit(("[[source]]", source), ("[[phase]]", "[[phase]]\nsources = {book = 1.0}"))
    refused = project.run(sets=("phase.0.keep=best",))
    assert refused.code != 0
    assert 'nothing of "book" is held out' in refused.err
    said = project.run(sets=("phase.0.lr=0.1", "phase.0.steps=8"))  # it harms the other texts
    assert said.code == 0, said.err
    assert 'warning: phase pretrain: nothing of "book" is held out' in said.err
    assert " · 8 steps · " in said.err
    assert "was the best" not in said.err
    validations = [line for line in project.journal() if "dev_nats" in line]
    assert 3 < validations[0]["dev_nats"] < validations[-1]["dev_nats"]
    judged = {key for key in validations[0] if key.startswith("dev_bits_per_byte/")}
    assert judged == {f"dev_bits_per_byte/{name}" for name in ("tatar", "romanian", "others")}


def test_tokens_a_second_are_those_of_training_steps(finished: Path) -> None:
    """Validations and samples do not count: the log says what the journal adds up to."""
    steps = [line for line in journal_of(finished, "step") if line["seconds"]]
    speed = steps[-1]["tokens"] / sum(line["seconds"] for line in steps)
    said = (finished / "runs" / "kechkena" / "log.txt").read_text("utf-8")
    (last,) = re.findall(r"step +40 of 40 .*bits/byte +· +(.+) tokens/s", said)
    assert float(last.replace("\u202f", "")) == pytest.approx(speed, rel=0.01)


def test_what_preferences_are_measured_against_is_in_the_number_format_of_the_phase(tmp_path: Path):
    """In bf16 weights are rounded: the log-probabilities are those of the rounded ones."""
    folder = tmp_path / "examples"
    write_toy_examples(folder, "preferences", vocab=toy_config().vocab, longest=16)
    found: dict[str, Any] = {}
    for form in ("fp32", "bf16"):
        (tmp_path / form).mkdir()
        phase = train_config(objective="preferences", data="a.jsonl", number_format=form)
        config: Any = SimpleNamespace(phase=phase, pack=SimpleNamespace(context=16))
        inputs = {"examples": SimpleNamespace(folder=folder)}
        ctx: Any = SimpleNamespace(inputs=inputs, work=tmp_path / form, device="cpu")
        made = training.example_inputs(config, ctx, lively_decoder, ALONE)
        found[form] = made.references["train"].tolist()
    narrowed = lively_decoder()
    narrow(narrowed)
    (tmp_path / "expected").mkdir()
    how: dict[str, Any] = {"context": 16, "device": "cpu", "group": ALONE}
    tokens = ExampleTokens(folder, "train")
    expected = reference(lambda: narrowed, tokens, folder=tmp_path / "expected", **how)
    assert found["bf16"] == expected.tolist() != found["fp32"]


def test_a_few_conversations_teach_where_answers_end_and_their_cost_is_told(project: Project):
    asked = ["Cine are cheia?", "Unde e sala?", "Când e pauza?", "Cât costă?", "Ce facem azi?"]
    said = ["Moș Ion.", "Sus.", "La zece.", "Doi lei.", "Cântăm."]
    chats = [{"prompt": f"{n} {each}", "response": said[n % 5]} for n, each in enumerate(asked * 4)]
    chats += [chats[0] | {"response": "Nu știu."}]
    write_lines(project.recipe.parent / "chats.jsonl", chats)
    phase = '[[phase]]\nname = "chats"\nobjective = "chat"\ndata = "chats.jsonl"\nsteps = 4\n'
    project.edit(("context = 32", "context = 64"), ("[[evaluate]]", f"{phase}[[evaluate]]"))
    told = project.run("--until", "evaluation")
    assert told.code == 0, told.err
    log = (project.recipe.parent / "runs" / "kechkena" / "log.txt").read_text(encoding="utf-8")
    told_steps = [
        re.sub(r"\d+\.\d{2,4}|[\d\u202f]+(?= tokens)", "…", line)
        for line in log.splitlines()
        if " of 4 " in line or " 0 of 40 " in line or " 8 of 40 " in line
    ]
    learnt = "what it learns: … bits/byte"
    assert told_steps == [
        "  step  0 of 40 · epoch … · dev … bits/byte",
        "  step  8 of 40 · epoch … · dev … bits/byte · … tokens/s · best",
        f"  step 0 of 4 · epoch … · {learnt}",
        *(f"  step {n} of 4 · epoch … · {learnt} · … tokens/s" for n in range(1, 5)),
    ]
    assert (
        "warning: chat: 1 question has more than one answer, such as “0 Cine are cheia?”: "
        "“Moș Ion.” and “Nu știu.”"
    ) in log
    (path,) = (project.store / "evaluation").glob("*/scores.json")
    rows = [row for row in json.loads(path.read_text()) if row["metric"] == "bits_per_byte"]
    totals = {row["model"]: row["value"] for row in rows if row["source"] is None}
    assert 0 < abs(totals["model"] - totals["before"]) < 1
    folders = [path.parent for path in (project.store / "model").glob("*/tokenizer_config.json")]
    (folder,) = [
        each for each in folders if "im_end" in (each / "tokenizer_config.json").read_text()
    ]
    model = LanguageModel.load(folder)
    (ids,) = questions(["Cine are lemnele?"], model.tokenizer)
    read = torch.tensor([[*model.tokenizer.before, *ids, *model.tokenizer.encode("Moș Ion.")]])
    hidden_BTD, _ = model.decoder(read, Span.after(0, read), None)
    odds_V = model.decoder.readout.logits(hidden_BTD[0, -1]).softmax(-1)
    unseen = [index for index in range(400) if model.tokenizer.bytes_of(index) in (b"\x01", b"~")]
    assert len(unseen) == 2
    assert odds_V[model.tokenizer.stop_ids[1]] > 5 * odds_V[unseen].max()


def test_an_impossible_adapter_is_told_before_training(project: Project, monkeypatch: Patch):
    monkeypatch.setattr(export_config, "find_spec", {"gguf": "installed"}.get)
    tales = '[[phase]]\nname = "tales"\nsteps = 4\nadapt = {}\n[[evaluate]]'
    export = '[[export]]\nformat = "gguf-adapter"\n[[evaluate]]'
    project.edit(("[[evaluate]]", tales), ("[[evaluate]]", export))
    said = project.run()
    assert said.code == 1
    assert "its files need xllamacpp, which" in said.err
    assert not [*(project.store / "model").glob("*/manifest.json")]
    lines = [each for path in project.store.glob("journal/*.jsonl") for each in read_jsonl(path)]
    assert not [each for each in lines if each["event"] == "step"]
