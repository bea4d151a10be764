"""Which encoding a file is in."""

import codecs
from encodings.aliases import aliases
from pathlib import Path

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR, kept, reasons, records, refused, write

from endonym.errors import RecipeError
from endonym.formats.io.encoding import Encoding, detect, known_encoding, transcoded, utf8_stream

EVERY_LANGUAGE = pytest.mark.parametrize("lines", [TATAR, KHMER, ROMANIAN, FRENCH])


@EVERY_LANGUAGE
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_and_goes(tmp_path: Path, lines: list[str], encoding: str):
    path = write(tmp_path, "a.txt", ("\n".join(lines) + "\n").encode(encoding))
    assert kept(records(path, document="line")) == lines


@EVERY_LANGUAGE
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_never_text_with_zeros(
    tmp_path: Path, lines: list[str], encoding: str
):
    path = write(tmp_path, "a.txt", ("\n".join(lines * 5) + "\n").encode(encoding))
    found = records(path, document="line")
    assert kept(found) in (lines * 5, [])
    assert (
        kept(found) or reasons(found) == {"unknown_encoding": 1} or reasons(found) == {"binary": 1}
    )


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "lines",
    [
        TATAR,
        ["Његова књига је ту.", "Рекла је: Његош."],
        ["დილა მშვიდობისა, მეგობრებო.", "როგორ ხარ?"],
        ["ਸਤ ਸ੍ਰੀ ਅਕਾਲ ਦੋਸਤੋ।", "ਤੁਸੀਂ ਕਿਵੇਂ ਹੋ?"],  # each letter has a LF as its first half
        ["上海上空有云。", "上上下下 的人很多。"],
    ],
)
def test_a_whole_file_of_utf16_without_a_mark_is_read_as_one(
    tmp_path: Path, lines: list[str], encoding: str
):
    path = write(tmp_path, "a.txt", ("\n".join(lines * 20) + "\n").encode(encoding))
    found = records(path, document="line")
    assert kept(found) == lines * 20
    (document, *_) = found
    assert document.meta == {"encoding": encoding}


def test_an_encoding_is_recorded_with_each_document_unless_it_is_utf8(tmp_path: Path):
    wide = write(tmp_path, "wide.txt", "\n".join(TATAR).encode("utf-16"))
    narrow = write(tmp_path, "narrow.txt", TATAR)
    assert records(wide)[0].meta == {"encoding": "utf-16-le"}
    assert records(narrow)[0].meta == {}


def test_a_given_encoding_is_used(tmp_path: Path):
    lines = ["Ştiuca înoată în lac.", "Ţăranul ară ogorul."]
    path = write(tmp_path, "a.txt", "\n".join(lines).encode("iso8859-2"))
    assert kept(records(path, document="line", encoding="iso8859-2")) == lines


def test_a_mark_beats_a_given_encoding(tmp_path: Path):
    path = write(tmp_path, "a.txt", "\n".join(TATAR).encode("utf-8-sig"))
    assert kept(records(path, document="line", encoding="cp1251")) == TATAR


@pytest.mark.parametrize("name", ["latin-99", "base64"])
def test_an_encoding_that_does_not_exist_is_the_recipes_fault(tmp_path: Path, name: str):
    path = write(tmp_path, "a.txt", TATAR)
    with pytest.raises(RecipeError, match=name):
        records(path, encoding=name)


def test_a_byte_without_a_meaning_costs_its_line_only(tmp_path: Path):
    content = "Кояш чыкты.\n".encode("cp1251") + b"\x98\x98\n" + "Яз килде.\n".encode("cp1251")
    path = write(tmp_path, "a.txt", content)
    found = records(path, document="line", encoding="cp1251")
    assert kept(found) == ["Кояш чыкты.", "Яз килде."]
    assert reasons(found) == {"invalid_bytes": 1}
    assert "line 2" in refused(found)[0].detail


def test_half_a_character_in_utf16_costs_its_line_only(tmp_path: Path):
    content = "Кояш\n".encode("utf-16-le") + b"\x00\xd8\n\x00" + "Яз килде\n".encode("utf-16-le")
    path = write(tmp_path, "a.txt", b"\xff\xfe" + content)
    found = records(path, document="line")
    assert kept(found) == ["Кояш", "Яз килде"]
    assert reasons(found) == {"invalid_bytes": 1}


def test_a_file_in_several_possible_encodings_is_refused_with_their_names(tmp_path: Path):
    path = write(tmp_path, "a.txt", "Ţăranul coseşte fânul.\n".encode("cp1250") * 3)
    (refusal,) = refused(records(path))
    assert refusal.reason == "unknown_encoding"
    assert 'encoding = "' in refusal.detail
    assert refusal.raw_bytes == path.stat().st_size


@pytest.mark.parametrize(
    "content",
    [b"%PDF-1.7\n...", b"PK\x03\x04 ...", b"\x89PNG\r\n", bytes(range(32)) * 40, b"\x7fELF\x02"],
)
def test_data_that_are_no_text_are_refused_as_binary(tmp_path: Path, content: bytes):
    path = write(tmp_path, "a.txt", content)
    (refusal,) = refused(records(path))
    assert refusal.reason == "binary"
    assert "binary data" in refusal.detail


def test_a_long_cyrillic_text_in_cp1251_is_guessed(tmp_path: Path):
    lines = ["Солнце взошло над рекой, и рыбаки вышли на берег.", "Дети спали долго."] * 40
    path = write(tmp_path, "a.txt", "\n".join(lines).encode("cp1251"))
    assert kept(records(path, document="line")) == lines


def test_a_few_letters_do_not_make_an_encoding_certain(tmp_path: Path):
    """Of this sentence in ISO 8859-16 the letters of Baltic languages are the likeliest."""
    path = write(tmp_path, "a.txt", (ROMANIAN[0] + "\n").encode("iso8859-16"))
    assert reasons(records(path)) == {"unknown_encoding": 1}


def test_the_lines_that_are_not_ascii_decide_wherever_they_stand(tmp_path: Path):
    plain = ["<p>The rest of this page is in Russian.</p>"] * 3_000
    lines = ["Солнце взошло над рекой, и рыбаки вышли на берег.", "Дети спали долго."] * 40
    path = write(tmp_path, "a.txt", "\n".join(plain + lines).encode("cp1251"))
    assert kept(records(path, document="line")) == plain + lines


@pytest.mark.parametrize(("bad", "is_utf8"), [(8, True), (9, False)])
def test_utf8_may_have_four_bad_bytes_for_each_good_letter(bad: int, is_utf8: bool):
    text = "L’automne est la.\n".encode() * 2 + b"\xff un mot \n" * bad
    assert (detect(text, None) == Encoding("utf-8")) == is_utf8


def test_half_a_letter_at_the_end_is_lost_bytes():
    data = "\n".join(TATAR).encode("utf-16-le") + b"\x30"
    name, stream = utf8_stream(iter([data]), "utf-16-le")
    *pieces, lost = stream
    assert (name, b"".join(map(bytes, pieces)).decode()) == ("utf-16-le", "\n".join(TATAR))
    assert (lost.reason, lost.raw_bytes) == ("truncated", 1)


@pytest.mark.parametrize("lines", [TATAR, ROMANIAN, FRENCH])
@pytest.mark.parametrize("order", ["le", "be"])
def test_utf16_that_is_named_without_its_order_is_read_in_the_right_one(
    tmp_path: Path, lines: list[str], order: str
):
    path = write(tmp_path, "a.txt", ("\n".join(lines * 5) + "\n").encode(f"utf-16-{order}"))
    assert kept(records(path, document="line", encoding="utf-16")) == lines * 5


@pytest.mark.parametrize("name", ["utf-16", "utf-32"])
def test_an_order_that_cannot_be_guessed_is_asked_for(tmp_path: Path, name: str):
    found = records(write(tmp_path, "a.txt", KHMER), encoding=name)
    assert reasons(found) == {"unknown_encoding": 1}
    assert f"{name}-le" in refused(found)[0].detail


@pytest.mark.parametrize(
    "name",
    [
        *("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "utf7"),
        *(
            "charmap",
            "rot13",
            "zlib",
            "base64",
            "hex",
            "quopri",
            "a\0b",
            "\udcff",
            "x" * 10_000,
            "",
        ),
    ],
)
def test_what_is_no_encoding_of_files_is_an_error_in_the_recipe(tmp_path: Path, name: str):
    with pytest.raises(RecipeError, match="is no encoding") as caught:
        known_encoding(name)
    assert len(caught.value.message) < 200
    assert caught.value.message.isprintable()


BYTES_TO_BYTES = {f"{name}_codec" for name in ("base64", "bz2", "hex", "quopri", "uu", "zlib")}
NO_ENCODING_OF_FILES = BYTES_TO_BYTES | {"mbcs", "rot_13", "tactis", "utf_7"}
"""The last four: Windows' own, letters to letters, a name without a codec, that of mail."""


@pytest.mark.parametrize("name", sorted(set(aliases.values())))
def test_every_other_encoding_of_python_is_known(name: str):
    if name in NO_ENCODING_OF_FILES:
        with pytest.raises(RecipeError, match="is no encoding"):
            known_encoding(name)
    else:
        assert codecs.lookup(known_encoding(name)) == codecs.lookup(name)


@pytest.mark.parametrize(
    "name", sorted(set(aliases.values()) - NO_ENCODING_OF_FILES - {"utf_16", "utf_32"})
)
def test_no_bytes_make_an_encoding_raise(name: str):
    known = known_encoding(name)
    noise = bytes(range(256)) * 8 + b"\x1b$B~\xff\n\x1b$)C~{" + b"\x00\xd8" * 99
    for size in (1, 7, len(noise)):
        pieces = (noise[at : at + size] for at in range(0, len(noise), size))
        assert list(transcoded(pieces, known))


@pytest.mark.timeout(20)
def test_errors_in_every_character_take_no_longer_than_their_number():
    halves = b"\x00\xd8" * 500_000
    pieces = transcoded(iter([halves]), "utf-16-le")
    assert len(b"".join(piece for piece in pieces if isinstance(piece, bytes))) > 3 * 499_000


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_a_file_of_utf16_with_some_lines_of_utf8_is_read_line_by_line(order: str):
    wide = "\n".join([*FRENCH, ""]).encode(order)
    assert detect(wide * 3, None) == Encoding(order)
    narrow = "\n".join([*TATAR, ""]).encode()
    assert detect(wide * 3 + narrow, None) == Encoding("utf-8")
    # Less than one byte of a hundred may be chance.
    assert detect(wide * 3 + b"abcd\n", None) == Encoding(order)
    assert detect(wide * 3 + b"a\x01c" * 100 + b"\n", None) == Encoding(order)
