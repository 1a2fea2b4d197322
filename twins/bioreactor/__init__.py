"""The bioreactor twin: mass-balanced growth, batched."""

from twins.bioreactor.block import BioreactorBlock, BioreactorModel
from twins.bioreactor.config import BioreactorConfig, read_config
from twins.bioreactor.sections import Limit, PredictedLimit

__all__ = ["BioreactorBlock", "BioreactorConfig", "BioreactorModel", "Limit", "PredictedLimit", "read_config"]
