"""What the autopilot chooses for a phase: by how often the text is read, by width and device."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from endonym.autopilot.model_size import Facts
from endonym.autopilot.phase import Place, budget_of, choose_phase
from endonym.model.adapt_config import Adapt
from endonym.train.config import Phase


def facts_of(tokens: int) -> Facts:
    return Facts(text_bytes=4 * tokens, unique_tokens=tokens, mean_document_tokens=300.0)


def is_rising(values: Sequence[float]) -> bool:
    return all(a <= b for a, b in pairwise(values))


def test_many_passes_are_met_with_more_weight_decay() -> None:
    phases = [Phase(epochs=epochs) for epochs in (0.5, 1, 2, 3, 6, 7, 40)]
    found = [choose_phase(p, facts_of(10**6), 256)["weight_decay"].value for p in phases]
    assert is_rising(found)
    assert found[0] < found[3] < found[-1]


def test_text_that_is_read_once_or_twice_is_learnt_with_muon() -> None:
    phases = [Phase(epochs=epochs) for epochs in (0.5, 2, 2.1, 11)]
    found = [choose_phase(phase, facts_of(10**6), 256) for phase in phases]
    assert ["optimizer" in each for each in found] == [True, True, False, False]
    rates = [(each["lr"].value, each["embedding_lr"].value) for each in found]
    assert rates == [(6e-3, 4.8e-2)] * 2 + [(3e-3, 1.2e-2)] * 2
    assert [each["batch_tokens"].value for each in found] == [4096, 4096, 2048, 2048]
    assert "0.5 epochs" in found[0]["optimizer"].reason


def test_passes_of_earlier_phases_count_and_steps_are_of_the_batch_that_is_chosen() -> None:
    phase, facts = Phase(epochs=1), facts_of(10**6)
    chosen = ["optimizer" in choose_phase(phase, facts, 256, read=read) for read in (0, 1, 1.1)]
    assert chosen == [True, True, False]
    for unique, is_muon in ((210_000, True), (200_000, False)):
        found = choose_phase(Phase(steps=100), facts_of(unique), 256)
        assert ("optimizer" in found) is is_muon
        assert ("2.0 epochs" in found["weight_decay"].reason) is is_muon


def test_muon_is_not_chosen_where_its_step_is_dear_or_it_was_not_tried() -> None:
    once, facts = Phase(epochs=1), facts_of(10**8)
    assert "optimizer" in choose_phase(once, facts, 256, dim=256)
    assert "optimizer" not in choose_phase(once, facts, 256, dim=512)
    assert "optimizer" in choose_phase(once, facts, 256, dim=2048, device="cuda")
    assert "optimizer" not in choose_phase(once, facts_of(16_000), 256)
    small = Phase(epochs=1, batch_tokens=2048)
    assert "optimizer" not in choose_phase(small, facts, 256, dim=256)
    assert "optimizer" not in choose_phase(once, facts, 256, has_experts=True)
    learnt = choose_phase(once, facts, 256, goes_on=True)
    assert "optimizer" not in learnt
    assert learnt["lr"].value == learnt["embedding_lr"].value == 1e-4


def test_a_pretrained_model_has_a_third_of_the_rate_of_its_width_and_more_for_new_rows() -> None:
    facts, once = facts_of(10**7), Phase(epochs=1)
    for dim, rate in ((96, 1e-3), (256, 1e-3), (1024, 2.5e-4), (512, 5e-4)):
        kept = choose_phase(once, facts, 256, dim=dim, goes_on=True)
        assert kept["lr"].value == kept["embedding_lr"].value == rate
        assert "a third of what this width has" in kept["lr"].reason
    new = choose_phase(once, facts, 256, dim=1024, goes_on=True, has_new_vocabulary=True)
    assert (new["lr"].value, new["embedding_lr"].value) == (2.5e-4, 1e-3)
    assert "rows of new ids" in new["embedding_lr"].reason
    said = Phase(epochs=1, lr=2e-4)
    new = choose_phase(said, facts, 256, dim=1024, goes_on=True, has_new_vocabulary=True)
    assert new["embedding_lr"].value == 8e-4


def test_rates_that_are_given_keep_their_proportion_to_those_of_tables() -> None:
    facts = facts_of(10**6)
    for given, times in (({}, 8), ({"optimizer": "adamw"}, 8), ({"epochs": 9}, 4)):
        phase = Phase.model_validate({"epochs": 1, "lr": 1e-3} | given)
        found = choose_phase(phase, facts, 256)
        assert (found["lr"].value, found["embedding_lr"].value) == (1e-3, times * 1e-3)
    asked = choose_phase(Phase(epochs=40, optimizer="muon"), facts, 256)
    assert (asked["lr"].value, asked["batch_tokens"].value) == (6e-3, 4096)


MUCH = Facts(4 * 10**8, 10**8, 300.0)


def test_wide_matrices_have_less_of_a_rate_and_tables_have_not() -> None:
    phase = Phase(optimizer="adamw")
    for dim, lr in ((None, 3e-3), (128, 3e-3), (256, 3e-3), (512, 1.5e-3), (768, 1e-3)):
        found = choose_phase(phase, MUCH, 256, dim=dim)
        assert (found["lr"].value, found["embedding_lr"].value) == (lr, 1.2e-2)
    assert "not tried" in choose_phase(Phase(), MUCH, 256, dim=768)["lr"].reason
    for dim, lr in ((256, 6e-3), (512, 4.2e-3), (768, 3.5e-3)):
        found = choose_phase(Phase(optimizer="muon"), MUCH, 256, dim=dim)
        assert (found["lr"].value, found["embedding_lr"].value) == (lr, 2.4e-2)
    given = choose_phase(Phase(lr=2e-3), MUCH, 256, dim=768)
    assert (given["lr"].value, given["embedding_lr"].value) == (2e-3, 2.4e-2)


def test_a_rate_that_is_written_down_as_it_was_chosen_changes_nothing() -> None:
    for dim in (128, 256, 512, 768):
        for optimizer in ("adamw", "muon"):
            chosen = choose_phase(Phase(optimizer=optimizer), MUCH, 256, dim=dim)
            written = Phase(optimizer=optimizer, lr=chosen["lr"].value)
            again = choose_phase(written, MUCH, 256, dim=dim)
            assert again["embedding_lr"].value == chosen["embedding_lr"].value


def test_a_gpu_has_larger_batches_but_not_fewer_steps_than_few_tokens_need() -> None:
    for device, tokens, batch in (("cuda:1", 10**8, 32_768), ("mps", 16_384, 2048)):
        found = choose_phase(Phase(), Facts(4 * tokens, tokens, 300.0), 256, device=device)
        assert found["batch_tokens"].value == batch
    assert budget_of([Phase(steps=10)], MUCH, "cuda") == 327_680


def test_epochs_that_sources_allow_are_rounded_down() -> None:
    for allowed in (0.44445, 1.23456, 0.1, 0.39999999999999997, 3.9996, 0.00123456, 1 / 3):
        facts = Facts(4_000_000, 1_000_000, 300.0)
        choice = choose_phase(Phase(), facts, 256, most_epochs=lambda _, most=allowed: most)
        found = choice["epochs"].value
        assert 0.999 * allowed < found <= allowed * (1 + 1e-9)
        assert len(str(found).replace(".", "").strip("0")) <= 4


def test_adapters_have_ten_times_the_rate_of_the_weights_of_a_pretrained_model() -> None:
    facts, adapt = facts_of(10**6), Adapt(rank=4)
    for dim, expected in ((None, 1e-3), (64, 1e-2), (256, 1e-2), (1024, 2.5e-3), (4096, 6.3e-4)):
        full = choose_phase(Phase(epochs=1), facts, 256, dim=dim, goes_on=True)["lr"].value
        for goes_on in (False, True):  # from an earlier phase, from a folder
            phase = Phase(epochs=1, adapt=adapt)
            found = choose_phase(phase, facts, 256, dim=dim, goes_on=goes_on)
            assert found["lr"].value == pytest.approx(expected) == pytest.approx(10 * full)
            assert "10 times that of the weights" in found["lr"].reason
            assert found["weight_decay"].value == 0
    given = choose_phase(Phase(epochs=1, adapt=adapt, lr=7e-4), facts, 256, dim=64)
    assert (given["lr"].value, given["embedding_lr"].value) == (7e-4, 7e-4)


def test_weight_decay_is_that_of_the_table_up_to_each_limit() -> None:
    epochs = {0.5: 0.1, 2: 0.1, 2.01: 0.3, 6: 0.3, 6.01: 0.6, 30: 0.6, 30.01: 2.0}
    found = [choose_phase(Phase(epochs=each), facts_of(10**6), 256) for each in epochs]
    assert [each["weight_decay"].value for each in found] == list(epochs.values())


def test_a_budget_in_tokens_or_steps_is_one() -> None:
    for phase in (Phase(tokens=10**6), Phase(steps=9), Phase(epochs=1)):
        assert "epochs" not in choose_phase(phase, MUCH, 256)
    assert choose_phase(Phase(), MUCH, 256)["epochs"].value == 4


def test_the_epochs_that_sources_allow_are_kept_where_four_digits_write_them() -> None:
    for allowed in (0.1, 1.5, 3.999):
        found = choose_phase(Phase(), MUCH, 256, most_epochs=lambda _, most=allowed: most)
        assert found["epochs"].value == allowed
    assert choose_phase(Phase(), MUCH, 256, most_epochs=lambda _: 4.0)["epochs"].value == 4


def test_the_last_of_several_phases_hands_on_the_mean_of_its_steps_unless_the_recipe_says() -> None:
    once = {"epochs": 1}

    def chosen(place: Place, **keys: object) -> dict[str, object]:
        found = choose_phase(Phase.model_validate(once | keys), MUCH, 256, place=place)
        names = ("schedule", "keep", "final_lr")
        return {name: found[name].value for name in names if name in found}

    mean = {"schedule": "linear", "keep": "average", "final_lr": 0.3}
    assert chosen("last") == chosen("last", schedule="linear") == chosen("last", epochs=2) == mean
    assert chosen("followed") == chosen("followed", epochs=9) == {"schedule": "constant"}
    plain = {"schedule": "linear"}
    assert chosen("alone") == plain
    for said in ({"keep": "best"}, {"final_lr": 0.1}, {"patience": 3}, {"epochs": 2.1}):
        assert chosen("last", **said) == plain, said
    assert chosen("last", schedule="cosine") == plain


def test_warmup_is_a_twentieth_of_the_steps_up_to_two_hundred() -> None:
    steps = {1: 1, 39: 1, 40: 2, 400: 20, 4000: 200, 9000: 200}
    found = [choose_phase(Phase(steps=each), MUCH, 256)["warmup_steps"].value for each in steps]
    assert found == list(steps.values())


def test_only_phases_that_read_texts_count_in_the_budget_of_texts() -> None:
    phases = [Phase(tokens=500), Phase(objective="chat", tokens=900)]
    assert budget_of(phases, MUCH) == 500
