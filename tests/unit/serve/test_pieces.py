"""Tokens become pieces of whole characters, and stop strings end them."""

import pytest

from endonym.serve.pieces import Pieces, TextPiece, Token

KHMER = "ភូមិ"


def cut(text: str, size: int, stop: tuple[str, ...] = ()) -> tuple[list[str], Pieces]:
    """A text in tokens of so many bytes."""
    pieces, data = Pieces(stop), text.encode()
    found: list[str] = []
    for at in range(0, len(data), size):
        found += [each.text for each in pieces.add(Token(at), data[at : at + size])]
        if pieces.has_stopped:
            return found, pieces
    return found + [each.text for each in pieces.end()], pieces


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_pieces_end_at_whole_characters_and_lose_nothing(size: int) -> None:
    found, _ = cut(KHMER + " · Әбием", size)
    assert "".join(found) == KHMER + " · Әбием"


def test_every_token_is_in_one_piece() -> None:
    pieces, data = Pieces(), KHMER.encode()
    found = [p for n, byte in enumerate(data) for p in pieces.add(Token(n), bytes([byte]))]
    assert [token.index for piece in found for token in piece.tokens] == list(range(len(data)))
    assert [len(piece.tokens) for piece in found] == [3] * len(KHMER)
    assert pieces.add(Token(0), b"") == [TextPiece("", (Token(0),))], "a special waits for no text"


def test_an_unfinished_character_at_the_end_is_left_out() -> None:
    pieces = Pieces()
    assert pieces.add(Token(1), KHMER.encode()[:2]) == []
    (last,) = pieces.end()
    assert (last.text, len(last.tokens)) == ("", 1)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_stop_string_over_several_tokens_ends_the_text(size: int) -> None:
    found, pieces = cut("Беренче җөмлә.\n\nИкенче", size, ("\n\n", "юк"))
    assert ("".join(found), pieces.has_stopped) == ("Беренче җөмлә.", True)


def test_what_only_begins_a_stop_string_is_told_in_the_end() -> None:
    found, pieces = cut("Таң\n", 1, ("\n\n",))
    assert ("".join(found), pieces.has_stopped) == ("Таң\n", False)


def test_the_first_of_several_stop_strings_counts() -> None:
    found, _ = cut("un deux trois", 20, ("trois", "deux"))
    assert "".join(found) == "un "


def test_what_no_stop_string_can_reach_is_told_at_once() -> None:
    pieces = Pieces(("\n\n",))
    told = [pieces.add(Token(n), each.encode()) for n, each in enumerate(["Таң", "\n", "ата"])]
    assert [[each.text for each in some] for some in told] == [["Таң"], [], ["\n", "ата"]]
