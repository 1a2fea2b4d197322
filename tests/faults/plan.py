"""What shall happen to one life of a worker: it travels as JSON to the process that lives it."""

from __future__ import annotations

from dataclasses import dataclass

from streams.ledger.commit import Committer

# Steps that the product names itself, in their order within one frame and its commit.
ENGINE_STEPS = ("fold", "folded", *Committer.STEPS)
# Steps that the launcher adds around calls of the product.
CLAIM_STEPS = ("claim", "claimed")
COPY_STEP = "copy"  # inside a COPY of the ledger's transaction: the server waits for its client
PUBLISH_STEPS = ("publish", "published")  # before Kafka has a round of the outbox, and after, before it is deleted

KILL, STOP, RAISE = "kill", "stop", "raise"


@dataclass(frozen=True)
class Plan:
    """One life.

    Parameters
    ----------
    at, hit : str, int
        The step at which it happens, and at which of its hits. Empty: never.
    act : str
        What happens there: the process is killed (-9), stops itself (SIGSTOP), or raises an error.
    raise_in, raise_when : str
        A place outside the steps that raises, see `launch_worker.PLACES`; only once the file `raise_when` is there, if
        one is named.
    poison : str
        An event id whose record makes the fold raise.
    poison_commit : str
        An event id whose record makes its commit raise.
    watched : bool
        False: the process does not notice that it was frozen; only the ledger's epochs are left to refuse it.
    defects : tuple of str
        Names in `defects.DEFECTS`: bugs planted in this life.
    model : str
        "bioreactor", or "counting" for the smallest block there is.
    """

    at: str = ""
    hit: int = 1
    act: str = KILL
    raise_in: str = ""
    raise_when: str = ""
    poison: str = ""
    poison_commit: str = ""
    watched: bool = True
    defects: tuple[str, ...] = ()
    model: str = "bioreactor"
