-- What people ask of the job ledger: what ended lately, and the jobs of one twin.
create index job_finished on job (finished_at) where finished_at is not null;
create index job_twin on job (twin_kind, twin_key, no);
create index job_repeats on job (answered_by) where answered_by is not null;
