"""Probes: what the hidden states of a model tell of texts, such as their topic, by what is learnt
on top of them.

The features of a text are the mean of its last hidden states (`LanguageModel.embed`). Frozen, a
linear model is fitted on them: logistic regression of labels; of scores of two texts u and v ridge
regression on |u - v| and u·v by elements (Conneau et al., arXiv:1705.02364), beside their cosine.
Fine-tuned, the model itself is trained (evaluate/fine_tuning.py). Baselines are the most frequent
label and the same on tf-idf of words and characters.

Whatever is chosen is chosen on dev, by accuracy or Spearman's correlation. Test examples judge
alone.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import chain
from typing import Any, NamedTuple
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray

from endonym.cleaning.measures import is_unbroken
from endonym.errors import MissingLibrary
from endonym.evaluate.probe_file import WORDS, Example, Probe
from endonym.evaluate.score import FEWEST_DOCUMENTS, TOO_FEW, wilson
from endonym.evaluate.tables import span
from endonym.evaluate.writing import units_of
from endonym.log import number

PROBE = "probe.json"
"""The file of an evaluation's artefact with the scores of a probe."""
STRENGTHS = tuple(10.0**n for n in range(-4, 4))
"""C of logistic regressions; of ridge regressions alpha is its inverse. The strongest first."""
MOST_ITERATIONS = 1_000
CHARACTERS = (2, 5)
"""Lengths of the runs of characters in tf-idf."""
DRAWS = 10_000
DRAWN_AT_ONCE = 50
SEED = 0
"""Of the bootstrap."""
Array = NDArray[Any]


class Predicted(NamedTuple):
    """What was predicted of the test examples, once or under several seeds. chosen: on dev."""

    model: str
    runs: Sequence[Array]
    chosen: str = ""


@dataclass(frozen=True, slots=True)
class ProbeScore:
    """One number of a probe: `metric` of what `model` predicts, the mean over `seeds` trainings.

    low, high: 95 % bootstrap interval over test examples; None as in `interval`.
    deviation: standard deviation over the seeds. reason: why value is None, else empty. split: the
    name of the probe. n_documents: test examples.
    """

    metric: str
    model: str
    split: str
    value: float | None
    low: float | None
    high: float | None
    deviation: float | None
    seeds: int
    chosen: str
    reason: str
    n_documents: int
    n_train: int
    n_dev: int
    unit: str = ""
    source: str | None = None
    weighting: str = "bytes"


def require_scikit_learn() -> None:
    """Raise MissingLibrary if it is not installed."""
    if find_spec("sklearn") is None:
        do = 'pip install "endonym[probe]"'
        raise MissingLibrary("a probe needs scikit-learn", where="probe", do=do)


def accuracy(gold: Array, predicted: Array) -> Array:
    """The share that is right, over the last axis."""
    return (gold == predicted).mean(-1)


def macro_f1(gold: Array, predicted: Array) -> Array:
    """The mean of F1 over all classes that are right or predicted, over the last axis."""
    found = list[Array]()
    for each in np.union1d(gold, predicted):
        is_gold = gold == each
        is_predicted = predicted == each
        sizes = is_gold.sum(-1) + is_predicted.sum(-1)
        both = (is_gold & is_predicted).sum(-1)
        found.append(np.where(sizes > 0, 2 * both / np.maximum(1, sizes), np.nan))
    return np.nanmean(found, axis=0)


def pearson(gold: Array, predicted: Array) -> Array:
    """Pearson's correlation, over the last axis; NaN where one side has one value alone."""
    sides = list[Array]()
    is_constant = np.zeros(gold.shape[:-1], dtype=bool)
    for each in (gold, predicted):
        is_constant |= each.max(-1) == each.min(-1)
        sides.append(each - each.mean(-1, keepdims=True))
    squares = (sides[0] ** 2).sum(-1) * (sides[1] ** 2).sum(-1)
    products = (sides[0] * sides[1]).sum(-1)
    return np.where(is_constant, np.nan, products / np.sqrt(np.where(is_constant, 1, squares)))


def spearman(gold: Array, predicted: Array) -> Array:
    """Pearson's correlation of the ranks, with mean ranks of ties."""
    from scipy.stats import rankdata

    return pearson(rankdata(gold, axis=-1), rankdata(predicted, axis=-1))


Metric = Callable[[Array, Array], Array]
LABEL_METRICS: dict[str, Metric] = {"accuracy": accuracy, "macro_f1": macro_f1}
SCORE_METRICS: dict[str, Metric] = {"pearson": pearson, "spearman": spearman}


class Answers:
    """The right answers of each split: the numbers of labels, in their order, or scores."""

    def __init__(self, probe: Probe) -> None:
        every = {split: [e.answer for e in part] for split, part in probe.parts.items()}
        self.is_similarity = probe.is_similarity
        self.labels = [] if self.is_similarity else sorted(set(chain.from_iterable(every.values())))
        if not self.is_similarity:
            numbers = {label: n for n, label in enumerate(self.labels)}
            every = {split: [numbers[each] for each in part] for split, part in every.items()}
        self.of = {split: np.array(part) for split, part in every.items()}

    def on_dev(self, predicted: Array) -> float:
        """What choices are made by; the lowest number for what is undefined."""
        choose = spearman if self.is_similarity else accuracy
        value = float(choose(self.of["dev"], predicted))
        return value if math.isfinite(value) else -math.inf


def frozen(probe: Probe, features: Mapping[str, Array], answers: Answers) -> Iterator[Predicted]:
    """What is fitted on the features of texts, which stay as they are."""
    sides: dict[str, list[Array]] = {}
    for split, part in probe.parts.items():
        sides[split] = [np.stack([features[text] for text in texts]) for texts in _columns(part)]
    if not probe.is_similarity:
        inputs = {split: each[0] for split, each in sides.items()}
        yield _best("frozen", _logistic, inputs, answers)
        return
    u_ND, v_ND = sides["test"]
    yield Predicted("frozen, cosine", [(u_ND * v_ND).sum(1)])
    inputs = {split: np.hstack([np.abs(u - v), u * v]) for split, (u, v) in sides.items()}
    yield _best("frozen, ridge", _ridge, inputs, answers)


def baselines(probe: Probe, answers: Answers) -> Iterator[Predicted]:
    """What knows nothing of the language: the most frequent label, and tf-idf."""
    sides = _tf_idf(probe)
    if probe.is_similarity:
        if sides:
            u, v = sides["test"]
            yield Predicted("tf-idf, cosine", [np.asarray(u.multiply(v).sum(1)).ravel()])
        return
    train = answers.of["train"]
    n_test = len(probe.parts["test"])
    yield Predicted("most frequent", [np.full(n_test, np.bincount(train).argmax())])
    if not sides:
        return
    inputs = {split: each[0] for split, each in sides.items()}
    yield _best("tf-idf", partial(_logistic, is_scaled=False), inputs, answers)


def _columns(examples: Sequence[Example]) -> list[tuple[str, ...]]:
    """The first texts of examples, and the second ones, if there are."""
    return list(zip(*(each.texts for each in examples), strict=True))


def _tf_idf(probe: Probe) -> dict[str, list[Any]]:
    """Of each split the sparse vectors of first and second texts, of length 1.

    Empty if no train text has a word or two characters. Words and runs of characters have half of
    it each. In scripts without blanks pieces of three letters stand for words. What is known of
    texts is what stands in train.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import FeatureUnion, make_pipeline
    from sklearn.preprocessing import Normalizer

    texts = {split: _columns(part) for split, part in probe.parts.items()}
    train = [text for column in texts["train"] for text in column]
    words = partial(units_of, by_pieces=is_unbroken("\n".join(train)))
    of_words: dict[str, Any] = {"analyzer": words}  # scikit-learn's hint lacks functions
    of_characters: dict[str, Any] = {"analyzer": "char", "ngram_range": CHARACTERS}
    parts = [
        ("words", TfidfVectorizer(sublinear_tf=True, **of_words)),
        ("characters", TfidfVectorizer(sublinear_tf=True, **of_characters)),
    ]
    parts = [(name, each) for name, each in parts if any(map(each.build_analyzer(), train))]
    if not parts:
        return {}
    fitted = make_pipeline(FeatureUnion(parts), Normalizer()).fit(train)
    return {
        split: [fitted.transform(column) for column in columns] for split, columns in texts.items()
    }


def _logistic(strength: float, *, is_scaled: bool = True) -> Any:
    """Logistic regression; is_scaled: of features with mean 0 and variance 1 in train."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    fitted = LogisticRegression(C=strength, max_iter=MOST_ITERATIONS)
    return make_pipeline(StandardScaler(), fitted) if is_scaled else fitted


def _ridge(strength: float) -> Any:
    """Ridge regression of features with mean 0 and variance 1 in train."""
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Ridge(alpha=1 / strength))


def _best(
    name: str, make: Callable[[float], Any], inputs: Mapping[str, Any], answers: Answers
) -> Predicted:
    """What the best of STRENGTHS predicts; the strongest regularization of equal ones."""
    from sklearn.exceptions import ConvergenceWarning

    best = -math.inf
    chosen = STRENGTHS[0]
    fitted = None
    for strength in STRENGTHS:
        with catch_warnings():
            simplefilter("ignore", ConvergenceWarning)  # Dev judges that one, too.
            trained = make(strength).fit(inputs["train"], answers.of["train"])
        value = answers.on_dev(trained.predict(inputs["dev"]))
        if value > best or fitted is None:
            best = value
            chosen = strength
            fitted = trained
    key = f"alpha = {1 / chosen:g}" if answers.is_similarity else f"C = {chosen:g}"
    assert fitted is not None, "there are strengths"
    return Predicted(name, [fitted.predict(inputs["test"])], key)


def probe_scores(
    probe: Probe, predicted: Sequence[Predicted], answers: Answers, *, task: str
) -> list[ProbeScore]:
    """The scores of what was predicted. task: said as the split of each."""
    gold = answers.of["test"]
    found = list[ProbeScore]()
    sizes = {split: len(part) for split, part in probe.parts.items()}
    for each in predicted:
        for name, metric in (SCORE_METRICS if probe.is_similarity else LABEL_METRICS).items():
            values = [float(metric(gold, run)) for run in each.runs]
            is_defined = all(map(math.isfinite, values))
            low, high = interval(metric, gold, each.runs) if is_defined else (None, None)
            found.append(
                ProbeScore(
                    metric=name,
                    model=each.model,
                    split=task,
                    value=float(np.mean(values)) if is_defined else None,
                    low=low,
                    high=high,
                    deviation=float(np.std(values, ddof=1))
                    if is_defined and len(values) > 1
                    else None,
                    seeds=len(values),
                    chosen=each.chosen,
                    reason="" if is_defined else WORDS["constant"],
                    n_documents=sizes["test"],
                    n_train=sizes["train"],
                    n_dev=sizes["dev"],
                )
            )
    return found


def interval(
    metric: Metric, gold: Array, runs: Sequence[Array]
) -> tuple[float, float] | tuple[None, None]:
    """The 95 % bootstrap interval over examples of the mean over runs, with a fixed seed.

    Accuracies and correlations are no ratios of sums, so `score.ratio` cannot serve. n - 1 of n
    examples are drawn at a time, as n would give too narrow intervals. Draws in which the metric is
    undefined are left out. Where all draws are equal, as at 10 right of 10, accuracy has Wilson's
    interval, others None. None for fewer than FEWEST_DOCUMENTS examples.
    """
    size = len(gold)
    if size < FEWEST_DOCUMENTS:
        return None, None
    generator = np.random.Generator(np.random.Philox(key=SEED))
    values = list[Array]()
    for _ in range(0, DRAWS, DRAWN_AT_ONCE):
        chosen = generator.integers(0, size, size=(DRAWN_AT_ONCE, size - 1))
        drawn = gold[chosen]
        values.append(np.mean([metric(drawn, run[chosen]) for run in runs], axis=0))
    low, high = map(float, np.nanpercentile(np.concatenate(values), [2.5, 97.5]))
    if math.isclose(low, high, abs_tol=1e-12):
        return wilson(low, size) if metric is accuracy else (None, None)
    return low, high


def cells(found: Sequence[ProbeScore]) -> list[list[str]]:
    """The scores of one probe, heads first: a row for each model."""
    by_model = dict[str, list[ProbeScore]]()
    for score in found:
        by_model.setdefault(score.model, []).append(score)
    first = found[0]
    sizes = f"train {number(first.n_train)} · dev {number(first.n_dev)} · "
    sizes += f"test {number(first.n_documents)}"
    rows = [[sizes, *WORDS["heads"]["labels" if first.metric in LABEL_METRICS else "similarity"]]]
    for model, scores in by_model.items():
        row = [model]
        for score in scores:
            none = TOO_FEW if score.n_documents < FEWEST_DOCUMENTS else WORDS["no_spread"]
            is_defined = score.value is not None
            ends = span(score, none=none)
            row += [f"{score.value:.4f}", ends] if is_defined else ["undefined", score.reason]
        deviations = [each.deviation for each in scores if each.deviation is not None]
        spread = " / ".join(f"{each:.4f}" for each in deviations)
        rows.append([*row, spread, scores[0].chosen])
    return rows
