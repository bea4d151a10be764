"""Commands about what is on disk: status, look, prune, compare."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from endonym.cli.main import Settings, print_json
from endonym.log import folded, size

if TYPE_CHECKING:
    from endonym.commands.compare import Comparison
    from endonym.commands.finished_runs import Split


@click.command()
@click.argument("run", required=False)
@click.pass_obj
def status(settings: Settings, run: str | None) -> None:
    """Stages of a run, or of every run here: done or missing, sizes, what to do next."""
    from endonym.commands import inspect as inspection

    runs = inspection.status(settings.open_store(), run)
    if settings.is_json:
        print_json({"runs": runs})
    else:
        click.echo(inspection.describe_status(runs))


@click.command()
@click.argument("artefact")
@click.option("--dropped", metavar="REASON", help="Show rejected documents: a reason, or all.")
@click.option("--text", metavar="TEXT", help="Show how a text is cut into tokens.")
@click.option("-n", "count", type=click.IntRange(min=1), default=5, show_default=True)
@click.pass_obj
def look(
    settings: Settings, artefact: str, dropped: str | None, text: str | None, count: int
) -> None:
    """Samples of a run's or an artefact's insides: documents, rejects, tokens, curves."""
    from endonym.commands import inspect as inspection

    store = settings.open_store()
    inspected = inspection.look(store, artefact, dropped=dropped, text=text, count=count)
    if settings.is_json:
        print_json(inspected.as_dict())
    else:
        click.echo(folded(inspected.text))


@click.command()
@click.option("--yes", is_flag=True, help="Remove them.")
@click.pass_obj
def prune(settings: Settings, yes: bool) -> None:
    """List artefacts that no run refers to; with --yes remove them."""
    store = settings.open_store()
    artifacts, parts = store.unreferred(), store.unfinished()
    listed = [_row(each.stage, each.folder, each.bytes()) for each in artifacts]
    listed += [_row(f"{part.parent.name} (unfinished)", part, folder_bytes(part)) for part in parts]
    if yes:
        for artifact in artifacts:
            store.remove(artifact)
        for part in parts:
            store.remove_unfinished(part)
    if settings.is_json:
        print_json({"artefacts": listed, "removed": yes})
        return
    for each in listed:
        click.echo(f"{each['stage']:<22}{each['id']}  {size(each['bytes'])}")
    if not listed:
        click.echo("every artefact belongs to a run")
    elif not yes:
        total = size(sum(each["bytes"] for each in listed))
        settings.log().line(f"{total} in all; next: endonym prune --yes")


def _row(stage: str, folder: Path, n_bytes: int) -> dict[str, Any]:
    """An artefact that could be removed."""
    name = folder.name.split(".")[0]
    return {"stage": stage, "id": name, "bytes": n_bytes, "folder": str(folder)}


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--split",
    type=click.Choice(["test", "dev"]),
    default="test",
    show_default=True,
    help="Whose scores: dev to choose a run, test to judge the chosen one.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to write the page (default: beside the runs).",
)
@click.pass_obj
def compare(settings: Settings, runs: tuple[str, ...], split: "Split", out: Path | None) -> None:
    """Finished runs in one table and one page with curves. A recipe means all its runs."""
    from endonym.commands import compare as comparing
    from endonym.commands.finished_runs import finished_runs

    chosen = finished_runs(runs, settings.open_store(), settings.log(), split)
    show_comparison(settings, comparing.compare(chosen), {}, out)


def show_comparison(
    settings: Settings, comparison: "Comparison", more: dict[str, Any], out: Path | None = None
) -> None:
    """Write the page, and print the table or the JSON object. more: other keys of the object."""
    from endonym.commands import compare as comparing
    from endonym.commands.comparison_page import write_comparison

    page = write_comparison(comparison, out)
    pages = {"page": str(page)}
    pages |= {kind: str(page.with_suffix(f".{kind}")) for kind in ("csv", "json")}
    if settings.is_json:
        shown = {**comparing.as_dict(comparison), **pages}
        print_json({**more, "comparison": shown} if more else shown)
        return
    click.echo(f"\n{comparing.describe(comparison)}\n\npage  {page}, and beside it .csv and .json")
    best = comparison.runs[0]
    is_here = (settings.store.parent / "runs" / best.name).is_dir()
    first = shlex.quote(best.name if is_here else str(best.folder))
    settings.log().line(
        f'next: endonym generate {first} "…"'
        if comparison.differences
        else f"next: endonym evaluate {first} --text FILE, and the others on the same file"
    )
