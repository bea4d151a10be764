"""A unigram tokenizer: the pieces that make a text most probable. Source: arXiv:1804.10959.

sentencepiece trains it on lines of the texts. It is kept as a `tokenizer.json` without normalizer
and pre-tokenizer, with spaces as spaces. llama.cpp has the same as `plamo2`; both give the same
ids:

* Scores are whole numbers down to LOWEST. Here sums of them are exact, and llama.cpp computes with
  these numbers too: a GGUF file says them divided by
  GGUF_SCALE.
* Every character of a piece is a piece. So an unknown character is written as bytes in both.
* Where two ways to cut a text are equally good, Hugging Face takes the longer last piece and
  llama.cpp the longer first one. So no two best ways are left, as far as they can be found. The
  same two pieces in another order are one text only if both repeat one string, so repetitions
  ("--", "хаха") are no pieces. Two different pairs of one text ("o" "tier", "ot" "ier") get
  different scores. Pieces are left out if "atata" would be "ata" "t" "a" or "a" "t" "ata". And the
  most frequent words of the training text are read both ways.

A limit: llama.cpp leaves out a U+FEFF at the very start of a text.
"""

import heapq
import io
import itertools
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tokenizers import Tokenizer as Engine
from tokenizers import decoders, models

from endonym.errors import TokenizerError
from endonym.mappings import largest_first
from endonym.tokenizer.bpe import zipf_least
from endonym.tokenizer.config import BYTE_VOCAB, SPECIALS, TokenizerConfig
from endonym.tokenizer.words import LINE_END, Counts, Texts

LOWEST = -9_000_000
"""An unknown character costs 10,000,000 in llama.cpp, so no piece may cost as much."""
NEVER = -1_000_000_000.0
"""The score of bytes and special tokens: their names in a text are spelled by other pieces.

It is below the score of the longest name in letters that no text has, 13 * LOWEST. llama.cpp leaves
out what costs 20,000,000 or more.
"""
BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]
SPELLING = sorted(set("".join([*SPECIALS.values(), *BYTE_TOKENS])))
"""Letters that are always pieces, so that those names can be spelled."""
SPACE = "▁"
"""sentencepiece writes a space so."""
SINGLE = "\t\r\0▁▅\ufffd"
"""Characters that sentencepiece reserves; line ends, too, are never merged."""
LONGEST = 24
SETTLED_WORDS = 200_000
ROUNDS = 20
PASSES = 100
STEPS = 32
"""Scores are changed by one of so many amounts."""
MOST_CHARACTERS = 60_000_000
"""Of running text: sentencepiece takes about 25 bytes for each. Of a larger text every k-th line is
read."""
LINE_CHARACTERS = 1000
THREADS = 8
"""A fixed number: rounding, and so the scores, depend on it."""
DEFAULT_VOCAB = 4096
SPARE = 1.05
"""Some pieces are dropped afterwards, so more are trained."""


def unigram(config: TokenizerConfig, counts: Counts, texts: Texts) -> Engine:
    """Train on texts whose words are counted. Characters have ids as in byte-pair encoding.

    texts: a function that iterates over them.
    """
    single, room = single_pieces(config, counts)
    scores, longer = trained_scores(texts, counts, single, room)
    parts = counts.cut_at(counts.characters.keys() - set(single))
    words = heapq.nsmallest(SETTLED_WORDS, parts, key=lambda each: (-each[1], each[0]))
    return engine(_whole_numbers(scores, longer, room, [text for text, _ in words]))


def single_pieces(
    config: TokenizerConfig,
    counts: Counts,
    fixed: int = BYTE_VOCAB,
    spelling: Sequence[str] = SPELLING,
) -> tuple[list[str], int]:
    """The characters that are pieces, and the room for pieces of all lengths.

    fixed: the number of special tokens and bytes. spelling: characters that are always pieces.
    """
    vocab = config.vocab or DEFAULT_VOCAB
    room = vocab - fixed
    if room <= len(spelling):
        least = fixed + len(spelling) + 1
        raise TokenizerError(
            f"a {config.kind} tokenizer needs {least} ids at least, not {vocab}",
            where="tokenizer.vocab",
            do='Give it more ids, or choose kind = "bpe".',
        )
    frequency = counts.characters
    least = max(config.min_count, zipf_least(counts, vocab))
    frequent = largest_first({c: count for c, count in frequency.items() if count >= least})
    return list(dict.fromkeys([LINE_END, *spelling, *frequent]))[:room], room


def trained_scores(
    texts: Texts,
    counts: Counts,
    single: Sequence[str],
    room: int,
    *,
    blank_behind: bool = False,
) -> tuple[dict[str, float], dict[str, float]]:
    """Log-probabilities of single characters, and of longer pieces, the most probable first.

    single: the characters that are pieces in any case.
    """
    frequency = counts.characters
    found = train_pieces(texts, counts, single, room, blank_behind=blank_behind)
    rarest = min([*found.values(), -1.0])
    total = sum(frequency.values()) or 1
    scores = {
        each: found.get(each, max(rarest, math.log(max(frequency.get(each, 0), 1) / total)))
        for each in single
    }
    longer = {piece: score for piece, score in found.items() if len(piece) > 1}
    return scores, largest_first(longer)


def engine(
    scores: Mapping[str, float], specials: Sequence[str] = (*SPECIALS.values(),), unknown: int = 0
) -> Engine:
    """A tokenizer of special tokens, bytes, and pieces with scores, the most probable first.

    unknown: the id of an unknown token, which is never written.
    """
    never = [(name, NEVER) for name in [*specials, *BYTE_TOKENS]]
    vocab = [*never, *((piece, float(score)) for piece, score in largest_first(scores).items())]
    made = Engine(models.Unigram(vocab, unk_id=unknown, byte_fallback=True))
    made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    made.add_special_tokens(list(specials))
    return made


def train_pieces(
    texts: Texts,
    counts: Counts,
    single: Sequence[str],
    room: int,
    *,
    blank_behind: bool = False,
) -> dict[str, float]:
    """Pieces and their log-probabilities by sentencepiece; all characters are among them.

    blank_behind: a blank belongs to the word before it, instead of the one behind it.

    It reads lines, not words: in a list of words nothing but an end follows the end of a word, and
    it takes only strings that different characters follow for pieces.
    """
    import sentencepiece

    others = [*(counts.characters.keys() - set(single)), *SINGLE]
    total = sum(counts.characters.values())
    lines = cut_lines(texts(), others, every=-(-total // MOST_CHARACTERS) or 1)
    first = next(lines, None)
    if first is None:
        return {}
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=itertools.chain([first], lines),
        max_sentence_length=1 << 30,
        model_writer=made,
        model_type="unigram",
        vocab_size=max(int(room * SPARE) + 100, 2 * len(single)),
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
        treat_whitespace_as_suffix=blank_behind,
        split_by_unicode_script=False,
        split_by_number=False,
        max_sentencepiece_length=LONGEST,
        seed_sentencepiece_size=max(100_000, 10 * room),
        num_threads=THREADS,
        bos_id=-1,
        eos_id=-1,
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_proto=made.getvalue())
    ids = [index for index in range(model.get_piece_size()) if not model.is_unknown(index)]
    return {model.id_to_piece(n).replace(SPACE, " "): model.get_score(n) for n in ids}


def cut_lines(texts: Iterable[str], others: Iterable[str], every: int = 1) -> Iterator[str]:
    """Every k-th line, cut at the characters `others` and where it is long; not if it is blank."""
    table = str.maketrans(dict.fromkeys([*others, "\r"], LINE_END))
    lines = (line for text in texts for line in text.split(LINE_END))
    for line in itertools.islice(lines, 0, None, every):
        for part in line.translate(table).split(LINE_END):
            for start in range(0, len(part), LINE_CHARACTERS):
                if piece := part[start : start + LINE_CHARACTERS].rstrip(" "):
                    yield piece


def _whole_numbers(
    single: Mapping[str, float], longer: Mapping[str, float], room: int, words: Sequence[str]
) -> dict[str, int]:
    """The scores as whole numbers; of the longer pieces those that leave no two best ways to cut.

    words: texts of known characters, in which ways that are equally good are looked for.
    """
    factor = LOWEST / min([*single.values(), *longer.values(), -1.0])
    scores = {piece: min(-1, round(score * factor)) for piece, score in single.items()}
    # A piece that is a shorter string several times stands twice in itself, but at its edges.
    waiting = [piece for piece in longer if piece not in (piece + piece)[1:-1]]
    while waiting and len(scores) < room:
        added = waiting[: room - len(scores)]
        waiting = waiting[room - len(scores) :]
        scores |= {piece: min(-1, round(longer[piece] * factor)) for piece in added}
        for _ in range(ROUNDS):
            if not _break_ties(scores, words):
                break
    return scores


def _break_ties(scores: dict[str, int], words: Sequence[str]) -> int:
    """Change scores by a little, or drop pieces, where two ways to cut a text are equally good.

    Returns in how many texts they were.
    """
    passes = itertools.takewhile(bool, (equal_overlaps(scores) for _ in range(PASSES)))
    for number, equal in enumerate(passes):
        for piece in equal:
            # Steps of one size would go on for ever where both sides of an equation are changed.
            scores[piece] -= 1 + zlib.crc32(f"{number} {piece}".encode()) % STEPS
    repeated_edges = [  # of "ata", which begins as it ends, "atata"
        piece + piece[n:]
        for piece in scores
        for n in range(1, (len(piece) + 1) // 2)
        if piece[:n] == piece[-n:]
    ]
    found = ties([*repeated_edges, *words], scores)
    for first, last in found:
        in_one_way = sorted({*first} ^ {*last}, key=len)
        if in_one_way and in_one_way[-1] in scores:
            scores[in_one_way[-1]] -= 1
        elif len(longest := max(first, key=len)) > 1:
            scores.pop(longest, None)
    return len(found)


def equal_overlaps(scores: Mapping[str, int]) -> set[str]:
    """Pieces to change so that x + y and z + w never have the same score where they are one text.

    With z = x + r and y = r + w that is so where score(z) - score(x) = score(y) - score(w). Here x
    or w may be empty.
    """
    ends: dict[tuple[str, int], list[str]] = {}
    for z in scores:
        ends.setdefault((z, scores[z]), []).append(z)
        for n in range(1, len(z)):
            if z[:n] in scores:
                ends.setdefault((z[n:], scores[z] - scores[z[:n]]), []).append(z)
    equal: set[str] = set()
    for y in scores:
        for n in range(1, len(y) + 1):
            r = y[:n]
            w = y[n:]
            if w and w not in scores:
                continue
            for z in ends.get((r, scores[y] - (scores[w] if w else 0)), ()):
                if z != y:
                    equal.add(z if len(z) > len(r) else y)
                elif w:
                    equal.add(w)
    return equal


def ties(texts: Sequence[str], scores: Mapping[str, int]) -> list[tuple[list[str], list[str]]]:
    """Both ways to cut each of the texts that has two best ways.

    Read backwards, the longer last piece is the longer first one. So a reader of reversed texts
    cuts as llama.cpp does.
    """
    backwards = engine({piece[::-1]: score for piece, score in scores.items()})
    forward = engine(scores).encode_batch(list(texts), add_special_tokens=False)
    reversed_ = backwards.encode_batch([text[::-1] for text in texts], add_special_tokens=False)
    found = list[tuple[list[str], list[str]]]()
    for longer_last, longer_first in zip(forward, reversed_, strict=True):
        other = [piece[::-1] for piece in reversed(longer_first.tokens)]
        if other != longer_last.tokens:
            found.append((other, longer_last.tokens))
    return found
