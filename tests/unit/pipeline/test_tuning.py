"""Short trainings that settle rate and decay: what is tried, what it costs, what comes out."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from endonym.autopilot import probe
from endonym.autopilot.model_size import Choice, Choices
from endonym.autopilot.resolve import ResolvedTraining, facts_of, resolve_training
from endonym.data.order import Rows
from endonym.data.shards import TokenShards
from endonym.data.subwords import Subwords
from endonym.errors import RecipeError, TrainingError
from endonym.log import Log
from endonym.model.prune_config import Prune
from endonym.pipeline import tuning
from endonym.pipeline.execute import Run, run_recipe
from endonym.pipeline.tuning import tune
from endonym.recipe.recipe import Recipe
from endonym.store import Artifact, Store
from endonym.train.config import Distill, TrainConfig
from endonym.train.inputs import TrainingInputs
from endonym.train.loop import Training

Written = Callable[[Path], Path]

Patch = pytest.MonkeyPatch

TOKENS_A_SECOND = 5_000.0
LR, EMBEDDING_LR, DECAY = "phase.0.lr", "phase.0.embedding_lr", "phase.0.weight_decay"


@dataclass
class Bench:
    """The shards of the small recipe, its training, and what trials were made of it."""

    training: ResolvedTraining
    shards: Artifact
    tried: list[TrainConfig]

    def tune(self, minutes: float = 1.0, **keys: object) -> Choices:
        changes = {f"phase.0.{key}": Choice(value, "") for key, value in keys.items()}
        return tune(self.training.with_choices(changes), self.shards, minutes, log=Log(quiet=True))


@pytest.fixture
def bench(finished: Path, monkeypatch: Patch) -> Bench:
    """Trials that are judged by a formula: best at lr = 0.006 and decay = 0.06."""
    tried: list[TrainConfig] = []

    def bits(trials: tuning.Trials, phase: TrainConfig) -> float:
        tried.append(phase)
        decay = phase.weight_decay or 0.06
        return 2.0 + abs(math.log(phase.lr / 6e-3)) + abs(math.log(decay / 0.06))

    monkeypatch.setattr(tuning.Trials, "trial_bits", bits)
    monkeypatch.setattr(probe, "plain", lambda *_: TOKENS_A_SECOND)
    return Bench(*opened(finished), tried)


def opened(finished: Path) -> tuple[ResolvedTraining, Artifact]:
    """What the finished small recipe trained, at other rates, and its shards."""
    plan = json.loads((finished / "runs" / "kechkena" / "plan.json").read_text(encoding="utf-8"))
    recipe = Recipe.load(finished / "recipe.toml")
    choices = {key: Choice(*pair) for key, pair in plan["choices"].items()}
    (made,) = (each["id"] for each in plan["stages"] if each["stage"] == "shards")
    shards = Store(finished / "store").find("shards", made)
    training = resolve_training(
        recipe, choices, facts_of(shards), TokenShards(shards.folder, "train").vocab
    )
    rates = {LR: Choice(3e-3, ""), EMBEDDING_LR: Choice(6e-3, ""), DECAY: Choice(0.2, "")}
    return training.with_choices(rates), shards


def test_rates_are_tried_first_and_the_decay_at_the_best_of_them(bench: Bench) -> None:
    """The reasons hold what was tried and where it started."""
    found = bench.tune()
    pairs = [(each.lr, each.weight_decay) for each in bench.tried]
    assert pairs == [(1.5e-3, 0.2), (3e-3, 0.2), (6e-3, 0.2), (6e-3, 0.06), (6e-3, 0.6)]
    assert [each.embedding_lr for each in bench.tried] == [3e-3, 6e-3, 12e-3, 12e-3, 12e-3]
    values = {key: choice.value for key, choice in found.items()}
    assert values == {LR: 6e-3, EMBEDDING_LR: 12e-3, DECAY: 0.06}
    assert "instead of 0.003" in found[LR].reason
    assert "0.0015 4.5903 · 0.003 3.8971 · 0.006 3.2040" in found[LR].reason
    assert "0.06 2.0000 · 0.2 3.2040 · 0.6 4.3026" in found[DECAY].reason
    assert found[EMBEDDING_LR].reason == "in proportion to lr"


def test_what_is_best_already_stays(bench: Bench) -> None:
    found = bench.tune(lr=6e-3, weight_decay=0.06)
    assert (found[LR].value, found[DECAY].value) == (6e-3, 0.06)


def test_decay_stays_where_trials_read_less_than_half_of_the_phase(bench: Bench) -> None:
    """The minutes then go to the trials of the rate."""
    bench.tune()
    lasting = len(bench.tried)
    found = bench.tune(1.0, steps=2_000)
    assert set(found) == {LR, EMBEDDING_LR}
    assert len(bench.tried) - lasting == 3


def test_another_rate_is_taken_only_for_more_than_seeds_differ_by(bench: Bench, monkeypatch: Patch):
    for gain, taken in ((0.001, 3e-3), (0.003, 6e-3)):
        bits = {1.5e-3: 2.5, 3e-3: 2.0, 6e-3: 2.0 - gain}
        monkeypatch.setattr(tuning.Trials, "trial_bits", lambda _, phase, bits=bits: bits[phase.lr])
        assert bench.tune()[LR].value == taken


def test_too_few_minutes_for_five_may_do_for_three(bench: Bench, monkeypatch: Patch):
    """Of 20 steps, each of 256 tokens, and of validations a quarter as long at most."""
    monkeypatch.setattr(tuning, "VALIDATION_SHARE", 0.0)
    least = 20 * 256 / TOKENS_A_SECOND / 60
    found = bench.tune(3.2 * least, steps=2_000)
    assert set(found) == {LR, EMBEDDING_LR}
    with pytest.raises(RecipeError, match="too few"):
        bench.tune(2.8 * least, steps=2_000)


def test_no_decay_is_not_scaled(bench: Bench) -> None:
    found = bench.tune(weight_decay=0.0)
    assert set(found) == {LR, EMBEDDING_LR}
    assert len(bench.tried) == 3


def test_failed_trials_are_infinitely_bad(bench: Bench, monkeypatch: Patch):
    monkeypatch.setattr(
        tuning.Trials, "trial_bits", lambda _, phase: 9.0 if phase.lr < 2e-3 else math.inf
    )
    found = bench.tune()
    assert found[LR].value == 1.5e-3
    assert "0.0015 9.0000 · 0.003 failed · 0.006 failed" in found[LR].reason
    monkeypatch.setattr(tuning.Trials, "trial_bits", lambda _, phase: math.inf)
    assert bench.tune() == {}


def test_trainings_and_their_validations_take_the_minutes_that_were_given(finished: Path) -> None:
    training, shards = opened(finished)
    long = training.with_choices({"phase.0.steps": Choice(10_000_000, "")})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "plain", lambda *_: TOKENS_A_SECOND)
        trials = tuning.Trials(long, shards, 1.5, "cpu")
        brief = tuning.Trials(training, shards, 30.0, "cpu")
    validations = 2 * trials.validation_tokens * tuning.FORWARD_SHARE
    assert trials.tokens + validations == pytest.approx(1.5 * TOKENS_A_SECOND, rel=1e-3)
    assert 0 < validations < trials.tokens
    held_out = sum(each["tokens"] for each in shards.numbers["dev"].values())
    assert 0 < trials.validation_tokens <= held_out
    assert brief.tokens == 40 * 256, "a trial is never longer than the phase"


def test_too_few_minutes_are_refused_with_how_many_it_takes(bench: Bench) -> None:
    with pytest.raises(RecipeError, match=r"^--tune: .* \d+ steps: too few") as caught:
        bench.tune(0.01)
    assert caught.value.where == "--tune"
    times = float(caught.value.do.split()[1])
    assert bench.tried == []
    bench.tune(0.01 * times * 1.05)


def test_a_trial_is_the_phase_on_the_asked_device(finished: Path, monkeypatch: Patch):
    given, shards = opened(finished)
    seen: list[Training] = []
    probed: list[tuple[str, int]] = []
    train = Training.reports

    def reports(training: Training) -> Any:
        seen.append(training)
        return train(training)

    def plain(decoder: object, phase: object, device: str, document: int) -> float:
        probed.append((device, document))
        return TOKENS_A_SECOND

    monkeypatch.setattr(Training, "reports", reports)
    monkeypatch.setattr(probe, "plain", plain)
    trials = tuning.Trials(given, shards, 1.2, "cpu:0")
    bits = trials.trial_bits(given.phases[0])
    (training,) = seen
    assert 1.0 < bits < 12.0
    assert facts_of(shards).mean_document_tokens > given.pack.context
    assert probed == [(training.inputs.device, given.pack.context)] == [("cpu:0", 32)]
    inputs = training.inputs
    assert isinstance(inputs, TrainingInputs)
    assert (inputs.unigram_nats, inputs.subwords, inputs.teach) == (math.inf, None, None)
    assert inputs.join == given.pack.join == ("tatar", "romanian")
    assert (training.seed, [each.split for each in (inputs.train, inputs.dev)]) == (
        given.seed,
        ["train", "dev"],
    )
    assert training.state.validations[0]["step"] == 0
    assert [each["step"] for each in training.state.validations] == [0, training.config.steps]
    assert training.config.steps == -(-trials.tokens // 256)
    assert training.config.lr == 3e-3


def test_a_trial_opens_train_and_dev_text_and_no_test_text(finished: Path, monkeypatch: Patch):
    """What chooses a rate must not have seen what judges the model."""
    given, shards = opened(finished)
    splits: list[str] = []
    open_ = TokenShards.__init__

    def opens(tokens: TokenShards, folder: Path, split: Any) -> None:
        splits.append(split)
        open_(tokens, folder, split)

    monkeypatch.setattr(TokenShards, "__init__", opens)
    monkeypatch.setattr(probe, "plain", lambda *_: TOKENS_A_SECOND)
    trials = tuning.Trials(given, shards, 1.2, "cpu")
    assert trials.trial_bits(given.phases[0]) < 12.0
    assert splits == ["train", "dev"]


def test_impossible_rates_are_no_trial(finished: Path, monkeypatch: Patch):
    given, shards = opened(finished)
    monkeypatch.setattr(probe, "plain", lambda *_: TOKENS_A_SECOND)
    monkeypatch.setattr(Training, "reports", lambda _: pytest.fail("trained"))
    trials = tuning.Trials(given, shards, 1.2, "cpu")
    edge = given.phases[0].but(lr=4e-3, weight_decay=300.0)
    assert trials.trial_bits(edge) == math.inf
    assert "every step would pull the weights past zero" in trials.describe(math.inf)


def test_a_training_that_ends_early_is_infinitely_bad(finished: Path, monkeypatch: Patch) -> None:
    def lost(training: Training) -> Any:
        raise TrainingError("lost")

    given, shards = opened(finished)
    monkeypatch.setattr(probe, "plain", lambda *_: TOKENS_A_SECOND)
    monkeypatch.setattr(Training, "reports", lost)
    trials = tuning.Trials(given, shards, 1.2, "cpu")
    assert trials.trial_bits(given.phases[0]) == math.inf
    assert trials.describe(math.inf) == "failed: lost"


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"prune": Prune(ffn=0.3)}, "prunes its model"),
        ({"objective": "chat"}, "chat"),
        ({"distill": Distill(model="../runs/зур")}, "learns from another model"),
    ],
)
def test_a_first_phase_that_cannot_be_tuned_is_refused_before_anything_is_made(
    keys: dict[str, object], why: str, small_recipe: Written, tmp_path: Path
) -> None:
    recipe = Recipe.load(small_recipe(tmp_path))
    recipe = recipe.model_copy(update={"phase": [recipe.phase[0].model_copy(update=keys)]})
    with pytest.raises(RecipeError, match=why) as caught:
        run_recipe(recipe, Store(tmp_path / "store"), Log(quiet=True), tune_minutes=1.0)
    assert caught.value.where == "--tune"
    assert not (tmp_path / "store").exists()


@pytest.fixture
def quick(monkeypatch: Patch) -> None:
    """One thread, and one speed for every machine."""
    monkeypatch.setattr("endonym.device.cores", lambda: 1)
    monkeypatch.setattr(probe, "plain", lambda *_: TOKENS_A_SECOND)


def made(recipe: Path, minutes: float | None = None) -> tuple[Run, list[str]]:
    """A run up to its model, and what it said."""
    log, lines = Log(quiet=True), list[str]()
    log.line = lines.append  # pyright: ignore[reportAttributeAccessIssue]
    log.warn = lines.append  # pyright: ignore[reportAttributeAccessIssue]
    store = Store(recipe.parent / "store")
    return run_recipe(Recipe.load(recipe), store, log, until="model", tune_minutes=minutes), lines


@pytest.mark.usefixtures("quick")
def test_named_rates_are_tuned_and_the_answer_is_told(prepared: Path, monkeypatch: Patch):
    text = prepared.read_text(encoding="utf-8").replace("steps = 40", "steps = 2")
    rates = ["lr = 1e-5\nweight_decay = 0.1", "lr = 3e-5\nweight_decay = 0.1"]
    first, second = (text.replace("lr = 4e-3", each) for each in rates)
    prepared.write_text(first, encoding="utf-8")
    monkeypatch.setattr(tuning.Trials, "trial_bits", lambda _, phase: 9 - phase.lr * 1e5)
    run, said = made(prepared, 5.0)
    phase = run.training.phases[0]
    assert (phase.lr, phase.weight_decay) == (2e-5, 0.1)
    assert phase.embedding_lr == pytest.approx(16e-5), "in proportion"
    for key in ("lr", "embedding_lr", "weight_decay"):
        line = f"  {key} = {getattr(phase, key):g}  # "
        assert [each for each in said if each.startswith(line)], key
    model = run.artifact("model")
    again, said = made(prepared)
    assert again.artifact("model") == model
    assert any("tuned before" in each and "lr = 2e-05" in each for each in said)
    again, said = made(prepared, 5.0)
    assert again.artifact("model") == model
    assert any("--replan" in each for each in said)
    prepared.write_text(second, encoding="utf-8")
    changed, said = made(prepared)
    assert changed.training.phases[0].lr == 3e-5
    assert '"tuned": null' in (changed.folder / "plan.json").read_text("utf-8"), "it is said once"
    assert any("lr = 2e-05" in each and "is not used" in each for each in said)
    monkeypatch.setattr(tuning.Trials, "trial_bits", lambda _, phase: math.inf)
    failed, said = made(prepared, 5.0)
    assert any("nothing is tuned" in each for each in said)
    plan = json.loads((failed.folder / "plan.json").read_text(encoding="utf-8"))
    assert plan["tuned"] is None


def test_a_trial_reads_split_tokens_where_its_phase_does(finished: Path, monkeypatch: Patch):
    drawn, split = list[tuple[float, int]](), Subwords.split

    def spied(subwords: Subwords, rows: Rows, first: int) -> Rows:
        drawn.append((subwords.chance, subwords.seed))
        return split(subwords, rows, first)

    monkeypatch.setattr(Subwords, "split", spied)
    monkeypatch.setattr(probe, "plain", lambda *_: TOKENS_A_SECOND)
    training, shards = opened(finished)
    trials = tuning.Trials(replace(training, seed=12), shards, 0.5, "cpu")
    phase = training.phases[0]
    for chance, expected in ((None, set()), (0.4, {(0.4, 12)})):
        assert math.isfinite(trials.trial_bits(phase.but(subword_dropout=chance)))
        assert {*drawn} == expected
    drawn.clear()
    kept = phase.but(subword_dropout=0.4, distill=Distill())
    assert math.isfinite(trials.trial_bits(kept))
    assert {*drawn} == {(0.4, 12)}, "as its members do, which have no teacher"
