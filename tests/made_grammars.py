"""Small grammars in files: one of a hundred casts in three languages, and any text as one."""

from pathlib import Path

from endonym.synthesis.grammar import Grammar

GRAMMAR = (
    """
[words]
numbers = "0 1 2 3 4 5 6 7 8 9"
others = "a b c d e f g h i j"
[cast]
number = {{ words = "numbers" }}
other = {{ words = "others" }}
[blocks]
sentence = '''
Таң алдыннан кар яуды.

Un pod vechi trece râul.

Le facteur passe à midi.'''
[[lines]]
text = """
    + "'''\n{head} {{number}} {{other}}\n{{sentence}}\n{{sentence}}'''\n"
)


def write_grammar(path: Path, head: str) -> Path:
    """Write a grammar whose texts begin with these words."""
    path.write_text(GRAMMAR.format(head=head), encoding="utf-8")
    return path


def loaded(folder: Path, text: str) -> Grammar:
    """A grammar of one file."""
    (folder / "grammar.toml").write_text(text, encoding="utf-8")
    return Grammar.load(folder / "grammar.toml")


SMALL = """
words.names = "ana ion"
cast.A.words = "names"
"""


def texts_of(folder: Path, more: str, count: int = 300) -> set[str]:
    """The first texts of a grammar with the slot A."""
    grammar = loaded(folder, SMALL + more)
    return {grammar.text(index) for index in range(count)}
