"""Sentences in many languages, with the letters that break things, and small files made of them."""

import gzip
import io
import random
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

from endonym.formats.config import Source
from endonym.formats.document import Document, Reject
from endonym.formats.files import RawFile, source_files
from endonym.formats.reader import read_file

TATAR = [
    "Бүген һава бик матур, шуңа күрә без урманга барабыз.",
    "Әбием миңа җылы сөт һәм яңа пешкән икмәк бирде.",
    "Кичә кич белән абыем күл буенда зур учак якты.",
    "Мин татарча яхшы сөйләшәм, ә энем әле өйрәнә генә.",
    "Алмагач төбендә кызыл алмалар тәгәрәп ята.",
    "Ул көнне авыл өстендә торналар тавышы яңгырады.",
]
KHMER = [
    "ព្រឹកនេះខ្ញុំដើរទៅផ្សារជាមួយម្តាយរបស់ខ្ញុំ។",
    "ក្មេងៗលេងបាល់នៅក្រោមដើមស្វាយធំ។",
    "ទន្លេនៅមុខភូមិយើងជន់ខ្ពស់ណាស់ឆ្នាំនេះ។",
]
ROMANIAN = [
    "Dimineața, bunica își bea cafeaua pe prispă și ascultă vrăbiile.",
    "Țăranul a dus grâul la moară înainte să înceapă ploaia.",
    "Într-o seară, fetița a găsit o cheie ruginită sub pragul casei.",
]
FRENCH = [
    "L’été dernier, nous avons dormi près de la rivière gelée.",
    "Le boulanger ouvre sa boutique bien avant l’aube.",
    "Où est passée la clé du grenier, demanda l’aînée ?",
]
RUSSIAN = [
    "Вчера вечером мой брат развёл большой костёр у самого озера.",
    "Бабушка дала мне тёплого молока и свежего хлеба с мёдом.",
    "Под старой яблоней лежали красные яблоки, и дети собирали их в корзину.",
    "Утром мы пошли в лес, потому что погода была очень хорошая.",
    "Над деревней летели журавли, и все смотрели на небо.",
]
PERSIAN = [  # with the letters of cp1256: U+064A and U+0643
    "كتاب خوب دوستي است كه هميشه با ماست.",
    "رنگين كمان پس از باران در آسمان ديده مي‌شود.",
    "پدرم هر روز صبح زود به باغ مي‌رود و درختان را آب مي‌دهد.",
    "چرا امشب ماه در آسمان نيست؟",
    "مادر بزرگ براي كودكان قصه‌اي شيرين گفت.",
    "گربه‌ها روي ديوار خوابيده‌اند و آفتاب مي‌تابد.",
    "ما هر سال در عيد به خانه پدربزرگ مي‌رويم.",
    "ژاله بر برگ گل نشسته است.",
]

SHARED = Path(__file__).parents[1].parent / "shared" / "data"
"""Texts that lie beside the project where it is developed; tests that need them skip elsewhere."""


def write(folder: Path, name: str, content: str | bytes | list[str]) -> Path:
    """A file in a folder; a list is lines."""
    if isinstance(content, list):
        content = "".join(line + "\n" for line in content)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def records(path: Path, **keys: Any) -> list[Document | Reject]:
    """Everything that a reader says of one file."""
    source = Source(name="probe", path=str(path), **keys)
    return [record for file in files(source) for record in read_file(source, file)]


def files(source: Source) -> list[RawFile]:
    """The raw files of a source whose path is absolute."""
    return source_files(source, Path("/"))


def kept(found: list[Document | Reject]) -> list[str]:
    """The texts that became documents."""
    return [record.text for record in found if isinstance(record, Document)]


def refused(found: list[Document | Reject]) -> list[Reject]:
    """What was refused."""
    return [record for record in found if isinstance(record, Reject)]


def reasons(found: list[Document | Reject]) -> dict[str, int]:
    """How often each reason was given."""
    return dict(Counter(record.reason for record in refused(found)))


def in_cp1256(text: str) -> bytes:
    """In cp1256; letters that it lacks are lost, as old converters did it."""
    return text.translate({0x64A: 0x6CC, 0x643: 0x6A9}).encode("cp1256", "ignore")


def gzipped(text: str) -> bytes:
    """A gzip member that always has the same bytes."""
    return gzip.compress(text.encode(), mtime=0)


def tar(members: dict[str, str], mode: str = "w") -> bytes:
    """A tar archive of small texts."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


WORDS = " ".join(TATAR + ROMANIAN + FRENCH).split()


def numbered(count: int, start: int = 0) -> list[str]:
    """Texts that are no near copies of one another."""
    draws = (random.Random(number).choices(WORDS, k=9) for number in range(start, start + count))
    return [" ".join(words) for words in draws]
