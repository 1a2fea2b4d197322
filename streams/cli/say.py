"""How commands talk to a person: errors and progress on standard error, results on standard output."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

console = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Tell something."""
    console.print(text, markup=False)


def complain(text: str) -> None:
    """Tell what went wrong."""
    console.print(f"twinstream: {text}", markup=False, style="bold red")


def progress() -> Progress:
    """A progress bar of records; on a pipe it prints nothing but its end."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=False,
        disable=not console.is_terminal,
    )
