"""`endonym evaluate --writing`: the health of what a model writes (`evaluate/writing.py`)."""

from dataclasses import asdict, replace
from pathlib import Path

from endonym.commands.load import shards_of, words_of
from endonym.commands.scoring import Loaded, Shown
from endonym.errors import RecipeError
from endonym.evaluate.config import Evaluation
from endonym.evaluate.prompts import SUITES, read_prompts, suite_of
from endonym.evaluate.tables import aligned
from endonym.evaluate.writing import records_of, writing_cells
from endonym.log import counted, listed
from endonym.pipeline.writing import SAMPLINGS, Corpus, ToWrite, judge_writing, read_corpus
from endonym.recipe.recipe import Recipe

MAX_TOKENS: int = Evaluation.model_fields["max_tokens"].default
SEED: int = Recipe.model_fields["seed"].default
"""As in a recipe that says nothing else."""
MADE = "{count} of each, from {prompts}; {max_tokens} tokens at most, seed {seed}"
NO_CORPUS = (
    "the corpus of this model is not in the store: known words and copies are left out, and there "
    "is no held-out text beside what it writes"
)
OF_ADAPTER = "copies are looked for in the text of the model, not in that of the adapter"


def score_writing(loaded: Loaded, prompts: Path | None, language: str | None) -> Shown:
    """The measures of what a model writes, beside test documents if its corpus is in the store.

    prompts: a file; else those that come along for the language, which is the recipe's if it is not
    given; else beginnings of test documents. Raises RecipeError if there are none of these, or none
    of a language that is given.
    """
    name, store, log, model = loaded.name, loaded.store, loaded.log, loaded.here
    shards = shards_of(name, store)
    file = prompts or suite_of(language or words_of(name, store).language)
    if file is None and (shards is None or language):
        do = "Give prompts, one a line: --prompts FILE. "
        do += f"Or name one of {listed([*SUITES])}: --language CODE."
        raise RecipeError("no prompts come along for this language", where=language or name, do=do)
    corpus = Corpus()
    if shards is None:
        log.warn(NO_CORPUS)
    else:
        corpus = read_corpus(shards[0], model.tokenizer, "test", shards[1].join)
        if loaded.adapter is not None:
            log.warn(OF_ADAPTER)
    asked = ToWrite(read_prompts(file) if file else [], MAX_TOKENS, SEED, "writing")
    judged = judge_writing(model, corpus.held_out, corpus.training, asked, log=log)
    told = {
        "scores": judged.scores,
        "prompts_file": file and file.name,
        "sampling": [asdict(replace(each, seed=SEED)) for each in SAMPLINGS],
        "max_tokens": MAX_TOKENS,
        "training_share": corpus.share,
        "texts": records_of(judged.groups),
    }
    count = counted(judged.scores[0].n_documents, "text")
    begun = "beginnings of test documents" if file is None else f"the prompts in {file.name}"
    made = MADE.format(count=count, prompts=begun, max_tokens=MAX_TOKENS, seed=SEED)
    return told, "\n".join([made, *aligned(writing_cells(judged.scores), indent=2)])
