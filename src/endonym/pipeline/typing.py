"""Types held-out text with suggestions, and counts key presses (`evaluate/key_presses.py`)."""

from collections.abc import Iterable, Sequence

from endonym.errors import RecipeError
from endonym.evaluate.key_presses import FrequentWords, Suggest, beginnings, type_out
from endonym.evaluate.score import Score
from endonym.evaluate.typing_scores import FREQUENT, MODEL, MOST_SHOWN, PAIRS, Typed, typing_scores
from endonym.generate.language_model import LanguageModel
from endonym.log import Log
from endonym.seed import named_seed

LETTERS = 6_000
LONGEST = 500
"""Letters that are typed, and those of one document at most: so there are enough of them for an
interval."""
COUNTED_BYTES = 20_000_000
"""About so much training text is counted: pairs of words of more take gigabytes of memory."""


def judge_typing(
    model: LanguageModel,
    held_out: Sequence[str],
    training: Iterable[str] | None,
    task: str,
    *,
    log: Log,
) -> list[Score]:
    """Type the beginnings of held-out texts with the model's suggestions, and with counted words.

    Texts are drawn in an order by hash. training: None if it is not known; then there are no
    counted words. task: said as the split of each score. Raises RecipeError if there is no
    held-out text.
    """
    drawn = sorted(held_out, key=lambda text: named_seed(0, text))
    texts = beginnings(drawn, LETTERS, LONGEST)
    if not texts:
        do = "Hold some out: [split], or more text."
        raise RecipeError("there is no held-out text to type", where=task, do=do)
    every: dict[str, Suggest] = {MODEL: lambda text: model.suggest(text, MOST_SHOWN)}
    if training is not None:
        counted = FrequentWords(training, model.tokenizer)
        every |= {PAIRS: counted, FREQUENT: counted.without_pairs()}
    typed = {name: list[Typed]() for name in every}
    with log.progress("typing unseen text", len(every) * sum(map(len, texts))) as advance:
        for name, suggest in every.items():
            for text in texts:
                typed[name].append(type_out(text, suggest))
                advance(len(text))
    return [*typing_scores(typed, texts, task)]
