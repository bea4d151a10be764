"""Demo texts of endonym, written for this project and dedicated to the public domain (CC0).

The module `grammar` generates any number of French fables.
"""
