"""The conversations among texts: counts them, and writes the phases that learn them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from endonym.data.conversation_files import read_records
from endonym.data.conversations import Unfit, conversation_of
from endonym.errors import SourceError
from endonym.formats.document import Reject
from endonym.formats.reasons import in_words
from endonym.log import counted, number
from endonym.recipe.layers import toml

MOST_COUNTED = 100_000
"""Records of a file."""


@dataclass(slots=True)
class ChatFile:
    """A file of conversations, which were counted in its first MOST_COUNTED records.

    data: its path, as a recipe names it. columns: of a question and its answer, if they have no
    usual names. problem: why no phase can read it. hashes: one a conversation. broken: records that
    are none, by reason. copies: conversations that stand before, by the file where they stand.
    """

    data: str
    columns: tuple[str, str] | None
    problem: str = ""
    hashes: list[int] = field(default_factory=list[int])
    broken: Counter[str] = field(default_factory=Counter[str])
    copies: Counter[str] = field(default_factory=Counter[str])

    @property
    def is_copied(self) -> bool:
        """Whether each of its conversations stands in a file before it."""
        return self.copies.total() - self.copies[self.data] == len(self.hashes) > 0

    @property
    def copied(self) -> list[str]:
        """Which of its conversations stand elsewhere, one sentence for each file."""
        return [
            f"{self.data}: {n} of {len(self.hashes)} stand in {name} already"
            for name, n in self.copies.items()
            if name != self.data
        ]


def read_chats(path: Path, data: str, columns: tuple[str, str] | None) -> ChatFile:
    """The conversations of a file, counted. data: its path, as a recipe names it."""
    file = ChatFile(data, columns)
    try:
        for record in islice(read_records(path, path.name, columns), MOST_COUNTED):
            if isinstance(record, Reject):
                file.broken[record.reason] += 1
                continue
            try:
                file.hashes.append(hash(conversation_of(record.value, columns).messages))
            except Unfit as unfit:
                file.broken[unfit.reason] += 1
    except SourceError as error:
        file.problem = error.message
    return file


def note_copies(files: list[ChatFile]) -> None:
    """Put the largest file first, and count the conversations that stand in a file before."""
    files.sort(key=lambda each: -len(each.hashes))
    seen = dict[int, str]()
    for file in files:
        for each in file.hashes:
            if each in seen:
                file.copies[seen[each]] += 1
            seen.setdefault(each, file.data)


def chat_phases(every: Sequence[ChatFile]) -> list[str]:
    """The [[phase]] of the files of conversations, which may stand after that of the texts.

    There is one for each pair of columns; files with usual names are read by the first one. No
    phase reads what a file before it holds alone.
    """
    files = [each for each in every if not each.problem]
    pairs = [*dict.fromkeys(each.columns for each in files if each.columns)] or [None]
    groups = [
        [each for each in files if each.columns == pair or not (each.columns or place)]
        for place, pair in enumerate(pairs)
    ]
    groups = [group for group in groups if group and not all(e.is_copied for e in group)]
    notes = "".join(f"\n# {line}" for each in files for line in each.copied)
    phases = list[str]()
    for place, group in enumerate(groups, 1):
        data = [each.data for each in group]
        columns = next((each.columns for each in group if each.columns), None)
        phases.append(
            f'[[phase]]\nname = "chat{f"-{place}" if len(groups) > 1 else ""}"\n'
            f'objective = "chat"\ndata = {toml(data if len(data) > 1 else data[0])}'
            + (f"\ncolumns = {toml(columns)}" if columns else "")
            + (notes if place == len(groups) else "")
        )
    return phases


def chats_in_words(every: Sequence[ChatFile]) -> str:
    """How many files of conversations there are, and what stands in them; "" without any."""
    files = [each for each in every if not each.problem]
    if not files:
        return ""
    hashes = {one for each in files for one in each.hashes}
    broken = sum((each.broken for each in files), Counter[str]())
    reasons = ", ".join(f"{number(n)} {in_words(why)}" for why, n in broken.most_common())
    copies = sum(each.copies.total() for each in files)
    notes = [f"{number(broken.total())} broken: {reasons}"] * bool(broken)
    notes += [f"{number(copies)} {'copies' if copies > 1 else 'copy'} of these"] * bool(copies)
    said = f"{counted(len(files), 'file')}, {counted(len(hashes), 'conversation')}"
    return f"{said} ({'; '.join(notes)})" if notes else said
