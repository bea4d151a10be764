"""Items: choices, minimal pairs and texts after others, judged by one mechanism."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference.reading import document_nats
from toys import lively_decoder, toy_config, toy_tokenizer

from endonym.errors import SourceError
from endonym.evaluate.items import (
    ACCURACY,
    PER_BYTE,
    Item,
    are_right,
    cells,
    item_scores,
    judge,
    long_options,
    read_items,
    with_tokens,
)
from endonym.evaluate.score import BITS, PER_TEXT, TOO_FEW, Measured, find
from endonym.evaluate.tables import aligned
from endonym.generate.language_model import LanguageModel

READER = toy_tokenizer("bpe")
PAIRS = [
    {"good": "Балалар мәктәпкә баралар.", "bad": "Балалар мәктәпкә бара идем.", "uid": "сан"},
    {"good": "Мин китап укыйм.", "bad": "Мин китап укый.", "uid": "зат"},
    {"good": "Copiii merg la școală.", "bad": "Copiii merge la școală.", "uid": "număr"},
    {"good": "Les enfants jouent.", "bad": "Les enfants joue.", "uid": "nombre"},
    {"good": "ក្មេងៗទៅសាលារៀន។", "bad": "ក្មេងៗសាលារៀនទៅ។", "uid": "លំដាប់"},
]


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return LanguageModel(lively_decoder(toy_config(vocab=READER.vocab)), READER)


@pytest.fixture(scope="module")
def wide() -> LanguageModel:
    """A model into whose context every item of these tests fits."""
    return LanguageModel(lively_decoder(toy_config(vocab=READER.vocab, context=64)), READER)


def written(path: Path, records: list[Any]) -> Path:
    lines = [each if isinstance(each, str) else json.dumps(each) for each in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def nats_of(model: LanguageModel, context: str, option: str) -> float:
    """By a slow reader: the whole is read, and what the context alone has is left out."""
    ids = READER.encode(context + option)
    begin = len(READER.encode(context)) if context else 0
    return sum(document_nats(model.decoder, ids, READER.end_id)[begin:])


def items_of(path: Path, *records: Any) -> list[Item]:
    return read_items(written(path, [*records])).items


def test_every_form_of_an_item_is_read(tmp_path: Path) -> None:
    forms: list[tuple[dict[str, Any], Item]] = [
        ({"good": "а", "bad": "б"}, Item("", ("а", "б"), 0)),
        ({"sentence_good": "a", "sentence_bad": "b", "UID": "x"}, Item("", ("a", "b"), 0, "x")),
        ({"sen": "a", "wrong_sen": "b", "phenomenon": "#"}, Item("", ("a", "b"), 0, "#")),
        ({"context": "Q", "good": "а", "bad": "б"}, Item("Q", ("а", "б"), 0)),
        # The blanks at a context's end are read with the options, as text is cut into tokens.
        ({"context": "Q ", "options": ["a", "b"], "answer": 1}, Item("Q", ("a", "b"), 1, "", " ")),
        ({"question": "Q", "choices": ["a", "b"], "label": "B"}, Item("Q", ("a", "b"), 1)),
        ({"prompt": "Q", "options": ["a", "b"], "gold": "b"}, Item("Q", ("a", "b"), 1)),
        # HellaSwag.
        ({"ctx": "Q", "endings": ["a", "b"], "label": "1"}, Item("Q", ("a", "b"), 1)),
        (
            {"context": "Marie lit.", "question": "Qui?", "options": ["a", "b"], "answer": 0},
            Item("Marie lit.\nQui?", ("a", "b"), 0),
        ),
        (
            {"context": "", "question": "Q", "options": ["a", "b"], "answer": 0},
            Item("Q", ("a", "b"), 0),
        ),
    ]
    file = read_items(written(tmp_path / "a.jsonl", [record for record, _ in forms]))
    assert file.items == [item for _, item in forms]
    assert (file.left_out, file.unread) == ("", "")
    assert file.items[4].texts == ["Q a", "Q b"]
    (text,) = items_of(tmp_path / "b.jsonl", {"context": "Мин ", "text": "китап укыйм."})
    assert text == Item("Мин", ("китап укыйм.",), None, blanks=" ")
    numbered = [{**pair, "uid": number} for number, pair in enumerate(PAIRS[:2])]
    assert [each.group for each in items_of(tmp_path / "c.jsonl", *numbered)] == ["0", "1"]


def test_a_file_of_multiblimp_has_whole_sentences_beside_their_beginnings(tmp_path: Path) -> None:
    path = tmp_path / "fra.tsv"
    path.write_text(
        "\tsen\tchild\thead\tswap_head\tfeature_vals\tprefix\twrong_sen\n"
        "0\tLes enfants jouent dehors.\tenfants\tjouent\tjoue\tPL -> SG\tLes enfants\t"
        "Les enfants joue dehors.\n",
        encoding="utf-8",
    )
    file = read_items(path)
    assert file.items == [Item("", ("Les enfants jouent dehors.", "Les enfants joue dehors."), 0)]
    assert file.left_out == "", "its header is one of items"
    assert file.unread == '"", child, head, swap_head, feature_vals and prefix'
    rows = tmp_path / "pairs.csv"
    rows.write_text("correct,incorrect\nCopiii merg.,Copiii merge.\n", encoding="utf-8")
    assert read_items(rows).left_out == ""
    rows.write_text("Copiii merg.,Copiii merge.\nEu citesc.,Eu citește.\n", encoding="utf-8")
    with pytest.raises(SourceError, match="such as good and bad"):
        read_items(rows)


def test_records_that_are_no_items_are_counted_with_their_place_and_reason(tmp_path: Path) -> None:
    wrong = [
        "{broken",
        {"good": "тигез", "bad": "тигез"},
        {"options": ["бер"], "answer": 0},
        {"options": ["бер", "ике"], "answer": 2},
        {"options": ["бер", "ике"]},
        {"good": "бар", "bad": " "},
        {"question": "Кем?"},
        ["бер", "ике"],
        {"options": ["бер", 2], "answer": 0},
        {"good": "Мин \ud800 укыйм.", "bad": "Мин укый."},
        {"text": "Бик яхшы китап.", "label": 1},
        {"text": "Мин китап", "endings": ["укыйм.", "укый."], "label": 0},
        {"context": ["Кем?"], "options": ["бер", "ике"], "answer": 0},
        {"good": "бар", "bad": "бармы", "group": ["сан"]},
    ]
    file = read_items(written(tmp_path / "a.jsonl", [*wrong, PAIRS[0]]))
    assert len(file.items) == 1
    for number in range(1, len(wrong) + 1):
        assert f"{number}" in file.left_out
    assert "0 to 1" in file.left_out
    assert "half a character" in file.left_out
    with pytest.raises(SourceError, match=r"no items: .*a\.jsonl"):
        read_items(written(tmp_path / "a.jsonl", wrong))
    both = written(tmp_path / "c.jsonl", [PAIRS[0], {"text": "Бер генә текст."}])
    with pytest.raises(SourceError, match="two tasks"):
        read_items(both)
    (tmp_path / "d.json").write_text(json.dumps([wrong[9], PAIRS[0]]), encoding="utf-8")
    listed = read_items(tmp_path / "d.json")
    assert len(listed.items) == 1
    assert "d.json, record 1" in listed.left_out


def test_answers_that_are_counted_from_1_are_refused(tmp_path: Path) -> None:
    path, options = tmp_path / "a.jsonl", ["укыйм", "укый"]
    ones = [{"context": "Мин китап", "options": options, "answer": n} for n in (1, 2, 1)]
    with pytest.raises(SourceError, match="counted from 1") as refused:
        read_items(written(path, ones))
    assert "from 0" in refused.value.do
    mistaken = [*ones, {"context": "Ул китап", "options": options[::-1], "answer": 0}]
    file = read_items(written(path, mistaken))
    assert [each.answer for each in file.items] == [1, 1, 0]
    assert "from 0" in file.left_out
    letters = [{"context": "Мин китап", "options": options, "answer": each} for each in "BBC"]
    assert len(items_of(path, *letters, mistaken[-1])) == 3


@pytest.mark.parametrize("name", ["recipe.toml", "folder", "folder.jsonl"])
def test_what_holds_no_items_is_refused_in_words_of_items(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.mkdir() if "folder" in name else path.write_text('name = "татар"\n', encoding="utf-8")
    with pytest.raises(SourceError, match="items") as refused:
        read_items(path)
    assert "conversation" not in str(refused.value)
    assert '{"good": …, "bad": …}' in refused.value.do


def test_options_cost_what_a_slow_reader_finds_after_their_context(wide: LanguageModel) -> None:
    model = wide
    items = [
        Item("Татарстанның башкаласы —", ("Казан.", "Париж.", "Бухарест."), 0, "шәһәр", " "),
        Item("Capitala României este", (" București.", " Kazan."), 0, "oraș"),
        *(Item("", (each["good"], each["bad"]), 0, each["uid"]) for each in PAIRS),
    ]
    seen = list[int]()
    judged = judge(model, items, seen.append)
    expected = [
        nats_of(model, each.context, each.blanks + o) for each in items for o in each.options
    ]
    np.testing.assert_allclose(judged.nats, expected, rtol=1e-5)
    assert sum(seen) == len(expected)
    assert judged.bytes.tolist()[:2] == [len(" Казан.".encode()), len(" Париж.".encode())]


@pytest.mark.parametrize(
    ("context", "options", "begins"),
    [
        # The last token of the context is another one before one of the options.
        ("балал", ("ар", "га"), "бала"),
        ("утырала", ("р.", " идем."), "утыра"),
        ("балал", ("га", "арны"), "бала"),
        ("souvena", ("it", "nt"), "souven"),
    ],
)
def test_options_that_go_on_with_a_word_are_judged_from_one_place(
    context: str, options: tuple[str, ...], begins: str, model: LanguageModel
) -> None:
    judged = judge(model, [Item(context, options, 0)], lambda _: None)
    rests = [(context + each).removeprefix(begins) for each in options]
    expected = [nats_of(model, begins, each) for each in rests]
    np.testing.assert_allclose(judged.nats, expected, rtol=1e-5)
    assert judged.bytes.tolist() == [len(each.encode()) for each in rests]
    assert judged.chars.tolist() == [len(each) for each in rests]


def test_a_text_costs_what_goldfish_counts_or_what_differs_if_that_is_nothing(
    model: LanguageModel,
) -> None:
    items = [Item("балал", (option,), None) for option in ("арны", "ар")]
    judged = judge(model, items, lambda _: None)
    expected = [nats_of(model, "балал", "арны"), nats_of(model, "бала", "лар")]
    np.testing.assert_allclose(judged.nats, expected, rtol=1e-5)
    assert judged.bytes.tolist() == [len("ны".encode()), len("лар".encode())]


def test_a_context_that_does_not_fit_loses_its_beginning_as_in_the_harness(
    wide: LanguageModel,
) -> None:
    """As many of the context's last tokens as fit are read before each option."""
    model = wide
    context, window = " ".join(each["good"] for each in PAIRS), model.decoder.config.context
    options = (" Балалар мәктәпкә баралар.", " Мин китап укыйм.")
    assert len(READER.encode(context)) > window
    judged = judge(model, [Item(context, options, 0)], lambda _: None)
    for option, nats in zip(options, judged.nats, strict=True):
        begin, ids = len(READER.encode(context)), READER.encode(context + option)
        kept = window - 1 - (len(ids) - begin)
        expected = document_nats(model.decoder, ids[begin - kept :], READER.end_id)[kept:]
        assert nats == pytest.approx(sum(expected), rel=1e-5)


def test_a_context_that_just_fits_keeps_its_beginning(wide: LanguageModel) -> None:
    """With the token that opens a text, the ids are as many as the window has, or one more."""
    window, option = wide.decoder.config.context, " Балалар мәктәпкә баралар."
    words = " ".join(each["good"] for each in PAIRS).split(" ")
    for surplus in (0, 1):
        context = next(
            text
            for n in range(len(words))
            for more in ("", " а", " а а", " а а а")
            if len(READER.encode((text := " ".join(words[:n]) + more) + option))
            == window - 1 + surplus
        )
        (nats, _) = judge(wide, [Item(context, (option, " б"), 0)], lambda _: None).nats
        begin, ids = len(READER.encode(context)), READER.encode(context + option)
        read = document_nats(wide.decoder, ids[surplus:], READER.end_id)
        assert nats == pytest.approx(sum(read[begin - surplus :]), rel=1e-5)


def test_options_longer_than_the_context_are_read_in_windows_and_counted(
    wide: LanguageModel,
) -> None:
    model = wide
    window, long = model.decoder.config.context, " ".join(each["good"] for each in PAIRS)
    items = [Item("Кояш", (long, " чыкты."), 1), Item("Кояш", (" чыга.", " чыкты."), 0)]
    judged = judge(model, items, lambda _: None)
    assert judged.nats[0] == pytest.approx(nats_of(model, "Кояш", long), rel=1e-5)
    said = long_options(items, judged, window)
    assert said.startswith(f"1 item with an option that is longer than the {window} tokens")
    assert long_options(items[1:], judged.only(np.array([False, False, True, True])), window) == ""


def test_items_with_an_option_without_a_token_are_left_out(
    model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = READER.encode_many
    with_gaps = lambda texts: encode([each.replace("🙂", "") for each in texts])  # noqa: E731
    monkeypatch.setattr(READER, "encode_many", with_gaps)
    items = [
        Item("Мин китап", (" укыйм.", "🙂"), 0),
        Item("", ("Балалар уйный.", "Балалар уйныйм."), 0),
        Item("", ("🙂🙂", "Балалар."), 1),
    ]
    kept, judged, said = with_tokens(items, judge(model, items, lambda _: None))
    assert kept == items[1:2]
    assert judged.nats == pytest.approx([nats_of(model, "", each) for each in items[1].options])
    assert "2 items" in said
    assert "Мин китап" in said
    assert with_tokens(kept, judged) == (kept, judged, "")


def test_accuracy_is_a_mean_over_groups_and_a_tie_is_wrong() -> None:
    items = [
        Item("", ("а", "б"), 0, "x"),
        Item("", ("а", "б"), 1, "x"),
        Item("", ("в", "г"), 0, "y"),
    ]
    costs = np.array([1.0, 2.0, 1.0, 2.0, 3.0, 3.0])
    assert are_right(items, costs).tolist() == [True, False, False]
    assert are_right(items, np.array([1.0, 2.0, 2.0, 1.0, np.nan, 3.0])).tolist() == [1, 1, 0]


def test_scores_are_of_all_items_of_groups_and_of_their_mean(model: LanguageModel) -> None:
    items = [Item("", (each["good"], each["bad"]), 0, each["uid"]) for each in PAIRS]
    items += [Item("", ("Мин укыйм.", "Мин укыйсың."), 0, "зат")]
    judged = judge(model, items, lambda _: None)
    found = list(item_scores(items, judged, task="a.jsonl"))
    right = are_right(items, judged.nats)
    whole = find(found, metric=ACCURACY, model="model", source=None)
    assert whole is not None
    assert whole.value == pytest.approx(right.mean())
    by_group = {
        name: right[[i.group == name for i in items]].mean() for name in {i.group for i in items}
    }
    mean = find(found, metric=ACCURACY, model="model", source=None, weighting="sources")
    assert mean is not None
    assert mean.value == pytest.approx(np.mean(list(by_group.values())))
    assert {each.source for each in found} == {None, *by_group}
    per_byte = find(found, metric=PER_BYTE, model="model", source=None)
    assert per_byte is not None
    sizes = [len(option.encode()) for item in items for option in item.options]
    assert per_byte.value == are_right(items, judged.nats / sizes).mean()
    assert "mean of groups" in aligned(cells(found))


def wilson(value: float, n: float) -> str:
    """Wilson's interval as it is shown: where the distance is 1.96 standard deviations."""
    places = np.linspace(0.0, 1.0, 1_000_001)
    inside = places[(places - value) ** 2 <= 1.959964**2 * places * (1 - places) / n]
    return f"{inside[0]:.4f}–{inside[-1]:.4f}"


def test_every_cell_of_two_groups_of_choices_is_what_is_computed_by_hand() -> None:
    by_nats_and_bytes = [  # and whether it is right by these
        (Item("", ("аб", "abc"), 0, "x"), [4.0, 5.0]),  # both; by characters it is not
        (Item("", ("abcdef", "ab"), 0, "x"), [6.0, 3.0]),  # by bytes
        (Item("", ("ab", "cd"), 0, "y"), [1.0, 2.0]),  # both
        (Item("", ("bcde", "a"), 1, "y"), [4.0, 2.0]),  # by nats
        (Item("", ("а", "бббб", "в"), 2, "y"), [3.0, 4.0, 1.0]),  # by nats: by bytes it is a tie
    ]
    items = [item for item, _ in by_nats_and_bytes]
    nats = np.array([each for _, costs in by_nats_and_bytes for each in costs])
    ones = np.ones(len(nats), dtype=np.int64)
    found = list(item_scores(items, Measured(nats, 2 * ones, 9 * ones, 5 * ones), task="a.jsonl"))
    assert cells(found)[1:] == [
        ["mean of groups", "0.7500", wilson(0.75, 3), "0.6667", "5"],
        ["all", "0.8000", wilson(0.8, 4), "0.6000", "5"],
        ["x", "0.5000", wilson(0.5, 2), "1.0000", "2"],
        ["y", "1.0000", wilson(1.0, 3), "0.3333", "3"],
    ]
    assert {(each.n_bytes, each.n_tokens) for each in found if each.source == "y"} == {(63, 14)}
    assert [each.averaged for each in found[:2]] == [("x", "y")] * 2
    without = [item._replace(group="" if item.group == "x" else "y") for item in items]
    shown = cells(list(item_scores(without, Measured(nats, ones, ones, ones), task="a.jsonl")))
    assert [row[0] for row in shown[1:]] == ["mean of groups", "all", "no group", "y"]


def test_every_cell_of_two_groups_of_texts_is_what_is_computed_by_hand() -> None:
    items = [Item("Мин", (" укыйм",), None, group) for group in "xxxxxyyyyyyy"]
    nats = np.log(2) * np.array([4.0] * 5 + [10.0] * 7)
    n_bytes = np.array([2] * 5 + [4] * 7)
    measured = Measured(nats, n_bytes // 2, n_bytes, n_bytes * 3)
    found = list(item_scores(items, measured, task="a.jsonl"))
    assert cells(found)[1:] == [
        # Texts of a group cost the same: the intervals are within groups, so they have no width.
        ["mean of groups", "7.0000", "7.0000–7.0000", "2.2500", "12"],
        ["all", "7.5000", "7.5000–7.5000", "2.3684", "12"],
        ["x", "4.0000", "too few", "2.0000", "5"],
        ["y", "10.0000", "too few", "2.5000", "7"],
    ]


def test_bits_of_texts_after_a_context_are_the_mean_over_texts(model: LanguageModel) -> None:
    halves = [
        ("Балалар мәктәп", "кә баралар."),
        ("Copiii merg", " la școală."),
        ("Les enf", "ants jouent."),
    ]
    items = [Item(context, (text,), None) for context, text in halves]
    found = list(item_scores(items, judge(model, items, lambda _: None), task="halves"))
    bits = [nats_of(model, *each) / math.log(2) for each in halves]
    per_text = find(found, metric=PER_TEXT, model="model", source=None)
    per_byte = find(found, metric=BITS, model="model", source=None)
    assert per_text is not None
    assert per_byte is not None
    assert per_text.value == pytest.approx(np.mean(bits), rel=1e-5)
    assert per_byte.value == pytest.approx(
        sum(bits) / sum(len(t.encode()) for _, t in halves), rel=1e-5
    )
    assert (per_text.low, per_text.no_interval) == (None, TOO_FEW), "of three texts"
