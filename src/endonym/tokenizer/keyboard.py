"""The tokenizer of a phone's keyboard: a unigram one whose pieces carry the blank behind them.

FUTO Keyboard reads a SentencePiece model; all other programs read our `tokenizer.json`. Both give
the same ids:

* A word ends with a piece that ends in a blank. SentencePiece calls this
  `treat_whitespace_as_suffix`. It puts no blank before or behind a text, and removes none.
* SentencePiece adds scores as 32-bit numbers. So each score is a multiple of 1 / PARTS: sums are
  exact down to -1,000,000, which is a text of about 300,000 characters.
* Where two ways to cut a text are equally good, both programs take the longer last piece.
* All tokens of NAMES are control symbols, so that their names in a text are spelled as plain text.
  (Other makers of keyboard models have them as user-defined symbols. The keyboard only looks up
  their ids.)

Limits: SentencePiece reads U+2581, its sign for a blank, as a blank; and its library for C++ ends a
text at U+0000.

Source: `native/jni/src/ggml/LanguageModel.cpp` of FUTO Keyboard, and sentencepiece's documentation.
"""

import json
from collections.abc import Mapping
from string import ascii_uppercase

from tokenizers import Tokenizer as Engine

from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.tokenizer import BYTE_TOKEN, Tokenizer
from endonym.tokenizer.unigram import (
    BYTE_TOKENS,
    SPACE,
    Texts,
    engine,
    single_pieces,
    trained_scores,
)
from endonym.tokenizer.words import Counts

START = "<s>"
"""The keyboard puts it before a text. So it stands between documents in training, too."""
UNKNOWN = "<unk>"
TYPED, WRITTEN, CORRECTED = "<XBU>", "<XBC>", "<XEC>"
"""Before the keys that were typed, before the word that was meant, and behind it."""
KEYS = [f"<CHAR_{letter}>" for letter in ascii_uppercase]
"""A typed key; their ids are consecutive, which the keyboard relies on."""
NAMES = ["<pad>", START, "</s>", UNKNOWN, TYPED, WRITTEN, CORRECTED, *KEYS]
"""The first ids, in this order."""
SPELLING = sorted({" ", *"".join([*NAMES, *BYTE_TOKENS])})
"""Characters that are always pieces: the blank, and those by which the names can be spelled."""
PARTS = 16
"""A score is a whole number of so many parts of a nat."""


def keyboard(config: TokenizerConfig, counts: Counts, texts: Texts) -> Engine:
    """Train on texts whose words are counted.

    texts: a function that iterates over them.
    """
    characters = {each: n for each, n in counts.characters.items() if each != SPACE}
    counts = Counts(counts.words, characters)
    single, room = single_pieces(config, counts, len(NAMES) + len(BYTE_TOKENS), SPELLING)
    scores, longer = trained_scores(texts, counts, single, room, blank_behind=True)
    scores |= dict(list(longer.items())[: room - len(scores)])
    return keyboard_engine(
        {piece: min(-1, round(score * PARTS)) / PARTS for piece, score in scores.items()}
    )


def keyboard_engine(scores: Mapping[str, float]) -> Engine:
    """A tokenizer of pieces with these scores."""
    return engine(scores, NAMES, NAMES.index(UNKNOWN))


def sentencepiece_model(tokenizer: Tokenizer) -> bytes:
    """The SentencePiece model of a keyboard's tokenizer, a serialized ModelProto."""
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto()
    spec, rules = model.trainer_spec, model.normalizer_spec
    spec.model_type = spec.UNIGRAM
    spec.vocab_size = tokenizer.vocab
    spec.byte_fallback = spec.treat_whitespace_as_suffix = True
    spec.pad_id, spec.bos_id, spec.eos_id, spec.unk_id = range(4)
    spec.pad_piece, spec.bos_piece, spec.eos_piece, spec.unk_piece = NAMES[:4]
    rules.name = "identity"
    rules.add_dummy_prefix = rules.remove_extra_whitespaces = False
    rules.escape_whitespaces = True
    for index, (name, score) in enumerate(json.loads(tokenizer.to_json())["model"]["vocab"]):
        piece = model.pieces.add()
        if name == UNKNOWN:
            piece.piece, piece.type = name, piece.UNKNOWN
        elif not tokenizer.bytes_of(index):
            piece.piece, piece.type = name, piece.CONTROL
        elif BYTE_TOKEN.fullmatch(name):
            piece.piece, piece.type = name, piece.BYTE
        else:
            piece.piece, piece.score = name.replace(" ", SPACE), score
            piece.type = piece.NORMAL
    return bytes(model.SerializeToString())
