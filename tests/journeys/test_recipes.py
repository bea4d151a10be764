"""The recipes that come with the project run from end to end, at toy scale."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endonym import load
from endonym.export.huggingface import import_huggingface
from endonym.generate.language_model import LanguageModel
from endonym.model.count import flops_per_token
from endonym.model.families import resolve
from endonym.recipe.checks import after_pruning
from endonym.recipe.recipe import Recipe, overrides_name

pytestmark = pytest.mark.slow

RECIPES = Path(__file__).parents[2] / "recipes"
SMALL = {
    "clean.min_script_share": 0,  # a few of the sentences here are Khmer
    "tokenizer.vocab": 400,
    "pack.context": 128,
    "model.dim": 64,
    "model.layers": 3,
    "phase.0.tokens": 4_000,
    "phase.0.batch_tokens": 512,
    "phase.0.warmup_steps": 2,
    "phase.0.eval_every_steps": 4,
    "phase.0.number_format": '"fp32"',
}
SENTENCE = "Әбием мич янында утырып, миңа кечкенә чагы турында сөйли."


@pytest.fixture(scope="module")
def study(
    tmp_path_factory: pytest.TempPathFactory,
    command: Callable[..., Any],
    language_sentences: Callable[[str], list[str]],
) -> tuple[Path, Any]:
    """Every architecture of architectures.toml, trained for eight steps on Tatar sentences."""
    folder = tmp_path_factory.mktemp("study")
    recipe = folder / "recipe.toml"
    shutil.copy(RECIPES / "architectures.toml", recipe)
    (folder / "texts").mkdir()
    lines = "\n".join([*language_sentences("tatar"), *language_sentences("khmer")])
    (folder / "texts" / "sentences.txt").write_text(lines, encoding="utf-8")
    sets = [arg for key, value in SMALL.items() for arg in ("--set", f"{key}={value}")]
    said = command("run", recipe, "--variant", "all", "--store", folder / "store", "--json", *sets)
    assert said.code == 0, said.err
    return folder, said.json()


def test_every_architecture_ends_in_one_table(study: tuple[Path, Any]) -> None:
    folder, answer = study
    names = [None, *Recipe.variants(folder / "recipe.toml")]
    runs = {run["name"]: run for run in answer["comparison"]["runs"]}
    end = overrides_name([f"{key}={value}" for key, value in SMALL.items()])
    assert set(runs) == {f"architectures{f'@{name}' if name else ''}{end}" for name in names}
    assert len({run["train_tokens"] for run in runs.values()}) == 1
    families = {run["family"] for run in runs.values()}
    assert families == {name or "qwen3" for name in names} - {"hybrid"}


def test_each_model_that_is_handed_over_scores_a_text_alike(study: tuple[Path, Any]) -> None:
    folder, answer = study
    seen = 0
    for run in answer["runs"]:
        made = {stage["name"].split()[0]: stage["id"] for stage in run["stages"]}
        model = LanguageModel.load(folder / "store" / "model" / made["model"])
        if "export" not in made:
            assert model.decoder.config.layers == 3
            assert len(model.decoder.config.mixers) == 3
            continue
        handed = import_huggingface(folder / "store" / "export" / made["export"])
        assert handed.score(SENTENCE) == pytest.approx(model.score(SENTENCE), rel=1e-6)
        seen += 1
    assert seen == len(answer["runs"]) - 1


ROMANIAN = {
    "tokenizer.vocab": 500,
    "pack.context": 64,
    "split.val_share": 0.3,
    "phase.0.tokens": 1_024,
    "phase.0.batch_tokens": 256,
    "phase.0.warmup_steps": 1,
}
PARAMETERS = {None: 300.3, "llama-mha": 310.8, "mistral": 300.3, "falcon": 306.5, "mamba2": 305.0}
"""In millions, as the study of these five at full size has them."""


@pytest.fixture
def romanian_texts(
    tmp_path: Path, language_sentences: Callable[[str], list[str]]
) -> Callable[[str], Path]:
    """A recipe of the Romanian study in a folder with texts for it."""

    def placed(name: str) -> Path:
        shutil.copy(RECIPES / name, tmp_path / name)
        lines = language_sentences("romanian")
        webs = [" ".join(lines[at : at + 4]) for at in range(0, len(lines) // 2, 4)]
        for folder in ("data/books", "texts"):
            (tmp_path / folder).mkdir(parents=True)
        records = "\n".join(json.dumps({"text": line}, ensure_ascii=False) for line in webs)
        for path in ("data/web.jsonl", "texts/novels.jsonl"):
            (tmp_path / path).write_text(records, encoding="utf-8")
        for path in ("data/books/carte.txt", "texts/sentences.txt"):
            (tmp_path / path).write_text("\n".join(lines[len(lines) // 2 :]), encoding="utf-8")
        return tmp_path / name

    return placed


@pytest.mark.parametrize("variant", PARAMETERS)
def test_the_romanian_study_has_its_full_sizes(
    variant: str | None, romanian_texts: Callable[[str], Path], command: Callable[..., Any]
) -> None:
    recipe = romanian_texts("compare-ro.toml")
    named = ("--variant", variant) if variant else ()
    said = command("check", recipe, *named, "--store", recipe.parent / "store", "--json")
    assert said.code == 0, said.err
    assert round(said.json()["parameters"] / 1e6, 1) == PARAMETERS[variant]


def test_the_small_romanian_study_ends_in_one_table_and_files_for_llama_cpp(
    romanian_texts: Callable[[str], Path], command: Callable[..., Any]
) -> None:
    recipe = romanian_texts("compare-ro-small.toml")
    text = recipe.read_text(encoding="utf-8").replace("dim = 256", "dim = 64")
    text = text.replace("layers = 3", "layers = 1").replace("layers = 5", "layers = 1")
    recipe.write_text(text.replace("ffn.hidden = 768", "ffn.hidden = 64"), encoding="utf-8")
    sets = [arg for key, value in ROMANIAN.items() for arg in ("--set", f"{key}={value}")]
    store = recipe.parent / "store"
    said = command("run", recipe, "--variant", "all", "--store", store, "--json", *sets)
    assert said.code == 0, said.err
    assert len(said.json()["comparison"]["runs"]) == len(PARAMETERS)
    assert len(list((store / "export").glob("*/*-Q4_K_M.gguf"))) == len(PARAMETERS)


KEPT = {
    "layers": {"layers-17": 5, "layers-33": 4, "layers-50": 3},
    "heads": {"heads-25": 3, "heads-50": 2, "heads-75": 1},
    "hidden": {"ffn-30": 448, "ffn-50": 320, "ffn-70": 192},
    "dim": {"dim-144": 144, "dim-96": 96},
}


def test_the_grid_of_prunes_changes_one_kind_of_part_in_each_variant() -> None:
    """And all variants that prune share the first phase."""
    path = RECIPES / "pruning-ro.toml"
    whole = {"layers": 6, "heads": 4, "hidden": 640, "dim": 192}
    wanted = {name: {key: n} for key, each in KEPT.items() for name, n in each.items()}
    assert set(Recipe.variants(path)) == wanted.keys()
    base = Recipe.load(path)
    for name in (None, *wanted):
        recipe = Recipe.load(path, variant=name)
        shape = resolve(recipe.model, vocab=2_048, context=256)
        left, problems = after_pruning(shape, enumerate(recipe.phase))
        ((mixer, ffn),) = {*left.blocks}
        kept = {"layers": left.layers, "heads": mixer.heads, "hidden": ffn.hidden, "dim": left.dim}
        assert (kept, problems) == (whole | wanted.get(name, {}), [])
        dim = recipe.model.dim  # all else of the model is the same
        assert recipe.model.model_copy(update={"dim": 192}) == base.model
        assert (dim != 192, recipe.phase[0]) == (name in KEPT["dim"], base.phase[0])


def test_vocabularies_are_ranked_by_bits_a_byte_at_equal_operations(
    tmp_path: Path,
    command: Callable[..., Any],
    language_sentences: Callable[[str], list[str]],
) -> None:
    recipe = tmp_path / "recipe.toml"
    text = (RECIPES / "vocabularies.toml").read_text(encoding="utf-8")
    for vocab in (1024, 2048, 4096, 8192):
        text = text.replace(f"vocab = {vocab}\n", f"vocab = {280 + vocab // 16}\n")
    recipe.write_text(text, encoding="utf-8")
    (tmp_path / "texts").mkdir()
    lines = "\n".join([*language_sentences("tatar"), *language_sentences("khmer")])
    (tmp_path / "texts" / "sentences.txt").write_text(lines, encoding="utf-8")
    small = {**SMALL, "phase.0.flops": 1.6e10, "phase.0.batch_tokens": 128}
    small["phase.0.eval_every_steps"] = 20
    del small["tokenizer.vocab"], small["phase.0.tokens"]
    sets = [arg for key, value in small.items() for arg in ("--set", f"{key}={value}")]
    store = ("--store", tmp_path / "store")
    said = command("run", recipe, "--variant", "all", *store, "--json", *sets)
    assert said.code == 0, said.err
    answer = said.json()["comparison"]
    runs = answer["runs"]
    assert len(runs) == 5
    assert answer["same_documents"]
    bits = [run["score"]["value"] for run in runs]
    assert bits == sorted(bits)
    costs = []
    for run in runs:
        shape = load(run["run"], store=tmp_path / "store").decoder.config
        costs.append(run["train_tokens"] * flops_per_token(shape))
    # A batch is whole: of fewer than 128 tokens nothing is said.
    assert max(costs) / min(costs) < 1.03
    assert len({run["train_tokens"] for run in runs}) > 2
