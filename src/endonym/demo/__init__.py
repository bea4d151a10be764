"""Demo texts of endonym, written for this project and dedicated to the public domain (CC0).

The folder `fables` has short fables in five languages, one per file; the module `grammar` generates
any number of further French fables.
"""
