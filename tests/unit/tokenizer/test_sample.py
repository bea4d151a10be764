"""Which texts a tokenizer is trained on: spread evenly, or by the shares of their sources."""

import collections
from collections.abc import Iterator

import pytest

from endonym.errors import TokenizerError
from endonym.tokenizer.train import by_shares, evenly

KHMER, TATAR = "ស្រីតូច", "Кояш чыкты, кош оча"


def documents() -> Iterator[tuple[str, str]]:
    for _ in range(300):
        yield "khmer", KHMER
        yield "tatar", TATAR
        yield "tatar", TATAR
        yield "french", "un soir"


def taken(shares: dict[str, float], limit: int = 10**9) -> dict[str, int]:
    sizes = collections.Counter[str]()
    for text in by_shares(documents, shares, limit)():
        sizes[text[:1]] += len(text.encode())
    return {name: sizes[each[:1]] for name, each in (("khmer", KHMER), ("tatar", TATAR))}


def test_sources_have_the_shares_that_were_asked_for() -> None:
    sizes = {"khmer": 300 * len(KHMER.encode()), "tatar": 600 * len(TATAR.encode())}
    found = taken({"khmer": 0.6, "tatar": 0.4})
    # All of the Khmer text is used, and as much Tatar as belongs to it.
    assert found["khmer"] == pytest.approx(sizes["khmer"], abs=30)
    assert found["tatar"] == pytest.approx(sizes["khmer"] * 0.4 / 0.6, abs=40)
    # The larger source is the scarce one where its share is larger still.
    uneven = taken({"khmer": 0.05, "tatar": 0.95})
    assert uneven["tatar"] == pytest.approx(sizes["tatar"], abs=40)
    assert uneven["khmer"] == pytest.approx(sizes["tatar"] * 0.05 / 0.95, abs=30)
    small = taken({"khmer": 0.5, "tatar": 0.5}, limit=4_000)
    assert small == pytest.approx({"khmer": 2_000, "tatar": 2_000}, abs=3)


def test_a_share_that_cannot_be_filled_is_named() -> None:
    with pytest.raises(TokenizerError, match="bashkir has 0 bytes") as caught:
        by_shares(documents, {"tatar": 0.4, "bashkir": 0.6}, 10**9)
    assert caught.value.where == "tokenizer.sources.bashkir"
    with pytest.raises(TokenizerError, match="french has 2,100 bytes of training text"):
        by_shares(documents, {"tatar": 0.1, "french": 0.9}, 10**9)


def test_every_k_th_document_is_taken() -> None:
    texts = [f"{n:04d}" for n in range(100)]
    assert list(evenly(lambda: iter(texts), 80)()) == texts[::5]
    assert list(evenly(lambda: iter(texts), 150)()) == texts[::3]
    assert list(evenly(lambda: iter(texts), 10**6)()) == texts
