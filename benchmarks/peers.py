"""nanoGPT, nanochat and `transformers` as contenders: their own code, unchanged.

nanoGPT and nanochat come from archives that are unpacked into a temporary folder when a benchmark
starts; `transformers` is the installed one.
"""

import importlib
import importlib.util
import math
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

import torch
from contenders import Contender, Judged, Spec, same_work
from torch import Tensor

from endonym.data.batches import Batch
from endonym.model.kernels.loss import Readout

ARCHIVES = ("nanoGPT", "nanochat")


def unpack(archives: Path, out: Path) -> list[str]:
    """Unpack what archives of peers there are; returns their names."""
    found = [name for name in ARCHIVES if (archives / f"{name}.tar.gz").is_file()]
    for name in found:
        with tarfile.open(archives / f"{name}.tar.gz") as archive:
            # Python before 3.11.4 knows no filters.
            archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            archive.extractall(out)
    return found


class NanoGpt(Contender):
    """nanoGPT's GPT (no biases, as its train.py says) with its own `configure_optimizers`."""

    def __init__(self, spec: Spec) -> None:
        module, shape = _module(Path(spec.peers) / "nanoGPT" / "model.py"), spec.shape
        config = module.GPTConfig(
            block_size=shape.context,
            vocab_size=shape.vocab,
            n_layer=shape.layers,
            n_head=shape.heads,
            n_embd=shape.dim,
            dropout=spec.dropout,
            bias=False,
        )
        dtype = torch.bfloat16 if spec.format == "bf16" else torch.float32
        network = module.GPT(config).to(spec.device, dtype)
        # It takes torch's fused AdamW if its device type is "cuda"; torch has one for CPUs, too.
        kind = "cuda" if spec.equal else spec.device.split(":")[0]
        optimizer = network.configure_optimizers(spec.decay, spec.lr, spec.betas, kind)
        super().__init__(spec, network, optimizer)

    def loss(self, batch: Batch) -> Tensor:
        """By its own forward pass."""
        with self.rounding():
            return self.model(batch.tokens_BT, batch.targets_BT)[1]

    def judged(self) -> Any:
        """What its last norm puts out; it computes logits of the last position alone by itself."""
        network: Any = self.network.eval()
        seen: list[Tensor] = []
        network.transformer.ln_f.register_forward_hook(lambda *given: seen.append(given[2]))

        def hidden(tokens_BT: Tensor) -> Tensor:
            network(tokens_BT)
            return seen.pop()

        return Judged(self.spec.shape.context, hidden, Readout(network.lm_head.weight))


class Nanochat(Contender):
    """nanochat's GPT, full attention in every layer; AdamW, or its own Muon with AdamW.

    Its own rates and decay are scaled as its base_train.py does for a batch of this size. Without
    its flash-attention kernel (fetched from a hub) it takes torch's.
    """

    def __init__(self, spec: Spec) -> None:
        os.environ["NANOCHAT_DTYPE"] = {"fp32": "float32", "bf16": "bfloat16"}[spec.format]
        os.environ.setdefault("NANOCHAT_BASE_DIR", str(Path(spec.peers) / "nanochat-base"))
        sys.path.insert(0, str(Path(spec.peers) / "nanochat"))
        module, shape = importlib.import_module("nanochat.gpt"), spec.shape
        config = module.GPTConfig(
            sequence_len=shape.context,
            vocab_size=shape.vocab,
            n_layer=shape.layers,
            n_head=shape.heads,
            n_kv_head=shape.heads,
            n_embd=shape.dim,
            window_pattern="L",
        )
        with torch.device("meta"):
            network = module.GPT(config)
        network.to_empty(device=spec.device)
        network.init_weights()
        super().__init__(spec, network, _nanochat_optimizer(network, spec) if spec.own else None)

    def loss(self, batch: Batch) -> Tensor:
        """By its own forward pass."""
        return self.model(batch.tokens_BT, batch.targets_BT)

    def learn(self, batch: Batch, lr_scale: float) -> float:
        """One step; its own optimizer does not clip."""
        if not self.spec.own:
            return super().learn(batch, lr_scale)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] * lr_scale
        loss = self.loss(batch)
        loss.backward()
        self.optimizer.step()
        self.network.zero_grad(set_to_none=True)
        return loss.item()

    def judged(self) -> Any:
        """What goes into its head, and the head with its cap."""
        network: Any = self.network.eval()
        seen: list[Tensor] = []
        network.lm_head.register_forward_pre_hook(lambda _, given: seen.append(given[0]))

        def hidden(tokens_BT: Tensor) -> Tensor:
            # Its smear needs two tokens; what stands to the right cannot be seen.
            network(tokens_BT if tokens_BT.shape[1] > 1 else tokens_BT.repeat(1, 2))
            return seen.pop()[:, : tokens_BT.shape[1]]

        head_VD = network.lm_head.weight[: self.spec.shape.vocab].float()
        return Judged(self.spec.shape.context, hidden, Readout(head_VD, 15.0))


def _nanochat_optimizer(network: Any, spec: Spec) -> Any:
    """Its optimizer with the defaults of its base_train.py, scaled to batch and size."""
    shape, reference = spec.shape, 2**19
    batch = shape.rows * shape.context
    counts = network.num_scaling_params()
    weights = counts["transformer_matrices"] + counts["lm_head"]
    full = 12 * 12 * 768**2 + shape.vocab * 768
    scale = math.sqrt(batch / reference)
    return network.setup_optimizer(
        unembedding_lr=0.008 * scale,
        embedding_lr=0.3 * scale,
        matrix_lr=0.02 * scale,
        scalar_lr=0.5 * scale,
        weight_decay=0.28 * scale * full / weights,
    )


class Transformers(Contender):
    """The class of `transformers` that our export names for a row, of the same sizes.

    The step is the one that its Trainer takes, written out: forward with its own loss, backward,
    clip, fused AdamW. `trainer.Trained` goes through Trainer itself.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec, transformers_network(spec))

    def loss(self, batch: Batch) -> Tensor:
        """By its own loss: it shifts the labels itself, so each row has one target less."""
        with self.rounding():
            return self.model(batch.tokens_BT, labels=batch.tokens_BT, use_cache=False).loss

    def judged(self) -> Any:
        """Hidden states after its last norm, in fp32."""
        network: Any = self.network.eval().float()

        def hidden(tokens_BT: Tensor) -> Tensor:
            return network.base_model(tokens_BT, use_cache=False).last_hidden_state

        head_VD = network.get_output_embeddings().weight
        return Judged(self.spec.shape.context, hidden, Readout(head_VD))


def transformers_network(spec: Spec) -> Any:
    """A freshly made model of `transformers`, in training mode."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from endonym.export.shapes import config_json

    data = config_json(same_work(spec.shape, spec.row, spec.dropout), 0)
    config = AutoConfig.for_model(**data)
    dtype = torch.bfloat16 if spec.format == "bf16" else torch.float32
    network = AutoModelForCausalLM.from_config(
        config, dtype=dtype, attn_implementation=spec.attention
    )
    return network.to(spec.device).train()


def _module(path: Path) -> Any:
    """A Python file as a module."""
    spec = importlib.util.spec_from_file_location(f"peer_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
