"""What is done wrong to a patient's journey, and what of it scans can show: known from having done it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from twins.supply.identity import facts as f

Rng = np.random.Generator
MINUTE = 60_000_000
HOUR = 60 * MINUTE
BOUND = 12 * HOUR  # how late facts come that are merely late


@dataclass
class Draft:
    """A journey in the making. `truth` has (code, detail) of all that scans can show, `hidden` what they cannot."""

    number: int
    coi: str
    other: str
    facts: list[Any]  # Any: facts of all kinds, changed by replacing
    truth: set[tuple[str, str]] = field(default_factory=set)
    hidden: list[str] = field(default_factory=list)
    also: set[tuple[str, str]] = field(default_factory=set)  # shown too as a consequence: neither asked nor false
    late: dict[str, int] = field(default_factory=dict)  # by id: how much later than it happened it is known [us]
    injuries: list[str] = field(default_factory=list)
    repeats: int = 0
    broken: int = 0
    now: str = ""  # id of the fact that must stop the journey at once

    def of(self, step: str) -> list[Any]:
        """Facts of a step."""
        return [one for one in self.facts if getattr(one, "step", None) == step]

    def put(self, old: Any, **new: Any) -> Any:
        """Replace a fact by a changed one."""
        changed = msgspec.structs.replace(old, **new)
        self.facts[next(place for place, one in enumerate(self.facts) if one is old)] = changed
        return changed

    def drop(self, gone: list[Any]) -> None:
        """Leave facts out."""
        self.facts = [one for one in self.facts if not any(one is two for two in gone)]

    def add(self, fact: Any) -> None:
        """Add one."""
        self.facts.append(fact)


READ_AT = ("apheresis", "leg_in", "receipt", "make", "leg_out", "site_receipt", "infusion")
HANDOVERS = ("leg_in", "receipt", "leg_out", "site_receipt")
NEEDED = (
    "eligibility", "apheresis", "leg_in", "receipt", "make", "qc", "cryo_store", "leg_out", "site_receipt",
    "lymphodepletion", "thaw",
)  # fmt: skip


def _pick(rng: Rng, names: tuple[str, ...]) -> str:
    return names[int(rng.integers(len(names)))]


def _read(rng: Rng, draft: Draft, which: str, steps: tuple[str, ...]) -> None:
    step = _pick(rng, steps)
    scan = next(one for one in draft.of(step) if one.read)
    draft.put(scan, read={**scan.read, which: draft.other})
    draft.truth.add(("identity_mismatch", step))
    draft.now = scan.id


def _bag(rng: Rng, draft: Draft) -> None:
    """Another patient's bag, with its own label and number."""
    step = _pick(rng, READ_AT[1:])
    scan = next(one for one in draft.of(step) if one.read)
    foreign = f"X-{draft.number}"
    many = {"inputs": (foreign,)} if step == "make" else {"units": (foreign,)}
    changed = draft.put(scan, read={**scan.read, "bag": draft.other}, **many)
    draft.now = changed.id
    draft.truth |= {("identity_mismatch", step), ("foreign_unit", foreign)}
    if step in HANDOVERS and len(draft.of(step)) > 1:  # one signed for another bag than the other did
        draft.truth.add(("custody_gap", step))


def _unit(rng: Rng, draft: Draft) -> None:
    """Another patient's bag under this patient's label: the number of the bag tells."""
    scan = draft.of(_pick(rng, ("fresh", "cryo", "qc", "thaw", "cryo_store", "infusion")))
    if scan:
        draft.put(scan[0], units=(f"X-{draft.number}",))
        draft.truth.add(("foreign_unit", f"X-{draft.number}"))


def _double(rng: Rng, draft: Draft) -> None:
    """Cells of two patients exchanged, and all labels with them: nothing that is scanned differs."""
    draft.hidden.append("consistent double swap")


def _half(rng: Rng, draft: Draft) -> None:
    step = _pick(rng, HANDOVERS)
    draft.truth.add(("custody_gap", step))
    both = draft.of(step)
    if len(both) == 1:
        gone = {"releaser": ""} if rng.random() < 0.5 else {"receiver": ""}
        if rng.random() < 0.2:
            gone = {"releaser": "", "receiver": ""}
        draft.put(both[0], **gone)
    elif rng.random() < 0.5:
        draft.drop(both[1:])
    else:
        draft.put(both[0], releaser="")


def _late_half(rng: Rng, draft: Draft) -> None:
    """The second signature is known beyond the bound."""
    for step in HANDOVERS:
        both = draft.of(step)
        if len(both) == 2:
            draft.late[both[1].id] = BOUND + int(rng.integers(3, 30)) * HOUR
            draft.truth.add(("custody_gap", step))
            return


def _missing(rng: Rng, draft: Draft) -> None:
    step = _pick(rng, NEEDED)
    lost = draft.of(step)
    made = [unit for one in lost for unit in getattr(one, "outputs", ())]
    draft.drop(lost)
    draft.truth.add(("missing_step", step))
    draft.truth |= {("foreign_unit", unit) for unit in made}  # nobody said that they were made
    if step == "make":
        draft.also.add(("material_expired", "fresh"))  # until later steps show that it was used
    if step == "apheresis":
        draft.truth.add(("foreign_unit", f"B-{draft.number}"))


def _late_step(rng: Rng, draft: Draft) -> None:
    """A step is known beyond the bound, and something before it was known."""
    step = _pick(rng, ("eligibility", "qc", "cryo_store", "lymphodepletion"))
    scan = draft.of(step)[0]
    after = {"eligibility": "apheresis", "qc": "release", "cryo_store": "leg_out", "lymphodepletion": "thaw"}[step]
    need = min(one.at for one in draft.of(after))
    draft.late[scan.id] = need - scan.at + BOUND + int(rng.integers(1, 40)) * HOUR
    draft.truth.add(("missing_step", step))


def _corrected(rng: Rng, draft: Draft) -> None:
    """A wrong reading, and the word that it was one: what stands at the end is right."""
    step = _pick(rng, READ_AT)
    scan = next(one for one in draft.of(step) if one.read)
    wrong = draft.put(scan, read={**scan.read, "bag": draft.other})
    later = wrong.at + int(rng.integers(2, 100)) * HOUR
    draft.now = wrong.id
    if rng.random() < 0.5:
        draft.add(msgspec.structs.replace(scan, id=f"{scan.id}-right", known_at=later, corrects=wrong.id))
    else:
        draft.add(msgspec.structs.replace(wrong, id=f"{scan.id}-void", known_at=later, voids=wrong.id))
        draft.add(msgspec.structs.replace(scan, id=f"{scan.id}-right", known_at=later + HOUR))


def _voided(rng: Rng, draft: Draft) -> None:
    """A step is declared never to have been, and nothing stands in for it."""
    step = _pick(rng, ("eligibility", "qc", "cryo_store", "lymphodepletion", "thaw"))
    scan = draft.of(step)[0]
    draft.add(msgspec.structs.replace(scan, id=f"{scan.id}-void", known_at=scan.at + 40 * HOUR, voids=scan.id))
    draft.truth.add(("missing_step", step))


def _early(rng: Rng, draft: Draft) -> None:
    """A step is said to have been before its cause, and after what that needs."""
    step, cause, before = [
        ("make", "receipt", "leg_in"), ("qc", "make", "receipt"), ("leg_out", "cryo_store", "make"),
        ("infusion", "thaw", "site_receipt"), ("thaw", "lymphodepletion", "site_receipt"),
    ][int(rng.integers(5))]  # fmt: skip
    until, since = min(one.at for one in draft.of(cause)), max(one.at for one in draft.of(before))
    if step == "leg_out":  # of a released lot that was stored after it had left
        until = max(one.at for one in draft.of("leg_out"))
        draft.put(draft.of("cryo_store")[0], at=until + 2 * HOUR)
    else:
        at = until - max((until - since) // 3, 10 * MINUTE)
        scan = draft.of(step)[0]
        shift = scan.at - at
        draft.put(scan, at=at)
        if step == "make":
            for one in [one for one in draft.facts if isinstance(one, (f.Opened, f.Closed))]:
                draft.put(one, at=one.at - shift)
        if step == "thaw":
            draft.also.add(("before_cause", "infusion"))
    draft.also.add(("missing_step", cause))  # until the cause is known
    if cause == "make":
        draft.also |= {("foreign_unit", unit) for one in draft.of("make") for unit in one.outputs}
    draft.truth.add(("before_cause", step))


def _again(rng: Rng, draft: Draft) -> None:
    """A step that is long over is scanned again."""
    step, after = [("apheresis", "receipt"), ("receipt", "make"), ("leg_out", "site_receipt"), ("thaw", "infusion")][
        int(rng.integers(4))
    ]
    scan = draft.of(step)[0]
    at = max(one.at for one in draft.of(after)) + 3 * HOUR
    draft.add(msgspec.structs.replace(scan, id=f"{scan.id}-again", at=at, releaser="", receiver="", action="OBSERVE"))
    draft.truth.add(("wrong_step", step))
    draft.also.add(("before_cause", after))  # while its first scan, in its time, is not known


def _unheard(rng: Rng, draft: Draft) -> None:
    scan = draft.of("qc")[0]
    draft.add(msgspec.structs.replace(scan, id=f"{scan.id}-odd", at=scan.at + HOUR, step="irradiation"))
    draft.truth.add(("wrong_step", "irradiation"))
    draft.now = f"{scan.id}-odd"


def _unreleased(rng: Rng, draft: Draft) -> None:
    """It ships before it is released; never released; or one approval where two are needed."""
    kind = int(rng.integers(3))
    left = min(one.at for one in draft.of("leg_out"))
    words = [one for one in draft.facts if isinstance(one, f.Disposition) and one.status == "released"]
    scans = draft.of("release")
    if kind == 0:
        for one in (*words, *scans):
            draft.put(one, at=left + 5 * HOUR)
    else:
        draft.drop([*words, *scans])
    if kind == 2:
        draft.add(replace_word(words[0], "rejected", (), words[0].at))
        draft.add(replace_word(words[0], "oos_approved", ("physician",), words[0].at + 10 * MINUTE))
    draft.truth.add(("unreleased", "leg_out"))


def _approved(rng: Rng, draft: Draft) -> None:
    """Out of specification, and two approved: sound."""
    words = [one for one in draft.facts if isinstance(one, f.Disposition) and one.status == "released"]
    draft.drop([*words, *draft.of("release")])
    draft.add(replace_word(words[0], "rejected", (), words[0].at))
    draft.add(replace_word(words[0], "oos_approved", ("physician",), words[0].at + 10 * MINUTE))
    draft.add(replace_word(words[0], "oos_approved", ("sponsor",), words[0].at + 20 * MINUTE))


def replace_word(word: f.Disposition, status: Any, by: tuple[str, ...], at: int) -> f.Disposition:
    """Give another word on the lot."""
    return msgspec.structs.replace(word, id=f"{word.id}-{status}-{'-'.join(by)}", status=status, by=by, at=at)


def _hold(rng: Rng, draft: Draft) -> None:
    packed = [one for one in draft.facts if isinstance(one, f.ShipperPacked)]
    which = int(rng.integers(2))
    arrived = min(one.at for one in draft.of(("receipt", "site_receipt")[which]))
    draft.put(packed[which], hold_until=arrived - int(rng.integers(1, 10)) * HOUR)
    draft.truth.add(("hold_expired", packed[which].shipper))


def _labels(rng: Rng, draft: Draft) -> None:
    told = [one for one in draft.facts if isinstance(one, f.Labels)]
    draft.put(told[1], destroyed=told[1].destroyed + (1 if rng.random() < 0.5 or not told[1].destroyed else -1))
    draft.truth.add(("labels_unbalanced", "bag"))


def _two(rng: Rng, draft: Draft) -> None:
    opened = next(one for one in draft.facts if isinstance(one, f.Opened))
    at = opened.at + 30 * MINUTE
    draft.add(f.Opened(source="plant", id=f"{opened.id}-other", at=at, known_at=0, workcell="W1", coi=draft.other))
    draft.add(f.Closed(source="plant", id=f"{opened.id}-out", at=at + HOUR, known_at=0, workcell="W1", coi=draft.other))
    draft.truth.add(("two_patients_open", "W1"))


def _one_by_one(rng: Rng, draft: Draft) -> None:
    """Another patient's unit was open there before, and closed: sound."""
    opened = next(one for one in draft.facts if isinstance(one, f.Opened))
    at = opened.at - 3 * HOUR
    draft.add(f.Opened(source="plant", id=f"{opened.id}-before", at=at, known_at=0, workcell="W1", coi=draft.other))
    draft.add(
        f.Closed(source="plant", id=f"{opened.id}-gone", at=at + HOUR, known_at=0, workcell="W1", coi=draft.other)
    )


def _remade(rng: Rng, draft: Draft) -> None:
    """The lot is rejected, made again, and tested again: sound."""
    word = next(one for one in draft.facts if isinstance(one, f.Disposition) and one.status == "released")
    make, test = draft.of("make")[0], draft.of("qc")[0]
    release = draft.of("release")[0].at
    span = release - test.at
    draft.add(replace_word(word, "rejected", ("quality",), test.at + span // 5))
    bag = f"B-{draft.number}"
    lot = make.outputs
    again = msgspec.structs.replace(make, id=f"{make.id}-again", at=test.at + 2 * span // 5, inputs=(bag,), outputs=lot)
    draft.add(again)
    draft.add(msgspec.structs.replace(test, id=f"{test.id}-again", at=test.at + 3 * span // 5))


INJURIES: dict[str, Callable[[Rng, Draft], None]] = {
    "bag swapped": _bag,
    "bag read wrong": lambda rng, draft: _read(rng, draft, "bag", READ_AT),
    "wristband swapped": lambda rng, draft: _read(rng, draft, "wristband", ("apheresis", "infusion")),
    "label swapped": lambda rng, draft: _read(rng, draft, "label", READ_AT),
    "order swapped": lambda rng, draft: _read(rng, draft, "order", READ_AT),
    "bag swapped under its label": _unit,
    "consistent double swap": _double,
    "signature missing": _half,
    "signature beyond the bound": _late_half,
    "step missing": _missing,
    "step beyond the bound": _late_step,
    "wrong scan corrected": _corrected,
    "step declared wrong": _voided,
    "step before its cause": _early,
    "step again": _again,
    "unheard step": _unheard,
    "unreleased lot shipped": _unreleased,
    "out of specification, approved": _approved,
    "hold expired": _hold,
    "labels open": _labels,
    "two patients open": _two,
    "one patient after the other": _one_by_one,
    "made again": _remade,
}
ALONE = {  # what touches steps that others touch: alone, so that the truth stays plain
    "bag swapped", "step missing", "step before its cause", "step again", "unreleased lot shipped", "made again",
    "out of specification, approved", "step beyond the bound", "step declared wrong", "wrong scan corrected",
    "signature missing", "signature beyond the bound", "hold expired",
}  # fmt: skip
