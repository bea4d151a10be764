"""`endonym evaluate --typing`: key presses that suggestions save (`evaluate/key_presses.py`)."""

from endonym.commands.load import find_artifact, shards_of
from endonym.commands.scoring import NO_CORPUS, Loaded, Shown
from endonym.data.shards import TokenShards
from endonym.errors import RecipeError
from endonym.evaluate.neighbours import joined_texts
from endonym.evaluate.tables import aligned
from endonym.evaluate.typing_scores import typing_cells
from endonym.log import counted, number
from endonym.pipeline.typing import COUNTED_BYTES, judge_typing
from endonym.pipeline.writing import training_of

TYPED = "{texts} typed from their start, {letters} letters in all"


def score_typing(loaded: Loaded) -> Shown:
    """Key presses that the suggestions of a model save on the test documents of its corpus.

    Raises RecipeError if its corpus is not in the store.
    """
    name = loaded.name
    store = loaded.store
    log = loaded.log
    model = loaded.here
    shards = shards_of(name, store)
    if shards is None:
        do = "Take a run of this store: endonym list"
        raise RecipeError(f"there is nothing to type: {NO_CORPUS}", where=name, do=do)
    held_out = [*joined_texts(TokenShards(shards[0], "test"), model.tokenizer)]
    training = training_of(find_artifact(name, store), log, COUNTED_BYTES)
    scores = judge_typing(model, held_out, training.texts, "typing", log=log)
    texts = counted(scores[0].n_documents, "text")
    said = TYPED.format(texts=texts, letters=number(scores[0].n_chars))
    told = {"scores": scores, "training_share": training.share}
    return told, f"{said}\n{aligned(typing_cells(scores))}"
