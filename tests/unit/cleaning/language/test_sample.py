"""What the model of letters is learnt from."""

import random
from pathlib import Path

import pytest
from made_dirt import lines_of
from text_samples import FRENCH, ROMANIAN, RUSSIAN, TATAR

from endonym.cleaning.keyed import key_of, keyed
from endonym.cleaning.language import sample
from endonym.cleaning.language.identify import Identifier
from endonym.cleaning.language.sample import Learnt, drawn_paragraphs, learn, smallest_keys
from endonym.cleaning.language.votes import langid_vote, reliable_code


def sampled(texts: list[str], most: int = 10**6) -> list[str]:
    paragraphs = {key: each for text in texts for key, each in sample.candidates(text)}
    return list(drawn_paragraphs(paragraphs, most).values())


def test_the_sample_is_the_same_in_any_order_and_bounded():
    lines = lines_of("fr")
    shuffled = random.Random(1).sample(lines, len(lines))
    one, other = sampled(lines, 5_000), sampled(shuffled, 5_000)
    assert one == other
    assert 5_000 <= sum(map(len, one)) < 7_000


@pytest.mark.parametrize("most", [1, 5_000, 10**6])
def test_keys_of_parts_merge_to_those_of_the_sample_of_the_whole(most: int):
    lines = lines_of("fr")
    parts = (lines[40:], lines[:40], lines[30:50])
    rows = [
        keyed([(k, len(p)) for line in part for k, p in sample.candidates(line)]) for part in parts
    ]
    merged = smallest_keys([smallest_keys([rows[0]], most), *rows[1:]], most)
    expected = [key_of(paragraph) for paragraph in sampled(lines, most)]
    assert merged[:, 0].tolist() == expected
    assert smallest_keys([merged[:0]], most).tolist() == []


def test_copies_count_once_and_short_lines_not_at_all():
    text = "\n".join([TATAR[0], TATAR[0], "Кояш чыкты."])
    assert sampled([text, text]) == [TATAR[0]]
    assert sorted(map(len, sampled(["ә" * 29, "ә" * 30, "ә" * 1_001]))) == [30, 1_000]


def test_a_foreign_language_in_the_corpus_is_a_class_of_its_own():
    dirty = [*lines_of("fr"), *lines_of("ro")]
    learnt = learn(sampled(dirty), "fr", {})
    assert learnt.model.codes == ("fr", "ro")
    assert not learnt.knows_neighbours


def test_a_paragraph_that_libraries_do_not_name_goes_to_the_language_it_is_like():
    whole, more = lines_of("ro")[:25], lines_of("ro")[25:]
    pieces = [" ".join(line.split()[:7]) for line in more]
    learnt = learn(sampled([*lines_of("fr"), *whole, *pieces]), "fr", {})
    assert Identifier("fr", learnt).own_odds(["Un olar din Horezu își pusese farfuriile"]) == [-6]


def test_one_library_alone_names_no_other_language():
    line = "À force de regarder le nombre, on ne regarde plus la chose."
    assert (reliable_code(line), langid_vote(line).code) == ("en", "fr")
    learnt = learn(sampled([*lines_of("fr"), *(f"{n} {line}" for n in range(40))]), "fr", {})
    assert learnt.model.codes == ("fr",)


def test_a_language_that_one_library_knows_is_a_class_of_its_own():
    tigrinya = "ብመንጽር ክብርን መሰልን ኩሎም ሰባት እንትውለዱ ነፃን ማዕሪን እዮም።"
    amharic = "የሰው ልጅ ሁሉ ሲወለድ ነጻና በክብርና በመብትም እኩልነት ያለው ነው።"
    lines = [
        f"{n} {line}" for line, count in ((amharic, 300), (tigrinya, 60)) for n in range(count)
    ]
    learnt = learn(sampled(lines), "am", {})
    assert learnt.model.codes == ("am", "ti")
    assert learnt.others == pytest.approx(1 / 6)


def test_too_little_text_gives_no_model():
    assert learn(["ә" * 1_000] * 4, "tt", {}) is None is not learn(["ә" * 1_250] * 4, "tt", {})


def test_a_language_that_no_library_knows_is_learnt_from_its_own_texts():
    """French under a code that the libraries do not know, with Russian and Romanian among it."""
    dirty = [*lines_of("fr"), *lines_of("ro")[:12], *RUSSIAN]
    learnt = learn(sampled(dirty), "x-gasconha", {})
    assert learnt is not None
    identifier = Identifier("x-gasconha", learnt)
    assert all(identifier.score(text) > 0.6 for text in FRENCH)
    assert all(identifier.score(text) < 0.6 for text in [*RUSSIAN, *TATAR])


def test_texts_to_contrast_with_are_classes_and_count_for_more():
    texts = sampled(lines_of("tt"))
    learnt = learn(texts, "tt-RU", {"ru": RUSSIAN * 20, "tt": RUSSIAN * 400})
    assert learnt.model.codes == ("tt", "ru")
    assert learnt.knows_neighbours
    assert Identifier("tt", learnt).own_odds([TATAR[0], RUSSIAN[0], FRENCH[0]]) == [4, -6, -6]
    # Of languages with little text all texts together are a class, if they are enough.
    for times, codes in ((5, ("tt", "others")), (2, ("tt",))):
        few = {"ru": RUSSIAN * times, "ro": ROMANIAN * times}
        assert learn(texts, "tt", few).model.codes == codes


def test_a_small_corpus_keeps_its_model_next_to_much_text_of_a_near_neighbour():
    """The neighbour's texts are the same language here, so every paragraph goes over to them."""
    texts = sampled(lines_of("tt"))
    neighbour = {"ba": [" ".join(text.split()[1:]) for text in texts] * 3}
    learnt = learn(texts, "tt", neighbour)
    assert learnt is not None
    assert not learnt.knows_neighbours
    assert all(own < 0 for own in Identifier("tt", learnt).own_odds([*RUSSIAN, *FRENCH]))


def test_what_was_learnt_comes_back_from_its_folder(tmp_path: Path):
    learnt = learn(sampled(lines_of("fr")), "fr", {})
    learnt.save(tmp_path)
    again = Learnt.load(tmp_path)
    assert (again.least, again.others) == (learnt.least, learnt.others)
    assert again.knows_neighbours == learnt.knows_neighbours
    odds = [Identifier("fr", each).own_odds([*FRENCH, *TATAR]) for each in (learnt, again)]
    assert odds[0] == pytest.approx(odds[1])
