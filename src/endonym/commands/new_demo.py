"""`endonym new --demo`: the texts and the recipe of a demo, sized to this machine."""

import re
from pathlib import Path

from endonym.autopilot import machine
from endonym.autopilot.workload import Workload
from endonym.commands.new import OVERHEAD, busy, refuse_to_overwrite
from endonym.errors import RecipeError
from endonym.log import Log, number
from endonym.model.families import resolve
from endonym.recipe.layers import noted, toml
from endonym.recipe.recipe import Recipe

DEMO_SECONDS = 100.0
DEMO_TOKENS = 800_000
"""How long the training of a demo takes, and its least tokens: before, it mixes up who is who."""


def write_demo(folder: Path, demo: str, *, store: Path, log: Log) -> Path:
    """The texts and the recipe of a demo, sized to DEMO_SECONDS of training on this machine.

    Raises RecipeError for a demo that does not exist.
    """
    from endonym.demo import recipes

    if demo not in recipes.DEMOS:
        do = f"Demos: {', '.join(recipes.DEMOS)}."
        raise RecipeError(f"no demo is called {demo}", where="--demo", do=do)
    refuse_to_overwrite(folder / "recipe.toml")
    folder.mkdir(parents=True, exist_ok=True)
    path = recipes.DEMOS[demo](folder)
    tokens, reason = demo_budget(Recipe.load(path), store / "machine.json", log)
    line = noted(f"tokens = {toml(tokens)}", reason)
    sized = re.sub(r"^tokens = .*$", line, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    path.write_text(sized, encoding="utf-8")
    return path


def demo_budget(recipe: Recipe, machine_file: Path, log: Log) -> tuple[int, str]:
    """Training tokens for DEMO_SECONDS of a demo here, in whole thousands, and why.

    More than its recipe says would gain nothing. The machine is measured again, as for any new
    recipe.
    """
    vocab = recipe.tokenizer.vocab
    context = recipe.pack.context
    assert vocab is not None, "a demo says its vocabulary"
    assert context is not None, "a demo says its context"
    machine.forget(machine_file)
    shape = resolve(recipe.model, vocab=vocab, context=context)
    usual = machine.usual_training(machine.matrix_rates(machine_file))
    pace = machine.measured_pace(Workload(shape, usual), machine_file, compiles=False)
    if pace.doubt:
        log.warn(f"{busy(pace)}: the demo is sized to what they left")
    tokens = pace.tokens_in(DEMO_SECONDS * OVERHEAD)
    most = recipe.phase[0].tokens
    reason = f"{DEMO_SECONDS:.0f} s at {number(pace.plain)} tokens/s"
    assert most is not None, "a demo says its tokens"
    if tokens > most:
        return most, f"more gain nothing: less than {DEMO_SECONDS:.0f} s here"
    return max(DEMO_TOKENS, tokens // 1000 * 1000), f"{reason}, probed{pace.doubt}"
