//! Rows as lines of CSV whose numbers read back to the same bits.
//!
//! ```text
//!  id,0,1,2
//!  lamp-000,0.1,-0.0,NaN
//!  "a ""quoted"" key",1e-45,inf,NaN:0x7fa00001
//! ```
//!
//! A number has as few digits as tell it from all others of its type; a reader that takes it as that type has the same bits.
//! `NaN` is the quiet NaN without sign and payload; any other has its bits behind a colon.

use super::{Element, Table};

/// Writes the head: `id`, then the components by number.
pub fn csv_head(table: &Table, out: &mut Vec<u8>) {
    out.extend_from_slice(b"id");
    for dim in 0..table.dims {
        out.extend_from_slice(format!(",{dim}").as_bytes());
    }
    out.push(b'\n');
}

/// Writes one row.
///
/// # Panics
/// If the row's length is not a multiple of the element's size.
pub fn csv_row(element: Element, key: &str, row: &[u8], out: &mut Vec<u8>) {
    csv_text(key, out);
    for bits in row.chunks(element.size()) {
        out.push(b',');
        out.extend_from_slice(csv_number(element, bits).as_bytes());
    }
    out.push(b'\n');
}

/// Writes a text, in quotes where it needs them.
pub fn csv_text(text: &str, out: &mut Vec<u8>) {
    let quoted = text.is_empty() || text.contains([',', '"', '\n', '\r']) || text.trim() != text;
    if quoted {
        out.push(b'"');
        out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Writes one component.
///
/// # Panics
/// If there are not as many bytes as an element has.
pub fn csv_number(element: Element, bits: &[u8]) -> String {
    let value = element.to_f64(bits);
    if !value.is_nan() {
        return match element {
            Element::F64 => format!("{value:?}"),
            Element::I8 | Element::U8 => format!("{value}"),
            // Halves are f32 too, and the f32 has fewer digits than the f64.
            Element::F32 | Element::F16 | Element::Bf16 => format!("{:?}", value as f32),
        };
    }
    let plain: &[u8] = match element {
        Element::F64 => &0x7ff8_0000_0000_0000_u64.to_le_bytes(),
        Element::F32 => &0x7fc0_0000_u32.to_le_bytes(),
        Element::F16 => &0x7e00_u16.to_le_bytes(),
        Element::Bf16 => &0x7fc0_u16.to_le_bytes(),
        Element::I8 | Element::U8 => &[],
    };
    if bits == plain {
        return "NaN".to_owned();
    }
    let digits: String = bits.iter().rev().map(|b| format!("{b:02x}")).collect();
    format!("NaN:0x{digits}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a number as somebody does who knows the format from its description.
    fn read(element: Element, text: &str) -> Vec<u8> {
        if let Some(digits) = text.strip_prefix("NaN:0x") {
            let bits = u64::from_str_radix(digits, 16).unwrap();
            return bits.to_le_bytes()[..element.size()].to_vec();
        }
        match element {
            Element::F64 => text.parse::<f64>().unwrap().to_le_bytes().to_vec(),
            Element::F32 => text.parse::<f32>().unwrap().to_le_bytes().to_vec(),
            Element::F16 => half::f16::from_f32(text.parse().unwrap()).to_le_bytes().to_vec(),
            Element::Bf16 => half::bf16::from_f32(text.parse().unwrap()).to_le_bytes().to_vec(),
            Element::I8 => text.parse::<i8>().unwrap().to_le_bytes().to_vec(),
            Element::U8 => text.parse::<u8>().unwrap().to_le_bytes().to_vec(),
        }
    }

    const ALL: [Element; 6] = [Element::F64, Element::F32, Element::F16, Element::Bf16, Element::I8, Element::U8];

    #[test]
    fn every_half_and_every_byte_reads_back() {
        for element in [Element::F16, Element::Bf16] {
            for bits in 0..=u16::MAX {
                let bits = bits.to_le_bytes();
                assert_eq!(read(element, &csv_number(element, &bits)), bits, "{}", csv_number(element, &bits));
            }
        }
        for element in [Element::I8, Element::U8] {
            for bits in 0..=u8::MAX {
                assert_eq!(read(element, &csv_number(element, &[bits])), [bits]);
            }
        }
    }

    #[test]
    fn what_people_read() {
        let text = |v: f32| csv_number(Element::F32, &v.to_le_bytes());
        assert_eq!([text(0.1), text(-0.0), text(f32::NAN), text(f32::INFINITY)], ["0.1", "-0.0", "NaN", "inf"]);
        assert_eq!(text(f32::from_bits(0x7fa0_0001)), "NaN:0x7fa00001");
        let table = Table { collection: "c".to_owned(), element: Element::F32, dims: 2 };
        let mut out = Vec::new();
        csv_head(&table, &mut out);
        csv_row(Element::F32, "a \"b\", c", &[0; 8], &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "id,0,1\n\"a \"\"b\"\", c\",0.0,0.0\n");
    }

    proptest! {
        #[test]
        fn any_bits_read_back(bits in any::<[u8; 8]>(), which in 0..6_usize) {
            let element = ALL[which];
            let bits = &bits[..element.size()];
            prop_assert_eq!(read(element, &csv_number(element, bits)), bits);
        }
    }
}
