"""Commands about what is on disk: status, look, prune."""

from pathlib import Path
from typing import Any

import click

from endonym.cli.main import Settings, print_json
from endonym.log import size


@click.command()
@click.argument("run", required=False)
@click.pass_obj
def status(settings: Settings, run: str | None) -> None:
    """Stages of a run, or of every run here: done or missing, sizes, what to do next."""
    from endonym.run import inspection

    found = inspection.status(settings.open_store(), run)
    if settings.is_json:
        print_json({"runs": found})
    else:
        click.echo(inspection.describe_status(found))


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
    from endonym.run import inspection

    store = settings.open_store()
    found = inspection.look(store, artefact, dropped=dropped, text=text, count=count)
    if settings.is_json:
        print_json(found.as_dict())
    else:
        click.echo(found.text)


@click.command()
@click.option("--yes", is_flag=True, help="Remove them.")
@click.pass_obj
def prune(settings: Settings, yes: bool) -> None:
    """List artefacts that no run refers to; with --yes remove them."""
    store = settings.open_store()
    found, parts = store.unreferred(), store.unfinished()
    listed = [_row(each.stage, each.folder, each.bytes()) for each in found]
    listed += [_row(f"{part.parent.name} (unfinished)", part, folder_bytes(part)) for part in parts]
    if yes:
        for artifact in found:
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
    """What could be removed, as one flat object."""
    name = folder.name.split(".")[0]
    return {"stage": stage, "id": name, "bytes": n_bytes, "folder": str(folder)}


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
