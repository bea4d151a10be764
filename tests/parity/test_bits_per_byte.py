"""A judge that imports nothing of ours finds the bits per byte that `evaluate --text` finds.

`tests/reference/judge.py` reads an exported model with transformers. Where a second such judge lies
beside the project, as it does where that is developed, both must say the same.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.judge import judge, split, window
from toys import toy_tokenizer

from endonym.generate.reading import windows
from endonym.log import Log
from endonym.pipeline.evaluation_texts import texts_below
from endonym.recipe.recipe import overrides_name

SECOND_JUDGE = Path(__file__).parents[3] / "shared" / "checks" / "bits_per_byte.py"
LANGUAGES = ("tatar", "khmer", "romanian", "french")
SHAPES = {
    "qwen3": ["pack.context=33"],
    "gpt2": ["pack.context=32"],
    "mistral": ["pack.context=33", "model.mixer.window=9"],
    "moe": ["pack.context=20", "model.ffn.experts=3"],
    "mamba2": ["pack.context=32", 'model.mixer={kind="mamba2", state=4, head_width=8}'],
}
JUDGED = [(family, LANGUAGES[n % 4]) for n, family in enumerate(SHAPES)]
SHORT_TRAINING = ["phase.0.steps=12", "phase.0.warmup_steps=2", "phase.0.eval_every_steps=12"]
LOG = Log(quiet=True)
Trained = Callable[[str], tuple[Path, Path]]


@pytest.fixture(scope="module")
def trained(
    small_recipe: Callable[[Path], Path],
    command: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    """Trains a model of a family, once, and gives its run and its export."""
    home = tmp_path_factory.mktemp("judged") / "project"
    recipe, made = small_recipe(home), set[str]()

    def make(family: str) -> tuple[Path, Path]:
        sets = [f"name={family}", f"model.family={family}", *SHORT_TRAINING, *SHAPES[family]]
        run = home / "runs" / f"{family}{overrides_name(sets)}"
        export = home / f"{family}-export"
        if family not in made:
            given = [argument for each in sets for argument in ("--set", each)]
            store = ("--store", home / "store")
            said = command("run", recipe, *store, "--until", "model", *given)
            assert said.code == 0, said.err
            assert command("export", run, *store, "--out", export).code == 0
            made.add(family)
        return run, export

    return make


def text_of(sentences: list[str]) -> str:
    """Sentences as short documents, and all of them as a long one, of lines, between two.

    The last has no line end: the judge would count it, and a source has none at a document's end.
    """
    long, blank = "\n".join(sentences), "\n\n"
    return blank.join([*sentences[:3], long]) + "\n \t\n\n" + sentences[3]


@pytest.mark.parametrize(("family", "language"), JUDGED)
def test_an_outside_judge_finds_the_bits_that_evaluate_says(
    family: str,
    language: str,
    trained: Trained,
    command: Callable[..., Any],
    language_sentences: Callable[[str], list[str]],
    transformers: ModuleType,
    tmp_path: Path,
) -> None:
    run, export = trained(family)
    sentences, path = language_sentences(language), tmp_path / f"{language}.txt"
    path.write_text(text_of(sentences), encoding="utf-8")
    where = ("--text", path, "--document", "blank_lines", "--store", run.parents[1] / "store")
    said = command("evaluate", run, *where, "--json")
    scores = {each["metric"]: each for each in said.json()["scores"] if each["model"] == "model"}
    judged = judge(export, path.read_text(encoding="utf-8"))
    for metric, value in judged.metrics().items():
        assert scores[metric]["value"] == pytest.approx(value, rel=1e-5)
    for size in ("n_documents", "n_bytes", "n_chars", "n_tokens"):
        assert {each[size] for each in scores.values()} == {getattr(judged, size)}
    assert judged.n_documents == 5
    assert judged.n_tokens > 330  # most of them in the long document: ten windows and more
    documents = [*sentences[:3], "\n".join(sentences), sentences[3]]
    assert judged.n_bytes == sum(len(document.encode("utf-8")) for document in documents)


@pytest.mark.skipif(not SECOND_JUDGE.is_file(), reason=f"no {SECOND_JUDGE}")
def test_a_second_judge_agrees_with_the_first(
    trained: Trained,
    language_sentences: Callable[[str], list[str]],
    transformers: ModuleType,
    tmp_path: Path,
) -> None:
    _, export = trained("qwen3")
    path = tmp_path / "text.txt"
    texts = [text_of(language_sentences(language)[:9]) for language in LANGUAGES]
    path.write_text("\n\n".join(texts), encoding="utf-8")
    arguments = [sys.executable, str(SECOND_JUDGE), str(export), str(path)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(arguments, env=environment, capture_output=True, check=True)
    theirs = json.loads(done.stdout.splitlines()[-1])
    ours = judge(export, path.read_text(encoding="utf-8"))
    for metric, value in ours.metrics().items():
        assert theirs[metric] == pytest.approx(value, rel=1e-6)
    for size in ("n_documents", "n_bytes", "n_chars", "n_tokens"):
        assert theirs[size] == getattr(ours, size)


LINE = st.text("әខ្មែរț. \t\u00a0", max_size=9).map("ә{}".format)
DOCUMENT = st.lists(LINE, min_size=1, max_size=5).map("\n".join)
BLANK_LINE = st.text(" \t\u00a0", max_size=3)


@given(
    first=DOCUMENT,
    others=st.lists(st.tuples(BLANK_LINE, DOCUMENT), min_size=2, max_size=6),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_documents_of_a_file_are_those_that_the_judge_reads(
    first: str,
    others: list[tuple[str, str]],
    line_end: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Of a file in blocks: where fewer than two lines are blank, ours may be its lines."""
    text = first + "".join(f"\n{blank}\n{document}" for blank, document in others)
    path, tokenizer = tmp_path_factory.getbasetemp() / "documents.txt", toy_tokenizer("byte")
    path.write_bytes(text.replace("\n", line_end).encode("utf-8"))
    read = [tokenizer.decode(ids.tolist()) for ids in texts_below(path, tokenizer, LOG).ids]
    assert read == split(path.read_text(encoding="utf-8"))
    assert read == [first, *(document for _, document in others)]


@given(length=st.integers(1, 300), context=st.integers(2, 40))
def test_our_windows_are_those_of_the_judge(length: int, context: int) -> None:
    ours = [
        (begin, end)
        for _, begin, done, end in windows(0, length, context)
        for _ in range(done, end)
    ]
    assert ours == [window(position, length, context) for position in range(1, length)]
