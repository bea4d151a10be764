"""Servers in this process and in one of their own, for tests."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from toys import lively_decoder, toy_config, toy_tokenizer

from endonym.generate.language_model import LanguageModel
from endonym.serve.api import build_app
from endonym.serve.desk import Writers
from endonym.serve.engine import Logits, Row
from endonym.serve.limits import Access
from endonym.serve.own_engine import OwnEngine
from endonym.serve.scheduler import Scheduler
from endonym.serve.service import Service

LOOPBACK = Access(frozenset({"127.0.0.1", "localhost"}), is_loopback=True)
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@cache
def toy_language_model(family: str = "qwen3", context: int = 64) -> LanguageModel:
    """A model that reads the four languages of the tests; it has learnt nothing."""
    tokenizer = toy_tokenizer("bpe")
    config = toy_config(family, vocab=tokenizer.vocab, context=context)
    return LanguageModel(lively_decoder(config, noise=0.1), tokenizer)


class SlowEngine(OwnEngine):
    """An engine that takes its time for each step."""

    def __init__(self, *, slots: int = 2, seconds: float = 0.0, context: int = 64) -> None:
        super().__init__(toy_language_model(context=context), most_slots=slots, memory=1 << 30)
        self.seconds, self.steps = seconds, 0

    def compute(self, rows: Sequence[Row]) -> Logits:
        """As any engine, a little later. Rows come in the order of their slots."""
        time.sleep(self.seconds)
        self.steps += 1
        assert [row.slot for row in rows] == sorted(row.slot for row in rows)
        return super().compute(rows)


@contextmanager
def client_of(engine: Any = None, access: Access = LOOPBACK) -> Generator[tuple["Client", Service]]:
    """A client of a server in this process, and the server's insides."""
    service = Service()
    engine = engine or SlowEngine()
    scheduler = Scheduler(engine, report=lambda text: None, hand_out=service.hand_out)
    service.schedulers["тел"] = scheduler
    if engine.model is not None:
        service.desk.writers["тел"] = Writers(engine.model, 1 << 24)
    loop = asyncio.new_event_loop()
    service.loop = loop
    try:
        yield Client(loop, build_app(service, access)), service
    finally:
        service.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


class Client:
    """Requests to an application, without a socket."""

    def __init__(self, loop: asyncio.AbstractEventLoop, app: Any) -> None:
        self.loop, self.app = loop, app

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        """One request and its answer."""
        return self.all([(method, path, given)])[0]

    def post(self, path: str, **keys: Any) -> httpx.Response:
        """A JSON body; the model is the only one."""
        return self.request("POST", path, json={"model": "тел", **keys})

    def all(self, requests: Sequence[tuple[str, str, dict[str, Any]]]) -> list[httpx.Response]:
        """Several requests at once."""

        async def ask() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            address = "http://127.0.0.1:8000"
            async with httpx.AsyncClient(transport=transport, base_url=address) as client:
                asked = (client.request(method, path, **given) for method, path, given in requests)
                return await asyncio.gather(*asked)

        return self.loop.run_until_complete(ask())


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The server-sent events of an answer; the last one says that it is done."""
    parts = response.text.split("\n\n")
    assert parts[-2:] == ["data: [DONE]", ""]
    return [json.loads(part.removeprefix("data: ")) for part in parts[:-2]]


@contextmanager
def served(*arguments: object) -> Generator[tuple[str, subprocess.Popen[str]]]:
    """`endonym serve` with these arguments in a process of its own: its address."""
    command = [sys.executable, "-m", "endonym", "serve", *map(str, arguments), "--port", "0"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        yield json.loads(line)["url"], process
    finally:
        process.terminate()
        try:
            process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def write_gguf(folder: Path, template: str | None = None, *, context: int = 64) -> Path:
    """That model as a GGUF file, with a chat template if there is one."""
    import gguf

    from endonym.export.gguf.write import Provenance, export_gguf

    (made,) = export_gguf(toy_language_model(context=context), folder, ("F32",), Provenance("tel"))
    if template is None:
        return made
    reader = gguf.GGUFReader(made)
    path = folder / "tel-chat.gguf"
    writer = gguf.GGUFWriter(path, "qwen3")
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            writer.add_key_value(name, field.contents(), field.types[0], field.types[-1])
    writer.add_chat_template(template)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
