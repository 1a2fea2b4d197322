"""Verifying holds no transaction while it folds."""

from __future__ import annotations

from unittest.mock import Mock

import psycopg
import pytest

from streams.verify import verify
from twins.bioreactor import BioreactorModel


def test_a_connection_that_would_hold_a_transaction_over_folds_is_refused() -> None:
    """The server ends a transaction that waits five seconds for its client; a frame may take longer to fold."""
    connection = Mock(spec=psycopg.Connection, autocommit=False)
    with pytest.raises(ValueError, match="autocommit"):
        next(verify(connection, BioreactorModel(), "bioreactor.events", Mock(), Mock(), 1000))
