"""`golden fit` and `golden score`: a model of good runs, and how far others stand from it. No broker, no database."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from schemas.errors import SettingsError, UsageError
from streams.cli.output import output
from streams.cli.say import say
from streams.cli.sources import MapOption

if TYPE_CHECKING:
    from connectors.runs import Recording


class Mode(StrEnum):
    """What a model is of."""

    batch = "batch"
    continuous = "continuous"


class LimitKind(StrEnum):
    """Where limits come from."""

    theoretical = "theoretical"
    empirical = "empirical"


class Missing(StrEnum):
    """How what is not there is treated."""

    tsr = "tsr"
    pmp = "pmp"


RunsOption = Annotated[Path, typer.Option("--runs", help="Runs: a table with its mapping, or an event file; .gz too.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    golden = typer.Typer(help="Golden batch: a model of good runs, and scores by it.", no_args_is_help=True)
    golden.command("fit")(fit)
    golden.command("score")(score)
    app.add_typer(golden, name="golden")


def fit(
    runs: RunsOption,
    out: Annotated[Path, typer.Option(help="Where the model goes, as JSON.")],
    map_file: MapOption = None,
    mode: Annotated[Mode, typer.Option(help="Whole runs along their maturity, or rows.")] = Mode.batch,
    components: Annotated[int | None, typer.Option(min=1, help="How many components to keep.")] = None,
    variance: Annotated[
        float | None, typer.Option(help="Keep the fewest that explain this share; 0.9 without --components.")
    ] = None,
    tags: Annotated[str | None, typer.Option(help="Tags, by comma; `elapsed_hours` is one. All without it.")] = None,
    without: Annotated[str | None, typer.Option(help="Runs of the file that are not good, by comma: left out.")] = None,
    significance: Annotated[float, typer.Option(help="Share of good values within each limit.")] = 0.99,
    limits: Annotated[LimitKind, typer.Option(help="By formula, or by quantiles.")] = LimitKind.theoretical,
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="Batch: limits from runs that the model did not learn from.")
    ] = False,
    calibrate: Annotated[
        Path | None, typer.Option(help="Other good runs, same mapping: empirical limits from these.")
    ] = None,
    align: Annotated[str, typer.Option(help="Batch: elapsed, maturity:TAG or dtw.")] = "elapsed",
    grid: Annotated[int, typer.Option(help="Batch: points along maturity.")] = 100,
    window: Annotated[int, typer.Option(help="Batch: points on each side that smooth a limit.")] = 2,
    missing: Annotated[
        Missing, typer.Option(help="Missing and future values: trimmed score regression, or projection.")
    ] = Missing.tsr,
    band: Annotated[float, typer.Option(help="DTW: widest shift, as a share of the duration.")] = 0.3,
    gap: Annotated[float, typer.Option(help="Batch: widest gap of maturity that is bridged, as a share.")] = 0.2,
) -> None:
    """Fit a golden model to historical runs."""
    from streams.golden import fit_file  # scipy loads only where it is needed
    from streams.golden_lines import describe
    from twins.monitoring import Options, write_golden

    if components is not None and variance is not None:
        raise UsageError("expected --components or --variance, received both; drop one")
    kind, _, tag = align.partition(":")
    if kind not in ("elapsed", "maturity", "dtw") or (kind == "maturity") != bool(tag):
        raise UsageError(f"expected --align elapsed, maturity:TAG or dtw, received {align!r}")
    said = {
        "mode": mode.value, "components": components, "variance": variance, "significance": significance,
        "limits": limits.value, "leave_one_out": leave_one_out, "align": kind, "maturity_tag": tag or None,
        "grid": grid, "window": window, "missing": missing.value, "band": band, "gap": gap,
    }  # fmt: skip
    try:
        options = msgspec.convert(said, Options)
    except msgspec.ValidationError as error:
        raise SettingsError(f"expected options of `golden fit`, received {error}") from None
    golden, recording = fit_file(runs, map_file, _words(tags), _words(without), options, calibrate)
    with output(out) as sink:
        sink.write(write_golden(golden))
    _say_bad(recording)
    for line in describe(golden):
        say(line)


def score(
    model: Annotated[Path, typer.Option(help="What `golden fit` wrote.")],
    runs: RunsOption,
    map_file: MapOption = None,
    out: Annotated[Path | None, typer.Option(help="Where the JSON lines go; standard output without it.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="Print a table of the runs instead of lines.")] = False,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="The runs still go on: elapsed time in shares of a usual duration.")
    ] = False,
    top: Annotated[int, typer.Option(min=0, help="Contributions to name in each line.")] = 3,
    in_a_row: Annotated[int, typer.Option(min=1, help="How many beyond in a row make a first one.")] = 1,
) -> None:
    """Score runs by a golden model: one JSON line per row or point, one per run, or a table."""
    from streams.golden import score_file
    from streams.golden_lines import run_line, score_lines, summary_table
    from twins.monitoring import read_golden

    try:
        golden = read_golden(model.read_bytes(), str(model))
    except OSError as error:
        raise UsageError(f"expected a model file, received {error.strerror}, for {model}; check --model") from None
    scored, recording = score_file(golden, runs, map_file, unfinished=unfinished)
    if out is not None or not summary:
        body = b"".join(line + b"\n" for line in score_lines(golden, scored, recording, top, in_a_row))
        with output(out) as sink:
            sink.write(body)
    if summary:
        lines = [
            run_line(golden, scored, number, int(recording.runs[number].times[0]), in_a_row)
            for number in range(len(scored))
        ]
        sys.stdout.write(summary_table(lines))
    _say_bad(recording)


def _say_bad(recording: Recording) -> None:
    if recording.bad:
        say(f"{recording.bad} lines or cells could not be read and count as missing; the first: {recording.first_bad}")


def _words(text: str | None) -> list[str]:
    return [] if text is None else [one.strip() for one in text.split(",") if one.strip()]
