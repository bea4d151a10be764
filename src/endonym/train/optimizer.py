"""AdamW over fp32 masters, or Muon for the matrices of blocks; the model may compute in bf16.

Source: arXiv:1711.05101, algorithm 2, torch's fused kernel. Decay pulls matrices only.
"""

# torch's calls over lists of tensors, which its own optimisers are made of, have no public name.
# pyright: reportPrivateUsage=false

import re

import torch
from torch import Tensor, nn

from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.weights import narrow
from endonym.train.config import TrainConfig
from endonym.train.distributed import is_plain, own, part_of, whole
from endonym.train.muon import Muon, pull_with_caution

UNDECAYED = re.compile(r"(A_log|convolution\.weight|conv1d\.weight)$")
"""Two axes or more, but no matrix: decays of a state, taps of a convolution."""
STATES = ("exp_avg", "exp_avg_sq")


class Optimizer:
    """Masters of every parameter in fp32, what steps them, and the model refreshed from them.

    In fp32 the masters are the model's own parameters and nothing is copied. In shards they are
    too, in every number format: what is gathered from them is rounded then.
    """

    def __init__(self, decoder: AnyDecoder, config: TrainConfig) -> None:
        self.decoder, self.config = decoder, config
        self.is_sharded = not all(map(is_plain, decoder.parameters()))
        self.is_narrow = config.number_format == "bf16" and not self.is_sharded
        self.names = [name for name, _ in decoder.named_parameters()]
        self.embeddings_and_head = embedding_and_head_names(decoder)
        self.masters = list(decoder.parameters())
        if self.is_narrow:
            copies = [each.detach().to(torch.float32, copy=True) for each in self.masters]
            self.masters = [nn.Parameter(each) for each in copies]
            narrow(decoder)
        self.parameters = list(decoder.parameters())
        kinds: dict[str, list[nn.Parameter]] = {"matrix": [], "table": [], "vector": []}
        for name, master in zip(self.names, self.masters, strict=True):
            kinds[self._kind(name, master)].append(master)
        self.matrices: list[Tensor] = [*kinds["matrix"]]
        self.muon = self._muon() if config.optimizer == "muon" else None
        self.adamw = torch.optim.AdamW(
            self._groups(kinds), betas=config.betas, eps=1e-8, weight_decay=0.0, fused=True
        )
        self.refresh()

    def _kind(self, name: str, master: Tensor) -> str:
        """A matrix, which decays; a table, with a rate of its own; norms, biases, state decays."""
        if name in self.embeddings_and_head:
            return "table"
        return "matrix" if master.ndim > 1 and not UNDECAYED.search(name) else "vector"

    def _muon(self) -> Muon:
        config = self.config
        return Muon(
            self.matrices,
            momentum=config.momentum,
            row_memory=config.betas[1] if config.normalise else None,
            cautious=config.cautious,
            number_format=torch.bfloat16 if config.number_format == "bf16" else torch.float32,
        )

    def _groups(self, kinds: dict[str, list[nn.Parameter]]) -> list[dict[str, object]]:
        """What AdamW steps, by its peak rate."""
        lr = self.config.lr
        peaks = {"matrix": lr, "table": self.config.embedding_lr, "vector": lr}
        left = [kind for kind in kinds if kind != "matrix" or self.muon is None]
        return [{"params": kinds[kind], "peak": peaks[kind], "kind": kind} for kind in left]

    def collect(self) -> None:
        """Add the model's gradients to the masters' and clear them; a micro-batch ends here."""
        if not self.is_narrow:
            return
        for master, parameter in zip(self.masters, self.parameters, strict=True):
            if parameter.grad is None:
                continue
            if master.grad is None:
                master.grad = parameter.grad.float()
            else:
                master.grad += parameter.grad
            parameter.grad = None

    def clip(self, largest: float) -> Tensor:
        """Scale the gradient down to this norm; returns the norm it had (L2 over everything)."""
        gradients = [each.grad for each in self.masters if each.grad is not None]
        total = nn.utils.get_total_norm(gradients)
        norm = whole(total)
        # torch's clipping writes each gradient again even if it fits, which a processor can spare
        # itself; a GPU would be waited for.
        if norm.device.type != "cpu" or norm > largest:
            nn.utils.clip_grads_with_norm_(self.masters, largest, total)
        return norm

    def forget(self) -> None:
        """Drop every gradient, and change nothing."""
        for each in (*self.masters, *self.parameters):
            each.grad = None

    @torch.no_grad()
    def is_finite(self) -> bool:
        """Whether every weight and every memory that lies here is a finite number."""
        held = (*self.weights().values(), *self.state().values())
        return all(bool(torch.isfinite(own(each)).all()) for each in held)

    @torch.no_grad()
    def step(self, share: float) -> None:
        """One step at this share of the peak rates, above 0; gradients are cleared."""
        config, lr, decay = self.config, self.config.lr * share, self.config.weight_decay
        if config.decay_schedule == "constant":
            decay /= share
        if self.muon is not None:
            self.muon.step(lr, decay)
        elif config.cautious:
            self._pull_with_caution(lr * decay)
        for group in self.adamw.param_groups:
            group["lr"] = group["peak"] * share
            if group["kind"] == "matrix" and not config.cautious:
                group["weight_decay"] = decay
        self.adamw.step()
        for master in self.masters:
            master.grad = None
        self.refresh()

    def _pull_with_caution(self, amount: float) -> None:
        """Decay before AdamW's step; an update of AdamW has the sign of its new first moment."""
        learning = [(each, own(each.grad)) for each in self.matrices if each.grad is not None]
        matrices, gradients = [own(each) for each, _ in learning], [grad for _, grad in learning]
        known = self.adamw.state
        optimizer_state = [
            own(known[each]["exp_avg"]) if each in known else torch.zeros_like(own(each))
            for each, _ in learning
        ]
        ahead = torch._foreach_lerp(optimizer_state, gradients, 1 - self.config.betas[0])
        pull_with_caution(matrices, ahead, amount)

    def refresh(self) -> None:
        """Copy the masters into the model, rounded to its number format.

        In shards, let go what was gathered from older ones.
        """
        if self.is_sharded:
            from endonym.train.sharding import let_go

            let_go(self.decoder)
        if self.is_narrow:
            with torch.no_grad():
                for parameter, master in zip(self.parameters, self.masters, strict=True):
                    parameter.copy_(master)

    def weights(self) -> dict[str, Tensor]:
        """The masters by name, fp32."""
        return {name: m.detach() for name, m in zip(self.names, self.masters, strict=True)}

    def state(self) -> dict[str, Tensor]:
        """The memories of AdamW and Muon by name; steps are counted by the loop."""
        found: dict[str, Tensor] = {}
        for name, master in zip(self.names, self.masters, strict=True):
            of_muon = self.muon.state if self.muon is not None else {}
            optimizer_state = of_muon.get(master) or self.adamw.state.get(master, {})
            found |= {
                f"{name}.{kind}": each for kind, each in optimizer_state.items() if kind != "step"
            }
        return found

    @torch.no_grad()
    def load(self, weights: dict[str, Tensor], state: dict[str, Tensor], step: int) -> None:
        """Take up where a checkpoint stood, after so many updates; what was held is forgotten."""
        self.forget()
        self.adamw.state.clear()
        for name, master in zip(self.names, self.masters, strict=True):
            master.copy_(part_of(weights[name], master))
            if self.muon is not None and master in self.muon.state:
                for kind, memory in self.muon.state[master].items():
                    memory.copy_(part_of(state[f"{name}.{kind}"], memory))
            elif f"{name}.{STATES[0]}" in state:
                self.adamw.state[master] = {
                    "step": torch.tensor(float(step), device=master.device),
                    **{kind: part_of(state[f"{name}.{kind}"], master).clone() for kind in STATES},
                }
        self.refresh()


def embedding_and_head_names(decoder: AnyDecoder) -> set[str]:
    """The parameters whose rows are looked up: embeddings, positions, and the head."""
    found = [each.weight for each in decoder.modules() if isinstance(each, nn.Embedding)]
    embeddings_and_head = {id(weight) for weight in (*found, decoder.readout.weight_VD)}
    return {name for name, each in decoder.named_parameters() if id(each) in embeddings_and_head}
