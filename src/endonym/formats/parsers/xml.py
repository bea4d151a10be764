"""XML of strangers: no entity is expanded, nothing else is fetched, and depth and size are bounded.

lxml (libxml2) keeps its own limits, as `huge_tree` is off: 256 levels, 10 MB in one text.
"""

from collections.abc import Sequence
from typing import Any

from endonym.formats.parsers.unit import Refused

PIECE_BYTES = 1 << 16


def lxml_etree() -> Any:
    """The library lxml, which has no types."""
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

    return etree


def safe_options() -> dict[str, Any]:
    """The options of an lxml parser for such a file."""
    return {
        "resolve_entities": False,
        "no_network": True,
        "load_dtd": False,
        "dtd_validation": False,
        "huge_tree": False,
        "remove_comments": True,
        "remove_pis": True,
    }


def xml_root(data: bytes, what: str, emptied: Sequence[str] = ()) -> Any:
    """The root element. emptied: tags whose elements are emptied as they come, to save memory.

    Raises Refused if it is no XML, or declares entities; MemoryError.
    """
    etree = lxml_etree()
    parser = etree.XMLPullParser(("end",), tag=emptied or ("-",), **safe_options())
    try:
        for at in range(0, max(1, len(data)), PIECE_BYTES):
            parser.feed(data[at : at + PIECE_BYTES])
            for _, element in parser.read_events():
                element.clear(keep_tail=True)
        root = parser.close()
    except etree.XMLSyntaxError as error:
        if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        raise Refused("damaged", f"{what} is no whole XML: {error.msg}") from error
    if root.getroottree().docinfo.internalDTD is not None and b"<!ENTITY" in data:
        raise Refused("damaged", f"{what} declares entities, as a bomb does; it is not read")
    return root
