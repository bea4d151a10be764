"""A recipe without one of its sources, to see whether that source helps."""

import json

from endonym.errors import RecipeError
from endonym.formats.config import REST
from endonym.recipe.recipe import Recipe


def sets_without(recipe: Recipe, name: str) -> list[str]:
    """What `--set` takes to leave a source out; the others get its share of a phase.

    Raises RecipeError if there is no such source, or if nothing would be left to read.
    """
    names = [each.name for each in recipe.source]
    if name not in names:
        raise RecipeError(
            f'no source is called "{name}"', where="--ablate", do=f"Sources: {', '.join(names)}."
        )
    if len(names) == 1:
        raise RecipeError("it is the only source", where="--ablate", do="Name one of several.")
    sets = [f"name={recipe.name}-without-{name}", f"source.{names.index(name)}="]
    if name in recipe.pack.join:
        others = [each for each in recipe.pack.join if each != name]
        sets.append(f"pack.join={json.dumps(others, ensure_ascii=False)}")
    for number, phase in enumerate(recipe.phase):
        if phase.sources is not None and name in phase.sources:
            left = _left(phase.sources, name)
            if not left:
                where = f"--ablate: phase {phase.name}"
                raise RecipeError("it reads no other source", where=where, do="Name another one.")
            sets.append(f"phase.{number}.sources={left}")
    return sets


def _left(sources: dict[str, float] | tuple[str, ...], name: str) -> str:
    """The sources of a phase without one, as TOML; their shares sum up to 1 again. Empty if none is
    left."""
    if isinstance(sources, tuple):
        others = [each for each in sources if each != name]
        return json.dumps(others, ensure_ascii=False) if others else ""
    shares = {each: share for each, share in sources.items() if each != name}
    if REST in shares:  # which takes what the others leave
        shares[REST] += sources[name]
    total = sum(shares.values())
    said = (f"{json.dumps(e, ensure_ascii=False)} = {s / total:.9g}" for e, s in shares.items())
    return f"{{ {', '.join(said)} }}" if shares else ""
