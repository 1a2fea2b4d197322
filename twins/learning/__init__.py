"""What keeps learning beside the qualified lane: forecast errors of alike units, drift, oddness. Advisory only."""

from twins.learning.settings import LearningSection

__all__ = ["LearningSection"]
