"""Small documents of every kind that a parser reads, made of the sentences in text_samples."""

import io
import zipfile
from collections.abc import Sequence
from html import escape

Placed = tuple[float, float, float, str | Sequence[str]]
"""A line of a page: its left edge and base line in points, the size of its letters, its text, or
what each of its glyphs stands for."""

PAGE_HEIGHT = 842


def pdf(pages: Sequence[Sequence[Placed]], *, is_named: bool = True, extra: str = "") -> bytes:
    """A PDF with these lines. is_named: its font has a table that says which letters there are."""
    letters = sorted({sign for page in pages for *_, text in page for sign in text})
    number = {sign: place for place, sign in enumerate(letters, 1)}
    n_pages = len(pages)
    kids = " ".join(f"{5 + 2 * n} 0 R" for n in range(n_pages))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {n_pages}>>",
        "<</Type/Font/Subtype/Type0/BaseFont/Made/Encoding/Identity-H/DescendantFonts[<</Type/Font"
        "/Subtype/CIDFontType2/BaseFont/Made/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)"
        "/Supplement 0>>/DW 500>>]" + ("/ToUnicode 4 0 R" if is_named else "") + ">>",
        stream(names(number)),
    ]
    for n, page in enumerate(pages):
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 {PAGE_HEIGHT}]/Contents {6 + 2 * n} 0 R"
            f"/Resources<</Font<</F1 3 0 R>>>>{extra}>>"
        )
        drawn = "\n".join(
            f"BT /F1 {size} Tf {x} {y} Td <{''.join(f'{number[sign]:04x}' for sign in text)}> Tj ET"
            for x, y, size, text in page
        )
        objects.append(stream(drawn))
    return filed(objects)


def drawn_pdf(commands: str) -> bytes:
    """A PDF of one page with these drawing commands; F1 is Helvetica."""
    page = (
        f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 {PAGE_HEIGHT}]/Contents 5 0 R"
        "/Resources<</Font<</F1 3 0 R>>>>>>"
    )
    font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
    pages = "<</Type/Pages/Kids[4 0 R]/Count 1>>"
    return filed(["<</Type/Catalog/Pages 2 0 R>>", pages, font, page, stream(commands)])


def stream(text: str) -> str:
    """An object of a PDF with content."""
    return f"<</Length {len(text.encode('latin-1'))}>>stream\n{text}\nendstream"


def names(number: dict[str, int]) -> str:
    """The table of a font: which letter each number stands for."""
    rows = "\n".join(
        f"<{place:04x}> <{sign.encode('utf-16-be').hex()}>" for sign, place in number.items()
    )
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Made def "
        "1 begincodespacerange <0000> <ffff> endcodespacerange\n"
        f"{len(number)} beginbfchar\n{rows}\nendbfchar endcmap end end"
    )


def filed(objects: Sequence[str]) -> bytes:
    """The file with these objects, numbered from 1; the first is its root."""
    out, places = bytearray(b"%PDF-1.4\n"), list[int]()
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    start = len(out)
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode()
    out += f"trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def lines(
    texts: Sequence[str], *, top: float = 760, left: float = 70, size: float = 11
) -> list[Placed]:
    """Lines below one another."""
    return [(left, top - 14 * number, size, text) for number, text in enumerate(texts)]


def zipped(members: dict[str, str | bytes]) -> bytes:
    """A zip with these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)


def epub(
    chapters: dict[str, str],
    *,
    order: Sequence[str] | None = None,
    more: dict[str, str] | None = None,
) -> bytes:
    """An e-book of chapters in XHTML: member names below OEBPS, and their contents."""
    items = "".join(
        f'<item id="i{n}" href="{name}" media-type="application/xhtml+xml"/>'
        for n, name in enumerate(chapters)
    )
    ids = {name: f"i{n}" for n, name in enumerate(chapters)}
    spine = "".join(f'<itemref idref="{ids[name]}"/>' for name in order or chapters)
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf"><metadata '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Әкиятләр</dc:title>'
        "<dc:creator>Халык</dc:creator><dc:language>tt</dc:language><dc:date>1920</dc:date>"
        f"</metadata><manifest>{items}</manifest><spine>{spine}</spine></package>"
    )
    members: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": package,
    }
    members |= {f"OEBPS/{name}": content for name, content in chapters.items()}
    return zipped(members | (more or {}))


def xhtml(paragraphs: Sequence[str], title: str = "") -> str:
    """A chapter or a page."""
    body = "".join(f"<p>{escape(each)}</p>" for each in paragraphs)
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">'
        f"<head><title>{title}</title></head><body>{body}</body></html>"
    )


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def docx(body: str, more: dict[str, str] | None = None) -> bytes:
    """A Word file with this content of its body."""
    return zipped(
        {"word/document.xml": f"<w:document {W}><w:body>{body}</w:body></w:document>"}
        | (more or {})
    )


def word_paragraph(text: str) -> str:
    """A paragraph of a Word file."""
    return f"<w:p><w:r><w:t>{escape(text)}</w:t></w:r></w:p>"


ODF = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"'
)


def odt(body: str, more: dict[str, str] | None = None) -> bytes:
    """An OpenDocument text with this content of its body."""
    content = (
        f"<office:document-content {ODF}><office:body><office:text>{body}</office:text>"
        "</office:body></office:document-content>"
    )
    return zipped({"content.xml": content} | (more or {}))


def rtf_escaped(text: str, skipped: str = "?") -> str:
    """A text as Word writes it: \\uN, and a sign for programs that know no Unicode."""
    raw = text.encode("utf-16-le")
    pairs = (raw[at : at + 2] for at in range(0, len(raw), 2))
    numbers = (int.from_bytes(pair, "little", signed=True) for pair in pairs)
    return "".join(chr(n) if 0 < n < 128 else rf"\u{n}{skipped}" for n in numbers)


def rtf(body: str | bytes, head: str = r"\rtf1\ansi\ansicpg1251\deff0") -> bytes:
    """An RTF file with this head and body."""
    raw = body if isinstance(body, bytes) else body.encode("ascii")
    return b"{" + head.encode() + b" " + raw + b"}"


def dump(pages: Sequence[tuple[str, str, str]]) -> str:
    """A dump of a wiki: title, namespace and text of each page."""
    parts = [
        f"<page><title>{escape(title)}</title><ns>{ns}</ns><id>1</id><revision><id>2</id>"
        f"<timestamp>2026-01-02T03:04:05Z</timestamp><text>{escape(text)}</text></revision></page>"
        for title, ns, text in pages
    ]
    return (
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/"><siteinfo>'
        "<base>https://tt.wikipedia.org/wiki/%D0%91</base><namespaces>"
        '<namespace key="0"/><namespace key="6">Рәсем</namespace>'
        '<namespace key="14">Төркем</namespace></namespaces></siteinfo>'
        f"{''.join(parts)}</mediawiki>"
    )


def http(
    body: bytes, head: str = "Content-Type: text/html; charset=utf-8", status: str = "200 OK"
) -> bytes:
    """An answer of a server."""
    return f"HTTP/1.1 {status}\r\n{head}\r\n\r\n".encode() + body


def warc(records: Sequence[tuple[str, str, bytes]], media: str = "application/http") -> bytes:
    """A web archive: type, address and content of each record."""
    out = bytearray()
    for number, (kind, url, content) in enumerate(records):
        out += (
            f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\n"
            f"WARC-Date: 2026-01-02T03:04:05Z\r\nWARC-Record-ID: <urn:uuid:{number:032x}>\r\n"
            f"Content-Type: {media}\r\nContent-Length: {len(content)}\r\n\r\n"
        ).encode()
        out += content + b"\r\n\r\n"
    return bytes(out)


def arc(records: Sequence[tuple[str, bytes]]) -> bytes:
    """A web archive in the older form: address and content of each record."""
    head = b"1 0 Made\nURL IP-address Archive-date Content-type Archive-length\n"
    out = bytearray(b"filedesc://made.arc 127.0.0.1 20260102030405 text/plain %d\n" % len(head))
    out += head + b"\n"
    for url, content in records:
        out += f"{url} 127.0.0.1 20260102030405 text/html {len(content)}\n".encode()
        out += content + b"\n"
    return bytes(out)
