"""Which language a text is in: votes of libraries, and a model of characters learnt from texts."""
