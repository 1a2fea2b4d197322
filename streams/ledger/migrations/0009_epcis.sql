-- What partners capture and ask by EPCIS 2.0. The topic supply.events is the truth; the tables of events are an index of
-- it, filled by a follower, and may be emptied and filled anew. Captures, queries and subscriptions are their own truth.

-- One row an event, however many twins it was told to. `no` rises in the order in which events become visible.
create table epcis_event (
    no            bigint generated always as identity primary key,
    name          text        not null unique,      -- hash id; of an error declaration <hash>#error/<time>
    kind          text        not null,
    event_time    timestamptz not null,
    record_time   timestamptz not null,             -- of the log's append; never below that of a row before
    action        text,
    biz_step      text,
    disposition   text,
    read_point    text,                             -- canonical, as identifiers are below
    biz_location  text,
    error_time    timestamptz,
    body          bytea       not null              -- schemas.epcis.EpcisEvent, JSON
);
create index epcis_event_time on epcis_event (event_time, no);
create index epcis_event_record on epcis_event (record_time, no);
create index epcis_event_kind on epcis_event (kind, no);
create index epcis_event_step on epcis_event (biz_step, no);
create index epcis_event_disposition on epcis_event (disposition, no);
create index epcis_event_point on epcis_event (read_point text_pattern_ops, no);
create index epcis_event_location on epcis_event (biz_location text_pattern_ops, no);
create index epcis_event_error on epcis_event (error_time, no) where error_time is not null;

-- What an event has several of: `field` says what (streams/ledger/epcis_index.py).
create table epcis_value (
    no    bigint not null references epcis_event on delete cascade,
    field text   not null,
    value text   not null
);
create index epcis_value_of on epcis_value (field, value text_pattern_ops, no);
create index epcis_value_event on epcis_value (no);

-- Every value that ever came, once: the lists of EPCs, business steps, places and dispositions.
create table epcis_word (
    field text not null,
    value text collate "C" not null,
    primary key (field, value)
);

-- How far the follower has read, in the transaction of what it wrote.
create table epcis_follow (
    topic       text   not null,
    partition   int    not null,
    next_offset bigint not null,
    primary key (topic, partition)
);

create table epcis_capture (
    no          bigint generated always as identity primary key,
    id          text        not null unique,
    owner       text        not null,
    behaviour   text        not null check (behaviour in ('rollback', 'proceed')),
    media       text        not null,
    created_at  timestamptz not null default now(),
    finished_at timestamptz,
    success     boolean     not null default false,
    attempts    int         not null default 0,
    held_until  timestamptz not null default '-infinity', -- by the process that works on it
    captured    int         not null default 0,           -- events appended
    refused     int         not null default 0,
    errors      jsonb       not null default '[]',        -- the first of them
    payload     bytea                                     -- until it is finished
);
create index epcis_capture_open on epcis_capture (no) where finished_at is null;

create table epcis_query (
    name       text        primary key,
    owner      text        not null,
    created_at timestamptz not null default now(),
    query      jsonb       not null
);

create table epcis_subscription (
    no              bigint generated always as identity primary key,
    id              text        not null unique,
    query           text        not null references epcis_query on delete cascade,
    owner           text        not null,
    created_at      timestamptz not null default now(),
    dest            text        not null,
    secret          text        not null,               -- signs what is sent; never shown
    schedule        jsonb,                              -- null: as events come
    report_if_empty boolean     not null default false,
    first_record    timestamptz not null default '-infinity', -- the initialRecordTime
    min_record      timestamptz not null default '-infinity', -- of the newest event that was taken
    after_no        bigint      not null default 0,     -- events up to here were taken, or do not match
    next_at         timestamptz not null default now(),
    held_until      timestamptz not null default '-infinity',
    failures        int         not null default 0,     -- in a row
    delivered       bigint      not null default 0,     -- events
    last_at         timestamptz,
    last_error      text        not null default ''
);
create index epcis_subscription_of on epcis_subscription (query, no);
create index epcis_subscription_due on epcis_subscription (next_at);
