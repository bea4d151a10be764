"""Names of languages: their codes of ISO 639, and what people write instead of a code."""

import difflib
import unicodedata

NAMES = {
    "ab": "Abkhaz", "ady": "Adyghe", "af": "Afrikaans", "alt": "Altai", "am": "Amharic",
    "an": "Aragonese", "ar": "Arabic", "as": "Assamese", "ast": "Asturian", "av": "Avar",
    "ay": "Aymara", "az": "Azerbaijani", "ba": "Bashkir", "be": "Belarusian", "bg": "Bulgarian",
    "bm": "Bambara", "bn": "Bengali", "bo": "Tibetan", "br": "Breton", "bs": "Bosnian",
    "bua": "Buryat", "ca": "Catalan", "ce": "Chechen", "ceb": "Cebuano", "chr": "Cherokee",
    "ckb": "Central Kurdish", "co": "Corsican", "crh": "Crimean Tatar", "cs": "Czech",
    "csb": "Kashubian", "cv": "Chuvash", "cy": "Welsh", "da": "Danish", "de": "German",
    "dsb": "Lower Sorbian", "dv": "Dhivehi", "dz": "Dzongkha", "ee": "Ewe", "el": "Greek",
    "en": "English", "eo": "Esperanto", "es": "Spanish", "et": "Estonian", "eu": "Basque",
    "fa": "Persian", "ff": "Fula", "fi": "Finnish", "fj": "Fijian", "fo": "Faroese",
    "fr": "French", "frr": "North Frisian", "fur": "Friulian", "fy": "West Frisian", "ga": "Irish",
    "gag": "Gagauz", "gd": "Scottish Gaelic", "gl": "Galician", "gn": "Guarani", "gu": "Gujarati",
    "gv": "Manx", "ha": "Hausa", "haw": "Hawaiian", "he": "Hebrew", "hi": "Hindi",
    "hr": "Croatian", "hsb": "Upper Sorbian", "ht": "Haitian Creole", "hu": "Hungarian",
    "hy": "Armenian", "id": "Indonesian", "ig": "Igbo", "inh": "Ingush", "is": "Icelandic",
    "it": "Italian", "iu": "Inuktitut", "ja": "Japanese", "jv": "Javanese", "ka": "Georgian",
    "kaa": "Karakalpak", "kab": "Kabyle", "kbd": "Kabardian", "kk": "Kazakh", "kl": "Greenlandic",
    "km": "Khmer", "kn": "Kannada", "ko": "Korean", "krc": "Karachay-Balkar", "ku": "Kurdish",
    "kum": "Kumyk", "kv": "Komi", "kw": "Cornish", "ky": "Kyrgyz", "la": "Latin",
    "lb": "Luxembourgish", "lez": "Lezgian", "lg": "Luganda", "li": "Limburgish", "lij": "Ligurian",
    "lld": "Ladin", "lmo": "Lombard", "ln": "Lingala", "lo": "Lao", "lt": "Lithuanian",
    "lv": "Latvian", "mai": "Maithili", "mdf": "Moksha", "mg": "Malagasy", "mhr": "Meadow Mari",
    "mi": "Maori", "mk": "Macedonian", "ml": "Malayalam", "mn": "Mongolian", "mr": "Marathi",
    "mrj": "Hill Mari", "ms": "Malay", "mt": "Maltese", "my": "Burmese", "myv": "Erzya",
    "nah": "Nahuatl", "nap": "Neapolitan", "nb": "Norwegian Bokmål", "ne": "Nepali", "nl": "Dutch",
    "nn": "Norwegian Nynorsk", "no": "Norwegian", "nog": "Nogai", "nv": "Navajo", "ny": "Chichewa",
    "oc": "Occitan", "om": "Oromo", "or": "Odia", "os": "Ossetian", "pa": "Punjabi",
    "pap": "Papiamento", "pl": "Polish", "pms": "Piedmontese", "ps": "Pashto", "pt": "Portuguese",
    "qu": "Quechua", "rm": "Romansh", "rn": "Kirundi", "ro": "Romanian", "rom": "Romani",
    "ru": "Russian", "rue": "Rusyn", "rw": "Kinyarwanda", "sa": "Sanskrit", "sah": "Sakha",
    "sat": "Santali", "sc": "Sardinian", "scn": "Sicilian", "sco": "Scots", "sd": "Sindhi",
    "se": "Northern Sami", "si": "Sinhala", "sk": "Slovak", "sl": "Slovenian", "sm": "Samoan",
    "sn": "Shona", "so": "Somali", "sq": "Albanian", "sr": "Serbian", "st": "Sotho",
    "su": "Sundanese", "sv": "Swedish", "sw": "Swahili", "szl": "Silesian", "ta": "Tamil",
    "te": "Telugu", "tet": "Tetum", "tg": "Tajik", "th": "Thai", "ti": "Tigrinya", "tk": "Turkmen",
    "tl": "Tagalog", "tn": "Tswana", "to": "Tongan", "tpi": "Tok Pisin", "tr": "Turkish",
    "ts": "Tsonga", "tt": "Tatar", "tyv": "Tuvan", "udm": "Udmurt", "ug": "Uyghur",
    "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek", "vec": "Venetian", "vi": "Vietnamese",
    "wa": "Walloon", "wo": "Wolof", "xal": "Kalmyk", "xh": "Xhosa", "yi": "Yiddish",
    "yo": "Yoruba", "zh": "Chinese", "zu": "Zulu",
}  # fmt: skip
"""Code -> English name, of about two hundred languages that have texts of their own."""

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


def language_name(code: str) -> str:
    """The English name of a language by its code; the code itself if there is no name for it."""
    return NAMES.get(code.lower().split("-")[0], code)


def nearest_code(written: str) -> str | None:
    """The code that somebody who wrote this may have meant: by a language's name, or one like it.

    None if nothing is near.
    """
    wanted = unicodedata.normalize("NFC", written).strip().casefold()
    codes = {name.casefold(): code for code, name in NAMES.items()}
    codes |= {unicodedata.normalize("NFC", name): code for name, code in OTHER_NAMES.items()}
    if wanted in NAMES:
        return wanted
    for each in (wanted, wanted.replace("_", "-").split("-")[0]):
        if near := difflib.get_close_matches(each, codes, n=1, cutoff=0.75):
            return codes[near[0]]
    return None
