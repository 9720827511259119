//! Proves that a JPEG holds the whole picture that its header claims, before a decoder is asked for pixels.
//!
//! Decoders fill in what is missing: cut a scan short, put an end marker after it, and most of them give grey or smeared
//! blocks and no error. This walk reads every Huffman code of every scan and asks that each block is there, that restart
//! markers stand where they must, that nothing is left over, and that a progressive picture is refined to the last bit.

use crate::jpeg_headers::{Component, JpegHeader, Segment};
use crate::jpeg_huffman::{Bits, Table};
use crate::refusal::{Refusal, StructureFault};

/// Walks all scans. `bytes` ends with the end marker.
pub(crate) fn verify(bytes: &[u8], header: &JpegHeader) -> Result<(), Refusal> {
    let mut state = State::new(header);
    for segment in &header.segments {
        let payload = bytes.get(segment.payload.clone()).ok_or(Refusal::Truncated)?;
        match segment.marker {
            0xC4 => state.define_tables(payload)?,
            0xDB => state.define_quantisation(payload)?,
            0xDD => state.restart_interval = interval(payload)?,
            _ => state.scan(bytes, segment, payload)?,
        }
    }
    state.check_complete()
}

fn interval(payload: &[u8]) -> Result<usize, Refusal> {
    match *payload {
        [high, low] => Ok(usize::from(u16::from_be_bytes([high, low]))),
        _ => Err(StructureFault::Restart.into()),
    }
}

/// What is known of one component while the scans go by.
struct Plane {
    component: Component,
    /// Blocks across and down that hold picture.
    blocks: (usize, usize),
    /// Blocks across and down, filled up to whole MCUs.
    padded: (usize, usize),
    /// Bit position that each coefficient is known down to; none before its first scan.
    known: [Option<u8>; 64],
    /// For progressive pictures: which coefficients of each block are not zero so far.
    nonzero: Vec<u64>,
}

struct State<'a> {
    header: &'a JpegHeader,
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    quantisation: [bool; 4],
    restart_interval: usize,
    mcus: (usize, usize),
    planes: Vec<Plane>,
}

/// The parameters of one scan.
struct Scan {
    /// Index of the plane, DC table, AC table.
    parts: Vec<(usize, usize, usize)>,
    start: usize,
    end: usize,
    high: u8,
    low: u8,
}

impl<'a> State<'a> {
    fn new(header: &'a JpegHeader) -> Self {
        let (width, height) = (usize::from(header.size.width()), usize::from(header.size.height()));
        let (grid_w, grid_h) = header.grid();
        let mcus = (width.div_ceil(usize::from(grid_w)), height.div_ceil(usize::from(grid_h)));
        let (h_max, v_max) = (usize::from(grid_w / 8), usize::from(grid_h / 8));
        let planes = header.components.iter().map(|component| {
            let (h, v) = (usize::from(component.h), usize::from(component.v));
            let blocks = ((width * h).div_ceil(h_max * 8), (height * v).div_ceil(v_max * 8));
            let padded = (mcus.0 * h, mcus.1 * v);
            let nonzero = if header.progressive { vec![0; padded.0 * padded.1] } else { Vec::new() };
            Plane { component: *component, blocks, padded, known: [None; 64], nonzero }
        });
        Self {
            header,
            dc: [const { None }; 4],
            ac: [const { None }; 4],
            quantisation: [false; 4],
            restart_interval: 0,
            mcus,
            planes: planes.collect(),
        }
    }

    fn define_tables(&mut self, mut payload: &[u8]) -> Result<(), Refusal> {
        while let [head, rest @ ..] = payload {
            let (table, rest) = Table::parse(rest).ok_or(StructureFault::Tables)?;
            let group = if head >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            if head >> 4 > 1 {
                return Err(StructureFault::Tables.into());
            }
            *group.get_mut(usize::from(head & 15)).ok_or(StructureFault::Tables)? = Some(table);
            payload = rest;
        }
        Ok(())
    }

    fn define_quantisation(&mut self, mut payload: &[u8]) -> Result<(), Refusal> {
        while let [head, rest @ ..] = payload {
            let length = match head >> 4 {
                0 => 64,
                1 => 128,
                _ => return Err(StructureFault::Tables.into()),
            };
            let values = rest.get(..length).ok_or(StructureFault::Tables)?;
            // A zero divides nothing and makes its coefficient vanish in one decoder and not in another.
            let zero = if length == 64 { values.contains(&0) } else { values.chunks_exact(2).any(|v| v == [0, 0]) };
            if zero {
                return Err(StructureFault::Tables.into());
            }
            *self.quantisation.get_mut(usize::from(head & 15)).ok_or(StructureFault::Tables)? = true;
            payload = rest.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn scan_header(&self, payload: &[u8]) -> Result<Scan, Refusal> {
        let fault = StructureFault::ScanHeader;
        let [count, rest @ ..] = payload else { return Err(fault.into()) };
        let count = usize::from(*count);
        if count == 0 || count > self.planes.len() || rest.len() != count * 2 + 3 {
            return Err(fault.into());
        }
        let mut parts = Vec::new();
        for pair in rest.get(..count * 2).unwrap_or_default().chunks_exact(2) {
            let [id, tables] = *pair else { return Err(fault.into()) };
            let plane = self.planes.iter().position(|p| p.component.id == id).ok_or(fault)?;
            // In the order of the frame header, each once.
            if parts.last().is_some_and(|(last, _, _)| *last >= plane) {
                return Err(fault.into());
            }
            let table = self.planes.get(plane).map(|p| usize::from(p.component.table)).unwrap_or(usize::MAX);
            if self.quantisation.get(table) != Some(&true) {
                return Err(StructureFault::Tables.into());
            }
            parts.push((plane, usize::from(tables >> 4), usize::from(tables & 15)));
        }
        let [start, end, bits] = *rest.get(count * 2..).unwrap_or_default() else { return Err(fault.into()) };
        let scan = Scan { parts, start: start.into(), end: end.into(), high: bits >> 4, low: bits & 15 };
        let good = if self.header.progressive {
            let band = if scan.start == 0 { scan.end == 0 } else { scan.parts.len() == 1 && scan.end >= scan.start };
            band && scan.end <= 63 && scan.low <= 13 && (scan.high == 0 || scan.high == scan.low + 1)
        } else {
            (scan.start, scan.end, scan.high, scan.low) == (0, 63, 0, 0)
        };
        if good { Ok(scan) } else { Err(fault.into()) }
    }

    /// Notes what the scan brings; each coefficient once per bit, DC before AC.
    fn note(&mut self, scan: &Scan) -> Result<(), Refusal> {
        for (plane, _, _) in &scan.parts {
            let Some(plane) = self.planes.get_mut(*plane) else { return Err(StructureFault::ScanHeader.into()) };
            if scan.start > 0 && plane.known.first() == Some(&None) {
                return Err(StructureFault::Progression.into());
            }
            for known in plane.known.iter_mut().skip(scan.start).take(scan.end + 1 - scan.start) {
                let expected = if scan.high == 0 { None } else { Some(scan.high) };
                if *known != expected {
                    return Err(StructureFault::Progression.into());
                }
                *known = Some(scan.low);
            }
        }
        Ok(())
    }

    fn check_complete(&self) -> Result<(), Refusal> {
        // A picture whose last bits never come is a picture that was cut off.
        if self.planes.iter().all(|p| p.known.iter().all(|k| *k == Some(0))) { Ok(()) } else { Err(Refusal::Truncated) }
    }

    fn scan(&mut self, bytes: &[u8], segment: &Segment, payload: &[u8]) -> Result<(), Refusal> {
        let scan = self.scan_header(payload)?;
        self.note(&scan)?;
        let entropy = bytes.get(segment.entropy.clone()).ok_or(Refusal::Truncated)?;
        let mut bits = Bits::new(entropy);
        // One component alone is not padded to whole MCUs.
        let single = match *scan.parts.as_slice() {
            [(plane, _, _)] => self.planes.get(plane).map(|p| p.blocks),
            _ => None,
        };
        let (across, down) = single.unwrap_or(self.mcus);
        let total = across * down;
        let mut eob_run = 0_u32;
        for mcu in 0..total {
            if self.restart_interval > 0 && mcu > 0 && mcu % self.restart_interval == 0 {
                if eob_run > 0 {
                    return Err(StructureFault::EntropyCode.into());
                }
                bits.restart()?;
            }
            let (x, y) = (mcu % across, mcu / across);
            for (index, dc, ac) in &scan.parts {
                let Some(plane) = self.planes.get_mut(*index) else { return Err(StructureFault::ScanHeader.into()) };
                let (dc, ac) = (self.dc.get(*dc).and_then(Option::as_ref), self.ac.get(*ac).and_then(Option::as_ref));
                let (h, v) =
                    if single.is_some() { (1, 1) } else { (plane.component.h.into(), plane.component.v.into()) };
                for block_y in y * v..y * v + v {
                    for block_x in x * h..x * h + h {
                        if self.header.progressive {
                            let at = block_y * plane.padded.0 + block_x;
                            let nonzero = plane.nonzero.get_mut(at).ok_or(StructureFault::ScanHeader)?;
                            progressive_block(&mut bits, &scan, dc, ac, nonzero, &mut eob_run)?;
                        } else {
                            baseline_block(&mut bits, dc, ac)?;
                        }
                    }
                }
            }
        }
        if eob_run > 0 {
            return Err(StructureFault::EntropyCode.into());
        }
        bits.finish()
    }
}

fn dc_difference(bits: &mut Bits<'_>, table: Option<&Table>) -> Result<(), Refusal> {
    let size = bits.code(table.ok_or(StructureFault::Tables)?)?;
    if size > 11 {
        return Err(StructureFault::EntropyCode.into());
    }
    bits.take(size).map(drop)
}

fn baseline_block(bits: &mut Bits<'_>, dc: Option<&Table>, ac: Option<&Table>) -> Result<(), Refusal> {
    dc_difference(bits, dc)?;
    let ac = ac.ok_or(StructureFault::Tables)?;
    let mut k = 1;
    while k < 64 {
        let code = bits.code(ac)?;
        let (run, size) = (usize::from(code >> 4), code & 15);
        match (run, size) {
            (0, 0) => return Ok(()),
            (15, 0) => k += 16,
            (_, 0) => return Err(StructureFault::EntropyCode.into()),
            _ => {
                k += run + 1;
                if size > 10 {
                    return Err(StructureFault::EntropyCode.into());
                }
                bits.take(size)?;
            }
        }
        if k > 64 {
            return Err(StructureFault::EntropyCode.into());
        }
    }
    Ok(())
}

fn progressive_block(
    bits: &mut Bits<'_>,
    scan: &Scan,
    dc: Option<&Table>,
    ac: Option<&Table>,
    nonzero: &mut u64,
    eob_run: &mut u32,
) -> Result<(), Refusal> {
    match (scan.start, scan.high) {
        (0, 0) => dc_difference(bits, dc),
        (0, _) => bits.take(1).map(drop),
        (_, 0) => ac_first(bits, scan, ac.ok_or(StructureFault::Tables)?, nonzero, eob_run),
        _ => ac_refine(bits, scan, ac.ok_or(StructureFault::Tables)?, nonzero, eob_run),
    }
}

/// The length of a run of blocks without further coefficients, this block included.
fn run_length(bits: &mut Bits<'_>, run: u8) -> Result<u32, Refusal> {
    Ok((1_u32 << run) + bits.take(run)?)
}

fn ac_first(bits: &mut Bits<'_>, scan: &Scan, ac: &Table, nonzero: &mut u64, eob_run: &mut u32) -> Result<(), Refusal> {
    if *eob_run > 0 {
        *eob_run -= 1;
        return Ok(());
    }
    let mut k = scan.start;
    while k <= scan.end {
        let code = bits.code(ac)?;
        let (run, size) = (code >> 4, code & 15);
        if size == 0 {
            if run < 15 {
                *eob_run = run_length(bits, run)? - 1;
                return Ok(());
            }
            k += 16;
            if k > scan.end + 1 {
                return Err(StructureFault::EntropyCode.into());
            }
            continue;
        }
        k += usize::from(run);
        if k > scan.end || size > 10 {
            return Err(StructureFault::EntropyCode.into());
        }
        bits.take(size)?;
        *nonzero |= 1 << k;
        k += 1;
    }
    Ok(())
}

fn ac_refine(
    bits: &mut Bits<'_>,
    scan: &Scan,
    ac: &Table,
    nonzero: &mut u64,
    eob_run: &mut u32,
) -> Result<(), Refusal> {
    let mut k = scan.start;
    if *eob_run == 0 {
        while k <= scan.end {
            let code = bits.code(ac)?;
            let (mut run, size) = (code >> 4, code & 15);
            if size == 0 && run < 15 {
                *eob_run = run_length(bits, run)?;
                break;
            }
            if size > 1 {
                return Err(StructureFault::EntropyCode.into());
            }
            if size == 1 {
                bits.take(1)?;
            }
            // Every coefficient that is known already gets one more bit on the way to the place of the new one.
            loop {
                if k > scan.end {
                    // A run of sixteen zeros may end with the band; a new coefficient may not lie past it.
                    if size == 1 || run > 0 {
                        return Err(StructureFault::EntropyCode.into());
                    }
                    break;
                }
                if *nonzero & (1 << k) != 0 {
                    bits.take(1)?;
                } else if run == 0 {
                    if size == 1 {
                        *nonzero |= 1 << k;
                    }
                    k += 1;
                    break;
                } else {
                    run -= 1;
                }
                k += 1;
            }
        }
    }
    if *eob_run > 0 {
        while k <= scan.end {
            if *nonzero & (1 << k) != 0 {
                bits.take(1)?;
            }
            k += 1;
        }
        *eob_run -= 1;
    }
    Ok(())
}
