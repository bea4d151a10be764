"""What a model writes, and how far it is made of what its training text is made of.

No program can tell whether a text has sense. What can be counted are its words, and its threes of
neighbouring words, that stand in the training text. The same is counted of training
texts, each against all others: even these have words that stand nowhere else. Held-out texts would
tell as much where there are many; a demo has a few, of another kind.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from endonym.cleaning.measures import is_unbroken, repeated_ngram_share
from endonym.corpus.corpus import Corpus
from endonym.data.config import RECORDS
from endonym.evaluate.writing import PIECE, units_of
from endonym.model.foreign.folder import OUR_WEIGHTS
from endonym.pipeline.execute import Run
from endonym.report.formatting import beginning
from endonym.store import Artifact, read_if_whole, write_sealed

if TYPE_CHECKING:
    from endonym.data.example_tokens import ExampleTokens
    from endonym.generate.language_model import LanguageModel
    from endonym.tokenizer.tokenizer import Tokenizer

FILE = "samples.json"
"""In a run's folder: what its final model wrote. It is kept, so that it is written once."""
AT_ONCE = 24
MOST_ROUNDS = 4
TOKENS = 96
"""Samples are written in rounds of so many, until they have ENOUGH_WORDS."""
ASKED = 10
"""Questions of the training conversations that are asked, at most."""
ENOUGH_WORDS = 600
USUAL_TEXTS = 240
USUAL_CHARS = 400
"""Training texts that are counted, and characters of each."""
READ_CHARS = 40_000_000
"""Of more training text only every second, third … document is looked up."""
ROLES = ("system", "user", "assistant", "model")
"""What templates write into the first line of a message."""
LENGTHS = (1, 3)
"""Words in a row that are looked up together."""

Row = tuple[str, ...]
"""Words that follow each other."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Of some texts: their words, and shares of them.

    known: of the words, and of threes of words in a row, those that stand in the training text.
    repeated: words that are part of five in a row that stood before in the same text.
    """

    words: int
    known: tuple[float, float]
    repeated: float


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What the final model wrote, as pairs of prompt and text, and its counts.

    usual: the counts of training texts, each looked up in all others. by_pieces: "words" are pieces
    of PIECE letters. asked: of a model that learnt conversations last, some of their questions, the
    answers written there, and its own ones at temperature 0.
    """

    samples: list[tuple[str, str]]
    written: Counts
    usual: Counts
    by_pieces: bool
    asked: list[tuple[str, str, str]] = field(default_factory=list)


KEPT = TypeAdapter(FirstLook)
"""Reads a first look from FILE."""


def first_look(run: Run, device: str = "cpu") -> FirstLook | None:
    """What the final model of a run writes; None if it has no model or no corpus yet.

    It is written and counted once, and then read from the run's folder.
    """
    model = run.artifact("model")
    corpus = run.artifact("corpus")
    if model is None or corpus is None or OUR_WEIGHTS not in model.manifest["files"]:
        return None
    made_of = {"model": model.manifest["id"], "corpus": corpus.manifest["id"]}
    kept = read_if_whole(run.folder / FILE)
    if {name: kept.get(name) for name in made_of} != made_of:
        kept = {**made_of, **asdict(_look(run, model, Corpus(corpus.folder), device))}
        write_sealed(run.folder / FILE, kept)
    return KEPT.validate_python(kept)


def _look(run: Run, model: Artifact, corpus: Corpus, device: str) -> FirstLook:
    """Write samples, and count them and some training texts."""
    # These import torch, which a run of which all is there does not need.
    from endonym.data.example_tokens import ExampleTokens
    from endonym.generate.language_model import LanguageModel
    from endonym.generate.sample import Sampling

    loaded = LanguageModel.load(model.folder, device)
    prompts: list[str | list[int]] = [""] * AT_ONCE
    shown = [""] * AT_ONCE
    objective = model.manifest["config"].get("phase", {}).get("objective")
    examples = run.artifact("examples")
    own = list[tuple[str, str, str]]()
    if examples is not None and objective in RECORDS:
        asked = ExampleTokens(examples.folder, "dev")
        numbers = range(0, len(asked), asked.together)[:AT_ONCE]
        questions: list[list[int]] = [asked.prompt(number).tolist() for number in numbers]
        prompts = list[str | list[int]](questions)
        shown = [last_message(each, loaded.tokenizer) for each in questions]
    if examples is not None and objective == "chat":
        count = examples.numbers["kept"] - examples.numbers["held_out"]
        own = own_questions(loaded, ExampleTokens(examples.folder, "train"), count)
    samples = list[tuple[str, str]]()
    written = list[str]()
    by_pieces = False
    for number in range(MOST_ROUNDS if prompts else 0):
        seeds = range(number * AT_ONCE, number * AT_ONCE + len(prompts))
        samplings = [Sampling(seed=seed) for seed in seeds]
        texts = loaded.generate_many(prompts, max_tokens=TOKENS, samplings=samplings)
        samples += zip(shown, map("".join, texts), strict=True)
        written = [text for _, text in samples]
        by_pieces = is_unbroken("\n".join(written))
        if sum(len(units_of(each, by_pieces=by_pieces)) for each in written) >= ENOUGH_WORDS:
            break
    count = counts_of(written, lambda: _read(corpus), by_pieces=by_pieces)
    return FirstLook(samples, *count, by_pieces=by_pieces, asked=own)


def own_questions(
    model: "LanguageModel", train: "ExampleTokens", count: int
) -> list[tuple[str, str, str]]:
    """Up to ASKED questions of the first `count` training conversations, evenly spread: each with
    its answer as written, and that of the model at temperature 0. Behind these stand more examples
    of the same conversations."""
    # These import torch.
    from endonym.generate.sample import Sampling

    numbers = range(0, count, max(1, -(-count // ASKED)))
    prompts = [train.prompt(number).tolist() for number in numbers]
    answers = [train.answers(number)[0].tolist() for number in numbers]
    samplings = [Sampling(temperature=0.0)] * len(prompts)
    most = max(map(len, answers))
    given = model.generate_many(prompts, max_tokens=most, samplings=samplings)
    return [
        (
            last_message(prompt, model.tokenizer),
            model.tokenizer.decode(answer).strip(),
            "".join(pieces).strip(),
        )
        for prompt, answer, pieces in zip(prompts, answers, given, strict=True)
    ]


def last_message(ids: Sequence[int], tokenizer: "Tokenizer") -> str:
    """The last message of a conversation and a line end, without what a template puts around it."""
    marks = [n for n, each in enumerate(ids) if not tokenizer.bytes_of(each)]
    ends = zip([-1, *marks], [*marks, len(ids)], strict=True)
    said = [tokenizer.decode(ids[mark + 1 : end]).strip() for mark, end in ends]
    named = [text.partition("\n") for text in said]
    said = [rest.strip() if role in ROLES else role + end + rest for role, end, rest in named]
    return next((f"{text}\n" for text in reversed(said) if text), "")


def counts_of(
    written: Sequence[str], training: Callable[[], Iterable[str]], *, by_pieces: bool
) -> tuple[Counts, Counts]:
    """The counts of texts, and those of USUAL_TEXTS training texts, each without itself.

    training: gives all training texts. Memory depends on the texts, not on all of these.
    """
    cut = partial(_cut, by_pieces=by_pieces)
    every = 1 + sum(1 for _ in training()) // USUAL_TEXTS
    begins = list[str]()
    own = list[set[Row]]()
    for text in islice(training(), 0, None, every):
        begins.append(beginning(text, USUAL_CHARS))
        own.append({*cut(begins[-1])} & {*cut(text)})
    wanted = {row for text in [*written, *begins] for row in cut(text)}
    found = Counter[Row]()
    for text in training():
        found.update(wanted.intersection(cut(text)))
    count = partial(_counts, cut=cut, found=found)
    return count(written, own=[set[Row]()] * len(written)), count(begins, own=own)


def _cut(text: str, *, by_pieces: bool) -> list[Row]:
    """The words of a text, and its threes. Pieces overlap: every PIECE-th follows one."""
    units = units_of(text, by_pieces=by_pieces)
    step = PIECE if by_pieces else 1
    return [
        tuple(units[n : n + length * step : step])
        for length in LENGTHS
        for n in range(len(units) - (length - 1) * step)
    ]


def _counts(
    texts: Sequence[str],
    *,
    cut: Callable[[str], list[Row]],
    found: Mapping[Row, int],
    own: Sequence[set[Row]],
) -> Counts:
    """The counts of texts. found: in how many training texts each row stands; own: the rows that
    stand in the training text which a text is the beginning of."""
    every = Counter[int]()
    known = Counter[int]()
    for text, own_rows in zip(texts, own, strict=True):
        for row in cut(text):
            every[len(row)] += 1
            known[len(row)] += found[row] > (row in own_rows)
    words, threes = (known[length] / max(1, every[length]) for length in LENGTHS)
    repeats = [repeated_ngram_share(text) or 0.0 for text in texts]
    return Counts(every[1], (words, threes), sum(repeats) / max(1, len(repeats)))


def _read(corpus: Corpus) -> Iterable[str]:
    """The training texts, or an even part of them."""
    every = 1 + corpus.card["total"]["kept"]["train"]["chars"] // READ_CHARS
    return (each.text for each in islice(corpus.documents("train"), 0, None, every))
