"""Documents as an attacker would make them: each is small on disk and strange in one way."""

import gzip
import zlib
from collections.abc import Callable

import made_documents as made
from text_samples import TATAR

TEXT = " ".join(TATAR)
PAGE = made.xhtml([TEXT]).encode()
CATALOG = "<</Type/Catalog/Pages 2 0 R>>"
MEGABYTE = 1 << 20


def page_loop() -> bytes:
    """A list of pages that holds itself."""
    return made.filed(
        [
            CATALOG,
            "<</Type/Pages/Kids[3 0 R]/Count 5>>",
            "<</Type/Pages/Parent 2 0 R/Kids[2 0 R 3 0 R]/Count 5>>",
        ]
    )


def drawing_loop() -> bytes:
    """A drawing that draws itself twice."""
    form = (
        "<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>"
        "/Length 11>>stream\n/X Do /X Do\nendstream"
    )
    page = (
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R"
        "/Resources<</XObject<</X 5 0 R>>>>>>"
    )
    pages = "<</Type/Pages/Kids[3 0 R]/Count 1>>"
    return made.filed([CATALOG, pages, page, made.stream("/X Do"), form])


def page_bomb() -> bytes:
    """A page whose commands unpack to 170 MB, and a good one after it."""
    packed = zlib.compress(b"BT /F1 9 Tf (aaaaaaaaaaaaaaaaaaaa) Tj ET\n" * 4_000_000, 9)
    page = (
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 500 500]/Contents {} 0 R"
        "/Resources<</Font<</F1 4 0 R>>>>>>"
    )
    font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
    bomb = (
        f"<</Filter/FlateDecode/Length {len(packed)}>>stream\n{packed.decode('latin-1')}\nendstream"
    )
    good = made.stream("BT /F1 12 Tf 72 400 Td (Le corbeau et le renard, en plein champ) Tj ET")
    pages = "<</Type/Pages/Kids[3 0 R 5 0 R]/Count 2>>"
    return made.filed([CATALOG, pages, page.format(6), font, page.format(7), bomb, good])


def nonsense_font() -> bytes:
    """A page whose font decodes to characters without a meaning, and a good one after it."""
    odd = "".join(chr(0xE000 + ord(sign) % 90) for sign in TEXT[:60])
    return made.pdf([made.lines([odd] * 20), made.lines([TEXT[:60]] * 20)])


def locked() -> bytes:
    """Said to be encrypted, with keys that fit nothing."""
    keys = f"/P -4/O<{'61' * 32}>/U<{'62' * 32}>"
    lock = f"/Encrypt<</Filter/Standard/V 2/R 3/Length 128{keys}>>/ID[<6162><6162>]"
    return made.pdf([made.lines([TEXT[:60]])]).replace(
        b"/Root 1 0 R", f"/Root 1 0 R{lock}".encode()
    )


def laughs() -> bytes:
    """Entities of entities, a thousand million letters in all."""
    levels = "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    head = f'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">{levels}]>'
    body = f"<w:document {made.W}><w:body><w:p><w:r><w:t>&j;</w:t></w:r></w:p></w:body>"
    return made.zipped({"word/document.xml": f"{head}{body}</w:document>"})


def outside() -> bytes:
    """An entity that stands for a file of the system."""
    head = '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    body = f"<office:document-content {made.ODF}><office:body><office:text><text:p>&x;</text:p>"
    end = "</office:text></office:body></office:document-content>"
    return made.zipped({"content.xml": head + body + end})


def climbing_chapters() -> bytes:
    """Chapters whose names lead out of the book."""
    names = ("a.xhtml", "../../../../tmp/evil_x.xhtml", "/etc/evil_y.xhtml")
    return made.epub({name: made.xhtml([TEXT]) for name in names})


def chapter_bomb() -> bytes:
    """A chapter of 200 MB after a good one."""
    large = f"<html><body><p>{'z' * 200 * MEGABYTE}</p></body></html>"
    return made.epub({"a.xhtml": made.xhtml([TEXT]), "b.xhtml": large})


def archive(head: str = "", body: bytes = PAGE) -> bytes:
    """A web archive with an answer of these heads, and a good one after it."""
    head = "\r\n".join(("Content-Type: text/html; charset=utf-8", *filter(None, [head])))
    return made.warc(
        [
            ("response", "https://a.tt/1", made.http(body, head)),
            ("response", "https://a.tt/2", made.http(PAGE)),
        ]
    )


def long_length() -> bytes:
    """A web archive whose first answer is said to be longer than the file."""
    return archive().replace(b"Content-Length: ", b"Content-Length: 99999999", 1)


def body_bomb() -> bytes:
    """An answer that unpacks to 500 MB."""
    return archive("Content-Encoding: gzip", gzip.compress(bytes(500 * MEGABYTE)))


def arc_length() -> bytes:
    """An older archive with a length of twenty digits."""
    whole = made.arc([("https://a.tt", PAGE)])
    return whole.replace(b"text/html ", b"text/html 99999999999999999999")


def dump_with(text: str) -> bytes:
    """A dump whose middle article has this markup."""
    pages = [("А", "0", TEXT), ("Б", "0", "БОЗЫК"), ("В", "0", TEXT)]
    return made.dump(pages).replace("БОЗЫК", text).encode()


def word_bomb() -> bytes:
    """A paragraph of 200 MB."""
    return made.docx(made.word_paragraph("a" * 200 * MEGABYTE))


def many_paragraphs() -> bytes:
    """Ten million paragraphs."""
    return made.odt("<text:p>a</text:p>" * 10_000_000)


FILES: dict[str, tuple[Callable[[], bytes], dict[str, int], int]] = {
    "page_loop.pdf": (page_loop, {"damaged": 1}, 0),
    "drawing_loop.pdf": (drawing_loop, {"parser": 1}, 0),
    "page_bomb.pdf": (page_bomb, {"parser": 1}, 1),
    "nonsense_font.pdf": (nonsense_font, {"bad_text_layer": 1}, 1),
    "locked.pdf": (locked, {"needs_password": 1}, 0),
    "laughs.docx": (laughs, {"damaged": 1}, 0),
    "deep.docx": (
        lambda: made.docx("<w:p>" * 100_000 + "</w:p>" * 100_000),
        {"damaged": 1},
        0,
    ),
    "word_bomb.docx": (word_bomb, {"bomb": 1}, 0),
    "outside.odt": (outside, {"damaged": 1}, 0),
    "many_paragraphs.odt": (many_paragraphs, {"bomb": 1}, 0),
    "climbing.epub": (climbing_chapters, {"unsafe_member": 2}, 1),
    "chapter_bomb.epub": (chapter_bomb, {"bomb": 1}, 1),
    "deep.html": (lambda: b"<b><i>" * 500_000 + TEXT.encode(), {}, 1),
    "select.html": (lambda: b"<select><option>" * 100_000 + TEXT.encode(), {"blank": 1}, 0),
    "long_length.warc": (long_length, {"too_long": 1}, 0),
    "body_bomb.warc": (body_bomb, {"bomb": 1}, 1),
    "heads.warc": (
        lambda: b"WARC/1.0\r\n" + b"X: y\r\n" * MEGABYTE + archive(),
        {"truncated": 1},
        0,
    ),
    "twice.warc.gz": (lambda: gzip.compress(gzip.compress(archive())), {"truncated": 1}, 0),
    "length.arc": (arc_length, {"truncated": 1}, 0),
    "twice.txt.gz": (lambda: gzip.compress(gzip.compress(TEXT.encode())), {"binary": 1}, 0),
    "bomb.html.gz": (lambda: gzip.compress(bytes(500 * MEGABYTE)), {"bomb": 1}, 0),
    "deep-pages-articles.xml": (lambda: dump_with("<b>" * 100_000), {"damaged": 1}, 2),
    "long-pages-articles.xml": (lambda: dump_with("ә" * 6 * MEGABYTE), {"damaged": 1}, 2),
    "braces-pages-articles.xml": (lambda: dump_with("{{" * 200_000), {"blank": 1}, 2),
}
"""For each: how it is made, the rejects by reason, and how many documents it has all the same.

"parser" is a parser that did not survive the page, however it ended.
"""
