"""What the teachers of a phase take: memory, operations, and room on the disk. Imports no torch."""

from endonym.autopilot.mixture import shares_of
from endonym.autopilot.model_size import Facts
from endonym.data.teacher_cache import cache_bytes
from endonym.errors import OutOfMemory
from endonym.export.shapes import folder_shape
from endonym.log import counted, size
from endonym.model.count import flops_per_token
from endonym.model.foreign.folder import AnyModelConfig, require_rows
from endonym.recipe.recipe import Recipe
from endonym.train.config import Distill, TrainConfig
from endonym.train.memory_budget import teachers_bytes

Shapes = list[AnyModelConfig]


def teachers_of(
    recipe: Recipe, phase: int, shape: AnyModelConfig, row: int | None
) -> tuple[Shapes, Shapes]:
    """The shapes of the teachers that read each batch beside a phase, and of those that read the
    text before it; one of both is empty.

    shape: of the recipe's model, which members have, too. row: tokens of a row; the model's context
    if None. Raises ShapeError if the teacher that the recipe names never read such long rows.
    """
    keys = recipe.phase[phase]
    folder = recipe.teacher_folder(phase)
    shapes: Shapes = [shape] * (keys.members or 0)
    if folder is not None:
        shapes = [folder_shape(folder)]
        require_rows(shapes[0], row or shape.context)
    return (shapes, []) if keys.distill is not None and keys.distill.live else ([], shapes)


def require_memory(
    config: TrainConfig, shape: AnyModelConfig, teachers: Shapes, free: float
) -> None:
    """Raise OutOfMemory if the teachers that read the text before a phase of this shape need more
    memory. free: in bytes, what they may take."""
    needed = teachers_bytes(config.row_tokens(shape.context), teachers)
    if needed <= free:
        return
    what = counted(len(teachers), "teacher")
    raise OutOfMemory(
        f"{what} that read the text before the phase need ≈ {size(needed)}, {size(free)} are free",
        where=f"phase {config.name}",
        do="Name a smaller teacher or fewer members, or end other programs. To try it all the "
        "same: set micro_tokens and recompute.",
    )


def forward_passes(recipe: Recipe, phase: int, config: TrainConfig, shape: AnyModelConfig) -> float:
    """The operations of all teachers of a phase on a token, in those of its own model."""
    beside, before = teachers_of(recipe, phase, shape, config.context)
    row = config.row_tokens(shape.context)
    own = flops_per_token(shape, row, config.adapt)
    return sum(flops_per_token(each, row) for each in beside + before) / own


def kept_positions(recipe: Recipe, phase: int, facts: Facts) -> int:
    """The places of the training text that teachers read before a phase, each once: those of its
    sources."""
    read = [facts.sources[name] for name in shares_of(recipe.phase[phase], facts)]
    if read and phase not in facts.examples:
        return sum(each.positions for each in read)
    return facts.examples.get(phase, facts).positions


def kept_bytes(recipe: Recipe, facts: Facts, vocab: int) -> dict[str, int]:
    """What is kept on the disk of the teacher of each phase that has one, by the phase's name;
    nothing of one that reads each batch."""
    found = dict[str, int]()
    for number, phase in enumerate(recipe.phase):
        if phase.distill is not None or phase.members is not None:
            distill = phase.distill or Distill()
            top_k = 0 if distill.live else distill.top_k
            found[phase.name] = cache_bytes(kept_positions(recipe, number, facts), top_k, vocab)
    return found
