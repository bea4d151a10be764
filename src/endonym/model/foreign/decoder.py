"""Any causal model of `transformers` with the interface of `Decoder`.

If a model's documents packed into one row see each other (mostly state spaces), they are computed
one by one. If its cache takes one token at a time, it gets one. Both are slower and exact. Loading
tests which of them a model needs.
"""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from endonym.model.cache import Cache
from endonym.model.decoder import Decoder
from endonym.model.foreign.folder import ForeignConfig
from endonym.model.kernels.loss import Readout
from endonym.model.refusals import misfit
from endonym.model.span import Span

CACHE_ARGUMENTS = ("cache", "past_key_values", "cache_params")
"""Names of the cache in the classes of `transformers`, the newest first."""


class ForeignCache:
    """The cache of a foreign model: one object, which the model makes itself."""

    def __init__(self) -> None:
        self.network_cache: Any = None

    def bytes(self) -> int:
        """Memory it takes."""
        layers = getattr(self.network_cache, "layers", [])
        parts = tree_leaves([vars(layer) for layer in layers])
        return sum(part.nbytes for part in parts if isinstance(part, Tensor))


class ForeignDecoder(nn.Module):
    """A network of `transformers` with the interface of a `Decoder`.

    Its penalty is zero: a load balancing loss of its class is left out.
    """

    def __init__(self, config: ForeignConfig, network: Any) -> None:
        super().__init__()
        self.config = config
        self.network = network
        self.arguments = set(inspect.signature(network.base_model.forward).parameters)
        self.cache_argument = next((name for name in CACHE_ARGUMENTS if name in self.arguments), "")
        self.reads_packed = self.reads_padded = self.cache_takes_many = True
        self._checkpointed_blocks = 0

    @property
    def checkpointed_blocks(self) -> int:
        """As in Decoder, but all blocks or none; none if the class does not support it."""
        return self._checkpointed_blocks

    @checkpointed_blocks.setter
    def checkpointed_blocks(self, wanted: int) -> None:
        """Switch activation checkpointing on for all blocks, or off if `wanted` is 0."""
        is_supported = self.network.supports_gradient_checkpointing
        self._checkpointed_blocks = self.config.layers if wanted and is_supported else 0
        # The name in newer transformers, and in older ones.
        kinds = ("activation_checkpointing", "gradient_checkpointing")
        kind = next(each for each in kinds if hasattr(self.network, f"{each}_enable"))
        if self._checkpointed_blocks:
            getattr(self.network, f"{kind}_enable")({"use_reentrant": False})
        else:
            getattr(self.network, f"{kind}_disable")()

    @property
    def readout(self) -> Readout:
        """The head's matrix and logit cap."""
        cap = self.config.transformers.get("final_logit_softcapping")
        return Readout(self.network.get_output_embeddings().weight, cap)

    def empty_cache(self, batch: int, length: int) -> Cache:
        """A cache, which grows with the tokens."""
        return [ForeignCache()]

    def forward(
        self, tokens_BT: Tensor, span: Span | None = None, cache: Cache | None = None
    ) -> tuple[Tensor, Tensor]:
        """Hidden states after the last norm, (B, T, D), and a penalty of zero.

        Without a span each row is one document from its start. With a cache, tokens before the
        last document of a row are padding, and their hidden states mean nothing.
        """
        span = span or Span.after(0, tokens_BT)
        if cache is not None:
            foreign_cache = cache[0]
            assert isinstance(foreign_cache, ForeignCache)
            hidden_BTD = self._continue_from_cache(tokens_BT, span, foreign_cache)
        elif span.starts_BT is None or self.reads_packed:
            hidden_BTD = self._body(tokens_BT, span.positions_BT)[0]
        else:
            hidden_BTD = self._one_by_one(tokens_BT, span)
        hidden_BTD = hidden_BTD.to(self.readout.weight_VD.dtype)
        return hidden_BTD, hidden_BTD.new_zeros((), dtype=torch.float32)

    logits = Decoder.logits

    def _body(self, tokens_BT: Tensor, positions_BT: Tensor, **arguments: Any) -> Any:
        """The network without its head. transformers finds packed documents by their positions."""
        positions_BT = positions_BT.expand(tokens_BT.shape)
        arguments = {"use_cache": False, "position_ids": positions_BT} | arguments
        understood = {name: each for name, each in arguments.items() if name in self.arguments}
        return self.network.base_model(input_ids=tokens_BT, return_dict=True, **understood)

    def _continue_from_cache(self, tokens_BT: Tensor, span: Span, cache: ForeignCache) -> Tensor:
        """Hidden states of the tokens that follow those in the cache, which are added to it."""
        if span.past and span.length > 1 and not self.cache_takes_many:
            tokens = [tokens_BT[:, index, None] for index in range(span.length)]
            spans = [Span.after(span.past + n, token_B1) for n, token_B1 in enumerate(tokens)]
            parts = zip(tokens, spans, strict=True)
            return torch.cat([self._continue_from_cache(*part, cache) for part in parts], dim=1)
        arguments: dict[str, Any] = {"use_cache": True}
        if span.past:
            arguments[self.cache_argument] = cache.network_cache
        if span.starts_BT is not None:  # rows with padding before their documents
            if not self.reads_padded:
                raise misfit("no_padding", "batch", family=self.config.family)
            indices_M = torch.arange(span.past + span.length, device=span.device)
            arguments["attention_mask"] = (indices_M >= span.starts_BT[:, -1:]).long()
        out = self._body(tokens_BT, span.positions_BT, **arguments)
        cache.network_cache = out[self.cache_argument]
        return out[0]

    def _one_by_one(self, tokens_BT: Tensor, span: Span) -> Tensor:
        """Hidden states of packed rows, each document computed alone."""
        rows: list[Tensor] = []
        positions_BT = span.positions_BT.expand(tokens_BT.shape)
        for tokens_T, positions_T in zip(tokens_BT, positions_BT, strict=True):
            ends = [*torch.nonzero(positions_T == 0)[1:, 0].tolist(), len(tokens_T)]
            lengths = [end - start for start, end in zip([0, *ends], ends, strict=False)]
            parts = zip(tokens_T.split(lengths), positions_T.split(lengths), strict=True)
            alone = [self._body(tokens[None], positions[None])[0] for tokens, positions in parts]
            rows.append(torch.cat(alone, dim=1))
        return torch.cat(rows)


AnyDecoder = Decoder | ForeignDecoder
