"""The shape that a prune leaves, and the recipes that are refused before anything is trained."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from toys import toy_config
from wrong_recipes import HEAD

from endonym.autopilot import resolve
from endonym.autopilot.cautions import require_prunes
from endonym.autopilot.model_size import Facts
from endonym.errors import RecipeError, ShapeError
from endonym.model.config import AttentionConfig, FfnConfig, ModelConfig
from endonym.model.foreign.folder import ForeignConfig
from endonym.model.prune_config import Kept, Prune, left, parts_left, shape_of, shape_without
from endonym.recipe.checks import after_pruning
from endonym.recipe.recipe import Recipe
from endonym.train.config import Phase

MODEL = '[model]\nfamily = "{}"\nlayers = 4\ndim = 64\nmixer.heads = 4\n'


def test_the_shape_has_what_the_shares_leave() -> None:
    whole = toy_config("qwen3", layers=4)
    mixer, ffn = whole.blocks[0]
    assert isinstance(mixer, AttentionConfig)
    assert isinstance(ffn, FfnConfig)
    small = shape_without(whole, Prune(layers=0.25, heads=1 / mixer.kv_heads, ffn=0.5))
    assert small.layers == 3
    (less, narrow), *_ = small.blocks
    assert less.kv_heads == mixer.kv_heads - 1
    assert less.heads == mixer.heads - mixer.heads // mixer.kv_heads
    assert narrow.hidden == ffn.hidden - round(ffn.hidden / 2)
    by_ffn = shape_without(whole, Prune(ffn=0.5))
    assert (by_ffn.layers, by_ffn.mixers) == (whole.layers, whole.mixers)
    assert shape_without(whole, Prune(layers=0.5)).ffns == whole.ffns


def test_layers_of_two_kinds_stay_as_they_are() -> None:
    plain = toy_config("llama", layers=6)
    (mixer,) = plain.mixers
    mixers = (mixer, mixer.model_copy(update={"window": 5}))
    whole = plain.model_copy(update={"mixers": mixers})
    windows = [mixer.window for mixer, _ in whole.blocks]
    assert len({*windows}) == 2
    small = shape_without(whole, Prune(heads=0.5))
    assert [mixer.window for mixer, _ in small.blocks] == windows
    assert len(small.mixers) == 6
    fewer = shape_without(whole, Prune(layers=0.5))
    assert [mixer.window for mixer, _ in fewer.blocks] == windows[:3]


def uneven() -> ModelConfig:
    """Four layers of which no two are alike."""
    plain = toy_config("llama", layers=4)
    (mixer,), (ffn,) = plain.mixers, plain.ffns
    heads = [{"heads": 4, "kv_heads": 2}, {"heads": 6, "kv_heads": 3}, {"heads": 8, "kv_heads": 4}]
    heads.append({"heads": 8, "kv_heads": 2})
    mixers = [mixer.model_copy(update={**each, "window": n}) for n, each in enumerate(heads, 5)]
    ffns = [ffn.model_copy(update={"hidden": hidden}) for hidden in (32, 20, 40, 10)]
    return plain.model_copy(update={"mixers": (*mixers,), "ffns": (*ffns,)})


HEADS, CHANNELS = [[0, 2], [1]], [[0, 1, 19], [4]]


@pytest.mark.parametrize("heads", [[], HEADS])
@pytest.mark.parametrize("channels", [[], CHANNELS])
def test_each_layer_that_stays_has_its_own_parts(
    heads: list[list[int]], channels: list[list[int]]
) -> None:
    whole = uneven()
    (second, fourth), (wide, narrow) = whole.mixers[1::2], whole.ffns[1::2]
    if heads:
        second = second.model_copy(update={"heads": 4, "kv_heads": 2})
        fourth = fourth.model_copy(update={"heads": 4, "kv_heads": 1})
    if channels:
        wide, narrow = (
            ffn.model_copy(update={"hidden": count}) for ffn, count in ((wide, 3), (narrow, 1))
        )
    parts = {"layers": 2, "mixers": (second, fourth), "ffns": (wide, narrow)}
    assert shape_of(whole, Kept([1, 3], heads, channels)) == whole.model_copy(update=parts)


def test_alike_parts_are_written_once_whatever_the_others_are() -> None:
    whole = toy_config("llama", layers=3)
    (mixer,), (ffn,) = whole.mixers, whole.ffns
    mixers = tuple(mixer.model_copy(update={"heads": n, "kv_heads": n}) for n in (2, 1))
    ffns = tuple(ffn.model_copy(update={"hidden": count}) for count in (2, 3))
    for kept, parts in (
        (Kept([0, 2], [], [[1, 2], [0, 3, 4]]), {"ffns": ffns}),
        (Kept([0, 2], [[0, 1], [1]], []), {"mixers": mixers}),
        (Kept([2, 1], [[0], [1]], [[1, 5], [2, 7]]), {"mixers": mixers[1:], "ffns": ffns[:1]}),
    ):
        assert shape_of(whole, kept) == whole.model_copy(update={"layers": 2, **parts})


@pytest.mark.parametrize("prune", [
    {"layers": 0.5}, {"heads": 0.4}, {"ffn": 0.3}, {"layers": 0.5, "heads": 0.4, "ffn": 0.3},
])  # fmt: skip
def test_the_first_layers_stay_and_each_loses_its_share(prune: dict[str, float]) -> None:
    whole = uneven()
    kept = Kept([*range(2 if "layers" in prune else 4)], [], [])
    if "heads" in prune:
        kept = kept._replace(heads=[[0], [0, 1], [0, 1], [0]][: len(kept.layers)])
    if "ffn" in prune:
        counts = (22, 14, 28, 7)[: len(kept.layers)]
        kept = kept._replace(channels=[[*range(count)] for count in counts])
    assert shape_without(whole, Prune.model_validate(prune)) == shape_of(whole, kept)


@pytest.mark.parametrize("key", ["heads", "ffn"])
def test_a_layer_that_may_stay_must_have_the_parts_too(key: str) -> None:
    """Which layers stay is measured later; of the first two alone each has such parts."""
    whole = toy_config("llama", layers=4)
    (state,), (experts,) = toy_config("mamba").mixers, toy_config("moe").ffns
    mixed = whole.model_copy(
        update={"mixers": (*whole.mixers * 3, state), "ffns": (*whole.ffns * 3, experts)}
    )
    for other in ({}, {"layers": 0.5}):
        with pytest.raises(ShapeError, match="not every layer has such parts") as caught:
            shape_without(mixed, Prune.model_validate({key: 0.5, **other}))
        assert caught.value.where == f"prune.{key}"
    assert shape_without(mixed, Prune(layers=0.5)).layers == 2


@pytest.mark.parametrize(("prune", "left"), [
    ({"heads": 0.5}, (1, 0)), ({"ffn": 0.25}, (0, 24)), ({"heads": 0.5, "ffn": 0.25}, (1, 24)),
    ({"layers": 0.5}, (0, 0)),
])  # fmt: skip
def test_what_is_not_pruned_is_not_counted(prune: dict[str, float], left: tuple[int, int]) -> None:
    mixer, ffn = uneven().blocks[0]
    assert parts_left(mixer, ffn, Prune.model_validate(prune)) == left


def test_a_layer_needs_only_the_parts_that_are_pruned() -> None:
    mixer, ffn = uneven().blocks[0]
    bare = ffn.model_copy(update={"hidden": 0})
    (experts,), (state,) = toy_config("moe").ffns, toy_config("mamba").mixers
    for other in (bare, experts):
        assert parts_left(mixer, other, Prune(heads=0.5)) == (1, 0)
        with pytest.raises(ShapeError, match="not every layer has such parts") as caught:
            parts_left(mixer, other, Prune(heads=0.5, ffn=0.5))
        assert caught.value.where == "prune.ffn"
    assert parts_left(state, ffn, Prune(ffn=0.5)) == (0, 16)
    with pytest.raises(ShapeError, match="not every layer has such parts") as caught:
        parts_left(state, bare, Prune(heads=0.5, ffn=0.5))
    assert caught.value.where == "prune.heads"
    assert caught.value.do == "Heads are of attention, and ffn is of feed-forwards without experts."


@pytest.mark.parametrize(("count", "share", "found"), [
    (8, 0.0, 8), (1, 0.0, 1), (8, 0.35, 5), (100, 0.29, 71), (100, 0.294, 71),
    (100, 0.296, 70), (2, 0.5, 1), (3, 0.5, 1), (8, 0.07, 7), (8, 0.93, 1),
])  # fmt: skip
def test_a_share_takes_out_the_nearest_number_of_parts(
    count: int, share: float, found: int
) -> None:
    assert left(count, share, "heads") == found


ONE, MANY = "Leave it out: there is only one.", "Give a share from {} to {}, or leave it out."


@pytest.mark.parametrize(("count", "share", "what", "do"), [
    (8, 0.06, "none", MANY.format(0.125, 0.875)), (8, 0.94, "all", MANY.format(0.125, 0.875)),
    (3, 0.1, "none", MANY.format(0.333, 0.667)), (1, 0.4, "none", ONE), (1, 0.6, "all", ONE),
])  # fmt: skip
def test_a_share_that_takes_none_or_all_is_refused_with_what_would_do(
    count: int, share: float, what: str, do: str
) -> None:
    with pytest.raises(ShapeError) as caught:
        left(count, share, "ffn")
    said = caught.value
    assert (said.message, said.where) == (
        f"{share} of {count} takes out {what} of them",
        "prune.ffn",
    )
    assert said.do == do


@pytest.mark.parametrize("key", ["heads", "ffn", "layers"])
def test_each_share_is_enough_and_lies_below_one(key: str) -> None:
    assert Prune.model_validate({key: 0.99}).model_dump()[key] == 0.99
    assert Prune.model_validate({"heads": 0.5, "ffn": 0.5, "layers": 0.5, key: 0.0})
    for share in (1.0, -0.01):
        with pytest.raises(ValueError, match=key):
            Prune.model_validate({key: share})
    with pytest.raises(ValueError, match="it takes out nothing"):
        Prune.model_validate({key: 0.0})
    with pytest.raises(ShapeError, match="takes out none") as caught:
        shape_without(uneven(), Prune.model_validate({key: 0.01}))
    assert caught.value.where == f"prune.{key}"


def test_what_transformers_computes_is_not_pruned() -> None:
    foreign = ForeignConfig.model_construct()
    with pytest.raises(ShapeError, match="own families") as caught:
        shape_without(foreign, Prune(ffn=0.5))
    assert caught.value.where == "prune"
    assert caught.value.do.endswith("or go on from a model of one of these families.")


def test_a_phase_that_begins_anew_has_the_whole_shape_again() -> None:
    whole = toy_config("llama", layers=4)
    half, anew = Phase(name="b", prune=Prune(layers=0.5)), Phase(name="c", start="scratch")
    assert after_pruning(whole, [(1, half), (2, half)])[0].layers == 1
    left, problems = after_pruning(whole, [(1, half), (2, anew)])
    assert (left, problems) == (whole, [])
    assert after_pruning(whole, [(1, half), (2, anew), (3, half)])[0].layers == 2


@pytest.fixture
def on_base(tmp_path: Path) -> Callable[[str], Recipe]:
    """A recipe that goes on from a folder, with these lines after its first six."""

    def on_base(lines: str) -> Recipe:
        (tmp_path / "base").mkdir(exist_ok=True)
        (tmp_path / "base" / "config.json").write_text("{}", encoding="utf-8")
        (tmp_path / "r.toml").write_text(HEAD + lines + "[model]\nfolder = 'base'\n", "utf-8")
        return Recipe.load(tmp_path / "r.toml")

    return on_base


EXPORTS = "".join(f'[[export]]\nformat = "{name}"\n' for name in ("dataset", "gguf", "huggingface"))
FACTS = Facts(4_000_000, 1_000_000, 100.0)
STEPS = 'steps = 3\nnumber_format = "fp32"\n'
HEAL = '[[phase]]\nname = "{}"\n' + STEPS + "prune = {}\n"


@pytest.mark.parametrize(("prunes", "lines"), [
    (("{ ffn = 0.5 }",), []),
    (("{ heads = 0.5 }",), [16, 18]),
    (("{ layers = 0.1 }", "{ ffn = 0.5 }"), [13]),
    (("{ layers = 0.9 }", "{ heads = 0.5 }"), [13, 21, 23]),
    (("{ heads = 0.5 }", "{ heads = 0.5 }", "{ layers = 0.1 }"), [18, 23, 26, 28]),
])  # fmt: skip
def test_a_base_is_pruned_only_to_what_it_has_and_what_exports_can_hold(
    prunes: tuple[str, ...],
    lines: list[int],
    on_base: Callable[[str], Recipe],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each prune is judged on what the ones before it leave; every one is told with its line."""
    healing = "".join(HEAL.format(name, prune) for name, prune in zip("abc", prunes, strict=False))
    recipe = on_base(f"{STEPS}{healing}{EXPORTS}[pack]\ncontext = 16\n")
    monkeypatch.setattr(resolve, "folder_shape", lambda folder: toy_config("gpt2", layers=4))
    choices = resolve.training_choices(recipe, FACTS, 40)
    with pytest.raises(RecipeError) if lines else nullcontext() as caught:
        resolve.resolve_training(recipe, choices, FACTS, 40)
    said = re.findall(r"^\S*r\.toml:(\d+): ", str(caught and caught.value), re.MULTILINE)
    assert [int(each) for each in said] == lines


def test_a_base_that_stays_whole_is_exported_as_it_came(on_base: Callable[[str], Recipe]) -> None:
    odd = shape_without(toy_config("gpt2"), Prune(heads=0.5))
    require_prunes(on_base(f"{STEPS}{EXPORTS}"), odd)


def test_a_base_of_transformers_is_refused_at_each_prune(on_base: Callable[[str], Recipe]) -> None:
    """What transformers computes is not pruned; its exports are no matter of prunes."""
    healing = HEAL.format("a", "{ heads = 0.5 }") + HEAL.format("b", "{ ffn = 0.5 }")
    recipe = on_base(f"{STEPS}{healing}{EXPORTS}")
    with pytest.raises(RecipeError, match="own families") as caught:
        require_prunes(recipe, ForeignConfig.model_construct())
    assert re.findall(r"^\S*r\.toml:(\d+): ", str(caught.value), re.MULTILINE) == ["13", "18"]
    require_prunes(on_base(STEPS + EXPORTS), ForeignConfig.model_construct())


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[str], str]:
    """What is said of a recipe with these lines after its first phase."""

    def refused(lines: str) -> str:
        (tmp_path / "recipe.toml").write_text(HEAD + lines, encoding="utf-8")
        try:
            Recipe.load(tmp_path / "recipe.toml")
        except RecipeError as error:
            return str(error)
        return ""

    return refused


@pytest.mark.parametrize(("family", "prune", "export", "said"), [
    ("llama", "{ heads = 0.5 }", "huggingface", ""),
    ("falcon", "{ heads = 0.5 }", "huggingface", "takes out"),
    ("gpt2", "{ heads = 0.5 }", "huggingface", "[[export]]"),
    ("gpt2", "{ ffn = 0.5 }", "huggingface", ""),
    ("llama", "{ layers = 0.1 }", "gguf", "0.1 of 4 takes out none of them"),
    ("llama", "{ ffn = 1.0 }", "gguf", "ffn must be"),
    ("llama", "{}", "gguf", "it takes out nothing"),
])  # fmt: skip
def test_a_prune_that_cannot_be_is_refused_when_the_recipe_is_read(
    family: str, prune: str, export: str, said: str, refused: Callable[[str], str]
) -> None:
    lines = f'[[phase]]\nname = "heal"\nsteps = 3\nprune = {prune}\n'
    found = refused(lines + MODEL.format(family) + f'[[export]]\nformat = "{export}"\n')
    assert (said in found) if said else not found
