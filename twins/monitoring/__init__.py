"""Golden batch: multivariate statistical process control of runs, of rows, and of innovations."""

from twins.monitoring.alignment import Run
from twins.monitoring.fitting import fit_golden
from twins.monitoring.golden import Golden, Options, model_name, read_golden, write_golden
from twins.monitoring.scores import Scores
from twins.monitoring.scoring import Scored, ScoredRun, score, score_golden, start
from twins.monitoring.whitening import whiten

__all__ = [
    "Golden",
    "Options",
    "Run",
    "Scored",
    "ScoredRun",
    "Scores",
    "fit_golden",
    "model_name",
    "read_golden",
    "score",
    "score_golden",
    "start",
    "whiten",
    "write_golden",
]
