//! Rows of named values, as JSON Lines or CSV.

use crate::export::csv;
use crate::present::text;

/// How records are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Json,
    Csv,
}

/// Writes records field by field, always in the same order.
pub(super) struct Record {
    out: Vec<u8>,
    shape: Shape,
    first: bool,
}

/// Members of a list of objects, written as JSON.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Record {
    pub fn new(shape: Shape) -> Self {
        Self {
            out: Vec::new(),
            shape,
            first: true,
        }
    }

    /// What is written so far.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Makes room for this many octets.
    pub fn reserve(&mut self, octets: usize) {
        self.out.reserve(octets);
    }

    /// Ends the record.
    pub fn end(&mut self) {
        match self.shape {
            Shape::Json => self.out.extend_from_slice(b"}\n"),
            Shape::Csv => self.out.extend_from_slice(b"\r\n"),
        }
        self.first = true;
    }

    fn name(&mut self, name: &str) {
        match self.shape {
            Shape::Json => {
                self.out.push(if self.first { b'{' } else { b',' });
                self.out.push(b'"');
                self.out.extend_from_slice(name.as_bytes());
                self.out.extend_from_slice(b"\":");
            }
            Shape::Csv => {
                if !self.first {
                    self.out.push(b',');
                }
            }
        }
        self.first = false;
    }

    fn csv(&mut self, value: &str) {
        let mut field = String::with_capacity(value.len());
        csv::push_field(&mut field, &text::visible(value));
        self.out.extend_from_slice(field.as_bytes());
    }

    fn absent(&mut self) {
        if self.shape == Shape::Json {
            self.out.extend_from_slice(b"null");
        }
    }

    /// Octets as text; what is not UTF-8 becomes U+FFFD.
    pub fn bytes(&mut self, name: &str, value: Option<&[u8]>) {
        self.name(name);
        match (value, self.shape) {
            (None, _) => self.absent(),
            (Some(value), Shape::Json) => push_json_bytes(&mut self.out, value),
            (Some(value), Shape::Csv) => self.csv(&String::from_utf8_lossy(value)),
        }
    }

    /// Text.
    pub fn text(&mut self, name: &str, value: Option<&str>) {
        self.bytes(name, value.map(str::as_bytes));
    }

    /// Something that is shown as text.
    pub fn shown(&mut self, name: &str, value: Option<impl std::fmt::Display>) {
        match value {
            Some(value) => self.text(name, Some(&value.to_string())),
            None => self.text(name, None),
        }
    }

    /// A point in time.
    pub fn time(&mut self, name: &str, nanos: Option<i64>) {
        self.name(name);
        let Some(nanos) = nanos else {
            return self.absent();
        };
        let mut word = String::with_capacity(32);
        text::push_rfc3339(&mut word, nanos);
        if self.shape == Shape::Json {
            self.out.push(b'"');
            self.out.extend_from_slice(word.as_bytes());
            self.out.push(b'"');
        } else {
            self.out.extend_from_slice(word.as_bytes());
        }
    }

    /// A number.
    pub fn number(&mut self, name: &str, value: Option<impl Into<u64>>) {
        self.name(name);
        match value {
            Some(value) => push_number(&mut self.out, value.into()),
            None => self.absent(),
        }
    }

    /// A length of time, in milliseconds with as many decimals as it needs.
    pub fn millis(&mut self, name: &str, nanos: Option<i64>) {
        self.name(name);
        let Some(nanos) = nanos else {
            return self.absent();
        };
        if nanos < 0 {
            self.out.push(b'-');
        }
        let nanos = nanos.unsigned_abs();
        push_number(&mut self.out, nanos / 1_000_000);
        let rest = nanos % 1_000_000;
        if rest > 0 {
            let decimals = format!(".{rest:06}");
            self.out
                .extend_from_slice(decimals.trim_end_matches('0').as_bytes());
        }
    }

    /// True or false.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.name(name);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A list of numbers.
    pub fn numbers(&mut self, name: &str, values: impl IntoIterator<Item = u64>) {
        self.name(name);
        let (open, between, close) = self.brackets();
        self.out.extend_from_slice(open);
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.out.push(between);
            }
            push_number(&mut self.out, value);
        }
        self.out.extend_from_slice(close);
    }

    /// A list of texts.
    pub fn texts<S: AsRef<str>>(&mut self, name: &str, values: impl IntoIterator<Item = S>) {
        self.name(name);
        match self.shape {
            Shape::Json => {
                self.out.push(b'[');
                for (index, value) in values.into_iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    push_json_bytes(&mut self.out, value.as_ref().as_bytes());
                }
                self.out.push(b']');
            }
            Shape::Csv => {
                let values: Vec<String> =
                    values.into_iter().map(|v| v.as_ref().to_owned()).collect();
                self.csv(&values.join(";"));
            }
        }
    }

    /// A list of objects; in CSV each is the one text that `short` makes of it.
    pub fn objects<T>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Object<'_>, &T),
        short: impl Fn(&T) -> String,
    ) {
        self.name(name);
        match self.shape {
            Shape::Json => {
                self.out.push(b'[');
                for (index, value) in values.into_iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    self.out.push(b'{');
                    write(
                        &mut Object {
                            out: &mut self.out,
                            first: true,
                        },
                        &value,
                    );
                    self.out.push(b'}');
                }
                self.out.push(b']');
            }
            Shape::Csv => {
                let words: Vec<String> = values.into_iter().map(|v| short(&v)).collect();
                self.csv(&words.join(";"));
            }
        }
    }

    /// One object or none; in CSV the one text that `short` makes of it.
    pub fn object<T>(
        &mut self,
        name: &str,
        value: Option<&T>,
        write: impl Fn(&mut Object<'_>, &T),
        short: impl Fn(&T) -> String,
    ) {
        self.name(name);
        match (self.shape, value) {
            (Shape::Json, None) => self.out.extend_from_slice(b"null"),
            (Shape::Json, Some(value)) => {
                self.out.push(b'{');
                let mut object = Object {
                    out: &mut self.out,
                    first: true,
                };
                write(&mut object, value);
                self.out.push(b'}');
            }
            (Shape::Csv, value) => {
                let words = value.map(short).unwrap_or_default();
                self.csv(&words);
            }
        }
    }

    /// Counts by name.
    pub fn counts(&mut self, name: &str, values: impl IntoIterator<Item = (String, u64)>) {
        self.name(name);
        match self.shape {
            Shape::Json => {
                self.out.push(b'{');
                for (index, (key, count)) in values.into_iter().enumerate() {
                    if index > 0 {
                        self.out.push(b',');
                    }
                    push_json_bytes(&mut self.out, key.as_bytes());
                    self.out.push(b':');
                    push_number(&mut self.out, count);
                }
                self.out.push(b'}');
            }
            Shape::Csv => {
                let words: Vec<String> = values
                    .into_iter()
                    .map(|(k, n)| format!("{k}={n}"))
                    .collect();
                self.csv(&words.join(";"));
            }
        }
    }

    fn brackets(&self) -> (&'static [u8], u8, &'static [u8]) {
        match self.shape {
            Shape::Json => (b"[", b',', b"]"),
            Shape::Csv => (b"", b';', b""),
        }
    }
}

impl Object<'_> {
    fn name(&mut self, name: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        push_json_bytes(self.out, name.as_bytes());
        self.out.push(b':');
    }

    /// Text.
    pub fn text(&mut self, name: &str, value: Option<&str>) {
        self.name(name);
        match value {
            Some(value) => push_json_bytes(self.out, value.as_bytes()),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    /// A number.
    pub fn number(&mut self, name: &str, value: Option<impl Into<u64>>) {
        self.name(name);
        match value {
            Some(value) => push_number(self.out, value.into()),
            None => self.out.extend_from_slice(b"null"),
        }
    }

    /// A point in time.
    pub fn time(&mut self, name: &str, nanos: Option<i64>) {
        self.text(name, nanos.map(text::rfc3339).as_deref());
    }

    /// True or false.
    pub fn boolean(&mut self, name: &str, value: bool) {
        self.name(name);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A list of objects.
    pub fn objects<T>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = T>,
        write: impl Fn(&mut Object<'_>, &T),
    ) {
        self.name(name);
        self.out.push(b'[');
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.out.push(b'{');
            write(
                &mut Object {
                    out: self.out,
                    first: true,
                },
                &value,
            );
            self.out.push(b'}');
        }
        self.out.push(b']');
    }

    /// One object.
    pub fn object(&mut self, name: &str, write: impl Fn(&mut Object<'_>)) {
        self.name(name);
        self.out.push(b'{');
        write(&mut Object {
            out: self.out,
            first: true,
        });
        self.out.push(b'}');
    }

    /// A list of texts.
    pub fn texts<S: AsRef<str>>(&mut self, name: &str, values: impl IntoIterator<Item = S>) {
        self.name(name);
        self.out.push(b'[');
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            push_json_bytes(self.out, value.as_ref().as_bytes());
        }
        self.out.push(b']');
    }
}

/// Writes one object with its line end.
pub(super) fn object_line(write: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut out = vec![b'{'];
    write(&mut Object {
        out: &mut out,
        first: true,
    });
    out.extend_from_slice(b"}\n");
    out
}

fn push_number(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = value;
    loop {
        at = at.saturating_sub(1);
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + (left % 10) as u8;
        }
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// A JSON string (RFC 8259, 7). What could harm a terminal is escaped too: that is allowed.
fn push_json_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let plain = |b: &u8| matches!(b, 0x20..=0x7e) && *b != b'"' && *b != b'\\';
    if bytes.iter().all(plain) {
        out.extend_from_slice(bytes);
    } else {
        for c in String::from_utf8_lossy(bytes).chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                // All of these lie below U+10000.
                c if text::is_unsafe(c) => {
                    out.extend_from_slice(format!("\\u{:04x}", c as u32).as_bytes());
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(record: &mut Record) {
        record.number("n", Some(7_u32));
        record.bytes("t", Some(b"a \"b\"\x1b\xff,"));
        record.text("none", None);
        record.millis("ms", Some(-1_500_000));
        record.numbers("list", [1, 2]);
        record.texts("words", ["x", "y;"]);
        record.counts("counts", [("200".to_owned(), 3)]);
        record.objects("o", [5_u32], |o, v| o.number("v", Some(*v)), u32::to_string);
        record.end();
    }

    #[test]
    fn json_has_every_field_and_no_raw_control_character() {
        let mut record = Record::new(Shape::Json);
        fill(&mut record);
        assert_eq!(
            String::from_utf8_lossy(&record.take()),
            "{\"n\":7,\"t\":\"a \\\"b\\\"\\u001b\u{fffd},\",\"none\":null,\"ms\":-1.5,\
             \"list\":[1,2],\"words\":[\"x\",\"y;\"],\"counts\":{\"200\":3},\"o\":[{\"v\":5}]}\n"
        );
    }

    #[test]
    fn csv_guards_text_of_the_capture_and_leaves_numbers_alone() {
        let mut record = Record::new(Shape::Csv);
        record.bytes("t", Some(b"=cmd|x!A0"));
        record.texts("list", ["@a", "b"]);
        record.millis("ms", Some(-2_000_000));
        record.counts("counts", [("+OPTIONS".to_owned(), 1)]);
        record.end();
        assert_eq!(
            String::from_utf8_lossy(&record.take()),
            "'=cmd|x!A0,\"'@a;b\",-2,'+OPTIONS=1\r\n"
        );
    }

    #[test]
    fn csv_joins_lists() {
        let mut record = Record::new(Shape::Csv);
        fill(&mut record);
        assert_eq!(
            String::from_utf8_lossy(&record.take()),
            "7,\"a \"\"b\"\"\\x1b\u{fffd},\",,-1.5,1;2,\"x;y;\",200=3,5\r\n"
        );
    }
}
