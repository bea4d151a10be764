"""The Python API: write a recipe, run it, load a model."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from endonym.arguments import SHOWN, require_kind, require_list, wrong
from endonym.autopilot.purpose import PurposeName
from endonym.commands import load as loading
from endonym.commands.load import find_adapter, load_model
from endonym.commands.new import write_recipe
from endonym.commands.proofread import load_proofreader
from endonym.commands.run import run_and_report
from endonym.corpus.corpus import Corpus
from endonym.device import pick
from endonym.errors import MissingSource, RecipeError, printable
from endonym.formats.fetched import is_address
from endonym.generate.language_model import LanguageModel
from endonym.generate.proofread import Proofreader
from endonym.lexicon.words import WordList, words_of_corpus
from endonym.log import Log
from endonym.pipeline.execute import Run
from endonym.recipe.recipe import Recipe
from endonym.store import Store

__all__ = ["load", "make", "new", "proofreader", "with_adapter", "words"]

NAME_A_MODEL = (
    "Pass the name or the folder of a run or a model: endonym.load(run.folder). The model of a Run "
    "is run.language_model()."
)


PATHS = 'texts=["folder/of/texts"]'
IF_THEY_ARE_TEXTS = (
    "If these are texts, write them into a file first, one a line "
    f'(Path("texts.txt").write_text("\\n".join(sentences), encoding="utf-8")): {PATHS}'
)
GIVE_HOURS = "Give a number of hours, such as 0.5."
MOST_HOURS = 1_000_000
LONGEST_WHERE = 1_000
"""Characters of a path that an error shows; it may be a whole document."""


def new(
    folder: str | Path,
    *,
    language: str,
    texts: Iterable[str | Path],
    hours: float = 1.0,
    purpose: PurposeName = "model",
    store: str | Path = "store",
    quiet: bool = False,
) -> Path:
    """Write a commented recipe for these files, folders and addresses, as `endonym new` does.

    purpose: "model", or "keyboard" for that of a phone (`--for`). Returns the path of the recipe:

    >>> path = endonym.new("my-tatar", language="tt", texts=["texts"], hours=0.5)

    Raises MissingSource if `texts` are sentences and not paths.
    """
    require_kind("folder", folder, (str, Path), do="Give the path of a new folder.")
    require_kind("language", language, (str,), do='Give the code of the language, such as "tt".')
    require_kind("hours", hours, (int, float), do=GIVE_HOURS)
    if not 0 < hours <= MOST_HOURS:
        raise wrong("hours", hours, meant=f"a number above 0, up to {MOST_HOURS:,}", do=GIVE_HOURS)
    if purpose not in get_args(PurposeName):
        raise wrong(
            "purpose", purpose, meant=" or ".join(get_args(PurposeName)), do="Give one of them."
        )
    texts = _require_paths("texts", texts)
    try:
        path, _ = write_recipe(
            Path(folder),
            language=language,
            texts=texts,
            hours=hours,
            purpose=purpose,
            store=Path(store),
            log=Log(quiet=quiet),
        )
    except MissingSource as error:  # What was given may be a text.
        raise MissingSource(
            error.message,
            where=str(error.where).removeprefix("--text ")[:LONGEST_WHERE],
            do=f"{error.do} {IF_THEY_ARE_TEXTS}",
        ) from error
    return path


def make(
    recipe: Recipe,
    *,
    store: str | Path = "store",
    quiet: bool = False,
    workers: int | Literal["ray"] = 1,
    fresh: Sequence[str] = (),
) -> Run:
    """Make every missing artefact of a recipe, as `endonym run` does.

    fresh: stages that other code may have made, to be made again by today's (`--fresh`).
    workers: how many processes make the corpus; more than one import the calling script, so call
    this below `if __name__ == "__main__":` there.

    >>> run = endonym.make(endonym.Recipe.load("my-tatar/recipe.toml"))
    """
    do = "Read it first: endonym.make(endonym.Recipe.load(path)); or write endonym.Recipe(**keys)"
    require_kind("recipe", recipe, (Recipe,), do=do)
    fresh = require_list("fresh", fresh, of="stages", example='fresh=["model"]')
    recipe = recipe.checked()
    return run_and_report(
        recipe, Store(Path(store)), Log(quiet=quiet), workers=workers, fresh=fresh
    )


def load(
    model: str | Path,
    *,
    store: str | Path = "store",
    device: str = "cpu",
    adapter: str | Path | None = None,
) -> LanguageModel:
    """The language model of a run, a model artefact or a transformers folder.

    adapter: a folder of peft's, or the model of an adapted phase; it is merged into the weights.

    >>> model = endonym.load("my-tatar")  # or runs/my-tatar, or a folder
    >>> model.generate("Кояшлы көндә", max_tokens=80)
    """
    require_kind("model", model, (str, Path), do=NAME_A_MODEL)
    adapter_name = None if adapter is None else str(adapter)
    return load_model(str(model), Store(Path(store)), pick(device), Log(), adapter=adapter_name)


def proofreader(
    model: str | Path,
    *,
    words: str | Path | None = None,
    store: str | Path = "store",
    device: str = "cpu",
) -> Proofreader:
    """What finds words that are probably wrong, as `endonym proofread` does.

    words: a file with a known word a line, maybe with a tab and a count, for a model whose texts
    are not in the store. At the first use the words of its texts are counted, and a threshold is
    chosen; both are kept in the store's cache.

    >>> for each in endonym.proofreader("my-tatar").check("Мин мэктэпкә барам."):
    ...     print(each.begin, each.end, each.word, [one.word for one in each.corrections])
    """
    require_kind("model", model, (str, Path), do=NAME_A_MODEL)
    require_kind("words", words, (str, Path, type(None)), do="Write the words into a file.")
    word_file = None if words is None else Path(words)
    given = str(model), Store(Path(store)), pick(device), Log()
    return load_proofreader(*given, word_file=word_file)


def with_adapter(
    model: LanguageModel, adapter: str | Path, *, store: str | Path = "store"
) -> LanguageModel:
    """The model with an adapter, which shares its weights: several can be used side by side.

    adapter: a folder of peft's, or the model or run of an adapted phase, as for `load`. Raises
    ExportError if it is the adapter of another model, or if the model has an adapter already.

    >>> base = endonym.load("my-tatar")
    >>> fables = endonym.with_adapter(base, "fables")
    """
    do = "Load it first: endonym.with_adapter(endonym.load(name), adapter)"
    require_kind("model", model, (LanguageModel,), do=do)
    return loading.with_adapter(model, find_adapter(str(adapter), Store(Path(store))))


def words(run: str | Path, *, store: str | Path = "store") -> WordList:
    """The words of a run's training text with their counts; of a corpus artefact, too.

    They are those of `endonym export --to dictionary`, also where they are too few for one.

    >>> words = endonym.words("my-tatar")
    >>> words.words["китап"].count, words.knows("Китап"), words.left_out["rare"].words
    """
    do = "Pass the name or the folder of a run: endonym.words(run.folder)"
    require_kind("run", run, (str, Path), do=do)
    home = Store(Path(store))
    corpus = loading.find_corpus(str(run), home).verify()
    return words_of_corpus(Corpus(corpus.folder), loading.words_of(str(run), home).language)


def _require_paths(name: str, values: Any) -> list[str | Path]:
    """Paths and addresses of texts. Raises RecipeError for a single one and for none, MissingSource
    for a text that would be read as another path: an empty one is the current folder.
    """
    paths = require_list(name, values, of="paths", example=PATHS)
    if not paths:
        raise RecipeError(f"{name} is empty: there is nothing to read", where=name, do=PATHS)
    for path in paths:
        if not isinstance(path, str | Path):
            raise wrong(name, path, meant="paths of files and folders", do=IF_THEY_ARE_TEXTS)
        words = str(path).split()
        if not words or (len(words) > 1 and is_address(str(path))):
            what = f"there is no file or folder {printable(path)[:SHOWN]!r}"
            raise MissingSource(what, where=name, do=f"Check the path. {IF_THEY_ARE_TEXTS}")
    return paths
