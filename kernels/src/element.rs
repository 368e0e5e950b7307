//! The element types of a vector.

/// The element type of every vector of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Element {
    /// IEEE 754 binary32.
    F32 = 0,
    /// IEEE 754 binary64.
    F64 = 1,
    /// IEEE 754 binary16.
    F16 = 2,
    /// The upper half of a binary32.
    Bf16 = 3,
    /// Signed byte.
    I8 = 4,
    /// Unsigned byte.
    U8 = 5,
}

impl Element {
    /// Every element type, in the order of its code.
    pub const ALL: [Element; 6] = [Element::F32, Element::F64, Element::F16, Element::Bf16, Element::I8, Element::U8];

    /// Returns the size of one element in bytes.
    pub const fn size(self) -> usize {
        match self {
            Element::F64 => 8,
            Element::F32 => 4,
            Element::F16 | Element::Bf16 => 2,
            Element::I8 | Element::U8 => 1,
        }
    }

    /// Returns the code of this type in files.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the type with the given code, if there is one.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Returns the name which the command line and files use.
    pub const fn name(self) -> &'static str {
        match self {
            Element::F32 => "f32",
            Element::F64 => "f64",
            Element::F16 => "f16",
            Element::Bf16 => "bf16",
            Element::I8 => "i8",
            Element::U8 => "u8",
        }
    }

    /// Returns the type with the given name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|e| e.name() == name)
    }

    /// Returns the value of one element as f64, which every type converts to exactly.
    ///
    /// # Panics
    /// If `bits` is not [`size`](Self::size) bytes long.
    pub fn to_f64(self, bits: &[u8]) -> f64 {
        match self {
            Element::F64 => f64::from_le_bytes(bits.try_into().expect("8 bytes")),
            Element::F32 => f64::from(f32::from_le_bytes(bits.try_into().expect("4 bytes"))),
            Element::F16 => half::f16::from_le_bytes(bits.try_into().expect("2 bytes")).to_f64(),
            Element::Bf16 => half::bf16::from_le_bytes(bits.try_into().expect("2 bytes")).to_f64(),
            Element::I8 => f64::from(i8::from_le_bytes(bits.try_into().expect("1 byte"))),
            Element::U8 => f64::from(bits[0]),
        }
    }
}
