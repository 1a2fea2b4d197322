"""Schedules of bays, staff and slots for patients, planned anew when the world changes, with the change explained."""

from twins.supply.planning.check import Check as Check
from twins.supply.planning.check import Terms as Terms
from twins.supply.planning.check import Violation as Violation
from twins.supply.planning.check import check_plan as check_plan
from twins.supply.planning.check import reasons as reasons
from twins.supply.planning.engine import SupplyPlan as SupplyPlan
from twins.supply.planning.explain import Change as Change
from twins.supply.planning.explain import explain as explain
from twins.supply.planning.greedy import Found as Found
from twins.supply.planning.greedy import plan_greedily as plan_greedily
from twins.supply.planning.problem import Problem as Problem
from twins.supply.planning.reading import read_problem as read_problem
from twins.supply.planning.solve import Solved as Solved
from twins.supply.planning.solve import solve as solve
