"""What is timed side by side: a network with its optimizer, behind one method, `learn`.

Ours goes through `train.step` and `train.optimizer.Optimizer`, as the steps of a run do. Peers are
in `peers` and `trainer`, which import this module; `worker.build` knows them all.
"""

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from endonym import device
from endonym.data.batches import Batch
from endonym.model.config import ModelConfig, ModelKeys
from endonym.model.decoder import Decoder
from endonym.model.families import resolve
from endonym.model.init import new_decoder
from endonym.model.kernels.loss import Readout
from endonym.train.compile import compile_blocks
from endonym.train.config import Phase, resolve_phase
from endonym.train.optimizer import Optimizer
from endonym.train.step import take_step

CLIP = 1.0
BETAS = (0.9, 0.95)
DECAY = 0.1


@dataclass(frozen=True)
class Shape:
    """Sizes that all contenders of a cell share; rows: of one optimizer step."""

    layers: int
    dim: int
    heads: int
    context: int
    vocab: int
    rows: int


@dataclass(frozen=True)
class Spec:
    """One contender.

    network: ours, nanoGPT, nanochat or transformers. format: fp32; bf16, of the weights that
    compute; autocast, fp32 weights that torch rounds as it goes. row: the architecture, of ours and
    transformers. own: nanochat's optimizer, not AdamW. equal: a peer is given the settings of ours
    that are none of its own: malloc keeps freed memory (`device.keep_freed_memory`), and AdamW is
    torch's fused one on a CPU, too. Without it a peer runs as it comes. phase: ours only, keys of a
    phase beside the rates. document: tokens of each in random rows, 0 for rows of one. peers: where
    archives are unpacked. attention: transformers' implementation of it.
    """

    network: str
    shape: Shape
    format: str = "bf16"
    compiled: bool = False
    row: str = "gptneox"
    own: bool = False
    equal: bool = False
    dropout: float = 0.0
    lr: float = 1e-3
    betas: tuple[float, float] = BETAS
    decay: float = DECAY
    phase: dict[str, Any] = field(default_factory=dict)
    document: int = 0
    device: str = "cpu"
    peers: str = ""
    attention: str = "sdpa"

    def as_dict(self) -> dict[str, Any]:
        """The form that goes to another process."""
        return asdict(self)

    @classmethod
    def of(cls, data: dict[str, Any]) -> "Spec":
        """Back from that form."""
        return cls(**data | {"shape": Shape(**data["shape"])})


def same_work(shape: Shape, row: str = "gptneox", dropout: float = 0.0) -> ModelConfig:
    """Our shape of these sizes: what operations are counted by, for every contender of a row."""
    sizes = {"dim": shape.dim, "layers": shape.layers, "mixer": {"heads": shape.heads}}
    keys = {"family": row, "dropout": dropout, "residual_init": "scaled", **sizes}
    return resolve(ModelKeys.model_validate(keys), vocab=shape.vocab, context=shape.context)


class Contender:
    """A network and its optimizer; by default torch's fused AdamW at one rate for all."""

    def __init__(self, spec: Spec, network: nn.Module, optimizer: Any = None) -> None:
        self.spec, self.network = spec, network
        self.optimizer = optimizer or torch.optim.AdamW(
            network.parameters(), lr=spec.lr, betas=BETAS, weight_decay=spec.decay, fused=True
        )
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.model: Any = network
        if spec.compiled:
            self.model = torch.compile(network, dynamic=False)

    def learn(self, batch: Batch, lr_scale: float) -> float:
        """One optimizer step at the peak rates times `lr_scale`; returns the mean nats a token."""
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * lr_scale
        loss = self.loss(batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def loss(self, batch: Batch) -> Tensor:
        """Mean nats of a batch, with gradients."""
        raise NotImplementedError

    def parameters(self) -> int:
        """How many numbers it learns; a shared one counts once."""
        return sum(each.numel() for each in self.network.parameters())

    def judged(self) -> Any:
        """The network as `generate.reading.read_nats` wants it: hidden states, fp32 readout."""
        raise NotImplementedError

    def rounding(self) -> Any:
        """Autocast to bf16, if the spec asks for it."""
        if self.spec.format != "autocast":
            return contextlib.nullcontext()
        return torch.autocast(self.spec.device.split(":")[0], dtype=torch.bfloat16)


class Judged:
    """A peer's hidden states and readout, behind what our judge asks of a decoder."""

    def __init__(self, context: int, hidden: Callable[[Tensor], Tensor], readout: Readout) -> None:
        self.config = SimpleNamespace(context=context)
        self.hidden, self.readout = hidden, readout

    def __call__(self, tokens_BT: Tensor) -> tuple[Tensor, float]:
        return self.hidden(tokens_BT).float(), 0.0

    def empty_cache(self, rows: int, tokens: int) -> list[None]:
        """A cache that is no state of constant size: documents are read in windows."""
        return [None]


class Ours(Contender):
    """endonym: `take_step` and its `Optimizer`, and whatever else they do by themselves."""

    def __init__(self, spec: Spec) -> None:
        self.spec, self.config = spec, same_work(spec.shape, spec.row, spec.dropout)
        rates = {"lr": spec.lr, "embedding_lr": spec.lr, "weight_decay": spec.decay}
        keys = {"clip": CLIP, "betas": BETAS, "steps": 1, "number_format": spec.format}
        phase = Phase.model_validate(keys | rates | {**spec.phase, "epochs": None})
        context = self.config.context
        self.network = self.decoder = new_decoder(self.config, 0).to(spec.device).train()
        config = resolve_phase(phase, context=context, positions=context)
        self.optimizer = Optimizer(self.decoder, config)
        device.prepare()
        if spec.compiled:
            compile_blocks(self.decoder)

    def learn(self, batch: Batch, lr_scale: float) -> float:
        """One step of ours."""
        return take_step(self.optimizer, batch, lr_scale=lr_scale, rows=len(batch)).nats

    def judged(self) -> Any:
        """The masters in a decoder of their own, as a run hands them on."""
        decoder = Decoder(self.config).to(self.spec.device)
        decoder.load_state_dict(self.decoder.state_dict() | self.optimizer.weights())
        return decoder.eval()
