"""Demo texts of endonym, written for this project and dedicated to the public domain (CC0).

The folder `fables` holds short fables in French and in English, one document per file; the
module `grammar` composes any number of further French fables from a small slot grammar.
"""
