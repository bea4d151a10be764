"""Makes models ready to answer: the engine of each, the key, and the server around them."""

import ipaddress
import re
import secrets
import shutil
import socket
import stat
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from endonym import device
from endonym.commands.export import export_model
from endonym.commands.load import (
    card_of,
    find_adapter,
    find_artifact,
    identity_of,
    load_model,
    with_adapter,
)
from endonym.commands.proofread import load_proofreader
from endonym.disk import require_writable
from endonym.errors import Damaged, ExportError, RecipeError
from endonym.export.adapters import FOLDER as ADAPTER_FOLDER
from endonym.export.adapters import adapter_identity
from endonym.export.config import FORMATS, Export
from endonym.export.gguf.write import require_gguf, require_gguf_adapter
from endonym.export.history import spelling_of, turns_of
from endonym.export.record import record_of
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Defaults
from endonym.limited.opened import key_of
from endonym.log import Log, counted
from endonym.model.lora import changes_of
from endonym.store import TRAINED, Store, fingerprint
from endonym.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:
    from endonym.serve.desk import Desk
    from endonym.serve.engine import Engine

FORMAT = "F16"
"""Of the weights of a GGUF file that is made here: the likeliest id is the model's own."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MEMORY_SHARE = 4
"""One part in so many of the free memory is for the caches of all sequences."""
MOST_SLOTS = 64
MOST_OWN_SLOTS = 16
"""Sequences at once, in llama.cpp and in endonym's own runtime."""
MOST_SUGGESTING = 1 << 30
"""Bytes of weights of a model that suggests words beside llama.cpp: in memory twice, and slow."""
SHORTEST_KEY = 16
MAGIC = b"GGUF"
"""The first bytes of a GGUF file."""
HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s/@:?#\[\]]+)(?P<port>:[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server listens, its key, and the names of proxies before it."""

    host: str
    port: int
    key: str | None = None
    proxies: tuple[str, ...] = ()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return self.host in LOOPBACK or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False  # a name


def require_extra() -> None:
    """Raise RecipeError if the libraries of the server are missing."""
    for name in ("fastapi", "uvicorn", "prometheus_client"):
        try:
            import_module(name)
        except ImportError as error:
            do = 'pip install "endonym[serve]"'
            raise RecipeError(f"the server needs {name}", where="serve", do=do) from error


def place_of(host: str, port: int, key_file: Path | None, proxies: Sequence[str] = ()) -> Place:
    """Where to listen. Raises RecipeError off loopback without a key, and for what is no name."""
    names = tuple(map(proxy_name, proxies))
    place = Place(host, port, None if key_file is None else read_key(key_file), names)
    if place.key is None and not place.is_loopback:
        message = f"{host} can be reached from other machines, and there is no key"
        do = "Put a long random line into a file, and add --api-key-file FILE."
        raise RecipeError(message, where="--host", do=do)
    return place


def proxy_name(name: str) -> str:
    """`host` or `host:port` as browsers send it. Raises RecipeError for what is neither."""
    match = HOST.fullmatch(name)
    try:
        if match is not None:
            return match["host"].encode("idna").decode().lower() + (match["port"] or "")
    except UnicodeError:
        pass  # told below
    message = f"{name!r} is no name of a host, such as lm.example.org or lm.example.org:8443"
    raise RecipeError(message, where="--proxy")


def read_key(path: Path) -> str:
    """The key in a file. Raises RecipeError if it is short, or if other people may read it."""
    key = path.read_text(encoding="utf-8", errors="replace").strip()
    example = f"One that nobody guesses: {secrets.token_urlsafe(32)}"
    if len(key) < SHORTEST_KEY or not key.isascii() or len(key.split()) != 1:
        message = f"a key is one word of ASCII, of at least {SHORTEST_KEY} characters"
        raise RecipeError(message, where=path, do=example)
    if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        raise RecipeError("other people may read this key", where=path, do=f"chmod 600 {path}")
    return key


def make_engine(
    name: str,
    store: Store,
    device_name: str,
    log: Log,
    *,
    adapter: str | None = None,
    loaded: dict[str, LanguageModel] | None = None,
    suggests: bool = True,
) -> "Engine":
    """The engine of a model: llama.cpp if it can run it, else endonym's own runtime. Says which.

    adapter: one that is added to what the model gives. loaded: models by name, to which this one is
    added, so that several adapters of it share its weights. suggests: whether it is asked for words
    while somebody writes, for which llama.cpp's engine has the model in our own runtime, too.
    """
    if Path(name).is_file():
        # A GGUF file, and perhaps an adapter in another one.
        with Path(name).open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                do = "MODEL is a run, a model artefact, a transformers folder, or a GGUF file."
                raise RecipeError("this is no GGUF file", where=name, do=do)
        if adapter is not None and not Path(adapter).is_file():
            message = f"{name} is a GGUF file, {adapter} is none"
            do = "Make one: endonym export BASE --adapter DIR --to gguf-adapter"
            raise RecipeError(message, where="--adapter", do=do)
        adapter_file = None if adapter is None else Path(adapter)
        return _llama_engine(Path(name), name, store, log, adapter=adapter_file)
    if adapter is None and not suggests and device_name == "cpu":
        engine = _kept_engine(name, store, log)
        if engine is not None:
            return engine
    loaded = {} if loaded is None else loaded
    if name not in loaded:
        loaded[name] = load_model(name, store, device_name, log)
    base = loaded[name]
    model = base if adapter is None else with_adapter(base, find_adapter(adapter, store))
    if device_name != "cpu":
        return _own_engine(model, name, f"--device {device_name}", log)
    try:
        FORMATS["gguf"].require_packages()
    except ExportError:
        why = 'it is not installed; pip install "endonym[gguf]" makes answers faster'
        return _own_engine(model, name, why, log)
    try:
        for limit in require_gguf(base.decoder.config, base.tokenizer):
            log.line(f"{name}: {limit}")
        require_gguf_adapter(base.decoder.config, changes_of(model.decoder))
    except ExportError as error:
        return _own_engine(model, name, error.message, log)
    adapter_file = None if adapter is None else _kept_gguf(name, store, log, adapter)
    chat = None if adapter is None else model.tokenizer
    gguf = _kept_gguf(name, store, log)
    engine = _llama_engine(
        gguf, name, store, log, adapter=adapter_file, chat=chat, defaults=model.defaults
    )
    engine.spelled = model.spelled
    engine.turns = model.turns
    weights = model.decoder.parameters()
    if suggests and sum(weight.numel() * weight.element_size() for weight in weights) <= (
        MOST_SUGGESTING
    ):
        engine.model = model
    return engine


def _kept_engine(name: str, store: Store, log: Log) -> "Engine | None":
    """llama.cpp's engine if the GGUF file was made before: the model itself need not be read."""
    try:
        FORMATS["gguf"].require_packages()
    except ExportError:
        return None
    store.cache.mkdir(parents=True, exist_ok=True)  # what is made below is kept there
    folder = _gguf_folder(identity_of(name, store), store)
    if not folder.exists() or not _is_whole(folder, store, log):
        return None
    engine = _llama_engine(next(folder.glob("*.gguf")), name, store, log)
    artifact = find_artifact(name, store)
    if artifact is not None and artifact.stage in TRAINED:
        engine.spelled = spelling_of(artifact)
        engine.turns = turns_of(artifact)
    return engine


def _gguf_folder(identity: str, store: Store) -> Path:
    """Where the GGUF file of a model is kept."""
    return store.cache / "gguf" / f"{identity}-{FORMAT}"


def _kept_gguf(name: str, store: Store, log: Log, adapter: str | None = None) -> Path:
    """The GGUF file of a model, made and verified when it is first asked for.

    adapter: one of the model; the file is that of the adapter alone then.
    """
    identity = identity_of(name, store)
    export = Export(format="gguf", quantize=(FORMAT,))
    folder = _gguf_folder(identity, store)
    if adapter is not None:
        export = Export(format="gguf-adapter")
        identity += "-" + fingerprint(adapter_identity(find_adapter(adapter, store)))[:12]
        folder = store.cache / "gguf" / identity
    with store.lock("gguf", identity, log.line):
        if not _is_whole(folder, store, log):
            log.line(f"{name}: making a GGUF file for llama.cpp, once …")
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
            export_model(name, export, folder, store=store, log=log, adapter=adapter)
            store.opened.note(_key_of_whole(folder))
    return next(folder.glob("*.gguf"))


def _is_whole(folder: Path, store: Store, log: Log) -> bool:
    """Whether a folder has the files that its record names, byte by byte.

    That is noted: files that are as they were then are not compared again.
    """
    try:
        if folder.exists():
            key = _key_of_whole(folder)
            if not store.opened.has(key):
                record_of(folder)
                store.opened.note(key)
    except (ExportError, Damaged) as error:
        log.warn(f"{error.where}: {error.message}")
        return False
    return any(folder.glob("*.gguf"))


def _key_of_whole(folder: Path) -> str:
    """The key of a note that all files of an export are as its record says."""
    return key_of(sorted(folder.iterdir()), "whole")


def _llama_engine(
    path: Path,
    name: str,
    store: Store,
    log: Log,
    *,
    adapter: Path | None = None,
    chat: Tokenizer | None = None,
    defaults: Defaults | None = None,
) -> "Engine":
    """The engine of GGUF files of a model and its adapter, which says how it runs.

    defaults: of the model; those that the file states if there are none.
    """
    from endonym.serve.llama_engine import LlamaEngine

    memory = device.free_memory_bytes() // MEMORY_SHARE
    threads = device.threads()
    engine = LlamaEngine(
        path,
        adapter=adapter,
        chat=chat,
        most_slots=MOST_SLOTS,
        memory=memory,
        threads=threads,
        opened=store.opened,
    )
    engine.defaults = defaults or engine.defaults
    if engine.context < engine.whole_context:
        whole = f"{engine.whole_context} tokens of context do not fit into {memory >> 20} MiB"
        log.warn(f"{name}: {whole}, a part of the free memory: {engine.context} are used")
    beside = "" if adapter is None else f" with {adapter}"
    return _announced(engine, name, f"llama.cpp runs {path}{beside}", log)


def _own_engine(model: LanguageModel, name: str, reason: str, log: Log) -> "Engine":
    """The engine of endonym's own runtime. reason: why llama.cpp cannot run the model."""
    from endonym.serve.own_engine import OwnEngine

    device.prepare()
    memory = device.free_memory_bytes() // MEMORY_SHARE
    engine = OwnEngine(model, most_slots=MOST_OWN_SLOTS, memory=memory)
    return _announced(engine, name, f"endonym's own runtime, not llama.cpp: {reason}", log)


def _announced(engine: "Engine", name: str, runtime: str, log: Log) -> "Engine":
    """The engine, after saying what it is, and what other programs do with its template."""
    from endonym.serve.engine import prompt_differences

    sizes = f"context {engine.context} tokens · up to {counted(engine.slots, 'sequence')} at once"
    log.line(f"{name}: {runtime} · {sizes}")
    if words := engine.defaults.words():
        log.line(f"{name}: samples by {words}, as the model's own files say")
    for each in prompt_differences(engine) if engine.template else ():
        log.warn(f"{name}: {each}")
    return engine


def served_names(
    models: Sequence[str], adapters: Sequence[str] = ()
) -> dict[str, tuple[str, str | None]]:
    """What clients call each model, and the one model with each adapter: the end of its path.

    Each with the names of model and adapter. Raises RecipeError for adapters of several models,
    and for two names alike.
    """
    if adapters and len(models) != 1:
        message = f"{len(models)} models: adapters belong to one"
        raise RecipeError(message, where="--adapter", do="Start a server for each base.")
    names: dict[str, tuple[str, str | None]] = {}
    pairs = [(model, None) for model in models] + [(models[0], adapter) for adapter in adapters]
    for model, adapter in pairs:
        path = Path(adapter or model)
        is_inner = adapter is not None and path.name == ADAPTER_FOLDER
        plain = path.parent.name if is_inner else path.name
        short = plain.removesuffix(".gguf") or str(path)
        if short in names:
            message = f"two models would be called {short}"
            if adapter is None:
                message = f"{names[short][0]} and {model} would both be called {short}"
            where = "MODEL" if adapter is None else "--adapter"
            raise RecipeError(message, where=where, do="Rename one of them.")
        names[short] = (model, adapter)
    return names


def serve(
    models: Sequence[str],
    place: Place,
    *,
    store: Store,
    device_name: str,
    log: Log,
    ready: Callable[[str, list[str]], None],
    adapters: Sequence[str] = (),
    keep: Path | None = None,
) -> None:
    """Answer until SIGTERM or Ctrl-C. ready: is called with the address and the models' names.

    adapters: of the one model, which each make another model beside it. keep: a JSONL file to which
    writers add corrections.
    """
    require_extra()
    if keep is not None:
        do = "Name a file for corrections, such as corrections.jsonl."
        require_writable(keep, where=f"--keep {keep}", do=do)
    from endonym.serve.api import build_app
    from endonym.serve.desk import Corrections, Writers
    from endonym.serve.limits import Access
    from endonym.serve.listen import listen, listening_socket
    from endonym.serve.scheduler import Scheduler
    from endonym.serve.service import Service

    names = served_names(models, adapters)
    loaded: dict[str, LanguageModel] = {}
    with closing(listening_socket(place.host, place.port)) as listener:
        service = Service(log.warn)
        try:
            for short, (name, adapter) in names.items():
                engine = make_engine(name, store, device_name, log, adapter=adapter, loaded=loaded)
                scheduler = Scheduler(engine, report=log.warn, hand_out=service.hand_out)
                service.schedulers[short] = scheduler
                if engine.model is not None:
                    memory = device.free_memory_bytes() // MEMORY_SHARE
                    service.desk.writers[short] = Writers(engine.model, memory)
                    if adapter is None:
                        add_reader(service.desk, short, name, store=store, log=log)
            service.desk.corrections = None if keep is None else Corrections(keep)
            loaded.clear()  # an engine that needs its model holds it
            host = f"[{place.host}]" if ":" in place.host else place.host
            address = f"http://{host}:{listener.getsockname()[1]}"
            proxies = frozenset(place.proxies)
            access = Access(hosts_of(place), place.is_loopback, place.key, proxies)
            listen(
                build_app(service, access),
                [listener],
                ending=service.end,
                ready=lambda: ready(address, list(names)),
            )
        finally:
            service.close()


def add_reader(desk: "Desk", short: str, name: str, *, store: Store, log: Log) -> None:
    """Let a model that suggests words proofread, too, if its texts are in the store.

    short: what clients call it.
    """
    card = card_of(name, store)
    desk.languages[short] = card.language
    if card.history is not None:
        model = desk.writers[short].model
        with suppress(RecipeError, Damaged):  # the texts are gone: the page says so
            desk.readers[short] = load_proofreader(name, store, "cpu", log, model=model)


def hosts_of(place: Place) -> frozenset[str]:
    """The names by which this server may be asked."""
    own = set() if place.is_loopback else {socket.gethostname().lower()}
    proxies = (HOST.sub(r"\g<host>", proxy).strip("[]") for proxy in place.proxies)
    return frozenset({*LOOPBACK, place.host.lower(), *own, *proxies})
