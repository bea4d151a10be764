"""`endonym new --update`: takes new and renamed texts into a recipe that a person has changed.

Only tables of sources and phases of conversations are added, `data` of phases and `pack.join` made
longer, and paths of renamed files written anew. All other characters of the file stay.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from glob import escape
from pathlib import Path

from endonym.commands.filled import filled
from endonym.commands.new import CHATS, NAMED, describe_survey, with_fetched, write_addresses
from endonym.device import program
from endonym.disk import write_atomic
from endonym.errors import EndonymError, RecipeError, printable
from endonym.formats.config import REST
from endonym.formats.files import is_remote
from endonym.log import Log, counted, listed
from endonym.pipeline import sources
from endonym.recipe.layers import toml
from endonym.recipe.recipe import Recipe
from endonym.recipe.text import normal, scan
from endonym.runs.find import recipe_file
from endonym.store import Store
from endonym.survey import raw_files
from endonym.survey.chats import chat_phases, chats_in_words
from endonym.survey.findings import exclude_line
from endonym.survey.survey import Survey, look_through


def update_recipe(
    name: Path, *, texts: Sequence[str | Path], store: Path, log: Log
) -> tuple[Path, Survey]:
    """Take new texts into the recipe of a folder; returns its path and what was found in them.

    texts: paths or addresses to take; if there are none, what lies beside the recipe's sources. The
    recipe is not changed if there is nothing new. Raises RecipeError if there is no recipe, or if
    it cannot be changed without touching what the person wrote.
    """
    path = recipe_file(name)
    if path is None:
        do = "Make one: endonym new DIR --language CODE --text PATH"
        raise RecipeError("there is no recipe to update", where=name, do=do)
    recipe = Recipe.load(path)
    found = sources.beside(recipe, Store(store))
    new = [*found.unused, *found.awaited]
    survey = Survey()
    awaited_now = set[str]()
    there = {source.path for source in recipe.source if is_remote(source)}
    paths, keys = with_fetched([t for t in texts if str(t) not in there], recipe.folder, log)
    new = _given(paths, found, recipe) if texts else new
    awaited = {str(file) for file in new if sources.is_awaited(file.absolute(), recipe)}
    if new:
        taken = [source.name for source in recipe.source]
        language = recipe.language
        survey = look_through(
            new,
            recipe.folder,
            language=language,
            log=log,
            taken=taken,
            are_one=not texts,
            max_rejected=recipe.chat.max_rejected,
        )
        write_addresses(survey, keys)
        describe_survey(survey, language, path.parent, log)
        awaited_now = awaited.difference(path for path, _ in survey.skipped)
        if awaited_now:
            log.line(f"{counted(len(awaited_now), 'file')} that waited can now be read")
        # The others are named in the recipe already.
        survey.skipped = [each for each in survey.skipped if each[0] not in awaited]
    for source in (recipe.source[number] for number in found.missing):
        path_line = f"source {source.name} has no file at {printable(source.path)}"
        log.warn(f"{path_line}: correct its `path`, or take its [[source]] out")
    _say_added(found, recipe, log)
    if not (survey.sources or survey.left or survey.skipped or found.renamed):
        why = "" if new else ": the sources read every text beside them"
        log.line(f"the recipe stays as it is{why}")
        return path, survey
    text = _updated(recipe, survey, found.renamed, awaited_now)
    write_recipe(path, text, recipe)
    for number, file in found.renamed.items():
        log.line(f"source {recipe.source[number].name} reads {file.name} now")
    # Say what was added.
    if chats := chats_in_words(survey.chat_files):
        log.line(CHATS.format(chats=chats, program=program()))
    if survey.sources:
        added = ", ".join(source.name for source, _ in survey.sources)
        packs = [toml(each.ocr) for each, _ in survey.sources if each.ocr]
        added += f"; ocr = {listed([*dict.fromkeys(packs)])}" if packs else ""
        log.line(f"{counted(len(survey.sources), 'source')} added: {added}")
        for phase in recipe.phase:
            if phase.sources is not None and REST not in phase.sources:
                log.warn(f"phase {phase.name} names its `sources`, and does not read the new ones")
    log.line(
        "All else in the recipe stays as it is, [clean] too: endonym doctor shows what its rules "
        "would do to the new texts, and check how often each text is read."
    )
    return path, survey


def _given(texts: Sequence[Path], found: sources.Beside, recipe: Recipe) -> list[Path]:
    """The files of texts that no source reads and no person left out."""
    known = {*found.read, *found.renamed.values()}
    return [
        file
        for text in texts
        for file in raw_files.files_below(text, "--text ")
        if file.absolute() not in known
        # What was left out of a folder stands in a comment of the recipe.
        and (
            text.is_file()
            or sources.is_awaited(file.absolute(), recipe)
            or not sources.is_left_out(file.absolute(), recipe)
        )
    ]


def _say_added(found: sources.Beside, recipe: Recipe, log: Log) -> None:
    """Say which sources read new files by the paths that they have; warn of those that `new` would
    leave out."""
    for name, (files, n_read) in found.added.items():
        names = listed([printable(each.name) for each in files[:NAMED]])
        more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
        new = counted(len(files), "new file")
        log.line(
            f"source {name} reads {new}, as its path in the recipe says: {names}{more}; "
            f"{counted(n_read, 'file')} of it had been read before"
        )
        survey = look_through(files, recipe.folder, language=recipe.language, taken=[name])
        for each in survey.left:
            excluded = exclude_line([escape(Path(each.path).name)])
            why = f"{printable(each.path)}: {each.reason}"
            log.warn(f"{why}. To leave it out, write {excluded} below the name of source {name}")
        if survey.doubt:
            log.warn(survey.doubt)


def _updated(
    recipe: Recipe, survey: Survey, renamed: Mapping[int, Path], read: Collection[str]
) -> str:
    """The recipe's text with the new sources behind the last one, new conversations in the phases
    that can read them or in phases behind the last one, and new paths of renamed files.

    read: files that waited, which its comments call "not read yet" no more.
    """
    text = normal(recipe.text)
    marks = scan(text)
    edits = list[tuple[int, int, str]]()  # from a character to another one, and what stands there
    for number, file in renamed.items():
        mark = marks["source", number, "path"]
        new_path = toml(raw_files.relative(file, recipe.folder))
        edits.append((mark.value_start, mark.value_end, new_path))
    for line in sources.AWAITED.finditer(text) if read else ():
        rest = _without(line[0], [Path(file).absolute() for file in read])
        edits.append((line.start(), line.end() + (not rest), rest))
    # Phases of the recipe read new conversations: one more would forget the answers before it.
    left = [each for each in survey.chat_files if not each.problem and each.found > each.copies]
    for number, phase in reversed([*enumerate(recipe.phase)]):
        if phase.objective != "chat":
            continue
        mark = marks["phase", number, "data"]
        if fits := [each for each in left if each.columns in (None, phase.columns)]:
            names = ", ".join(toml(each.data) for each in fits)
            items = [key for key in marks if key[:3] == ("phase", number, "data") and len(key) > 3]
            if items:
                end = marks[items[-1]].value_end
                edits.append((end, end, f", {names}"))
            else:
                one = text[mark.value_start : mark.value_end]
                edits.append((mark.value_start, mark.value_end, f"[{one}, {names}]"))
            left = [each for each in left if each not in fits]
    taken = re.findall(r'\bname *= *"([^"]*)"', text)  # also those of phases that are comments
    chats = "\n\n".join(chat_phases(left, taken))
    for table, added in (("source", filled("sources.txt", survey=survey)), ("phase", chats)):
        ends = [mark.value_end for key, mark in marks.items() if key[0] == table]
        end = _line_end(text, max(ends, default=len(text)))
        edits += [(end, end, f"\n\n{added}")] * bool(added)
    for first, last, written in sorted(edits, reverse=True):
        text = text[:first] + written + text[last:]
    if survey.joined:
        text = with_key(text, "pack", "join", toml([*recipe.pack.join, *survey.joined]))
    return text


def _without(line: str, read: Sequence[Path]) -> str:
    """A comment on files that are not read yet without those that are; empty if none is left."""
    begin, _, rest = line.partition(": ")
    names, _, reason = rest.partition(": ")
    left = [
        name for name in names.split(", ") if not any(sources.names(name, path) for path in read)
    ]
    return f"{begin}: {', '.join(left)}: {reason}" if left else ""


def with_key(text: str, table: str, key: str, value: str) -> str:
    """A recipe's text in which a key of a table has this value, as TOML; all else stays."""
    marks = scan(text)
    if (mark := marks.get((table, key))) is not None:
        return text[: mark.value_start] + value + text[mark.value_end :]
    if (head := marks.get((table,))) is not None and re.match(r"\s*\]", text[head.end :]):
        end = _line_end(text, head.end)
        return f"{text[:end]}\n{key} = {value}{text[end:]}"
    return f"{text}\n[{table}]\n{key} = {value}\n"


def _line_end(text: str, place: int) -> int:
    """Where the line of this character ends."""
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def write_recipe(path: Path, text: str, recipe: Recipe) -> None:
    """Write the recipe, or leave it as it is and raise RecipeError if it would be no recipe."""
    line_end = "\r\n" if "\r\n" in recipe.text else "\n"
    mark = "\ufeff" if recipe.text.startswith("\ufeff") else ""
    text = mark + text.replace("\n", line_end)
    try:
        Recipe.load(path, text=text)
    except EndonymError as error:
        raise RecipeError(
            f"this cannot be written into the recipe: {error.message}",
            where=path,
            do="Write each source as a table of its own, [[source]], and [pack] and [clean] as one "
            "each; then do it again.",
        ) from error
    write_atomic(path, text.encode())
