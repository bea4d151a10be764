"""What status, look and prune read off runs and artefacts."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from artefacts import DECLARED, ID, OTHER, a_run, make, nobody
from made_conversations import make_toy_examples, said
from made_scores import score

from endonym.commands.inspect import describe_unused, look, unused
from endonym.commands.status import describe_status, status, unrun
from endonym.copies.notes import COPIES
from endonym.corpus.corpus import Corpus, make_corpus
from endonym.disk import write_json
from endonym.errors import RecipeError, SourceError
from endonym.formats.config import Clean, Split
from endonym.formats.document import Reject
from endonym.formats.document_files import DROPPED, REMOVED, GzipLines, json_line, reject_line
from endonym.log import THIN, append_jsonl, columns, size
from endonym.runs.find import planned
from endonym.store import Artifact, Store, write_sealed
from endonym.tokenizer.tokenizer import Tokenizer
from endonym.tokenizer.train import fit


@pytest.fixture
def store(finished: Path) -> Store:
    return Store(finished / "store")


@pytest.fixture
def bare(tmp_path: Path) -> Store:
    """A store beside two runs: one stopped before it had a plan, one with a plan of three."""
    names = {"corpus": ID, "tokenizer": "b" * 64, "model pretrain": "c" * 64}
    stages = [{"name": n, "stage": n.split()[0], "id": i} for n, i in names.items()]
    a_run(tmp_path, "әкият")
    a_run(tmp_path, "шигырь", stages=stages)
    return Store(tmp_path / "store")


def test_a_run_without_a_plan_has_no_stages_yet(bare: Store) -> None:
    runs = bare.root.parent / "runs"
    assert planned(runs / "әкият") == []
    names = [stage["name"] for stage in planned(runs / "шигырь")]
    assert names == ["corpus", "tokenizer", "model pretrain"]
    found = status(bare, "әкият")
    assert (found[0]["stages"], found[0]["is_planned"]) == ([], False)
    assert "next: the same" in describe_status(found)
    (runs / "шигырь" / "plan.json").write_text("{", encoding="utf-8")  # It is no other's matter.
    assert (unrun(bare, "әкият"), status(bare, "әкият")) == ([], found)


def test_a_recipe_that_cannot_be_read_now_is_told_and_an_error_before_its_change_is_marked(
    finished: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(finished, tmp_path / "copy"))
    store, run, path = Store(home / "store"), home / "runs" / "kechkena", home / "recipe.toml"
    text = path.read_text(encoding="utf-8")
    failure = {"where": "phase.0", "message": "tokens беттеләр", "do": "Write fewer."}
    write_sealed(run / "failure.json", failure)

    def said() -> str:
        return describe_status(status(store, str(run)))

    assert "last error: phase.0: tokens беттеләр" in said()
    shares = "[[phase]]\nsources = {tatar = 0.2}\n"
    path.write_text(text.replace("[[phase]]\n", shares, 1), encoding="utf-8")
    assert "the recipe cannot be read now: " in said()
    assert "the shares of phase.sources sum up to 0.2" in said()
    path.write_text(text + '\n[[evaluate]]\nkind = "bits"\nbaselines = false\n', encoding="utf-8")
    assert "last error, before the recipe was changed: phase.0" in said()
    assert "cannot be read" not in said()


def test_a_recipe_that_was_never_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Found by its file, by its folder, and from the folder around it."""
    recipe = tmp_path / "my-tatar" / "recipe.toml"
    recipe.parent.mkdir()
    recipe.write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    store = Store(Path("store"))
    for name in (None, "my-tatar", "my-tatar/recipe.toml"):
        said = describe_status([], unrun(store, name))
        assert said.splitlines()[1:] == [
            "  a recipe is here, not yet run",
            "  next: endonym check my-tatar/recipe.toml, then endonym run my-tatar/recipe.toml",
        ]


def test_a_run_elsewhere_is_looked_up_in_its_own_store(finished: Path, tmp_path: Path):
    (found,) = status(Store(tmp_path / "store"), str(finished / "runs" / "kechkena"))
    assert {each["state"] for each in found["stages"]} == {"done"}
    name = str(finished / "runs" / "kechkena")
    looked = look(Store(tmp_path / "store"), name, dropped=None, text=None, count=1)
    assert "step 40: " in looked.text


def test_a_run_elsewhere_whose_last_model_learnt_to_chat_can_be_talked_to(tmp_path: Path) -> None:
    home, files = Store(tmp_path / "home" / "store"), {"b": "{}", "c": '{"chat_template": "…"}'}
    for sign, text in files.items():
        with home.workspace("model", sign * 64, waiting=nobody) as ctx:
            (ctx.out / "tokenizer_config.json").write_text(text, encoding="utf-8")
            home.publish(ctx, {**DECLARED, "stage": "model", "id": sign * 64, "numbers": {}})
    stages = [{"name": f"model {sign}", "stage": "model", "id": sign * 64} for sign in files]
    run = a_run(tmp_path / "home", "шигырь", stages=stages)
    found = status(Store(tmp_path / "store"), str(run))
    assert describe_status(found).splitlines()[-1] == f"  next: endonym chat {run}"


def test_columns_stay_apart_beside_long_and_wide_names(bare: Store) -> None:
    names = ("model " + "ұзын-" * 8, "source កម្ពុជា.txt", "corpus")
    stages = [{"name": each, "stage": "corpus", "id": "b" * 12} for each in names]
    plan = bare.root.parent / "runs" / "шигырь" / "plan.json"
    write_sealed(plan, {"store": "../../store", "stages": stages})
    lines = describe_status(status(bare, "шигырь")).splitlines()[1:4]
    assert len({columns(line[: line.index("bbb")]) for line in lines}) == 1
    assert all(name in line and "  bbb" in line for name, line in zip(names, lines, strict=True))
    (found,) = status(bare, "шигырь")
    for count, more in ((8, ""), (9, " and 1 more")):
        found["changed"] = [f"{n}.txt" for n in range(count)]
        assert f", 6.txt, 7.txt{more}\n" in describe_status([found])


def test_a_stage_is_done_started_or_missing(bare: Store) -> None:
    made = make(bare)
    part = bare.root / "model" / f"{'c' * 12}.part"
    for step in ("step-000008", "step-000016", "step-000024.tmp"):
        (part / step).mkdir(parents=True)
    (found,) = status(bare, "шигырь")
    states = [(each["state"], each["bytes"], each["note"]) for each in found["stages"]]
    assert states == [("done", made.bytes(), ""), ("missing", 0, ""), ("started", 0, "step-000016")]
    assert [Path(each["run"]).name for each in status(bare, None)] == ["шигырь", "әкият"]
    lines = describe_status([found]).splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["done", "missing", "started"]
    assert "goes on" in lines[-1]
    with bare.workspace("model", "c" * 12, waiting=nobody):
        (found,) = status(bare, "шигырь")
    assert found["stages"][-1]["state"] == "running"
    assert f"process {os.getpid()}" in found["stages"][-1]["note"]
    assert "status" in describe_status([found]).splitlines()[-1]


def test_what_is_looked_at_is_found_by_folder_by_id_and_by_run(store: Store) -> None:
    (corpus,) = (store.root / "corpus").iterdir()
    names = [str(corpus), corpus.name, corpus.name[:4]]
    texts = {look(store, name, dropped=None, text=None, count=2).text for name in names}
    assert len(texts) == 1
    with pytest.raises(RecipeError, match="RUN: no run is called"):
        look(store, corpus.name[:3], dropped=None, text=None, count=2)
    assert "parameters" in look(store, "kechkena", dropped=None, text=None, count=2).text


def test_a_run_that_has_not_come_so_far_is_told_to_run_first(bare: Store) -> None:
    with pytest.raises(RecipeError, match="шигырь: this run has no finished stage yet"):
        look(bare, "шигырь", dropped=None, text=None, count=1)
    with pytest.raises(RecipeError, match="no finished tokenizer yet"):
        look(bare, "шигырь", dropped=None, text="сүз", count=1)


def test_documents_of_a_corpus_are_shown_as_many_as_are_asked_for(store: Store) -> None:
    (folder,) = (store.root / "corpus").iterdir()
    train = list(Corpus(folder).documents("train"))
    for count in (0, 1, 3):
        found = look(store, folder.name, dropped=None, text=None, count=count)
        texts = [each["text"] for each in found.data["documents"]]
        assert texts == [each.text for each in train[:count]]
    lines = found.text.splitlines()
    assert [line.partition(":")[0] for line in lines[:3]] == ["others", "romanian", "tatar"]


def test_a_reason_nothing_was_dropped_for_is_refused(store: Store, tmp_path: Path):
    (folder,) = (store.root / "corpus").iterdir()
    copy = tmp_path / "corpus"
    shutil.copytree(folder, copy)
    card = json.loads((copy / "card.json").read_text(encoding="utf-8"))
    card["total"]["dropped"] = {"exact": {"records": 0, "bytes": 0}}
    (copy / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"^--dropped: .* for the reason mojibake") as caught:
        look(store, str(copy), dropped="mojibake", text=None, count=3)
    assert "exact; or all" in caught.value.do
    found = look(store, str(copy), dropped="exact", text=None, count=3)
    assert found.data == {"rejects": [], "dropped": {"exact": 0}, "removed": [], "parts": {}}


def drop(folder: Path) -> None:
    """Rejects as a corpus keeps them."""
    text = "Карурман уртасында\n— бер өй. " + "ә" * 500
    rejects = [
        Reject("min_chars", "a.txt#1", "tatar", "4 characters", "Юк."),
        Reject("min_chars", "a.txt#2", "tatar", "4 characters", "Бар"),
        Reject("max_chars", "a.txt#3", "tatar", "530 characters", text),
    ]
    (folder / "dropped").mkdir(parents=True)
    for reason in ("min_chars", "max_chars"):
        with GzipLines(folder / "dropped", f"{reason}.jsonl.gz") as lines:
            for each in rejects:
                if each.reason == reason:
                    lines.line(reject_line(each))


def test_what_was_dropped_begins_with_counts_by_reason_and_is_shown_as_text(bare: Store) -> None:
    """The corpus was refused: nothing else than what was dropped is left of it."""
    part = bare.folder("corpus", ID)
    drop(part.with_name(f"{part.name}.part") / "out")
    found = look(bare, "шигырь", dropped="all", text=None, count=1)
    lines = found.text.splitlines()
    counts = [" ".join(line.split()) for line in lines[:2]]
    assert counts == ["min_chars 2 too short", "max_chars 1 too long"]
    assert lines[2:5] == ["", "min_chars  tatar/a.txt#1  4 characters", "  Юк."]
    assert "  Карурман уртасында" in lines
    assert "min_chars: 1 of 2 shown; -n 2 shows all" in lines
    assert lines[-1].startswith("  — бер өй. ")
    assert lines[-1].endswith("…")
    every = look(bare, "шигырь", dropped="min_chars", text=None, count=2).text
    assert " of 2 shown" not in every
    assert found.data["dropped"] == {"min_chars": 2, "max_chars": 1}
    assert len(found.data["rejects"]) == 2
    with pytest.raises(RecipeError, match="for the reason exact"):
        look(bare, "шигырь", dropped="exact", text=None, count=1)


def test_a_text_is_shown_in_the_tokens_of_the_run(store: Store) -> None:
    found = look(store, "kechkena", dropped=None, text="әбием", count=1)
    assert "".join(found.data["tokens"]) == "әбием"
    count = len(found.data["tokens"])
    ratio = len("әбием".encode()) / count
    assert f"this text: {count} tokens, {ratio:.2f} bytes a token" in found.text
    (folder,) = (store.root / "tokenizer").iterdir()
    assert look(store, folder.name, dropped=None, text=None, count=1).data["tokens"] == []


def test_the_beginning_of_a_file_is_shown_in_tokens(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "хикәя.txt"
    file.write_text("Әбием мич янында. " * 500, encoding="utf-8")
    tokens = look(store, "kechkena", dropped=None, text=str(file), count=1).data["tokens"]
    assert "".join(tokens).startswith("Әбием мич янында. Әбием")
    assert len("".join(tokens)) < 2_000


def test_invisible_characters_among_tokens_are_shown_by_number(store: Store) -> None:
    found = look(store, "kechkena", dropped=None, text="បង\u200bភា", count=1)
    assert "U+200B" in found.text.splitlines()[-1]
    assert "\u200b" not in found.text


def trained(
    store: Store, bits: list[float], file: str = "validations.json", objective: str = "next_token"
) -> Artifact:
    """A model with validations of so many bits a byte, and three samples in its journal."""
    numbers = {"parameters": 9000, "steps": 30, "kept_step": 20}
    validations = [{"step": 10 * n, "bits": x, "nats": x / 4} for n, x in enumerate(bits)]
    with store.workspace("model", ID, waiting=nobody) as ctx:
        (ctx.out / file).write_text(json.dumps(validations), encoding="utf-8")
        declared: dict[str, Any] = {**DECLARED, "stage": "model", "id": ID, "numbers": numbers}
        declared["config"] = {"phase": {"objective": objective}}
        made = store.publish(ctx, declared)
    for step in (0, 10, 20):
        sample = {"event": "sample", "step": step, "prompt": "Таң ", "text": f"{step}\x06 атты."}
        append_jsonl(store.journal("model", ID), sample)
    append_jsonl(store.journal("model", ID), {"event": "step", "step": 21})
    return made


@pytest.mark.parametrize(
    ("bits", "curve"),
    [([3.0, 2.0, 2.5, 1.0], "█▄▆▁"), ([2.0, 2.0], "▁▁"), ([1.0, 2.0], "▁█"), ([1.5], "▁")],
)
def test_a_curve_has_a_bar_for_each_validation(tmp_path: Path, bits: list[float], curve: str):
    """Of eight heights: the lowest value has the first, the highest the last."""
    store = Store(tmp_path / "store")
    made = trained(store, bits)
    found = look(store, made.id, dropped=None, text=None, count=1)
    assert f"{bits[0]:.3f} {curve} {bits[-1]:.3f} (best {min(bits):.4f})" in found.text
    assert len(found.data["validations"]) == len(bits)
    assert found.text.splitlines()[0].startswith(
        f"9{THIN}000 parameters · 30 steps; the weights are those of step 20"
    )


CURVES = [
    ("chat", "validations.json", "dev bits/byte 2.000 █▁ 1.000 (best 1.0000)"),
    ("preferences", "validations.json", "dev loss 0.500 █▁ 0.250 (best 0.2500)"),
]


@pytest.mark.parametrize(("objective", "file", "curve"), CURVES)
def test_the_curve_is_of_what_the_phase_was_judged_by(
    objective: str, file: str, curve: str, tmp_path: Path
) -> None:
    """The preference loss is in nats of a choice: no bits of text."""
    store = Store(tmp_path / "store")
    made = trained(store, [2.0, 1.0], file, objective)
    assert curve in look(store, made.id, dropped=None, text=None, count=1).text


def test_without_texts_no_figure_of_texts_is_shown(store: Store, tmp_path: Path) -> None:
    (given,) = (store.root / "tokenizer").iterdir()
    home = Store(tmp_path / "store")
    with home.workspace("corpus", ID, waiting=nobody) as ctx:
        make_corpus([], Clean(), Split(), out=ctx.out)
        corpus = home.publish(ctx, {**DECLARED, "stage": "corpus", "id": ID, "numbers": {}})
    text = look(home, corpus.id, dropped=None, text=None, count=3).text
    assert text == "no texts: the recipe has no [[source]]"
    with home.workspace("tokenizer", ID, waiting=nobody) as ctx:
        shutil.copytree(given, ctx.out, dirs_exist_ok=True, ignore=shutil.ignore_patterns("mani*"))
        fitted = fit(Tokenizer.load(given / "tokenizer.json"), [])
        declared = {**DECLARED, "stage": "tokenizer", "id": ID, "numbers": {"held_out": fitted}}
        made = home.publish(ctx, declared)
    text = look(home, str(made.folder), dropped=None, text=None, count=3).text
    assert text == f"vocabulary {fitted['vocab']}"


def test_the_last_two_samples_are_shown_and_a_flag_must_fit(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    made = trained(store, [2.0])
    text = look(store, made.id, dropped=None, text=None, count=1).text
    assert "Таң 10␆ атты." in text
    assert text.endswith("Таң 20␆ атты.")
    assert "Таң 0␆ атты." not in text
    for flags, wanted in (({"dropped": "all"}, "corpus"), ({"text": "сүз"}, "tokenizer")):
        with pytest.raises(RecipeError, match=f"^ARTEFACT: .* a model, but .* at a {wanted}"):
            look(store, made.id, **({"dropped": None, "text": None} | flags), count=1)


LEAVING_OUT = """name = "școala"
language = "ro"
[[source]]
name = "texte"
path = "*.txt"
[tokenizer]
vocab = 300
[[phase]]
steps = 2
[variant.wide.model]
dim = 64
# left out, too, as lists of persons: texte/elevi.txt
"""


def test_conversations_that_are_left_out_are_shown_beside_the_documents(tmp_path: Path) -> None:
    stages = [{"name": "corpus", "stage": "corpus", "id": ID}]
    shared = {"stage": "examples", "id": OTHER}  # of two phases on the same conversations
    stages += [{"name": f"examples {name}", **shared} for name in ("elevi", "profesori")]
    a_run(tmp_path, "școala", recipe="recipe.toml", stages=stages)
    (tmp_path / "recipe.toml").write_text(LEAVING_OUT, encoding="utf-8")
    store = Store(tmp_path / "store")
    drop(store.work_folder("corpus", ID) / "out")
    odd = said("Stați jos!", "Ne așezăm.")
    odd["messages"][0]["role"] = "profesor"
    kept = [said("Unde e sala?", "Sus."), said("Cine are cheia?", "Moș Ion.")]
    left = store.work_folder("examples", OTHER) / "out"
    with pytest.raises(SourceError, match="above chat"):
        make_toy_examples(left, [*kept, odd, odd], max_rejected=0.4)
    for kind in (None, "examples"):
        found = look(store, "școala", kind, dropped="all", text=None, count=1)
        assert "message 1 is of 'profesor'" in found.text
        assert found.data["dropped"]["unknown_role"] == 2
        assert ("Карурман" in found.text) == ("left_out" in found.data) == (kind is None)
    one = look(store, "școala", dropped="unknown_role", text=None, count=2)
    assert [each["id"] for each in one.data["rejects"]] == ["records.jsonl#3", "records.jsonl#4"]
    with pytest.raises(RecipeError, match=r"^KIND: .* a corpus or examples"):
        look(store, "școala", "tokenizer", dropped="all", text=None, count=1)


def test_a_refused_corpus_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stages = [{"name": "corpus", "stage": "corpus", "id": ID}]
    run = a_run(tmp_path / "tatar", "әкият", stages=stages)
    part = Store(tmp_path / "tatar" / "store").folder("corpus", ID)
    left = part.with_name(f"{part.name}.part") / "out"
    drop(left)
    (tmp_path / "elsewhere").mkdir()
    for place, name in ((tmp_path, "әкият"), (run, "."), (tmp_path / "elsewhere", str(run))):
        monkeypatch.chdir(place)
        found = look(Store(Path("store")), name, dropped="all", text=None, count=9)
        assert found.data["dropped"] == {"min_chars": 2, "max_chars": 1}
    cut = left / "dropped" / "min_chars.jsonl.gz"
    cut.write_bytes(cut.read_bytes()[:-12])
    found = look(Store(Path("store")), str(run), dropped="all", text=None, count=9)
    assert found.data["dropped"]["max_chars"] == 1


def test_a_near_copy_is_shown_beside_the_text_that_stays(store: Store, tmp_path: Path) -> None:
    (folder,) = (store.root / "corpus").iterdir()
    copy = tmp_path / "corpus"
    shutil.copytree(folder, copy)
    sizes = {"records": 1, "bytes": 9}
    card = json.loads((copy / "card.json").read_text(encoding="utf-8"))
    card["total"]["dropped"] = {"near": sizes}
    card["total"]["rules"] = {"near": {"parts": 0}, "paragraphs": {"parts": 1}}
    (copy / "card.json").write_text(json.dumps(card), encoding="utf-8")
    detail = "similarity 0.91 to tt/a#1, which stays"
    near = Reject("near", "a#2", "tt", detail, "КОЯШ", 9, "tt/a#1")
    removed = Reject("paragraphs", "a#7", "tt", "why", "Кар", 6)
    for kind, reject in ((DROPPED, near), (REMOVED, removed)):
        (copy / kind).mkdir(exist_ok=True)
        with GzipLines(copy / kind, f"{reject.reason}.jsonl.gz") as lines:
            lines.line(reject_line(reject))
    with GzipLines(copy, COPIES) as lines:
        for name, text in (("b#1", "Җил"), ("a#1", "Кояш")):
            stays = {"source": "tt", "id": name, "text": text}
            lines.line(json_line({"stays": stays, "copies": 1, "goes": []}))
    found = look(store, str(copy), dropped="near", text=None, count=3)
    assert found.data["rejects"][0]["stayed_text"] == "Кояш"
    assert found.text.endswith(f"near  tt/a#2  {detail}\n  КОЯШ\n  tt/a#1 stays:\n  Кояш")
    cut = look(store, str(copy), dropped="paragraphs", text=None, count=3)
    assert cut.data["parts"] == {"paragraphs": 1}
    assert [each["text"] for each in cut.data["removed"]] == ["Кар"]
    assert cut.text.splitlines()[-2:] == ["paragraphs  tt/a#7  why", "  Кар"]


def put(store: Store, stage: str, identity: str, name: str, value: Any, **inputs: str) -> Artifact:
    """An artefact of one JSON file."""
    with store.workspace(stage, identity, waiting=nobody) as at:
        write_json(at.out / name, value)
        declared = {"stage": stage, "version": 1, "config": {}, "inputs": inputs, "numbers": {}}
        return store.publish(at, {**declared, "id": identity})


def test_a_model_of_preferences_is_listed_with_its_best_loss(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    trained(store, [1.6, 1.8], objective="preferences")
    assert unused(store)[0].note.startswith("0.400 loss of dev text")


def test_a_model_is_listed_with_its_best_score_and_when_it_was_finished_last(tmp_path: Path):
    store = Store(tmp_path / "store")
    bits = [{"bits": each} for each in (1.9, 1.7, 1.8)]
    model = put(store, "model", ID, "validations.json", bits)
    put(store, "model", OTHER, "config.json", {})
    assert [each.note for each in unused(store)] == ["1.700 bits/byte of dev text", "not scored"]
    for day in ("2026-01-02", "2026-03-04"):
        journal = store.journal("model", ID)
        append_jsonl(journal, {"event": "finished", "at": f"{day}T10:00:00+00:00"})
        append_jsonl(journal, {"event": "step", "step": 1})
    assert unused(store)[0].note == "1.700 bits/byte of dev text, finished 2026-03-04"
    for identity, split, value in (("a" * 64, "dev", 1.5), ("b" * 64, "test", 1.6)):
        scores = [asdict(score("model", value, split=split))]
        put(store, "evaluation", identity, "scores.json", scores, model=ID)
        note = next(each.note for each in unused(store) if each.id == model.id)
        wanted = "1.600 bits/byte of test text" if split == "test" else "1.700 bits/byte of dev"
        assert note.startswith(wanted)
    assert "finished models among them: 2." in describe_unused(unused(store))
    for each in unused(store):
        store.remove(each.folder)
    assert unused(store) == []
    assert not model.folder.exists()


def test_gguf_files_that_no_run_needs_are_listed_with_all_that_lies_in_them(tmp_path: Path):
    store, run = Store(tmp_path / "store"), tmp_path / "runs" / "tatar"
    run.mkdir(parents=True)
    for name in (f"{ID[:12]}-F16", f"{OTHER[:12]}-F16", f".{'c' * 12}.9.part"):
        inner = store.cache / "gguf" / name / "inner"
        inner.mkdir(parents=True)
        (inner / "model.gguf").write_bytes(b"GGUF")
    store.refer(run, {ID: "model"})
    found = unused(store)
    listed = [(each.kind, each.id, each.bytes) for each in found]
    assert listed == [("gguf (unfinished)", "c" * 12, 4), ("gguf", OTHER[:12], 4)]
    for each in found:
        store.remove(each.folder)
    assert [each.name for each in (store.cache / "gguf").iterdir()] == [f"{ID[:12]}-F16"]


def test_an_artefact_and_a_work_folder_without_a_run_are_listed_and_removed(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    made = make(store)
    part = store.root / "evaluation" / f"{'c' * 12}.part"
    part.mkdir(parents=True)
    (part / "scores.json").write_text("[]", encoding="utf-8")
    found = unused(store)
    listed = [(each.kind, each.id, each.bytes) for each in found]
    unfinished = ("evaluation (unfinished)", "c" * 12, 2)
    assert listed == [(made.stage, made.id, made.bytes()), unfinished]
    assert [each.note for each in found] == ["", ""]
    lines = describe_unused(found).splitlines()
    assert [line.index(each.id) for line, each in zip(lines, found, strict=True)] == [25, 25]
    for each in found:
        store.remove(each.folder)
    done = describe_unused(found, are_removed=True).splitlines()
    assert done == [*lines, f"removed 2 artefacts, {size(made.bytes() + 2)}"]
    assert unused(store) == []
    assert describe_unused([]) == "every artefact belongs to a run"
