"""The README.md of a model that is handed over: what it is, how good it is, how it is used.

Everything in it comes from manifests. What they do not say, it does not say.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from endonym.cleaning.packs import packs
from endonym.copies.notes import copies, kept_out
from endonym.data.config import RECORDS
from endonym.disk import write_atomic
from endonym.errors import quoted
from endonym.evaluate.score import headline
from endonym.evaluate.tables import by_text, model_cells, remarks, score_rows
from endonym.export import synthetic
from endonym.export.gguf.rows import architecture_of
from endonym.export.history import History
from endonym.export.kept import keeps_tokenizer
from endonym.export.markdown import filled_template, hub_license
from endonym.export.neighbours import sentences
from endonym.export.record import MODELFILE, README
from endonym.export.shapes import row_of
from endonym.export.verify import Check
from endonym.generate.language_model import LanguageModel
from endonym.model.config import ModelConfig
from endonym.model.count import parameters, parts_text
from endonym.tokenizer.chat_template import CHATML, OPENING

PREFERRED = ("Q8_0", "F16", "BF16")
"""Forms whose loss is too small to matter, the smallest first."""
OLLAMA_CHATML = (
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}"
    "<|im_start|>assistant\n"
)
"""ChatML in Ollama's language of templates (Go)."""
OF_BASE = "see its base"
"""The license of a text of a base, or of a teacher, stands in the recipe of that model alone."""

BASELINES = ("uniform", "unigram", "bigram", "compressor")
READ = {"document": "read alone", "block": "read in blocks of neighbours"}
"""How documents and blocks are read."""


class Merged(NamedTuple):
    """An adapter in a model's weights. id: of its model in the store. data: what it was trained on.
    synthetic: the sentence of what of that no person wrote.

    Each is empty if it is not known.
    """

    name: str
    id: str = ""
    data: str = ""
    synthetic: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a model. licenses: of its sources, by name. history: None if it is lost.

    synthetic: the sources that a program or a model wrote; None if that is not known. merged: the
    adapter in its weights, if there is one; the history is that of its base then.
    """

    name: str = "model"
    language: str = ""
    licenses: Mapping[str, str] = field(default_factory=dict)
    history: History | None = None
    merged: Merged | None = None
    synthetic: Sequence[str] | None = None

    @property
    def license(self) -> tuple[str, str] | None:
        """The one license of all texts behind the weights, as `hub_license` gives it.

        None if a text has none or another one, if answers were learned, or if not all texts are
        known: of an adapter in the weights, or of a base or teacher that was made elsewhere.
        """
        history = self.history
        if history is None or self.merged or history.has_answers or not history.is_of_known_texts:
            return None
        return hub_license(history.licenses(self.licenses))

    def last_data(self) -> tuple[str, str]:
        """What the last phase read, and the sentence of what of that no person wrote.

        Both are empty if the history is lost.
        """
        if self.history is None:
            return "", ""
        last = replace(self.history, phases=self.history.phases[-1:])
        objective = last.phases[0].manifest["config"]["phase"]["objective"]
        if objective in RECORDS:
            said = [synthetic.of_answers(counted) for _, counted in last.answers()]
            return RECORDS[objective], " ".join(said)
        shares = last.read_shares()
        return ", ".join(shares), synthetic.of_texts(shares, self.synthetic, "that text")


def write_card(
    folder: Path,
    card: Card,
    model: LanguageModel,
    *,
    is_gguf: bool,
    is_keyboard: bool = False,
    checks: Sequence[Check] = (),
    limits: Sequence[str] = (),
) -> None:
    """Write README and, beside GGUF files that are not for the keyboard, a Modelfile.

    checks: that the export has passed. limits: what its program does otherwise than endonym.
    """
    sizes = {each.name: each.stat().st_size for each in sorted(folder.iterdir())}
    write = partial(readme, card, model, is_gguf=is_gguf, is_keyboard=is_keyboard)
    text = write(sizes=sizes, checks=checks, limits=limits)
    write_atomic(folder / README, text.encode("utf-8"))
    if is_gguf and not is_keyboard:
        write_atomic(folder / MODELFILE, modelfile(chosen_file(list(sizes)), model).encode("utf-8"))


def readme(
    card: Card,
    model: LanguageModel,
    *,
    is_gguf: bool,
    is_keyboard: bool = False,
    sizes: Mapping[str, int],
    checks: Sequence[Check] = (),
    limits: Sequence[str] = (),
) -> str:
    """The file's text: the head that the hub reads, then Markdown for people.

    sizes: of the other files, by name.
    """
    config = model.decoder.config
    history = card.history
    tokenizer = model.tokenizer
    if isinstance(config, ModelConfig):
        architecture = architecture_of(config).name if is_gguf else row_of(config).model_type
    else:
        architecture = str(config.transformers["model_type"])
    return filled_template(
        "model.md",
        card=card,
        license=card.license,
        kind=architecture,
        is_gguf=is_gguf,
        is_keyboard=is_keyboard,
        is_kept=keeps_tokenizer(model),
        config=config,
        tokenizer=tokenizer,
        start="".join(map(tokenizer.token, tokenizer.before)),
        pad=tokenizer.token(tokenizer.pad_id),
        parameters=parameters(config).total,
        parts=parts_text(config),
        file=quoted(chosen_file(list(sizes))) if is_gguf else "",
        ollama_name=re.sub("[^a-z0-9._-]+", "-", card.name.lower()).strip("-._") or "model",
        sizes=sizes,
        checks=checks,
        limits=limits,
        spelling=_spelling(history),
        **_scores(history),
        **({} if history is None else _data(history, card)),
    )


def _spelling(history: History | None) -> list[str]:
    """The steps of a language pack, which decide how the training text is spelled."""
    rules = history.corpus.manifest["config"]["clean"] if history else {}
    return [name for name in rules.get("normalize", ()) if name in packs()]


def _scores(history: History | None) -> dict[str, Any]:
    """What the card's template shows of scores: of test documents, and of what is near them."""
    scores = history.scores() if history else []
    by_model = {model: headline(scores, model=model) for model in ("model", *BASELINES)}
    of_model = by_model["model"]
    compressor = by_model["compressor"]
    tables: list[tuple[list[list[str]], list[str]]] = []
    for rows in map(score_rows, by_text(scores)):
        text = rows[0].score.text
        heads, *lines = model_cells(rows, READ[text])
        counts = [f"{row.score.n_documents:,}" for row in rows]
        cells = [[*line, count] for line, count in zip(lines, counts, strict=True)]
        tables.append(([[*heads, f"{text}s"], *cells], remarks(rows)))
    return {
        "scores": scores,
        "headlines": [score for score in by_model.values() if score is not None],
        "loses_to_compressor": of_model and compressor and of_model.value >= compressor.value,
        "score_tables": tables,
        "neighbours": sentences(history.neighbours(), history.corpus.numbers) if history else [],
    }


def _data(history: History, card: Card) -> dict[str, Any]:
    """What the card's template shows of the data and phases of the whole lineage."""
    licenses = card.licenses
    shares = history.read_shares()
    sources = [
        (name, each.sources[name]["kept"], "not stated" if each is history else OF_BASE)
        for each, name in history.all_sources()
    ]
    corpora = {each.corpus.id: each.corpus.numbers for each, _ in history.all_sources()}
    named = zip(sources, history.licenses(licenses), strict=True)
    return {
        "sources": [(name, kept, license or unnamed) for (name, kept, unnamed), license in named],
        "synthetic": synthetic.of_texts(shares, card.synthetic, "the training text"),
        "synthetic_answers": synthetic.of_answers,
        "corpora": [*corpora.values()],
        "copies": copies,
        "kept_out": kept_out,
        "answers": [answers for each in history.lineage for answers in each.answers()],
        "records": RECORDS,
        "phases": [phase for each in history.lineage for phase in each.phases],
    }


def chosen_file(files: list[str]) -> str:
    """The GGUF file that Ollama is given, of those of several number formats."""
    by_format = {file.removesuffix(".gguf").rpartition("-")[2]: file for file in reversed(files)}
    return next((by_format[form] for form in PREFERRED if form in by_format), files[0])


def modelfile(file: str, model: LanguageModel) -> str:
    """How Ollama runs a GGUF file, to continue texts or to answer: the text of a `Modelfile`.

    A base model has no turns, and is given the prompt alone. Where a chat template is not ChatML,
    Ollama takes its own form of the one in the GGUF file.
    """
    context = model.decoder.config.context
    template = model.tokenizer.chat_template
    prompt = "{{ .Prompt }}"
    if template is not None:
        prompt = OLLAMA_CHATML if template.removeprefix(OPENING) == CHATML else ""
    return filled_template(
        MODELFILE,
        file=file,
        template=_quoted(prompt) if prompt else "",
        stops=[_quoted(model.tokenizer.token(each)) for each in model.tokenizer.stop_ids],
        context=context,
        max_tokens=min(model.defaults.max_tokens, max(1, context // 2)),
        sampling=model.defaults.sampling(),
    )


def _quoted(text: str) -> str:
    """A value that may hold blanks and quotes."""
    return f'"""{text}"""' if '"' in text or "\n" in text else f'"{text}"'
