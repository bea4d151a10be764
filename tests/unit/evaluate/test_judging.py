"""What judges are asked and answer: rubrics, verdicts and grades; nonsense is no answer."""

from pathlib import Path

import pytest

from endonym.errors import RecipeError
from endonym.evaluate.judging import choice_in, evened, grade_in, read_rubric
from endonym.evaluate.writing import Written


@pytest.mark.parametrize(("answer", "choice"), [
    ("Verdict: A", "A"), ("verdict: b.", "B"), ("**Verdict:** **tie**", "tie"), ("B", "B"),
    ("[A]\n", "A"), ("Both are short.\nVerdict: B\n", "B"), ("Verdict: A\n\nVerdict: A", "A"),
    ("Verdict: A is more fluent than B.", "A"), ("Verdict: a tie", "tie"), ("A tie.", "tie"),
    ("**Verdict: A tie**", "tie"), ("Verdict: a tie between A and B", "tie"),
    ("Verdict: A. B has mistakes.", "A"), ("Verdict: A, but B is close", "A"),
    ('{"verdict": "B"}', "B"), ("Verdict: B — la phrase est juste", "B"),
    ("Verdict: B because A repeats", "B"), ("Verdict: A (more fluent)", "A"),
    ("Verdict: A\nA is more fluent.", "A"),
])  # fmt: skip
def test_a_verdict_is_found(answer: str, choice: str) -> None:
    assert choice_in(answer) == choice


@pytest.mark.parametrize("answer", [
    "", "…", "Verdict:", "Verdict: C", "Verdict: A or B", "Verdict: A/B", "A B", "AB",
    "Verdict: A\nVerdict: B\nVerdict: tie", "Текст А яхшырак.", "<html>Connexion</html>",
    "Verdict: A = B", "Verdict: A > B", "Verdict: A - B", "Verdict: A & B", "Verdict: A (or B)",
    "Verdict: A lot of mistakes in both; tie", "Verdict: A and B are tied", "Verdict: tie (A)",
    "Verdict: A vs B, B", "Verdict: A is worse than B", "Verdict: A, B", "Verdict: tie or A",
    "I prefer A.", "Verdict: the text that stands first", "Verdict: Alright",
])  # fmt: skip
def test_what_is_no_verdict_is_none(answer: str) -> None:
    assert choice_in(answer) is None


@pytest.mark.parametrize(("answer", "grade"), [
    ("grammar: 4", 4), ("**Grammar**: 2", 2), ('{"grammar": 5, "fit": 1}', 5), ("grammar: 3/5", 3),
    ("fit: 1\ngrammar: 4\n", 4), ("grammar = 1.", 1), ("grammar: 4\n2. fit: 3", 4),
    ("grammar: 4.0", 4), ("grammar (1-5): 4", 4), ("grammar: 4 / 5.", 4), ("grammar: [4]", 4),
    ("grammar: 4 out of 5", 4), ("grammar: 4 (Fehler: 1)", 4), ("grammar: 4 — deux fautes", 4),
    ("grammar: 4, fit: 3", 4),
])  # fmt: skip
def test_a_grade_is_found(answer: str, grade: int) -> None:
    assert grade_in(answer, "grammar") == grade


@pytest.mark.parametrize("answer", [
    "", "grammar: 0", "grammar: 6", "grammar: 10", "grammar: 3.5", "grammar: 3-4", "grammar: -3",
    "grammar: 8/10", "grammar: good", "fit: 3", "grammar: 3\ngrammar: 4", "3",
    "grammar: 3 or 4", "grammar: 3 to 4", "grammar: 3 (or 4)", "grammar: 4½", "grammar: 4 1/2",
    "grammar: 3—4", "grammar: 3 – 4", "grammar: 3 & 4", "grammar: 2 → 3", "grammar: 3~4",
    "grammar: 4 out of 10", "grammar: 4 of 10", "grammar: 3 and a half", "grammar: 4.05",
    "grammar: 3\ngrammar: 3.5", "grammar: 4/50",
    "grammar:\n1: No sentence is right", "ungrammar: 3",
])  # fmt: skip
def test_what_is_no_grade_is_none(answer: str) -> None:
    assert grade_in(answer, "grammar") is None


@pytest.mark.timeout(60)
@pytest.mark.parametrize("sign", ["=", ":", " ", "-", "1", "1-", "*"])
def test_long_nonsense_takes_no_long_time(sign: str) -> None:
    assert choice_in("verdict" + sign * 1_000_000) is None
    assert grade_in("grammar:" + sign * 1_000_000, "grammar") is None


def test_questions_hold_texts_as_they_are() -> None:
    """Also texts with braces, and names of fields."""
    rubric = read_rubric(None)
    asked = rubric.pair_question("Tatar", "Куян {a}", "барды {b}", "{prompt} йөгерде")
    assert "<prompt>\nКуян {a}\n</prompt>" in asked
    assert "<text_A>\nбарды {b}\n</text_A>" in asked
    assert "<text_B>\n{prompt} йөгерде\n</text_B>" in asked
    assert "texts in Tatar, A and B" in asked
    graded = rubric.grade_question("Khmer", "ព្រះអាទិត្យ", "រះ {text}")
    assert "<text>\nរះ {text}\n</text>" in graded
    for name, of in rubric.criteria.items():
        assert {*of} == {*"12345"}
        assert f"{name}: …" in graded
        assert all(f"{grade}: {text}" in graded for grade, text in of.items())


OWN = "\n".join(['[criteria."теле"]', *(f'{grade} = "дәрәҗә {grade}"' for grade in range(1, 6))])


def test_a_rubric_of_ones_own_keeps_the_questions(tmp_path: Path) -> None:
    path = tmp_path / "rubric.toml"
    path.write_text(OWN, encoding="utf-8")
    own, usual = read_rubric(path), read_rubric(None)
    assert {*own.criteria} == {"теле"}
    assert (own.pair, own.grades) == (usual.pair, usual.grades)
    assert "теле: …" in own.grade_question("Tatar", "Таң", "атты")
    assert grade_in("Теле: 4", "теле") == 4
    path.write_text('pair = "{prompt}: {a} {b}?"\n' + OWN, encoding="utf-8")
    assert read_rubric(path).pair_question("Tatar", "Таң", "1", "2") == "Таң: 1 2?"


@pytest.mark.parametrize(("text", "said"), [
    ("", "no criteria"), ("x", "no TOML"), ("criteria = 3", "no criteria"),
    (OWN + "\n6 = 'x'", "grades 1 to 5"), (OWN.replace("5 =", "6 ="), "grades 1 to 5"),
    (OWN.replace('"дәрәҗә 5"', '" "'), "grades 1 to 5"), ("par = 'x'\n" + OWN, "par is no key"),
    ("pair = '{prompt} {a}'\n" + OWN, "{b} must stand"), ("grades = 7\n" + OWN, "{prompt} must"),
])  # fmt: skip
def test_a_wrong_rubric_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "rubric.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        read_rubric(path)
    assert said in caught.value.message
    assert caught.value.where == str(path)
    assert "criteria.NAME" in caught.value.do


def test_a_rubric_in_another_encoding_or_none_at_all_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rubric.toml"
    with pytest.raises(FileNotFoundError):
        read_rubric(path)
    path.write_bytes("слово = 1".encode("cp1251"))
    with pytest.raises(RecipeError, match="no TOML"):
        read_rubric(path)


def test_where_texts_are_cut_all_are_as_long_as_the_shortest_of_these() -> None:
    cut, short = Written("Le facteur ouvre la", False), Written("Le chat.", True)
    longer = Written("Le facteur ouvre la porte et", False)
    whole = Written("Le facteur ouvre la porte et sort de la maison.", True)
    assert evened([cut, longer, whole, short]) == [cut.text, cut.text, cut.text, short.text]
    assert evened([whole, short]) == [whole.text, short.text]
    assert evened([Written("", False), whole]) == ["", ""]
    assert evened([Written("ab", False), Written("កុមារា", True)])[1] == "កុ"
