"""EPCIS 2.0's REST interfaces: what was captured, what is asked, who is told."""

from streams.epcis.services import EpcisServices, build_epcis, epcis_of

__all__ = ["EpcisServices", "build_epcis", "epcis_of"]
