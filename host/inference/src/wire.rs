//! The protobuf wire format, as little of it as the model check needs. Borrows everything, allocates nothing.

use crate::ModelRefusal;

/// One field's value, not yet interpreted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(crate) fn bytes(self) -> Result<&'a [u8], ModelRefusal> {
        if let Self::Bytes(bytes) = self { Ok(bytes) } else { Err(ModelRefusal::Malformed) }
    }

    pub(crate) fn varint(self) -> Result<u64, ModelRefusal> {
        if let Self::Varint(value) = self { Ok(value) } else { Err(ModelRefusal::Malformed) }
    }
}

/// The fields of one message, in file order. Ends at the first error.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) const fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], ModelRefusal> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(ModelRefusal::Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), ModelRefusal> {
        let key = take_varint(&mut self.rest)?;
        let value = match key & 7 {
            0 => Value::Varint(take_varint(&mut self.rest)?),
            1 => Value::Fixed64(u64::from_le_bytes(array(self.take(8)?)?)),
            2 => {
                let length = take_varint(&mut self.rest)?;
                Value::Bytes(self.take(usize::try_from(length).map_err(|_| ModelRefusal::Malformed)?)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(array(self.take(4)?)?)),
            // Groups are not used by ONNX, and readers disagree about them.
            _ => return Err(ModelRefusal::Malformed),
        };
        let number = key >> 3;
        if number == 0 || number > 0x1fff_ffff { Err(ModelRefusal::Malformed) } else { Ok((number, value)) }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), ModelRefusal>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], ModelRefusal> {
    bytes.try_into().map_err(|_| ModelRefusal::Malformed)
}

/// Takes one varint of at most ten bytes.
pub(crate) fn take_varint(rest: &mut &[u8]) -> Result<u64, ModelRefusal> {
    let mut value = 0_u64;
    for shift in 0..10 {
        let (&byte, tail) = rest.split_first().ok_or(ModelRefusal::Malformed)?;
        *rest = tail;
        if shift == 9 && byte > 1 {
            return Err(ModelRefusal::Malformed);
        }
        value |= u64::from(byte & 0x7f) << (shift * 7);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(ModelRefusal::Malformed)
}

/// Counts the varints packed into `bytes`.
pub(crate) fn count_varints(mut bytes: &[u8]) -> Result<usize, ModelRefusal> {
    let mut count = 0;
    while !bytes.is_empty() {
        take_varint(&mut bytes)?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(u64, Value<'_>)>, ModelRefusal> {
        Fields::of(bytes).collect()
    }

    #[test]
    fn reads_the_four_forms() {
        let bytes = [0x08, 0x96, 0x01, 0x12, 2, b'o', b'k', 0x1d, 1, 0, 0, 0, 0x21, 2, 0, 0, 0, 0, 0, 0, 0];
        let fields = read(&bytes).unwrap();
        assert_eq!(
            fields,
            [(1, Value::Varint(150)), (2, Value::Bytes(b"ok")), (3, Value::Fixed32(1)), (4, Value::Fixed64(2))]
        );
    }

    #[test]
    fn refuses_what_is_cut_off_or_undefined() {
        for bad in [
            &[0x08][..],
            &[0x08, 0x80],
            &[0x12, 3, 0, 0],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x0b],
            &[0x00, 0x00],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
        ] {
            assert_eq!(read(bad), Err(ModelRefusal::Malformed), "{bad:x?}");
        }
    }
}
