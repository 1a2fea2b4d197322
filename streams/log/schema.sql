-- The embedded topic log. Offsets are gapless per partition; a record is visible only after all before it, because
-- the row in log_head is locked from the moment an offset is given until its transaction ends.
-- Everything here may run again at any time; install.py holds a lock while it does.

create table if not exists log_topic (
    no         int  generated always as identity primary key,
    name       text not null unique,
    partitions int  not null check (partitions between 1 and 1024)
);

-- One row a partition, rewritten at each append: hence the room for HOT updates.
create table if not exists log_head (
    topic        int         not null,
    partition    int         not null,
    next_offset  bigint      not null default 0,
    first_offset bigint      not null default 0,              -- lower ones were dropped by retention
    appended_at  timestamptz not null default '-infinity',    -- of the newest record; never falls, whatever the clock does
    primary key (topic, partition)
) with (fillfactor = 20);

-- Split by the hour of `appended_at` into segments (log_segment lists them), which retention drops whole.
create table if not exists log_record (
    appended_at timestamptz not null,
    topic       int         not null,
    partition   int         not null,
    rec_offset  bigint      not null,
    key         bytea,
    value       bytea,
    headers     bytea                                         -- one msgpack map of text (schemas.events.pack_headers)
) partition by range (appended_at);

create table if not exists log_segment (
    name  text        primary key,
    since timestamptz not null,
    until timestamptz not null unique
);

-- The last append of each producer and its answer: a producer that lost the reply asks again and nothing is doubled.
create table if not exists log_producer (
    name     text        primary key,
    batch    bigint      not null,
    firsts   bigint[]      not null,
    appended timestamptz[] not null
) with (fillfactor = 20);

-- How far a consumer group says it is; advice for lag monitors, as on Kafka. The ledger knows better.
create table if not exists log_committed (
    grp         text   not null,
    topic       int    not null,
    partition   int    not null,
    next_offset bigint not null,
    primary key (grp, topic, partition)
) with (fillfactor = 50);

-- Who works: one row a group. The lock itself is an advisory one, held by a session of that worker.
create table if not exists log_member (
    grp    text        primary key,
    worker text        not null,                               -- application_name of its lock session
    term   bigint      not null default 1,                     -- counts the take-overs
    since  timestamptz not null default now()
);

-- Make the segment that covers an instant. Attaching, unlike `create ... partition of`, lets readers and writers go on.
create or replace function log_cover(moment timestamptz) returns void language plpgsql as $$
declare
    begins timestamptz := date_trunc('hour', moment, 'UTC');
    ends   timestamptz := date_trunc('hour', moment, 'UTC') + interval '1 hour';
    child  text := 'log_record_' || to_char(moment at time zone 'UTC', 'YYYYMMDDHH24');
begin
    perform pg_advisory_xact_lock(7504, 1);
    if exists (select from log_segment where until = ends) then
        return;
    end if;
    execute format('create table %I (like log_record including defaults including storage)', child);
    execute format('create unique index on %I (topic, partition, rec_offset)', child);
    execute format('alter table %I alter column headers set storage main', child);
    -- compressing a long value would take longer than all the rest of its append
    execute format('alter table %I alter column value set storage external', child);
    -- only ever appended to, read by its index alone and dropped whole: nothing here for a vacuum to do
    execute format('alter table %I set (autovacuum_enabled = off, toast.autovacuum_enabled = off)', child);
    execute format('alter table %I add constraint covered check (appended_at >= %L and appended_at < %L)', child, begins, ends);
    execute format('alter table log_record attach partition %I for values from (%L) to (%L)', child, begins, ends);
    execute format('alter table %I drop constraint covered', child);
    insert into log_segment values (child, begins, ends);
end $$;

-- Append the records of several partitions; `counts` says how many of the arrays' elements belong to each, in order.
-- Gives for each partition its first new offset and its time. Heads are locked in one order, so appends never deadlock.
create or replace function log_append(
    producer text, batch_no bigint, topics text[], partitions int[], counts int[], keys bytea[], vals bytea[], heads bytea[],
    out firsts bigint[], out appended timestamptz[]
) language plpgsql as $$
declare
    known  log_producer;
    one    record;
    base   bigint;
    moment timestamptz;
begin
    if producer is not null then
        select * into known from log_producer p where p.name = producer for update;
        if known.batch = batch_no then
            firsts := known.firsts;
            appended := known.appended;
            return;
        end if;
    end if;
    firsts := array_fill(0::bigint, array[cardinality(topics)]);
    appended := array_fill(now(), array[cardinality(topics)]);
    for one in
        select g.n, g.p, g.c, t.no, g.name, sum(g.c) over (order by g.n) - g.c as before
        from unnest(topics, partitions, counts) with ordinality as g (name, p, c, n) left join log_topic t using (name)
        order by t.no, g.p
    loop
        update log_head h set next_offset = h.next_offset + one.c, appended_at = greatest(h.appended_at, clock_timestamp())
        where h.topic = one.no and h.partition = one.p
        returning h.next_offset - one.c, h.appended_at into base, moment;
        if not found then
            raise exception 'no partition % of topic %', one.p, one.name using errcode = 'TS001';
        end if;
        if not exists (select from log_segment s where s.since <= moment and s.until > moment) then
            perform log_cover(moment);
        end if;
        if one.c = cardinality(vals) then
            insert into log_record (appended_at, topic, partition, rec_offset, key, value, headers)
            select moment, one.no, one.p, base + o - 1, k, v, h
            from unnest(keys, vals, heads) with ordinality as u (k, v, h, o);
        else
            insert into log_record (appended_at, topic, partition, rec_offset, key, value, headers)
            select moment, one.no, one.p, base + o - 1, k, v, h
            from unnest(keys[one.before + 1 : one.before + one.c], vals[one.before + 1 : one.before + one.c],
                        heads[one.before + 1 : one.before + one.c]) with ordinality as u (k, v, h, o);
        end if;
        firsts[one.n] := base;
        appended[one.n] := moment;
    end loop;
    if producer is not null then
        insert into log_producer as p values (producer, batch_no, firsts, appended)
        on conflict (name) do update set batch = excluded.batch, firsts = excluded.firsts, appended = excluded.appended;
    end if;
end $$;
