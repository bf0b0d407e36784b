"""Copies of a folder that are made while the program works: each must start, with all data that was acknowledged before."""

import os
import random
import shutil
import subprocess
import threading

import folders
import model
from damages import make_place
from fill import Registry, digest_of, expect
from judge import last_line, verify
from programs import NotStarted, Program

# Things that a copy may lack without a message, because the load changes them during the copy.
MOVING = ("counts", "listed")


def by_cp(source, target, chance):
    subprocess.run(["cp", "-r", source, target], check=False, stderr=subprocess.DEVNULL)


def by_tar(source, target, chance):
    os.makedirs(target)
    packed = target + ".tar"
    subprocess.run(["tar", "-C", source, "-cf", packed, "--warning=no-file-changed", "."], check=False, stderr=subprocess.DEVNULL)
    subprocess.run(["tar", "-C", target, "-xf", packed], check=True)
    os.remove(packed)


def in_order(key):
    def copy(source, target, chance):
        paths = folders.walk(source)
        paths.sort(key=lambda path: key(path, chance))
        for path in paths:
            try:
                os.makedirs(os.path.dirname(os.path.join(target, path)), exist_ok=True)
                shutil.copy2(os.path.join(source, path), os.path.join(target, path))
            except FileNotFoundError:
                pass
        for at, names, _ in os.walk(source):
            for name in names:
                os.makedirs(os.path.join(target, os.path.relpath(os.path.join(at, name), source)), exist_ok=True)
    return copy


def is_sealed(path):
    return path.startswith(("files/", "uploads/", "audit/"))


METHODS = {
    "cp": by_cp,
    "tar": by_tar,
    "rows first": in_order(lambda path, chance: (is_sealed(path), path)),
    "rows last": in_order(lambda path, chance: (not is_sealed(path), path)),
    "backwards": in_order(lambda path, chance: tuple(-ord(letter) for letter in path)),
    "any order": in_order(lambda path, chance: chance.random()),
}


class Load:
    """Clients that push, tag, delete and rotate until they are stopped, and record the acknowledged changes."""

    def __init__(self, program, seed, number):
        self.program, self.chance, self.number = program, random.Random(f"{seed}-{number}"), number
        self.acknowledged, self.gone, self.over, self.failure = {}, {}, threading.Event(), None
        self.lock = threading.Lock()
        work = [self.push, self.push, self.rotate] if program.service == "sealyard" else [self.keys, self.keys, self.policies]
        self.threads = [threading.Thread(target=self.run, args=(one, place)) for place, one in enumerate(work)]
        for thread in self.threads:
            thread.start()

    def run(self, work, place):
        # Each thread has its own client.
        own = Program.__new__(Program)
        own.__dict__.update(self.program.__dict__, clients=[], tokens={})
        own.https = own.client(own.azure_port, True)
        if own.service == "sealyard":
            own.http = own.client(own.registry_port, False)
        chance = random.Random(f"{self.number}-{place}")
        try:
            number = 0
            while not self.over.is_set():
                work(own, chance, place, number)
                number += 1
        except Exception as error:  # noqa: BLE001 # `stop` reports it
            self.failure = repr(error)
        finally:
            own.close()

    def push(self, own, chance, place, number):
        registry = Registry(own, "local", chance)
        tag = f"r{self.number}p{place}n{number}"
        found = registry.image("load/app", [tag], [chance.choice((60, 3000, 20_000, 400_000))])
        with self.lock:
            self.acknowledged[tag] = found["digest"]
        if number % 5 == 4:
            gone = f"r{self.number}p{place}n{number - 2}"
            with self.lock:
                self.acknowledged.pop(gone)
            expect(registry.ask("DELETE", f"/acr/v1/load/app/_tags/{gone}"), 202, 200)
            with self.lock:
                self.gone[gone] = True

    def rotate(self, own, chance, place, number):
        expect(own.http.ask("POST", "/_sealyard/registries/local/key", {"operation": "rotate", "wait": True}))
        self.over.wait(0.3)

    def keys(self, own, chance, place, number):
        name = f"r{self.number}p{place}n{number}"
        made = expect(own.vault("POST", f"/keys/{name}/create", {"kty": "EC", "crv": "P-256"})).json()
        with self.lock:
            self.acknowledged[name] = made["key"]["x"]
        if number % 5 == 4:
            gone = f"r{self.number}p{place}n{number - 2}"
            with self.lock:
                self.acknowledged.pop(gone)
            expect(own.vault("DELETE", f"/keys/{gone}"))
            with self.lock:
                self.gone[gone] = True

    def policies(self, own, chance, place, number):
        expect(own.vault("PATCH", "/keys/probe/", {"tags": {"at": str(number)}}))

    def snapshot(self):
        with self.lock:
            return dict(self.acknowledged), dict(self.gone)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        if self.failure:
            raise SystemExit(f"the load failed: {self.failure}")


def copies(base, home, count, seed, report):
    place = make_place(base, os.path.join(home, "copied"), False)
    bad, seen = 0, 0
    for number in range(count):
        chance = random.Random(f"{seed}-{number}")
        method = list(METHODS)[number % len(METHODS)]
        place.restore()
        program = Program(base.service, base.binary, place.folder)
        load = Load(program, seed, number)
        target = os.path.join(home, "copied", "copy", "data")
        try:
            threading.Event().wait(chance.uniform(0.3, 1.2))
            there, gone = load.snapshot()
            shutil.rmtree(os.path.dirname(target), ignore_errors=True)
            os.makedirs(os.path.dirname(target))
            METHODS[method](place.folder, target, chance)
            kept, _ = load.snapshot()
        finally:
            load.stop()
            program.kill()
        there = {name: value for name, value in there.items() if name in kept}
        seen += len(there) + len(gone)
        wrong = judged(base, target, there, gone)
        if wrong:
            bad += 1
            report(f"copy {number} (seed {seed}, {method}), {len(there)} things: {wrong}")
    return bad, seen


def judged(base, target, there, gone):
    try:
        program = Program(base.service, base.binary, target)
    except NotStarted as refusal:
        return f"no start: {last_line(refusal.text)}"
    try:
        text = "\n".join([*verify(program), program.said()])
        for name, value in there.items():
            if base.service == "sealyard":
                answer = Registry(program, "local").ask("GET", f"/v2/load/app/manifests/{name}")
                right = answer.status == 200 and digest_of(answer.body) == value
                for one in answer.json()["layers"] + [answer.json()["config"]] if right else []:
                    blob = Registry(program, "local").ask("GET", f"/v2/load/app/blobs/{one['digest']}")
                    right = right and blob.status == 200 and digest_of(blob.body) == one["digest"]
            else:
                answer = program.vault("GET", f"/keys/{name}")
                right = answer.status == 200 and answer.json()["key"]["x"] == value
            if not right and name not in text:
                return f"{name} is lost, and no message names it: {answer.status} {answer.body[:200]!r}"
        for name in gone:
            path = f"/v2/load/app/manifests/{name}"
            answer = Registry(program, "local").ask("GET", path) if base.service == "sealyard" else program.vault("GET", f"/keys/{name}")
            if answer.status != 404:
                return f"{name} was deleted and exists again: {answer.status}"
        found = model.differences(base.expected, model.read(program, base.facts))
        lost = {name: message for name, message in found.items() if not name[0].startswith(MOVING) and name in base.expected}
        rest = model.unnamed(set(lost), text)
        if rest:
            first = sorted(rest)[0]
            return f"{' '.join(first)} {lost[first][:200]}"
    except (OSError, ValueError, AssertionError) as error:
        return f"the program does not answer: {error!r}"
    finally:
        program.stop()
    return "a panic: " + last_line(program.said()) if "panicked at" in program.said() else ""
