//! Tables as comma-separated values (RFC 4180).

/// True for a character with which a spreadsheet begins to calculate, also in the wide forms of East
/// Asian input, or which it drops before it looks.
fn begins_formula(c: char) -> bool {
    matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n')
        || matches!(c, '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}')
}

/// Writes one field of text: quoted when it has to be, quotes doubled.
///
/// Text of a capture may have been made for a spreadsheet to carry it out: what looks like a formula
/// gets a `'` in front, which makes it text. Numbers of our own are written without this function.
/// Fields with `;` are quoted too: some spreadsheets part cells there.
pub fn push_field(out: &mut String, field: &str) {
    let guard = if field.starts_with(begins_formula) {
        "'"
    } else {
        ""
    };
    let plain = !field
        .bytes()
        .any(|b| matches!(b, b',' | b';' | b'"' | b'\r' | b'\n'));
    if plain && field.trim() == field {
        out.push_str(guard);
        out.push_str(field);
        return;
    }
    out.push('"');
    out.push_str(guard);
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
    #[test]
    fn what_a_spreadsheet_would_calculate_is_text() {
        check(
            &["=1+1", "+41", "-1", "@a", "a=1", "'=1", "\u{ff1d}1"],
            "'=1+1,'+41,'-1,'@a,a=1,'=1,'\u{ff1d}1\r\n",
        );
        check(
            &["=HYPERLINK(\"x\",1)", "\t=1", "\r\n=1", "a;=1"],
            "\"'=HYPERLINK(\"\"x\"\",1)\",\"'\t=1\",\"'\r\n=1\",\"a;=1\"\r\n",
        );
    }

    proptest::proptest! {
        /// Read back as RFC 4180 has it there is one cell, it begins no formula, and nothing is lost.
        #[test]
        fn no_cell_begins_a_formula(text in "[=+@\\-\t\r\n,;\"' a-c]{0,12}") {
            let mut out = String::new();
            push_field(&mut out, &text);
            let cell = match out.strip_prefix('"').and_then(|o| o.strip_suffix('"')) {
                Some(inner) => {
                    proptest::prop_assert!(!inner.replace("\"\"", "").contains('"'));
                    inner.replace("\"\"", "\"")
                }
                None => {
                    proptest::prop_assert!(!out.contains([',', ';', '"', '\r', '\n']));
                    out.clone()
                }
            };
            proptest::prop_assert!(!cell.starts_with(begins_formula));
            let guarded = text.starts_with(begins_formula);
            let kept = if guarded { cell.get(1..).unwrap_or_default() } else { &cell };
            proptest::prop_assert_eq!(kept, text);
        }
    }
}
