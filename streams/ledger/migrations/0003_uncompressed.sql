-- Lines of numbers hardly shrink, and pglz takes longer over a forecast than all the rest of its insert. They are stored as
-- they are; what they take on disk is bounded by retention, and TimescaleDB's columnstore compresses them later.
alter table effect alter column line set storage external;
alter table twin alter column estimate set storage external;
alter table twin alter column forecast set storage external;
