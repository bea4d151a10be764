"""What a text can feed."""

from text_samples import TATAR

from endonym.autopilot.potential import potential


def test_more_text_feeds_a_larger_model():
    small = potential(200_000, 110_000, 1_000, TATAR * 20)
    large = potential(200_000_000, 110_000_000, 1_000_000, TATAR * 20)
    assert small.parameters < large.parameters
    assert small.vocab < large.vocab
    assert small.as_dict()["layers"] == small.layers


def test_tokens_follow_from_a_tokenizer_that_is_tried():
    found = potential(100_000, 55_000, 500, TATAR * 30)
    assert 100_000 / 20 < found.tokens < 100_000
    assert potential(100_000, 55_000, 500, []).tokens == 25_000


def test_no_text_is_no_error():
    assert potential(0, 0, 0, []).tokens == 0
