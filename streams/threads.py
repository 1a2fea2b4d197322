"""How many threads linear algebra takes in our processes: one, unless whoever starts them says otherwise.

A twin's matrices are small. Threads then cost more than they bring: they wait for each other, and for the other
processes of the host. Libraries read this when they load, so it is said before numpy is imported.
"""

from __future__ import annotations

from collections.abc import MutableMapping

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def one_thread(environment: MutableMapping[str, str]) -> None:
    """Ask for one thread, where the environment names no number by any of `THREADS`.

    Examples
    --------
    >>> ours, theirs = {}, {"OMP_NUM_THREADS": "4"}
    >>> one_thread(ours), one_thread(theirs)
    (None, None)
    >>> ours["OPENBLAS_NUM_THREADS"], theirs
    ('1', {'OMP_NUM_THREADS': '4'})
    """
    if not any(name in environment for name in THREADS):
        environment.update(dict.fromkeys(THREADS, "1"))
