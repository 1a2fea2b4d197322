"""A trial's enrollment as a twin: what a study's facts say, what they let one expect, and what would change it."""

from twins.enrollment.twin import EnrollmentModel

__all__ = ["EnrollmentModel"]
