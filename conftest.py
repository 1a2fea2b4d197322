"""What every run of pytest in this checkout has: tiers that need more than Python say so where they cannot run."""

from importlib.util import find_spec

# Doctests are looked for in every module of the rooms; these import what the extra `md` brings.
_NEED_OPENMM = ("answering", "platforms", "preparing", "running")
collect_ignore = [] if find_spec("openmm") else [f"twins/molecule/{name}.py" for name in _NEED_OPENMM]

pytest_plugins = ["tests.tiers"]
