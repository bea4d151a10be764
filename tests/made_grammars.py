"""A small grammar in a file, of a hundred casts in three languages."""

from pathlib import Path

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
