"""The English names of languages, by their codes in ISO 639."""

NAMES = """
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
"""All of ISO 639-1 and others that have texts."""


def language_name(code: str) -> str:
    """The name of a language, with its script or region; the code itself if it is not known.

    >>> language_name("tt"), language_name("zh-Hant"), language_name("x-gasconha")
    ('Tatar', 'Chinese (Hant)', 'gasconha')
    """
    entries = (entry for line in NAMES.splitlines() for entry in line.split(" · "))
    known = dict(entry.split(" ", 1) for entry in entries if entry)
    language, _, rest = code.partition("-")
    if language == "x":
        return rest or code
    if language not in known:
        return code
    return f"{known[language]} ({rest})" if rest else known[language]
