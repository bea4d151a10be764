"""A teacher: its loss, what is kept of it, and that a phase learns it."""

import copy
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_conversations import write_toy_examples
from toys import distinct_documents, lively_decoder, toy_config, train_config, write_toy_shards

from endonym.data.batches import Batch
from endonym.data.example_tokens import GAP, ExampleOrder
from endonym.data.order import Mixture, Order
from endonym.data.shards import TokenShards
from endonym.data.teacher_cache import TeacherCache, cache_bytes, require_room
from endonym.errors import RecipeError
from endonym.model.decoder import Decoder
from endonym.model.kernels.loss import Readout, Taught, summed_nats, taught_nats
from endonym.model.span import Span
from endonym.train.objectives import objective_of
from endonym.train.optimizer import Optimizer
from endonym.train.step import take_step
from endonym.train.teacher import CachedTeacher, LiveTeacher, keep_likely, likely

LENGTHS = [5, 40, 3, 17, 9, 30, 4, 13]
CONTEXT = 16


@pytest.fixture
def shards(tmp_path: Path) -> TokenShards:
    documents, vocab = distinct_documents(LENGTHS)
    names = ["верлибр", "проза"]
    sources = [names[number % 2] for number in range(len(documents))]
    write_toy_shards(tmp_path, documents, documents[:1], vocab=vocab, sources=sources)
    return TokenShards(tmp_path, "train")


def random_taught(share: float, top_k: int) -> tuple[torch.Tensor, torch.Tensor, Taught]:
    """Logits of 40 positions and 12 tokens, their targets, and what a teacher expects."""
    draw = torch.Generator().manual_seed(3)
    logits = torch.randn(40, 12, generator=draw) * 3
    targets = torch.randint(0, 12, (40,), generator=draw)
    expected = torch.softmax(torch.randn(40, 12, generator=draw) * 2, dim=-1)
    top = expected.topk(top_k)
    return logits, targets, Taught(top.indices, top.values, share)


@pytest.mark.parametrize("cap", [None, 4.0])
@pytest.mark.parametrize("top_k", [3, 12])
def test_the_loss_is_a_mix_of_nats_and_the_teacher_s_cross_entropy(
    top_k: int, cap: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endonym.model.kernels.loss.CHUNK_LOGITS", 12 * 128)
    hidden, targets, taught = random_taught(0.3, top_k)
    hidden = hidden.repeat(5, 1)  # more than one chunk
    targets, ids = targets.repeat(5), taught.ids_NK.repeat(5, 1)
    taught = Taught(ids, taught.chances_NK.repeat(5, 1), 0.3)
    hidden.requires_grad_()
    weight = (torch.eye(12) + 0.1).requires_grad_()
    loss, nats = taught_nats(hidden, Readout(weight, cap), targets, taught)
    (2 * loss).backward()
    found = hidden.grad, weight.grad
    hidden.grad = weight.grad = None
    logs = Readout(weight, cap).logits(hidden).log_softmax(-1)
    named, rest = logs.gather(1, ids), 1 - taught.chances_NK.sum(1)
    other = (1 - named.exp().sum(1)).clamp_min(1e-6).log()
    of_teacher = -(taught.chances_NK * named).sum() - (rest.clamp_min(0) * other).sum()
    plain = -logs.gather(1, targets[:, None]).sum()
    wanted = 0.7 * plain + 0.3 * of_teacher
    (2 * wanted).backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert nats.item() == pytest.approx(plain.item(), rel=1e-5)
    for mine, theirs in zip(found, (hidden.grad, weight.grad), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_a_teacher_that_is_sure_of_each_target_says_nothing_new() -> None:
    logits, targets, _ = random_taught(0.5, 1)
    sure = Taught(targets[:, None], torch.ones(40, 1), 0.5)
    loss, nats = taught_nats(logits, Readout(torch.eye(12)), targets, sure)
    assert loss.item() == pytest.approx(nats.item(), rel=1e-5)
    assert nats.item() == pytest.approx(summed_nats(logits, Readout(torch.eye(12)), targets).item())


def test_a_place_is_where_a_target_is_stored_in_every_epoch(shards: TokenShards) -> None:
    stored = np.concatenate(shards.parts)
    order = Order(shards, context=CONTEXT, seed=1)
    mixture = Mixture(shards, {"верлибр": 0.5, "проза": 0.5}, context=CONTEXT, seed=1)
    for each in (order, mixture):
        rows = each.rows(0, 30)
        assert rows.places_BT is not None
        assert (stored[rows.places_BT] == rows.targets_BT).all()
    rows = order.rows(0, order.first_row(2))
    assert rows.places_BT is not None
    counts = np.bincount(rows.places_BT.ravel())
    assert counts[1:].min() >= 1, "an epoch has every place"
    assert counts[0] == 0, "nothing comes before the first end-of-text"


def test_places_go_on_from_shard_to_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endonym.data.shards.SHARD_TOKENS", 30)
    documents, vocab = distinct_documents(LENGTHS)
    write_toy_shards(tmp_path, documents, documents[:1], vocab=vocab)
    shards = TokenShards(tmp_path, "train")
    assert len(shards.parts) > 2
    rows = Order(shards, context=CONTEXT, seed=1).rows(0, 40)
    assert rows.places_BT is not None
    assert (np.concatenate(shards.parts)[rows.places_BT] == rows.targets_BT).all()


def test_what_is_kept_is_the_mean_of_what_the_teachers_expect(
    shards: TokenShards, tmp_path: Path
) -> None:
    config = toy_config(vocab=shards.vocab, context=CONTEXT)
    teachers = [lively_decoder(config, seed=seed).eval() for seed in (1, 2)]
    order = Order(shards, context=CONTEXT, seed=5)
    places, read = sum(map(len, shards.parts)), list[int]()
    cache = TeacherCache.new(tmp_path, places=places, top_k=6, vocab=shards.vocab)
    keys = {"vocab": shards.vocab, "device": "cpu"}
    keep_likely(cache, teachers, order, **keys, advance=read.append)  # type: ignore[arg-type]
    assert sum(read) >= order.positions_per_epoch
    assert (cache.chances[1:, 0] > 0).all(), "of every place but the first, which is no target"
    sizes = [(tmp_path / name).stat().st_size for name in ("ids.bin", "chances.bin")]
    assert sum(sizes) == cache_bytes(places, 6, shards.vocab)
    batch = Batch.of(order.rows(0, order.first_row(1)))
    assert batch.places_BT is not None
    places_N = batch.places_BT.flatten()
    once = (places_N.bincount()[places_N] == 1).nonzero()[:, 0]  # the last row begins a new epoch
    assert 0.8 * places < len(once) < len(places_N)
    span = Span.packed(batch.documents_BT)
    with torch.no_grad():
        both = [each.logits(batch.tokens_BT, span).softmax(-1) for each in teachers]
    top = torch.stack(both).mean(0).flatten(0, 1)[once].topk(6)
    kept = CachedTeacher(TeacherCache.read(tmp_path), 0.4)
    live = LiveTeacher(teachers, vocab=shards.vocab, top_k=6, share=0.4)
    for found, tolerance in ((live(batch, once), 1e-6), (kept(batch, once), 1e-3)):
        assert torch.equal(found.ids_NK, top.indices)
        torch.testing.assert_close(found.chances_NK, top.values, rtol=tolerance, atol=1e-6)
        assert found.share == 0.4
    some = torch.tensor([3, 11, 4])
    for each in (live, kept):
        assert torch.equal(each(batch, some).ids_NK, each(batch, None).ids_NK[some])


def test_no_more_is_held_of_many_teachers_than_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the sum, the probabilities of one teacher at a time."""
    teachers = [lively_decoder(toy_config(context=CONTEXT), seed=seed).eval() for seed in range(5)]
    tokens_BT = torch.arange(16).view(2, 8)
    batch, softmax = Batch(tokens_BT, tokens_BT, torch.zeros_like(tokens_BT)), torch.softmax
    made, held = list[weakref.ref[torch.Tensor]](), list[int]()

    def spied(*given: Any, **keys: Any) -> torch.Tensor:
        held.append(sum(each() is not None for each in made))
        found = softmax(*given, **keys)
        made.append(weakref.ref(found))
        return found

    vocab = toy_config().vocab
    monkeypatch.setattr(torch, "softmax", spied)
    _, chances = likely(teachers, batch, None, vocab=vocab, top_k=vocab)
    torch.testing.assert_close(chances.sum(1), torch.ones(16))
    assert len(held) == 5
    assert max(held) <= 2


def test_a_teacher_with_more_rows_names_only_tokens_that_there_are() -> None:
    teacher = lively_decoder(toy_config(vocab=40, context=CONTEXT)).eval()
    tokens_BT = torch.arange(16).view(2, 8)
    batch = Batch(tokens_BT, tokens_BT, torch.zeros_like(tokens_BT))
    ids, chances = likely([teacher], batch, None, vocab=30, top_k=99)
    assert ids.shape == (16, 30)
    assert ids.max() == 29
    torch.testing.assert_close(chances.sum(1), torch.ones(16))


def test_of_conversations_only_answers_are_taught(tmp_path: Path) -> None:
    config = toy_config(vocab=24, context=32)
    tokens, _ = write_toy_examples(tmp_path / "made", "chat", vocab=24, longest=20)
    order = ExampleOrder(tokens, context=32, seed=1)
    teacher = lively_decoder(config, seed=4).eval()
    cache = TeacherCache.new(tmp_path, places=len(tokens.ids), top_k=24, vocab=24)
    keep_likely(cache, [teacher], order, vocab=24, device="cpu", advance=lambda n: None)
    batch = Batch.of(order.rows(0, 3))
    assert batch.places_BT is not None
    is_text = batch.documents_BT != GAP
    stored = torch.from_numpy(tokens.ids.astype(np.int64))
    assert torch.equal(stored[batch.places_BT[is_text]], batch.targets_BT[is_text])
    student = lively_decoder(config, seed=5)
    losses = [
        objective_of(train_config(context=32, objective="chat"), teach).loss(student, batch)
        for teach in (
            CachedTeacher(TeacherCache.read(tmp_path), 1.0),
            LiveTeacher([teacher], vocab=24, top_k=24, share=1.0),
        )
    ]
    assert losses[0].objective.item() == pytest.approx(losses[1].objective.item(), rel=1e-3)
    plain = objective_of(train_config(context=32, objective="chat")).loss(student, batch)
    assert losses[0].nats.item() == pytest.approx(plain.nats.item(), rel=1e-6)
    assert losses[0].objective.item() != pytest.approx(plain.objective.item(), rel=1e-2)


def test_a_student_comes_to_expect_what_its_teacher_expects(shards: TokenShards) -> None:
    config = toy_config(vocab=shards.vocab, context=CONTEXT)
    teacher = lively_decoder(config, seed=1).eval()
    batch = Batch.of(Order(shards, context=CONTEXT, seed=5).rows(0, 6))
    span = Span.packed(batch.documents_BT)

    def divergence(student: Decoder) -> float:
        with torch.no_grad():
            both = (each.logits(batch.tokens_BT, span) for each in (teacher, student))
            p, q = (each.log_softmax(-1) for each in both)
        return float((p.exp() * (p - q)).sum(-1).mean())

    student = lively_decoder(config, seed=2)
    before, alone = divergence(student), copy.deepcopy(student)
    teach = LiveTeacher([teacher], vocab=shards.vocab, top_k=64, share=1.0)
    for pupil, given in ((student, teach), (alone, None)):
        optimizer = Optimizer(pupil, train_config(context=CONTEXT, lr=1e-2, steps=40))
        for _ in range(40):
            take_step(optimizer, batch, lr_scale=1.0, rows=3, teach=given)
    assert divergence(student) < 0.4 * before
    assert divergence(alone) > divergence(student)


def test_what_does_not_fit_on_the_disk_is_said_with_both_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_bytes(1_000, 32, 70_000) == 1_000 * 32 * (4 + 2)
    assert cache_bytes(1_000, 32, 20) == 1_000 * 20 * (2 + 2)
    monkeypatch.setattr("endonym.data.teacher_cache.free_bytes", lambda folder: 127_999)
    with pytest.raises(RecipeError, match=r"takes 128\.0 kB, and 128\.0 kB are free") as caught:
        require_room(tmp_path, 128_000)
    require_room(tmp_path, 127_999)
    assert caught.value.where == "phase.distill.top_k"
