"""The recipe's keys of evaluation. Imports no torch."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from endonym.config import Config, optional

SPLITS = {
    "train": ("train",),
    "dev": ("dev", "validation", "valid", "val"),
    "test": ("test",),
}
"""The splits of a probe, and what each is called in names of files and in records."""

FILE_OF = {"prompts": "one prompt a line", "task": "an item a line", "probe": "an example a line"}
"""The kinds of evaluation that need a file, and what it holds."""
NO_FILE = {"minimal_pairs": "makes its own items", "typing": "types held-out documents"}
"""The kinds that have none, and why."""
OF_KIND = {"fine_tune": "probe", "chat": "prompts", "context": "bits"}
"""Keys that only one kind has."""


def split_files(path: Path) -> list[tuple[str, Path]]:
    """The files of a probe: this one; if its name has `train`, also those beside it that have the
    name of another split in its place. Each with its split, which is empty if there is no other."""
    begin, train, end = path.name.rpartition("train")
    names = [(split, name) for split in ("dev", "test") for name in SPLITS[split]]
    files = [(split, path.with_name(f"{begin}{name}{end}")) for split, name in names if train]
    found = [(split, file) for split, file in files if file.is_file()]
    return [("train", path), *found] if found else [("", path)]


class Evaluation(Config):
    """One evaluation of the finished model."""

    kind: Literal["bits", "task", "minimal_pairs", "probe", "writing", "typing", "prompts", "speed"]
    """bits: bits per byte of held-out text; task: choices between texts, or the bits of texts that
    follow others; minimal_pairs: held-out sentences beside the same ones with a fault; probe:
    what its hidden states tell of texts, such as their topic; writing: measures of the texts that
    it writes; typing: key presses that its suggestions save; prompts: continuations to read;
    speed: size, memory, speed and loss in each program that runs the model or an export of it
    """
    file: str | None = None
    """bits: a text to score instead; task: JSON lines or a table of items (docs/tasks.md);
    probe: the same of texts with labels, or of two texts with a score (docs/probes.md); prompts,
    writing: one prompt a line; without it writing goes on from held-out texts
    """
    split: Literal["test", "dev"] = "test"
    """bits, minimal_pairs, writing, typing: test for the final score; dev for comparing settings
    before choosing
    """
    tokens: int | None = optional(ge=1)
    """bits: of the held-out text about so many tokens at most are scored, in whole blocks of
    neighbours, evenly spread; if not given, as many as take about a fortieth of the time of
    training, but at least 16,384
    """
    context: int | None = optional("the model's, but at most 2,048", ge=2)
    """bits: tokens that the model reads at once, at most its context; a longer document is read in
    windows of so many, each of which begins half a window after the one before. A model of states
    (mamba, mamba2) keeps its state from window to window, and gives the same score for any number
    """
    max_tokens: int = Field(default=120, ge=1)
    """prompts, writing: length of a continuation"""
    temperature: float = Field(default=0.8, ge=0)
    """prompts: sampling temperature; 0 is greedy"""
    chat: bool | None = optional("true if a phase learns from conversations")
    """prompts: each is the question of a conversation, in the model's chat template"""
    fine_tune: bool | None = optional("false")
    """probe: the model itself is trained on the examples, too, five times: takes minutes"""
    baselines: bool = True
    """bits: also uniform, unigram, bigram and a primed compressor"""

    @model_validator(mode="after")
    def prompts_need_a_file(self) -> "Evaluation":
        """Prompts and the items of a task are in a file; speed is measured on test documents."""
        if self.file is None and self.kind in FILE_OF:
            raise ValueError(f'kind = "{self.kind}" needs file, {FILE_OF[self.kind]}')
        if self.file is not None and self.kind in NO_FILE:
            raise ValueError(f'kind = "{self.kind}" {NO_FILE[self.kind]}: leave file out')
        for key, kind in OF_KIND.items():
            if self.kind != kind and getattr(self, key) is not None:
                raise ValueError(f'{key} is of kind = "{kind}"')
        if self.kind == "speed" and (self.file is not None or self.split != "test"):
            raise ValueError('kind = "speed" reads test documents: leave file and split out')
        if self.tokens is not None and not self.reads_held_out:
            raise ValueError('tokens limits the held-out text of kind = "bits": leave it out')
        return self

    @property
    def reads_held_out(self) -> bool:
        """Whether it scores held-out documents of the corpus as they are."""
        return self.kind == "bits" and self.file is None

    def files(self, folder: Path, *kinds: str) -> list[Path]:
        """The files of this evaluation, if it is of one of these kinds, or no kinds are given.

        Names are relative to the recipe's folder. Of a probe the first is the one that is named.
        """
        if not self.file or (kinds and self.kind not in kinds):
            return []
        file = folder / self.file
        return [path for _, path in split_files(file)] if self.kind == "probe" else [file]
