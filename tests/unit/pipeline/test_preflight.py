"""What is tried before training: it uses up a decoder of its own, and says what it leaves out."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made_conversations import (
    conversations,
    make_toy_examples,
    settings,
    write_lines,
)
from small_project import Project
from toys import toy_config, toy_decoder, train_config, write_toy_shards

from endonym import device
from endonym.data.batches import Batches
from endonym.data.example_tokens import ExampleTokens
from endonym.data.examples import make_examples
from endonym.errors import StoreError
from endonym.export.huggingface import load_pretrained
from endonym.log import Log
from endonym.model.adapt_config import Adapt
from endonym.model.decoder import Decoder
from endonym.model.memory import training_bytes
from endonym.pipeline import preflight
from endonym.pipeline.preflight import (
    ROW_TOKENS,
    before_training,
    newest,
    unlearnt_ends,
    warn_of_unlearnt_ends,
)
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train.checkpoint import TrainState, save
from endonym.train.config import TrainConfig
from endonym.train.distributed import ALONE, Group
from endonym.train.inputs import TrainingInputs
from endonym.train.memory_budget import ALLOCATOR_OVERHEAD, phase_bytes

Bench = tuple[TrainingInputs, Batches]

Patch = pytest.MonkeyPatch

Say = Callable[..., Any]
PHASE = train_config(steps=50, batch_tokens=32, lr=1e-2)


@pytest.fixture
def bench(tmp_path: Path) -> tuple[TrainingInputs, Batches]:
    """A folder to train in, and its batches."""
    documents = [[1 + (3 * n + k) % 39 for k in range(9)] for n in range(20)]
    train, dev = write_toy_shards(tmp_path / "shards", documents, documents[:3], vocab=40)
    work = TrainingInputs(train, dev, tmp_path / "checkpoints", unigram_nats=99.0)
    return work, work.batches(PHASE, 16, 1)


def tried(
    bench: Bench, phase: TrainConfig = PHASE, group: Group = ALONE
) -> tuple[Decoder, list[str]]:
    """What was used up, and what was said."""
    said: list[str] = []
    log = Log(quiet=True)
    log.detail = said.append  # pyright: ignore[reportAttributeAccessIssue]
    decoder, (inputs, batches) = toy_decoder(toy_config()), bench
    given = (lambda: toy_decoder(toy_config()), decoder, phase, batches)
    before_training(*given, inputs=inputs, group=group, log=log)
    return decoder, said


def test_a_row_is_overfitted(bench: Bench) -> None:
    decoder, (said,) = tried(bench)
    assert said.startswith("  first check: overfits one row, as it should: loss ")
    before, after = (float(said.split()[index]) for index in (-3, -1))
    assert after < before / 2
    fresh = toy_decoder(toy_config()).state_dict()
    assert any(not torch.equal(decoder.state_dict()[name], fresh[name]) for name in fresh)


def test_what_is_damaged_is_named_once_and_the_checkpoint_before_it_is_found(tmp_path: Path):
    said: list[str] = []
    log = Log(quiet=True)
    log.warn = said.append  # pyright: ignore[reportAttributeAccessIssue]
    assert newest(tmp_path, log) is None
    for step in (0, 20):
        save(tmp_path, TrainState(step=step), {"a": torch.ones(2)}, {})
    weights = tmp_path / "step-000020" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    for _ in range(2):
        found = newest(tmp_path, log)
        assert found.state.step == 0
    aside = tmp_path / "step-000020.damaged"
    assert said == [f"a damaged checkpoint was set aside: {aside}"]


def test_shards_that_do_not_fit_together_are_not_tried(bench: Bench, monkeypatch: Patch):
    sharded, two = PHASE.executed(shard="weights"), Group(0, 2)
    assert "overfits one row, as it should: loss " in tried(bench, sharded, two)[1][0]
    monkeypatch.setattr(preflight, "free_memory_bytes", lambda _: 100_000)
    monkeypatch.setattr(preflight, "overfit_one_row", lambda *_: pytest.fail("tried"))
    (said,) = tried(bench, sharded, two)[1]
    assert "overfitting one row is left out: the whole model would need ≈" in said
    needed = training_bytes(
        toy_config(), ROW_TOKENS, PHASE.number_format, optimizer=PHASE.optimizer, adapt=None
    )
    monkeypatch.setattr(preflight, "free_memory_bytes", lambda _: round(1.01 * needed))
    assert len(tried(bench, sharded, two)[1]) == 1, "the estimate has a margin"


def test_a_disk_that_is_too_small_is_refused_first(bench: Bench, monkeypatch: Patch) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("checkpoints need more")

    monkeypatch.setattr(preflight.checkpoint, "check_disk_space", full)
    monkeypatch.setattr(preflight, "overfit_one_row", lambda *_: pytest.fail("tried"))
    with pytest.raises(StoreError):
        tried(bench)


@pytest.mark.parametrize(
    ("every", "average", "counts"),
    [((10, 25), "none", [5, 3]), ((25, 10), "none", [5, 3]), ((50, 50), "ema", [1, 4]),
     ((99, 99), "ema", [1, 4])],
)  # fmt: skip
def test_the_disk_holds_each_checkpoint_and_each_validation_s_weights(
    bench: Bench, monkeypatch: Patch, *, every: tuple[int, int], average: str, counts: list[int]
) -> None:
    asked: list[Any] = []

    def keep(*given: Any, kept_bytes: int) -> None:
        asked.extend([*given, kept_bytes])

    monkeypatch.setattr(preflight.checkpoint, "check_disk_space", keep)
    monkeypatch.setattr(preflight, "overfit_one_row", lambda *_: (2.0, 1.0))
    phase = PHASE.but(eval_every_steps=every[0], average=average, keep_steps=2)
    tried(bench, phase.executed(save_every_steps=every[1]))
    total = sum(each.numel() for each in toy_decoder(toy_config()).parameters())
    assert asked == [bench[0].folder, total, *counts, 2 * 4 * total]


def test_training_begins_with_untouched_weights(project: Project, monkeypatch: Patch):
    def spoil(begin: object, decoder: Decoder, *_: object, **__: object) -> None:
        torch.nn.init.normal_(decoder.embedding.weight, std=9.0)

    first: list[float] = []
    for _ in range(2):
        said = project.run("-q", sets=("phase.0.steps=1",))
        assert said.code == 0, said.err
        (validations,) = project.store.glob("model/*/validations.json")
        first.append(json.loads(validations.read_text(encoding="utf-8"))[0]["nats"])
        shutil.rmtree(project.store / "model")
        monkeypatch.setattr(preflight, "before_training", spoil)
    assert first[0] == first[1]


def test_memory_is_given_back_where_all_rows_need_it(bench: Bench, monkeypatch: Patch):
    config, longest = toy_config(context=1024), bench[0].train.longest_document
    phase = PHASE.but(batch_tokens=4096, context=1024).executed(micro_tokens=4096)
    short = phase_bytes(config, phase, longest=9)
    whole = phase_bytes(config, phase)
    assert short < whole
    calls: list[bool] = []
    monkeypatch.setattr(device, "keep_freed_memory", lambda *, keeps: calls.append(keeps))
    enough, quiet = ALLOCATOR_OVERHEAD * (short + whole) / 2, Log(quiet=True)
    for target, free, expected in (("cpu", enough, []), ("cuda", 0, []), ("cpu", short, [False])):
        monkeypatch.setattr(device, "free_memory_bytes", lambda free=free: free)
        preflight.spare_memory(config, phase, longest, target=target, log=quiet)
        assert calls == expected


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, ExampleTokens]:
    """A tokenizer with ChatML, and conversations as it writes them."""
    folder = tmp_path_factory.mktemp("answered")
    make_toy_examples(folder, conversations(40))
    return Tokenizer.load(folder / "tokenizer.json"), ExampleTokens(folder, "train")


@pytest.mark.parametrize("number_format", [torch.float32, torch.bfloat16])
@torch.no_grad()
def test_an_end_of_turn_that_is_never_expected_is_warned_of(
    answered: tuple[Tokenizer, ExampleTokens], monkeypatch: Patch, number_format: torch.dtype
) -> None:
    tokenizer, examples = answered
    phase = train_config(steps=1, objective="chat").but(adapt=Adapt().resolved())
    said: list[str] = []
    log = Log(quiet=True)
    monkeypatch.setattr(log, "warn", said.append)
    config = toy_config("gpt2", vocab=tokenizer.vocab, context=128, dropout=0.3)
    decoder = toy_decoder(config.model_copy(update={"tied": False})).to(number_format).train()
    decoder.norm.weight.zero_()
    decoder.norm.bias.copy_(torch.eye(config.dim)[0])  # the hidden state of every place
    weight_VD, end = decoder.readout.weight_VD, tokenizer.special_ids["turn_end"]
    weight_VD[end, 0] = 9.0
    for other in (5, 6):  # as alike as rows of real models are
        weight_VD[other] = 1.5 * weight_VD[end]
    warn_of_unlearnt_ends(decoder, tokenizer, phase, examples, log=log)
    assert not said, "its row is that of other ids, but it is expected"
    weight_VD[end] *= -1
    warn_of_unlearnt_ends(decoder, tokenizer, phase.but(adapt=None), examples, log=log)
    assert not said
    warn_of_unlearnt_ends(decoder, tokenizer, phase, examples, log=log)
    (warning,) = said
    assert "<|im_end|> ends an answer" in warning
    assert decoder.training


@torch.no_grad()
def test_random_weights_expect_an_end_as_much_as_anything_else(
    answered: tuple[Tokenizer, ExampleTokens],
) -> None:
    fresh = toy_decoder(toy_config(vocab=answered[0].vocab))
    assert not unlearnt_ends(fresh, *answered)


@torch.no_grad()
def test_a_real_model_knows_how_an_answer_ends_unless_its_row_was_never_trained(
    real_model: Path, tmp_path: Path
) -> None:
    """Rows of new ids are noise, or the mean of all rows, as transformers adds them."""
    model = load_pretrained(real_model)
    write_lines(tmp_path / "talks.jsonl", conversations(12))
    given = settings(context=256, max_rejected=1.0)
    keys = {"out": tmp_path, "advance": lambda _: None}
    make_examples([tmp_path / "talks.jsonl"], model.tokenizer, given, **keys)
    examples = ExampleTokens(tmp_path, "train")
    assert not unlearnt_ends(model.decoder, model.tokenizer, examples)
    weight_VD = model.decoder.readout.weight_VD
    (end,) = model.tokenizer.stop_ids
    random = torch.Generator().manual_seed(5)
    noise = 0.02 * torch.randn(weight_VD.shape[1], generator=random)
    for row in (noise, weight_VD.mean(0)):
        weight_VD[end] = row
        assert list(unlearnt_ends(model.decoder, model.tokenizer, examples)) == [end]
