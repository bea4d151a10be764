"""`endonym evaluate --writing`: the health of what a model writes (`evaluate/writing.py`)."""

from dataclasses import asdict, replace
from pathlib import Path

from endonym.commands.load import find_artifact, shards_of, words_of
from endonym.commands.scoring import Loaded, Shown
from endonym.data.shards import TokenShards
from endonym.errors import RecipeError
from endonym.evaluate.config import Evaluation
from endonym.evaluate.neighbours import joined_texts
from endonym.evaluate.prompts import SUITES, read_prompts
from endonym.evaluate.tables import aligned
from endonym.evaluate.writing import records_of, writing_cells
from endonym.log import counted, listed
from endonym.pipeline.writing import SAMPLINGS, ToWrite, judge_writing, training_of
from endonym.recipe.recipe import Recipe
from endonym.script.languages import language_alone

MAX_TOKENS: int = Evaluation.model_fields["max_tokens"].default
SEED: int = Recipe.model_fields["seed"].default
"""As in a recipe that says nothing else."""
MADE = "{count} of each, from {prompts}; {max_tokens} tokens at most, seed {seed}"
NO_CORPUS = (
    "the corpus of this model is not in the store: no held-out text stands beside what it writes"
)
OF_ADAPTER = "copies are looked for in the text of the model, not in that of the adapter"


def score_writing(loaded: Loaded, prompts: Path | None, language: str | None) -> Shown:
    """The measures of what a model writes, beside test documents if its corpus is in the store.

    prompts: a file; else those that come along for the language, which is the recipe's if it is not
    given; else beginnings of test documents. Raises RecipeError if there are none of these, or none
    of a language that is given.
    """
    name = loaded.name
    store = loaded.store
    log = loaded.log
    model = loaded.here
    shards = shards_of(name, store)
    file = prompts or SUITES.get(language_alone(language or words_of(name, store).language))
    if file is None and (shards is None or language):
        do = "Give prompts, one a line: --prompts FILE. "
        do += f"Or name one of {listed([*SUITES])}: --language CODE."
        raise RecipeError("no prompts come along for this language", where=language or name, do=do)
    held_out = list[str]()
    if shards is None:
        log.warn(NO_CORPUS)
    else:
        held_out += joined_texts(TokenShards(shards[0], "test"), model.tokenizer, shards[1].join)
    training = training_of(find_artifact(name, store), log)
    if training.texts is not None and loaded.adapter is not None:
        log.warn(OF_ADAPTER)
    asked = ToWrite(read_prompts(file) if file else [], MAX_TOKENS, SEED, "writing")
    judged = judge_writing(model, held_out, training.texts, asked, log=log)
    told = {
        "scores": judged.scores,
        "prompts_file": file and file.name,
        "sampling": [asdict(replace(each, seed=SEED)) for each in SAMPLINGS],
        "max_tokens": MAX_TOKENS,
        "training_share": training.share,
        "texts": records_of(judged.groups),
    }
    count = counted(judged.scores[0].n_documents, "text")
    begun = "beginnings of test documents" if file is None else f"the prompts in {file.name}"
    made = MADE.format(count=count, prompts=begun, max_tokens=MAX_TOKENS, seed=SEED)
    return told, f"{made}\n{aligned(writing_cells(judged.scores))}"
