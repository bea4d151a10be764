"""The report's cards of the corpus, the tokenizer and the examples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import regex

from endonym.cleaning.rules import in_order
from endonym.copies.held_out.split import SIDES
from endonym.copies.notes import copies, kept_out
from endonym.corpus.corpus import CARD, Corpus, some_dropped
from endonym.data.config import RECORDS
from endonym.formats.document import Document, Reject
from endonym.log import size
from endonym.pipeline.execute import Made
from endonym.report.formatting import beginning, counted, shown, whole
from endonym.script.scripts import SENTENCE_ENDS
from endonym.store import Artifact
from endonym.tokenizer.tokenizer import Tokenizer

KEPT_SHOWN = 2
REJECTS_SHOWN = 3
REASONS_SHOWN = 12
SENTENCES_SHOWN = 3
SENTENCE_CHARS = 140
SENTENCE = regex.compile(rf".+?(?:[{SENTENCE_ENDS}](?=\s|$)|[។៕])", regex.DOTALL)


@dataclass(frozen=True, slots=True)
class CorpusCard:
    """sources: a row of cells each. reasons: reason, records, bytes, share of the records read.

    changes: rule, documents changed, their share of what was read, parts taken out of them.
    changed: a rule, and what it made of a document or took out of it.
    """

    sources: list[list[str]]
    reasons: list[list[str]]
    changes: list[list[str]]
    changed: list[tuple[str, dict[str, str]]]
    notes: list[str]
    warnings: list[str]
    kept: list[tuple[str, Document]]
    rejects: list[tuple[str, list[Reject]]]


@dataclass(frozen=True, slots=True)
class TokenizerCard:
    """How the tokenizer fits; sentences: a source and one of its sentences as pieces.

    A piece is a text and its number of tokens: more than one if they are parts of one letter.
    """

    facts: list[tuple[str, str]]
    rows: list[list[str]]
    sentences: list[tuple[str, list[tuple[str, int]]]]


def corpus_card(artifact: Artifact | None) -> CorpusCard | None:
    """The card of a corpus; None if there is none, or one without texts."""
    if artifact is None or not (artifact.folder / CARD).is_file():
        return None
    corpus = Corpus(artifact.folder)
    card: dict[str, Any] = corpus.card
    sources: dict[str, dict[str, Any]] = card["sources"]
    if not sources:
        return None
    total: dict[str, Any] = card["total"]
    rows = [_source_row(name, each) for name, each in sources.items()]
    if len(rows) > 1:
        rows.append(_source_row("all", total))
    dropped: dict[str, dict[str, int]] = total.get("dropped", {})
    read = max(1, total["read"]["records"])
    firsts = ((r, some_dropped(corpus.folder, r, REJECTS_SHOWN)) for r in dropped)
    return CorpusCard(
        sources=rows,
        reasons=[
            [reason, whole(n["records"]), size(n["bytes"]), f"{100 * n['records'] / read:.1f} %"]
            for reason, n in sorted(dropped.items(), key=lambda each: -each[1]["records"])
        ],
        changes=[
            [name, whole(n["documents"]), f"{100 * n['share']:.2f} %", whole(n["parts"])]
            for name, n in _changes(total).items()
        ],
        changed=[(name, each) for name, n in _changes(total).items() for each in n["samples"]],
        notes=_notes(card),
        warnings=list(card.get("warnings", [])),
        kept=_kept(corpus, sources),
        rejects=[(reason, rejects) for reason, rejects in firsts if rejects][:REASONS_SHOWN],
    )


def _changes(total: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The rules that changed documents, in their order; a corpus of version 4 has none."""
    rules: dict[str, dict[str, Any]] = total.get("rules", {})
    return {name: rules[name] for name in in_order(rules) if name not in total["dropped"]}


def _source_row(name: str, stats: dict[str, Any]) -> list[str]:
    """Files, records read, documents of each split, records dropped; each count with its size."""
    kept = [stats["kept"][side] for side in SIDES]
    gone = stats.get("dropped", {}).values()
    return [
        name,
        whole(stats["files"]),
        whole(stats["read"]["records"]),
        size(stats["read"]["bytes"]),
        *(cell for each in kept for cell in (whole(each["documents"]), size(each["bytes"]))),
        whole(sum(each["records"] for each in gone)),
        size(sum(each["bytes"] for each in gone)),
    ]


def _notes(card: dict[str, Any]) -> list[str]:
    """The card's other numbers, as sentences."""
    total = card["total"]
    encodings: dict[str, int] = total["encodings"]
    names = ", ".join(f"{name} ({counted(n, 'file')})" for name, n in encodings.items())
    near = total["near_copies_moved"]
    changed = total.get("changed_documents", 0)
    return [
        *([f"Encodings: {names}."] if names else []),
        f"{100 * card.get('overlap', 0.0):.1f} % of the 13-grams of letters of dev and test also "
        "stand in training text.",
        f"{counted(near, 'document')} drawn for dev or test nearly "
        f"{'repeats' if near == 1 else 'repeat'} a training text: "
        f"{'it is' if near == 1 else 'they are'} trained on instead (one of test that repeats a "
        "text of dev goes to dev).",
        *copies(card),
        *kept_out(card).values(),
        *([f"Cleaning changed {whole(changed)} of the texts."] if changed else []),
    ]


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
    artifact: Artifact | None, kind: str, corpus: Artifact | None, shards: Artifact | None
) -> TokenizerCard | None:
    """The card of a tokenizer; None if there is none. shards: count the ids unused in training."""
    if artifact is None:
        return None
    report: dict[str, Any] = artifact.json("report.json")
    facts = [("kind", kind), ("vocabulary", f"{whole(report['vocab'])} ids")]
    if (before := report.get("before")) is not None:
        old = f"{before['total']['bytes_per_token']:.2f} bytes a token"
        facts.append(("before", f"{whole(before['vocab'])} ids, {old}"))
    unused: dict[str, int] = {}
    if shards is not None and shards.numbers["train"]:
        facts.append(("not used in training text", f"{whole(shards.numbers['unused'])} ids"))
        unused = {name: each["unused"] for name, each in shards.numbers["train"].items()}
        unused["all"] = shards.numbers["unused"]
    fits = dict(report["sources"])
    fits |= {"all": report["total"]} if len(fits) > 1 else {}
    rows = [
        [
            name,
            f"{fit['bytes_per_token']:.2f}",
            f"{fit['tokens_per_word']:.2f}",
            whole(fit["tokens"]),
            whole(fit["bytes"]),
            whole(unused[name]) if name in unused else "–",
        ]
        for name, fit in fits.items()
    ]
    sentences: list[tuple[str, list[tuple[str, int]]]] = []
    if corpus is not None:
        reader = Tokenizer.load(artifact.folder / "tokenizer.json")
        sentences = drawn(reader, Corpus(corpus.folder).documents("dev"))
    return TokenizerCard(facts, rows, sentences)


def first_sentence(text: str) -> str:
    """The first line up to a sentence end of any script, at most SENTENCE_CHARS characters."""
    line = text.strip().split("\n")[0]
    sentence = SENTENCE.match(line)
    return beginning(sentence.group(0) if sentence else line, SENTENCE_CHARS)


def drawn(
    reader: Tokenizer, documents: Iterable[Document]
) -> list[tuple[str, list[tuple[str, int]]]]:
    """The first sentence of the first dev document of each source, token by token."""
    by_source: dict[str, list[tuple[str, int]]] = {}
    for document in documents:
        if document.source not in by_source:
            pieces = reader.pieces(reader.encode(first_sentence(document.text)))
            by_source[document.source] = [(shown(text), count) for text, count in pieces]
        if len(by_source) == SENTENCES_SHOWN:
            break
    return list(by_source.items())


class AnswersCard(NamedTuple):
    """rows: of each phase its name, kind, records read and rejected, examples, share learnt.

    rejects: phase, reason, records, share of the records read.
    """

    rows: list[list[str]]
    rejects: list[list[str]]


def answers_card(made: Sequence[Made]) -> AnswersCard | None:
    """The card of the examples that a run has made; None if it has made none."""
    rows: list[list[str]] = []
    rejects: list[list[str]] = []
    for each in made:
        if each.stage.kind != "examples":
            continue
        phase, counted = each.stage.name.removeprefix("examples "), each.artifact.numbers
        train, read = counted["train"], max(1, counted["records"])
        rows.append(
            [
                phase,
                RECORDS[counted["objective"]],
                whole(counted["records"]),
                whole(sum(counted["dropped"].values())),
                whole(train["examples"]),
                whole(counted["dev"]["examples"]),
                f"{100 * train['learnt'] / max(1, train['tokens']):.1f} %",
            ]
        )
        rejects += [
            [phase, reason, whole(count), f"{100 * count / read:.1f} %"]
            for reason, count in sorted(counted["dropped"].items(), key=lambda item: -item[1])
        ]
    return AnswersCard(rows, rejects) if rows else None
