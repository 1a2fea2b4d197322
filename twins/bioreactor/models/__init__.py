"""Process models of the bioreactor twin: one definition for filter, forecast, ensemble and simulation."""

from twins.bioreactor.models.model import InputInfo, Model, Output, ProcessModel, StateInfo
from twins.bioreactor.models.registry import MODELS, check_model, find_model

__all__ = ["MODELS", "InputInfo", "Model", "Output", "ProcessModel", "StateInfo", "check_model", "find_model"]
