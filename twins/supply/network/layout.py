"""What the event loop reads: a network as arrays. `model.py` lays one out."""

from __future__ import annotations

from typing import Any, NamedTuple

Array = Any  # of numpy; numba knows it by its own types


class Model(NamedTuple):
    """A network as arrays. Steps are counted over all routes; s is the step, r the resource, c the class."""

    units: Array  # (r,) at day 0
    change_time: Array  # (changes,) when units change, ascending
    change_resource: Array
    change_units: Array  # by how much
    first: Array  # (c,) its first step
    steps: Array  # (c,) how many
    level: Array  # (c,) priority as a rank, 0 first
    law: Array  # (s,)
    a: Array  # (s,) parameters of the law
    b: Array
    table: Array  # (s + 1,) where its quantiles begin
    table_level: Array
    table_days: Array
    asks: Array  # (s, most) resources in the order asked for, those held over it first
    n_asks: Array  # (s,)
    held_over: Array  # (s,) bits of those held over it
    outcome: Array  # (s + 1,) where its outcomes begin
    outcome_upto: Array  # cumulative probability
    outcome_to: Array  # step, -1 to leave
    outcome_most: Array  # -1 without limit
    outcome_then: Array  # 0 leave, 1 next
    outcome_slot: Array  # where its uses are counted, -1 without limit
    slots: int  # how many are counted
    named_class: Array  # (named,) patients known before: those at the start, the closed, the booked by day
    named_time: Array  # (named,) when it comes, ascending; 0 for those at the start
    named_step: Array  # (starting,) where it is
    named_waiting: Array  # (starting,) for how long it has waited [d], -1 where it is in service
    named_elapsed: Array  # (starting,) for how long it is in service [d]
    closed: Array  # (c,) 1 where who ends begins again
    rate_time: Array  # (k,) breakpoints of the cumulative arrivals of all Poisson classes
    rate_total: Array  # (k,) expected arrivals up to there
    rate_class: Array  # (c + 1,) where a class's breakpoints begin
    most: Array  # (c,) of its Poisson patients
