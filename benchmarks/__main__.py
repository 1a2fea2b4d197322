"""Run benchmarks by name.

    python -m benchmarks                       list them
    python -m benchmarks NAME ... [options]    run these, one after the other, with the same options

Each is a module here with `main(arguments) -> exit code`; `NAME --help` tells its options.
"""

from __future__ import annotations

import importlib
import signal
import sys

BENCHMARKS = {
    "agent": "records/s through the Faust agent, against bare aiokafka and a stock Faust agent, on a real Kafka",
    "at_1hz": "twins with 7 channels at 1 Hz: held or not, and the time from reading to alert",
    "peers": "the same EKF work in stock Faust, Quix Streams and Bytewax",
    "recovery": "time to recover after kill -9, against the number of twins",
    "ingest": "rows/s into the log and into the ledger, and what a record costs at each step",
    "accuracy": "how often the 90 % bands hold the truth of a simulated fleet",
    "estimates": "joint estimates of states and parameters against the truth: error, consistency, coverage",
    "forecasts": "T cells at harvest, four days to half a day ahead: error, intervals, verdicts",
    "feeding": "feed advice followed on CHO cultures that the twin does not know: how often the floor holds",
    "reestimation": "CHO runs whose growth falls, asked again of what was measured: parameters, forecast of the end",
    "learning": "what is learned of forecast errors across runs: error, intervals, drift, cost",
    "oddness": "the streaming score of oddness on two files of the Numenta benchmark, by its scoring",
    "enrollment_events": "how often 90 % intervals of events by a date, and of the day of an event, hold the truth",
    "enrollment_funnel": "enrollment: who is not known yet, who is in screening, when to stop it, against a truth",
    "enrollment": "90 % intervals of enrollment, static and where rates change, against the truth and an oracle",
    "supply_cleanroom": "how often a cleanroom's 90 % intervals hold the true concentration of particles",
    "enrollment_speed": "what a whole re-forecast of 200 sites in 20 countries costs",
    "enrollment_twin": "the enrollment twin as it folds: a year of a large study, a day of a thousand",
    "supply_warm_box": "how early boxes that will be warm are warned of, and how often others are",
    "yeast": "light scatter of a real plate of yeast cultures 1, 3 and 6 h ahead, against Holt",
    "features": "what each feature of the bioreactor twin costs a unit's minute",
    "charts": "false alarms of the charts on innovations, and how soon they see a probe that jumps",
    "faults": "how fast and how surely faults of a vessel in closed loop are found and named, and how often wrongly",
    "mspc": "golden batch on public data of yours, beside published figures",
    "ensemble": "10,000 cultures over 14 days, by numpy and JAX: time, and error against steps of a minute",
    "gpu": "what an NVIDIA GPU is good for: ensembles by size with the crossover, molecular dynamics",
    "enrollment_detection": "how soon changes of a study's enrollment are seen, and how often one that is not there",
    "md": "molecular dynamics in pieces with checkpoints and analyses, against OpenMM's own step loop",
    "supply_network": "replications of a supply network by the batch engine, against SimPy on the same chance",
    "supply_queueing": "the simulator of supply networks against closed forms, at one family-wise level",
    "enrollment_course": "actions on a study weighed from the same draws: time, and what common draws narrow",
    "enrollment_policy": "monthly decisions about simulated studies by our rule, against other policies and an oracle",
    "supply_planning": "500 patients x 24 bays planned anew after a loss: time, bound, what moves; classic job shops",
    "supply_lineage": "lineage of a million edges: back, forward, a hub lot, and how soon an event is visible",
    "supply_eta": "leg durations and infusion dates of the supply twin, before and after a shift, against an oracle",
    "jobs": "claims and finishes per second of the job ledger, and what a claim takes behind 200,000 jobs",
    "first_progress": "from a request for a re-simulation to its first progress, with engines loaded before",
    "supply_epcis": "EPCIS events a second of one core: read, checked and hashed, from JSON-LD and XML",
    "supply_identity": "100,000 journeys with swaps, gaps, late and corrected scans: what is found, what is false",
    "supply_journeys": "10,000 journeys live: what a scan costs on one core, its reading included",
    "supply_twin": "10,000 patients on their way: scans a second on one core, forecasts and consequences included",
    "supply_live": "10,000 patients' scans through log, worker and ledger: held or not, the time from scan to alert",
    "kills": "kill -9 at random points: records lost and doubled",
}
FOLDERS = {
    "accuracy": "accuracy.fleet",
    "estimates": "accuracy.estimates",
    "forecasts": "accuracy.forecasts",
    "enrollment_policy": "accuracy.enrollment_policy",
    "feeding": "accuracy.feeding",
    "learning": "accuracy.learning",
    "oddness": "accuracy.oddness",
    "enrollment_events": "accuracy.enrollment_events",
    "enrollment_funnel": "accuracy.enrollment_funnel",
    "enrollment": "accuracy.enrollment_coverage",
    "supply_warm_box": "accuracy.supply_warm_box",
    "supply_eta": "accuracy.supply_eta",
    "yeast": "yeast.runs",
    "enrollment_detection": "accuracy.enrollment_detection",
    "supply_cleanroom": "accuracy.supply_cleanroom",
    "supply_identity": "accuracy.supply_identity",
    "supply_queueing": "accuracy.supply_queueing",
}  # where the module is not named so


def main(arguments: list[str]) -> int:
    """Run what is named; give the first exit code that is not 0."""
    count = next((i for i, word in enumerate(arguments) if word.startswith("-")), len(arguments))
    names, options = arguments[:count], arguments[count:]
    if not names:
        print(__doc__)
        for name, text in BENCHMARKS.items():
            print(f"  {name:10} {text}")
        return 0 if not options or options in (["-h"], ["--help"]) else 2
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"expected benchmarks among {', '.join(BENCHMARKS)}, received {', '.join(unknown)}", file=sys.stderr)
        return 2
    # A stop by SIGTERM ends the servers too: it becomes an exception, and their contexts close.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name in names:
        code = importlib.import_module(f"benchmarks.{FOLDERS.get(name, name)}").main(options)
        if code:
            return int(code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
