//! Element types of the safetensors format.

/// Element type of a tensor on disk. Only [`Dtype::BF16`], [`Dtype::F16`] and [`Dtype::F32`] are weights to us.
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Dtype {
    BF16,
    F16,
    F32,
    F64,
    Bool,
    U8,
    I8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    C64,
    F4,
    F6E2M3,
    F6E3M2,
    F8E5M2,
    F8E4M3,
    F8E8M0,
}

/// Type, its name in the header, bits per element. Source: the safetensors crate, version 0.6.
const DTYPES: &[(Dtype, &str, usize)] = &[
    (Dtype::BF16, "BF16", 16),
    (Dtype::F16, "F16", 16),
    (Dtype::F32, "F32", 32),
    (Dtype::F64, "F64", 64),
    (Dtype::Bool, "BOOL", 8),
    (Dtype::U8, "U8", 8),
    (Dtype::I8, "I8", 8),
    (Dtype::I16, "I16", 16),
    (Dtype::U16, "U16", 16),
    (Dtype::I32, "I32", 32),
    (Dtype::U32, "U32", 32),
    (Dtype::I64, "I64", 64),
    (Dtype::U64, "U64", 64),
    (Dtype::C64, "C64", 64),
    (Dtype::F4, "F4", 4),
    (Dtype::F6E2M3, "F6_E2M3", 6),
    (Dtype::F6E3M2, "F6_E3M2", 6),
    (Dtype::F8E5M2, "F8_E5M2", 8),
    (Dtype::F8E4M3, "F8_E4M3", 8),
    (Dtype::F8E8M0, "F8_E8M0", 8),
];

impl Dtype {
    /// The type with this name in a safetensors header.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        DTYPES
            .iter()
            .find(|(_, known, _)| *known == name)
            .map(|(dtype, _, _)| *dtype)
    }

    /// Name in a safetensors header.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// Bits per element.
    #[must_use]
    pub fn bits(self) -> usize {
        self.row().2
    }

    /// Whether the forward pass reads weights of this type.
    #[must_use]
    pub fn is_weight(self) -> bool {
        matches!(self, Self::BF16 | Self::F16 | Self::F32)
    }

    /// Length in bytes of a tensor of this shape; `None` where it overflows or does not end on a whole byte.
    #[must_use]
    pub fn bytes_of(self, shape: &[usize]) -> Option<usize> {
        let elements = shape
            .iter()
            .try_fold(1_usize, |product, &size| product.checked_mul(size))?;
        let bits = elements.checked_mul(self.bits())?;
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    fn row(self) -> &'static (Self, &'static str, usize) {
        DTYPES.iter().find(|(dtype, _, _)| *dtype == self).unwrap_or(&DTYPES[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_in_the_table_once() {
        for &(dtype, name, bits) in DTYPES {
            assert_eq!(Dtype::from_name(name), Some(dtype));
            assert_eq!((dtype.name(), dtype.bits()), (name, bits));
        }
        assert_eq!(Dtype::from_name("bf16"), None);
    }

    #[test]
    fn lengths_are_checked() {
        assert_eq!(Dtype::BF16.bytes_of(&[3, 5]), Some(30));
        assert_eq!(Dtype::F32.bytes_of(&[]), Some(4));
        assert_eq!(Dtype::F32.bytes_of(&[7, 0]), Some(0));
        assert_eq!(Dtype::F4.bytes_of(&[3]), None);
        assert_eq!(Dtype::F32.bytes_of(&[usize::MAX, 2]), None);
    }
}
