"""`endonym judge --languagetool`: mistakes are counted, and no answer is an error."""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_web import Silent, served

Command = Callable[..., Any]


@contextmanager
def languagetool(
    body: str, status: int = 200, failing: int | None = None
) -> Generator[tuple[str, list[str]]]:
    """A server that gives every text this answer; and what it was sent.

    failing: the number of the one request that gets no answer.
    """
    sent = list[str]()

    class Handler(Silent):
        def do_POST(self) -> None:
            assert self.path == "/v2/check"
            sent.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            data = body.encode()
            self.send_response(500 if len(sent) - 1 == failing else status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with served(Handler) as address:
        yield f"{address}/v2", sent


MATCH = {"message": "Хата", "offset": 1, "length": 2, "rule": {"id": "TATAR_1"}, "context": {}}


def test_languagetool_counts_mistakes_of_written_and_held_out_texts(
    given: list[Any], command: Command, tmp_path: Path
) -> None:
    with languagetool(json.dumps({"matches": [MATCH, MATCH]})) as (address, sent):
        said = command(*given, "--languagetool", address, "--json")
    assert said.code == 0, said.err
    found = said.json()
    assert len(sent) == 2 * found["prompts"]
    assert all("language=tt" in each for each in sent)
    lines = (tmp_path / "judged" / "languagetool.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    for name, each in found["texts"].items():
        own = [record for record in records if record["model"] == name]
        words = sum(len(record["text"].split()) for record in own)
        assert len(own) == found["prompts"]
        assert each["mistakes"]["value"] == pytest.approx(1000 * 2 * len(own) / words, rel=0.2)
        assert {mistake["rule"] for mistake in own[0]["mistakes"]} == {"TATAR_1"}


@pytest.mark.parametrize(("body", "status"), [
    ("<html>Connexion</html>", 200), ("{}", 200), ('{"matches": [7]}', 200), ("", 500),
    ('{"matches": []}', 500), ('{"matches": {}}', 200), ("[]", 200),
    ('{"matches": [], "warnings": {"incompleteResults": true}}', 200),
    ("Error: 'tt' is not a language code known to LanguageTool", 400),
])  # fmt: skip
def test_languagetool_without_an_answer_is_an_error_and_no_text_without_mistakes(
    body: str, status: int, given: list[Any], command: Command
) -> None:
    with languagetool(body, status) as (address, _):
        said = command(*given, "--languagetool", address, "--json")
    assert said.code == 1
    message = said.json()["error"]["message"]
    assert "no answer of LanguageTool" in message
    assert str(status) in message
    said = command(*given, "--languagetool", "http://127.0.0.1:9/v2")
    assert said.code == 1
    assert "Is the server running" in said.err


def test_languagetool_is_asked_once_about_a_text(
    given: list[Any], command: Command, tmp_path: Path
) -> None:
    file, body = tmp_path / "judged" / "languagetool.jsonl", json.dumps({"matches": [MATCH]})
    with languagetool(body, failing=5) as (address, sent):
        asked = (*given, "--languagetool", address)
        said = command(*asked)
        assert "no answer of LanguageTool (500)" in said.err
        assert len(file.read_text(encoding="utf-8").splitlines()) == 5, "what it said is kept"
        first, again = (command(*asked, "--json").json() for _ in range(2))
        assert len(sent) == 1 + 2 * first["prompts"], "one of them twice: it got no answer"
    assert first["texts"] == again["texts"]
    kept = file.read_bytes()
    assert command(*given, "--languagetool", "http://127.0.0.1:9/v2").code == 1
    assert file.read_bytes() == kept
    with languagetool(body) as (other, sent):
        command(*given, "--languagetool", other)
        assert len(sent) == 2 * first["prompts"], "another server may find other mistakes"
    file.write_text("[]\n", encoding="utf-8")
    said = command(*given, "--languagetool", other)
    assert said.code == 1
    assert "Remove the file" in said.err
