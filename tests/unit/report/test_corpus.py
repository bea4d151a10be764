"""The report's cards: corpus, tokenizer, examples."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from artefacts import artefact_of
from made_conversations import conversations, make_toy_examples, pairs
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR, files, write
from toys import toy_tokenizer

from endonym.config import Config
from endonym.corpus.corpus import Corpus, make_corpus
from endonym.formats.config import Clean, Source, Split
from endonym.formats.document import Document
from endonym.log import size
from endonym.pipeline.execute import Made
from endonym.pipeline.stage import Stage
from endonym.report.corpus import (
    KEPT_SHOWN,
    SENTENCE_CHARS,
    answers_card,
    corpus_card,
    first_sentence,
    first_sentences,
    tokenizer_card,
)
from endonym.report.page import render
from endonym.store import Artifact
from endonym.tokenizer.train import fit

SECTIONS = (
    *(
        "language",
        "name",
        "outlook",
        "verdict",
        "numbers",
        "card",
        "groups",
        "closely",
        "phases",
        "tasks",
        "probes",
        "minimal_pairs",
        "typing",
        "writing",
        "samples",
        "prompts",
    ),
    *("corpus", "answers", "tokenizer", "model", "stages"),
)


def page_of(section: str, card: object) -> str:
    """A page that has this section alone."""
    return render("report.html", {**dict.fromkeys(SECTIONS, ()), section: card})


def rows_of(section: str, card: object) -> list[list[str]]:
    """The cells of all its tables."""
    rows = re.findall(r"<tr>(<td.*?)</tr>", page_of(section, card))
    return [re.findall(r"<td.*?>(.*?)</td>", row) for row in rows]


def facts_of(card: object) -> dict[str, str]:
    """The terms and figures of a page that has the section of the tokenizer alone."""
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page_of("tokenizer", card)))


def test_first_sentences_end_where_the_script_ends_them() -> None:
    assert first_sentence("ខ្ញុំចង់ទៅសាលារៀន។ គាត់មិនទៅទេ។") == "ខ្ញុំចង់ទៅសាលារៀន។"
    assert first_sentence("Ул килде. Мин киттем.") == "Ул килде."
    assert first_sentence("3.14 дөрес\nикенче юл") == "3.14 дөрес"


def test_a_sentence_is_never_longer_than_a_line_of_the_page() -> None:
    assert first_sentence("ә" * 500) == "ә" * SENTENCE_CHARS
    assert first_sentence("\n Таң атты\nикенче") == "Таң атты"
    assert first_sentence("") == ""


@pytest.fixture
def corpus(tmp_path: Path) -> Artifact:
    """Two sources: six lines of Tatar with a copy and a short one, and four texts of others."""
    write(tmp_path, "tatar.txt", [*TATAR, TATAR[0], "Кояш."])
    others = [KHMER[0], KHMER[1], ROMANIAN[0], f"  {FRENCH[0]}"]
    write(tmp_path, "others.txt", "\n\n".join(others) + "\n")
    sources = [
        Source(name="tatar", path=str(tmp_path / "tatar.txt"), document="line"),
        Source(name="others", path=str(tmp_path / "others.txt"), document="blank_lines"),
    ]
    pairs = [(source, files(source)) for source in sources]
    clean = Clean(normalize=("spaces",), min_chars=20, dedup=("exact",))
    out = tmp_path / "corpus"
    make_corpus(pairs, clean, Split(val_share=0.3, seed=7), out=out)
    return artefact_of(out)


def test_every_source_has_its_row_and_all_of_them_one(corpus: Artifact) -> None:
    card = corpus_card(corpus)
    others, tatar, total = rows = rows_of("corpus", card)[:3]
    assert [row[0] for row in rows] == ["others", "tatar", "all"]
    assert [row[1] for row in rows] == ["1", "1", "2"]
    assert [row[2] for row in rows] == ["4", "8", "12"]
    assert sum(int(tatar[n]) for n in (4, 6, 8)) == 6
    assert sum(int(others[n]) for n in (4, 6, 8)) == 4
    assert [int(total[n]) for n in (4, 6, 8)] == [int(tatar[n]) + int(others[n]) for n in (4, 6, 8)]
    assert [row[10] for row in rows] == ["0", "2", "2"]
    dropped = len((TATAR[0] + "Кояш.").encode())
    assert tatar[11] == size(dropped)


def test_what_was_dropped_is_counted_as_a_share_and_shown(corpus: Artifact) -> None:
    card = corpus_card(corpus)
    assert {tuple(row) for row in rows_of("corpus", card)[-2:]} == {
        ("exact", "1", size(len(TATAR[0].encode())), "8.3 %"),
        ("min_chars", "1", size(len("Кояш.".encode())), "8.3 %"),
    }
    shown = {reason: [each.text for each in rejects] for reason, rejects in card["rejects"]}
    assert shown == {"exact": [TATAR[0]], "min_chars": ["Кояш."]}


def test_the_most_frequent_reason_is_first_and_one_source_has_no_row_of_all(tmp_path: Path) -> None:
    lines = [*TATAR, TATAR[0], "Кояш.", "Таң.", f"  {FRENCH[0]}"]
    write(tmp_path, "tatar.txt", lines)
    source = Source(name="tatar", path=str(tmp_path / "tatar.txt"), document="line")
    clean = Clean(normalize=("spaces",), min_chars=20, dedup=("exact",))
    out = tmp_path / "corpus"
    make_corpus([(source, files(source))], clean, Split(val_share=0.3, seed=7), out=out)
    card = corpus_card(artefact_of(out))
    rows = rows_of("corpus", card)
    assert [row[0] for row in rows] == ["tatar", "spaces", "min_chars", "exact"]
    assert rows[1] == ["spaces", "1", "10.00 %", "0"]
    assert [row[1] for row in rows[2:]] == ["2", "1"]


def test_a_few_documents_of_every_set_are_shown_and_the_rest_is_told_in_notes(corpus: Artifact):
    card = corpus_card(corpus)
    counts = Counter((side, each.source) for side, each in card["kept"])
    assert counts["train", "tatar"] == KEPT_SHOWN
    assert {side for side, _ in counts} == {"train", "dev", "test"}
    assert max(counts.values()) <= KEPT_SHOWN
    notes = page_of("corpus", card).split('<ul class="plain">')[1].split("</ul>")[0]
    assert "utf-8 (2 files)" in notes
    assert "0 documents drawn for dev or test nearly repeat a training text" in notes
    assert "they are trained on instead" in notes
    assert "changed 1 of" in notes
    assert "<h3>Warnings</h3>" not in page_of("corpus", card)


def test_without_a_corpus_or_a_tokenizer_there_is_no_card(tmp_path: Path) -> None:
    assert corpus_card(None) is None
    assert corpus_card(artefact_of(tmp_path)) is None
    assert tokenizer_card(None, "bpe", None, None) is None


def test_of_a_recipe_without_texts_no_figure_of_texts_is_shown(tmp_path: Path) -> None:
    make_corpus([], Clean(), Split(), out=tmp_path / "corpus")
    assert corpus_card(artefact_of(tmp_path / "corpus")) is None
    made = toy_tokenizer("byte")
    made.save(tmp_path)
    (tmp_path / "report.json").write_text(json.dumps(fit(made, [])), encoding="utf-8")
    shards = artefact_of(tmp_path, numbers={"unused": 256, "train": {}})
    corpus = artefact_of(tmp_path / "corpus")
    card = tokenizer_card(artefact_of(tmp_path), "as it came", corpus, shards)
    assert facts_of(card) == {"kind": "as it came", "vocabulary": "259 ids"}
    assert (rows_of("tokenizer", card), card["sentences"]) == ([], [])


@pytest.fixture
def tokenizer(tmp_path: Path) -> Artifact:
    """A tokenizer of bytes, and how it fits two sources."""
    made, folder = toy_tokenizer("byte"), tmp_path / "tokenizer"
    folder.mkdir()
    made.save(folder)
    texts = [("tatar", "Таң атты."), ("roman", "A plouat")]
    (folder / "report.json").write_text(json.dumps(fit(made, texts)), encoding="utf-8")
    return artefact_of(folder)


def test_a_tokenizer_is_told_by_how_it_fits_each_source(tokenizer: Artifact) -> None:
    """Seven letters of two bytes, a blank and a stop; and eight letters of Romanian."""
    card = tokenizer_card(tokenizer, "byte", None, None)
    assert facts_of(card) == {"kind": "byte", "vocabulary": "259 ids"}
    assert rows_of("tokenizer", card) == [
        ["roman", "1.00", "4.00", "8", "8", "–"],
        ["tatar", "1.00", "8.00", "16", "16", "–"],
        ["all", "1.00", "6.00", "24", "24", "–"],
    ]
    assert card["sentences"] == []
    report = fit(toy_tokenizer("byte"), [("tatar", "Таң атты.")])
    (tokenizer.folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    alone = tokenizer_card(tokenizer, "byte", None, None)
    assert [row[0] for row in rows_of("tokenizer", alone)] == ["tatar"]


def test_ids_never_used_are_counted_by_shards(tokenizer: Artifact, corpus: Artifact):
    numbers = {"unused": 150, "train": {"tatar": {"unused": 170}}}
    shards = artefact_of(tokenizer.folder, numbers=numbers)
    card = tokenizer_card(tokenizer, "byte", corpus, shards)
    assert facts_of(card)["not used in training text"] == "150 ids"
    rows = rows_of("tokenizer", card)
    assert {row[0]: row[5] for row in rows} == {"roman": "–", "tatar": "170", "all": "150"}
    dev = {each.source: each.text for each in Corpus(corpus.folder).documents("dev")}
    for source, tokens in card["sentences"]:
        assert sum(count for _, count in tokens) == len(first_sentence(dev[source]).encode())
        assert "".join(text for text, _ in tokens) == first_sentence(dev[source])


def test_one_sentence_of_each_source_is_drawn_and_of_three_sources_at_most() -> None:
    texts = ["Таң атты. Кояш чыкты.", TATAR[1], "ярар.", "Da.", "Oui."]
    documents = [Document(text, "1", name) for name, text in zip("aabcd", texts, strict=True)]
    found = first_sentences(toy_tokenizer("char"), documents)
    read = {name: "".join(text for text, _ in tokens) for name, tokens in found}
    assert read == {"a": "Таң атты.", "b": "ярар.", "c": "Da."}


def made(name: str, kind: str, folder: Path, numbers: dict[str, object]) -> Made:
    stage = Stage(name, kind, Config(), lambda config, ctx: {})
    return Made(stage, Artifact(folder, {"numbers": numbers}), True, 1.0)


def test_each_phase_has_its_row_and_each_reason_its_own(tmp_path: Path) -> None:
    talks = [*conversations(18), {"prompt": "Нәрсә?"}, "{", "{"]
    chat = make_toy_examples(tmp_path / "a", talks, context=400)
    liked = make_toy_examples(tmp_path / "b", pairs(24), "preferences", context=400)
    sft = made("examples sft", "examples", tmp_path / "a", chat)
    dpo = made("examples dpo", "examples", tmp_path / "b", liked)
    found = answers_card([made("corpus", "corpus", tmp_path, {}), sft, dpo])
    rows = rows_of("answers", found)
    assert [row[:4] for row in rows[:2]] == [
        ["sft", "conversations", "21", "3"],
        ["dpo", "preference pairs", "24", "0"],
    ]
    assert [int(row[4]) + int(row[5]) for row in rows[:2]] == [18, 48]
    assert rows[2:] == [["sft", "bad_json", "2", "9.5 %"], ["sft", "no_columns", "1", "4.8 %"]]
    assert [each.id for each in found[0][2]["rejects"] if "prompt" in each.detail] == [
        "records.jsonl#19"
    ]


def test_a_run_without_answers_has_no_card(tmp_path: Path) -> None:
    assert answers_card([made("corpus", "corpus", tmp_path, {})]) == []
