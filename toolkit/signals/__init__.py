"""Signals: quantities with an opinion, computed from what was public."""
