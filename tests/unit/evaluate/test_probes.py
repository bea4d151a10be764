"""Probes: metrics and frozen figures are scikit-learn's, what is undefined is said."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from text_samples import ROMANIAN, TATAR

from endonym.evaluate import probes
from endonym.evaluate.probe_file import Example, Probe
from endonym.evaluate.probes import Answers, Predicted, ProbeScore

sklearn = pytest.importorskip("sklearn", reason='pip install "endonym[probe]"')
CLASSES = ("сәясәт", "спорт", "фән")


def probe_of(make: Any, *, train: int = 120, others: int = 40) -> Probe:
    """A probe whose examples are made from numbers."""
    begin, parts = 0, {}
    for split, count in (("train", train), ("dev", others), ("test", others)):
        parts[split] = [make(n) for n in range(begin, begin + count)]
        begin += count
    return Probe(parts, [], [])


def topic(number: int) -> Example:
    return Example((f"{TATAR[number % 6]} {number}",), CLASSES[number * number % 7 % 3])


def pair(number: int) -> Example:
    return Example((f"{ROMANIAN[0]} {number}", f"{ROMANIAN[1]} {number}"), number % 11 / 2)


def features_of(probe: Probe, width: int = 12) -> dict[str, np.ndarray]:
    """Noise, with a little of the answer in it: what a small model gives."""
    random = np.random.default_rng(3)
    found = {text: random.normal(size=width) for text in probe.texts}
    for example in (each for part in probe.parts.values() for each in part):
        for text in example.texts:
            answer = example.answer
            if isinstance(answer, float):
                found[text][0] += answer
            else:
                found[text][CLASSES.index(answer)] += 2
    return {text: vector / np.linalg.norm(vector) for text, vector in found.items()}


def saved(probe: Probe, folder: Path) -> tuple[dict[str, Any], dict[str, list[list[Any]]]]:
    """Features and records as another program reads them from disk."""
    for split, part in probe.parts.items():
        for side in range(len(part[0].texts)):
            rows = [features_of(probe)[each.texts[side]] for each in part]
            np.save(folder / f"{split}{side}.npy", rows)
        rows = [[*each.texts, each.answer] for each in part]
        (folder / f"{split}.json").write_text(json.dumps(rows), encoding="utf-8")
    return (
        {path.stem: np.load(path) for path in folder.glob("*.npy")},
        {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")},
    )


def by_model(probe: Probe) -> dict[tuple[str, str], ProbeScore]:
    answers = Answers(probe)
    predicted = [
        *probes.baselines(probe, answers),
        *probes.frozen(probe, features_of(probe), answers),
    ]
    scores = probes.probe_scores(probe, predicted, answers, task="темалар.jsonl")
    return {(each.model, each.metric): each for each in scores}


def test_frozen_labels_are_judged_as_by_a_script_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.preprocessing import StandardScaler

    probe = probe_of(topic)
    x, records = saved(probe, tmp_path)
    y = {split: [row[-1] for row in rows] for split, rows in records.items()}
    scaler = StandardScaler().fit(x["train0"])
    tried = []
    for c in (1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3):
        fitted = LogisticRegression(C=c, max_iter=1000)
        fitted.fit(scaler.transform(x["train0"]), y["train"])
        on_dev = accuracy_score(y["dev"], fitted.predict(scaler.transform(x["dev0"])))
        tried.append((-on_dev, c, fitted.predict(scaler.transform(x["test0"]))))
    _, c, predicted = min(tried, key=lambda each: each[:2])
    found = by_model(probe)
    assert found["frozen", "accuracy"].value == accuracy_score(y["test"], predicted)
    expected = f1_score(y["test"], predicted, average="macro")
    assert found["frozen", "macro_f1"].value == pytest.approx(expected, abs=1e-12)
    assert found["frozen", "accuracy"].chosen == f"C = {c:g}"
    most = max(set(y["train"]), key=y["train"].count)
    share = y["test"].count(most) / len(y["test"])
    assert found["most frequent", "accuracy"].value == share
    assert found["frozen", "accuracy"].value > share + 0.1
    assert found["tf-idf", "accuracy"].value is not None


def test_frozen_similarities_are_judged_as_by_a_script_of_scikit_learn(tmp_path: Path) -> None:
    from scipy.stats import pearsonr, spearmanr
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    probe = probe_of(pair)
    x, records = saved(probe, tmp_path)
    y = {split: [row[-1] for row in rows] for split, rows in records.items()}
    both = {
        split: np.hstack([abs(x[f"{split}0"] - x[f"{split}1"]), x[f"{split}0"] * x[f"{split}1"]])
        for split in y
    }
    scaler = StandardScaler().fit(both["train"])
    tried = []
    for alpha in (1e4, 1e3, 1e2, 1e1, 1e0, 1e-1, 1e-2, 1e-3):
        fitted = Ridge(alpha=alpha).fit(scaler.transform(both["train"]), y["train"])
        on_dev = spearmanr(y["dev"], fitted.predict(scaler.transform(both["dev"]))).statistic
        tried.append((-on_dev, -alpha, fitted.predict(scaler.transform(both["test"]))))
    predicted = min(tried, key=lambda each: each[:2])[2]
    cosine = (x["test0"] * x["test1"]).sum(1)
    found = by_model(probe)
    for name, values in (("frozen, ridge", predicted), ("frozen, cosine", cosine)):
        expected = pearsonr(y["test"], values).statistic
        assert found[name, "pearson"].value == pytest.approx(expected, abs=1e-9)
        expected = spearmanr(y["test"], values).statistic
        assert found[name, "spearman"].value == pytest.approx(expected, abs=1e-9)
    assert {name for name, _ in found} == {"tf-idf, cosine", "frozen, cosine", "frozen, ridge"}


def test_metrics_are_those_of_scikit_learn_and_scipy_also_many_at_a_time() -> None:
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import f1_score

    random = np.random.default_rng(1)
    gold, found = random.integers(0, 4, (5, 30)), random.integers(0, 5, (5, 30))
    for row in range(5):
        a, b = gold[row], found[row]
        f1 = f1_score(a, b, average="macro")
        assert probes.macro_f1(gold, found)[row] == pytest.approx(f1, abs=1e-12)
        r, rho = pearsonr(a, b).statistic, spearmanr(a, b).statistic
        assert probes.pearson(gold, found)[row] == pytest.approx(r, abs=1e-12)
        assert probes.spearman(gold, found)[row] == pytest.approx(rho, abs=1e-12)


def test_what_is_constant_has_no_correlation_and_says_so() -> None:
    probe = probe_of(pair)
    same = Predicted("тигез", [np.full(40, 0.1)])
    scores = probes.probe_scores(probe, [same], Answers(probe), task="t")
    assert {(each.value, each.low, each.deviation) for each in scores} == {(None, None, None)}
    assert {each.reason for each in scores} == {"all predictions are equal"}
    assert probes.cells(scores)[1][1:3] == ["undefined", "all predictions are equal"]


def test_seeds_are_averaged_and_their_spread_stands_beside() -> None:
    probe = probe_of(topic)
    gold = Answers(probe).of["test"]
    wrong = (gold + 1) % 3
    runs = [np.where(np.arange(40) < right, gold, wrong) for right in (20, 28, 30)]
    scores = probes.probe_scores(probe, [Predicted("a", runs)], Answers(probe), task="t")
    found = scores[0]
    assert found.value == pytest.approx(0.65)
    assert found.deviation == pytest.approx(np.std([0.5, 0.7, 0.75], ddof=1))
    assert found.seeds == 3
    assert found.low is not None
    assert found.high is not None
    # Of the mean of the runs: 20 examples are right in all three, 8 in two, 2 in one.
    each = np.repeat([1, 2 / 3, 1 / 3, 0], [20, 8, 2, 10])
    reach = 1.96 * each.std() / math.sqrt(39)
    assert (found.low, found.high) == pytest.approx((0.65 - reach, 0.65 + reach), abs=0.02)


def test_of_few_test_examples_there_is_no_interval() -> None:
    probe = probe_of(topic, others=9)
    found = by_model(probe)["frozen", "accuracy"]
    assert found.value is not None
    assert (found.low, found.high) == (None, None)


def test_where_all_are_right_accuracy_has_wilsons_interval_and_others_none() -> None:
    for make, others in ((topic, 10), (pair, 12)):
        probe = probe_of(make, others=others)
        gold = Answers(probe).of["test"]
        right = [Predicted("a", [gold]), Predicted("b", [gold] * 3)]
        found = probes.probe_scores(probe, right, Answers(probe), task="t")
        spans = {each.metric: (each.value, each.low, each.high) for each in found}
        for metric, span in spans.items():
            assert span[0] == pytest.approx(1)
            if metric != "accuracy":
                assert span[1:] == (None, None)
        assert "no spread" in probes.cells(found)[1]
        if make is topic:  # Wilson, 10 of 10: n / (n + z²)
            assert spans["accuracy"][1:] == pytest.approx((10 / (10 + 1.96**2), 1), abs=1e-4)


def test_equal_choices_on_dev_take_the_strongest_regularization() -> None:
    probe = probe_of(topic)
    answers = Answers(probe)
    inputs = {split: np.zeros((len(part), 2)) for split, part in probe.parts.items()}
    found = probes._best("a", probes._logistic, inputs, answers)
    assert found.chosen == "C = 0.0001"


def test_tf_idf_tells_apart_what_the_words_tell_apart_also_without_blanks() -> None:
    texts = {"ទឹក": "ទន្លេនៅមុខភូមិយើងជន់ខ្ពស់", "ផ្សារ": "ព្រឹកនេះខ្ញុំដើរទៅផ្សារ"}

    def khmer(number: int) -> Example:
        label = [*texts][number % 2]
        return Example((f"{texts[label]}{number}",), label)

    probe = probe_of(khmer, train=20, others=12)
    assert by_model_tfidf(probe) == 1.0


def by_model_tfidf(probe: Probe) -> float | None:
    answers = Answers(probe)
    predicted = list(probes.baselines(probe, answers))
    scores = probes.probe_scores(probe, predicted, answers, task="t")
    return next(e.value for e in scores if (e.model, e.metric) == ("tf-idf", "accuracy"))


@pytest.mark.parametrize(
    ("texts", "rows"),
    [
        (("😀😀😢", "😢😢😡"), ["most frequent", "tf-idf"]),
        (("А", "б"), ["most frequent", "tf-idf"]),
        (("😀", "😢"), ["most frequent"]),
    ],
)
def test_texts_without_words_are_judged_by_characters_and_without_both_not(
    texts: tuple[str, str], rows: list[str]
) -> None:
    probe = probe_of(lambda n: Example((texts[n % 2],), CLASSES[n % 2]), train=20, others=12)
    predicted = probes.baselines(probe, Answers(probe))
    assert [each.model for each in predicted] == rows
    pairs = probe_of(lambda n: Example((texts[0], texts[n % 2]), float(n % 2)), train=20, others=12)
    found = list(probes.baselines(pairs, Answers(pairs)))
    assert [each.model for each in found] == ["tf-idf, cosine"] * (len(rows) - 1)
