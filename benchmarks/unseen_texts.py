"""Writes the texts that nothing in endonym was chosen on, from clones of two public repositories.

    git clone https://github.com/masakhane-io/lafand-mt      (commit d441f8b; CC BY-NC 4.0)
    git clone https://github.com/COST-ELTeC/ELTeC-lit        (commit 11fcc76; CC BY 4.0)
    python benchmarks/unseen_texts.py --lafand lafand-mt --eltec ELTeC-lit --out unseen

Swahili and Yoruba are news, one sentence a line (LAFAND-MT, Adelani et al. 2022); Lithuanian are 32
novels, a paragraph a line with empty lines between them, each novel a file. Bare repositories serve
as well: files are read by `git show`.
"""

import argparse
import re
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path

LAFAND = {"sw": ("en-swa", "swa"), "yo": ("en-yor", "yor")}
BODY = re.compile(r"<body\b.*?</body>", re.DOTALL)
PARAGRAPH = re.compile(r"<(p|head|l)\b[^>]*>(.*?)</\1>", re.DOTALL)
TAG = re.compile(r"<[^>]+>")


def main() -> None:
    """Write `sw.txt`, `yo.txt` and the folder `lt`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lafand", type=Path, required=True, help="clone of lafand-mt")
    parser.add_argument("--eltec", type=Path, required=True, help="clone of ELTeC-lit")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    (asked.out / "lt").mkdir(parents=True, exist_ok=True)
    for code, (pair, ending) in LAFAND.items():
        names = [f"data/text_files/{pair}/{split}.{ending}" for split in ("train", "dev", "test")]
        lines = "".join(file_of(asked.lafand, name).rstrip("\n") + "\n" for name in names)
        (asked.out / f"{code}.txt").write_text(lines, encoding="utf-8")
    for name in novels(asked.eltec):
        text = "\n\n".join(paragraphs(file_of(asked.eltec, name))) + "\n"
        (asked.out / "lt" / f"{Path(name).stem}.txt").write_text(text, encoding="utf-8")


def git(clone: Path, *args: str) -> str:
    """What a git command prints."""
    command = ["git", "-C", str(clone), *args]
    return subprocess.run(command, check=True, capture_output=True).stdout.decode("utf-8")


def file_of(clone: Path, name: str) -> str:
    """A file of the newest commit."""
    return git(clone, "show", f"HEAD:{name}")


def novels(clone: Path) -> list[str]:
    """The TEI files of the novels."""
    names = git(clone, "ls-tree", "--name-only", "HEAD", "level1/").splitlines()
    return [name for name in names if name.endswith(".xml")]


def paragraphs(tei: str) -> Iterator[str]:
    """The paragraphs, headings and lines of verse of a novel's body, without markup."""
    for found in PARAGRAPH.finditer("".join(BODY.findall(tei))):
        text = " ".join(unescape(TAG.sub("", found[2])).split())
        if text:
            yield text


if __name__ == "__main__":
    main()
