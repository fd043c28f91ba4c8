//! Tells retransmissions from copies.
//!
//! A *retransmission* was sent again: same hop, start line, Call-ID, CSeq, tags, branch and RSeq
//! (RFC 3261, 17). A *copy* was captured again: the same packet (mirror port, `any`, bridge), or the
//! same octets on other addresses (both sides of a NAT). The IPv4 identification tells the first
//! two apart: a mirrored packet has it unchanged, a new transmission has a new one.

use super::ids::MessageId;

/// Capture time within which the same IPv4 identification means the same packet; shorter than T1,
/// for there are devices that use one identification for all their packets.
const SAME_PACKET_NANOS: i64 = 400_000_000;
/// Without identification: a copy comes at once, while the shortest timer of SIP (T1, RFC 3261,
/// 17.1.1.1) is ten times as long.
const AT_ONCE_NANOS: i64 = 50_000_000;
/// How far apart the clocks of two capture points, or the two sides of a NAT, may be.
const OTHER_SIDE_NANOS: i64 = 2_000_000_000;

/// One sending of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sending {
    pub id: MessageId,
    /// Hash of the addresses; over TCP without ports, for a connection may be opened anew.
    pub hop: u64,
    pub time: i64,
    pub octets: u64,
    pub ip_id: u16,
    /// The input that it came from.
    pub file: u16,
    pub reliable: bool,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hop: u64,
    /// The first sending that is no copy.
    first: MessageId,
    /// The newest sending that is no copy on the same addresses.
    last: MessageId,
    time: i64,
    octets: u64,
    ip_id: u16,
    file: u16,
    /// The sending on the first flow that this one was paired with last.
    paired: Option<MessageId>,
}

impl Slot {
    fn new(s: Sending, paired: Option<MessageId>) -> Self {
        Self {
            hop: s.hop,
            first: s.id,
            last: s.id,
            time: s.time,
            octets: s.octets,
            ip_id: s.ip_id,
            file: s.file,
            paired,
        }
    }
}

/// All sendings of one message (same transaction, same signature).
#[derive(Clone, Debug)]
pub(super) struct Sendings {
    main: Slot,
    others: Vec<Slot>,
}

/// What a new sending is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing like it was seen on these addresses.
    New,
    /// The sender sent it again; the first sending, and the one before this.
    Again(MessageId, MessageId),
    /// The same packet.
    Copy(MessageId),
    /// The same message on the other side of an address translation.
    OtherSide(MessageId),
}

/// Flows remembered for one message beside the first.
const MAX_FLOWS: usize = 16;

impl Sendings {
    pub fn new(sending: Sending) -> Self {
        Self {
            main: Slot::new(sending, None),
            others: Vec::new(),
        }
    }

    /// The newest sending that is no copy.
    pub fn newest(&self) -> MessageId {
        let others = self.others.iter().map(|slot| slot.last);
        others.fold(self.main.last, MessageId::max)
    }

    pub fn add(&mut self, s: Sending) -> Kind {
        let main = self.main;
        let slot = if main.hop == s.hop {
            Some(&mut self.main)
        } else {
            self.others.iter_mut().find(|o| o.hop == s.hop)
        };
        // Same octets, other addresses, about the same time: unless that pair is complete already.
        let gap = s.time.saturating_sub(main.time).saturating_abs();
        let other_side = main.hop != s.hop && main.octets == s.octets && gap <= OTHER_SIDE_NANOS;
        let Some(slot) = slot else {
            if self.others.len() < MAX_FLOWS {
                self.others
                    .push(Slot::new(s, other_side.then_some(main.last)));
            }
            return if other_side {
                Kind::OtherSide(main.last)
            } else {
                Kind::New
            };
        };
        let since = s.time.saturating_sub(slot.time).saturating_abs();
        let same_octets = slot.octets == s.octets;
        let same_packet = match (slot.ip_id, s.ip_id) {
            // TCP takes repeated octets away before they come here.
            _ if s.reliable => false,
            (0, 0) => since < AT_ONCE_NANOS,
            // Two recorders: their clocks may differ by any time.
            (a, b) if slot.file != s.file => a == b,
            (a, b) => a == b && since < SAME_PACKET_NANOS,
        };
        if same_octets && same_packet {
            return Kind::Copy(slot.last);
        }
        let (first, before) = (slot.first, slot.last);
        slot.last = s.id;
        slot.time = s.time;
        (slot.ip_id, slot.file) = (s.ip_id, s.file);
        slot.octets = s.octets;
        if other_side && slot.paired != Some(main.last) {
            slot.paired = Some(main.last);
            return Kind::OtherSide(main.last);
        }
        Kind::Again(first, before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn at(id: usize, flow: usize, ms: i64, ip_id: u16) -> Sending {
        Sending {
            id: MessageId::at(id),
            hop: flow as u64,
            time: ms * MS,
            octets: 1,
            ip_id,
            file: 0,
            reliable: false,
        }
    }

    fn kinds(list: &[Sending]) -> Vec<Kind> {
        let mut all = Sendings::new(list[0]);
        list[1..].iter().map(|s| all.add(*s)).collect()
    }

    #[test]
    fn a_mirrored_packet_is_a_copy_and_a_timer_gives_a_retransmission() {
        let m = MessageId::at;
        let list = [
            at(0, 0, 0, 7),
            at(1, 0, 1, 7),
            at(2, 0, 500, 8),
            at(3, 0, 501, 8),
        ];
        assert_eq!(
            kinds(&list),
            [Kind::Copy(m(0)), Kind::Again(m(0), m(0)), Kind::Copy(m(2))]
        );
    }

    #[test]
    fn without_identification_time_decides() {
        let list = [at(0, 0, 0, 0), at(1, 0, 3, 0), at(2, 0, 500, 0)];
        assert_eq!(
            kinds(&list),
            [
                Kind::Copy(MessageId::at(0)),
                Kind::Again(MessageId::at(0), MessageId::at(0))
            ]
        );
    }

    #[test]
    fn both_sides_of_a_nat_pair_up_also_when_sent_again() {
        let m = MessageId::at;
        let list = [
            at(0, 0, 0, 1),
            at(1, 1, 1, 1),
            at(2, 0, 500, 2),
            at(3, 1, 501, 2),
        ];
        assert_eq!(
            kinds(&list),
            [
                Kind::OtherSide(m(0)),
                Kind::Again(m(0), m(0)),
                Kind::OtherSide(m(2))
            ]
        );
    }

    #[test]
    fn the_far_side_may_be_sent_again_alone() {
        let m = MessageId::at;
        let list = [at(0, 0, 0, 1), at(1, 1, 1, 1), at(2, 1, 501, 2)];
        assert_eq!(
            kinds(&list),
            [Kind::OtherSide(m(0)), Kind::Again(m(1), m(1))]
        );
    }
}
