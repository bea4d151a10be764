"""From raw bytes to lines of text: compression and encodings."""
