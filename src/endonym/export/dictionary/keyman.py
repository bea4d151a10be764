"""The source of a lexical model of Keyman: words with their counts, and how they are compiled.

Source: help.keyman.com, reference of file types (tsv) and guide to lexical models. An entry is a
word, a tab and its count; a line that begins with # is a comment.
"""

import regex

from endonym.export.refusals import refusal
from endonym.lexicon.words import WordList

ENTRY = regex.compile(r"(?P<word>(?!#)[^\s\p{Cc}]+)\t(?P<count>[1-9]\d*)")

MODEL = """\
// The lexical model of {name}: Keyman Developer compiles it with wordlist.tsv beside it.
const source: LexicalModelSource = {{
  format: 'trie-1.0',
  sources: ['wordlist.tsv'],
  wordBreaker: {{ use: 'default' }},
  languageUsesCasing: {casing},
}};
export default source;
"""


def tsv(words: WordList) -> str:
    """A word list with counts, the most frequent word first."""
    return "".join(f"{word}\t{each.count}\n" for word, each in words.words.items())


def model(words: WordList, name: str) -> str:
    """The definition of the model. name: describes it to people."""
    has_case = any(word != word.upper() for word in words.words)
    plain = " ".join(regex.sub(r"\p{C}", " ", name).split())
    return MODEL.format(name=plain, casing=str(has_case).lower())


def read_tsv(text: str, file: str = "") -> dict[str, int]:
    """The words and counts of such a list. Raises ExportError with the first line that is wrong."""
    words = dict[str, int]()
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        found = ENTRY.fullmatch(line)
        if found is None or found["word"] in words:
            raise refusal("dictionary_line", file, number=number, line=line)
        words[found["word"]] = int(found["count"])
    return words
