"""Molecular dynamics by OpenMM: the engine of jobs of kind `md`."""

from twins.molecule.specification import MolecularInputs, read_inputs

__all__ = ["MolecularInputs", "read_inputs"]
