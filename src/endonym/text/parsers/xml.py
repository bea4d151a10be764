"""XML of strangers: no entity is expanded, nothing else is fetched, and depth and size are bounded.

lxml (libxml2) keeps its own limits, as `huge_tree` is off: 256 levels, 10 MB in one text.
"""

from typing import Any

from endonym.text.parsers.unit import Refused


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


def parsed(data: bytes, what: str) -> Any:
    """The root element. Raises Refused if it is no XML, or declares entities."""
    etree = lxml_etree()
    try:
        root = etree.fromstring(data, etree.XMLParser(**safe_options()))
    except etree.XMLSyntaxError as error:
        raise Refused("damaged", f"{what} is no whole XML: {error.msg}") from error
    if root.getroottree().docinfo.internalDTD is not None and b"<!ENTITY" in data:
        raise Refused("damaged", f"{what} declares entities, as a bomb does; it is not read")
    return root
