-- The ledger: what was applied, what is believed, what was said. Times are UTC; offsets are next-to-fold, as Kafka counts.
-- Everything that one commit round writes, it writes in one transaction (streams/ledger/commit.py).

create table applied (
    topic             text    not null,
    partition         int     not null,
    next_offset       bigint  not null default 0,   -- the next offset to fold; all below are in the ledger
    epoch             bigint  not null default 0,   -- issued here, once per assignment; a stale one cannot commit
    checkpoint_offset bigint  not null default 0,
    owner             text    not null default '',
    claimed_at        timestamptz not null default now(),
    primary key (topic, partition)
);

-- kind 'live': the newest state of the partition. kind 'anchor': one a day, kept as long as its batch records.
create table checkpoint (
    topic       text   not null,
    partition   int    not null,
    kind        text   not null check (kind in ('live', 'anchor')),
    next_offset bigint not null,
    created_at  timestamptz not null default now(),
    model       text   not null,
    program     jsonb  not null,                    -- versions of twinstream, numpy, Python, and the CPU's features
    sha256      bytea  not null,
    body        bytea  not null,
    primary key (topic, partition, kind, next_offset)
);
alter table checkpoint alter column body set storage external;   -- arrays of floats: compressing them costs more than it saves

-- One row per twin: its short number in the history tables and what it said last, for overviews.
create table twin (
    no            int    generated always as identity primary key,
    kind          text   not null,
    key           text   not null,
    partition     int    not null,
    event_time    timestamptz,                      -- greatest of its estimates
    known_at      timestamptz,
    estimate      jsonb,
    forecast      jsonb,
    unique (kind, key)
);

create table open_alert (
    id         text  primary key,                   -- effect id of the raise
    twin_no    int   not null references twin (no),
    rule       text  not null,
    priority   text  not null,
    raised_at  timestamptz not null,
    last       jsonb not null                       -- the newest raise or update
);
create index on open_alert (twin_no);

create table channel_set (
    no    int generated always as identity primary key,
    tags  text[] not null,
    units text[] not null,
    unique (tags, units)
);

-- History. Split by `known_at` (the append time of the record), which only grows: a wrong event time cannot open a thousand partitions.
create table reading (
    known_at    timestamptz not null,
    twin_no     int         not null,
    channel_set int         not null,
    event_time  timestamptz not null,
    record_time timestamptz not null,
    rec_offset  bigint      not null,
    event_hash  bigint      not null,
    vals        float8[]    not null,
    quality     bytea       not null                -- one byte a channel: 0 good, 1 uncertain, 2 bad
) partition by range (known_at);
create index reading_twin_time on reading (twin_no, event_time);

-- Facts that are not readings: batches, phases, feeds, samples, assays, commands, time that passed.
create table fact (
    known_at    timestamptz not null,
    twin_no     int         not null,
    event_time  timestamptz not null,
    record_time timestamptz not null,
    rec_offset  bigint      not null,
    event_hash  bigint      not null,
    type        text        not null,
    source      text        not null,
    id          text        not null,
    data        jsonb       not null
) partition by range (known_at);
create index fact_twin_time on fact (twin_no, event_time);

create table effect (
    known_at    timestamptz not null,
    twin_no     int,                                -- null for a reject whose twin nobody could read
    kind        text        not null,
    lane        text        not null,
    topic       text        not null,
    partition   int         not null,
    rec_offset  bigint      not null,
    n           int         not null,
    event_time  timestamptz not null,
    record_time timestamptz not null,
    line        bytea       not null                -- the canonical JSON line
) partition by range (known_at);
create index effect_twin_time on effect (twin_no, kind, event_time);
create index effect_place on effect (topic, partition, rec_offset, n);

-- What twins asked to be kept for late facts: marks of state, and minute inputs. The newest offset counts; older ones are what was known then.
create table memory (
    known_at    timestamptz not null,
    twin_no     int         not null,
    kind        text        not null,
    event_time  timestamptz not null,
    rec_offset  bigint      not null,
    body        bytea
) partition by range (known_at);
create index memory_twin_time on memory (twin_no, kind, event_time, rec_offset);

create table outbox (
    seq       bigint generated always as identity primary key,
    id        text   not null,
    topic     text   not null,
    key       bytea,
    value     bytea  not null,
    headers   bytea  not null
);

-- A frame that ended the process twice is folded record by record; the one that raises is skipped, and this row says so.
create table trouble (
    topic       text   not null,
    partition   int    not null,
    next_offset bigint not null,
    exits       int    not null default 1,
    error       text   not null,
    seen_at     timestamptz not null default now(),
    primary key (topic, partition, next_offset)
);
create table skipped (
    topic       text   not null,
    partition   int    not null,
    rec_offset  bigint not null,
    error       text   not null,
    skipped_at  timestamptz not null default now(),
    primary key (topic, partition, rec_offset)
);

-- Append-only and hash-chained: who did what, when, why. `hash` covers the row's text and `prev_hash`.
create table audit (
    seq       bigint primary key,
    at        timestamptz not null,
    actor     text  not null,
    role      text  not null,
    action    text  not null,
    object    text  not null,
    old       jsonb,
    new       jsonb,
    reason    text  not null default '',
    program   text  not null,
    prev_hash bytea not null,
    hash      bytea not null
);
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'the audit trail is append-only';
end $$;
create trigger audit_append_only before update or delete or truncate on audit
    for each statement execute function refuse_change();
