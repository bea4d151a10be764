"""One decoder, many shapes. Has never heard of a tokenizer, a file of texts, or an optimiser.

Tensors carry their shape as a suffix:
B batch · T positions now · M positions remembered · D model width · H query heads ·
G key/value heads, groups · K head width · F ffn width · V vocabulary · E experts ·
S state size · C inner channels · R rank of a step · W taps of a convolution · N rows of any kind.
"""
