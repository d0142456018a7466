# Copyright (c) 2026 The fleetcast authors
# SPDX-License-Identifier: BSD-2-Clause
# Simplified BSD License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
"""The sending end of a session.

One loop: take feedback, keep the polls going, send the next batch when the rate and the receivers' window allow. Parity goes first, then new data,
then data that somebody missed wholesale. While the rate makes it wait, the loop computes parity.
"""

from __future__ import annotations

import time
from typing import Callable, Collection, Sequence

from .._artifact.layout import Layout, stream_identity
from .._artifact.stream import StreamError, StreamReader
from . import auth, session, wire
from .errors import AllReceiversLost, BadSession, Canceled, EngineError, NetworkDown, NoReceiverReady
from .own_link import OwnLink
from .pacing import RateControl, TokenBucket
from .packets import BatchBuilder
from .peers import Peer, Roster, State
from .rounds import Panel, Round
from .session import Limits, Network, Progress, ProgressCallback, SendReport
from .sockets import Batch, SenderSocket, SenderTransport
from .workload import Workload

#: Feedback packets taken in one go, so that a flood of them cannot keep the sender from sending.
_FEEDBACK_AT_ONCE = 64
#: Seconds that a round waits for answers beyond the time slots: at least, and at most (a round trip in between). An answer that comes later
#: still counts, so waiting longer would only delay the repair for everybody else.
_ROUND_GRACE, _ROUND_GRACE_MOST = 0.015, 0.1
#: Polls whose late answers are still understood.
_RECENT_ROUNDS = 32
#: Bytes sent per receiver between two polls: an answer has about 100, so this keeps answers that ask for nothing below 0.3 % of the data.
_BYTES_PER_ANSWER = 33000
#: The same of a panel, which speaks for others who will answer too; and between two polls that ask everybody.
_BYTES_PER_ANSWER_OF_PANEL, _BYTES_PER_ANSWER_OF_ALL = 50_000, 200_000
#: Seconds between two polls while sending, at least.
_POLL_INTERVAL = 0.02
#: Kernel memory that one queued packet of symbol size takes at the receiver when it does not come coalesced (its skb's truesize).
_QUEUED_PACKET_BYTES = 2560
#: Receive buffer assumed for a receiver that has not said: the usual default (net.core.rmem_default), doubled as the kernel counts.
_DEFAULT_RCVBUF = 425984
#: The rate is what limits, and not the window, a lack of work or this machine, when it holds the sender back for this share of the time.
_BUSY_SHARE = 0.7
#: Seconds of sending in one batch, at most: a smaller queue on the way would lose the rest of it.
_BATCH_SECONDS = 0.003
#: Seconds to wait at first when the queue below is full, and at most.
_BACK_OFF, _BACK_OFF_MOST = 0.0005, 0.02
_FINISH_REPEATS, _FINISH_GAP = 3, 0.005
#: Seconds between the first two announcements: most receivers wait already, and one that missed the first holds everybody up.
_ANNOUNCE_INTERVAL_FIRST = 0.02


class Sender:
    """Sends one artifact's stream to a closed list of receivers.

    :param receivers: their names, in the order of their numbers.
    :param without: those among them who take no part. Numbers are given out before everybody has said whether he needs anything.
    :param ceiling_bits: rate that is never exceeded, bits per second on the link (Ethernet header included); None looks for what the network carries.
    :param progress: called a few times per second at most.
    :param open_socket: makes the way to the network; a simulation has its own, with a ``clock`` of its own.
    """

    def __init__(
        self,
        network: Network,
        keys: auth.SessionKeys,
        receivers: Sequence[str],
        layout: Layout,
        section_digests: Sequence[bytes],
        source: StreamReader,
        ceiling_bits: float | None = None,
        limits: Limits | None = None,
        progress: ProgressCallback | None = None,
        clock: Callable[[], float] = time.monotonic,
        open_socket: Callable[[Network], SenderTransport] = SenderSocket,
        without: Collection[str] = (),
    ) -> None:
        if not 1 <= len(receivers) <= wire.MAX_RECEIVERS:
            raise BadSession(f"a session has 1 to {wire.MAX_RECEIVERS} receivers, not {len(receivers)}")
        if len(set(receivers)) != len(receivers):
            raise BadSession("the names of the receivers are not all different")
        if not set(receivers) - set(without):
            raise BadSession("every receiver is excused: nobody is left to send to")
        if ceiling_bits is not None and ceiling_bits <= 0:
            raise BadSession(f"the rate must be more than 0 bits per second, not {ceiling_bits}")
        if source.size != layout.size:
            raise BadSession(f"the source has {source.size} bytes, the layout {layout.size}")
        self._network = network
        self._keys = keys
        self._layout = layout
        self._identity = stream_identity(layout, section_digests)[:8]
        self._source = source
        self._limits = limits or Limits()
        self._progress = progress
        self._clock = clock
        self._open_socket = open_socket
        self._roster = Roster(receivers, layout.size, without)
        self._feedback_keys = [keys.feedback(index) for index in range(len(receivers))]
        self._rate = RateControl(ceiling_bits)
        self._bucket = TokenBucket(self._rate.rate_bits, clock)
        #: Only a session that looks for its rate makes room for others: a ceiling is the user's word.
        self._makes_room = ceiling_bits is None
        #: What became of the session; complete once :meth:`run` is over, also when that raised.
        self.report = SendReport({}, "", 0.0, layout.size)
        builder = BatchBuilder(keys.session_id, layout, keys.data)
        self._workload = Workload(layout, source, builder, self._roster, self.report, self._batch_symbols, lambda: self._poll_number + 1)
        self._pending: Batch | None = None
        self._pending_first = 0
        self._back_off = 0.0
        self._refused_since: float | None = None
        self._sequence = 0
        self._poll_number = 0
        self._round: Round | None = None
        self._recent: dict[int, Round] = {}
        #: Who has not answered the round yet.
        self._awaited: set[int] = set()
        self._panel = Panel()
        #: The last poll whose round is over.
        self._closed = 0
        self._idle_interval = 0.005
        self._next_idle_poll = 0.0
        self._position = self._position_at_poll = self._position_at_all = 0
        self._heard = False
        self._losses: dict[int, float] = {}
        self._round_trip = 0.0
        self._stop = False
        self._next_progress = 0.0
        self._phase = "ready"
        self._nearly_done_at: float | None = None

    def stop(self) -> None:
        """Ask :meth:`run` to end soon. May be called from a signal handler or another thread."""
        self._stop = True

    def run(self) -> SendReport:
        """Hold the session. When an error ends it, :attr:`report` still tells how far each receiver is.

        :raises NoReceiverReady, AllReceiversLost, Canceled: as their names say.
        :raises StreamError: the source cannot be read, or changed (:class:`SourceChanged`).
        :raises EngineError: the network refuses.
        """
        self._started = self._clock()
        self._deadline = self._started + self._limits.session
        self._socket = self._open_socket(self._network)
        self._link = OwnLink(self._socket, self._network.overhead, self._makes_room)
        outcome = session.SENDER_ENDED
        try:
            self._gather()
            self._enter("data")
            self._transfer()
            outcome = session.DEADLINE if self._clock() >= self._deadline else session.COMPLETED
            self._finish("the session's time is over" if outcome == session.DEADLINE else "finished")
        except (EngineError, StreamError) as error:
            outcome = session.CANCELED if isinstance(error, Canceled) else session.SENDER_ENDED
            if not isinstance(error, NetworkDown):
                self._finish(str(error))
            raise
        finally:
            self._conclude(outcome)
            self._socket.close()
        if not self.report.completed and not self._roster.of(State.ACTIVE):
            reasons = "; ".join(f"{verdict.name}: {verdict.reason}" for verdict in self.report.verdicts.values())
            raise AllReceiversLost(f"every receiver that took part was lost: {reasons}")
        return self.report

    # -- phases

    def _gather(self) -> None:
        """Announce until everybody is ready, or the ready limit is reached."""
        until = min(self._clock() + self._limits.ready, self._deadline)
        next_announce, interval = 0.0, _ANNOUNCE_INTERVAL_FIRST
        while True:
            self._take_feedback()
            now = self._clock()
            if not self._roster.of(State.ABSENT):
                break
            if now >= until:
                break
            if now >= next_announce:
                next_announce = now + interval + len(self._roster.of(State.ABSENT)) * session.SLOT_US / 1e6
                interval = min(session.ANNOUNCE_INTERVAL, 2 * interval)
                self._announce()
            self._tick(now)
            self._socket.wait(min(until, next_announce) - self._clock())
        if len(self._roster.of(State.ABSENT)) == len(self._roster.members):
            where = f"{self._network.group} port {self._network.port}"
            raise NoReceiverReady(f"none of the {len(self._roster.members)} receivers was ready on {where} within {self._limits.ready:g} s")
        for peer in self._roster.of(State.ACTIVE):
            peer.last_heard = now
        self._panel.choose(self._roster.of(State.ACTIVE))

    def _announce(self) -> None:
        layout = self._layout
        geometry = (layout.size, layout.symbol_size, layout.row_symbols, layout.section_rows)
        heard = self._roster.bitmap(State.ACTIVE, State.DONE, State.FAILED, State.EXCUSED)
        # As long as a data packet: a path that does not carry those must not look ready.
        length = wire.HEADER_BYTES + auth.DATA_MAC_BYTES + layout.symbol_size
        self._control(wire.Announce(self._identity, *geometry, len(self._roster), session.SLOT_US, heard), length)

    def _transfer(self) -> None:
        while True:
            self._take_feedback()
            now = self._clock()
            self._tick(now)
            if now >= self._deadline or not self._roster.of(State.ACTIVE):
                return
            if self._phase == "data" and self._workload.first_pass_over:
                self._enter("repair")
            self._drive_polls(now)
            delay = self._bucket.delay()
            if delay > 0:
                self._compute_or_wait(delay)
                continue
            if self._pending is None and self._window_open():
                self._pending = self._workload.next_batch()
                self._pending_first = 0
            if self._pending is not None:
                self._send_pending(self._pending, now)
                self._workload.compute()
            else:
                self._compute_or_wait(self._until_poll(now))

    # -- sending

    def _batch_symbols(self) -> int:
        packet_bits = (wire.HEADER_BYTES + self._layout.symbol_size + self._network.overhead) * 8
        return max(1, min(self._layout.row_symbols, int(self._bucket.rate_bits * _BATCH_SECONDS / packet_bits)))

    def _send_pending(self, batch: Batch, now: float) -> None:
        sent = self._socket.send(batch, self._pending_first)
        if sent == 0:
            self._refused_since = self._refused_since or now
            if now - self._refused_since > self._limits.host:
                raise NetworkDown(f"the send queue of {self._network.interface or 'the interface'} has been full for {self._limits.host:g} s")
            self._back_off = min(_BACK_OFF_MOST, max(_BACK_OFF, 2 * self._back_off))
            self._bucket.hold(self._back_off)
            return
        self._back_off, self._refused_since = 0.0, None
        size = batch.total_bytes * sent // batch.packets + sent * self._network.overhead
        self._bucket.spend(size)
        self._link.handed_over(size, sent)
        self._position += sent
        self._pending_first += sent
        if self._pending_first == batch.packets:
            self._pending = None

    def _compute_or_wait(self, seconds: float) -> None:
        if not self._workload.compute():
            self._socket.wait(seconds)

    # -- polls

    def _drive_polls(self, now: float) -> None:
        if self._round is not None:
            outdated = self._all_sent and self._round.high < self._workload.high
            if not self._awaited or now >= self._round.deadline or outdated:
                self._close_round(self._round)
        if self._round is None and (self._position - self._position_at_poll >= self._poll_after() or self._idle_poll_due(now)):
            self._send_poll(now)

    @property
    def _all_sent(self) -> bool:
        """Nothing is left to send until somebody reports a need."""
        return self._workload.idle and self._pending is None

    def _poll_after(self) -> int:
        """Packets between two polls."""
        packet_bytes = self._layout.symbol_size + wire.HEADER_BYTES
        by_rate = self._bucket.rate_bits / 8 * _POLL_INTERVAL / packet_bytes
        per_answer = _BYTES_PER_ANSWER if self._panel.stride == 1 else _BYTES_PER_ANSWER_OF_PANEL
        return int(max(min(self._window() / 4, by_rate), len(self._panel.members) * per_answer / packet_bytes, self._layout.row_symbols))

    def _idle_poll_due(self, now: float) -> bool:
        """Nothing can be sent: ask, at once after sending and then less and less often."""
        if self._window_open() and not self._all_sent:
            return False
        return now >= self._next_idle_poll or self._position != self._position_at_poll

    def _until_poll(self, now: float) -> float:
        until = self._round.deadline if self._round is not None else self._next_idle_poll
        return min(max(0.0, until - now), session.PROGRESS_INTERVAL)

    def _send_poll(self, now: float) -> None:
        if self._position != self._position_at_poll:
            self._idle_interval = 0.005
        else:
            self._idle_interval = min(session.IDLE_POLL_INTERVAL, 2 * self._idle_interval)
        self._poll_number += 1
        rest = self._roster.of(State.ABSENT, State.ACTIVE, State.LOST)
        self._panel.choose(rest)
        everybody = self._panel.stride == 1 or self._ask_everybody()
        high = self._workload.settled(self._panel.high) if everybody and self._panel.stride > 1 else self._workload.high
        slots = self._panel.slots(rest, everybody)
        self._awaited = {peer.index for peer in self._roster.of(State.ACTIVE) if peer.index in slots}
        released = self._roster.bitmap(State.DONE, State.FAILED, State.EXCUSED)
        poll = wire.Poll(self._poll_number, high, session.SLOT_US, self._workload.secured, everybody, self._panel.stride, released)
        self._control(poll)
        if self._all_sent and self._roster.usual_loss(self._position):
            # All wait for the answers. Whoever lost the question would hold them up; who has it already does not mind.
            self._control(poll)
        self._position_at_poll = self._position
        if everybody:
            self._position_at_all = self._position
        deadline = now + len(slots) * session.SLOT_US / 1e6 + min(max(_ROUND_GRACE, 1.5 * self._round_trip), _ROUND_GRACE_MOST)
        self._round = Round(self._poll_number, high, now, deadline, self._position, slots)
        self._recent[self._poll_number] = self._round
        self._recent.pop(self._poll_number - _RECENT_ROUNDS, None)
        self._next_idle_poll = deadline + self._idle_interval

    def _ask_everybody(self) -> bool:
        """Whether to ask more than the panel: from time to time, and when the panel's needs are satisfied."""
        packet_bytes = self._layout.symbol_size + wire.HEADER_BYTES
        if self._position - self._position_at_all >= len(self._roster.members) * _BYTES_PER_ANSWER_OF_ALL / packet_bytes:
            return True
        return self._all_sent and self._panel.high >= self._workload.high

    def _close_round(self, closed: Round) -> None:
        for peer in self._roster.of(State.ACTIVE):
            if peer.index in closed.slots:
                peer.round_closed(closed.number)
        self._closed = closed.number
        self._panel.high = max(self._panel.high, closed.high)
        self._link.look_at_queue()
        few_wait = self._workload.first_pass_over and self._panel.stride == 1
        self._workload.add_repairs(self._roster.usual_loss(self._position) if few_wait else 0.0)
        self._rate.round_over(self._heard, self._clock())
        self._heard = False
        keeping_up = {peer.index for peer in self._waited_for()}
        losses = sorted(loss for index, loss in self._losses.items() if index in keeping_up)
        if losses and 2 * len(losses) > len(keeping_up):
            better_half = losses[(len(losses) - 1) // 2]
            for index, loss in self._losses.items():
                self._roster.peers[index].compare(loss, better_half)
            full, standing = self._link.sample()
            achieved = self._bucket.achieved_bits() if full else None
            if self._rate.update(better_half, self._bucket.busy_share() > _BUSY_SHARE, achieved, standing):
                for peer in self._roster.of(State.ACTIVE):
                    peer.sample_after(self._position)
            self._bucket.restart()
            self._losses.clear()
        self._rate.leave_room(self._link.most_bits(self._clock()))
        self._bucket.rate_bits = self._rate.rate_bits
        self._round = None
        self._next_idle_poll = self._clock() + self._idle_interval

    def _waited_for(self) -> list[Peer]:
        """Receivers that the window waits for: those of the panel that keep up; when none does, the one that is furthest, for somebody must hear us.

        What one has received that was not asked in the last round, for it is new in the panel, is not known.
        """
        active = self._panel.active
        return [peer for peer in active if not peer.lagging and peer.asked_at >= self._closed] or sorted(active, key=lambda peer: peer.acknowledged)[-1:]

    def _window(self) -> int:
        """Packets that may be on their way: what fits the smallest receive buffer."""
        rcvbuf = min((peer.rcvbuf or _DEFAULT_RCVBUF for peer in self._waited_for()), default=_DEFAULT_RCVBUF)
        return max(self._layout.row_symbols, rcvbuf // _QUEUED_PACKET_BYTES)

    def _window_open(self) -> bool:
        acknowledged = min((peer.acknowledged for peer in self._waited_for()), default=self._position)
        return self._position - acknowledged < max(self._window(), 3 * self._poll_after())

    # -- feedback

    def _take_feedback(self) -> None:
        for _packet in range(_FEEDBACK_AT_ONCE):
            packet = self._socket.receive()
            if packet is None:
                return
            receiver = wire.feedback_receiver(packet, self._keys.session_id)
            if receiver is None or receiver >= len(self._roster):
                continue
            parsed = wire.parse_feedback(packet, self._keys.session_id, self._feedback_keys[receiver], self._layout.row_symbols)
            peer = self._roster.peers[receiver]
            if parsed is None or parsed[0] <= peer.sequence or peer.state in (State.DONE, State.FAILED, State.EXCUSED):
                continue
            peer.sequence, message = parsed
            peer.last_heard = self._clock()
            self.report.feedback_bytes += len(packet) + self._network.overhead
            if isinstance(message, wire.Failure):
                peer.reason, peer.detail, peer.missing_bytes = message.code, message.text, message.missing_bytes
                self._leave(peer, State.FAILED)
            elif isinstance(message, wire.Ready):
                if peer.ready(message, self._layout.sections) and peer.state is State.ABSENT:
                    self._roster.move(peer, State.ACTIVE)
            else:
                self._take_status(peer, message)

    def _take_status(self, peer: Peer, message: wire.Status) -> None:
        self._workload.secured = self._workload.secured or message.polluted
        self._heard = True
        answered = self._recent.get(message.poll)
        if answered is not None:
            loss = peer.status(message, answered.position)
            if loss is not None:
                self._losses[peer.index] = loss
            if message.poll == self._poll_number:
                self._awaited.discard(peer.index)
            slot = answered.slots.get(peer.index)
            if slot is not None and not message.complete:
                # A receiver that is complete says so unasked: that would be no trip.
                trip = max(0.0, self._clock() - answered.sent_at - slot * session.SLOT_US / 1e6)
                self._round_trip += (trip - self._round_trip) / 8
            if self._serves(peer):
                self._workload.ledger.report(peer.index, message, answered.high)
        if message.complete:
            self._leave(peer, State.DONE)
        elif peer.state is not State.ACTIVE:
            self._roster.move(peer, State.ACTIVE)

    def _serves(self, peer: Peer) -> bool:
        """Whether to send what this one lacks: one that loses far more than the others waits until they are done, or its repair would hold them up."""
        return not peer.poor or all(other.poor or other.lagging for other in self._roster.of(State.ACTIVE))

    def _leave(self, peer: Peer, state: State) -> None:
        """Nobody waits for this one any more."""
        self._roster.move(peer, state)
        self._awaited.discard(peer.index)
        self._workload.ledger.leave(peer.index)

    # -- time, control, reports

    def _tick(self, now: float) -> None:
        """What is due now and then: the stop flag, silent receivers, the progress callback."""
        if self._stop:
            raise Canceled("the session was asked to stop")
        if now < self._next_progress:
            return
        self._next_progress = now + session.PROGRESS_INTERVAL
        if self._phase != "ready":
            for peer in self._roster.of(State.ACTIVE):
                if now - peer.last_heard > self._limits.host:
                    self._leave(peer, State.LOST)
            self._leave_stragglers(now)
        if self._progress:
            done = len(self._roster.of(State.DONE))
            self._progress(Progress(self._phase, self._workload.done_bytes, self._layout.size, self._bucket.rate_bits, done, len(self._roster.members)))

    def _leave_stragglers(self, now: float) -> None:
        """The last few that take much longer than all others are finished in another way: nobody else has anything from what is sent to them."""
        stragglers = self._roster.stragglers() if self._phase == "repair" else []
        if not stragglers:
            self._nearly_done_at = None
            return
        if self._nearly_done_at is None:
            self._nearly_done_at = now
        grace = max(self._limits.straggler, (self._nearly_done_at - self._started) / 2)
        if now - self._nearly_done_at > grace:
            for peer in stragglers:
                peer.reason, peer.detail = peer.hindrance(self._position), f"not complete {grace:.0f} s after nearly all others were"
                self._leave(peer, State.FAILED)

    def _enter(self, phase: str) -> None:
        self.report.phases[self._phase] = self._clock() - self._started
        self._phase = phase
        self._next_progress = 0.0

    def _control(self, message: wire.Control, length: int = 0) -> bool:
        self._sequence += 1
        packet = wire.pack_control(self._keys.session_id, self._keys.group, self._sequence, message, length)
        self.report.control_packets += 1
        size = len(packet) + self._network.overhead
        self._link.handed_over(size, 1)
        self._bucket.spend(size)
        return self._socket.send_packet(packet)

    def _finish(self, reason: str) -> None:
        for repeat in range(_FINISH_REPEATS):
            if repeat:
                time.sleep(_FINISH_GAP)
            self._control(wire.Finish(reason))

    def _conclude(self, outcome: str) -> None:
        report = self.report
        report.verdicts = {peer.name: peer.verdict(outcome, self._position) for peer in self._roster.members}
        report.outcome = session.COMPLETED if report.all_completed else outcome
        report.seconds = self._clock() - self._started
        report.link_bytes = self._link.bytes
        report.no_buffer_events = self._socket.queue_full
        report.secured = self._workload.secured
        report.segmentation_offload = self._socket.segmentation
        report.phases[self._phase] = report.seconds
