"""A folder of `transformers` answers through us as it does there, and as our own rows do."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from foreign_folders import VOCAB, byte_level, gemma_like, made, write_model, write_tokenizer
from reference.judge import judge
from torch import Tensor

from endonym.disk import list_files
from endonym.evaluate.bits import Texts, by_source, measure_nats
from endonym.export.huggingface import export_huggingface, import_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Sampling
from endonym.model.decoder import Decoder
from endonym.model.foreign.decoder import AnyDecoder, ForeignDecoder
from endonym.model.foreign.weights import load_foreign
from endonym.model.kernels.loss import summed_nats
from endonym.model.span import Span
from endonym.tokenizer.tokenizer import Tokenizer

CLOSE = {"rtol": 0.0, "atol": 2e-5}
PROMPTS = ["Әбием мич янында", "Bunica spunea", "ក្មេងៗលេង", "Le facteur"]


def tokens(rows: int, length: int) -> Tensor:
    return torch.randint(VOCAB, (rows, length), generator=torch.Generator().manual_seed(2))


def nats_and_gradients(decoder: AnyDecoder) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of packed documents, and the gradients of the embedding and of all norms of it."""
    rows, documents = tokens(2, 33), (torch.arange(32) // 11).expand(2, -1)
    hidden, _ = decoder(rows[:, :-1], Span.packed(documents))
    nats = summed_nats(hidden.flatten(0, 1), decoder.readout, rows[:, 1:].flatten())
    nats.backward()
    return nats.detach(), {n: p.grad for n, p in decoder.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_a_row_of_ours_answers_and_learns_alike_through_the_library(
    transformers: ModuleType, tmp_path: Path, kind: str
) -> None:
    write_model(kind, tmp_path)
    ours, theirs = import_huggingface(tmp_path).decoder, load_foreign(tmp_path)
    assert isinstance(ours, Decoder)
    rows = tokens(2, 40)
    with torch.no_grad():
        torch.testing.assert_close(theirs.logits(rows), ours.logits(rows), **CLOSE)
    nats, gradients = nats_and_gradients(ours)
    found, their_gradients = nats_and_gradients(theirs)
    torch.testing.assert_close(found, nats, rtol=1e-6, atol=0.0)
    sizes = sorted(float(each.norm()) for each in gradients.values())
    assert sizes == pytest.approx(sorted(float(g.norm()) for g in their_gradients.values()), 1e-4)
    table = their_gradients["network.model.embed_tokens.weight"]
    scale = float(table.abs().max())
    torch.testing.assert_close(table, gradients["embedding.weight"], rtol=0, atol=1e-5 * scale)


def test_a_gemma_answers_as_the_library_does(transformers: ModuleType, tmp_path: Path) -> None:
    network = write_model("gemma3", tmp_path)
    model = import_huggingface(tmp_path)
    assert isinstance(model.decoder, ForeignDecoder)
    rows = tokens(2, 40)
    with torch.no_grad():
        torch.testing.assert_close(model.decoder.logits(rows), network(rows).logits, **CLOSE)
    ids = model.tokenizer.text_ids(PROMPTS[0])
    row = torch.tensor([ids])
    answer = network.generate(
        row, attention_mask=torch.ones_like(row), do_sample=False, max_new_tokens=20
    )
    ours = model.stream(
        PROMPTS[0], max_tokens=20, sampling=Sampling(temperature=0, inside_word=True)
    )
    list(ours)
    assert answer[0, len(ids) :].tolist()[: len(ours.ids)] == ours.ids
    assert len(ours.ids) > 1


@pytest.mark.parametrize("kind", ["gemma3", "qwen2", "mixtral"])
def test_several_prompts_together_are_continued_as_each_alone(
    transformers: ModuleType, tmp_path: Path, kind: str
) -> None:
    write_model(kind, tmp_path)
    model = import_huggingface(tmp_path)
    samplings = [Sampling(seed=number) for number in range(len(PROMPTS))]
    together = model.generate_many(PROMPTS, max_tokens=12, samplings=samplings)
    for prompt, sampling, found in zip(PROMPTS, samplings, together, strict=True):
        alone = model.stream(prompt, max_tokens=12, sampling=sampling)
        list(alone)
        assert found.ids == alone.ids


@pytest.mark.parametrize("kind", ["gemma3", "qwen2", "mixtral", "falcon_mamba"])
def test_a_foreign_model_handed_over_is_what_it_was(
    transformers: ModuleType, tmp_path: Path, kind: str
) -> None:
    network = write_model(kind, tmp_path / "given")
    model = import_huggingface(tmp_path / "given")
    export_huggingface(model, tmp_path / "out")
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    rows = tokens(2, 40)
    with torch.no_grad():
        torch.testing.assert_close(again(rows).logits, network(rows).logits, rtol=0, atol=0)
    back = import_huggingface(tmp_path / "out")
    assert back.decoder.config == model.decoder.config
    assert (back.tokenizer.end, back.tokenizer.start) == ("<eos>", "<bos>")
    export_huggingface(back, tmp_path / "twice")
    assert list_files(tmp_path / "twice") == list_files(tmp_path / "out")


@pytest.mark.parametrize("engine", [gemma_like, byte_level])
def test_a_given_tokenizer_gives_the_ids_of_auto_tokenizer(
    transformers: ModuleType,
    language_sentences: Callable[[str], list[str]],
    tmp_path: Path,
    engine: Callable,
) -> None:
    made("gemma3").save_pretrained(tmp_path)
    write_tokenizer(engine(), tmp_path)
    model = import_huggingface(tmp_path)
    export_huggingface(model, tmp_path / "out")
    for folder in (tmp_path, tmp_path / "out"):
        theirs = transformers.AutoTokenizer.from_pretrained(folder)
        ours = Tokenizer.load(folder / "tokenizer.json")
        assert (theirs.eos_token_id, theirs.bos_token_id) == (ours.end_id, ours.start_id)
        for language in ("tatar", "khmer", "romanian", "french"):
            for text in language_sentences(language):
                ids = ours.encode(text)
                assert theirs(text)["input_ids"] == ours.text_ids(text)
                assert theirs(text, add_special_tokens=False)["input_ids"] == ids
                assert theirs.decode(ids) == text == ours.decode(ids)


@pytest.mark.parametrize("kind", ["gemma3", "qwen2"])
def test_the_judge_finds_the_bits_that_we_find(
    language_sentences: Callable[[str], list[str]],
    transformers: ModuleType,
    tmp_path: Path,
    kind: str,
) -> None:
    write_model(kind, tmp_path / "model")
    write_tokenizer(gemma_like() if kind == "gemma3" else byte_level(), tmp_path / "model")
    some = [*language_sentences("tatar")[:4], *language_sentences("khmer")[:3]]
    judged = judge(tmp_path / "model", "\n\n".join([*some, " ".join(some)]))
    model: LanguageModel = import_huggingface(tmp_path / "model")
    documents = [*some, " ".join(some)]
    ids = model.tokenizer.encode_many(documents)
    texts = Texts(ids, ["texts"] * len(ids), model.tokenizer)
    assert max(len(ids) for ids in texts.ids) > 4 * model.decoder.config.context
    measured = measure_nats(model, texts, advance=lambda n: None)
    found = by_source(texts, measured, model="model", split="val")
    total = {score.metric: score for score in found if score.source is None}
    for metric in ("bits_per_byte", "bits_per_character", "nats_per_token"):
        assert total[metric].value == pytest.approx(judged.metrics()[metric], rel=1e-5)
    for size in ("n_documents", "n_bytes", "n_chars", "n_tokens"):
        assert getattr(total["bits_per_byte"], size) == getattr(judged, size)
