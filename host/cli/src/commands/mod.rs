//! One file per command.

pub(crate) mod approve;
pub(crate) mod audit;
pub(crate) mod book;
pub(crate) mod build;
pub(crate) mod catalogue;
pub(crate) mod channel;
pub(crate) mod check;
pub(crate) mod compile;
pub(crate) mod demo;
mod demo_files;
pub(crate) mod evidence;
pub(crate) mod follow;
pub(crate) mod from_onnx;
pub(crate) mod gate;
pub(crate) mod insight;
pub(crate) mod keys;
pub(crate) mod mask;
pub(crate) mod models;
pub(crate) mod plugin;
pub(crate) mod policy;
pub(crate) mod review;
pub(crate) mod revoke;
pub(crate) mod run;
pub(crate) mod track;
pub(crate) mod vendor;
pub(crate) mod worker;
