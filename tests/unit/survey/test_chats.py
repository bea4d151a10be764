"""The phases of conversations that stand in a recipe as comments."""

import pytest

from endonym.survey.chats import commented_lines

PHASE = '# [[phase]]\n# name = "chat"\n# objective = "chat"\n# data = "әңгәмә.jsonl"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (PHASE, "2 to 5"),
        (PHASE.replace("\n", "\r\n"), "2 to 5"),
        (PHASE.replace("]]", "]]  # сөйләшү"), "2 to 5"),
        ('#[[phase]]\n#data = "a.csv"\n#objective = "chat"\n# name = "chat"\n', "2 to 5"),
        (f"# Сөйләшүләр:\n{PHASE}# Болар Казаннан килде.\n", "3 to 6"),
        (f"{PHASE}\n{PHASE}", "2 to 5 and 7 to 10"),
        (PHASE.replace("# [[", "[[").replace("# name", "name"), "4 to 5"),
        (PHASE.replace("# ", ""), ""),
        (PHASE.replace("# ", "") + '[[evaluate]]\nkind = "bits"\n', ""),
        (PHASE.replace("# ", "") + '# objective = "chat"\n', ""),
        ('[[phase]]\nname = "a"\n# objective = "chat" learns answers\n', ""),
        ("# [[phase]]\n# steps = 9\n", ""),
    ],
)
def test_only_what_is_a_phase_of_conversations_is_told(text: str, told: str) -> None:
    first = "\r\n" if "\r\n" in text else "\n"
    assert commented_lines(f'name = "a"{first}{text}') == told
