"""Parameter sets of the bioreactor twin, one file per source."""
