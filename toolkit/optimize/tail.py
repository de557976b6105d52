"""Placeholder until the tail backend is merged."""

from toolkit.optimize.standard import Found, StandardProblem


def solve_tail(problem: StandardProblem) -> Found:
    """Not yet."""
    raise NotImplementedError
