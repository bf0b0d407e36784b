"""Repairs that are killed at random moments. The next repair must always finish the work."""

import random
import time

import folders
from damages import STATES, Worker
from judge import REPAIR, REPAIRED, Bad, last_line
from programs import NotStarted, Program


def cut_by_kills(base, home, count, seed, kinds, report):
    worker = Worker(base, home, f"repair {seed}", kinds)
    refused = wrong = number = 0
    while refused < count and number < 20 * count:
        number += 1
        chance = random.Random(f"repair-{seed}-{number}")
        place, _ = worker.bring(STATES[number % 2])
        damage = folders.damage(place, chance, kinds)
        text = refusal(base, place)
        command = text and REPAIR.search(text)
        if not command:
            continue
        refused += 1
        began = time.monotonic()
        status, said = worker.judge.run_repair(command.group(), place)
        whole = time.monotonic() - began
        # The damage is the same, and this time the repair is killed.
        place, _ = worker.bring(STATES[number % 2])
        folders.damage(place, random.Random(f"repair-{seed}-{number}"), kinds)
        printed = []
        for _ in range(chance.choice((1, 2, 3))):
            status, said = worker.judge.run_repair(command.group(), place, chance.uniform(0, 1.2 * whole))
            printed.append(said)
            if status is not None:
                break
        message = after(worker, place, damage, printed)
        if message:
            wrong += 1
            report(f"repair {number} (seed {seed}), killed within {1200 * whole:.0f} ms: {damage.message}: {message}")
    return refused, wrong


def refusal(base, place):
    """The output of the program if it does not start, otherwise an empty text."""
    try:
        Program(base.service, base.binary, place.folder).kill()
    except NotStarted as refused:
        return refused.text
    return ""


def after(worker, place, damage, printed):
    """The fault after a killed repair, or after the next repair if the program asks for one; otherwise an empty text."""
    text = refusal(worker.base, place)
    try:
        if text:
            command = REPAIR.search(text)
            if not command:
                return f"refused without a repair: {last_line(text)}"
            status, said = worker.judge.run_repair(command.group(), place)
            printed.append(said)
            if status not in REPAIRED:
                return f"the next repair ended with {status}: {last_line(said)}"
        verdict = worker.judge.started(place, damage, printed, ())
    except NotStarted as still:
        return f"no start after the next repair: {last_line(still.text)}"
    except Bad as bad:
        return f"{bad.args[0]}: {bad.args[1]}"
    gone = worker.judge.sealed_gone(place)
    return gone or ("" if verdict.good else f"{verdict.outcome}: {verdict.message}")
