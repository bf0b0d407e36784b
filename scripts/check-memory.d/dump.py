"""Dumps the memory and the registers of a running process."""

import ctypes
import os
import re
from dataclasses import dataclass, field

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long
SEIZE, INTERRUPT, GETREGSET, DETACH = 0x4206, 0x4207, 0x4204, 17
WALL = 0x40000000
# General registers, the floating-point state, and on x86 all vector registers.
GENERAL, FLOATING, VECTORS = 1, 2, 0x202
PAGE = 4096
GAP = bytes(64)


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


@dataclass
class Region:
    """A part of the dump: where it is in the file, what it is, and its address in the process."""

    offset: int
    len: int
    name: str
    address: int = 0


@dataclass
class Dump:
    path: str
    regions: list = field(default_factory=list)
    threads: int = 0

    def registers(self):
        return [[region.offset, region.offset + region.len] for region in self.regions if "vector registers" in region.name]

    def place(self, offset):
        for region in self.regions:
            if region.offset <= offset < region.offset + region.len:
                return region.name
        return "nowhere"


def ptrace(request, thread, address=None, data=None):
    if LIBC.ptrace(request, thread, address, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace {request:#x} of {thread}: {os.strerror(error)}")


def register_set(thread, kind):
    """The bytes of a register set, or none if this processor has no such set."""
    buffer = ctypes.create_string_buffer(16384)
    vector = Vector(ctypes.cast(buffer, ctypes.c_void_p), len(buffer))
    try:
        ptrace(GETREGSET, thread, kind, ctypes.cast(ctypes.byref(vector), ctypes.c_void_p))
    except OSError:
        return b""
    return buffer.raw[: vector.len]


def stop_all(pid):
    """Stops all threads, also those that are created meanwhile."""
    stopped = []
    while True:
        new = sorted(int(name) for name in os.listdir(f"/proc/{pid}/task") if int(name) not in stopped)
        if not new:
            return stopped
        for thread in new:
            try:
                ptrace(SEIZE, thread)
                ptrace(INTERRUPT, thread)
                os.waitpid(thread, WALL)
            except (OSError, ChildProcessError):
                continue  # It has ended.
            stopped.append(thread)


def writable(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ \S+\s*(.*)", line)
            if match and match.group(3)[1] == "w":
                yield int(match.group(1), 16), int(match.group(2), 16), match.group(4)


def stack_pointer(general):
    """The stack pointer among the general registers."""
    at = {"x86_64": 19, "aarch64": 31}.get(os.uname().machine)
    return int.from_bytes(general[8 * at : 8 * at + 8], "little") if at is not None else 0


def take(pid, path):
    """Writes all writable memory that is not zero, and the registers of all threads."""
    dump = Dump(path)
    threads = stop_all(pid)
    try:
        with open(path, "wb") as out, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:

            def add(name, data, address=0):
                out.write(GAP)
                dump.regions.append(Region(out.tell(), len(data), name, address))
                out.write(data)

            stacks = {}
            for thread in threads:
                with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8") as comm:
                    name = f"thread {comm.read().strip()} ({thread})"
                general = register_set(thread, GENERAL)
                stacks[stack_pointer(general)] = f"stack of {name}"
                add(f"general registers of {name}", general)
                vectors = register_set(thread, VECTORS) or register_set(thread, FLOATING)
                add(f"vector registers of {name}", vectors)
            for start, end, mapped in writable(pid):
                names = [name for pointer, name in stacks.items() if start <= pointer < end]
                name = names[0] if names else mapped or "anonymous memory"
                run, run_start = [], start
                for address in range(start, end, 1 << 20):
                    try:
                        data = os.pread(memory.fileno(), min(1 << 20, end - address), address)
                    except OSError:
                        continue
                    for at in range(0, len(data), PAGE):
                        page = data[at : at + PAGE]
                        if page.count(0) == len(page):
                            if run:
                                add(name, b"".join(run), run_start)
                            run = []
                        else:
                            if not run:
                                run_start = address + at
                            run.append(page)
                if run:
                    add(name, b"".join(run), run_start)
        dump.threads = len(threads)
    finally:
        for thread in threads:
            try:
                ptrace(DETACH, thread)
            except OSError:
                pass
    return dump
