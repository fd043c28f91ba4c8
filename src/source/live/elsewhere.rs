//! Where nobody captures on interfaces: only on Linux there is a program for it.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs::File,
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Counts, Event, LiveError, LiveSource, NetworkInterface, Options, Target};

/// There is none.
pub struct Recording(Infallible);

impl Recording {
    /// Says that there is no program.
    ///
    /// # Errors
    /// Always.
    pub fn start(_: Options, _: Target) -> Result<Self, LiveError> {
        Err(LiveError::NoProgram)
    }
}

impl LiveSource for Recording {
    fn name(&self) -> &str {
        match self.0 {}
    }

    fn next_event(&mut self, _: Duration) -> Option<Event> {
        match self.0 {}
    }

    fn counts(&self) -> Counts {
        match self.0 {}
    }

    fn path(&self) -> PathBuf {
        match self.0 {}
    }

    fn next_file(&mut self) -> Option<(PathBuf, File)> {
        match self.0 {}
    }

    fn stop(&self) {
        match self.0 {}
    }

    fn is_over(&self) -> bool {
        match self.0 {}
    }

    fn mark(&self, _: &str) {
        match self.0 {}
    }
}

/// None are known.
pub fn interfaces() -> Vec<NetworkInterface> {
    Vec::new()
}

/// None are known.
pub fn packet_counters() -> BTreeMap<String, u64> {
    BTreeMap::new()
}

/// There is none.
pub fn program() -> Option<PathBuf> {
    None
}

/// There is none.
pub fn permit_command() -> Option<String> {
    None
}

/// Lets two files change their names, in one step.
///
/// # Errors
/// Always: it is not done here.
pub fn change_places(_: &Path, _: &Path) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

/// Cannot be told.
pub fn free_bytes(_: &Path) -> Option<u64> {
    None
}

/// There is no such user.
pub fn is_root() -> bool {
    false
}

/// Says that there is no program to ask.
///
/// # Errors
/// Always.
pub fn check_filter(_: &str, _: u16) -> Result<(), LiveError> {
    Err(LiveError::NoProgram)
}

pub(in crate::source) fn widen(_: &UdpSocket, _: usize) {}

pub(in crate::source) fn udp_drops(_: SocketAddr) -> Option<u64> {
    None
}
