"""Starts a program on a damaged folder and compares its content with the model from before the damage. The outcomes are:

  unharmed   all content is intact, and there is no complaint
  healed     all content is intact, and the log or `verify` reports the damage
  refused    no start, and a message that names the file and the command that repairs it; after that command, all content is
             intact except the things that the command named as lost
  told       a copy of a folder in use lacks the newest changes, and the log says after which change
  named      the log, `status` or `verify` names each thing that is lost
  SILENT     something is lost or wrong, and no message names it; or a sealed file is missing
  UNSEEN     all content is intact, but only because the index still has it: `verify` did not report damage to the journal
  BROKEN     no start without such a message, a crash, a failed repair, or a program that refuses writes
"""

import json
import os
import re
import shlex
import shutil
from dataclasses import dataclass, field

import model
from fill import Registry, expect
from folders import sealed_in
from programs import NotStarted, Program, run

REPAIR = re.compile(r"(?:sealyard|mock-keyvault)(?: [^\n`'\";]*?)? repair(?: [^\n`'\";:]*)?")
# The exit status of a successful repair: 0 without losses, 6 with the losses that it printed.
REPAIRED = (0, 6)
GOOD = ("unharmed", "healed", "refused", "named", "told")
# The message about a copy whose journal ends before its head: the changes after that are unknown.
SHORTER = re.compile(r"was copied while the program ran: .*and no later ones")
# The terms of complaints in the log.
COMPLAINT = re.compile(r"\b(WARN|ERROR)\b|damag|repair|lost|rebuil|heal", re.I)


@dataclass
class Verdict:
    outcome: str
    message: str = ""
    lost: dict = field(default_factory=dict)
    text: str = ""

    @property
    def good(self):
        return self.outcome in GOOD


class Bad(Exception):
    """A failed try: the outcome and the message."""


class Judge:
    def __init__(self, service, binary, facts, expected, quiet, repair=True):
        self.service, self.binary, self.facts, self.expected, self.repair = service, binary, facts, expected, repair
        # The messages of a healthy start, which are not complaints.
        self.quiet = quiet

    def judge(self, place, damage, again=False, boot=None, without_index=False):
        try:
            verdict = self.first(place, damage, boot)
            if without_index and verdict.good and os.path.isdir(os.path.join(place.folder, "index")):
                verdict = self.rebuilt(place, damage, verdict)
            elif again and verdict.good:
                second = self.started(place, damage, [], verdict.lost.keys())
                if not second.good:
                    second.message = "at the second start: " + second.message
                    verdict = second
        except Bad as bad:
            return Verdict(bad.args[0], bad.args[1], text=bad.args[2] if len(bad.args) > 2 else "")
        gone = self.sealed_gone(place) or mirrors_damaged(place)
        return Verdict("SILENT", gone, text=verdict.text) if gone and verdict.good else verdict

    @staticmethod
    def sealed_gone(place):
        """The sealed files that exist neither under their names nor in quarantine."""
        kept = sealed_in(place.folder)
        gone = {path for digest, path in place.sealed.items() if digest not in kept}
        return f"{len(gone)} sealed files are missing, such as {min(gone)}" if gone else ""

    def rebuilt(self, place, damage, verdict):
        """Starts again without the index, which the program must rebuild from the journal."""
        shutil.rmtree(os.path.join(place.folder, "index"))
        try:
            second = self.started(place, damage, [], verdict.lost.keys())
            wrong = "" if second.good else f"{second.outcome}: {second.message}"
        except NotStarted as refusal:
            wrong = f"no start: {last_line(refusal.text)}"
        if wrong and (verdict.outcome == "unharmed" or not any(name in verdict.text for name in damage.names)):
            return Verdict("UNSEEN", f"without the index: {wrong}", text=verdict.text)
        return verdict

    def first(self, place, damage, boot):
        try:
            return self.started(place, damage, [], (), boot)
        except NotStarted as caught:
            refusal, text = caught, caught.text
        if refusal.status is None or refusal.status < 0 or re.search(r"panicked at|stack backtrace", text):
            raise Bad("BROKEN", f"ended with {refusal.status}: {last_line(text)}", text)
        command = REPAIR.search(text)
        names = [name for name in damage.names if name in text]
        if not command:
            raise Bad("BROKEN", f"refused without a repair: {last_line(text)}", text)
        if not names and not any(os.path.join(place.folder, path.split("/")[0]) in text for path in damage.paths):
            raise Bad("BROKEN", f"refused without the file: {last_line(text)}", text)
        if not self.repair:
            return Verdict("refused", last_line(text), text=text)
        status, printed = self.run_repair(command.group(), place)
        if status not in REPAIRED:
            raise Bad("BROKEN", f"{command.group()} ended with {status}: {last_line(printed)}", text + printed)
        try:
            verdict = self.started(place, damage, [printed], ())
        except NotStarted as still:
            raise Bad("BROKEN", f"no start after {command.group()}: {last_line(still.text)}", text + printed + still.text) from None
        if verdict.good and verdict.lost and status == 0:
            raise Bad("SILENT", f"{command.group()} ended with 0, and {len(verdict.lost)} things are lost", text + printed + verdict.text)
        if verdict.good:
            verdict.outcome = "refused"
        verdict.message = f"{last_line(text)} | {verdict.message}"
        verdict.text = text + printed + verdict.text
        return verdict

    def run_repair(self, command, place, seconds=120):
        """Runs the printed command. If it takes too long, it is killed, and its status is None."""
        arguments = shlex.split(command)
        arguments[0] = self.binary
        if "--data-dir" not in arguments:
            arguments += ["--data-dir", place.folder]
        return run(place.home, arguments + ["--yes"], seconds)

    def started(self, place, damage, said, known, boot=None):
        """One start: a write waits for the check of the rows, then verify, read all content, collect garbage, and read again."""
        program = Program(self.service, self.binary, place.folder, boot=boot)
        try:
            said = [*said, *probe(program), *verify(program)]
            lost = model.differences(self.expected, model.read(program, self.facts))
            if self.service == "sealyard":
                for name in model.REGISTRIES:
                    answer = program.http.ask("POST", f"/_sealyard/registries/{name}/gc", {"now": True})
                    said.append(f"gc {answer.status} {answer.body[:300]!r}")
                after = model.differences(self.expected, model.read(program, self.facts))
                lost.update({name: "after a collection: " + message for name, message in after.items() if name not in lost})
            if not program.alive():
                raise Bad("BROKEN", f"the program ended: {last_line(program.said())}", program.said())
        except (OSError, ValueError, AssertionError) as error:
            alive = program.alive()
            program.kill()
            raise Bad("BROKEN", f"{'the program does not answer' if alive else 'the program ended'}: {error!r}", program.said()) from None
        ended = program.stop()
        text = "\n".join([program.said(), *said])
        if not ended or "panicked at" in text:
            raise Bad("BROKEN", f"the program did not end cleanly: {last_line(text)}", text)
        wrong = [name for name, message in lost.items() if "WRONG BYTES" in message]
        if wrong:
            return Verdict("SILENT", f"{wrong[0]}: wrong bytes", lost, text)
        rest = model.unnamed({name for name in lost if name not in known}, text)
        if rest and SHORTER.search(text):
            return Verdict("told", f"{len(lost)} things are not in the copy", lost, text)
        if rest:
            first = sorted(rest)[0]
            return Verdict("SILENT", f"{len(lost)} things lost, {len(rest)} of them not named, such as {' '.join(first)}: {lost[first][:300]}", lost, text)
        if lost:
            return Verdict("named", f"{len(lost)} things lost, all named", lost, text)
        refused = [message for message in said if message.startswith("write refused")]
        if refused and not REPAIR.search(text):
            return Verdict("BROKEN", refused[0], lost, text)
        complaints = [line for line in text.splitlines() if COMPLAINT.search(line) and normal(line, place) not in self.quiet]
        if complaints:
            return Verdict("healed", complaints[0], lost, text)
        return Verdict("unharmed", "", lost, text)


def mirrors_damaged(place):
    """Mirrors of key rings that a start has not restored: a later repair would lack them."""
    for path, (_, content, _) in place.files.items():
        at = os.path.join(place.folder, path)
        if path.startswith("rings/") and path.endswith(".ring") and not same(at, content):
            return f"the mirror {path} was not restored"
    return ""


def same(path, content):
    try:
        with open(path, "rb") as file:
            return file.read() == content
    except OSError:
        return False


def normal(line, place):
    """A line without the parts that differ between starts."""
    return re.sub(r"[0-9a-f-]{8,}|\d+", "N", line.replace(place.folder, "FOLDER"))


def last_line(text):
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no output"


def probe(program):
    """Sends a write that does not change the model. The write waits until the rows are checked."""
    if program.service == "sealyard":
        # The manifest comes first: a push of an existing blob would replace its sealed file, which `sealed_gone` would report.
        for blobs in (False, True):
            try:
                Registry(program, "local").image("probe/app", ["probe"], [64], push_blobs=blobs)
                return []
            except AssertionError as error:
                refused = error
        return [f"write refused: {refused}"]
    answer = program.vault("PATCH", "/keys/probe/", {"tags": {"at": str(os.getpid())}})
    if answer.status == 404:
        answer = program.vault("POST", "/keys/probe/create", {"kty": "EC", "crv": "P-256"})
    return [] if answer.status == 200 else [f"write refused: {answer.status} {answer.body[:500]!r}"]


def verify(program):
    """The findings of the program about its rows and content."""
    if program.service != "sealyard":
        said = []
        for method, operation in (("POST", "verify"), ("GET", "health")):
            answer = program.https.ask(method, f"/_keyvault/{operation}", host="localhost")
            text = answer.body.decode(errors="replace")
            if operation != "verify" or answer.status != 200 or json.loads(text)["damaged"]:
                said.append(f"{operation} {answer.status} {text}")
        return said
    said = []
    for name in model.REGISTRIES:
        answer = program.http.ask("POST", f"/_sealyard/registries/{name}/verify", {})
        findings = []
        for line in answer.body.decode(errors="replace").splitlines():
            document = json.loads(line)
            if answer.status != 200 or "error" in document or document.get("verified", {}).get("findings"):
                findings.append(line)
        said += [f"verify {answer.status} {line}" for line in findings]
    said.append("status " + re.sub('"(warnings|dataDir|ca)":', "", program.http.ask("GET", "/_sealyard/status").body.decode()))
    return said


def prepare(program):
    """Creates the content for `probe`, before the model is recorded."""
    if program.service == "sealyard":
        Registry(program, "local").image("probe/app", ["probe"], [64])
    else:
        expect(program.vault("POST", "/keys/probe/create", {"kty": "EC", "crv": "P-256"}))
