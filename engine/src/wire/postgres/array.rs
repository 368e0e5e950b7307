//! Arrays of numbers as the server sends them, taken over as bits: no number is looked at.

use std::error::Error;

use postgres::types::{FromSql, Type};

/// The bits of an array of one dimension, little-endian.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bits(pub Vec<u8>);

impl<'a> FromSql<'a> for Bits {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let bits = if *kind == Type::FLOAT8_ARRAY { numbers::<8>(raw) } else { numbers::<4>(raw) };
        Ok(Self(bits?))
    }

    fn accepts(kind: &Type) -> bool {
        [Type::FLOAT4_ARRAY, Type::FLOAT8_ARRAY].contains(kind)
    }
}

/// Takes over numbers of so many bytes. Before them stand the number of dimensions, whether there are nulls, and the type;
/// then the length of each dimension and where its count begins; before each number its length.
fn numbers<const SIZE: usize>(raw: &[u8]) -> Result<Vec<u8>, &'static str> {
    let cut = "the array is cut short";
    let (head, mut rest) = raw.split_at_checked(12).ok_or(cut)?;
    let word = |bytes: &[u8]| bytes.first_chunk::<4>().map_or(0, |bytes| i32::from_be_bytes(*bytes));
    let count = match word(head) {
        0 => 0,
        1 => {
            let (dimension, numbers) = rest.split_at_checked(8).ok_or(cut)?;
            rest = numbers;
            usize::try_from(word(dimension)).map_err(|_| "the array has a negative length")?
        }
        _ => return Err("the array has several dimensions"),
    };
    let mut bits = Vec::with_capacity(count.min(rest.len()) * SIZE);
    for _ in 0..count {
        let (length, after) = rest.split_at_checked(4).ok_or(cut)?;
        match usize::try_from(word(length)) {
            Err(_) => return Err("one of the numbers is NULL"),
            Ok(length) if length != SIZE => return Err("the numbers have another size"),
            Ok(_) => {}
        }
        let (number, after) = after.split_first_chunk::<SIZE>().ok_or(cut)?;
        let mut number = *number;
        number.reverse();
        bits.extend_from_slice(&number);
        rest = after;
    }
    if rest.is_empty() { Ok(bits) } else { Err("the array is longer than it says") }
}

#[cfg(test)]
mod tests {
    use postgres::types::ToSql;

    use super::*;

    fn sent<T: ToSql>(kind: &Type, value: T) -> Vec<u8> {
        let mut raw = bytes::BytesMut::new();
        value.to_sql(kind, &mut raw).expect("it can be sent");
        raw.to_vec()
    }

    #[test]
    fn bits_come_as_they_were_sent() {
        let odd = [0x7fc0_1234, 0xffc0_0001, 0x8000_0000, 1, 0x7f80_0000, 0x3f80_0000u32].map(f32::from_bits);
        let want: Vec<u8> = odd.iter().flat_map(|x| x.to_bits().to_le_bytes()).collect();
        let raw = sent(&Type::FLOAT4_ARRAY, &odd[..]);
        assert_eq!(Bits::from_sql(&Type::FLOAT4_ARRAY, &raw).expect("an array"), Bits(want));
        let wide = [f64::from_bits(0x7ff8_0000_0000_1234), -0.0, 5e-324];
        let want: Vec<u8> = wide.iter().flat_map(|x| x.to_bits().to_le_bytes()).collect();
        let sent_wide = sent(&Type::FLOAT8_ARRAY, &wide[..]);
        assert_eq!(Bits::from_sql(&Type::FLOAT8_ARRAY, &sent_wide).expect("an array"), Bits(want));
        let none: [f32; 0] = [];
        let empty = sent(&Type::FLOAT4_ARRAY, &none[..]);
        assert_eq!(Bits::from_sql(&Type::FLOAT4_ARRAY, &empty).expect("an array"), Bits(Vec::new()));
        // What is cut, longer, of another type, or holds nothing somewhere, is refused.
        for cut in 0..raw.len() {
            assert!(Bits::from_sql(&Type::FLOAT4_ARRAY, &raw[..cut]).is_err(), "{cut}");
        }
        assert!(Bits::from_sql(&Type::FLOAT4_ARRAY, &[&raw[..], &[0]].concat()).is_err());
        assert!(Bits::from_sql(&Type::FLOAT8_ARRAY, &raw).is_err());
        let hole = sent(&Type::FLOAT4_ARRAY, &[Some(1f32), None][..]);
        let said = Bits::from_sql(&Type::FLOAT4_ARRAY, &hole).expect_err("a null").to_string();
        assert!(said.contains("NULL"), "{said}");
        let mut twice = raw.clone();
        twice[3] = 2;
        assert!(Bits::from_sql(&Type::FLOAT4_ARRAY, &twice).is_err());
        let mut long = raw;
        long[12..16].copy_from_slice(&i32::MAX.to_be_bytes());
        assert!(Bits::from_sql(&Type::FLOAT4_ARRAY, &long).is_err());
    }
}
