"""Risk: covariance estimates and risk measures."""
