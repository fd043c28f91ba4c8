//! `sipscope interfaces`: what can be captured on.

use super::Outcome;
use super::args::{FieldsArgs, Format};
use super::output::{Output, complain};
use super::table::{self, Column, Layout, left};
use crate::source::live::{self, NetworkInterface};

pub(super) const FIELDS: &[&str] = &[
    "name",
    "description",
    "addresses",
    "mac",
    "up",
    "running",
    "loopback",
    "link_type",
];

const COLUMNS: &[Column] = &[
    left("interface", 20),
    left("state", 8),
    left("addresses", 100),
    left("description", 60),
];

/// Writes the list.
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
    let found = live::interfaces();
    table::write_with(&layout, &how, out, 1, |_, batch| {
        for interface in &found {
            let addresses = addresses(interface);
            batch.row(
                |record| {
                    record.text("name", Some(&interface.name));
                    let description = &interface.description;
                    record.text(
                        "description",
                        (!description.is_empty()).then_some(description),
                    );
                    record.texts("addresses", &addresses);
                    record.text("mac", interface.mac.as_deref());
                    record.boolean("up", interface.up);
                    record.boolean("running", interface.running);
                    record.boolean("loopback", interface.loopback);
                    record.number("link_type", interface.link_type);
                },
                || {
                    vec![
                        interface.name.clone(),
                        if interface.up { "up" } else { "down" }.to_owned(),
                        addresses.join(" "),
                        interface.description.clone(),
                    ]
                },
            );
        }
    })?;
    if args.format == Format::Table && live::program().is_none() {
        complain(&live::LiveError::NoProgram.to_string());
    }
    Ok(())
}

fn addresses(interface: &NetworkInterface) -> Vec<String> {
    let shown = |(ip, prefix): &(std::net::IpAddr, u8)| format!("{ip}/{prefix}");
    interface.addresses.iter().map(shown).collect()
}
