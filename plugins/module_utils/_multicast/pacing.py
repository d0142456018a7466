# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""How fast to send: a token bucket for the moment, and a control loop for the rate."""

from __future__ import annotations

import time
from typing import Callable

#: Seconds of sending that may be caught up after the sender was held up elsewhere: more would overflow small queues on the way.
_CATCH_UP = 0.004


class TokenBucket:
    """Paces batches to ``rate_bits`` (bits per second). On average the rate is never exceeded."""

    def __init__(self, rate_bits: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate_bits = rate_bits
        self._clock = clock
        self._free_at = clock()
        self.restart()

    def delay(self) -> float:
        """Seconds until the next batch may go; 0 when it may go now."""
        return max(0.0, self._free_at - self._clock())

    def spend(self, size: int) -> None:
        """Account for ``size`` bytes that were just sent."""
        seconds = size * 8 / self.rate_bits
        self._free_at = max(self._free_at, self._clock() - _CATCH_UP) + seconds
        self._sent_bits += size * 8
        self._sending_seconds += seconds

    def hold(self, seconds: float) -> None:
        """Send nothing for this long: the queue below is full."""
        self._free_at = max(self._free_at, self._clock()) + seconds
        self._sending_seconds += seconds

    def achieved_bits(self) -> float:
        """Bits per second since :meth:`restart`, without the time in which there was nothing to send: the rate, or less where sends were held."""
        return self._sent_bits / self._sending_seconds if self._sending_seconds else self.rate_bits

    def busy_share(self) -> float:
        """Share of the time since :meth:`restart` in which the rate, or a full queue below, held the sender back."""
        return self._sending_seconds / max(self._clock() - self._measured_from, self._sending_seconds, 1e-9)

    def restart(self) -> None:
        """Measure :meth:`achieved_bits` and :meth:`busy_share` from now on."""
        self._sent_bits = self._sending_seconds = 0.0
        self._measured_from = self._clock()


#: Where the search for the rate begins without a ceiling: harmless on 1 Gbit/s, and doubled with every sample.
_START_BITS = 200e6
_FLOOR_BITS = 1e6
#: Growth per sample before the first congestion; after a congestion it begins small and itself grows, so that whatever made the rate fall,
#: a dozen samples bring back eight times of it.
_GROWTH_BEFORE_CONGESTION, _GROWTH_AFTER, _GROWTH_AFTER_MOST, _GROWTH_OF_GROWTH = 2.0, 1.05, 1.25, 1.5
#: Loss beyond this, and beyond one and a half times what is usual here, is worth a try at a lower rate.
_SUSPICIOUS = 0.04
#: Loss beyond one and a half times what is usual that shows that a queue below the sender, which is never empty, overflows.
_OVERFLOW = 0.005
#: Rounds in a row, and seconds, without any answer after which the rate is halved: a queue so full that not even polls pass. Not chance, and not
#: receivers that are busy with decoding or a queue that is merely long.
_SILENT_ROUNDS, _SILENT_SECONDS = 4, 0.5
#: Silence never brings the rate below this share of what was last delivered: a queue that is too full still lets its share of the polls pass.
_SILENT_FLOOR = 0.5
#: Loss that stays within these shares of what it was before the rate fell is not congestion: that would have gone, or, while a queue
#: was still filling, have risen.
_PERSISTENT_LEAST, _PERSISTENT_MOST = 0.7, 1.5
#: Falls of the rate that loss must outlast: the first may be too small, when a queue took part of what the network did not carry.
_TRIES = 2
#: More than this is never taken for usual.
_MOST_USUAL = 0.35

#: What a full queue below leaves of the rate at which the link is shared.
_KEPT = 0.9


class RateControl:
    """Finds a rate that the network carries, from the share of packets that receivers report as arrived.

    Random loss is the same at any rate, a full queue's loss is not. So suspicious loss makes the rate fall to what was delivered: when the same
    loss is there after two falls it was random, becomes the usual loss of this network, and the rate is restored; else it was congestion.
    A queue that is full below the sender itself makes the rate what went out. Otherwise the rate grows, twofold until the first congestion.

    :param ceiling_bits: never exceeded; also where it starts. None: none, start low.
    """

    def __init__(self, ceiling_bits: float | None) -> None:
        self._ceiling = ceiling_bits or float("inf")
        self._most = self._ceiling
        self.rate_bits = ceiling_bits or _START_BITS
        self._growth = _GROWTH_BEFORE_CONGESTION
        self._usual = 0.0
        #: What the rate was before it fell for suspicious loss, the loss before the last fall, and the number of falls.
        self._tried: tuple[float, float, int] | None = None
        self._delivered_bits = 0.0
        self._silent_rounds = 0
        self._silent_since = 0.0
        self._before_silence = 0.0

    def leave_room(self, most_bits: float) -> None:
        """Send no faster than this until told otherwise: others share the link (:class:`own_link.LinkShare`)."""
        self._most = min(self._ceiling, most_bits)
        self.rate_bits = min(self.rate_bits, self._most)

    def round_over(self, answered: bool, now: float) -> None:
        """A poll's round is over at ``now``, in seconds; ``answered``: whether anybody was heard since the last, be it with an answer to an older poll."""
        if answered:
            self._silent_rounds = 0
            return
        if not self._silent_rounds:
            self._silent_since = now
        self._silent_rounds += 1
        if self._silent_rounds >= _SILENT_ROUNDS and now - self._silent_since >= _SILENT_SECONDS:
            self._silent_rounds = 0
            self._before_silence = max(self._before_silence, self.rate_bits)
            self.rate_bits = min(self.rate_bits, max(_FLOOR_BITS, _SILENT_FLOOR * self._delivered_bits, self.rate_bits / 2))

    def update(self, loss: float, limited_by_rate: bool, achieved_bits: float | None = None, standing: bool = False) -> bool:
        """One sample. ``loss``: share of packets lost, of some thousand sent to the better half of the receivers. ``limited_by_rate``:
        whether it was this rate that held the sender back, and not the receivers' window or a lack of work. ``achieved_bits``: bits per second
        that went out where a full queue below the sender held it back; None where none did. ``standing``: that queue was never empty.

        Return True when the next sample must be of packets sent from now on.
        """
        if self._before_silence:
            if loss <= _MOST_USUAL:
                # The receivers had been busy, and not the network: that would have lost most. What went out meanwhile says nothing.
                self.rate_bits = min(max(self.rate_bits, self._before_silence), self._most)
            self._before_silence = 0.0
            achieved_bits = None
        sent_bits = self.rate_bits if achieved_bits is None else min(self.rate_bits, achieved_bits)
        self._delivered_bits = sent_bits * (1 - loss)
        before, tries = self.rate_bits, 0
        if self._tried is not None:
            rate_before, loss_before, tried = self._tried
            self._tried = None
            if loss <= _MOST_USUAL and _PERSISTENT_LEAST * loss_before <= loss <= _PERSISTENT_MOST * loss_before:
                if tried == _TRIES:
                    self._usual = loss
                    self.rate_bits = min(rate_before, self._most)
                    return True
                before, tries = rate_before, tried
            else:
                self._growth = _GROWTH_AFTER
        self._usual = min(self._usual, loss)
        if loss > 1.5 * self._usual + _SUSPICIOUS or tries:
            self._tried = (before, loss, tries + 1)
            self.rate_bits = max(_FLOOR_BITS, 0.95 * sent_bits * (1 - loss) / (1 - self._usual))
            return True
        if achieved_bits is None and standing and loss > 1.5 * self._usual + _OVERFLOW:
            # A shaper that cuts batches itself takes of one what fits, drops the rest, and says nothing.
            achieved_bits = sent_bits = self._delivered_bits
        if achieved_bits is not None:
            # Where others share the link they fill the queue too: that must not take this session's share of it.
            kept = _KEPT * self._most if self._most < self._ceiling else _FLOOR_BITS
            self.rate_bits = min(self.rate_bits, max(kept, sent_bits))
            self._growth = _GROWTH_AFTER
        elif limited_by_rate:
            self.rate_bits = min(self.rate_bits * self._growth, self._most)
            if self._growth < _GROWTH_AFTER_MOST:
                self._growth = min(_GROWTH_AFTER_MOST, self._growth**_GROWTH_OF_GROWTH)
        return False
