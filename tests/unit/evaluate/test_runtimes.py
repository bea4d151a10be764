"""A model in each program that runs it: the same loss everywhere, and times."""

import io
import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from laws.shapes import shape
from safetensors.torch import save_file
from toys import lively_decoder, toy_config, toy_tokenizer

from endonym.disk import write_json
from endonym.evaluate import runtimes
from endonym.evaluate.runtimes import measured, peak_bytes
from endonym.export.gguf.write import Provenance, export_gguf
from endonym.export.huggingface import export_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampler
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.train import train_tokenizer

Patch = pytest.MonkeyPatch

TEXTS = ["Таң атты, кошлар сайрый.", "ក្មេងៗលេងបាល់នៅក្រោមដើមស្វាយធំ។", "Plouă mărunt."]


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    tokenizer = train_tokenizer(TokenizerConfig(kind="bpe", vocab=320), lambda: iter(TEXTS * 9))
    config = shape("qwen3", vocab=tokenizer.vocab, context=64)
    return LanguageModel(lively_decoder(config, seed=3), tokenizer)


@pytest.fixture(scope="module")
def places(model: LanguageModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The model as each program loads it."""
    folder = tmp_path_factory.mktemp("programs")
    own = folder / "own"
    own.mkdir()
    write_json(own / "config.json", model.decoder.config.model_dump())
    weights = {name: each.detach() for name, each in model.decoder.named_parameters()}
    save_file(weights, own / "weights.safetensors")
    model.tokenizer.save(own)
    export_huggingface(model, folder / "hf")
    (made,) = export_gguf(model, folder / "gguf", ("F32",), Provenance())
    return {"endonym": own, "transformers": folder / "hf", "llama.cpp": made}


def request(model: LanguageModel, path: Path, program: str, **changes: Any) -> dict[str, Any]:
    texts = [[model.tokenizer.end_id, *model.tokenizer.encode(text)][:64] for text in TEXTS]
    prompt = [model.tokenizer.end_id, *(index for row in texts * 9 for index in row[1:])]
    usual = {"number_format": "fp32", "lengths": [1, 64, 1024], "decode_after": 16}
    usual |= {"decode_tokens": 8, "prompt": prompt, "texts": texts, "bytes": 100}
    return {"program": program, "path": str(path), **usual, **changes}


@pytest.mark.parametrize("program", ["endonym", "transformers", "llama.cpp"])
def test_each_program_has_one_loss(model: LanguageModel, places: dict[str, Path], program: str):
    bits = sum(model.score(text) * len(text.encode()) for text in TEXTS) / 100
    found = measured(request(model, places[program], program))
    assert found["bits_per_byte"] == pytest.approx(bits, rel=2e-3)
    assert set(found["first_token_seconds"]) == {"1", "64"}, "a prompt beyond the context"
    assert all(seconds > 0 for seconds in found["first_token_seconds"].values())
    for key in ("load_seconds", "prompt_tokens_per_second", "decode_tokens_per_second"):
        assert found[key] > 0
    assert found["peak_bytes"] > 20_000_000


def test_bf16_is_another_loss(model: LanguageModel, places: dict[str, Path]) -> None:
    whole, rounded = (
        measured(request(model, places["transformers"], "transformers", number_format=kind))
        for kind in ("fp32", "bf16")
    )
    assert whole["bits_per_byte"] != rounded["bits_per_byte"]
    assert whole["bits_per_byte"] == pytest.approx(rounded["bits_per_byte"], rel=0.02)


def test_later_rounds_read_no_texts(model: LanguageModel, places: dict[str, Path]) -> None:
    assert "bits_per_byte" not in measured(request(model, places["endonym"], "endonym", texts=[]))


@pytest.mark.parametrize(
    ("program", "module", "extra"),
    [("transformers", "transformers", "hf"), ("llama.cpp", "xllamacpp", "gguf")],
)
def test_a_missing_extra_is_the_reason(
    model: LanguageModel,
    places: dict[str, Path],
    monkeypatch: Patch,
    capsys: pytest.CaptureFixture[str],
    program: str,
    module: str,
    extra: str,
) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    if program == "llama.cpp":
        from endonym.generate.llama_cpp import library

        library.cache_clear()
    asked = json.dumps(request(model, places[program], program))
    monkeypatch.setattr(sys, "stdin", io.StringIO(asked))
    runtimes.answer_request()
    answer = json.loads(capsys.readouterr().out)
    assert f'pip install "endonym[{extra}]"' in answer["reason"]


def test_peak_memory_is_that_of_this_process() -> None:
    before = peak_bytes()
    held = bytearray(200_000_000)
    held[::4096] = b"x" * len(held[::4096])
    assert peak_bytes() >= before
    assert peak_bytes() > 200_000_000


class Steady:
    """A program that needs half a second for a prompt, and a quarter for each token after it."""

    asked: ClassVar[list[tuple[int, int]]] = []
    context = 64

    def __init__(self, path: Path, number_format: str) -> None:
        self.asked.clear()

    def seconds_to_each_token(self, ids: list[int], count: int) -> list[float]:
        self.asked.append((len(ids), count))
        return [0.5 + 0.25 * number for number in range(count)]


DECODINGS = [
    ({"decode_after": 16, "decode_tokens": 8}, (16, 8)),
    ({"decode_after": 128, "decode_tokens": 64}, (32, 32)),
    ({"decode_after": 32, "decode_tokens": 60}, (32, 32)),
]


@pytest.mark.parametrize(("keys", "decoding"), DECODINGS)
def test_prompts_fit_contexts(keys: dict[str, int], decoding: tuple[int, int], monkeypatch: Patch):
    monkeypatch.setitem(runtimes.RUNTIMES, "endonym", Steady)
    asked = {"program": "endonym", "path": "model", "number_format": "fp32", "texts": []}
    lengths = {"lengths": [1, 16, 64, 65], "prompt": list(range(200))}
    found = measured({**asked, **lengths, **keys})
    assert Steady.asked == [(8, 2), (1, 1), (16, 1), (64, 1), decoding]
    assert found["first_token_seconds"] == {"1": 0.5, "16": 0.5, "64": 0.5}
    assert found["prompt_tokens_per_second"] == 128
    assert found["decode_tokens_per_second"] == 4


def test_our_own_program_goes_on_after_the_end_of_the_text(places: dict[str, Path]) -> None:
    timed = runtimes.Endonym(places["endonym"], "fp32")
    ends = range(1, timed.model.tokenizer.vocab)
    timed.model.sampler = Sampler([b"a"] * (len(ends) + 1), ends)
    assert len(timed.seconds_to_each_token([1, 2, 3], 6)) == 6


def test_transformers_goes_on_after_the_end_of_the_text(tmp_path: Path) -> None:
    decoder = lively_decoder(toy_config("qwen3", vocab=259, context=32))
    model = LanguageModel(decoder, toy_tokenizer("byte"))
    export_huggingface(model, tmp_path)
    timed = runtimes.Transformers(tmp_path, "fp32")
    timed.model.generation_config.eos_token_id = list(range(259))
    assert len(timed.seconds_to_each_token([1, 2, 3], 6)) == 6


def test_kernels_that_a_folder_names_are_not_needed_to_compare_it(tmp_path: Path) -> None:
    """Such a folder is exported as it is; no machine here has the kernels."""
    model = LanguageModel(
        lively_decoder(toy_config("qwen3", vocab=259, context=32)), toy_tokenizer("byte")
    )
    export_huggingface(model, tmp_path)
    path = tmp_path / "config.json"
    for kernels in ("kernels-community/flash-attn", "flash_attention_2"):
        keys = json.loads(path.read_text("utf-8")) | {"_attn_implementation": kernels}
        path.write_text(json.dumps(keys), encoding="utf-8")
        assert runtimes.Transformers(tmp_path, "fp32").logits([1, 2, 3]).shape == (3, 259)
