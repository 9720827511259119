//! One file per command.

pub(crate) mod approve;
pub(crate) mod audit;
pub(crate) mod book;
pub(crate) mod build;
pub(crate) mod catalogue;
pub(crate) mod channel;
pub(crate) mod check;
#[cfg(feature = "compiler")]
pub(crate) mod compare;
pub(crate) mod compile;
#[cfg(feature = "compiler")]
pub(crate) mod conform;
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
pub(crate) mod node;
pub(crate) mod plugin;
pub(crate) mod policy;
pub(crate) mod registry;
pub(crate) mod review;
pub(crate) mod revoke;
pub(crate) mod risk;
pub(crate) mod rollout;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod track;
pub(crate) mod vendor;
pub(crate) mod worker;
