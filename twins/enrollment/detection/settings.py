"""How changes of a study are watched for: how rarely by chance, and over which days and sizes they are sought."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.errors import SettingsError

YEAR = 365.25  # Julian [d]


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """The rules of one watch; the same for all countries and steps of a study.

    Parameters
    ----------
    worse_years, better_years : float
        Mean time between false alarms of one country, or of one step over all countries, in years: of changes for the
        worse (falls, and screen failures that rise) and for the better. The defaults make one false alarm in 5 years
        of the two together, most of it spent on what must be seen soon.
    falls, rises : tuple of float
        Factors of a rate that are sought, below 1 and above. The evidence is their mean, so that a size between two is
        found as well. Assumed: from a mild change that is worth a call to near silence.
    odds : tuple of float
        The same of a proportion: factors of its odds, above 1; falls are sought by their inverses.
    longest : float
        A change is sought up to so long ago [d]; what lies before is the past it is held against.
    probation : float
        No change is sought in the first so many days of a country, or of a step [d]. Assumed: a start is no change.
    hazard : float
        Expected changes a country-year while nothing is known, behind the probability given [1/year]. Assumed.
    below : float
        A site is asked whether its rate fell below this share of its own.
    consent_days : float
        A pre-screened subject who has not consented within so long [d] counts as one who did not. Assumed.
    """

    worse_years: float = 6.0
    better_years: float = 30.0
    falls: tuple[float, ...] = (0.3, 0.45, 0.6)
    rises: tuple[float, ...] = (1.6, 2.4)
    odds: tuple[float, ...] = (1.6, 2.5, 4.0)
    longest: float = 540.0
    probation: float = 30.0
    hazard: float = 0.2
    below: float = 0.5
    consent_days: float = 28.0

    def __post_init__(self) -> None:
        for name in ("worse_years", "better_years", "longest", "hazard", "consent_days"):
            _positive(name, getattr(self, name))
        if not 0 < self.below < 1:
            raise SettingsError(f"expected `below`, a share of a site's rate, between 0 and 1, received {self.below}")
        if not self.falls or not all(0 < each < 1 for each in self.falls):
            raise SettingsError(f"expected one or more factors of a fall, between 0 and 1, received {self.falls}")
        for name in ("rises", "odds"):
            if not getattr(self, name) or not all(each > 1 for each in getattr(self, name)):
                raise SettingsError(f"expected one or more `{name}` above 1, received {getattr(self, name)}")
        if self.probation < 0:
            raise SettingsError(f"expected a probation of 0 days or more, received {self.probation}")


def _positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise SettingsError(f"expected `{name}` above 0, received {value}")
