"""The page about serving: its transcripts, the studio in a browser, lm-eval, and schemathesis."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from browsers import needs_browser
from serving import CHATML, served, toy_language_model, write_gguf

from endonym.export.huggingface import export_huggingface
from endonym.serve.answers import ChatForm

pytest.importorskip("xllamacpp")
PAGE = Path(__file__).parents[2] / "docs" / "serve.md"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    folder = tmp_path_factory.mktemp("gguf")
    path = write_gguf(folder).rename(folder / "my-tatar.gguf")
    with served(path) as (url, _):
        yield url


@pytest.fixture(scope="module")
def address_of_words(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Of a server that suggests words, as no GGUF file does."""
    folder = tmp_path_factory.mktemp("words")
    export_huggingface(toy_language_model(), folder / "my-tatar")
    with served(folder / "my-tatar", "--store", folder / "store") as (url, _):
        yield url


OF_MODELS = (("/", "#model option"), ("/studio", "#model option"))
"""The pages for models, and what they show of one."""


def here(text: str, address: str) -> str:
    """A part of the page, about the server of this test."""
    return text.replace("http://127.0.0.1:8000", address)


def shape(value: Any) -> Any:
    """The keys of an answer, and the kinds of its values."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else type(value)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_transcripts_of_the_page_are_true(address: str, address_of_words: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n\$ (curl .*)\n(.*)\n```", text)
    assert len(blocks) == 4
    for command, answer in blocks:
        asks_words = "/v1/suggestions" in command
        given = shlex.split(here(command, address_of_words if asks_words else address))
        done = subprocess.run(given, capture_output=True, text=True, check=True)
        found, expected = json.loads(done.stdout), json.loads(answer)
        assert shape(found) == shape(expected)
        assert found.get("error") == expected.get("error")


def test_openais_client_works_as_on_the_page(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openai")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(here(code, address), str(PAGE), "exec"), names)
    assert capsys.readouterr().out.count(" bits\n") == len(
        toy_language_model().tokenizer.encode("Кояшлы көндә урамда")
    )
    names["client"].close()
    names["stream"].close()


def test_openais_client_reads_errors(address: str) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        assert [each.id for each in client.models.list()] == ["my-tatar"]
        with pytest.raises(openai.NotFoundError, match="there is: my-tatar"):
            client.completions.create(model="башка", prompt="Таң")
        with pytest.raises(openai.BadRequestError, match="base model"):
            client.chat.completions.create(
                model="my-tatar", messages=[{"role": "user", "content": "Сәлам!"}]
            )
        both = client.completions.create(
            model="my-tatar", prompt=["Таң", "Кич"], n=2, max_tokens=3, logprobs=1
        )
        assert [each.index for each in both.choices] == [0, 1, 2, 3]


@needs_browser
@pytest.mark.parametrize("width", [1100, 360])
@pytest.mark.parametrize("prompt", ["Әбием мич янында", "ភូមិរបស់ខ្ញុំ", "<b id=x>калын</b>"])
def test_a_text_is_typed_streamed_and_stopped(
    address: str, browser: Any, width: int, prompt: str
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address}/studio")
    page.wait_for_selector("#model option", state="attached")
    page.fill("#prompt", prompt)
    # Of a random model: another seed may write a carriage return.
    page.evaluate("document.querySelector('#seed').value = 4")
    page.click("#go")
    page.wait_for_selector("#go:not([disabled])")
    text = page.inner_text("#text")
    assert text.startswith(prompt)
    assert len(text) > len(prompt)
    assert page.query_selector("#text b") is None
    assert page.query_selector("#text span[title$=bits]") is not None
    status = page.inner_text("#status")
    assert "tokens" in status
    assert status.endswith(("the model ended the text", "from the last half of the text"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("#keep")
    page.wait_for_selector("#go:not([disabled])")
    assert page.input_value("#prompt") == text
    assert page.inner_text("#text").startswith(text)
    assert len(page.inner_text("#text")) > len(text)
    assert all(url.startswith(address) or url.startswith("data:") for url in asked)
    assert said == []
    page.close()


@needs_browser
def test_the_page_says_why_a_text_has_ended(address: str, browser: Any) -> None:
    for tokens, end in ((10, "a second"), (60, "goes on from the last half of the text")):
        page = browser.new_page()
        page.goto(f"{address}/studio")
        page.wait_for_selector("#model option", state="attached")
        page.fill("#prompt", "Әбием мич янында " * 2)
        page.evaluate(f"document.querySelector('#max_tokens').value = {tokens}")
        page.evaluate("document.querySelector('#seed').value = 4")
        page.click("#go")
        page.wait_for_selector("#go:not([disabled])")
        assert page.inner_text("#status").endswith(end)
        page.close()


@needs_browser
def test_all_pages_ask_for_the_key(browser: Any, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef", encoding="utf-8")
    key.chmod(0o600)
    with served(write_gguf(tmp_path), "--api-key-file", key) as (address, _):
        for path, shown in (("/docs", "#paths h2"), *OF_MODELS):
            page = browser.new_page()
            page.goto(address + path)
            page.wait_for_selector("#key-row:not([hidden])")
            assert page.query_selector(shown) is None
            page.fill("#key", "0123456789abcdef")
            page.press("#key", "Tab")
            page.wait_for_selector(shown, state="attached")
            is_hidden = path in ("/docs", "/")
            page.wait_for_selector("#key-row", state="hidden" if is_hidden else "attached")
            page.close()


@needs_browser
def test_the_page_works_in_a_browser_that_keeps_nothing(browser: Any, tmp_path: Path) -> None:
    with served(write_gguf(tmp_path)) as (address, _):
        page, errors = browser.new_page(), list[str]()
        page.on("pageerror", lambda error: errors.append(str(error)))
        forbidden = "get() { throw new DOMException('forbidden', 'SecurityError'); }"
        page.add_init_script(f"Object.defineProperty(window, 'sessionStorage', {{ {forbidden} }})")
        page.goto(f"{address}/studio")
        page.wait_for_selector("#model option", state="attached")
        page.reload()
        page.wait_for_selector("#model option", state="attached")
        page.close()
        assert not errors


def opened(browser: Any, address: str) -> Any:
    """The page, as on a phone; what the model of this file writes has no end of its own."""
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{address}/studio")
    page.wait_for_selector("#model option", state="attached")
    page.evaluate("document.querySelector('#temperature').value = 0")
    return page


def waited(page: Any, click: str) -> Any:
    """Click, and wait for the end of the answer."""
    page.click(click)
    page.wait_for_selector("#go:not([disabled])")
    return page


TURNS = "[...document.querySelectorAll('#chat > div')].map(e => [e.dataset.role, e.textContent])"


@needs_browser
def test_a_model_with_a_template_answers_in_turns_that_a_reload_keeps(
    browser: Any, tmp_path: Path
) -> None:
    with served(write_gguf(tmp_path, CHATML, context=128)) as (address, _):
        page = opened(browser, address)
        asked: list[Any] = []
        page.on("request", lambda one: one.method == "POST" and asked.append(one.post_data_json))
        page.evaluate("document.querySelector('#max_tokens').value = 20")
        for text in ("Unde îmi las <b>bicicleta</b>?", "Cine aduce lemnele?"):
            page.fill("#prompt", text)
            page.press("#prompt", "Enter")
            page.wait_for_selector("#go:not([disabled])")
        turns = page.evaluate(TURNS)
        sent = [{"role": role, "content": text} for role, text in turns]
        assert [each["messages"] for each in asked] == [sent[:1], sent[:3]]
        assert all(text for _, text in turns)
        assert turns[0] == ["user", "Unde îmi las <b>bicicleta</b>?"]
        page.fill("#prompt", "Când")
        page.reload()
        page.wait_for_selector("#chat:not([hidden])")
        assert page.evaluate(TURNS) == turns
        assert page.input_value("#prompt") == "Când"
        waited(page, "#keep")
        assert asked[-1]["messages"] == sent[:3]
        page.fill("#system", "Răspunde scurt.")
        waited(page, "#keep")
        assert asked[-1]["messages"] == [
            {"role": "system", "content": "Răspunde scurt."},
            *sent[:3],
        ]
        assert page.evaluate(TURNS)[:3] == turns[:3]
        page.select_option("#mode", "text")
        assert page.is_hidden("#system")
        page.fill("#prompt", "Bunica")
        waited(page, "#go")
        assert page.inner_text("#text").startswith("Bunica")
        page.select_option("#mode", "chat")
        assert page.input_value("#prompt") == "Când"
        page.click("#new")
        assert page.evaluate(TURNS) == []
        page.close()


@needs_browser
def test_an_answer_that_the_model_has_ended_is_not_broken_off(browser: Any, tmp_path: Path) -> None:
    tokens = [{"logprob": -0.5}] * 5
    said = {"index": 0, "delta": {"content": "La ora opt."}, "logprobs": {"content": tokens}}
    last = ChatForm(cast("Any", None), has_logprobs=True).chunk(0, [], "stop")
    events = [json.dumps({"choices": [each]}) for each in (said, last)]
    stream = "".join(f"data: {each}\n\n" for each in [*events, "[DONE]"])
    answer = {"content_type": "text/event-stream", "body": stream}
    with served(write_gguf(tmp_path, CHATML, context=128)) as (address, _):
        page = opened(browser, address)
        page.route("**/v1/chat/completions", lambda one: one.fulfill(**answer))
        page.fill("#prompt", "Când repetă corul?")
        waited(page, "#go")
        assert page.evaluate(TURNS)[-1] == ["assistant", "La ora opt."]
        assert re.fullmatch(r"5 tokens · \d+ a second", page.inner_text("#status"))
        (model,) = httpx.get(f"{address}/v1/models").json()["data"]
        learnt = {"object": "list", "data": [model | {"turns": 1}]}
        page.route("**/v1/models", lambda one: one.fulfill(json=learnt))
        page.reload()
        page.wait_for_selector("#chat:not([hidden])")
        asked: list[Any] = []
        page.on("request", lambda one: one.method == "POST" and asked.append(one.post_data_json))
        page.fill("#prompt", "Cine cântă?")
        waited(page, "#go")
        assert [each["messages"] for each in asked] == [
            [{"role": "user", "content": "Cine cântă?"}]
        ]
        assert page.inner_text("#status").endswith("it reads the last 1 of 3 messages")
        page.close()


@needs_browser
def test_what_does_not_fit_is_left_out_and_what_is_refused_comes_back(
    browser: Any, tmp_path: Path
) -> None:
    with served(write_gguf(tmp_path, CHATML, context=128)) as (address, _):
        page = opened(browser, address)
        for text in ("Când avem ora de sport?", "Cine aduce lemnele?"):  # the first fills it
            page.fill("#prompt", text)
            waited(page, "#go")
        assert page.inner_text("#status").endswith("the context holds the last 1 of 3 messages")
        turns, long = page.evaluate(TURNS), "Unde îmi las bicicleta? " * 40
        assert len(turns) == 4
        page.fill("#prompt", long)
        waited(page, "#go")
        assert "context is 128 tokens" in page.inner_text("#status")
        assert page.input_value("#prompt") == long
        assert page.evaluate(TURNS) == turns
        page.close()


@needs_browser
def test_on_a_phone_the_text_comes_into_sight_and_a_stop_loses_nothing(
    address: str, browser: Any
) -> None:
    page = opened(browser, address)
    page.click("#sampling summary")
    page.fill("#prompt", "ភូមិរបស់ខ្ញុំ")
    waited(page, "#go")
    box = page.locator("#status").bounding_box()
    assert box["y"] + box["height"] <= 844
    assert page.locator("#stop").bounding_box()["y"] >= 0
    text = page.inner_text("#text")
    page.route("**/v1/completions", lambda route: None)
    page.click("#go")
    waited(page, "#stop")
    assert page.inner_text("#status") == "stopped before the first token"
    assert page.inner_text("#text") == text
    page.unroute("**/v1/completions")
    waited(page, "#keep")  # The context is full: half of the text has room.
    assert "the model has read the last" in page.inner_text("#status")
    longer = page.inner_text("#text")
    assert longer.startswith(text)
    assert len(longer) > len(text)
    page.reload()
    page.wait_for_selector("#keep:not([disabled])")
    assert page.inner_text("#text") == longer
    assert page.input_value("#prompt") == text
    page.close()


@needs_browser
def test_every_text_comes_back_by_undo_after_a_reload_too(address: str, browser: Any) -> None:
    page = opened(browser, address)
    page.evaluate("document.querySelector('#temperature').value = 0")  # It writes no control.
    page.evaluate("document.querySelector('#max_tokens').value = 10")
    shown = lambda: (page.input_value("#prompt"), page.inner_text("#text"))  # noqa: E731
    page.fill("#prompt", "ភូមិរបស់ខ្ញុំ")
    assert page.inner_text("#go") == "Write"
    states = [shown()]
    for click in ("#go", "#keep", "#go"):
        waited(page, click)
        states.append(shown())
        assert page.inner_text("#go") == "Try again"
    assert states[2][0] == states[3][0] == states[1][1]
    page.click("#copy")
    page.click("#new")
    assert shown() == ("", "")
    page.press("#prompt", "Control+v")
    assert page.input_value("#prompt") == states[3][1]
    page.reload()
    page.wait_for_selector("#undo:not([disabled])")
    page.click("#undo")
    assert shown() == states[3]
    for state in states[2::-1]:
        page.press("#prompt", "Control+z")
        assert shown() == state
    page.press("#prompt", "Control+y")
    assert shown() == states[1]
    page.uncheck("#colours")
    painted = "each => getComputedStyle(each).background"
    assert len({each.evaluate(painted) for each in page.query_selector_all("#text span")}) == 1
    page.close()


AT_NINE_TOKENS = """new MutationObserver((_, observer) => {
    if (document.querySelectorAll("#text span").length < 9) return;
    observer.disconnect();  // A second reload would break off the first.
    """
WATCHING = """
}).observe(document.querySelector("#text"), {childList: true})"""


@needs_browser
def test_a_reload_while_it_writes_says_so(browser: Any, tmp_path: Path) -> None:
    with served(write_gguf(tmp_path, context=4096)) as (address, _):
        page = opened(browser, address)
        page.evaluate("document.querySelector('#max_tokens').value = 1000")
        page.evaluate("document.querySelector('#temperature').value = 0")  # It ends no text.
        page.fill("#prompt", "Таң")
        page.evaluate(AT_NINE_TOKENS + "location.reload()" + WATCHING)
        with page.expect_navigation():
            page.click("#go")
        page.wait_for_selector("#keep:not([disabled])")
        assert page.inner_text("#status").startswith("broken off")
        assert page.inner_text("#text").startswith("Таң")
        page.click("#undo")
        assert (page.input_value("#prompt"), page.inner_text("#text")) == ("Таң", "")
        page.close()


@needs_browser
def test_the_stop_button_stops(browser: Any, tmp_path: Path) -> None:
    with served(write_gguf(tmp_path, context=4096)) as (address, _):
        page = browser.new_page()
        page.goto(f"{address}/studio")
        page.wait_for_selector("#model option", state="attached")
        page.evaluate("document.querySelector('#max_tokens').value = 1000")
        page.evaluate("document.querySelector('#temperature').value = 0")  # It ends no text.
        page.fill("#prompt", "Таң")
        page.evaluate(AT_NINE_TOKENS + "document.querySelector('#stop').click()" + WATCHING)
        page.click("#go")
        page.wait_for_selector("#go:not([disabled])")
        assert "stopped" in page.inner_text("#status")
        assert page.evaluate("document.querySelectorAll('#text span').length") < 900
        page.close()


def test_schemathesis_finds_no_server_error(address: str) -> None:
    if importlib.util.find_spec("schemathesis") is None:
        pytest.skip("needs schemathesis")
    program = Path(sys.executable).with_name("schemathesis")

    def answered() -> float:
        """How many texts were continued."""
        figures = httpx.get(f"{address}/metrics").text
        found = re.search(r'requests_total{path="/v1/completions",status="200"} (\S+)', figures)
        return float(found[1]) if found else 0.0

    before = answered()
    given = ["run", f"{address}/openapi.json", "--checks", "not_a_server_error"]
    done = subprocess.run(
        [program, *given, "--max-examples", "60", "--seed", "1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert answered() > before


def test_lm_eval_measures_through_the_server_what_the_model_has(
    address: str, tmp_path: Path, language_sentences: Callable[[str], list[str]]
) -> None:
    if importlib.util.find_spec("lm_eval") is None:
        pytest.skip("needs lm-eval: pip install 'lm-eval[api]'")
    model, lines = toy_language_model(), language_sentences("tatar")[:6]
    export_huggingface(model, tmp_path / "my-tatar-hf")
    texts = "\n".join(json.dumps({"text": line}, ensure_ascii=False) for line in lines)
    (tmp_path / "texts.jsonl").write_text(texts, encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    (task,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    ((command, table),) = re.findall(r"```console\n\$ lm_eval (.*?)\n(.*?)\n```", page, re.DOTALL)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "bits.yaml").write_text(task, encoding="utf-8")
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "lm_eval", *shlex.split(here(command, address))],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | offline,
    )
    pattern = r"bits_per_byte\|\S+ *\| *([0-9.]+)\|"
    (value,) = re.findall(pattern, done.stdout)
    (told,) = re.findall(pattern, table)
    assert here(table, address).replace(told, value) in done.stdout
    bits = sum(model.score(line) * len(line.encode()) for line in lines)
    assert float(value) == pytest.approx(bits / sum(len(x.encode()) for x in lines), rel=1e-3)
