"""Loads a foreign model: the class from `transformers`, the weights from a local folder.

Code in the folder is never run. Loading tests the model on a few tokens, and refuses one that
endonym could not train or evaluate exactly.
"""

import importlib
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from endonym.errors import ExportError
from endonym.model.config import ModelConfig
from endonym.model.foreign.decoder import AnyDecoder, ForeignDecoder
from endonym.model.foreign.folder import (
    CONFIG,
    FLOATS,
    HEADS,
    WHOLE,
    AnyModelConfig,
    ForeignConfig,
    foreign_config,
    require_numbers,
    require_shapes,
    tensor_shapes,
    weight_files,
    weight_shapes,
)
from endonym.model.span import Span
from endonym.model.weights import load_decoder, load_tensors, require_finite, require_tied

NETWORK = "network."
"""Prefix of a ForeignDecoder's parameters."""
TRIED_TOKENS = 7
CLOSE = 1e-4
"""Largest relative difference of two ways of computing the same in fp32."""
UNCHANGED = 1e-6
"""Largest change of logits, as a share of the largest, when another document of their row changes.
By rounding alone experts change by 1.3e-7: the sizes of their products depend on the other
document. A class without experts changes nothing. It decides only how packed rows are computed:
a model that changes more by rounding is computed one document at a time, slower and as exactly;
what changes less is below the rounding of any two ways of computing it."""
UNTRUSTED = ("attn_implementation", "_attn_implementation", "experts_implementation")
"""Keys by which a folder could ask for kernels from elsewhere."""
BUILDING = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError),
    *(LookupError, MemoryError, RuntimeError, TypeError, ValueError),
)
"""Errors of a class whose sizes do not fit together."""


def weights_of(decoder: nn.Module) -> dict[str, Tensor]:
    """A decoder's parameters and saved buffers, each once, by name."""
    kept = decoder.state_dict(keep_vars=True)
    constants = {name: each for name, each in decoder.named_buffers() if name in kept}
    return {name: each.detach() for name, each in (*decoder.named_parameters(), *constants.items())}


def load_any(config: AnyModelConfig, path: Path) -> AnyDecoder:
    """A decoder of either kind with the weights of a model artefact, in fp32.

    Raises Damaged if a tensor is missing, unknown, of another shape, or not finite.
    """
    if isinstance(config, ModelConfig):
        return load_decoder(config, path)
    skeleton = _skeleton(config, str(path))
    wanted = {NETWORK + name: tuple(each.shape) for name, each in weights_of(skeleton).items()}
    require_shapes(tensor_shapes(path), wanted, path)
    found = {name.removeprefix(NETWORK): each for name, each in load_tensors(path).items()}
    require_finite(found, path)
    return _loaded(config, found, str(path))


def load_foreign(folder: Path, given: dict[str, Any] | None = None) -> ForeignDecoder:
    """The model of a folder, in fp32. given: as in foreign_config.

    Building may take any memory and time: for a stranger's folder see `trial.load_tried`. Before
    tensors are read, raises ExportError for a model that endonym does not support, and Damaged for
    tensors that are missing, unknown or of another shape; then Damaged for numbers that are not
    finite.
    """
    config, files = foreign_config(folder, given), weight_files(folder)
    where = str(folder / CONFIG)
    skeleton = _skeleton(config, where)
    try:
        stored = _as_stored(skeleton, weights_of(skeleton))
    except BUILDING as error:
        raise _misfit(error, where) from error
    wanted = {name: tuple(each.shape) for name, each in stored.items()}
    doubled = skeleton.all_tied_weights_keys.keys() - wanted.keys()
    shapes = weight_shapes(folder)
    require_shapes({n: each for n, each in shapes.items() if n not in doubled}, wanted, files[0])
    require_numbers(files, (*FLOATS, *WHOLE))
    found: dict[str, Tensor] = {}
    for file in files:
        part = load_tensors(file)
        require_finite(part, file)
        found |= part
    decoder = _loaded(config, {n: each for n, each in found.items() if n in wanted}, where)
    heads = {name: found[name] for name in HEADS if name in found and name in doubled}
    require_tied(heads, decoder.network.get_input_embeddings().weight, where)
    return decoder


def stored_weights(decoder: ForeignDecoder) -> dict[str, Tensor]:
    """The weights with the names and layout of a folder."""
    return _as_stored(decoder.network, weights_of(decoder.network))


def require_library() -> None:
    """Raise ExportError if transformers is not installed."""
    _library("")


def _library(name: str) -> Any:
    """A module of transformers, imported when needed."""
    try:
        return importlib.import_module(f"transformers{name}")
    except ImportError as error:
        if error.name != "transformers":
            raise
        raise ExportError(
            "this architecture is computed by transformers, which is not installed",
            where="model",
            do='Install it: pip install "endonym[hf]"',
        ) from error


def _as_stored(network: Any, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as the class saves them; for example, each expert is a tensor of its own."""
    loading = _library(".core_model_loading")
    return dict(loading.revert_weight_conversion(network, dict(weights)))


def _network_class(config: ForeignConfig, where: str) -> tuple[Any, Any]:
    """The class of an architecture and its config in transformers. Needs no internet."""
    library, auto = _library(""), _library(".models.auto.modeling_auto")
    given = {k: v for k, v in config.transformers.items() if k not in UNTRUSTED}
    given = library.PreTrainedConfig._decode_special_floats(given)
    errors = importlib.import_module("huggingface_hub.errors")
    try:
        with _quiet():
            theirs = library.CONFIG_MAPPING[config.family].from_dict(given)
        return auto.MODEL_FOR_CAUSAL_LM_MAPPING[type(theirs)], theirs
    except KeyError as error:
        raise ExportError(
            f"transformers {library.__version__} has no causal model called {config.family}",
            where=where,
            do="Take a model of a known architecture; code that comes with one is never run.",
        ) from error
    except (errors.StrictDataclassError, *BUILDING) as error:
        raise _misfit(error, where) from error


def _misfit(error: Exception, where: str) -> ExportError:
    return ExportError(
        f"config.json does not fit its own class: {' '.join(str(error).split())}",
        where=where,
        do="Take a whole copy of the folder.",
    )


def _skeleton(config: ForeignConfig, where: str) -> Any:
    """The network on the meta device, for names and shapes."""
    kind, theirs = _network_class(config, where)
    try:
        with torch.device("meta"), _quiet():
            return kind(theirs)
    except BUILDING as error:
        raise _misfit(error, where) from error


def _loaded(config: ForeignConfig, weights: dict[str, Tensor], where: str) -> ForeignDecoder:
    """The network with its weights, in fp32, tested on a few tokens."""
    kind, theirs = _network_class(config, where)
    with _quiet():
        try:
            network, info = kind.from_pretrained(
                None,
                config=theirs,
                state_dict={name: each.float() for name, each in weights.items()},
                dtype=torch.float32,
                attn_implementation="sdpa" if kind._supports_sdpa else "eager",
                output_loading_info=True,
            )
        except BUILDING as error:
            raise _misfit(error, where) from error
        wrong = sorted(str(name) for names in info.values() for name in names)
        if wrong:
            raise ExportError(f"transformers misses or does not know {wrong[:3]}", where=where)
        for parameter in network.parameters():
            parameter.requires_grad_(True)
        decoder = ForeignDecoder(config, network).eval()
        try:
            _try(decoder, where)
        except BUILDING as error:
            said = " ".join(str(error).split())
            message = f"{config.family} cannot read a few tokens: {said}"
            raise ExportError(message, where=where) from error
    return decoder.train()


@contextmanager
def _quiet() -> Generator[None]:
    """Keep the library from writing to the terminal."""
    logging = _library("").utils.logging
    level, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if has_bars:
            logging.enable_progress_bar()


@torch.inference_mode()
def _try(decoder: ForeignDecoder, where: str) -> None:
    """Test the decoder on a few tokens. Raises ExportError if endonym would not be exact."""
    family, vocab = decoder.config.family, decoder.config.vocab
    row_T = torch.arange(3, 3 + 2 * TRIED_TOKENS) * 7 % min(vocab, len(decoder.readout.weight_VD))
    row, half = row_T[None], row_T[None, :TRIED_TOKENS]
    whole = decoder.network(row, use_cache=False).logits
    hidden_BTD, _ = decoder(row)
    if not _close(decoder.readout.logits(hidden_BTD), whole):
        raise ExportError(f"{family} {_unknown_head(decoder)}", where=where)
    if not _close(decoder.logits(half), whole[:, :TRIED_TOKENS]):
        raise ExportError(f"{family} is not causal: a token sees those after it", where=where)
    if not decoder.cache_argument:
        raise ExportError(f"{family} has a cache of an unknown kind", where=where)
    decoder.reads_on = _close(_remembered(decoder, row), whole)
    if not decoder.reads_on and not _close(_remembered(decoder, row), whole):
        raise ExportError(f"{family} computes other logits with its cache", where=where)
    if getattr(decoder.network, "_is_stateful", False):
        decoder.reads_packed = decoder.reads_padded = False
        return
    alone = decoder.logits(row[:, TRIED_TOKENS:])
    packed = Span.packed(torch.arange(2 * TRIED_TOKENS)[None] // TRIED_TOKENS)
    other = torch.cat((half.flip(1), row[:, TRIED_TOKENS:]), dim=1)
    first, second = (decoder.logits(each, packed)[:, TRIED_TOKENS:] for each in (row, other))
    # Tokens that change nothing even within one document, as with weights of 0, show no leak.
    is_seen = not _close(decoder.logits(other)[:, TRIED_TOKENS:], whole[:, TRIED_TOKENS:])
    decoder.reads_packed = is_seen and _close(first, alone) and _close(first, second, UNCHANGED)
    padded = Span.after(0, row, torch.tensor([TRIED_TOKENS]))
    found = decoder.logits(row, padded, decoder.empty_cache(1, row.shape[1]))
    decoder.reads_padded = _close(found[:, TRIED_TOKENS:], alone)


def _remembered(decoder: ForeignDecoder, row: Tensor) -> Tensor:
    """The logits of a row, computed with a cache in two pieces."""
    cache, parts, past = decoder.empty_cache(1, row.shape[1]), list[Tensor](), 0
    for piece in row.split(TRIED_TOKENS, dim=1):
        parts.append(decoder.logits(piece, Span.after(past, piece), cache))
        past += piece.shape[1]
    return torch.cat(parts, dim=1)


def _close(found: Tensor, wanted: Tensor, share: float = CLOSE) -> bool:
    """Whether two ways of computing logits agree."""
    return bool((found - wanted).abs().max() <= share * wanted.abs().max())


def _unknown_head(decoder: ForeignDecoder) -> str:
    """Why the logits of a class are not a product with a cap."""
    if getattr(decoder.network.get_output_embeddings(), "bias", None) is not None:
        return "adds a bias to its logits, which endonym does not support"
    found = [
        f"{key} = {value}"
        for key, value in decoder.config.transformers.items()
        if isinstance(value, float) and value != 1.0 and re.search("logit|multiplier|scal", key)
    ]
    named = f" ({', '.join(sorted(found))})" if found else ""
    return f"does more to its logits than a product and a cap{named}, which is not supported"
