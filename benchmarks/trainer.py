"""`transformers`' own Trainer as a contender: its loop runs in a thread and waits for its turn."""

import queue
import tempfile
import threading
from collections.abc import Iterator
from typing import Any

import torch
from contenders import BETAS, CLIP, Contender, Spec
from peers import Transformers, transformers_network
from torch.utils.data import IterableDataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from endonym.data.batches import Batch

FOREVER = 1_000_000


class Trained(Transformers):
    """Trainer with fused AdamW, bf16 autocast or bf16 weights, and its own torch.compile."""

    def __init__(self, spec: Spec) -> None:
        Contender.__init__(self, spec, transformers_network(spec))
        self.channel = _Channel()
        self.started = False

    def learn(self, batch: Batch, lr_scale: float) -> float:
        """One step of Trainer's loop; it reads one batch ahead, so the first is given twice."""
        self.channel.give(batch)
        if not self.started:
            self.started = True
            self.channel.give(batch)
            thread = threading.Thread(target=self._train, daemon=True)
            thread.start()
        return self.channel.take(self.spec.lr * lr_scale)

    def _train(self) -> None:
        """Trainer's loop, until the process ends."""
        spec = self.spec
        try:
            with tempfile.TemporaryDirectory() as out:
                arguments = TrainingArguments(
                    output_dir=out,
                    max_steps=FOREVER,
                    per_device_train_batch_size=spec.shape.rows,
                    bf16=spec.format == "autocast",
                    optim="adamw_torch_fused",
                    learning_rate=spec.lr,
                    adam_beta1=BETAS[0],
                    adam_beta2=BETAS[1],
                    weight_decay=spec.decay,
                    max_grad_norm=CLIP,
                    lr_scheduler_type="constant",
                    torch_compile=spec.compiled,
                    use_cpu=spec.device == "cpu",
                    logging_strategy="no",
                    save_strategy="no",
                    report_to="none",
                    disable_tqdm=True,
                    accelerator_config={"dispatch_batches": False},
                )
                data: Any = _Rows(self.channel)
                trainer = _ReportingTrainer(
                    self.network, arguments, train_dataset=data, callbacks=[_Callback(self.channel)]
                )
                trainer.channel = self.channel
                trainer.train()
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            self.channel.fail(error)


class _Channel:
    """What the two threads exchange: batches, the rate, and the loss of a finished step."""

    def __init__(self) -> None:
        self.batches: queue.Queue[Batch] = queue.Queue()
        self.rates: queue.Queue[float] = queue.Queue()
        self.done: queue.Queue[float | Exception] = queue.Queue()
        self.nats = float("nan")

    def give(self, batch: Batch) -> None:
        self.batches.put(batch)

    def take(self, lr: float) -> float:
        """Let a step begin at a rate, and wait for its end."""
        self.rates.put(lr)
        found = self.done.get()
        if isinstance(found, Exception):
            raise found
        return found

    def fail(self, error: Exception) -> None:
        self.done.put(error)


class _Rows(IterableDataset[dict[str, torch.Tensor]]):
    """The rows of the batches that are given, without end."""

    def __init__(self, channel: _Channel) -> None:
        self.channel = channel

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        while True:
            for row_T in self.channel.batches.get().tokens_BT.cpu():
                yield {"input_ids": row_T, "labels": row_T}


class _ReportingTrainer(Trainer):
    """Trainer that reports the loss of each step, as its own logging would at every step."""

    channel: _Channel

    def training_step(self, *given: Any, **named: Any) -> torch.Tensor:
        loss = super().training_step(*given, **named)
        self.channel.nats = loss.item()
        return loss


class _Callback(TrainerCallback):
    """Waits before a step and reports after it."""

    def __init__(self, channel: _Channel) -> None:
        self.channel = channel

    def on_step_begin(self, *given: Any, **named: Any) -> None:
        """Wait for the turn; the rate is laid over the constant schedule."""
        lr = self.channel.rates.get()
        for group in named["optimizer"].param_groups:
            group["lr"] = lr

    def on_step_end(self, *given: Any, **named: Any) -> None:
        """The optimizer has stepped."""
        self.channel.done.put(self.channel.nats)
