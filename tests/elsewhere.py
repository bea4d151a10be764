"""A device that is not the CPU: it computes as the CPU does, and refuses tensors that lie there.

On a CUDA device or Apple's, an operation on tensors of two devices is an error. Here it is one,
too, so code that forgets to move a tensor fails on a machine without any such device. torch's
interface for back ends in Python gives the device its name; a dispatch mode computes.

What it cannot show: kernels of a real device, its memory, its rounding, and asynchronous copies.
"""

# pyright: reportPrivateUsage=false

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from endonym.model import weights

ELSEWHERE = "elsewhere"
COPIES = {"_to_copy", "copy_"}
"""Operations between two devices."""


class WrongDevice(Exception):
    """An operation got tensors of two devices."""


class Elsewhere(Tensor):
    """A tensor of the device; `here` is the CPU's tensor that holds its numbers."""

    here: Tensor

    @staticmethod
    def __new__(cls: type["Elsewhere"], here: Tensor) -> "Elsewhere":
        return Tensor._make_wrapper_subclass(
            cls,
            here.shape,
            strides=here.stride(),
            storage_offset=here.storage_offset(),
            dtype=here.dtype,
            device=torch.device(ELSEWHERE, 0),
        )

    def __init__(self, here: Tensor) -> None:
        self.here = here

    def __repr__(self, **_: Any) -> str:
        return f"Elsewhere({self.here!r})"

    def tolist(self) -> Any:
        """As of any tensor; torch refuses it for classes of others."""
        return self.here.tolist()

    @classmethod
    def __torch_dispatch__(
        cls,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return computed(func, args, dict(kwargs or {}))


class Mode(TorchDispatchMode):
    """Sees the operations that make tensors, too."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return computed(func, args, dict(kwargs or {}))


def computed(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """An operation on either device. Raises WrongDevice if its tensors lie on both."""
    found: list[Tensor] = []
    each_tensor((args, kwargs), found.append)
    there = [each for each in found if isinstance(each, Elsewhere)]
    strangers = [each for each in found if not isinstance(each, Elsewhere) and each.dim()]
    name = func.overloadpacket.__name__
    if there and strangers and name not in COPIES:
        shapes = [tuple(each.shape) for each in strangers]
        raise WrongDevice(f"{name} on {ELSEWHERE} got tensors of shapes {shapes} from the CPU")
    asked = kwargs.get("device")
    if asked is not None:
        kwargs["device"] = torch.device("cpu")
    goes = bool(there) if asked is None else torch.device(asked).type == ELSEWHERE
    if name == "copy_":
        goes = isinstance(args[0], Elsewhere)
    owners = {id(each.here): each for each in there}
    given, named = each_tensor(
        (args, kwargs), lambda each: each.here if isinstance(each, Elsewhere) else each
    )
    result = func(*given, **named)

    def placed(tensor: Tensor) -> Tensor:
        if id(tensor) in owners:  # An operation in place returns what it was given.
            return owners[id(tensor)]
        return Elsewhere(tensor) if goes else tensor

    return each_tensor(result, placed)


def each_tensor(tree: Any, change: Callable[[Tensor], Any]) -> Any:
    """What stands for each tensor in arguments or results; `tree_map_only` takes ten times as long.

    No operation of torch takes or gives other containers.
    """
    if isinstance(tree, Tensor):
        return change(tree)
    if type(tree) in (tuple, list):
        return type(tree)(each_tensor(part, change) for part in tree)
    if type(tree) is dict:
        return {key: each_tensor(part, change) for key, part in tree.items()}
    return tree


def _without_gradients(mode: Any) -> None:
    """Inference tensors cannot be wrapped, so there are no gradients instead."""
    mode.instead = torch.no_grad()
    mode.instead.__enter__()


def _with_gradients(mode: Any, *error: Any) -> None:
    mode.instead.__exit__(*error)


def _saved_from_the_cpu(tensors: dict[str, Tensor], *args: Any, **kwargs: Any) -> None:
    """safetensors copies from the devices that it knows."""
    save_file({name: each.cpu() for name, each in tensors.items()}, *args, **kwargs)


def register() -> None:
    """Give the device its name, before autograd makes a thread for each device."""
    if torch._C._get_privateuse1_backend_name() != ELSEWHERE:
        _setup_privateuseone_for_python_backend(ELSEWHERE)


@contextmanager
def another_device() -> Generator[str]:
    """The name of the device, while it can be used."""
    register()
    usual = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)  # So the mode sees where torch.tensor(...) goes.
    try:
        with (
            patch.object(torch.inference_mode, "__enter__", _without_gradients),
            patch.object(torch.inference_mode, "__exit__", _with_gradients),
            patch.object(weights, "save_file", _saved_from_the_cpu),
            Mode(),
            sdpa_kernel(SDPBackend.MATH),
        ):
            yield ELSEWHERE
    finally:
        torch._C._set_only_lift_cpu_tensors(usual)
