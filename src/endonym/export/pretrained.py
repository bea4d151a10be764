"""Loads the model that training goes on from: a model artefact, or a transformers folder."""

from pathlib import Path

from endonym.export.huggingface import import_huggingface
from endonym.export.shapes import our_shape
from endonym.generate.language_model import LanguageModel
from endonym.model.config import ModelConfig
from endonym.model.decoder import Decoder
from endonym.model.foreign import folder as folders
from endonym.model.foreign.decoder import AnyDecoder
from endonym.model.foreign.folder import CONFIG, is_artefact, read_json
from endonym.model.foreign.weights import require_harmless
from endonym.model.vocabulary import with_vocabulary
from endonym.model.weights import decoder_with
from endonym.tokenizer.spelling import spelled
from endonym.tokenizer.tokenizer import Tokenizer


def load_pretrained(folder: Path) -> LanguageModel:
    """The model and the tokenizer of a folder. Nothing in it is executed.

    Raises ExportError for a model that is not supported, and Damaged for damaged weights.
    """
    if not is_artefact(folder):
        return import_huggingface(folder)
    given = read_json(folder / CONFIG)
    our_shape(given, str(folder / CONFIG))
    require_harmless(folder, given)
    return LanguageModel.load(folder)


def pretrained_decoder(folder: Path, context: int, tokenizer: Tokenizer, vocab: int) -> AnyDecoder:
    """A folder's decoder as training goes on from it.

    context: of the rows; learned positions beyond it are cut off. tokenizer, vocab: of the new
    model. If the tokenizer is not the folder's, rows of new ids begin from those that they replace;
    the model's ids beyond the tokenizer keep theirs. Raises ShapeError if the model never read so
    many tokens at once.
    """
    given = load_pretrained(folder)
    decoder = with_context(given.decoder, context, folder)
    if given.tokenizer.to_json() == tokenizer.to_json():
        return decoder
    replaced = spelled(tokenizer, given.tokenizer)
    replaced += [[index] for index in range(len(replaced), vocab)]
    return with_vocabulary(decoder, replaced)


def with_context(decoder: AnyDecoder, context: int, folder: Path) -> AnyDecoder:
    """A folder's decoder for rows of `context` tokens; learned positions beyond it are cut off."""
    shape = folders.with_context(decoder.config, context)
    if isinstance(decoder, Decoder):
        assert isinstance(shape, ModelConfig), "a context changes no kind of shape"
        weights = decoder.state_dict()
        if "positions.weight" in weights:
            weights["positions.weight"] = weights["positions.weight"][:context].clone()
        return decoder_with(shape, weights, folder)
    assert not isinstance(shape, ModelConfig), "a context changes no kind of shape"
    decoder.config = shape
    return decoder
