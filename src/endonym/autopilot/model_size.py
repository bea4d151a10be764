"""Chooses tokenizer and model keys that a recipe leaves open, each with a reason.

The vocabulary is chosen before the corpus exists, from the characters of the texts; the rest when
the training tokens are counted, or from an estimate of them. Imports no torch. Phases: phase.py.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import gcd, lcm
from typing import Any, NamedTuple

from endonym.log import number
from endonym.model.config import MixerKeys, ModelKeys
from endonym.model.families import FAMILIES, is_half_blocks, without_heads
from endonym.model.families import HEAD_WIDTH as MAMBA2_WIDTH

BYTES_PER_TOKEN = 4.0
"""Where no tokenizer can be tried: 3.4 in French, 4.7 in Tatar, 6 to 9 in Khmer, at these sizes."""

VOCABULARIES = ((2_500_000, 1024), (10_000_000, 2048), (50_000_000, 4096), (400_000_000, 8192))
"""Up to so many characters of text. By bytes, Khmer (3 per character) would get twice the ids."""
LARGEST_VOCABULARY = 32_768
SHAPES = ((64, 2), (128, 4), (192, 4), (256, 4), (320, 6), (384, 8), (512, 8), (640, 10), (768, 12))
HEAD_WIDTH = 64
TOKENS_PER_PARAMETER = 2
"""Fewer than the 20 of arXiv:2203.15556: the loss is flat below, and wide models run faster."""
LONGEST_TRAINING = 8
"""Epochs that count when the width is chosen: with 16, models became too wide."""
MOST_PASSES = 32
"""Epochs beyond which nothing was gained, with the dropout that goes with so many."""
DEEPER = (2, 3)
DEEPENED_DIM = 128
"""Factors for the number of layers if there is time for all epochs, and the largest width tried:
there, more depth helps and more width does not (docs/log.md)."""
DROPOUTS = ((2, 0.0), (12, 0.1), (30, 0.2))
MOST_DROPOUT = 0.3
"""Dropout by epochs, and above: tried on 1.5 and 2.5 MB, 128 to 256 channels (docs/log.md)."""
LITTLE_TOKENS = range(25_000, 200_001)
LITTLE_SHAPE = (128, 12)
LITTLE_PASSES = 58
"""So few tokens are learnt best by a model larger than TOKENS_PER_PARAMETER allows, with this many
epochs, dropout and subword dropout, by dev text (docs/log.md). Tried on 0.2 MB of three languages,
0.5 MB of six and 1 MB of two, which are 26 to 204 thousand tokens. Of a little more, SHAPES has the
same width."""
LITTLE_DROPOUT = 0.4
LITTLE_SUBWORDS = 0.2


class Choice(NamedTuple):
    """A value and why."""

    value: Any
    reason: str


Choices = dict[str, Choice]
"""Dotted recipe keys and what was chosen for them."""
DOCUMENT_TOKENS = 64
"""Assumed mean length of documents, where it is not known."""
TokensFor = Callable[[int, int], int]
"""From a shape (dim, layers) to the training tokens it would see."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the choices are based on. unique_tokens: of the training text, before repetition.

    row_positions: of examples, which fill rows (data/example_tokens.py): the positions of all rows.
    records: the conversations or preference pairs in it. dev_documents, dev_tokens: held out of it,
    where they are counted; the tokens also estimated.
    sources: the same of each source, by name, where they are known. examples: of each phase that
    does not read the texts, by its number. dropped: records that make no examples, or those of a
    source without training text, by reason, where they were read. faults: where these
    stand, if some are no copies. several_answers: of which questions there are several, in words.
    vocab: about the most that a tokenizer can get which is extended by pieces of the text.
    """

    text_bytes: int
    unique_tokens: int
    mean_document_tokens: float
    row_positions: int | None = None
    records: int | None = None
    dev_documents: int | None = None
    dev_tokens: int | None = None
    sources: Mapping[str, "Facts"] = field(default_factory=dict)
    examples: Mapping[int, "Facts"] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    faults: str = ""
    several_answers: str = ""
    vocab: int | None = None

    @property
    def positions(self) -> int:
        """Positions of one epoch: the tokens, and one end-of-text token per document."""
        if self.row_positions is not None:
            return self.row_positions
        return round(self.unique_tokens * (1 + 1 / max(1e-9, self.mean_document_tokens)))

    @property
    def token_bytes(self) -> float:
        """Bytes of text in a token, on average."""
        return self.text_bytes / max(1, self.unique_tokens)

    @property
    def dev_bytes(self) -> float:
        """Bytes of text that is held out for dev, about. For test it is as much."""
        tokens = (self.dev_documents or 0) * self.mean_document_tokens
        return self.token_bytes * (tokens if self.dev_tokens is None else self.dev_tokens)

    @property
    def all_bytes(self) -> float:
        """Bytes of all text, held-out text among it, about."""
        return self.text_bytes + 2 * self.dev_bytes


def choose_vocab(letters: int) -> Choice:
    """A small vocabulary for a small text: rare tokens are hardly learned."""
    vocab = next((v for limit, v in VOCABULARIES if letters < limit), LARGEST_VOCABULARY)
    return Choice(vocab, f"about {number(letters)} letters of text")


def choose_context(facts: Facts, model: ModelKeys) -> Choice:
    """A context for most documents and every attention window, but cheap to train."""
    widest = max(mixer.window or 0 for mixer in model.mixers)
    is_long = facts.mean_document_tokens > 400 and facts.unique_tokens > 20_000_000
    seen = f"{number(facts.unique_tokens)} tokens in documents of {facts.mean_document_tokens:.0f}"
    if widest > (512 if is_long else 256):
        return Choice(widest, "the widest window of the recipe")
    if is_long:
        return Choice(512, f"{seen} on average: long enough to need it")
    return Choice(256, f"{seen} on average. Short rows cost less, and few documents are cut")


def choose_shape(model: ModelKeys, facts: Facts, tokens_for: TokensFor) -> Choices:
    """The largest shape for which the training tokens suffice."""
    depth = 2 if is_half_blocks(model) else 1
    dim, layers = SHAPES[0]
    for wide, deep in SHAPES:
        tokens = useful(tokens_for(wide, deep * depth), facts)
        if TOKENS_PER_PARAMETER * block_weights(wide, deep) <= tokens:
            dim = wide
            layers = deep
    kind = FAMILIES[model.family].mixer
    if not model.dim:  # Round up, so that the heads that the recipe gives divide the width evenly.
        parts = lcm(*(_parts(mixer, kind) for mixer in model.mixers))
        dim = -(-dim // parts) * parts
    dim = model.dim or dim
    layers = model.layers or layers * depth
    seen = tokens_for(dim, layers)
    why = f"the widest with at least {TOKENS_PER_PARAMETER} training tokens a weight in blocks"
    if seen > useful(seen, facts):
        why += f"; epochs after {LONGEST_TRAINING} do not count here"
    attention = [mixer for mixer in model.mixers if (mixer.kind or kind) == "attention"]
    without = [mixer for mixer in attention if mixer.heads is None]
    keys = zip(without_heads(model), without, strict=True)
    return {
        "model.dim": Choice(dim, why),
        "model.layers": Choice(layers, "the depth that was tried with this width"),
        **{f"model.{key}": _heads(dim, mixer.kv_heads or 1) for key, mixer in keys},
        **choose_dropout(facts, seen),
    }


def little_shape(facts: Facts, tokens_for: TokensFor) -> Choices | None:
    """LITTLE_SHAPE for little text, if there is time for LITTLE_PASSES epochs; else None."""
    dim, layers = LITTLE_SHAPE
    enough = LITTLE_PASSES * facts.positions
    if facts.positions not in LITTLE_TOKENS or tokens_for(dim, layers) < enough:
        return None
    why = f"little text: larger than usual, as there is time for {LITTLE_PASSES} epochs"
    return {
        "model.dim": Choice(dim, why),
        "model.layers": Choice(layers, "the depth that was tried with this width"),
        "model.mixer.heads": _heads(dim, 1),
    }


def deeper(dim: int, layers: int, facts: Facts, tokens_for: TokensFor) -> Choice | None:
    """More layers, if there is time for MOST_PASSES epochs with them; else None."""
    if dim > DEEPENED_DIM:
        return None
    wanted_tokens = MOST_PASSES * facts.positions
    affordable = [times for times in DEEPER if tokens_for(dim, layers * times) >= wanted_tokens]
    if not affordable:
        return None
    times = affordable[-1]
    why = f"{times} times as deep: there is time for all {MOST_PASSES} epochs"
    return Choice(layers * times, why)


def _heads(dim: int, kv_heads: int) -> Choice:
    """The most heads that are at least 64 channels wide. The width is even, as RoPE rotates pairs.

    At least one for each key/value head, and equally many for each.
    """
    most = dim // HEAD_WIDTH
    counts = range(most - most % kv_heads, 0, -kv_heads)
    heads = next((count for count in counts if dim % (2 * count) == 0), kv_heads)
    return Choice(heads, f"heads of {dim // heads} channels")


def _parts(mixer: MixerKeys, kind: str) -> int:
    """What must divide a width: twice the heads of attention, or Mamba-2's heads."""
    if (mixer.kind or kind) == "mamba2":
        width = mixer.head_width or MAMBA2_WIDTH
        return width // gcd(width, mixer.expand or 2)
    heads = mixer.heads or mixer.kv_heads
    return 2 * heads if heads and mixer.head_width is None else 1


def block_weights(dim: int, layers: int) -> int:
    """Weights of a stack of blocks, embedding and head aside."""
    return 12 * dim * dim * layers


def useful(tokens: int, facts: Facts) -> int:
    """Training tokens that justify a wider model: at most LONGEST_TRAINING epochs of them."""
    return min(tokens, LONGEST_TRAINING * facts.positions)


def choose_dropout(facts: Facts, seen: int) -> Choices:
    """More dropout for more epochs."""
    epochs = seen / max(1, facts.positions)
    dropout = by_epochs(epochs, DROPOUTS, MOST_DROPOUT)
    why = ": none needed" if dropout == 0 else ""
    return {"model.dropout": Choice(dropout, about(epochs) + why)}


def by_epochs(epochs: float, steps: Sequence[tuple[int, float]], most: float) -> float:
    """The value of the first step whose limit is not below the epochs, else `most`."""
    return next((value for limit, value in steps if epochs <= limit), most)


def about(epochs: float) -> str:
    """Epochs in a reason: what is counted later, and whole batches, change the last digits."""
    return f"about {epochs:.{0 if epochs >= 10 else 1}f} epochs"
