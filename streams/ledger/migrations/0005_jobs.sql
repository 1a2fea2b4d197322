-- The job ledger: every re-simulation that was asked for, who runs it, how far it is, what came of it.
-- Leases run on the database's clock alone. `attempt` is the fencing token: who holds an older one commits nothing.

create table job (
    no             bigint generated always as identity primary key,
    id             text        not null unique,        -- effect id of the request, or the id given to what a person asked
    twin_kind      text        not null,
    twin_key       text        not null,
    kind           text        not null,               -- the engine
    tenant         text        not null,
    asked_by       text        not null,               -- the twin's model, or a person as they gave their name
    reasons        text[]      not null,
    priority       smallint    not null check (priority between 0 and 3),  -- 0 patient safety .. 3 background
    rank           smallint    not null,               -- priority after ageing; never 0 unless asked so
    deadline       timestamptz not null default 'infinity',
    spec           bytea       not null,               -- canonical JSON
    content_hash   bytea       not null,
    inputs         text[]      not null default '{}',  -- topic/partition/offset up to which facts were known
    past_from      timestamptz,
    event_time     timestamptz not null,               -- of the request
    state          text        not null default 'queued'
        check (state in ('queued', 'running', 'done', 'failed', 'cancelled', 'superseded')),
    attempt        int         not null default 0,
    failures       int         not null default 0,
    not_before     timestamptz not null default '-infinity',
    worker         text        not null default '',
    device         text        not null default '',
    lease_until    timestamptz,
    wish           text        not null default '' check (wish in ('', 'cancel', 'supersede')),  -- told to who runs it
    share          real        not null default 0,
    note           text        not null default '',
    rates          jsonb       not null default '{}',
    seconds        double precision not null default 0, -- of a device, over all attempts
    superseded_by  text,
    answered_by    text,                                -- the job whose answer was repeated
    result         bytea,                               -- ResimulationResult, as it was sent
    document       bytea,                               -- the whole answer, JSON, zlib
    error          text        not null default '',
    asked_at       timestamptz not null default now(),
    started_at     timestamptz,
    progressed_at  timestamptz,
    finished_at    timestamptz
);

-- The two newest of each job; an older one is what is left when the newer is torn.
create table job_checkpoint (
    job       bigint      not null references job (no) on delete cascade,
    attempt   int         not null,
    seq       int         not null,
    versions  jsonb       not null,
    device    text        not null,
    sha256    bytea       not null,
    body      bytea       not null,
    at        timestamptz not null default now(),
    primary key (job, attempt, seq)
);
alter table job_checkpoint alter column body set storage external;

-- Where the dispatcher stands in resim.requests: written in the transaction that takes the jobs in, so each is taken once.
create table job_intake (
    topic       text   not null,
    partition   int    not null,
    next_offset bigint not null,
    primary key (topic, partition)
);

-- Device seconds that a tenant may spend on a kind ('*': any), as a bucket that fills; no row means no bound.
create table job_budget (
    tenant            text   not null,
    kind              text   not null,
    seconds_per_hour  double precision not null check (seconds_per_hour >= 0),
    most_seconds      double precision not null check (most_seconds > 0),
    left_seconds      double precision not null,
    filled_at         timestamptz not null default now(),
    primary key (tenant, kind)
);
