"""A real pretrained model, SmolLM2-135M-Instruct, from its folder to exports that others run.

Before training endonym computes what transformers computes. A chat adapter of STEPS steps and one
of preferences on top of it change what they train; all else stays as the folder has it. The exports
give the same in transformers, in peft and in llama.cpp.
"""

import json
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_folders import quiet_transformers
from journeys.test_going_on import artifacts
from made_conversations import write_lines
from safetensors.torch import load_file

import endonym
from endonym.disk import read_json
from endonym.export.gguf.write import Provenance, export_gguf
from endonym.export.huggingface import import_huggingface
from endonym.generate.llama_cpp import LlamaCpp
from endonym.generate.sample import Sampling

peft = pytest.importorskip("peft")
gguf = pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

STEPS, LIKED_STEPS = 20, 2
KINDS = ("plain", "pad")
SEPARATOR = 0
"""The id of `<|endoftext|>`, which the makers put between documents."""
PROMPT = "The capital of France is"
TEXTS = ("The cat sat on the mat.", "La bibliothèque ouvre à neuf heures, sauf le dimanche.")
LONG = " ".join(TEXTS * 12)
"""Reaches positions beyond those of training."""
QUESTION = [{"role": "user", "content": "Name three fruits."}]
ANSWERS = {
    "What is the capital of Italy?": "Rome is the capital of Italy.",
    "Name three colours.": "Red, green and blue are three colours.",
    "How many days has a week?": "A week has seven days.",
    "Where does the sun rise?": "The sun rises in the east.",
    "What do bees make?": "Bees make honey and wax.",
    "Which animal barks?": "The dog barks.",
    "What is ice?": "Ice is frozen water.",
    "When do leaves fall?": "Leaves fall in autumn.",
}
RECIPE = f"""
name = "real"
language = "en"

[model]
folder = "FOLDER"

[pack]
context = 96

[[phase]]
name = "answers"
objective = "chat"
data = "conversations.jsonl"
steps = {STEPS}
eval_every_steps = {STEPS}
batch_tokens = 96
lr = 1e-3
number_format = "fp32"
adapt = {{ rank = 8, on = ["query", "value"] }}

[[phase]]
name = "liked"
objective = "preferences"
data = "pairs.jsonl"
steps = {LIKED_STEPS}
eval_every_steps = {LIKED_STEPS}
batch_tokens = 192
lr = 1e-3
number_format = "fp32"
adapt = {{ rank = 4, on = ["query", "down"] }}

[[export]]
format = "huggingface"

[[export]]
format = "gguf"
quantize = ["BF16"]

[[export]]
format = "adapter"
"""


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run on the folder with a pad token. exports: by format."""

    base: Path
    store: Path
    exports: dict[str, Path]

    def file(self, form: str) -> Path:
        """The GGUF file of an export."""
        (file,) = self.exports[form].glob("*.gguf")
        return file


@pytest.fixture(scope="module", autouse=True)
def brief_checks() -> Iterator[None]:
    """Exports are verified on few tokens, as these tests compare logits themselves.

    The samples of the report are short.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("endonym.export.verify.TOKENS", 64)
        patch.setattr("endonym.report.first_look.TOKENS", 8)
        yield


@pytest.fixture(scope="module")
def run(
    real_model: Path, tmp_path_factory: pytest.TempPathFactory, command: Callable[..., Any]
) -> Run:
    folder, base = tmp_path_factory.mktemp("real"), real_model.parent / "pad"
    roles, answers = ("user", "assistant"), [*ANSWERS.values()]
    records = [
        {"messages": [{"role": r, "content": c} for r, c in zip(roles, turns, strict=True)]}
        for turns in ANSWERS.items()
    ]
    pairs = [
        {"prompt": question, "chosen": answer, "rejected": answers[number - 1]}
        for number, (question, answer) in enumerate(ANSWERS.items())
    ]
    write_lines(folder / "conversations.jsonl", records)
    write_lines(folder / "pairs.jsonl", pairs)
    recipe = folder / "recipe.toml"
    recipe.write_text(RECIPE.replace("FOLDER", str(base)), encoding="utf-8")
    told = command("run", recipe, "--store", folder / "store")
    assert told.code == 0, told.err
    made = {each.numbers["format"]: each.folder for each in artifacts(folder / "store", "export")}
    return Run(base, folder / "store", made)


def their_model(folder: Path) -> Any:
    """The model of a folder as transformers loads it, in fp32."""
    loader = quiet_transformers().AutoModelForCausalLM
    return loader.from_pretrained(folder, dtype=torch.float32).eval()


def their_tokenizer(folder: Path) -> Any:
    return quiet_transformers().AutoTokenizer.from_pretrained(folder)


@torch.inference_mode()
def log_probabilities(network: Any, ids: Sequence[int]) -> torch.Tensor:
    """After each id, (T, V). network: of transformers or peft, or a decoder of endonym."""
    row = torch.tensor([ids])
    logits = network.logits(row) if hasattr(network, "logits") else network(row).logits
    return logits[0].float().log_softmax(-1)


def in_llama_cpp(file: Path, ids: Sequence[int]) -> torch.Tensor:
    """As `log_probabilities`."""
    with LlamaCpp(file, cache="f32") as runtime:
        return torch.tensor(runtime.logits(ids)).log_softmax(-1)


def require_close(
    found: torch.Tensor, expected: torch.Tensor, *, mean: float, ahead: float, share: float
) -> None:
    """Log-probabilities of all tokens differ by less than `mean` nats on average.

    At no more than a share of the positions is another token the likeliest, and there the expected
    one is ahead of it by less than `ahead` nats.
    """
    assert (found - expected).abs().mean() < mean
    of_likeliest = expected.gather(-1, found.argmax(-1, keepdim=True))[:, 0]
    distances = expected.amax(-1) - of_likeliest
    assert distances.max() < ahead
    assert (distances > 0).float().mean() <= share


def row_of(folder: Path) -> list[int]:
    """A question and a long text, as the folder's template and its tokenizer read them."""
    reader = their_tokenizer(folder)
    asked = reader.apply_chat_template(QUESTION, add_generation_prompt=True)["input_ids"]
    return [*asked, *reader(LONG)["input_ids"]]


@pytest.mark.parametrize("kind", KINDS)
def test_before_training_ids_logits_greedy_text_and_bits_are_those_of_transformers(
    real_model: Path, kind: str
) -> None:
    folder = real_model.parent / kind
    ours, theirs, reader = import_huggingface(folder), their_model(folder), their_tokenizer(folder)
    for text in (PROMPT, *TEXTS, "", "  1 234,50 €\n\nÇa va ?", "<|im_end|>"):
        own = reader(text, split_special_tokens=True)["input_ids"]
        assert ours.tokenizer.encode(text) == own
    row = row_of(folder)
    expected = log_probabilities(theirs, row)
    assert (log_probabilities(ours.decoder, row) - expected).abs().max() < 1e-3
    given = reader(PROMPT, return_tensors="pt")
    made = theirs.generate(**given, do_sample=False, max_new_tokens=12)
    wanted = reader.decode(made[0, given["input_ids"].shape[1] :])
    assert ours.generate(PROMPT, temperature=0, max_tokens=12) == wanted
    assert "Paris" in wanted
    for text in TEXTS:
        ids = [SEPARATOR, *reader(text)["input_ids"]]
        nats = -log_probabilities(theirs, ids)[:-1].gather(1, torch.tensor(ids[1:])[:, None]).sum()
        bits = float(nats) / math.log(2) / len(text.encode())
        assert float(ours.score(text)) == pytest.approx(bits, rel=1e-4)


def require_kept(base: Path, out: Path, own: set[str]) -> None:
    """All files but the weights byte by byte, and of these the dtypes and what was not trained.

    own: names of files that endonym adds.
    """
    assert {each.name for each in out.iterdir()} - own == {each.name for each in base.iterdir()}
    for file in base.iterdir():
        if file.suffix != ".safetensors":
            assert (out / file.name).read_bytes() == file.read_bytes(), file.name
    before, after = (load_file(each / "model.safetensors") for each in (base, out))
    assert {n: t.dtype for n, t in before.items()} == {n: t.dtype for n, t in after.items()}
    changed = {n.split(".")[-2] for n in before if not torch.equal(before[n], after[n])}
    assert changed == {"q_proj", "v_proj", "down_proj"}


def test_the_merged_export_keeps_context_dtype_tokens_and_template(run: Run) -> None:
    out = run.exports["huggingface"]
    require_kept(run.base, out, {"README.md", "export.json", "manifest.json"})
    config = read_json(out / "config.json")
    assert config["max_position_embeddings"] == 8192
    assert (config["dtype"], config["pad_token_id"], config["bos_token_id"]) == ("bfloat16", 0, 1)


def test_on_the_folder_without_a_pad_token_it_is_the_same(
    run: Run, real_model: Path, tmp_path: Path, command: Callable[..., Any]
) -> None:
    out = tmp_path / "out"
    options = ("--adapter", "real", "--to", "huggingface", "--out", out, "--store", run.store)
    told = command("export", real_model, *options)
    assert told.code == 0, told.err
    require_kept(real_model, out, {"README.md", "export.json"})
    assert read_json(out / "config.json")["pad_token_id"] == 2  # that of the end
    found, expected, base = (
        load_file(each / "model.safetensors")
        for each in (out, run.exports["huggingface"], real_model)
    )
    # One sum for both adapters or one after the other: they differ by the rounding to bf16.
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-4)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(base, expected, rtol=1e-2, atol=1e-4)


def test_the_gguf_file_has_the_context_the_split_the_tokens_and_the_template(run: Run) -> None:
    reader = gguf.GGUFReader(run.file("gguf"))

    def said(key: str) -> Any:
        return reader.get_field(key).contents()

    assert said("llama.context_length") == 8192
    assert said("tokenizer.ggml.pre") == "smollm"
    uses = ("bos", "eos", "padding", "unknown")
    assert [said(f"tokenizer.ggml.{use}_token_id") for use in uses] == [1, 2, 0, 0]
    assert said("tokenizer.ggml.add_bos_token") is False
    template = (run.base / "chat_template.jinja").read_text(encoding="utf-8")
    assert said("tokenizer.chat_template") == template
    types = {each.tensor_type.name for each in reader.tensors if len(each.shape) > 1}
    assert types == {"BF16"}


def test_the_merged_exports_give_the_same_in_transformers_and_llama_cpp(
    run: Run, tmp_path: Path
) -> None:
    out, row = run.exports["huggingface"], row_of(run.base)
    network = their_model(out)
    expected = log_probabilities(network, row)
    last = endonym.load("real", store=run.store)
    base = log_probabilities(import_huggingface(run.base).decoder, row)
    assert (base - expected).abs().mean() > 0.5
    merged = import_huggingface(out)
    assert (log_probabilities(merged.decoder, row) - expected).abs().max() < 1e-3
    # The export has rounded the weights of the store to bf16. llama.cpp also rounds activations to
    # the number format of a file. Steps of fp16 are eight times finer than those of bf16.
    (finer,) = export_gguf(merged, tmp_path, ("F16",), Provenance("real"))
    require_close(in_llama_cpp(finer, row), expected, mean=0.01, ahead=0.05, share=0.01)
    require_close(log_probabilities(last.decoder, row), expected, mean=0.1, ahead=0.1, share=0.02)
    require_close(in_llama_cpp(run.file("gguf"), row), expected, mean=0.1, ahead=0.3, share=0.02)
    reader = their_tokenizer(out)
    for text in (PROMPT, *TEXTS):
        given = reader(text, return_tensors="pt")
        with LlamaCpp(run.file("gguf"), context=0) as llama:
            assert llama.encode(text, opens=True, by_name=True) == given["input_ids"][0].tolist()
    asked = reader.apply_chat_template(QUESTION, add_generation_prompt=True, return_tensors="pt")
    made = network.generate(**asked, do_sample=False, max_new_tokens=12)[0].tolist()
    start = asked["input_ids"].shape[1]
    greedy = [Sampling(temperature=0)]
    (answer,) = merged.generate_many([made[:start]], max_tokens=12, samplings=greedy)
    assert answer.ids == made[start:][: len(answer.ids)]
    assert len(made) - start - len(answer.ids) <= 1  # its end token


def test_the_adapter_alone_gives_on_the_users_base_what_was_trained(run: Run) -> None:
    row, folder = row_of(run.base), run.exports["adapter"]
    expected = log_probabilities(endonym.load("real", store=run.store).decoder, row)
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "pad"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what peft calls in transformers
        model = peft.PeftModel.from_pretrained(their_model(run.base), str(folder)).eval()
    assert (log_probabilities(model, row) - expected).abs().max() < 1e-3
