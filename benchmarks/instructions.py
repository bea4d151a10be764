"""A small Romanian model learns to answer questions: all weights, LoRA, DoRA, and preferences.

    python benchmarks/instructions.py [--parts arms …] [--seeds 1 2] [--texts FOLDER]

A model of two million parameters reads sentences and fables. All else starts from it, and learns
from made questions (questions.py). Other questions, none of whose prompts stands in training,
judge: the share of answers that are exact, chosen greedily, as `endonym chat` answers.

* rates: losses on dev by learning rate and rank. Questions that judge are not asked.
* arms: all weights, LoRA, DoRA, at the default learning rates.
* same: merged weights beside the base with its adapter, and peft beside both: gaps of logits.
* served: the same answers from `endonym chat` (a pipe), endonym's server, its own runtime, and
  llama.cpp's server with its own template engine; and the same prompt ids.
* preferences: after all weights, a phase of preference pairs: right above wrong answers.

Budgets are epochs, so other work beside it changes no figure but seconds. Resumable; results:
benchmarks/results/instructions.json.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import torch
from cells import RESULTS, ROOT, Cell, Cells
from pages import markdown
from questions import KINDS, Question, questions
from runs import endonym, last_json, manifest
from safetensors.numpy import load_file
from serve import ours, peer

from endonym.commands.chat import Talk
from endonym.commands.load import with_adapter
from endonym.commands.serve import make_engine
from endonym.export.verify import Peft
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.log import Log, read_jsonl
from endonym.serve.engine import Engine, chat_ids
from endonym.serve.own_engine import OwnEngine
from endonym.store import Store

TEXTS = """language = "ro"
[[source]]
name = "sentences"
path = "sentences.txt"
document = "line"
[[source]]
name = "fables"
path = "fables.jsonl"
[clean]
normalize = ["nfc", "romanian_commas", "spaces"]
dedup = ["exact"]
[pack]
context = 256
"""
BASE = f"""seed = 1
{TEXTS}[tokenizer]
vocab = 2048
[model]
dim = 192
layers = 4
mixer.heads = 3
dropout = 0.0
[[phase]]
name = "texts"
tokens = 2000000
batch_tokens = 4096
optimizer = "muon"
lr = 6e-3
embedding_lr = 24e-3
weight_decay = 0.1
warmup_steps = 20
keep = "last"
number_format = "bf16"
compile = "off"
eval_every_steps = 1000
"""
TUNED = f"""{TEXTS}[model]
folder = "runs/base"
[chat]
val_share = 0.125
"""
PHASE = {"objective": "chat", "data": "train.jsonl", "epochs": 24.0}
PAIRS = {"objective": "preferences", "data": "pairs.jsonl", "epochs": 3.0}
USUAL = {"number_format": "bf16", "compile": "off"}
TRAIN, JUDGES, PREFERRED = 700, 152, 352
"""Questions: an eighth of those to train on are dev."""
RANK = 6
LORA, DORA = {"rank": RANK}, {"rank": RANK, "dora": True}
ARMS: dict[str, dict[str, Any]] = {"all weights": {}, "LoRA": LORA, "DoRA": DORA}
TRIALS: list[tuple[str, dict[str, Any], tuple[float, ...]]] = [
    ("all weights", {}, (3e-4, 1e-3, 3e-3)),
    ("LoRA", LORA, (3e-3, 1e-2, 3e-2)),
]
PARTS = ("rates", "arms", "same", "served", "preferences")
GREEDY, ANSWER_TOKENS, PIPED = Sampling(temperature=0.0), 16, 12
RESULT = RESULTS / "instructions.json"


def main() -> None:
    """Run the cells asked for and print the table."""
    asked = arguments()
    cells, work = Cells(asked.results), asked.work.resolve()
    write_data(asked.texts, work)
    run("base", BASE, work)
    if "rates" in asked.parts:
        for arm, adapt, rates in TRIALS:
            for lr in rates:
                rank = f" · rank {adapt['rank']}" if adapt else ""
                keep(cells, f"rate {lr:g} · {arm}{rank} · seed 1", trial, adapt, lr, work)
    for seed in asked.seeds:
        for arm in ARMS if "arms" in asked.parts else ():
            keep(cells, f"{arm} · seed {seed}", tuned, arm, seed, work)
        if "preferences" in asked.parts:
            keep(cells, f"preferences · seed {seed}", preferred, seed, work)
    for arm in ("LoRA", "DoRA") if "same" in asked.parts else ():
        keep(cells, f"same · {arm}", same, arm, work)
    for arm in ("all weights", "LoRA") if "served" in asked.parts else ():
        keep(cells, f"served · {arm}", served, arm, work)
    print(table(cells), rates_table(cells), sep="\n")


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data" / "ro")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "instructions")
    parser.add_argument("--results", type=Path, default=RESULT)
    return parser.parse_args()


def keep(cells: Cells, key: str, measured: Any, *given: Any) -> None:
    """Measure a cell that is not known yet, and print its numbers."""
    if key not in cells:
        cells.keep(key, measured(*given))
    print(key, {k: v for k, v in cells[key].items() if isinstance(v, float | int)}, flush=True)


def judges() -> list[Question]:
    """The questions that judge: none of their prompts is in training."""
    return questions(JUDGES, 2, but=questions(TRAIN, 1))


def write_data(texts: Path, work: Path) -> None:
    """Texts for the base, conversations, and preference pairs of other questions."""
    work.mkdir(parents=True, exist_ok=True)
    names = ("common_voice", "ronec", "tatoeba")
    lines = [
        line
        for name in names
        for line in (texts / f"{name}_sentences.txt").read_text(encoding="utf-8").splitlines()
    ]
    (work / "sentences.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    fables = (texts / "tinyfabulist_fables.jsonl").read_text(encoding="utf-8")
    (work / "fables.jsonl").write_text(fables, encoding="utf-8")
    train = questions(TRAIN, 1)
    talks = [
        {"messages": [said("user", each.prompt), said("assistant", each.right)]} for each in train
    ]
    pairs = [
        {"prompt": each.prompt, "chosen": each.right, "rejected": each.wrong}
        for each in questions(PREFERRED, 3, but=[*train, *judges()])
    ]
    for name, records in (("train", talks), ("pairs", pairs)):
        text = "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in records)
        (work / f"{name}.jsonl").write_text(text, encoding="utf-8")


def said(role: str, content: str) -> dict[str, str]:
    """A message."""
    return {"role": role, "content": content}


def run(name: str, recipe: str, work: Path) -> list[dict[str, Any]]:
    """The stages of models, the last one last, that `run --json` tells of."""
    (work / f"{name}.toml").write_text(f'name = "{name}"\n{recipe}', encoding="utf-8")
    told = last_json(endonym(work, "run", f"{name}.toml", "--json", "-q", threads=1))
    return [each for each in told["stages"] if each["name"].startswith("model ")]


def recipe(seed: int, *phases: dict[str, Any]) -> str:
    """The recipe of phases after the base, in TOML."""
    lines = [f"seed = {seed}\n{TUNED}"]
    for number, keys in enumerate(phases):
        lines += ["[[phase]]", f'name = "{keys["objective"]}-{number}"']
        lines += [f"{key} = {toml(value)}" for key, value in {**keys, **USUAL}.items()]
    return "\n".join(lines) + "\n"


def toml(value: Any) -> str:
    """A value in TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


def phase_of(adapt: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A phase that learns from conversations."""
    return {**PHASE, **keys, **({"adapt": adapt} if adapt else {})}


def folder_of(stage: dict[str, Any], work: Path) -> Path:
    """The model that a stage made."""
    return next((work / "store" / "model").glob(f"{stage['id']}*"))


def costs(stage: dict[str, Any], work: Path) -> Cell:
    """What a phase chose, how well it did on dev, and how long it took."""
    lines = read_jsonl(work / "store" / "journal" / f"model-{stage['id']}.jsonl")
    numbers = manifest(work / "store", stage)["numbers"]
    phase = manifest(work / "store", stage)["config"]["phase"]
    dev = [line["dev_nats"] for line in lines if "dev_nats" in line]
    return {
        "lr": phase["lr"],
        "batch_tokens": phase["batch_tokens"],
        "steps": numbers["steps"],
        "kept_step": numbers["kept_step"],
        "dev_first": round(dev[0], 4),
        "dev_best": round(min(dev), 4),
        "dev_last": round(dev[-1], 4),
        "seconds": round(sum(line.get("seconds", 0.0) for line in lines), 1),
    }


def trial(adapt: dict[str, Any], lr: float, work: Path) -> Cell:
    """The losses on dev of one learning rate."""
    kind = "dora" if adapt.get("dora") else "lora"
    name = f"try-{kind}-{adapt['rank']}-{lr:g}" if adapt else f"try-all-{lr:g}"
    return costs(run(name, recipe(1, phase_of(adapt, lr=lr)), work)[-1], work)


def trained(arm: str, seed: int, work: Path) -> list[dict[str, Any]]:
    """The stage that an arm makes."""
    name = f"{arm.replace(' ', '-')}-{seed}"
    return run(name, recipe(seed, phase_of(ARMS[arm])), work)


def tuned(arm: str, seed: int, work: Path) -> Cell:
    """Train an arm, and ask it before and after."""
    stage = trained(arm, seed, work)[-1]
    folder, asked = folder_of(stage, work), judges()
    before = answers(folder_of(run("base", BASE, work)[-1], work), asked, work)
    return {
        "exact": exact(answers(folder, asked, work), asked),
        "exact_before": exact(before, asked),
        "trained_percent": trained_percent(folder),
        **costs(stage, work),
    }


def trained_percent(folder: Path) -> float:
    """The share of weights that were trained, of those of the base."""
    weights = sum(each.size for each in load_file(folder / "weights.safetensors").values())
    adapter = folder / "adapter" / "adapter_model.safetensors"
    own = sum(each.size for each in load_file(adapter).values()) if adapter.exists() else weights
    return round(100 * own / weights, 2)


def exact(found: Sequence[str], asked: Sequence[Question]) -> dict[str, float]:
    """The share of right answers in percent, of all questions and of each kind."""
    right = [each.strip() == one.right for each, one in zip(found, asked, strict=True)]
    shares = {"all": right}
    for kind in (each.__name__ for each in KINDS):
        shares[kind] = [r for r, one in zip(right, asked, strict=True) if one.kind == kind]
    return {kind: round(100 * float(np.mean(each)), 2) for kind, each in shares.items()}


def answers(folder: Path, asked: Sequence[Question], work: Path) -> list[str]:
    """What `endonym chat` answers to each question alone; the first line of a base model."""
    store = Store(work / "store")
    return talked(make_engine(str(folder), store, "cpu", Log(quiet=True)), asked)


def talked(engine: Engine, asked: Sequence[Question]) -> list[str]:
    """The greedy answers of an engine."""
    lengths = {"max_tokens": ANSWER_TOKENS, "min_tokens": 0}
    found: list[str] = []
    with Talk(engine, print) as talk:
        for each in asked:
            if engine.template:
                pieces = talk.answered([said("user", each.prompt)], GREEDY, **lengths)
            else:
                pieces = talk.continued(f"{each.prompt}\n", GREEDY, **lengths)
            text = "".join(piece.text for piece in pieces)
            found.append(text if engine.template else text.partition("\n")[0])
    return found


@torch.inference_mode()
def logits(model: LanguageModel, ids: Sequence[int]) -> np.ndarray:
    """Logits after each id, (T, V)."""
    hidden_BTD, _ = model.decoder(torch.tensor([list(ids)]))
    return model.decoder.readout.logits(hidden_BTD[0]).float().numpy()


def own_engine(model: LanguageModel) -> OwnEngine:
    """endonym's own runtime."""
    return OwnEngine(model, most_slots=1, memory=1 << 28)


def filled(model: LanguageModel, each: Question, answer: str = "") -> list[int]:
    """The ids of a question up to its answer, and those of the answer."""
    engine = own_engine(model)
    ids = chat_ids(engine, [said("user", each.prompt)])
    opening = [] if ids[:1] == [engine.opening] else [engine.opening]
    return [*opening, *ids, *model.tokenizer.encode(answer)]


def same(arm: str, work: Path) -> Cell:
    """Largest gaps of logits: merged weights, the base with its adapter, and both in peft."""
    folder = folder_of(trained(arm, 1, work)[-1], work)
    base_folder = folder_of(run("base", BASE, work)[-1], work)
    merged, base = LanguageModel.load(folder), LanguageModel.load(base_folder)
    adapted = with_adapter(base, folder / "adapter")
    out, alone = work / "base-huggingface", work / f"{arm}-adapter"
    for target, (model, form) in {
        out: (base_folder, "huggingface"),
        alone: (folder, "adapter"),
    }.items():
        if not target.exists():
            endonym(work, "export", model, "--to", form, "--out", target)
    library = Peft(out, alone)
    rows = [filled(merged, each, each.right) for each in judges()]
    ours = [logits(merged, ids) for ids in rows]
    gaps = {
        "adapted": max(
            float(np.abs(one - logits(adapted, ids)).max())
            for one, ids in zip(ours, rows, strict=True)
        ),
        "peft": max(
            float(np.abs(one - library.logits(ids)).max())
            for one, ids in zip(ours, rows, strict=True)
        ),
    }
    return {"rows": len(rows), "peft": library.name, "gaps": gaps}


def served(arm: str, work: Path) -> Cell:
    """Shares of equal answers and prompt ids, in percent, beside endonym's own runtime."""
    folder, asked = folder_of(trained(arm, 1, work)[-1], work), judges()
    model = LanguageModel.load(folder)
    own = talked(own_engine(model), asked)
    out = work / f"{arm.replace(' ', '-')}-gguf"
    if not out.exists():
        endonym(work, "export", folder, "--to", "gguf", "--quantize", "F16", "--out", out)
    (file,) = out.glob("*.gguf")
    with ours(file, 1) as (url, _):
        (name,) = [each["id"] for each in httpx.get(f"{url}/v1/models").json()["data"]]
        by_server = [over_http(url, each, name) for each in asked]
    with peer(file, 1, 1, model.decoder.config.context) as (url, _):
        by_peer = [over_http(url, each) for each in asked]
        ids = [ids_of_peer(url, each) == filled(model, each) for each in asked]
    piped = [chat_pipe(folder, each, work) for each in asked[:PIPED]]
    found = {"endonym chat": piped, "endonym serve": by_server, "llama.cpp": by_peer}
    return {
        "equal_answers": {name: equal(each, own) for name, each in found.items()},
        "asked": {name: len(each) for name, each in found.items()},
        "equal_prompt_ids": round(100 * float(np.mean(ids)), 2),
        "exact": {name: exact(each, asked[: len(each)])["all"] for name, each in found.items()},
    }


def equal(found: Sequence[str], own: Sequence[str]) -> float:
    """The share of equal answers in percent."""
    return round(100 * float(np.mean([a == b for a, b in zip(found, own, strict=False)])), 2)


def chat_pipe(folder: Path, each: Question, work: Path) -> str:
    """The answer of the command `endonym chat`, which reads a pipe."""
    lengths = ("--temperature", 0, "--max-tokens", ANSWER_TOKENS)
    return endonym(work, "chat", folder, *lengths, "-q", given=each.prompt + "\n").rstrip("\n")


def over_http(url: str, each: Question, name: str = "") -> str:
    """The answer of a server."""
    body = {"model": name, "messages": [said("user", each.prompt)], "temperature": 0}
    answer = httpx.post(
        f"{url}/v1/chat/completions", json=body | {"max_tokens": ANSWER_TOKENS}, timeout=60
    )
    answer.raise_for_status()
    return answer.json()["choices"][0]["message"]["content"]


def ids_of_peer(url: str, each: Question) -> list[int]:
    """The ids of a prompt in llama.cpp's server, by its own template engine and tokenizer."""
    messages = {"messages": [said("user", each.prompt)]}
    prompt = httpx.post(f"{url}/apply-template", json=messages).json()["prompt"]
    body = {"content": prompt, "add_special": True, "parse_special": True}
    return httpx.post(f"{url}/tokenize", json=body).json()["tokens"]


def preferred(seed: int, work: Path) -> Cell:
    """A phase of preferences after all weights learnt to answer: pairs and exact answers."""
    name, asked = f"preferences-{seed}", judges()
    stages = run(name, recipe(seed, phase_of({}), PAIRS), work)
    folders = [folder_of(stage, work) for stage in stages]
    before, after = (margins(LanguageModel.load(each), asked) for each in folders)
    return {
        "pairs_before": round(100 * float(np.mean(before > 0)), 2),
        "pairs_after": round(100 * float(np.mean(after > 0)), 2),
        "pairs_moved": round(100 * float(np.mean(after > before)), 2),
        "margin_before": round(float(np.mean(before)), 3),
        "margin_after": round(float(np.mean(after)), 3),
        "exact_before": exact(answers(folders[0], asked, work), asked),
        "exact": exact(answers(folders[1], asked, work), asked),
        **costs(stages[-1], work),
    }


def margins(model: LanguageModel, asked: Sequence[Question]) -> np.ndarray:
    """How much likelier, in nats, the right answer is than the wrong one, with the turn's end."""
    return np.array(
        [nats(model, each, each.wrong) - nats(model, each, each.right) for each in asked]
    )


def nats(model: LanguageModel, each: Question, answer: str) -> float:
    """Nats of an answer and the end of its turn."""
    first, ids = len(filled(model, each)), filled(model, each, answer)
    (end,) = [each for each in model.tokenizer.stop_ids if each != model.tokenizer.end_id]
    log_TV = torch.from_numpy(logits(model, ids)).log_softmax(-1)
    targets = torch.tensor([*ids[first:], end])
    return -float(log_TV[first - 1 :].gather(1, targets[:, None]).sum())


def table(cells: Cells) -> str:
    """Exact answers before and after, the share of trained weights, the loss on dev."""
    rows: list[list[str]] = []
    for arm in (*ARMS, "preferences"):
        found = [cells[key] for key in sorted(cells) if key.startswith(f"{arm} · seed ")]
        if not found:
            continue
        name = arm if arm in ARMS else "all weights, then preferences"
        share = f"{found[0]['trained_percent']:.1f} %" if arm in ARMS else "100.0 %"
        dev = " ".join(f"{each['dev_best']:.3f}" for each in found) if arm in ARMS else ""
        values = [[each[key]["all"] for each in found] for key in ("exact_before", "exact")]
        said = [" ".join(f"{value:.1f}" for value in each) for each in values]
        mean = f"{np.mean(values[1]):.1f}"
        rows.append([name, share, f"{found[0]['lr']:g}", dev, said[0], said[1], mean])
    head = ["trained", "of the weights", "lr", "nats on dev, each seed", "exact before, %"]
    return markdown([*head, "exact after, %", "mean"], rows)


def rates_table(cells: Cells) -> str:
    """Losses on dev by learning rate."""
    rows: list[list[str]] = []
    for key in cells:
        if key.startswith("rate "):
            lr, *arm, _ = key.removeprefix("rate ").split(" · ")
            one = cells[key]
            each = [f"{one[figure]:.3f}" for figure in ("dev_first", "dev_best", "dev_last")]
            rows.append([" · ".join(arm), lr, *each])
    rows.sort(key=lambda row: (row[0], float(row[1])))
    return markdown(["trained", "lr", "dev before", "best", "last"], rows)


TABLES_OF_PAGE = {
    "instructions": lambda: table(Cells(RESULT)),
    "instruction rates": lambda: rates_table(Cells(RESULT)),
}


if __name__ == "__main__":
    main()
