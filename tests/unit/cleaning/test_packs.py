"""Language packs: data files of changes that are right in one language."""

import time
from pathlib import Path
from typing import get_args

import pytest
from text_samples import FRENCH, KHMER, ROMANIAN, TATAR

from endonym.cleaning.packs import pack_steps, packs
from endonym.cleaning.rules import step_names
from endonym.formats.config import NORMALIZE_STEPS, NormalizeStep
from endonym.script.languages import NAMES

CEDILLAS = str.maketrans("șțȘȚ", "şţŞŢ")


def changed(step: str, text: str) -> str:
    return packs()[step].changer()(text)


def test_a_recipe_may_name_every_step_and_no_other_and_is_told_what_it_does():
    assert sorted(get_args(NormalizeStep)) == sorted(step_names())
    assert all(step.language in NAMES for step in packs().values())
    assert list(NORMALIZE_STEPS) == step_names()
    assert pack_steps("ro-RO") == ["romanian_commas"]
    assert pack_steps("fr") == ["french_apostrophes", "french_spaces"]
    assert pack_steps("en") == []


@pytest.mark.parametrize("step", packs())
def test_good_text_of_any_language_stays(step: str):
    french = "« Ah ! dit l’ours ; où donc ? » Voici : rien."
    for text in [*TATAR, *KHMER, *ROMANIAN, french]:
        assert changed(step, text) == text


OTHER_LANGUAGES = [
    "Bu iş kolay değil, şimdi gidiyoruz.",
    "Kuş uçtu, çocuk şarkı söyledi.",
    "Le joueur de Beşiktaş a marqué deux buts.",
    "Şəhərdə yağış yağır.",
    "Kâğıt üzerinde yazılmış şiirler hâlâ güzeldir.",
    "Yazılmış şiirler hâlâ güzeldir.",
    "millî şampiyon Beşiktaş",
    "Zimanê me kurdî ye, şîna me pir e şev.",
]


@pytest.mark.parametrize("text", OTHER_LANGUAGES)
def test_other_languages_keep_their_cedillas(text: str):
    assert changed("romanian_commas", text) == text
    both = f"{text}\n{ROMANIAN[0].translate(CEDILLAS)}"
    assert changed("romanian_commas", both) == f"{text}\n{ROMANIAN[0]}"


@pytest.mark.parametrize(
    "text", [*ROMANIAN, "Și a plecat.", "Îl știi și tu.", "Mâine și poimâine."]
)
def test_romanian_gets_commas_below(text: str):
    assert changed("romanian_commas", text.translate(CEDILLAS)) == text


CYRILLIC = [
    ("tatar_letters", "Əбием əйбəт сѳйли, яӊа ѳй.", "Әбием әйбәт сөйли, яңа өй."),
    ("tatar_letters", "Ул килде, ə мин киттем.", "Ул килде, ә мин киттем."),
    ("tatar_letters", "Азәрбайҗанча «gəlir» дип языла.", "Азәрбайҗанча «gəlir» дип языла."),
    ("bashkir_letters", "Яӊы ѳй, қаланан килде.", "Яңы өй, ҡаланан килде."),
    ("kazakh_letters", "Ѳзен жаӊа арнамен ағады.", "Өзен жаңа арнамен ағады."),
    ("kyrgyz_letters", "Кѳлдүн суусу тынч, таӊ атты.", "Көлдүн суусу тынч, таң атты."),
    ("chuvash_letters", "Çурхи кун ăшă, тĕтре çук.", "Ҫурхи кун ӑшӑ, тӗтре ҫук."),
]


@pytest.mark.parametrize(("step", "wrong", "right"), CYRILLIC)
def test_letters_that_stand_for_those_of_a_cyrillic_language(step: str, wrong: str, right: str):
    assert changed(step, wrong) == right


PERSIAN = [
    ("ديروز با دوستم به كتابخانه رفتيم.", "دیروز با دوستم به کتابخانه رفتیم."),
    ("كتاب\u200cهاى من كجاست؟", "کتاب\u200cهای من کجاست؟"),
    ("ﺑﺎﯾﮕﺎﻧﯽ و ﻻﻟﻪ، ﻣﻲ\u200cﮔﻮﯾﺪ: ﷼", "بایگانی و لاله، می\u200cگوید: ﷼"),
    # As they stand, these two read like Sindhi and Arabic.
    ("اين سياست شركت است كه به يورو فاكتور بدهيم.", "این سیاست شرکت است که به یورو فاکتور بدهیم."),
    ("يك دقيقه وقت داري؟", "یک دقیقه وقت داری؟"),
    ("او مي\u200cگويد: «Linux يك سيستم است.»", "او می\u200cگوید: «Linux یک سیستم است.»"),
    # These two read like Pashto; the word for alcohol begins as Arabic words do.
    ("چي مي\u200cخوايي بهش بگي ؟", "چی می\u200cخوایی بهش بگی ؟"),
    ("من الكل نمي\u200cخورم و به خانه مي روم", "من الکل نمی\u200cخورم و به خانه می روم"),
    ("بوي الكل كتاب\u200cهاي او را خراب كرد", "بوی الکل کتاب\u200cهای او را خراب کرد"),
    ("بوي الكل ميوه او را جلب مي\u200cكند", "بوی الکل میوه او را جلب می\u200cکند"),
]


@pytest.mark.parametrize(("wrong", "right"), PERSIAN)
def test_persian_is_written_with_its_own_yeh_and_kaf(wrong: str, right: str):
    assert changed("persian_letters", wrong) == right
    assert changed("persian_letters", right) == right


IN_ARABIC_LETTERS = [
    "ذهبت أمس إلى المكتبة مع صديقي وقرأت كتابا جميلا.",
    "يكتب الطالب رسالة إلى صديقه في القاهرة كل يوم.",
    "كوردستان وڵاتێكی جوانە",
    "تتكاثر الفئران بسرعة.",
    "زه په کور کي ډوډۍ خورم او كتاب لولي.",
    "دا ګل دی او كتاب مو ولوست",
    "مونږ كتاب لولو او كور ته راغلي يو",
]


@pytest.mark.parametrize("text", IN_ARABIC_LETTERS)
def test_other_languages_in_arabic_letters_keep_their_yeh_and_kaf(text: str):
    both = f"{text}\nكتاب من كجاست و چه كسى آن را برد؟"
    assert changed("persian_letters", both) == f"{text}\nکتاب من کجاست و چه کسی آن را برد؟"


@pytest.mark.parametrize("text", [*KHMER, "ទៅ\u200bផ្ទះ", "ស\u200c៊ី", "ក្មេងៗ", "នាា"])
def test_khmer_marks_and_letters_that_are_seen_stay(text: str):
    assert changed("khmer_order", text) == text


def test_one_pass_of_the_khmer_step_leaves_no_sign_twice():
    assert packs()["khmer_order"].changer()("ញ\u17bb\u17c6\u17b6\u17c6") == "ញ\u17bb\u17b6\u17c6"


def test_many_khmer_signs_out_of_order_take_linear_time():
    start = time.process_time()
    text = changed("khmer_order", "ក" + "\u17b6" * 20_000 + "\u17d2\u1798" * 20_000)
    assert text == "ក" + "\u17d2\u1798" * 20_000 + "\u17b6" * 20_000
    assert time.process_time() - start < 10


FRENCH_SIGNS = [
    ("french_apostrophes", "L'été, c'est aujourd'hui.", "L’été, c’est aujourd’hui."),
    ("french_apostrophes", "L‘eau de Hawai‘i, qu‘il boit", "L’eau de Hawai‘i, qu’il boit"),
    ("french_apostrophes", "La dérivée f′x est nulle.", "La dérivée f′x est nulle."),
    ("french_apostrophes", "Il dit 'oui' et s`en va.", "Il dit 'oui' et s’en va."),
    ("french_spaces", "Ah! dit l’ours; où donc?", "Ah ! dit l’ours ; où donc ?"),
    ("french_spaces", "«Oui», dit-elle: «non!»", "« Oui », dit-elle : « non ! »"),
    ("french_spaces", "Quoi?!", "Quoi ?!"),
    ("french_spaces", "À 12:30, voir http://exemple.fr et l&eacute;t&eacute; .", None),
    ("french_spaces", "Le rapport est de 3:1.", None),
    ("french_spaces", "C: est le disque, et std::cout: ok.", None),
    ("french_spaces", "12:30: début de la séance.", None),
    (
        "french_spaces",
        "Sa vitamine C! Elle lui dit: oui.",
        "Sa vitamine C ! Elle lui dit : oui.",
    ),
    ("french_spaces", "Where have all the flowers gone, she asked the men? They knew!", None),
    ("french_apostrophes", "It's raining, and nobody's there to see it.", None),
]


@pytest.mark.parametrize(("step", "wrong", "right"), FRENCH_SIGNS)
def test_french_signs(step: str, wrong: str, right: str | None):
    assert changed(step, wrong) == (right or wrong)


def test_a_step_that_unifies_knows_what_is_right():
    step = packs()["french_apostrophes"]
    assert step.is_right(FRENCH[0])
    assert not step.is_right("L'été")


KHMER_SIGNS = [
    ("ខុ្ញំ", "ខ្ញុំ"), ("ក្្រោម", "ក្រោម"), ("គេា", "គោ"), ("តេ្រ", "ត្រេ"), ("ជេីង", "ជើង"),
    ("វិទ្យាសាស្រ្ត", "វិទ្យាសាស្ត្រ"), ("ខ្\u200cញុំ", "ខ្ញុំ"), ("ខ្\u200dញុំ", "ខ្ញុំ"),
    ("ខ្ញំុ", "ខ្ញុំ"), ("នេាះ", "នោះ"), ("ចះុ", "ចុះ"), ("តំាង", "តាំង"), ("ញា៉ំ", "ញ៉ាំ"),
    ("ញាំ៉", "ញ៉ាំ"), ("មី៊ង", "ម៊ីង"), ("ខ៉្យង", "ខ្យ៉ង"), ("ធមា៌", "ធម៌ា"),
    ("ទឹ\u200bំ", "ទឹំ"), ("ក\u200bិច្ច", "កិច្ច"), ("ក\u200d\u200b្រោម", "ក្រោម"),
    ("ទឹឹក", "ទឹក"), ("ខ្ញុំំ", "ខ្ញុំ"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "right"), KHMER_SIGNS)
def test_joiners_and_signs_of_khmer_stand_where_unicode_has_them(wrong: str, right: str):
    assert changed("khmer_order", f"{wrong} និង{wrong}") == f"{right} និង{right}"
    assert changed("khmer_order", right) == right


def test_only_packs_of_their_folder_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "language_packs" / "__pycache__").mkdir(parents=True)
    (tmp_path / "language_packs" / "km.toml~").write_bytes(b"\xff")
    monkeypatch.setattr("endonym.cleaning.packs.files", lambda package: tmp_path)
    assert packs.__wrapped__() == {}
