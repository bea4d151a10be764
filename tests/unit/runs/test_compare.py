"""Runs side by side: who is best, and which differences may be claimed."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from artefacts import artefact_of
from made_contenders import SENTENCES, contender, validations
from made_scores import score
from toys import toy_config

from endonym.autopilot.cautions import Read
from endonym.log import THIN, number
from endonym.model.count import parameters
from endonym.runs.compare import as_dict, compare
from endonym.runs.comparison_tables import cells, describe
from endonym.runs.finished_runs import FinishedRun

RANDOM = np.random.default_rng(3)
HARD = RANDOM.gamma(4, 10, len(SENTENCES))
SAME = (HARD + RANDOM.normal(0, 1, len(SENTENCES))).tolist()
WORSE = (HARD + 8 + RANDOM.normal(0, 1, len(SENTENCES))).tolist()


def test_the_best_comes_first_and_each_other_is_measured_against_it(tmp_path: Path) -> None:
    runs = [contender(tmp_path, "tt@gpt2", WORSE), contender(tmp_path, "tt", HARD.tolist())]
    found = compare(runs)
    assert [run.name for run in found.runs] == ["tt", "tt@gpt2"]
    first, second = found.differences
    assert (first.value, first.is_claimed) == (0, False)
    gap = found.runs[1].score.value - found.runs[0].score.value
    assert second.value == pytest.approx(gap)
    assert second.is_claimed
    assert (second.low or 0) > 0
    assert found.notes[0].startswith("tt needs the fewest bits per byte, and the interval of every")
    assert "the same 30 test documents" in found.notes[0]


def test_it_is_said_when_every_model_loses_to_counting_and_how_far_sizes_differ(tmp_path: Path):
    good = contender(tmp_path, "good", [9.0] * len(SENTENCES))
    poor = [contender(tmp_path, name, [400.0] * len(SENTENCES)) for name in ("poor", "ярлы")]
    shape = json.loads((poor[0].folder / "model" / "config.json").read_text(encoding="utf-8"))
    small = json.dumps({**shape, "vocab": shape["vocab"] // 2})
    (poor[0].folder / "model" / "config.json").write_text(small, encoding="utf-8")
    notes = " ".join(compare(poor).notes)
    assert "Every model loses to compressor" in notes
    assert "bigram (2.3100)" in notes
    assert re.search(r"differ by a factor of 1\.\d\d: [\d\s]+ \(poor\) to [\d\s]+ \(ярлы\)", notes)
    assert "loses" not in " ".join(compare([good, poor[1]]).notes)
    nats, part = [400.0] * len(SENTENCES), {"sampled_from": 900}
    sampled = [contender(tmp_path / "900", n, nats, others=part) for n in ("poor", "ярлы")]
    assert "loses" not in " ".join(compare(sampled).notes), "a sample is of other documents"
    earlier = {"model": "before"}
    before = [contender(tmp_path / "b", n, nats, others=earlier) for n in ("poor", "ярлы")]
    assert "loses" not in " ".join(compare(before).notes), "it was trained, too"
    other = {"model": "before", "value": 2.2}
    before[1] = contender(tmp_path / "c", "ярлы", nats, others=other)
    notes = " ".join(compare(before).notes)
    assert "before of" not in notes.partition("loses")[2]
    assert "Parameters" not in " ".join(compare([good, poor[1]]).notes)


def test_it_is_said_when_some_runs_saw_more_text(tmp_path: Path) -> None:
    one, two = (contender(tmp_path, name, WORSE) for name in ("scurt", "lung"))
    alike = {**two.models[0].manifest, "numbers": {**two.models[0].numbers, "tokens": 1300}}
    more = {**alike, "numbers": {**two.models[0].numbers, "tokens": 6272}}
    alike, more = (replace(two, models=[replace(two.models[0], manifest=m)]) for m in (alike, more))
    assert not any("tokens differ" in note for note in compare([one, alike]).notes)
    (note,) = [note for note in compare([more, one]).notes if "tokens differ" in note]
    said = f"Training tokens differ by a factor of 4.90: 1{THIN}280 (scurt) to 6{THIN}272 (lung)."
    assert note == said


def test_that_a_run_read_less_text_stands_beside_the_claim(tmp_path: Path) -> None:
    one, two = (contender(tmp_path, name, WORSE) for name in ("tt@char", "tt@bpe"))
    for run, n_bytes, epochs in ((one, 65_000, 0.65), (two, 161_000, 1.61)):
        run.__dict__["read"] = Read(n_bytes, epochs, {"phase.pretrain.tokens": "141000"})
    note = compare([one, two]).notes[1]
    assert note.startswith("tt@char reads 2.5 times less text than tt@bpe: 0.65 epochs against 1.6")
    assert "--set phase.pretrain.tokens= --set phase.pretrain.epochs=1.61" in note
    two.__dict__["read"] = Read(161_000, 1.61, {"phase.pretrain.tokens": "350000"})
    assert "--set" not in compare([one, two]).notes[1], "it was meant so"
    of_two = Read(161_000, 1.61, {}, 256, 4.0)
    one.__dict__["read"], two.__dict__["read"] = of_two._replace(context=64), of_two
    assert compare([one, two]).notes[1].endswith("run tt@char with --set pack.context=256")
    one.__dict__["read"] = of_two._replace(context=0)  # it is not known
    assert not any("at once" in note for note in compare([one, two]).notes)


def test_the_first_line_says_whose_documents_these_are(tmp_path: Path) -> None:
    found = compare([contender(tmp_path, n, WORSE) for n in ("a", "b")])
    assert describe(found).splitlines()[0] == "test documents"
    for run in found.runs:
        path = run.judged.folder / "scores.json"
        lines = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps([{**each, "split": "dev"} for each in lines]), "utf-8")
    dev = compare([replace(run) for run in found.runs])
    assert describe(dev).splitlines()[0] == "dev documents"
    assert not any("To choose" in note for note in dev.notes)


def test_what_the_recipes_differ_in_is_named(tmp_path: Path) -> None:
    runs = [contender(tmp_path, name, WORSE) for name in ("a", "b")]
    sources = [
        '[[source]]\nname = "роман"\npath = "x"\n',
        '[[source]]\nname = "мәкаль"\npath = "y"\n',
    ]
    rest = '[clean]\nmin_chars = 5\n[[phase]]\nname = "p"\nlr = {}\n'
    texts = ["".join(sources) + rest.format(0.1), sources[0] + rest.format(0.2) + "steps = 9\n"]
    for run, text in zip(runs, texts, strict=True):
        (run.folder / "recipe.toml").write_text(f'name = "{run.name}"\n{text}', encoding="utf-8")
    note = next(each for each in compare(runs).notes if "recipes differ" in each)
    assert note == "Their recipes differ in source.мәкаль, phase.p.lr, phase.p.steps."
    for count, more in ((5, "."), (6, " and 1 more.")):
        keys = "".join(f"a{n} = 1\n" for n in range(count))
        (runs[1].folder / "recipe.toml").write_text(f"{texts[1]}{keys}", encoding="utf-8")
        again = compare([runs[0], replace(runs[1])]).notes
        assert next(each for each in again if "recipes differ" in each).endswith(f"p.a4{more}")


def test_a_key_with_its_default_differs_in_nothing_from_one_that_is_left_out(tmp_path: Path):
    runs = [contender(tmp_path, name, WORSE) for name in ("a", "b")]
    ground = 'name = "tt"\nlanguage = "{}"\n[[phase]]\nsteps = 9\n[tokenizer]\n'
    for run, own in zip(runs, ('vocab = 1024\nkind = "bpe"', "vocab = 2048"), strict=True):
        text = f"{ground.format('tt')}{own}\n"
        (run.folder / "recipe.toml").write_text(text, encoding="utf-8")
    assert "Their recipes differ in tokenizer.vocab." in compare(runs).notes


def test_of_two_languages_it_is_said_that_figures_do_not_compare(tmp_path: Path) -> None:
    texts = {"ky": ["Балдар сууда ойношот."] * 12, "hi": ["बच्चे पानी में खेलते हैं।"] * 12}
    runs = [contender(tmp_path, name, [40.0] * 12, texts=each) for name, each in texts.items()]
    for run in runs:
        recipe = f'name = "{run.name}"\nlanguage = "{run.name}"\n'
        (run.folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    found = compare(runs)
    assert not found.documents
    assert not found.is_of_one_language
    assert any("share none of them" in note for note in found.notes)


def test_who_has_dev_scores_is_not_told_to_make_them(tmp_path: Path) -> None:
    runs = [contender(tmp_path, name, WORSE) for name in ("a", "b")]
    (note,) = [note for note in compare(runs).notes if "To choose" in note]
    assert note.endswith(': [[evaluate]] split = "dev", then compare --split dev.')
    for run in runs:
        path = run.folder / "evaluation 2" / "scores.json"
        path.parent.mkdir()
        path.write_text(json.dumps([asdict(score("model", 1.75, split="dev"))]), "utf-8")
        notes = compare([replace(each) for each in runs]).notes
        assert any("To choose" in note for note in notes), "not all have them yet"
        run.evaluations.append(artefact_of(path.parent))
    assert not any("To choose" in note for note in compare([replace(run) for run in runs]).notes)


def test_a_source_with_few_documents_takes_no_interval_from_the_others(tmp_path: Path) -> None:
    """On the four sayings the worse run is much better: by the mean over sources it is first."""
    sources = ["roman"] * 13 + ["știri"] * 13 + ["zicători"] * 4
    nats = np.array(WORSE) - np.where(np.arange(30) < 26, 0, 400)
    good = contender(tmp_path, "bun", HARD.tolist(), sources=sources)
    runs = [good, contender(tmp_path, "slab", nats.tolist(), sources=sources)]
    assert runs[1].score.value < runs[0].score.value
    found = compare(runs)
    assert [run.name for run in found.runs] == ["bun", "slab"]
    assert found.differences[1].is_claimed
    assert found.documents == 26
    (note,) = [note for note in found.notes if "Too few" in note]
    assert "zicători. So all figures here are over roman and știri alone: 26 documents." in note
    bits = [each.value for each in found.bits]
    assert bits == sorted(bits), "the column is of the same documents as the order"
    assert found.differences[1].value == pytest.approx(bits[1] - bits[0])
    assert [float(row[1]) for row in cells(found)[1:3]] == pytest.approx(bits, abs=5e-5)
    assert found.baselines == [], "they are of all documents"
    assert found.notes[0].startswith("bun needs the fewest bits per byte, and the interval")
    alone = compare(
        [
            contender(tmp_path / "26", n, v[:26], texts=SENTENCES[:26], sources=sources[:26])
            for n, v in (("bun", HARD.tolist()), ("slab", WORSE))
        ]
    )
    assert found.differences[1] == alone.differences[1]


def test_a_difference_whose_interval_holds_zero_is_not_claimed(tmp_path: Path) -> None:
    given = {"a": HARD.tolist(), "b": SAME, "c": WORSE, "d": HARD.tolist()}
    found = compare([contender(tmp_path, name, nats) for name, nats in given.items()])
    best, *near = [run.name for run in found.runs][:3]
    assert [each.is_claimed for each in found.differences] == [False, False, False, True]
    assert found.notes[0].startswith(
        f"{best} needs the fewest bits per byte; {near[0]} and {near[1]} cannot be told apart"
    )


def test_runs_are_ordered_by_the_mean_over_sources_and_so_are_their_differences(tmp_path: Path):
    texts = [text * (40 if n < 15 else 1) for n, text in enumerate(SENTENCES)]
    sources = ["роман"] * 15 + ["мәкаль"] * 15
    sizes = np.array([len(text.encode("utf-8")) for text in texts])
    long = np.arange(30) < 15
    one, two = sizes * np.where(long, 1.0, 2.0), sizes * np.where(long, 1.1, 1.5)
    assert one.sum() < two.sum()
    given = {"texts": texts, "sources": sources}
    found = compare(
        [contender(tmp_path, n, v.tolist(), **given) for n, v in (("a", one), ("b", two))]
    )
    assert [run.name for run in found.runs] == ["b", "a"]
    assert found.differences[1].value == pytest.approx((0.5 - 0.1) / 2 / np.log(2))
    assert found.differences[1].is_claimed
    assert any("means over the sources" in note for note in found.notes)
    apart = contender(tmp_path, "c", two.tolist(), texts=texts, sources=sources[::-1])
    assert compare([found.runs[0], apart]).differences == []


def test_a_compressor_line_of_a_sample_says_so(tmp_path: Path) -> None:
    some = {"sampled_from": 900}
    runs = [contender(tmp_path, n, v, others=some) for n, v in (("a", HARD.tolist()), ("b", WORSE))]
    assert "compressor (412 of 900 documents)" in describe(compare(runs))


def test_what_the_models_need_on_the_compressors_sample_stands_with_its_line(tmp_path: Path):
    def runs(folder: str, **other: int) -> list[FinishedRun]:
        made = [
            contender(tmp_path / folder, "a", HARD.tolist()),
            contender(tmp_path / folder, "b", WORSE, others=other),
        ]
        for run in made:
            path = run.judged.folder / "scores.json"
            lines = json.loads(path.read_text(encoding="utf-8"))
            lines.append(asdict(score("model_on_sample", 1.25)))
            path.write_text(json.dumps(lines), "utf-8")
        return made

    said = "On the documents of the compressor's line: a 1.2500 and b 1.2500."
    assert said in compare(runs("same")).notes
    assert not any("compressor's line" in note for note in compare(runs("apart", n_bytes=7)).notes)


def test_below_ten_documents_nothing_is_claimed(tmp_path: Path) -> None:
    few = {"texts": SENTENCES[:9]}
    runs = [contender(tmp_path, n, v[:9], **few) for n, v in (("a", HARD.tolist()), ("b", WORSE))]
    found = compare(runs)
    assert not any(each.is_claimed for each in found.differences)
    assert "no difference is claimed" in found.notes[0]
    assert "it takes 10 test documents" in found.notes[1]
    assert "–" in describe(found)


def test_runs_that_judged_other_texts_are_compared_on_those_that_all_share(tmp_path: Path) -> None:
    one = contender(tmp_path, "wide", WORSE)
    two = contender(tmp_path, "tt", HARD.tolist()[10:], texts=SENTENCES[10:])
    short = contender(tmp_path, "short", WORSE[10:], texts=SENTENCES[10:])
    found = compare([one, two])
    assert [run.name for run in found.runs] == ["tt", "wide"]
    shared = compare([short, two])
    assert found.differences == pytest.approx(shared.differences)
    assert found.documents == shared.documents == 20
    assert any(
        "(wide: 30; tt: 20): all figures here are over the 20" in each for each in found.notes
    )
    assert as_dict(found)["shared_documents"] == 20


def test_runs_that_share_too_few_texts_are_listed_without_differences(tmp_path: Path) -> None:
    one = contender(tmp_path, "wide", WORSE)
    two = contender(tmp_path, "tt", HARD.tolist()[:9], texts=SENTENCES[:9])
    found = compare([one, two])
    assert [run.name for run in found.runs] == ["tt", "wide"]
    assert found.differences == []
    assert [line.model for line in found.baselines] == ["compressor", "bigram", "unigram"]
    assert "wide: 30; tt: 9) and share 9 from the same sources" in found.notes[0]
    heads, *_ = cells(found)
    assert "to the best" not in heads
    data = as_dict(found)
    assert not data["same_documents"]
    assert [run["difference"] for run in data["runs"]] == [None, None]


def test_an_evaluation_of_an_earlier_endonym_is_told_with_what_to_do(tmp_path: Path) -> None:
    old = contender(tmp_path, "old", WORSE, has_documents=False)
    found = compare([old, contender(tmp_path, "tt", HARD.tolist())])
    assert found.differences == []
    assert found.notes[0].startswith("old kept no scores of single documents")
    assert "Run again" in found.notes[0]


def test_baselines_stand_once_and_only_if_they_are_the_same_for_all(tmp_path: Path) -> None:
    one = contender(tmp_path, "a", HARD.tolist())
    found = compare([one, contender(tmp_path, "b", WORSE)])
    assert [line.model for line in found.baselines] == ["compressor", "bigram", "unigram"]
    _, *rows = cells(found)
    assert [row[0] for row in rows] == ["a", "b", "compressor", "bigram", "unigram"]
    apart = compare([one, contender(tmp_path, "c", WORSE, others={"n_bytes": 7})])
    assert apart.baselines == []
    (note,) = [each for each in apart.notes if "each run has its own" in each]
    assert "No rows for unigram, bigram and compressor" in note


def test_baselines_that_count_tokens_stand_once_for_each_tokenizer(tmp_path: Path) -> None:
    runs = [contender(tmp_path, n, HARD.tolist()) for n in ("tt@bpe", "tt@bpe+seed=2", "tt@char")]
    path = runs[2].judged.folder / "scores.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    for row in rows:
        row["value"] += row["model"] in ("unigram", "bigram")
    path.write_text(json.dumps(rows), encoding="utf-8")
    names = [line.model for line in compare(runs).baselines]
    assert names[:3] == ["compressor", "bigram of tt@bpe", "unigram of tt@bpe"]
    assert sorted(names[3:]) == ["bigram of tt@char", "unigram of tt@char"]


def test_the_groups_that_intervals_draw_are_told(tmp_path: Path) -> None:
    runs = [contender(tmp_path, n, HARD.tolist()) for n in ("a", "b")]
    for run in runs:
        path = run.judged.folder / "documents.npy"
        rows = np.load(path)
        rows["group"] //= 2
        np.save(path, rows)
    found = compare(runs)
    assert as_dict(found)["shared_groups"] == 15
    assert any("over 15 groups" in note and "fewer than 30" in note for note in found.notes)


def test_tokens_and_times_are_those_of_all_phases(tmp_path: Path) -> None:
    phases = [validations([3.0, 2.0]), validations([2.0, 1.8, 1.7])]
    run = contender(tmp_path, "tt", HARD.tolist(), journals=phases)
    assert (run.tokens, run.epochs, run.seconds) == (2560, 2.0, 6.0)
    assert run.speed == pytest.approx(2560 / 6)
    lost = contender(tmp_path, "lost", HARD.tolist(), journals=[[]])
    assert (lost.seconds, lost.speed, lost.machine) == (0, None, None)
    heads, *rows = cells(compare([run, lost]))
    by_name = {row[0]: row for row in rows}
    assert by_name["tt"][heads.index("tokens")] == f"2{THIN}560"
    assert by_name["tt"][-3:] == ["6.0 s", "427", "10 of 20"]
    assert by_name["lost"][-3:-1] == ["–", "–"]


def test_times_of_different_machines_are_no_comparison(tmp_path: Path) -> None:
    elsewhere = validations([3.0, 2.0])
    elsewhere[0]["processor"] = "slide rule"
    one = contender(tmp_path, "a", HARD.tolist())
    assert not any("times" in note for note in compare([one, one]).notes)
    two = contender(tmp_path, "b", WORSE, journals=[elsewhere])
    assert any("times" in note for note in compare([one, two]).notes)


def test_the_table_is_aligned_whatever_the_names_are(tmp_path: Path) -> None:
    runs = [contender(tmp_path, n, v) for n, v in (("tt@ភាសា", WORSE), ("tt", HARD.tolist()))]
    lines = describe(compare(runs)).splitlines()
    heads, first, second = lines[1:4]
    assert heads.split()[:3] == ["run", "bits/byte", "95"]
    for head, cell in (("bits/byte", f"{runs[1].score.value:.4f}"), ("tokens", f"1{THIN}280")):
        assert heads.index(head) + len(head) == first.index(cell) + len(cell)
    assert first.split()[:2] == ["tt", f"{runs[1].score.value:.4f}"]
    assert second.startswith("tt@ភាសា")
    assert first.index("qwen3") + len("qwen3") == heads.index("family") + len("family")


def test_runs_of_one_recipe_are_called_by_their_variants(tmp_path: Path) -> None:
    one, two = contender(tmp_path, "tt", HARD.tolist()), contender(tmp_path, "tt@wide", WORSE)
    found = compare([one, two])
    assert found.name == "tt"
    assert [found.short(run) for run in found.runs] == ["tt", "wide"]
    mixed = compare([two, contender(tmp_path, "ro@wide", HARD.tolist())])
    assert mixed.name == ""
    assert {mixed.short(run) for run in mixed.runs} == {"tt@wide", "ro@wide"}
    by_path = [replace(run, name=f"p@{n}/{run.name}") for n, run in enumerate((one, two))]
    found = compare(by_path)
    assert found.name == ""
    assert [found.short(run) for run in found.runs] == ["p@0/tt", "p@1/tt@wide"]


def test_the_form_for_machines_names_every_number(tmp_path: Path) -> None:
    runs = [contender(tmp_path, n, v) for n, v in (("a", HARD.tolist()), ("b", WORSE))]
    data = as_dict(compare(runs))
    assert set(data) == {
        "runs", "others", "baselines", "same_documents", "shared_documents",
        "shared_groups", "shared_bytes", "comparisons", "seeds", "notes",
    }  # fmt: skip
    run = data["runs"][1]
    assert run["name"] == "b"
    assert run["machine"] == {"processor": "abacus", "threads": "2"}
    assert (run["corpus"], run["versions"]) == (None, {}), "its plan and journal say neither"
    assert set(run["difference"]) == {"value", "low", "high", "no_interval", "is_claimed"}
    assert run["score"]["metric"] == "bits_per_byte"
    assert run["score"]["source"] is None
    assert (run["train_tokens"], run["seconds"], run["kept_step"]) == (1280, 4.0, 10)
    assert (run["run"], run["seed"], run["lr"]) == (str(runs[1].folder), 42, 0.006)
    assert [run[key] for key in ("family", "steps", "tokens_per_second")] == ["qwen3", 20, 320.0]
    assert run["parameters"] == run["active_parameters"] > 0


def test_experts_that_a_token_does_not_use_are_counted_apart(tmp_path: Path) -> None:
    dense, sparse = (contender(tmp_path, name, WORSE) for name in ("dense", "sparse"))
    shape = toy_config("moe")
    text = json.dumps(shape.model_dump())
    (sparse.folder / "model" / "config.json").write_text(text, encoding="utf-8")
    total, active = parameters(shape).total, parameters(shape).active
    found = compare([dense, sparse])
    heads, _, row, *_ = cells(found)
    assert row[heads.index("parameters")] == f"{number(total)} ({number(active)} active)"
    run = as_dict(found)["runs"][1]
    assert (run["parameters"], run["active_parameters"]) == (total, active)
    assert f"to {number(total)} (sparse)." in next(n for n in found.notes if "Parameters" in n)
