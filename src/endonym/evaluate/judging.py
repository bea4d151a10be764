"""What a judge is asked about texts, and what its answers say."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import regex

from endonym.disk import open_regular, packaged_tables
from endonym.errors import RecipeError, first_line
from endonym.evaluate.writing import Written
from endonym.script.languages import language_name
from endonym.script.letters import beginning

GRADES = ("1", "2", "3", "4", "5")
TIE = "tie"
CHOICE = r"(?:an?\s+(?=tie))?(?P<choice>A|B|tie)"
ENDS = r"""(?=[^\S\n]*(?:$|\n|[.,;:!?()\]}*"'`»”])|\s+(?:[–—-]\s|because\b))"""
"""What may follow a choice or a grade: in "A = B", "A lot of" and "4½" there is none."""
ALONE = regex.compile(rf"\W*{CHOICE}\W*", regex.IGNORECASE)
VERDICT = regex.compile(
    rf"verdict[^\w:]*:\W*{CHOICE}(?:{ENDS}|(?<=tie)(?=\s+between\b)"
    r"|(?=\s+is\s+(?:the\s+)?(?:better|best|more)\b))"
    r"(?![^\w\n.;:!?]*(?:(?:or|and)\b\W*)?(?:A|B|tie)\b)",
    regex.IGNORECASE,
)
GRADE = regex.compile(
    rf"([1-5])(?:[.,]0)?(?:\s*(?:/|(?:out )?of)\s*5)?{ENDS}"
    r"(?![^\w\n]*(?:(?:or|and|to)\b[^\w\n]*)?\d)",
    regex.IGNORECASE,
)
UNREADABLE = "unreadable"
"""Why an answer is none that is a text, but not one that was asked for."""
FIELDS = {"pair": ("prompt", "a", "b"), "grades": ("prompt", "text", "criteria", "lines")}
"""What must stand in braces in each question."""
FORM = (
    "A table [criteria.NAME] for each criterion, with a text for each grade 1 to 5; and, if you "
    "like, pair and grades, the questions (docs/judges.md)."
)


class Question(NamedTuple):
    """One question. number: of its prompt. systems: whose texts stand in it, in this order."""

    number: int
    systems: tuple[int, ...]
    text: str


class Rubric(NamedTuple):
    """The questions, with fields in braces, and what each grade of each criterion means."""

    pair: str
    grades: str
    criteria: Mapping[str, Mapping[str, str]]

    def questions(
        self, language: str, prompts: Sequence[str], texts: Sequence[Sequence[str]]
    ) -> list[Question]:
        """Of each prompt the first two texts in both orders, and then each text for its grades.

        language: its code, or empty. texts: of each prompt, one of each system.
        """
        found = list[Question]()
        name = language_name(language) or "one language"
        for n, (prompt, row) in enumerate(zip(prompts, texts, strict=True)):
            for order in ((0, 1), (1, 0)) if len(row) > 1 else ():
                sides = (row[each] for each in order)
                found.append(Question(n, order, self.pair_question(name, prompt, *sides)))
            for system, text in enumerate(row):
                asked = self.grade_question(name, prompt, text)
                found.append(Question(n, (system,), asked))
        return found

    def pair_question(self, language: str, prompt: str, first: str, second: str) -> str:
        """The question which of two texts is better."""
        return _filled(self.pair, language=language, prompt=prompt, a=first, b=second)

    def grade_question(self, language: str, prompt: str, text: str) -> str:
        """The question for the grades of a text."""
        described = [
            "\n".join(
                [f"{name}:", *(f"{grade}: {meaning}" for grade, meaning in sorted(of.items()))]
            )
            for name, of in self.criteria.items()
        ]
        lines = "\n".join(f"{name}: …" for name in self.criteria)
        parts = {"criteria": "\n\n".join(described), "lines": lines}
        return _filled(self.grades, language=language, prompt=prompt, text=text, **parts)


def _filled(question: str, **fields: str) -> str:
    """A question with its fields; braces in what is filled in stay as they are."""
    return regex.sub(r"\{(\w+)\}", lambda found: fields.get(found[1], found[0]), question).strip()


def read_rubric(path: Path | None) -> Rubric:
    """The rubric in a file, or the one that comes along. Raises RecipeError for another form."""
    usual = packaged_tables("endonym.evaluate", "rubric.toml")
    if path is None:
        return Rubric(**usual)
    try:
        with open_regular(path) as file:
            given: dict[str, Any] = tomllib.loads(file.read().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML
        raise RecipeError(f"no TOML: {first_line(error)}", where=path, do=FORM) from error
    if fault := _fault(given):
        raise RecipeError(fault, where=path, do=FORM)
    return Rubric(**{**usual, **given})


def _fault(given: Mapping[str, Any]) -> str:
    """What is wrong with the tables of a rubric; empty if nothing is."""
    if unknown := given.keys() - {*FIELDS, "criteria"}:
        return f"{min(unknown)} is no key of a rubric"
    for key, names in FIELDS.items():
        question = given.get(key, "".join(f"{{{name}}}" for name in names))
        missing = [n for n in names if not isinstance(question, str) or f"{{{n}}}" not in question]
        if missing:
            return f"{key} is a text in which {{{missing[0]}}} must stand"
    criteria = given.get("criteria")
    if not isinstance(criteria, dict) or not criteria:
        return "there are no criteria"
    for name, of in criteria.items():
        is_right = isinstance(of, dict) and {*of} == {*GRADES}
        if not is_right or not all(isinstance(each, str) and each.strip() for each in of.values()):
            return f"the criterion {name} needs a text for each of the grades 1 to 5, and no more"
    return ""


def evened(texts: Sequence[Written]) -> list[str]:
    """The texts of one prompt; if some are cut, none is longer than the shortest of these.

    A limit in tokens gives models with other tokenizers more text, and judges prefer longer ones.
    """
    most = min((len(each.text) for each in texts if not each.has_ended), default=None)
    return [each.text if most is None else beginning(each.text, most) for each in texts]


def choice_in(answer: str) -> str | None:
    """The verdict: "A", "B" or "tie". None if the answer says none of them, or several."""
    alone = ALONE.fullmatch(answer)
    found = [alone] if alone else [*VERDICT.finditer(answer)]
    said = {each["choice"].upper().replace("TIE", TIE) for each in found}
    return said.pop() if len(said) == 1 else None


def grade_in(answer: str, criterion: str) -> int | None:
    """The grade of a criterion; None if the answer gives none, several, or one between two."""
    lines = regex.finditer(
        rf"(?<!\w){regex.escape(criterion)}[^\w\n:=]*(?:\([^()\n]*\)[^\w\n:=]*)?[:=]"
        r"[^\w\n-]*(?=-?\d)",
        answer,
        regex.IGNORECASE,
    )
    found = [GRADE.match(answer, each.end()) for each in lines]
    said = {each and each[1] for each in found}
    grade = said.pop() if len(said) == 1 else None
    return int(grade) if grade else None
