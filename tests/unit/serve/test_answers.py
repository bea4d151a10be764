"""Answers in OpenAI's form."""

from serving import toy_language_model
from toys import toy_tokenizer

from endonym.serve.answers import ApiError, ChatForm, TextForm, error_json, pieces_of, token_text
from endonym.serve.pieces import TextPiece, Token

VOCABULARY = toy_language_model().tokenizer
BYTES = toy_tokenizer("byte")


def test_a_part_of_a_character_is_spelt_as_bytes_and_a_special_by_its_name() -> None:
    parts = [n for n in range(VOCABULARY.vocab) if VOCABULARY.bytes_of(n) == b"\xe1"]
    assert token_text(VOCABULARY, parts[0]) == "bytes:\\xe1"
    assert token_text(VOCABULARY, VOCABULARY.end_id) == "<|endoftext|>"
    (index,) = VOCABULARY.encode("а")
    assert token_text(VOCABULARY, index) == "а"


def test_offsets_go_on_from_chunk_to_chunk() -> None:
    ids = VOCABULARY.encode("Таң атты ភូមិ")
    pieces = pieces_of(VOCABULARY, [Token(index, -1.0, ((index, -1.0),)) for index in ids])
    form = TextForm(VOCABULARY, has_logprobs=True)
    chunks = [form.chunk(0, [piece], None) for piece in pieces]
    whole = TextForm(VOCABULARY, has_logprobs=True).whole(0, pieces, "length")
    for name in ("tokens", "token_logprobs", "text_offset", "top_logprobs"):
        assert [x for chunk in chunks for x in chunk["logprobs"][name]] == whole["logprobs"][name]
    assert "".join(chunk["text"] for chunk in chunks) == whole["text"] == "Таң атты ភូមិ"
    for token, offset in zip(
        whole["logprobs"]["tokens"], whole["logprobs"]["text_offset"], strict=True
    ):
        assert token.startswith("bytes:") or whole["text"][offset:].startswith(token)


def test_messages_name_the_bytes_of_each_token() -> None:
    ids = VOCABULARY.encode("Таң")
    pieces = pieces_of(VOCABULARY, [Token(index, -0.5, ((index, -0.5),)) for index in ids])
    choice = ChatForm(VOCABULARY, has_logprobs=True).whole(0, pieces, "stop")
    told = choice["logprobs"]["content"]
    assert bytes(byte for each in told for byte in each["bytes"]).decode() == "Таң"
    assert choice["message"]["content"] == "Таң"
    for each in told:
        assert each.pop("top_logprobs") == [each]
    silent = ChatForm(VOCABULARY, has_logprobs=False)
    assert silent.chunk(0, (), "stop")["delta"] == {}
    assert silent.chunk(0, pieces, None)["logprobs"] is None


def test_errors_have_openais_types() -> None:
    kinds = {400: "invalid_request_error", 401: "authentication_error", 500: "server_error"}
    kinds |= {403: "permission_error", 404: kinds[400], 429: "rate_limit_error", 503: kinds[500]}
    for status, kind in kinds.items():
        error = error_json(ApiError(status, "юк", param="n", code="c"))["error"]
        assert error == {"message": "юк", "type": kind, "param": "n", "code": "c"}


def test_tokens_of_one_character_begin_together() -> None:
    tokens = [Token(index, -1.0) for index in BYTES.encode("а😀б")]
    told = TextForm(BYTES, has_logprobs=True).whole(0, pieces_of(BYTES, tokens), "stop")
    assert told["text"] == "а😀б"
    assert told["logprobs"]["text_offset"] == [0, 0, 1, 1, 1, 1, 2, 2]
    assert pieces_of(BYTES, tokens[:1]) == [TextPiece("", (tokens[0],))]
