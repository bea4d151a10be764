"""Foreign models are trained as our own are: groups, number formats, resume, pre-flight."""

from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_folders import VOCAB, write_model
from toys import toy_decoder, train_config, write_toy_shards

from endonym.data.batches import Batch
from endonym.model.foreign.decoder import ForeignDecoder
from endonym.model.foreign.weights import load_foreign
from endonym.pipeline.preflight import overfit_one_row
from endonym.train.inputs import TrainingInputs
from endonym.train.loop import Training
from endonym.train.objectives import CROSS_ENTROPY
from endonym.train.optimizer import embedding_and_head_names

PHASE = {
    "steps": 8,
    "batch_tokens": 64,
    "micro_tokens": 32,
    "lr": 2e-3,
    "embedding_lr": 4e-3,
    "weight_decay": 0.1,
    "eval_every_steps": 3,
    "eval_tokens": 64,
}


@pytest.fixture(scope="module", params=["gemma3", "falcon_mamba"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(request.param)
    write_model(request.param, path)
    return path


def opened(folder: Path) -> ForeignDecoder:
    decoder = load_foreign(folder)
    decoder.config = decoder.config.model_copy(update={"context": 16})
    return decoder


def work(folder: Path) -> TrainingInputs:
    random = np.random.default_rng(4)
    documents = [random.integers(5, VOCAB, size).tolist() for size in random.integers(1, 40, 20)]
    train, dev = write_toy_shards(folder / "shards", documents, documents[:4], vocab=VOCAB)
    return TrainingInputs(train, dev, folder / "checkpoints", unigram_nats=99.0)


def test_tables_are_found_by_what_they_are(tmp_path: Path) -> None:
    assert embedding_and_head_names(toy_decoder()) == {"embedding.weight"}
    write_model("gemma3", tmp_path / "tied")
    assert embedding_and_head_names(load_foreign(tmp_path / "tied")) == {
        "network.model.embed_tokens.weight"
    }
    write_model("qwen2", tmp_path / "untied")
    embeddings_and_head = {"network.model.embed_tokens.weight", "network.lm_head.weight"}
    assert embedding_and_head_names(load_foreign(tmp_path / "untied")) == embeddings_and_head


@pytest.mark.parametrize("number_format", ["fp32", "bf16"])
def test_eight_steps_equal_three_and_a_checkpoint_and_five(
    folder: Path, tmp_path: Path, number_format: str
) -> None:
    phase = train_config(**(PHASE | {"number_format": number_format}))
    whole = Training(opened(folder), phase, work(tmp_path / "whole"), seed=1)
    nats = [report.nats for report in whole.reports()]
    corpus = work(tmp_path / "killed")
    for report in Training(opened(folder), phase, corpus, seed=1).reports():
        if report.step == 3:
            break
    again = Training(opened(folder), phase, corpus, seed=1)
    assert again.resume() == 3
    assert [report.nats for report in again.reports()] == nats[4:]
    wanted, found = whole.optimizer.weights(), again.optimizer.weights()
    start = dict(opened(folder).named_parameters())
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name
        assert not torch.equal(start[name], tensor), name


def test_a_foreign_model_learns_one_batch_by_heart(folder: Path) -> None:
    decoder = opened(folder)
    tokens = torch.randint(VOCAB, (1, 17), generator=torch.Generator().manual_seed(5))
    batch = Batch(tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous(), torch.zeros(1, 16))
    before, after = overfit_one_row(
        decoder, batch, train_config(**(PHASE | {"lr": 8e-3, "number_format": "fp32"}))
    )
    assert after < before / 2


def test_a_foreign_model_that_recomputes_learns_the_same(folder: Path) -> None:
    found = []
    for checkpointed_blocks in (0, 1):
        decoder = opened(folder).train()
        decoder.checkpointed_blocks = checkpointed_blocks
        assert decoder.checkpointed_blocks == checkpointed_blocks * decoder.config.layers, (
            "all or none"
        )
        torch.manual_seed(1)
        tokens_BT = torch.randint(5, VOCAB, (2, 16))
        documents_BT = (torch.arange(16) // 7).expand(2, -1).contiguous()
        CROSS_ENTROPY.loss(decoder, Batch(tokens_BT, tokens_BT, documents_BT)).objective.backward()
        found.append([p.grad for p in decoder.parameters() if p.grad is not None])
    for one, two in zip(*found, strict=True):
        assert torch.equal(one, two)
