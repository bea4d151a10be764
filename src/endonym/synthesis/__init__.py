"""Synthetic texts: grammars, the files they are written to, and a client of servers. No torch."""
