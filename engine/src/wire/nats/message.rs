//! Several deltas in one message: each as `docs/delta.md` draws it, behind its length as a little-endian u32.

use crate::delta::Delta;

/// Messages are filled up to this size; one delta that is larger is alone in its message.
pub const MESSAGE_BYTES: usize = 448 << 10;

/// Packs deltas into as few messages as fit; the order is kept.
pub fn pack<'a>(deltas: impl Iterator<Item = &'a Delta>) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for delta in deltas {
        let bytes = delta.to_bytes();
        if messages.last().is_none_or(|m| m.len() + 4 + bytes.len() > MESSAGE_BYTES) {
            messages.push(Vec::new());
        }
        let message = messages.last_mut().expect("one was just added");
        message.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        message.extend_from_slice(&bytes);
    }
    messages
}

/// Reads what [`pack`] wrote.
///
/// # Errors
/// Says which delta cannot be read, and why.
pub fn unpack(mut message: &[u8]) -> Result<Vec<Delta>, String> {
    let mut deltas = Vec::new();
    while !message.is_empty() {
        let number = deltas.len();
        let cut = message
            .split_first_chunk::<4>()
            .and_then(|(len, rest)| rest.split_at_checked(u32::from_le_bytes(*len) as usize));
        let (bytes, rest) = cut.ok_or_else(|| format!("delta {number} ends behind the message"))?;
        deltas.push(Delta::from_bytes(bytes).map_err(|e| format!("delta {number}: {e}"))?);
        message = rest;
    }
    Ok(deltas)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;
    use crate::delta::{DeltaInfo, Element, Table};

    #[test]
    fn deltas_come_back_in_order_and_damage_is_noticed() {
        let table = Table { collection: "c".to_owned(), element: Element::F32, dims: 700 };
        let delta = |i: u32| {
            let row: Vec<u8> = (0..700u32).flat_map(|d| (d * i).to_le_bytes()).collect();
            Delta::new(&table, &format!("k{i}"), None, Some(&row), DeltaInfo::default()).unwrap()
        };
        let deltas: Vec<Delta> = (1..400).map(delta).collect();
        let messages = pack(deltas.iter());
        assert!(messages.len() > 2 && messages.iter().all(|m| m.len() <= MESSAGE_BYTES));
        let back: Vec<Delta> = messages.iter().flat_map(|m| unpack(m).unwrap()).collect();
        assert_eq!(back, deltas);
        let whole = &messages[0];
        for at in (0..whole.len()).step_by(9_973) {
            assert!(at == 0 || unpack(&whole[..at]).is_err());
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            assert!(unpack(&flipped).is_err());
        }
    }
}
