"""What the first recipe's rules lose of clean texts, and what they leave of planted dirt.

    python benchmarks/first_rules.py [--texts ../shared/data] [--news masakhane-news]

`endonym doctor` examines each text, and `endonym run --until corpus` cleans it by the recipe that
it wrote, which is that of `endonym new`. Clean texts are lists of sentences and stories as they
are: what a rule drops of them is lost, copies aside. Dirty texts are pages of twelve sentences (in
Amharic news) with 45 pages in English, Russian and Turkish, 20 of a legacy font, 12 with a banner
in another language, 40 with a menu and a notice, spam, and pages of a neighbour; each language and
each kind of dirt stands in one file with the others, so that no file is told by itself.

--news: a clone of github.com/masakhane-io/masakhane-news (AFL 3.0), for Amharic and Tigrinya.
Results: benchmarks/results/first-rules.json.
"""

import argparse
import csv
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cells import RESULTS, ROOT, Cells
from copied_lines import opened
from pages import markdown
from runs import endonym, last_json

from endonym.corpus.corpus import Corpus, dropped_records

RESULT = RESULTS / "first-rules.json"
CLEAN = {
    "ar": "other/ar_common_voice.txt",
    "ba": "other/ba_common_voice.txt",
    "fa": "other/fa_common_voice.txt",
    "hi": "other/hi_pratham_storybooks.jsonl",
    "kk": "other/kk_common_voice.txt",
    "ky": "other/ky_common_voice.txt",
    "ne": "other/ne-NP_common_voice.txt",
    "ro": "ro/ronec_sentences.txt",
}
PAGES = {
    "tt": "tt/common_voice_sentences.txt",
    "ky": "other/ky_common_voice.txt",
    "fa": "other/fa_common_voice.txt",
    "ro": "ro/ronec_sentences.txt",
}
"""Lists of sentences of which pages are made."""
NEIGHBOURS = {"tt": "ba", "ky": "kk", "fa": "ar", "am": "ti"}
NAMES = {"am": "Amharic", "ar": "Arabic", "ba": "Bashkir", "fa": "Persian", "hi": "Hindi",
         "kk": "Kazakh", "ky": "Kyrgyz", "ne": "Nepali", "ro": "Romanian",
         "tt": "Tatar"}  # fmt: skip
NEWS = {"am": "amh", "ti": "tir"}
KINDS = {
    "English pages": "whole",
    "Russian pages": "whole",
    "Turkish pages": "whole",
    "pages of a legacy font": "whole",
    "pages of a neighbour": "whole",
    "spam": "whole",
    "a banner in another language": "part",
    "a paragraph in another language": "part",
    "a menu and a notice": "part",
}
"""What is planted; whether the page must go, or a part of it."""
COPIES = {"exact", "near", "paragraphs"}
SENTENCES, OWN, FOREIGN, LEGACY, FRAMED, BANNERS, NEAR_BY, SPAM = 12, 805, 15, 20, 40, 12, 15, 15
"""Sentences of a page, and how many pages there are of each kind."""
BANNER = "Этот сайт использует файлы cookie. Продолжая пользоваться сайтом, вы соглашаетесь с этим."
TURKISH = (
    "Köyümüzün çocukları her sabah erkenden okula giderdi.",
    "Annem mutfakta çay demlerken bize eski masallar anlatırdı.",
    "Dün akşam bütün komşular meydanda toplandı.",
    "Bu yıl yağmur az yağdığı için buğday iyi yetişmedi.",
    "Kitabı okuduktan sonra kütüphaneye geri götürdüm.",
    "Şehrin en büyük pazarı cumartesi günleri kurulur.",
    "Yarın sabah trenle İstanbul’a gidecekler.",
    "Öğretmenimiz bize dünyanın yedi harikasını öğretti.",
    "Babam bahçedeki elma ağaçlarını ilkbaharda budar.",
    "Bilim insanları yeni bir yıldız keşfettiklerini açıkladı.",
    "Denizin kenarında küçük, beyaz boyalı evler vardı.",
    "Hükümet yeni yolların yapımı için para ayırdı.",
    "Çocuklar karın altında saatlerce oynadılar.",
    "Doktor hastaya bol su içmesini söyledi.",
    "Genç yazarın ilk romanı büyük ilgi gördü.",
    "Bu akşam televizyonda güzel bir film gösterilecek.",
    "Kardeşim gelecek yıl üniversiteye başlayacak.",
    "Eski köprü ırmağın iki yakasını yüzyıllardır birleştirir.",
    "Balıkçılar sabaha karşı ağlarını topladı.",
    "Müzede bin yıllık çömlekler sergileniyor.",
)
MENUS = {
    "tt": "Баш бит | Яңалыклар | Мәкаләләр | Элемтә\n© 2019 «Туган як» газетасы. Барлык хокуклар "
    "да сакланган, күчереп басу тыела.",
    "ky": "Башкы бет | Жаңылыктар | Байланыш\n© 2019 «Ала-Тоо» гезити. Бардык укуктар корголгон, "
    "көчүрүп басууга тыюу салынат.",
    "fa": "صفحهٔ اصلی | اخبار | تماس با ما\n"
    "© ۱۳۹۸ روزنامهٔ صبح. تمام حقوق محفوظ است و بازنشر مطالب تنها با ذکر منبع مجاز است.",
    "ro": "Acasă | Știri | Contact\n© 2019 Ziarul de dimineață. Toate drepturile rezervate. "
    "Preluarea textelor este permisă numai cu citarea sursei.",
    "am": "መነሻ | ዜና | ስለ እኛ | አግኙን\n© 2019 የጠዋት ጋዜጣ። መብቱ በህግ የተጠበቀ ነው። ጽሑፎችን ያለ ፈቃድ ማተም ክልክል ነው።",
}
SPAM_WORDS = (
    "casino",
    "bonus",
    "replica",
    "cheap",
    "loan",
    "online",
    "free",
    "bet",
    "win",
    "slots",
)


def main() -> None:
    """Run the cells asked for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--news", type=Path)
    parser.add_argument("--work", type=Path, default=ROOT / "bench-work" / "first-rules")
    parser.add_argument("--results", type=Path, default=RESULT)
    parser.add_argument("--cells", nargs="+", help="those that are measured, such as 'clean hi'")
    asked = parser.parse_args()
    cells = Cells(asked.results)
    for code, name in CLEAN.items():
        if wanted(key := f"clean {code}", asked):
            cells.keep(key, clean_cell(code, texts_of(asked.texts / name), asked.work / key))
            print(key, cells[key], flush=True)
    for code in [*PAGES, *(["am"] if asked.news else [])]:
        if wanted(key := f"dirty {code}", asked):
            cells.keep(key, dirty_cell(Dirt(code, asked), asked.work / key))
            print(key, cells[key], flush=True)
    print(clean_table(cells), dirty_table(cells), sep="\n")


def wanted(key: str, asked: argparse.Namespace) -> bool:
    """Whether a cell is to be measured."""
    return not asked.cells or key in asked.cells


def texts_of(path: Path) -> list[str]:
    """The texts of a file, one a line."""
    lines = [line for line in opened(path).split("\n") if line.strip()]
    return [json.loads(line)["text"] for line in lines] if ".jsonl" in path.name else lines


def news_of(clone: Path, code: str) -> list[str]:
    """Articles of a language."""
    path = clone / "data" / NEWS[code] / "test.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file, delimiter="\t")]


class Dirt:
    """Pages of a language with planted ones: `pages`, each with its kind and what must go."""

    def __init__(self, code: str, asked: argparse.Namespace) -> None:
        self.code, self.texts, self.news = code, asked.texts, asked.news
        self.rng = random.Random(f"first rules {code}")
        self.pages: list[tuple[str, str, str]] = []
        own = self.own_pages()
        self.plant(own)
        self.rng.shuffle(self.pages)

    def own_pages(self) -> list[str]:
        """Pages in the language."""
        if self.code in NEWS:
            return news_of(self.news, self.code)
        return self.made(texts_of(self.texts / PAGES[self.code]), OWN)

    def made(self, sentences: Sequence[str], count: int) -> list[str]:
        """Pages of sentences, each of which is used once while there are enough."""
        lines = list(sentences)
        self.rng.shuffle(lines)
        most = max(3, min(SENTENCES, len(lines) // count))
        rows = [lines[n * most : (n + 1) * most] for n in range(count)]
        return ["\n".join(row or self.rng.sample(lines, most)) for row in rows]

    def pairs(self, side: str) -> list[str]:
        """Sentences of Tatoeba in English or Russian."""
        rows = map(json.loads, opened(self.texts / "parallel/tatoeba_pairs.jsonl.gz").splitlines())
        sides = {"src": 0, "tgt": 1}
        return sorted(
            {
                row[n]
                for row in rows
                for n, at in sides.items()
                if row["pair"].split("-")[at] == side
            }
        )

    def add(self, kind: str, pages: Sequence[str], part: str = "") -> None:
        """Add pages of a kind; part: what of them must go."""
        self.pages += [(page, kind, part) for page in pages]

    def plant(self, own: list[str]) -> None:
        """Add the pages of the language, some with what must go, and those that must go."""
        self.add("English pages", self.made(self.pairs("en"), FOREIGN))
        russian = self.pairs("ru")
        self.add("Russian pages", self.made(russian, FOREIGN))
        self.add("Turkish pages", ["\n".join(self.rng.sample(TURKISH, 10)) for _ in range(FOREIGN)])
        self.add("pages of a legacy font", map(self.in_legacy_font, own[:LEGACY]))
        if near := NEIGHBOURS.get(self.code):
            pages = (
                news_of(self.news, near)[:NEAR_BY]
                if near in NEWS
                else self.made(texts_of(self.texts / CLEAN[near]), NEAR_BY)
            )
            self.add("pages of a neighbour", pages)
        self.add("spam", [self.spam() for _ in range(SPAM)])
        rest = own[LEGACY:]
        for page in rest[:BANNERS]:
            self.add("a banner in another language", [f"{BANNER}\n{page}"], BANNER)
        for page in rest[BANNERS : 2 * BANNERS]:
            part = " ".join(self.rng.sample(russian, 3))
            lines = page.split("\n")
            lines.insert(len(lines) // 2, part)
            self.add("a paragraph in another language", ["\n".join(lines)], part)
        menu, notice = MENUS[self.code].split("\n")
        for page in rest[2 * BANNERS : 2 * BANNERS + FRAMED]:
            self.add("a menu and a notice", [f"{menu}\n{page}\n{notice}"], notice)
        self.add("own", rest[2 * BANNERS + FRAMED :])

    def in_legacy_font(self, page: str) -> str:
        """A page as a program sees it whose font has the letters in the places of ASCII."""
        letters = sorted({letter for letter in page.lower() if letter.isalpha()})
        places = "abcdefghijklmnopqrstuvwxyz[];'\\,./`{}<>@#$%^&*"
        table = {letter: places[number % len(places)] for number, letter in enumerate(letters)}
        return "".join(table.get(letter, letter) for letter in page.lower())

    def spam(self) -> str:
        """A page that wants to be found: words for a search engine, and links."""
        rows = [" ".join(self.rng.choices(SPAM_WORDS, k=9)) for _ in range(12)]
        return "\n".join(f"{row} http://{self.rng.randrange(10**6)}.example/win" for row in rows)


def cleaned(texts: Sequence[str], code: str, work: Path) -> Corpus:
    """The corpus of texts by the recipe that the doctor writes for them."""
    work.mkdir(parents=True, exist_ok=True)
    rows = (json.dumps({"text": each}, ensure_ascii=False) + "\n" for each in texts)
    (work / "texts.jsonl").write_text("".join(rows), encoding="utf-8")
    said = endonym(work, "doctor", "texts.jsonl", "--language", code, "--json", "--workers", 1)
    (work / "recipe.toml").write_text(last_json(said)["recipe"], encoding="utf-8")
    words = ("recipe.toml", "--until", "corpus", "--workers", 1, "--json", "-q")
    stages = last_json(endonym(work, "run", *words))["stages"]
    (corpus,) = [stage for stage in stages if stage["name"].startswith("corpus")]
    return Corpus(next((work / "store").glob(f"corpus/{corpus['id']}*")))


def place(name: str) -> int:
    """The number of a text by its id."""
    return int(name.rpartition("#")[2]) - 1


def kept_texts(corpus: Corpus) -> dict[int, str]:
    """The documents that stay, by their numbers."""
    return {
        place(each.id): each.text
        for side in ("train", "dev", "test")
        for each in corpus.documents(side)
    }


def clean_cell(code: str, texts: Sequence[str], work: Path) -> dict[str, Any]:
    """What is lost of clean texts, in documents and bytes, copies aside."""
    corpus = cleaned(texts, code, work)
    dropped = [each for each in dropped_records(corpus.folder) if each.reason not in COPIES]
    parts = [
        each for each in dropped_records(corpus.folder, kind="removed") if each.reason not in COPIES
    ]
    lost = sum(len(each.text.encode()) for each in (*dropped, *parts))
    return {
        "documents": len(texts),
        "dropped": len(dropped),
        "bytes": sum(len(each.encode()) for each in texts),
        "lost_bytes": lost,
        "rules": Counter(each.reason for each in (*dropped, *parts)),
    }


def dirty_cell(dirt: Dirt, work: Path) -> dict[str, Any]:
    """Of each kind how many were planted and went; and what of the others was lost."""
    corpus = cleaned([page for page, _, _ in dirt.pages], dirt.code, work)
    kept = kept_texts(corpus)
    why = {place(each.id): each.reason for each in dropped_records(corpus.folder)}
    planted, gone, reasons = Counter[str](), Counter[str](), Counter[str]()
    for number, (_, kind, part) in enumerate(dirt.pages):
        planted[kind] += 1
        if kind == "own" or part:
            is_right = number in kept and (not part or part not in kept[number])
            gone[kind] += is_right or why.get(number) in COPIES
        else:
            gone[kind] += number not in kept
        if number in why and why[number] not in COPIES:
            reasons[f"{kind}: {why[number]}"] += 1
    rows = {kind: [gone[kind], number] for kind, number in planted.items()}
    return {"kinds": rows, "reasons": reasons}


def clean_table(cells: Cells) -> str:
    """What is lost of each language's clean texts."""
    rows: list[list[str]] = []
    for code in CLEAN:
        if (key := f"clean {code}") in cells:
            cell = cells[key]
            rules = ", ".join(f"{name} {n}" for name, n in Counter(cell["rules"]).most_common())
            shares = [
                f"{100 * cell[a] / cell[b]:.2f}"
                for a, b in (("dropped", "documents"), ("lost_bytes", "bytes"))
            ]
            rows.append([NAMES[code], f"{cell['documents']:,}", *shares, rules or "–"])
    return markdown(["clean texts", "documents", "lost %", "of bytes %", "by"], rows)


def dirty_table(cells: Cells) -> str:
    """What is removed of each kind of dirt, by language."""
    codes = [code for code in (*PAGES, "am") if f"dirty {code}" in cells]
    found = {code: cells[f"dirty {code}"]["kinds"] for code in codes}
    rows = [
        [
            said,
            *(
                "{} of {}".format(*found[code][kind]) if kind in found[code] else "–"
                for code in codes
            ),
        ]
        for kind, said in [*((kind, kind) for kind in KINDS), ("own", "other pages: kept")]
    ]
    return markdown(["planted: removed", *(NAMES[code] for code in codes)], rows)


if __name__ == "__main__":
    main()
