"""How jobs stand in the table `job`: the columns that are read back when one ends, and the fence of every write."""

from __future__ import annotations

# Columns of `answers.Job`, in its order.
COLUMNS = (
    "no, id, twin_kind, twin_key, kind, state, tenant, asked_by, reasons, priority, deadline, spec, content_hash,"
    " inputs, past_from, event_time, place, attempt, failures, device, seconds, error, now"
)

# The same out of the table `job j`. Infinity has no datetime: it is none.
RETURNED = (
    "j.no, j.id, j.twin_kind, j.twin_key, j.kind, j.state, j.tenant, j.asked_by, j.reasons, j.priority,"
    " case when j.deadline < 'infinity' then j.deadline end as deadline, j.spec, j.content_hash, j.inputs, j.past_from,"
    " j.event_time, j.place, j.attempt, j.failures, j.device, j.seconds, j.error, clock_timestamp() as now"
)

# Who holds the lease now, by the database's clock, and nobody else. The case keeps the planner from the index of what
# runs, which is short in its statistics and may be long with what ran.
FENCE = (
    "j.no = %(no)s and j.attempt = %(attempt)s"
    " and case when j.state = 'running' then j.lease_until end > clock_timestamp()"
)

# Charges what `ended` (tenant, kind, spent) holds to the budgets that bound it.
CHARGED = (
    "charged as (update job_budget b set left_seconds = job_budget_left(b) - s.spent, filled_at = clock_timestamp()"
    " from (select x.tenant, x.kind, sum(e.spent) as spent from ended e join job_budget x"
    "   on x.tenant = e.tenant and x.kind in (e.kind, '*') where e.spent > 0 group by x.tenant, x.kind) s"
    " where b.tenant = s.tenant and b.kind = s.kind)"
)
