"""A folder from elsewhere learns to answer and to prefer by adapters: exports keep all the rest."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_folders import quiet_transformers
from journeys.test_going_on import artifacts
from made_conversations import conversations, pairs, write_lines
from safetensors.torch import load_file, save_file
from toys import lively_decoder, toy_config, toy_tokenizer

import endonym
from endonym.disk import read_json
from endonym.export.gguf.write import Provenance, export_gguf
from endonym.export.huggingface import export_huggingface, import_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.generate.llama_cpp import LlamaCpp

peft = pytest.importorskip("peft")
gguf = pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")
pytestmark = pytest.mark.slow
Say = Callable[..., Any]
NORM = "model.norm.weight"
PAD = "<|im_start|>"
RECIPE = """
name = "kept"
language = "tt"

[model]
folder = "base"

[pack]
context = 128

[chat]
max_rejected = 0.4

[[phase]]
name = "answers"
objective = "chat"
data = "conversations.jsonl"
steps = 8
batch_tokens = 512
lr = 2e-2
number_format = "fp32"
adapt = { rank = 4, on = ["query", "value"] }

[[phase]]
name = "liked"
objective = "preferences"
data = "pairs.jsonl"
steps = 4
batch_tokens = 512
lr = 2e-2
eval_every_steps = 2
number_format = "fp32"
adapt = { rank = 2, alpha = 3, on = ["query", "down"] }
"""
EXPORTS = "".join(
    f'\n[[export]]\nformat = "{name}"\n'
    for name in ("huggingface", "gguf", "adapter", "gguf-adapter")
)
SENTENCE = "Әбием мич янында утыра."


def write_base(folder: Path) -> None:
    """A llama in bf16 with one tensor in fp32, a pad token, metadata, and its own settings."""
    tokenizer = toy_tokenizer("bpe")
    config = toy_config("llama", vocab=tokenizer.vocab, context=128)
    export_huggingface(LanguageModel(lively_decoder(config, seed=5), tokenizer), folder)
    path = folder / "model.safetensors"
    tensors = {name: tensor.bfloat16() for name, tensor in load_file(path).items()}
    save_file(tensors | {NORM: tensors[NORM].float() + 1e-5}, path, metadata={"format": "pt"})
    pad = tokenizer.id_of(PAD)

    def rewrite(name: str, changed: dict[str, Any]) -> None:
        content = read_json(folder / name) | changed
        (folder / name).write_text(json.dumps(content, indent=2), encoding="utf-8")

    metadata = {"_model_name_or_path": "Тел 1B", "unsloth_version": "2026.1", "use_cache": False}
    rewrite("config.json", {"dtype": "bfloat16", "pad_token_id": pad, **metadata})
    (folder / "generation_config.json").unlink()
    own = {"eos_token_id": tokenizer.end_id, "pad_token_id": pad, "temperature": 0.4, "top_k": 7}
    (folder / "generation_config.json").write_text(json.dumps(own), encoding="utf-8")
    words = {"pad_token": PAD, "padding_side": "right", "a_word_of_its_own": [1, 2]}
    rewrite("tokenizer_config.json", words)
    map_ = {"pad_token": {"content": PAD, "lstrip": False}, "eos_token": tokenizer.end}
    (folder / "special_tokens_map.json").write_text(json.dumps(map_), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: where it is, the base's folder, and its exports by format."""

    folder: Path
    base: Path
    exports: dict[str, Path]

    def models(self) -> tuple[LanguageModel, LanguageModel]:
        """The base, and the model of the last phase in fp32."""
        last = endonym.load("kept", store=self.folder / "store")
        return import_huggingface(self.base), last


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, command: Say) -> Run:
    folder = tmp_path_factory.mktemp("kept")
    write_base(folder / "base")
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE + EXPORTS, encoding="utf-8")
    write_lines(folder / "conversations.jsonl", conversations(24))
    write_lines(folder / "pairs.jsonl", pairs(24))
    told = command("run", recipe, "--store", folder / "store")
    assert told.code == 0, told.err
    made = {each.numbers["format"]: each.folder for each in artifacts(folder / "store", "export")}
    return Run(folder, folder / "base", made)


def row_of(model: LanguageModel) -> torch.Tensor:
    return torch.tensor([[model.tokenizer.end_id, *model.tokenizer.encode(SENTENCE * 3)]])


def test_what_was_not_trained_is_as_the_folder_has_it(run: Run) -> None:
    out = run.exports["huggingface"]
    for file in sorted(run.base.iterdir()):
        if file.name == "generation_config.json":  # whose texts end at the end of a turn, too
            ends = [toy_tokenizer("bpe").id_of(name) for name in ("<|endoftext|>", "<|im_end|>")]
            assert read_json(out / file.name) == read_json(file) | {"eos_token_id": ends}
        elif file.suffix != ".safetensors":
            assert (out / file.name).read_bytes() == file.read_bytes(), file.name
    own = {"README.md", "export.json", "manifest.json", "chat_template.jinja"}
    assert {each.name for each in out.iterdir()} - own == {each.name for each in run.base.iterdir()}
    before, after = (load_file(each / "model.safetensors") for each in (run.base, out))
    assert before.keys() == after.keys()
    assert {n: t.dtype for n, t in before.items()} == {n: t.dtype for n, t in after.items()}
    changed = {n.split(".")[-2] for n in before if not torch.equal(before[n], after[n])}
    assert changed == {"q_proj", "v_proj", "down_proj"}
    sizes = [(each / "model.safetensors").stat().st_size for each in (run.base, out)]
    assert sizes[0] == sizes[1]


def test_the_adapter_of_both_phases_gives_on_the_users_base_what_the_last_model_gives(
    run: Run,
) -> None:
    base, last = run.models()
    row = row_of(base)
    library = quiet_transformers()
    theirs = library.AutoModelForCausalLM.from_pretrained(run.base, dtype="float32")
    config = read_json(run.exports["adapter"] / "adapter_config.json")
    assert config["base_model_name_or_path"] == "base"
    assert {config["r"], *config["rank_pattern"].values()} == {2, 4, 6}
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.PeftModel.from_pretrained(theirs, str(run.exports["adapter"])).eval()
        found = model(row).logits
        expected = last.decoder.logits(row)
        assert (expected - base.decoder.logits(row)).abs().max() > 0.3
        assert (found - expected).abs().max() < 1e-4
        for ours in (
            endonym.load(run.base, adapter="kept", store=run.folder / "store"),
            endonym.with_adapter(base, run.exports["adapter"]),
        ):
            assert (ours.decoder.logits(row) - expected).abs().max() < 1e-4
    tokenizer = library.AutoTokenizer.from_pretrained(run.exports["adapter"])
    assert tokenizer.pad_token == PAD
    assert "<|im_start|>" in tokenizer.chat_template


def test_so_it_does_in_llama_cpp(run: Run, tmp_path: Path) -> None:
    base, last = run.models()
    (file,) = export_gguf(base, tmp_path, ("F32",), Provenance())
    (adapter,) = run.exports["gguf-adapter"].glob("*.gguf")
    ids = row_of(base)[0].tolist()
    with LlamaCpp(file, adapter=adapter, cache="f32") as runtime:
        found = torch.tensor(runtime.logits(ids)).log_softmax(-1)
    with torch.inference_mode():
        expected = last.decoder.logits(row_of(base))[0].log_softmax(-1)
    assert (found - expected).abs().max() < 1e-3


def test_gguf_files_have_the_folders_special_tokens_numbers_and_sampling(run: Run) -> None:
    out, tokenizer = run.exports["gguf"], toy_tokenizer("bpe")
    files = {each.name: gguf.GGUFReader(each) for each in out.glob("*.gguf")}
    assert files.keys() == {"kept-BF16.gguf", "kept-Q8_0.gguf"}
    for reader in files.values():
        ids = {
            use: reader.get_field(f"tokenizer.ggml.{use}_token_id").contents()
            for use in ("bos", "eos", "padding")
        }
        end = tokenizer.end_id
        assert ids == {"bos": end, "eos": end, "padding": tokenizer.id_of(PAD)}
        assert reader.get_field("general.sampling.temp").contents() == pytest.approx(0.4)
    stored = load_file(run.base / "model.safetensors")["model.embed_tokens.weight"]
    tensors = {each.name: each for each in files["kept-BF16.gguf"].tensors}
    words = torch.from_numpy(tensors["token_embd.weight"].data.copy()).view(torch.bfloat16)
    assert torch.equal(words.reshape(stored.shape), stored)
    modelfile = (out / "Modelfile").read_text(encoding="utf-8")
    assert "PARAMETER temperature 0.4\nPARAMETER top_k 7\n" in modelfile


def test_with_dora_in_both_phases_the_adapter_is_dora_on_the_users_base(
    run: Run, command: Say
) -> None:
    recipe, store = run.folder / "dora.toml", run.folder / "store"
    text = RECIPE.replace('"kept"', '"dora"').replace(
        ', on = ["query"', ', dora = true, on = ["all"'
    )
    recipe.write_text(text + '\n[[export]]\nformat = "adapter"\n', encoding="utf-8")
    told = command("run", recipe, "--store", store)
    assert told.code == 0, told.err
    last = endonym.load("dora", store=store)
    soft = endonym.load(run.base, adapter="dora", store=store)
    row = row_of(last)
    with torch.inference_mode():
        expected, found = last.decoder.logits(row), soft.decoder.logits(row)
    assert (expected - run.models()[0].decoder.logits(row)).abs().max() > 0.3
    assert (found - expected).abs().max() < 2e-4


def test_an_adapter_on_a_model_that_a_phase_has_changed_is_refused_before_training(
    run: Run, command: Say
) -> None:
    recipe = run.folder / "changed.toml"
    first = RECIPE.replace('adapt = { rank = 4, on = ["query", "value"] }\n', "")
    recipe.write_text(first + EXPORTS, encoding="utf-8")
    told = command("check", recipe, "--store", run.folder / "store")
    assert told.code == 2
    assert "the phase answers changes all weights, so the adapter of liked is of no use" in told.err
    assert 'Export the whole model: format = "huggingface" or "gguf"' in told.err
