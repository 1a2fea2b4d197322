-- What the reads of API and dashboard need: names in the order people count, and alerts and rejects by when they were known.

-- `R2` before `R10`: every run of digits padded to 20 places, the rest in lower case.
create function natural_key(name text) returns text language sql immutable strict parallel safe as $$
    select string_agg(
        case when part[1] ~ '^[0-9]' then lpad(part[1], greatest(20, length(part[1])), '0') else lower(part[1]) end,
        '' order by place)
    from regexp_matches(name, '([0-9]+|[^0-9]+)', 'g') with ordinality as found (part, place)
$$;
alter table twin add column sort_key text collate "C" generated always as (natural_key(key)) stored;
create index twin_sort_key on twin (kind, sort_key, no);

create index effect_alert_known on effect (known_at, topic, partition, rec_offset, n) where kind = 'alert';
create index effect_reject_known on effect (known_at, topic, partition, rec_offset, n) where kind = 'reject';

-- Whether a unit's run has ended is its last word on batches.
create index fact_batch on fact (twin_no, event_time, rec_offset)
    where type in ('bioreactor.batch_started', 'bioreactor.batch_ended');
