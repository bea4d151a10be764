"""`endonym check`: counted by formula, estimated from sizes, nothing made or measured."""

import json
import shutil
import unicodedata
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from foreign_folders import byte_level, made, write_tokenizer
from laws.shapes import shape
from serving import toy_language_model
from text_samples import FRENCH, KHMER, write

from endonym import device
from endonym.autopilot import machine
from endonym.autopilot.known_machines import KnownMachine
from endonym.autopilot.model_size import Facts
from endonym.autopilot.resolve import resolve_training, training_choices
from endonym.autopilot.run_time import in_proportion, promised_parts
from endonym.commands import check as check_module
from endonym.commands.check import cautions_of_study, check, describe, sets_of_study, sizes_of
from endonym.errors import ExportError, MissingSource, RecipeError, SourceError, TokenizerError
from endonym.export.huggingface import export_huggingface
from endonym.log import Log, size
from endonym.pipeline import sources
from endonym.recipe.recipe import Recipe
from endonym.store import Store
from endonym.tokenizer.config import TokenizerConfig
from endonym.tokenizer.extend import extend_tokenizer
from endonym.train.config import TrainConfig
from endonym.train.memory_budget import phase_bytes


@pytest.fixture
def recipe(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Recipe:
    return Recipe.load(small_recipe(tmp_path / "project"))


def test_what_check_counts_is_what_run_makes(finished: Path) -> None:
    found = check(Recipe.load(finished / "recipe.toml"), Store(finished / "store"))
    (folder,) = (finished / "store" / "model").iterdir()
    numbers = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["numbers"]
    assert found.as_dict()["parameters"] == numbers["parameters"]
    assert found.train_tokens == numbers["tokens"]
    assert found.facts.unique_tokens == pytest.approx(numbers["unique_tokens"], rel=0.6)


def test_what_an_earlier_run_has_counted_is_not_estimated(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said without ≈, and no text is hashed again; another text is estimated as before."""
    project = tmp_path / "project"
    shutil.copytree(finished, project)
    recipe, store = Recipe.load(project / "recipe.toml"), Store(project / "store")
    assert not check(recipe, store).is_counted  # its files lie elsewhere: nobody has hashed them
    sources.hash_all(sources.find(recipe), store, Log(quiet=True))
    with monkeypatch.context() as patch:
        patch.setattr(sources, "_hash", lambda *_: pytest.fail("a text was hashed"))
        found = check(recipe, store)
    (shards,) = [each for each in store.artifacts() if each.stage == "shards"]
    train = shards.numbers["train"].values()
    tokens, documents = (sum(each[key] for each in train) for key in ("tokens", "documents"))
    assert found.as_dict()["is_counted"]
    assert found.facts.text_bytes == sum(each["bytes"] for each in train)
    assert (found.facts.unique_tokens, found.facts.positions) == (tokens, tokens + documents)
    lines = {line[:18].strip(): line for line in describe(found).splitlines()}
    assert "≈" not in lines["text"] + lines["training"]
    assert "≈" in lines["memory"]
    (run,) = (project / "runs").iterdir()
    kept = json.loads((run / "plan.json").read_text(encoding="utf-8"))["choices"]
    mine = {key: choice.value for key, choice in found.choices.items() if key in kept}
    assert mine == {key: kept[key][0] for key in mine}
    for change in ({"tokenizer.vocab": 300}, {"clean.min_chars": 30}):
        assert not check(recipe.with_values(change), store).is_counted
    text = recipe.folder / "texts" / "tatar.txt"
    text.write_text(text.read_text(encoding="utf-8") + "Таң ата.\n", encoding="utf-8")
    assert not check(recipe, store).is_counted


def test_a_vocabulary_that_the_text_decides_is_estimated_and_marked(tmp_path: Path) -> None:
    """A small text has fewer pieces than the recipe asks for."""
    model = toy_language_model()
    export_huggingface(model, tmp_path / "model")
    (tmp_path / "km.txt").write_text("\n".join(KHMER * 3), encoding="utf-8")
    path = tmp_path / "recipe.toml"
    path.write_text(
        'name = "a"\nlanguage = "km"\n[[source]]\nname = "km"\npath = "km.txt"\n'
        'document = "line"\n[clean]\ndedup = []\n[model]\nfolder = "model"\n'
        "[tokenizer]\nextend = 100000\n[[phase]]\nsteps = 3\n",
        encoding="utf-8",
    )
    found = check(Recipe.load(path), Store(tmp_path / "store"))
    config = TokenizerConfig(extend=100_000)
    extended = extend_tokenizer(model.tokenizer, config, lambda: iter(KHMER * 3))
    assert found.shape.vocab == pytest.approx(extended.vocab, rel=0.1)
    assert found.shape.vocab > model.tokenizer.vocab
    lines = {line[:18].strip(): line for line in describe(found).splitlines()}
    assert "vocabulary ≈ " in lines["context"]
    assert lines["parameters"].count("≈") == 3
    few = check(Recipe.load(path, sets=["tokenizer.extend=4"]), Store(tmp_path / "store"))
    assert few.shape.vocab == model.tokenizer.vocab + 4


GOES_ON = """name = "a"
language = "fr"
[[source]]
name = "fr"
path = "fr.txt"
document = "line"
[model]
folder = "model"
[[phase]]
steps = 3
[[export]]
format = "huggingface"
"""


def test_a_tokenizer_that_does_not_work_is_found_before_anything_is_made(tmp_path: Path) -> None:
    text = "\n".join(FRENCH * 3)
    write(tmp_path, "fr.txt", text)
    recipe, store = write(tmp_path, "recipe.toml", GOES_ON), Store(tmp_path / "store")
    # transformers reads a folder of Qwen2 by a class that writes every text in NFC.
    made("qwen2").save_pretrained(tmp_path / "model")
    write_tokenizer(byte_level(), tmp_path / "model")
    with pytest.raises(ExportError, match=r"changes this tokenizer .*normalizer NFC") as caught:
        check(Recipe.load(recipe), store)
    assert "leave format" in caught.value.do
    for sets in (["tokenizer.extend=20"], ["tokenizer.kind=char"]):
        with pytest.raises(ExportError, match="changes this tokenizer"):
            check(Recipe.load(recipe, sets=sets), store)
    # One that normalizes loses what stands in another form, unless the recipe normalizes it.
    shutil.rmtree(tmp_path / "model")
    export_huggingface(toy_language_model(), tmp_path / "model")
    tokenizer = tmp_path / "model" / "tokenizer.json"
    described = json.loads(tokenizer.read_text(encoding="utf-8"))
    described["normalizer"] = {"type": "NFC"}
    tokenizer.write_text(json.dumps(described), encoding="utf-8")
    write(tmp_path, "fr.txt", unicodedata.normalize("NFD", text))
    with pytest.raises(TokenizerError, match="comes back as") as lost:
        check(Recipe.load(recipe), store)
    assert 'normalize = ["nfc"]' in lost.value.do
    check(Recipe.load(recipe, sets=['clean.normalize=["nfc"]']), store)


def test_time_is_unknown_until_this_machine_was_measured(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "store")
    assert check(recipe, store).seconds is None
    assert "unknown until this machine is measured" in describe(check(recipe, store))
    memory = store.root / "machine.json"
    machine.remembered(memory, "matmul_per_second", lambda: {"fp32": 1e9, "bf16": 5e8})
    found = check(recipe, store)
    assert found.parts["training"] == pytest.approx(
        found.train_tokens * found.as_dict()["flops_per_token"] / (1e9 * 0.3)
    )
    wide = recipe.with_values({"pack.context": 2048, "phase.0.batch_tokens": 2048})
    training, facts = check(wide, store).training, check(wide, store).facts
    length = training.pack.usual_length(facts.mean_document_tokens)
    work = machine.Workload(training.model, training.phases[0], document=length)
    machine.remembered(memory, work.key, lambda: machine.Pace(50.0)._asdict())
    assert check(wide, store).parts["training"] == pytest.approx(40 * 2048 / 50)
    parts = {"training": 60.0, "export": 31.5}
    monkeypatch.setattr(check_module, "promised_parts", lambda *_: parts)
    found = check(recipe, store)
    assert (found.as_dict()["seconds"], found.as_dict()["seconds_of"]) == (91.5, parts)
    said = "training 60 s · export 32 s (52 % of training)"
    assert f"≈ 2 min on this machine: {said}\n" in describe(found)
    short = {**parts, "training": 7.3}
    assert in_proportion(short) == "training 7.3 s · export 32 s", "no shares of a short one"
    both = {"training": 45.0, "answers": 15.0, "start": 0.1, "export": 31.5}
    said = "training 45 s · answers 15 s · export 32 s (52 % of training)"
    assert in_proportion(both) == said


def test_the_time_of_another_machine_is_not_ours(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "store" / "machine.json"
    machine.remembered(memory, "matmul_per_second", lambda: {"fp32": 1e9, "bf16": 5e8})
    monkeypatch.setattr(device, "processor", lambda: "another")
    assert check(recipe, Store(tmp_path / "store")).seconds is None


def test_the_memory_is_of_the_phase_that_takes_most(
    small_recipe: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = small_recipe(tmp_path / "project")
    more = '\n[[phase]]\nname = "more"\nsteps = 2\nbatch_tokens = 8192\nmicro_tokens = 8192\n'
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
    found = check(Recipe.load(path), Store(tmp_path / "store"))
    first, second = (phase_bytes(found.shape, phase) for phase in found.training.phases)
    told, tokens = found.as_dict(), {"pretrain": 40 * 256, "more": 2 * 8192}
    assert first < second == told["memory_bytes"]
    assert {each["name"]: each["tokens"] for each in told["phases"]} == tokens
    assert told["trained_parameters"] == dict.fromkeys(tokens, told["parameters"])
    assert told["epochs"] == pytest.approx(sum(tokens.values()) / told["positions"])
    assert told["cache_bytes"] == 32 * told["cache_bytes_per_token"] > 0
    assert f"≈ {size(second)}" in describe(found)


def test_estimates_are_marked(recipe: Recipe, tmp_path: Path) -> None:
    lines = describe(check(recipe, Store(tmp_path / "store"))).splitlines()
    marked = {line.split()[0] for line in lines if "≈" in line}
    assert marked == {"memory", "text", "training", "chosen"}
    assert all(
        "training needs" in line for line in lines if line.startswith("chosen  ") and "≈" in line
    )
    parameters = next(line for line in lines if line.startswith("parameters"))
    assert "≈" not in parameters


def test_choices_are_shown_with_their_reasons(recipe: Recipe, tmp_path: Path) -> None:
    bare = recipe.with_values({"model.dim": None, "model.layers": None, "phase.0.lr": None})
    found = check(bare, Store(tmp_path / "store"))
    text = describe(found)
    assert {"model.dim", "model.layers", "phase.0.lr"} <= set(found.choices)
    for key, choice in found.choices.items():
        assert f"{key} = {choice.value}  ({choice.reason})" in text


def test_the_number_format_is_a_choice_with_its_reason(recipe: Recipe, tmp_path: Path) -> None:
    store, auto = Store(tmp_path / "store"), recipe.with_values({"phase.0.number_format": "auto"})
    assert "phase.0.number_format" not in check(auto, store).choices
    rates = {"fp32": 1e9, "bf16": 3e9}
    machine.remembered(store.root / "machine.json", "matmul_per_second", lambda: rates)
    assert check(auto, store).choices["phase.0.number_format"].value == "bf16"
    assert "measured here: bf16 3 GFLOP/s · fp32 1 GFLOP/s" in describe(check(auto, store))


def test_a_recipe_is_checked_for_the_device_that_was_named(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def free(target: str) -> int:
        asked.append(target)
        return 1 << 40

    store = Store(tmp_path / "store")
    machine.remembered(store.root / "machine.json", "matmul_per_second", lambda: {"fp32": 1e9})
    monkeypatch.setattr(check_module, "free_memory_bytes", free)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation: True)
    bare = {"phase.0.number_format": "auto", "phase.0.batch_tokens": None}
    found = check(recipe.with_values(bare), store, "cuda:1")
    assert asked == ["cuda:1"]
    assert found.choices["phase.0.number_format"].reason == "this GPU has units for it"
    assert "GPU" in found.choices["phase.0.batch_tokens"].reason
    assert found.seconds is None


def test_check_asks_for_the_texts_as_run_would(recipe: Recipe, tmp_path: Path) -> None:
    (recipe.folder / "texts" / "tatar.txt").unlink()
    with pytest.raises(MissingSource):
        check(recipe, Store(tmp_path / "store"))


def test_how_exact_shares_are_is_said_where_a_hundredth_has_few_rows(recipe: Recipe) -> None:
    first, second = (each.name for each in recipe.source[:2])
    many = [each.model_copy(update={"repeatable": True}) for each in recipe.source]
    recipe = recipe.model_copy(update={"source": tuple(many)})
    store = Store(recipe.folder / "store")

    def line(**keys: object) -> str:
        shared = {"phase.0.sources": {first: 0.9, second: 0.1}}
        given = shared | {f"phase.0.{key}": value for key, value in keys.items()}
        lines = describe(check(recipe.with_values(given), store)).splitlines()
        return next(each for each in lines if each.startswith("phase pretrain"))

    assert line().endswith("· a hundredth has 8 rows: off by up to 10.0 points")
    assert "hundredth" not in line(steps=100 * 200 // 8)
    assert "hundredth" not in line(sources={first: 1.0})


FACTS = Facts(4_000_000, 1_000_000, 100.0, dev_tokens=125_000)


def parts(recipe: Recipe, pace: float = 1e-3, facts: Facts = FACTS) -> dict[str, float]:
    """The promise for a million tokens, with so many seconds for each token of training."""
    training = resolve_training(recipe, training_choices(recipe, facts, 400), facts, 400)
    return promised_parts(recipe, training, facts, [pace] * len(training.phases))


def test_every_part_of_a_run_is_promised(recipe: Recipe) -> None:
    recipe = recipe.with_values({"phase.0.eval_tokens": None})
    found = parts(recipe)
    assert found["training"] == pytest.approx(40 * 256 * 1e-3)
    assert found["validations"] == pytest.approx(0.05 * found["training"])
    assert all(found[part] > 0 for part in ("samples", "evaluation", "export"))
    assert parts(recipe, 2e-3)["training"] == pytest.approx(2 * found["training"])
    bare = parts(recipe.with_values({"evaluate.0.baselines": False}))["evaluation"]
    assert bare < found["evaluation"]


def test_the_time_of_conversations_is_a_part_of_its_own(recipe: Recipe) -> None:
    chats = {"name": "chat", "objective": "chat", "data": "әңгәмә.jsonl", "number_format": "fp32"}
    text = recipe.path.read_text(encoding="utf-8")
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in chats.items())
    recipe.path.write_text(f"{text}\n[[phase]]\n{lines}\n", encoding="utf-8")
    chatting, facts = Recipe.load(recipe.path), replace(FACTS, examples={1: replace(FACTS)})
    training = resolve_training(chatting, training_choices(chatting, facts, 400), facts, 400)
    found = promised_parts(chatting, training, facts, [1e-3, 2e-3])
    last = training.phases[1]
    assert found["training"] == pytest.approx(40 * 256 * 1e-3), "of the texts alone"
    assert found["answers"] == pytest.approx(last.steps * last.batch_tokens * 2e-3)


def test_each_part_is_counted_for_what_the_recipe_asks(recipe: Recipe) -> None:
    plain: dict[str, object] = {"evaluate": None, "export": None}
    bare = parts(recipe.with_values(plain))
    assert (bare["start"], bare["evaluation"], bare["export"]) == (3.0, 0.0, 0.0)
    judged = 16_384  # The training is too short for more.
    bits = plain | {"evaluate": [{"kind": "bits", "baselines": False}]}
    prompts = plain | {"evaluate": [{"kind": "prompts", "file": "prompts.txt", "max_tokens": 30}]}
    for asked, seconds in (
        (bits, 2 * judged * 1e-3 / 3),
        (bits | {"pack.join": None}, judged * 1e-3 / 3),
        (prompts, 30 * 2 * 0.001),
    ):
        found = parts(recipe.with_values(asked))["evaluation"]
        assert found == pytest.approx(seconds)
    exports = [{"format": "huggingface"}, {"format": "gguf"}, {"format": "dataset"}]
    found = parts(recipe.with_values({"evaluate": [{"kind": "speed"}], "export": exports}))
    assert found["evaluation"] == pytest.approx(20 * (1 + 2 * 2))
    assert found["export"] == pytest.approx(2 * 0.5)


@pytest.mark.parametrize(("steps", "tokens"), [(49, 2048), (7, 256), (300, 2048), (20_000, 4096)])
def test_validation_and_evaluation_take_at_most_a_tenth_of_the_training(
    recipe: Recipe, steps: int, tokens: int
) -> None:
    keys = {"phase.0.steps": steps, "phase.0.batch_tokens": tokens, "pack.context": 256}
    evaluate = [{"kind": "bits", "baselines": False, "split": s} for s in ("test", "dev")]
    open_keys = {"phase.0.eval_every_steps": None, "phase.0.eval_tokens": None}
    found = parts(recipe.with_values(keys | open_keys | {"evaluate": evaluate}))
    least = 4 * 16_384 * 1e-3 / 3  # of two evaluations, each in lines and in blocks
    assert found["validations"] <= 0.05 * found["training"] * (1 + 1e-9) or steps == 7
    assert found["evaluation"] <= max(least, 0.05 * found["training"] * (1 + 1e-9))


OPEN = {"eval_every_steps": None, "eval_tokens": None}


def test_a_short_phase_is_validated_seldom_and_a_person_decides_otherwise(recipe: Recipe) -> None:
    def phase(facts: Facts = FACTS, **keys: object) -> TrainConfig:
        short = {"steps": 49, "batch_tokens": 2048, **OPEN} | keys
        asked = recipe.with_values({f"phase.0.{key}": value for key, value in short.items()})
        choices = training_choices(asked, facts, 400)
        return resolve_training(asked, choices, facts, 400).phases[0]

    assert (phase().eval_every_steps, phase().eval_tokens) == (13, 3010)
    few = phase(replace(FACTS, dev_tokens=500))  # costs little, so it is done more often
    assert (few.eval_every_steps, few.eval_tokens) == (3, 500)
    often = phase(eval_every_steps=1)
    assert (often.eval_every_steps, often.eval_tokens) == (1, 301)
    long = phase(eval_tokens=32_768)
    assert (long.eval_every_steps, long.eval_tokens) == (13, 32_768)
    assert phase(steps=800, eval_tokens=32_768).eval_every_steps == 134  # 7 cost 4.7 %, 8 too much
    assert phase(steps=20_000).eval_every_steps == 1000


MACHINES = ("h100", "h200", "a100", "rtx4090", "rtx3090")


@pytest.mark.parametrize("name", MACHINES)
def test_another_machine_is_planned_for_by_its_peak(recipe: Recipe, name: str) -> None:
    machine, store = KnownMachine.named(name), Store(recipe.folder / "store")
    found = check(recipe.with_values({"phase.0.number_format": "auto"}), store, machine=machine)
    flops = found.train_tokens * found.as_dict()["flops_per_token"]
    assert found.parts["training"] == pytest.approx(
        flops / (machine.share * machine.peak_tflops * 1e12)
    )
    assert found.training.phases[0].number_format == "bf16"
    said = describe(found)
    assert machine.words in said
    assert ("never tried" in said) == (name != "h200")
    assert "fits" in said
    assert "does not fit" not in said


def test_what_does_not_fit_on_another_machine_is_said(recipe: Recipe) -> None:
    large = {"model.dim": 8192, "model.layers": 40, "model.mixer": None, "model.ffn": None}
    machine, store = KnownMachine.named("rtx4090"), Store(recipe.folder / "store")
    found = check(recipe.with_values(large), store, machine=machine)
    assert not found.fits
    assert "does not fit" in describe(found)
    assert any("22.8 GB are free" in each for each in found.warnings)


def test_texts_that_are_not_there_yet_are_planned_by_their_size(recipe: Recipe) -> None:
    (recipe.folder / "texts" / "tatar.txt").unlink()
    store, open_keys = Store(recipe.folder / "store"), {"phase.0.steps": None, "model.dim": None}
    bare = recipe.with_values(open_keys)
    small = check(bare, store, sizes=sizes_of(bare, ["tatar=200kB"]))
    large = check(bare, store, sizes=sizes_of(bare, ["tatar=1.5 GB"]))
    assert large.facts.text_bytes == pytest.approx(1.5e9, rel=0.2)
    assert large.facts.sources["tatar"].unique_tokens > 1000 * small.facts.unique_tokens
    assert large.shape.dim > small.shape.dim
    assert not large.is_counted
    assert "size as given for tatar" in describe(large)
    whole = check(bare, store, sizes=sizes_of(bare, ["20MB"]))
    assert whole.facts.text_bytes == pytest.approx(20e6, rel=0.3)
    with pytest.raises(MissingSource):
        check(bare, store, sizes=sizes_of(bare, ["romanian=1MB"]))
    for wrong in ("much", "рус=3MB", "tatar=0MB", "-3MB"):
        with pytest.raises(RecipeError, match="is no size of a source"):
            sizes_of(recipe, [wrong])


def test_conversations_that_are_not_there_yet_are_planned_by_their_size(recipe: Recipe) -> None:
    answers = {"objective": "chat", "data": "әңгәмә.jsonl", "epochs": 2}
    store, text = Store(recipe.folder / "store"), recipe.path.read_text(encoding="utf-8")
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in answers.items())
    recipe.path.write_text(f'{text}\n[[phase]]\nname = "chat"\n{lines}\n', encoding="utf-8")
    chatting = Recipe.load(recipe.path)
    with pytest.raises(MissingSource, match=r"no file matches әңгәмә\.jsonl"):
        check(chatting, store)
    with pytest.raises(MissingSource, match="--text-size chat=SIZE"):
        check(chatting, store, sizes=sizes_of(chatting, ["5MB"]))
    small, large = (check(chatting, store, sizes=sizes_of(chatting, [f"chat={n}MB"])) for n in "19")
    assert large.facts.examples[1].unique_tokens == pytest.approx(
        9 * small.facts.examples[1].unique_tokens, rel=0.01
    )
    token_bytes = small.facts.text_bytes / small.facts.unique_tokens
    assert small.facts.examples[1].unique_tokens * token_bytes == pytest.approx(950_000, rel=0.01)
    assert large.train_tokens > small.train_tokens
    assert "size as given for chat" in describe(large)


def test_too_many_broken_conversations_end_a_check_as_they_end_a_run(recipe: Recipe) -> None:
    good = [{"question": f"Китап {n} нинди?", "answer": "Калын."} for n in range(16)]
    lines = [json.dumps(each, ensure_ascii=False) for each in good]
    data, store = recipe.folder / "сораулар.jsonl", Store(recipe.folder / "store")
    phase = f'[[phase]]\nname = "chat"\nobjective = "chat"\ndata = "{data.name}"\n'
    text = recipe.path.read_text(encoding="utf-8") + f"\n{phase}"
    recipe.path.write_text(text, encoding="utf-8")
    for broken, is_refused in (("# бу юл", False), ("{", True)):
        data.write_text("\n".join([*lines, broken, broken, "{"]), encoding="utf-8")
        with pytest.raises(SourceError, match=r"15\.8%") if is_refused else nullcontext():
            check(Recipe.load(recipe.path), store)
    data.write_text("\n".join([*lines, lines[0]]), encoding="utf-8")
    found = check(Recipe.load(recipe.path), store)
    assert all(found.warnings), "of questions with one answer each, nothing is said"
    said = describe(found)
    assert "(phase chat); of the records that were read: 1 dropped (1 duplicates)\n" in said
    assert "left out: 1 duplicates" not in said, "copies are no faults"
    data.write_text("\n".join([*lines, lines[0].replace("Калын", "Юка")]), encoding="utf-8")
    said = check(Recipe.load(recipe.path), store).warnings
    assert any("“Калын.” and “Юка.”" in each for each in said)


@pytest.mark.parametrize("is_counted", [False, True])
def test_that_a_source_gave_no_text_is_said_only_if_it_was_counted(
    recipe: Recipe, is_counted: bool
):
    facts = replace(FACTS, sources={"шигырь": replace(FACTS, unique_tokens=0)})
    training = cast(Any, SimpleNamespace(model=shape("qwen3")))
    estimate = check_module.Expected(facts, {}, training, None, is_counted)
    said = check_module.warnings_of_texts(recipe, [], estimate)
    assert any('"шигырь" gave no training text' in each for each in said) == is_counted


def test_recipes_that_read_much_less_text_are_named_with_what_makes_them_alike(
    recipe: Recipe, tmp_path: Path
) -> None:
    """As many tokens are less text where a letter is a token; as many epochs are as much."""
    keys = {"phase.0.steps": None, "phase.0.tokens": 50_000, "tokenizer.vocab": 512}
    letters = {**keys, "name": "herflere", "tokenizer.kind": "char"}
    store = Store(tmp_path / "store")
    pair = [check(recipe.with_values(each), store) for each in (keys, letters)]
    warning, of_context = cautions_of_study(pair)
    assert warning.startswith("herflere reads ")
    assert of_context.startswith("herflere sees about ")
    context = pair[0].shape.context * pair[0].facts.text_bytes / pair[0].facts.positions
    longer = int(of_context.partition("pack.context=")[2].split(".")[0])
    at_once = longer * pair[1].facts.text_bytes / pair[1].facts.positions
    assert context <= at_once < 1.5 * context + 200
    cure = "--set phase.pretrain.tokens= --set phase.pretrain.epochs="
    assert cure in warning
    assert [f"phase.pretrain.{key}" for key in ("tokens=", f"epochs={pair[0].epochs:.3g}")] == (
        sets_of_study(pair)
    )
    epochs = {"phase.0.tokens": None, "phase.0.epochs": float(warning.rpartition("=")[2])}
    contexts = (pair[0].shape.context, longer)
    alike = [
        check(each.recipe.with_values({**epochs, "pack.context": n}), store)
        for each, n in zip(pair, contexts, strict=True)
    ]
    assert cautions_of_study(alike) == []
    assert sets_of_study(alike) == []
    (same,) = cautions_of_study([*alike, alike[1]])
    assert same.startswith("herflere is the same as herflere")
    assert "[variant]" in same, "what to do stands beside it"
