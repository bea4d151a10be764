"""The decoder and its parts. Knows no tokenizer, no text files and no optimizer.

Tensors carry their shape as a suffix:
B batch · T new tokens · M keys, cached ones included · D model width · H query heads ·
G key/value heads, groups · K head width · F ffn width · V vocabulary · E experts ·
S state size · C inner channels · R rank of a step · W taps of a convolution · N rows of any kind.
"""
