"""The engine of each model, the key, the names."""

import gc
import json
import os
import sys
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from serving import CHATML, toy_language_model, write_gguf

from endonym.commands import load as loading
from endonym.commands import serve
from endonym.commands.inspect import unused
from endonym.commands.load import identity_of, load_model
from endonym.commands.serve import (
    Place,
    hosts_of,
    make_engine,
    place_of,
    read_key,
    served_names,
)
from endonym.disk import require_writable
from endonym.errors import Busy, RecipeError
from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.store import Store

Captured = pytest.CaptureFixture[str]

Patch = pytest.MonkeyPatch

pytest.importorskip("xllamacpp")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_who_only_chats_does_not_read_the_model_again(
    tmp_path: Path, store: Store, monkeypatch: Patch
) -> None:
    """Words are suggested by endonym's own runtime, and answers come from the GGUF file."""
    folder = tmp_path / "тел"
    export_huggingface(toy_language_model(), folder)
    first = make_engine(str(folder), store, "cpu", Log(quiet=True), suggests=False)
    assert first.model is None
    monkeypatch.setattr(serve, "load_model", lambda *_, **__: pytest.fail("read again"))
    monkeypatch.setattr(serve, "record_of", lambda _: pytest.fail("hashed again"))
    monkeypatch.setattr(loading, "file_hash", lambda _: pytest.fail("hashed again"))
    second = make_engine(str(folder), store, "cpu", Log(quiet=True), suggests=False)
    assert (second.name, second.context, second.before) == ("llama.cpp", 64, first.before)
    for engine in (first, second):
        engine.close()
    monkeypatch.undo()
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}", encoding="utf-8")
    anew = make_engine(str(folder), store, "cpu", Log(quiet=True), suggests=False)
    assert anew.template is not None, "another template is another model"
    anew.close()


def test_the_gguf_file_is_kept(tmp_path: Path, store: Store, capsys: Captured):
    folder = tmp_path / "тел"
    model = toy_language_model()
    export_huggingface(model, folder)
    model.turns = 3
    engine = make_engine(str(folder), store, "cpu", Log(), loaded={str(folder): model})
    assert (engine.name, engine.context, engine.turns) == ("llama.cpp", 64, 3)
    engine.close()
    (made,) = (store.cache / "gguf").glob("*/*.gguf")
    assert made.parent.name == f"{identity_of(str(folder), store)}-F16"
    written = made.stat().st_mtime_ns
    assert "making a GGUF file" in capsys.readouterr().err
    make_engine(str(folder), store, "cpu", Log()).close()
    said = capsys.readouterr().err
    assert "making" not in said
    assert "up to 64 sequences at once" in said
    assert f"llama.cpp runs {made}" in said
    assert made.stat().st_mtime_ns == written


def test_a_model_is_told_from_others_by_what_it_is(tmp_path: Path, finished: Path) -> None:
    """A run by its model's id, under every name; a folder by its shape, weights and tokenizer."""
    store = Store(finished / "store")
    (model,) = (each.id for each in store.artifacts() if each.stage == "model")
    names = ("kechkena", finished / "runs" / "kechkena", store.root / "model" / model, model[:6])
    assert {identity_of(str(name), store) for name in names} == {model}
    folder, other = tmp_path / "тел", tmp_path / "икенче"
    for each in (folder, other):
        export_huggingface(toy_language_model(), each)
    identity = identity_of(str(folder), store)
    assert identity == identity_of(str(other), store)
    assert len(identity) == 12
    (other / "README.md").write_text("Татарча модель.\n", encoding="utf-8")
    assert identity_of(str(other), store) == identity
    found = {identity}
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        with (other / name).open("ab") as file:
            file.write(b" ")
        found.add(identity_of(str(other), store))
    (other / "tokenizer.json").rename(other / "another.json")
    found.add(identity_of(str(other), store))
    assert len(found) == 5


def test_a_damaged_file_is_remade(tmp_path: Path, store: Store, capsys: Captured):
    folder = tmp_path / "тел"
    export_huggingface(toy_language_model(), folder)
    make_engine(str(folder), store, "cpu", Log()).close()
    (made,) = (store.cache / "gguf").glob("*/*.gguf")
    whole = made.read_bytes()
    for damage in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])):
        made.write_bytes(damage)
        make_engine(str(folder), store, "cpu", Log()).close()
        assert made.read_bytes() == whole
        assert "SHA-256 differs" in capsys.readouterr().err
    made.unlink()
    make_engine(str(folder), store, "cpu", Log()).close()
    assert made.read_bytes() == whole


def test_of_two_processes_one_makes_the_file(tmp_path: Path, store: Store, capsys: Captured):
    folder = tmp_path / "тел"
    export_huggingface(toy_language_model(), folder)
    with ThreadPoolExecutor() as threads:
        asked = [threads.submit(make_engine, str(folder), store, "cpu", Log()) for _ in range(2)]
        for each in asked:
            each.result().close()
    (made,) = (store.cache / "gguf").iterdir()
    assert any(made.glob("*.gguf"))
    assert capsys.readouterr().err.count("making a GGUF file") == 1


def test_prune_removes_gguf_files_of_models_that_no_run_needs(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "тел"
    export_huggingface(toy_language_model(), folder)
    make_engine(str(folder), store, "cpu", Log(quiet=True)).close()
    (made,) = (store.cache / "gguf").iterdir()
    begun = made.with_name(f".{made.name}.77.part")
    begun.mkdir()
    of_a_run = made.with_name(f"{'c' * 12}-F16")
    of_a_run.mkdir()
    run = tmp_path / "runs" / "tatar"
    run.mkdir(parents=True)
    store.refer(run, {"c" * 64: "model"})
    found = unused(store)
    kinds = {(each.kind, each.folder): each.id for each in found}
    assert list(kinds) == [("gguf (unfinished)", begun), ("gguf", made)]
    assert set(kinds.values()) == {made.name[:12]}
    assert found[1].bytes > next(made.glob("*.gguf")).stat().st_size
    with store.lock("gguf", made.name, pytest.fail), pytest.raises(Busy):
        store.remove(found[0].folder)
    for each in found:
        store.remove(each.folder)
    assert [*(store.cache / "gguf").iterdir()] == [of_a_run]
    make_engine(str(folder), store, "cpu", Log(quiet=True)).close()
    assert made.is_dir()


def test_the_reason_to_run_here(
    tmp_path: Path, store: Store, capsys: Captured, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "башка"
    export_huggingface(toy_language_model(), folder)
    path = folder / "tokenizer.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    splits = described["pre_tokenizer"]["pretokenizers"]
    with monkeypatch.context() as without:
        without.setattr("endonym.export.config.find_spec", lambda name: None)
        assert make_engine(str(folder), store, "cpu", Log()).name == "endonym"
    assert 'pip install "endonym[gguf]" makes answers faster' in capsys.readouterr().err
    splits[0]["pattern"] = {"Regex": ".{1,2}"}  # llama.cpp has no such split
    path.write_text(json.dumps(described), encoding="utf-8")
    engine = make_engine(str(folder), store, "cpu", Log())
    assert engine.name == "endonym"
    assert "endonym's own runtime, not llama.cpp: " in capsys.readouterr().err
    assert not (store.cache / "gguf").exists()


class Ready(Exception):
    """Ends a server before it listens."""


@pytest.mark.parametrize("is_large", [True, False])
def test_a_large_model_of_llama_cpp_is_not_kept_twice(
    tmp_path: Path, store: Store, monkeypatch: Patch, *, is_large: bool
) -> None:
    """A small one suggests words, in endonym's own runtime."""
    if is_large:
        monkeypatch.setattr(serve, "MOST_SUGGESTING", 0)
    folder = tmp_path / "тел"
    export_huggingface(toy_language_model(), folder)
    loaded: list[weakref.ref[LanguageModel]] = []
    held: list[LanguageModel | None] = []

    def load(*given: Any, **keys: Any) -> LanguageModel:
        model = load_model(*given, **keys)
        loaded.append(weakref.ref(model))
        return model

    def ready(address: str, names: list[str]) -> None:
        gc.collect()
        held.extend(each() for each in loaded)
        raise Ready(*names)

    monkeypatch.setattr(serve, "load_model", load)
    keys: dict[str, Any] = {"store": store, "device_name": "cpu", "log": Log(quiet=True)}
    keys["ready"] = ready
    with pytest.raises(Ready, match=f"^{folder.name}$"):
        serve.serve([str(folder)], Place("127.0.0.1", 0), **keys)
    assert [each is None for each in held] == [is_large]


def test_corrections_need_a_file_that_can_be_written(tmp_path: Path, store: Store) -> None:
    for path, problem in (
        (tmp_path, "a folder"),
        (tmp_path / "кая" / "pairs.jsonl", "no folder"),
    ):
        keys: dict[str, Any] = {"store": store, "device_name": "cpu", "log": Log(quiet=True)}
        keys |= {"ready": print, "keep": path}
        with pytest.raises(RecipeError, match=problem) as refused:
            serve.serve(["none"], Place("127.0.0.1", 0), **keys)
        assert refused.value.where == f"--keep {path}"
    require_writable(tmp_path / "pairs.jsonl", where="--keep", do="Name another file.")
    assert not (tmp_path / "pairs.jsonl").exists()


def test_a_template_that_changes_messages_is_told(tmp_path: Path, store: Store, capsys: Captured):
    for content, count in (("message.content", 0), ("message.content | trim", 1)):
        path = write_gguf(tmp_path, CHATML.replace("message.content", content))
        make_engine(str(path), store, "cpu", Log(quiet=True)).close()
        assert capsys.readouterr().err.count("chat template tests or changes the texts") == count


def test_two_models_may_not_have_one_name() -> None:
    assert {
        short: name for short, (name, _) in served_names(["runs/tatar", "km.gguf"]).items()
    } == {"tatar": "runs/tatar", "km": "km.gguf"}
    with pytest.raises(RecipeError, match=r"^MODEL: km and x/km\.gguf would both be called km"):
        served_names(["km", "x/km.gguf"])
    adapters = ["runs/fables", "store/model/5e2d7b90c1ff/adapter"]
    given = {"km": None, "fables": adapters[0], "5e2d7b90c1ff": adapters[1]}
    assert served_names(["km"], adapters) == {name: ("km", each) for name, each in given.items()}
    for models, said in ((["km"], "two models would be called km"), (["km", "ro"], "2 models: ")):
        with pytest.raises(RecipeError, match=f"^--adapter: {said}"):
            served_names(models, ["x/km"])


def test_a_key_is_long_and_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("0123456789abcdef\n")
    path.chmod(0o600)
    assert read_key(path) == "0123456789abcdef"
    for mode in (0o640, 0o604):
        path.chmod(mode)
        with pytest.raises(RecipeError, match="key: other people may read"):
            read_key(path)
    path.chmod(0o600)
    for wrong in ("", "0123456789abcde", "two words of text here", "ачкыч" * 8):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(RecipeError, match="key: a key is one word of ASCII, of at least 16"):
            read_key(path)


def test_a_key_is_needed_where_other_machines_reach() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.2"):
        assert place_of(host, 8000, None).is_loopback
    for host in ("0.0.0.0", "::", "10.0.0.7", "127.example"):
        with pytest.raises(RecipeError, match=f"^--host: {host} .* there is no key"):
            place_of(host, 8000, None)


def test_off_loopback_the_machine_has_its_own_names() -> None:
    assert "127.0.0.2" in hosts_of(Place("127.0.0.2", 80))
    assert "tatar.example" in hosts_of(Place("tatar.example", 80, "k"))
    assert os.uname().nodename.lower() in hosts_of(Place("0.0.0.0", 80, "k"))
    assert os.uname().nodename.lower() not in hosts_of(Place("127.0.0.1", 80))


def test_the_name_of_a_proxy_is_a_host_and_perhaps_a_port() -> None:
    place = place_of(
        "127.0.0.1", 8000, None, ["LM.example.org:8443", "[2001:db8::1]", "тел.example"]
    )
    assert place.proxies == ("lm.example.org:8443", "[2001:db8::1]", "xn--e1amt.example")
    assert {"lm.example.org", "2001:db8::1", "xn--e1amt.example"} <= hosts_of(place)
    wrong_names = (
        "https://lm.example.org", "lm.example.org/", "a@b", "a b", "a:", "a:x", "[", "а..б",
    )  # fmt: skip
    for wrong in ("", *wrong_names):
        with pytest.raises(RecipeError, match=r"^--proxy: .* is no name of a host"):
            place_of("127.0.0.1", 8000, None, [wrong])


def test_a_missing_extra_is_one_line(monkeypatch: Patch, command: Callable[..., Any]):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(RecipeError) as told:
        serve.require_extra()
    assert told.value.do == 'pip install "endonym[serve]"'
    assert 'pip install "endonym[serve]"' in command("serve", "тел").err
    assert serve.FORMAT == "F16"
