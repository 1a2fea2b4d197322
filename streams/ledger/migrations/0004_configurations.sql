-- The configurations that twins are computed with, whole, and the changes from one to another: asked for by one person,
-- approved by another, made by each partition at a record of its log. All append-only; the audit trail has a row of each.

create function refuse_rewriting() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name;
end $$;

create table configuration (
    model       text  primary key,                    -- name@version+hash, as in every effect
    kind        text  not null,
    body        bytea not null,                       -- canonical JSON, defaults included
    program     text  not null,                       -- the first that used it
    recorded_at timestamptz not null default now()
);

create table change (
    no           int  primary key,
    kind         text not null,
    before       text not null references configuration (model),
    after        text not null references configuration (model),
    author       text not null,                       -- as the person gave the name
    db_role      text not null default session_user,  -- as the database knows who came
    reason       text not null,
    requested_at timestamptz not null default now(),
    check (before <> after and author = btrim(author) and author <> '' and btrim(reason) <> '')
);

create table change_approval (
    change      int   primary key references change (no),
    approver    text  not null,
    db_role     text  not null default session_user,
    reason      text  not null,
    approved_at timestamptz not null default now(),
    seal        bytea not null unique,                -- hash of the approval's row in the audit trail
    check (approver = btrim(approver) and approver <> '')
);

-- Where each partition made the change: the offset of the record from which on its twins are computed with `after`.
create table change_made (
    change     int    not null references change_approval (change),
    topic      text   not null,
    partition  int    not null,
    rec_offset bigint not null,
    made_at    timestamptz not null default now(),
    primary key (change, topic, partition)
);

-- Four eyes: nobody approves what they asked for. The role is the session's, whatever the statement says.
create function four_eyes() returns trigger language plpgsql as $$
declare
    asked change;
begin
    new.db_role := session_user;
    if tg_table_name = 'change_approval' then
        select * into asked from change where no = new.change;
        if lower(asked.author) = lower(new.approver) then
            raise exception 'change % was asked for by %: another person has to approve it', new.change, asked.author
                using errcode = 'check_violation';
        end if;
    end if;
    return new;
end $$;
create trigger change_role before insert on change for each row execute function four_eyes();
create trigger change_four_eyes before insert on change_approval for each row execute function four_eyes();

create trigger configuration_append_only before update or delete or truncate on configuration
    for each statement execute function refuse_rewriting();
create trigger change_append_only before update or delete or truncate on change
    for each statement execute function refuse_rewriting();
create trigger change_approval_append_only before update or delete or truncate on change_approval
    for each statement execute function refuse_rewriting();
create trigger change_made_append_only before update or delete or truncate on change_made
    for each statement execute function refuse_rewriting();
