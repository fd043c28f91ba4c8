//! What is in the capture, counted while it is written.
//!
//! Choices where more than one reading is possible:
//!
//! - A *transaction* is counted per hop: top branch, sent-by, CSeq method, Call-ID and CSeq number. The
//!   ACK of a failure belongs to its INVITE; CANCEL and the ACK of a 2xx count on their own.
//! - A *dialog* is a Call-ID with two tags, opened by a 101–199 or 2xx with To tag to INVITE or by a 2xx to
//!   SUBSCRIBE, counted once however many hops show it. A dialog whose beginning is not in the
//!   capture (`partial` calls) counts too.
//! - A *call* is one row of `sipscope calls`: here each Call-ID is one, registrations with all their
//!   refreshes included. A transferred call is a call of its own.
//! - A *retransmission* is numbered after the first sending, not after the one before it.
//! - `ended_by` of a failed call is `caller` after CANCEL, `callee` for a final response from the
//!   called side, `network` where a proxy gave it or nobody answered.
//! - In a fork with two 2xx, the first one wins; the BYE of the other leg does not end the call.

use crate::call::{Call, NONE, Step};
use crate::wire::{Capture, Written};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;

/// One message of the list.
struct MessageTruth {
    frame: u64,
    step: Step,
    call: u32,
    retransmission_of: Option<u32>,
}

/// What `--truth-messages` adds.
#[derive(Default)]
struct Lists {
    messages: Vec<MessageTruth>,
    calls: BTreeMap<u32, Value>,
}

/// Counts of a run.
#[derive(Default)]
pub struct Truth {
    /// Messages whole in the capture.
    pub messages: u64,
    /// RTP packets.
    pub rtp_packets: u64,
    /// RTP streams (SSRC, source, destination).
    pub rtp_streams: u64,
    /// RTCP packets.
    pub rtcp_packets: u64,
    /// Keep-alives over UDP: a datagram of CRLF CRLF.
    pub udp_keep_alives: u64,
    /// Keep-alives over TCP: CRLF CRLF between messages.
    pub tcp_pings: u64,
    /// Their answers: CRLF.
    pub tcp_pongs: u64,
    /// TCP connections.
    pub tcp_connections: u64,
    requests: BTreeMap<&'static str, u64>,
    responses: BTreeMap<(&'static str, u16), u64>,
    transactions: u64,
    dialogs: u64,
    retransmissions: u64,
    calls: BTreeMap<(&'static str, &'static str), u64>,
    lists: Option<Lists>,
}

impl Truth {
    /// Counts only, or with every message and call.
    pub fn new(with_lists: bool) -> Self {
        Self {
            lists: with_lists.then(Lists::default),
            ..Self::default()
        }
    }

    /// Notes a message that is now whole, and what it means for its call.
    pub fn message(&mut self, call: &mut Call, index: u32, written: Written) {
        let step = call.steps[index as usize];
        self.messages += 1;
        call.done += 1;
        call.numbers[index as usize] = self.messages as u32;
        let repeated = step.original != NONE;
        self.retransmissions += u64::from(repeated);
        if step.status == 0 {
            *self.requests.entry(step.method).or_default() += 1;
            let own = step.method != "ACK" || !step.hop_only;
            self.transactions += u64::from(own && !repeated);
        } else {
            *self
                .responses
                .entry((step.method, step.status))
                .or_default() += 1;
        }
        if step.pos == 0 && !repeated {
            note_time(call, &step, written.time);
        }
        if let Some(lists) = &mut self.lists {
            let retransmission_of = repeated.then(|| call.numbers[step.original as usize]);
            let frame = written.frame;
            lists.messages.push(MessageTruth {
                frame,
                step,
                call: call.id,
                retransmission_of,
            });
        }
    }

    /// Notes a call that is over.
    pub fn call(&mut self, call: &Call) {
        self.dialogs += call.dialogs;
        *self.calls.entry((call.kind, call.state)).or_default() += 1;
        let Some(lists) = &mut self.lists else { return };
        let t = &call.times;
        let since = |from: Option<u64>, to: Option<u64>| match (from, to) {
            (Some(from), Some(to)) => json!(to.saturating_sub(from) as f64 / 1e6),
            _ => Value::Null,
        };
        let is_call = call.kind == "call" && call.state != "partial";
        let outcome = t.answered.or(t.failed);
        let repeats = call.steps.iter().filter(|s| s.original != NONE).count();
        let mut row = json!({
            "call_id": call.call_id, "kind": call.kind, "state": call.state,
            "ended_by": call.ended_by, "messages": call.steps.len(),
            "retransmissions": repeats, "dialogs": call.dialogs,
            "pdd_ms": null, "setup_ms": null, "total_setup_ms": null, "ring_ms": null,
            "talk_ms": null, "status": null,
        });
        if is_call {
            row["pdd_ms"] = since(t.last_invite, t.provisional.or(outcome));
            row["setup_ms"] = since(t.last_invite, t.answered);
            row["total_setup_ms"] = since(t.first_invite, t.answered);
            row["ring_ms"] = since(t.ringing, outcome);
            row["talk_ms"] = since(t.answered, t.bye);
            row["status"] = json!(t.status);
        }
        lists.calls.insert(call.id, row);
    }

    /// Writes everything as one JSON object.
    pub fn write(
        &self,
        out: &mut impl Write,
        set: &str,
        seed: u64,
        capture: &Capture,
    ) -> std::io::Result<()> {
        let totals = serde_json::to_string_pretty(&self.totals(set, seed, capture))?;
        let Some(lists) = &self.lists else {
            return writeln!(out, "{totals}");
        };
        // One line for each call and message: such files are read by people, too.
        write!(out, "{}", totals.trim_end_matches(['}', '\n']))?;
        write!(out, ",\n  \"call_list\": [")?;
        for (n, row) in lists.calls.values().enumerate() {
            write!(out, "{}\n    {row}", if n == 0 { "" } else { "," })?;
        }
        write!(out, "\n  ],\n  \"messages\": [")?;
        for (n, m) in lists.messages.iter().enumerate() {
            let step = &m.step;
            let row = json!({
                "message": n + 1, "frame": m.frame,
                "method": (step.status == 0).then_some(step.method),
                "status": (step.status != 0).then_some(step.status),
                "call_id": lists.calls.get(&m.call).map(|row| &row["call_id"]),
                "cseq": step.cseq, "cseq_method": step.method,
                "retransmission_of": m.retransmission_of,
            });
            write!(out, "{}\n    {row}", if n == 0 { "" } else { "," })?;
        }
        writeln!(out, "\n  ]\n}}")
    }

    fn totals(&self, set: &str, seed: u64, capture: &Capture) -> Value {
        let mut by_code: BTreeMap<String, u64> = BTreeMap::new();
        let mut by_method: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
        for ((method, status), count) in &self.responses {
            *by_code.entry(status.to_string()).or_default() += count;
            by_method
                .entry(method)
                .or_default()
                .insert(status.to_string(), *count);
        }
        let mut by_kind: BTreeMap<&str, u64> = BTreeMap::new();
        let mut by_state: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for ((kind, state), count) in &self.calls {
            *by_kind.entry(kind).or_default() += count;
            by_state.entry(kind).or_default().insert(state, *count);
        }
        let calls: u64 = self.calls.values().sum();
        let (first, last) = capture.span();
        let mut all = Map::new();
        let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
        put("set", json!(set));
        put("seed", json!(seed));
        put("packets", json!(capture.frames()));
        put("bytes", json!(capture.bytes()));
        put("first_nanos", json!(first));
        put("last_nanos", json!(last));
        put("sip_messages", json!(self.messages));
        put("requests", json!(self.requests));
        put("responses", json!(by_code));
        put("responses_by_method", json!(by_method));
        put("call_ids", json!(calls));
        put("transactions", json!(self.transactions));
        put("dialogs", json!(self.dialogs));
        put("calls", json!(calls));
        put("calls_by_kind", json!(by_kind));
        put("calls_by_state", json!(by_state));
        put("retransmissions", json!(self.retransmissions));
        put("copies", json!(0));
        put("rtp_packets", json!(self.rtp_packets));
        put("rtp_streams", json!(self.rtp_streams));
        put("rtcp_packets", json!(self.rtcp_packets));
        put("udp_keep_alives", json!(self.udp_keep_alives));
        put("tcp_pings", json!(self.tcp_pings));
        put("tcp_pongs", json!(self.tcp_pongs));
        put("tcp_connections", json!(self.tcp_connections));
        put("ip_fragments", json!(capture.fragments()));
        Value::Object(all)
    }
}

fn note_time(call: &mut Call, step: &Step, time: u64) {
    let t = &mut call.times;
    if step.method == "BYE" && step.status == 0 && !step.losing {
        t.bye.get_or_insert(time);
    }
    if step.method != "INVITE" || !step.initial {
        return;
    }
    match step.status {
        0 => {
            t.first_invite.get_or_insert(time);
            t.last_invite = Some(time);
            (t.provisional, t.ringing, t.failed, t.status) = (None, None, None, None);
        }
        100 => {}
        101..200 => {
            t.provisional.get_or_insert(time);
            if step.status == 180 {
                t.ringing.get_or_insert(time);
            }
        }
        200..300 => {
            t.answered.get_or_insert(time);
            t.status.get_or_insert(step.status);
        }
        _ => {
            t.failed.get_or_insert(time);
            t.status.get_or_insert(step.status);
        }
    }
}
