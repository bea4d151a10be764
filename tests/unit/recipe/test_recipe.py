"""A recipe as an object: what it holds, where it came from, and copies with other values."""

import re
from pathlib import Path

import pytest

from endonym.config import identity
from endonym.errors import MissingSource, RecipeError
from endonym.recipe.recipe import Recipe, overrides_name

TATAR = """\
# Кояшлы көн.
name = "tatar"
language = "tt"
seed = 1_337

[[source]]
name = "leipzig"
path = "texts/*.txt"
document = "line"
column = 2

[[source]]
name = "китап"
path = "books"

[clean]
normalize = ["nfc", "spaces"]
expected_letters = "әөүҗңһ"
min_expected_share = 0.005

[model]
dim = 512
layers = 6
mixer.heads = 8

[pack]
context = 256

[[phase]]
name = "pretrain"
steps = 10_000
batch_tokens = 32_768

[[phase]]
name = "books"
epochs = 2

[[evaluate]]
kind = "bits"

[variant.wide.model]
dim = 768
layers = 4
mixer.heads = 12
"""


@pytest.fixture
def tatar(tmp_path: Path) -> Path:
    """The recipe in a folder of its own."""
    file = tmp_path / "tatar.toml"
    file.write_bytes(TATAR.replace("\n", "\r\n").encode())
    return file


def test_a_recipe_holds_every_table_as_its_components_config(tatar: Path) -> None:
    recipe = Recipe.load(tatar)
    assert (recipe.name, recipe.language, recipe.seed) == ("tatar", "tt", 1337)
    assert [source.name for source in recipe.source] == ["leipzig", "китап"]
    assert recipe.source[0].column == 2
    assert recipe.clean.expected_letters == "әөүҗңһ"
    assert (recipe.model.dim, recipe.model.mixer.heads) == (512, 8)
    assert [phase.steps for phase in recipe.phase] == [10_000, None]
    assert recipe.tokenizer.kind == "bpe"
    assert recipe.export == ()


def test_a_recipe_knows_its_file_its_folder_and_its_exact_text(tatar: Path) -> None:
    recipe = Recipe.load(str(tatar), variant="wide", sets=["seed=7"])
    assert recipe.path == tatar
    assert recipe.folder == tatar.parent
    assert recipe.text == TATAR.replace("\n", "\r\n")
    assert recipe.variant == "wide"
    assert recipe.sets == ("seed=7",)
    assert recipe.run_name == "tatar@wide+seed=7"
    assert Recipe.load(tatar).run_name == "tatar"


def test_a_recipe_with_a_byte_order_mark_reads_the_same(tatar: Path) -> None:
    plain = Recipe.load(tatar)
    tatar.write_text("\ufeff" + TATAR, encoding="utf-8")
    assert Recipe.load(tatar).model_dump() == plain.model_dump()


def test_a_copy_with_other_values_keeps_all_else_and_where_it_came_from(tatar: Path) -> None:
    recipe = Recipe.load(tatar, variant="wide", sets=["phase.0.steps=20"])
    copy = recipe.with_values(
        {"model.dim": 384, "phase.0.lr": 3e-4, "phase.books.epochs": 1.5, "tokenizer.vocab": 512}
    )
    assert (copy.model.dim, copy.phase[0].lr, copy.phase[1].epochs) == (384, 3e-4, 1.5)
    assert copy.tokenizer.vocab == 512
    assert (copy.phase[0].steps, copy.model.layers, copy.source) == (20, 4, recipe.source)
    assert (copy.path, copy.variant, copy.sets) == (recipe.path, "wide", recipe.sets)
    assert recipe.model.dim == 768
    assert copy.with_values({"model.dim": 768}).model.dim == 768


def test_a_copy_remembers_which_keys_were_written(tatar: Path) -> None:
    copy = Recipe.load(tatar).with_values({"phase.0.lr": 1e-3})
    assert copy.phase[0].model_fields_set == {"name", "steps", "batch_tokens", "lr"}
    assert copy.model.model_fields_set == {"dim", "layers", "mixer"}


def test_none_takes_a_key_out_of_a_copy(tatar: Path) -> None:
    copy = Recipe.load(tatar).with_values({"phase.0.steps": None, "phase.0.tokens": 1_000_000})
    assert (copy.phase[0].steps, copy.phase[0].tokens) == (None, 1_000_000)


def test_a_whole_table_can_be_replaced_by_a_config(tatar: Path) -> None:
    recipe = Recipe.load(tatar)
    copy = recipe.with_values({"phase.books": recipe.phase[0].model_copy(update={"name": "x"})})
    assert [phase.name for phase in copy.phase] == ["pretrain", "x"]


def test_a_copy_that_is_no_recipe_names_every_changed_key(tatar: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.load(tatar).with_values(
            {"phase.0.batch_tokens": 8, "model.mixer.heads": 7, "phase.x.lr": 1, "model.dims": 3}
        )
    blocks = str(caught.value).split("\n\n")
    assert len(blocks) == 3
    assert "phase.x.lr = 1: phase has no item x." in blocks[0]
    assert "model.dims = 3: model.dims is not a key of a model." in blocks[1]
    assert blocks[2].startswith("phase.0.batch_tokens = 8: batch_tokens = 8 holds no row of")


def test_sizes_that_do_not_fit_in_a_copy_point_at_the_changed_key(tatar: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.load(tatar).with_values({"model.mixer.heads": 7})
    assert str(caught.value).startswith("model.mixer.heads = 7: dim 512 is not divisible by 7")


def test_a_recipe_made_in_python_takes_changes_too() -> None:
    sources = [{"name": "povești", "path": "texte"}]
    said = {"name": "basme", "language": "ro", "source": sources, "phase": [{"steps": 3}]}
    recipe = Recipe.model_validate(said)
    assert recipe.with_values({"phase.pretrain.steps": 4}).phase[0].steps == 4
    assert 'name = "basme"' in recipe.text, "it is written as a file"
    assert recipe.run_name == "basme"


def test_source_paths_that_lead_to_no_file_are_reported_with_their_lines(tatar: Path) -> None:
    recipe = Recipe.load(tatar)
    with pytest.raises(MissingSource) as caught:
        recipe.require_sources()
    assert caught.value.exit_code == 2
    blocks = str(caught.value).split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == [
        f'{tatar}:8: source "leipzig": there is no file here.',
        f'{tatar}:14: source "китап": there is no such file or folder.',
    ]
    assert blocks[1].splitlines()[1:3] == ['    path = "books"', "           ^^^^^^^"]


def test_all_of_a_recipe_are_itself_and_its_variants_in_the_files_order(tatar: Path) -> None:
    tatar.write_text(TATAR + "\n[variant.deep.model]\nlayers = 12\n", encoding="utf-8")
    found = Recipe.load_all(tatar, sets=["seed=7"])
    assert [each.run_name for each in found] == [f"tatar{n}+seed=7" for n in ("", "@wide", "@deep")]
    assert [each.model.layers for each in found] == [6, 4, 12]
    assert {each.seed for each in found} == {7}


def test_what_is_wrong_with_several_variants_is_reported_once_each(tatar: Path) -> None:
    more = "\n[variant.odd.model]\ndim = 65\nlayers = 1\nmixer.heads = 2\n"
    more += "\n[variant.odd2.model]\ndim = 9\nlayers = 1\nmixer.heads = 2\n"
    text = TATAR.replace("mixer.heads = 8", "mixer.heads = 7").replace('"bits"', '"bit"')
    tatar.write_text(text + more, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        Recipe.load_all(tatar)
    blocks = str(caught.value).split("\n\n")
    firsts = [block.splitlines()[0].partition("tatar.toml:")[2] for block in blocks]
    places = [first.partition(": ")[0] for first in firsts]
    assert places == ["24", "39", "49, in variant odd", "54, in variant odd2"]
    assert "512 is not divisible by 7 heads" in firsts[0]


def test_the_missing_texts_of_several_recipes_are_reported_together(tatar: Path) -> None:
    more = '\n[[variant.other.source]]\nname = "other"\npath = "none.txt"\n'
    tatar.write_text(TATAR + more, encoding="utf-8")
    with pytest.raises(MissingSource) as caught:
        Recipe.require_all_sources(Recipe.load_all(tatar))
    text = str(caught.value)
    assert text.count("there is no") == 3
    assert ", in variant other: " in text
    assert ", in variant wide" not in text


def test_a_model_s_folder_starts_at_the_recipe_and_is_no_identity(tatar: Path) -> None:
    (tatar.parent / "gemma").mkdir()
    (tatar.parent / "gemma" / "config.json").write_text("{}", encoding="utf-8")
    sizes = "dim = 512\nlayers = 6\nmixer.heads = 8\n"
    tatar.write_text(TATAR.replace(sizes, 'folder = "gemma"\n'), encoding="utf-8")
    recipe = Recipe.load(tatar)
    assert recipe.model_folder == tatar.parent / "gemma"
    assert "folder" not in identity(recipe.model)
    tatar.write_text(TATAR, encoding="utf-8")
    assert Recipe.load(tatar).model_folder is None


OVERRIDES = [
    ([], ""),
    (["name=башка"], ""),
    (["phase.0.lr=4e-3"], "+phase.0.lr=4e-3"),
    (["seed=9", " phase.0.lr = 4e-3 "], "+phase.0.lr=4e-3,seed=9"),
    (["phase.0.lr=4e-3", "seed=8", "seed=9"], "+phase.0.lr=4e-3,seed=9"),
    (["phase.0.tokens="], "+phase.0.tokens="),
    (["phase.tokens=20_000_000", "tokenizer.vocab=512"], "+tokenizer.vocab=512,tokens=20_000_000"),
    (["phase.hat.tokens=", "phase.hat.epochs=20", "seed=2"], "+epochs=20,tokens=,seed=2"),
]


@pytest.mark.parametrize(("sets", "end"), OVERRIDES)
def test_overrides_add_to_the_name_of_a_run(sets: list[str], end: str) -> None:
    assert overrides_name(sets, phase="hat") == end


@pytest.mark.parametrize(
    "override", ["clean.expected_letters=әөү", "source.0.path=../texts", "model.x=" + "a" * 50]
)
def test_overrides_that_make_no_plain_name_are_a_hash_in_it(override: str) -> None:
    found = overrides_name([override])
    assert re.fullmatch(r"\+[0-9a-f]{8}", found)
    assert overrides_name([override + "1"]) != found
    assert overrides_name([override, "seed=2"]) == f"{found},seed=2"


def test_phases_are_told_apart_where_their_names_are_not_left_out() -> None:
    long = "tokenizer.vocab=4096"
    ends = {overrides_name([f"phase.{name}.tokens=9_000_000", long]) for name in ("hat", "book")}
    assert len(ends) == 2


def test_a_report_is_headed_by_name_variant_and_seed(tatar: Path) -> None:
    sets = ["seed=2", "clean.expected_letters=әөү"]
    assert Recipe.load(tatar, variant="wide", sets=sets).title == "tatar · wide · seed 2"
    assert Recipe.load(tatar, sets=["phase.0.lr=1e-3"]).title == "tatar · seed 1337"
    assert Recipe.load(tatar).title == "tatar"


def test_a_recipe_as_it_runs_holds_its_variant_and_its_overrides(tatar: Path) -> None:
    """Loaded again from that text alone, it is the same recipe."""
    assert Recipe.load(tatar).as_run() == Recipe.load(tatar).text
    sets = ["seed=7", "phase.0.lr=0.00123456789", 'language="tt-Latn"']
    recipe = Recipe.load(tatar, variant="wide", sets=sets)
    tatar.write_text(recipe.as_run(), encoding="utf-8")
    assert recipe.as_run().startswith("# --variant wide\n# --set seed=7\n")
    assert Recipe.load(tatar).model_dump() == recipe.model_dump()


@pytest.mark.parametrize(
    ("clean", "language"),
    [('mask = ["phone"]', "ro"), ('mask = ["code"]\nlanguage = "ro-MD"', "ro-MD"), ("", None)],
)
def test_masks_take_the_language_of_the_recipe(tmp_path: Path, clean: str, language: str | None):
    path = tmp_path / "recipe.toml"
    head = 'name = "a"\nlanguage = "ro"\n[[source]]\nname = "a"\npath = "a.txt"\n'
    path.write_text(f'{head}[clean]\n{clean}\n[[phase]]\nname = "a"\n', encoding="utf-8")
    assert Recipe.load(path).clean.language == language


def test_a_text_that_judges_twice_is_kept_out_once(tatar: Path) -> None:
    (tatar.parent / "сынау.txt").write_text("Кояш чыкты.", encoding="utf-8")
    (tatar.parent / "сылтама.txt").symlink_to("сынау.txt")
    scored = '[[evaluate]]\nkind = "bits"\nfile = "сынау.txt"\n'
    text = TATAR.replace("[clean]\n", '[clean]\ndecontaminate = ["сылтама.txt"]\n')
    tatar.write_text(text + scored, encoding="utf-8")
    assert Recipe.load(tatar).evaluation_texts == [tatar.parent / "сынау.txt"]


def test_other_words_of_a_recipe_matter_and_its_comments_and_variants_do_not(tatar: Path) -> None:
    recipe = Recipe.load(tatar)
    assert not recipe.is_other_than(TATAR)
    assert not recipe.is_other_than(TATAR.replace("# Кояшлы көн.", "# Яңгырлы көн."))
    assert not recipe.is_other_than(TATAR.replace("dim = 768", "dim = 1_024"))
    assert recipe.is_other_than(TATAR.replace("layers = 6", "layers = 7"))
    wide = Recipe.load(tatar, variant="wide")
    assert wide.is_other_than(TATAR)
    assert not wide.is_other_than(wide.as_run())


def test_a_phase_begins_new_where_no_model_comes_before_it(tatar: Path) -> None:
    recipe = Recipe.load(tatar, sets=["phase.1.start=scratch"])
    assert [recipe.begins_new(phase) for phase in (0, 1)] == [True, True]
    assert not Recipe.load(tatar).begins_new(1)
    (tatar.parent / "gemma").mkdir()
    (tatar.parent / "gemma" / "config.json").write_text("{}", encoding="utf-8")
    sets = ["model.dim=", "model.layers=", "model.mixer=", "model.folder=gemma"]
    assert not Recipe.load(tatar, sets=sets).begins_new(0)
