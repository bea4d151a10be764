"""Loads a foreign model: the class from `transformers`, the weights from a local folder.

Code in the folder is never run. Loading tests the model on a few tokens, and refuses one that
endonym could not train or evaluate exactly.

A class of `transformers` builds what numbers of `config.json` say: tables of positions, masks,
lists of layers, rows padded to whole chunks. No list of keys knows them all, so a stranger's folder
is first opened in a process with limits, and this process repeats only what took about as much
memory as the weights do.
"""

import importlib
import re
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from endonym import errors
from endonym.errors import EndonymError, ExportError
from endonym.limited.frames import as_sent, sendable
from endonym.limited.opened import NEVER, Opened, key_of
from endonym.limited.process import Failure, LimitedProcess, Limits
from endonym.model.config import ModelConfig
from endonym.model.foreign import folder as foreign
from endonym.model.foreign.decoder import AnyDecoder, ForeignDecoder
from endonym.model.span import Span
from endonym.model.weights import load_decoder, read_tensors, require_tied

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
MEMORY = 3 << 28
SECONDS = 20.0
"""Beside what the weights take. Much of it is for importing the classes."""
COPIES = 8
SECONDS_PER_GB = 60.0
"""In bytes of the files: mapped, read, and in fp32, twice while experts are put together."""
WAIT = 8
"""Times the seconds of processor time, in wall clock: this process imports the same classes
meanwhile, and others may compute."""
KEPT = 1 << 26
"""After more bytes the process is ended: it need not stay beside a training."""
NO_MEMORY = "allocate memory"
"""In torch's error, which has no type of its own."""
_process = LimitedProcess("endonym.model.foreign.weights:open_there")
_tried: set[str] = set()
"""What this process has tried, by the keys of `opened`."""


def weights_of(decoder: nn.Module) -> dict[str, Tensor]:
    """A decoder's parameters and saved buffers, each once, by name."""
    saved = decoder.state_dict(keep_vars=True)
    constants = {name: each for name, each in decoder.named_buffers() if name in saved}
    return {name: each.detach() for name, each in (*decoder.named_parameters(), *constants.items())}


def load_tried(
    folder: Path, config_json: dict[str, Any] | None = None, opened: Opened = NEVER
) -> ForeignDecoder:
    """The model of a stranger's folder: `load_foreign`, once it is known to be harmless.

    opened: notes of what was tried before. Raises the errors of `load_foreign`, and ExportError if
    opening takes too much memory or time.
    """
    config_json = foreign.read_json(folder / foreign.CONFIG) if config_json is None else config_json
    foreign.foreign_config(folder, config_json)
    require_harmless(folder, config_json, opened)
    return load_foreign(folder, config_json)


def require_harmless(folder: Path, config_json: dict[str, Any], opened: Opened = NEVER) -> None:
    """Raise an error if opening the folder fails, or takes far more than its weights.

    folder: in the format of transformers, or a model artefact. config_json: its `config.json`. A
    model that endonym computes itself is not tried.
    """
    if foreign.is_artefact(folder) and not isinstance(
        foreign.read_shape(config_json), foreign.ForeignConfig
    ):
        return
    library = _transformers()  # raises if it is not installed
    files = (
        [folder / foreign.OUR_WEIGHTS]
        if foreign.is_artefact(folder)
        else foreign.weight_files(folder)
    )
    key = key_of(files, str(config_json), library.__version__, torch.__version__, __file__)
    if key in _tried or opened.has(key):
        return
    size = sum(file.stat().st_size for file in files)
    seconds = SECONDS + SECONDS_PER_GB * size / 1e9
    limits = Limits(MEMORY + COPIES * size, cpu_seconds=seconds, seconds=WAIT * seconds)
    question = {"folder": sendable(folder.absolute()), "config_json": config_json}
    try:
        with ThreadPoolExecutor(1) as beside:
            asked = beside.submit(_process.ask, question, limits, is_last=size > KEPT)
            with suppress(EndonymError, *BUILDING):  # told when the model is loaded
                _import_classes(str(config_json.get("model_type", "")))
            answer = asked.result()
    except Failure as failure:
        raise foreign.refusal("harmful", folder / foreign.CONFIG, failure=failure) from failure
    if "refused" in answer:
        told = answer["refused"]
        kind = getattr(errors, told["kind"])
        raise kind(told["message"], where=told["where"], do=told["do"])
    _tried.add(key)
    opened.note(key)


def open_there(question: Mapping[str, Any]) -> dict[str, Any]:
    """Runs in the process with limits: opens the model, and gives back the error if it is refused.

    Raises MemoryError if there is not enough memory.
    """
    folder = as_sent(question["folder"])
    config_json = question["config_json"]
    try:
        if foreign.is_artefact(folder):
            load_any(foreign.read_shape(config_json), folder / foreign.OUR_WEIGHTS)
        else:
            load_foreign(folder, config_json)
    except EndonymError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, MemoryError) or NO_MEMORY in str(cause):
                raise MemoryError from error
            cause = cause.__cause__
        return {"refused": error.as_dict()}
    return {}


def load_any(config: foreign.AnyModelConfig, path: Path) -> AnyDecoder:
    """A decoder of either kind with the weights of a model artefact, in fp32.

    Raises Damaged if a tensor is missing, unknown, of another shape, or not finite.
    """
    if isinstance(config, ModelConfig):
        return load_decoder(config, path)
    skeleton = _skeleton(config, path)
    wanted = {NETWORK + name: tuple(each.shape) for name, each in weights_of(skeleton).items()}
    weights = read_tensors([path], wanted, (*foreign.FLOATS, *foreign.WHOLE))
    own = {name.removeprefix(NETWORK): each for name, each in weights.items()}
    return _load_network(config, own, path)


def load_foreign(folder: Path, config_json: dict[str, Any] | None = None) -> ForeignDecoder:
    """The model of a folder, in fp32. config_json: as in foreign_config.

    Building may take any memory and time: for a stranger's folder see `load_tried`. Before
    tensors are read, raises ExportError for a model that endonym does not support, and Damaged for
    tensors that are missing, unknown or of another shape; then Damaged for numbers that are not
    finite.
    """
    config = foreign.foreign_config(folder, config_json)
    files = foreign.weight_files(folder)
    where = folder / foreign.CONFIG
    skeleton = _skeleton(config, where)
    with _refusing_misfits(where):
        stored = _as_stored(skeleton, weights_of(skeleton))
    expected = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    # Some folders store the tied head again: it must be equal to the embedding.
    tied = skeleton.all_tied_weights_keys.keys() - expected.keys()
    doubled = {
        name for name in foreign.HEADS if name in tied and name in foreign.weight_shapes(folder)
    }
    expected |= dict.fromkeys(doubled, tuple(skeleton.get_input_embeddings().weight.shape))
    tensors = read_tensors(
        files,
        expected,
        (*foreign.FLOATS, *foreign.WHOLE),
        named=lambda name: None if name in tied - doubled else name,
    )
    heads = {name: tensors.pop(name) for name in doubled}
    decoder = _load_network(config, tensors, where)
    require_tied(heads, decoder.network.get_input_embeddings().weight, where)
    return decoder


def stored_weights(decoder: ForeignDecoder) -> dict[str, Tensor]:
    """The weights with the names and layout of a folder."""
    return _as_stored(decoder.network, weights_of(decoder.network))


def _transformers(submodule: str = "") -> Any:
    """transformers or a module of it, imported when needed. Raises ExportError if it is missing."""
    try:
        return importlib.import_module(f"transformers{submodule}")
    except ImportError as error:
        if error.name != "transformers":
            raise
        raise foreign.refusal("no_transformers", "model") from error


def _as_stored(network: Any, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as the class saves them; for example, each expert is a tensor of its own."""
    loading = _transformers(".core_model_loading")
    return dict(loading.revert_weight_conversion(network, dict(weights)))


def _import_classes(family: str) -> None:
    """Import the classes of an architecture, which takes seconds. Builds nothing."""
    config_class = _transformers().CONFIG_MAPPING[family]
    _transformers(".models.auto.modeling_auto").MODEL_FOR_CAUSAL_LM_MAPPING[config_class]
    _transformers(".core_model_loading")


def _network_class(config: foreign.ForeignConfig, where: Path) -> tuple[Any, Any]:
    """The class of an architecture and its config in transformers. Needs no internet."""
    library = _transformers()
    auto = _transformers(".models.auto.modeling_auto")
    classes = auto.MODEL_FOR_CAUSAL_LM_MAPPING
    config_class = None
    if config.family in library.CONFIG_MAPPING:
        config_class: Any = library.CONFIG_MAPPING[config.family]
    if config_class not in classes:
        raise foreign.refusal("no_class", where, version=library.__version__, family=config.family)
    keys = {k: v for k, v in config.transformers.items() if k not in UNTRUSTED}
    with _refusing_misfits(where):
        keys = library.PreTrainedConfig._decode_special_floats(keys)
        return classes[config_class], config_class.from_dict(keys)


@contextmanager
def _refusing_misfits(where: Path) -> Generator[None]:
    """Raise ExportError for the errors of a class whose sizes do not fit together."""
    error_of_keys = importlib.import_module("huggingface_hub.errors").StrictDataclassError
    try:
        with _quiet():
            yield
    except (error_of_keys, *BUILDING) as error:
        raise foreign.refusal("wrong_sizes", where, error=" ".join(str(error).split())) from error


def _skeleton(config: foreign.ForeignConfig, where: Path) -> Any:
    """The network on the meta device, for names and shapes."""
    network_class, class_config = _network_class(config, where)
    with torch.device("meta"), _refusing_misfits(where):
        return network_class(class_config)


def _load_network(
    config: foreign.ForeignConfig, weights: dict[str, Tensor], where: Path
) -> ForeignDecoder:
    """The network with its weights, in fp32, tested on a few tokens."""
    network_class, class_config = _network_class(config, where)
    with _refusing_misfits(where):
        network, info = network_class.from_pretrained(
            None,
            config=class_config,
            state_dict={name: each.float() for name, each in weights.items()},
            dtype=torch.float32,
            attn_implementation="sdpa" if network_class._supports_sdpa else "eager",
            output_loading_info=True,
        )
    with _quiet():
        strange = sorted(str(name) for names in info.values() for name in names)
        if strange:
            raise ExportError(f"transformers misses or does not know {strange[:3]}", where=where)
        for parameter in network.parameters():
            parameter.requires_grad_(True)
        decoder = ForeignDecoder(config, network).eval()
        try:
            _test_on_tokens(decoder, where)
        except BUILDING as error:
            reason = " ".join(str(error).split())
            message = f"{config.family} cannot read a few tokens: {reason}"
            raise ExportError(message, where=where) from error
    return decoder.train()


@contextmanager
def _quiet() -> Generator[None]:
    """Keep the library from writing to the terminal."""
    logging = _transformers().utils.logging
    level = logging.get_verbosity()
    has_bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if has_bars:
            logging.enable_progress_bar()


@torch.inference_mode()
def _test_on_tokens(decoder: ForeignDecoder, where: Path) -> None:
    """Test the decoder on a few tokens. Raises ExportError if endonym would not be exact."""
    family = decoder.config.family
    vocab = decoder.config.vocab
    row_T = torch.arange(3, 3 + 2 * TRIED_TOKENS) * 7 % min(vocab, len(decoder.readout.weight_VD))
    row = row_T[None]
    half = row_T[None, :TRIED_TOKENS]
    expected = decoder.network(row, use_cache=False).logits
    hidden_BTD, _ = decoder(row)
    if not _agree(decoder.readout.logits(hidden_BTD), expected):
        raise ExportError(f"{family} {_unknown_head(decoder)}", where=where)
    if not _agree(decoder.logits(half), expected[:, :TRIED_TOKENS]):
        raise ExportError(f"{family} is not causal: a token sees those after it", where=where)
    if not decoder.cache_argument:
        raise ExportError(f"{family} has a cache of an unknown kind", where=where)
    decoder.cache_takes_many = _agree(_logits_with_cache(decoder, row), expected)
    if not decoder.cache_takes_many and not _agree(_logits_with_cache(decoder, row), expected):
        raise ExportError(f"{family} computes other logits with its cache", where=where)
    if getattr(decoder.network, "_is_stateful", False):
        decoder.reads_packed = decoder.reads_padded = False
        return
    alone = decoder.logits(row[:, TRIED_TOKENS:])
    packed = Span.packed(torch.arange(2 * TRIED_TOKENS)[None] // TRIED_TOKENS)
    other = torch.cat((half.flip(1), row[:, TRIED_TOKENS:]), dim=1)
    first, second = (decoder.logits(each, packed)[:, TRIED_TOKENS:] for each in (row, other))
    # Tokens that change nothing even within one document, as with weights of 0, show no leak.
    is_seen = not _agree(decoder.logits(other)[:, TRIED_TOKENS:], expected[:, TRIED_TOKENS:])
    decoder.reads_packed = is_seen and _agree(first, alone) and _agree(first, second, UNCHANGED)
    padded = Span.after(0, row, torch.tensor([TRIED_TOKENS]))
    padded_logits = decoder.logits(row, padded, decoder.empty_cache(1, row.shape[1]))
    decoder.reads_padded = _agree(padded_logits[:, TRIED_TOKENS:], alone)


def _logits_with_cache(decoder: ForeignDecoder, row: Tensor) -> Tensor:
    """The logits of a row, computed with a cache in two pieces."""
    cache = decoder.empty_cache(1, row.shape[1])
    parts = list[Tensor]()
    length = 0
    for piece in row.split(TRIED_TOKENS, dim=1):
        parts.append(decoder.logits(piece, Span.after(length, piece), cache))
        length += piece.shape[1]
    return torch.cat(parts, dim=1)


def _agree(logits: Tensor, wanted: Tensor, share: float = CLOSE) -> bool:
    """Whether no logits differ by more than this share of the largest."""
    return bool((logits - wanted).abs().max() <= share * wanted.abs().max())


def _unknown_head(decoder: ForeignDecoder) -> str:
    """Why the logits of a class are not a product with a cap."""
    if getattr(decoder.network.get_output_embeddings(), "bias", None) is not None:
        return "adds a bias to its logits, which endonym does not support"
    factors = [
        f"{key} = {value}"
        for key, value in decoder.config.transformers.items()
        if isinstance(value, float) and value != 1.0 and re.search("logit|multiplier|scal", key)
    ]
    named = f" ({', '.join(sorted(factors))})" if factors else ""
    return f"does more to its logits than a product and a cap{named}, which is not supported"
