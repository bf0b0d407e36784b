"""Interrupted starts: by kill -9 at random moments and at each system call, and by a full disk.

After an interrupted start, every later start must work with the right content. These starts are interrupted:

  first     on a folder that does not exist yet
  stopped   on a filled folder after a stop
  killed    on a filled folder after a kill
  migrated  on a folder of the previous format
"""

import collections
import os
import random
import re
import shutil
import subprocess
import time

import folders
from damages import make_place, untouched_place
from judge import Bad, Judge, last_line, probe
from programs import NotStarted, Program

# Calls that change files on the disk, or sync them.
CALLS = "openat,write,pwrite64,writev,pwritev,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,ftruncate,truncate,fallocate,fsync,fdatasync,syncfs,sync_file_range,fchmod,chmod,fchmodat"
NOTHING = folders.Damage("none", [], "no damage")
# The number of tries for each kind of call on each class of files.
ALIKE = 4


class Scene:
    """One kind of start: makes its folder, and judges the next start."""

    def __init__(self, name, base, home):
        self.name, self.base = name, base
        self.home = os.path.join(home, f"start-{name}")
        self.judge = Judge(base.service, base.binary, base.facts, base.expected, base.quiet, repair=False)
        self.place = folders.Place(self.home)
        if name == "first":
            os.makedirs(self.home, exist_ok=True)
            self.place.sealed = {}
        elif name == "migrated":
            self.place = untouched_place(base, self.home)
        else:
            self.place = make_place(base, self.home, name == "killed")

    def bring(self):
        if self.name == "first":
            shutil.rmtree(self.place.folder, ignore_errors=True)
        else:
            self.place.restore()

    def time_to_ready(self):
        times = []
        for _ in range(3):
            self.bring()
            program = Program(self.base.service, self.base.binary, self.place.folder)
            times.append(program.ready_after)
            program.kill()
        return sorted(times)[1]

    def judged(self):
        """The fault after the interrupted start, in a sentence; or an empty text."""
        try:
            if self.name == "first":
                return self.first_works()
            verdict = self.judge.judge(self.place, NOTHING)
            return "" if verdict.good and verdict.outcome != "refused" else f"{verdict.outcome}: {verdict.message}"
        except NotStarted as refusal:
            return f"no later start: {last_line(refusal.text)}"
        except Bad as bad:
            return f"{bad.args[0]}: {bad.args[1]}"

    def first_works(self):
        program = Program(self.base.service, self.base.binary, self.place.folder)
        try:
            if program.service == "sealyard":
                said = probe(program)
            else:
                answer = program.vault("POST", "/keys/probe/create", {"kty": "EC", "crv": "P-256"})
                said = [] if answer.status == 200 else [f"no key: {answer.status} {answer.body[:300]!r}"]
            if said:
                return said[0]
        finally:
            program.stop()
        return "" if "panicked at" not in program.said() else f"a panic: {program.said()[-300:]}"


def cut_by_kills(scene, count, seed, report, until=None):
    """Kills starts at random moments: one to three starts are killed before the start that must work."""
    ready = scene.time_to_ready()
    done = collections.Counter()
    for number in range(count):
        if until and time.monotonic() > until:
            break
        chance = random.Random(f"{seed}-{scene.name}-{number}")
        scene.bring()
        moments = [chance.uniform(0, 1.5 * ready) for _ in range(chance.choice((1, 1, 2, 3)))]
        for moment in moments:
            program = Program(scene.base.service, scene.base.binary, scene.place.folder, wait=0)
            time.sleep(moment)
            program.kill()
        wrong = scene.judged()
        done["wrong" if wrong else "right"] += 1
        if wrong:
            shown = ", ".join(f"{1000 * moment:.1f}" for moment in moments)
            report(f"{scene.name}: kill {number} (seed {seed}) after {shown} ms of {1000 * ready:.0f}: {wrong}")
    return done, f"{scene.name}: {sum(done.values())} kills within {1500 * ready:.0f} ms"


def calls_of(scene):
    """The number of each call on each file during one start, in the thread with the most of these calls."""
    scene.bring()
    trace = os.path.join(scene.home, "trace")
    wrapper = ["strace", "-f", "-y", "-qq", "--seccomp-bpf", "-o", trace, "-e", f"trace={CALLS}", "-e", "signal=none"]
    program = Program(scene.base.service, scene.base.binary, scene.place.folder, wrapper=wrapper, wait=60)
    program.kill()
    counts = collections.Counter()
    root = scene.place.folder
    with open(trace, encoding="utf-8", errors="replace") as file:
        for line in file:
            found = re.match(r"(\d+) +(\w+)\((.*)", line)
            if not found:
                continue
            thread, call, rest = found.groups()
            paths = re.findall(r'[<"](' + re.escape(root) + r'(?:/[^">]*)?)[">]', rest)
            if paths:
                counts[call, os.path.relpath(paths[-1 if call.startswith(("open", "mkdir", "unlink")) else 0], root), thread] += 1
    most = collections.Counter()
    for (call, path, _), count in counts.items():
        most[call, path] = max(most[call, path], count)
    return most


def cut_at_calls(scene, every, report, until=None):
    """Runs one start for each call and kills it with SIGKILL at that call."""
    done, alike = collections.Counter(), collections.Counter()
    tries = []
    for (call, path), count in sorted(calls_of(scene).items()):
        for number in range(1, count + 1):
            kind = call, re.sub(r"files/[0-9a-f]{2}", "files/N", folders.kind_of(path))
            alike[kind] += 1
            if alike[kind] <= ALIKE or number in (count, count // 2):
                tries.append((call, path, number))
    for call, path, number in tries[:: max(1, every)]:
        if until and time.monotonic() > until:
            break
        scene.bring()
        at = os.path.normpath(os.path.join(scene.place.folder, path))
        wrapper = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", at, "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={number}"]
        program = Program(scene.base.service, scene.base.binary, scene.place.folder, wrapper=wrapper, wait=0)
        try:
            program.wait_ready(60)
            done["not reached"] += 1
        except NotStarted:
            done["cut off"] += 1
        program.kill()
        wrong = scene.judged()
        done["wrong" if wrong else "right"] += 1
        if wrong:
            report(f"{scene.name}: {call} number {number} on {path}: {wrong}")
    shown = ", ".join(f"{count} {outcome}" for outcome, count in sorted(done.items()))
    return done, f"{scene.name}: {len(tries)} calls; {shown}"


def cut_by_full_disk(scene, report):
    """Starts with a few kibibytes free on a small file system in memory, then with enough space. Needs root."""
    done = collections.Counter()
    lines = []
    # Such a file system grows by pages of 4 KiB. A first start needs more space than the others.
    for free in (4, 64, 512, 1024, 4096, 8192) if scene.name == "first" else (0, 4, 8, 12, 64, 512):
        scene.bring()
        room = os.path.join(scene.home, f"room-{free}")
        os.makedirs(room, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1G", "sealyard-torture", room], check=True)
        try:
            within = folders.Place(room)
            if os.path.isdir(scene.place.folder):
                shutil.copytree(scene.place.folder, within.folder)
            within.sealed = scene.place.sealed
            state = os.statvfs(room)
            used = (state.f_blocks - state.f_bfree) * state.f_frsize
            subprocess.run(["mount", "-o", f"remount,size={used + free * 1024}", room], check=True)
            # The output of the program and its endpoints file are not on the full disk.
            try:
                program = Program(scene.base.service, scene.base.binary, within.folder, endpoints=os.path.join(scene.home, "full.json"))
                program.kill()
                lines.append(f"{scene.name}, {free} KiB free: started")
            except NotStarted as refusal:
                lines.append(f"{scene.name}, {free} KiB free: no start: {last_line(refusal.text)}")
            subprocess.run(["mount", "-o", "remount,size=1G", room], check=True)
            old, scene.place = scene.place, within
            wrong = scene.judged()
            scene.place = old
            done["wrong" if wrong else "right"] += 1
            if wrong:
                report(f"{scene.name}, {free} KiB free: {wrong}")
        finally:
            subprocess.run(["umount", "--lazy", room], check=True)
    return done, "\n".join(lines)


