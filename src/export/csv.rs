//! Tables as comma-separated values (RFC 4180).

/// Writes one field: quoted when it has to be, quotes doubled.
pub fn push_field(out: &mut String, field: &str) {
    let plain = !field
        .bytes()
        .any(|b| matches!(b, b',' | b'"' | b'\r' | b'\n'));
    if plain && field.trim() == field {
        out.push_str(field);
        return;
    }
    out.push('"');
    for (index, part) in field.split('"').enumerate() {
        if index > 0 {
            out.push_str("\"\"");
        }
        out.push_str(part);
    }
    out.push('"');
}

/// Writes one record with its line end (CRLF, as RFC 4180 has it).
pub fn push_record<'a>(out: &mut String, fields: impl IntoIterator<Item = &'a str>) {
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_field(out, field);
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &[&str], expected: &str) {
        let mut out = String::new();
        push_record(&mut out, fields.iter().copied());
        assert_eq!(out, expected);
    }

    #[test]
    fn only_what_needs_quotes_gets_them() {
        check(&["a", "b c", ""], "a,b c,\r\n");
        check(
            &["a,b", "say \"hi\"", "x\ny", " z"],
            "\"a,b\",\"say \"\"hi\"\"\",\"x\ny\",\" z\"\r\n",
        );
    }
}
