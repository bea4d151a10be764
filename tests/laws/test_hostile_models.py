"""Folders of models with numbers that no model has: an error of ours, or the model as it was."""

import copy
import itertools
import json
import resource
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from foreign_folders import write_model
from tiny_families import write_tiny
from toys import toy_config, toy_decoder, toy_tokenizer

from endonym.errors import EndonymError, ExportError
from endonym.export.huggingface import export_huggingface, import_huggingface, load_pretrained
from endonym.export.shapes import folder_shape
from endonym.generate.language_model import LanguageModel
from endonym.limited.worker import address_space
from endonym.model.families import FAMILIES
from endonym.model.foreign.folder import foreign_config
from endonym.model.weights import save_tensors

NUMBERS: list[Any] = [2**31, 2**60, 10**9, 10**400, -1, 0, float("nan"), 1e300, "12", [1e308]]
FEW: list[Any] = [10**9, 2**60, 0, "12"]


def changes(given: dict[str, Any], numbers: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The config with one of its sizes replaced."""
    for key, value in given.items():
        for number in numbers if type(value) is int and not key.endswith("_id") else ():
            changed = copy.deepcopy(given)
            changed[key] = number
            yield f"{key} = {str(number)[:30]}", changed


def internal_errors(folder: Path, numbers: list[Any]) -> list[str]:
    """The changes that end in an error that is none of ours."""
    given = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    found: list[str] = []
    for name, changed in changes(given, numbers):
        (folder / "config.json").write_text(json.dumps(changed), encoding="utf-8")
        for read in (folder_shape, load_pretrained):
            try:
                read(folder)
            except EndonymError:
                pass
            except Exception as error:  # noqa: BLE001 - this is what is looked for
                found.append(f"{name}: {error!r}")
    return found


HALVES = [(family, NUMBERS[turn % 2 :: 2]) for turn, family in enumerate(FAMILIES)]
"""Every family with half of the numbers, in turn: most keys are the same in all."""


@pytest.mark.parametrize(("family", "numbers"), HALVES, ids=FAMILIES)
def test_no_size_of_a_folder_of_transformers_is_an_internal_error(
    family: str, numbers: list[Any], tmp_path: Path
):
    tokenizer = toy_tokenizer("bpe")
    decoder = toy_decoder(toy_config(family, vocab=tokenizer.vocab, layers=1))
    export_huggingface(LanguageModel(decoder, tokenizer), tmp_path)
    assert import_huggingface(tmp_path)
    assert internal_errors(tmp_path, numbers) == []


@pytest.mark.parametrize(("family", "numbers"), HALVES, ids=FAMILIES)
def test_no_size_of_a_folder_of_ours_is_an_internal_error(
    family: str, numbers: list[Any], tmp_path: Path
):
    tokenizer = toy_tokenizer("bpe")
    decoder = toy_decoder(toy_config(family, vocab=tokenizer.vocab, layers=1))
    tokenizer.save(tmp_path)
    save_tensors(decoder.state_dict(), tmp_path / "weights.safetensors")
    text = json.dumps(decoder.config.model_dump())
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    assert load_pretrained(tmp_path)
    assert internal_errors(tmp_path, numbers) == []


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize(("kind", "numbers"), [("gemma3", FEW[::2]), ("mixtral", FEW[1::2])])
def test_no_size_of_a_class_of_the_library_is_an_internal_error(
    kind: str, numbers: list[Any], tmp_path: Path
):
    write_model(kind, tmp_path)
    assert internal_errors(tmp_path, numbers) == []


FAMILIES_TRIED = ("gpt_neo", "xglm", "codegen", "mpt", "opt", "phi3", "gpt_oss")
"""Tables, masks, lists in lists, objects in objects, experts; of all, those that build quickly."""
LARGE = (10**8, 2 * 10**9, 2**40, 2**58)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where whole numbers are in a config, in lists of lists and in objects, too."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(each, (*path, key))
    elif type(value) is int:
        yield path


@contextmanager
def one_gb_more() -> Generator[None]:
    """This process may take no more; elsewhere than on Linux it is not limited."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if had := address_space():
        resource.setrlimit(resource.RLIMIT_AS, (had + (1 << 30), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("family", FAMILIES_TRIED)
def test_no_number_of_a_family_takes_this_process_memory(family: str, tmp_path: Path):
    """Each number is replaced by one of the large ones, in turn; the next one by the next."""
    write_tiny(family, tmp_path)
    given = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    load_pretrained(tmp_path)
    found: list[str] = []
    for path, number in zip(places(given), itertools.cycle(LARGE), strict=False):
        changed = copy.deepcopy(given)
        part = changed
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = number
        (tmp_path / "config.json").write_text(json.dumps(changed), encoding="utf-8")
        with one_gb_more():
            try:
                load_pretrained(tmp_path)
            except EndonymError as error:
                found += [f"{path} = {number}: {error}"] if "allocate" in str(error) else []
            except Exception as error:  # noqa: BLE001 - this is what is looked for
                found.append(f"{path} = {number}: {error!r}")
    assert found == []


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("vocab_size", 2**60),
        ("hidden_size", 2**40),
        ("num_hidden_layers", 10**9),
        ("intermediate_size", 10**400),
        ("head_dim", 10**400),
    ],
)
def test_a_size_is_refused_by_its_name_before_anything_is_built(
    key: str, number: int, tmp_path: Path
):
    tokenizer = toy_tokenizer("bpe")
    decoder = toy_decoder(toy_config("qwen3", vocab=tokenizer.vocab, layers=1))
    export_huggingface(LanguageModel(decoder, tokenizer), tmp_path)
    given = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps(given | {key: number}), encoding="utf-8")
    for read in (folder_shape, load_pretrained):
        with pytest.raises(EndonymError, match=r"config\.json") as caught:
            read(tmp_path)
        assert str(number)[:12] in str(caught.value)
        assert len(str(caught.value)) < 600


@pytest.mark.parametrize("where", ["ffn_config", "rope_scaling"])
def test_a_huge_number_within_a_part_of_a_config_is_refused(where: str, tmp_path: Path) -> None:
    inner = {"num_experts": 2**60}
    for part in (inner, [inner], [[1, [inner]]], {"a": [inner]}):
        given = {"model_type": "qwen3_next", where: part}
        with pytest.raises(ExportError, match="num_experts"):
            foreign_config(tmp_path, given)
