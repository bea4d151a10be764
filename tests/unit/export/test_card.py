"""The README of a model that is handed over."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import ModelCard
from made_conversations import fresh_tokenizer
from made_scores import baselines, score

from endonym.commands.load import card_of
from endonym.evaluate.score import Score, headline
from endonym.export.card import Card, Merged, chosen_file, modelfile, readme, write_card
from endonym.export.history import History
from endonym.export.huggingface import export_huggingface
from endonym.export.verify import Check
from endonym.generate.language_model import LanguageModel
from endonym.generate.sample import Defaults
from endonym.store import Store
from endonym.tokenizer.chat_template import CHATML, OPENING


@pytest.fixture
def card(finished: Path) -> Card:
    """What is known of a finished run."""
    return card_of("kechkena", Store(finished / "store"))


EXPORTED = f"exported by endonym {version('endonym')}."
MADE = f"made with endonym {version('endonym')}."
SIZES = {"model.safetensors": 37_248}


def of(card: Card, model: LanguageModel, *, is_gguf: bool = False) -> str:
    sizes = {"әкият-F16.gguf": 9_000, "әкият-Q8_0.gguf": 5_000} if is_gguf else SIZES
    return readme(card, model, is_gguf=is_gguf, sizes=sizes)


@pytest.mark.parametrize(
    ("language", "codes"),
    [("tt", ["tt"]), ("zh-Hant", ["zh"]), ("no", ["no"]), ("x-own", None), ("", None)],
)
def test_the_head_names_the_language(model: LanguageModel, language: str, codes: list[str] | None):
    text = of(Card("китап", language), model)
    head = ModelCard(text).data
    assert head.language == codes
    assert head.library_name == "transformers"
    assert head.pipeline_tag == "text-generation"
    assert head.tags == ["endonym", "llama"]
    assert "\n# китап\n" in text
    assert len(re.findall(r"^---$", text, re.MULTILINE)) == 2


def test_it_says_what_the_model_is_in_figures(model: LanguageModel, tmp_path: Path) -> None:
    export_huggingface(model, tmp_path)
    write_card(tmp_path, Card("әкият", "tt"), model, is_gguf=False)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    parameters = sum(each.numel() for each in model.decoder.parameters())
    assert "\n# әкият\n\nA language model of the language `tt`, exported by endonym" in text
    assert f" {EXPORTED} It continues texts." in text
    assert "\nllama: 2 layers of 32 channels (" in text
    assert f");\n{parameters:,} parameters, a vocabulary of 259, a context of 64 tokens.\n" in text
    assert "\n`pip install torch transformers`, then:\n" in text
    for path in tmp_path.iterdir():
        listed = f"| `{path.name}` | {path.stat().st_size:,} |" in text
        assert listed is (path.name != "README.md")
    assert "not known here" in text, "without a history"


def test_the_card_of_a_run_has_its_data_training_and_scores(model: LanguageModel, card: Card):
    known = card.history
    licensed = dict.fromkeys(known.sources, "CC0-1.0")
    text = of(Card("kechkena", "tt", licensed, known), model)
    head = ModelCard(text).data
    assert head.license == "cc0-1.0"
    scores = known.scores()
    found = {each.metric_type: each.metric_value for each in head.eval_results}
    for name in ("model", "uniform", "unigram", "bigram", "compressor"):
        score = headline(scores, model=name)
        assert isinstance(score, Score)
        key = "bits_per_byte" + (f"_{name}" if name != "model" else "")
        assert found[key] == pytest.approx(score.value, abs=1e-6)
        assert f" {score.value:.4f} |" in text
    for name, each in known.sources.items():
        assert re.search(rf"^\| {name} \|.* {each['kept']['train']['documents']:,} \|", text, re.M)
        assert f"| {each['kept']['test']['documents']:,} | CC0-1.0 |" in text
    assert f"A base language model of the language `tt`, {MADE} It continues texts; it was" in text
    numbers = known.phases[0].numbers
    assert f"| {numbers['tokens']:,} | {numbers['epochs']:.1f} |" in text
    assert re.search(r"\nAll steps took .+ on .+ threads?\.\n", text)


def test_a_merged_adapter_takes_no_license_of_base_texts(model: LanguageModel, card: Card):
    card = replace(card, licenses=dict.fromkeys(card.history.sources, "CC0-1.0"))
    merged = replace(card, merged=Merged("әңгәмә", "", "сөйләшү.jsonl", "Аны җөмлә кагыйдәсе яза."))
    for is_gguf in (False, True):
        assert ModelCard(of(card, model, is_gguf=is_gguf)).data.license == "cc0-1.0"
        text = of(merged, model, is_gguf=is_gguf)
        assert ModelCard(text).data.license is None
        assert (
            "The adapter `әңгәмә` is merged into the weights.\nIt was trained on сөйләшү.jsonl.\n"
            "Аны җөмлә кагыйдәсе яза.\n"
        ) in text
        text = of(replace(card, merged=Merged("әңгәмә")), model, is_gguf=is_gguf)
        assert (
            "The adapter `әңгәмә` is merged into the weights.\n"
            "It is not known what it was trained on.\n"
        ) in text


def test_a_stage_writes_no_times(finished: Path) -> None:
    (folder,) = (finished / "store" / "export").iterdir()
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "## Scores" in text
    assert "## Training" in text
    assert "All steps took" not in text


def test_beside_gguf_files_stands_a_modelfile(model: LanguageModel, tmp_path: Path):
    for name in ("әкият-F16.gguf", "әкият-Q8_0.gguf"):
        (tmp_path / name).write_bytes(b"GGUF")
    bits = Check("әкият-Q8_0.gguf", "llama.cpp", "bits_per_byte", True, 0.00012, 0.005, "more")
    limits = ["a window is not kept"]
    write_card(tmp_path, Card("Әкият"), model, is_gguf=True, checks=[bits], limits=limits)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert ModelCard(text).data.library_name == "gguf"
    assert "llama-completion -m әкият-Q8_0.gguf" in text
    assert "ollama create model -f Modelfile" in text
    assert "| `әкият-F16.gguf` | 4 |" in text
    assert "| әкият-Q8_0.gguf | +0.012 % more |" in text
    assert "* In this format: a window is not kept." in text
    assert "\nFROM ./әкият-Q8_0.gguf\n" in (tmp_path / "Modelfile").read_text(encoding="utf-8")


def test_a_phase_from_elsewhere_and_a_lost_score_are_said(model: LanguageModel, card: Card):
    known = card.history
    given = json.loads(json.dumps(known.phases[0].manifest))
    given["inputs"]["folder"] = "0" * 64
    phase = type(known.phases[0])(known.phases[0].folder, given)
    other = type(known)([phase], known.tokenizer, known.corpus)
    text = of(Card("kechkena", history=other), model)
    assert "from a model that was made elsewhere" in text
    assert f"A language model, {EXPORTED} It continues texts." in text
    assert "It was not scored on held-out documents." in text


@pytest.mark.parametrize("is_gguf", [False, True])
def test_it_says_that_prompts_are_to_be_spelled_as_the_texts(
    model: LanguageModel, card: Card, is_gguf: bool
):
    assert "Type a prompt as" not in of(card, model, is_gguf=is_gguf)
    known = card.history
    given = json.loads(json.dumps(known.corpus.manifest))
    given["config"]["clean"]["normalize"] = ["nfc", "khmer_order"]
    corpus = type(known.corpus)(known.corpus.folder, given)
    other = Card("kechkena", history=replace(known, corpus=corpus))
    text = of(other, model, is_gguf=is_gguf)
    assert "Type a prompt as the training text is spelled" in text
    assert "(`khmer_order`)" in text


def test_the_conversations_of_a_model_stand_among_its_data(
    model: LanguageModel, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "learned to answer" not in of(card, model)
    counted = {"objective": "chat", "records": 1_200, "kept": 1_190, "dev": {"examples": 60}}
    counted["dropped"] = {"bad_json": 2, "longer_than_context": 8}
    liked = {**counted, "objective": "preferences", "dropped": {}, "kept": 1_200}
    liked["written"] = ["b.jsonl"]
    found = [(["әңгәмә.jsonl"], counted), (["a.jsonl", "b.jsonl"], liked)]
    monkeypatch.setattr(History, "answers", lambda known: found)
    text = of(card, model).partition("## Data")[2].partition("## Training")[0]
    assert (
        "* `әңгәмә.jsonl`: 1,190 of 1,200 conversations; rejected were 2 bad json, "
        "8 longer than the context. 60 examples are held out.\n"
        "* `a.jsonl`, `b.jsonl`: 1,200 of 1,200 preference pairs. 60 examples are held out. "
        "A program or a model wrote `b.jsonl`.\n"
    ) in text


def test_a_chat_model_says_how_transformers_makes_its_prompts(model: LanguageModel) -> None:
    plain = of(Card("сорау"), model)
    assert "The padding token is `<|im_start|>`" in plain
    assert "apply_chat_template" not in plain
    text = of(Card("сорау"), LanguageModel(model.decoder, fresh_tokenizer("bpe")))
    assert "`tokenizer.apply_chat_template(messages, add_generation_prompt=True)` gives" in text
    assert "`tokenizer(text, split_special_tokens=True)`" in text


@pytest.mark.parametrize("name", ["a|b", 'the "first" one', "1.0", "null", "a\udcffb\n---\nx: y"])
def test_no_name_breaks_the_head_or_a_table(model: LanguageModel, name: str) -> None:
    text = of(Card(name), model)
    head = ModelCard(text).data
    assert head.tags == ["endonym", "llama"]
    assert not hasattr(head, "x")
    text.encode("utf-8")


@pytest.fixture
def scored(model: LanguageModel, card: Card, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The README of a model with these scores, all of whose sources have this license."""
    known = card.history

    def readme_of(*scores: Score, license: str = "CC0-1.0") -> str:
        monkeypatch.setattr(History, "scores", lambda known: [*scores])
        licenses = dict.fromkeys(known.sources, license)
        limits = ["it reads names of tokens"]
        made = Card("әкият", "tt", licenses, known)
        return readme(made, model, is_gguf=True, sizes={"a-F16.gguf": 1}, limits=limits)

    return readme_of


@pytest.mark.parametrize(("value", "is_said"), [(1.39, False), (1.40, True), (1.45, True)])
def test_a_good_compressor_is_told(scored: Callable[..., str], value: float, is_said: bool):
    said = scored(score("model", value), *baselines())
    assert ("A compressor that has read the same text" in said) == is_said
    assert "* In this format: it reads names of tokens." in said


def test_words_for_a_license_are_its_name_on_the_hub(scored: Callable[..., str]) -> None:
    head = ModelCard(scored(license='as "is": no')).data.to_dict()
    assert (head["license"], head["license_name"]) == ("other", 'as "is": no')
    head = ModelCard(scored()).data.to_dict()
    assert head["license"] == "cc0-1.0"
    assert "license_name" not in head
    assert "model-index" not in head, "there are no scores"


def test_scores_stand_in_the_index_with_their_interval(scored: Callable[..., str]) -> None:
    unigram = score("unigram", 2.5, low=None, high=None)
    text = scored(score("model", 1.25, low=1.2, high=1.3), unigram)
    (result,) = ModelCard(text).data.to_dict()["model-index"][0]["results"]
    assert result["dataset"]["split"] == "test"
    found = {each["type"]: each["value"] for each in result["metrics"]}
    assert found == {"bits_per_byte": 1.25, "bits_per_byte_unigram": 2.5}
    assert "1.2000 to 1.3000" in result["metrics"][0]["name"]
    assert "95 %" not in result["metrics"][1]["name"]


def test_phases_of_a_base_and_of_a_model_are_in_one_table(model: LanguageModel, card: Card):
    known = card.history
    given = json.loads(json.dumps(known.phases[0].manifest))
    given["numbers"]["tokens"] = 12_345
    given["config"]["phase"]["objective"] = "chat"
    phase = type(known.phases[0])(known.phases[0].folder, given)
    later = History([phase], known.tokenizer, known.corpus, base=known)
    data, _, text = of(Card("kechkena", history=later), model).partition("## Training")
    assert data.count("documents that were read") == 1, "the later phase reads no texts"
    assert f"{known.phases[0].numbers['tokens']:,}" in text
    assert "12,345" in text


def test_no_figure_stands_where_there_is_no_dev_text(model: LanguageModel, card: Card) -> None:
    known = card.history
    assert "bytes of dev text are a token" in of(Card("kechkena", history=known), model)
    given = json.loads(json.dumps(known.tokenizer.manifest))
    given["numbers"]["held_out"]["total"]["bytes_per_token"] = 0.0
    bare = type(known.tokenizer)(known.tokenizer.folder, given)
    text = of(Card("kechkena", history=replace(known, tokenizer=bare)), model)
    assert "bytes of dev text are a token" not in text


def written(template: str | None = None, stops: tuple[str, ...] = ("<|endoftext|>",)) -> str:
    tokenizer: Any = SimpleNamespace(
        chat_template=template, stop_ids=range(len(stops)), token=stops.__getitem__
    )
    decoder: Any = SimpleNamespace(config=SimpleNamespace(context=256))
    parts = {"decoder": decoder, "tokenizer": tokenizer, "defaults": Defaults()}
    return modelfile("tt-Q8_0.gguf", SimpleNamespace(**parts))


def test_a_base_model_gets_the_prompt_alone_and_our_sampling() -> None:
    lines = written().splitlines()
    assert "FROM ./tt-Q8_0.gguf" in lines
    assert 'TEMPLATE "{{ .Prompt }}"' in lines
    assert 'PARAMETER stop "<|endoftext|>"' in lines
    assert {"PARAMETER num_ctx 256", "PARAMETER num_predict 128"} <= set(lines)
    assert {"PARAMETER temperature 0.8", "PARAMETER repeat_penalty 1.0"} <= set(lines)


def test_a_name_with_quotes_is_quoted() -> None:
    text = written(stops=('<"end">',))
    assert 'PARAMETER stop """<"end">"""' in text


CHOSEN = [
    (["a-BF16.gguf", "a-F16.gguf", "a-Q4_K_M.gguf", "a-Q8_0.gguf"], "a-Q8_0.gguf"),
    (["a-BF16.gguf", "a-F16.gguf"], "a-F16.gguf"),
    (["a-Q4_K_M.gguf", "a-Q5_K_M.gguf"], "a-Q4_K_M.gguf"),
]


@pytest.mark.parametrize(("files", "file"), CHOSEN)
def test_the_smallest_file_that_loses_nothing_is_taken(files: list[str], file: str) -> None:
    assert chosen_file(files) == file


def test_a_model_that_converses_has_its_template_and_stops_where_a_turn_ends() -> None:
    stops = ("<|endoftext|>", "<|im_end|>")
    text = written(CHATML, stops)
    assert written(OPENING + CHATML, stops) == text
    assert "<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>" in text
    assert 'PARAMETER stop "<|im_end|>"' in text.splitlines()
    assert "TEMPLATE" not in written("{{ messages }}")
