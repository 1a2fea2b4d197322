"""Whether a person may still adopt an answer: the run that asked must go on, and nobody answered it since."""

from __future__ import annotations

from dataclasses import dataclass

from streams.ledger.reads import Connection, text_of

ADOPTABLE = ("bioreactor.reestimate",)  # kinds whose answers say what a twin's parameters are


@dataclass(frozen=True, slots=True)
class Adoption:
    """Whether an answer may be adopted, else why not, in words for a person. `adopted` where it was."""

    allowed: bool
    why: str = ""
    adopted: bool = False


async def adoption_of(connection: Connection, job: str) -> Adoption | None:
    """Say whether a job's answer may be adopted; None where there is no such job.

    The twin has the last word: it refuses an adoption whose time has passed by its own record.
    """
    rows = await connection.execute(
        "select no, id, kind, state, twin_kind, twin_key, event_time from job where id = %s", (job,)
    )
    row = await rows.fetchone()
    if row is None:
        return None
    if row["kind"] not in ADOPTABLE:
        return Adoption(False, f"only answers of {', '.join(ADOPTABLE)} can be adopted; this is one of {row['kind']}")
    if row["state"] != "done":
        return Adoption(False, f"the job is {row['state']}; only an answer can be adopted")
    newer = await connection.execute(
        "select id from job where twin_kind = %(twin_kind)s and twin_key = %(twin_key)s and kind = %(kind)s"
        " and state = 'done' and (event_time, no) > (%(event_time)s, %(no)s) order by event_time desc limit 1",
        row,
    )
    if (after := await newer.fetchone()) is not None:
        return Adoption(False, f"a newer re-estimation answered: {after['id']}; look at that one")
    said = await connection.execute(
        "select f.type, f.event_time, f.data ->> 'by' as by from fact f join twin t on t.no = f.twin_no"
        " where t.kind = %(twin_kind)s and t.key = %(twin_key)s and (f.event_time > %(event_time)s and"
        " f.type in (%(twin_kind)s || '.batch_started', %(twin_kind)s || '.batch_ended')"
        " or f.type = %(twin_kind)s || '.estimate_adopted' and f.data ->> 'job' = %(id)s)"
        " order by f.type desc, f.event_time limit 1",
        row,
    )
    fact = await said.fetchone()
    if fact is None:
        return Adoption(True)
    when = text_of(fact["event_time"])
    if fact["type"].endswith(".estimate_adopted"):
        return Adoption(False, f"{fact['by']} adopted it as of {when}", True)
    word = "another run began" if fact["type"].endswith("started") else "the run ended"
    return Adoption(False, f"{word} at {when}, after this was asked")
