"""Tables and keys of recipes as the configs have them, and suggestions for unknown keys."""

from endonym.config import Config
from endonym.recipe.keys import tables
from endonym.recipe.recipe import Recipe


def test_every_table_is_a_config_with_a_docstring() -> None:
    for table in tables(Recipe):
        assert issubclass(table.config, Config)
        assert table.title
        assert table.config.__doc__
