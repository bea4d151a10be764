"""Which files of a data set of the hub a source means: by its subset, its split and its cap."""

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, cast

from endonym.errors import printable
from endonym.formats.config import Source
from endonym.formats.cut import can_be_cut
from endonym.formats.globs import Glob
from endonym.formats.io.archives import is_hidden
from endonym.formats.io.formats import file_format
from endonym.formats.source_errors import source_error
from endonym.log import size

SPLITS = {
    split: re.compile(rf"(?i)(?:^|[/._-])(?:{words})(?=[/._\d-]|$)")
    for split, words in (("test", "test(?:ing)?|eval"), ("validation", "valid(?:ation)?|val|dev"))
}
"""How files of a split are called where no README tells; all others are of train."""
SHOWN = 12


class HubPart(NamedTuple):
    """Files of a data set, as a glob or one by its name, with their subset and split."""

    subset: str
    split: str
    files: Glob | str


def layout_of(configs: Any) -> list[HubPart]:
    """What the head of a README says of the files. A stranger wrote it: odd values name no file."""
    parts: list[HubPart] = []
    for config in cast(list[Any], configs) if isinstance(configs, list) else []:
        if not isinstance(config, dict):
            continue
        subset = str(config.get("config_name", "default"))
        files = config.get("data_files")
        folder = str(config["data_dir"]).strip("/") + "/" if config.get("data_dir") else ""
        for each in files if isinstance(files, list) else [files or "**"]:
            row = each if isinstance(each, dict) else {"path": each}
            paths = row.get("path")
            for path in paths if isinstance(paths, list) else [paths]:
                glob = Glob(f"{folder}{path}".removeprefix("./").split("/"))
                parts.append(HubPart(subset, str(row.get("split", "train")), glob))
    return parts


def chosen(
    source: Source,
    names: Sequence[str],
    layout: Sequence[HubPart],
    is_left_out: Callable[[str], bool],
) -> list[str]:
    """The files that a source means and that can be read, sorted. is_left_out: by `exclude`.

    Without a layout a subset is the name of a folder, and a split stands in the names of its files.
    Raises MissingSource if there are none, SourceError if one of several subsets must be chosen.
    """
    kinds = {each: file_format(each, source) for each in names if not is_hidden(each)}
    files = sorted(each for each, kind in kinds.items() if kind.format or kind.archive)
    files = [each for each in files if not is_left_out(each)]
    if len({each.subset for each in layout}) > 1 and source.subset is None:
        raise _error("many_subsets", source, {each.subset for each in layout})
    parts = layout or [
        HubPart(above, _split(each), each)
        for each in files
        for above in ("", *each.split("/")[:-1])
    ]
    for key, wanted in (("subset", source.subset), ("split", source.split)):
        there = {str(getattr(each, key)) for each in parts} - {""}
        if wanted is not None:
            parts = [each for each in parts if fnmatchcase(getattr(each, key), wanted)]
        if wanted is not None and not parts:
            raise _error(f"no_{key}", source, there)
    if source.subset is not None or source.split is not None:
        own = {each.files for each in parts}
        globs = [each for each in own if isinstance(each, Glob)]
        files = [each for each in files if each in own or any(g.matches(each) for g in globs)]
    if not files:
        raise _error("nothing_readable", source, names)
    return files


def _split(name: str) -> str:
    """The split that a file seems to be of, by its path."""
    found = (split for split, words in SPLITS.items() if words.search(name))
    return next(found, "train")


def _error(error: str, source: Source, names: Sequence[str] | set[str]) -> Exception:
    """An error that names what there is instead."""
    shown = ", ".join(sorted(names)[:SHOWN]) + (f" … ({len(names)})" if len(names) > SHOWN else "")
    words = {"subset": source.subset, "split": source.split, "names": printable(shown)}
    return source_error(error, printable(source.path), source=source.name, **words)


def up_to(source: Source, sizes: Mapping[str, int]) -> tuple[list[str], tuple[str, int] | None]:
    """The files below `max_bytes`, and the next one, if it can be cut, with the bytes left for it.

    Raises SourceError if nothing is.
    """
    left = source.max_bytes
    whole = list[str]()
    if left is None:
        return list(sizes), None
    for name, n_bytes in sizes.items():
        if n_bytes <= left:
            whole.append(name)
            left -= n_bytes
        elif left and can_be_cut(file_format(name, source)):
            return whole, (name, left)
        elif whole:
            break
        else:
            words = {"file": printable(name), "size": size(n_bytes), "most": size(left)}
            raise source_error("too_large", source.path, source=source.name, **words)
    return whole, None
