"""Words of a language: those of a corpus, dictionaries of them, and errors in typing them."""
