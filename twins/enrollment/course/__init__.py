"""Course correction: what would change a study's enrollment, by how much, for how much money, from the same draws."""

from twins.enrollment.course.actions import NOTHING as NOTHING
from twins.enrollment.course.actions import Action as Action
from twins.enrollment.course.actions import Plan as Plan
from twins.enrollment.course.course import Question as Question
from twins.enrollment.course.course import answered as answered
from twins.enrollment.course.document import Known as Known
from twins.enrollment.course.engine import EnrollmentCourse as EnrollmentCourse
from twins.enrollment.course.live import Correction as Correction
from twins.enrollment.course.live import question as question
from twins.enrollment.course.live import read_correction as read_correction
from twins.enrollment.course.prices import CostModel as CostModel
from twins.enrollment.course.prices import CountryPrice as CountryPrice
from twins.enrollment.course.prices import Prices as Prices
from twins.enrollment.course.records import Audit as Audit
from twins.enrollment.course.records import Promised as Promised
from twins.enrollment.course.records import Recommendation as Recommendation
from twins.enrollment.course.records import audit as audit
from twins.enrollment.course.records import promised_of as promised_of
from twins.enrollment.course.records import record_bytes as record_bytes
from twins.enrollment.course.records import reproduce as reproduce
from twins.enrollment.course.scene import Held as Held
from twins.enrollment.course.scene import Scene as Scene
from twins.enrollment.course.scene import scene_of as scene_of
from twins.enrollment.course.simulate import Outcome as Outcome
from twins.enrollment.course.simulate import simulate as simulate
