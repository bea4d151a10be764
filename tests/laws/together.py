"""Two processes, then four: `python together.py FOLDER`.

They train each case side by side, as `endonym run --processes N` does, then go on from checkpoints
that one process left, and leave some for one process. The first writes what was seen.

torch is imported once: the processes are forked from the one that has done so and nothing else.
"""

import faulthandler
import gc
import json
import os
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
from made_conversations import toy_inputs, write_toy_examples
from torch import nn
from toys import lively_decoder, toy_config, toy_decoder, train_config, write_toy_shards

from endonym.data.shards import TokenShards
from endonym.device import ProcessInfo, process_info
from endonym.model.lora import adapted
from endonym.train.compile import unsupported_reason
from endonym.train.distributed import Group, called, dismiss, follow, own
from endonym.train.inputs import PhaseInputs, TrainingInputs
from endonym.train.loop import Training

VOCAB, CONTEXT, STEPS, HALF = 24, 16, 4, 2
SHORT = "smaller_micro_batch"


class Case(NamedTuple):
    """A training: what of it is in shards, number format, family, rows of a batch, other keys."""

    shard: str
    number_format: str = "fp32"
    family: str = "qwen3"
    rows: int = 6
    wish: str = "plain"

    @property
    def name(self) -> str:
        """A name for files."""
        return "-".join(map(str, self))


WISHES: dict[str, dict[str, Any]] = {
    "plain": {},
    "muon": {"optimizer": "muon", "normalise": True, "cautious": True, "average": "ema"},
    "harmed": {"name": "harmed"},
    "short": {"name": "short", "micro_tokens": 3 * CONTEXT},
    "compiled": {"compile": "on"},
    "mixed": {"sources": {"first": 0.25, "second": 0.75}},
    "chat": {"objective": "chat"},
    "preferences": {"objective": "preferences", "beta": 0.5},
    "adapted": {"adapt": {"rank": 2, "dropout": 0.0}, "average": "ema", "clip": 0.2},
    "dora": {"adapt": {"rank": 2, "dora": True, "on": ["query", "ffn"]}, "clip": 0.2},
    "sparing": {"recompute": 2, "cautious": True, "average": "tail", "average_share": 0.8},
}
"""What else a phase may say."""
SHARDS = ("none", "gradients", "weights")
PLAIN = [Case(each) for each in SHARDS]
CASES = {
    2: [
        *PLAIN,
        Case("none", family="moe"),
        Case("gradients", family="mamba2"),
        Case("gradients", wish="muon"),
        Case("weights", "bf16", family="moe", wish="muon"),
        Case("weights", wish="sparing"),
        Case("none", "bf16", wish="chat"),
        Case("weights", wish="preferences"),
        Case("weights", wish="adapted"),
        Case("gradients", "bf16", family="moe", wish="adapted"),
        Case("gradients", wish="dora"),
        Case("none", wish="short"),
        Case("none", wish="compiled"),
        Case("gradients", wish="mixed"),
        Case("none", wish="harmed"),
        Case("gradients", wish="harmed"),
    ],
    4: [Case("none", rows=3), Case("gradients"), Case("weights", family="gpt2", rows=3)],
}
"""By the number of processes; three rows leave one of four without any."""
WISHFUL = [
    Case("gradients", wish="muon"),
    Case("weights", wish="sparing"),
    Case("none", wish="chat"),
    Case("weights", wish="preferences"),
    Case("weights", wish="adapted"),
]
RESUMED = {2: PLAIN + WISHFUL, 4: PLAIN[2:]}


def write_corpus(folder: Path) -> None:
    """Documents of ids from two sources."""
    documents = [[1 + (7 * n + 3 * k * n) % (VOCAB - 1) for k in range(5 + n)] for n in range(20)]
    held_out = documents[5:12]
    sources = ("first", "second")
    write_toy_shards(folder / "shards", documents, held_out, vocab=VOCAB, sources=sources)
    for objective in ("chat", "preferences"):
        write_toy_examples(folder / objective, objective, vocab=VOCAB, longest=CONTEXT)


def training(folder: Path, case: Case, group: Group, home: str, dropout: float = 0.0) -> Training:
    """A case at its start: clipped, each row alone in memory; one alone does not compile."""
    train, dev = (TokenShards(folder / "shards", split) for split in ("train", "dev"))
    phase = {
        "steps": STEPS,
        "batch_tokens": case.rows * CONTEXT,
        "micro_tokens": CONTEXT,
        "lr": 3e-3,
        "warmup_steps": 2,
        "weight_decay": 0.1,
        "clip": 0.5,
        "eval_every_steps": HALF,
        "eval_tokens": 9 * CONTEXT,
        "keep": "last",
        "number_format": case.number_format,
        "shard": case.shard,
        **(WISHES[case.wish] if group.size > 1 or case.wish != "compiled" else {}),
    }
    layers = 1 if case.wish == "compiled" else 2
    shape = toy_config(case.family, vocab=VOCAB, context=CONTEXT, layers=layers, dropout=dropout)
    config = train_config(context=CONTEXT, **phase)
    decoder = toy_decoder(shape)
    at = folder / home / case.name
    if config.adapt is not None:
        decoder = adapted(lively_decoder(shape, noise=0.1).train(), config.adapt, 1)
    work: PhaseInputs = TrainingInputs(train, dev, at, unigram_nats=99.0)
    if objective := WISHES[case.wish].get("objective"):
        work = toy_inputs(folder / objective, objective, decoder, at, group)
    if case.wish == "short" and group.rank == group.size - 1:
        decoder.register_forward_pre_hook(run_short)
    return Training(decoder, config, work, seed=1, group=group)


def run_short(decoder: nn.Module, given: tuple[Any, ...]) -> None:
    """Memory ends in the last process when more than one row learns."""
    if decoder.training and len(given[0]) > 1:
        raise MemoryError


def seen(one: Training, until: int = STEPS) -> dict[str, Any]:
    """Loss and gradient norm of every step, validations, and the weights, up to a step."""
    found: dict[str, Any] = {"nats": [], "norms": [], "validations": [], "events": [], "short": []}
    for report in one.reports():
        events = [[each.event, each.step] for each in report.events]
        found["events"] += [each for each in events if each[0] != SHORT]
        found["short"] += [each for each in events if each[0] == SHORT]
        if report.seconds:
            found["nats"].append(report.nats)
            found["norms"].append(report.gradient_norm)
        if report.validation:
            sources = report.validation.sources
            found["validations"] += [report.validation.nats, *map(sources.get, sorted(sources))]
            found["validations"] += report.validation.figures.values()
        if one.config.name == "harmed" and report.step == STEPS - 1 and not one.state.rollbacks:
            harm(one)
        if report.step == until and not report.events:
            break
    if one.config.name == "short":  # In the last process alone, but all know of it.
        assert one.state.micro_rows == 1
        assert found["short"] == [[SHORT, 1]]
    if one.config.execution.compile:
        assert torch._dynamo.utils.counters["stats"]["unique_graphs"] or unsupported_reason(
            one.decoder.config
        )
    weights = one.weights()
    found["weights"] = {name: each.flatten().tolist() for name, each in weights.items()}
    with one.for_evaluation():
        reader = dict(one.whole_decoder().named_parameters())
        found["read"] = {name: reader[name].detach().float().flatten().tolist() for name in weights}
    return found


def dropped(one: Training) -> list[list[bool]]:
    """Which channels of the embedding dropout zeroed in each pass of the first two steps."""
    found: list[list[bool]] = []

    def note(_: nn.Module, given: tuple[torch.Tensor], kept: torch.Tensor) -> None:
        if one.decoder.training:
            found.append((kept == 0).flatten().tolist())

    one.decoder.get_submodule("dropout").register_forward_hook(note)
    for report in one.reports():
        if report.step == 2:
            break
    return found


@torch.no_grad()
def harm(one: Training) -> None:
    """Spoil a weight in the last process alone, just before the last step and its validation."""
    if one.group.rank == one.group.size - 1:
        own(one.optimizer.masters[-1]).fill_(torch.inf)


def compare(folder: Path, group: Group) -> None:
    """Every case; then halves of the plain ones, as the second and as the first of two lives."""
    found: dict[str, Any] = {}
    of = f"of-{group.size}"
    for case in CASES[group.size]:
        with warnings.catch_warnings():
            if case.wish == "compiled":
                warnings.simplefilter("ignore")  # torch's compiler warns of what it does itself
            found[case.name] = seen(training(folder, case, group, of))
    for case in RESUMED[group.size]:
        resumed = training(folder, case, group, f"for-{group.size}")
        assert resumed.resume() == HALF
        found[f"resumed {case.name}"] = seen(resumed)
        seen(training(folder, case, group, f"from-{group.size}"), until=HALF)
    masks = dropped(training(folder, PLAIN[0], group, f"dropped-{group.size}", dropout=0.5))
    (folder / f"masks-{group.size}-{group.rank}.json").write_text(json.dumps(masks), "utf-8")
    one = training(folder, PLAIN[0], group, of)
    rows = one.batches.part(3, group.share(6)).tokens_BT.tolist()
    (folder / f"rows-{group.size}-{group.rank}.json").write_text(json.dumps(rows), "utf-8")
    if group.is_first:
        (folder / f"seen-{group.size}.json").write_text(json.dumps(found), "utf-8")


def work(folder: Path) -> None:
    """Meet the others and work."""
    torch.set_num_threads(1)
    gc.collect = lambda *_: 0  # most of a case's time: a million objects of torch's, each time
    if process_info().rank > 0:
        follow(lambda group: compare(folder, group), "cpu")
        return
    with called("cpu") as group:
        compare(folder, group)
    dismiss()


def fork(folder: Path, where: ProcessInfo) -> int:
    """Start one of the processes; gives its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.environ.update(where.variables())
        work(folder)
        code = 0
    except BaseException:  # noqa: BLE001 - a child says why and ends; its parent goes on
        traceback.print_exc()
    finally:
        # As the command line does: gloo's threads, kept by shards' meshes, may let a tensor go only
        # while the interpreter ends, which aborts it (pytorch/pytorch#179291).
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Fork two processes, and four when they have ended; one that crashes says where."""
    faulthandler.enable()
    folder, codes = Path(sys.argv[1]), list[int]()
    threads = os.listdir("/proc/self/task")  # noqa: PTH208
    assert len(threads) == 1, f"{len(threads)} threads: forking would not be safe"
    for size in CASES:
        meeting = str(folder / f"meet-{size}")
        places = [ProcessInfo(rank, size, rank, size, meeting) for rank in range(size)]
        children = [fork(folder, each) for each in places]
        codes += [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children]
    sys.exit(any(codes))


if __name__ == "__main__":
    main()
