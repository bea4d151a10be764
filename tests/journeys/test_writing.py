"""The page to write on, typed on in a browser: in four languages, on a desk and on a phone."""

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from browsers import needs_browser
from learnt_by_heart import write_learnt_by_heart
from serving import served, write_gguf

from endonym.script.letters import LETTER

pytestmark = [pytest.mark.slow, needs_browser]
WIDTHS = (1280, 390)
TYPED = {
    "tatar": ("Бүген урамда ко", "яш "),
    "khmer": ("ខ្ញុំទៅ", "សា"),
    "persian": ("امروز هوا سرد است و ما در خا", "نه "),
    "french": ("Le boulanger ouvre sa bou", "tique "),
}
"""What is typed in each language, and what the first suggestion adds."""


@pytest.fixture(scope="module")
def corrections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps corrections."""
    return tmp_path_factory.mktemp("kept") / "corrections.jsonl"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, corrections: Path) -> Generator[str]:
    folder = tmp_path_factory.mktemp("served")
    model = write_learnt_by_heart(folder / "yat-belgan")
    with served(model, "--store", folder / "store", "--keep", corrections) as (url, _):
        yield url


@pytest.fixture
def said() -> list[str]:
    """What the page writes on the console, and its errors."""
    return []


@pytest.fixture
def page(browser: Any, address: str, said: list[str]) -> Generator[Any]:
    made = browser.new_page(viewport={"width": 1280, "height": 800})
    made.on("console", lambda message: said.append(message.text))
    made.on("pageerror", lambda error: said.append(str(error)))
    yield opened(made, address)
    made.close()


def opened(page: Any, address: str) -> Any:
    """The page, when it knows the models."""
    page.goto(address)
    page.wait_for_selector("#model option", state="attached")
    page.click("#writing")
    return page


def words(page: Any) -> list[str]:
    """What is suggested at the caret, when it is there."""
    page.wait_for_selector("#bar button:not(.old)")
    return page.eval_on_selector_all("#bar button", "all => all.map(each => each.ariaLabel)")


def wait_for_word(page: Any, word: str) -> None:
    """Wait until a word is the first that is suggested."""
    page.wait_for_selector(f'#bar button:first-child:not(.old)[aria-label="{word}"]')


def expect_text(page: Any, pattern: str) -> None:
    """Wait until what is written ends like this."""
    from playwright.sync_api import expect

    expect(page.locator("#writing")).to_have_value(re.compile(f"{pattern}$"))


def letters(text: str) -> int:
    """Key presses of a text without suggestions."""
    return sum(1 for _ in LETTER.finditer(text))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", TYPED)
def test_a_word_is_suggested_taken_by_tab_and_counted(
    page: Any, address: str, said: list[str], language: str, width: int
) -> None:
    text, added = TYPED[language]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_viewport_size({"width": width, "height": 800})
    page.keyboard.type(text)
    wait_for_word(page, text.split(" ")[-1] + added.strip())
    page.keyboard.press("Tab")
    assert page.input_value("#writing") == text + added
    without, made = letters(text + added), letters(text) + 1
    share = round(100 * (without - made) / without)
    expected = f"{without - made} of {without} key presses saved ({share} %)"
    assert page.inner_text("#saved") == expected
    assert page.evaluate("document.activeElement.id") == "writing"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert is_aligned(page)
    shown = page.evaluate("getComputedStyle(document.querySelector('#writing')).direction")
    assert shown == ("rtl" if language == "persian" else "ltr")
    assert all(url.startswith((address, "data:")) for url in asked)
    assert said == []


def is_aligned(page: Any) -> bool:
    """Whether the text with its colours has the size of the one that is written above it."""
    sizes = "['#under', '#writing'].map(id => document.querySelector(id).scrollHeight)"
    below, above = page.evaluate(sizes)
    return below == above


def test_a_long_text_keeps_its_colours_below_its_letters(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.keyboard.insert_text(
        "امروز هوا سرد است و ما در خانه می‌مانیم. ខ្ញុំទៅសាលារៀន។ Бүген урамда кояш.\n" * 4
    )
    page.wait_for_selector("#under span[class^=s]")
    assert is_aligned(page)
    assert page.inner_text("#under").rstrip("\u200b\n") == page.input_value("#writing").rstrip("\n")
    page.uncheck("#colours")
    assert page.query_selector("#under span[class^=s]") is None
    page.check("#colours")
    page.wait_for_selector("#under span[class^=s]")
    page.reload()
    page.wait_for_selector("#under span[class^=s]")
    assert page.input_value("#writing").startswith("امروز")


def test_keys_choose_hide_and_leave_and_a_sign_takes_the_place_of_a_blank(page: Any) -> None:
    page.keyboard.type("Les enfants jouent dans le ja")
    wait_for_word(page, "jardin")
    second = words(page)[1]
    page.keyboard.press("ArrowDown")
    assert page.get_attribute("#bar .marked", "aria-label") == second
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Alt+1")
    assert page.input_value("#writing").endswith(" le jardin ")
    page.keyboard.type(",")
    assert page.input_value("#writing").endswith(" le jardin,")
    page.keyboard.type(" de leur gr")
    wait_for_word(page, "grand-mère")
    page.keyboard.press("Escape")
    assert page.query_selector("#bar button") is None
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") != "writing"
    page.click("#writing")
    page.keyboard.press("End")
    page.keyboard.type("a")
    page.wait_for_selector("#bar button")
    wait_for_word(page, "grand-mère")
    page.click("#bar button")
    assert page.input_value("#writing").endswith("grand-mère ")
    page.keyboard.press("Enter")
    assert page.input_value("#writing").endswith("grand-mère\n")
    for _ in range(2):
        page.keyboard.press("Control+z")
    assert page.input_value("#writing").endswith(" gra")
    wait_for_word(page, "grand-mère")
    page.keyboard.press("Tab")
    page.keyboard.type(" ")
    assert page.input_value("#writing").endswith("grand-mère ")


def test_tab_before_the_words_have_come_takes_the_first_when_it_is_there(page: Any) -> None:
    page.keyboard.type("Әбием мич янында ипи пе")
    page.keyboard.press("Tab")
    expect_text(page, " пешерә ")
    assert page.evaluate("document.activeElement.id") == "writing"


def test_what_is_pasted_is_no_key_press_and_a_new_text_begins_at_nothing(page: Any) -> None:
    page.keyboard.type("Кар")
    assert page.inner_text("#saved").startswith("0 of 3 ")
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+c")
    page.keyboard.press("End")
    page.keyboard.press("Control+v")
    assert page.input_value("#writing") == "КарКар"
    assert page.inner_text("#saved").startswith("0 of 3 ")
    page.click("#new")
    assert page.input_value("#writing") == ""
    assert page.inner_text("#saved") == "no key pressed yet"


def test_wrong_words_are_underlined_and_corrected_by_keys(page: Any, address: str) -> None:
    (model,) = page.request.get(f"{address}/v1/models").json()["data"]
    known = {"object": "list", "data": [model | {"proofreading": True}]}
    page.route("**/v1/models", lambda one: one.fulfill(json=known))
    better = [{"word": "Бүген", "bits": 9.5}, {"word": "Буген", "bits": 3.5}]
    text = "🌞 Бугэн урамда кояш. "

    def check(route: Any) -> None:
        asked = route.request.post_data_json["text"]
        at = len(asked[: asked.find("Бугэн")])
        found = {"begin": at, "end": at + 5, "word": "Бугэн", "corrections": better}
        route.fulfill(json={"data": [found] if at >= 0 else []})

    page.route("**/v1/proofread", check)
    opened(page, address)
    page.keyboard.insert_text(text)
    page.wait_for_selector("#under .wrong")
    underlined = "all => all.map(each => each.textContent).join('')"
    assert page.eval_on_selector_all("#under .wrong", underlined) == "Бугэн"
    page.keyboard.press("F8")
    assert words(page) == ["Бүген", "Буген", "leave as it is"]
    page.keyboard.press("Tab")
    assert page.input_value("#writing") == text.replace("Бугэн", "Бүген")
    page.wait_for_selector("#under .wrong", state="detached")
    page.keyboard.press("Control+z")
    page.wait_for_selector("#under .wrong")
    page.keyboard.press("F8")
    page.click("#bar button:last-child")
    assert page.query_selector("#under .wrong") is None


def test_a_corrected_continuation_is_kept_when_it_is_asked_for(
    page: Any, corrections: Path
) -> None:
    page.keyboard.type("Le boulanger")
    page.select_option("#length", "10")
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#back:not([disabled])")
    made = page.input_value("#writing").removeprefix("Le boulanger")
    assert made.startswith(" ouvre")
    assert page.is_hidden("#correct")
    page.wait_for_selector("#under .made")
    page.keyboard.press("Backspace")
    page.keyboard.type("à midi")
    assert not corrections.exists()
    page.click("#correct")
    page.wait_for_selector("#status:text('kept: 1 correction in')")
    assert page.is_hidden("#correct")
    (line,) = corrections.read_text(encoding="utf-8").splitlines()
    chosen = page.input_value("#writing").removeprefix("Le boulanger")
    assert json.loads(line) == {"prompt": "Le boulanger", "chosen": chosen, "rejected": made}


def test_a_server_that_keeps_nothing_says_how_and_a_gguf_file_writes_without_suggestions(
    browser: Any, tmp_path: Path
) -> None:
    with served(write_gguf(tmp_path, context=256)) as (address, _):
        page = opened(browser.new_page(), address)
        page.wait_for_selector("#bar p:text('GGUF file')")
        page.keyboard.type("Таң")
        page.select_option("#length", "10")
        page.click("#go")
        page.wait_for_selector("#back:not([disabled])")
        written = page.input_value("#writing")
        page.click("#back")
        assert page.input_value("#writing") == "Таң"
        page.click("#go")
        page.wait_for_selector("#back:not([disabled])")
        assert len(written) > 3
        page.keyboard.press("Backspace")
        page.keyboard.type("кояш")
        page.click("#correct")
        page.wait_for_selector("#status:text('--keep FILE')")
        page.close()
