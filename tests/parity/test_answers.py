"""The losses of answers are those of `transformers` and of the formula, on the same batches."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_conversations import conversations, make_toy_examples, pairs
from toys import lively_decoder, toy_config

from endonym.data.batches import Batch
from endonym.data.example_tokens import ExampleOrder, ExampleTokens
from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.train.distributed import ALONE
from endonym.train.inputs import reference
from endonym.train.objectives import CROSS_ENTROPY, preferences

transformers = pytest.importorskip("transformers")
CONTEXT = 128


def both(folder: Path, kind: str = "bpe") -> tuple[Any, Any, Tokenizer]:
    """A decoder, and the same in transformers; and the tokenizer of its examples."""
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    decoder = lively_decoder(toy_config("qwen3", vocab=tokenizer.vocab, context=CONTEXT))
    export_huggingface(LanguageModel(decoder, tokenizer), folder / "export")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder / "export", dtype="float32")
    return decoder, theirs.eval(), tokenizer


def labelled(tokens: ExampleTokens, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An example as transformers has it: end-of-text first, -100 where nothing is learnt."""
    here = slice(tokens.starts[number], tokens.starts[number] + tokens.lengths[number])
    ids = torch.tensor([tokens.end_id, *tokens.ids[here].tolist()])
    learnt = torch.tensor([False, *tokens.learnt[here].astype(bool).tolist()])
    return ids[None], torch.where(learnt, ids, -100)[None]


def test_the_chat_loss_is_that_of_transformers(tmp_path: Path) -> None:
    make_toy_examples(tmp_path, conversations(24))
    decoder, theirs, _ = both(tmp_path)
    tokens = ExampleTokens(tmp_path, "train")
    order = ExampleOrder(tokens, context=CONTEXT, seed=5)
    batch = Batch.of(order.rows(0, order.rows_per_epoch))
    with torch.no_grad():
        ours = CROSS_ENTROPY.loss(decoder, batch).nats / CROSS_ENTROPY.weight(batch)
    total, count = 0.0, 0
    for number in range(len(tokens)):
        ids, labels = labelled(tokens, number)
        n = int((labels != -100).sum())
        with torch.no_grad():
            total += float(theirs(input_ids=ids, labels=labels).loss) * n
        count += n
    assert CROSS_ENTROPY.weight(batch) == count
    assert float(ours) == pytest.approx(total / count, abs=1e-4)
    sft = pytest.importorskip("trl.trainer.sft_trainer")
    examples = [labelled(tokens, number) for number in range(len(tokens))]
    listed = [{"input_ids": i[0].tolist(), "labels": e[0].tolist()} for i, e in examples]
    padded = sft.DataCollatorForLanguageModeling(pad_token_id=tokens.end_id)(listed)
    with torch.no_grad():
        assert float(ours) == pytest.approx(float(theirs(**padded).loss), abs=1e-4)


def test_the_loss_of_pairs_is_that_of_the_formula_on_transformers_log_probabilities(
    tmp_path: Path,
) -> None:
    beta = 0.3
    make_toy_examples(tmp_path, pairs(20), "preferences")
    decoder, theirs, _ = both(tmp_path)
    torch.manual_seed(3)
    moved = lively_decoder(decoder.config)
    with torch.no_grad():
        for one, other in zip(moved.parameters(), decoder.parameters(), strict=True):
            one.copy_(other + 0.05 * torch.randn_like(other))
    export_huggingface(
        LanguageModel(moved, Tokenizer.load(tmp_path / "tokenizer.json")), tmp_path / "moved"
    )
    policy = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "moved", dtype="float32")
    tokens = ExampleTokens(tmp_path, "train")
    order = ExampleOrder(tokens, context=CONTEXT, seed=5)
    order.reference = reference(
        lambda: decoder, tokens, context=CONTEXT, folder=tmp_path, device="cpu", group=ALONE
    )
    batch = Batch.of(order.rows(0, order.rows_per_epoch))
    objective = preferences(beta)
    with torch.no_grad():
        ours = objective.loss(moved, batch).nats / objective.weight(batch)

    def log_probability(model: Any, number: int) -> float:
        ids, labels = labelled(tokens, number)
        with torch.no_grad():
            loss = model(input_ids=ids, labels=labels).loss
        return -float(loss) * int((labels != -100).sum())

    losses = []
    for n in range(0, len(tokens), 2):
        gains = [
            log_probability(policy.eval(), n + k) - log_probability(theirs, n + k) for k in (0, 1)
        ]
        losses.append(np.log1p(np.exp(-beta * (gains[0] - gains[1]))))
    assert objective.weight(batch) == len(losses)
    assert float(ours) == pytest.approx(np.mean(losses), abs=1e-4)


@pytest.mark.filterwarnings("ignore")  # trl uses names that transformers gives up
def test_the_loss_of_pairs_is_that_of_trl(tmp_path: Path) -> None:
    """trl's collator and its DPOTrainer, on the ids of our examples."""
    pytest.importorskip("trl")
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    beta = 0.3
    make_toy_examples(tmp_path, pairs(12), "preferences")
    decoder, theirs, _ = both(tmp_path)
    tokens = ExampleTokens(tmp_path, "train")
    told: list[dict[str, list[int]]] = []
    for number in range(len(tokens)):
        ids, labels = labelled(tokens, number)
        mask = (labels[0] != -100).int().tolist()
        told.append({"input_ids": ids[0].tolist(), "completion_mask": mask})
    order = ExampleOrder(tokens, context=CONTEXT, seed=5)
    order.reference = reference(
        lambda: decoder, tokens, context=CONTEXT, folder=tmp_path, device="cpu", group=ALONE
    )
    moved = lively_decoder(decoder.config, seed=4, noise=0.05)
    with torch.no_grad():
        for one, other in zip(moved.parameters(), decoder.parameters(), strict=True):
            one.add_(other)
    export_huggingface(
        LanguageModel(moved, Tokenizer.load(tmp_path / "tokenizer.json")), tmp_path / "moved"
    )
    policy = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "moved", dtype="float32")
    rows = []
    for n in range(0, len(tokens), 2):
        chosen, rejected = told[n], told[n + 1]
        at = chosen["completion_mask"].index(1)
        rows.append(
            {
                "prompt_ids": chosen["input_ids"][:at],
                "chosen_ids": chosen["input_ids"][at:],
                "rejected_ids": rejected["input_ids"][at:],
            }
        )
    texts = Dataset.from_list([{"prompt": "су", "chosen": "а", "rejected": "б"}])
    settings = DPOConfig(
        output_dir=str(tmp_path / "trl"), beta=beta, use_cpu=True, report_to=[], bf16=False
    )
    trainer = DPOTrainer(
        policy,
        theirs,
        settings,
        train_dataset=texts,
        processing_class=transformers.AutoTokenizer.from_pretrained(tmp_path / "moved"),
    )
    with torch.no_grad():
        found = trainer.compute_loss(trainer.model.eval(), trainer.data_collator(rows))
    batch = Batch.of(order.rows(0, order.rows_per_epoch))
    objective = preferences(beta)
    with torch.no_grad():
        ours = objective.loss(moved, batch).nats / objective.weight(batch)
    assert float(ours) == pytest.approx(float(found), abs=1e-4)
