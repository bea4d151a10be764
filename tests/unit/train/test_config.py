"""What a recipe may say about a phase."""

import pytest
from pydantic import ValidationError

from endonym.model.adapt_config import Adapt
from endonym.model.prune_config import Prune
from endonym.train.config import Distill, Phase, resolve_phase


def test_two_budgets_are_refused_by_name() -> None:
    said = "one of steps, tokens, epochs and flops, not steps and epo"
    with pytest.raises(ValidationError, match=said):
        Phase(steps=5, epochs=1)


SENSELESS = [
    *({"lr": 0, "clip": 0, "steps": 0, "cooldown": 0, "final_lr": 1.5, "average_share": 2}.items()),
    *({"batch_tokens": 10**22, "tokens": 10**30, "epochs": 1e300, "momentum": 1.0}.items()),
    *({"schedule": "step", "name": "a b", "optimizer": "sgd", "betas": [0.9, 1.0]}.items()),
    *(("epochs", 0), ("steps", 10**20), ("subword_dropout", 0.0), ("subword_dropout", 1.0)),
]


@pytest.mark.parametrize(("key", "value"), SENSELESS)
def test_values_that_cannot_be_meant_are_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        Phase.model_validate({key: value})


TEXTS = r'objective = "next_token" \['
TEACHABLE = 'objective = "next_token" or "chat"'
SHARES, OPEN = {"web": 0.5, "songs": 0.5}, "sources whose shares are open"


USELESS = [
    ({"cooldown": 0.1, "schedule": "linear"}, {"schedule": "wsd"}, 'schedule = "wsd"'),
    ({"final_lr": 0.1, "schedule": "constant"}, {"schedule": "wsd"}, "a schedule that falls"),
    ({"momentum": 0.9}, {"optimizer": "muon"}, 'optimizer = "muon"'),
    ({"beta": 0.2}, {"objective": "preferences"}, 'objective = "preferences"'),
    ({"temperature": 2.0, "sources": SHARES}, {"sources": tuple(SHARES)}, OPEN),
    ({"normalise": True}, {"optimizer": "muon"}, 'optimizer = "muon"'),
    ({"distill": Distill(model="a"), "objective": "preferences"}, {"objective": "chat"}, TEACHABLE),
    ({"members": 2, "objective": "preferences"}, {"objective": "chat"}, TEACHABLE),
    ({"prune": Prune(ffn=0.5), "objective": "preferences"}, {"objective": "chat"}, TEACHABLE),
    ({"prune": Prune(ffn=0.5), "adapt": Adapt()}, {"adapt": None}, "training all weights"),
    ({"subword_dropout": 0.1, "objective": "chat"}, {"objective": "next_token"}, TEXTS),
    ({"subword_dropout": 0.1, "objective": "preferences"}, {"objective": "next_token"}, TEXTS),
    (
        {"subword_dropout": 0.1, "distill": Distill(model="a")},
        {"distill": Distill(model="a", live=True)},
        "distill.live = true",
    ),
    ({"average_share": 0.1, "average": "none"}, {"average": "tail"}, 'average = "ema" or '),
]


@pytest.mark.parametrize(("vain", "wanted", "needed"), USELESS)
def test_a_useless_key_is_refused(vain: dict[str, object], wanted: dict[str, object], needed: str):
    key = next(iter(vain))
    with pytest.raises(ValidationError, match=f"{key} changes nothing without {needed}"):
        Phase.model_validate(vain)
    assert getattr(Phase.model_validate(vain | wanted), key) == vain[key]
    assert Phase(final_lr=0.1).final_lr == 0.1  # a schedule that is chosen falls


def test_a_teacher_is_a_model_or_the_members_and_never_both_or_neither() -> None:
    for distill, members in (({"share": 0.3}, None), ({"model": "a"}, 2)):
        with pytest.raises(ValidationError, match=r"either distill\.model or members"):
            Phase.model_validate({"distill": distill, "members": members})
    assert Distill(model="a", share=1.0, top_k=4096).share == 1.0
    for key, value in (("share", 0.0), ("share", 1.01), ("top_k", 0), ("top_k", 4097)):
        with pytest.raises(ValidationError, match=key):
            Distill.model_validate({"model": "a", key: value})
    alone = Phase(lr=1e-3, members=2, steps=5, number_format="fp32")
    found = resolve_phase(alone, context=16, positions=100).distill
    assert found == Distill(share=0.5, top_k=32, live=False)
    teacher = Distill(model="a", share=0.25)
    named = alone.model_copy(update={"members": None, "distill": teacher})
    assert resolve_phase(named, context=16, positions=100).distill == teacher
    plain = alone.model_copy(update={"members": None})
    assert resolve_phase(plain, context=16, positions=100).distill is None


@pytest.mark.parametrize("teacher", [
    {}, {"members": 2}, {"members": 2, "distill": Distill()},
    {"members": 2, "distill": Distill(live=True)}, {"distill": Distill(model="a", live=True)},
])  # fmt: skip
def test_tokens_are_split_whatever_teaches_but_for_a_named_one_that_reads_before(
    teacher: dict[str, object],
) -> None:
    said = {"lr": 1e-3, "number_format": "fp32", "steps": 9, "subword_dropout": 0.2}
    phase = Phase.model_validate({**said, **teacher, "prune": Prune(ffn=0.25, heads=0.5)})
    found = resolve_phase(phase, context=16, positions=1000)
    assert (found.subword_dropout, found.prune) == (0.2, Prune(ffn=0.25, heads=0.5))


def test_a_budget_becomes_steps_of_whole_rows() -> None:
    for budget, batch, steps in (
        ({"steps": 7}, 64, 7),
        ({"tokens": 641}, 64, 11),
        ({"epochs": 2.5}, 100, 25),
        ({"epochs": 0.001}, 100, 1),
        ({}, 100, 10),
    ):
        phase = Phase.model_validate({"lr": 1e-3, "number_format": "fp32", **budget})
        phase = phase.model_copy(update={"batch_tokens": batch})
        found = resolve_phase(phase, context=4, positions=1000)
        assert (found.steps, found.batch_tokens) == (steps, batch)
    assert resolve_phase(phase, context=256, positions=1000).batch_tokens == 256


OPTIONAL = {
    "first_row",
    "context",
    "adapt",
    "beta",
    "distill",
    "keep_steps",
    "prune",
    "subword_dropout",
}


def test_what_a_phase_does_not_say_has_its_usual_value() -> None:
    phase = Phase.model_validate({"lr": 1e-3, "number_format": "bf16", "steps": 100})
    found = resolve_phase(phase, context=16, positions=1000)
    assert None not in found.model_dump(exclude=OPTIONAL).values()
    assert (found.adapt, found.beta) == (None, None)
    assert (found.embedding_lr, found.final_lr, found.patience) == (1e-3, 0.0, 0)
    assert (found.clip, found.eval_tokens, found.cooldown) == (1.0, 32_768, 0.2)
    execution = {"micro_tokens": 16_384, "recompute": 0, "compile": False, "shard": "none"}
    assert found.execution.model_dump() == {**execution, "save_every_steps": 5}
    assert (found.eval_every_steps, found.execution.save_every_steps) == (5, 5)
    for keys, key, value in (
        ({"schedule": "cosine"}, "final_lr", 0.1),
        ({"schedule": "cosine", "final_lr": 0.3}, "final_lr", 0.3),
        ({"average": "ema"}, "average_share", 0.05),
        ({"average": "tail"}, "average_share", 0.2),
        ({"warmup_steps": 80}, "warmup_steps", 50),
    ):
        found = resolve_phase(phase.model_copy(update=keys), context=16, positions=1000)
        assert getattr(found, key) == value


@pytest.mark.parametrize("missing", ["lr", "number_format"])
def test_what_only_a_choice_can_give_must_be_chosen(missing: str) -> None:
    said = {"lr": 1e-3, "number_format": "fp32", "steps": 9}
    del said[missing]
    with pytest.raises(ValidationError, match=missing):
        resolve_phase(Phase.model_validate(said), context=16, positions=1000)


@pytest.mark.parametrize("average", ["none", "ema"])
def test_the_average_that_is_kept_is_the_mean_of_the_last_steps(average: str) -> None:
    with pytest.raises(ValidationError, match=f'leave average = "{average}" out'):
        Phase.model_validate({"keep": "average", "average": average})
    assert Phase(keep="average", average_share=0.3).average is None
    for keys in ({"average": "tail", "average_share": 0.3}, {"average_share": 0.3}):
        said = {"lr": 1e-3, "number_format": "fp32", "keep": "average"}
        phase = Phase.model_validate(said | keys)
        found = resolve_phase(phase, context=16, positions=1000)
        assert (found.keep, found.average, found.average_share) == ("average", "tail", 0.3)


@pytest.mark.parametrize(
    ("lr", "decay", "first"), [(3.0, 0.5, "lr = 3 "), (0.01, 200.0, "weight_decay = 200 ")]
)
def test_a_decay_past_zero_names_first_what_is_likely_wrong(lr: float, decay: float, first: str):
    with pytest.raises(ValidationError, match=f"lower {first}.* or "):
        Phase(lr=lr, weight_decay=decay)
    assert Phase(lr=0.5, weight_decay=1.9).lr == 0.5


def test_samples_are_written_five_times_and_checkpoints_when_asked() -> None:
    phase = Phase.model_validate({"lr": 1e-3, "number_format": "fp32", "steps": 400})
    found = resolve_phase(phase, context=16, positions=1000)
    assert (found.eval_every_steps, found.validations_per_sample) == (20, 4)
    few = phase.model_copy(update={"eval_every_steps": 100, "save_every_steps": 7})
    keys = {"micro_tokens": 64, "recompute": 3, "compile": "on", "shard": "weights"}
    found = resolve_phase(few.model_copy(update=keys), context=16, positions=1000)
    assert (found.eval_every_steps, found.validations_per_sample) == (100, 1)
    done = {**keys, "compile": True, "save_every_steps": 7}
    assert found.execution.model_dump() == done


def test_the_largest_values_are_allowed_and_the_next_ones_are_not() -> None:
    for key, most in (
        *(("steps", 10**9), ("batch_tokens", 1 << 30), ("tokens", 10**16)),
        *(("epochs", 1e6), ("flops", 1e30), ("eval_every_steps", 10**9)),
    ):
        assert getattr(Phase.model_validate({key: most}), key) == most
        with pytest.raises(ValidationError):
            Phase.model_validate({key: most * 1.001 if isinstance(most, float) else most + 1})
        if isinstance(most, int):
            assert getattr(Phase.model_validate({key: 1}), key) == 1
