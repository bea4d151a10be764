"""Bits per byte of held-out documents, for the model and for the baselines."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from endonym.data.baselines import Baselines
from endonym.data.shards import TokenShards
from endonym.evaluate import compressor
from endonym.evaluate.neighbours import neighbours
from endonym.evaluate.score import (
    FEWEST_DOCUMENTS,
    FEWEST_OF_SOURCE,
    JUDGED_BYTES,
    SOURCE_BYTES,
    Measured,
    Numbers,
    Score,
    scores,
)
from endonym.generate.language_model import LanguageModel
from endonym.generate.reading import Ids, TokenNats, read_tokens
from endonym.tokenizer.tokenizer import Tokenizer

WHOLE = 1 << 40
LEAST_FIRST_BYTES = 1 << 13
"""Bytes of a document that are scored: more than any has; the fewest of a long one."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Documents to score, or blocks of them: their ids and the names of their sources.

    averaged: the sources in the mean over sources; all if not given. groups: as in Measured.
    held_out_bytes: of each source, in which these were drawn; empty if these are all. lengths:
    bytes of each whole document, if some are read in part. start: the ids before each text, which
    are read and not scored; those of the tokenizer (`document_start`) if None.
    """

    ids: Sequence[Ids]
    sources: Sequence[str]
    tokenizer: Tokenizer
    text: Literal["document", "block"] = "document"
    averaged: frozenset[str] | None = None
    groups: Ids | None = None
    held_out_bytes: Mapping[str, int] = field(default_factory=dict)
    lengths: Ids | None = None
    start: tuple[int, ...] | None = None

    def as_transformers(self) -> "Texts":
        """The same as `transformers` reads them: with what the tokenizer puts around a text alone.

        Where it puts nothing before one, nothing predicts the first token: neither it nor its bytes
        are counted.
        """
        after = np.array(self.tokenizer.after, dtype=np.int64)
        ids = [np.concatenate((document, after)) for document in self.ids]
        return replace(self, ids=ids, start=self.tokenizer.before)

    def only(self, indices: Sequence[int]) -> "Texts":
        """The documents at these indices; the mean stays over the same sources."""
        ids = [self.ids[n] for n in indices]
        sources = [self.sources[n] for n in indices]
        groups, lengths = (
            None if each is None else each[list(indices)] for each in (self.groups, self.lengths)
        )
        return replace(self, ids=ids, sources=sources, groups=groups, lengths=lengths)

    def in_mean(self) -> frozenset[str]:
        """The sources in the mean."""
        return frozenset(self.sources) if self.averaged is None else self.averaged

    def measured(self, nats: Sequence[Any], draws: Numbers | None = None) -> Measured:
        """The sum of each document's nats, with its tokens, bytes and characters.

        nats: of each document's tokens, or their sum. draws: as in Measured.
        """
        is_whole = self.start is None or len(self.start) > 0
        scored = [ids if is_whole else ids[1:] for ids in self.ids]
        sizes = np.array([self._sizes(ids) for ids in scored], dtype=np.int64).reshape(-1, 2)
        return Measured(
            nats=np.array([float(np.sum(part)) for part in nats]),
            draws=draws,
            groups=self.groups,
            tokens=np.array([len(ids) for ids in scored], dtype=np.int64),
            bytes=sizes[:, 0],
            chars=sizes[:, 1],
        )

    def _sizes(self, ids: Ids) -> tuple[int, int]:
        """The bytes and characters of the scored ids of a text."""
        if self.start == ():  # The space that was put before the text is in its first token.
            counts = self.tokenizer.byte_counts, self.tokenizer.char_counts
            return int(counts[0][ids].sum()), int(counts[1][ids].sum())
        return self.tokenizer.document_sizes(ids)

    def each(self) -> Iterator[str]:
        """The documents as text."""
        return (self.tokenizer.decode_document(ids) for ids in self.ids)


def drawn_documents(shards: TokenShards, most_tokens: int | None) -> dict[int, int]:
    """The documents of a split that are scored, about so many tokens at most, by their numbers.

    With each, how many of its bytes. Whole groups of neighbours are drawn, every second, fourth,
    eighth … of a source. So they are spread evenly, and a smaller draw is part of each larger one:
    two runs share the smaller one. Half of the limit is shared in proportion to the sources' tokens
    and half equally, as in `spaced_sample`; of each source as many groups are left as an interval
    takes. If these are still too much, of long documents the first 8, 16, 32 … kB are scored.
    """
    index = shards.index
    groups = neighbours(shards)
    total = int(index["length"].sum())
    if most_tokens is None or total <= most_tokens:
        return dict.fromkeys(range(len(index)), WHOLE)
    drawn: dict[int, int] = {}
    sources = np.unique(index["source"])
    fewest = FEWEST_DOCUMENTS if len(sources) == 1 else FEWEST_OF_SOURCE
    for source in sources:
        numbers = np.flatnonzero(index["source"] == source)
        own = np.unique(groups[numbers])
        tokens = int(index["length"][numbers].sum())
        most = most_tokens / 2 * (tokens / total + 1 / len(sources))
        step = 1
        while tokens / step > most and len(own) // (2 * step) >= fewest:
            step *= 2
        chosen: list[int] = numbers[np.isin(groups[numbers], own[::step])].tolist()
        sizes = [shards.bytes_of(shards.document(n).ids) for n in chosen]
        most_bytes = most * sum(sizes) / max(1, int(index["length"][chosen].sum()))
        first = WHOLE
        while first > LEAST_FIRST_BYTES and sum(min(n, first) for n in sizes) > most_bytes:
            first //= 2
        drawn |= dict.fromkeys(chosen, first)
    return drawn


def split_bytes(shards: TokenShards) -> dict[str, int]:
    """Bytes of text of each source that has documents in a split."""
    sizes = zip(shards.sources, shards.sums_by_source(shards.byte_counts).tolist(), strict=True)
    return {name: size for name, size in sizes if size}


def held_out_texts(
    shards: TokenShards, tokenizer: Tokenizer, most_tokens: int | None = None
) -> Texts:
    """The documents of a held-out split, or some of them (`drawn_documents`).

    Small sources are left out of the mean, which is over the same ones for every draw.
    """
    documents = [shards.document(number) for number in range(len(shards))]
    ids = [document.ids for document in documents]
    sources = [shards.sources[document.source] for document in documents]
    held_out_bytes = split_bytes(shards)
    averaged = frozenset(
        name
        for name, size in held_out_bytes.items()
        if size >= JUDGED_BYTES and shards.source_bytes[name] >= SOURCE_BYTES
    )
    drawn = drawn_documents(shards, most_tokens)
    lengths = np.array([tokenizer.document_sizes(each)[0] for each in ids], dtype=np.int64)
    for number, first in drawn.items():
        if lengths[number] > first:
            text = tokenizer.decode_document(ids[number]).encode("utf-8", "surrogatepass")
            (ids[number],) = tokenizer.encode_documents([text[:first].decode("utf-8", "ignore")])
    texts = Texts(ids, sources, tokenizer, averaged=averaged, groups=neighbours(shards))
    if most_tokens is None or int(shards.index["length"].sum()) <= most_tokens:
        return texts
    drawn_texts = replace(texts, lengths=lengths).only(list(drawn))
    return replace(drawn_texts, held_out_bytes=held_out_bytes)


def blocks_of(
    shards: TokenShards,
    tokenizer: Tokenizer,
    join: Collection[str],
    most_tokens: int | None = None,
) -> Texts:
    """Lists of sentences as longer texts: neighbours in a block, joined by line ends.

    join: the sources that are such lists, as in `[pack] join`; others are left out. A block ends
    where more than MOST_MISSING documents are missing: near copies of them are in another split, or
    the source is so small that single documents are held out. The mean is over the same sources as
    that of the documents, if they are lists. most_tokens: as for the documents, the same of which
    are drawn.
    """
    documents = held_out_texts(shards, tokenizer)
    line_end = np.array([shards.require_line_end() if join else 0], dtype=np.int64)
    ids: list[Ids] = []
    sources: list[str] = []
    groups = neighbours(shards)
    drawn = drawn_documents(shards, most_tokens)
    for block in np.split(np.arange(len(groups)), np.flatnonzero(np.diff(groups)) + 1):
        numbers: list[int] = block.tolist()
        if numbers and numbers[0] in drawn and documents.sources[numbers[0]] in join:
            separated = [each for number in numbers for each in (line_end, documents.ids[number])]
            joined = np.concatenate(separated[1:])  # without the first line end
            if tokenizer.spaces_before:  # It stands before the whole text alone.
                lines = [tokenizer.decode_document(documents.ids[number]) for number in numbers]
                (joined,) = tokenizer.encode_documents(["\n".join(lines)])
            ids.append(joined)
            sources.append(documents.sources[numbers[0]])
    texts = Texts(ids, sources, tokenizer, "block", documents.averaged)
    if len(drawn) == len(groups):
        return texts
    of_lists = {name: size for name, size in split_bytes(shards).items() if name in join}
    return replace(texts, held_out_bytes=of_lists)


def measure_nats(model: LanguageModel, texts: Texts, *, advance: Callable[[int], None]) -> Measured:
    """Nats of each document under the model. advance: called with the tokens read."""
    return texts.measured([each.nats for each in read_closely(model, texts, advance=advance)])


def read_closely(
    model: LanguageModel, texts: Texts, *, advance: Callable[[int], None]
) -> Iterator[TokenNats]:
    """What the model says of each token of each document. advance: as in `measure_nats`."""
    start = start_of(model, texts)
    for part in read_tokens(
        model.decoder, texts.ids, start, model.window, again=model.tokenizer.window_start
    ):
        yield part
        advance(len(part.nats))


def start_of(model: LanguageModel, texts: Texts) -> tuple[int, ...]:
    """The ids that the model reads before each of these texts."""
    return model.tokenizer.document_start if texts.start is None else texts.start


def baseline_scores(baselines: Baselines, texts: Texts, *, split: str) -> list[Score]:
    """Scores of the uniform, unigram and bigram models on the same documents."""
    nats_by_model = [baselines.nats(ids) for ids in texts.ids]
    found: list[Score] = []
    for name in ("uniform", "unigram", "bigram"):
        measured = texts.measured([nats[name] for nats in nats_by_model])
        found += by_source(texts, measured, model=name, split=split)
    return found


def compressor_scores(
    train: TokenShards,
    texts: Texts,
    model: Measured,
    *,
    split: str,
    kept: compressor.KeptSizes | None = None,
    advance: Callable[[float], None] = lambda done: None,
) -> tuple[list[Score], dict[str, int]]:
    """Scores of PPMd primed with the training text, and how much text it read, for the record.

    It reads at most 32 MB of training documents and scores 500 texts, sampled evenly. For blocks
    the training documents are joined by line ends. The value is the mean over 8 to 40 ends of the
    training text. If the texts are sampled, scores of the model on the same sample follow.
    model: nats of all texts. kept: sizes of earlier runs. advance: called with the share of the
    ends that is done.
    """
    separator = compressor.SEPARATORS[texts.text]
    priming, priming_sizes = priming_text(train, texts.tokenizer, separator)
    chosen = spaced_sample(texts.sources, compressor.MOST_DOCUMENTS)
    sampled = texts.only(chosen)
    data = [text.encode("utf-8") for text in sampled.each()]
    sizes = compressor.compressed_bytes(priming, data, separator, kept=kept, advance=advance)
    nats = sizes.astype(np.float64) * (8 * math.log(2))
    sampled_from = len(texts.ids) if len(chosen) < len(texts.ids) else None

    def sample_scores(measured: Measured, name: str) -> list[Score]:
        return by_source(
            sampled, measured, model=name, split=split, with_tokens=False, sampled_from=sampled_from
        )

    found = sample_scores(sampled.measured(list(nats.mean(0)), nats), "compressor")
    if sampled_from is not None:
        found += sample_scores(model.only(np.array(chosen)), "model_on_sample")
    settings = {"order": compressor.ORDER, "draws": len(sizes), "held_out_documents": len(chosen)}
    return found, {**priming_sizes, **settings}


def priming_text(
    train: TokenShards, tokenizer: Tokenizer, separator: bytes
) -> tuple[bytes, dict[str, int]]:
    """Training documents joined by a separator: all, or an even sample of at most 64 MB.

    With it, its number of bytes and of documents, for the record.
    Document n is taken where n · share passes a whole number; text over the limit is cut.
    """
    total = sum(int(train.byte_counts[part].sum()) + len(separator) for part in train.parts)
    share = min(1.0, compressor.PRIMING_LIMIT_BYTES / max(1, total))
    taken = [n for n in range(len(train)) if int((n + 1) * share) > int(n * share)]
    parts = [tokenizer.decode_document(train.document(n).ids).encode("utf-8") for n in taken]
    data = separator.join(parts)[: compressor.PRIMING_LIMIT_BYTES]
    return data, {"training_bytes": len(data), "training_documents": len(parts)}


def by_source(
    texts: Texts,
    measured: Measured,
    *,
    model: str,
    split: str,
    with_tokens: bool = True,
    sampled_from: int | None = None,
) -> list[Score]:
    """Scores of all documents together, and of each source.

    With several sources, the first score is the mean over `Texts.averaged`. with_tokens: as in
    `scores`. model, split, sampled_from: as in Score.
    """
    score = partial(
        scores,
        model=model,
        split=split,
        text=texts.text,
        with_tokens=with_tokens,
        sampled_from=sampled_from,
    )
    source_of = np.array(texts.sources)
    is_in_mean = np.isin(source_of, sorted(texts.in_mean()))
    found: list[Score] = []
    if len(np.unique(source_of[is_in_mean])) > 1:
        found += score(measured.only(is_in_mean), sources=source_of[is_in_mean], is_mean=True)
    found += score(measured, sources=source_of)
    for name in sorted(set(texts.sources)):
        found += score(measured.only(source_of == name), source=name)
    if texts.held_out_bytes:
        every = sum(texts.held_out_bytes.values())
        found = [
            replace(each, held_out_bytes=texts.held_out_bytes.get(each.source or "", every))
            for each in found
        ]
    return found


def spaced_sample(sources: Sequence[str], limit: int) -> list[int]:
    """The indices of at most about `limit` documents, evenly spaced within each source.

    Half of the limit is shared in proportion to the sources' documents and half equally, at least
    one each, since small sources count as much as large ones in the mean over sources.
    """
    if len(sources) <= limit:
        return list(range(len(sources)))
    source_of = np.array(sources)
    names = sorted(set(sources))
    found: list[int] = []
    for name in names:
        indices = np.flatnonzero(source_of == name)
        share = limit / 2 * (len(indices) / len(sources) + 1 / len(names))
        count = min(len(indices), max(1, int(share)))
        found += [int(indices[n * len(indices) // count]) for n in range(count)]
    return sorted(found)
