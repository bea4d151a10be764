"""The text of an article in wiki markup, as a reader of the page sees it.

Templates, tables, references, galleries, formulas, files, categories and links to other languages
are left out; links are their texts. mwparserfromhell reads the markup.
"""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import mwparserfromhell
import regex

from endonym.disk import packaged_tables

REDIRECT = regex.compile(
    r"\s*#(?P<blank>\s*)\p{L}[\p{L}\p{M}_]*\s*:?\s*\[\[[^\]\n]*\]\](?P<after>[^\n]*)"
)
ASIDE = regex.compile(r"\s*(?:<!--.*|\[\[[^\]\n]*:[^\]\n]*\]\].*|\{\{.*|__\w+__.*)?")
"""What may stand behind a redirect: comments, categories, templates."""
COMMENT = regex.compile(r"<!--.*?(?:-->|\Z)", regex.S)
NAMES = packaged_tables("endonym.formats.parsers", "markup.toml")["wiki"]
CUT, DROPPED, BREAKS = (NAMES[kind].split() for kind in ("cut", "dropped", "breaks"))
CUT_TAG = regex.compile(rf"<(/?)({'|'.join(CUT)})\b[^<>]*?(/?)>", regex.I)
SWITCH = regex.compile(r"__[\p{Lu}_]{3,}__")
LANGUAGE = regex.compile(r"[a-z]{2,3}(?:-[a-z-]{2,12})?|simple|nostalgia")
OTHER_WIKI = regex.compile(r"^[ \t]*\[\[ *\p{L}[\p{L}_ -]*:[^\]\n|]+\]\][ \t]*$", regex.M)
"""A link alone on its line to a page with a prefix: a category, in the words of another wiki."""
LEFT_OVER = regex.compile(r"\{\{[^\n{}]*|\}\}|\[\[|\]\]|^\{\|.*\n?|^\|[-}+].*\n?|'{2,5}", regex.M)
EMPTY_BRACKETS = regex.compile(r"[ \t]*\((?:[\s,;:·–—-]|&nbsp;)*\)")
BLANKS = regex.compile(r"[ \t\u00a0]+")
LINES = regex.compile(r"\s*\n\s*\n\s*")

TEXT_LEVEL = 9
"""Below every heading; those have the levels 1 to 6."""
MAX_DEPTH = 60
"""mwparserfromhell itself ends at 40."""


def is_aside(title: str, names: Set[str]) -> bool:
    """Whether a link shows no text: a file, a category, the page in another language.

    names: of the wiki's own namespaces, in lower case.
    """
    prefix, colon, _ = title.partition(":")
    prefix = prefix.strip()
    name = prefix.replace("_", " ").lower()
    is_namespace = name in NAMES["asides"] or name in names
    return bool(colon) and (is_namespace or LANGUAGE.fullmatch(prefix) is not None)


def is_redirect(text: str) -> bool:
    """Whether the page only leads to another one, in any language."""
    found = REDIRECT.match(text[:500])
    if found is None or ASIDE.fullmatch(found["after"]) is None:
        return False
    # With a blank, it may be the first entry of a numbered list.
    rest = text[found.end() :].split("\n") if found["blank"] else []
    return all(ASIDE.fullmatch(line) for line in rest)


def plain_text(text: str, names: Set[str]) -> str:
    """The text of an article, its paragraphs apart by an empty line."""
    text = OTHER_WIKI.sub("", COMMENT.sub("", text))
    text = SWITCH.sub("", without_tags(text))
    return tidy(Shown(names).text(mwparserfromhell.parse(text, skip_style_tags=False)))


def without_tags(text: str) -> str:
    """The text without tags that show no text, and what is in them; of one that does not close,
    only the tag itself goes."""
    tags = [(each.start(), each.end(), *each.groups()) for each in CUT_TAG.finditer(text)]
    closing: dict[str, list[int]] = {}  # by name the ends of closing tags, the last one first
    for _, end, slash, name, _ in reversed(tags):
        if slash:
            closing.setdefault(name.lower(), []).append(end)
    parts = list[str]()
    at = 0
    for start, end, slash, name, is_empty in tags:
        if start < at:
            continue
        parts.append(text[at:start])
        at = end
        ends = closing.get(name.lower(), [])
        while ends and ends[-1] <= start:
            ends.pop()
        if ends and not slash and not is_empty:
            at = ends[-1]
    return "".join([*parts, text[at:]])


@dataclass
class Shown:
    """Writes what a page shows."""

    names: Set[str]

    def text(self, code: Any, depth: int = 0) -> str:
        """What a piece of markup shows."""
        if code is None or depth > MAX_DEPTH:
            return ""
        return "".join(self.node(node, depth + 1) for node in code.nodes)

    def node(self, node: Any, depth: int) -> str:
        """What a part of the markup shows; what is not named here shows nothing."""
        match type(node).__name__:
            case "Text":
                return str(node.value)
            case "HTMLEntity":
                return character(node)
            case "Wikilink":
                return self.link(node, depth)
            case "ExternalLink" if node.brackets:  # its address is no text
                return self.text(node.title, depth)
            case "Tag":
                return self.tag(node, depth)
            case "Heading":  # marked for `tidy`
                return f"\n\n{HEADING}{node.level}{self.text(node.title, depth).strip()}\n\n"
            case _:
                return ""

    def link(self, node: Any, depth: int) -> str:
        """The text of a link, or the title that it leads to."""
        title = self.text(node.title, depth).strip()
        if is_aside(title, self.names):
            return ""
        if node.text is None:
            return title.lstrip(":").partition("#")[0] or title
        return self.text(node.text, depth) or title.lstrip(":")

    def tag(self, node: Any, depth: int) -> str:
        """The content of a tag."""
        name = str(node.tag).strip().lower()
        if name in DROPPED:
            return ""
        content = self.text(node.contents, depth)
        # A sign of the markup opens a line, and is no break.
        if name not in BREAKS or node.wiki_markup in ("*", "#", ":", ";"):
            return content
        return f"\n{content}\n" if content else "\n"


HEADING = "\ue000"
"""Marks a heading until it is known whether text follows; private use, taken out of texts."""


def character(node: Any) -> str:
    """The character that a reference stands for; none for half a character."""
    try:
        found = str(node.normalize())
    except (ValueError, OverflowError):
        return ""
    return "" if found < " " or "\x7f" <= found < "\xa0" or "\ud800" <= found <= "\udfff" else found


def tidy(text: str) -> str:
    """Paragraphs without what is left of markup, and without headings that nothing follows."""
    kept = list[str]()
    level_below = 0
    for block in reversed(LINES.split(EMPTY_BRACKETS.sub("", LEFT_OVER.sub("", text)))):
        lines = (BLANKS.sub(" ", line).strip() for line in block.split("\n"))
        block = "\n".join(line for line in lines if line)
        if not block:
            continue
        level = int(block[1]) if block.startswith(HEADING) else TEXT_LEVEL
        if level < level_below or level == TEXT_LEVEL:
            kept.append(block[2:] if level < TEXT_LEVEL else block)
            level_below = level
    return "\n\n".join(reversed(kept)).replace(HEADING, "")
