"""The pool that answers re-simulations: the job ledger in PostgreSQL, the dispatcher, and the workers."""
