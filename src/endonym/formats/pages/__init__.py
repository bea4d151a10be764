"""Text of pages: what it is worth, OCR for pictures, and paragraphs from lines."""
