"""Words that stand beside telephone numbers: for a telephone, and for calling."""

import regex

LATIN = r"""
t[eé]l(?:s|[eé]f\w*|[eé]ph\w*|epon\w*)? tlf tfn t[āa]lr\w* phone telem[oó]ve\w* fono? f[oóò]+n[uù]
mob mobil\w* gsm cell celular\w* cellular\w* handy cep fax whats\ ?app viber hp sdt sđt đt
điện\ thoại di\ động puh puhelin\w*
call [ck]onta[ck]?t\w* appele\w* anruf\w* rufen ligue\w* llame\w* llámen\w* chiam(?:a|ate|are)
sun(?:a[țţt]i|ă) apela[țţt]i simu (?:ni)?pig(?:a|ie) hubungi gọi z[əe]ng arayın\w* arayabilir\w*
qo.ng.iroq jaň skambin\w* zvan\w* zvoni\w* helista\w* soita\w* zadzwo[nń]\w* dzwo[nń]\w*
volejte volajte zavol\w* pozovite nazovite hívj\w* tumawag tawag\w* hamagara shayela
[uy]\w?cingo woote frɛ
"""
CYRILLIC = r"""
т[еэ]л т[еэ]леф\w* патэлеф\w* моб мобил\w* мабіл\w* факс вац?тсап [пд]?о?звон\w* звані\w* дзван\w*
дзвон\w* ш[аы]лтырат\w* қоңырау\w* чалы\w* обад\w* позов\w* занг утас\w* контакт\w*
"""
OTHER = r"""
☎ ☏ ✆ 📞 📱 τηλ κινητ[όο] καλέστε զանգ հեռ ლეფონ \bტელ\b მობ დარეკ
ទូរស័ព្ទ ទូរសព្ទ โทร ໂທ ဖုန်း ስልክ ደውሉ
फ़ोन फोन मोबाइल सम्पर्क संपर्क ফোন মোবাইল ਫ਼ੋਨ ਫੋਨ ફોન ଫୋନ போன் தொலைபேசி ఫోన్ ಫೋನ್ ഫോൺ දුරකථන
تلفن تلفون هاتف موبا?یل جوال فون رابطہ تېلېفون טלפון נייד 电话 電話 手机 전화
"""


def _any(words: str) -> str:
    return "|".join(regex.split(r"(?<!\\)\s+", words.strip()))


WORD = regex.compile(rf"\b(?:{_any(LATIN)}|{_any(CYRILLIC)})\b|{_any(OTHER)}", regex.IGNORECASE)
"""Those of scripts whose words have endings or no borders are found anywhere."""
