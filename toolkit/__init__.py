"""Backtests of portfolios of Bitcoin, mining equities and AI-linked assets."""
