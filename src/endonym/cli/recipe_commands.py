"""Commands about a recipe: doctor, new, check, run, explain."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import click

from endonym.cli.main import PATH, Positive, Settings, print_json, say, text_option
from endonym.device import process_info, program
from endonym.errors import RecipeError, printable, quoted
from endonym.log import duration
from endonym.workers import RAY, require_reachable

if TYPE_CHECKING:
    from endonym.autopilot.purpose import PurposeName
    from endonym.commands.run import RunOptions
    from endonym.pipeline.execute import Run
    from endonym.recipe.recipe import Recipe
    from endonym.store import Store

RECIPE = click.argument("recipe", type=PATH)
VARIANTS = click.option(
    "--variant",
    metavar="NAME|all",
    help="Use this variant's tables; NAME,NAME: several; all: the recipe and every variant.",
)
SETS = click.option("--set", "sets", multiple=True, metavar="K=V", help="Override one key.")


MOST_WORKERS = 10_000


class WorkersType(click.ParamType):
    """A number of processes, or the word that means Ray."""

    name = f"N|{RAY}"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """The number, or the word."""
        if value == RAY:
            require_reachable(os.environ.get("RAY_ADDRESS", ""))
            return RAY
        if not str(value).isdecimal() or not 1 <= int(str(value)[:5]) <= MOST_WORKERS:
            self.fail(f'"{value}" is neither a number of processes nor "{RAY}".', param, ctx)
        return int(value)


@click.command()
@click.argument("folder", metavar="DIR", type=PATH)
@click.option("--language", metavar="CODE", help="The language's code, such as tt or km.")
@text_option("A file or folder of texts, https://…, leipzig:NAME or wikipedia:CODE", kind=str)
@click.option(
    "--update", is_flag=True, help="Take new and renamed texts into the recipe that is there."
)
@click.option("--hours", type=Positive(1e6), default=1.0, help="How long training may take here.")
@click.option("--demo", metavar="NAME", help="Use texts that come with endonym: french, english.")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(("model", "keyboard")),
    default="model",
    help="What the model is for: keyboard is that of a phone (docs/keyboard.md).",
)
@click.pass_obj
def new(
    settings: Settings,
    folder: Path,
    language: str | None,
    texts: tuple[str, ...],
    hours: float,
    demo: str | None,
    update: bool,
    purpose: "PurposeName",
) -> None:
    """Write a commented starter recipe, sized to the texts and to this machine.

    With --update the recipe of DIR gets the texts beside its sources that none of them reads, or
    those of --text; all else in it stays as it is.
    """
    from endonym.commands import new as starter
    from endonym.commands.new_demo import write_demo
    from endonym.commands.update import update_recipe

    store = settings.store
    log = settings.log()
    survey_numbers: dict[str, Any] = {}
    if purpose != "model" and (update or demo is not None):
        message = f"--for {purpose} is of a new recipe for texts of yours"
        raise RecipeError(message, where="endonym new", do="Leave --update and --demo out.")
    if update:
        path, survey = update_recipe(folder, texts=texts, store=store, log=log)
        survey_numbers = survey.as_dict()
    elif demo is not None:
        path = write_demo(folder, demo, store=store, log=log)
    elif not texts or language is None:
        message = f"{'--language CODE' if texts else '--text PATH'} is missing"
        do = "For example: endonym new my-tatar --language tt --text texts/"
        raise RecipeError(message, where="endonym new", do=do)
    else:
        if settings.device not in (None, "cpu"):
            log.warn(
                f"the recipe is sized to this machine's processor, not to {settings.device}: for "
                "a GPU take more hours, or larger model.dim, model.layers and phase.batch_tokens"
            )
        try:
            given: Any = {"store": store, "log": log, "purpose": purpose}
            path, survey = starter.write_recipe(
                folder, language=language, texts=texts, hours=hours, **given
            )
        except KeyboardInterrupt as stop:
            raise click.Abort("No recipe was written. The same command begins anew.") from stop
        survey_numbers = survey.as_dict()
    if settings.is_json:
        print_json({"recipe": str(path), "left_out": [], **survey_numbers})
    else:
        click.echo(printable(path))
    named = quoted(path)
    log.line(f"next: {program()} check {named}, then {program()} run {named}")


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PATH)
@click.option("--language", metavar="CODE", help="The language's code; guessed if not given.")
@click.option(
    "--contrast",
    multiple=True,
    metavar="FILES",
    help="Texts in other languages from which to tell it, each file named by its code: ba.txt; may "
    "be repeated.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("doctor.html"),
    metavar="FILE",
    help="Where to write the page.",
)
@click.option(
    "--examples",
    "samples",
    type=click.IntRange(1, 10_000),
    default=20,
    metavar="N",
    help="Examples of each finding.",
)
@click.option("--workers", type=WorkersType(), help="As for run: processes, or a cluster of Ray.")
@click.pass_obj
def doctor(settings: Settings, paths: tuple[Path, ...], *, out: Path, **options: Any) -> None:
    """Say what is wrong with texts, and what mends it, on one page that needs no network.

    PATH is a file or folder of texts, or a recipe.toml. Nothing else is written.
    """
    from endonym.commands import doctor as examining
    from endonym.commands.new import require_language

    if options["language"] is not None:
        require_language(options["language"])
    try:
        diagnosis = examining.examine_texts(paths, out=out, log=settings.log(), **options)
    except KeyboardInterrupt as stop:
        raise click.Abort("Nothing is kept of it. The same command begins anew.") from stop
    text = f"{examining.describe(diagnosis)}\n\npage  {out}"
    settings.show(text, {**diagnosis.as_dict(), "page": str(out)})
    patient = diagnosis.patient
    if patient.new and not settings.is_json:
        again = "mend what is said above, then the same command again"
        settings.log().line(f"next: {patient.new if diagnosis.recipe else again}")


@click.command()
@RECIPE
@VARIANTS
@SETS
@click.option(
    "--machine",
    metavar="NAME",
    help="Plan for another machine: h100, h200, a100, rtx4090, rtx3090.",
)
@click.option(
    "--text-size",
    "text_sizes",
    multiple=True,
    metavar="[SOURCE=]SIZE",
    help="Plan for so much text, whose files need not be there yet: 20MB, or web=1.5GB for one "
    "source, or one phase's data.",
)
@click.pass_obj
def check(
    settings: Settings,
    recipe: Path,
    *,
    variant: str | None,
    sets: tuple[str, ...],
    machine: str | None,
    text_sizes: tuple[str, ...],
) -> None:
    """Estimate time and memory of a recipe, count parameters and tokens; make nothing.

    RECIPE is a file, its folder, or a run, which stands for what it was made of.

    --variant all counts the recipe as it stands and then each of its variants.
    """
    from endonym.autopilot.known_machines import KnownMachine
    from endonym.commands import check as checking

    recipes, store = named_recipes(settings, recipe, variant, sets)
    is_study = len(recipes) > 1
    known = KnownMachine.named(machine) if machine else None
    if known and settings.device:
        do = "Leave --device out: it names a device of this machine."
        raise RecipeError("the plan is for another machine", where="--machine", do=do)
    log = settings.log()
    checks = [
        checking.check(
            each,
            store,
            settings.pick_device(),
            log=log,
            machine=known,
            sizes=checking.sizes_of(each, text_sizes),
        )
        for each in recipes
    ]
    warnings = checking.cautions_of_study(checks)
    if settings.is_json:
        dicts = [each.as_dict() for each in checks]
        print_json({"recipes": dicts, "warnings": warnings} if is_study else dicts[0])
        return
    say("\n\n".join(map(checking.describe, checks)))
    for warning in warnings:
        say(f"\nwarning           {warning}")
    times = [each.seconds for each in checks if each.seconds is not None]
    if is_study and len(times) == len(checks):
        say(f"\nall {len(checks)} runs ≈ {duration(sum(times))}, with each one's own baselines")
    which = f" --variant {quoted(variant)}" if variant else ""
    for each in [*sets, *checking.sets_of_study(checks)]:
        which += f" --set {quoted(each)}"
    if not machine and not text_sizes:
        log.line(f"next: {program()} run {quoted(recipe)}{which}")


@click.command()
@RECIPE
@VARIANTS
@SETS
@click.option("--until", metavar="STAGE", help="Stop after this stage.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="List the stages and what cleaning does to a sample; make nothing.",
)
@click.option(
    "--fresh",
    multiple=True,
    metavar="STAGE",
    help="Make this stage again if other code made it, and all that is made from it; may be "
    "repeated.",
)
@click.option("--replan", is_flag=True, help="Choose and measure again.")
@click.option(
    "--tune",
    "tune_minutes",
    type=Positive(1e6),
    metavar="MINUTES",
    help="First search for a better learning rate by short trainings, and for a better weight "
    "decay if these are long enough.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    default=1,
    metavar="N",
    help="Train under N seeds, the recipe's own and the next ones; show mean and spread.",
)
@click.option(
    "--ablate",
    metavar="SOURCE",
    help="Train without this source, too, and compare: does it help?",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 1000),
    default=1,
    metavar="N",
    help="Train in N processes on this machine.",
)
@click.option(
    "--workers",
    type=WorkersType(),
    help="Make the corpus in N processes, or on a cluster of Ray (default: one for each core; for "
    "small texts, one).",
)
@click.pass_obj
def run(settings: Settings, recipe: Path, *, processes: int, **options: Any) -> None:
    """Make every missing artefact of a recipe, in order. Safe to interrupt and to repeat.

    RECIPE is a file, its folder, or a run, which goes on. Another --set makes another run.

    --variant all runs the recipe as it stands and then each of its variants, and compares them.
    --seeds 3 trains each of these under three seeds, on the same held-out documents.
    --ablate SOURCE trains without this source as well.
    """
    from endonym.cli.processes import among_others, launch, require_able

    if process_info().size == 1 and processes > 1 and not options["dry_run"]:
        require_able(settings.device)
        launch(processes, settings.arguments)
        return
    with among_others(settings.device) as is_first:
        if is_first:
            if not options["dry_run"]:
                settings.say_unused_gpu()
            run_recipes(settings, recipe, **options)


def run_recipes(
    settings: Settings,
    recipe: Path,
    *,
    variant: str | None,
    sets: tuple[str, ...],
    seeds: int,
    ablate: str | None = None,
    dry_run: bool,
    **options: "Unpack[RunOptions]",
) -> None:
    """Make or, with dry_run, list the stages of the recipe, of its variants, under its seeds.

    ablate: a source without which all of them are made as well. options: all others that `run` has
    flags for.
    """
    from endonym.autopilot import machine
    from endonym.commands import run as commands

    log = settings.log()
    is_study = variant == "all" or "," in (variant or "") or seeds > 1 or ablate is not None
    options["device"] = settings.device
    until = options.get("until")
    fresh = options.get("fresh", ())
    replan = options.get("replan", False)
    recipes, store = named_recipes(settings, recipe, variant, sets, seeds=seeds, ablate=ablate)
    if is_study:
        commands.check_all(recipes, store, log, until=until, fresh=fresh)
    if dry_run:
        given: Any = {"until": until, "fresh": fresh, "replan": replan}
        given["target"] = settings.pick_device()
        plans = [commands.describe_plan(each, store, log, **given) for each in recipes]
        data = plans[0] if len(plans) == 1 else {"runs": plans}
        settings.show(commands.describe_plans(plans), data)
        return
    if replan and process_info().rank == 0:
        machine.forget(store.root / "machine.json")
    finished: list[Run] = []
    for place, each in enumerate(recipes, start=1):
        if is_study:
            log.line(f"{each.run_name}, {place} of {len(recipes)}")
        made = commands.run_and_report(each, store, log, **options)
        finished.append(made)
        if not (settings.is_json or is_study):
            commands.say_results(made)
        elif not settings.is_json and (report := made.folder / "report.html").is_file():
            click.echo(printable(f"report  {report}"))
    if is_study:
        show_study(settings, finished)
    elif settings.is_json:
        print_json(commands.as_dict(finished[0]))


def named_recipes(
    settings: Settings,
    name: Path,
    variant: str | None,
    sets: Sequence[str],
    *,
    seeds: int = 1,
    ablate: str | None = None,
) -> "tuple[list[Recipe], Store]":
    """The recipe that is meant, or it and each variant if all are asked for, under its seeds; then
    the same without a source, if one is named.

    Its store: the named one, or that of the run that was named. Raises RecipeError if it has no
    variants, or no such source.
    """
    from endonym.recipe.ablation import without
    from endonym.recipe.recipe import Recipe
    from endonym.runs.find import find_recipe
    from endonym.runs.quantity import under_seeds

    named = find_recipe(settings.open_store(), name)
    path = named.path
    every = [*named.sets, *sets]
    variants = [part.strip() for part in variant.split(",")] if variant else [named.variant]
    if variant == "all":
        if not Recipe.variants(path):
            raise RecipeError("it has no variants", where=path, do="Leave --variant all out.")
        variants = [each.variant for each in Recipe.load_all(path, sets=every)]
    recipes = under_seeds(path, variants, every, count=seeds)
    if ablate is not None:
        recipes += [without(each, ablate) for each in recipes]
    return recipes, named.store


def show_study(settings: Settings, finished: "Sequence[Run]") -> None:
    """The runs of a recipe and all its variants, side by side; or the results of each."""
    from endonym.cli.store_commands import show_comparison
    from endonym.commands import run as commands

    comparison = commands.compared(finished)
    runs = {"runs": [commands.as_dict(run) for run in finished]}
    if comparison is not None:
        show_comparison(settings, comparison, runs)
    elif settings.is_json:
        print_json({**runs, "comparison": None})
    else:
        for each in finished:
            commands.say_results(each, is_last=False)
        needed = '[[evaluate]] with kind = "bits", and no --until'
        settings.log().line(f"not compared; that takes test scores of all: {needed}")


@click.command()
@click.argument("key", required=False, default="")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of recipes, for editors.")
@click.pass_obj
def explain(settings: Settings, key: str, schema: bool) -> None:
    """Type, default, meaning and source of a recipe key."""
    from endonym.recipe import reference

    if not schema:
        text = reference.explain(key)
        settings.show(text, {"key": key, "text": text})
    elif settings.is_json:
        print_json(reference.json_schema())
    else:  # not folded: it is for a program
        click.echo(json.dumps(reference.json_schema(), ensure_ascii=False, indent=1))
