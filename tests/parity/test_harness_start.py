"""lm-evaluation-harness reads texts of an exported folder after the same start token as endonym."""

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from endonym.evaluate.items import Item, judge
from endonym.generate.language_model import LanguageModel

pytestmark = pytest.mark.skipif(find_spec("lm_eval") is None, reason="needs lm-evaluation-harness")
TEXT = "Балалар иртән мәктәпкә баралар."
SCRIPT = """
import json, sys
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from endonym.evaluate.harness_process import checked
folder, text = sys.argv[1:]
context = text.split()[0]
model = checked(HFLM)(pretrained=folder, device="cpu", batch_size=1)
def asked(*arguments):
    return [Instance(request_type="loglikelihood", doc={}, arguments=arguments, idx=0)]
whole = model.loglikelihood_rolling(asked(text))[0]
alone = model.loglikelihood(asked("", text))[0][0]
after = model.loglikelihood(asked(context, text[len(context):]))[0][0]
print(json.dumps([whole, alone, after]))
"""


def test_documents_and_options_follow_one_start_token(
    exported: Callable[[str, str], tuple[LanguageModel, Path]],
) -> None:
    model, folder = exported("qwen3", "plain")
    command = [sys.executable, "-c", SCRIPT, str(folder), TEXT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    whole, alone, after = json.loads(done.stdout.splitlines()[-1])
    context = TEXT.split()[0]
    items = [Item("", (TEXT,), None), Item(context, (TEXT[len(context) :],), None)]
    nats = judge(model, items, lambda _: None).nats
    assert -whole == pytest.approx(nats[0], abs=1e-3)
    assert -alone == pytest.approx(nats[0], abs=1e-3)
    assert -after == pytest.approx(nats[1], abs=1e-3)
