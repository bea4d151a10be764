"""Weights, gradients and optimiser states in shards: each process keeps its part of each of them.

"gradients": a process keeps all weights from forward to backward, and its shard of the rest (as
ZeRO-2, arXiv:1910.02054, section 5). "weights": a block's weights are gathered when it computes,
and let go (ZeRO-3). Both by torch's `fully_shard`: the shards are the fp32 masters; in bf16 the
gathered weights are rounded, and gradients are summed in fp32.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError
from torch import Tensor
from torch.distributed.checkpoint import HuggingFaceStorageReader, HuggingFaceStorageWriter
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from endonym.errors import Damaged, TrainingError
from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.weights import PRECISE, decoder_with
from endonym.train.config import TrainConfig
from endonym.train.distributed import Group


def shard(decoder: AnyDecoder, config: TrainConfig, group: Group) -> None:
    """Spread a decoder's parameters over the processes, block by block; in place.

    Gradients are sums over the processes, not means: the loss is divided by all targets already.
    Raises TrainingError for what cannot be in shards.
    """
    if not isinstance(decoder, Decoder):
        raise _cannot(config, "only models of endonym's own architectures can be in shards")
    is_narrow = config.number_format == "bf16"
    if is_narrow and any(PRECISE.search(name) for name, _ in decoder.named_parameters()):
        raise _cannot(config, "state spaces keep some weights in fp32, bf16 shards none")
    policy = MixedPrecisionPolicy()
    if is_narrow:
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    device = next(decoder.parameters()).device.type
    mesh = init_device_mesh(device, (group.size,))
    for block in decoder.blocks:
        fully_shard(
            block,
            mesh=mesh,
            mp_policy=policy,
            reshard_after_forward=config.execution.shard == "weights",
        )
    # The head's matrix is used after the forward pass, so the root's weights stay gathered.
    fully_shard(decoder, mesh=mesh, mp_policy=policy, reshard_after_forward=False)
    for module in decoder.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo has no other


def let_go(decoder: AnyDecoder) -> None:
    """Drop whole weights that were gathered from shards: they are gathered anew when needed."""
    for module in decoder.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def _cannot(config: TrainConfig, why: str) -> TrainingError:
    return TrainingError(
        why,
        where=f"phase {config.name}: shard = {config.execution.shard!r}, number_format = "
        f"{config.number_format!r}",
        do='Set shard = "none", or number_format = "fp32".',
    )


def twin(decoder: AnyDecoder, weights: dict[str, Tensor], folder: Path) -> AnyDecoder:
    """A decoder like one in shards, of whole weights in fp32, for one process alone."""
    assert isinstance(decoder, Decoder)
    return decoder_with(decoder.config, weights, folder)


def save_shards(tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Write a file for each process, in safetensors, by `torch.distributed.checkpoint`.

    What fails on one process, a full disk say, is raised on every one.
    """
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        dcp.save(dict(tensors), storage_writer=writer)
    except CheckpointException as failed:
        raise next(iter(failed.failures.values()))[0] from failed


def load_shards(folder: Path) -> dict[str, Tensor]:
    """Whole tensors from such files, whatever number of processes wrote them.

    Raises Damaged if they cannot be read.
    """
    reader = HuggingFaceStorageReader(str(folder))
    try:
        known = reader.read_metadata().state_dict_metadata
        found = {
            name: torch.empty(each.size, dtype=each.properties.dtype)
            for name, each in known.items()
            if isinstance(each, TensorStorageMetadata)
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it is read by one process
            dcp.load(found, storage_reader=reader, no_dist=True)
    except (CheckpointException, SafetensorError, ValueError, KeyError) as error:
        raise Damaged(f"the shards cannot be read ({error})", where=str(folder)) from error
    return found
