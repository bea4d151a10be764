"""One reader of an engine."""

import re
from dataclasses import replace

import pytest
from serving import SlowEngine, toy_language_model

from endonym.commands.chat import Talk
from endonym.errors import EndonymError, RecipeError
from endonym.generate.sample import Sampling

GIVEN = {"max_tokens": 12, "min_tokens": 0}


def said_nothing(text: str) -> None:
    raise AssertionError(text)


def test_a_text_goes_on_as_in_generate_where_nothing_is_drawn() -> None:
    cold, engine = Sampling(temperature=0), SlowEngine()
    engine.template = "{{ messages[0]['content'] }}"  # type: ignore[assignment]
    with Talk(engine, said_nothing) as talk:
        raw = replace(cold, inside_word=True)
        found = "".join(p.text for p in talk.continued("Әбием мич", raw, **GIVEN))
        asked = [{"role": "user", "content": "Әбием мич"}]
        assert "".join(p.text for p in talk.answered(asked, cold, **GIVEN)) == found
        asked[0]["content"] = "Таң " * 40
        with pytest.raises(RecipeError, match=r"^MESSAGE: .* tokens, but a context of 64"):
            talk.answered(asked, cold, **GIVEN)
        model = toy_language_model()
        assert found == model.generate("Әбием мич", max_tokens=12, sampling=raw)
        for prompt in ("Әбием мич", "Әбием мич "):
            pieces = talk.continued(prompt, cold, **GIVEN)
            wanted = model.generate(prompt, max_tokens=12, sampling=cold)
            assert "".join(piece.text for piece in pieces) == wanted
        assert talk.tokens <= 12
        prompt = f"Әбием мич{found}"  # Its tokens are what comes next without the penalty.
        rare = Sampling(temperature=0, repetition_penalty=50)
        again = "".join(p.text for p in talk.continued(prompt, rare, **GIVEN))
        keys = {"temperature": 0, "repetition_penalty": 50}
        assert again == model.generate(prompt, max_tokens=12, **keys)
        assert talk.reason in ("stop", "length")
        with pytest.raises(RecipeError, match=r"^PROMPT: \d+ tokens, .* context is 64"):
            talk.continued("Таң " * 99, cold, **GIVEN)


def test_a_text_is_spelled_as_the_training_text() -> None:
    engine = SlowEngine()
    engine.spelled = lambda text: text.replace("ѳ", "ө")
    with Talk(engine, said_nothing) as talk:
        made = (talk.continued(text, Sampling(), **GIVEN) for text in ("ѳстенә", "өстенә"))
        assert len({"".join(piece.text for piece in pieces) for pieces in made}) == 1


def test_a_text_that_cannot_fit_is_not_even_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SlowEngine()
    engine.template = "{{ messages[0]['content'] }}"  # type: ignore[assignment]
    long = "Әбием мич " * 100_000
    with Talk(engine, said_nothing) as talk:
        monkeypatch.setattr(engine.vocabulary, "encode", said_nothing)
        with pytest.raises(RecipeError, match=r"^PROMPT: .* 1800000 bytes.*64 tokens"):
            talk.continued(long, Sampling(), **GIVEN)
        with pytest.raises(RecipeError, match=r"^MESSAGE: .* 1800000 bytes.*64 tokens"):
            talk.answered([{"role": "user", "content": long}], Sampling(), **GIVEN)


def test_reading_no_further_cancels() -> None:
    with Talk(SlowEngine(seconds=0.01), said_nothing) as talk:
        pieces = talk.continued("Таң", Sampling(), max_tokens=60, min_tokens=60)
        assert next(pieces).tokens
        pieces.close()  # type: ignore[attr-defined]
        again = "".join(p.text for p in talk.continued("Кич", Sampling(), **GIVEN))
        assert again
        assert talk._scheduler.counts.cancelled == 1


def test_a_failure_is_an_error() -> None:
    said: list[str] = []
    engine = SlowEngine()
    with Talk(engine, said.append) as talk:
        engine.seconds = -1.0
        with pytest.raises(EndonymError, match="could not be computed"):
            list(talk.continued("Таң", Sampling(), **GIVEN))
    assert said


@pytest.mark.parametrize("share", [0.0, 0.19])
def test_a_conversation_that_was_shortened_begins_with_a_question(share: float) -> None:
    """It is cut by its bytes before it is encoded, and by its tokens after."""
    said: list[str] = []
    engine = SlowEngine()
    engine.template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"  # type: ignore[assignment]
    with Talk(engine, said.append) as talk:
        size = max(6, int(share * talk._scheduler.most_bytes))
        roles = ["user", "assistant"] * 6 + ["user"]
        messages = [{"role": role, "content": "җ" * size} for role in roles]
        messages[-1]["content"] = "җыр"
        talk.answered(messages, Sampling(), **GIVEN)
    (kept,) = re.findall(r"the last (\d+) of 13 messages", " ".join(said))
    assert int(kept) % 2 == 1


def test_a_model_of_single_questions_reads_the_last_one_alone() -> None:
    said: list[str] = []
    engine, cold = SlowEngine(), Sampling(temperature=0)
    engine.template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"  # type: ignore[assignment]
    roles = ["user", "assistant"] * 2 + ["user"]
    messages = [{"role": role, "content": f"Таң {n}"} for n, role in enumerate(roles)]
    with Talk(engine, said.append) as talk:

        def answer(first: int) -> str:
            pieces = talk.answered(messages[first:], cold, **GIVEN)
            return "".join(piece.text for piece in pieces)

        wanted = {turns: answer(first) for turns, first in ((1, 4), (2, 2), (0, 0))}
        for turns, text in wanted.items():
            engine.turns = turns
            assert answer(0) == text
    (told,) = said
    assert "the last 1 message," in told


def test_a_system_message_stands_before_what_is_kept_of_a_conversation() -> None:
    engine, cold = SlowEngine(), Sampling(temperature=0)
    engine.template = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }} {% endfor %}"  # type: ignore[assignment]
    engine.turns = 1
    system, asked = ({"role": r, "content": t} for r, t in (("system", "Кыска"), ("user", "Таң?")))
    before = [asked, {"role": "assistant", "content": "Ата."}]
    said: list[str] = []
    with Talk(engine, print) as plain, Talk(engine, said.append, system="Кыска") as talk:
        wanted = [each.text for each in plain.answered([asked], cold, **GIVEN)]
        engine.turns = 0
        with_system = [each.text for each in plain.answered([system, asked], cold, **GIVEN)]
        engine.turns = 1
        found = [each.text for each in talk.answered([*before, asked], cold, **GIVEN)]
        engine.turns, long = 0, [*before * 9, asked]  # more than the context holds
        shortened = [each.text for each in talk.answered(long, cold, **GIVEN)]
        (kept,) = re.findall(r"the last (\d+) of 19 messages", " ".join(said))
        whole = plain.answered([system, *long[-int(kept) :]], cold, **GIVEN)
        assert shortened == [each.text for each in whole]
    assert found == with_system != wanted
