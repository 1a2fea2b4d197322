"""Every patient's cells, from leukapheresis to infusion: journeys, boxes, rooms, the network."""

from twins.supply.twin import SupplyModel as SupplyModel
