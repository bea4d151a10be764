"""What a parser's process cannot do."""

import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from text_samples import TATAR, write

from endonym.limited.landlock import EXECUTE, IOCTL_DEV, rights, version

needs_landlock = pytest.mark.skipif(version() < 6, reason="this kernel has no such Landlock")


def test_an_old_kernel_is_asked_only_for_what_it_knows():
    assert [len(rights(n)) for n in (1, 2, 3, 4, 5, 6, 9)] == [8, 8, 8, 16, 16, 24, 24]
    assert struct.unpack("=Q", rights(1))[0] & IOCTL_DEV == 0
    assert struct.unpack_from("=Q", rights(5))[0] & IOCTL_DEV
    assert struct.unpack_from("=Q", rights(1))[0] & EXECUTE


TRIES = """
import os, signal, socket, sys
from pathlib import Path
from endonym.limited.landlock import restrict_by_landlock
assert restrict_by_landlock()
there, port, parent = Path(sys.argv[1]), int(sys.argv[2]), os.getppid()
tries = [
    lambda: there.unlink(), lambda: there.rename(there.with_name("b")), lambda: there.open("a"),
    lambda: there.with_name("c").touch(), lambda: os.truncate(there, 0),
    lambda: os.symlink("/", there.with_name("d")), lambda: os.mkdir(there.with_name("e")),
    lambda: socket.create_connection(("127.0.0.1", port), 5),
    lambda: os.kill(parent, 0), lambda: os.execv("/bin/true", ["true"]),
    lambda: Path(f"/proc/{parent}/environ").read_bytes(),
]
for number, each in enumerate(tries):
    try:
        each()
        print("done:", number)
    except PermissionError:
        pass
print(there.read_text(encoding="utf-8"))
"""


@needs_landlock
def test_it_cannot_reach_beyond_its_folder(tmp_path: Path, socket_enabled: None):
    path = write(tmp_path, "a.txt", TATAR[:1])
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        command = [sys.executable, "-c", TRIES, str(path), str(port)]
        done = subprocess.run(command, capture_output=True, check=True, env=dict(os.environ))
    assert done.stdout.decode().strip() == TATAR[0]
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]
