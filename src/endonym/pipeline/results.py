"""What a stage has made, in words: the lines that `run` prints when it ends."""

from typing import Any

from endonym.formats.reasons import in_words
from endonym.log import counted, number, size
from endonym.pipeline.types import Numbers

REASONS_SHOWN = 4
NO_TEXTS = "no texts: the recipe has no [[source]]"
"""Of a recipe that learns from conversations alone."""


def result(kind: str, numbers: Numbers) -> str:
    """What was counted while an artefact of this kind was made; empty if there is nothing to say.

    >>> result("tokenizer", {"vocab": 512, "held_out": {"total": {"bytes_per_token": 2.517}}})
    '512 ids · 2.52 bytes a token on dev text'
    """
    tellers = {
        "source": _files,
        "corpus": _corpus,
        "tokenizer": _tokenizer,
        "shards": _shards,
        "examples": _examples,
        "model": _model,
        "evaluation": _evaluation,
        "export": _export,
    }
    return tellers[kind](numbers) if kind in tellers else ""


def _export(numbers: Numbers) -> str:
    """The files, and how far bits per byte are from the model's where the runtime computes them."""
    told = f"{numbers['format']}: {counted(len(numbers['files']), 'file')}"
    checks = [each for each in numbers["checks"] if each["check"] == "bits_per_byte"]
    for each in checks:
        kind = each["file"].removesuffix(".gguf").rpartition("-")[2] + " "
        told += f" · {kind * (len(checks) > 1)}{100 * each['value']:+.2f} %"
    runtime = " ".join(checks[0]["runtime"].split()[:2]) if checks else ""
    return told + f" bits/byte in {runtime}" * bool(checks)


def _files(numbers: Numbers) -> str:
    return f"{counted(numbers['files'], 'file')} · {size(numbers['bytes'])}"


def _corpus(card: Numbers) -> str:
    """Documents read, kept and dropped, and encodings other than UTF-8."""
    if not card["sources"]:
        return NO_TEXTS
    total: dict[str, Any] = card["total"]
    kept = {side: each["documents"] for side, each in total["kept"].items()}
    parts = [
        f"{counted(total['read']['records'], 'document')} read",
        f"{number(kept['train'])} to train on",
        f"{number(kept['dev'] + kept['test'])} held out",
        _dropped(total["dropped"]),
        *_changed(total),
    ]
    others = {name: n for name, n in total["encodings"].items() if not name.startswith("utf-")}
    if others:
        parts.append(f"{counted(sum(others.values()), 'file')} not in UTF-8 ({', '.join(others)})")
    return " · ".join(parts)


def _changed(total: dict[str, Any]) -> list[str]:
    """How many texts cleaning changed, and the rules that took parts out of documents."""
    parts = {name: rule["parts"] for name, rule in total["rules"].items() if rule["parts"]}
    told = [f"{number(total['changed_documents'])} changed"] if total["changed_documents"] else []
    return told + [f"{counted(n, 'part')} {in_words(name)}" for name, n in parts.items()]


def _dropped(dropped: dict[str, dict[str, int]]) -> str:
    """How many records were dropped, and the most frequent reasons."""
    counts = sorted(((n["records"], reason) for reason, n in dropped.items()), reverse=True)
    if not counts:
        return "none dropped"
    shown = [f"{number(count)} {in_words(reason)}" for count, reason in counts[:REASONS_SHOWN]]
    rest = [count for count, _ in counts[REASONS_SHOWN:]]
    shown += [f"{number(sum(rest))} for other reasons"] if rest else []
    return f"{number(sum(count for count, _ in counts))} dropped ({', '.join(shown)})"


def _tokenizer(numbers: Numbers) -> str:
    fit = numbers["held_out"]["total"]["bytes_per_token"]
    told = f"{number(numbers['vocab'])} ids"
    told += f" · {fit:.2f} bytes a token on dev text" if fit else ""
    if (before := numbers["held_out"].get("before")) is not None:
        told += (
            f" · {before['total']['bytes_per_token']:.2f} with the {number(before['vocab'])} before"
        )
    if numbers.get("added", 0) < numbers.get("asked", 0):
        told += f" · only {number(numbers['added'])} of {number(numbers['asked'])} pieces added: "
        told += "the texts have no more that stand often enough"
    return told


def _shards(numbers: Numbers) -> str:
    if not numbers["train"]:
        return NO_TEXTS
    counts = {
        split: sum(each["tokens"] for each in numbers[split].values())
        for split in ("train", "dev", "test")
    }
    parts = [f"{number(counts['train'])} training tokens"]
    parts += [f"{number(counts[split])} {split}" for split in ("dev", "test")]
    return " · ".join(parts)


def _examples(numbers: Numbers) -> str:
    """Records read and rejected, examples, what is learnt of them, and what rows leave empty."""
    train, dev = numbers["train"], numbers["dev"]
    dropped = {reason: {"records": count} for reason, count in numbers["dropped"].items()}
    parts = [
        f"{counted(numbers['records'], 'record')} read",
        f"{number(train['examples'])} examples to train on",
        f"{number(dev['examples'])} held out",
        _dropped(dropped),
        *(
            [f"{number(numbers['cut'])} without what followed the last answer"]
            * bool(numbers["cut"])
        ),
        f"{number(train['learnt'])} of {number(train['tokens'])} tokens learnt",
        f"{100 * train['gap']:.1f} % of {counted(train['rows'], 'row')} empty",
    ]
    return " · ".join(parts)


def _model(numbers: Numbers) -> str:
    kept = f"weights of step {number(numbers['kept_step'])} of {number(numbers['steps'])} kept"
    return f"{number(numbers['tokens'])} tokens seen, {numbers['epochs']:.1f} epochs · {kept}"


def _evaluation(numbers: Numbers) -> str:
    if numbers["kind"] == "prompts":
        return f"{number(numbers['continuations'])} prompts continued"
    if numbers["kind"] == "speed":
        return f"{counted(numbers['runtimes'], 'runtime')} measured"
    return f"{numbers['split']} scored; the table comes at the end of the run"
