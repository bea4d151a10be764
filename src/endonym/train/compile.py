"""torch.compile for blocks: operations between matrix products are fused into one kernel.

Blocks of one kind share compiled code. Attention and rotary positions are not compiled, since their
sizes change with the documents of a batch.
"""

import importlib.util
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch

from endonym.errors import TrainingError
from endonym.model.attention import Attention
from endonym.model.config import AttentionConfig, ExpertsConfig, ModelConfig
from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import AnyModelConfig
from endonym.train.config import Execution

COMPILERS = ("g++", "clang++", "c++")
COMPILING = ("torch._dynamo", "torch._inductor")
LINE = 200
"""Characters of a compiler's error that are shown."""


def unsupported_reason(shape: AnyModelConfig, device: str = "cpu") -> str | None:
    """Why a model is not compiled; None for stacks of attention and dense feed-forwards.

    Other models use kernels of our own, or sizes that change with every batch.
    """
    kind = device.partition(":")[0]
    if kind == "cpu" and not any(map(shutil.which, COMPILERS)):
        return f"no C++ compiler here ({', '.join(COMPILERS)})"
    if kind == "cuda" and importlib.util.find_spec("triton") is None:
        return "no Triton here, which compiles for NVIDIA's and AMD's GPUs"
    if kind not in ("cpu", "cuda"):
        return f"never tried on {kind}"
    if not isinstance(shape, ModelConfig):
        return "a foreign model"
    if not all(isinstance(mixer, AttentionConfig) for mixer in shape.mixers):
        return "state spaces have kernels of their own"
    if any(isinstance(ffn, ExpertsConfig) for ffn in shape.ffns):
        return "what goes to an expert changes with every batch"
    return None


def phase_unsupported_reason(
    shape: AnyModelConfig, execution: Execution, device: str, processes: int
) -> str | None:
    """Why a phase's blocks cannot be compiled, or None."""
    if execution.recompute >= shape.layers:
        return "all blocks are computed again, to need less memory"
    if execution.shard != "none" and processes > 1:
        return "weights in shards are gathered as blocks run"
    return unsupported_reason(shape, device)


def compile_blocks(decoder: AnyDecoder) -> None:
    """Compile blocks at their first run; rows must keep their number and length.

    Blocks with activation checkpointing are not compiled.
    """
    assert isinstance(decoder, Decoder)
    not_compiled: Any = torch.compiler.disable
    # On a CPU torch's own random numbers are used, so that compiled dropout is bit-identical.
    options: Any = {"fallback_random": next(decoder.parameters()).device.type == "cpu"}
    for block in list(decoder.blocks)[decoder.checkpointed_blocks :]:
        mixer = block.get_submodule("mixer")
        assert isinstance(mixer, Attention)
        mixer.cos_sin = not_compiled(mixer.cos_sin)
        mixer.attend = not_compiled(mixer.attend)
        block.compile(dynamic=False, options=options)


def compiler_failure(error: BaseException) -> str | None:
    """A compiler's error in one line; None if the error is not the compiler's.

    An installed compiler can still fail: without Python's headers, or where the folder of temporary
    files does not allow execution.
    """
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    is_from_compiler = any(type(each).__module__.startswith(COMPILING) for each in causes)
    # Loading the compiled file may fail: unlike for a missing package, the error names the file.
    if not is_from_compiler and not (isinstance(error, ImportError) and error.path):
        return None
    lines = [line.strip() for each in reversed(causes) for line in str(each).splitlines()]
    error_lines = [line for line in lines if "error:" in line.lower()]
    shown = error_lines or [line for line in lines if line]
    return shown[0][:LINE] if shown else type(error).__name__


@contextmanager
def explained_errors() -> Generator[None]:
    """Turn a compiler's failure during training into a TrainingError."""
    try:
        yield
    except Exception as error:
        if (failure := compiler_failure(error)) is None:
            raise
        raise TrainingError(
            f"the compiler here fails: {failure}",
            where="compile",
            do='Set compile = "off" in the phase, or repair the compiler; --replan tests again '
            "whether compiling works here.",
        ) from error


@contextmanager
def uncompiled() -> Generator[None]:
    """Run compiled blocks in eager mode: validation and samples have other row sizes."""
    with torch.compiler.set_stance("force_eager"):
        yield
