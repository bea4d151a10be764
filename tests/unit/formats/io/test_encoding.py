"""Which encoding a file is in."""

import codecs
import random
from encodings.aliases import aliases
from pathlib import Path
from typing import Any

import pytest
from text_samples import (
    FRENCH,
    KHMER,
    PERSIAN,
    ROMANIAN,
    TATAR,
    in_cp1256,
    kept,
    reasons,
    records,
    refused,
    write,
)

from endonym.errors import RecipeError
from endonym.formats.io.encoding import (
    Encoding,
    by_letters,
    detect,
    guess,
    is_certain,
    is_of_script,
    known_encoding,
    transcoded,
    utf8_stream,
)
from endonym.formats.io.streams import Damage

EVERY_LANGUAGE = pytest.mark.parametrize("lines", [TATAR, KHMER, ROMANIAN, FRENCH])


@EVERY_LANGUAGE
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_and_goes(tmp_path: Path, lines: list[str], encoding: str):
    path = write(tmp_path, "a.txt", ("\n".join(lines) + "\n").encode(encoding))
    assert kept(records(path, document="line")) == lines


LINES = [
    *(TATAR, KHMER, ROMANIAN),
    ["Његова књига је ту.", "Рекла је: Његош."],
    ["დილა მშვიდობისა, მეგობრებო.", "როგორ ხარ?"],
    ["ਸਤ ਸ੍ਰੀ ਅਕਾਲ ਦੋਸਤੋ।", "ਤੁਸੀਂ ਕਿਵੇਂ ਹੋ?"],  # each letter has a LF as its first half
    ["上海上空有云。", "上上下下 的人很多。"],
]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("lines", LINES)
def test_a_whole_file_of_bare_utf16_is_read(tmp_path: Path, lines: list[str], encoding: str):
    path = write(tmp_path, "a.txt", ("\n".join(lines * 20) + "\n").encode(encoding))
    found = records(path, document="line")
    assert kept(found) == lines * 20
    (document, *_) = found
    assert document.meta == {"encoding": encoding}


def test_a_given_encoding_is_used(tmp_path: Path):
    lines = ["Ştiuca înoată în lac.", "Ţăranul ară ogorul."]
    path = write(tmp_path, "a.txt", "\n".join(lines).encode("iso8859-2"))
    assert kept(records(path, document="line", encoding="iso8859-2")) == lines


def test_a_mark_beats_a_given_encoding(tmp_path: Path):
    path = write(tmp_path, "a.txt", "\n".join(TATAR).encode("utf-8-sig"))
    assert kept(records(path, document="line", encoding="cp1251")) == TATAR


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
def test_utf16_without_its_order_is_read_rightly(tmp_path: Path, lines: list[str], order: str):
    path = write(tmp_path, "a.txt", ("\n".join(lines * 5) + "\n").encode(f"utf-16-{order}"))
    assert kept(records(path, document="line", encoding="utf-16")) == lines * 5


@pytest.mark.parametrize("name", ["utf-16", "utf-32"])
def test_an_order_that_cannot_be_guessed_is_asked_for(tmp_path: Path, name: str):
    found = records(write(tmp_path, "a.txt", KHMER), encoding=name)
    assert reasons(found) == {"unknown_encoding": 1}
    assert f"{name}-le" in refused(found)[0].detail


@pytest.mark.parametrize("name", ["idna", "rot13", "latin-99", "a\0b", "\udcff", "x" * 10_000, ""])
def test_what_is_no_encoding_of_files_is_an_error_in_the_recipe(tmp_path: Path, name: str):
    with pytest.raises(RecipeError, match="is no encoding") as caught:
        records(write(tmp_path, "a.txt", TATAR), encoding=name)
    assert len(caught.value.message) < 200
    assert caught.value.message.isprintable()


BYTES_TO_BYTES = {f"{name}_codec" for name in ("base64", "bz2", "hex", "quopri", "uu", "zlib")}
NO_ENCODING_OF_FILES = BYTES_TO_BYTES | {"mbcs", "rot_13", "tactis", "utf_7"}
"""The last four: Windows' own, letters to letters, a name without a codec, that of mail."""


def test_every_other_encoding_of_python_is_known_and_no_bytes_make_it_raise():
    noise = bytes(range(256)) * 8 + b"\x1b$B~\xff\n\x1b$)C~{" + b"\x00\xd8" * 99
    for name in sorted(set(aliases.values())):
        if name in NO_ENCODING_OF_FILES:
            with pytest.raises(RecipeError, match="is no encoding"):
                known_encoding(name)
            continue
        known = known_encoding(name)
        assert codecs.lookup(known) == codecs.lookup(name)
        for size in (1, 7, len(noise)) if known not in ("utf-16", "utf-32") else ():
            pieces = (noise[at : at + size] for at in range(0, len(noise), size))
            assert list(transcoded(pieces, known))


@pytest.mark.timeout(120)
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


ARABIC = [
    "ذهب الولد إلى المدرسة في الصباح الباكر مع أخته.",
    "هل رأيت القمر في السماء هذه الليلة ؟",
    "كتبت البنت رسالة طويلة إلى جدتها، ثم نامت.",
    "نحن لا نعرف الطريق إلى البحر.",
] * 20
HEBREW = ["הילד הלך לבית הספר עם אחותו בבוקר.", "וקרא שם ספר יפה על הים."] * 20
RUSSIAN = ["Солнце взошло над рекой, и рыбаки вышли на берег.", "Дети спали долго."] * 20
TURKISH = [
    "Öğretmenine gül verdi, çocuk bahçede koşuyordu.",
    "Şeftali ağacının altında ılık bir rüzgâr esiyor; iğne deliğinden geçen iplik gibi ince.",
    "Küçük kız şarkı söyledi, kuş öttü.",
] * 20
GERMAN = [
    "Die Mädchen und Jungen gehen über die Brücke.",
    "Süße Äpfel wachsen am großen Baum, und Öl fließt aus der Mühle.",
] * 40
COMMAS = str.maketrans("şţŞŢ", "șțȘȚ")
ROMANIAN_CEDILLAS = [line.translate(str.maketrans("șțȘȚ", "şţŞŢ")) for line in ROMANIAN * 20]


BY_SCRIPT = [
    ("\r\n".join(PERSIAN * 20).encode("cp1256"), "cp1256"),
    (in_cp1256("\r\n".join(PERSIAN * 20)), "cp1256"),
    ("\n".join(ARABIC).encode("iso8859_6"), "iso8859-6"),
    ("\n".join(ARABIC).encode("cp1256"), "cp1256"),
]


@pytest.mark.parametrize(("data", "encoding"), BY_SCRIPT)
def test_the_script_of_the_text_decides_among_encodings(tmp_path: Path, data: bytes, encoding: str):
    path = write(tmp_path, "a.txt", data)
    found = records(path, document="line", script="arabic")
    assert kept(found) == [line.rstrip("\r") for line in data.decode(encoding).split("\n")]
    assert found[0].meta == {"encoding": encoding}


def test_without_a_script_a_likely_encoding_is_named_with_its_first_words(tmp_path: Path):
    path = write(tmp_path, "a.txt", in_cp1256("\r\n".join(PERSIAN * 20)))
    (refusal,) = refused(records(path))
    assert refusal.reason == "unknown_encoding"
    assert "cp1256" in refusal.detail
    assert "دوست" in refusal.detail
    assert "several" not in refusal.detail


OLD = [
    *((PERSIAN * 20, "cp1256"), (ARABIC, "iso8859_6"), (HEBREW, "cp1255"), (HEBREW, "iso8859_8")),
    *((RUSSIAN, "cp1251"), (RUSSIAN, "koi8_r"), (RUSSIAN, "cp866"), (RUSSIAN, "iso8859_5")),
    *((RUSSIAN, "mac_cyrillic"), (HEBREW, "cp862"), (TURKISH, "cp857"), (TURKISH, "mac_turkish")),
    *((GERMAN, "mac_roman"), (ROMANIAN_CEDILLAS, "mac_romanian")),
    (ARABIC[:3], "cp1256"),  # Greek letters are in the same places.
    *((TATAR, "koi8_r"), (FRENCH * 30, "cp850"), (FRENCH * 30, "cp1252")),
]


@pytest.mark.parametrize(("lines", "encoding"), OLD)
def test_no_script_makes_a_wrong_encoding_certain(lines: list[str], encoding: str):
    for script in (None, "arabic", "cyrillic", "latin", "greek", "hebrew"):
        # Without a script the same reading competes in capitals, too.
        for text in ("\n".join(lines), "\n".join(lines).upper())[: 2 - (script is not None)]:
            data = text.encode(encoding, "ignore")
            found = guess(data, script)
            is_refused = isinstance(found, Damage)
            assert is_refused or data.decode(found.name) == data.decode(encoding)


def test_letters_of_dos_are_no_signs_of_windows():
    """é is ‚ there, and frequent letters alone make that the better reading."""
    text = "Le péché était un péché, et l'été désiré a été gonflé d'espérance.\n" * 80
    found = guess(text.encode("cp850"), None)
    assert isinstance(found, Damage) or text.encode("cp850").decode(found.name) == text


SCRIPTS = [
    ("كتاب خوب، دوستي؟ «است»", "arabic", True),
    ("Le mot كتاب veut dire livre.", "arabic", True),
    ("Mنdchen und Frنulein", "arabic", False),
    ("яД░МД ъЦгД Ещй", "cyrillic", False),
    ("Сдђнд ЯгЗд", "arabic", False),
    ("L’été à la mer", "latin", True),
    ("p‚ch‚ et l‚sine, dès l’été", "latin", False),
    ("ƒeftali ƒeker", "latin", False),
    ("— Ab — cd — ef", "cyrillic", False),
]


@pytest.mark.parametrize(("text", "script", "is_it"), SCRIPTS)
def test_a_text_of_one_script_has_few_other_letters_and_signs(text: str, script: str, is_it: bool):
    assert is_of_script(text, script) == is_it


def test_a_text_of_another_script_than_expected_is_refused_but_for_latin():
    russian = "\n".join(RUSSIAN).encode("cp1251")
    assert guess(russian, "cyrillic") == guess(russian, None) == Encoding("cp1251")
    assert isinstance(guess(russian, "hebrew"), Damage)
    french = "\n".join(FRENCH * 30).encode("cp1252")
    assert guess(french, "cyrillic") == Encoding("cp1252")


def test_three_letters_of_one_language_decide_of_a_short_text_and_two_or_two_languages_do_not():
    text = "întrebare;răspuns\nCine ține cheia?;Domnul Ion.\n".encode("iso8859-16")
    assert guess(text, None, is_short=True) == Encoding("iso8859-16")
    assert isinstance(guess(text, None), Damage)
    few = text.replace("ț".encode("iso8859-16"), b"t")
    assert isinstance(guess(few, None, is_short=True), Damage)
    polish = "żal, łza, KĄT".encode("cp1250")  # or Ukrainian: їal, іza, KҐT
    assert by_letters(polish, ["cp1250"]) == "cp1250"
    assert by_letters(polish, ["cp1250", "cp1251"]) == ""


def test_noise_is_binary():
    noise = random.Random(1).randbytes(100_000).translate(None, bytes(range(0x20)))
    refused = guess(noise, "latin")
    assert isinstance(refused, Damage)
    assert refused.reason == "binary"


def test_cedillas_and_commas_below_are_one_letter_of_romanian():
    data = "\n".join(ROMANIAN_CEDILLAS * 20).encode("cp1250")
    found = guess(data, "latin")
    assert isinstance(found, Encoding)
    assert data.decode(found.name).translate(COMMAS) == data.decode("cp1250").translate(COMMAS)
    both: list[Any] = [Reading(text, 0.0, 0.5) for text in (ROMANIAN[1], ROMANIAN_CEDILLAS[1])]
    assert is_certain(both, 100, 0.02)
    assert is_certain(both[::-1], 100, 0.02)


class Reading:
    """What charset_normalizer says of a reading."""

    def __init__(self, text: str, chaos: float, coherence: float) -> None:
        self.text, self.chaos, self.coherence = text, chaos, coherence

    def __str__(self) -> str:
        return self.text


@pytest.mark.parametrize(("best", "other", "n_bytes", "is_it"), [
    ((0.02, 0.4), None, 100, True), ((0.021, 0.9), None, 100, False),
    ((0.02, 0.39), None, 100, False), ((0.0, 0.5), (0.0, 0.46), 4_096, True),
    ((0.0, 0.5), (0.0, 0.47), 4_096, False), ((0.0, 0.5), (0.0, 0.46), 4_095, False),
    ((0.0, 0.5), (0.0, 0.2), 4_095, True), ((0.0, 0.5), (0.03, 0.5), 100, True),
    ((0.0, 0.5), (0.029, 0.5), 4_096, False),
])  # fmt: skip
def test_the_best_reading_is_certain_if_it_is_better_by_a_margin(
    best: tuple[float, float], other: tuple[float, float] | None, n_bytes: int, is_it: bool
):
    found: list[Any] = [Reading("Бер", *best)]
    found += [Reading("Áåð", *other)] if other else []
    assert is_certain(found, n_bytes, 0.02) == is_it
    if other:
        assert is_certain([*found, Reading("Бер", 0.0, 1.0)], n_bytes, 0.02) == is_it
        assert not is_certain([*found, Reading("Ber", *best)], n_bytes, 0.02)
