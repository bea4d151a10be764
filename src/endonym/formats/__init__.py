"""From files of any kind to documents: bytes, parsers in a limited process, readers, pages."""
