"""Benchmarks: `python -m benchmarks NAME [options]`. Each writes a JSON and a table, with machine and commit."""
