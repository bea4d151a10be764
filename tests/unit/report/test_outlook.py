"""The report's first screen: what a model's texts are like, and a compressor beside it."""

from made_scores import score
from toys import toy_tokenizer

from endonym.cleaning.measures import is_unbroken
from endonym.pipeline.evaluation import questions
from endonym.report.first_look import Counts, FirstLook, counts_of, last_message, units_of
from endonym.report.outlook import beside_compressor, expectation, level
from endonym.tokenizer.chat_template import CHATML

TRAINING = [
    "Кичә без урманга бардык һәм җиләк җыйдык.",
    "Иртәгә без урманга барабыз, ә бүген өйдә калабыз.",
    "Бүген без өйдә китап укыйбыз.",
]
KHMER = "ខ្ញុំចង់ទៅសាលារៀន។ គាត់មិនទៅទេ។"


def look(written: Counts, usual: Counts, *, by_pieces: bool = False) -> FirstLook:
    return FirstLook([("", "Таң атты.")], written, usual, by_pieces=by_pieces)


def test_words_are_looked_up_in_the_training_text_and_those_of_a_text_in_the_others() -> None:
    text = "Бүген без урманга бардык, кәчтерек."
    written, usual = counts_of([text], lambda: iter(TRAINING), by_pieces=False)
    assert (written.words, written.known[0]) == (5, 0.8)
    assert written.known[1] == 1 / 3, "threes, across commas"
    # That another text has: без урманга; без урманга бүген өйдә; бүген без өйдә.
    assert (usual.words, usual.known[0]) == (20, 9 / 20)


def test_a_script_without_blanks_is_looked_up_by_letters_with_their_signs() -> None:
    assert is_unbroken(KHMER)
    assert not is_unbroken(TRAINING[0])
    first, *_, last = units_of(KHMER, by_pieces=True)
    assert units_of("او می‌رود", by_pieces=False) == ["او", "می‌رود"]
    assert (first, last) == ("ខ្ញុំចង់", "នទៅទេ")
    written, _ = counts_of([KHMER], lambda: iter([KHMER] * 2), by_pieces=True)
    assert written.known == (1.0, 1.0)


def test_of_a_conversation_the_last_message_is_shown_as_a_person_wrote_it() -> None:
    tokenizer = toy_tokenizer.__wrapped__("bpe")  # one of its own: it gets a template
    tokenizer.chat_template = CHATML
    for text in ("Әбием кайда?\nБакчада.", "Où est <|im_end|> ?"):
        (ids,) = questions([text], tokenizer)
        assert last_message([*ids[:3], *ids], tokenizer) == f"{text}\n"
    assert expectation(FirstLook([], *[Counts(0, (0.0, 0.0), 0.0)] * 2, by_pieces=False), 0.9) == []


def test_levels_are_of_real_words_and_of_what_is_known_beyond_the_last_token() -> None:
    usual = Counts(900, (0.85, 0.2), 0.0)
    cases = [(0.3, 0.9), (0.66, 0.9), (0.84, 0.9), (0.84, 0.5), (0.85, 0.2), (0.66, 0.2)]
    names = [level(Counts(900, (words, 0.1), 0.0), usual, bits) for words, bits in cases]
    assert names == ["letters", "made_up", "words", "phrases", "sentences", "made_up"]
    noise = level(Counts(900, (0.1, 0.0), 0.0), usual, 0.9)
    looping = level(Counts(900, (1.0, 0.0), 0.97), usual, 0.2)
    assert (noise, looping) == ("noise", "words"), "another script, one word over and over"
    said = " ".join(expectation(look(Counts(900, (0.66, 0.1), 0.0), usual), 0.9))
    assert "Of 100 words that it writes, 66 stand" in said
    assert "85 stand in the others" in said


def test_what_is_learnt_by_heart_or_repeated_is_said() -> None:
    usual = Counts(900, (0.85, 0.2), 0.0)
    plain, by_heart, repeats = (
        expectation(look(Counts(900, known, repeated), usual), 0.9)
        for known, repeated in (((0.85, 0.2), 0.0), ((0.99, 0.8), 0.0), ((0.85, 0.2), 0.4))
    )
    assert (len(by_heart), len(repeats)) == (len(plain) + 1,) * 2
    assert "word for word" in by_heart[2]
    assert "repeats itself" in repeats[2]
    nothing = expectation(look(Counts(0, (0.0, 0.0), 0.0), usual), 0.9)
    assert nothing == ["It writes nothing yet."]


def test_two_ways_of_reading_give_one_sentence_about_the_compressor() -> None:
    """Where one of them is ahead of the compressor and the other is not, neither is claimed."""

    def said(of_documents: float, of_blocks: float) -> str:
        scores = [score("bigram", 2.0), score("compressor", 1.5), score("model", of_documents)]
        values = {"bigram": 2.0, "compressor": 1.5, "model": of_blocks}
        scores += [score(name, value, text="block") for name, value in values.items()]
        return beside_compressor(scores)

    assert said(1.2, 1.2).startswith("It predicts unseen texts better than a compressor")
    assert said(1.8, 1.8).startswith("A compressor that has read the same texts still predicts")
    assert said(1.2, 1.8).startswith("It predicts unseen texts about as well as a compressor")
    assert beside_compressor([score("model", 1.2)]) == ""
    chat = [score("compressor", 1.5), score("bigram", 2.0), score("model", 1.234)]
    assert "cost 0.13 bits a byte" in beside_compressor([*chat, score("before", 1.1)])
    assert "cost" not in beside_compressor([*chat, score("before", 1.231)])
    assert "cost" not in beside_compressor([*chat, score("before", 1.4)])
