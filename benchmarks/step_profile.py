"""Where the time of one of our training steps goes: parts whose sum is the step.

torch's profiler counts for each operation the time that is not in operations inside it, so the
times of all operations of a step sum to the step. Modules and functions are marked while they run
forward; a backward operation belongs to the part that made it, known by its sequence number. Into
a compiled block no mark reaches: there products and attention are known by their names, and what
is left are the kernels between them.
"""

import contextlib
import importlib
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from operator import attrgetter
from typing import Any
from unittest import mock

from torch import nn
from torch.autograd.profiler import record_function
from torch.profiler import ProfilerActivity, profile

MARK = "part: "
STEP = "the whole step"
FUNCTIONS = {
    "head": ["endonym.train.objectives.summed_nats"],
    "optimizer": ["endonym.train.optimizer.Optimizer.step"],
    "clip": ["endonym.train.optimizer.Optimizer.clip"],
    "casts and refresh": [
        "endonym.train.optimizer.Optimizer.collect",
        "endonym.train.optimizer.Optimizer.refresh",
    ],
}
"""Functions of ours that are a part; one that is not there any more is passed over."""
ATTENTION = "attention"
INSIDE = {"rotary": ["endonym.model.attention.rotate", "endonym.model.span.Span.cos_sin"]}
"""Functions inside blocks, which cannot be marked where blocks are compiled."""
BETWEEN = {
    ATTENTION: [
        "endonym.model.kernels.attend.attend_seen",
        "endonym.model.kernels.attend._by_blocks",
        "endonym.model.kernels.attend.blocks_of",
        "endonym.model.span.Span.attn_bias",
    ]
}
"""Functions that a compiled block calls as they were written."""
MODULES = {
    ATTENTION: "mixer",
    "activation": "ffn",
    "embedding": "embedding",
    "norms": "norm",
}
"""Last word of a module's name; of two marks around an operation the inner one counts."""
MATMULS = "matmuls of the blocks"
PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm")
REGION, KERNELS = "Torch-Compiled Region", "compiled kernels between products"
WHOLE_SCORES = "_WholeScores"
REST = "rest"
BACKWARD = "autograd::engine::evaluate_function"
MICROSECONDS = attrgetter("self_cpu_time_total")


def parts_of_step(contender: Any, batch: Any, count: int) -> dict[str, Any]:
    """Milliseconds and share of each part, over `count` steps; and a step without the profiler."""
    contender.learn(batch, 1.0)
    started = time.perf_counter()
    for _ in range(count):
        contender.learn(batch, 1.0)
    plain = (time.perf_counter() - started) / count
    roots = watched_steps(contender, batch, count)
    spent = sums(roots, MICROSECONDS)
    total = sum(spent.values())
    parts = {
        name: {"ms": round(us / count / 1000, 3), "share": round(us / total, 4)}
        for name, us in sorted(spent.items(), key=lambda pair: -pair[1])
    }
    step = sum(each.cpu_time_total for each in roots) / count / 1000
    return {"parts": parts, "step_ms": round(step, 2), "unwatched_ms": round(plain * 1000, 2)}


def watched_steps(contender: Any, batch: Any, count: int) -> list[Any]:
    """The profiler's events of `count` steps, with the parts marked."""
    with marked(contender.network):
        contender.learn(batch, 1.0)
        with profile(activities=[ProfilerActivity.CPU]) as watched:
            for _ in range(count):
                with record_function(STEP):
                    contender.learn(batch, 1.0)
    return [each for each in watched.events() or [] if each.name == STEP]


@contextlib.contextmanager
def marked(network: nn.Module) -> Generator[None]:
    """Marks around the parts while they run."""
    compiled = tuple(name + "." for name, each in network.named_modules() if is_compiled(each))
    with contextlib.ExitStack() as undo:
        for part, names in (FUNCTIONS | (BETWEEN if compiled else INSIDE)).items():
            for name in names:
                _mark_function(undo, part, name)
        for name, module in network.named_modules():
            part = _part_of(name, module)
            if part is not None and not name.startswith(compiled):
                _mark_module(undo, part, module)
        yield


def is_compiled(module: nn.Module) -> bool:
    """Whether `module.compile` was called."""
    return getattr(module, "_compiled_call_impl", None) is not None


def _part_of(name: str, module: nn.Module) -> str | None:
    """The part that a module is."""
    if isinstance(module, nn.Linear):
        return MATMULS if ".mixer." in name or ".ffn." in name else "head"
    last = name.rsplit(".", 1)[-1]
    return next((part for part, word in MODULES.items() if last.endswith(word)), None)


def _mark_function(undo: contextlib.ExitStack, part: str, name: str) -> None:
    """Wrap a function or a method, if it is there."""
    owner, attribute = _found(name)
    original = getattr(owner, attribute, None)
    if original is None:
        return

    def marking(*given: Any, **named: Any) -> Any:
        with record_function(MARK + part):
            return original(*given, **named)

    undo.enter_context(mock.patch.object(owner, attribute, marking))


def _found(name: str) -> tuple[Any, str]:
    """The module or class that holds a dotted name, and the name's last word."""
    path, _, attribute = name.rpartition(".")
    try:
        return importlib.import_module(path), attribute
    except ModuleNotFoundError:
        module, _, holder = path.rpartition(".")
        return getattr(importlib.import_module(module), holder, None), attribute


def _mark_module(undo: contextlib.ExitStack, part: str, module: nn.Module) -> None:
    """A mark that opens before a module runs and closes after."""
    opened: list[Any] = []

    def before(*given: Any) -> None:
        opened.append(record_function(MARK + part).__enter__())

    def after(*given: Any) -> None:
        opened.pop().__exit__(None, None, None)

    undo.callback(module.register_forward_pre_hook(before).remove)
    undo.callback(module.register_forward_hook(after).remove)


def owners(roots: list[Any]) -> dict[int, str]:
    """The part of each sequence number, from the operations that ran forward inside a mark."""
    found: dict[int, str] = {}

    def note(event: Any, part: str) -> None:
        if event.sequence_nr >= 0 and part != REST:
            found.setdefault(event.sequence_nr, part)

    walk(roots, note, lambda event, part: part)
    return found


def sums(roots: list[Any], figure: Callable[[Any], int]) -> Counter[str]:
    """A figure of each operation, summed by part: forward by its mark, backward by its sequence
    number."""
    found, owner = Counter[str](), owners(roots)

    def note(event: Any, part: str) -> None:
        found[part] += figure(event)

    def backward(event: Any, part: str) -> str:
        return owner.get(event.sequence_nr, REST) if event.name.startswith(BACKWARD) else part

    walk(roots, note, backward)
    return found


def _named(name: str, part: str) -> str:
    """The part of an operation inside another's part, by its name."""
    if name.startswith(MARK):
        return name.removeprefix(MARK)
    if name.startswith(REGION):
        return KERNELS
    if part != KERNELS:
        return part
    return MATMULS if name in PRODUCTS else ATTENTION if name == WHOLE_SCORES else part


def walk(
    roots: list[Any], note: Callable[[Any, str], None], change: Callable[[Any, str], str]
) -> None:
    """Visit every event with the part it stands in."""
    todo: Iterator[Any] = iter(roots)
    stack = [(each, REST) for each in todo]
    while stack:
        event, part = stack.pop()
        part = _named(event.name, part)
        part = change(event, part)
        note(event, part)
        stack += [(child, part) for child in event.cpu_children]
