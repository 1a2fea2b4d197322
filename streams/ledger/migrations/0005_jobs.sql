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
    place          text        not null default '',    -- topic/partition/offset of its record; empty: asked directly
    state          text        not null default 'queued'
        check (state in ('queued', 'running', 'done', 'failed', 'cancelled', 'superseded')),
    attempt        int         not null default 0,
    failures       int         not null default 0,
    lost           int         not null default 0,     -- leases that ran out since it last kept a checkpoint
    not_before     timestamptz not null default '-infinity', -- after an error; reaping sets it back when that is past
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
    started_at     timestamptz,                         -- of the newest attempt
    progressed_at  timestamptz,
    finished_at    timestamptz
);

-- One slot a twin and kind: one that runs, one that never began. What was given back has begun, and stands beside them.
create unique index job_slot on job
    (twin_kind, twin_key, kind, (case when state = 'running' then 0 when attempt = 0 then 1 else no + 1 end))
    where state in ('queued', 'running');
create index job_queue on job (kind, rank, tenant, deadline, no) where state = 'queued' and not_before = '-infinity';
create index job_delayed on job (not_before) where state = 'queued' and not_before > '-infinity';
create index job_age on job (priority, rank, asked_at) where state = 'queued' and rank > 1;
-- Hashed, so that no claim is planned by it: it would walk all that a tenant has waiting.
create index job_waiting on job (md5(tenant)) where state = 'queued';
create index job_running on job (tenant) where state = 'running';
create index job_answer on job (content_hash) where state = 'done' and answered_by is null;
-- Each job is rewritten twice or more: what is left must not wait for a fifth of the table.
alter table job set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

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

-- What every claim asks first of a budget: what is left of it now, by the database's clock.
create function job_budget_left(one job_budget) returns double precision language sql volatile as $$
    select least(one.most_seconds,
        one.left_seconds + greatest(extract(epoch from clock_timestamp() - one.filled_at), 0)::double precision
            * one.seconds_per_hour / 3600)
$$;

-- Take the next jobs. Rank by rank; within one the tenants with the fewest running jobs first, by lot among equals;
-- within a tenant the earliest deadline. Budgets bound all but patient safety. A slot that runs already waits.
-- Only the jobs that are taken are locked, and those that others hold are passed by. Every scan must go by its index,
-- whatever the statistics of the moment say.
create function job_claim(by_worker text, wanted text[], on_device text, most int, lease_seconds double precision)
returns setof job language plpgsql
set plan_cache_mode = force_generic_plan set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off set enable_sort = off as $$
declare
    lane  record;
    rest  int := most;
    found_now int;
    in_pass   int;
begin
    for this_rank in 0..3 loop
        loop
            in_pass := 0;
            for lane in
                with recursive spot (kind, tenant) as (
                    select k, (select j.tenant from job j
                        where j.state = 'queued' and j.not_before = '-infinity' and j.kind = k and j.rank = this_rank
                        order by j.tenant limit 1)
                    from unnest(wanted) k
                    union all
                    select s.kind, (select j.tenant from job j
                        where j.state = 'queued' and j.not_before = '-infinity' and j.kind = s.kind
                            and j.rank = this_rank and j.tenant > s.tenant
                        order by j.tenant limit 1)
                    from spot s where s.tenant is not null
                ), open_lane as materialized (
                    select s.kind, s.tenant from spot s
                    where s.tenant is not null and (this_rank = 0 or not exists (
                        select from job_budget b
                        where b.tenant = s.tenant and b.kind in (s.kind, '*') and job_budget_left(b) <= 0))
                ), busy as materialized (
                    select j.tenant, count(*) as running from job j where j.state = 'running' group by j.tenant
                ), standing as materialized (
                    select t.tenant, random() as lot,
                        coalesce((select b.running from busy b where b.tenant = t.tenant), 0) as running
                    from (select distinct tenant from open_lane) t
                )
                select l.kind, l.tenant, count(*) over () - row_number() over w + 1 as lanes_left
                from open_lane l join standing s using (tenant)
                window w as (order by s.running, s.lot, s.tenant, (
                    select j.deadline from job j
                    where j.state = 'queued' and j.not_before = '-infinity' and j.kind = l.kind
                        and j.rank = this_rank and j.tenant = l.tenant
                    order by j.deadline, j.no limit 1))
                order by lanes_left desc
            loop
                return query
                    with taken as materialized (
                        select j.no from job j
                        where j.state = 'queued' and j.not_before = '-infinity' and j.kind = lane.kind
                            and j.rank = this_rank and j.tenant = lane.tenant
                            and (select r.no from job r -- one at a time: an anti-join may read all slots first
                                where r.twin_kind = j.twin_kind and r.twin_key = j.twin_key and r.kind = j.kind
                                    and r.state in ('queued', 'running') -- as the index of slots has it
                                    and (case when r.state = 'running' then 0 when r.attempt = 0 then 1
                                        else r.no + 1 end) = 0) is null
                        order by j.deadline, j.no
                        limit ceil(rest::numeric / lane.lanes_left)::int
                        for update of j skip locked
                    )
                    update job j set state = 'running', attempt = j.attempt + 1, worker = by_worker, device = on_device,
                        lease_until = clock_timestamp() + make_interval(secs => lease_seconds),
                        started_at = clock_timestamp(), progressed_at = clock_timestamp(), wish = ''
                    where j.no = any(array(select t.no from taken t))
                    returning j.*;
                get diagnostics found_now = row_count;
                rest := rest - found_now;
                in_pass := in_pass + found_now;
                if rest <= 0 then
                    return;
                end if;
            end loop;
            exit when in_pass = 0;
        end loop;
    end loop;
end $$;
