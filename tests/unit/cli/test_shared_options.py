"""generate and chat are told alike how to continue a text."""

import click

from endonym.cli.answer_commands import SAMPLING_OPTIONS
from endonym.cli.main import cli


def test_generate_and_chat_have_the_same_flags_with_the_same_defaults() -> None:
    context = click.Context(cli)
    found: list[dict[str, object]] = []
    for name in ("generate", "chat"):
        command = cli.get_command(context, name)
        assert command is not None
        found.append({each.name or "": each.default for each in command.params})
    names = [name for name in found[0] if name in found[1]]
    assert len(names) >= len(SAMPLING_OPTIONS) == 7
    assert all(found[0][name] == found[1][name] for name in names)
