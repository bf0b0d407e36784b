"""A data folder that can be damaged and restored many times: the files with rows, and the kinds of damage.

A restored folder has the same inodes, because the program recognizes a copy of a folder by them.
"""

import hashlib
import os
import re
import shutil
from dataclasses import dataclass, field

# Files without rows: sealed content, logs, secrets, certificates, and the folder of the embedded vault.
NO_ROWS = re.compile(r"^(files|uploads|audit|vault|tls|identity|quarantine|recovered)/|(^|/)lock$|^reserve|\.(key|token|jsonl|pem)(\.\d+)?$|^endpoints\.json$")
KINDS = ("flip", "cut", "zero", "swap", "missing", "empty", "older", "leftover")


def walk(folder):
    """All files, by their path inside the folder."""
    found = []
    for at, folders, files in os.walk(folder):
        folders.sort()
        found += [os.path.relpath(os.path.join(at, name), folder) for name in files]
    return sorted(found)


def kind_of(path):
    """The class of a file: its path without the numbers in it."""
    return re.sub(r"[0-9A-Fa-f]{8,}", "N", path)


def sealed_in(folder):
    """The hash of each sealed file, and of each file that may be a moved sealed file."""
    found = {}
    for path in walk(folder):
        if path.startswith(("files/", "quarantine/", "recovered/")):
            with open(os.path.join(folder, path), "rb") as file:
                found[hashlib.sha256(file.read()).hexdigest()] = path
    return found


class Place:
    """A folder of one worker. `capture` records its state, and `restore` restores exactly this state."""

    def __init__(self, home):
        self.home, self.folder, self.links = home, os.path.join(home, "data"), os.path.join(home, "links")
        self.files, self.folders, self.older = {}, [], {}

    def remember_older(self, folder):
        """Reads the files of an older folder. Damage of the kind `older` replaces a file by its older version."""
        for path in walk(folder):
            with open(os.path.join(folder, path), "rb") as file:
                self.older[path] = file.read()

    def capture(self):
        shutil.rmtree(self.links, ignore_errors=True)
        os.makedirs(self.links)
        self.files, self.folders = {}, []
        for at, folders, _ in os.walk(self.folder):
            self.folders += [(os.path.relpath(os.path.join(at, name), self.folder), os.stat(os.path.join(at, name)).st_mode) for name in folders]
        for number, path in enumerate(walk(self.folder)):
            if path == "lock":
                continue
            link, at = os.path.join(self.links, str(number)), os.path.join(self.folder, path)
            os.link(at, link)
            with open(at, "rb") as file:
                self.files[path] = (link, file.read(), os.stat(at))
        self.sealed = {digest: path for digest, path in sealed_in(self.folder).items() if path.startswith("files/")}

    def restore(self, as_copy=False):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        for path, mode in self.folders:
            os.makedirs(os.path.join(self.folder, path), exist_ok=True)
            os.chmod(os.path.join(self.folder, path), mode)
        for path, (link, content, stat) in self.files.items():
            at = os.path.join(self.folder, path)
            if as_copy:
                with open(at, "wb") as file:
                    file.write(content)
                os.chmod(at, stat.st_mode)
                continue
            now = os.stat(link)
            if (now.st_mtime_ns, now.st_size) != (stat.st_mtime_ns, stat.st_size):
                with open(link, "r+b") as file:
                    file.truncate(0)
                    file.write(content)
                os.chmod(link, stat.st_mode)
                os.utime(link, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            os.link(link, at)

    def row_files(self):
        return [path for path in sorted(self.files) if not NO_ROWS.search(path)]


@dataclass
class Damage:
    kind: str
    paths: list
    message: str
    names: set = field(default_factory=set)

    def __post_init__(self):
        self.names = {os.path.basename(path) for path in self.paths}


def damage(place, chance, kinds=KINDS):
    """Damages one file with rows. All classes of files are equally likely, regardless of their number and size."""
    kind = chance.choice(kinds)
    by_class = {}
    for path in place.row_files():
        content = place.files[path][1]
        if kind == "older" and place.older.get(path, content) == content:
            continue
        if not (kind in ("flip", "cut", "zero") and not content):
            by_class.setdefault(kind_of(path), []).append(path)
    if not by_class:
        return damage(place, chance, [other for other in kinds if other != kind])
    path = chance.choice(by_class[chance.choice(sorted(by_class))])
    at, content = os.path.join(place.folder, path), place.files[path][1]
    if kind == "missing" and "/" in path and chance.random() < 0.1:
        path = path.split("/")[0]
        shutil.rmtree(os.path.join(place.folder, path))
        return Damage(kind, [path], f"{path}/ is missing")
    return globals()["_" + kind](place, chance, path, at, content)


def _offset(chance, content):
    """An offset in a file: in half of the cases any offset, otherwise one with a byte that is not zero."""
    if chance.random() < 0.5:
        return chance.randrange(len(content))
    for _ in range(200):
        offset = chance.randrange(len(content.rstrip(b"\0")) or 1)
        if content[offset]:
            break
    return offset


def _flip(place, chance, path, at, content):
    offset, bit = _offset(chance, content), chance.randrange(8)
    with open(at, "r+b") as file:
        file.seek(offset)
        file.write(bytes([content[offset] ^ 1 << bit]))
    return Damage("flip", [path], f"{path}: bit {bit} of byte {offset} of {len(content)} is flipped")


def _cut(place, chance, path, at, content):
    offset = _offset(chance, content)
    os.truncate(at, offset)
    return Damage("cut", [path], f"{path}: cut from {len(content)} to {offset} bytes")


def _zero(place, chance, path, at, content):
    offset = _offset(chance, content)
    length = min(len(content) - offset, 1 << chance.randrange(0, 16))
    with open(at, "r+b") as file:
        file.seek(offset)
        file.write(bytes(length))
    return Damage("zero", [path], f"{path}: {length} bytes at {offset} of {len(content)} are zero")


def _swap(place, chance, path, at, content):
    """Swaps two files, in most cases two of the same class or folder."""
    others = [other for other in place.row_files() if other != path]
    alike = [other for other in others if kind_of(other) == kind_of(path) or os.path.dirname(other) == os.path.dirname(path)]
    other = chance.choice(alike if alike and chance.random() < 0.7 else others)
    other_at = os.path.join(place.folder, other)
    os.rename(at, at + ".swap")
    os.rename(other_at, at)
    os.rename(at + ".swap", other_at)
    return Damage("swap", [path, other], f"{path} and {other} are swapped")


def _missing(place, chance, path, at, content):
    os.remove(at)
    return Damage("missing", [path], f"{path} is missing")


def _empty(place, chance, path, at, content):
    os.truncate(at, 0)
    return Damage("empty", [path], f"{path} is empty")


def _older(place, chance, path, at, content):
    """The file keeps its inode, as after a disk lost a write."""
    with open(at, "r+b") as file:
        file.truncate(0)
        file.write(place.older[path])
    return Damage("older", [path], f"{path} has the content of an earlier start")


def _leftover(place, chance, path, at, content):
    """A part of a file, as if the program had ended during the write."""
    ending = chance.choice([".generating", ".new", ".replacement"])
    numbered = re.sub(r"[0-9A-Fa-f]{8,}", lambda found: f"{int(found.group(), 16) + chance.randrange(1, 1 << 20):0{len(found.group())}X}", path)
    left = (path if ending != ".generating" else numbered) + ending
    part = content[: chance.randrange(len(content) + 1)]
    with open(os.path.join(place.folder, left), "wb") as file:
        file.write(part)
    return Damage("leftover", [left], f"{left} holds {len(part)} bytes of {len(content)}")


def is_there(done, place):
    """Whether the damage changed anything."""
    for path in done.paths:
        at = os.path.join(place.folder, path)
        if not os.path.isfile(at) or path not in place.files:
            return True
        with open(at, "rb") as file:
            if file.read() != place.files[path][1]:
                return True
    return False
