"""Every export leaves a record, is verified, and is refused early where it cannot be made."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import gguf
import pytest
from laws.shapes import shape
from pydantic import ValidationError
from toys import lively_decoder, toy_texts, toy_tokenizer

from endonym.commands.load import card_of
from endonym.corpus.corpus import make_corpus
from endonym.disk import file_hash
from endonym.errors import Damaged, ExportError
from endonym.export import config, formats
from endonym.export.card import Card, Merged
from endonym.export.config import Export
from endonym.export.formats import MAKING, make_export, require_formats
from endonym.export.record import RECORD, model_behind, record_of
from endonym.export.shapes import require_shapes
from endonym.formats.config import Clean, Split
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.store import Artifact, Store

GGUF = Export(format="gguf", quantize=("F16", "Q4_K_M"))
FOLDER = Export(format="huggingface")


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    tokenizer = toy_tokenizer("bpe")
    config = shape("gptneox", vocab=tokenizer.vocab, context=64)
    return LanguageModel(lively_decoder(config, seed=1), tokenizer)


Made = tuple[Path, formats.Exported]
ADAPTER = "0123456789ab"


@pytest.fixture(scope="module")
def exports(model: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """One export as GGUF files, and one as a folder; not to be changed."""
    given = {"texts": toy_texts(), "made_of": "ab12cd34ef56", "log": Log(quiet=True)}
    given["log"].file = tmp_path_factory.mktemp("log") / "log.txt"
    cards = {"gguf": Card("kechkena", "tt", merged=Merged("әңгәмә", ADAPTER))}
    made: dict[str, Made] = {}
    for export in (GGUF, FOLDER):
        out, card = tmp_path_factory.mktemp(export.format), cards.get(export.format, Card("x"))
        made[export.format] = (out, make_export(export, model, out, card=card, **given))
    made["log"] = (given["log"].file, made["gguf"][1])
    return made


@pytest.mark.parametrize("form", ["gguf", "huggingface"])
def test_a_record_names_every_file(form: str, exports: dict[str, Made], tmp_path: Path):
    out, result = exports[form]
    record = record_of(out)
    assert (record["model"], record["format"]) == ("ab12cd34ef56", form)
    assert record.get("adapter") == (ADAPTER if form == "gguf" else None)
    papers = ["Modelfile", "README.md"] if form == "gguf" else ["README.md"]
    assert sorted([*record["files"], RECORD, *papers]) == result.files
    assert all(check["ok"] for check in record["checks"])
    assert ("GELU" in str(record["limits"])) == (form == "gguf")

    copy = shutil.copytree(out, tmp_path / "copy")
    (copy / "README.md").write_text("# Әкият\n", encoding="utf-8")
    assert record_of(copy) == record, "people may edit it"
    file = copy / ("kechkena-F16.gguf" if form == "gguf" else "model.safetensors")
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(data)
    with pytest.raises(Damaged, match="SHA-256 differs") as caught:
        record_of(copy)
    assert caught.value.where == str(file)
    file.unlink()
    with pytest.raises(Damaged, match=f"{file.name} is missing"):
        record_of(copy)


def test_limits_are_said(model: LanguageModel, exports: dict[str, Made], tmp_path: Path) -> None:
    limits = MAKING["gguf"].write(GGUF, model, tmp_path, card=Card("kechkena", "tt"))
    assert "GELU" in limits[0]
    assert record_of(exports["gguf"][0])["limits"] == limits
    assert exports["log"][0].read_text("utf-8").splitlines()[0] == f"  limit: {limits[0]}"
    told = {
        e.file[9:-5]: e.shown() for e in exports["gguf"][1].checks if e.check == "bits_per_byte"
    }
    assert "matrices" not in told["F16"]
    assert "no multiple of 256" in told["Q4_K_M"]


LICENSED = [
    *((None, said, "ab12cd34ef56") for said in ("cc0-1.0", "with the author's leave")),
    (Merged("әңгәмә"), None, "ab12cd34ef56 with adapter әңгәмә"),
]


@pytest.mark.parametrize(("merged", "license", "made_of"), LICENSED)
def test_a_gguf_file_has_the_license_of_the_texts_unless_an_adapter_is_in_its_weights(
    model: LanguageModel,
    finished: Path,
    tmp_path: Path,
    *,
    merged: Merged | None,
    license: str | None,
    made_of: str,
) -> None:
    known = card_of("kechkena", Store(finished / "store")).history
    card = Card("kechkena", "tt", dict.fromkeys(known.sources, license or "CC0-1.0"), known, merged)
    file = Export(format="gguf", quantize=("F16",))
    MAKING["gguf"].write(file, model, tmp_path, card=card, made_of="ab12cd34ef56")
    (path,) = tmp_path.glob("*.gguf")
    said = gguf.GGUFReader(path).fields
    found = said.get("general.license")
    assert (found and found.contents()) == license
    assert said["endonym.model"].contents() == made_of


def test_a_corpus_without_texts_is_no_data_set(tmp_path: Path) -> None:
    """That of a recipe which learns from conversations alone."""
    card = make_corpus([], Clean(), Split(), out=tmp_path / "corpus")
    corpus = Artifact(tmp_path / "corpus", {"id": "a" * 64, "numbers": card})
    with pytest.raises(ExportError, match=r"no corpus to export: .* no \[\[source\]\]"):
        formats.make_corpus_export(
            Export(format="dataset"),
            corpus,
            tmp_path / "out",
            card=Card("әңгәмә", "tt"),
            log=Log(quiet=True),
        )
    assert not (tmp_path / "out").exists()


def test_the_model_of_an_export_is_known_while_its_weights_are_the_same(exports: dict[str, Made]):
    out, _ = exports["huggingface"]
    hashes = {path.name: file_hash(path) for path in out.iterdir()}
    assert model_behind(out, hashes) == "ab12cd34ef56"
    assert model_behind(out, hashes | {"model.safetensors": "0" * 64}) == ""
    assert model_behind(out, hashes | {"more.safetensors": "0" * 64}) == ""
    del hashes["model.safetensors"]
    assert model_behind(out, hashes) == ""


def test_the_model_behind_weights_is_that_of_their_adapter_or_of_no_strange_name(tmp_path: Path):
    whole = {"model": "ab12cd34ef56", "files": {"model.safetensors": {"sha256": "00"}}}
    strange = ({"adapter": "әңгәмә"}, {"adapter": None}, {"model": "kechkena"})
    strange += ({"model": "../../../x/y"}, {"files": {"model.safetensors": 3}})
    wanted = [({"adapter": "0123456789ab"}, "0123456789ab"), *((each, "") for each in strange)]
    for said, name in wanted:
        (tmp_path / RECORD).write_text(json.dumps(whole | said), encoding="utf-8")
        assert model_behind(tmp_path, {"model.safetensors": "00"}) == name


def test_without_a_readable_record_the_model_behind_is_not_known(tmp_path: Path) -> None:
    hashes = {"model.safetensors": "00"}
    assert model_behind(tmp_path, hashes) == ""
    (tmp_path / RECORD).write_bytes(b'{"model": "ab12')
    assert model_behind(tmp_path, hashes) == ""
    (tmp_path / RECORD).unlink()
    os.mkfifo(tmp_path / RECORD)
    assert model_behind(tmp_path, hashes) == ""


HASHED = {"a.txt": {"sha256": "00"}}
STRANGE = [
    *(("", "cannot be read"), ("[]", "no JSON object"), ('{"files": 3}', "model")),
    ({"model": 5, "files": HASHED}, "model"),
    *(({"model": "x"}, "files"), ({"model": "x", "files": {}}, "files")),
    ({"model": "x", "files": {"a.txt": {"bytes": 3}}}, r"sha256.*a\.txt"),
    ({"model": "x", "files": {"a.txt": 3}}, r"sha256.*a\.txt"),
]


@pytest.mark.parametrize(("record", "missing"), STRANGE)
def test_a_strange_record_is_told(record: dict[str, object] | str, missing: str, tmp_path: Path):
    text = record if isinstance(record, str) else json.dumps(record)
    (tmp_path / RECORD).write_text(text, encoding="utf-8")
    with pytest.raises(Damaged, match=missing) as caught:
        record_of(tmp_path)
    assert caught.value.where == str(tmp_path / RECORD)
    assert "cannot be read" in caught.value.message


def recorded(folder: Path, name: str, data: bytes) -> None:
    """A record of one file, with its true hash."""
    folder.mkdir(exist_ok=True)
    files = {name: {"sha256": hashlib.sha256(data).hexdigest()}}
    text = json.dumps({"model": "x", "files": files})
    (folder / RECORD).write_text(text, encoding="utf-8")


def test_files_outside_the_folder_are_none_of_an_export(tmp_path: Path) -> None:
    secret, out = tmp_path / "secret", tmp_path / "out"
    secret.write_bytes(b"key")
    for name in (str(secret), "../secret", "a/../../secret", "./../secret", "", ".", "a\\b", "a\0"):
        recorded(out, name, b"key")
        with pytest.raises(Damaged):
            record_of(out)
    for name in ("linked", "below/secret"):
        recorded(out, name, b"key")
        (out / name.partition("/")[0]).symlink_to(tmp_path if "/" in name else secret)
        with pytest.raises(Damaged, match="is a link"):
            record_of(out)
    (out / "below").unlink()
    (out / "below").mkdir()
    (out / "below" / "secret").write_bytes(b"key")
    assert record_of(out)["model"] == "x"
    (out / RECORD).rename(tmp_path / "record")
    (out / RECORD).symlink_to(tmp_path / "record")
    with pytest.raises(Damaged, match="is a link"):
        record_of(out)


def test_a_folder_without_a_record_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no folder that endonym exported"):
        record_of(tmp_path)


def test_shapes_and_tokenizers_are_refused_before_training() -> None:
    capped = shape("qwen3", "capped")
    for export in (GGUF, FOLDER):
        with pytest.raises(ExportError, match="logit_cap"):
            require_shapes([export], capped)
    tokenizer = toy_tokenizer("bpe")
    require_formats([GGUF, FOLDER], shape("qwen3", vocab=tokenizer.vocab), tokenizer, [])


def test_a_missing_package_is_named_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "find_spec", {"gguf": "installed"}.get)
    with pytest.raises(ExportError, match="need xllamacpp, which") as caught:
        require_shapes([GGUF], shape("qwen3"))
    assert caught.value.where == f"export: {GGUF.row.words}"
    assert 'pip install "endonym[gguf]"' in caught.value.do
    require_shapes([FOLDER], shape("qwen3"))


def test_gguf_has_two_number_formats_unless_others_are_asked() -> None:
    assert Export(format="gguf").quantizations == ("F16", "Q8_0")
    assert Export(format="gguf", quantize=("Q4_K_M",)).quantizations == ("Q4_K_M",)


CONTRADICTIONS = [
    ({"format": "huggingface", "quantize": ["F16"]}, "belongs to"),
    ({"format": "gguf", "quantize": ["F16", "F16"]}, "twice"),
    ({"format": "gguf", "quantize": ["Q4"]}, "Q4_K_M"),
    ({"format": "gguf", "quantize": []}, "at least 1"),
    ({"format": "onnx"}, "gguf"),
]


@pytest.mark.parametrize(("asked", "said"), CONTRADICTIONS)
def test_what_contradicts_itself_is_refused(asked: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Export.model_validate(asked)
