"""Notes on where documents come from."""

from endonym.formats.document import KEYS, MAX_CHARS, NAMES, columns_noted, noted


def test_fields_that_say_where_a_record_comes_from_are_noted():
    fields = {"text": "Кояш чыкты.", "title": "Таң", "timestamp": 1931, "url": "", "lang": "tt"}
    assert noted(fields) == {"title": "Таң", "date": "1931", "language": "tt"}
    assert noted({"doc_id": 7, "id": "a", "link": "b"}) == noted({"id": "a", "url": "b"})


def test_the_text_and_what_is_no_text_or_number_is_left_out_and_the_rest_is_bounded():
    fields = {"title": "Кояш чыкты.", "author": ["Г. Тукай"], "license": True, "id": None}
    assert noted(fields, text="title") == {}
    found = noted({"title": "ә" * 5_000, "author": "\ud83d Тукай"})
    assert (len(found["title"]), found["author"]) == (MAX_CHARS, "\\ud83d Тукай")


def test_columns_are_found_by_their_names_and_each_has_a_documented_key():
    found = columns_noted(["text", "URL", "licence", "id"], text="text")
    assert found == {"id": "id", "license": "licence"}
    assert columns_noted(["id", "title"], text="title") == {"id": "id"}
    assert set(NAMES) <= set(KEYS)
