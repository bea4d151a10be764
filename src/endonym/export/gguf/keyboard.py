"""Writes a model for FUTO Keyboard: a GGUF file that its llama.cpp of early 2024 reads.

Source: `native/jni/src/ggml/llama.cpp`, `ModelMeta.cpp` and `LanguageModel.cpp` of FUTO Keyboard.
What such a file has, and one for today's llama.cpp need not have:

* It is of version 2. Files of version 3 differ in this number alone: both are little-endian here.
* The head is a tensor of its own. Each token has one row, and a name that no other has.
* Matrices are in F16, or in blocks that were known then. BF16 was not.
* The SentencePiece model is an array of bytes. Its tokenizer alone is used, not that of llama.cpp.
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import regex
import torch

from endonym.export.config import Quantization
from endonym.export.gguf.rows import KEYBOARD, keyboard_row_of
from endonym.export.gguf.tensors import gguf_tensors
from endonym.export.gguf.write import Provenance, write_file
from endonym.export.refusals import refusal
from endonym.export.row import Json
from endonym.generate.language_model import LanguageModel
from endonym.model.config import ModelConfig
from endonym.tokenizer.keyboard import (
    CORRECTED,
    KEYS,
    NAMES,
    START,
    TYPED,
    UNKNOWN,
    WRITTEN,
    pieces_of,
    sentencepiece_model,
)
from endonym.tokenizer.kinds import kind_of
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.unigram import SPACE

WHERE = "export keyboard"
VERSION = struct.pack("<I", 2)
VERSION_PLACE = 4
"""Of the file, and where it stands there: behind "GGUF"."""
LEAST_IDS = 562
"""The keyboard looks at the probability of the id 561 in every model."""
PREDICTION = "base_v1 inverted_space"
"""The next word, by pieces that carry the blank behind them."""
CORRECTION = f"{PREDICTION} xbu_char_autocorrect_v1 char_embed_mixing_v1"
"""Words from typed keys, too. Without its last feature the keyboard ends at the first key press."""
SIGN_OF_BLANK = f"the keyboard reads {SPACE} (U+2581) in a text as a blank"
PROBE = regex.compile("[a-z]{2,} ")
"""Pieces that are typed to see whether a model corrects; the most frequent PROBES of them."""
PROBES = 64


def require_keyboard(config: Any, tokenizer: Tokenizer, _: object = None) -> None:
    """Raise ExportError, with the keys to set, if the keyboard cannot run such a model."""
    kind = kind_of(tokenizer)
    if kind != "keyboard":
        raise refusal("keyboard_tokenizer", WHERE, kind=f'"{kind}"' if kind else "another")
    if not isinstance(config, ModelConfig):
        raise refusal("keyboard_family", WHERE, family=config.family, reason="is none of endonym's")
    keyboard_row_of(config)
    if config.vocab != tokenizer.vocab or tokenizer.vocab < LEAST_IDS:
        words = {"rows": config.vocab, "ids": tokenizer.vocab, "least": LEAST_IDS}
        raise refusal("keyboard_ids", WHERE, **words)


def code_of(language: str) -> str:
    """The code of a language without script and region, by which the keyboard files a model.

    Raises ExportError if there is none: for "x-NAME", and if no language is given.
    """
    code = language.partition("-")[0]
    if code in ("", "x"):
        raise refusal("keyboard_language", WHERE, language=language)
    return code


def export_keyboard(
    model: LanguageModel, out: Path, quantize: Sequence[Quantization], about: Provenance
) -> list[Path]:
    """Write `NAME-QUANTIZATION.gguf` for each number format.

    Raises ExportError if the keyboard cannot run the model, or its language has no code.
    """
    config = model.decoder.config
    require_keyboard(config, model.tokenizer)
    assert isinstance(config, ModelConfig), "require_keyboard has checked it"
    metadata = _metadata(config, model, about)
    tensors = gguf_tensors(KEYBOARD, config, model.decoder.state_dict())
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{about.name}-{kind}.gguf" for kind in quantize]
    for path, kind in zip(paths, quantize, strict=True):
        write_file(path, config, metadata, tensors, kind=kind)
        with path.open("r+b") as file:
            file.seek(VERSION_PLACE)
            file.write(VERSION)
    return paths


def features_of(model: LanguageModel) -> str:
    """What the keyboard may ask of a model: the next word, and corrections if it has learnt them.

    It has, if behind typed keys and their word it expects the end of a correction. This is tried on
    frequent words from a to z.
    """
    return CORRECTION if mean_end_of_correction(model) > 0.5 else PREDICTION


@torch.inference_mode()
def mean_end_of_correction(model: LanguageModel) -> float:
    """The mean probability of CORRECTED behind words that were typed without a slip."""
    tokenizer = model.tokenizer
    found = list[float]()
    used = (START, TYPED, WRITTEN, CORRECTED, KEYS[0])
    start, typed, written, corrected, first_key = map(NAMES.index, used)
    for index in range(tokenizer.vocab):
        piece = tokenizer.token(index)
        if PROBE.fullmatch(piece) and len(found) < PROBES:
            keys = [first_key + ord(letter) - ord("a") for letter in piece.strip()]
            row = [start, typed, *keys, written, index]
            logits_V = model.decoder.logits(torch.tensor([row]))[0, -1].float()
            found.append(float(logits_V.softmax(-1)[corrected]))
    return sum(found) / max(1, len(found))


def _metadata(config: ModelConfig, model: LanguageModel, about: Provenance) -> Json:
    """The keys of a file, in its order: those that the keyboard's llama.cpp and the app read."""
    general: Json = {
        "general.name": about.name,
        "general.description": f"made by endonym: {about.made_of}",
        "general.license": about.license,
        "keyboardlm.languages": code_of(about.language),
        "keyboardlm.features": features_of(model),
        "keyboardlm.ext_tokenizer_type": "sentencepiece",
        "keyboardlm.ext_tokenizer_data": sentencepiece_model(model.tokenizer),
        "keyboardlm.history": about.made_of,
    }
    return {
        **{key: value for key, value in general.items() if value},
        "keyboardlm.finetuning_count": 0,
        **{f"{KEYBOARD.name}.{key}": value for key, value in KEYBOARD.metadata(config).items()},
        "general.file_type": 0,  # of each file
        "general.quantization_version": 2,
        **_vocabulary(model.tokenizer),
    }


def _vocabulary(tokenizer: Tokenizer) -> Json:
    """The pieces as the keys of llama.cpp's `llama` tokenizer."""
    names, scores, types = map(list, zip(*pieces_of(tokenizer), strict=True))
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": names,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.bos_token_id": NAMES.index(START),
        "tokenizer.ggml.eos_token_id": NAMES.index(START),
        "tokenizer.ggml.unknown_token_id": NAMES.index(UNKNOWN),
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_eos_token": False,
    }
