"""The model stage: its pre-flight, journal and samples, phases, and how it stops and goes on."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from made_conversations import write_toy_examples
from toys import lively_decoder, toy_config

from endonym import cpu_contention
from endonym.cpu_contention import ContentionMonitor
from endonym.data.example_tokens import ExampleTokens
from endonym.data.shards import TokenShards
from endonym.export import formats
from endonym.generate.language_model import LanguageModel
from endonym.log import read_jsonl
from endonym.model.decoder import Decoder
from endonym.model.weights import load_tensors, narrow
from endonym.pipeline import training
from endonym.recipe.recipe import Recipe
from endonym.train import checkpoint, inputs, loop, validate
from endonym.train.distributed import ALONE
from endonym.train.inputs import reference
from endonym.train.loop import Report, as_metrics
from endonym.train.validate import ValidationResult

Say = Callable[..., Any]


class Killed(BaseException):
    """Stands for a kill: nothing after it runs."""


def journal(project: Path) -> list[dict[str, Any]]:
    (path,) = (project / "store" / "journal").glob("model-*.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def steps(project: Path) -> list[int]:
    return [line["step"] for line in journal(project) if line["event"] == "step"]


def test_the_journal_of_a_training_tells_where_it_ran_and_what_it_saw(finished: Path) -> None:
    lines = journal(finished)
    (began,) = [line for line in lines if line["event"] == "started"]
    assert began["step"] == 0
    (guesses,) = [line for line in lines if line["event"] == "baselines"]
    said = (finished / "runs" / "kechkena" / "log.txt").read_text(encoding="utf-8")
    assert f"bigram {guesses['bigram']:.4f}" in said
    assert began["threads"] == 1
    assert began["versions"]["endonym"] == "0.1.0"
    assert lines[-1]["event"] == "finished"
    validations = [line for line in lines if "dev_nats" in line]
    assert [line["step"] for line in validations] == [0, 8, 16, 24, 32, 40]
    for name in ("tatar", "romanian", "others"):
        assert all(f"dev_bits_per_byte/{name}" in line for line in validations)
    assert validations[-1]["dev_nats"] < validations[0]["dev_nats"] - 1


def test_samples_follow_the_first_prompts_and_are_drawn_as_the_model_learns(
    finished: Path,
) -> None:
    samples = [line for line in journal(finished) if line["event"] == "sample"]
    assert {line["prompt"] for line in samples} == {"Әбием мич янында", "Le facteur"}
    assert [line["step"] for line in samples[::2]] == [0, 8, 16, 24, 32, 40]


def test_samples_are_written_by_the_average_that_is_validated(
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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
    recipe = small_recipe(tmp_path / "project")
    keys = ("phase.0.average=tail", "phase.0.average_share=1.0", "phase.0.steps=8")
    sets = [part for key in keys for part in ("--set", key)]
    store = tmp_path / "project" / "store"
    assert command("run", recipe, "--store", store, "--until", "model", *sets).code == 0
    assert len(seen["validation"]) == len(seen["sample"]) == 2
    assert all(torch.equal(*pair) for pair in zip(*seen.values(), strict=True))
    (handed_on,) = store.glob("model/*/weights.safetensors")
    assert torch.equal(load_tensors(handed_on)["norm.weight"], seen["validation"][-1])


def test_the_numbers_of_a_model_are_those_of_its_run(finished: Path) -> None:
    (folder,) = (finished / "store" / "model").iterdir()
    numbers = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["numbers"]
    assert (numbers["parameters"], numbers["steps"]) == (70_368, 40)
    assert numbers["tokens"] == 40 * 256
    validations = json.loads((folder / "validations.json").read_text(encoding="utf-8"))
    best = min(validations, key=lambda each: each["nats"])
    assert numbers["kept_step"] == best["step"]
    assert numbers["best_nats"] == pytest.approx(best["nats"], abs=1e-6)


def test_the_best_validation_is_what_the_model_reaches_on_dev_text(finished: Path) -> None:
    (folder,) = (finished / "store" / "model").iterdir()
    (shards,) = (finished / "store" / "shards").iterdir()
    validations = json.loads((folder / "validations.json").read_text(encoding="utf-8"))
    dev, decoder = TokenShards(shards, "dev"), LanguageModel.load(folder).decoder
    found = validate.validate(decoder, dev, 1_000_000, "cpu", join=("tatar", "romanian"))
    assert min(each["nats"] for each in validations) == pytest.approx(found.nats, rel=1e-6)


def test_a_kill_between_a_checkpoint_and_its_line_loses_no_validation(
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    finished: Path,
) -> None:
    recipe = small_recipe(tmp_path / "project")
    given = ["run", recipe, "--store", tmp_path / "project" / "store", "--until", "model"]
    save = checkpoint.save

    def save_and_die(*arguments: Any) -> None:
        if save(*arguments).state.step == 16:
            raise Killed

    monkeypatch.setattr(checkpoint, "save", save_and_die)
    with pytest.raises(Killed):
        command(*given)
    assert steps(tmp_path / "project") == list(range(16))
    monkeypatch.setattr(checkpoint, "save", save)
    assert command(*given).code == 0
    assert steps(tmp_path / "project") == list(range(41))
    mended, whole = (
        [
            {key: value for key, value in line.items() if key not in ("seconds", "~")}
            for line in journal(each)
            if line["event"] == "step"
        ]
        for each in (tmp_path / "project", finished)
    )
    assert mended == whole
    assert "dev_nats" in mended[16]


def test_what_was_written_after_the_last_checkpoint_is_written_anew(
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = small_recipe(tmp_path / "project")
    given = ["run", recipe, "--store", tmp_path / "project" / "store", "--until", "model"]

    def die(report: Report) -> dict[str, Any]:
        if report.step == 12:
            raise Killed
        return as_metrics(report)

    monkeypatch.setattr("endonym.pipeline.journal.as_metrics", die)
    with pytest.raises(Killed):
        command(*given)
    assert steps(tmp_path / "project") == list(range(12))
    monkeypatch.undo()
    said = command(*given)
    assert "goes on from step 8" in said.err
    assert "pre-flight" not in said.err
    assert steps(tmp_path / "project") == list(range(41))


def test_a_report_is_one_flat_object() -> None:
    result = ValidationResult(nats=3.5, bits_per_byte=1.25, sources={"tatar": 1.5}, n_tokens=177)
    report = Report(
        step=8,
        steps=40,
        tokens=2048,
        epoch=0.6201234,
        nats=3.4,
        bits_per_byte=1.2,
        lr=1e-3,
        gradient_norm=0.5,
        seconds=0.25,
        validation=result,
        is_best=True,
    )
    assert as_metrics(report) == {
        "event": "step",
        "step": 8,
        "tokens": 2048,
        "epoch": 0.62012,
        "seconds": 0.25,
        "lr": 1e-3,
        "train_nats": 3.4,
        "train_bits_per_byte": 1.2,
        "gradient_norm": 0.5,
        "dev_nats": 3.5,
        "dev_bits_per_byte": 1.25,
        "dev_bits_per_byte/tatar": 1.5,
    }


def test_another_device_than_the_cpu_is_compared_with_it_before_training(
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """torch's other name of the CPU stands for another device, which one harmed weight spoils.

    What the comparison changes is not what overfits the row.
    """
    recipe = small_recipe(tmp_path / "project")
    store = tmp_path / "project" / "store"
    args = ("run", recipe, "--store", store, "--set", "phase.0.steps=2")
    move = Decoder.to

    def harmed(decoder: Decoder, device: str) -> Decoder:
        with torch.no_grad():
            decoder.embedding.weight[:, 0] += 0.1
        return move(decoder, device)

    with monkeypatch.context() as patch:
        patch.setattr(Decoder, "to", harmed)
        said = command(*args, "--device", "cpu:0")
    assert said.code == 1
    assert "pre-flight on cpu" in said.err
    assert "logits differ from those of the CPU" in said.err
    said = command(*args, "--device", "cpu:0")
    assert said.code == 0, said.err
    assert "pre-flight: logits on cpu:0 are those of the CPU to" in said.err
    learnt = "pre-flight: overfits one row, as it should: loss "
    here = command(*args, "--store", tmp_path / "other").err
    assert said.err.partition(learnt)[2].split()[0] == here.partition(learnt)[2].split()[0] != ""


def test_compiling_that_was_asked_for_and_cannot_be_is_said(
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (training, loop):
        monkeypatch.setattr(module, "phase_unsupported_reason", lambda *_: "no compiler here")
    args = ["--store", tmp_path / "store", "--until", "model", "--set", "phase.0.steps=1"]
    said = command("run", small_recipe(tmp_path), *args, "--set", "phase.0.compile=on")
    assert said.code == 0, said.err
    assert 'compile = "on", but nothing is compiled: no compiler here' in said.err


def test_a_crowded_machine_is_said_in_the_midst_of_training(
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From the tenth on, steps seem to take ten times as long; training goes on."""
    original = ContentionMonitor.warning
    monkeypatch.setattr(cpu_contention, "WINDOW", 3)
    seen: list[float] = []

    def slowed(each: ContentionMonitor, seconds: float) -> str | None:
        seen.append(seconds)
        return original(each, 0.1 if len(seen) < 10 else 1.0)

    monkeypatch.setattr(cpu_contention.OtherProcesses, "cores_used", lambda _: 0.0)
    monkeypatch.setattr(ContentionMonitor, "warning", slowed)
    args = ("--store", tmp_path / "project" / "store", "--until", "model")
    said = command("run", small_recipe(tmp_path / "project"), *args, "--set", "phase.0.steps=30")
    assert said.code == 0, said.err
    assert said.err.count("Other programs may be using this machine.") == 1
    assert len(seen) == 30


def two_phases(path: Path, steps: int) -> Path:
    """The recipe with eight steps, and a second phase of so many after them."""
    text = path.read_text(encoding="utf-8").replace("steps = 40", "steps = 8")
    extra = f'[[phase]]\nname = "more"\nsteps = {steps}\nbatch_tokens = 256\nlr = 4e-3\n'
    extra += 'number_format = "fp32"\nsave_every_steps = 2\n\n'
    path.write_text(text.replace("[[evaluate]]", extra + "[[evaluate]]", 1), encoding="utf-8")
    return path


def test_a_run_killed_around_a_switch_of_phases_makes_the_same_bytes(
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the last save of the first phase, the first of the second, and within that."""
    save, made = checkpoint.save, {}
    deaths: list[int] = []

    def save_and_die(*given: Any) -> Any:
        saved = save(*given)
        if deaths and saved.state.step == deaths[0]:
            deaths.pop(0)
            raise Killed
        return saved

    monkeypatch.setattr(checkpoint, "save", save_and_die)
    for name, steps_of_deaths in (("calm", []), ("killed", [8, 0, 2])):
        recipe, store = two_phases(small_recipe(tmp_path / name), 6), tmp_path / name / "store"
        deaths.extend(steps_of_deaths)
        for _ in steps_of_deaths:
            with pytest.raises(Killed):
                command("run", recipe, "--store", store, "--until", "model")
        assert command("run", recipe, "--store", store, "--until", "model").code == 0
        found = sorted(store.glob("model/*/weights.safetensors"))
        made[name] = {path.parent.name: path.read_bytes() for path in found}
    assert len(made["calm"]) == 2
    assert made["killed"] == made["calm"]


def test_two_phases_are_two_models_and_the_second_begins_where_the_first_ended(
    small_recipe: Callable[[Path], Path], command: Say, tmp_path: Path
) -> None:
    path = two_phases(small_recipe(tmp_path / "project"), 2)
    store = tmp_path / "project" / "store"
    said = command("run", path, "--store", store, "--until", "model", "--json").json()
    names = [each["name"] for each in said["stages"] if each["name"].startswith("model")]
    assert names == ["model pretrain", "model more"]
    first, second = (
        json.loads((store / "model" / each["id"] / "validations.json").read_text(encoding="utf-8"))
        for each in said["stages"]
        if each["name"].startswith("model")
    )
    assert second[0]["nats"] == pytest.approx(min(each["nats"] for each in first), abs=1e-6)
    loaded = Recipe.load(path)
    assert [phase.name for phase in loaded.phase] == ["pretrain", "more"]


def test_a_phase_of_one_book_that_no_text_judges_keeps_its_last_step(
    small_recipe: Callable[[Path], Path],
    language_sentences: Callable[[str], list[str]],
    command: Say,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor is it stopped because it is bad at the other texts, of which there is held-out text."""
    monkeypatch.setattr("endonym.train.loss_guard.LEARNT_BY", 1)
    path, book = small_recipe(tmp_path / "project"), language_sentences("french")
    (path.parent / "book.txt").write_text(" ".join(book), encoding="utf-8")
    given = '[[source]]\nname = "book"\npath = "book.txt"\nrepeatable = true\n\n'
    text = path.read_text(encoding="utf-8").replace("[[source]]", given + "[[source]]", 1)
    path.write_text(text.replace("[[phase]]", "[[phase]]\nsources = {book = 1.0}"))
    run = ["run", path, "--store", tmp_path / "project" / "store", "--until", "model"]
    refused = command(*run, "--set", "phase.0.keep=best")
    assert refused.code != 0
    assert 'nothing of "book" is held out' in refused.err
    said = command(*run, "--set", "phase.0.lr=1e-9")
    assert said.code == 0, said.err
    assert 'warning: phase pretrain: nothing of "book" is held out' in said.err
    assert "weights of step 40 of 40 kept" in said.err
    validations = [line for line in journal(tmp_path / "project") if "dev_nats" in line]
    assert all(line["dev_nats"] > 3 for line in validations)
    assert {key for key in validations[0] if key.startswith("dev_bits_per_byte/")} == {
        f"dev_bits_per_byte/{name}" for name in ("tatar", "romanian", "others")
    }


def test_tokens_a_second_are_those_of_training_steps(finished: Path) -> None:
    """Validations and samples do not count: the log says what the journal adds up to."""
    run = finished / "runs" / "kechkena"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    steps = [line for line in lines if line.get("seconds")]
    speed = steps[-1]["tokens"] / sum(line["seconds"] for line in steps)
    (last,) = re.findall(
        r"step +40 of 40 .*bits/byte +· +(.+) tokens/s", (run / "log.txt").read_text("utf-8")
    )
    assert float(last.replace("\u2009", "")) == pytest.approx(speed, rel=0.01)


def test_what_preferences_are_measured_against_is_in_the_number_format_of_the_phase(
    tmp_path: Path,
) -> None:
    """In bf16 weights are rounded: the log-probabilities are those of the rounded ones."""
    folder = tmp_path / "examples"
    write_toy_examples(folder, "preferences", vocab=toy_config().vocab, longest=16)
    found: dict[str, Any] = {}
    for form in ("fp32", "bf16"):
        (tmp_path / form).mkdir()
        phase = SimpleNamespace(objective="preferences", number_format=form)
        config: Any = SimpleNamespace(phase=phase, pack=SimpleNamespace(context=16))
        inputs = {"examples": SimpleNamespace(folder=folder)}
        ctx: Any = SimpleNamespace(inputs=inputs, work=tmp_path / form, device="cpu")
        made = training.example_inputs(config, ctx, lively_decoder, ALONE)
        found[form] = made.references["train"]
    narrowed = lively_decoder()
    narrow(narrowed)
    (tmp_path / "expected").mkdir()
    how: dict[str, Any] = {"context": 16, "device": "cpu", "group": ALONE}
    tokens = ExampleTokens(folder, "train")
    expected = reference(lambda: narrowed, tokens, folder=tmp_path / "expected", **how)
    assert found["bf16"].tolist() == expected.tolist()
    assert found["bf16"].tolist() != found["fp32"].tolist()


def test_an_adapter_that_cannot_be_handed_over_is_told_before_anything_is_trained(
    small_recipe: Callable[[Path], Path],
    command: Say,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(formats, "GGUF_PACKAGES", ("a-package-that-nobody-wrote",))
    recipe, store = small_recipe(tmp_path / "project"), tmp_path / "store"
    more = '\n[[phase]]\nname = "tales"\nsteps = 4\nadapt = {}\n'
    more += '\n[[export]]\nformat = "gguf-adapter"\n'
    recipe.write_text(recipe.read_text(encoding="utf-8") + more, encoding="utf-8")
    said = command("run", recipe, "--store", store)
    assert said.code == 1
    assert "GGUF files need a-package-that-nobody-wrote" in said.err
    assert not [*(store / "model").glob("*/manifest.json")]
    lines = [each for path in store.glob("journal/*.jsonl") for each in read_jsonl(path)]
    assert not [each for each in lines if each["event"] == "step"]
