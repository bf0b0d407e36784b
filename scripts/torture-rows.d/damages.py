"""Tries damages in sequence and judges each; and runs the controls that show that the judge works."""

import os
import pickle
import random
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from multiprocessing import Pool

import folders
import model
from fill import GROUP, Registry, expect, fill
from judge import COMPLAINT, Judge, normal, prepare, probe, verify
from programs import Program

# How the program ended before the damage, and what happened to the folder or the machine after that.
STATES = ("stopped", "killed", "stopped, copied", "killed, copied", "killed, booted")


@dataclass
class Base:
    """A filled folder after a stop, and its content."""

    service: str
    binary: str
    folder: str
    facts: dict
    expected: dict
    quiet: set


def make_base(service, binary, home, seed, heavy):
    os.makedirs(home, exist_ok=True)
    folder = os.path.join(home, "data")
    program = Program(service, binary, folder)
    try:
        prepare(program)
        facts = fill(program, random.Random(seed), heavy)
        collect_once(program, facts)
    finally:
        program.stop()
    shutil.copytree(folder, folder + ".older")
    program = Program(service, binary, folder)
    try:
        add_newest(program)
    finally:
        program.stop()
    # Messages of a healthy start are not complaints. And a restart without damage must not change the model.
    quiet, models = set(), []
    for _ in range(2):
        program = Program(service, binary, folder)
        probe(program)
        said = verify(program)
        models.append(model.read(program, facts))
        program.stop()
        quiet |= {normal(line, program) for line in "\n".join([program.said(), *said]).splitlines() if COMPLAINT.search(line)}
    changed = model.differences(*models)
    if changed:
        raise SystemExit(f"the model changes with a restart: {changed}")
    return Base(service, binary, folder, facts, models[0], quiet)


def add_newest(program):
    """Adds content that the older folder does not have."""
    if program.service == "sealyard":
        Registry(program, "local", random.Random(7)).image("app/one", ["newest"], [77, 7000])
    else:
        expect(program.vault("POST", "/keys/newest/create", {"kty": "EC", "crv": "P-256"}))


def collect_once(program, facts):
    """Collects the garbage of the filling, so that no later collection removes anything."""
    if program.service == "sealyard":
        upload = facts["registry"]["upload"]
        for name in model.REGISTRIES:
            answer = program.http.ask("POST", f"/_sealyard/registries/{name}/gc", {"now": True})
            if answer.status == 422:
                # Programs of format 1 do not know "now". They keep uploads that a newer program removes.
                if upload:
                    Registry(program, "local").ask("DELETE", upload)
                    upload = facts["registry"]["upload"] = None
                answer = program.http.ask("POST", f"/_sealyard/registries/{name}/gc", {"olderThanSeconds": 0})
            expect(answer)


def base_of_archive(service, binary, home, archive):
    """A folder of an older program. Its model is the content that this program reads after an undisturbed start."""
    folder, facts = os.path.join(home, "data"), {"vault": {"wrapped": [], "signature": None}, "registry": {"upload": None}}
    models = []
    for attempt in ("read", "kept"):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
        if attempt == "kept":
            break
        program = Program(service, binary, folder)
        probe(program)
        models.append(model.read(program, facts))
        program.stop()
    shutil.copytree(folder, folder + ".older")
    return Base(service, binary, folder, facts, models[0], set())


def make_place(base, home, killed):
    """A folder of one worker after a stop or a kill, with the inodes that its program knows."""
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home)
    place = folders.Place(home)
    shutil.copytree(base.folder, place.folder)
    for _ in range(1 if killed else 2):
        program = Program(base.service, base.binary, place.folder)
        refused = probe(program)
        found = model.differences(base.expected, model.read(program, base.facts))
        if killed:
            program.kill()
        else:
            program.stop()
        if found or refused:
            raise SystemExit(f"a copy of an undamaged folder is damaged: {refused} {found}\n{program.said()}")
    place.remember_older(base.folder + ".older")
    place.capture()
    return place


def untouched_place(base, home):
    """The folder without a start of the program."""
    shutil.rmtree(home, ignore_errors=True)
    os.makedirs(home)
    place = folders.Place(home)
    shutil.copytree(base.folder, place.folder)
    place.capture()
    return place


def forget_unreferenced(base, place):
    """Ignores sealed files of an older program that nothing refers to: only files that remain after an undisturbed start and a
    collection count."""
    program = Program(base.service, base.binary, place.folder)
    probe(program)
    collect_once(program, base.facts)
    program.stop()
    kept = folders.sealed_in(place.folder)
    place.restore()
    place.sealed = {digest: path for digest, path in place.sealed.items() if digest in kept}


class Worker:
    """One process with two folders of its own."""

    def __init__(self, base, home, seed, kinds):
        self.base, self.seed, self.kinds = base, seed, kinds
        self.home = os.path.join(home, f"worker-{os.getpid()}")
        self.places = {killed: make_place(base, os.path.join(self.home, "killed" if killed else "stopped"), killed) for killed in (False, True)}
        self.judge = Judge(base.service, base.binary, base.facts, base.expected, base.quiet)
        self.boot = None
        if subprocess.run(["unshare", "--mount", "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0:
            self.boot = os.path.join(self.home, "boot")
            with open(self.boot, "w", encoding="ascii") as file:
                file.write("11111111-2222-4333-8444-555555555555\n")

    def bring(self, state):
        place = self.places["killed" in state]
        place.restore(as_copy="copied" in state)
        return place, (self.boot if "booted" in state else None)

    def attempt(self, number):
        chance = random.Random(f"{self.seed}-{number}")
        state = STATES[number % len(STATES)]
        place, boot = self.bring(state)
        for _ in range(20):
            damage = folders.damage(place, chance, self.kinds)
            if folders.is_there(damage, place):
                break
            place, boot = self.bring(state)
        # The journal is authoritative: only without the index shows whether damage to the journal was noticed.
        without_index = number % 3 == 1 or damage.paths[0].startswith("journal/")
        verdict = self.judge.judge(place, damage, again=number % 3 == 0, boot=boot, without_index=without_index)
        return number, state, damage, verdict


_worker = None


def _begin(base, home, seed, kinds):
    global _worker
    with open(base, "rb") as file:
        _worker = Worker(pickle.load(file), home, seed, kinds)


def _attempt(number):
    return _worker.attempt(number)


def run(base, home, seed, numbers, processes, kinds, report):
    """Runs all tries, calls `report` with each, and returns the counts of the outcomes."""
    path = os.path.join(home, "base.pickle")
    with open(path, "wb") as file:
        pickle.dump(base, file)
    outcomes, table = Counter(), Counter()
    with Pool(processes, _begin, (path, home, seed, kinds)) as pool:
        for number, state, damage, verdict in pool.imap_unordered(_attempt, numbers):
            outcomes[verdict.outcome] += 1
            table[folders.kind_of(damage.paths[0]), damage.kind, verdict.outcome] += 1
            report(number, state, damage, verdict)
        # If a worker is terminated while it waits for work, the others can wait for ever.
        pool.close()
        pool.join()
    return outcomes, table


def controls(base, home, seed):
    """Undamaged folders must pass without a complaint; the judge must notice a loss that the harness causes."""
    worker = Worker(base, home, seed, folders.KINDS)
    nothing = folders.Damage("none", [], "no damage")
    failures, lines = [], []
    for state in STATES:
        place, boot = worker.bring(state)
        verdict = worker.judge.judge(place, nothing, again=True, boot=boot, without_index=state == "stopped")
        lines.append(f"undamaged, {state}: {verdict.outcome} {verdict.message}".rstrip())
        if verdict.outcome != "unharmed":
            failures.append(f"an undamaged folder ({state}) is {verdict.outcome}: {verdict.message}")
    for message, harm in HARMS[base.service]:
        place, _ = worker.bring("stopped")
        harm(base, place)
        verdict = worker.judge.judge(place, nothing)
        lines.append(f"control, {message}: {verdict.outcome} {verdict.message}")
        if verdict.outcome != "SILENT":
            failures.append(f"the judge does not notice that {message}: {verdict.outcome}")
    return failures, lines


def _lose_tag(base, place):
    program = Program(base.service, base.binary, place.folder)
    expect(Registry(program, "local").ask("DELETE", "/v2/app/two/manifests/t3"), 202)
    program.stop()


def _lose_sealed(base, place):
    os.remove(os.path.join(place.folder, sorted(place.sealed.values())[0]))


def _lose_key(base, place):
    program = Program(base.service, base.binary, place.folder)
    expect(program.vault("PATCH", "/keys/ec3/", {"tags": {}}))
    program.stop()


def _lose_role(base, place):
    program = Program(base.service, base.binary, place.folder)
    path = "/providers/Microsoft.KeyVault/vaults/second/providers/Microsoft.Authorization/roleAssignments/10000000-0000-4000-8000-000000000001"
    expect(program.arm("DELETE", GROUP + path, "2022-04-01"))
    program.stop()


HARMS = {
    "sealyard": [("a tag is gone", _lose_tag), ("a sealed file is gone", _lose_sealed)],
    "mock-keyvault": [("a key has lost its tags", _lose_key), ("a role assignment is gone", _lose_role)],
}
