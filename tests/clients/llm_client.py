"""`llm` (https://llm.datasette.io) asks a server of endonym: python llm_client.py URL/v1 FOLDER"""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx

base, folder = sys.argv[1], Path(sys.argv[2])
name = httpx.get(f"{base}/models").json()["data"][0]["id"]
models = [
    {"model_id": "tel", "model_name": name, "api_base": base},
    {"model_id": "tel-text", "model_name": name, "api_base": base, "completion": True},
]
# JSON is YAML.
(folder / "extra-openai-models.yaml").write_text(json.dumps(models), encoding="utf-8")
environment = os.environ | {"LLM_USER_PATH": str(folder), "OPENAI_API_KEY": "none"}


def llm(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "llm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


SHORT = ("-o", "max_tokens", "4")
ASKED = [
    ("-m", "tel", "-s", "Кыска җавап бир.", "Кояш кайчан чыга?", *SHORT),
    ("-c", "Ә кайчан бата?", *SHORT),  # the first answer is sent back
    ("-m", "tel", "--no-stream", "Кояш", *SHORT, "-o", "frequency_penalty", "0", "-o", "seed", "1"),
    ("-m", "tel-text", "Кояш", *SHORT),
]
for arguments in ASKED:
    done = llm(*arguments)
    assert done.returncode == 0, done.stderr
refused = llm("-m", "tel", "Кояш", "-o", "json_object", "true")
assert "response_format: this value is not supported" in refused.stderr, refused
