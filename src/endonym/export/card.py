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
from endonym.evaluate.score import headline
from endonym.evaluate.tables import ScoreRow, by_text, model_cells, remarks, score_rows
from endonym.export.front_matter import hub_license, language_code
from endonym.export.gguf.rows import architecture_of
from endonym.export.history import History
from endonym.export.markdown import README, filled_template
from endonym.export.modelfile import MODELFILE, chosen_file, modelfile
from endonym.export.shapes import row_of
from endonym.generate.language_model import LanguageModel, most_tokens
from endonym.model.config import ModelConfig
from endonym.model.count import parameters, parts_text

if TYPE_CHECKING:
    from endonym.export.verify import Check

EDITED = (README, MODELFILE)
"""Files that people edit after an export."""
OF_BASE = "see its base"
"""The license of a text that a model's base was made of stands in the recipe of that base alone."""

BASELINES = ("uniform", "unigram", "bigram", "compressor")
READ = {"document": "read alone", "block": "read in blocks of neighbours"}
"""How documents and blocks are read."""

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
    config, tokenizer, known = model.decoder.config, model.tokenizer, card.history
    licenses = known.licenses(card.licenses) if known and not card.merged else ()
    is_from_scratch = known is not None and known.is_from_scratch
    is_gguf, is_chat = form == "gguf", tokenizer.chat_template is not None
    return filled_template(
        "model.md",
        name=printable(card.name),
        language=card.language,
        language_code=language_code(card.language),
        license=hub_license(licenses),
        version=version("endonym"),
        kind=kind_of(model, form),
        is_gguf=is_gguf,
        is_chat=is_chat,
        is_from_scratch=is_from_scratch,
        is_base=is_from_scratch and not is_chat,
        merged=card.merged,
        config=config,
        tokenizer=tokenizer,
        parameters=parameters(config).total,
        parts=parts_text(config),
        file=shlex.quote(chosen_file(list(sizes))) if is_gguf else "",
        ollama_name=re.sub("[^a-z0-9._-]+", "-", card.name.lower()).strip("-._") or "model",
        history=known,
        sizes=sizes,
        checks=checks,
        rises=[check for check in checks if check.check == "bits_per_byte"],
        limits=limits,
        **_scores(known),
        **({} if known is None else _data(known, card.licenses)),
    )


def kind_of(model: LanguageModel, form: Form) -> str:
    """The architecture's name in that format."""
    config = model.decoder.config
    if not isinstance(config, ModelConfig):
        return str(config.transformers["model_type"])
    return architecture_of(config).name if form == "gguf" else row_of(config).model_type


def _scores(known: History | None) -> dict[str, Any]:
    """Bits per byte of test documents, and what is said of their neighbours in training."""
    scores = known.scores() if known else []
    by_model = {model: headline(scores, model=model) for model in ("model", *BASELINES)}
    mine, compressor = by_model["model"], by_model["compressor"]
    tables = [score_rows(part) for part in by_text(scores)]
    return {
        "scores": scores,
        "headlines": [score for score in by_model.values() if score is not None],
        "loses_to_compressor": mine and compressor and mine.value >= compressor.value,
        "score_tables": [(_score_table(rows), remarks(rows)) for rows in tables],
        "neighbours": sentences(known.neighbours(), known.corpus.numbers) if known else [],
    }


def _score_table(rows: Sequence[ScoreRow]) -> list[list[str]]:
    """Bits per byte by row, with the number of documents or blocks; the head first."""
    text = rows[0].score.text
    heads, *lines = model_cells(rows, READ[text])
    counted = zip(lines, rows, strict=True)
    return [[*heads, f"{text}s"], *([*line, f"{row.score.n_documents:,}"] for line, row in counted)]


def _data(known: History, licenses: Mapping[str, str]) -> dict[str, Any]:
    """Sources with their licenses, corpora, data of answers and phases, of the whole lineage."""
    lineage = known.lineage
    readings = [each for each in lineage if each.sources]
    named = [(*item, each is known) for each in readings for item in each.sources.items()]
    return {
        "sources": [
            (name, figures["kept"], license or ("not stated" if is_own else OF_BASE))
            for (name, figures, is_own), license in zip(
                named, known.licenses(licenses), strict=True
            )
        ],
        "corpora": [each.corpus.numbers for each in readings],
        "copies": copies,
        "kept_out": kept_out,
        "answers": [answers for each in lineage for answers in each.answers()],
        "records": RECORDS,
        "phases": [phase for each in lineage for phase in each.phases],
    }
