"""Commands about what is on disk: status, look, prune, compare, tokenizer compare."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from endonym.cli.main import (
    FOLDER,
    Settings,
    count_option,
    global_options,
    print_json,
    split_option,
    text_option,
)
from endonym.device import program
from endonym.errors import printable_lines
from endonym.log import size

if TYPE_CHECKING:
    from endonym.runs.compare import Comparison
    from endonym.runs.finished_runs import Split


KINDS = (
    *("source", "corpus", "tokenizer", "shards", "examples", "member", "teacher", "model"),
    *("evaluation", "export"),
)
SHOWN = 5
"""Documents that `look` shows."""


@click.command()
@click.argument("run", required=False)
@click.pass_obj
def status(settings: Settings, run: str | None) -> None:
    """Stages of a run, or of every run here: done or missing, sizes, what to do next."""
    from endonym.commands import status as standing

    store = settings.open_store()
    recipes = standing.unrun(store, run)
    runs = [] if run and recipes else standing.status(store, run)
    settings.show(standing.describe_status(runs, recipes), {"runs": runs, "recipes": recipes})


@click.command()
@click.argument("artefact")
@click.argument("kind", metavar="[KIND]", required=False, type=click.Choice(KINDS))
@click.option("--dropped", metavar="REASON", help="Show what was left out: for a reason, or all.")
@click.option("--text", metavar="TEXT", help="Show the tokens of a text, or of a file's beginning.")
@click.option("--mark", is_flag=True, help="Also give the command that marks these documents.")
@click.option("--mark-out", multiple=True, metavar="TEXT", help="Let the recipe leave TEXT out.")
@click.option("--mark-in", multiple=True, metavar="TEXT", help="Let the recipe always keep TEXT.")
@click.option(
    "--of", metavar="FILE", help="Show all texts of a file, and why others of it were left out."
)
@count_option("How many documents to show, or rejects of each reason.", default=SHOWN)
@click.pass_obj
def look(settings: Settings, artefact: str, kind: str | None, **options: Any) -> None:
    """Samples of a run's or an artefact's insides: documents, rejects, tokens, curves.

    ARTEFACT is a run, or the id of an artefact (`endonym status` lists them). KIND is what to look
    at in a run: corpus shows documents; if it is not given, figures of all stages, and the model.
    TEXT is a document as it is shown, a file, or a hash; ARTEFACT may be a recipe then.
    """
    from endonym.commands import inspect as inspection
    from endonym.commands.mark import mark_texts

    store = settings.open_store()
    marks = {f"marked_{key}": options.pop(f"mark_{key}") for key in ("out", "in")}
    if any(marks.values()):
        if kind or options != {**dict.fromkeys(options), "mark": False, "count": SHOWN}:
            raise click.UsageError("--mark-out and --mark-in take neither KIND nor other options.")
        text, data = mark_texts(store, artefact, marks)
    else:
        text, data = inspection.look(store, artefact, kind, **options)
    settings.show(text, {"text": text, **data})


@click.command()
@click.option("--yes", is_flag=True, help="Remove them.")
@click.pass_obj
def prune(settings: Settings, yes: bool) -> None:
    """List artefacts that no run refers to; with --yes remove them."""
    from endonym.commands.inspect import describe_unused, unused

    store = settings.open_store()
    unused_artefacts = unused(store)
    for each in unused_artefacts if yes else ():
        store.remove(each.folder)
    data = {"artefacts": [each.as_dict() for each in unused_artefacts], "removed": yes}
    settings.show(describe_unused(unused_artefacts, are_removed=yes), data)
    if unused_artefacts and not yes and not settings.is_json:
        total = size(sum(each.bytes for each in unused_artefacts))
        settings.log().line(f"{total} in all; next: {program()} prune --yes")


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@split_option("Whose scores: dev to choose a run, test to judge the chosen one.")
@click.option(
    "--out", type=FOLDER, metavar="DIR", help="Where to write the page (default: beside the runs)."
)
@click.pass_obj
def compare(settings: Settings, runs: tuple[str, ...], split: "Split", out: Path | None) -> None:
    """Finished runs in one table and one page with curves. A recipe means all its runs.

    A folder with a public model, in the transformers format, is scored on the runs' documents.
    """
    from endonym.runs.compare import compare as compared
    from endonym.runs.finished_runs import finished_runs
    from endonym.runs.public_models import is_model_folder, public_model

    store = settings.open_store()
    log = settings.log()
    names = [name for name in runs if not is_model_folder(name)]
    paths = [Path(name) for name in runs if is_model_folder(name)]
    folders = {path.resolve(): path for path in paths}.values()
    chosen = finished_runs(names, store, log, split, fewest=1 if folders else 2)
    device = settings.pick_device()
    others = [public_model(folder, chosen[0], split, log=log, device=device) for folder in folders]
    show_comparison(settings, compared(chosen, others), {}, out)


def show_comparison(
    settings: Settings, comparison: "Comparison", more: dict[str, Any], out: Path | None = None
) -> None:
    """Write the page, and print the table or the JSON object. more: other keys of the object."""
    from endonym.export.history import is_of_split
    from endonym.runs.compare import as_dict
    from endonym.runs.comparison_page import efficiency_path, write_comparison
    from endonym.runs.comparison_tables import describe
    from endonym.runs.find import asked
    from endonym.store import run_argument

    page = write_comparison(comparison, out)
    pages = {"page": str(page)}
    pages |= {kind: str(page.with_suffix(f".{kind}")) for kind in ("csv", "json", "md", "tex")}
    other_files = ".csv, .json, .md and .tex"
    if (efficiency := efficiency_path(page)).exists():
        pages["efficiency_csv"] = str(efficiency)
        other_files = ".csv, .json, .md, .tex and -efficiency.csv"
    if settings.is_json:
        shown = {**as_dict(comparison), **pages}
        print_json({**more, "comparison": shown} if more else shown)
        return
    numbered = re.search(r"-\d+$", page.stem)
    other_runs = " (the one without a number compares other runs)" if numbered else ""
    pages_told = f"page  {page}{other_runs}, and beside it {other_files}"
    table = f"\n{describe(comparison)}\n\n{pages_told}"
    click.echo(printable_lines(table))
    store = settings.open_store()
    first = run_argument(comparison.first.folder, store)
    following = asked(first, comparison.first.models[-1])
    before = ""
    if not comparison.documents and comparison.is_of_one_language:
        following = f"evaluate {first} --text FILE, and the others on the same file"
    elif comparison.split == "dev" and not comparison.best.has_several:
        following = f"evaluate {first} --split test"
    elif comparison.split == "dev":
        chosen = [run_argument(run.folder, store) for run in comparison.best.runs]
        following = f"compare {' '.join(chosen)} --split test"
        made = [[each.manifest for each in run.evaluations] for run in comparison.best.runs]
        if not all(any(is_of_split(each.get("config", {})) for each in own) for own in made):
            before = 'add [[evaluate]] with kind = "bits" to the recipe, which scores test; then '
            following = f" && {program()} ".join([*(f"run {each}" for each in chosen), following])
    settings.log().line(f"next: {before}{program()} {following}")


@click.group()
def tokenizer() -> None:
    """Compare tokenizers on the same texts: endonym tokenizer compare TOKENIZER..."""


@tokenizer.command("compare")
@click.argument("tokenizers", metavar="TOKENIZER...", nargs=-1, required=True)
@text_option("A file or folder to measure them on instead of the runs' dev documents")
@click.pass_obj
def tokenizer_compare(
    settings: Settings, tokenizers: tuple[str, ...], texts: tuple[Path, ...]
) -> None:
    """Several tokenizers on the same texts: lengths of tokens, cut letters, unused ids, speed.

    TOKENIZER is a run, a tokenizer.json, or a folder that holds one; it may be anybody's.
    """
    from endonym.runs import compare_tokenizers as comparing

    rows = comparing.compare_tokenizers(tokenizers, texts, settings.open_store(), settings.log())
    if settings.is_json:
        print_json(comparing.tokenizer_figures(rows))
        return
    click.echo(printable_lines("\n" + comparing.tokenizer_table(rows)))


global_options(tokenizer_compare)
