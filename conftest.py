"""What every run of pytest in this checkout has: tiers that need more than Python say so where they cannot run."""

pytest_plugins = ["tests.tiers"]
