"""The README.md of a model that is handed over: what it is, how good it is, how it is used.

Everything in it comes from manifests. What they do not say, it does not say.
"""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from endonym.copies.notes import copies, kept_out
from endonym.data.config import RECORDS
from endonym.disk import write_atomic
from endonym.errors import printable
from endonym.evaluate.neighbours import sentences
from endonym.evaluate.score import Score, headline
from endonym.evaluate.tables import by_text, model_heads, remarks, score_rows
from endonym.export.front_matter import front_matter, hub_license
from endonym.export.gguf.rows import architecture_of
from endonym.export.history import History
from endonym.export.markdown import README, table
from endonym.export.modelfile import MODELFILE, chosen_file, modelfile
from endonym.export.shapes import row_of
from endonym.formats.reasons import in_words
from endonym.generate.language_model import LanguageModel, most_tokens
from endonym.log import duration, size
from endonym.model.config import ModelConfig
from endonym.model.count import parameters
from endonym.model.describe import parts_text
from endonym.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:
    from endonym.export.verify import Check

EDITED = (README, MODELFILE)
"""Files that people edit after an export."""
INSTALL = "pip install torch transformers"
LOADING = """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = "."  # where this file is
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
"""
CODE = f"""{LOADING}inputs = tokenizer(["", "…"], return_tensors="pt", padding=True)
for made in tokenizer.batch_decode(model.generate(**inputs), skip_special_tokens=True):
    print(made)
```"""
CHAT_CODE = f"""{LOADING}messages = [{{"role": "user", "content": "…"}}]
inputs = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"
)
made = model.generate(**inputs)
print(tokenizer.decode(made[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True))
```"""
"""A test runs both."""

OF_BASE = "see its base"
"""The license of a text that a model's base was made of stands in the recipe of that base alone."""

Form = Literal["huggingface", "gguf"]


class Merged(NamedTuple):
    """An adapter in a model's weights. id: of its model in the store. data: what it was trained on.

    Both are empty if they are not known.
    """

    name: str
    id: str = ""
    data: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a model. licenses: of its sources, by name. history: None if it is lost.

    merged: the adapter in its weights, if there is one; the history is that of its base then.
    """

    name: str = "model"
    language: str = ""
    licenses: Mapping[str, str] = field(default_factory=dict[str, str])
    history: History | None = None
    merged: Merged | None = None


def write_card(
    folder: Path,
    card: Card,
    model: LanguageModel,
    *,
    form: Form,
    checks: Sequence["Check"] = (),
    limits: Sequence[str] = (),
) -> None:
    """Write README and, beside GGUF files, a Modelfile.

    checks: that the export has passed. limits: what its program does otherwise than endonym.
    """
    sizes = {each.name: each.stat().st_size for each in sorted(folder.iterdir())}
    text = readme(card, model, form=form, sizes=sizes, checks=checks, limits=limits)
    write_atomic(folder / README, text.encode("utf-8"))
    if form == "gguf":
        given = modelfile(
            chosen_file(list(sizes)),
            context=model.decoder.config.context,
            stops=[model.tokenizer.token(each) for each in model.tokenizer.stop_ids],
            template=model.tokenizer.chat_template,
            max_tokens=most_tokens(model.decoder.config.context),
        )
        write_atomic(folder / MODELFILE, given.encode("utf-8"))


def readme(
    card: Card,
    model: LanguageModel,
    *,
    form: Form,
    sizes: Mapping[str, int],
    checks: Sequence["Check"] = (),
    limits: Sequence[str] = (),
) -> str:
    """The file's text: the head that the hub reads, then Markdown for people.

    sizes: of the other files, by name.
    """
    kind = kind_of(model, form)
    known, scores = card.history, card.history.scores() if card.history else []
    parts = [_summary(card, model, kind)]
    if form == "huggingface":
        parts.append(_use_transformers(model.tokenizer))
    else:
        parts.append(_use_gguf(card, model.tokenizer, list(sizes)))
    beside = sentences(known.neighbours(), known.corpus.numbers) if known else []
    parts.append(_scores(scores, beside))
    if known is not None:
        parts += [_data(known, card.licenses), _training(known)]
    parts += [_limits(known, scores, limits), _files(sizes, checks)]
    head = front_matter(
        printable(card.name),
        card.language,
        license=hub_license(known.licenses(card.licenses) if known and not card.merged else ()),
        library="transformers" if form == "huggingface" else "gguf",
        tags=[kind] if form == "huggingface" else ["gguf", "llama.cpp", "ollama"],
        scores=scores,
    )
    return head + "\n" + "\n\n".join(part for part in parts if part) + "\n"


def kind_of(model: LanguageModel, form: Form) -> str:
    """The architecture's name in that format."""
    config = model.decoder.config
    if not isinstance(config, ModelConfig):
        return str(config.transformers["model_type"])
    return architecture_of(config).name if form == "gguf" else row_of(config).model_type


def _summary(card: Card, model: LanguageModel, kind: str) -> str:
    """Name, purpose, shape."""
    config, tokens = model.decoder.config, model.tokenizer
    of = f" of the language `{card.language}`" if card.language else ""
    total = f"{parameters(config).total:,} parameters, a vocabulary of {tokens.vocab:,}"
    known = card.history
    made = f"exported by endonym {version('endonym')}"
    if known is not None and known.is_from_scratch:
        made = f"made with endonym {version('endonym')}"
    does = "A base language model"
    ability = "It continues texts; it was not\ntrained to follow instructions or to chat."
    if tokens.chat_template is not None:
        does, ability = "A language model", "It has a template for conversations."
    elif known is None or not known.is_from_scratch:
        does, ability = "A language model", "It continues texts."
    merged = "" if card.merged is None else _of_adapter(card.merged)
    return f"""# {printable(card.name)}

{does}{of}, {made}. {ability}
Its license depends on that of the texts it was made of.{merged}

{kind}: {config.layers} layers of {config.dim} channels ({parts_text(config)});
{total}, a context of {config.context:,} tokens."""


def _of_adapter(merged: Merged) -> str:
    """What is said of an adapter in the weights."""
    name = f"`{printable(merged.name)}`"
    data = f"\nIt was trained on {printable(merged.data)}." if merged.data else ""
    return (
        f"\n\nThe adapter {name} is merged into the weights.{data}\n"
        "What stands below about data and training is said of its base."
    )


def _use_transformers(tokens: Tokenizer) -> str:
    names = """The name of a special token
  in a text is read as plain text (`split_special_tokens`); do not write one before a prompt. The
  library `tokenizers` alone needs `tokenizer.encode_special_tokens = True` for this."""
    if tokens.chat_template is not None:
        names = f"""The name of a special token
  in a text is read as that token; for texts that are not your own say
  `tokenizer(text, split_special_tokens=True)`.
* Conversations: `tokenizer.apply_chat_template(messages, add_generation_prompt=True)` gives in
  `["input_ids"]` the ids that the model was trained with, `{tokens.start}` in front included. Put
  nothing more before them, and take names of special tokens out of messages of others."""
    return f"""## Use

`{INSTALL}`, then:

{CODE if tokens.chat_template is None else CHAT_CODE}

* The tokenizer puts `{tokens.start}` before every text, as in training. {names}
* lm-evaluation-harness puts it there a second time for rolling perplexities; there say
  `add_bos_token=False`. Its other tasks are right as they are.
* `generation_config.json` holds settings of sampling that suit a small model.
* The padding token is `{tokens.end}`, the end of a text, on the left. Where you train further, mask
  labels by the attention mask and not by this id, or the model forgets how a text ends.
* llama.cpp and Ollama read GGUF files: `endonym export MODEL --to gguf` writes them."""


def _use_gguf(card: Card, tokens: Tokenizer, files: Sequence[str]) -> str:
    file = shlex.quote(chosen_file(list(files)))
    name = re.sub("[^a-z0-9._-]+", "-", card.name.lower()).strip("-._") or "model"
    program, prompt = f'llama-completion -m {file} -no-cnv -p "…"', ' "…"'
    if tokens.chat_template is not None:
        program, prompt = f"llama-cli -m {file} --jinja", ""
    return f"""## Use

llama.cpp:

```
{program}
```

Ollama, with the `Modelfile` of this folder:

```
ollama create {name} -f Modelfile
ollama run {name}{prompt}
```

* Both put `{tokens.start}` before every text, as in training.
* The programs of llama.cpp and Ollama read the name of a special token in a prompt as that token;
  endonym itself does not. Take `{tokens.end}` out of texts that are not your own.
* In transformers: `endonym export MODEL --to huggingface` writes a folder for it."""


def _scores(scores: Sequence[Score], beside: Sequence[str]) -> str:
    """Bits per byte of test documents, with intervals and baselines, by source.

    beside: what is said of their neighbours in training.
    """
    if not scores:
        return ""
    parts = [
        """## Scores

Bits per byte of held-out documents that were used neither to train the model nor to choose
anything; lower is better. Beside the model stand simple baselines and a compressor (PPMd) that has
read the same training text."""
    ]
    for part in by_text(scores):
        rows = score_rows(part)
        names = list(rows[0].scores)
        kind = "read alone" if rows[0].score.text == "document" else "read in blocks of neighbours"
        heads = [kind, *model_heads(rows[0]), "95 % of model", f"{rows[0].score.text}s"]
        cells: list[list[str]] = []
        for row in rows:
            mine = row.score
            values = [f"{row.scores[n].value:.4f}" if n in row.scores else "" for n in names]
            span = "too few" if mine.low is None else f"{mine.low:.4f}–{mine.high:.4f}"
            cells.append([row.name, *values, span, f"{mine.n_documents:,}"])
        parts += [table(heads, cells), "\n".join(f"* {note}" for note in remarks(rows))]
    parts += beside
    return "\n\n".join(part for part in parts if part)


def _data(known: History, licenses: Mapping[str, str]) -> str:
    """The sources with their sizes and licenses, what was dropped, and the tokenizer."""
    cells: list[list[str]] = []
    readings = [each for each in known.lineage if each.sources]
    named = [(*item, model is known) for model in readings for item in model.sources.items()]
    for (name, each, is_own), license in zip(named, known.licenses(licenses), strict=True):
        kept = each["kept"]
        documents = [f"{kept[side]['documents']:,}" for side in ("train", "dev", "test")]
        bytes_ = size(kept["train"]["bytes"])
        unknown = "not stated" if is_own else OF_BASE
        cells.append([name, bytes_, *documents, license or unknown])
    heads = ["source", "training text", "documents", "dev", "test", "license"]
    parts = ["## Data", *([table(heads, cells)] if cells else [])]
    parts += [_cleaned(each.corpus.numbers) for each in readings]
    return "\n\n".join([*parts, _tokenizer(known), *_answers(known)])


def _cleaned(card: Mapping[str, Any]) -> str:
    """How many documents of a corpus were dropped, and what else was left out."""
    total = card["total"]
    read, dropped = total["read"]["records"], total["dropped"].values()
    number = sum(each["records"] for each in dropped)
    said = f"Of {read:,} documents that were read, {number:,} were dropped by cleaning."
    return "\n* ".join([said, *copies(card), *kept_out(card).values()])


def _tokenizer(known: History) -> str:
    """What the tokenizer was made of, and how it fits the held-out texts."""
    numbers, config = known.tokenizer.numbers, known.tokenizer.manifest["config"]
    vocab, kind = f"{numbers['vocab']:,} ids", config.get("kind")
    said = f"The tokenizer ({vocab}) is that of the model it began with."
    if kind:
        said = f"The tokenizer ({kind}, {vocab}) was made of the training text alone."
    fit = numbers["held_out"]["total"]["bytes_per_token"]
    return said + (f" {fit:.2f} bytes of dev text are a token." if fit else "")


def _answers(known: History) -> list[str]:
    """The conversations and preference pairs of the phases that learned from some."""
    lines: list[str] = []
    for files, counted in (answers for each in known.lineage for answers in each.answers()):
        kind = RECORDS[counted["objective"]]
        names = ", ".join(f"`{printable(name)}`" for name in files)
        rejected = ", ".join(
            f"{n:,} {in_words(reason)}" for reason, n in counted["dropped"].items()
        )
        lines.append(
            f"* {names}: {counted['kept']:,} of {counted['records']:,} {kind}"
            + (f"; rejected were {rejected}" if rejected else "")
            + f". {counted['dev']['examples']:,} examples are held out."
        )
    return ["It learned to answer from:", "\n".join(lines)] if lines else []


def _training(known: History) -> str:
    """A row for each phase, and how long it took if a journal tells."""
    cells: list[list[str]] = []
    for each in (phase for every in known.lineage for phase in every.phases):
        phase, numbers = each.manifest["config"]["phase"], each.numbers
        cells.append(
            [
                f"{numbers['tokens']:,}",
                f"{numbers['epochs']:.1f}",
                f"{numbers['kept_step']:,} of {numbers['steps']:,}",
                f"{phase['batch_tokens']:,}",
                phase["optimizer"],
                f"{phase['lr']:g}",
                f"{phase['weight_decay']:g}",
                phase["number_format"],
            ]
        )
    heads = ["tokens", "epochs", "weights of step", "tokens a batch", "optimizer", "learning rate"]
    parts = ["## Training", table([*heads, "weight decay", "numbers"], cells)]
    if not known.is_from_scratch:
        parts.append(
            "Training went on from a model that was made elsewhere; its data and its license are "
            "not known here."
        )
    if known.seconds():
        on = f" on {known.machine()}" if known.machine() else ""
        parts.append(f"All steps took {duration(known.seconds())}{on}.")
    return "\n\n".join(parts)


def _limits(known: History | None, scores: Sequence[Score], limits: Sequence[str]) -> str:
    """What nobody should expect of this model."""
    points = [
        "It writes what its texts make likely, which may be false, unfair or private. It knows "
        "nothing that they do not say.",
        "It is not safe for use on people without a person's review.",
    ]
    if known is None:
        points.append("How it was trained, on what, and how good it is, is not known here.")
    elif not scores:
        points.append("It was not scored on held-out documents.")
    mine, line = (headline(scores, model=name) for name in ("model", "compressor"))
    if mine and line and mine.value >= line.value:
        points.append("A compressor that has read the same text predicts held-out text better.")
    points += [f"In this format: {limit}." for limit in limits]
    return "## Limits\n\n" + "\n".join(f"* {point}" for point in points)


def _files(sizes: Mapping[str, int], checks: Sequence["Check"]) -> str:
    """Every file that holds the model, with its size, and how it was compared with the model."""
    cells = [[f"`{name}`", f"{bytes_:,}"] for name, bytes_ in sizes.items()]
    parts = ["## Files", table(["file", "bytes"], cells)]
    rises = [each for each in checks if each.check == "bits_per_byte"]
    if rises:
        runtimes = ", ".join(dict.fromkeys(each.runtime for each in checks))
        parts.append(
            "Each was compared with the trained model: token ids, logits and bits per byte as the "
            f"program\ncomputes them ({runtimes}). `endonym verify` does it again."
        )
        heads = ["file", "bits per byte, beside the trained model"]
        parts.append(table(heads, [[each.file, f"{100 * each.value:+.3f} %"] for each in rises]))
    return "\n\n".join(parts)
