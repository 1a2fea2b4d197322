"""A re-estimation under way: the bank of filters, iterations of draws, those that are left once more, and ahead.

Work is cut at fixed places, each measurement of each block of draws; where a piece of it ends, and whether it went on
from a checkpoint, changes no bit.
"""

from __future__ import annotations

import hashlib
import math
import time
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.errors import SnapshotError
from schemas.jobs import MOST_SUMMARY_BYTES
from twins.bioreactor.estimation.outlook import NOT_ENOUGH_DATA, OUTSIDE_MODEL, VERDICTS
from twins.bioreactor.models.model import is_stiff
from twins.bioreactor.reestimation import keeping
from twins.bioreactor.reestimation.ahead import REPORTS, Ahead
from twins.bioreactor.reestimation.bundle import Bundle
from twins.bioreactor.reestimation.cells import CHANGE, first_proposal, lay_cells
from twins.bioreactor.reestimation.changed import Held, Scan
from twins.bioreactor.reestimation.history import History
from twins.bioreactor.reestimation.population import Proposal, draw, effective, learn, ln_weights, normalised
from twins.bioreactor.reestimation.posterior import Draws, change_of, parameters_of, resample, rounded
from twins.bioreactor.reestimation.question import Question, refused
from twins.engine import Answer, Standing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Stage = Literal["scan", "draw", "again", "ahead", "done"]

BLOCK, STIFF_BLOCK = 256, 64  # draws side by side: a step of them is the smallest piece of work
KEPT, STIFF_KEPT = 128, 64  # draws that are left for the forecast
MOST_ITERATIONS = 5
ENOUGH = 0.25  # of the draws of one iteration have to count, else there is another
MOST_REFUSED = 0.1  # of measurements that what is left of the draws would not believe: the model is another


class Course:
    """One job (`twins.engine.Run`)."""

    def __init__(self, question: Question, history: History) -> None:
        self._question, self._history = question, history
        self._cells = lay_cells(question, history.hours)
        self._target = self._cells.target(question)
        self._scan = Scan(question, self._cells.middles())
        self._mark = _digest(question, history)
        stiff = is_stiff(question.process.model)
        self._side, self._kept = (STIFF_BLOCK, STIFF_KEPT) if stiff else (BLOCK, KEPT)
        self._begin()

    def _begin(self) -> None:
        d = len(self._target.sds)
        self._stage: Stage = "scan"
        self._block = 0
        self._proposals: list[Proposal] = []
        self._cell: Ints = np.zeros(0, dtype=np.int64)
        self._hours, self._x = np.zeros(0), np.zeros((d, 0))
        self._likelihood, self._refused = np.zeros(0), np.zeros(0)
        self._picks: Ints = np.zeros(0, dtype=np.int64)
        self._ahead: Ahead | None = None
        self._bundle = Bundle(self._question.process, self._history, self._scan, self._cells.number)

    # -- the run --

    def run(self, seconds: float) -> Standing:
        """Go on for about so long; see `twins.engine.Run`."""
        until = time.perf_counter() + seconds
        with np.errstate(all="ignore"):  # wild draws overflow on their way to a weight of 0
            while self._stage != "done":
                self._one()
                if time.perf_counter() >= until:
                    break
        return self._standing()

    def _one(self) -> None:
        """Do the smallest piece of work."""
        if self._stage == "ahead":
            assert self._ahead is not None
            if not self._ahead.go_on():
                self._stage = "done"
        elif self._bundle.go_on():
            return
        elif self._stage == "scan":
            self._propose(first_proposal(self._question, self._target, self._scan, self._bundle))
        elif self._stage == "draw":
            self._likelihood = np.concatenate([self._likelihood, self._bundle.likelihood])
            self._refused = np.concatenate([self._refused, self._bundle.refused])
            if len(self._likelihood) < len(self._cell):
                self._bundle = self._bundle_of(self._next_block())
            else:
                self._weigh()
        else:
            self._stage, self._ahead = "ahead", self._ahead_of(self._bundle)

    def _propose(self, proposal: Proposal) -> None:
        """Draw the next iteration."""
        spec, turn = self._question.spec, len(self._proposals)
        cell, place, x = draw(self._target, proposal, spec.seed, turn, spec.draws)
        self._proposals.append(proposal)
        self._cell = np.concatenate([self._cell, cell])
        self._hours = np.concatenate([self._hours, self._cells.hours(cell, place)])
        self._x = np.concatenate([self._x, x], axis=1)
        self._stage = "draw"
        self._bundle = self._bundle_of(self._next_block())

    def _weigh(self) -> None:
        """Weigh all draws; be content, or learn from them and draw again."""
        ln = self._ln_weights()
        counting = effective(normalised(ln))
        if counting >= ENOUGH * self._question.spec.draws or len(self._proposals) == MOST_ITERATIONS:
            self._picks = resample(self._weights(), self._kept)
            self._stage, self._bundle = "again", self._bundle_of(self._picks)
        else:
            self._propose(learn(self._target, self._proposals[-1], self._cell, self._x, ln))

    def _ln_weights(self) -> Floats:
        return ln_weights(self._target, self._proposals, self._cell, self._x, self._likelihood)

    def _weights(self) -> Floats:
        found = normalised(self._ln_weights())
        return found if found.any() else np.full(len(found), 1.0 / len(found))

    def _next_block(self) -> Ints:
        done = len(self._likelihood)
        turn_ends = (done // self._question.spec.draws + 1) * self._question.spec.draws
        return np.arange(done, min(done + self._side, turn_ends, len(self._cell)))

    def _bundle_of(self, which: Ints) -> Bundle:
        return Bundle(self._question.process, self._history, self._held(which), len(which))

    def _held(self, which: Ints) -> Held:
        ln_factor = np.where(self._cell[which] > 0, self._x[-1, which], 0.0)
        return Held(self._question, self._x[:-1, which], ln_factor, self._hours[which])

    def _ahead_of(self, bundle: Bundle) -> Ahead:
        return Ahead(self._question, self._held(self._picks), bundle.joint, self._history.hours, bundle.phase)

    def _standing(self) -> Standing:
        blocks = math.ceil(self._question.spec.draws / self._side)
        deeds = max(self._bundle.total, 1)
        total = float((2 + MOST_ITERATIONS * blocks) * deeds + REPORTS)
        at, turn = float(self._bundle.at), len(self._proposals)
        note = "looking for hours of change"
        done = at
        if self._stage == "draw":
            turns, rest = divmod(len(self._likelihood), self._question.spec.draws)
            block = turns * blocks + rest // self._side
            done, note = deeds * (1 + block) + at, f"draws, iteration {turn} of at most {MOST_ITERATIONS}"
        elif self._stage == "again":
            done, note = total - REPORTS - deeds + at, "draws that are left"
        elif self._stage == "ahead" and self._ahead is not None:
            done, note = total - REPORTS + self._ahead.at, "forecast"
        if self._stage == "done":
            return Standing(total, total, "done")
        return Standing(min(done, total - 1.0), total, note)

    # -- checkpoints --

    def checkpoint(self) -> bytes:
        """Give all that is needed to go on from here."""
        arrays: dict[str, NDArray[Any]] = {
            "cell": self._cell, "hours": self._hours, "x": self._x, "likelihood": self._likelihood,
            "refused": self._refused, "picks": self._picks,
        }  # fmt: skip
        for k, one in enumerate(self._proposals):
            arrays |= {f"share/{k}": one.share, f"mean/{k}": one.mean, f"covariance/{k}": one.covariance}
        arrays |= {f"bundle/{name}": one for name, one in self._bundle.arrays().items()}
        if self._ahead is not None:
            arrays |= {f"ahead/{name}": one for name, one in self._ahead.arrays().items()}
        return keeping.write(self._mark, self._stage, len(self._proposals), arrays)

    def restore(self, body: bytes) -> str:
        """Go on from a checkpoint; see `twins.engine.Run`.

        Raises
        ------
        SnapshotError
            If the bytes are not one of this specification and past.
        """
        self._begin()
        stage, turns, arrays = keeping.read(body, self._mark)
        try:
            self._take(stage, turns, arrays)
        except (KeyError, IndexError, ValueError) as error:
            self._begin()
            raise SnapshotError(f"expected a whole checkpoint, received one without {error}; begin anew") from None
        return "exact"

    def _take(self, stage: str, turns: int, arrays: dict[str, NDArray[Any]]) -> None:
        self._cell, self._picks = arrays["cell"], arrays["picks"]
        self._hours, self._x = arrays["hours"], arrays["x"]
        self._likelihood, self._refused = arrays["likelihood"], arrays["refused"]
        self._proposals = [
            Proposal(arrays[f"share/{k}"], arrays[f"mean/{k}"], arrays[f"covariance/{k}"]) for k in range(turns)
        ]
        self._stage = msgspec.convert(stage, Stage)
        if self._stage != "scan":
            self._bundle = self._bundle_of(self._next_block() if self._stage == "draw" else self._picks)
        self._bundle.put({name.partition("/")[2]: one for name, one in arrays.items() if name.startswith("bundle/")})
        if self._stage in ("ahead", "done"):
            self._ahead = self._ahead_of(self._bundle)
            self._ahead.put({name.partition("/")[2]: one for name, one in arrays.items() if name.startswith("ahead/")})

    # -- the answer --

    def answer(self) -> Answer:
        """Give what was found."""
        assert self._ahead is not None
        question, weights = self._question, self._weights()
        draws = Draws(self._cell, self._hours, self._x, weights)
        known = parameters_of(question, draws, CHANGE if self._cells.number > 1 else 0.0)
        trajectory, end = self._ahead.say()
        if not all(math.isfinite(value) for one in end.values() for value in one.values() if isinstance(value, float)):
            raise refused(
                "finite trajectories", "others: the parameters or feeds are beyond the model", "specification"
            )
        counting = effective(normalised(self._ln_weights()))
        summary: dict[str, Any] = {  # Any: JSON
            "batch": question.asked.batch,
            **known,
            "change": change_of(draws),
            "trajectory": trajectory,
            "end": end,
            "effective_sample_size": rounded(counting),
            "iterations": len(self._proposals),
            "verdict": VERDICTS[self._verdict(known["parameters"], weights, counting)],
        }
        document = summary | self._document(trajectory)
        return Answer(_fitting(summary), document, "exact", self._side)

    def _verdict(self, said: dict[str, Any], weights: Floats, counting: float) -> int:
        if not any(one["seen"] for one in said.values()):
            return NOT_ENOUGH_DATA
        measured = max(sum(self._history.measured), 1)
        beyond = float((weights * self._refused).sum()) > MOST_REFUSED * measured
        return OUTSIDE_MODEL if beyond or counting == 0.0 else 0

    def _document(self, trajectory: dict[str, Any]) -> dict[str, Any]:
        """Give what only the whole document holds: draws that are left, what was measured, how it was found."""
        question, picks = self._question, self._picks
        logs = self._x[:-1, picks].copy()
        if question.changing >= 0:
            logs[question.changing] += np.where(self._cell[picks] > 0, self._x[-1, picks], 0.0)
        names = zip(question.names, question.prior, logs, strict=True)
        tags = sorted(question.process.tags, key=question.process.tags.__getitem__)
        hours = self._hours[picks]
        return {
            "draws": {name: [rounded(v) for v in (median * np.exp(row)).tolist()] for name, (median, _), row in names},
            "change_hours": [rounded(hour) if math.isfinite(hour) else None for hour in hours.tolist()],
            "run_hours": rounded(self._history.hours),
            "measurements": dict(zip(tags, self._history.measured, strict=True)),
            "drawn": len(self._cell),
        }


def _digest(question: Question, history: History) -> bytes:
    """Name what is asked and of which past: a checkpoint of another is none."""
    made = hashlib.sha256(msgspec.json.encode(question.spec, order="sorted"))
    made.update(repr((history.began, history.litres, history.hours)).encode())
    for one in history.deeds:
        holds = b"" if one.holds is None else one.holds.tobytes()
        made.update(repr((one.hour, one.what, one.place, one.value, one.count, one.name)).encode() + holds)
    return made.digest()


# Any: JSON.
def _fitting(summary: dict[str, Any]) -> dict[str, Any]:
    """Leave out every other hour of the trajectory, twice at most, where it is too long for a message."""
    for _ in range(4):
        if len(msgspec.json.encode(summary)) <= MOST_SUMMARY_BYTES - 1024:
            break
        path = summary["trajectory"]
        thin = {
            name: {key: one if key == "unit" else [*one[:-1:2], one[-1]] for key, one in lines.items()}
            for name, lines in path["quantities"].items()
        }
        hours = [*path["hours"][:-1:2], path["hours"][-1]]
        summary = summary | {"trajectory": {"hours": hours, "quantities": thin}}
    return summary
