"""Names of languages: their codes of ISO 639, and what people write instead of a code."""

import difflib
import re
import unicodedata

_LIST = """
aa Afar · ab Abkhaz · ace Acehnese · ady Adyghe · ae Avestan · af Afrikaans · ain Ainu · ak Akan
alt Southern Altai · am Amharic · an Aragonese · ang Old English · ar Arabic · arn Mapudungun
ary Moroccan Arabic · arz Egyptian Arabic · as Assamese · ast Asturian · av Avar · ay Aymara
az Azerbaijani · azb South Azerbaijani · ba Bashkir · bal Balochi · ban Balinese · bar Bavarian
bcl Central Bikol · be Belarusian · bg Bulgarian · bh Bihari · bho Bhojpuri · bi Bislama
bm Bambara · bn Bengali · bo Tibetan · br Breton · bs Bosnian · bua Buryat · ca Catalan
ce Chechen · ceb Cebuano · ch Chamorro · chr Cherokee · ckb Central Kurdish · co Corsican
cop Coptic · cr Cree · crh Crimean Tatar · cs Czech · csb Kashubian · cu Old Church Slavonic
cv Chuvash · cy Welsh · da Danish · dar Dargwa · de German · diq Zazaki · dsb Lower Sorbian
dv Dhivehi · dz Dzongkha · ee Ewe · el Greek · en English · eo Esperanto · es Spanish · et Estonian
eu Basque · ext Extremaduran · fa Persian · ff Fula · fi Finnish · fj Fijian · fo Faroese
fr French · frp Franco-Provençal · frr North Frisian · fur Friulian · fy Western Frisian · ga Irish
gag Gagauz · gd Scottish Gaelic · gez Geʽez · gl Galician · gn Guarani · gom Goan Konkani
grc Ancient Greek · gsw Swiss German · gu Gujarati · gv Manx · ha Hausa · haw Hawaiian · he Hebrew
hi Hindi · hil Hiligaynon · ho Hiri Motu · hr Croatian · hsb Upper Sorbian · ht Haitian Creole
hu Hungarian · hy Armenian · hz Herero · ia Interlingua · id Indonesian · ie Interlingue · ig Igbo
ii Nuosu · ik Inupiaq · ilo Ilocano · inh Ingush · io Ido · is Icelandic · it Italian · iu Inuktitut
ja Japanese · jv Javanese · ka Georgian · kaa Karakalpak · kab Kabyle · kbd Kabardian · kg Kongo
ki Kikuyu · kj Kwanyama · kjh Khakas · kk Kazakh · kl Greenlandic · km Khmer · kn Kannada
ko Korean · koi Komi-Permyak · kpv Komi-Zyrian · kr Kanuri · krc Karachay-Balkar · krl Karelian
ks Kashmiri · ku Kurdish · kum Kumyk · kv Komi · kw Cornish · ky Kyrgyz · la Latin · lad Ladino
lb Luxembourgish · lbe Lak · lez Lezgian · lg Ganda · li Limburgish · lij Ligurian · liv Livonian
lld Ladin · lmo Lombard · ln Lingala · lo Lao · lt Lithuanian · ltg Latgalian · lu Luba-Katanga
lv Latvian · mai Maithili · mdf Moksha · mg Malagasy · mh Marshallese · mhr Meadow Mari · mi Māori
min Minangkabau · mk Macedonian · ml Malayalam · mn Mongolian · mnc Manchu · mr Marathi
mrj Hill Mari · ms Malay · mt Maltese · mwl Mirandese · my Burmese · myv Erzya · na Nauruan
nah Nahuatl · nap Neapolitan · nb Norwegian Bokmål · nd Northern Ndebele · nds Low German
ne Nepali · new Newar · ng Ndonga · nl Dutch · nn Norwegian Nynorsk · no Norwegian · nog Nogai
nr Southern Ndebele · nso Northern Sotho · nv Navajo · ny Chichewa · oc Occitan · oj Ojibwe
om Oromo · or Odia · os Ossetian · pa Punjabi · pag Pangasinan · pam Kapampangan · pap Papiamento
pcm Nigerian Pidgin · pi Pali · pl Polish · pms Piedmontese · pnb Western Punjabi · ps Pashto
pt Portuguese · qu Quechua · rm Romansh · rn Rundi · ro Romanian · rom Romani · ru Russian
rue Rusyn · rup Aromanian · rw Kinyarwanda · sa Sanskrit · sah Yakut · sat Santali · sc Sardinian
scn Sicilian · sco Scots · sd Sindhi · se Northern Sami · sg Sango · sgs Samogitian · shi Tashelhit
shn Shan · si Sinhala · sk Slovak · sl Slovene · sm Samoan · sma Southern Sami · smj Lule Sami
smn Inari Sami · sms Skolt Sami · sn Shona · so Somali · sq Albanian · sr Serbian · ss Swati
st Southern Sotho · su Sundanese · sv Swedish · sw Swahili · syr Syriac · szl Silesian · ta Tamil
tcy Tulu · te Telugu · tet Tetum · tg Tajik · th Thai · ti Tigrinya · tig Tigre · tk Turkmen
tl Tagalog · tn Tswana · to Tongan · tpi Tok Pisin · tr Turkish · ts Tsonga · tt Tatar · tw Twi
ty Tahitian · tyv Tuvan · udm Udmurt · ug Uyghur · uk Ukrainian · ur Urdu · uz Uzbek · ve Venda
vec Venetian · vep Veps · vi Vietnamese · vls West Flemish · vo Volapük · vot Votic · vro Võro
wa Walloon · war Waray · wo Wolof · wuu Wu Chinese · xal Kalmyk · xh Xhosa · xmf Mingrelian
yi Yiddish · yo Yoruba · yue Cantonese · za Zhuang · zea Zeelandic · zgh Tamazight · zh Chinese
zu Zulu
"""
NAMES = {
    code: name
    for entry in re.split(r"\n| · ", _LIST.strip())
    for code, _, name in [entry.partition(" ")]
}
"""Code to English name: all of ISO 639-1, and others that have texts."""

_THREE_LETTERS = """
aa aar · ab abk · ae ave · af afr · ak aka · am amh · an arg · ar ara · as asm · av ava · ay aym
az aze · ba bak · be bel · bg bul · bh bih · bi bis · bm bam · bn ben · bo bod tib · br bre · bs bos
ca cat · ce che · ch cha · co cos · cr cre · cs ces cze · cu chu · cv chv · cy cym wel · da dan
de deu ger · dv div · dz dzo · ee ewe · el ell gre · en eng · eo epo · es spa · et est · eu eus baq
fa fas per · ff ful · fi fin · fj fij · fo fao · fr fra fre · fy fry · ga gle · gd gla · gl glg
gn grn · gu guj · gv glv · ha hau · he heb · hi hin · ho hmo · hr hrv · ht hat · hu hun · hy hye arm
hz her · ia ina · id ind · ie ile · ig ibo · ii iii · ik ipk · io ido · is isl ice · it ita · iu iku
ja jpn · jv jav · ka kat geo · kg kon · ki kik · kj kua · kk kaz · kl kal · km khm · kn kan · ko kor
kr kau · ks kas · ku kur · kv kom · kw cor · ky kir · la lat · lb ltz · lg lug · li lim · ln lin
lo lao · lt lit · lu lub · lv lav · mg mlg · mh mah · mi mri mao · mk mkd mac · ml mal · mn mon
mr mar · ms msa may · mt mlt · my mya bur · na nau · nb nob · nd nde · ne nep · ng ndo · nl nld dut
nn nno · no nor · nr nbl · nv nav · ny nya · oc oci · oj oji · om orm · or ori · os oss · pa pan
pi pli · pl pol · ps pus · pt por · qu que · rm roh · rn run · ro ron rum · ru rus · rw kin · sa san
sc srd · sd snd · se sme · sg sag · si sin · sk slk slo · sl slv · sm smo · sn sna · so som
sq sqi alb · sr srp · ss ssw · st sot · su sun · sv swe · sw swa · ta tam · te tel · tg tgk · th tha
ti tir · tk tuk · tl tgl · tn tsn · to ton · tr tur · ts tso · tt tat · tw twi · ty tah · ug uig
uk ukr · ur urd · uz uzb · ve ven · vi vie · vo vol · wa wln · wo wol · xh xho · yi yid · yo yor
za zha · zh zho chi · zu zul
"""
TWO_LETTERS = {
    three: code
    for entry in re.split(r"\n| · ", _THREE_LETTERS.strip())
    for code, *threes in [entry.split()]
    for three in threes
}
"""Codes of ISO 639-2 and 639-3 to those of ISO 639-1, which are the usual ones."""

MOST_NEAR = 3
"""Codes that are named as what may be meant."""
TAKEN_FOR = {
    "al": "sq", "bd": "bn", "by": "be", "cn": "zh", "cz": "cs", "dk": "da", "gb": "en", "ge": "ka",
    "gr": "el", "il": "he", "ir": "fa", "jp": "ja", "kh": "km", "kz": "kk", "md": "ro", "me": "sr",
    "mm": "my", "mv": "dv", "np": "ne", "ph": "tl", "pk": "ur", "rs": "sr", "tj": "tg", "tm": "tk",
    "tz": "sw", "ua": "uk", "us": "en", "vn": "vi", "xk": "sq",
    "in": "id", "iw": "he", "ji": "yi", "jw": "jv", "mo": "ro", "sh": "sr", "scc": "sr",
    "scr": "hr",
    "als": "sq", "arb": "ar", "ayr": "ay", "azj": "az", "cmn": "zh", "ekk": "et", "fuv": "ff",
    "gaz": "om", "kmr": "ku", "khk": "mn", "lvs": "lv", "npi": "ne", "ory": "or", "pbt": "ps",
    "pes": "fa", "plt": "mg", "prs": "fa", "quy": "qu", "swh": "sw", "uzn": "uz", "ydd": "yi",
    "zsm": "ms",
}  # fmt: skip
"""Codes of countries, codes of old, and of one kind of a language, to what is usually written."""


OTHER_NAMES = {
    "aragonés": "an", "bokmål": "nb", "brezhoneg": "br", "burmese": "my", "castellano": "es",
    "català": "ca", "cymraeg": "cy", "dansk": "da", "deutsch": "de",
    "eesti": "et", "english": "en", "español": "es", "euskara": "eu", "farsi": "fa",
    "français": "fr", "gaeilge": "ga", "gaelic": "gd", "galego": "gl", "italiano": "it",
    "kinyarwanda": "rw", "kirghiz": "ky", "kirgiz": "ky", "latviešu": "lv", "lietuvių": "lt",
    "magyar": "hu", "moldovan": "ro", "myanmar": "my", "nederlands": "nl", "norsk": "no",
    "occitan": "oc", "ossetic": "os", "polski": "pl", "português": "pt", "română": "ro",
    "rumanian": "ro", "shqip": "sq", "slovenčina": "sk", "slovene": "sl", "slovenščina": "sl",
    "sorani": "ckb", "suomi": "fi", "svenska": "sv", "türkçe": "tr", "tiếng việt": "vi",
    "uighur": "ug", "yakut": "sah", "čeština": "cs", "íslenska": "is", "башҡорт": "ba",
    "башҡортса": "ba", "беларуская": "be", "български": "bg", "коми": "kv", "кыргызча": "ky",
    "монгол": "mn", "русский": "ru", "саха": "sah", "српски": "sr", "татар": "tt",
    "татарча": "tt", "тоҷикӣ": "tg", "удмурт": "udm", "українська": "uk", "чӑваш": "cv",
    "қазақша": "kk", "ελληνικά": "el", "հայերեն": "hy", "עברית": "he", "العربية": "ar",
    "فارسی": "fa", "اردو": "ur", "हिन्दी": "hi", "नेपाली": "ne", "ភាសាខ្មែរ": "km", "ខ្មែរ": "km",
    "ქართული": "ka",
}  # fmt: skip
"""What else languages are called, in lower case: by their speakers, or formerly."""


SCRIPTS = {
    "khmer": "km", "thai": "th", "lao": "lo", "myanmar": "my", "georgian": "ka", "armenian": "hy",
    "greek": "el", "hangul": "ko", "tibetan": "bo dz", "ethiopic": "am ti", "hebrew": "he yi",
    "devanagari": "hi ne mr mai sa", "bengali": "bn as", "gurmukhi": "pa", "gujarati": "gu",
    "oriya": "or", "tamil": "ta", "telugu": "te", "kannada": "kn", "malayalam": "ml",
    "sinhala": "si", "thaana": "dv", "arabic": "ar fa ur ckb ps sd ug",
    "cyrillic": "ru uk be bg mk tt ba cv ky sah tyv alt udm myv mdf mhr mrj kv os ce av lez kbd",
    "latin": "en fr de es it pt nl sv da no nb nn fi et lv lt pl cs sk sl hr hu ro tr sq is ga gd "
    "cy br eu ca gl oc mt vi id ms jv su sw zu xh yo ig ha so eo af fo lb rm",
}  # fmt: skip
"""Script -> the languages that are written in it alone, or almost."""

LETTERS = {
    "tt": "әөүҗңһ",
    "ba": "әөүғҡҙҫңһ",
    "kk": "әғқңөұүһі",
    "ky": "ңөү",
    "cv": "ӑӗҫӳ",
    "sah": "ҕҥөһү",
    "mn": "өү",
    "tg": "ғӣқӯҳҷ",
    "uk": "іїєґ",
    "be": "ўі",
    "ro": "ăâîșțşţ",
    "tr": "ğışçöü",
    "az": "əğışçöü",
    "pl": "ąćęłńóśźż",
    "vi": "ăâđêôơư",
    "fa": "پچژگ",
    "ur": "ٹڈڑںے",
    "ckb": "ڕڵۆێ",
}
"""Letters that tell a language from others in its script."""

DEBIAN_PACKS = {
    "arabic": "arab", "armenian": "armn", "bengali": "beng", "cyrillic": "cyrl",
    "devanagari": "deva", "ethiopic": "ethi", "georgian": "geor", "greek": "grek",
    "gujarati": "gujr", "gurmukhi": "guru", "hangul": "hang", "hebrew": "hebr", "kannada": "knda",
    "khmer": "khmr", "lao": "laoo", "latin": "latn", "malayalam": "mlym", "myanmar": "mymr",
    "oriya": "orya", "sinhala": "sinh", "tamil": "taml", "telugu": "telu", "thaana": "thaa",
    "thai": "thai", "tibetan": "tibt",
}  # fmt: skip
"""Script -> its name in Debian's packages of Tesseract, such as tesseract-ocr-script-geor."""


def usual_script(code: str) -> str | None:
    """The script of a language, in lower case; None if it has several, or is not known.

    >>> usual_script("ka"), usual_script("sr-Cyrl"), usual_script("sr")
    ('georgian', 'cyrillic', None)
    """
    language, *subtags = code.lower().split("-")
    named = (script for script, pack in DEBIAN_PACKS.items() if pack in subtags)
    usual = (script for script, codes in SCRIPTS.items() if language in codes.split())
    return next(named, None) or next(usual, None)


def ocr_packages(script: str | None, code: str = "") -> str:
    """The Debian packages with which Tesseract reads a script, and a language if it is given.

    >>> ocr_packages("georgian", "ka")
    'tesseract-ocr tesseract-ocr-script-geor tesseract-ocr-kat'
    """
    language = code.split("-")[0].lower()
    threes = [three for three, two in TWO_LETTERS.items() if two == language]
    names = [f"script-{DEBIAN_PACKS[script]}"] if script in DEBIAN_PACKS else []
    names += threes[:1] or ([language] if len(language) == 3 and language in NAMES else [])
    return " ".join(["tesseract-ocr", *(f"tesseract-ocr-{name}" for name in names)])


def language_name(code: str) -> str:
    """The name of a language, with its script or region; the code itself if it is not known.

    >>> language_name("tt"), language_name("zh-Hant"), language_name("x-gasconha")
    ('Tatar', 'Chinese (Hant)', 'gasconha')
    """
    language, _, rest = code.partition("-")
    language = language.lower()
    if language == "x":
        return rest or code
    if language not in NAMES:
        return code
    return f"{NAMES[language]} ({rest})" if rest else NAMES[language]


def nearest_code(written: str) -> str | None:
    """The code that somebody who wrote this may have meant: by a language's name, or one like it.

    None if nothing is near.
    """
    wanted = unicodedata.normalize("NFC", written).strip().casefold()
    codes = {name.casefold(): code for code, name in NAMES.items()}
    codes |= {unicodedata.normalize("NFC", name): code for name, code in OTHER_NAMES.items()}
    if (code := usual_code(wanted)) in NAMES:
        return code
    for each in (wanted, wanted.replace("_", "-").split("-")[0]):
        if near := difflib.get_close_matches(each, codes, n=1, cutoff=0.75):
            return codes[near[0]]
    return None


def usual_code(code: str) -> str:
    """The code with two letters for the language if it has one; else the code as it is.

    >>> usual_code("tat"), usual_code("khm-Khmr"), usual_code("sah")
    ('tt', 'km-Khmr', 'sah')
    """
    language, dash, rest = code.partition("-")
    return TWO_LETTERS.get(language.lower(), language) + dash + rest


def language_warning(code: str) -> str:
    """What is doubtful about a valid code, and what may be meant; empty if nothing is."""
    language = code.partition("-")[0]
    if language == "x" or language in NAMES:
        return ""
    if language in TWO_LETTERS:
        two = TWO_LETTERS[language]
        return f'language "{code}" is {NAMES[two]}: write its usual code, {usual_code(code)}'
    what = "is no language's code" if len(language) == 2 else "is not in endonym's list"
    near = " or ".join(f"{each} ({NAMES[each]})" for each in _near_codes(language))
    meant = f": did you mean {near}?" if near else ""
    return f'language "{code}" {what}{meant}'


def _near_codes(language: str) -> list[str]:
    """Codes of languages that may be meant: the usual one, or those that differ in one letter."""
    if language in TAKEN_FOR:
        return [TAKEN_FOR[language]]
    codes = [each for each in (*TWO_LETTERS, *NAMES) if len(each) == len(language)]
    alike = [each for each in codes if sum(map(str.__ne__, each, language)) == 1]
    alike.sort(key=lambda each: (each[0] != language[0], each[:2] != language[:2], each))
    return list(dict.fromkeys(TWO_LETTERS.get(each, each) for each in alike))[:MOST_NEAR]
