//! Huffman tables and the bits of a scan, for the walk that proves a JPEG whole.

use crate::refusal::{Refusal, StructureFault};

/// Bits that the fast table looks at.
const FAST: u8 = 9;

/// A Huffman table in the form of ITU-T T.81, annex C and F.
pub(crate) struct Table {
    /// For the next nine bits: symbol and length of the code, length 0 where the code is longer.
    fast: Vec<(u8, u8)>,
    /// One past the largest code of each length, left-aligned to 16 bits; index is the length.
    limit: [u32; 17],
    /// What to subtract from a code of each length to get the index of its symbol.
    offset: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// Reads one table; gives it and the rest of the segment.
    pub(crate) fn parse(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (counts, rest) = payload.split_first_chunk::<16>()?;
        let total: usize = counts.iter().map(|c| usize::from(*c)).sum();
        if total == 0 || total > 256 {
            return None;
        }
        let symbols = rest.get(..total)?.to_vec();
        let mut table = Self { fast: vec![(0, 0); 1 << FAST], limit: [0; 17], offset: [0; 17], symbols };
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, count) in (1_u8..=16).zip(counts) {
            *table.offset.get_mut(usize::from(length))? = i32::try_from(index).ok()? - i32::try_from(code).ok()?;
            for _ in 0..*count {
                // A code of ones alone is reserved, and codes must fit their length.
                if code >= (1_u32 << length) {
                    return None;
                }
                if length <= FAST {
                    let first = (code << (FAST - length)) as usize;
                    let symbol = *table.symbols.get(index)?;
                    for slot in table.fast.get_mut(first..first + (1 << (FAST - length)))? {
                        *slot = (symbol, length);
                    }
                }
                code += 1;
                index += 1;
            }
            *table.limit.get_mut(usize::from(length))? = code << (16 - length);
            code <<= 1;
        }
        Some((table, rest.get(total..)?))
    }
}

/// The bits of one scan. Never reads past a marker, and never makes up a bit.
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Bits read from the bytes and not yet taken, right-aligned.
    buffer: u64,
    held: u8,
    next_restart: u8,
}

impl<'a> Bits<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, buffer: 0, held: 0, next_restart: 0 }
    }

    fn fill(&mut self) {
        while self.held <= 48 {
            let Some(byte) = self.bytes.get(self.at) else { return };
            if *byte == 0xFF {
                if self.bytes.get(self.at + 1) != Some(&0) {
                    // A marker: the bits end here.
                    return;
                }
                self.at += 1;
            }
            self.at += 1;
            self.buffer = self.buffer << 8 | u64::from(*byte);
            self.held += 8;
        }
    }

    /// Takes up to 16 bits.
    pub(crate) fn take(&mut self, count: u8) -> Result<u32, Refusal> {
        if self.held < count {
            self.fill();
            if self.held < count {
                return Err(Refusal::Truncated);
            }
        }
        self.held -= count;
        let mask = (1_u64 << count) - 1;
        Ok((self.buffer >> self.held & mask) as u32)
    }

    /// Takes one Huffman code and gives its symbol.
    pub(crate) fn code(&mut self, table: &Table) -> Result<u8, Refusal> {
        if self.held < 16 {
            self.fill();
        }
        // Left-aligned to 16 bits; what is not there is zero and is checked against `held` below.
        let window = if self.held >= 16 {
            (self.buffer >> (self.held - 16)) as u32 & 0xFFFF
        } else {
            (self.buffer << (16 - self.held)) as u32 & 0xFFFF
        };
        let (symbol, length) = match table.fast.get((window >> (16 - FAST)) as usize) {
            Some((symbol, length)) if *length > 0 => (*symbol, *length),
            _ => Self::slow(table, window)?,
        };
        if length > self.held {
            return Err(Refusal::Truncated);
        }
        self.held -= length;
        Ok(symbol)
    }

    fn slow(table: &Table, window: u32) -> Result<(u8, u8), Refusal> {
        for length in FAST + 1..=16 {
            let at = usize::from(length);
            if table.limit.get(at).is_some_and(|limit| window < *limit) {
                let code = (window >> (16 - length)) as i32;
                let index = table.offset.get(at).and_then(|o| usize::try_from(code + o).ok());
                let symbol = index.and_then(|i| table.symbols.get(i)).ok_or(StructureFault::EntropyCode)?;
                return Ok((*symbol, length));
            }
        }
        Err(StructureFault::EntropyCode.into())
    }

    /// After the last block before a marker: less than a byte of padding may be left, and nothing else.
    fn align(&mut self) -> Result<(), Refusal> {
        self.fill();
        if self.held >= 8 {
            return Err(Refusal::DecodeWarning);
        }
        self.held = 0;
        self.buffer = 0;
        Ok(())
    }

    /// Crosses the next restart marker, which must be the next of the eight.
    pub(crate) fn restart(&mut self) -> Result<(), Refusal> {
        self.align()?;
        while self.bytes.get(self.at..self.at + 2) == Some(&[0xFF, 0xFF]) {
            self.at += 1;
        }
        match self.bytes.get(self.at..self.at + 2) {
            Some([0xFF, marker]) if *marker == 0xD0 + self.next_restart => {
                self.at += 2;
                self.next_restart = (self.next_restart + 1) % 8;
                Ok(())
            }
            Some(_) => Err(StructureFault::Restart.into()),
            None => Err(Refusal::Truncated),
        }
    }

    /// After the last block of the scan: nothing but padding and fill bytes may be left.
    pub(crate) fn finish(mut self) -> Result<(), Refusal> {
        self.align()?;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.iter().all(|b| *b == 0xFF) { Ok(()) } else { Err(Refusal::DecodeWarning) }
    }
}
