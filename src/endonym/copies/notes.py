"""What a corpus says of copies and of evaluation texts: sentences, and the texts themselves."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from endonym.formats.document_files import read_lines
from endonym.log import counted, number

COPIES = "copies.jsonl.gz"
"""A line for each cluster of near copies: the document that stays, and those that go."""
DETAILS = {
    "exact": "a text that reads the same came before; {stayed} stays",
    "near": "similarity {similarity:.2f} to {stayed}, which stays",
}
"""Why a copy goes."""
WHY_CUT = {
    "paragraphs": "that stood in an earlier document",
    "decontaminate": "that overlap with evaluation texts",
}
"""Of what is taken out of documents, by the rule."""


def kept_out(card: Mapping[str, Any]) -> dict[str, str]:
    """For each evaluation file, by its name: what was removed for it, and what overlap is left."""
    return {each["file"]: _kept_out(each) for each in card.get("decontamination", [])}


def kept_out_of(card: Mapping[str, Any], file: str) -> list[str]:
    """The sentence about one evaluation file, which a recipe names by its path; or none.

    Of files that the path does not tell apart, the sentences of all.
    """

    def parts_of(path: str) -> list[str]:
        return [part for part in PurePath(path).parts if part != ".."]

    sentences = kept_out(card)
    wanted = parts_of(file)
    names = {name: parts_of(name) for name in sentences}
    exact = [name for name, parts in names.items() if wanted[-len(parts) :] == parts]
    likely = [name for name, parts in names.items() if wanted and parts[-len(wanted) :] == wanted]
    return [sentences[name] for name in exact or likely]


def distinct_names(paths: Sequence[PurePath]) -> list[str]:
    """Of each path its last parts, as few as tell it from the others."""
    found: list[str] = []
    for path in paths:
        others = [other.parts for other in paths if other != path]
        tails = (path.parts[-count:] for count in range(1, len(path.parts) + 1))
        own = (tail for tail in tails if all(parts[-len(tail) :] != tail for parts in others))
        found.append(PurePath(*next(own, path.parts)).as_posix())
    return found


def _kept_out(counts: dict[str, Any]) -> str:
    """What was removed for one evaluation file, and what is left. counts: as in card.json."""
    dropped = counts["dropped_documents"]
    cut = counts["cut_documents"]
    removed = [f"{counted(dropped, 'document')} dropped"] if dropped else []
    removed += [f"{counted(cut, 'document')} shortened"] if cut else []
    text = f"Overlap with {counts['file']} was looked for in the corpus: "
    text += f"{' and '.join(removed)} for it. " if removed else "no document had any. "
    if not counts["runs"]:
        return f"{text}All its texts are too short to be compared."
    text += f"{100 * counts['overlap']:.1f} % of its runs of eight words still stand in the corpus"
    if counts["too_short"]:
        short = f"{number(counts['too_short'])} of its {counted(counts['texts'], 'text')}"
        text += f"; {short} are too short to be compared"
    return f"{text}."


def copies(card: Mapping[str, Any]) -> list[str]:
    """What was found of near copies and repeated paragraphs."""
    found: list[str] = []
    dropped = card["total"].get("dropped", {}).get("near", {}).get("records", 0)
    near = card.get("near")
    if near and dropped:
        found.append(
            f"Near copies dropped: {number(dropped)}, of {counted(near['clusters'], 'document')} "
            f"that stay (similarity from {near['similarity']:g} on; the most of one are "
            f"{number(near['largest'] - 1)})."
        )
    if near and near["crowded"]:
        found.append(
            f"{counted(near['crowded'], 'document')} resemble so many others that each was "
            "compared with the best of them only: near copies may be left among them."
        )
    rules = card["total"].get("rules", {})
    found += [
        f"{counted(rules[reason]['parts'], 'paragraph')} {why} were taken out of documents."
        for reason, why in WHY_CUT.items()
        if rules.get(reason, {}).get("parts")
    ]
    return found


def staying_texts(folder: Path, names: set[str]) -> dict[str, str]:
    """The texts that stayed, by `source/id`, for those of a corpus that have these names."""
    found: dict[str, str] = {}
    path = folder / COPIES
    for record in read_lines(path) if path.is_file() and names else ():
        stays = record["stays"]
        name = f"{stays['source']}/{stays['id']}"
        if name in names:
            found[name] = stays["text"]
    return found
