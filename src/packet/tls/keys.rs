//! From the secrets of a connection to the keys of its records.

use super::cipher::Protection;
use super::derive::{Hash, prf};
use super::handshake::Hello;
use super::keylog::{Label, Secret, Secrets};
use super::suite::Suite;
use super::{Obstacle, TLS12};

/// What TLS 1.0 to 1.2 make their keys of.
#[derive(Default)]
pub(super) struct MasterKeys {
    /// Ciphertext of the premaster secret (RSA key exchange).
    pub exchange: Option<Vec<u8>>,
    /// ClientHello; the server's messages; those of the client up to ClientKeyExchange.
    pub transcript: [Vec<u8>; 3],
    /// Ticket that the server issued for a later resumption.
    pub ticket: Option<Vec<u8>>,
    master: Option<Secret>,
}

/// The name under which a session with this ticket is remembered.
fn ticket_name(ticket: &[u8]) -> Vec<u8> {
    let mut name = b"ticket".to_vec();
    name.extend(Hash::Sha256.of(&[ticket]));
    name
}

impl MasterKeys {
    /// Memory in use beside its own size.
    pub fn heap(&self) -> usize {
        let own = [&self.exchange, &self.ticket].into_iter().flatten();
        let octets = own.chain(&self.transcript).map(Vec::capacity);
        octets.sum::<usize>() + self.master.as_ref().map_or(0, |master| master.capacity())
    }

    /// Keys for the records of one side, from its ChangeCipherSpec on.
    pub fn protection(
        &mut self,
        (client, server): (&Hello, &Hello),
        suite: Suite,
        side: usize,
        secrets: &mut Secrets,
    ) -> Result<Protection, Obstacle> {
        let version = server.version;
        let master = self.master(client, server, suite, secrets)?;
        let len = Protection::key_block_len(suite);
        let seed = [server.random.as_slice(), client.random.as_slice()];
        let block = prf(version, suite.hash, &master, "key expansion", &seed, len);
        Protection::from_key_block(version, suite, &block, side, server.encrypt_then_mac)
            .ok_or(Obstacle::Suite)
    }

    fn master(
        &mut self,
        client: &Hello,
        server: &Hello,
        suite: Suite,
        secrets: &mut Secrets,
    ) -> Result<Secret, Obstacle> {
        let resumed = is_resumed(client, server);
        if self.master.is_none() {
            self.master = secrets.get(&client.random, Label::Master).cloned();
        }
        if self.master.is_none() && resumed {
            let known = secrets
                .session(&server.session_id)
                .or_else(|| secrets.session(&ticket_name(&client.ticket)));
            self.master = known.cloned();
        }
        if self.master.is_none() {
            self.master = self.of_premaster(client, server, suite, secrets);
        }
        let Some(master) = &self.master else {
            return Err(Obstacle::NoSecrets);
        };
        if !server.session_id.is_empty() {
            secrets.learn(server.session_id.clone(), master);
        }
        if let Some(ticket) = self.ticket.take() {
            secrets.learn(ticket_name(&ticket), master);
        }
        Ok(master.clone())
    }

    /// The master secret of a full handshake (RFC 5246, 8.1; RFC 7627, 4).
    fn of_premaster(
        &self,
        client: &Hello,
        server: &Hello,
        suite: Suite,
        secrets: &Secrets,
    ) -> Option<Secret> {
        let premaster = match secrets.get(&client.random, Label::Premaster) {
            Some(secret) => secret.clone(),
            None => secrets.premaster(self.exchange.as_ref()?)?,
        };
        let version = server.version;
        if !(client.extended_master_secret && server.extended_master_secret) {
            let seed = [client.random.as_slice(), server.random.as_slice()];
            return Some(prf(
                version,
                suite.hash,
                &premaster,
                "master secret",
                &seed,
                48,
            ));
        }
        let parts: Vec<&[u8]> = self.transcript.iter().map(Vec::as_slice).collect();
        let session_hash = if version >= TLS12 {
            suite.hash.of(&parts)
        } else {
            let mut both = Hash::Md5.of(&parts);
            both.extend(Hash::Sha1.of(&parts));
            both
        };
        let label = "extended master secret";
        Some(prf(
            version,
            suite.hash,
            &premaster,
            label,
            &[&session_hash],
            48,
        ))
    }
}

/// True when the hellos of TLS 1.0 to 1.2 agree on an earlier session: the server repeats the id that
/// the client sent (RFC 5246, 7.4.1.3; RFC 5077, 3.4).
pub(super) fn is_resumed(client: &Hello, server: &Hello) -> bool {
    !server.session_id.is_empty() && server.session_id == client.session_id
}
