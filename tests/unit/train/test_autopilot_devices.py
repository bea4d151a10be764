"""What the autopilot chooses for models and devices beyond those that were tried."""

from endonym.autopilot.model_size import Facts
from endonym.autopilot.phase import budget_of, choose_phase
from endonym.train.config import Phase

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
