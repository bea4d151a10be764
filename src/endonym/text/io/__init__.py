"""Bytes of raw files to lines of text: archives, compression, encodings."""
