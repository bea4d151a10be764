"""Takes from this process, for good, what a parser never needs: Landlock, of Linux since 5.13.

No file can be made, opened for writing, renamed or deleted, no program started; since 6.7 no TCP
connection opened; since 6.12 no signal sent to others. Below /proc, where other processes show
their environment, only the description of the processor can be read. What is already open, such as
pipes, stays. Not covered: UDP, reading other files, and changing modes and times of files.

Source: Linux, Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h.
"""

import ctypes
import os
import struct
import sys
from contextlib import suppress

CREATE_RULESET = 444
ADD_RULE = 445
RESTRICT_SELF = 446
"""Numbers of system calls, the same on every machine of today."""
SAY_VERSION = 1
PROCESSOR = "proc/cpuinfo"
"""torch reads it when it first converts fp16, and fails without it."""
PR_SET_NO_NEW_PRIVS = 38
BELOW = 1
"""The kind of rule that gives rights for a folder and all in it."""
EXECUTE, WRITE_FILE, READ_FILE, REFER, TRUNCATE, IOCTL_DEV = (1 << n for n in (0, 1, 2, 13, 14, 15))
REMOVE_AND_MAKE = sum(1 << n for n in range(4, 13))
TCP = 0b11
SCOPES = 0b11
"""To bind and to connect; abstract sockets and signals."""


def version() -> int:
    """Which Landlock this kernel has; 0 or less if it has none."""
    if sys.platform != "linux":
        return 0
    return ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, SAY_VERSION)


def rights(kernel_version: int) -> bytes:
    """The struct landlock_ruleset_attr: what is taken, as far as this Landlock knows it."""
    files = EXECUTE | WRITE_FILE | READ_FILE | REMOVE_AND_MAKE
    for least, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        files |= right if kernel_version >= least else 0
    if kernel_version < 4:
        return struct.pack("=Q", files)
    scopes = struct.pack("=Q", SCOPES) if kernel_version >= 6 else b""
    return struct.pack("=QQ", files, TCP) + scopes


def restrict_by_landlock() -> bool:
    """Take these rights, and the way to get more by a program; whether the kernel did so."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    kernel_version = version()
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if kernel_version <= 0:
        return False
    attributes = rights(kernel_version)
    ruleset = libc.syscall(CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    for name in sorted({*os.listdir("/"), PROCESSOR} - {"proc"}):  # noqa: PTH208
        with suppress(OSError):
            path = os.open(f"/{name}", os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", READ_FILE, path)  # struct landlock_path_beneath_attr
            libc.syscall(ADD_RULE, ruleset, BELOW, rule, 0)
            os.close(path)
    return libc.syscall(RESTRICT_SELF, ruleset, 0) == 0
