//! What the TPM writes: numbers with the highest byte first, and buffers behind their length (TPM 2.0 Library, Part 2).

/// Reads what is left of hostile bytes; `None` where they end too early.
pub struct Wire<'a>(pub &'a [u8]);

impl<'a> Wire<'a> {
    pub fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A `TPM2B`.
    pub fn sized(&mut self) -> Option<&'a [u8]> {
        let size = self.u16()?;
        self.take(usize::from(size))
    }
}

/// DER, as far as public keys need it.
pub struct Der<'a>(pub &'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, which must be of this kind.
    pub fn element(&mut self, kind: u8) -> Option<&'a [u8]> {
        let mut wire = Wire(self.0);
        if wire.u8()? != kind {
            return None;
        }
        let size = match wire.u8()? {
            short @ 0..=0x7f => usize::from(short),
            0x81 => usize::from(wire.u8()?),
            0x82 => usize::from(wire.u16()?),
            _ => return None,
        };
        let content = wire.take(size)?;
        self.0 = wire.0;
        Some(content)
    }
}
