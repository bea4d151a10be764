"""What is said before training: settings that do not suit the text, adapters that fit nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from laws.shapes import shape
from made_conversations import conversations, write_lines
from toys import train_config

from endonym.autopilot.cautions import (
    LITTLE_TEXTS,
    caution_of_empty,
    caution_of_intervals,
    caution_of_little_text,
    caution_of_rows,
    cautions,
    cautions_of_amount,
    cautions_of_cleaning,
    cautions_of_starts,
    require_adapters,
)
from endonym.autopilot.model_size import LITTLE_TOKENS, Facts, choose_context
from endonym.data.config import PackConfig
from endonym.errors import RecipeError
from endonym.formats.config import Clean
from endonym.model.config import ModelConfig, ModelKeys
from endonym.recipe.recipe import Recipe
from endonym.train.config import SourceShare, TrainConfig

FACTS = Facts(4_000_000, 1_000_000, 300.0)


def said(phase: dict[str, object], **known: float) -> list[str]:
    longest = int(known["longest"]) if "longest" in known else None
    context = int(known.get("context", 256))
    keys = {"lr": 3e-3, "batch_tokens": 2048, "epochs": 4} | phase
    return cautions(
        train_config(context=context, positions=FACTS.unique_tokens, **keys),
        FACTS,
        context,
        seconds=known.get("seconds"),
        longest=longest,
    )


def test_a_sensible_phase_is_started_without_a_word() -> None:
    assert said({"weight_decay": 0.6}, seconds=1e-3, longest=256) == []


def test_years_are_said_in_hours_with_the_budget_of_a_week() -> None:
    (text,) = said({"epochs": 1000}, seconds=0.1)
    assert text.startswith("phase pretrain: ≈ 27\u202f778 hours (3.2 years)")
    assert "steps = 2\u202f953 would take a week" in text
    (text,) = said({"epochs": None, "steps": 1_000_000}, seconds=1e-3)
    assert "≈ 569 hours (24 days)" in text
    assert "steps = 295\u202f312 would take a week" in text
    assert said({"epochs": 1000}) == []
    days = 24 * 3600 / (100 * 2048)  # a day for a hundred steps
    assert said({"epochs": None, "steps": 690}, seconds=days) == []
    assert "steps = 700 would take a week" in said({"epochs": None, "steps": 710}, seconds=days)[0]


def test_sentences_that_are_read_alone_are_said() -> None:
    short = Facts(4_000_000, 1_000_000, 19.4)
    text = caution_of_rows(short, PackConfig(context=256))
    assert text.startswith("documents have 19 tokens on average")
    assert "pack.join" in text
    assert not caution_of_rows(short, PackConfig(context=256, join=("lines",)))
    assert not caution_of_rows(FACTS, PackConfig(context=256))
    five, four = (Facts(4_000_000, 1_000_000, 256 / rows) for rows in (5, 4.9))
    assert caution_of_rows(five, PackConfig(context=256))
    assert not caution_of_rows(four, PackConfig(context=256))


def test_decay_that_eats_the_weights_is_said_with_its_number() -> None:
    (text,) = said({"weight_decay": 100})
    assert "lr × weight_decay = 0.3" in text
    assert "weight_decay = 3.3" in text


def test_a_rate_of_embeddings_that_was_left_behind_is_said() -> None:
    (text,) = said({"lr": 0.001, "embedding_lr": 0.048})
    assert "embedding_lr is 48 times lr" in text
    assert "embedding_lr = 0.008 would be 8 times" in text
    assert said({"lr": 0.006, "embedding_lr": 0.048}) == []


def test_a_batch_larger_than_the_corpus_is_said_and_one_row_is_the_smallest() -> None:
    (text,) = said({"batch_tokens": 2_500_000})
    assert "is 2.5 times the whole text of 1\u202f000\u202f000 tokens" in text
    assert "try batch_tokens = 10\u202f000" in text
    few = Facts(3_000, 900, 300.0)
    (text,) = cautions(train_config(batch_tokens=2048), few, 256, seconds=None, longest=None)
    assert "try batch_tokens = 256" in text
    assert cautions(train_config(batch_tokens=1024), few, 1024, seconds=None, longest=None) == []


def test_a_context_longer_than_any_document_is_said_where_their_lengths_are_known() -> None:
    (text,) = said({}, context=512, longest=511)
    assert "context = 512 is longer than any document (511 tokens)" in text
    assert "nothing is lost" in text
    assert said({}, context=512, longest=512) == []
    assert said({}, context=512) == []
    # The least context that is chosen by itself is no cause for a warning.
    chosen = choose_context(Facts(30_000, 9_000, 20.0), ModelKeys()).value
    assert said({}, context=chosen, longest=24) == []


@pytest.mark.parametrize(
    ("lr", "decay", "ways"),
    [
        (10, 0.1, r"lower lr = 10 \(0.003 is usual\) or weight_decay = 0.1 "),
        (0.01, 100, r"lower weight_decay = 100 \(with this lr, below 100\) or lr = 0.01 "),
    ],
)
def test_a_step_that_would_pull_weights_past_zero_is_refused_with_the_likelier_key_first(
    lr: float, decay: float, ways: str
) -> None:
    with pytest.raises(ValueError, match=r"lr × weight_decay = 1: .*" + ways):
        train_config(lr=lr, weight_decay=decay)


def test_answers_from_random_weights_are_said(
    tmp_path: Path, small_recipe: Callable[[Path], Path]
) -> None:
    recipe = small_recipe(tmp_path)
    write_lines(tmp_path / "a.jsonl", conversations(4))
    assert cautions_of_starts(Recipe.load(recipe)) == []
    sets = ["phase.0.objective=chat", "phase.0.data=a.jsonl"]
    (text,) = cautions_of_starts(Recipe.load(recipe, sets=sets))
    assert text.startswith("phase pretrain: conversations are few texts")
    assert "model.folder" in text
    first = '[[phase]]\nname = "texts"\nsteps = 2\n'
    written = recipe.read_text(encoding="utf-8").replace("[[phase]]", f"{first}[[phase]]", 1)
    recipe.write_text(written, encoding="utf-8")
    sets = ["phase.1.objective=chat", "phase.1.data=a.jsonl"]
    assert cautions_of_starts(Recipe.load(recipe, sets=sets)) == []


def test_a_source_of_which_nothing_is_held_out_is_named() -> None:
    books = Facts(4_000_000, 1_000_000, 300.0, dev_documents=0)
    facts = replace(FACTS, sources={"books": books, "web": replace(books, dev_documents=9)})
    config = train_config(context=256, batch_tokens=2048)

    def told(**shares: float) -> list[str]:
        given = tuple(SourceShare(name=name, share=share) for name, share in shares.items())
        return cautions(config.but(sources=given), facts, 256, seconds=None, longest=None)

    (text,) = told(web=0.1, books=0.9)
    assert text.startswith('phase pretrain: nothing of "books" is held out')
    assert "val_documents" in text
    assert told(web=1.0) == told() == []


def test_too_little_test_text_for_an_interval_is_said_with_a_share_that_suffices(
    tmp_path: Path, small_recipe: Callable[[Path], Path]
) -> None:
    path = small_recipe(tmp_path)
    recipe = Recipe.load(path)
    lines = Facts(430_000, 86_000, 19.0, dev_tokens=2_770)  # 6.9 blocks of 2,000 bytes
    said = caution_of_intervals(recipe, lines)
    assert said.startswith("about 6 groups of neighbouring texts will be held out")
    assert "val_share = 0.14 in [split] holds out enough" in said
    assert not caution_of_intervals(recipe, replace(lines, dev_tokens=4_000))
    # Of stories of 7,000 bytes each is a group; so few are too few whatever is held out.
    stories = Facts(200_000, 40_000, 1_400.0, dev_tokens=5_600)
    assert "It takes more text" in caution_of_intervals(recipe, stories)
    # Each source of a mean needs some; one that is too small for the mean does not.
    web = Facts(4_000_000, 800_000, 300.0, dev_tokens=24_000)
    large = replace(web, sources={"web": web, "books": web, "songs": lines})
    assert not caution_of_intervals(recipe, large)
    fewer = replace(large, sources=large.sources | {"songs": replace(lines, dev_tokens=1_600)})
    assert "4 groups of neighbouring texts of songs" in caution_of_intervals(recipe, fewer)
    recipe = Recipe.load(path, sets=['evaluate=[{kind="prompts", file="prompts.txt"}]'])
    assert not caution_of_intervals(recipe, lines)


def test_little_text_for_a_new_model_is_said_with_the_trials_of_a_model_of_its_size(
    tmp_path: Path, small_recipe: Callable[[Path], Path]
) -> None:
    path = small_recipe(tmp_path)
    recipe = Recipe.load(path)
    small, large = (shape("qwen3", dim=dim, layers=n) for dim, n in ((64, 4), (128, 12)))
    # 430 kB to train on, and 14 kB each for dev and test.
    lines = Facts(430_000, 86_000, 19.0, dev_tokens=2_770)
    said = caution_of_little_text(recipe, lines, large)
    assert said.startswith(
        "457.7 kB is little text. In trials with 0.5 MB, a new model of 12 layers"
    )
    assert "Hindi 1.02 and 0.96" in said
    said = caution_of_little_text(recipe, lines, small)
    assert "0.5 MB, a new model of 6 layers × 64" in said
    assert "Hindi 1.05 and 0.96" in said
    fewer = caution_of_little_text(recipe, replace(lines, text_bytes=90_000), large)
    assert "with 0.2 MB, a new model of 12 layers × 128" in fewer
    assert "Tatar 1.58 and 1.54, Khmer 1.15 and 1.07" in fewer
    fewer = caution_of_little_text(recipe, replace(lines, text_bytes=90_000), small)
    assert "Tatar 1.55 and 1.54, Khmer 1.18 and 1.07" in fewer
    both = cautions_of_amount(recipe, lines, large)
    assert [each.split()[0] for each in both] == ["457.7", "about"]
    # Where dev and test have 14 kB each: 290 kB and 740 kB are near the trials, 830 kB is not.
    sizes = {270_000: "0.2 MB", 300_000: "0.5 MB", 710_000: "0.5 MB", 740_000: ""}
    for text_bytes, tried in sizes.items():
        facts = Facts(text_bytes, text_bytes // 5, 19.0, dev_tokens=2_770)
        said = caution_of_little_text(recipe, facts, large)
        assert tried in said
        assert bool(said) == bool(tried)


def trials_in_the_log() -> list[tuple[str, float, int, list[float | None]]]:
    """Language, MB, tokens, and bits: of both models on dev and on test text, of the compressor."""
    text = (Path(__file__).parents[3] / "docs" / "log.md").read_text(encoding="utf-8")
    rows = text.partition("| language | MB | tokens |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return [
        (name, float(size), int(tokens.replace(",", "")), [bits(each) for each in values])
        for name, size, tokens, *values in cells
    ]


def bits(cell: str) -> float | None:
    return None if cell == "–" else float(cell)


def test_trials_of_little_text_are_those_of_the_log() -> None:
    told = {(each.bytes / 1e6, each.width): dict(each.bits) for each in LITTLE_TEXTS}
    measured: dict[tuple[float, int], dict[str, list[float]]] = {key: {} for key in told}
    for name, size, _, (*_, small, large, compressor) in trials_in_the_log():
        for width, own in ((64, small), (128, large)):
            is_told = name not in ("Romanian", "French") and (size, width) in told
            if own is not None and compressor is not None and is_told:
                measured[size, width][name] = [own, compressor]
    for key, by_language in measured.items():
        assert told[key].keys() == by_language.keys()
        for name, values in by_language.items():
            assert told[key][name] == pytest.approx(values, abs=6e-4), (key, name)


def test_dev_text_chooses_from_how_much_text_on_a_larger_model_is_taken() -> None:
    both = [
        (tokens, small, large)
        for _, _, tokens, (small, large, *_) in trials_in_the_log()
        if small is not None and large is not None
    ]
    assert len(both) == 11
    assert all(large < small for _, small, large in both)
    least = min(tokens for tokens, *_ in both)
    assert LITTLE_TOKENS.start <= least < 1.1 * LITTLE_TOKENS.start, "no less text was tried"


def test_nothing_is_said_of_little_text_where_no_new_model_reads_it(
    tmp_path: Path, small_recipe: Callable[[Path], Path]
) -> None:
    path = small_recipe(tmp_path)
    recipe, facts = Recipe.load(path), Facts(430_000, 86_000, 19.0, dev_tokens=2_770)
    continued = recipe.model.model_copy(update={"folder": "base"})
    chats = Recipe.load(path, sets=["phase.0.objective=chat", "phase.0.data=a.jsonl"])
    for other in (
        recipe.model_copy(update={"model": continued}),
        recipe.model_copy(update={"source": ()}),
        chats,
    ):
        assert not caution_of_little_text(other, facts, shape("qwen3"))


def test_one_threshold_of_scripts_is_enough() -> None:
    for rule in ("min_script_share", "min_expected_share"):
        keys = {
            "script": "cyrillic",
            "expected_letters": "әөү",
            "normalize": ("spaces",),
            rule: 0.5,
        }
        copies, spelling = cautions_of_cleaning(Clean.model_validate(keys | {"dedup": ("near",)}))
        assert 'dedup has no "exact": copies' in copies
        assert 'no "nfc": one word' in spelling
    assert any("script threshold" in each for each in cautions_of_cleaning(Clean()))
    made = Clean.model_validate(
        {"script": "latin", "min_script_share": 0.9, "normalize": ("nfc",), "dedup": ("exact",)}
    )
    assert any('"near"' in each for each in cautions_of_cleaning(made))
    assert not cautions_of_cleaning(made, are_alike=True)


Refused = Callable[..., tuple[str, Callable[[str], int]]]
PHASE = """
[[phase]]
name = "{}"
steps = 4
adapt = {}
"""
ALONE = '\n[[export]]\nformat = "{}"\n'


def configs(recipe: Recipe) -> tuple[TrainConfig, ...]:
    """The phases as the check receives them."""
    return tuple(
        train_config(name=each.name).but(adapt=each.adapt.resolved() if each.adapt else None)
        for each in recipe.phase
    )


@pytest.fixture
def refusal_of(small_recipe: Callable[[Path], Path], tmp_path: Path) -> Refused:
    """What is said of the small recipe with more after it, on a model, and the lines of words."""
    path = small_recipe(tmp_path / "project")
    ground = path.read_text(encoding="utf-8")

    def refusal(more: str, model: ModelConfig) -> tuple[str, Callable[[str], int]]:
        path.write_text(ground + more, encoding="utf-8")

        def line_of(words: str) -> int:
            return (ground + more).partition(words)[0].count("\n") + 1

        recipe = Recipe.load(path)
        try:
            require_adapters(recipe, model, configs(recipe))
        except RecipeError as error:
            return str(error), line_of
        return "", line_of

    return refusal


def test_adapters_that_do_not_fit_are_told_with_their_phase_and_line(refusal_of: Refused) -> None:
    narrow = shape("llama", dim=16)  # as of a folder; the recipe's own is wider
    short, long = "{ rank = 20 }", '{ rank = 32, on = ["query"] }'
    said, line_of = refusal_of(PHASE.format("кыска", short) + PHASE.format("озын", long), narrow)
    for keys in (short, long):
        assert f"recipe.toml:{line_of(keys)}: rank = " in said
        assert keys in said
    assert "Choose at most" in said


def test_a_format_that_cannot_hold_the_last_adapter_is_told_with_its_line(
    refusal_of: Refused,
) -> None:
    model = shape("llama")
    dora, plain = PHASE.format("a", "{ dora = true }"), PHASE.format("b", "{}")
    said, line_of = refusal_of(plain + dora + ALONE.format("gguf-adapter"), model)
    assert f"recipe.toml:{line_of('gguf-adapter')}: llama.cpp adds B A to a matrix" in said
    assert not refusal_of(plain + dora + ALONE.format("adapter"), model)[0]
    # The adapter of an earlier phase is not exported.
    assert not refusal_of(dora + plain + ALONE.format("gguf-adapter"), model)[0]


def test_sources_without_training_text_are_named_each_with_its_reasons() -> None:
    none = Facts(0, 0, 0.0)
    sources = {"шигырь": replace(none, dropped={"near": 3}), "хикәя": FACTS}
    assert caution_of_empty(replace(FACTS, sources={"хикәя": FACTS})) == ""
    one = caution_of_empty(replace(FACTS, sources=sources))
    assert one.startswith('"шигырь" gave no training text (3 near copies); ')
    sources["хат"] = replace(none, dev_documents=2)
    assert caution_of_empty(replace(FACTS, sources=sources)).startswith(
        '"шигырь" and "хат" gave no training text '
        "(шигырь: 3 near copies; хат: 2 held out for dev); "
    )
