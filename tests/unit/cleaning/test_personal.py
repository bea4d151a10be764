"""Masks of personal data."""

import time
import unicodedata

import pytest
import regex

from endonym.cleaning.personal import KINDS, as_ascii, begin_shown, mask, mask_warnings, showable
from endonym.cleaning.personal_codes import countries


def masked(text: str, language: str | None = None) -> str:
    for kind in KINDS:
        text = mask(kind, f"<{kind}>", language)(text)
    return text


USUAL = [
    (
        "Карагыз: https://tt.wikipedia.org/wiki/Татарстан_(ил). Аннары www.belem.ru, шул.",
        "Карагыз: <url>. Аннары <url>, шул.",
    ),
    ("Scrie-mi pe t.me/stiri_ro (sau http://a.ro/?e=x@y.ro)!", "Scrie-mi pe <url> (sau <url>)!"),
    ("សូមមើលhttps://example.com/khនៅទីនេះ", "សូមមើល<url>នៅទីនេះ"),  # no blank around it
    (
        "и/или, км/ч, 12.05.2020/3, nr.3/2020, fete.Si/nu",
        "и/или, км/ч, 12.05.2020/3, nr.3/2020, fete.Si/nu",
    ),
    ("+7 (843) 292-12-34 яки +33 1 23 45 67 89", "<phone> яки <phone>"),
    ("Язып җибәр: alsu.99@poçta.tatar яисә шалтырат.", "Язып җибәр: <email> яисә шалтырат."),
    ("Écrivez à l’adresse marie+jeux@exemple.fr.", "Écrivez à l’adresse <email>."),
    ("កាត 4111 1111 1111 1111 ។", "កាត <card> ។"),
    ("адрес 192.168.10.7:8080", "адрес <ip>:8080"),
    ("2001:db8:0:0:0:ff00:42:8329, fe80::1:2 дип яза", "<ip>, <ip> дип яза"),
    ("адрес 10.0.0.100, бүлек 10.0.0.99", "адрес <ip>, бүлек 10.0.0.99"),
    ("+7 843 292 1998, +49 30 2012 345", "<phone>, <phone>"),  # one group may be a year's
]


@pytest.mark.parametrize(("text", "found"), USUAL)
def test_the_usual_forms_are_found(text: str, found: str):
    assert masked(text) == found


OF_COUNTRIES = [
    ("tt", "Телефон: +7 (843) 292-12-34, кич белән.", "Телефон: <phone>, кич белән."),
    ("tt", "8 (843) 292-12-34", "<phone>"),
    ("tt", "(843) 292 12 34", "<phone>"),
    ("fr", "Appelez le 01 23 45 67 89 !", "Appelez le <phone> !"),
    ("ro", "Sunați la 0721-234-567.", "Sunați la <phone>."),
    ("ru", "Звоните 8-917-123-45-67 после шести.", "Звоните <phone> после шести."),
    ("ro", "Telefon (021) 312 34 56.", "Telefon <phone>."),
    ("km", "ទូរស័ព្ទ 012 345 678 ។", "ទូរស័ព្ទ <phone> ។"),
    ("de", "Telefon 030 123456 oder (030) 901820", "Telefon <phone> oder <phone>"),
    ("fr-CH", "Tél. 022 730 51 11", "Tél. <phone>"),
    ("ro", "Sunați la 0722123456 după ora cinci.", "Sunați la <phone> după ora cinci."),
    ("ro", "Tel. 0256/395476, 0744675625.", "Tel. <phone>, <phone>."),
    ("sk", "Volajte 0911234567.", "Volajte <phone>."),
    ("ru", "Звоните 89171234567 или 79171234567.", "Звоните <phone> или <phone>."),
    ("ka", "დარეკეთ: 599 12 34 56 ან 555123456.", "დარეკეთ: <phone> ან <phone>."),
    ("ka", "მომწერე 599 12-34-56 საღამოს.", "მომწერე <phone> საღამოს."),
    ("ka", "ტელ: 599123456, 555 123 456.", "ტელ: <phone>, <phone>."),
    ("hi", "फ़ोन ९८७६५४३२१० पर", "फ़ोन <phone> पर"),
    ("km", "ទូរស័ព្ទ ០១២ ៣៤៥ ៦៧៨ ។", "ទូរស័ព្ទ <phone> ។"),
    ("fa", "تلفن ۰۹۱۲۱۲۳۴۵۶۷ است", "تلفن <phone> است"),
    ("bn", "ফোন ০১৭১২৩৪৫৬৭৮", "ফোন <phone>"),
    ("bn", "ফোন ০১৮১২-৩৪৫৬৭৮", "ফোন <phone>"),
    ("ru", "Звоните 8 917 123-45-67.", "Звоните <phone>."),
    ("tt", "Миңа 8 917 123-45-67 яз.", "Миңа <phone> яз."),
    ("hi", "फ़ोन 98765 43210 पर", "फ़ोन <phone> पर"),
    ("fr", "Depuis la Suisse : 0033 6 12 34 56 78.", "Depuis la Suisse : <phone>."),
    ("ro", "Din Franța: 0040 722 123 456.", "Din Franța: <phone>."),
    ("fr", "Écris au 06\u00a012\u00a034\u00a056\u00a078 !", "Écris au <phone> !"),
    ("fr", "Écris au 06\u202f12\u202f34\u202f56\u202f78 !", "Écris au <phone> !"),
    ("en-IN", "Call 9876543210 now", "Call <phone> now"),
    ("fr", "Appelez le 01 23 45 67 89 12 fois", "Appelez le <phone> 12 fois"),
    (None, "+7 843 292 12 34 2020", "<phone> 2020"),
    # The first three groups are a number as well, and so are the first four.
    (None, "Sunați la +40 21 9408 494 066", "Sunați la <phone> 066"),
    (None, "01 23 45 67 89, +33 1 23 45 67 89", "01 23 45 67 89, <phone>"),
    ("km", "ឆ្នាំ ២០២៣ កាត ៤១១១ ១១១១ ១១១១ ១១១១ ។", "ឆ្នាំ ២០២៣ កាត <card> ។"),
    ("ro", "es68 de oameni buni venit azi la noi", "es68 de oameni buni venit azi la noi"),
]


@pytest.mark.parametrize(("language", "text", "found"), OF_COUNTRIES)
def test_telephone_numbers_of_each_country_are_found(language: str | None, text: str, found: str):
    assert masked(text, language) == found


def test_one_kind_alone_takes_nothing_of_another():
    accounts = "RO49AAAA1B31007593840000 BG80BNBG96611020345678"
    assert mask("card", "<card>", "ro")(accounts) == accounts
    address = "Сервер 255.12.34.56 не адказвае."
    assert mask("phone", "<phone>", "be")(address) == address
    assert mask("phone", "<phone>", "be")("Пішы: 29 491 19 11.") == "Пішы: <phone>."


BESIDE_A_WORD = [
    ("ro", "Tel.: 69123456, 022 123456 ori 22123456", "Tel.: <phone>, <phone> ori <phone>"),
    ("ro", "Scrie-i Mariei pe 37369123456 mâine.", "Scrie-i Mariei pe <phone> mâine."),
    ("uk", "Телефонуйте 671234567 після шостої.", "Телефонуйте <phone> після шостої."),
    ("uk", "Напиши на 380671234567 завтра.", "Напиши на <phone> завтра."),
    ("hi", "राम को 919876543210 पर लिखो।", "राम को <phone> पर लिखो।"),
    ("hi", "फ़ोन 074104 10123 पर", "फ़ोन <phone> पर"),
    ("pt", "Ligue para (11) 96123-4567 depois.", "Ligue para <phone> depois."),
    ("pt", "Telemóvel: 912 345 678.", "Telemóvel: <phone>."),
    ("pt", "Celular 5511961234567, ligue 11961234567", "Celular <phone>, ligue <phone>"),
    ("kk", "Телефон: 7012345678, 77012345678.", "Телефон: <phone>, <phone>."),
    ("uz", "Menga 998901234567 raqamiga yozing.", "Menga <phone> raqamiga yozing."),
    ("tr", "Beni 5321234567 numarasından arayın.", "Beni <phone> numarasından arayın."),
    ("id", "Tulis ke 6281234567890 atau 0812345678901.", "Tulis ke <phone> atau <phone>."),
    ("vi", "Điện thoại: 912345678", "Điện thoại: <phone>"),
    ("sw", "Piga simu 712345678 au 255712345678.", "Piga simu <phone> au <phone>."),
    ("yo", "Kọ̀wé sí 2348031234568 lọ́la.", "Kọ̀wé sí <phone> lọ́la."),
    ("am", "ስልክ 911234567 ይደውሉ።", "ስልክ <phone> ይደውሉ።"),
    ("ur", "فون: 3012345678", "فون: <phone>"),
    ("bn", "ফোন ৮৮০১৮১২৩৪৫৬৭৮ করুন।", "ফোন <phone> করুন।"),
    ("az", "Zəng edin: 40 123 45 67.", "Zəng edin: <phone>."),
    ("hy", "Զանգահարեք 77123456 երեկոյան։", "Զանգահարեք <phone> երեկոյան։"),
    ("be", "Тэлефануйце 294911911 увечары.", "Тэлефануйце <phone> увечары."),
    ("lt", "Skambinkite (8-612) 34567 vakare.", "Skambinkite <phone> vakare."),
    ("lv", "Zvaniet 21 234 567 vakarā.", "Zvaniet <phone> vakarā."),
    ("et", "Helista 5123 4567 õhtul.", "Helista <phone> õhtul."),
    ("pl", "Zadzwoń 512 345 678 wieczorem.", "Zadzwoń <phone> wieczorem."),
    ("bg", "Обадете се на 887123456 вечерта.", "Обадете се на <phone> вечерта."),
    ("el", "Τηλέφωνο: 691 234 5678 ή 2123456789.", "Τηλέφωνο: <phone> ή <phone>."),
    ("en", "Call 9876543210 or 202-456-1111.", "Call <phone> or <phone>."),
    ("ro", "tel. 0256 - 293607", "tel. <phone>"),
]


@pytest.mark.parametrize(("language", "text", "found"), BESIDE_A_WORD)
def test_a_word_or_country_code_finds_any_groups_of_digits(language: str, text: str, found: str):
    assert masked(text, language) == found


BY_CODE_ALONE = [
    ("yo", "Kọ̀wé sí 2348031234567 lọ́la."),  # It may be goods: its check digit is right.
    ("uk", "Напиши на 380442345678 завтра."),  # of a line at home
    ("ru", "Запись 79171234567 в журнале."),  # 7 alone says too little
    ("en", "Item 919876543210 is there."),  # a language of many countries
]


@pytest.mark.parametrize(("language", "text"), BY_CODE_ALONE)
def test_a_country_s_code_alone_makes_few_numbers_a_telephone_s(language: str, text: str):
    assert masked(text, language) == text


NO_TELEPHONES = [
    "Telefon: 12.05.2020, 2019-2020, 1990 1995 2001",
    "Sună (Call) la 20240131 sau 20240131 1200, ISBN 978-5-298-01234-5",
    "Telefonul costă 1 500 000 lei, iar două 2 999 999 lei.",
    "77914957 mii lei provine din fondurile orașului; 512 345 678, 5123 4567",
    "Telefon cu codul 4006381333931, 5901234123457",
    "Мобиль\n671234567\nтелефон",
]


@pytest.mark.parametrize("language", ["ro", "uk", "lv", "pt", "en", "id"])
@pytest.mark.parametrize("text", NO_TELEPHONES)
def test_other_numbers_stay_beside_a_word_too(language: str, text: str):
    assert masked(text, language) == text


OF_PERSONS = [
    (None, "Contul RO49 AAAA 1B31 0075 9384 0000 sau", "Contul <iban> sau"),
    (None, "RO49AAAA1B31007593840000", "<iban>"),
    (None, "FR14\u00a02004\u00a01010\u00a00505\u00a00001\u00a03M02\u00a0606", "<iban>"),
    (None, "FR14 2004 1010 0505 0001 3M02 606 BIC", "<iban> BIC"),
    (None, "DE89370400440532013000, GB82 WEST 1234 5698 7654 32", "<iban>, <iban>"),
    (None, "KZ86 125K ZT50 0410 0100 NL91ABNA0417164300", "<iban> <iban>"),
    ("ro", "CNP 1800101221144, născut", "CNP <code>, născut"),
    ("fr", "NIR 1 85 05 78 006 084 91 et 255081416802538", "NIR <code> et <code>"),
    ("tt", "СНИЛС 112-233-445 95", "СНИЛС <code>"),
    ("ru", "ИНН 500100732259", "ИНН <code>"),
    ("et", "isikukood 37605030299", "isikukood <code>"),
    ("fi", "hetu 131052-308T", "hetu <code>"),
    ("pl", "PESEL 44051401359", "PESEL <code>"),
    ("it", "CF: RCCMNL83S18D969H.", "CF: <code>."),
    ("fa", "کد ملی ۰۰۷۳۱۳۰۰۰۷", "کد ملی ۰۰۷۳۱۳۰۰۰۷"),  # a digit is wrong
    ("fa", "کد ملی ۰۴۹۹۳۷۰۸۹۹", "کد ملی <code>"),
    ("kk", "ЖСН 900101300006", "ЖСН 900101300006"),
]


@pytest.mark.parametrize(("language", "text", "found"), OF_PERSONS)
def test_accounts_and_codes_of_persons_are_found(language: str | None, text: str, found: str):
    assert masked(text, language) == found


WRONG_DIGITS = [
    "RO49AAAA1B31007593840001, DE89 3704 0044 0532 0130 01",  # check digits are wrong
    "XX82WEST12345698765432",  # no such country
    "ISBN 0198534531, ИНН 7707083893",
    "1800101221145 1234567890123",
    "112-233-445 96",
]


@pytest.mark.parametrize("text", WRONG_DIGITS)
@pytest.mark.parametrize("language", ["ro", "tt", "fr"])
def test_numbers_with_wrong_check_digits_stay(language: str, text: str):
    assert masked(text, language) == text


ORDINARY = [
    "La population est de 8 045 311 447 habitants.",
    "Populația: 8.045.311.447 de oameni.",
    "Бюджет — 800 000 000 сум, тагын +20 000 000 сум.",
    "J. Phys. 12 (2004) 1023-1045; Nature (2010) 463-470.",
    "(1886) 1890-1913 елларда",
    "100 (200) 300 400, 0 10 20 30 40 50",
    "№ 0348 1941 1945, 08 1945 1946",
    "3.4.2.2. Încercarea; Версия 1.2.3.4; п. 4.1.2.1",
    "2002 2003 2004 2005, 2002-2003-2004-2005",
    "98765 43210 de voix, 61234 51234",
    "8\u00a0045\u00a0311\u00a0447 d’habitants, 10\u202f000\u202f000",
    "0033 ou 00 12 34 56, 000 123 456 789",
]


@pytest.mark.parametrize("language", ["tt", "ro", "fr", "km", "ru", "de", "en", None])
@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_numbers_stay_in_any_language(language: str | None, text: str):
    assert masked(text, language) == text


def test_a_word_for_a_telephone_counts_in_its_own_line_only():
    assert masked("код 671234567 тел.", "uk") == "код <phone> тел."
    for text in ("код 671234567\nтел.", "тел.\nкод 671234567"):
        assert masked(text, "uk") == text


OTHERS = [
    "1941–1945 елларда, 22.06.1941 көнне",
    "ISBN 978-5-298-01234-5, 1 234 567 кеше",
    "сәгать 12:30:45, 2.13.0 версиясе",
    "4111 1111 1111 1112",  # the check digit is wrong
    "std::vector<int> a::b",
    "нәтиҗә 1::2, ab::cd",
    "бәясе 8 500 сум, @исем, a@b",
    "999.999.999.999",
    "22222222222222222 кеше, 44444444444444444",  # their check digits are right
    "10 000 000 de lei în 2021-2022",
]


@pytest.mark.parametrize("text", OTHERS)
def test_other_numbers_stay(text: str):
    assert masked(text) == text


def test_a_number_behind_the_label_of_another_kind_is_no_telephone():
    number = "8 917 123-45-67"
    assert masked(f"Язып куй: {number}", "tt") == "Язып куй: <phone>"
    for label in ("ОГРН: ", "REGON — ", "ISBN "):
        assert masked(label + number, "tt") == label + number


def test_a_mask_is_not_masked_again():
    text = masked("alsu@pochta.ru +7 843 292 12 34 4111-1111-1111-1111 10.0.0.201")
    assert text == "<email> <phone> <card> <ip>"
    assert masked(text) == text


@pytest.mark.parametrize("run", ["a", "1", "1 ", "+1", "a.", "1-", "(1", "a@", "1:", "0 12"])
def test_long_runs_of_anything_take_linear_time(run: str):
    start = time.process_time()
    masked(run * 50_000)
    assert time.process_time() - start < 15


def test_digits_that_python_does_not_know_are_digits():
    told = "Les chiffres \U0001ccf0\U0001ccf1 et \U0001e4f9, \U00010d40\U00011f59."
    assert masked(told, "fr") == told
    number = "".join(chr(0x1CCF0 + int(each)) for each in "0123456789")
    assert masked(f"Appelez le {number} !", "fr") == "Appelez le <phone> !"


def test_every_digit_has_the_value_that_unicode_says():
    every = regex.findall(r"\p{Nd}", "".join(map(chr, range(0x80, 0x110000))))
    values = {each: unicodedata.decimal(each, None) for each in every}
    assert all(values[each] in (None, int(as_ascii(each))) for each in every)
    assert sum(value is not None for value in values.values()) > 600


IN_GROUPS = [
    ("ka", "მომწერე 599123456 ან 599 123456.", "მომწერე <phone> ან <phone>."),
    ("ka", "მომწერე 599-123-456 ან 599.12.34.56.", "მომწერე <phone> ან <phone>."),
    ("sk", "Napíš mi na 911234567 alebo 0911/234 567.", "Napíš mi na <phone> alebo <phone>."),
    ("ru", "Пишите: 8-917-1234567, 8-9171234567.", "Пишите: <phone>, <phone>."),
    ("ky", "Мага 0555 12-34-56 номерине жаз.", "Мага <phone> номерине жаз."),
    ("de", "Schreib mir: 0151-23456789.", "Schreib mir: <phone>."),
    ("fr", "Écris-moi au 06/12/34/56/78 demain.", "Écris-moi au <phone> demain."),
    ("lt", "Rašyk man 8 612 34567 rytoj.", "Rašyk man <phone> rytoj."),
    ("mn", "Надад 9911 2233 дугаарт бич.", "Надад <phone> дугаарт бич."),
    ("en-US", "Write to 202-456-1111 or 1-202-456-1111.", "Write to <phone> or <phone>."),
    ("en", "Write to 202.456.1111 tomorrow.", "Write to <phone> tomorrow."),
    ("ro", "Scrie-i: 0722123456,0733123456", "Scrie-i: <phone>,<phone>"),
    ("ro", "Tel.,0722123456", "Tel.,<phone>"),
    ("ro", "722123,0733123456 ori 72212,0733123456", "722123,<phone> ori 72212,0733123456"),
    ("tt", "1,+79171234567,Камил,89171234568", "1,<phone>,Камил,<phone>"),
    ("ro", "Raportul e 1,234567890 ori 3,0722123456", "Raportul e 1,234567890 ori 3,0722123456"),
    ("ro", "Scrie la 0722123456- ori 0733123456-ul", "Scrie la <phone>- ori <phone>-ul"),
    ("tt", "Миңа 89171234567-гә яз.", "Миңа <phone>-гә яз."),
    ("ro", "Scrie-i la nr.0722123456 azi.", "Scrie-i la nr.<phone> azi."),
    ("zh", "请拨打13812345678联系我。", "请拨打<phone>联系我。"),
    ("km", "លេខ០១២៣៤៥៦៧៨នេះ", "លេខ<phone>នេះ"),
]


@pytest.mark.parametrize(("language", "text", "found"), IN_GROUPS)
def test_numbers_are_found_in_the_groups_people_write(language: str, text: str, found: str):
    assert masked(text, language) == found


ANY = ["ka", "sk", "ru", "ky", "de", "fr", "lt", "mn", "en-US", "en", "ro", "tt", "km", "zh", "pt"]


LIKE_GROUPS = [
    "1990-1995, 2019/2020, 1359 1384, 1002 1006, 2004-2010",
    "12.05.2020, 06/12/2034, 2020-12-06, 06/12/34, 01.02.03",
    "1 500 000, 2 000 000, 313739000, 911234000, $599123456, 599123456,78 €",
    "Art. 12/1990, Law 123-456, nr. 599/2004, pp. 512-345, 5123-5345, 8811 9922",
    "21-15, 18-21, 15-12; 6:4, 7:6; 25-21 25-19 25-23",
    "41.7151, 44.8271; 41° 42′ 54″; 55.123456, 49.123456",
    "1:1-12, 3:16-18; 599.12.34; v2.13.0",
    "ISBN 978-5-298-01234-5, 0-306-40615-2, EAN 4006381333931",
    "AB-599-123-456, 599-123-456-789, X599123456, 599123456X, 0722123456-A",
    "202-456-11111, 100-200-3000, 200 300 4000",
]


@pytest.mark.parametrize("language", ANY)
@pytest.mark.parametrize("text", LIKE_GROUPS)
def test_dates_prices_pages_results_and_products_are_no_telephones(language: str, text: str):
    assert masked(text, language) == text


HIDDEN = [
    ("ro", "Contul AB12 FR14 2004 1010 0505 0001 3M02 606.", "Contul AB12 <iban>."),
    ("ro", "Contul DE12 RO49 AAAA 1B31 0075 9384 0000.", "Contul DE12 <iban>."),
    ("fr", "Le compte fr14 2004 1010 0505 0001 3m02 606.", "Le compte <iban>."),
    ("fr", "Le compte FR14  2004  1010  0505  0001  3M02  606.", "Le compte <iban>."),
    ("de", "IBANDE89370400440532013000", "IBAN<iban>"),
    ("de", "ibande89370400440532013000", "iban<iban>"),
    ("ro", "1990, 2000-2004, 0722 123 456 0722 123 456", "1990, 2000-2004, <phone> <phone>"),
    ("ro", "12.05.2020 0722123456 1800101221144", "12.05.2020 <phone> <code>"),
    ("ro", "1800101221145 1800101221144", "1800101221145 <code>"),
    ("fr", "x@y, 1.2.3.4, marie@exemple.fr, 10.0.0.201", "x@y, 1.2.3.4, <email>, <ip>"),
    ("ro", "4111 1111 1111 1112, 4111 1111 1111 1111 1/7", "4111 1111 1111 1112, <card> 1/7"),
    ("zh", "身份证号码11010519491231002X。", "身份证号码<code>。"),
    ("nl", "BSN\nNummer 111222333, BSN 111222333", "BSN\nNummer 111222333, BSN <code>"),
    ("ro", "Nr. 18001012 21144, CNP 1 800101 221144", "Nr. 18001012 21144, CNP <code>"),
]


@pytest.mark.parametrize(("language", "text", "found"), HIDDEN)
def test_what_only_looks_like_one_hides_no_number_behind_it(language: str, text: str, found: str):
    assert masked(text, language) == found


def test_a_language_may_have_a_code_of_three_letters():
    assert countries("ron") == countries("rum") == countries("ro") == ("MD", "RO")
    assert countries("tat-Cyrl") == countries("tt") == ("RU",)
    assert countries("swh") == countries("sw")
    assert countries("deu-CH") == ("CH",)
    assert countries("tgl") == countries("tl") == ("PH",)
    assert masked("Scrie-i la 0722123456.", "ron") == "Scrie-i la <phone>."
    assert masked("Миңа 8 (843) 292-12-34 яз.", "tat") == "Миңа <phone> яз."


def test_of_what_is_shown_personal_data_keeps_its_form_alone_also_where_it_is_cut():
    row = "Алсу Галиева, тел. +7 (913) 174-84-58, ata0@mail.ru, www.tatar.ru"
    hidden = "Алсу Галиева, тел. +█ (███) ███-██-██, ████@████.██, www.tatar.ru"
    for end in range(len(row) + 1):
        assert begin_shown(row, end, "tt") == hidden[:end]
        assert showable(row, slice(end, len(row)), "tt") == hidden[end:]
    assert begin_shown("លេខ ០១២ ៣៤៥ ៦៧៨ ទូរស័ព្ទ", 99, "km") == "លេខ ███ ███ ███ ទូរស័ព្ទ"
    assert begin_shown("În 1989 și 2023, la ora 12:30, 3,5 %", 99, "ro")[:7] == "În 1989"


def test_masks_that_cannot_find_numbers_of_a_country_say_so():
    every = list(KINDS)
    assert mask_warnings(every, "ro") == []
    assert mask_warnings(["email", "card", "iban", "ip"], "x-gasconha") == []
    for language in ("x-gasconha", "x-md", "grc", None):
        assert countries(language or "") == ()
        assert len(mask_warnings(every, language)) == 2
        (said,) = mask_warnings(["phone"], language)
        assert (language or "language") in said
    (said,) = mask_warnings(every, "ka")  # codes of Georgia have no check digits
    assert "GE" in said
