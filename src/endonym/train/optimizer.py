"""AdamW on fp32 master weights, or Muon for the matrices in blocks; the model may compute in bf16.

Weights that are frozen, as under adapters, have no masters, gradients or optimizer state.

Source: arXiv:1711.05101, algorithm 2, torch's fused kernel. Weight decay applies to matrices only.
"""

# torch's calls over lists of tensors, which its own optimizers are made of, have no public name.
# pyright: reportPrivateUsage=false

import inspect
import re

import torch
from torch import Tensor, nn

from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.weights import narrow
from endonym.train.config import TrainConfig
from endonym.train.distributed import Tensors, full_tensor, is_plain, own, part_of
from endonym.train.muon import Muon, cautious_decay_

UNDECAYED = re.compile(r"(A_log|convolution\.weight|conv1d\.weight|\.magnitude)$")
"""Not matrices, despite two or more axes: state decays, convolution kernels, and the magnitudes of
DoRA on experts."""
STATES = ("exp_avg", "exp_avg_sq")


class EagerAdamW(torch.optim.AdamW):
    """torch's AdamW without the decorators that import torch's compiler, which takes seconds.

    They are `_disable_dynamo` and `_use_grad_for_differentiable` of torch 2.13, and matter only to
    an optimizer that is compiled or differentiated.
    """

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


class Optimizer:
    """fp32 master weights of every parameter that learns, and the optimizers that update them.

    In fp32, or with shards, the masters are the model's own parameters; sharded weights are rounded
    when they are gathered.
    """

    def __init__(self, decoder: AnyDecoder, config: TrainConfig) -> None:
        self.decoder = decoder
        self.config = config
        self.is_sharded = not all(map(is_plain, decoder.parameters()))
        self.is_narrow = config.number_format == "bf16" and not self.is_sharded
        trainable = {n: each for n, each in decoder.named_parameters() if each.requires_grad}
        self.names = list(trainable)
        self.embeddings_and_head = embedding_and_head_names(decoder)
        self.parameters = list(trainable.values())
        self.masters = self.parameters
        if self.is_narrow:
            copies = [each.detach().to(torch.float32, copy=True) for each in self.masters]
            self.masters = [nn.Parameter(copy) for copy in copies]
            narrow(decoder)
        kinds: dict[str, list[nn.Parameter]] = {"matrix": [], "table": [], "vector": []}
        for name, master in zip(self.names, self.masters, strict=True):
            if name in self.embeddings_and_head:
                kinds["table"].append(master)
            elif master.ndim > 1 and not UNDECAYED.search(name):
                kinds["matrix"].append(master)
            else:
                kinds["vector"].append(master)
        self.matrices: list[Tensor] = [*kinds["matrix"]]
        self.muon = Muon(self.matrices, config) if config.optimizer == "muon" else None
        peaks = {"matrix": config.lr, "table": config.embedding_lr, "vector": config.lr}
        groups = [
            {"params": parameters, "lr": peaks[kind], "peak": peaks[kind], "kind": kind}
            for kind, parameters in kinds.items()
            if kind != "matrix" or self.muon is None
        ]
        self.adamw = EagerAdamW(groups, betas=config.betas, eps=1e-8, weight_decay=0.0, fused=True)
        self.refresh()

    def collect(self) -> None:
        """Add the model's gradients to those of the masters; call it after each micro-batch."""
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
        """Clip the gradient to the norm `largest`; returns its L2 norm before clipping."""
        gradients = [master.grad for master in self.masters if master.grad is not None]
        total = nn.utils.get_total_norm(gradients)
        norm = full_tensor(total)
        # torch's clipping rewrites gradients even where nothing is clipped: a CPU can skip that; on
        # a GPU the comparison would synchronise.
        if norm.device.type != "cpu" or norm > largest:
            nn.utils.clip_grads_with_norm_(self.masters, largest, total)
        return norm

    def forget(self) -> None:
        """Drop all gradients."""
        for each in (*self.masters, *self.parameters):
            each.grad = None

    @torch.no_grad()
    def is_finite(self) -> bool:
        """Whether all weights and optimizer state of this process are finite."""
        tensors = (*self.weights().values(), *self.state().values())
        return all(bool(torch.isfinite(own(tensor)).all()) for tensor in tensors)

    @torch.no_grad()
    def step(self, lr_scale: float) -> None:
        """Update the weights at `lr_scale` (above 0) times the peak learning rates.

        The gradients are cleared.
        """
        config = self.config
        lr = self.config.lr * lr_scale
        decay = self.config.weight_decay
        if config.decay_schedule == "constant":
            decay /= lr_scale
        if self.muon is not None:
            self.muon.step(lr, decay)
        elif config.cautious:
            self._cautious_decay_(lr * decay)
        for group in self.adamw.param_groups:
            group["lr"] = group["peak"] * lr_scale
            if group["kind"] == "matrix" and not config.cautious:
                group["weight_decay"] = decay
        self.adamw.step()
        for master in self.masters:
            master.grad = None
        self.refresh()

    def _cautious_decay_(self, decay: float) -> None:
        """Cautious decay before AdamW's step, whose update has the sign of its new first moment."""
        state = self.adamw.state
        updated = [matrix for matrix in self.matrices if matrix.grad is not None]
        gradients = [own(matrix.grad) for matrix in updated]
        first_moments = [
            own(state[matrix]["exp_avg"]) if matrix in state else torch.zeros_like(own(matrix))
            for matrix in updated
        ]
        new_moments = torch._foreach_lerp(first_moments, gradients, 1 - self.config.betas[0])
        cautious_decay_([own(matrix) for matrix in updated], new_moments, decay)

    def refresh(self) -> None:
        """Copy the masters into the model's number format; free weights gathered from shards."""
        if self.is_sharded:
            from endonym.train.sharding import let_go

            let_go(self.decoder)
        if self.is_narrow:
            with torch.no_grad():
                for parameter, master in zip(self.parameters, self.masters, strict=True):
                    parameter.copy_(master)

    def weights(self) -> Tensors:
        """The masters by name, fp32."""
        return {name: m.detach() for name, m in zip(self.names, self.masters, strict=True)}

    def state(self) -> Tensors:
        """The optimizer state of AdamW and Muon by name, without step counts."""
        state: Tensors = {}
        muon_state = self.muon.state if self.muon is not None else {}
        for name, master in zip(self.names, self.masters, strict=True):
            tensors = muon_state.get(master) or self.adamw.state.get(master, {})
            state |= {f"{name}.{kind}": each for kind, each in tensors.items() if kind != "step"}
        return state

    @torch.no_grad()
    def load(self, weights: Tensors, state: Tensors, step: int) -> None:
        """Load weights and optimizer state after `step` updates, and drop the current state."""
        self.forget()
        self.adamw.state.clear()
        for name, master in zip(self.names, self.masters, strict=True):
            master.copy_(part_of(weights[name], master))
            if self.muon is not None and master in self.muon.state:
                for kind, tensor in self.muon.state[master].items():
                    tensor.copy_(part_of(state[f"{name}.{kind}"], tensor))
            elif f"{name}.{STATES[0]}" in state:
                self.adamw.state[master] = {
                    "step": torch.tensor(float(step), device=master.device),
                    **{kind: part_of(state[f"{name}.{kind}"], master).clone() for kind in STATES},
                }
        self.refresh()


def embedding_and_head_names(decoder: AnyDecoder) -> set[str]:
    """Names of the embeddings (of tokens and positions) and the head."""
    tables = [module.weight for module in decoder.modules() if isinstance(module, nn.Embedding)]
    embeddings_and_head = {id(weight) for weight in (*tables, decoder.readout.weight_VD)}
    return {name for name, each in decoder.named_parameters() if id(each) in embeddings_and_head}
