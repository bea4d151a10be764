"""Texts that are made: by grammars that a linguist writes. Imports no torch."""
