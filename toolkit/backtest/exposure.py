"""The account of a run, and the book at full share of which it holds what overlays keep.

Decisions speak of the book at full share, which is the account as it would be without overlays. It
is kept beside the account, so sizing never learns of an overlay: turnover is measured on the book,
and what an overlay sells or buys back is charged to the account and counts for no limit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.backtest.ledger import Ledger, Market
from toolkit.backtest.watch import Watch

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Order:
    """Weights ordered after the session of a row, and the share of the book that they are."""

    row: int
    weights: Floats
    share: float


class Exposure:
    """Two ledgers, advanced together: `account`, and `full`, the book at full share.

    Without overlays they are one and the same. Rows count from the account's opening.

    Parameters
    ----------
    fill_delay
        Sessions from an order to its fill.
    watch
        The overlays; None for none.
    """

    def __init__(
        self, market: Market, initial_cash: float, fill_delay: int, watch: Watch | None
    ) -> None:
        self.fill_delay, self.watch = fill_delay, watch
        self.full = Ledger(market, initial_cash)
        self.account = self.full if watch is None else Ledger(market, initial_cash)
        self.orders: list[Order] = []
        self._decided: list[Order] = []

    @property
    def share(self) -> float:
        """Share of the book that is to be kept."""
        return 1.0 if self.watch is None else self.watch.share

    @property
    def lost(self) -> bool:
        """Whether nothing is left, of the account or of the book that decisions speak of."""
        row = self.full.row - 1
        return bool(min(self.account.book.equity[row], self.full.book.equity[row]) <= 0.0)

    def reach(self, row: int) -> None:
        """Bring both to the end of a row, with what the overlays order on the way.

        An overlay first looks when the first decision has filled: before there is nothing to keep.
        """
        if self.watch is None:
            self.full.advance(row + 1)
            return
        for now in range(self.full.row, row + 1):
            self.full.advance(now + 1)
            self.account.advance(now + 1)
            if self._decided and now >= self._decided[0].row + self.fill_delay and not self.lost:
                self._look(now, self.watch)

    def decide(self, row: int, weights: Floats) -> Order:
        """Order the weights of a decision: whole for the book, the kept share for the account.

        It takes the place of what an overlay ordered after the same session.
        """
        if self.watch is not None:
            self.full.place(row + self.fill_delay, weights)
        self._decided.append(Order(row, weights, 1.0))
        return self._order(row, weights)

    def _look(self, row: int, watch: Watch) -> None:
        """Let the overlays see a session, and order what they changed."""
        equity, book = self.account.book.equity[row], self.full.book.equity[row]
        session = self.full.market.sessions[row]
        if watch.step(session, float(equity), float(book)) != self.orders[-1].share:
            self._order(row, self._wanted(row))

    def _wanted(self, row: int) -> Floats:
        """Weights of the book: as last decided while that has not filled, else as they are.

        What drifted since the decision is not traded back; what still waits for a tradable session
        stays ordered.
        """
        last = self._decided[-1]
        if last.row + self.fill_delay > row:
            return last.weights
        waiting = self.full.book
        return np.where(waiting.pending, waiting.order, self.full.weights(row))

    def _order(self, row: int, weights: Floats) -> Order:
        share = self.share
        kept = weights
        if share != 1.0:
            kept = weights * share
            kept[self.account.market.cash_column] += 1.0 - share
        self.account.place(row + self.fill_delay, kept)
        if self.orders and self.orders[-1].row == row:
            self.orders.pop()
        self.orders.append(Order(row, kept, share))
        return self.orders[-1]
