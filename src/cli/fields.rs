//! `sipscope fields`: the fields of the filter language.

use super::Outcome;
use super::args::{FieldsArgs, Format};
use super::output::Output;
use super::table::{self, Column, Layout, left};
use crate::index::filter::FIELDS as ALL;

pub(super) const FIELDS: &[&str] = &["name", "aliases", "type", "indexed", "meaning"];

const COLUMNS: &[Column] = &[
    left("field", 24),
    left("type", 8),
    left("indexed", 8),
    left("also", 60),
    left("meaning", 100),
];

const EXPLAINED: &str = "
header.NAME (or sip.NAME, for registered headers) is any header, e.g. header.Subject; not indexed.
Of Wireshark's names for parts of headers and session descriptions these are understood too:
sip.HEADER.{display.info, uri, user, host, port, param}, sip.Via.{transport, sent-by.address, branch, …},
sip.auth.{username, realm, nonce, …}, sip.Request-Line, sip.Status-Line, sip.msg_hdr, sip.msg_body, sip.tag,
sdp.{owner, connection_info, media, time, …} and their parts, such as sdp.connection_info.address.

A comparison is `field op value`: == != < <= > >= contains matches, or `field in {a, b, 1..9}`.
A field alone asks whether it is there (a flag: whether it is set). Join with and, or, not and ( ).
Texts may stand in quotes. `matches` takes a regular expression, upper and lower case being the same.
Networks are written 10.0.0.0/8, addresses with port 192.0.2.1:5060.

  method == INVITE and not retransmission
  status >= 400 and src == 192.0.2.0/24
  from_user == \"alice\" or to_user matches \"^\\+?41\"
  sip.Method in {INVITE, BYE} && ip.addr == 10.0.0.1
  text contains \"Q.850\"
";

/// Writes the table.
pub(super) fn list(args: &FieldsArgs, out: &mut Output) -> Outcome {
    let layout = Layout {
        fields: FIELDS,
        columns: COLUMNS,
    };
    let how = table::How {
        format: args.format,
        color: args.color,
        threads: 1,
    };
    table::write_with(&layout, &how, out, 1, |_, batch| {
        for field in ALL {
            batch.row(
                |record| {
                    record.text("name", Some(field.name));
                    record.texts("aliases", field.aliases);
                    record.text("type", Some(field.kind.name()));
                    record.boolean("indexed", field.indexed);
                    record.text("meaning", Some(field.meaning));
                },
                || {
                    vec![
                        field.name.to_owned(),
                        field.kind.name().to_owned(),
                        if field.indexed { "yes" } else { "no" }.to_owned(),
                        field.aliases.join(" "),
                        field.meaning.to_owned(),
                    ]
                },
            );
        }
    })?;
    if args.format == Format::Table {
        out.write(EXPLAINED.as_bytes())?;
    }
    Ok(())
}
