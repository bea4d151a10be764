"""Commands about a recipe: new, check, run, explain."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from endonym.cli.main import Settings, print_json
from endonym.errors import RecipeError

if TYPE_CHECKING:
    from endonym.recipe.recipe import Recipe

RECIPE = click.argument("recipe", type=click.Path(path_type=Path, dir_okay=False))
VARIANT = click.option("--variant", metavar="NAME", help="Lay this variant's tables over it.")
SETS = click.option("--set", "sets", multiple=True, metavar="K=V", help="Override one key.")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--language", metavar="CODE", help="The language's code, such as tt or km.")
@click.option(
    "--text",
    "texts",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A file or folder of texts; may be repeated.",
)
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="How long training may take here.",
)
@click.option("--demo", metavar="NAME", help="Use texts that come with endonym: french, english.")
@click.pass_obj
def new(
    settings: Settings,
    folder: Path,
    language: str | None,
    texts: tuple[Path, ...],
    hours: float,
    demo: str | None,
) -> None:
    """Write a commented starter recipe, sized to the texts and to this machine."""
    from endonym.run import starter

    log = settings.log()
    if demo is not None:
        path, skipped = starter.write_demo(folder, demo), []
    elif not texts or language is None:
        missing = "--text PATH" if not texts else "--language CODE"
        raise RecipeError(
            f"{missing} is missing",
            where="endonym new",
            do="For example: endonym new my-tatar --language tt --text texts/",
        )
    else:
        path, found = starter.write_recipe(
            folder,
            name=folder.absolute().name,
            language=language,
            texts=texts,
            hours=hours,
            store=settings.store,
        )
        skipped = found.skipped
    for file, reason in skipped:
        log.warn(f"left out: {file}: {reason}")
    if settings.is_json:
        print_json({"recipe": str(path), "left_out": [list(each) for each in skipped]})
    else:
        click.echo(str(path))
    quoted = shlex.quote(str(path))
    log.line(f"next: endonym check {quoted}, then endonym run {quoted}")


@click.command()
@RECIPE
@VARIANT
@SETS
@click.pass_obj
def check(settings: Settings, recipe: Path, variant: str | None, sets: tuple[str, ...]) -> None:
    """Parse a recipe, count parameters and tokens, estimate time; make nothing."""
    from endonym.recipe.recipe import Recipe
    from endonym.run import checking

    loaded = Recipe.load(recipe, variant=variant, sets=sets)
    found = checking.check(loaded, settings.open_store())
    if settings.is_json:
        print_json(found.as_dict())
    else:
        click.echo(checking.describe(found))
        settings.log().line(f"next: endonym run {shlex.quote(str(recipe))}")


@click.command()
@RECIPE
@VARIANT
@SETS
@click.option("--until", metavar="STAGE", help="Stop after this stage.")
@click.option("--dry-run", is_flag=True, help="Say what would be made, make nothing.")
@click.option("--replan", is_flag=True, help="Forget what was chosen for this recipe before.")
@click.pass_obj
def run(
    settings: Settings,
    recipe: Path,
    variant: str | None,
    sets: tuple[str, ...],
    until: str | None,
    dry_run: bool,
    replan: bool,
) -> None:
    """Make every missing artefact of a recipe, in order. Safe to interrupt and to repeat."""
    from endonym.recipe.recipe import Recipe
    from endonym.run import making

    for name in variant_names(recipe, variant):
        loaded = Recipe.load(recipe, variant=name, sets=sets)
        if dry_run:
            show_plan(settings, loaded, replan=replan)
            continue
        finished = making.run_and_report(
            loaded,
            settings.open_store(),
            settings.log(),
            until=until,
            replan=replan,
            device=settings.device,
        )
        if settings.is_json:
            print_json(making.as_dict(finished))
        else:
            making.say_results(finished)


def variant_names(recipe: Path, variant: str | None) -> Sequence[str | None]:
    """The variants that `--variant` means. Raises RecipeError if "all" are none."""
    from endonym.recipe.recipe import Recipe

    if variant != "all":
        return [variant]
    names = Recipe.variants(recipe)
    if not names:
        raise RecipeError("it has no variants", where=str(recipe), do="Leave --variant all out.")
    return names


def show_plan(settings: Settings, recipe: "Recipe", *, replan: bool) -> None:
    """What `run` would make, and what is there."""
    from endonym.run import making

    stages = making.describe_plan(recipe, settings.open_store(), settings.log(), replan=replan)
    if settings.is_json:
        print_json({"run": recipe.run_name, "stages": stages})
        return
    for stage in stages:
        state = "there" if stage["there"] else "missing"
        click.echo(f"{stage['name']:<22} {stage['id']}  {state}")


@click.command()
@click.argument("key", required=False, default="")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of recipes, for editors.")
@click.pass_obj
def explain(settings: Settings, key: str, schema: bool) -> None:
    """Type, default, meaning and source of a recipe key."""
    from endonym.recipe import reference

    if schema and settings.is_json:
        print_json(reference.json_schema())
    elif schema:
        click.echo(json.dumps(reference.json_schema(), ensure_ascii=False, indent=1))
    elif settings.is_json:
        print_json({"key": key, "text": reference.explain(key)})
    else:
        click.echo(reference.explain(key))
