"""Masks of personal data."""

import time

import pytest

from endonym.text.clean.personal import KINDS, mask


def masked(text: str) -> str:
    for kind in KINDS:
        text = mask(kind, f"<{kind}>")(text)
    return text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Язып җибәр: alsu.99@poçta.tatar яисә шалтырат.", "Язып җибәр: <email> яисә шалтырат."),
        ("Écrivez à l’adresse marie+jeux@exemple.fr.", "Écrivez à l’adresse <email>."),
        ("Телефон: +7 (843) 292-12-34, кич белән.", "Телефон: <phone>, кич белән."),
        ("8 (843) 292-12-34", "<phone>"),
        ("(843) 292 12 34", "<phone>"),
        ("Appelez le 01 23 45 67 89 !", "Appelez le <phone> !"),
        ("Sunați la 0721-234-567.", "Sunați la <phone>."),
        ("កាត 4111 1111 1111 1111 ។", "កាត <card> ។"),
        ("адрес 192.168.10.7:8080", "адрес <ip>:8080"),
        ("2001:db8:0:0:0:ff00:42:8329 дип яза", "<ip> дип яза"),
    ],
)
def test_the_usual_forms_are_found(text: str, found: str):
    assert masked(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "1941–1945 елларда, 22.06.1941 көнне",
        "ISBN 978-5-298-01234-5, 1 234 567 кеше",
        "сәгать 12:30:45, 2.13.0 версиясе",
        "4111 1111 1111 1112",  # the check digit is wrong
        "std::vector<int> a::b",
        "бәясе 8 500 сум, @исем, a@b",
        "999.999.999.999",
        "10 000 000 de lei în 2021-2022",
    ],
)
def test_other_numbers_stay(text: str):
    assert masked(text) == text


def test_a_mask_is_not_masked_again():
    text = masked("alsu@pochta.ru +7 843 292 12 34 4111-1111-1111-1111 10.0.0.1")
    assert text == "<email> <phone> <card> <ip>"
    assert masked(text) == text


@pytest.mark.parametrize("run", ["a", "1", "1 ", "+1", "a.", "1-", "(1", "a@", "1:", "0 12"])
def test_long_runs_of_anything_take_linear_time(run: str):
    start = time.process_time()
    masked(run * 100_000)
    assert time.process_time() - start < 15
