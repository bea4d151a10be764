"""Spells each id of one tokenizer in the ids of another, for the rows of a new vocabulary."""

from endonym.tokenizer.tokenizer import BYTE_TOKEN, Tokenizer


def spelled(new: Tokenizer, old: Tokenizer) -> list[list[int]]:
    """For each id of `new` the ids of `old` that it replaces, in their order.

    One id if the old tokenizer has the same piece; else those into which it cuts the piece. Special
    tokens go by their name and by what they do (end and start of a text); one that the old
    tokenizer lacks is spelled as text. Empty for an id that stands for nothing, or for bytes that
    the old one cannot write.
    """
    # A letter's own piece stands before the token of its byte.
    pieces = dict[bytes, int]()
    byte_tokens = dict[bytes, int]()
    for index in range(old.vocab):
        if piece := old.bytes_of(index):
            is_byte = BYTE_TOKEN.fullmatch(old.name_of(index) or "")
            (byte_tokens if is_byte else pieces).setdefault(piece, index)
    id_of_piece = byte_tokens | pieces
    spellings: list[list[int]] = [[] for _ in range(new.vocab)]
    texts: dict[int, str] = {}
    for index in range(new.vocab):
        name = new.name_of(index)
        piece = new.bytes_of(index)
        same = id_of_piece.get(piece) if piece else _same(index, new, old)
        if index < old.vocab and (name, piece) == (old.name_of(index), old.bytes_of(index)):
            spellings[index] = [index]
        elif same is not None:
            spellings[index] = [same]
        elif not piece and name is not None:
            texts[index] = name
        elif piece:
            try:
                texts[index] = piece.decode("utf-8")
            except UnicodeDecodeError:
                spellings[index] = _greedy(piece, id_of_piece)
    encoded = old.encode_many(list(texts.values()))
    for index, ids in zip(texts, encoded, strict=True):
        spellings[index] = ids.tolist()
    return spellings


def _same(index: int, new: Tokenizer, old: Tokenizer) -> int | None:
    """The old tokenizer's special token of the same name, or of the same use."""
    name = new.name_of(index)
    if name is None:
        return None
    same = old.id_of(name)
    if same is not None and not old.bytes_of(same):
        return same
    if index == new.end_id:
        return old.end_id
    return old.start_id if index == new.start_id else None


def _greedy(piece: bytes, id_of_piece: dict[bytes, int]) -> list[int]:
    """The ids of part of a character: the longest pieces, from the left; [] if a byte has none."""
    found = list[int]()
    while piece:
        size = next((n for n in range(len(piece), 0, -1) if piece[:n] in id_of_piece), 0)
        if not size:
            return []
        found.append(id_of_piece[piece[:size]])
        piece = piece[size:]
    return found
