"""AdamW over fp32 masters; the model may compute in bf16.

Source: arXiv:1711.05101, algorithm 2, torch's fused kernel. Decay pulls matrices only.
"""

import re

import torch
from torch import Tensor, nn

from endonym.errors import TrainingError
from endonym.model.foreign import AnyDecoder
from endonym.model.weights import narrow
from endonym.train.config import Phase
from endonym.train.distributed import part_of, whole

UNDECAYED = re.compile(r"(decay_log|convolution\.weight|A_log|conv1d\.weight)$")
"""Two axes or more, but no matrix: decays of a state, taps of a convolution."""
STATES = ("exp_avg", "exp_avg_sq")


class Optimizer:
    """Masters of every parameter in fp32, their AdamW, and the model that is refreshed from them.

    In fp32 the masters are the model's own parameters and nothing is copied.
    """

    def __init__(self, decoder: AnyDecoder, phase: Phase, number_format: str) -> None:
        if number_format not in ("fp32", "bf16"):
            raise TrainingError(
                f"number_format is {number_format!r}, not resolved to fp32 or bf16",
                where=f"phase {phase.name}",
                do='Set number_format = "fp32", which every machine computes.',
            )
        self.names = [name for name, _ in decoder.named_parameters()]
        self.tables = table_names(decoder)
        masters = [parameter.detach().float() for parameter in decoder.parameters()]
        if number_format == "bf16":
            masters = [master.clone() for master in masters]
            narrow(decoder)
        self.parameters = list(decoder.parameters())
        self.masters = [nn.Parameter(master) for master in masters]
        if number_format == "fp32":
            self.masters = self.parameters
        self.is_narrow = number_format == "bf16"
        self.phase = phase
        self.adamw = torch.optim.AdamW(self._groups(), betas=phase.betas, eps=1e-8, fused=True)
        self.refresh()

    def _groups(self) -> list[dict[str, object]]:
        """Matrices with decay; tables at their own rate; norms and biases plain."""
        phase, named = self.phase, list(zip(self.names, self.masters, strict=True))
        tables = [master for name, master in named if name in self.tables]
        others = [(name, master) for name, master in named if name not in self.tables]
        matrices = [p for name, p in others if p.ndim > 1 and not UNDECAYED.search(name)]
        vectors = [p for name, p in others if p.ndim == 1 or UNDECAYED.search(name)]
        lr = phase.lr or 0.0
        return [
            {"params": matrices, "peak": lr, "weight_decay": phase.weight_decay or 0.0},
            {"params": tables, "peak": phase.embedding_lr or lr, "weight_decay": 0.0},
            {"params": vectors, "peak": lr, "weight_decay": 0.0},
        ]

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
        return whole(nn.utils.clip_grad_norm_(self.masters, largest))

    def step(self, share: float) -> None:
        """One step at this share of the peak rates; gradients are cleared."""
        for group in self.adamw.param_groups:
            group["lr"] = group["peak"] * share
        self.adamw.step()
        self.adamw.zero_grad(set_to_none=True)
        self.refresh()

    def refresh(self) -> None:
        """Copy the masters into the model, rounded to its number format."""
        if self.is_narrow:
            with torch.no_grad():
                for parameter, master in zip(self.parameters, self.masters, strict=True):
                    parameter.copy_(master)

    def weights(self) -> dict[str, Tensor]:
        """The masters by name, fp32."""
        return {name: m.detach() for name, m in zip(self.names, self.masters, strict=True)}

    def state(self) -> dict[str, Tensor]:
        """AdamW's memories by name; steps are counted by the loop."""
        found: dict[str, Tensor] = {}
        for name, master in zip(self.names, self.masters, strict=True):
            for kind in STATES:
                if master in self.adamw.state:
                    found[f"{name}.{kind}"] = self.adamw.state[master][kind]
        return found

    def load(self, weights: dict[str, Tensor], state: dict[str, Tensor], step: int) -> None:
        """Take up where a checkpoint stood."""
        with torch.no_grad():
            for name, master in zip(self.names, self.masters, strict=True):
                master.copy_(part_of(weights[name], master))
                if f"{name}.{STATES[0]}" in state:
                    self.adamw.state[master] = {
                        "step": torch.tensor(float(step), device=master.device),
                        **{kind: part_of(state[f"{name}.{kind}"], master) for kind in STATES},
                    }
        self.refresh()


def table_names(decoder: AnyDecoder) -> set[str]:
    """The parameters whose rows are looked up: embeddings, positions, and the head."""
    found = [each.weight for each in decoder.modules() if isinstance(each, nn.Embedding)]
    tables = {id(weight) for weight in (*found, decoder.readout.weight_VD)}
    return {name for name, each in decoder.named_parameters() if id(each) in tables}
