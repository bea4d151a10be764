"""A recipe without one of its sources, to see whether that source helps."""

from typing import Any

from endonym.errors import RecipeError
from endonym.formats.config import REST
from endonym.recipe.checks import LONGEST_RUN_NAME_BYTES, Parts, named_sources
from endonym.recipe.layers import plain, toml
from endonym.recipe.recipe import LONGEST_NAME, Recipe


def without(recipe: Recipe, name: str) -> Recipe:
    """The recipe without a source, under the same variant, overrides and seed.

    Raises RecipeError as `sets_without` does.
    """
    sets = [*recipe.sets, *sets_without(recipe, name)]
    return Recipe.load(recipe.path, variant=recipe.variant, sets=sets)


def sets_without(recipe: Recipe, name: str) -> list[str]:
    """What `--set` takes to leave a source out; the others get its shares.

    They are for this variant: another one may number its tables otherwise. Raises RecipeError if
    there is no such source, or if nothing would be left to read.
    """
    names = [each.name for each in recipe.source]
    where = f"--ablate, variant {recipe.variant}" if recipe.variant else "--ablate"
    if name not in names:
        do = f"Sources: {', '.join(names)}."
        raise RecipeError(f'no source is called "{name}"', where=where, do=do)
    if len(names) == 1:
        raise RecipeError("it is the only source", where=where, do="Name one of several.")
    sets = [f"name={_name(recipe, name)}", f"source.{names.index(name)}="]
    parts = Parts(plain(recipe.model_dump(exclude_unset=True))[1])
    # From the last on, so that what is taken out of a list moves nothing that is still named.
    for path, sources in reversed(named_sources(parts)):
        if name not in (sources or ()):
            continue
        left = _left(sources, name)
        if not left and path[0] == "phase":
            where += f": phase {recipe.phase[int(path[1])].name}"
            raise RecipeError("it reads no other source", where=where, do="Name another one.")
        # A change of texts without sources would be one of all texts, so it goes.
        goes = not left and path[0] == "clean"
        key = ".".join(map(str, path[:-1] if goes else path))
        sets.append(f"{key}={'' if goes else toml(left)}")
    return sets


def _name(recipe: Recipe, source: str) -> str:
    """What the recipe without a source is called: as much of it as a name may have."""
    room = LONGEST_RUN_NAME_BYTES - len(f"@{recipe.variant or ''}".encode())
    name = f"{recipe.name}-without-{source}"[:LONGEST_NAME]
    return name.encode()[:room].decode(errors="ignore")


def _left(sources: Any, name: str) -> dict[str, float] | list[str]:
    """Names or shares of sources without one; shares sum up to 1 again."""
    if not isinstance(sources, dict):
        return [each for each in sources if each != name]
    shares = {each: share for each, share in sources.items() if each != name}
    if REST in shares:  # which takes what the others leave
        shares[REST] += sources[name]
    total = sum(shares.values())
    return {each: float(f"{share / total:.9g}") for each, share in shares.items()}
