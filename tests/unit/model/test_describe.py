"""A shape as people say it."""

import subprocess
import sys
from typing import Any

import pytest
from laws.shapes import shape

from endonym.model.count import parts_text

SAID: dict[str, tuple[str, dict[str, Any], str]] = {
    "attention": ("llama", {}, "4 heads of 8, gated feed-forward of 256"),
    "one head": ("llama", {"mixer": {"heads": 1}}, "1 head of 32, gated feed-forward of 256"),
    "shared keys and a window": (
        *("mistral", {"mixer": {"kv_heads": 2, "window": 9}}),
        "4 heads of 8 on 2, window of 9, gated feed-forward of 256",
    ),
    "a wide plain one": (
        *("gpt2", {"dim": 1024, "mixer": {"heads": 16}}),
        "16 heads of 64, plain feed-forward of 4\u2009096",
    ),
    "mamba": ("mamba", {"dim": 512}, "mamba with 1\u2009024 channels, state of 4"),
    "mamba2": ("mamba2", {}, "mamba2 with 4 heads of 16, state of 4"),
    "experts": ("moe", {}, "4 heads of 8, 2 of 5 experts of 24"),
    "a hybrid": (
        *("llama", {"mixer": [{"heads": 4, "window": 8}, {"kind": "mamba"}]}),
        "4 heads of 8, window of 8, mamba with 64 channels, state of 16, gated feed-forward of 256",
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_the_parts_of_a_shape_are_said_in_a_line(case: str) -> None:
    family, keys, text = SAID[case]
    assert parts_text(shape(family, **keys)) == text


def test_saying_needs_no_torch() -> None:
    code = "import sys, endonym.model.count; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
