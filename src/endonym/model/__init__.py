"""One decoder, many shapes. Has never heard of a tokenizer, a file of texts, or an optimiser.

Tensors carry their shape as a suffix:
B batch · T positions now · M positions remembered · D model width · H query heads ·
G key/value heads · K head width · F ffn width · V vocabulary.
"""
