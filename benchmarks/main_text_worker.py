"""The main text of pages by trafilatura, in a Python that has it: one contender of main_text.py.

    python benchmarks/main_text_worker.py NAME PAGE.html …

Prints one line of JSON: the text of each page.
"""

import json
import sys
from pathlib import Path

from trafilatura import extract

CONTENDERS = {
    "trafilatura": {},
    "trafilatura, favor_recall": {"favor_recall": True},
}
"""Its own settings, but without comments; and as one who would rather take too much."""


def main() -> None:
    """Print the texts."""
    keys = CONTENDERS[sys.argv[1]]
    pages = [Path(path).read_bytes() for path in sys.argv[2:]]
    print(json.dumps([extract(page, include_comments=False, **keys) or "" for page in pages]))


if __name__ == "__main__":
    main()
