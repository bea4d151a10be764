"""Weights, gradients and optimizer state in shards, one for each process.

"gradients": weights stay gathered from forward to backward; gradients and optimizer state are
sharded (ZeRO-2, arXiv:1910.02054, section 5). "weights": a block's weights are gathered while it
computes (ZeRO-3). Both use torch's `fully_shard`: the shards are the fp32 master weights; in bf16
the gathered weights are rounded, and gradients are summed in fp32.
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
from endonym.model.weights import PRECISE
from endonym.train.config import TrainConfig
from endonym.train.distributed import Group, Tensors


def shard(decoder: AnyDecoder, config: TrainConfig, group: Group) -> None:
    """Shard a decoder's parameters over the processes, block by block, in place.

    Gradients are summed over the processes, not averaged: the loss is already divided by the
    targets of the whole batch. Raises TrainingError for models that cannot be sharded.
    """
    if not isinstance(decoder, Decoder):
        raise _cannot(config, "only models of endonym's own architectures can be in shards")
    is_narrow = config.number_format == "bf16"
    if is_narrow and any(PRECISE.search(name) for name, _ in decoder.named_parameters()):
        raise _cannot(config, "state spaces keep some weights in fp32, bf16 shards none")
    policy = MixedPrecisionPolicy()
    if is_narrow:
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    mesh = init_device_mesh(next(decoder.parameters()).device.type, (group.size,))
    reshards = config.execution.shard == "weights"
    for block in decoder.blocks:
        fully_shard(block, mesh=mesh, mp_policy=policy, reshard_after_forward=reshards)
    # The head's matrix is used after the forward pass, so the root's weights stay gathered.
    fully_shard(decoder, mesh=mesh, mp_policy=policy, reshard_after_forward=False)
    for module in decoder.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo has no other


def let_go(decoder: AnyDecoder) -> None:
    """Free the gathered weights; they are gathered again when needed."""
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


def save_shards(tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Write one safetensors file per process with `torch.distributed.checkpoint`.

    An error on one process, such as a full disk, is raised on every process.
    """
    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        dcp.save(dict(tensors), storage_writer=writer)
    except CheckpointException as failed:
        raise next(iter(failed.failures.values()))[0] from failed


def load_shards(folder: Path) -> Tensors:
    """Whole tensors from the files of any number of processes. Raises Damaged if unreadable."""
    reader = HuggingFaceStorageReader(str(folder))
    try:
        metadata = reader.read_metadata().state_dict_metadata
        tensors = {
            name: torch.empty(each.size, dtype=each.properties.dtype)
            for name, each in metadata.items()
            if isinstance(each, TensorStorageMetadata)
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it is read by one process
            dcp.load(tensors, storage_reader=reader, no_dist=True)
    except (CheckpointException, SafetensorError, ValueError, KeyError) as error:
        raise Damaged(f"the shards cannot be read ({error})", where=folder) from error
    return tensors
