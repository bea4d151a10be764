"""The text of wiki markup."""

import pytest
from text_samples import TATAR

from endonym.formats.parsers.wikitext import is_redirect, plain_text, tidy, without_tags

NAMES = {"рәсем"}


MARKUP = [
    ("'''Казан''' — ''шәһәр''.", "Казан — шәһәр."),
    ("[[Казан]]да һәм [[Агыйдел|Идел]]ләрдә", "Казанда һәм Иделләрдә"),
    ("[[Рәсем:a.jpg|thumb|язу [[Казан]] белән]]Кояш", "Кояш"),
    ("[[Category:Шәһәрләр]]Кояш [[en:Sun]] [[zh-min-nan:X]]", "Кояш"),
    ("[[:Category:Шәһәрләр|төркем]]", "төркем"),
    ("[[Казан#Тарих]]да", "Казанда"),
    ("Кояш\n[[Catégorie:Essai]]\n[[Kategorie:Sonne]]", "Кояш"),
    ("{{Калып|эчке={{кечкенә|x}}}}Кояш{{искәрмә}}.", "Кояш."),
    ("Кояш<ref>искәрмә [[Ай]]</ref> чыкты<ref name='a'/>.", "Кояш чыкты."),
    ("Кояш<ref>ябылмаган чыкты.", "Кояшябылмаган чыкты."),
    ("{{ябылмаган|a=1\n\nКояш чыкты.", "Кояш чыкты."),
    ("Кояш<!-- күренмәс --> чыкты", "Кояш чыкты"),
    ("* Бер\n* Ике\n# Өч", "Бер\nИке\nӨч"),
    ("[http://a.b сылтама] һәм http://a.b/c адрес [http://x]", "сылтама һәм адрес"),
    ("<nowiki>[[чимал]]</nowiki>", "чимал"),
    ("Бер&nbsp;ике &mdash; өч &#x11;&#xD800;", "Бер ике — өч"),
    ("__NOTOC__Кояш", "Кояш"),
    ("Казан ({{lang|x}}, {{y}}) шәһәре", "Казан шәһәре"),
    ('{| class="x"\n! баш\n|-\n| күзәнәк || ике\n|}\nКояш', "Кояш"),
    ("<math>x^2</math>Кояш<gallery>\nРәсем:a.jpg|a\n</gallery>", "Кояш"),
    ("Бер<br>ике<br/>өч", "Бер\nике\nөч"),
    ("<b>" * 9 + "Кояш" + "</b>" * 9, "Кояш"),
]


@pytest.mark.parametrize(("markup", "text"), MARKUP)
def test_markup_becomes_what_a_page_shows(markup: str, text: str):
    assert plain_text(markup, NAMES).replace("\n\n", "\n") == text


def test_headings_stay_where_text_follows_and_go_where_none_does():
    empty = "== Искәрмәләр ==\n<references/>\n== Сылтамалар ==\n"
    markup = f"{TATAR[0]}\n== Тарих ==\n=== Элек ===\n{TATAR[1]}\n{empty}"
    assert plain_text(markup, NAMES) == f"{TATAR[0]}\n\nТарих\n\nЭлек\n\n{TATAR[1]}"
    assert plain_text(f"{empty}== Тарих ==\n{TATAR[0]}", NAMES) == f"Тарих\n\n{TATAR[0]}"


@pytest.mark.parametrize(
    "text", ["#REDIRECT [[Кояш]]", "#ЮНӘЛТҮ [[Кояш]]", "# redirection: [[Soleil]]", "  #ҠАРА[[А]]"]
)
def test_every_word_for_a_redirect_is_known_by_its_form(text: str):
    assert is_redirect(text)


def test_a_numbered_list_is_no_redirect():
    assert not is_redirect("# Беренче пункт һәм [[Кояш]] турында")
    assert not is_redirect("Кояш")
    assert not is_redirect("# Алма [[җимеш]] – агачта үсә")
    assert not is_redirect("# Алма [[җимеш]]\n# Чия [[җимеш]]")
    assert is_redirect("#ЮНӘЛТҮ [[Кояш]] <!-- күчте --> \n\n[[Төркем:Йолдызлар]]")
    assert is_redirect("# REDIRECT [[Кояш]]\n\n[[Төркем:Йолдызлар]]\n")


def test_an_entry_of_a_list_whose_title_has_a_colon_stays():
    text = "* [[Сугыш: хатирәләр]]\n* [[Кояш]]\n[[Төркемме:Йолдызлар]]"
    assert plain_text(text, set()) == "Сугыш: хатирәләр\nКояш"


def test_tags_that_do_not_close_take_nothing_with_them_and_each_end_is_used_once():
    assert without_tags("а<ref>б</ref>в<ref>г") == "авг"
    assert without_tags("а<ref name='x' />б</ref>в") == "абв"
    assert without_tags("<REF>а</Ref>б<math>в</math>") == "б"


def test_what_is_left_of_markup_goes_and_blank_lines_part_paragraphs():
    assert tidy("Бер ''[[ике\n\n\n  өч   дүрт \n|-\nбиш") == "Бер ике\n\nөч дүрт\nбиш"
