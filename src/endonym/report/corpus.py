"""The report's cards of the corpus, the tokenizer and the examples."""

from collections.abc import Iterable, Sequence
from typing import Any

import regex

from endonym.cleaning.personal import showable
from endonym.cleaning.rules import in_order
from endonym.copies.held_out.split import SIDES
from endonym.copies.notes import copies, kept_out
from endonym.corpus.corpus import CARD, Corpus, some_dropped
from endonym.data.config import RECORDS
from endonym.formats.document import Document
from endonym.pipeline.execute import Made
from endonym.report.formatting import shown
from endonym.script.letters import beginning
from endonym.script.scripts import SENTENCE_ENDS
from endonym.store import Artifact
from endonym.tokenizer.tokenizer import Tokenizer

KEPT_SHOWN = 2
REJECTS_SHOWN = 3
REASONS_SHOWN = 12
SENTENCES_SHOWN = 3
SENTENCE_CHARS = 140
SENTENCE = regex.compile(rf".+?(?:[{SENTENCE_ENDS}](?=\s|$)|[។៕])", regex.DOTALL)


def corpus_card(artifact: Artifact | None) -> dict[str, Any] | None:
    """What the page shows of a corpus; None if there is none, or one without texts.

    sources: each with its numbers, then those of all. dropped: reasons with records and bytes, the
    most frequent first. changes: the rules that changed documents. kept, rejects: examples.
    """
    if artifact is None or not (artifact.folder / CARD).is_file():
        return None
    corpus = Corpus(artifact.folder)
    card: dict[str, Any] = corpus.card
    sources: dict[str, dict[str, Any]] = card["sources"]
    if not sources:
        return None
    total: dict[str, Any] = card["total"]
    dropped: dict[str, dict[str, int]] = total.get("dropped", {})
    rejects = ((reason, some_dropped(corpus.folder, reason, REJECTS_SHOWN)) for reason in dropped)
    rules: dict[str, dict[str, Any]] = total["rules"]
    return {
        "card": card,
        "sources": [*sources.items(), *([("all", total)] if len(sources) > 1 else [])],
        "dropped": sorted(dropped.items(), key=lambda each: -each[1]["records"]),
        "changes": {name: rules[name] for name in in_order(rules) if name not in dropped},
        "notes": [*copies(card), *kept_out(card).values()],
        "kept": _kept(corpus, sources),
        "rejects": [(reason, some) for reason, some in rejects if some][:REASONS_SHOWN],
    }


def _kept(corpus: Corpus, sources: dict[str, dict[str, Any]]) -> list[tuple[str, Document]]:
    """A few documents of each set of each source: those that the card names."""
    documents: list[tuple[str, Document]] = []
    for split in SIDES:
        wanted = {
            (name, identifier)
            for name, stats in sources.items()
            for identifier in stats.get("samples", {}).get(split, [])[:KEPT_SHOWN]
        }
        for document in corpus.documents(split) if wanted else ():
            if (document.source, document.id) in wanted:
                wanted.discard((document.source, document.id))
                documents.append((split, document))
                if not wanted:
                    break
    return documents


def tokenizer_card(
    artifact: Artifact | None,
    kind: str,
    corpus: Artifact | None,
    shards: Artifact | None,
    *,
    language: str = "",
) -> dict[str, Any] | None:
    """What the page shows of a tokenizer; None if there is none.

    shards: count the ids that are unused in training. fits: how it fits each source. sentences: a
    source and one of its sentences as pieces, each a text and its number of tokens: more than one
    if they are parts of one letter.
    """
    if artifact is None:
        return None
    report: dict[str, Any] = artifact.json("report.json")
    unused: dict[str, int] = {}
    if shards is not None and shards.numbers["train"]:
        unused = {name: each["unused"] for name, each in shards.numbers["train"].items()}
        unused["all"] = shards.numbers["unused"]
    fits = dict(report["sources"])
    fits |= {"all": report["total"]} if len(fits) > 1 else {}
    card = {"kind": kind, "report": report, "fits": fits, "unused": unused, "sentences": []}
    if corpus is not None:
        tokenizer = Tokenizer.load(artifact.folder / "tokenizer.json")
        documents = Corpus(corpus.folder).documents("dev")
        card["sentences"] = first_sentences(tokenizer, documents, language)
    return card


def first_sentence(text: str) -> str:
    """The first line up to a sentence end of any script, at most SENTENCE_CHARS characters."""
    line = text.strip().split("\n")[0]
    sentence = SENTENCE.match(line)
    return beginning(sentence.group(0) if sentence else line, SENTENCE_CHARS)


def first_sentences(
    tokenizer: Tokenizer, documents: Iterable[Document], language: str = ""
) -> list[tuple[str, list[tuple[str, int]]]]:
    """A first sentence of a dev document of each source, token by token: the first one without
    personal data. language: of the texts."""
    by_source: dict[str, list[tuple[str, int]]] = {}
    for document in documents:
        if document.source in by_source:
            continue
        sentence = first_sentence(document.text)
        if showable(sentence, slice(0, len(sentence)), language) == sentence:
            pieces = tokenizer.pieces(tokenizer.encode(sentence))
            by_source[document.source] = [(shown(text), count) for text, count in pieces]
        if len(by_source) == SENTENCES_SHOWN:
            break
    return list(by_source.items())


def answers_card(made: Sequence[Made]) -> list[tuple[str, str, dict[str, Any]]]:
    """(name, kind of examples, their counts) of each phase that learnt from examples.

    rejects: beside the counts, some of those that were left out.
    """
    found: list[tuple[str, str, dict[str, Any]]] = []
    for each in (one for one in made if one.stage.kind == "examples"):
        numbers = each.artifact.numbers
        folder = each.artifact.folder
        rejects = [some_dropped(folder, reason, REJECTS_SHOWN) for reason in numbers["dropped"]]
        counts = {**numbers, "rejects": [reject for some in rejects for reject in some]}
        found.append(
            (each.stage.name.removeprefix("examples "), RECORDS[numbers["objective"]], counts)
        )
    return found
