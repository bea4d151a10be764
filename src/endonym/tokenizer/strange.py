"""Strings that no tokenizer may lose, and that two programs must read alike."""

from endonym.tokenizer.config import SPECIALS

STRANGE = (
    "",
    " ",
    "   three spaces   and three more   ",
    "\t\ttabs\tand \t spaces",
    "one\ntwo\n\nthree\r\nfour\rfive\n\n\n\n six",
    "\u0915\u094d\u0937\u093f \u1780\u17d2\u1798\u17c2\u179a e\u0301a\u0308\u0327 \u0301alone",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 "
    "\U0001f1f7\U0001f1f4 \u2764\ufe0f\U0001f3fd",
    "\u1796\u17b6\u1780\u17d2\u1799\u200b\u1798\u17bd\u1799\u200c\u200d\u2060\ufeffend",
    "1234567890 3,14 \u0661\u0662\u0663 \u17e1\u17e2\u17e3 \u00bd\u00b2 "
    "1\u0432\u0442\u043e\u0440\u043e\u0439",
    "latin\u043a\u0438\u0440\u0438\u043b\u043b\u01e3\u0581\u05d0\u0628\u4e2d\u6587\ud55c\uae00\u3042\u30a2\u0e44\u0e17\u0e22",
    "<|endoftext|> <|im_start|>user <s></s><unk><pad>[CLS] <0x0A><0xE1>",
    "a\x00b\x01\x02\x07\x08\x0b\x0c\x1b[31m\x7f\x80\x85\x9f\u2028\u2029\ufffe\U0010ffff",
    "don't I'LL we've l'\u017fouhait '\u017ftand \u2019tis l\u2019\u00e9t\u00e9 "
    "\u201e\u0219\u021b\u201d "
    "\u2014 \u2026 ... !!! ??",
    "\u2581\u2581lower\u2581one eighth\u2581 \u0120\u010a\u0100",
    "AAAAAAAAAAAAAAAA\u0430\u0430\u0430\u0430\u0430\u0430\u0430\u0430 "
    "haha\u0445\u0430\u0445\u0430\u0445\u0430\u0445\u0430\u0445\u0430",
    "\ufefftext after a byte order mark",
    "\U00010348\U0001d11e\U000e0001\u202eright to left\u202c\u0644\u0627",
    *SPECIALS.values(),
    "<0x0A>",
    "<0xFF>",
)
"""Strings on which tokenizers of two programs are known to differ, or that tokenizers lose."""
