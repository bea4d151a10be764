"""The closer look of the report: by position and length, calibration, coloured tokens."""

import re
from importlib.resources import files

from text_samples import KHMER, TATAR

from endonym.evaluate.breakdown import Bin, Surprise
from endonym.evaluate.score import TOO_FEW, UNEVEN
from endonym.report.closely import closely
from endonym.report.page import render
from endonym.serve.pieces import SURPRISE_BITS

ARABIC = "كان يا ما كان"


def bin_of(by: str, begin: float, end: float | None, value: float, **keys: object) -> Bin:
    usual = {"split": "test", "text": "document", "low": value - 0.1, "high": value + 0.1}
    made = {"by": by, "begin": begin, "end": end, "value": value, "n_documents": 12, "size": 3400}
    return Bin(**usual | made | keys)


POSITIONS = [
    bin_of("position", 0, 100, 2.25),
    bin_of("position", 1000, 3000, 1.5, low=None, high=None, no_interval=UNEVEN),
    bin_of("position", 3000, 10_000, 1.5, low=None, high=None, no_interval=TOO_FEW),
    bin_of("position", 100_000, None, 1.25),
]


def surprise(*pieces: tuple[str, float], is_cut: bool = False) -> Surprise:
    return Surprise("test", "document", "китап", pieces, is_cut)


def test_each_bin_of_positions_has_its_bits_interval_and_counts() -> None:
    (found,) = closely(POSITIONS, [])
    (part,) = found.parts
    assert [row[:3] for row in part.rows[1:]] == [
        ["0–100", "2.250", "2.150–2.350"],
        ["1\u202f000–3\u202f000", "1.500", "uneven"],
        ["3\u202f000–10\u202f000", "1.500", "too few"],
        ["from 100\u202f000", "1.250", "1.150–1.350"],
    ]
    html = render("closely.html", {"each": found})
    assert "<summary>Test documents, looked at closely" in html
    assert "<h3>By position</h3>" in html
    assert "one document has a large part of these bytes" in html
    assert "<h3>Calibration</h3>" not in html
    assert closely(POSITIONS[:1], [])[0].parts == [], "of one bin the score itself is told above"


def test_the_reliability_curve_is_told_in_figures_and_drawn() -> None:
    chances = [
        bin_of("confidence", 0.2, 0.3, 0.25, expected=0.25, size=30),
        bin_of("confidence", 0.9, None, 0.5, expected=0.95, size=10),
    ]
    (found,) = closely(chances, [])
    html = render("closely.html", {"each": found})
    assert "42.5 % on average" in html, "(0.25 · 30 + 0.95 · 10) / 40"
    assert "in 31.2 % of the places. Expected calibration error: 0.113." in html
    assert "<td>90–100 %</td><td>95.0 %</td><td>50.0 %</td>" in html
    assert html.count("<circle") == 4, "two dots, drawn for a screen and for a phone"


def test_every_token_has_the_colour_of_its_surprise_and_says_it_in_words() -> None:
    pieces = [("Бүген", 0.4), (" һава", 1.0), (" бик\n", 13.5), ("</p><script>", 5.0), (" ", 20.0)]
    (found,) = closely(POSITIONS, [surprise(*pieces, is_cut=True)])
    (text,) = re.findall(
        r'<p class="text surprise" dir="auto">(.*?)</p>',
        render("closely.html", {"each": found}),
        re.S,
    )
    assert text == (
        '<span class="s0" title="0.4 bits">Бүген</span> '
        '<span class="s1" title="1.0 bits">һава</span> '
        '<span class="s6" title="13.5 bits">бик</span>\n'
        '<span class="s3" title="5.0 bits">&lt;/p&gt;&lt;script&gt;</span>  …'
    )
    for whole in (KHMER[0], ARABIC, TATAR[0]):
        (found,) = closely(POSITIONS, [surprise((whole[:3], 1.0), (whole[3:], 2.0))])
        html = render("closely.html", {"each": found})
        assert whole in re.sub("<[^>]*>", "", html), "no sign is lost or put between"


def test_personal_data_in_a_coloured_text_is_hidden_across_its_tokens() -> None:
    pieces = [("тел. +7 84", 1.0), ("3 292-", 2.0), ("11-22, Айгөл", 3.0)]
    (found,) = closely(POSITIONS, [surprise(*pieces)], "tt")
    html = render("closely.html", {"each": found})
    assert "84" not in html.split("Surprise of each token")[1]
    assert "██, Айгөл</span>" in html


def test_the_report_the_terminal_and_the_page_of_serve_have_one_scale() -> None:
    page = files("endonym.serve").joinpath("page")
    (limits,) = re.findall(r"LIMITS = \[(.*?)\]", page.joinpath("shared.js").read_text("utf-8"))
    assert tuple(map(int, limits.split(", "))) == SURPRISE_BITS
    (found,) = closely(POSITIONS, [surprise(("Бүген", 1.0))])
    names = re.findall(
        r'<span class="s(\d)">([^<]*)</span>', render("closely.html", {"each": found})
    )
    begins = [0, *SURPRISE_BITS]
    ranges = [f"{begin}–{end}" for begin, end in zip(begins, SURPRISE_BITS, strict=False)]
    wanted = [*ranges, f"over {SURPRISE_BITS[-1]}"]
    assert names == [(str(n), name) for n, name in enumerate(wanted)]
    for file in ("index.html", "studio.html"):
        html = page.joinpath(file).read_text("utf-8")
        assert wanted == re.findall(r'<span class="s\d">([^<]*)</span>', html)
