"""From lines on pages to paragraphs: running heads go, words and paragraphs are joined again."""
