//! One file per command.

pub(crate) mod approve;
pub(crate) mod build;
pub(crate) mod channel;
pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod follow;
pub(crate) mod from_onnx;
pub(crate) mod gate;
pub(crate) mod keys;
pub(crate) mod mask;
pub(crate) mod models;
pub(crate) mod plugin;
pub(crate) mod policy;
pub(crate) mod revoke;
pub(crate) mod run;
pub(crate) mod track;
pub(crate) mod vendor;
pub(crate) mod worker;
