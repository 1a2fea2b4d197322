-- Lineage: which thing came from which, when that held (valid time) and when we knew it (record time).
-- Derived from append-only events (streams/ledger/lineage_write.py). All times are microseconds since 1970 UTC; both
-- intervals are half open. An edge points the way that influence flows: from the material to what is made of it, from
-- the box to what is in it. Types and kinds are the numbers of streams/lineage/kinds.py.

create table lineage_node (
    no   int      generated always as identity primary key,
    type smallint not null,
    key  text     not null unique
);

-- Each event once, by its own id, with the place in the log where it was known first.
create table lineage_event (
    no         int    generated always as identity primary key,
    id         text   not null unique,
    event_time bigint not null,
    known_at   bigint not null,
    topic      text   not null,
    partition  int    not null,
    rec_offset bigint not null
);

-- An event that was declared to be an error is believed until `known_at` and not after. The event itself may come later.
create table lineage_void (
    id         text   primary key,
    known_at   bigint not null,
    topic      text   not null,
    partition  int    not null,
    rec_offset bigint not null
);

-- What opens and closes intervals. `dst` null: all that is in `src` leaves it.
create table lineage_mark (
    event  int      not null,
    kind   smallint not null,
    action smallint not null,                       -- 0 close, 1 open
    src    int,
    dst    int,
    at     bigint   not null
);
create index lineage_mark_dst on lineage_mark (dst, kind);
create index lineage_mark_src on lineage_mark (src, kind);
create index lineage_mark_empties on lineage_mark (src, kind) where dst is null;
create index lineage_mark_event on lineage_mark (event);

create table lineage_edge (
    src         int      not null,
    dst         int      not null,
    event       int      not null,                  -- the event that it comes from
    ended_by    int,                                -- the event that ended its interval
    valid_from  bigint   not null,
    valid_until bigint   not null,
    known_from  bigint   not null,
    known_until bigint   not null,
    kind        smallint not null
);
-- Both directions from the index alone.
create index lineage_edge_src on lineage_edge (src, valid_from)
    include (dst, kind, valid_until, known_from, known_until);
create index lineage_edge_dst on lineage_edge (dst, valid_from)
    include (src, kind, valid_until, known_from, known_until);
create index lineage_edge_event on lineage_edge (event);

-- Read ahead of the statistics: new rows are visited by index at once, and pages marked visible soon.
alter table lineage_edge set (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

create table lineage_applied (
    topic       text   not null,
    partition   int    not null,
    next_offset bigint not null,                    -- the next offset to read; all below are in the graph
    primary key (topic, partition)
);
