//! What a file looks like that is not a capture we read.

use std::fmt;

/// What the content of a file looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Recognised by its first octets; the words for it, with an article where one fits.
    Known(&'static str),
    /// Readable text.
    Text,
    /// Nothing but zeros, as far as was looked.
    Zeros,
    /// None of the others.
    Data,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known(words) => words,
            Self::Text => "plain text",
            Self::Zeros => "nothing but zeros",
            Self::Data => "data of an unknown kind",
        })
    }
}

/// Offset, octets, words.
const MAGICS: &[(usize, &[u8], &str)] = &[
    (0, b"\x89PNG\r\n\x1a\n", "a picture (PNG)"),
    (0, b"\xff\xd8\xff", "a picture (JPEG)"),
    (0, b"GIF8", "a picture (GIF)"),
    (0, b"II*\0", "a picture (TIFF)"),
    (0, b"MM\0*", "a picture (TIFF)"),
    (8, b"WEBP", "a picture (WebP)"),
    (8, b"WAVE", "a sound file (WAV)"),
    (0, b"OggS", "a sound file (Ogg)"),
    (0, b"ID3", "a sound file (MP3)"),
    (0, b"fLaC", "a sound file (FLAC)"),
    (4, b"ftyp", "a film (MP4)"),
    (0, b"\x1aE\xdf\xa3", "a film (Matroska)"),
    (0, b"%PDF-", "a document (PDF)"),
    (0, b"%!PS", "a document (PostScript)"),
    (0, b"{\\rtf", "a document (RTF)"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"PK\x05\x06", "a ZIP archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"!<arch>\n", "an archive (ar)"),
    (0, b"\xfd7zXZ\0", "xz data"),
    (0, b"BZh", "bzip2 data"),
    (0, b"\x1f\x8b", "gzip data"),
    (0, b"\x28\xb5\x2f\xfd", "zstd data"),
    (0, b"\x04\x22\x4d\x18", "lz4 data"),
    (0, b"\x7fELF", "a program (ELF)"),
    (0, b"MZ", "a program (Windows)"),
    (0, b"\xcf\xfa\xed\xfe", "a program (Mach-O)"),
    (0, b"\xca\xfe\xba\xbe", "a Java class or Mach-O program"),
    (0, b"\0asm", "a WebAssembly module"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"#!", "a script"),
];

/// Offset, octets, name: captures that others read.
const CAPTURES: &[(usize, &[u8], &str)] = &[
    (0, b"snoop\0\0\0", "Sun snoop"),
    (0, b"RTSS", "Microsoft NetMon 1"),
    (0, b"GMBU", "Microsoft NetMon 2"),
    (0, b"btsnoop\0", "Bluetooth btsnoop"),
    (0, b"XCP\0", "NetXRay (Windows Sniffer)"),
    (0, b"TRSNIFF data    \x1a", "DOS Sniffer"),
    (0, b"\x7fver", "OmniPeek (EtherPeek)"),
    (0, b"\x05VNF", "Visual Networks"),
    (0, b"iptrace 1.0", "AIX iptrace 1"),
    (0, b"iptrace 2.0", "AIX iptrace 2"),
    (0, b"ObserverPktBuffe", "Network Instruments Observer"),
    (0, b"\x00\x02\x12\x05", "Tektronix K12"),
    (0, b"\xaa\xaa\xaa\xaa", "Accellent 5Views"),
    (0, b"\xd4\xc3\xb2\xa0", "modified pcap of an unknown kind"),
];

/// Names the capture format of `head` if it is one that we know of and do not read.
pub(super) fn unsupported_capture(head: &[u8]) -> Option<&'static str> {
    named(CAPTURES, head).or_else(|| is_erf(head).then_some("Endace ERF"))
}

/// Says what `head`, the beginning of a file, looks like.
pub(super) fn kind_of(head: &[u8]) -> FileKind {
    if let Some(words) = named(MAGICS, head) {
        return FileKind::Known(words);
    }
    if head.iter().all(|b| *b == 0) {
        return FileKind::Zeros;
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return FileKind::Text;
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    if !is_text(text) {
        return FileKind::Data;
    }
    let text = text.trim_ascii_start();
    let begins = |with: &str| {
        text.get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()))
    };
    if begins("<!doctype html") || begins("<html") {
        FileKind::Known("a web page (HTML)")
    } else if begins("<?xml") || begins("<svg") {
        FileKind::Known("XML")
    } else {
        FileKind::Text
    }
}

/// True when `head` may be the beginning of a text with SIP in it: a log may begin with a few
/// octets of garbage, and a script or a page may hold messages too.
pub(super) fn may_be_text(head: &[u8]) -> bool {
    let binary = matches!(kind_of(head), FileKind::Known(words) if !TEXTS.contains(&words));
    if head.is_empty() || binary {
        return false;
    }
    let zeros = head.iter().filter(|b| **b == 0).count();
    let wide = zeros.saturating_mul(3) >= head.len() && zeros < head.len();
    let printable = |b: &u8| *b >= 0x20 && *b != 0x7f || matches!(b, b'\t' | b'\n' | b'\r' | 0x1b);
    let good = head.iter().filter(|b| printable(b)).count();
    wide || good.saturating_mul(10) >= head.len().saturating_mul(7)
}

/// Known kinds that are text.
const TEXTS: &[&str] = &["a web page (HTML)", "XML", "a script"];

fn named(table: &[(usize, &[u8], &'static str)], head: &[u8]) -> Option<&'static str> {
    let fits = |(at, magic, _): &&(usize, &[u8], &'static str)| {
        head.get(*at..).is_some_and(|from| from.starts_with(magic))
    };
    table.iter().find(fits).map(|(_, _, words)| *words)
}

/// UTF-8 (a character may be cut at the end) without control characters other than blanks.
fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    let plain = |b: &u8| *b >= 0x20 || matches!(b, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0x1b);
    // Old logs are often Latin-1: odd octets among plain ones still make text.
    let odd = head.iter().filter(|b| !b.is_ascii()).count();
    !head.is_empty() && head.iter().all(plain) && (valid || odd.saturating_mul(4) < head.len())
}

/// ERF has no magic number: two record headers in a row must make sense (type 1 to 48, record
/// length at least that of its header, wire length not absurd).
fn is_erf(head: &[u8]) -> bool {
    let record = |at: usize| -> Option<usize> {
        let header = head.get(at..)?.first_chunk::<16>()?;
        let [_, _, _, _, seconds @ .., kind, _flags, r1, r0, _, _, w1, w0] = header;
        let seconds = u32::from_le_bytes(*seconds);
        let length = usize::from(u16::from_be_bytes([*r1, *r0]));
        let wire = u16::from_be_bytes([*w1, *w0]);
        let sane = matches!(kind & 0x7f, 1..=48) && length >= 16 && wire > 0;
        (sane && (600_000_000..4_000_000_000).contains(&seconds)).then_some(length)
    };
    record(0).is_some_and(|next| record(next).is_some())
}
