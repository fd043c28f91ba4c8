//! One file for each family of logs: what announces a message there, and what ends it.

mod acme;
mod arrows;
mod asterisk;
mod audiocodes;
mod avaya;
mod cisco;
mod expressway;
mod lync;
mod pjsip;
mod sipp;
mod sofia;

use super::marks::{Context, Mark};

/// A reader of announcing lines.
pub(super) type ReadMark = fn(&[u8], &mut Context) -> Option<Mark>;

/// All of them; the first that knows a line has it.
pub(super) const ALL: &[ReadMark] = &[
    lync::read,
    audiocodes::read,
    asterisk::read,
    sofia::read,
    pjsip::read,
    sipp::read,
    cisco::read,
    expressway::read,
    avaya::read,
    acme::read,
    arrows::read,
];

/// Defines patterns that are compiled once.
macro_rules! patterns {
    ($($(#[$about:meta])* $name:ident = $pattern:expr;)*) => {
        $($(#[$about])*
        static $name: std::sync::LazyLock<Option<regex::bytes::Regex>> =
            std::sync::LazyLock::new(|| $crate::source::log::marks::regex($pattern));)*

        /// True when all patterns of this file compile.
        #[cfg(test)]
        pub(super) fn check() -> bool {
            [$($name.is_some()),*].iter().all(|fine| *fine)
        }
    };
}
use patterns;

/// Matches a pattern.
fn find<'a>(
    pattern: &std::sync::LazyLock<Option<regex::bytes::Regex>>,
    line: &'a [u8],
) -> Option<regex::bytes::Captures<'a>> {
    pattern.as_ref()?.captures(line)
}

/// All patterns of all formats compile.
#[cfg(test)]
pub(super) fn check() {
    let all = [
        lync::check(),
        audiocodes::check(),
        asterisk::check(),
        sofia::check(),
        pjsip::check(),
        sipp::check(),
        cisco::check(),
        expressway::check(),
        avaya::check(),
        acme::check(),
        arrows::check(),
    ];
    assert_eq!(all, [true; 11]);
}
