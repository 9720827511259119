//! The check that an ONNX file passes before a backend sees a byte of it.
//!
//! It walks the protobuf itself, without building anything in proportion to what a header claims, and refuses what could make
//! a backend open a file, allocate without bound, loop, or read the file in another way than this check did. The set of
//! operators is closed: those that small vision models are made of. Operators that make large tensors out of small ones at load
//! (`ConstantOfShape`, `Expand`, `Tile`, `Range`, …), that loop, or that draw random numbers are not in it.

use std::collections::HashSet;

use crate::operators::OPERATORS;
use crate::tensor::elements;
use crate::wire::{Fields, Value, count_varints, take_varint};
use crate::{ModelRefusal, TensorInfo};

/// Bounds of a model file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelLimits {
    /// Largest file in bytes.
    pub bytes: u64,
    /// Most nodes; initializers, ports and attributes are bounded in proportion.
    pub nodes: usize,
    /// Most values in one tensor, weights and intermediate results alike.
    pub elements: usize,
}

impl Default for ModelLimits {
    /// Room for a detector of some tens of millions of weights.
    fn default() -> Self {
        Self { bytes: 64 << 20, nodes: 4000, elements: 32 << 20 }
    }
}

/// What the check learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) inputs: Vec<TensorInfo>,
    pub(crate) outputs: Vec<String>,
}

/// Checks an ONNX file.
pub(crate) fn check(bytes: &[u8], limits: &ModelLimits) -> Result<Checked, ModelRefusal> {
    if u64::try_from(bytes.len()).map_or(true, |n| n > limits.bytes) {
        return Err(ModelRefusal::TooLarge);
    }
    let mut graph = None;
    let mut others = 0_usize;
    for field in Fields::of(bytes) {
        match field? {
            (7, value) => once(&mut graph, value.bytes()?)?,
            (8, value) => operator_set(value.bytes()?)?,
            (20 | 25, _) => return Err(ModelRefusal::Unsupported),
            _ => others += 1,
        }
        bounded(others, 1000)?;
    }
    Walk::new(limits).graph(graph.ok_or(ModelRefusal::Malformed)?)
}

/// Sets a field that may occur once. Protobuf readers take the last of several, or merge them: no second meaning is allowed.
fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), ModelRefusal> {
    if slot.replace(value).is_some() { Err(ModelRefusal::Malformed) } else { Ok(()) }
}

fn bounded(count: usize, limit: usize) -> Result<(), ModelRefusal> {
    if count > limit { Err(ModelRefusal::TooManyParts) } else { Ok(()) }
}

fn text(value: Value<'_>) -> Result<&str, ModelRefusal> {
    std::str::from_utf8(value.bytes()?).map_err(|_| ModelRefusal::Malformed)
}

fn standard_domain(domain: &str) -> Result<(), ModelRefusal> {
    if matches!(domain, "" | "ai.onnx") { Ok(()) } else { Err(ModelRefusal::CustomDomain) }
}

fn operator_set(message: &[u8]) -> Result<(), ModelRefusal> {
    let mut domain = None;
    for field in Fields::of(message) {
        if let (1, value) = field? {
            once(&mut domain, text(value)?)?;
        }
    }
    standard_domain(domain.unwrap_or_default())
}

struct Walk<'a> {
    limits: &'a ModelLimits,
    /// Small parts seen so far, of any kind: bounds what a reader allocates for them.
    parts: usize,
}

impl<'a> Walk<'a> {
    const fn new(limits: &'a ModelLimits) -> Self {
        Self { limits, parts: 0 }
    }

    fn part(&mut self) -> Result<(), ModelRefusal> {
        self.parts += 1;
        bounded(self.parts, self.limits.nodes.saturating_mul(64))
    }

    fn graph(&mut self, message: &[u8]) -> Result<Checked, ModelRefusal> {
        let (mut nodes, mut initializers, mut inputs, mut outputs) = (vec![], vec![], vec![], vec![]);
        for field in Fields::of(message) {
            self.part()?;
            match field? {
                (1, value) => nodes.push(value.bytes()?),
                (5, value) => initializers.push(value.bytes()?),
                (11, value) => inputs.push(value.bytes()?),
                (12, value) => outputs.push(value.bytes()?),
                (13, value) => drop(port(value.bytes()?)?),
                (14 | 15, _) => return Err(ModelRefusal::Unsupported),
                _ => {}
            }
        }
        bounded(nodes.len(), self.limits.nodes)?;
        if nodes.is_empty() {
            return Err(ModelRefusal::Malformed);
        }

        let mut known: HashSet<&str> = HashSet::new();
        for message in initializers {
            let name = self.tensor(message)?.ok_or(ModelRefusal::Malformed)?;
            new_name(&mut known, name)?;
        }
        let weights = known.clone();
        let mut ports = vec![];
        for message in inputs {
            let (name, shape) = port(message)?;
            // Old exporters list the weights among the inputs.
            if weights.contains(name) {
                continue;
            }
            new_name(&mut known, name)?;
            ports.push(TensorInfo { name: name.to_owned(), shape: self.input_shape(shape)? });
        }
        for message in nodes {
            self.node(message, &mut known)?;
        }
        let mut names = vec![];
        for message in outputs {
            let (name, shape) = port(message)?;
            if !known.contains(name) {
                return Err(ModelRefusal::Cycle);
            }
            if shape.is_some_and(|s| s.float == Some(false)) {
                return Err(ModelRefusal::PortType);
            }
            names.push(name.to_owned());
        }
        let distinct: HashSet<&String> = names.iter().collect();
        if ports.is_empty() || names.is_empty() || distinct.len() != names.len() {
            return Err(ModelRefusal::Malformed);
        }
        bounded(ports.len(), 16)?;
        bounded(names.len(), 64)?;
        Ok(Checked { inputs: ports, outputs: names })
    }

    fn input_shape(&self, shape: Option<PortShape>) -> Result<Vec<usize>, ModelRefusal> {
        let shape = shape.ok_or(ModelRefusal::DynamicInput)?;
        if shape.float != Some(true) {
            return Err(ModelRefusal::PortType);
        }
        let dims = shape.dims.ok_or(ModelRefusal::DynamicInput)?;
        if dims.contains(&0) {
            return Err(ModelRefusal::DynamicInput);
        }
        match elements(&dims) {
            Some(n) if n <= self.limits.elements => Ok(dims),
            _ => Err(ModelRefusal::TensorSize),
        }
    }

    fn node<'m>(&mut self, message: &'m [u8], known: &mut HashSet<&'m str>) -> Result<(), ModelRefusal> {
        let (mut operator, mut domain) = (None, None);
        let mut written = vec![];
        for field in Fields::of(message) {
            self.part()?;
            match field? {
                (1, value) => {
                    let name = text(value)?;
                    if !name.is_empty() && !known.contains(name) {
                        return Err(ModelRefusal::Cycle);
                    }
                }
                (2, value) => written.push(text(value)?),
                (4, value) => once(&mut operator, text(value)?)?,
                (5, value) => self.attribute(value.bytes()?)?,
                (7, value) => once(&mut domain, text(value)?)?,
                _ => {}
            }
        }
        standard_domain(domain.unwrap_or_default())?;
        match operator.ok_or(ModelRefusal::Malformed)? {
            "If" | "Loop" | "Scan" => return Err(ModelRefusal::Unsupported),
            name if OPERATORS.binary_search(&name).is_err() => return Err(ModelRefusal::Operator),
            _ => {}
        }
        for name in written.into_iter().filter(|n| !n.is_empty()) {
            new_name(known, name)?;
        }
        Ok(())
    }

    fn attribute(&mut self, message: &[u8]) -> Result<(), ModelRefusal> {
        let mut tensor = None;
        for field in Fields::of(message) {
            match field? {
                (2, Value::Fixed32(bits)) if !f32::from_bits(bits).is_finite() => {
                    return Err(ModelRefusal::NonFiniteWeight);
                }
                (5, value) => {
                    once(&mut tensor, value.bytes()?)?;
                }
                // Graphs, sparse tensors, types, references to function attributes, lists of tensors.
                (6 | 10 | 11 | 14 | 15 | 21 | 22 | 23, _) => return Err(ModelRefusal::Unsupported),
                (7, Value::Bytes(packed)) => finite_f32(packed)?,
                (7, Value::Fixed32(bits)) if !f32::from_bits(bits).is_finite() => {
                    return Err(ModelRefusal::NonFiniteWeight);
                }
                (9, _) => self.part()?,
                _ => {}
            }
        }
        tensor.map_or(Ok(()), |message| self.tensor(message).map(drop))
    }

    /// Checks a tensor and gives its name.
    fn tensor<'m>(&mut self, message: &'m [u8]) -> Result<Option<&'m str>, ModelRefusal> {
        let (mut name, mut kind, mut raw, mut location) = (None, None, None, None);
        let mut dims: Vec<usize> = vec![];
        // Values found in the typed field of each number, and whether that field occurred.
        let mut typed: Option<(u64, usize)> = None;
        let mut count = |number: u64, more: usize| match &mut typed {
            Some((field, total)) if *field == number => {
                *total = total.saturating_add(more);
                Ok(())
            }
            Some(_) => Err(ModelRefusal::Malformed),
            slot => {
                *slot = Some((number, more));
                Ok(())
            }
        };
        for field in Fields::of(message) {
            match field? {
                (1, Value::Varint(dim)) => dims.push(dimension(dim)?),
                (1, Value::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        dims.push(dimension(take_varint(&mut packed)?)?);
                        bounded(dims.len(), 16)?;
                    }
                }
                (2, value) => once(&mut kind, value.varint()?)?,
                (3, _) => return Err(ModelRefusal::Unsupported),
                (4, Value::Bytes(packed)) => {
                    finite_f32(packed)?;
                    count(4, packed.len() / 4)?;
                }
                (4, Value::Fixed32(bits)) => {
                    finite_f32(&bits.to_le_bytes())?;
                    count(4, 1)?;
                }
                (10, Value::Bytes(packed)) => {
                    finite_f64(packed)?;
                    count(10, packed.len() / 8)?;
                }
                (10, Value::Fixed64(bits)) => {
                    finite_f64(&bits.to_le_bytes())?;
                    count(10, 1)?;
                }
                (number @ (5 | 7 | 11), Value::Bytes(packed)) => count(number, count_varints(packed)?)?,
                (number @ (5 | 7 | 11), Value::Varint(_)) => count(number, 1)?,
                (6, _) => return Err(ModelRefusal::ElementType),
                (8, value) => once(&mut name, text(value)?)?,
                (9, value) => once(&mut raw, value.bytes()?)?,
                (13, _) => return Err(ModelRefusal::ExternalData),
                (14, value) => once(&mut location, value.varint()?)?,
                (1 | 4 | 5 | 7 | 10 | 11, _) => return Err(ModelRefusal::Malformed),
                _ => self.part()?,
            }
            bounded(dims.len(), 16)?;
        }
        if location.unwrap_or(0) != 0 {
            return Err(ModelRefusal::ExternalData);
        }
        let (width, field) = element_type(kind.ok_or(ModelRefusal::Malformed)?)?;
        let values = elements(&dims).filter(|n| *n <= self.limits.elements).ok_or(ModelRefusal::TensorSize)?;
        let present = match (raw, typed) {
            (Some(_), Some(_)) => return Err(ModelRefusal::Malformed),
            (Some(raw), None) => {
                match kind {
                    Some(1) => finite_f32(raw)?,
                    Some(10) => finite_f16(raw)?,
                    Some(11) => finite_f64(raw)?,
                    _ => {}
                }
                if raw.len() % width != 0 {
                    return Err(ModelRefusal::TensorSize);
                }
                raw.len() / width
            }
            (None, Some((number, _))) if number != field => return Err(ModelRefusal::Malformed),
            (None, Some((_, count))) => count,
            (None, None) => 0,
        };
        if present == values { Ok(name) } else { Err(ModelRefusal::TensorSize) }
    }
}

fn new_name<'m>(known: &mut HashSet<&'m str>, name: &'m str) -> Result<(), ModelRefusal> {
    // A name written twice is where a cycle would hide, and where two readers would differ.
    if !name.is_empty() && known.insert(name) { Ok(()) } else { Err(ModelRefusal::Malformed) }
}

fn dimension(raw: u64) -> Result<usize, ModelRefusal> {
    // Negative numbers are very large ones here.
    usize::try_from(raw).ok().filter(|d| *d <= 1 << 40).ok_or(ModelRefusal::TensorSize)
}

/// Width in raw bytes, and the number of the field that holds the values otherwise.
fn element_type(kind: u64) -> Result<(usize, u64), ModelRefusal> {
    Ok(match kind {
        1 => (4, 4),
        2 | 3 | 9 => (1, 5),
        4 | 5 | 10 => (2, 5),
        6 => (4, 5),
        7 => (8, 7),
        11 => (8, 10),
        12 => (4, 11),
        13 => (8, 11),
        _ => return Err(ModelRefusal::ElementType),
    })
}

fn whole<const N: usize>(bytes: &[u8], finite: impl Fn([u8; N]) -> bool) -> Result<(), ModelRefusal> {
    let (values, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        return Err(ModelRefusal::TensorSize);
    }
    if values.iter().all(|v| finite(*v)) { Ok(()) } else { Err(ModelRefusal::NonFiniteWeight) }
}

fn finite_f32(bytes: &[u8]) -> Result<(), ModelRefusal> {
    whole(bytes, |v| f32::from_le_bytes(v).is_finite())
}

fn finite_f64(bytes: &[u8]) -> Result<(), ModelRefusal> {
    whole(bytes, |v| f64::from_le_bytes(v).is_finite())
}

fn finite_f16(bytes: &[u8]) -> Result<(), ModelRefusal> {
    whole(bytes, |v| u16::from_le_bytes(v) & 0x7c00 != 0x7c00)
}

/// What a port declares: `float` is unknown where the element type is missing, `dims` where a dimension is not a number.
struct PortShape {
    float: Option<bool>,
    dims: Option<Vec<usize>>,
}

/// Name and declared type of a graph's input, output or intermediate value.
fn port(message: &[u8]) -> Result<(&str, Option<PortShape>), ModelRefusal> {
    let (mut name, mut kind) = (None, None);
    for field in Fields::of(message) {
        match field? {
            (1, value) => once(&mut name, text(value)?)?,
            (2, value) => once(&mut kind, value.bytes()?)?,
            _ => {}
        }
    }
    let name = name.filter(|n| !n.is_empty()).ok_or(ModelRefusal::Malformed)?;
    let Some(kind) = kind else { return Ok((name, None)) };
    let mut tensor = None;
    for field in Fields::of(kind) {
        match field? {
            (1, value) => once(&mut tensor, value.bytes()?)?,
            (6, _) => {}
            // Sequences, maps, optional and sparse types, which also nest.
            _ => return Err(ModelRefusal::PortType),
        }
    }
    let Some(tensor) = tensor else { return Ok((name, None)) };
    let (mut element, mut shape) = (None, None);
    for field in Fields::of(tensor) {
        match field? {
            (1, value) => once(&mut element, value.varint()?)?,
            (2, value) => once(&mut shape, value.bytes()?)?,
            _ => {}
        }
    }
    let dims = shape.map(dimensions).transpose()?.flatten();
    Ok((name, Some(PortShape { float: element.map(|e| e == 1), dims })))
}

fn dimensions(shape: &[u8]) -> Result<Option<Vec<usize>>, ModelRefusal> {
    let mut dims = vec![];
    let mut fixed = true;
    for field in Fields::of(shape) {
        let (1, value) = field? else { return Err(ModelRefusal::Malformed) };
        let mut size = None;
        for field in Fields::of(value.bytes()?) {
            match field? {
                (1, value) => once(&mut size, dimension(value.varint()?)?)?,
                (2, _) => fixed = false,
                _ => {}
            }
        }
        match size {
            Some(size) => dims.push(size),
            None => fixed = false,
        }
        bounded(dims.len(), 16)?;
    }
    Ok(fixed.then_some(dims))
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
