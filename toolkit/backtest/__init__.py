"""The backtest: schedule, ledger, replay, engine, audit and result."""
