"""Ensembles of one vessel: posterior draws x scenarios, each to the same bits whatever it is run with."""

from twins.bioreactor.ensemble.engine import BioreactorEnsemble

__all__ = ["BioreactorEnsemble"]
