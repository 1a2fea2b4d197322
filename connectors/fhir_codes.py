"""What FHIR's codes mean for enrollment: the documented tables, which a mapping file may override.

Sources: FHIR R5 code systems research-subject-state (13 codes), research-subject-milestone (3), research-study-status
(17). FHIR R5 has no code for consent, and its milestones are only an example binding: what a sponsor adds is mapped.
None says: known, and nothing that enrollment counts.
"""

from __future__ import annotations

from connectors.enrollment_parts import SiteStep, SubjectStep

STATES: dict[str, SubjectStep | None] = {
    "potential-candidate": "subject_prescreened",
    "candidate": "subject_prescreened",
    "screening": "subject_screened",
    "eligible": None,  # passed screening; enrollment counts who is on study
    "ineligible": "screen_failed",
    "not-registered": "screen_failed",  # eligible, and not entered all the same
    "pending-on-study": "subject_consented",  # agreed to take part, not on study yet
    "on-study": "subject_enrolled",
    "on-study-intervention": "subject_enrolled",
    "on-study-observation": "subject_enrolled",
    "follow-up": None,
    "off-study": "subject_completed",
    "withdrawn": "subject_withdrawn",
}

MILESTONES: dict[str, SubjectStep | None] = {
    "SignedUp": "subject_prescreened",
    "Screened": "subject_screened",
    "Randomized": "subject_randomised",
    # no code of R5 says these; they are what displays and texts commonly say (assumed)
    "Informed consent": "subject_consented",
    "Consented": "subject_consented",
    "Enrolled": "subject_enrolled",
    "Randomised": "subject_randomised",
    "Screen failure": "screen_failed",
    "Completed": "subject_completed",
    "Withdrawn": "subject_withdrawn",
    "Lost to follow-up": "subject_lost",
}

# Of one site's part of a study (a ResearchStudy with `partOf`), each actual status with the start of its period.
SITE_STATES: dict[str, SiteStep | None] = {
    "overall-study": None,
    "in-review": None,
    "disapproved": "site_closed",
    "approved": "site_initiated",
    "not-yet-recruiting": "site_initiated",
    "recruiting": "site_activated",
    "enrolling-by-invitation": "site_activated",
    "active": "site_activated",
    "temporarily-closed-to-accrual": "site_paused",
    "temporarily-closed-to-accrual-and-intervention": "site_paused",
    "active-but-not-recruiting": "site_closed",
    "closed-to-accrual": "site_closed",
    "closed-to-accrual-and-intervention": "site_closed",
    "administratively-completed": "site_closed",
    "completed": "site_closed",
    "terminated": "site_closed",
    "withdrawn": "site_closed",
}
# Of a whole study: the statuses whose planned or actual periods tell when recruitment begins, and by when it is to end.
RECRUITING = ("recruiting", "enrolling-by-invitation", "active")
CLOSED = ("closed-to-accrual", "active-but-not-recruiting", "closed-to-accrual-and-intervention")
