use super::*;
use ModelRefusal as R;

/// A protobuf message under construction: just enough to write models that no exporter would.
#[derive(Clone, Default)]
struct Msg(Vec<u8>);

impl Msg {
    fn varint(mut value: u64, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push((value as u8 & 0x7f) | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }
    fn int(mut self, field: u64, value: u64) -> Self {
        Self::varint(field << 3, &mut self.0);
        Self::varint(value, &mut self.0);
        self
    }
    fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        Self::varint(field << 3 | 2, &mut self.0);
        Self::varint(value.len() as u64, &mut self.0);
        self.0.extend_from_slice(value);
        self
    }
    fn msg(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }
}

fn m() -> Msg {
    Msg::default()
}

fn port_of(name: &str, element: u64, dims: &[u64]) -> Msg {
    let shape = dims.iter().fold(m(), |s, d| s.msg(1, &m().int(1, *d)));
    m().bytes(1, name.as_bytes()).msg(2, &m().msg(1, &m().int(1, element).msg(2, &shape)))
}

fn weight(name: &str, dims: &[u64], values: &[f32]) -> Msg {
    let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    dims.iter().fold(m(), |t, d| t.int(1, *d)).int(2, 1).bytes(8, name.as_bytes()).bytes(9, &raw)
}

fn node_of(op: &str, inputs: &[&str], outputs: &[&str]) -> Msg {
    let n = inputs.iter().fold(m(), |n, i| n.bytes(1, i.as_bytes()));
    outputs.iter().fold(n, |n, o| n.bytes(2, o.as_bytes())).bytes(4, op.as_bytes())
}

/// y = x + w, the smallest honest model; `graph` may add to it.
fn graph() -> Msg {
    m().msg(1, &node_of("Add", &["x", "w"], &["y"]))
        .msg(5, &weight("w", &[2], &[1.0, 2.0]))
        .msg(11, &port_of("x", 1, &[2]))
        .msg(12, &port_of("y", 1, &[2]))
}

fn model(graph: &Msg) -> Vec<u8> {
    m().int(1, 8).msg(8, &m().bytes(1, b"").int(2, 13)).msg(7, graph).0
}

fn verdict(graph: &Msg) -> Result<Checked, ModelRefusal> {
    check(&model(graph), &ModelLimits::default())
}

fn with_weight(tensor: &Msg) -> Result<Checked, ModelRefusal> {
    verdict(&graph().msg(5, tensor))
}

#[test]
fn the_operator_list_is_sorted() {
    assert!(OPERATORS.is_sorted());
}

#[test]
fn sbx_20p_an_honest_model_passes() {
    let checked = verdict(&graph()).unwrap();
    assert_eq!(checked.inputs, [TensorInfo { name: "x".into(), shape: vec![2] }]);
    assert_eq!(checked.outputs, ["y"]);
    // Weights listed among the inputs, as old exporters do.
    assert!(verdict(&graph().msg(11, &port_of("w", 1, &[2]))).is_ok());
    // Values in the typed field instead of raw bytes, packed.
    let typed = m().int(1, 2).int(2, 1).bytes(8, b"v").bytes(4, &[0; 8]);
    assert!(with_weight(&typed).is_ok());
    // An empty tensor, as Resize uses.
    assert!(with_weight(&m().int(1, 0).int(2, 1).bytes(8, b"v")).is_ok());
}

#[test]
fn sbx_20n_and_pkg_12n_hostile_tensors_are_refused() {
    let cases: [(&str, Msg, R); 12] = [
        ("a header of 10^9 values over 8 bytes", weight("v", &[1_000_000_000], &[0.0; 2]), R::TensorSize),
        ("dims whose product overflows", weight("v", &[1 << 39, 1 << 39, 1 << 39], &[]), R::TensorSize),
        ("a negative dim", weight("v", &[u64::MAX], &[0.0]), R::TensorSize),
        ("fewer bytes than dims", weight("v", &[3], &[0.0; 2]), R::TensorSize),
        ("more bytes than dims", weight("v", &[1], &[0.0; 2]), R::TensorSize),
        ("NaN", weight("v", &[2], &[0.0, f32::NAN]), R::NonFiniteWeight),
        ("infinity", weight("v", &[1], &[f32::INFINITY]), R::NonFiniteWeight),
        ("external data by location", weight("v", &[1], &[0.0]).int(14, 1), R::ExternalData),
        ("external data by entry", weight("v", &[1], &[0.0]).msg(13, &m().bytes(1, b"location")), R::ExternalData),
        ("strings", m().int(1, 1).int(2, 8).bytes(8, b"v").bytes(6, b"text"), R::ElementType),
        ("raw and typed at once", weight("v", &[1], &[0.0]).bytes(4, &[0; 4]), R::Malformed),
        ("raw bytes twice", weight("v", &[1], &[0.0]).bytes(9, &[0; 4]), R::Malformed),
    ];
    for (what, tensor, reason) in cases {
        assert_eq!(with_weight(&tensor), Err(reason), "{what}");
    }
    let half = m().int(1, 1).int(2, 10).bytes(8, b"v").bytes(9, &[0x00, 0x7e]);
    assert_eq!(with_weight(&half), Err(R::NonFiniteWeight), "a 16-bit NaN");
}

#[test]
fn sbx_20n_hostile_graphs_are_refused() {
    let swap = |from: &Msg, to: &Msg| {
        let bytes = graph().0;
        let at = bytes.windows(from.0.len()).position(|w| w == from.0).unwrap();
        let mut out = bytes[..at].to_vec();
        out.extend_from_slice(&to.0);
        out.extend_from_slice(&bytes[at + from.0.len()..]);
        Msg(out)
    };
    let node = |n: &Msg| swap(&m().msg(1, &node_of("Add", &["x", "w"], &["y"])), &m().msg(1, n));
    let input = |p: &Msg| swap(&m().msg(11, &port_of("x", 1, &[2])), &m().msg(11, p));
    let open = m().bytes(1, b"x").msg(2, &m().msg(1, &m().int(1, 1).msg(2, &m().msg(1, &m().bytes(2, b"batch")))));
    let cases: [(&str, Msg, R); 14] = [
        ("a node that reads itself", node(&node_of("Add", &["x", "y"], &["y"])), R::Cycle),
        ("a tensor nobody writes", node(&node_of("Add", &["x", "ghost"], &["y"])), R::Cycle),
        ("an output nobody writes", node(&node_of("Add", &["x", "w"], &["z"])), R::Cycle),
        ("a name written twice", graph().msg(1, &node_of("Relu", &["x"], &["y"])), R::Malformed),
        ("a custom domain", node(&node_of("Add", &["x", "w"], &["y"]).bytes(7, b"com.evil")), R::CustomDomain),
        ("an unknown operator", node(&node_of("RandomNormal", &["x", "w"], &["y"])), R::Operator),
        ("a loop", node(&node_of("Loop", &["x", "w"], &["y"])), R::Unsupported),
        (
            "a graph in an attribute",
            node(&node_of("Add", &["x", "w"], &["y"]).msg(5, &m().msg(6, &m()))),
            R::Unsupported,
        ),
        ("a dynamic input", input(&open), R::DynamicInput),
        ("an input of no size", input(&port_of("x", 1, &[0])), R::DynamicInput),
        ("an integer input", input(&port_of("x", 7, &[2])), R::PortType),
        ("a giant input", input(&port_of("x", 1, &[1 << 30])), R::TensorSize),
        ("a sparse weight", graph().msg(15, &m()), R::Unsupported),
        ("no nodes", m().msg(11, &port_of("x", 1, &[2])).msg(12, &port_of("x", 1, &[2])), R::Malformed),
    ];
    for (what, graph, reason) in cases {
        assert_eq!(verdict(&graph), Err(reason), "{what}");
    }
}

#[test]
fn files_over_a_limit_or_with_two_meanings_are_refused() {
    let good = model(&graph());
    let limits = ModelLimits::default();
    let tight = ModelLimits { bytes: good.len() as u64 - 1, ..limits };
    assert_eq!(check(&good, &tight), Err(R::TooLarge));
    assert!(check(&good, &ModelLimits { bytes: good.len() as u64, ..limits }).is_ok());
    let one = ModelLimits { nodes: 1, ..limits };
    assert!(check(&good, &one).is_ok());
    let two = graph().msg(1, &node_of("Relu", &["y"], &["z"]));
    assert_eq!(check(&model(&two), &one), Err(R::TooManyParts));
    let flood = (0..100_000).fold(graph(), |g, _| g.bytes(16, b""));
    assert_eq!(check(&model(&flood), &ModelLimits { nodes: 100, ..limits }), Err(R::TooManyParts));
    let twice = m().msg(7, &graph()).msg(7, &graph()).0;
    assert_eq!(check(&twice, &limits), Err(R::Malformed));
    assert_eq!(check(b"", &limits), Err(R::Malformed));
    assert_eq!(check(b"version https://git-lfs.github.com/spec/v1\n", &limits), Err(R::Malformed));
}

#[test]
fn no_cut_or_flipped_file_upsets_the_check() {
    let good = model(&graph());
    for end in 0..good.len() {
        assert!(check(&good[..end], &ModelLimits::default()).is_err(), "cut at {end}");
    }
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            // Either answer is fine; returning at all is what is tested.
            let _ = check(&bytes, &ModelLimits::default());
        }
    }
}
