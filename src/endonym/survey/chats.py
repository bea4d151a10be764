"""The conversations among texts: counts them, and writes the phases that learn them."""

from collections import ChainMap
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path

from endonym.data.config import Chat
from endonym.data.conversation_files import (
    parsed_records,
    places_in_words,
    several_answers_in_words,
)
from endonym.data.conversations import Messages
from endonym.data.examples import ALLOWED
from endonym.device import program
from endonym.errors import SourceError
from endonym.formats.document import Reject
from endonym.formats.files import size_on_disk
from endonym.log import counted, number
from endonym.recipe.layers import toml

MOST_COUNTED = 100_000
"""Records of a file."""
MAX_REJECTED: float = Chat.model_fields["max_rejected"].default
TOO_BROKEN = (
    "{share:.0%} of its conversations are broken, more than [chat] max_rejected = {most:g} allows: "
    "{places}. Mend them, then: {program} new RECIPE --update --text FILE"
)


@dataclass(slots=True)
class ChatFile:
    """A file of conversations, which are counted in its first MOST_COUNTED records.

    data: its path, as a recipe names it. columns: of a question and its answer, if they have no
    usual names. problem: why no phase can read it. found: conversations, copies too. broken:
    records that are none. copies: conversations that stand before, here or in another file.
    several_answers: questions that have another answer before, with words on both.
    """

    path: Path
    data: str
    columns: tuple[str, str] | None
    problem: str = ""
    found: int = 0
    broken: list[Reject] = field(default_factory=list)
    copies: int = 0
    several_answers: dict[Messages, str] = field(default_factory=dict)


def count_chats(files: list[ChatFile], max_rejected: float = MAX_REJECTED) -> None:
    """Put the largest file first, and count the conversations of each and the copies in it.

    max_rejected: the share of broken records above which a file has a problem.
    """
    files.sort(key=lambda each: -size_on_disk(each.path))
    seen = dict[bytes, str]()
    for file in files:
        own = ChainMap(dict[bytes, str](), seen)
        try:
            fits = parsed_records(file.path, file.columns, seen=own, name=file.data)
            for fit in islice(fits, MOST_COUNTED):
                if isinstance(fit, Reject):
                    file.broken.append(fit)
                    continue
                file.found += 1
                file.copies += bool(fit.before)
                file.several_answers |= [fit.several_answers] if fit.several_answers else []
        except SourceError as error:
            file.problem = error.message
        n_broken = sum(each.reason not in ALLOWED for each in file.broken)
        share = n_broken / max(1, file.found + len(file.broken))
        if share > max_rejected and not file.problem:
            said = {"places": places_in_words(file.broken), "program": program()}
            file.problem = TOO_BROKEN.format(share=share, most=max_rejected, **said)
        if not file.problem:  # Else no phase reads it, and none of its conversations is one before.
            seen |= own.maps[0]


def chat_phases(every: Sequence[ChatFile], taken: Collection[str] = ()) -> list[str]:
    """The [[phase]] of the files of conversations, which may stand after that of the texts.

    There is one for each pair of columns; files with usual names are read by the first one. No
    phase reads what a file before it holds alone. taken: names that no phase may have.
    """
    files = [each for each in every if not each.problem]
    pairs = [*dict.fromkeys(each.columns for each in files if each.columns)] or [None]
    groups = [
        (pair, [each for each in files if each.columns == pair or not (each.columns or place)])
        for place, pair in enumerate(pairs)
    ]
    groups = [each for each in groups if any(file.found > file.copies for file in each[1])]
    phases = list[str]()
    free = (f"chat-{n}" for n in count(1) if f"chat-{n}" not in taken)
    for columns, group in groups:
        name = "chat" if len(groups) == 1 and "chat" not in taken else next(free)
        data = [each.data for each in group]
        phases.append(
            f"[[phase]]  # learns to answer; without it these conversations are not learnt\n"
            f'name = "{name}"\n'
            f'objective = "chat"\ndata = {toml(data if len(data) > 1 else data[0])}'
            + (f"\ncolumns = {toml(columns)}" if columns else "")
        )
    return phases


def chats_in_words(every: Sequence[ChatFile]) -> str:
    """How many files of conversations there are, and what stands in them; "" without any."""
    files = [each for each in every if not each.problem]
    if not files:
        return ""
    broken = [reject for each in files for reject in each.broken]
    copies = sum(each.copies for each in files)
    notes = [f"left out: {places_in_words(broken)}"] * bool(broken)
    notes += [f"{number(copies)} {'copies' if copies > 1 else 'copy'} of these"] * bool(copies)
    n_chats = sum(each.found for each in files) - copies
    several_answers = {
        prompt: words for each in files for prompt, words in each.several_answers.items()
    }
    notes += [several_answers_in_words(several_answers)] * bool(several_answers)
    said = f"{counted(len(files), 'file')}, {counted(n_chats, 'conversation')}"
    return f"{said} ({'; '.join(notes)})" if notes else said
