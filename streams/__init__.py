"""How it moves: Faust, transports, log, ledger, engine, API, command line."""
