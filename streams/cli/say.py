"""How commands talk to a person: errors and progress on standard error, results on standard output."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

console = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Tell something."""
    console.print(text, markup=False)


def complain(text: str) -> None:
    """Tell what went wrong."""
    console.print(f"twinstream: {text}", markup=False, style="bold red")


def progress() -> Progress:
    """A progress bar of records; on a pipe it prints nothing but its end."""
    return _bar(MofNCompleteColumn())


def shares() -> Progress:
    """A progress bar of shares of 1; on a pipe it prints nothing."""
    return _bar(TaskProgressColumn())


def _bar(counted: ProgressColumn) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        counted,
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=False,
        disable=not console.is_terminal,
    )
