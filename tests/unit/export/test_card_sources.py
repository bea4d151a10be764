"""What the README of a model says of its texts, and of the models that it learnt from."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from endonym.commands.load import card_of
from endonym.export.card import Card, Merged, readme
from endonym.export.history import History
from endonym.generate.language_model import LanguageModel
from endonym.store import Store


@pytest.fixture
def card(finished: Path) -> Card:
    """What is known of a finished run."""
    return card_of("kechkena", Store(finished / "store"))


def of(card: Card, model: LanguageModel, part: str) -> list[str]:
    """The lines of this part of the README that are not empty."""
    text = readme(card, model, is_gguf=False, sizes={"model.safetensors": 37_248})
    lines = text.partition(f"## {part}\n")[2].partition("\n## ")[0].splitlines()
    return [line for line in lines if line]


def of_another_corpus(history: History, letter: str, records: int) -> History:
    """Another model, of another corpus for which so many records were read."""
    corpus = history.corpus
    total = {**corpus.numbers["total"], "read": {"records": records}}
    manifest = {**corpus.manifest, "id": letter * 64, "numbers": {**corpus.numbers, "total": total}}
    phases = [
        replace(each, manifest={**each.manifest, "id": letter * 64}) for each in history.phases
    ]
    return replace(history, phases=phases, corpus=replace(corpus, manifest=manifest))


def cells(lines: list[str]) -> list[list[str]]:
    """The cells of the table of sources but for the bytes, without its head."""
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    return [[row[0], *row[2:]] for row in rows[2:]]


def told(history: History, licenses: Mapping[str, str], otherwise: str) -> list[list[str]]:
    """The cells of a model's sources."""
    return [
        [
            name,
            *(f"{each['kept'][side]['documents']:,}" for side in ("train", "dev", "test")),
            licenses.get(name, otherwise),
        ]
        for name, each in history.sources.items()
    ]


def test_sources_of_bases_and_teachers_stand_in_the_table_too(model: LanguageModel, card: Card):
    known = card.history
    assert known is not None
    base, teacher = (of_another_corpus(known, *each) for each in (("8", 8_888), ("9", 9_999)))
    licenses = {"tatar": "CC0-1.0"}
    own = told(known, licenses, "not stated")
    theirs = told(known, {}, "see its base")
    dropped = sum(each["records"] for each in known.corpus.numbers["total"]["dropped"].values())
    all_read = known.corpus.numbers["total"]["read"]["records"]
    cases: list[tuple[dict[str, Any], list[list[str]], list[int]]] = [
        ({}, own, [all_read]),
        ({"base": base}, [*theirs, *own], [8_888, all_read]),
        ({"teachers": [teacher]}, [*theirs, *own], [9_999, all_read]),
        ({"base": base, "teachers": [teacher]}, [*theirs * 2, *own], [8_888, 9_999, all_read]),
        ({"base": known, "teachers": [known]}, own, [all_read]),
    ]
    for keys, rows, records in cases:
        both = Card("kechkena", "tt", licenses, replace(known, **keys))
        lines = of(both, model, "Data")
        assert cells(lines) == rows
        assert [line for line in lines if "documents that were read" in line] == [
            f"Of {count:,} documents that were read, {dropped:,} were dropped by cleaning."
            for count in records
        ]


def test_a_model_has_no_license_if_that_of_a_base_or_teacher_is_not_known(
    model: LanguageModel, card: Card
) -> None:
    known = card.history
    assert known is not None
    licenses = dict.fromkeys(known.sources, "CC0-1.0")
    other = of_another_corpus(known, "8", 8_888)
    first = known.phases[0]
    foreign, chat = (
        [replace(first, manifest={**first.manifest, "inputs": inputs}), *known.phases[1:]]
        for name in ("folder", "examples")
        for inputs in [{**first.manifest["inputs"], name: "0123456789ab"}]
    )
    cases: list[tuple[dict[str, Any], str | None]] = [
        ({}, "cc0-1.0"), ({"base": known}, "cc0-1.0"), ({"base": other}, None),
        ({"teachers": [other]}, None), ({"teachers": [known]}, "cc0-1.0"),
        ({"phases": foreign}, None), ({"base": replace(known, phases=foreign)}, None),
        ({"teachers": [replace(known, phases=foreign)]}, None), ({"phases": chat}, None),
        ({"base": replace(known, phases=chat)}, None), ({"lost_teachers": {"0123"}}, None),
    ]  # fmt: skip
    for keys, license in cases:
        both = Card("kechkena", "tt", licenses, replace(known, **keys))
        text = readme(both, model, is_gguf=False, sizes={})
        assert ModelCard(text).data.license == license
        assert replace(both, merged=Merged("сүзләр")).license is None


def test_a_corpus_that_no_phase_has_read_is_not_told(model: LanguageModel, card: Card) -> None:
    known = card.history
    assert known is not None
    phase = known.phases[0]
    config = phase.manifest["config"]
    chat = {**config, "phase": {**config["phase"], "objective": "chat"}}
    base = of_another_corpus(known, "8", 8_888)
    base = replace(base, phases=[replace(phase, manifest={**phase.manifest, "config": chat})])
    lines = of(replace(card, history=replace(known, base=base)), model, "Data")
    assert not [line for line in lines if "8,888" in line]


TAUGHT = {
    "members": "2 models that were trained on the same text.",
    "known_teachers": "3 other models, whose texts stand above, too.",
    "unknown_teachers": "4 models made elsewhere, whose data and license are not all known here.",
}


@pytest.mark.parametrize("has", [*product((False, True), repeat=3)])
def test_each_kind_of_teacher_is_told_by_itself(
    model: LanguageModel, card: Card, has: tuple[bool, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for count, (is_there, name) in enumerate(zip(has, TAUGHT, strict=True), 2):
        monkeypatch.setattr(History, name, count * is_there)
    lines = [line for line in of(card, model, "Training") if "learned" in line]
    said = [text for is_there, text in zip(has, TAUGHT.values(), strict=True) if is_there]
    assert lines == [f"It learned also from the probabilities of {text}" for text in said]


@pytest.mark.parametrize(("synthetic", "named", "share"), [
    (("romanian",), "romanian", "25.0"),
    (("romanian", "others"), "romanian, others", "37.5"),
    (("others", "unread", "tatar"), "others, tatar", "75.0"),
    (("unread", "empty"), "", ""),
    ((), "", ""),
    (None, "", ""),
])  # fmt: skip
def test_the_share_of_text_that_no_person_wrote_is_said(
    model: LanguageModel,
    card: Card,
    synthetic: tuple[str, ...] | None,
    named: str,
    share: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = card.history
    assert known is not None
    shares = {"tatar": 0.625, "romanian": 0.25, "others": 0.125, "empty": 0.0}
    monkeypatch.setattr(History, "read_shares", lambda known: shares)
    said = f"{share} % of the training text was written by a program or a model (sources {named})."
    if synthetic is None:
        said = "Whether a program or a model wrote some of the training text is not known here."
    others: dict[str, dict[str, Any]] = {
        "": {},
        "base": {"base": known},
        "teachers": {"teachers": [known]},
        "base and teachers": {"base": known, "teachers": [known]},
    }
    for more, keys in others.items():
        both = replace(card, history=replace(known, **keys), synthetic=synthetic)
        aside = f"How much of the text of its {more} a program or a model wrote is not known here."
        lines = [line for line in of(both, model, "Data") if "a program or a model" in line]
        assert lines == [said] * (named != "" or synthetic is None) + [aside] * (more != "")


def test_only_what_the_last_phase_read_is_said_of_an_adapter(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts by their shares, or conversations; and what of them no person wrote."""
    known = card.history
    assert known is not None
    (phase,) = known.phases
    config = phase.manifest["config"]

    def last(**keys: Any) -> History:
        manifest = {**phase.manifest, "config": {**config, "phase": {**config["phase"], **keys}}}
        return replace(known, phases=[phase, replace(phase, manifest=manifest)])

    sources = [{"name": "others", "share": 0.25}, {"name": "tatar", "share": 0.75}]
    texts, chat = last(sources=sources), last(objective="chat")
    wrote = "of that text was written by a program or a model"
    assert replace(card, history=texts, synthetic=("romanian", "others")).last_data() == (
        "others, tatar",
        f"25.0 % {wrote} (sources others).",
    )
    assert replace(card, history=texts, synthetic=("romanian",)).last_data()[1] == ""
    assert replace(card, history=texts, synthetic=None).last_data()[1] == (
        "Whether a program or a model wrote some of that text is not known here."
    )
    counted = {"written": ["тел.jsonl", "ил.jsonl"]}
    monkeypatch.setattr(History, "answers", lambda own: [([], counted)] * (len(own.phases) == 1))
    said = "A program or a model wrote `тел.jsonl`, `ил.jsonl`."
    for synthetic in (None, ("others",)):
        made = replace(card, history=chat, synthetic=synthetic).last_data()
        assert made == ("conversations", said)
    assert replace(card, history=None, synthetic=()).last_data() == ("", "")
