"""The event loop of one replication, and the chance it meets: plain functions of numbers and arrays.

They run as they stand, slowly; `batch.py` compiles the very same ones where numba is installed. They stand in one file,
because what is compiled is kept by its date; the loop is one function, because compiled a call that hands arrays over
costs as much as the step it does (measured: half of the speed). Chance is counter-based
(Philox 4x32-10): a draw is a function of seed, replication, patient, step and visit, whatever the order of events.

Everything that ends, comes or changes at an instant happens first, in any order: it commutes. Then the first resource,
in the network's order, that has a free unit and somebody waiting serves one patient, and whatever follows from that at
the same instant comes before the next is served.

Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011 (Philox); Marsaglia and Tsang,
A simple method for generating gamma variables, ACM TOMS 26 (2000); Wichura, AS 241, Applied Statistics 37 (1988).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twins.supply.network.layout import Model

_LOW = 0xFFFFFFFF
_TO_UNIT, _TO_UNIT_32 = 2.0**-53, 2.0**-32
ARRIVAL = 0xFFFF  # in the place of a step: the n-th gap between arrivals of a class
IN_PROCESS, FINISHED, LEFT = 0, 1, 2
TABLE = 5  # the law told by its quantiles
TOO_LONG = 1

Array = Any  # of numpy; numba knows it by its own types


def philox(c0: int, c1: int, c2: int, c3: int, k0: int, k1: int) -> tuple[int, int, int, int]:
    """Give four words of 32 bits of a counter and a key."""
    for _ in range(10):
        p = 0xD2511F53 * c0
        q = 0xCD9E8D57 * c2
        c0 = ((q >> 32) & _LOW) ^ c1 ^ k0
        c2 = ((p >> 32) & _LOW) ^ c3 ^ k1
        c1 = q & _LOW
        c3 = p & _LOW
        k0 = (k0 + 0x9E3779B9) & _LOW
        k1 = (k1 + 0xBB67AE85) & _LOW
    return c0, c1, c2, c3


def words(rep: int, patient: int, step: int, visit: int, attempt: int, k0: int, k1: int) -> tuple[int, int, int, int]:
    """Give the words of a visit."""
    return philox(int(rep), int(patient), (attempt << 16) | int(step), int(visit), k0, k1)


def uniforms(rep: int, patient: int, step: int, visit: int, attempt: int, k0: int, k1: int) -> tuple[float, float]:
    """Give two numbers in [0, 1), of 53 and of 32 bits."""
    w0, w1, w2, _ = words(rep, patient, step, visit, attempt, k0, k1)
    return ((w0 << 21) | (w1 >> 11)) * _TO_UNIT, w2 * _TO_UNIT_32


def normal_quantile(p: float) -> float:
    """Give the quantile of the normal law, AS 241 (PPND16), to about 1e-16."""
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        top = ((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r
            + 45921.953931549871457) * r + 13731.693765509461125) * r + 1971.5909503065514427) * r
            + 133.14166789178437745) * r + 3.387132872796366608  # fmt: skip
        low = ((((((5226.495278852545925 * r + 28729.085735721942674) * r + 39307.89580009271061) * r
            + 21213.794301586595867) * r + 5394.1960214247511077) * r + 687.1870074920579083) * r
            + 42.313330701600911252) * r + 1.0  # fmt: skip
        return q * top / low
    r = math.sqrt(-math.log(p if q < 0.0 else 1.0 - p))
    if r <= 5.0:
        r -= 1.6
        top = ((((((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) * r
            + 1.27045825245236838258) * r + 3.64784832476320460504) * r + 5.7694972214606914055) * r
            + 4.6303378461565452959) * r + 1.42343711074968357734  # fmt: skip
        low = ((((((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966) * r
            + 0.14810397642748007459) * r + 0.68976733498510000455) * r + 1.6763848301838038494) * r
            + 2.05319162663775882187) * r + 1.0  # fmt: skip
    else:
        r -= 5.0
        top = ((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 0.0012426609473880784386) * r
            + 0.026532189526576123093) * r + 0.29656057182850489123) * r + 1.7848265399172913358) * r
            + 5.4637849111641143699) * r + 6.6579046435011037772  # fmt: skip
        low = ((((((2.04426310338993978564e-15 * r + 1.4215117583164458887e-7) * r + 1.8463183175100546818e-5) * r
            + 7.868691311456132591e-4) * r + 0.0148753612908506148525) * r + 0.13692988092273580531) * r
            + 0.59983220655588793769) * r + 1.0  # fmt: skip
    return -top / low if q < 0.0 else top / low


def gamma_draw(
    shape: float, scale: float, u: float, v: float, rep: int, patient: int, step: int, visit: int, k0: int, k1: int
) -> float:  # fmt: skip
    """Draw from a gamma law; `u` and `v` are the uniforms of the first attempt.

    Below shape 1 a draw of shape + 1 is lowered by a power of a uniform.
    """
    d = (shape + 1.0 if shape < 1.0 else shape) - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    attempt = 0
    while True:
        x = normal_quantile(u + 0.5 * _TO_UNIT)
        cube = 1.0 + c * x
        if cube > 0.0:
            cube = cube * cube * cube
            if v < 1.0 - 0.0331 * (x * x) * (x * x):
                break
            if math.log(1.0 - v) < 0.5 * x * x + d * (1.0 - cube + math.log(cube)):
                break
        attempt += 1
        u, v = uniforms(rep, patient, step, visit, attempt, k0, k1)
    found = d * cube * scale
    if shape < 1.0:
        u, v = uniforms(rep, patient, step, visit, 0xFFFF, k0, k1)
        found *= math.exp(math.log(1.0 - u) / shape)
    return found


def chance(
    law: int, a: float, b: float, rep: int, patient: int, step: int, visit: int, k0: int, k1: int
) -> tuple[float, float]:  # fmt: skip
    """Give the duration of a patient's visit to a step [d], and the uniform that decides what comes after.

    Of a law told by its quantiles the level instead of the duration.
    """
    w0, w1, w2, w3 = words(rep, patient, step, visit, 0, k0, k1)
    u, coin = ((w0 << 21) | (w1 >> 11)) * _TO_UNIT, w2 * _TO_UNIT_32
    if law == 0:
        return a, coin
    if law == 1:
        return -a * math.log(1.0 - u), coin
    if law == 2:
        return gamma_draw(a, b, u, w3 * _TO_UNIT_32, rep, patient, step, visit, k0, k1), coin
    if law == 3:
        return math.exp(a + b * normal_quantile(u + 0.5 * _TO_UNIT)), coin
    if law == 4:
        return a + (b - a) * u, coin
    return u, coin


def quantile(levels: Array, days: Array, low: int, high: int, level: float) -> float:
    """Give a quantile by a table's rows from `low` up to but not `high`; linear between."""
    high -= 1
    while high - low > 1:
        middle = (low + high) // 2
        if levels[middle] <= level:
            low = middle
        else:
            high = middle
    share = (level - levels[low]) / (levels[high] - levels[low])
    return float(days[low] + share * (days[high] - days[low]))


def arrive(
    m: Model, rep: int, k0: int, k1: int, time: Array, of: Array, key: Array
) -> int:  # fmt: skip
    """Write when patients come, of which class and by which key their chance is drawn; give how many.

    Those known before come first; the others follow in the order of their arrival, then of class. The n-th of a class
    has the same chance whatever the other classes do.
    """
    rate_time, rate_total, rate_class, most = m.rate_time, m.rate_total, m.rate_class, m.most
    classes = len(m.first)
    n = len(m.named_class)
    for p in range(n):
        time[p] = m.named_time[p]
        of[p] = m.named_class[p]
        key[p] = 0x80000000 + p
    begun = np.zeros(classes, np.int64)
    total = np.zeros(classes)
    place = np.zeros(classes, np.int64)
    ahead = np.full(classes, np.inf)
    for c in range(classes):
        place[c] = rate_class[c]
        ahead[c] = next_arrival(
            c, most[c], rep, k0, k1, begun, total, place, rate_time, rate_total, rate_class[c + 1] - 1
        )
    while n < len(time):
        soonest = 0
        for c in range(1, classes):
            if ahead[c] < ahead[soonest]:
                soonest = c
        if ahead[soonest] == np.inf:
            break
        time[n] = ahead[soonest]
        of[n] = soonest
        key[n] = (soonest << 24) + begun[soonest] - 1
        ahead[soonest] = next_arrival(
            soonest, most[soonest], rep, k0, k1, begun, total, place, rate_time, rate_total, rate_class[soonest + 1] - 1
        )
        n += 1
    return n


def next_arrival(
    c: int, most: int, rep: int, k0: int, k1: int, begun: Array, total: Array, place: Array, days: Array,
    expected: Array, last: int,
) -> float:  # fmt: skip
    """Give when the next patient of a class comes: unit gaps, laid out on the cumulative rate."""
    if begun[c] >= most:
        return math.inf
    u, _ = uniforms(rep, begun[c], ARRIVAL, c, 0, k0, k1)
    total[c] -= math.log(1.0 - u)
    begun[c] += 1
    k = place[c]
    while k < last and expected[k + 1] <= total[c]:
        k += 1
    place[c] = k
    if k >= last:
        return math.inf
    share = (total[c] - expected[k]) / (expected[k + 1] - expected[k])
    return float(days[k] + share * (days[k + 1] - days[k]))


def mark(
    free: Array, full: Array, idle: Array, r: int, now: float, resource_of: Array, period: Array, periods: int
) -> int:  # fmt: skip
    """Keep the active periods of a resource, those without a free unit; give how many are written.

    An instant with a free unit in between does not end one.
    """
    if len(resource_of) == 0:
        return periods
    if free[r] > 0:
        if idle[r] == math.inf:
            idle[r] = now
        return periods
    if idle[r] < now:
        periods = close(full, idle[r], r, resource_of, period, periods)
        full[r] = now
    idle[r] = math.inf
    return periods


def close(full: Array, end: float, r: int, resource_of: Array, period: Array, periods: int) -> int:
    """Write an active period that has ended; where there is no room, count it alone."""
    if full[r] < 0.0 or not end > full[r]:
        return periods
    if periods < len(resource_of):
        resource_of[periods] = r
        period[periods, 0] = full[r]
        period[periods, 1] = end
    return periods + 1


def simulate(
    m: Model, rep: int, k0: int, k1: int, horizon: float, warm_up: float, most_starts: int, left: Array,
    time: Array, of: Array, key: Array, ready: Array, begun: Array, finish: Array, status: Array,
    busy_days: Array, queue_days: Array, wait_days: Array, waited: Array,
    period_of: Array, period: Array, record: Array, record_time: Array, came: int, drawn: Array,
    coins: Array,
) -> tuple[int, int, int, float, int]:  # fmt: skip
    """Simulate one replication, up to but not at the horizon.

    Parameters
    ----------
    left : array, shape (starting,)
        What remains of the step that a patient is in on day 0 [d].
    time, of, key, ready, begun, finish, status : arrays, shape (patients,)
        Written: arrival, class, key of chance, last step asked for, begun, end of the route [d, nan], what became.
    busy_days, queue_days : arrays, shape (resources,)
        Written: units in use and patients waiting, summed over time after the warm-up.
    wait_days, waited : arrays, shape (resources, classes)
        Written: days waited and how often, of those who asked after the warm-up and were served.
    period_of, period : arrays, shapes (most,) and (most, 2)
        Written: resource, begin and end of active periods. Empty: none are kept.
    record, record_time : arrays, shapes (most, 3)
        Written: patient, step of its route, visit; asked, started, ended [d, nan]. Empty: none are kept.
    came : int
        How many patients `predraw` has written; -1: those that come are drawn here.
    drawn, coins : arrays, shape (visits, patients, steps)
        Chance that was drawn before, by `predraw`; later visits, and all where there are none, are drawn when met.

    Returns
    -------
    tuple
        Patients, records, active periods (of both also those without room), end [d], 0 or TOO_LONG.
    """
    change_time, change_resource, change_units = m.change_time, m.change_resource, m.change_units
    first, steps, level_of, law, a, b = m.first, m.steps, m.level, m.law, m.a, m.b
    asks, n_asks, held_over = m.asks, m.n_asks, m.held_over
    outcome, outcome_upto, outcome_to, outcome_most = m.outcome, m.outcome_upto, m.outcome_to, m.outcome_most
    outcome_then, outcome_slot, closed = m.outcome_then, m.outcome_slot, m.closed
    table, table_level, table_days = m.table, m.table_level, m.table_days
    named_step, named_waiting, named_elapsed = m.named_step, m.named_waiting, m.named_elapsed
    n = arrive(m, rep, k0, k1, time, of, key) if came < 0 else came
    before_hand = drawn.shape[0]
    resources, starting, named = len(m.units), len(named_step), len(m.named_class)
    recording, tracking = len(record) > 0, len(period_of) > 0
    step, place, held = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    asked, coin, current = np.zeros(n), np.zeros(n), np.zeros(n, np.int64)
    visits = np.zeros((n, steps.max()), np.int32)
    used = np.zeros((n, m.slots), np.int32)
    levels = level_of.max() + 1
    head, tail = np.full((resources, levels), -1, np.int64), np.full((resources, levels), -1, np.int64)
    after, before = np.zeros(n, np.int64), np.zeros(n, np.int64)
    free, busy, queue = m.units.copy(), np.zeros(resources, np.int64), np.zeros(resources, np.int64)
    full, idle = np.full(resources, -1.0), np.full(resources, -1.0)
    heap_time, heap_patient, size = np.full(n + 3, np.inf), np.zeros(n + 3, np.int64), 0
    ready[:n], begun[:n], finish[:n], status[:n] = np.nan, np.nan, np.nan, IN_PROCESS
    busy_days[:], queue_days[:], wait_days[:], waited[:] = 0.0, 0.0, 0.0, 0
    booked, coming, change, changes = 0, named, 0, len(change_time)
    records, periods, starts, flag = 0, 0, 0, 0
    dirty, now, clock, last, waiting = 0, -1.0, warm_up, 0.0, 0
    stale, outside, source, hole, pending, ends = True, math.inf, 0, False, -1, 0.0
    for r in range(resources):
        if tracking:
            periods = mark(free, full, idle, r, 0.0, period_of, period, periods)
    while True:
        if hole:  # what has just begun comes in its place, else the last, and sinks; beyond the last is infinity
            hole, k, child = False, 0, 1
            if pending < 0:
                size -= 1
                ends, pending = heap_time[size], heap_patient[size]
                heap_time[size] = math.inf
            while child < size:
                child += int(heap_time[child + 1] < heap_time[child])
                if heap_time[child] >= ends:
                    break
                heap_time[k] = heap_time[child]
                heap_patient[k] = heap_patient[child]
                k = child
                child = 2 * k + 1
            if size > 0:
                heap_time[k] = ends
                heap_patient[k] = pending
            pending = -1
        elif pending >= 0:
            k = size
            while k > 0:
                parent = (k - 1) >> 1
                if heap_time[parent] <= ends:
                    break
                heap_time[k] = heap_time[parent]
                heap_patient[k] = heap_patient[parent]
                k = parent
            heap_time[k] = ends
            heap_patient[k] = pending
            size += 1
            pending = -1
        if stale:  # what comes next from outside
            stale, outside, source = False, math.inf, 0
            if booked < named:
                outside, source = time[booked], 1
            if coming < n and time[coming] < outside:
                outside, source = time[coming], 2
            if change < changes and change_time[change] < outside:
                outside, source = change_time[change], 3
        soonest, what = outside, source
        if heap_time[0] <= outside and size > 0:
            soonest, what = heap_time[0], 0
        entered = False
        if dirty != 0 and soonest > now:  # all that happens at this instant has: serve one
            r = 0
            while (dirty >> r) & 1 == 0:
                r += 1
            level = 0
            while head[r, level] < 0:
                level += 1
            p = head[r, level]
            head[r, level] = after[p]
            if after[p] < 0:
                tail[r, level] = -1
            else:
                before[after[p]] = -1
            queue[r] -= 1
            waiting -= 1
            queue_days[r] += clock
            busy[r] += 1
            busy_days[r] -= clock
            free[r] -= 1
            held[p] |= 1 << r
            if free[r] <= 0 or queue[r] == 0:
                dirty ^= 1 << r
            if tracking:
                periods = mark(free, full, idle, r, now, period_of, period, periods)
            if asked[p] >= warm_up:
                wait_days[r, of[p]] += now - asked[p]
                waited[r, of[p]] += 1
            s = step[p]
            asking = now
        elif not soonest < horizon:
            break
        elif what == 3:
            now = soonest
            clock = max(now, warm_up)
            r = change_resource[change]
            free[r] += change_units[change]
            dirty = dirty | (1 << r) if free[r] > 0 and queue[r] > 0 else dirty & ~(1 << r)
            stale = True
            if tracking:
                periods = mark(free, full, idle, r, now, period_of, period, periods)
            change += 1
            continue
        elif what == 0:
            now = last = soonest
            clock = max(now, warm_up)  # sums over time: an end less a begin, each not before the warm-up
            p = heap_patient[0]
            heap_time[0] = min(heap_time[1], heap_time[2])  # a hole, that tells what is next
            hole = True
            s = step[p]
            c = of[p]
            if recording and current[p] < len(record):
                record_time[current[p], 2] = now
            to = s + 1
            if to == first[c] + steps[c]:
                to = -2
            for o in range(outcome[s], outcome[s + 1]):
                if coin[p] < outcome_upto[o]:
                    slot = outcome_slot[o]
                    if slot < 0:
                        to = outcome_to[o]
                    elif used[p, slot] < outcome_most[o]:
                        used[p, slot] += 1
                        to = outcome_to[o]
                    elif outcome_then[o] == 0:
                        to = -1
                    break
            keep = held_over[s] & held_over[to] if to >= 0 else 0
            for k in range(n_asks[s]):
                r = asks[s, k]
                if (keep >> r) & 1 == 0:
                    busy[r] -= 1
                    busy_days[r] += clock
                    free[r] += 1
                    if free[r] > 0 and queue[r] > 0:
                        dirty |= 1 << r
                    if tracking:
                        periods = mark(free, full, idle, r, now, period_of, period, periods)
            held[p] = keep
            if to < 0:
                finish[p] = now
                status[p] = FINISHED if to == -2 else LEFT
                if to == -1 or closed[c] == 0:
                    continue
                status[p] = IN_PROCESS
                to = first[c]
            s = to
            entered, asking = True, now
        else:
            now = last = soonest
            clock = max(now, warm_up)  # sums over time: an end less a begin, each not before the warm-up
            stale = True
            if what == 1:
                p = booked
                booked += 1
            else:
                p = coming
                coming += 1
            s = first[of[p]]
            entered, asking = True, now
            if p < starting:
                s = named_step[p]
                if named_waiting[p] >= 0.0:
                    asking = -named_waiting[p]
                    held[p] = held_over[s] & held_over[s - 1] if s > first[of[p]] else 0
                else:
                    asking = -named_elapsed[p]
                    held[p] = -1  # all it needs
                for k in range(n_asks[s]):
                    r = asks[s, k]
                    if (held[p] >> r) & 1:
                        busy[r] += 1
                        busy_days[r] -= clock
                        free[r] -= 1
                        if free[r] <= 0:
                            dirty &= ~(1 << r)
                        if tracking:
                            periods = mark(free, full, idle, r, now, period_of, period, periods)
        c = of[p]
        local = s - first[c]
        if entered:
            step[p] = s
            place[p] = 0
            visits[p, local] += 1
            if local == steps[c] - 1:
                ready[p] = asking
            if recording:
                current[p] = records
                if records < len(record):
                    record[records, 0], record[records, 1], record[records, 2] = p, local, visits[p, local] - 1
                    record_time[records, 0], record_time[records, 1], record_time[records, 2] = asking, np.nan, np.nan
                records += 1
        k, mine, count = place[p], held[p], n_asks[s]
        while k < count:
            r = asks[s, k]
            if (mine >> r) & 1 == 0:
                if free[r] <= 0 or dirty != 0 or now >= outside or heap_time[0] <= now:
                    break
                busy[r] += 1  # nobody else can come before: it is served at once
                busy_days[r] -= clock
                free[r] -= 1
                mine |= 1 << r
                if tracking:
                    periods = mark(free, full, idle, r, now, period_of, period, periods)
                if asking >= warm_up:
                    wait_days[r, c] += now - asking
                    waited[r, c] += 1
                asking = now
            k += 1
        held[p] = mine
        if k < count:
            place[p] = k
            queue[r] += 1
            queue_days[r] -= clock
            waiting += 1
            asked[p] = asking
            level = level_of[c]
            other = tail[r, level]  # into the line: by time of asking, then by number
            while other >= 0 and (asked[other] > asking or (asked[other] == asking and other > p)):
                other = before[other]
            following = head[r, level] if other < 0 else after[other]
            before[p] = other
            after[p] = following
            if other < 0:
                head[r, level] = p
            else:
                after[other] = p
            if following < 0:
                tail[r, level] = p
            else:
                before[following] = p
            if free[r] > 0:
                dirty |= 1 << r
            continue
        visit = visits[p, local] - 1
        if visit < before_hand:
            days, coin[p] = drawn[visit, p, local], coins[visit, p, local]
        else:
            days, coin[p] = chance(law[s], a[s], b[s], rep, key[p], local, visit, k0, k1)
            if law[s] == TABLE:
                days = quantile(table_level, table_days, table[s], table[s + 1], days)
        began = now
        if p < starting and entered and mine == -1:
            days, began = left[p], asking
        if local == steps[c] - 1:
            begun[p] = began
        if recording and current[p] < len(record):
            record_time[current[p], 1] = began
        ends, pending = now + days, p
        starts += 1
        if starts > most_starts:
            flag = TOO_LONG
            break
    end = horizon if size > 0 or waiting > 0 or booked < named or coming < n else last
    for r in range(resources):
        busy_days[r] += busy[r] * max(end, warm_up)
        queue_days[r] += queue[r] * max(end, warm_up)
        if len(period_of) > 0:
            periods = close(full, min(idle[r], end), r, period_of, period, periods)
    return n, records, periods, end, flag


def predraw(
    m: Model, rep: int, k0: int, k1: int, time: Array, of: Array, key: Array, days: Array, coins: Array
) -> int:  # fmt: skip
    """Write arrivals, and the chance of every patient's first visits to each step: shapes (visits, patients, steps)."""
    law, a, b = m.law, m.a, m.b
    n = arrive(m, rep, k0, k1, time, of, key)
    for p in range(n):
        c = of[p]
        for local in range(m.steps[c]):
            s = m.first[c] + local
            for visit in range(days.shape[0]):
                found, coins[visit, p, local] = chance(law[s], a[s], b[s], rep, key[p], local, visit, k0, k1)
                if law[s] == TABLE:
                    found = quantile(m.table_level, m.table_days, m.table[s], m.table[s + 1], found)
                days[visit, p, local] = found
    return n


def chance_at(
    m: Model, s: int, local: int, rep: int, key: int, visit: int, k0: int, k1: int
) -> tuple[float, float]:  # fmt: skip
    """Give the duration and the uniform that decides after of one visit, `chance` with the tables looked up."""
    days, coin = chance(m.law[s], float(m.a[s]), float(m.b[s]), rep, key, local, visit, k0, k1)
    if m.law[s] == TABLE:
        days = quantile(m.table_level, m.table_days, m.table[s], m.table[s + 1], days)
    return days, coin
