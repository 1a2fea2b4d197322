-- What the list of corrections reads, by when they were known: as of alerts and rejects.
create index effect_correction_known on effect (known_at, topic, partition, rec_offset, n) where kind = 'correction';
