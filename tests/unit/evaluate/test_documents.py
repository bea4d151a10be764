"""What each document cost: known by its text, compared in pairs."""

import math
from pathlib import Path

import numpy as np
import pytest

from endonym.evaluate.documents import (
    RECORD,
    Documents,
    are_of_same_texts,
    are_same,
    difference,
    documents,
    documents_for_intervals,
    load_documents,
    mean_difference,
    mean_interval,
    named_in,
    save,
    shared,
)
from endonym.evaluate.score import Measured, ratio

TEXTS = [f"Әбием мич янында {number} бияләй бәйли." for number in range(40)]


ONE = ["мәкаль"] * 40
SOURCES = ["мәкаль", "хикәя"] * 20


def measured(nats: list[float], texts: list[str]) -> Measured:
    sizes = np.array([len(text.encode("utf-8")) for text in texts])
    return Measured(np.array(nats), sizes, sizes, sizes)


def test_documents_come_back_with_their_sizes_and_nats_sorted_by_text(tmp_path: Path) -> None:
    nats = [float(number) for number in range(40)]
    save(tmp_path, documents(TEXTS, SOURCES, measured(nats, TEXTS)))
    found = load_documents(tmp_path)
    assert sorted(found["nats"].tolist()) == nats
    assert (np.diff(found["text"].astype(float)) >= 0).all()
    by_nats = dict(zip(found["nats"].tolist(), found["bytes"].tolist(), strict=True))
    assert by_nats == {n: len(text.encode("utf-8")) for n, text in zip(nats, TEXTS, strict=True)}


def test_the_same_texts_in_another_order_are_the_same_documents(tmp_path: Path) -> None:
    nats = [float(number) for number in range(40)]
    given = {
        "one": (TEXTS, SOURCES),
        "other": (TEXTS[::-1], SOURCES[::-1]),
        "fewer": (TEXTS[1:], SOURCES[1:]),
        "moved": (TEXTS, SOURCES[::-1]),
    }
    for name, (texts, sources) in given.items():
        (tmp_path / name).mkdir()
        save(tmp_path / name, documents(texts, sources, measured(nats[: len(texts)], texts)))
    found = {name: load_documents(tmp_path / name) for name in given}
    one = found["one"]
    assert one is not None
    same = {name for name, each in found.items() if each is not None and are_same(one, each)}
    assert same == {"one", "other"}
    save(tmp_path / "fewer", documents(TEXTS, SOURCES, measured(nats, TEXTS), {"хикәя"}))
    apart = load_documents(tmp_path / "fewer")
    assert apart is not None
    assert are_of_same_texts(one, apart)
    assert not are_same(one, apart), "another mean over sources"
    changed = documents([*TEXTS[:-1], "башка"], SOURCES, measured(nats, TEXTS))
    assert not are_same(one, changed)


def test_one_text_of_two_sources_is_two_documents_in_any_order(tmp_path: Path) -> None:
    found = list[Documents]()
    for name, sources in (("one", ["мәкаль", "хикәя"]), ("other", ["хикәя", "мәкаль"])):
        (tmp_path / name).mkdir()
        texts = [TEXTS[0]] * 2
        save(tmp_path / name, documents(texts, sources, measured([1.0, 2.0], texts)))
        loaded = load_documents(tmp_path / name)
        assert loaded is not None
        found.append(loaded)
    assert are_same(*found)


def test_documents_that_were_kept_without_their_sources_are_none(tmp_path: Path) -> None:
    assert load_documents(tmp_path) is None
    found = documents(TEXTS, SOURCES, measured([1.0] * 40, TEXTS))
    old = [name for name in RECORD.names or () if name != "source"]
    save(tmp_path, np.array(found[old].tolist(), dtype=[(name, RECORD[name]) for name in old]))
    assert load_documents(tmp_path) is None


@pytest.mark.parametrize("names", [ONE, ["мәкаль"] * 20 + ["хикәя"] * 20])
def test_neighbours_are_drawn_together_in_a_difference_too(names: list[str]) -> None:
    """Of eight groups no interval is given, of forty documents there is one."""
    hard = np.repeat(np.random.default_rng(2).normal(60, 9, 8), 5)
    plain, other = measured(hard.tolist(), TEXTS), measured([60.0] * 40, TEXTS)
    groups = np.arange(40) // 5
    grouped = Measured(plain.nats, plain.tokens, plain.bytes, plain.chars, groups=groups)
    found, even = documents(TEXTS, names, grouped), documents(TEXTS, names, other)
    assert found["group"].tolist() == groups.tolist()
    value, low, high = difference(documents(TEXTS, names, plain), even)
    assert None not in (low, high)
    assert difference(found, even) == (value, None, None)


def test_a_paired_interval_sees_what_two_intervals_hide() -> None:
    random = np.random.default_rng(5)
    hard = random.gamma(4, 20, 40)
    one = measured((hard + 1 + random.normal(0, 0.2, 40)).tolist(), TEXTS)
    other = measured(hard.tolist(), TEXTS)
    value, low, high = difference(documents(TEXTS, ONE, one), documents(TEXTS, ONE, other))
    assert low is not None
    assert high is not None
    assert 0 < low < value < high
    first, second = (ratio(each.nats / math.log(2), each.bytes) for each in (one, other))
    assert value == pytest.approx(first.value - second.value)
    assert (second.high or 0) > (first.low or 0)


def test_the_difference_to_itself_is_zero_and_changes_its_sign_with_its_sides() -> None:
    random = np.random.default_rng(1)
    one = documents(TEXTS, SOURCES, measured(random.gamma(4, 20, 40).tolist(), TEXTS))
    other = documents(TEXTS, SOURCES, measured(random.gamma(4, 20, 40).tolist(), TEXTS))
    assert difference(one, one) == (0.0, 0.0, 0.0)
    value, low, high = difference(one, other)
    assert difference(other, one) == pytest.approx((-value, -(high or 0), -(low or 0)))


def test_a_difference_is_of_the_means_over_sources() -> None:
    sources = ["озын"] * 20 + ["кыска"] * 20
    texts = [text * (30 if n < 20 else 1) for n, text in enumerate(TEXTS)]
    sizes = np.array([len(text.encode("utf-8")) for text in texts])
    bits = np.where(np.arange(40) < 20, 1.0, 3.0) * sizes * math.log(2)
    worse = bits + np.where(np.arange(40) < 20, 0.0, 0.5) * sizes * math.log(2)
    one, other = (documents(texts, sources, measured(n.tolist(), texts)) for n in (worse, bits))
    value, low, high = difference(one, other)
    assert (value, low, high) == pytest.approx((0.25, 0.25, 0.25))


def test_a_source_that_is_not_averaged_is_no_part_of_the_difference() -> None:
    names = ["мәкаль"] * 18 + ["хикәя"] * 18 + ["җыр"] * 4
    nats = np.arange(40.0)
    worse = nats + np.where(np.arange(40) < 36, 1.0, 500.0)
    many = {"мәкаль", "хикәя"}
    one = documents(TEXTS, names, measured(list(worse), TEXTS), many)
    other = documents(TEXTS, names, measured(list(nats), TEXTS), many)
    sizes = np.array([len(text.encode("utf-8")) for text in TEXTS])
    parts = [18 / math.log(2) / sizes[start : start + 18].sum() for start in (0, 18)]
    assert difference(one, other)[0] == pytest.approx(sum(parts) / 2)


ENOUGH = [
    ({"roman": 20, "știri": 16, "zicători": 4}, ["roman", "știri"]),
    ({"roman": 36, "zicători": 4}, ["roman"]),
    ({"roman": 5, "știri": 5, "zicători": 4}, ["roman", "știri"]),
    ({"roman": 8, "zicători": 4}, []),
    ({"roman": 5, "zicători": 5}, ["roman", "zicători"]),
    ({"roman": 10}, ["roman"]),
    ({"roman": 9}, []),
]


@pytest.mark.parametrize(("sizes", "kept"), ENOUGH)
def test_differences_are_over_the_sources_that_have_enough(sizes: dict[str, int], kept: list[str]):
    names = [name for name, count in sizes.items() for _ in range(count)]
    texts = TEXTS[: len(names)]
    found = documents(texts, names, measured([60.0] * len(names), texts))
    some = documents_for_intervals([found, found])
    assert [len(each) for each in some] == [sum(sizes[name] for name in kept)] * 2 * bool(kept)
    if kept:
        assert named_in(some[0], list(sizes)) == kept
        assert difference(some[0], some[1]) == (0.0, 0.0, 0.0)
    else:
        assert difference(found, found) == (0.0, None, None)


def test_a_source_that_one_document_is_most_of_has_no_part_in_differences() -> None:
    names = ["roman"] * 20 + ["zicători"] * 20
    texts = [*TEXTS[:25], TEXTS[25] * 40, *TEXTS[26:]]
    found = documents(texts, names, measured([60.0] * 40, texts))
    assert [
        named_in(each, ["roman", "zicători"]) for each in documents_for_intervals([found, found])
    ] == [["roman"]] * 2


def test_groups_are_counted_not_documents_and_in_the_run_that_has_fewest() -> None:
    names = ["roman"] * 20 + ["zicători"] * 20
    plain = measured([60.0] * 40, TEXTS)
    groups = np.where(np.arange(40) < 20, np.arange(40), 20 + np.arange(40) // 10)
    grouped = Measured(plain.nats, plain.tokens, plain.bytes, plain.chars, groups=groups)
    every = [documents(TEXTS, names, each) for each in (plain, grouped)]
    assert [named_in(each, ["roman", "zicători"]) for each in documents_for_intervals(every)] == [
        ["roman"]
    ] * 2


def test_a_group_that_is_most_of_a_source_in_one_run_leaves_it_out_for_all() -> None:
    names = ["roman"] * 20 + ["zicători"] * 20
    plain = measured([60.0] * 40, TEXTS)
    groups = np.arange(40)
    groups[20:34] = 20
    grouped = Measured(plain.nats, plain.tokens, plain.bytes, plain.chars, groups=groups)
    every = [documents(TEXTS, names, each) for each in (plain, grouped)]
    assert [named_in(each, ["roman", "zicători"]) for each in documents_for_intervals(every)] == [
        ["roman"]
    ] * 2


def test_a_source_is_in_the_mean_of_what_runs_share_if_it_is_in_that_of_each() -> None:
    names = ["мәкаль"] * 18 + ["хикәя"] * 18 + ["җыр"] * 4
    found = measured([60.0] * 40, TEXTS)
    every = [
        documents(TEXTS, names, found, averaged)
        for averaged in ({"мәкаль", "хикәя", "җыр"}, {"мәкаль", "хикәя"})
    ]
    for each in shared(every):
        assert named_in(each[each["averaged"]], sorted(set(names))) == ["мәкаль", "хикәя"]
        assert len(each) == 40


def test_runs_share_the_documents_that_all_of_them_have() -> None:
    parts = [TEXTS[:30], TEXTS[5:], TEXTS[10:35]]
    every = [
        documents(some, ONE[: len(some)], measured([60.0] * len(some), some)) for some in parts
    ]
    found = shared(every)
    assert [len(each) for each in found] == [20] * 3
    assert all(np.array_equal(found[0]["text"], each["text"]) for each in found)
    assert set(found[0]["text"].tolist()) == set(every[0]["text"][10:].tolist())


def of_seeds(*bits: float, count: int = 12) -> list[Documents]:
    """Documents of ten bytes under each of several seeds, all with so many bits a byte."""
    runs: list[Documents] = []
    for value in bits:
        found = np.zeros(count, dtype=RECORD)
        found["text"] = found["group"] = np.arange(count)
        found["bytes"], found["nats"] = 10, 10 * math.log(2) * value
        runs.append(found)
    return runs


def test_where_documents_agree_intervals_over_seeds_are_those_of_scipy() -> None:
    """As of ttest_rel and ttest_ind(equal_var=False).confidence_interval() of scipy 1.17."""
    one, other = of_seeds(1.13, 1.15, 1.16), of_seeds(1.20, 1.22, 1.27)
    value, *ends = mean_difference(one, other, are_paired=True)
    assert value == pytest.approx(-0.25 / 3)
    assert ends == pytest.approx((-0.1407020364, -0.0259646303), abs=1e-6)
    value, *ends = mean_difference(one, other)
    assert value == pytest.approx(-0.25 / 3)
    assert ends == pytest.approx((-0.1601044439, -0.0065622228), abs=1e-6)
    same = mean_difference(of_seeds(1.0, 1.0), of_seeds(2.0, 2.0), are_paired=True)
    assert same == pytest.approx((-1.0, -1.0, -1.0))
    alone = mean_difference(of_seeds(1.1), other)
    assert alone[2] - alone[0] == pytest.approx(
        4.302653 * np.std([1.2, 1.22, 1.27], ddof=1) / 3**0.5
    )


def test_intervals_of_all_pairs_together_are_wider() -> None:
    """By the quantiles of Student's t, two degrees of freedom, for 95 % and for 1 - 0.05 / 45."""
    one, other = of_seeds(1.13, 1.15, 1.16), of_seeds(1.20, 1.22, 1.27)
    widths = [mean_difference(one, other, are_paired=True, comparisons=count) for count in (1, 45)]
    reach = [(high or 0.0) - value for value, _, high in widths]
    assert reach[1] / reach[0] == pytest.approx(29.974994 / 4.302653, rel=1e-5)


def test_what_a_seed_does_to_one_document_counts_once() -> None:
    """Pure noise of runs on documents: seeds vary by it alone, and so do the documents."""
    random, held = np.random.default_rng(4), 0
    for _ in range(300):
        runs = of_seeds(1.0, 1.0, 1.0, count=300)
        for run in runs:
            run["nats"] *= random.normal(1, 0.1, 300)
        _, low, high = mean_interval(runs)
        held += (low or 0.0) <= 1.0 <= (high or 0.0)
    assert 0.93 * 300 <= held <= 0.97 * 300
