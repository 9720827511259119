//! The host's side of the door, made from the same files as the plugin's side.
#![allow(missing_docs, unreachable_pub, reason = "generated; the documentation is in wit/vision.wit")]
#![allow(
    clippy::all,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "generated"
)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "vision-plugin",
    with: {
        "tmf:vision/frames.frame": crate::host::FrameHandle,
        "tmf:vision/models.model": crate::host::ModelHandle,
    },
    imports: { default: trappable },
});
