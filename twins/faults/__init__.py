"""Sensor faults told from process faults: found, named, de-weighted and healed; many units, minute by minute."""

from twins.faults.alarms import Kind
from twins.faults.channels import ACTUATORS, CHANNELS, NAMES
from twins.faults.detector import Detector, Outcome, State, arrays, restored
from twins.faults.settings import RESIDUAL_SD, Settings

__all__ = [
    "ACTUATORS", "CHANNELS", "NAMES", "RESIDUAL_SD", "Detector", "Kind", "Outcome", "Settings", "State", "arrays",
    "restored",
]  # fmt: skip
