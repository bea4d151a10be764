"""A word list as the dictionaries of keyboards and of spelling checkers."""
